/*
 * The uploads of weir serve: PUT and POST of files below a path.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SERVE_UPLOAD_H
#define WEIR_CLI_SERVE_UPLOAD_H

#include "cli/cors.h"

#include <stdbool.h>

struct upload {
    const char *folder; /* where the files go */
    int64_t limit;      /* bytes of one; 0: the server's */
    bool hidden;        /* names that begin with a dot are taken */
    const struct cors *cors;
};

/* Adds the routes; u has to live as long as the server. The server keeps errors, as
 * those of weir_group_route(). */
void upload_add(weir_server *s, const char *prefix, const struct upload *u);

#endif
