/*
 * A server's caches.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_CACHES_H
#define WEIR_SERVER_CACHES_H

#include "base/list.h"

#include <stdint.h>

struct weir_server;

struct server_cache {
    struct list link; /* in the server's caches */
    struct weir_cache *cache;
};

/* Makes the caches that the server itself needs, before its workers: of compressed forms of files, and of digests of
 * their contents. 0 or WEIR_ENOMEM. */
int caches_make_own(struct weir_server *s);
/* Most bytes of those that are not made yet; *start: what they have from the start on. */
uint64_t caches_own_memory(const struct weir_server *s, uint64_t *start);

void caches_free(struct weir_server *s);

/* Lets the caches give back about so many bytes. Any thread. */
void caches_give_back(struct weir_server *s, uint64_t bytes);
/* Bytes that the caches have, and could give back but for values that are being sent. Any thread. */
uint64_t caches_spare(const struct weir_server *s);

#endif
