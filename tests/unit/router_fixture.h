/*
 * A router under test. Every pattern is registered with itself as its value, and what a lookup gives is written as
 * text.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_ROUTER_FIXTURE_H
#define WEIR_TESTS_ROUTER_FIXTURE_H

#include "web_fixture.h"

#include "web/route/router.h"

#include <stdio.h>

struct test {
    struct fixture f;
    struct router *router;
    struct regex_context *context;
    struct router_match match;
    char result[4096];
};

static inline void open_test(struct test *t)
{
    fixture_open(&t->f);
    t->router = router_new(&t->f.account);
    assert_non_null(t->router);
    t->context = NULL;
}

static inline void close_test(struct test *t)
{
    regex_context_free(t->context);
    router_free(t->router);
    fixture_close(&t->f);
}

/* Registers a pattern, with itself as the value. A host may stand before the pattern, a method before that. */
static inline int add_to(struct test *t, const char *method, const char *host, const char *pattern)
{
    char message[512];
    int error = router_add(t->router, method, host, pattern, (void *)(uintptr_t)pattern, message, sizeof message);
    assert_true((error == 0) == (message[0] == '\0'));
    return error;
}

static inline void add(struct test *t, const char *method, const char *pattern)
{
    assert_int_equal(add_to(t, method, NULL, pattern), 0);
}

/* Looks up and writes what came out as text: "PATTERN name=value ...", or "404", "405 ALLOW", "204 ALLOW", "400". */
static inline const char *look_host(struct test *t, const char *method, const char *host, const char *target)
{
    struct path path;
    fixture_clear_arena(&t->f);
    if (!t->context)
        t->context = router_context_new(t->router, &t->f.account);
    assert_non_null(t->context);
    int error = path_normalize(slice_from(target), &t->f.arena, &path);
    if (error)
        return "400 path";
    switch (router_match(t->router, t->context, &t->f.arena, slice_from(method), slice_from(host), &path, &t->match)) {
    case ROUTER_FOUND:
        break;
    case ROUTER_NOT_FOUND:
        return "404";
    case ROUTER_METHOD:
        snprintf(t->result, sizeof t->result, "405 %s", t->match.allow);
        return t->result;
    case ROUTER_OPTIONS:
        snprintf(t->result, sizeof t->result, "204 %s", t->match.allow);
        return t->result;
    case ROUTER_TOO_LONG:
        return "414";
    case ROUTER_REFUSED:
        return "400";
    case ROUTER_NO_MEMORY:
        return "503";
    }
    assert_string_equal(t->match.pattern, (const char *)t->match.value);
    int len = snprintf(t->result, sizeof t->result, "%s", t->match.pattern);
    for (size_t i = 0; i < t->match.param_count; i++)
        len += snprintf(t->result + len, sizeof t->result - (size_t)len, " %s=%s", t->match.params[i].name,
                        t->match.params[i].value);
    return t->result;
}

static inline const char *look(struct test *t, const char *target)
{
    return look_host(t, "GET", "", target);
}

static inline const char *method_look(struct test *t, const char *method, const char *target)
{
    return look_host(t, method, "", target);
}

#endif
