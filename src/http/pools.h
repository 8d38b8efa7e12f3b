/*
 * A worker's pools as tables. A pool is a member of its owner's record, from which its users take directly, and a row
 * of its owner's table; start and end, bounds, trimming, promises and the plan go over the rows and name no pool.
 *
 * There are two tables, because a floor names only what lies on it or below: http_pools, of struct http, and the
 * server floor's, of struct worker. Stacks are no pool (see io/fiber.h) and stand beside the tables wherever sets do.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_POOLS_H
#define WEIR_HTTP_POOLS_H

#include "base/pool.h"
#include "http/http.h"

/* What sizes and numbers of objects follow from. */
struct pool_basis {
    const struct http_settings *settings;
    const struct http_host *host;
    bool limited;                                   /* memory or pools are bounded: there are sets, see admission.h */
    bool listened;                                  /* somebody is told when exchanges are over, see over.h */
    uint32_t records, buffers, arenas, connections; /* objects that a worker makes before the start */
    uint32_t files;                                 /* files that a worker keeps open at most */
    size_t message_size;                            /* of a WebSocket message's buffer */
    size_t connection_sizes[RECORD_SIZES_MAX];      /* of connections' records; 0: there is none further */
};

/* Who holds an object: how many there can be. */
enum pool_holder {
    POOL_NOBODY,     /* nobody who is counted */
    POOL_CONNECTION, /* a connection, an idle one as well */
    POOL_HEAD,       /* a connection of which half a head has come */
    POOL_REPLY,      /* a reply that is on its way */
    POOL_SET,        /* a set */
    POOL_CLASS,      /* a set of a class that asks for it; the standing set has one of each */
    POOL_WAITING,    /* a request that waits for a set; where nothing is bounded, there is no such pool */
};

enum pool_start {
    POOL_AT_START, /* pools_open() opens the account, where the row names one, and the pool */
    POOL_AT_USE,   /* likewise the account; who takes opens the pool */
    POOL_BY_OWNER, /* the owner opens and closes both */
};

struct pool_kind {
    const char *name;     /* of the account; NULL: the account is that of a row before */
    size_t pool, account; /* offsets in the owner's record */
    uint32_t count;       /* pools side by side */
    /* Of the i-th of them. 0: it is not there. Where they are opened at use, that of the largest, whatever i is. */
    size_t (*object_size)(const struct pool_basis *b, uint32_t i);
    size_t slab_size; /* see pool_init() */
    uint8_t align;
    uint8_t start;   /* enum pool_start */
    uint8_t holder;  /* enum pool_holder */
    uint8_t held;    /* objects that each holder has */
    bool kept;       /* trimming leaves it alone */
    uint16_t bound;  /* offset in struct admission_bounds of the most objects that there may be; 0: no such setting */
    uint16_t made;   /* offset in struct pool_basis of what each that is there makes before the start; 0: nothing */
    uint16_t extra;  /* likewise of what a worker has beside what is held; 0: nothing */
    uint16_t beside; /* offset in struct promise of what is promised of each beside whole sets; 0: nothing is */
};

struct pool_table {
    const struct pool_kind *kinds;
    size_t count;
};

/* The pools of struct http. */
extern const struct pool_table http_pools;

/* The i-th of a row's pools, and their account, in the record that owns them. */
static inline struct pool *pool_kind_pool(const struct pool_kind *k, void *owner, uint32_t i)
{
    return (struct pool *)(void *)((char *)owner + k->pool) + i;
}

static inline struct account *pool_kind_account(const struct pool_kind *k, void *owner)
{
    return (struct account *)(void *)((char *)owner + k->account);
}

/* A number of objects that a row names by its offset; 0: none. */
static inline uint32_t pool_basis_number(const struct pool_basis *b, uint16_t offset)
{
    return offset ? *(const uint32_t *)(const void *)((const char *)b + offset) : 0;
}

/* The bound that is set on a row's objects; 0: any number. */
static inline uint32_t pool_kind_bound(const struct pool_kind *k, const struct admission_bounds *b)
{
    return k->bound ? *(const uint32_t *)(const void *)((const char *)b + k->bound) : 0;
}

void pools_open(struct pool_table t, void *owner, struct memory *m, const struct pool_basis *b);
/* Closes the pools, and the accounts of rows that name one. Does nothing for what is not open. */
void pools_close(struct pool_table t, void *owner);
/* Makes what is to be made before the start. 0 or WEIR_ENOMEM. */
int pools_make(struct pool_table t, void *owner, const struct pool_basis *b) MUST_CHECK;
void pools_trim(struct pool_table t, void *owner, bool all);

/* ---- Of sets: the HTTP floor's ---- */

/* Bounds the accounts by the slabs that what is allowed needs. After pools_open(). */
void http_pools_bound(struct http *h, const struct admission_bounds *b);

/* Bytes of a set, but for its stack and what only some classes ask for. */
size_t http_pools_set_size(struct http *h);

/* Makes the pools able to give what is promised, and the standing set. What was mapped stays so if not all can be:
 * trimming takes it back. */
bool http_pools_promise(struct http *h, const struct promise *p) MUST_CHECK;
/* Bytes that have to be mapped before http_pools_promise() can do that. */
uint64_t http_pools_missing(struct http *h, const struct promise *p);
/* Whether p promises more of anything than another promise. */
bool http_pools_is_more(const struct promise *p, const struct promise *than);
/* Whether the bounds on the pools allow what p promises. */
bool http_pools_allow(const struct admission_bounds *b, const struct promise *p);

#endif
