/*
 * Host names, in requests and in patterns, brought to one form: lower case, without port and without the final dot.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_HOST_H
#define WEIR_WEB_ROUTE_HOST_H

#include "base/slice.h"

#define HOST_LEN_MAX 255 /* RFC 1035 section 2.3.4; an address in brackets is shorter */

/*
 * Brings host (a Host field's value) to the one form in buf. The result is empty if host is empty, too long or none.
 */
struct slice host_normalize(struct slice host, char buf[HOST_LEN_MAX]);

/*
 * The key by which a pattern's host is found: "example.org" as it is, and "*.example.org", which any name below
 * example.org matches at any depth but not example.org itself, as ".example.org", a text no normalized host can be.
 * Empty if the pattern is not a host, or has a port.
 */
struct slice host_pattern_key(const char *pattern, char buf[HOST_LEN_MAX]);

#endif
