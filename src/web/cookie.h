/*
 * Cookies: those that a request brings (RFC 6265 section 5.4), read leniently, and the one that a Set-Cookie field
 * sets (section 4.1), written strictly.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COOKIE_H
#define WEIR_WEB_COOKIE_H

#include "base/arena.h"
#include "base/slice.h"
#include "weir.h"

#define COOKIES_MAX          1000 /* in a request */
#define COOKIE_PAIR_MAX      4096 /* bytes of name and value to set; browsers drop longer ones */
#define COOKIE_ATTRIBUTE_MAX 1024 /* bytes of an attribute's value; browsers ignore longer ones */

struct cookie {
    const char *name; /* NUL-terminated, both */
    const char *value;
};

/* A request's cookies; all zero is none. Everything is in the arena. */
struct cookies {
    const struct cookie *items; /* in order of arrival, also those of one name; NULL if there are none */
    size_t count;
};

/*
 * Reads the values of a request's Cookie fields, count of them. What is not NAME=VALUE with a token as its name is
 * skipped; a value is taken as it is, without the quotes around it. Returns 0; WEIR_ETOOBIG if there are more than
 * COOKIES_MAX; WEIR_ENOMEM. After an error out is empty.
 */
int cookies_parse(const struct slice *fields, size_t count, struct arena *arena, struct cookies *out);

/* The first value of a name (case-sensitive), or NULL. */
const char *cookies_find(const struct cookies *cookies, const char *name);

/*
 * Writes the value of a Set-Cookie field to buf, NUL-terminated. Returns its length (the NUL not counted);
 * WEIR_ETOOBIG if it does not fit, or is longer than browsers take; WEIR_EINVAL if something in it is not allowed:
 *   name       a token; "__Secure-" wants secure, "__Host-" also path "/" and no domain
 *   value      printable ASCII without space, '"', ',', ';' and '\'; double quotes around it are allowed; NULL is ""
 *   path       begins with "/"; printable ASCII without ';'
 *   domain     a host name, without a dot before it; or an IPv4 address
 *   max_age    positive, or WEIR_OFF
 *   expires    1 to the last second of the year 9999
 *   partitioned and WEIR_SAME_SITE_NONE want secure, because browsers refuse them without
 */
ssize_t cookie_compose(const weir_set_cookie_options *cookie, char *buf, size_t size);

#endif
