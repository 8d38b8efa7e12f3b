/*
 * Cross-origin resource sharing.
 *
 * A preflight is answered before a password is asked for, since browsers send it without one. With a list of origins
 * every reply varies by Origin, also that to a request without: a cache must not give it to another.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/cors.h"

#include <string.h>
#include <strings.h>

#define PREFLIGHT_SECONDS  "7200" /* the most that browsers keep what a preflight has told */
#define EXPOSED            "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag, Location"
#define REQUEST_FIELDS_MAX 1024 /* bytes of a list of field names that is repeated */

const char *cors_origin_fault(const char *text)
{
    const char *mark = strstr(text, "://");
    if (!mark || mark == text)
        return "it begins with http:// or https://";
    const char *host = mark + 3;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("\"\\<>,;", *p))
            return "it holds a character that no origin has";
    if (!*host)
        return "the host is missing";
    if (strpbrk(host, "/?#@"))
        return "it ends with the host or the port, without a path";
    if (strchr(text, '*'))
        return "a wildcard stands for all origins alone";
    return NULL;
}

static bool is_named(const struct cors *s, const char *origin)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcasecmp(s->origins[i], origin) == 0)
            return true;
    return false;
}

const char *cors_allowed(const struct cors *s, const char *origin)
{
    if (s->count == 0)
        return "*";
    return origin && is_named(s, origin) ? origin : NULL;
}

bool cors_may_change(const struct cors *s, const char *origin, const char *host)
{
    if (!origin)
        return true; /* curl, and what else is no browser */
    const char *mark = strstr(origin, "://");
    return (mark && strcasecmp(mark + 3, host) == 0) || is_named(s, origin);
}

/* Whether a client's list of field names can be repeated to it. */
static bool is_field_list(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < REQUEST_FIELDS_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_!#$%&'*+.^`|~, \t") == len;
}

void cors_answer_preflight(weir_ctx *c, const struct cors *s)
{
    const char *origin = weir_header(c, "Origin");
    if (strcmp(weir_method(c), "OPTIONS") != 0 || !origin || !weir_header(c, "Access-Control-Request-Method"))
        return;
    const char *fields = weir_header(c, "Access-Control-Request-Headers");
    weir_set_status(c, 204);
    if (cors_allowed(s, origin)) {
        weir_set_header(c, "Access-Control-Allow-Methods", s->methods);
        if (fields && is_field_list(fields))
            weir_set_header(c, "Access-Control-Allow-Headers", fields);
        weir_set_header(c, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
    }
    weir_add_header(c, "Vary", "Access-Control-Request-Method, Access-Control-Request-Headers");
    weir_end(c);
}

void cors_set_headers(weir_ctx *c, const struct cors *s)
{
    const char *allowed = cors_allowed(s, weir_header(c, "Origin"));
    if (s->count > 0)
        weir_add_header(c, "Vary", "Origin");
    if (!allowed)
        return;
    weir_set_header(c, "Access-Control-Allow-Origin", allowed);
    if (strcmp(weir_method(c), "OPTIONS") != 0)
        weir_set_header(c, "Access-Control-Expose-Headers", EXPOSED);
    if (s->credentials && s->count > 0)
        weir_set_header(c, "Access-Control-Allow-Credentials", "true");
}
