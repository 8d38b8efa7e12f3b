/*
 * The table of the HTTP floor's pools, and what goes over tables of pools.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/pools.h"
#include "http/scan.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Each turn of a loop over http_kinds knows its row when it is compiled: a promise is given and taken back for every
 * request that waits, and costs what it would cost without a table. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* ---- The HTTP floor's ---- */

static size_t record_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return http_record_size(b->host);
}

static size_t buffer_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return b->settings->buffer_size + 2 * SCAN_SLACK;
}

static size_t fields_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return b->settings->max_headers * sizeof(struct http_field);
}

static size_t arena_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return http_block_size(b->settings->request_memory);
}

static size_t memory_size(const struct pool_basis *b, uint32_t i)
{
    return i < b->settings->memory_count ? http_block_size(b->settings->memories[i]) : 0;
}

static size_t spill_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return spill_size_most(b->settings->buffer_size);
}

static size_t waiting_size(const struct pool_basis *b, uint32_t i)
{
    (void)b;
    (void)i;
    return http_waiting_size();
}

static size_t rest_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return WEIR_WITH_HTTP2 && b->settings->http2 ? http_h2_rest_size() : 0;
}

static size_t live_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return WEIR_WITH_HTTP2 && b->settings->http2 ? http_h2_live_size() : 0;
}

static size_t table_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return WEIR_WITH_HTTP2 && b->settings->http2 ? http_h2_table_size() : 0;
}

static size_t over_size(const struct pool_basis *b, uint32_t i)
{
    (void)i;
    return b->listened ? sizeof(struct exchange_over) : 0;
}

#define H2_REST_SLAB 4096 /* small, so that a server which few clients ask for HTTP/2 takes little for it */
#define H2_LIVE_SLAB 4096

#define POOL(member)    .pool = offsetof(struct http, member), .count = 1
#define POOLS(member)   .pool = offsetof(struct http, member), .count = COUNT(((struct http *)0)->member)
#define ACCOUNT(member) .account = offsetof(struct http, member)
#define BOUND(member)   .bound = offsetof(struct admission_bounds, member)
#define MADE(member)    .made = offsetof(struct pool_basis, member)
#define BESIDE(member)  .beside = offsetof(struct promise, member)

static const struct pool_kind http_kinds[] = {
    {"requests", POOL(records), ACCOUNT(record_account), .object_size = record_size, .align = 64, .holder = POOL_SET,
     .held = 1, BOUND(records), MADE(records), BESIDE(records)},
    {"http buffers", POOL(buffers), ACCOUNT(buffer_account), .object_size = buffer_size, .align = 64,
     .holder = POOL_SET, .held = 2, BOUND(buffers), MADE(buffers), BESIDE(buffers)},
    {NULL, POOL(fields), ACCOUNT(record_account), .object_size = fields_size, .align = 16, .holder = POOL_SET,
     .held = 1},
    {NULL, POOL(overs), ACCOUNT(record_account), .start = POOL_AT_USE, .object_size = over_size, .align = 16,
     .holder = POOL_REPLY, .held = 1},
    {"request arenas", POOL(arenas), ACCOUNT(arena_account), .object_size = arena_size, .align = 64, .holder = POOL_SET,
     .held = 1, BOUND(arenas), MADE(arenas)},
    {NULL, POOLS(memories), ACCOUNT(arena_account), .object_size = memory_size, .align = 64, .holder = POOL_CLASS,
     .held = 1, BESIDE(memories)},
    {"half-received heads", POOLS(spills), ACCOUNT(spill_account), .start = POOL_AT_USE, .object_size = spill_size,
     .align = 8, .holder = POOL_HEAD, .held = 1},
    {"http2 connections", POOL(h2_rests), ACCOUNT(h2_account), .object_size = rest_size, .slab_size = H2_REST_SLAB,
     .align = 8, .holder = POOL_CONNECTION, .held = 1},
    {NULL, POOL(h2_lives), ACCOUNT(h2_account), .object_size = live_size, .slab_size = H2_LIVE_SLAB, .align = 16,
     .holder = POOL_SET, .held = 1},
    {NULL, POOL(h2_tables), ACCOUNT(h2_account), .object_size = table_size, .align = 16, .holder = POOL_CONNECTION,
     .held = 1},
    /* Kept, because whoever has to wait for memory has to find a place without any. */
    {"waiting requests", POOL(waiting), ACCOUNT(admission.account), .object_size = waiting_size, .align = 8,
     .holder = POOL_WAITING, .held = 1, .kept = true},
};

const struct pool_table http_pools = {http_kinds, COUNT(http_kinds)};

/* ---- Any table ---- */

static bool is_there(const struct pool_kind *k, const struct pool_basis *b)
{
    return k->start != POOL_BY_OWNER && (k->holder != POOL_WAITING || b->limited);
}

static void kind_open(const struct pool_kind *k, void *owner, struct memory *m, const struct pool_basis *b)
{
    struct account *a = pool_kind_account(k, owner);
    if (k->name)
        account_open(a, m, k->name);
    for (uint32_t i = 0; i < k->count && k->start == POOL_AT_START; i++) {
        size_t size = k->object_size(b, i);
        if (size > 0)
            pool_init(pool_kind_pool(k, owner, i), a, size, k->align, k->slab_size);
    }
}

void pools_open(struct pool_table t, void *owner, struct memory *m, const struct pool_basis *b)
{
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++)
        if (is_there(k, b))
            kind_open(k, owner, m, b);
}

void pools_close(struct pool_table t, void *owner)
{
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++)
        for (uint32_t i = 0; i < k->count && k->start != POOL_BY_OWNER; i++)
            pool_done(pool_kind_pool(k, owner, i));
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++)
        if (k->name && k->start != POOL_BY_OWNER)
            account_close(pool_kind_account(k, owner));
}

int pools_make(struct pool_table t, void *owner, const struct pool_basis *b)
{
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++) {
        uint32_t made = pool_basis_number(b, k->made);
        for (uint32_t i = 0; made > 0 && i < k->count && k->object_size(b, i) > 0; i++) {
            int error = pool_preallocate(pool_kind_pool(k, owner, i), made);
            if (error)
                return error;
        }
    }
    return 0;
}

void pools_trim(struct pool_table t, void *owner, bool all)
{
    for (const struct pool_kind *k = t.kinds; k < t.kinds + t.count; k++)
        for (uint32_t i = 0; i < k->count && !k->kept; i++)
            if (pool_kind_pool(k, owner, i)->account)
                pool_trim(pool_kind_pool(k, owner, i), all);
}

/* ---- Of sets ---- */

static inline bool is_of_sets(const struct pool_kind *k)
{
    return k->holder == POOL_SET || k->holder == POOL_CLASS;
}

uint32_t admission_bounds_sets(const struct admission_bounds *b)
{
    uint32_t least = b->stacks > 0 ? b->stacks : UINT32_MAX;
    for (size_t i = 0; i < COUNT(http_kinds); i++) {
        const struct pool_kind *k = &http_kinds[i];
        uint32_t bound = pool_kind_bound(k, b);
        if (bound > 0 && bound / k->held < least)
            least = bound / k->held;
    }
    return least;
}

void http_pools_bound(struct http *h, const struct admission_bounds *b)
{
    uint32_t sets = admission_bounds_sets(b);
    for (size_t i = 0; i < COUNT(http_kinds); i++) {
        const struct pool_kind *k = &http_kinds[i];
        struct account *a = pool_kind_account(k, h);
        uint32_t bound = pool_kind_bound(k, b);
        if (!k->name && is_of_sets(k) && a->limit > 0) /* bounded with a row before: a set has one at most */
            bound = sets;
        if (!k->name && k->holder == POOL_REPLY && a->limit > 0) /* or a record as many as its queue holds replies */
            bound = b->records * (OUTPUT_SEGMENTS / 2);
        for (uint32_t n = 0; n < k->count && bound > 0; n++)
            if (pool_kind_pool(k, h, n)->account)
                a->limit += pool_slab_bytes(pool_kind_pool(k, h, n), bound);
    }
}

size_t http_pools_set_size(struct http *h)
{
    size_t size = 0;
    for (size_t i = 0; i < COUNT(http_kinds); i++)
        if (http_kinds[i].holder == POOL_SET)
            size += http_kinds[i].held * pool_kind_pool(&http_kinds[i], h, 0)->stride;
    return size;
}

static inline uint32_t beside(const struct pool_kind *k, const struct promise *p, uint32_t i)
{
    return k->beside ? ((const uint32_t *)(const void *)((const char *)p + k->beside))[i] : 0;
}

/* Objects of the i-th of a row's pools that a promise and the standing set are. */
static inline uint32_t promised(const struct pool_kind *k, const struct promise *p, uint32_t i)
{
    uint32_t more = beside(k, p, i);
    return k->holder == POOL_SET ? k->held * (p->sets + 1) + more : more + 1;
}

/* How many of a row's pools there are. */
static inline uint32_t kind_count(const struct pool_kind *k, const struct http *h)
{
    if (k->holder == POOL_CLASS)
        return h->settings->memory_count;
    return pool_kind_pool(k, (void *)(uintptr_t)h, 0)->account ? k->count : 0;
}

bool http_pools_promise(struct http *h, const struct promise *p)
{
    UNROLL
    for (size_t i = 0; i < COUNT(http_kinds); i++) {
        const struct pool_kind *k = &http_kinds[i];
        for (uint32_t n = 0; is_of_sets(k) && n < kind_count(k, h); n++)
            if (!pool_promise(pool_kind_pool(k, h, n), promised(k, p, n)))
                return false;
    }
    return true;
}

uint64_t http_pools_missing(struct http *h, const struct promise *p)
{
    uint64_t missing = 0;
    UNROLL
    for (size_t i = 0; i < COUNT(http_kinds); i++) {
        const struct pool_kind *k = &http_kinds[i];
        for (uint32_t n = 0; is_of_sets(k) && n < kind_count(k, h); n++)
            missing += pool_missing(pool_kind_pool(k, h, n), promised(k, p, n));
    }
    return missing;
}

bool http_pools_is_more(const struct promise *p, const struct promise *than)
{
    bool more = p->sets > than->sets;
    UNROLL
    for (size_t i = 0; i < COUNT(http_kinds); i++) {
        const struct pool_kind *k = &http_kinds[i];
        for (uint32_t n = 0; k->beside && n < k->count; n++)
            more |= beside(k, p, n) > beside(k, than, n);
    }
    return more;
}

bool http_pools_allow(const struct admission_bounds *b, const struct promise *p)
{
    UNROLL
    for (size_t i = 0; i < COUNT(http_kinds); i++) {
        uint32_t bound = pool_kind_bound(&http_kinds[i], b);
        if (bound > 0 && promised(&http_kinds[i], p, 0) > bound)
            return false;
    }
    return true;
}
