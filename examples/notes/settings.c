/*
 * Everything that differs between machines is in the environment; everything has a default to try things out with.
 *
 * SPDX-License-Identifier: MIT
 */
#include "settings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const char *text(const char *name, const char *usual)
{
    const char *value = getenv(name);
    return value && *value ? value : usual;
}

/* A number from min to max. Sets *good to false, and says why, where it is none. */
static int number(const char *name, int usual, int min, int max, bool *good)
{
    const char *value = getenv(name);
    char *end;
    if (!value || !*value)
        return usual;
    long given = strtol(value, &end, 10);
    if (*end == '\0' && given >= min && given <= max)
        return (int)given;
    fprintf(stderr, "%s is '%s', and not a number from %d to %d\n", name, value, min, max);
    *good = false;
    return usual;
}

bool settings_from_environment(struct settings *settings)
{
    bool good = true;
    *settings = (struct settings){
        .host = text("NOTES_HOST", "127.0.0.1"),
        .port = number("NOTES_PORT", 8080, 0, 65535, &good),
        .workers = number("NOTES_WORKERS", 0, 0, 256, &good),
        .database = text("NOTES_DATABASE", "dbname=notes"),
        .redis = text("NOTES_REDIS", "tcp://127.0.0.1:6379"),
        .keep_s = number("NOTES_KEEP_S", 30 * 24 * 3600, 1, INT_MAX, &good),
        .sweep_ms = number("NOTES_SWEEP_MS", 60000, 10, INT_MAX, &good),
        .hosts = text("NOTES_LINK_HOSTS", ""),
    };
    return good;
}
