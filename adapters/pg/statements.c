/*
 * Statements that a connection has prepared, found by their text. One is prepared when its text is run for the second
 * time, so that texts that are made for one use cost nothing; the one that was used longest ago gives way.
 *
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const char *text, size_t len)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        __builtin_mul_overflow(hash ^ (unsigned char)text[i], (uint64_t)1099511628211u, &hash);
    return hash ? hash : 1;
}

static struct pg_statement *find(const struct pg_statements *statements, uint64_t hash, const char *text)
{
    for (int i = 0; i < statements->count; i++) {
        struct pg_statement *statement = &statements->all[i];
        if (statement->hash == hash && strcmp(statement->text, text) == 0)
            return statement;
    }
    return NULL;
}

/* Whether the text was run not long ago; if not, it is remembered. */
static bool was_seen(struct pg_statements *statements, uint64_t hash)
{
    for (unsigned i = 0; i < PG_SEEN; i++)
        if (statements->seen[i] == hash)
            return true;
    statements->seen[statements->next_seen] = hash;
    statements->next_seen = (statements->next_seen + 1) % PG_SEEN;
    return false;
}

void pg_statement_name(const struct pg_statement *statement, char name[16])
{
    snprintf(name, 16, "weir%u", statement->number);
}

void pg_statement_forget(struct weir_pg_conn *conn, const struct pg_statement *statement)
{
    struct pg_statements *statements = &conn->statements;
    struct pg_statement *gone = &statements->all[statement - statements->all];
    free(gone->text);
    *gone = statements->all[--statements->count];
}

/* Makes room: the one that was used longest ago is dropped, here and in the database. */
static int make_room(weir_ctx *c, struct weir_pg_conn *conn, int64_t end_ms)
{
    struct pg_statements *statements = &conn->statements;
    if (statements->count < conn->pg->statements)
        return 0;
    struct pg_statement *oldest = &statements->all[0];
    for (int i = 1; i < statements->count; i++)
        if (statements->all[i].used < oldest->used)
            oldest = &statements->all[i];
    char name[16], sql[32];
    pg_statement_name(oldest, name);
    snprintf(sql, sizeof sql, "DEALLOCATE %s", name);
    pg_statement_forget(conn, oldest);
    return pg_link_run(c, conn, sql, end_ms);
}

static int prepare(weir_ctx *c, struct weir_pg_conn *conn, const char *sql, uint64_t hash, int64_t end_ms,
                   const struct pg_statement **found)
{
    struct pg_statements *statements = &conn->statements;
    if (!statements->all)
        statements->all = calloc((size_t)conn->pg->statements, sizeof *statements->all);
    int error = statements->all ? make_room(c, conn, end_ms) : WEIR_ENOMEM;
    if (error)
        return error;
    struct pg_statement made = {.hash = hash, .number = ++statements->last_number};
    char name[16];
    pg_statement_name(&made, name);
    error = pg_link_sent(c, conn, PQsendPrepare(conn->handle, name, sql, 0, NULL));
    if (!error)
        error = pg_link_finish(c, conn, end_ms);
    pg_link_clear(conn);
    if (error)
        return error;
    made.text = strdup(sql);
    if (!made.text)
        return WEIR_ENOMEM; /* the database keeps it until the connection ends */
    atomic_fetch_add_explicit(&conn->pg->prepared, 1, memory_order_relaxed);
    statements->all[statements->count] = made;
    *found = &statements->all[statements->count++];
    return 0;
}

int pg_statement_find(weir_ctx *c, struct weir_pg_conn *conn, const char *sql, int64_t end_ms,
                      const struct pg_statement **found)
{
    struct pg_statements *statements = &conn->statements;
    size_t len = strnlen(sql, PG_PREPARED_MOST + 1);
    *found = NULL;
    if (conn->pg->statements == 0 || len > PG_PREPARED_MOST)
        return 0;
    uint64_t hash = hash_of(sql, len);
    struct pg_statement *known = find(statements, hash, sql);
    if (known) {
        known->used = ++statements->uses;
        *found = known;
        return 0;
    }
    PGTransactionStatusType status = PQtransactionStatus(conn->handle);
    if (!was_seen(statements, hash) || (status != PQTRANS_IDLE && status != PQTRANS_INTRANS))
        return 0;
    int error = prepare(c, conn, sql, hash, end_ms, found);
    if (!error)
        statements->all[statements->count - 1].used = ++statements->uses;
    return error;
}

void pg_statements_free(struct pg_statements *statements)
{
    for (int i = 0; i < statements->count; i++)
        free(statements->all[i].text);
    free(statements->all);
}
