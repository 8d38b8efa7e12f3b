/*
 * PostgreSQL, by libpq, on weir's fibers.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_PG_H
#define WEIR_PG_H

#include <libpq-fe.h>
#include <weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A database, and the connections to it. Made by weir_pg_new(), freed by weir_pg_free(). */
typedef struct weir_pg weir_pg;

/* Frees what weir_pg_new() made, after weir_server_free(). NULL is allowed. */
WEIR_API void weir_pg_free(weir_pg *pg);

#ifdef __cplusplus
}
#endif

#endif
