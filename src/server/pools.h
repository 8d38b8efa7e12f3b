/*
 * The pools of a worker that the HTTP floor does not know; see http/pools.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_POOLS_H
#define WEIR_SERVER_POOLS_H

#include "http/pools.h"
#include "server/settings.h"

/* The pools of struct worker. */
extern const struct pool_table worker_pools;

/* What the sizes and numbers of all pools follow from. */
struct pool_basis pool_basis_of(const struct settings *s);

#endif
