/*
 * A database: its settings and its pool.
 *
 * SPDX-License-Identifier: MIT
 */
#include "weir-pg.h"

#include <stdlib.h>

struct weir_pg {
    weir_pool *pool;
};

void weir_pg_free(weir_pg *pg)
{
    free(pg);
}
