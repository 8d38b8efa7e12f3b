/*
 * A small HTTP client: one GET on a connection of its own, blocking, with bounds on time and size.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_FETCH_H
#define WEIR_CLI_FETCH_H

#include "base/slice.h"

#define URL_HOST_MAX 256
#define URL_PATH_MAX 1024

struct url {
    char host[URL_HOST_MAX]; /* without the brackets of an IPv6 address */
    char authority[URL_HOST_MAX + 8];
    char port[6];
    char path[URL_PATH_MAX];
};

/* Reads text, "http://HOST[:PORT][/PATH]". Returns NULL, or what is wrong with text. */
const char *url_parse(struct url *url, const char *text);

#define FETCH_SIZE_MAX    ((size_t)1 << 20)
#define FETCH_HEADERS_MAX 16
#define FETCH_WHY_MAX     1536

struct fetch {
    const struct url *url;
    const char *headers[FETCH_HEADERS_MAX]; /* "Name: value", good as they are */
    int header_count;
    char *buf; /* FETCH_SIZE_MAX bytes */
    int status;
    char why[FETCH_WHY_MAX]; /* what was wrong, for people */
};

/* Fetches the body of a 200 reply into f->buf. False: f->why tells; f->status is 0 if there was no reply. */
bool fetch_get(struct fetch *f, struct slice *body);

#endif
