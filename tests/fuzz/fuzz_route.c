/*
 * Paths and the router: input is "METHOD HOST PATH". A path has to become what cutting it into segments, decoding each
 * and dropping dot segments gives; and a lookup has to find the route that comes first when every route of a table is
 * tried by itself, with the values of its parameters, or the methods that the path allows.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/route/host.h"
#include "web/route/router.h"

#define SEGMENTS_MAX 4 /* of a route of the table */

/* ---- The table ---- */

static bool digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > 0;
}

static bool small(struct slice s, const char *from)
{
    for (size_t i = 0; i < s.len; i++)
        if (!s.data[i] || !strchr(from, s.data[i]))
            return false;
    return s.len > 0;
}

static bool a_to_z(struct slice s)
{
    return small(s, "abcdefghijklmnopqrstuvwxyz");
}

static bool a_to_y(struct slice s)
{
    return small(s, "abcdefghijklmnopqrstuvwxy");
}

static bool a_or_b(struct slice s)
{
    return small(s, "ab");
}

static bool up_to_8(struct slice s)
{
    return s.len <= 8 && small(s, "abcdefghijklmnopqrstuvwxyz/");
}

static bool xs_and_y(struct slice s)
{
    return s.len >= 2 && s.data[s.len - 1] == 'y' && small(slice_of(s.data, s.len - 1), "x");
}

static bool some(struct slice s)
{
    return s.len > 0;
}

static bool anything(struct slice s)
{
    return s.len < SIZE_MAX;
}

/* One segment of a route: its text, or the name of a parameter and whether it takes a value. rank: of two ways to go on
 * at one place the lower goes first (for an expression that is the last of its pattern: rank if one segment is left,
 * rank_rest if there are more). */
enum { RANK_TEXT, RANK_EXPRESSION, RANK_ANY_SEGMENT = 20, RANK_PARAMETER, RANK_REST, RANK_ANY_REST = 40 };

struct part {
    const char *text;
    const char *name;
    bool (*takes)(struct slice value);
    int rank, rank_rest;
};

#define TEXT(t)                                                                                                        \
    {                                                                                                                  \
        .text = (t)                                                                                                    \
    }
#define PARAMETER(n)                                                                                                   \
    {                                                                                                                  \
        .name = (n), .takes = some, .rank = RANK_PARAMETER                                                             \
    }
#define EXPRESSION(n, f, order)                                                                                        \
    {                                                                                                                  \
        .name = (n), .takes = (f), .rank = RANK_EXPRESSION + (order)                                                   \
    }
#define ANY_SEGMENT(n, f)                                                                                              \
    {                                                                                                                  \
        .name = (n), .takes = (f), .rank = RANK_ANY_SEGMENT                                                            \
    }
#define REST(n, f, order)                                                                                              \
    {                                                                                                                  \
        .name = (n), .takes = (f), .rank = RANK_EXPRESSION + (order), .rank_rest = RANK_REST + (order)                 \
    }
#define ANY_REST(n, f, order)                                                                                          \
    {                                                                                                                  \
        .name = (n), .takes = (f), .rank = RANK_ANY_REST + (order), .rank_rest = RANK_ANY_REST + (order)               \
    }

static const struct route_spec {
    const char *method, *host, *pattern;
    size_t count;
    struct part parts[SEGMENTS_MAX];
} table[] = {
    {"GET", NULL, "/", 1, {TEXT("")}},
    {"GET", NULL, "/file/{file:^.*$}", 2, {TEXT("file"), ANY_REST("file", anything, 0)}},
    {"GET", NULL, "/file/{some:.+}", 2, {TEXT("file"), ANY_REST("some", some, 1)}},
    {"GET", NULL, "/file/static", 2, {TEXT("file"), TEXT("static")}},
    {"GET", NULL, "/file/a%2Fb", 2, {TEXT("file"), TEXT("a\1b")}},
    {"GET", NULL, "/file/", 2, {TEXT("file"), TEXT("")}},
    {"GET",
     NULL,
     "/users/{id:[0-9]+}/posts/{post}",
     4,
     {TEXT("users"), EXPRESSION("id", digits, 0), TEXT("posts"), PARAMETER("post")}},
    {"POST",
     NULL,
     "/users/{name}/posts/{post}",
     4,
     {TEXT("users"), PARAMETER("name"), TEXT("posts"), PARAMETER("post")}},
    {NULL, NULL, "/users/me/{rest:.+}", 3, {TEXT("users"), TEXT("me"), ANY_REST("rest", some, 0)}},
    {"DELETE", NULL, "/a/{b:[a-z/]{1,8}}", 2, {TEXT("a"), REST("b", up_to_8, 0)}},
    {"DELETE", NULL, "/a/{b:[a-z]+}", 2, {TEXT("a"), REST("b", a_to_z, 1)}},
    {"GET", NULL, "/a/{c}", 2, {TEXT("a"), PARAMETER("c")}},
    {"GET", NULL, "/t/{p:[a-z]+}/x", 3, {TEXT("t"), EXPRESSION("p", a_to_z, 1), TEXT("x")}},
    {"GET", NULL, "/t/{p:[a-y]+}/x", 3, {TEXT("t"), EXPRESSION("p", a_to_y, 0), TEXT("x")}},
    {"GET", NULL, "/t/{q}/x", 3, {TEXT("t"), PARAMETER("q"), TEXT("x")}},
    {"GET", NULL, "/t/{r:.*}/x", 3, {TEXT("t"), ANY_SEGMENT("r", anything), TEXT("x")}},
    {"GET", NULL, "/t/q/x", 3, {TEXT("t"), TEXT("q"), TEXT("x")}},
    {"HEAD", NULL, "/t/q/x", 3, {TEXT("t"), TEXT("q"), TEXT("x")}},
    {NULL, NULL, "/t/q/x", 3, {TEXT("t"), TEXT("q"), TEXT("x")}},
    {"PURGE", NULL, "/t/q/", 3, {TEXT("t"), TEXT("q"), TEXT("")}},
    {"PUT", "a.example.org", "/{a}/{b}/{c}", 3, {PARAMETER("a"), PARAMETER("b"), PARAMETER("c")}},
    {"GET", "*.example.org", "/{a:x+y}/{b:(a|b)+}", 2, {EXPRESSION("a", xs_and_y, 0), REST("b", a_or_b, 0)}},
    {"GET", "*.org", "/{a}/{b}", 2, {PARAMETER("a"), PARAMETER("b")}},
    {"PUT", "[::1]", "/{a}", 1, {PARAMETER("a")}},
};

#define ROUTES (sizeof table / sizeof table[0])

/* Two routers of the table: with all routes, and with those for any host only, which is looked up in another way. */
struct world {
    struct fuzz_memory memory, match_memory; /* a path's, and that of a lookup */
    struct router *routers[2];
    struct regex_context *contexts[2];
};

static void router_fill(struct world *w, int which)
{
    w->routers[which] = router_new(&w->memory.account);
    FUZZ_CHECK(w->routers[which]);
    for (size_t i = 0; i < ROUTES; i++) {
        char message[256];
        if (which == 1 && table[i].host)
            continue;
        int error = router_add(w->routers[which], table[i].method, table[i].host, table[i].pattern,
                               (void *)(uintptr_t)&table[i], message, sizeof message);
        if (error)
            fprintf(stderr, "%s\n", message);
        FUZZ_CHECK(error == 0);
    }
    w->contexts[which] = router_context_new(w->routers[which], &w->memory.account);
    FUZZ_CHECK(w->contexts[which]);
}

static struct world *world_get(void)
{
    static struct world world;
    if (world.routers[0])
        return &world;
    fuzz_memory_open(&world.memory);
    fuzz_memory_open(&world.match_memory);
    router_fill(&world, 0);
    router_fill(&world, 1);
    return &world;
}

/* ---- The path, segment by segment ---- */

#define PATH_MAX_LEN 16000

/* Segments are decoded; an encoded slash in one is the byte 1, so a path that holds such a byte cannot be told. */
struct segments {
    bool unclear;
    size_t count;
    struct slice items[PATH_MAX_LEN + 1];
    char bytes[PATH_MAX_LEN + 1];
};

static int hex(char c)
{
    static const char digit[] = "0123456789abcdef";
    const char *found = c ? strchr(digit, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return found ? (int)(found - digit) : -1;
}

/* Decodes one segment to `to`. False: the path is to be refused. */
static bool segment_decode(struct segments *s, struct slice raw, char *to, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int c = (unsigned char)raw.data[i];
        if (c == '\\')
            return false;
        if (c == '%') {
            if (i + 2 >= raw.len || hex(raw.data[i + 1]) < 0 || hex(raw.data[i + 2]) < 0)
                return false;
            c = hex(raw.data[i + 1]) * 16 + hex(raw.data[i + 2]);
            i += 2;
        }
        s->unclear |= c == 1;
        if (c == 0)
            return false;
        to[(*len)++] = c == '/' ? '\1' : (char)c;
    }
    return true;
}

/* RFC 3986 section 5.2.4 on the segments of a path that begins with a slash. */
static bool path_cut(struct slice raw, struct segments *s)
{
    s->count = 0;
    s->unclear = false;
    if (raw.len == 0)
        raw = SLICE("/");
    if (raw.data[0] != '/')
        return false;
    char *to = s->bytes;
    for (size_t at = 1; at <= raw.len;) {
        size_t end = at, len;
        while (end < raw.len && raw.data[end] != '/')
            end++;
        if (!segment_decode(s, slice_of(raw.data + at, end - at), to, &len))
            return false;
        struct slice segment = slice_of(to, len);
        bool dot = slice_equal(segment, SLICE(".")), dots = slice_equal(segment, SLICE(".."));
        if (dots && s->count > 0)
            s->count--;
        if (dot || dots)
            segment.len = 0;
        if ((!dot && !dots) || end == raw.len)
            s->items[s->count++] = segment;
        to += len;
        at = end + 1;
    }
    return true;
}

static size_t segments_join(const struct segments *s, const char *encoded_slash, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < s->count; i++) {
        to[len++] = '/';
        for (size_t j = 0; j < s->items[i].len; j++) {
            char c = s->items[i].data[j];
            if (c == '\1' && *encoded_slash) {
                memcpy(to + len, encoded_slash, strlen(encoded_slash));
                len += strlen(encoded_slash);
            } else {
                to[len++] = c == '\1' ? '\0' : c;
            }
        }
    }
    return len;
}

static void check_path(const struct path *path, const struct segments *s)
{
    static char text[3 * PATH_MAX_LEN];
    FUZZ_CHECK(slice_equal(path->route, slice_of(text, segments_join(s, "", text))));
    FUZZ_CHECK(slice_equal(path->decoded, slice_of(text, segments_join(s, "/", text))));
    FUZZ_CHECK(slice_equal(path->text, slice_of(text, segments_join(s, "%2F", text))));
    FUZZ_CHECK(path->in_place ||
               (path->route.data[path->route.len] == '\0' && path->text.data[path->text.len] == '\0' &&
                path->decoded.data[path->decoded.len] == '\0'));
}

/* ---- The lookup, route by route ---- */

struct found {
    const struct route_spec *route;
    int host_rank, method_rank;
    int ranks[SEGMENTS_MAX];
    struct slice values[SEGMENTS_MAX];
};

/* How a route's method serves a request's: the lower the better, -1: it does not. */
static int method_rank(const struct route_spec *route, struct slice method)
{
    if (!route->method)
        return 2;
    if (slice_equal(slice_from(route->method), method))
        return 0;
    return slice_equal(method, SLICE("HEAD")) && strcmp(route->method, "GET") == 0 ? 1 : -1;
}

/* How a route's host is the request's: 0 for the name itself, more the shorter the suffix, and most for any; -1: it is
 * not. */
static int host_rank(const struct route_spec *route, struct slice name)
{
    if (!route->host)
        return 1000;
    struct slice host = slice_from(route->host);
    if (host.data[0] != '*')
        return slice_equal(host, name) ? 0 : -1;
    struct slice suffix = slice_of(host.data + 1, host.len - 1);
    if (name.len <= suffix.len || memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) != 0)
        return -1;
    return (int)(name.len - suffix.len);
}

/* The name of a Host field's value in lower case, or nothing. */
static struct slice host_name(struct slice host, char *to)
{
    size_t len = 0;
    bool literal = host.len > 0 && host.data[0] == '[';
    while (len < host.len && (literal ? host.data[len] != ']' : host.data[len] != ':'))
        len++;
    len += literal && len < host.len;
    if (literal && (len < 3 || host.data[len - 1] != ']' || (len < host.len && host.data[len] != ':')))
        return SLICE("");
    const char *others = literal ? ":." : "-._";
    for (size_t i = 0; i < len; i++) {
        char c = host.data[i];
        bool upper = c >= 'A' && c <= 'Z', alphanumeric = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alphanumeric && !(c && strchr(others, c)) && !(literal && (i == 0 || i + 1 == len)))
            return SLICE("");
        to[i] = upper ? (char)(c + 32) : c;
    }
    if (len > 0 && to[len - 1] == '.')
        len--;
    return len == 0 || len > HOST_LEN_MAX || to[0] == '.' ? SLICE("") : slice_of(to, len);
}

/* A segment's value, or that of it and all behind it, as parameters have it. */
static struct slice value_of(const struct segments *s, size_t from, size_t upto, const struct path *path)
{
    const char *at = path->decoded.data;
    for (size_t i = 0; i < from; i++)
        at += s->items[i].len + 1;
    size_t len = 0;
    for (size_t i = from; i < upto; i++)
        len += s->items[i].len + 1;
    return slice_of(at + 1, len - 1);
}

/* Whether the route's pattern matches the path, and how. */
static bool route_try(const struct route_spec *route, const struct segments *s, const struct path *path,
                      struct found *f)
{
    for (size_t i = 0; i < route->count; i++) {
        const struct part *part = &route->parts[i];
        if (i >= s->count)
            return false;
        bool rest = i + 1 == route->count && part->rank_rest > 0 && s->count > route->count;
        if (i + 1 == route->count && !rest && s->count != route->count)
            return false;
        f->ranks[i] = rest ? part->rank_rest : part->rank;
        f->values[i] = value_of(s, i, rest ? s->count : i + 1, path);
        if (part->text ? !slice_equal(slice_from(part->text), s->items[i]) : !part->takes(f->values[i]))
            return false;
    }
    return true;
}

/* The first place where they differ decides; routes of one shape differ by method only. */
static bool goes_before(const struct found *a, const struct found *b)
{
    if (a->host_rank != b->host_rank)
        return a->host_rank < b->host_rank;
    for (size_t i = 0; i < a->route->count && i < b->route->count; i++)
        if (a->ranks[i] != b->ranks[i])
            return a->ranks[i] < b->ranks[i];
    return a->method_rank < b->method_rank;
}

/* A text of "GET, HEAD" holds a method as a member. */
static bool list_holds(const char *list, const char *method)
{
    size_t len = strlen(method);
    for (const char *at = list; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, method, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

struct expected {
    struct found first; /* route NULL: none */
    struct found other; /* of those for other methods: the most specific */
    const char *allowed[ROUTES];
    size_t allowed_count;
};

static void expect(struct expected *e, int which, struct slice method, struct slice host, const struct segments *s,
                   const struct path *path)
{
    *e = (struct expected){0};
    char buf[PATH_MAX_LEN];
    struct slice name = host_name(host, buf);
    for (size_t i = 0; i < ROUTES; i++) {
        struct found f = {.route = &table[i], .host_rank = host_rank(&table[i], name)};
        if (f.host_rank < 0 || (which == 1 && table[i].host) || !route_try(&table[i], s, path, &f))
            continue;
        f.method_rank = method_rank(&table[i], method);
        if (f.method_rank >= 0 && (!e->first.route || goes_before(&f, &e->first)))
            e->first = f;
        if (f.method_rank >= 0)
            continue;
        e->allowed[e->allowed_count++] = table[i].method;
        if (!e->other.route || goes_before(&f, &e->other))
            e->other = f;
    }
}

static void set_add(const char **set, size_t *count, const char *method)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(set[i], method) == 0)
            return;
    set[(*count)++] = method;
}

/* The list holds each allowed method, HEAD where it holds GET, OPTIONS, and nothing else. */
static void check_allow(const struct expected *e, const char *allow)
{
    const char *set[2 * ROUTES + 1] = {"OPTIONS"};
    size_t count = 1, members = 1;
    for (size_t i = 0; i < e->allowed_count; i++) {
        set_add(set, &count, e->allowed[i]);
        if (strcmp(e->allowed[i], "GET") == 0)
            set_add(set, &count, "HEAD");
    }
    for (const char *at = allow; (at = strstr(at, ", ")); at += 2)
        members++;
    FUZZ_CHECK(members == count);
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(list_holds(allow, set[i]));
}

/* Behind 405 and OPTIONS is the most specific route of those for other methods, or one of that pattern and host. */
static void check_other(const struct expected *e, const struct route_spec *found)
{
    FUZZ_CHECK((found != NULL) == (e->other.route != NULL));
    if (!found)
        return;
    const char *host = e->other.route->host;
    FUZZ_CHECK(strcmp(found->pattern, e->other.route->pattern) == 0);
    FUZZ_CHECK(host ? found->host && strcmp(found->host, host) == 0 : !found->host);
}

static void check_match(struct world *w, int which, struct slice method, struct slice host, const struct segments *s,
                        const struct path *path)
{
    struct expected e;
    struct router_match match;
    expect(&e, which, method, host, s, path);
    enum router_outcome outcome =
        router_match(w->routers[which], w->contexts[which], &w->match_memory.arena, method, host, path, &match);
    if (outcome == ROUTER_TOO_LONG) {
        FUZZ_CHECK(path->decoded.len > ROUTER_PARAM_LEN_MAX);
        return;
    }
    if (outcome == ROUTER_REFUSED) {
        FUZZ_CHECK(path->decoded.len > 1000); /* an expression met more than it looks at */
        return;
    }
    FUZZ_CHECK((outcome == ROUTER_FOUND) == (e.first.route != NULL));
    if (outcome != ROUTER_FOUND) {
        check_other(&e, match.value);
        FUZZ_CHECK((outcome == ROUTER_NOT_FOUND) == (e.allowed_count == 0));
        FUZZ_CHECK((outcome == ROUTER_OPTIONS) == (e.allowed_count > 0 && slice_equal(method, SLICE("OPTIONS"))));
        if (e.allowed_count > 0)
            check_allow(&e, match.allow);
        return;
    }
    FUZZ_CHECK(match.value == e.first.route && strcmp(match.pattern, e.first.route->pattern) == 0);
    size_t n = 0;
    for (size_t i = 0; i < e.first.route->count; i++) {
        if (e.first.route->parts[i].text)
            continue;
        FUZZ_CHECK(n < match.param_count && strcmp(match.params[n].name, e.first.route->parts[i].name) == 0);
        FUZZ_CHECK(slice_equal(slice_from(match.params[n].value), e.first.values[i]));
        n++;
    }
    FUZZ_CHECK(n == match.param_count);
}

static struct slice word(struct slice *text)
{
    const char *space = text->len ? memchr(text->data, ' ', text->len) : NULL;
    size_t len = space ? (size_t)(space - text->data) : 0;
    struct slice first = slice_of(text->data, len);
    if (space)
        *text = slice_of(space + 1, text->len - len - 1);
    return first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct segments segments;
    struct world *w = world_get();
    if (size > PATH_MAX_LEN)
        return 0;
    char *copy = fuzz_copy(data, size, 0);
    struct slice text = slice_of(copy, size);
    struct slice method = word(&text), host = word(&text);
    if (method.len == 0)
        method = SLICE("GET");
    struct path path;
    bool good = path_cut(text, &segments);
    int error = path_normalize(text, &w->memory.arena, &path);
    FUZZ_CHECK(error == (good ? 0 : WEIR_EPROTO) || (error == WEIR_ENOMEM && good));
    if (error == 0 && !segments.unclear) {
        check_path(&path, &segments);
        for (int which = 0; which < 2; which++) {
            check_match(w, which, method, host, &segments, &path);
            fuzz_memory_clear(&w->match_memory);
        }
    }
    fuzz_memory_clear(&w->memory);
    free(copy);
    return 0;
}
