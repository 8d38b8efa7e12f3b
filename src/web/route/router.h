/*
 * The router: from host, method and path to what was registered for them. The router knows no connection and no
 * request.
 *
 * At each segment the most specific way is tried first, whatever the order of registration: text, then an expression,
 * then a plain parameter, then the rest of the path; the first route reached that serves the method wins, else the
 * next way is tried. Two expressions at one place: the longer text first, then byte order.
 *
 * An expression as a pattern's last segment takes the rest of the path, slashes and the empty rest included. Where
 * one segment is left it ranks as an expression, where more are left it ranks last. One that takes anything (".*" or
 * ".+", with or without "^" and "$") constrains nothing, so it always ranks last: "/file/{name}" wins over
 * "/file/{file:^.*$}".
 *
 * Every node of the tree is visited at most once for a request, so no path can cause more work than there are routes
 * along it, and each expression's work is bounded (see regex.h). A lookup takes about 1 KiB of stack, and 300 bytes
 * for each segment of the longest pattern at which there is a choice.
 *
 * Registering is for one thread before serving. A lookup changes nothing here: any number of threads may do it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_ROUTER_H
#define WEIR_WEB_ROUTE_ROUTER_H

#include "base/arena.h"
#include "base/memory.h"
#include "base/slice.h"
#include "web/route/path.h"
#include "web/route/regex.h"
#include "weir.h"

struct router;

/* An empty router, its memory charged to account. NULL if there is none. Free it with router_free(). */
struct router *router_new(struct account *account) MUST_CHECK;
/* An empty router with the account of another one, whose contexts serve both; free it before that one. */
struct router *router_new_beside(struct router *other) MUST_CHECK;
/* Frees a router, whose contexts have to be freed before. NULL is allowed. */
void router_free(struct router *router);

/*
 * Registers value (opaque, may be NULL) for a method (a token; NULL: any but CONNECT; WEIR_UPGRADE: GET and CONNECT), a
 * host (an exact name or "*.example.org"; NULL: any) and a pattern (see pattern.h). The strings are copied. Returns 0,
 * or an error and a message of at most size bytes that names the pattern and, counted from 0, the byte where it is
 * wrong:
 *   WEIR_EINVAL  the pattern, an expression in it, the method or the host is wrong
 *   WEIR_EEXIST  a route of the same method and host has the same shape: only names of parameters differ
 *   WEIR_ENOMEM
 * After an error the router is as it was, as far as lookups can tell.
 */
int router_add(struct router *router, const char *method, const char *host, const char *pattern, void *value,
               char *message, size_t size);

/*
 * What a worker needs for expressions; charged to account, which is the worker's. NULL if there is no memory.
 * After the last router_add(). Free it with regex_context_free().
 */
struct regex_context *router_context_new(const struct router *router, struct account *account) MUST_CHECK;

/* The most bytes of a parameter's value, whatever it is matched by: what an expression looks at. */
#define ROUTER_PARAM_LEN_MAX REGEX_SUBJECT_MAX

enum router_outcome {
    ROUTER_FOUND,
    ROUTER_NOT_FOUND, /* no pattern matches: 404 */
    ROUTER_METHOD,    /* patterns match, but none serves the method: 405, with allow as the Allow field */
    ROUTER_OPTIONS,   /* as ROUTER_METHOD, and the method is OPTIONS: 204, with allow */
    ROUTER_REFUSED,   /* an expression met a value too laborious: 400; the context counts them */
    ROUTER_TOO_LONG,  /* a parameter would be longer than ROUTER_PARAM_LEN_MAX: 414 */
    ROUTER_NO_MEMORY, /* the arena is full */
};

struct router_param {
    const char *name;  /* the router's */
    const char *value; /* decoded, NUL-terminated, in the arena */
};

struct router_match {
    /*
     * The route as registered. With ROUTER_METHOD and ROUTER_OPTIONS the most specific one for another method, with
     * params.
     */
    void *value;         /* also where the parameters were not made, for want of memory or because one is too long */
    const char *pattern; /* as registered, the router's copy */
    const struct router_param *params; /* in the order of the pattern; NULL if there are none */
    size_t param_count;
    const char *allow; /* of ROUTER_METHOD and ROUTER_OPTIONS, in the arena: "GET, HEAD, OPTIONS" */
};

/* The two steps of router_match(): a path that is the text of a route from end to end; everything else. */
bool router_find(const struct router *router, struct slice method, struct slice path, struct router_match *out);
enum router_outcome router_search(const struct router *router, struct regex_context *context, struct arena *arena,
                                  struct slice method, struct slice host, const struct path *path,
                                  struct router_match *out);

/*
 * Looks up a request. host is the Host field's value with or without a port, or empty; path is what path_normalize()
 * made. HEAD is served by a route for GET. Routes of the request's host are tried first, then those of the longest
 * "*." suffix and so on, then those for any host. The arena is used only for parameters and for allow. out is set
 * as its comments say, the rest of it is zero.
 */
static inline enum router_outcome router_match(const struct router *router, struct regex_context *context,
                                               struct arena *arena, struct slice method, struct slice host,
                                               const struct path *path, struct router_match *out)
{
    return router_find(router, method, path->route, out)
               ? ROUTER_FOUND
               : router_search(router, context, arena, method, host, path, out);
}

/* Whether a route that is not for any method serves that one, a number of method.h. */
bool router_serves(const struct router *router, unsigned method);

/*
 * The methods that any route serves, as for "OPTIONS *" (RFC 9110 section 9.3.7). In the arena; NULL if that is full.
 */
const char *router_methods(const struct router *router, struct arena *arena);

/* Tells with what the i-th route, sorted by pattern, then host, then method, was registered. False: there is none. */
bool router_item(const struct router *router, size_t i, weir_route_info *info, void **value);
/* Calls each for every route, in router_item()'s order. */
void router_each(const struct router *router, void (*each)(void *arg, const weir_route_info *route), void *arg);

#endif
