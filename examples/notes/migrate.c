/*
 * Numbered steps, each in a transaction with the record that it was done. An advisory lock lets one process at a time
 * look and work; whoever comes second finds everything done. A step that was once released never changes: what comes
 * later is a step of its own. While a new version starts the old one still runs, so a step must not take away what that
 * uses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "migrate.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TRIES = 30 };

static const char *const steps[] = {
    "CREATE TABLE notes ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " version bigint NOT NULL DEFAULT 1,"
    " text text NOT NULL,"
    " created timestamptz NOT NULL DEFAULT now())",

    "ALTER TABLE notes ADD COLUMN link text, ADD COLUMN title text",

    "CREATE INDEX notes_created ON notes (created)",
};

/* Runs a command. False: it has failed, and standard error says why. */
static bool run(PGconn *database, const char *sql)
{
    PGresult *result = PQexec(database, sql);
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good)
        fprintf(stderr, "migrate: %s", PQerrorMessage(database));
    PQclear(result);
    return good;
}

/* The number of steps that were done; -1: it cannot be told. */
static int steps_done(PGconn *database)
{
    if (!run(database, "CREATE TABLE IF NOT EXISTS migrations"
                       " (number int PRIMARY KEY, done timestamptz NOT NULL DEFAULT now())"))
        return -1;
    PGresult *result = PQexec(database, "SELECT coalesce(max(number), 0) FROM migrations");
    int done = PQresultStatus(result) == PGRES_TUPLES_OK ? (int)strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return done;
}

static bool step(PGconn *database, int number)
{
    char record[64];
    snprintf(record, sizeof record, "INSERT INTO migrations (number) VALUES (%d)", number);
    return run(database, "BEGIN") && run(database, steps[number - 1]) && run(database, record) &&
           run(database, "COMMIT");
}

/* The lock is the connection's, and ends with it, also if the process dies. */
static bool migrate_on(PGconn *database)
{
    const int count = (int)(sizeof steps / sizeof *steps);
    if (!run(database, "SET client_min_messages = warning") || !run(database, "SELECT pg_advisory_lock(20417)"))
        return false;
    int done = steps_done(database);
    bool good = done >= 0;
    for (int number = done + 1; good && number <= count; number++)
        good = step(database, number);
    return good;
}

bool migrate(const char *conninfo)
{
    bool good = false;
    for (int i = 0; i < TRIES; i++) {
        PGconn *database = PQconnectdb(conninfo);
        bool connected = PQstatus(database) == CONNECTION_OK;
        if (connected)
            good = migrate_on(database);
        else if (i == 0 || i == TRIES - 1)
            fprintf(stderr, "migrate: %s", PQerrorMessage(database));
        PQfinish(database);
        if (connected)
            break;
        sleep(1);
    }
    return good;
}
