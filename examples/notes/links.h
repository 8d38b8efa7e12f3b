/*
 * The pages that notes link to: what they are called. A function, so that tests ask nobody.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NOTES_LINKS_H
#define NOTES_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir.h>

struct links {
    void *data; /* handed to title */
    /* Fetches a page, and copies its title, UTF-8 of up to size - 1 bytes, into title. Returns 0; WEIR_ENOENT: it has
     * none; or an error. May suspend. */
    int (*title)(weir_ctx *c, void *data, const char *url, char *title, size_t size);
};

struct weir_curl;

/* Asks by HTTP. */
struct links links_curl(struct weir_curl *curl);

/* Whether the host of a URL is one of a list, with blanks between them. */
bool links_may_ask(const char *hosts, const char *url);

/* Finds the title in a page of len bytes, and copies it into title as links.title does. False: there is none. */
bool links_find_title(const char *page, size_t len, char *title, size_t size);

#endif
