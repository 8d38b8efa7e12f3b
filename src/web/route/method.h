/*
 * Methods as bits, so that what a route serves and what a path allows are single words. Methods of RFC 9110 and PATCH
 * have fixed bits; any other token gets a bit when a route is registered for it. A request's method that no route
 * names has the last bit, which only routes for any method accept. Methods are case-sensitive (RFC 9110 section 9.1).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_ROUTE_METHOD_H
#define WEIR_WEB_ROUTE_METHOD_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdint.h>

enum {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_PATCH,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_CONNECT,
    METHOD_STANDARD_COUNT,
    METHOD_UNKNOWN = 63,
    METHOD_EXTENSION_MAX = METHOD_UNKNOWN - METHOD_STANDARD_COUNT
};

#define METHOD_BIT(number) ((uint64_t)1 << (number))
/* Not CONNECT, which is for who asks for it: its 200 is no reply as others are. */
#define METHOD_ANY (~METHOD_BIT(METHOD_CONNECT))

/* The methods that routes have added. Names are NUL-terminated and belong to the router. */
struct method_extensions {
    uint32_t count;
    const char *names[METHOD_EXTENSION_MAX];
};

unsigned method_number_other(struct slice method, const struct method_extensions *extensions);

/* What nearly all requests are. */
static inline bool method_is_get(struct slice method)
{
    return method.len == 3 && memcmp(method.data, "GET", 3) == 0;
}

/* The number of a method's bit; METHOD_UNKNOWN if there is none. */
static inline unsigned method_number(struct slice method, const struct method_extensions *extensions)
{
    if (method_is_get(method))
        return METHOD_GET;
    return method_number_other(method, extensions);
}

/* The standard method from which method differs by case alone, NUL-terminated; NULL: none. */
const char *method_spelled_otherwise(struct slice method);

/* The methods as a field value, "GET, HEAD", NUL-terminated. In the arena; NULL if that is full. */
const char *method_list(uint64_t methods, const struct method_extensions *extensions, struct arena *arena);

#endif
