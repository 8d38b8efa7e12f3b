/*
 * A server's topics: made by its settings.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_TOPICS_H
#define WEIR_SERVER_TOPICS_H

#include "base/debug.h"

#include <stdint.h>

struct weir_server;

/* Makes the table, which takes no memory yet. 0 or WEIR_ENOMEM. */
int topics_open(struct weir_server *s) MUST_CHECK;

/* What topics have now, and the most they may have; 0: none are made, and none are allowed. */
uint64_t topics_reserved(const struct weir_server *s);
uint64_t topics_bound(struct weir_server *s);

#endif
