/*
 * Looking up a route: a walk down the tree, segment by segment, that goes back to the next less specific way when one
 * leads to nothing. Where there is only text, which is most of most trees, the walk is a loop without anything to go
 * back to.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/host.h"
#include "web/route/pattern.h"
#include "web/route/private.h"

/* A walk under way. The values of parameters are places in the path; texts are made of them at the end. */
struct walk {
    const struct route_tree *tree;
    struct regex_context *context;
    const char *path;    /* the route form */
    const char *decoded; /* the decoded form, as long as path */
    size_t len;
    uint64_t method;  /* a METHOD_BIT */
    uint64_t allowed; /* the methods of the routes that matched otherwise */
    bool refused;     /* an expression reached a limit: the walk is over */
    bool too_long;    /* the limit was that on an expression's subject */
    unsigned taken;
    struct slice values[PATTERN_PARAMS_MAX]; /* in decoded */
};

static const struct router_route *walk_from(struct walk *w, uint32_t at, size_t start);

/* The route for the method among those that end at a node. */
static inline const struct router_route *arrive(struct walk *w, uint32_t at)
{
    const struct router_route *route = w->tree->nodes[at].routes;
    for (; route; route = route->next) {
        if (route->accepts & w->method)
            return route;
        w->allowed |= route->accepts;
    }
    return NULL;
}

/* Goes on at a node that was reached by the segment ending at end. */
static const struct router_route *follow(struct walk *w, uint32_t at, size_t end)
{
    return end == w->len ? arrive(w, at) : walk_from(w, at, end + 1);
}

/* follow() with the bytes from start to end as a parameter's value. */
static const struct router_route *follow_with(struct walk *w, uint32_t at, size_t start, size_t end)
{
    w->values[w->taken++] = slice_of(w->decoded + start, end - start);
    const struct router_route *route = follow(w, at, end);
    if (!route)
        w->taken--;
    return route;
}

static bool fits(struct walk *w, uint32_t at, size_t start, size_t end)
{
    struct slice value = slice_of(w->decoded + start, end - start);
    enum regex_outcome outcome = regex_match(w->context, w->tree->nodes[at].regex, value);
    if (unlikely(outcome == REGEX_REFUSED)) {
        w->refused = true;
        w->too_long = value.len > ROUTER_PARAM_LEN_MAX;
    }
    return outcome == REGEX_YES;
}

/* Tries the nodes of a list for the bytes from start to end; those that take anything, or only the others. */
static const struct router_route *try_list(struct walk *w, uint32_t first, bool anything, size_t start, size_t end)
{
    for (uint32_t at = first; at != NODE_NONE; at = w->tree->nodes[at].next) {
        if (regex_takes_anything(w->tree->nodes[at].regex) != anything)
            continue;
        const struct router_route *route = fits(w, at, start, end) ? follow_with(w, at, start, end) : NULL;
        if (route || w->refused)
            return route;
    }
    return NULL;
}

/*
 * Goes on from a node that has more than text edges, in order of specificity. child is where the text leads, if
 * anywhere.
 */
static __attribute__((noinline)) const struct router_route *choose(struct walk *w, const struct route_node *node,
                                                                   uint32_t child, size_t start, size_t end)
{
    bool last = end == w->len;
    uint32_t expressions = last ? node->rests : node->expressions;
    const struct router_route *route = child != NODE_NONE ? follow(w, child, end) : NULL;
    if (!route && !w->refused && expressions != NODE_NONE)
        route = try_list(w, expressions, false, start, end);
    if (!route && !w->refused && !last && expressions != NODE_NONE)
        route = try_list(w, expressions, true, start, end);
    if (!route && !w->refused && node->parameter != NODE_NONE && end > start)
        route = follow_with(w, node->parameter, start, end);
    if (!route && !w->refused && !last && node->rests != NODE_NONE)
        route = try_list(w, node->rests, false, start, w->len);
    if (!route && !w->refused && node->rests != NODE_NONE)
        route = try_list(w, node->rests, true, start, w->len);
    return route;
}

/* Marks the slashes in a word. A borrow may run out of the top: only the bits below count. */
static inline WRAPS uint64_t slashes_in(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x = word ^ (ones * '/');
    return (x - ones) & ~x & (ones << 7); /* the lowest bit is exact */
}

/*
 * The end of the segment that starts at at. Segments are short: calling memchr() would cost more than it saves. The
 * path's last word is loaded so that it ends with the path, and shifted.
 */
static inline size_t segment_end(const char *path, size_t at, size_t len)
{
    for (; len - at >= 8; at += 8) {
        uint64_t found = slashes_in(load_8(path + at));
        if (found)
            return at + (size_t)__builtin_ctzll(found) / 8;
    }
    if (len >= 8 && at < len) {
        uint64_t found = slashes_in(load_8(path + len - 8) >> (8 - (len - at)) * 8);
        return found ? at + (size_t)__builtin_ctzll(found) / 8 : len;
    }
    while (at < len && path[at] != '/')
        at++;
    return at;
}

/* Looks for a route from a node on; the segment that follows it begins at start. */
static const struct router_route *walk_from(struct walk *w, uint32_t at, size_t start)
{
    for (;;) {
        const struct route_node *node = &w->tree->nodes[at];
        size_t end = segment_end(w->path, start, w->len);
        uint32_t child = node->texts ? route_tree_find(w->tree, at, w->path + start, end - start) : NODE_NONE;
        if (node->parameter | node->expressions | node->rests)
            return choose(w, node, child, start, end);
        if (child == NODE_NONE)
            return NULL;
        if (end == w->len)
            return arrive(w, child);
        at = child;
        start = end + 1;
    }
}

/* Tries the trees of the request's host: its own, then those of ever shorter suffixes. */
static const struct router_route *walk_hosts(struct walk *w, const struct router *router, struct slice host)
{
    char buf[HOST_LEN_MAX];
    struct slice name = host_normalize(host, buf);
    const struct router_route *route = NULL;
    for (size_t at = 0; at < name.len && !route && !w->refused; at++) {
        if (at > 0 && (!router->below_hosts || name.data[at] != '.'))
            continue;
        uint32_t root = route_tree_find(w->tree, NODE_HOSTS, name.data + at, name.len - at);
        if (root != NODE_NONE)
            route = walk_from(w, root, 1);
    }
    return route;
}

/* Makes the parameters' texts. */
static enum router_outcome make_params(const struct walk *w, const struct router_route *route, struct arena *arena,
                                       struct router_match *out)
{
    size_t count = route->param_count;
    size_t size = count * sizeof(struct router_param);
    /* The way to a route has set the value of each of its parameters, which the analyzer cannot see. */
    for (size_t i = 0; i < count; i++) {
        size += w->values[i].len + 1; // NOLINT(clang-analyzer-core.UndefinedBinaryOperatorResult)
        if (unlikely(w->values[i].len > ROUTER_PARAM_LEN_MAX))
            return ROUTER_TOO_LONG; /* of any kind of parameter */
    }
    struct router_param *params = arena_alloc(arena, size);
    if (!params)
        return ROUTER_NO_MEMORY;
    char *text = (char *)(params + count);
    for (size_t i = 0; i < count; i++) {
        params[i] = (struct router_param){.name = route->names[i], .value = text};
        memcpy(text, w->values[i].data, w->values[i].len);
        text += w->values[i].len;
        *text++ = '\0';
    }
    out->params = params;
    out->param_count = count;
    return ROUTER_FOUND;
}

/* The first route that serves one of the walk's methods; NULL: none, or an expression reached a limit. */
static const struct router_route *walk_all(struct walk *w, const struct router *router, struct slice host)
{
    const struct router_route *route = NULL;
    if (w->tree->nodes[NODE_HOSTS].texts > 0)
        route = walk_hosts(w, router, host);
    if (!route && !w->refused)
        route = walk_from(w, NODE_ANY_HOST, 1);
    return route;
}

/*
 * Answers for a path that has routes for other methods only: what they allow, and the most specific of them, which a
 * second walk finds with its parameters.
 */
static COLD enum router_outcome other_method(struct walk *w, const struct router *router, struct slice host,
                                             struct arena *arena, struct router_match *out)
{
    uint64_t asked = w->method;
    out->allow = method_list(w->allowed | METHOD_BIT(METHOD_OPTIONS), &router->extensions, arena);
    if (!out->allow)
        return ROUTER_NO_MEMORY;
    w->method = w->allowed;
    const struct router_route *route = walk_all(w, router, host);
    weir_assert(route);
    out->value = route->value;
    enum router_outcome outcome = route->param_count > 0 ? make_params(w, route, arena, out) : ROUTER_FOUND;
    if (outcome != ROUTER_FOUND)
        return outcome;
    return asked == METHOD_BIT(METHOD_OPTIONS) ? ROUTER_OPTIONS : ROUTER_METHOD;
}

static enum router_outcome match_by_walk(const struct router *router, struct regex_context *context,
                                         struct arena *arena, uint64_t method, struct slice host,
                                         const struct path *path, struct router_match *out)
{
    struct walk w; /* members are set one by one: values is large, and rarely used */
    w.tree = &router->tree;
    w.context = context;
    w.path = path->route.data;
    w.decoded = path->decoded.data;
    w.len = path->route.len;
    w.method = method;
    w.allowed = 0;
    w.refused = w.too_long = false;
    w.taken = 0;

    const struct router_route *route = walk_all(&w, router, host);
    if (!route && w.refused)
        return w.too_long ? ROUTER_TOO_LONG : ROUTER_REFUSED;
    if (!route)
        return w.allowed ? other_method(&w, router, host, arena, out) : ROUTER_NOT_FOUND;
    enum router_outcome outcome = route->param_count > 0 ? make_params(&w, route, arena, out) : ROUTER_FOUND;
    out->value = route->value;
    if (likely(outcome == ROUTER_FOUND))
        out->pattern = route->pattern;
    return outcome;
}

/* Whether a node is a route that is this text from end to end, and serves the method: nothing can be more specific. */
static inline bool take_whole(const struct router *router, uint32_t node, uint64_t method, struct router_match *out)
{
    const struct router_route *route = router->tree.nodes[node].routes; /* NODE_NONE has none */
    while (route && !(route->accepts & method))
        route = route->next;
    if (!route)
        return false;
    out->value = route->value;
    out->pattern = route->pattern;
    return true;
}

/* Whether such a route can be found: there are any, and none for some hosts. */
static inline bool has_wholes(const struct route_node *nodes)
{
    return likely(nodes[NODE_ANY_HOST].texts > 0 && nodes[NODE_HOSTS].texts == 0);
}

static __attribute__((noinline)) bool find_slowly(const struct router *router, struct slice method, struct slice path,
                                                  struct router_match *out)
{
    *out = (struct router_match){0};
    if (!has_wholes(router->tree.nodes))
        return false;
    uint32_t node = route_tree_find(&router->tree, NODE_ANY_HOST, path.data + 1, path.len - 1);
    return take_whole(router, node, METHOD_BIT(method_number(method, &router->extensions)), out);
}

bool router_find(const struct router *router, struct slice method, struct slice path, struct router_match *out)
{
    /* Apart, so that what most requests are takes no call. */
    if (unlikely(!method_is_get(method) || path.len > KEY_WORDS_LEN + 1))
        return find_slowly(router, method, path, out);
    *out = (struct router_match){0};
    if (!has_wholes(router->tree.nodes))
        return false;
    uint32_t node = route_tree_find_short(&router->tree, NODE_ANY_HOST, path.data + 1, path.len - 1);
    return take_whole(router, node, METHOD_BIT(METHOD_GET), out);
}

enum router_outcome router_search(const struct router *router, struct regex_context *context, struct arena *arena,
                                  struct slice method, struct slice host, const struct path *path,
                                  struct router_match *out)
{
    return match_by_walk(router, context, arena, METHOD_BIT(method_number(method, &router->extensions)), host, path,
                         out);
}

bool router_serves(const struct router *router, unsigned method)
{
    return router->methods & METHOD_BIT(method);
}

const char *router_methods(const struct router *router, struct arena *arena)
{
    return method_list(router->methods | METHOD_BIT(METHOD_OPTIONS), &router->extensions, arena);
}
