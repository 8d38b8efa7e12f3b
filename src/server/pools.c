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
    struct pool_basis basis = {
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
    (void)net_record_sizes(s->listeners, s->listener_count, basis.connection_sizes); /* the start finds too many */
    return basis;
}

static size_t message_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return b->message_size;
}

static size_t connection_size(const struct pool_basis *b, uint32_t i)
{
    return b->connection_sizes[i];
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

/* Of compressors; the plan knows them by their bound. */
static size_t context_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return 0;
}

static size_t live_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return live_stream_size();
}

static size_t work_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return live_work_size();
}

static size_t line_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return live_line_size();
}

static size_t further_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return live_further_size();
}

#define POOL(member)    .pool = offsetof(struct worker, member), .count = 1
#define ACCOUNT(member) .account = offsetof(struct worker, member)
#define MADE(member)    .made = offsetof(struct pool_basis, member)

static const struct pool_kind kinds[] = {
    {"websocket buffers", POOL(messages), ACCOUNT(message_account), .object_size = message_size, .align = 64,
     MADE(buffers)},
    /* Of each size that a listener's transport asks for; trimmed by their owner. */
    {"connections", .pool = offsetof(struct worker, net.records), .count = RECORD_SIZES_MAX, ACCOUNT(net.account),
     .start = POOL_BY_OWNER, .object_size = connection_size, .align = 8, .holder = POOL_CONNECTION, .held = 1,
     MADE(connections), .kept = true},
    {"open files", POOL(web.files.files), ACCOUNT(web.files.account), .start = POOL_BY_OWNER, .object_size = file_size,
     .slab_size = FILE_CACHE_SLAB, .align = 8},
    {"file handles", POOL(web.files.handles), ACCOUNT(web.files.handle_account), .start = POOL_BY_OWNER,
     .object_size = handle_size, .slab_size = FILE_HANDLE_SLAB, .align = 8, .holder = POOL_REPLY, .held = 1,
     .extra = offsetof(struct pool_basis, files)},
    {"compression", .pool = offsetof(struct worker, web.contexts.pools), .count = CODINGS,
     ACCOUNT(web.contexts.account), .start = POOL_BY_OWNER, .object_size = context_size, .align = 64},
    {"live streams", POOL(web.live.streams), ACCOUNT(web.live.account), .object_size = live_size, .align = 8},
    {NULL, POOL(web.live.works), ACCOUNT(web.live.account), .object_size = work_size, .align = 8},
    {NULL, POOL(web.live.further), ACCOUNT(web.live.account), .object_size = further_size, .align = 8},
    {NULL, POOL(web.live.lines), ACCOUNT(web.live.account), .object_size = line_size, .align = 8},
    {"websocket compression", .pool = offsetof(struct worker, web.deflate.pools), .count = WS_POOLS,
     ACCOUNT(web.deflate.account), .start = POOL_BY_OWNER, .object_size = context_size, .align = 64},
};

const struct pool_table worker_pools = {kinds, COUNT(kinds)};
