/*
 * What a lookup costs in the router, and that it does not grow with the number of routes that share no prefix: for 10,
 * 100, 1,000 and 10,000 routes, nanoseconds a lookup, the path's normalization included. Routes are looked up in an
 * order that jumps, so that the larger tables pay for their cache misses; the column "one" looks up the same route
 * again and again, as a busy server does.
 *
 * route_lookup KIND COUNT LOOKUPS does one of them only, for counting instructions: KIND is text, parameter,
 * expression, rest or none.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/arena.h"
#include "base/memory.h"
#include "base/pool.h"
#include "web/route/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOKUPS    2000000u
#define TARGET_MAX 64

struct kind {
    const char *name;
    const char *pattern; /* with the number of the route */
    const char *target;
    enum router_outcome expected;
};

static const struct kind kinds[] = {
    {"text", "/r%u/list", "/r%u/list", ROUTER_FOUND},
    {"parameter", "/r%u/{id}", "/r%u/4711", ROUTER_FOUND},
    {"expression", "/r%u/{id:[0-9]+}/posts", "/r%u/4711/posts", ROUTER_FOUND},
    {"rest", "/r%u/{file:^.*$}", "/r%u/img/logo.png", ROUTER_FOUND},
    {"none", "/r%u/list", "/x%u/list", ROUTER_NOT_FOUND},
};

static struct memory memory;
static struct account account;
static struct pool blocks;

static void die(const char *what)
{
    fprintf(stderr, "route_lookup: %s\n", what);
    exit(1);
}

static void format(char out[TARGET_MAX], const char *text, unsigned number)
{
    const char *sign = strchr(text, '%');
    if (!sign || snprintf(out, TARGET_MAX, "%.*s%u%s", (int)(sign - text), text, number, sign + 2) >= TARGET_MAX)
        die("a target is too long");
}

static struct router *make_router(const struct kind *kind, unsigned count)
{
    struct router *router = router_new(&account);
    if (!router)
        die("no memory");
    for (unsigned i = 0; i < count; i++) {
        char pattern[TARGET_MAX];
        char message[256];
        format(pattern, kind->pattern, i);
        if (router_add(router, "GET", NULL, pattern, NULL, message, sizeof message) != 0)
            die(message);
    }
    return router;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds a lookup; step 0 looks up one route only. */
static double measure(const struct kind *kind, const struct router *router, struct regex_context *context,
                      char (*targets)[TARGET_MAX], unsigned count, unsigned step, unsigned lookups)
{
    _Alignas(16) char first[512];
    unsigned at = 0;
    double start = now_ns();
    for (unsigned i = 0; i < lookups; i++) {
        struct arena arena;
        struct path path;
        struct router_match match;
        arena_init(&arena, &blocks, first, sizeof first);
        if (path_normalize(slice_from(targets[at]), &arena, &path) != 0 ||
            router_match(router, context, &arena, SLICE("GET"), SLICE("127.0.0.1"), &path, &match) != kind->expected)
            die("a lookup went wrong");
        arena_done(&arena, first, sizeof first);
        at = (at + step) % count;
    }
    return (now_ns() - start) / lookups;
}

static void run(const struct kind *kind, unsigned count, unsigned lookups, double *jumping, double *one)
{
    struct router *router = make_router(kind, count);
    struct regex_context *context = router_context_new(router, &account);
    char(*targets)[TARGET_MAX] = malloc(count * sizeof *targets);
    if (!context || !targets)
        die("no memory");
    for (unsigned i = 0; i < count; i++)
        format(targets[i], kind->target, i);
    *one = measure(kind, router, context, targets, count, 0, lookups);
    *jumping = measure(kind, router, context, targets, count, 7919 % count, lookups);
    free(targets);
    regex_context_free(context);
    router_free(router);
}

int main(int argc, char **argv)
{
    double jumping;
    double one;
    memory_init(&memory, 0);
    account_open(&account, &memory, "router");
    pool_init(&blocks, &account, 16384, 16, 0);
    if (argc == 4) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strcmp(argv[1], kinds[i].name) == 0)
                run(&kinds[i], (unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10), &jumping,
                    &one);
        return 0;
    }
    printf("%-12s %8s %12s %8s\n", "kind", "routes", "ns/lookup", "one");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (unsigned count = 10; count <= 10000; count *= 10) {
            run(&kinds[i], count, LOOKUPS, &jumping, &one);
            printf("%-12s %8u %12.1f %8.1f\n", kinds[i].name, count, jumping, one);
        }
    }
    return 0;
}
