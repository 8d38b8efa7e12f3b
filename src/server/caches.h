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

void caches_free(struct weir_server *s);

/* Lets the caches give back about so many bytes. Any thread. */
void caches_give_back(struct weir_server *s, uint64_t bytes);
/* Bytes that the caches have, and could give back but for values that are being sent. Any thread. */
uint64_t caches_spare(const struct weir_server *s);

#endif
