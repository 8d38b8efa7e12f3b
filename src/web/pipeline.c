/*
 * A request's way through the site: routing, middleware, handler, error pages.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/request_log.h"
#include "http/upgrade.h"
#include "web/compress/reply.h"
#include "web/context.h"
#include "web/websocket/socket.h"

#include <stdio.h>

/* ---- Error pages ---- */

int context_error_page(weir_ctx *c, int status, const char *message)
{
    struct exchange *x = c->x;
    x->reply.status = (uint16_t)status;
    weir_error_hook hook = c->web->site->on_error;
    if (hook && !c->in_error) {
        c->in_error = true;
        hook(c, status, message);
    }
    bool made = reply_is_complete(&x->reply) || x->body_sent > 0 || reply_is_committed(&x->reply);
    return made ? 0 : reply_error_page(c, x->reply.status, message);
}

int weir_reply_error(weir_ctx *c, int status, const char *message)
{
    CONTEXT_CHECK(c);
    int error = exchange_may(c->x, REPLY_MAKE);
    if (error)
        return error;
    if (status < 400 || status > 599) {
        c->reply_error = WEIR_EINVAL;
        return WEIR_EINVAL;
    }
    return context_error_page(c, status, message ? message : "");
}

/* ---- What runs when no route does ---- */

static void handle_not_found(weir_ctx *c)
{
    (void)context_error_page(c, 404, "no such page");
}

static void handle_method(weir_ctx *c)
{
    (void)reply_add_field(c, SLICE("Allow"), slice_from(c->match.allow), true);
    (void)context_error_page(c, 405, "the method is not allowed here");
}

static void handle_options(weir_ctx *c)
{
    c->x->reply.status = 204;
    (void)reply_add_field(c, SLICE("Allow"), slice_from(c->match.allow), true);
}

static void handle_refused(weir_ctx *c)
{
    (void)context_error_page(c, 400, "the path is not acceptable");
}

static void handle_too_long(weir_ctx *c)
{
    http_refused(c->x->http, REFUSAL_PATH_PARAMETER, NULL);
    (void)context_error_page(c, 414, refusal_infos[REFUSAL_PATH_PARAMETER].text);
}

static void handle_no_memory(weir_ctx *c)
{
    (void)context_error_page(c, 503, "the request needs more memory than it may have");
}

/* ---- The chain ---- */

static bool chain_over(const weir_ctx *c)
{
    return c->ended || reply_is_complete(&c->x->reply);
}

void weir_next(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    const struct chain *chain = c->chain;
    if (!c->next_allowed)
        return;
    c->next_allowed = false;
    if (chain_over(c))
        return;
    if (chain && c->around < chain->around.count) {
        weir_handler middleware = chain->around.items[c->around++];
        c->next_allowed = true;
        middleware(c);
        c->next_allowed = false;
    } else {
        c->handler(c);
    }
}

static void chain_run(weir_ctx *c)
{
    const struct chain *chain = c->chain;
    for (size_t i = 0; i < chain->request.count; i++) {
        chain->request.items[i](c);
        if (chain_over(c))
            return;
    }
    c->next_allowed = true;
    weir_next(c);
}

void weir_end(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    c->ended = true;
}

/* The status that fits an error: of a file that was to be sent, a body that was to be saved, or a reply. */
static COLD int error_status(int error)
{
    switch (error) {
    case WEIR_ECLOSED: /* the client has ended its side within the body, and still reads */
    case WEIR_EPROTO:
        return 400;
    case WEIR_EACCES:
        return 403;
    case WEIR_ENOENT:
        return 404;
    case WEIR_ETIMEDOUT:
        return 408;
    case WEIR_EEXIST:
        return 409;
    case WEIR_ECONDITION:
        return 412;
    case WEIR_ENOMEM:
    case WEIR_ECANCELED:
    case WEIR_EBUSY: /* a path that others rename again and again, or a file that somebody else has locked */
        return 503;
    case WEIR_EUPGRADE:
        return 426;
    case WEIR_ENOSPC:
        return 507;
    default:
        return 500;
    }
}

/* Makes the page of an error for a reply that failed, if the handler left it at that. */
static COLD void answer_error(weir_ctx *c)
{
    const struct exchange *x = c->x;
    if (reply_is_committed(&x->reply) || (!c->reply_broken && (reply_is_complete(&x->reply) || x->body_sent > 0)))
        return;
    int status = error_status(c->reply_error);
    if (c->reply_broken)
        reply_reset(c, status, false);
    const char *text = c->reply_error_text;
    (void)context_error_page(c, status, text ? text : weir_strerror(c->reply_error));
}

/* ---- The HTTP floor's calls ---- */

/* chain, route_data, match and path are for the routing to set, or for who does without; handler for the routing. */
static inline weir_ctx *context_begin(struct exchange *x)
{
    weir_ctx *c = x->context;
    c->x = x;
    c->web = web_of(x);
    CONTEXT_ENTER(c);
    memset((char *)c + CONTEXT_CLEARED, 0, sizeof *c - CONTEXT_CLEARED);
    return c;
}

static void context_use_group(weir_ctx *c, const weir_group *g)
{
    c->chain = g->plain ? NULL : &g->chain;
}

/* Refuses an announced length beyond what the group allows, before anything of the body is asked for; web_replace()
 * makes the page. */
static void handle_long_body(weir_ctx *c)
{
    exchange_refuse(c->x, REFUSAL_BODY, NULL);
}

/* Sets the bound that the group has for bodies, and refuses an announced length beyond it. */
static void context_limit_body(weir_ctx *c, const weir_group *g)
{
    struct exchange *x = c->x;
    if (g->settings.max_body != 0)
        x->body_limit = g->settings.max_body < 0 ? INT64_MAX : g->settings.max_body;
    if (x->body_length > x->body_limit)
        c->handler = handle_long_body;
}

/* Takes the middleware of the group whose prefix and host match, where no route does. */
static COLD void context_use_cover(weir_ctx *c)
{
    struct exchange *x = c->x;
    context_use_group(c, site_cover(c->web->site, c->web->regex, &x->arena, x->target.authority, &c->path, &c->match));
}

/* Chooses what answers a request that no route serves. */
static COLD void context_route_elsewhere(weir_ctx *c, enum router_outcome outcome)
{
    struct exchange *x = c->x;
    const struct site *site = c->web->site;
    exchange_forget_class(x);
    switch (outcome) {
    case ROUTER_NOT_FOUND:
        context_use_cover(c);
        c->handler = site->not_found ? site->not_found : handle_not_found;
        if (site->not_found)
            x->reply.status = 404;
        break;
    case ROUTER_METHOD:
    case ROUTER_OPTIONS:
        context_use_group(c, ((const struct route *)c->match.value)->group);
        c->handler = outcome == ROUTER_METHOD ? handle_method : handle_options;
        break;
    case ROUTER_REFUSED:
        context_use_cover(c);
        c->handler = handle_refused;
        break;
    case ROUTER_TOO_LONG:
        context_use_cover(c);
        c->handler = handle_too_long;
        break;
    case ROUTER_NO_MEMORY:
    case ROUTER_FOUND:
        if (c->match.value)
            context_use_group(c, ((const struct route *)c->match.value)->group);
        else
            context_use_cover(c);
        c->handler = handle_no_memory;
        break;
    }
}

/* Chooses the handler where the path is refused, or is "*" and stands for the whole server. */
static COLD void context_route_nowhere(weir_ctx *c, weir_handler handler)
{
    exchange_forget_class(c->x);
    c->path = (struct path){.in_place = false};
    c->handler = handler;
}

/* The route that was found serves the request. */
static inline void context_use_route(weir_ctx *c)
{
    struct route *route = c->match.value;
    c->handler = route->handler;
    c->route_data = route->data;
    exchange_set_class(c->x, &route->admission);
    context_use_group(c, route->group);
    if (unlikely(c->x->body_length != 0))
        context_limit_body(c, route->group);
}

/* Finds what serves a request whose path is not the text of a route, or holds more than text. */
static __attribute__((noinline)) void context_route_slowly(weir_ctx *c)
{
    struct exchange *x = c->x;
    const struct site *site = c->web->site;
    c->route_data = NULL;
    context_use_group(c, &site->root);
    if (x->target.path.data[0] == '*') {
        c->match = (struct router_match){.allow = router_methods(site->router, &x->arena)};
        context_route_nowhere(c, c->match.allow ? handle_options : handle_no_memory);
        return;
    }
    int error = 0;
    if (unlikely(!x->target.plain)) /* else it has been looked for as a text */
        error = path_normalize(x->target.path, &x->arena, &c->path);
    if (unlikely(error)) {
        c->match = (struct router_match){0};
        context_route_nowhere(c, error == WEIR_ENOMEM ? handle_no_memory : handle_refused);
        return;
    }
    struct slice method = slice_of(x->head.base, x->head.method_len);
    enum router_outcome outcome = (likely(x->target.plain) ? router_search : router_match)(
        site->router, c->web->regex, &x->arena, method, x->target.authority, &c->path, &c->match);
    if (likely(outcome == ROUTER_FOUND))
        context_use_route(c);
    else
        context_route_elsewhere(c, outcome);
}

/* Finds what serves the request. */
static inline void context_route(weir_ctx *c)
{
    struct exchange *x = c->x;
    struct slice method = slice_of(x->head.base, x->head.method_len);
    if (likely(x->target.plain)) {
        path_take(x->target.path, &c->path);
        if (likely(router_find(c->web->site->router, method, c->path.route, &c->match))) {
            context_use_route(c);
            return;
        }
    }
    context_route_slowly(c);
}

/* The request's class for admission; NULL where no route was found, or the body is too long: then it does not wait. */
static struct admission_class *context_class(weir_ctx *c)
{
    struct route *route = c->match.pattern && c->handler != handle_long_body ? c->match.value : NULL;
    return route ? &route->admission : NULL;
}

/* Applies the settings of a group that is not plain to its request. */
static COLD void context_apply_settings(weir_ctx *c)
{
    const weir_group *g = container_of(c->chain, const weir_group, chain);
    const struct admission_class *class = context_class(c);
    if (g->settings.stop_ends_waits != 0)
        weir_stop_ends_waits(c, g->settings.stop_ends_waits == WEIR_ON);
    if (g->settings.handler_timeout_ms != 0)
        exchange_limit_time(c->x, g->settings.handler_timeout_ms);
    if (g->settings.deadline_ms != 0 || g->settings.deadline_header)
        context_use_deadline(c, &g->settings);
    if (g->settings.request_memory != 0 && class)
        exchange_use_memory(c->x, class);
}

static bool web_handle(struct exchange *x)
{
    weir_ctx *c = context_begin(x);
    context_route(c);
    fiber_label(&c->web->loop->fibers, c->match.pattern);
    if (!exchange_admit(x, context_class(c)))
        return false;
    if (likely(!c->chain)) {
        c->handler(c);
    } else {
        context_apply_settings(c);
        chain_run(c);
    }
    if (unlikely(c->socket != NULL) && c->socket->ops->left)
        (void)c->socket->ops->left(c, false);
    if (unlikely(c->reply_error))
        answer_error(c);
    return true;
}

/* A context without a request, as that of a head which was refused. */
static weir_ctx *context_begin_bare(struct exchange *x)
{
    weir_ctx *c = context_begin(x);
    c->route_data = NULL;
    c->match = (struct router_match){0};
    c->path = (struct path){.in_place = false};
    c->path_text = "";
    fiber_label(&c->web->loop->fibers, NULL); /* removes the label of the request before */
    c->query_parsed = true;
    c->query = (struct query){0};
    return c;
}

weir_ctx *context_begin_event(struct exchange *x)
{
    return context_begin_bare(x);
}

static void web_refuse(struct exchange *x, int status, const char *reason)
{
    weir_ctx *c = context_begin_bare(x);
    context_use_group(c, &c->web->site->root);
    (void)context_error_page(c, status, reason);
}

static bool web_connected(struct exchange *x, const struct raw_service *service)
{
    const struct raw_handler *raw = (const void *)service;
    weir_ctx *c = context_begin_bare(x);
    c->chain = NULL;
    if (!exchange_admit(x, NULL))
        return false;
    upgrade_set_patience(x, raw->read_timeout_ms);
    raw->handler(c);
    return true;
}

static void web_resume(struct exchange *x)
{
    weir_ctx *c = x->context;
    CONTEXT_ENTER(c);
    if (reply_is_committed(&x->reply) && reply_is_bodyless(&x->reply) && !x->gone && c->fail_status == 0)
        return; /* a HEAD whose handler went on writing: the reply is complete */
    if (c->fail_status == 0 && x->refusal != REFUSAL_NONE && !reply_is_committed(&x->reply) && !x->gone)
        return; /* web_replace() follows */
    if (c->socket && !x->gone && !x->cut && c->socket->ops->left) {
        x->handler = HANDLER_RUNS;
        if (c->socket->ops->left(c, true))
            return;
    }
    if (c->fail_status == 0 || reply_is_committed(&x->reply) || x->gone) {
        if (c->fail_status == 0 || x->gone)
            exchange_break(x);
        else
            reply_break(c, c->fail_message);
        return;
    }
    x->handler = HANDLER_RUNS; /* what follows is the handler's answer, also to a refusal */
    reply_reset(c, c->fail_status, true);
    (void)context_error_page(c, c->fail_status, c->fail_message);
}

static void web_replace(struct exchange *x)
{
    weir_ctx *c = x->context;
    const struct refusal_info *info = &refusal_infos[x->refusal];
    reply_reset(c, info->status, false);
    x->reply.close = true;
    if (info->status == 503 && !reply_has_field(&x->reply, SLICE("Retry-After"))) /* or it has stayed */
        (void)reply_add_field(c, SLICE("Retry-After"), SLICE("1"), true);
    (void)context_error_page(c, info->status, info->text);
}

static void web_unmade(struct exchange *x, int error)
{
    weir_ctx *c = x->context;
    c->reply_error = error;
    c->reply_broken = true;
    answer_error(c);
}

/* True: the head has just been committed by one of them, or there are filters or trailer fields that the head may
 * depend on. */
static COLD bool run_response_middleware(weir_ctx *c)
{
    struct exchange *x = c->x;
    const struct exchange_ops *ops = x->ops;
    c->head_made = true;
    const struct handler_list *response = &c->chain->response;
    for (size_t i = 0; i < response->count; i++)
        response->items[i](c);
    if (unlikely(c->reply_error) && x->reply.phase != REPLY_SEALING)
        answer_error(c); /* the error of a reply that one of them was to make */
    if (container_of(c->chain, const weir_group, chain)->compress)
        compress_reply(c);
    reply_add_hsts(c);
    return x->ops != ops || x->reply.trailers || reply_is_committed(&x->reply);
}

static bool web_before_head(struct exchange *x)
{
    weir_ctx *c = x->context;
    return unlikely(c->chain && !c->head_made) && run_response_middleware(c);
}

static void web_body_over(struct exchange *x)
{
    context_release_body(x->context);
}

static void web_ended(struct exchange *x)
{
    weir_ctx *c = x->context;
    if (likely(((uintptr_t)c->deferred | (uintptr_t)c->claims) == 0))
        return;
    context_run_deferred(c);
    claims_forfeit(&c->claims);
}

static const char *web_pattern(const struct exchange *x)
{
    const weir_ctx *c = x->context;
    return c->match.pattern;
}

const struct http_host web_host = {
    .context_size = sizeof(struct weir_ctx),
    .handle = web_handle,
    .connected = web_connected,
    .refuse = web_refuse,
    .resume = web_resume,
    .replace = web_replace,
    .unmade = web_unmade,
    .before_head = web_before_head,
    .body_over = web_body_over,
    .ended = web_ended,
    .pattern = web_pattern,
};

/* ---- Failing ---- */

void weir_fail(weir_ctx *c, int status, const char *fmt, ...)
{
    CONTEXT_CHECK(c);
    context_check_failing(c);
    va_list args;
    va_start(args, fmt);
    char text[PAGE_MESSAGE_MAX + 2]; /* one byte more, to show that the message was longer */
    if (fmt)
        vsnprintf(text, sizeof text, fmt, args);
    else
        text[0] = '\0';
    va_end(args);
    const char *copy = arena_copy(&c->x->arena, slice_from(text));
    c->fail_status = status >= 400 && status <= 599 ? status : 500;
    c->fail_message = copy ? copy : "";
    c->body_is_file = false;
    if (c->fail_status >= 500)
        http_log_failure(c->x, "its handler failed with %d: %s", c->fail_status, text);
    else
        http_log_denial(c->x, c->fail_status, text);
    exchange_abandon(c->x);
}
