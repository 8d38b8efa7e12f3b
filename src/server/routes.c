/*
 * Routes and hooks by the server's name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/routes.h"
#include "server/server.h"
#include "web/route/method.h"

/* The parentheses keep the header's macros from the functions. */

int(weir_route)(weir_server *s, const char *method, const char *pattern, weir_handler handler)
{
    return weir_route(s, method, pattern, handler);
}

int(weir_get)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_get(s, pattern, handler);
}

int(weir_post)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_post(s, pattern, handler);
}

int(weir_put)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_put(s, pattern, handler);
}

int(weir_patch)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_patch(s, pattern, handler);
}

int(weir_delete)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_delete(s, pattern, handler);
}

int(weir_any)(weir_server *s, const char *pattern, weir_handler handler)
{
    return weir_any(s, pattern, handler);
}

weir_group *weir_root(weir_server *s)
{
    return s ? &s->site.root : NULL;
}

weir_group *weir_group_new(weir_server *s, weir_group *parent, const char *prefix, const char *host)
{
    return s ? site_add_group(&s->site, parent, prefix, host) : NULL;
}

int weir_not_found(weir_server *s, weir_handler handler)
{
    if (!s || s->site.sealed || !handler)
        return WEIR_EINVAL;
    s->site.not_found = handler;
    return 0;
}

int weir_on_error(weir_server *s, weir_error_hook hook)
{
    if (!s || s->site.sealed || !hook)
        return WEIR_EINVAL;
    s->site.on_error = hook;
    return 0;
}

void weir_routes(weir_server *s, void (*each)(void *arg, const weir_route_info *route), void *arg)
{
    if (s && each)
        router_each(s->site.router, each, arg);
}

void routes_count(weir_server *s)
{
    struct http_settings *http = &s->settings.http;
    http->classes = s->site.route_count;
    http->h2_connect = router_serves(s->site.router, METHOD_CONNECT);
    http->memory_count = site_memories(&s->site, http->request_memory, http->memories);
}
