/*
 * The table of a worker's pools beside the HTTP floor's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/pools.h"
#include "server/worker.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct pool_basis pool_basis_of(const struct settings *s)
{
    const weir_config *c = &s->config;
    return (struct pool_basis){
        .settings = &s->http,
        .host = &web_host,
        .limited = c->memory_limit > 0 || admission_bounds_any(&s->http.bounds),
        .listened = c->log_level >= WEIR_LOG_DEBUG,
        .records = (uint32_t)c->request_records,
        .buffers = (uint32_t)c->http_buffers,
        .arenas = (uint32_t)c->request_memory_blocks,
        .connections = (uint32_t)c->connection_records,
        .files = c->open_files < 0 ? 0 : (uint32_t)c->open_files,
        .message_size = c->ws_buffer_size,
    };
}

static size_t message_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return b->message_size;
}

static size_t connection_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return net_record_size();
}

static size_t file_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return b->files > 0 ? sizeof(struct kept_file) : 0;
}

static size_t handle_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return sizeof(struct file);
}

#define POOL(member)    .pool = offsetof(struct worker, member), .count = 1
#define ACCOUNT(member) .account = offsetof(struct worker, member)
#define MADE(member)    .made = offsetof(struct pool_basis, member)

static const struct pool_kind kinds[] = {
    {"websocket buffers", POOL(messages), ACCOUNT(message_account), .object_size = message_size, .align = 64,
     MADE(buffers)},
    /* Trimmed by its owner, with the records of other sizes that transports may ask for. */
    {"connections", POOL(net.connections), ACCOUNT(net.account), .start = POOL_BY_OWNER, .object_size = connection_size,
     .align = 8, .holder = POOL_CONNECTION, .held = 1, MADE(connections), .kept = true},
    {"open files", POOL(web.files.files), ACCOUNT(web.files.account), .start = POOL_BY_OWNER, .object_size = file_size,
     .slab_size = FILE_CACHE_SLAB, .align = 8},
    {"file handles", POOL(web.files.handles), ACCOUNT(web.files.handle_account), .start = POOL_BY_OWNER,
     .object_size = handle_size, .slab_size = FILE_HANDLE_SLAB, .align = 8, .holder = POOL_REPLY, .held = 1,
     .extra = offsetof(struct pool_basis, files)},
};

const struct pool_table worker_pools = {kinds, COUNT(kinds)};
