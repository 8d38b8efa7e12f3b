/*
 * The path of a request: split first and decoded then, so that an encoded slash never separates; "%2E" is a dot, and
 * "." and ".." are resolved before anything is matched (RFC 3986 section 5.2.4), never above the root. Empty segments
 * ("//") are kept and a trailing slash matters.
 *
 * Decoding loses the difference between a slash that separates and one that was encoded, so a path has three forms. The
 * forms differ only if a slash was encoded; else they are the same bytes, and nearly always the received ones.
 *
 *     raw        /a%2Fb/%41      the request target without its query
 *     route      /a\0b/A         what the router reads: an encoded slash is a NUL, which no path can hold otherwise
 *     decoded    /a/b/A          the same length: where parameters' values are taken from
 *     text       /a%2Fb/A        what people read
 *
 * A decoded parameter may thus hold a slash, or "../", that was encoded: it is data and not a path. What opens files
 * with it has to confine it, as weir_send_file() does.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_PATH_H
#define WEIR_WEB_ROUTE_PATH_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdbool.h>

struct path {
    struct slice route;
    struct slice decoded;
    struct slice text;
    bool in_place; /* the three are the raw bytes, not NUL-terminated; else they are terminated and in the arena */
};

/*
 * Normalizes raw, the path part of a request target; "" counts as "/". The arena is used only if the path has to
 * change. Returns 0; WEIR_EPROTO (to be answered by 400) if it does not begin with a slash, holds a bad escape, a NUL
 * byte, encoded or not, or a backslash that is not (others take it for a slash); WEIR_ENOMEM. out is set only on
 * success and refers to raw or to the arena.
 */
int path_normalize(struct slice raw, struct arena *arena, struct path *out);

/* path_normalize() for a path that is known to need no change, see struct target. */
static inline void path_take(struct slice raw, struct path *out)
{
    out->route = raw;
    out->decoded = raw;
    out->text = raw;
    out->in_place = true;
}

#endif
