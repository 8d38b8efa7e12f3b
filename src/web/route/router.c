/*
 * Registering routes. Everything about a route is checked, and its memory taken, before a lookup could see it. A failed
 * registration leaves behind only nodes at which nothing ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/router.h"

#include "http/token.h"
#include "web/route/host.h"
#include "web/route/pattern.h"
#include "web/route/private.h"

#include <stdio.h>

#define ROUTES_FIRST 16u

/* A registration under way. */
struct addition {
    struct router *router;
    const char *method;
    const char *host;
    unsigned method_number; /* METHOD_UNKNOWN: not among the router's yet, or any method */
    bool upgrades;          /* WEIR_UPGRADE: GET's number, and CONNECT besides */
    struct pattern pattern;
    struct pattern_error error;
};

struct router *router_new(struct account *account)
{
    struct router *router = memory_alloc(account, sizeof *router);
    if (!router)
        return NULL;
    memset(router, 0, sizeof *router);
    if (!route_tree_init(&router->tree, account)) {
        memory_free(account, router, sizeof *router);
        return NULL;
    }
    router->list = &router->expressions;
    return router;
}

struct router *router_new_beside(struct router *other)
{
    struct router *router = router_new(other->tree.account);
    if (router)
        router->list = other->list;
    return router;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    struct account *account = router->tree.account;
    route_tree_done(&router->tree);
    regex_list_free(account, router->expressions);
    memory_free(account, router->routes, router->route_room * sizeof *router->routes);
    memory_free(account, router, sizeof *router);
}

static const char *store_text(struct router *router, struct slice text)
{
    char *copy = route_tree_store(&router->tree, text.len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

static int fail_memory(struct addition *a)
{
    return pattern_fail(&a->error, a->pattern.source, 0, WEIR_ENOMEM, "no memory for this route");
}

/* Gives the method a number. A new one becomes known only when its name is stored. */
static int number_method(struct addition *a)
{
    a->method_number = METHOD_UNKNOWN;
    if (!a->method)
        return 0;
    a->upgrades = strcmp(a->method, WEIR_UPGRADE) == 0;
    if (a->upgrades) {
        a->method_number = METHOD_GET;
        return 0;
    }
    struct method_extensions *extensions = &a->router->extensions;
    struct slice method = slice_from(a->method);
    if (!is_token(method))
        return pattern_fail(&a->error, a->pattern.source, 0, WEIR_EINVAL, "\"%.100s\" cannot be a method", a->method);
    a->method_number = method_number(method, extensions);
    if (a->method_number != METHOD_UNKNOWN)
        return 0;
    const char *meant = method_spelled_otherwise(method);
    if (meant)
        return pattern_fail(&a->error, a->pattern.source, 0, WEIR_EINVAL,
                            "the method \"%s\" is sent by nobody: methods are case-sensitive, write \"%s\"", a->method,
                            meant);
    if (extensions->count == METHOD_EXTENSION_MAX)
        return pattern_fail(&a->error, a->pattern.source, 0, WEIR_EINVAL, "more than %d methods of one's own",
                            METHOD_EXTENSION_MAX);
    const char *name = store_text(a->router, method);
    if (!name)
        return fail_memory(a);
    a->method_number = METHOD_STANDARD_COUNT + extensions->count;
    extensions->names[extensions->count++] = name;
    return 0;
}

/* The root of the tree in which the pattern belongs. */
static int find_root(struct addition *a, uint32_t *root)
{
    char buf[HOST_LEN_MAX];
    *root = NODE_ANY_HOST;
    if (!a->host)
        return 0;
    struct slice key = host_pattern_key(a->host, buf);
    if (key.len == 0)
        return pattern_fail(&a->error, a->pattern.source, 0, WEIR_EINVAL,
                            "\"%.300s\" is not a host: a name without a port, or \"*.\" and a name", a->host);
    *root = route_tree_text(&a->router->tree, NODE_HOSTS, key);
    return *root == NODE_NONE ? fail_memory(a) : 0;
}

static int add_expression(struct addition *a, uint32_t parent, struct slice text, bool last, uint32_t *node)
{
    char reason[160];
    size_t at;
    struct regex *regex;
    struct route_tree *tree = &a->router->tree;
    int failed = regex_compile(tree->account, text, a->router->list, &regex, reason, sizeof reason, &at);
    if (failed == WEIR_EINVAL)
        return pattern_fail(&a->error, a->pattern.source, (size_t)(text.data - a->pattern.source) + at, WEIR_EINVAL,
                            "bad expression: %s", reason);
    if (failed)
        return fail_memory(a);
    *node = last ? route_tree_rest(tree, parent, regex) : route_tree_expression(tree, parent, regex);
    return *node == NODE_NONE ? fail_memory(a) : 0;
}

static int add_segment(struct addition *a, uint32_t *node, const struct pattern_segment *segment, bool last)
{
    struct route_tree *tree = &a->router->tree;
    char decoded[PATTERN_LEN_MAX];
    uint32_t parent = *node;
    switch (segment->kind) {
    case SEGMENT_TEXT:
        *node = route_tree_text(tree, parent, slice_of(decoded, pattern_decode(segment->text, decoded)));
        break;
    case SEGMENT_PARAMETER:
        *node = route_tree_parameter(tree, parent);
        break;
    case SEGMENT_EXPRESSION:
        return add_expression(a, parent, segment->text, last, node);
    }
    return *node == NODE_NONE ? fail_memory(a) : 0;
}

/* Walks the pattern into the tree; *node is where it ends. */
static int add_nodes(struct addition *a, uint32_t *node)
{
    int failed = find_root(a, node);
    for (size_t i = 0; !failed && i < a->pattern.count; i++)
        failed = add_segment(a, node, &a->pattern.segments[i], i + 1 == a->pattern.count);
    return failed;
}

/* Makes the node that leads to a route in one step (see tree.h), for a pattern of text only; else NODE_NONE. */
static int add_shortcut(struct addition *a, uint32_t *node)
{
    char whole[PATTERN_LEN_MAX];
    size_t len = 0;
    *node = NODE_NONE;
    for (size_t i = 0; i < a->pattern.count; i++) {
        if (a->host || a->pattern.segments[i].kind != SEGMENT_TEXT)
            return 0;
        if (i > 0)
            whole[len++] = '/';
        len += pattern_decode(a->pattern.segments[i].text, whole + len);
    }
    *node = route_tree_text(&a->router->tree, NODE_ANY_HOST, slice_of(whole, len));
    return *node == NODE_NONE ? fail_memory(a) : 0;
}

static int rank(const struct router_route *route)
{
    if (route->accepts == METHOD_ANY)
        return 2;
    return (route->accepts & METHOD_BIT(METHOD_GET)) != 0;
}

static uint64_t accepted_methods(const struct addition *a)
{
    if (!a->method)
        return METHOD_ANY;
    uint64_t bits = METHOD_BIT(a->method_number);
    if (a->upgrades)
        bits |= METHOD_BIT(METHOD_CONNECT);
    return a->method_number == METHOD_GET ? bits | METHOD_BIT(METHOD_HEAD) : bits;
}

/* Refuses a second route of the same shape and method; says where the patterns part, which is within a name. */
static int check_conflict(struct addition *a, uint32_t node)
{
    uint64_t accepts = accepted_methods(a);
    for (const struct router_route *other = a->router->tree.nodes[node].routes; other; other = other->next) {
        bool any = other->accepts == METHOD_ANY || accepts == METHOD_ANY;
        bool both = other->accepts & accepts & ~METHOD_BIT(METHOD_HEAD); /* which may have a route beside GET's */
        if (other->accepts != accepts && (any || !both))
            continue;
        size_t at = 0;
        while (a->pattern.source[at] && a->pattern.source[at] == other->pattern[at])
            at++;
        return pattern_fail(&a->error, a->pattern.source, at, WEIR_EEXIST,
                            "%s is already registered for \"%.200s\", which matches the same",
                            a->method ? a->method : "any method", other->pattern);
    }
    return 0;
}

static struct router_route *make_route(struct addition *a, void *value)
{
    struct router *router = a->router;
    const struct pattern *pattern = &a->pattern;
    struct router_route *route =
        route_tree_store(&router->tree, sizeof *route + pattern->params * sizeof route->names[0]);
    if (!route)
        return NULL;
    *route = (struct router_route){.value = value, .accepts = accepted_methods(a)};
    route->pattern = store_text(router, slice_from(pattern->source));
    route->method = a->method ? store_text(router, slice_from(a->method)) : NULL;
    route->host = a->host ? store_text(router, slice_from(a->host)) : NULL;
    if (!route->pattern || (a->method && !route->method) || (a->host && !route->host))
        return NULL;
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->segments[i].kind == SEGMENT_TEXT)
            continue;
        const char *name = store_text(router, pattern->segments[i].name);
        if (!name)
            return NULL;
        route->names[route->param_count++] = name;
    }
    return route;
}

/* Makes room for one more route in the sorted list. */
static bool routes_grow(struct router *router)
{
    if (router->route_count < router->route_room)
        return true;
    struct account *account = router->tree.account;
    size_t room = router->route_room ? router->route_room * 2 : ROUTES_FIRST;
    struct router_route **routes = memory_alloc(account, room * sizeof *routes);
    if (!routes)
        return false;
    if (router->routes)
        memcpy(routes, router->routes, router->route_count * sizeof *routes);
    memory_free(account, router->routes, router->route_room * sizeof *routes);
    router->routes = routes;
    router->route_room = room;
    return true;
}

static int compare_routes(const struct router_route *a, const struct router_route *b)
{
    int order = strcmp(a->pattern, b->pattern);
    if (order == 0)
        order = strcmp(a->host ? a->host : "", b->host ? b->host : "");
    return order ? order : strcmp(a->method ? a->method : "*", b->method ? b->method : "*");
}

/* Makes the route visible: nothing in here can fail. */
static void link_route(struct router *router, uint32_t node, struct router_route *route)
{
    struct router_route **at = &router->tree.nodes[node].routes;
    while (*at && rank(*at) <= rank(route))
        at = &(*at)->next;
    route->next = *at;
    *at = route;

    size_t low = 0;
    size_t high = router->route_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_routes(router->routes[middle], route) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(router->routes + low + 1, router->routes + low, (router->route_count - low) * sizeof *router->routes);
    router->routes[low] = route;
    router->route_count++;
}

int router_add(struct router *router, const char *method, const char *host, const char *pattern, void *value,
               char *message, size_t size)
{
    struct addition a = {.router = router, .method = method, .host = host, .error = {message, size}};
    uint32_t node;
    uint32_t shortcut;
    if (size > 0)
        message[0] = '\0';
    int failed = pattern_parse(pattern, &a.pattern, &a.error);
    if (!failed)
        failed = number_method(&a);
    if (!failed)
        failed = add_nodes(&a, &node);
    if (!failed)
        failed = check_conflict(&a, node);
    if (!failed)
        failed = add_shortcut(&a, &shortcut);
    if (failed)
        return failed;
    struct router_route *route = make_route(&a, value);
    if (!route || !routes_grow(router))
        return fail_memory(&a);
    link_route(router, node, route);
    if (shortcut != NODE_NONE)
        router->tree.nodes[shortcut].routes = router->tree.nodes[node].routes;
    if (method)
        router->methods |= route->accepts;
    if (host && host[0] == '*')
        router->below_hosts = true;
    return 0;
}

struct regex_context *router_context_new(const struct router *router, struct account *account)
{
    return regex_context_new(account, *router->list);
}

bool router_item(const struct router *router, size_t i, weir_route_info *info, void **value)
{
    if (i >= router->route_count)
        return false;
    const struct router_route *route = router->routes[i];
    *info = (weir_route_info){
        .method = route->method ? route->method : "*",
        .pattern = route->pattern,
        .host = route->host,
    };
    *value = route->value;
    return true;
}

void router_each(const struct router *router, void (*each)(void *arg, const weir_route_info *route), void *arg)
{
    weir_route_info info;
    void *value;
    for (size_t i = 0; router_item(router, i, &info, &value); i++)
        each(arg, &info);
}
