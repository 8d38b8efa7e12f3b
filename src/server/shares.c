/*
 * What all workers share: how much of it the settings allow.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/shares.h"
#include "server/server.h"

#define ADDRESSES_MAX ((uint32_t)1 << 16) /* addresses told apart at once; of a memory_limit, one for each 512 bytes */

/* Addresses that are told apart; 0: none is counted. */
static uint32_t addresses_most(const weir_server *s)
{
    const weir_config *c = &s->settings.config;
    if (c->max_connections_per_address < 0)
        return 0;
    uint64_t most = (uint64_t)c->max_connections;
    if (most > ADDRESSES_MAX)
        most = ADDRESSES_MAX;
    if (c->memory_limit && most > c->memory_limit / 512)
        most = c->memory_limit / 512;
    return (uint32_t)most;
}

uint64_t shares_addresses_size(const weir_server *s)
{
    uint32_t most = addresses_most(s);
    return most ? address_table_size(most) : 0;
}

int shares_make_addresses(weir_server *s)
{
    uint32_t most = addresses_most(s), limit = (uint32_t)s->settings.config.max_connections_per_address;
    return most ? address_table_init(&s->addresses, &s->memory, most, limit) : 0;
}

/* What the longest body takes; 0: none is allowed any. */
static uint64_t body_size(const weir_server *s)
{
    size_t most = site_body_memory(&s->site);
    return most ? context_body_size(most) : 0;
}

uint64_t shares_body_memory(const weir_server *s)
{
    const weir_config *c = &s->settings.config;
    uint64_t each = body_size(s), all = each * (uint64_t)c->max_connections;
    uint64_t most = c->max_body_memory < 0 ? UINT64_MAX : (uint64_t)c->max_body_memory;
    return all < most ? all : most;
}

void shares_check_bodies(weir_server *s)
{
    int64_t most = s->settings.config.max_body_memory;
    uint64_t each = body_size(s);
    if (most > 0 && each > (uint64_t)most)
        site_error(&s->site, "setting max_body_memory: %lld is less than a group's body_memory, %zu, takes: %llu",
                   (long long)most, site_body_memory(&s->site), (unsigned long long)each);
}

void shares_open_bodies(weir_server *s)
{
    int64_t most = s->settings.config.max_body_memory;
    if (site_body_memory(&s->site) > 0)
        account_open_shared(&s->body_account, &s->memory, "bodies", NULL, most < 0 ? 0 : (uint64_t)most);
}

uint64_t shares_compression(const weir_server *s)
{
    const weir_config *c = &s->settings.config;
    size_t sizes[CODINGS];
    uint64_t slabs = 0;
    site_compress_sizes(&s->site, sizes);
    for (unsigned i = 0; i < CODINGS; i++)
        slabs += sizes[i] > 0 ? contexts_slab_size(sizes[i]) : 0;
    uint64_t all = slabs * (uint64_t)c->max_connections;
    uint64_t most = c->max_compression_memory < 0 ? UINT64_MAX : (uint64_t)c->max_compression_memory;
    return all < most ? all : most;
}

void shares_open_compression(weir_server *s)
{
    int64_t most = s->settings.config.max_compression_memory;
    uint64_t limit = most < 0 ? 0 : (uint64_t)most;
    if (shares_compression(s) > 0)
        account_open_shared(&s->compression_account, &s->memory, "compression", NULL, limit);
    account_open_shared(&s->deflate_account, &s->memory, "websocket compression", NULL, limit);
}
