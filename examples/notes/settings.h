/*
 * The service's settings, from the environment; README.md lists them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_SETTINGS_H
#define NOTES_SETTINGS_H

#include <stdbool.h>

struct settings {
    const char *host;     /* NOTES_HOST */
    int port;             /* NOTES_PORT */
    int workers;          /* NOTES_WORKERS; 0: as many as there are processors */
    const char *database; /* NOTES_DATABASE: as libpq takes it */
    const char *redis;    /* NOTES_REDIS: as weir_dial() takes it */
    int keep_s;           /* NOTES_KEEP_S: seconds after which a note expires */
    int sweep_ms;         /* NOTES_SWEEP_MS: how often expired ones are looked for */
    const char *hosts;    /* NOTES_LINK_HOSTS: whose pages are asked for their titles, with blanks between them */
};

/* Reads them. False: one is wrong, and standard error says which. Strings are the environment's. */
bool settings_from_environment(struct settings *settings);

#endif
