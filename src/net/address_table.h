/*
 * How many connections each address has, over all workers: so that no one address can take them all. Touched when a
 * connection is accepted and when it is closed, never by a request. An IPv6 network of 64 bits counts as one address,
 * since whoever has one of its addresses has them all; Unix sockets are not counted.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_ADDRESS_TABLE_H
#define WEIR_NET_ADDRESS_TABLE_H

#include "base/memory.h"
#include "base/siphash.h"

#include <sys/socket.h>

#define ADDRESS_SHARDS 16 /* locks, so that workers that accept at once seldom meet */

/* An address with at least one connection. */
struct address_entry {
    uint64_t hash; /* stands for the address: keyed, so that nobody can choose addresses that share one */
    uint32_t count;
    uint32_t next; /* in its bucket or the free list: index + 1, 0: none */
};

LOCK_ROLE(address_lock)

struct address_shard {
    struct lock lock;
    struct address_entry *entries GUARDED_BY(address_lock);
    uint32_t *buckets GUARDED_BY(address_lock); /* index + 1 of the first entry */
    uint32_t free GUARDED_BY(address_lock);     /* the first entry without connections, index + 1 */
    uint32_t fresh GUARDED_BY(address_lock);    /* entries from here on hold nothing */
    uint32_t in_use GUARDED_BY(address_lock);   /* entries with connections */
} __attribute__((aligned(64)));

struct address_table {
    struct account account;
    struct siphash_key key;
    uint32_t limit;    /* connections of one address */
    uint32_t capacity; /* entries of a shard */
    uint32_t buckets;  /* of a shard, a power of two */
    size_t stride;     /* bytes from one shard's entries to the next one's */
    char *memory;
    size_t size;
    struct address_shard shards[ADDRESS_SHARDS];
};

/* Bytes of a table for so many connections. */
size_t address_table_size(uint32_t connections);

/* For up to `connections` connections. 0 or a negative error, with nothing left to undo. */
int address_table_init(struct address_table *t, struct memory *m, uint32_t connections, uint32_t limit) MUST_CHECK;
/* Unmaps a table. Harmless for one that was never made. */
void address_table_done(struct address_table *t);

/* Counts a connection of peer. False: it has too many already, and nothing was counted. *slot is for
 * address_table_leave(); 0: there is nothing to give back. Any thread. */
bool address_table_enter(struct address_table *t, const struct sockaddr *peer, uint32_t *slot) MUST_CHECK;
void address_table_leave(struct address_table *t, uint32_t slot);

/* Gives back the pages of shards that hold no address. Any thread. */
void address_table_trim(struct address_table *t);

#endif
