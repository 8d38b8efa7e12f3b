/*
 * Basic authentication (RFC 7617): names and passwords, and the field that brings them. How long a comparison takes
 * tells nothing of what is compared.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_BASIC_AUTH_H
#define WEIR_CLI_BASIC_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#define BASIC_AUTH_PAIR  256 /* bytes of a name, a colon, a password and zeros */
#define BASIC_AUTH_USERS 64

struct basic_auth {
    char pairs[BASIC_AUTH_USERS][BASIC_AUTH_PAIR];
    size_t count;
};

/* Adds "USER:PASSWORD", len bytes of UTF-8. Returns what is wrong with it, static; NULL: nothing. */
const char *basic_auth_add(struct basic_auth *a, const char *pair, size_t len);

/* Adds the lines of a text; empty ones and those that begin with "#" are left out. On a fault *line is its number. */
const char *basic_auth_read(struct basic_auth *a, const char *text, size_t len, unsigned *line);

/* Looks at the value of an Authorization field (NULL: there is none). Returns the index of the pair that it brings, or
 * -1. */
int basic_auth_check(const struct basic_auth *a, const char *field);

/* The length of the name of a pair. */
size_t basic_auth_name_length(const struct basic_auth *a, int index);

#endif
