/*
 * Settings of groups: what is refused and how, what adds up, and what is inherited.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/site.h"

#include <string.h>

struct fixture {
    struct memory memory;
    struct site site;
    weir_group *outer, *inner;
};

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memory_init(&f->memory, 0);
    assert_int_equal(site_init(&f->site, &f->memory, NULL), 0);
    f->outer = site_add_group(&f->site, NULL, "/outer", NULL);
    f->inner = site_add_group(&f->site, f->outer, "/inner", NULL);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    site_done(&f->site);
    memory_done(&f->memory);
    free(f);
    return 0;
}

static void refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        weir_group_settings settings;
        const char *message;
    } cases[] = {
        {{.max_body = -2}, "group \"/outer/inner\": max_body: -2 is not within 1 and"},
        {{.request_memory = 4095}, "request_memory: 4095 is not within 4096 and 1048576"},
        {{.request_memory = (1 << 20) + 1}, "request_memory: 1048577 is not within"},
        {{.request_memory = (size_t)WEIR_OFF}, "request_memory: -1 is not within"},
        {{.handler_timeout_ms = -2}, "handler_timeout_ms: -2 is not within 1 and 86400000, nor WEIR_OFF"},
        {{.stop_ends_waits = 2}, "stop_ends_waits: 2 is neither WEIR_ON nor WEIR_OFF"},
        {{.handler_timeout_ms = 86400001}, "handler_timeout_ms: 86400001 is not within"},
        {{.body_memory = (size_t)WEIR_OFF}, "body_memory: -1 is not within 1 and"},
        {{.hsts_seconds = -2}, "hsts_seconds: -2 is not within 1 and 2147483647, nor WEIR_OFF"},
        {{.hsts_subdomains = 2}, "hsts_subdomains: 2 is neither WEIR_ON nor WEIR_OFF"},
        {{.hsts_preload = 2}, "hsts_preload: 2 is neither WEIR_ON nor WEIR_OFF"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        f->site.errors_len = 0;
        assert_int_equal(weir_group_set(f->inner, &cases[i].settings), WEIR_EINVAL);
        assert_non_null(strstr(f->site.errors, cases[i].message));
    }
    /* all of them at once, and nothing is set */
    f->site.errors_len = 0;
    const weir_group_settings both = {.max_body = -2, .request_memory = 1, .handler_timeout_ms = 5};
    assert_int_equal(weir_group_set(f->inner, &both), WEIR_EINVAL);
    assert_non_null(strstr(f->site.errors, "request_memory: 1 is"));
    assert_int_equal(f->inner->settings.handler_timeout_ms, 0);
    assert_int_equal(weir_group_set(NULL, &both), WEIR_EINVAL);
    assert_int_equal(weir_group_set(f->inner, NULL), WEIR_EINVAL);
    assert_int_equal(weir_group_max_body(f->inner, 0), WEIR_EINVAL);
    assert_int_equal(weir_group_max_body(NULL, 5), WEIR_EINVAL);
}

static void inherited(void **state)
{
    struct fixture *f = *state;
    const weir_group_settings first = {.max_body = WEIR_OFF, .handler_timeout_ms = 100, .body_memory = 1 << 20};
    assert_int_equal(weir_group_set(&f->site.root, &first), 0);
    assert_int_equal(weir_group_set(f->outer, &(weir_group_settings){.handler_timeout_ms = 200}), 0);
    assert_int_equal(weir_group_set(f->outer, &(weir_group_settings){.request_memory = 65536}), 0);
    assert_int_equal(weir_group_max_body(f->inner, 7), 0);
    assert_int_equal(weir_group_set(f->inner, &(weir_group_settings){.handler_timeout_ms = WEIR_OFF}), 0);
    weir_group *other = site_add_group(&f->site, NULL, "/other", NULL);
    assert_int_equal(site_seal(&f->site), 0);
    const weir_group_settings *inner = &f->inner->settings, *outer = &f->outer->settings,
                              *root = &f->site.root.settings;
    assert_int_equal(inner->max_body, 7);
    assert_int_equal(inner->handler_timeout_ms, WEIR_OFF);
    assert_int_equal(inner->request_memory, 65536);
    assert_int_equal(inner->body_memory, 1 << 20);
    assert_int_equal(outer->max_body, WEIR_OFF);
    assert_int_equal(outer->handler_timeout_ms, 200);
    assert_int_equal(root->request_memory, 0);
    assert_int_equal(other->settings.handler_timeout_ms, 100);
    assert_false(other->plain);
    assert_int_equal(weir_group_set(f->inner, &first), WEIR_EINVAL); /* it has started */
}

/* A structure of an older or newer program: what it does not hold is not set, what is not known is not read. */
static void sizes_of_the_structure(void **state)
{
    struct fixture *f = *state;
    struct {
        weir_group_settings settings;
        int64_t later;
    } newer = {{.max_body = 5, .body_memory = 6}, 7};
    assert_int_equal(weir_group_set_sized(f->inner, &newer.settings, sizeof newer), 0);
    assert_int_equal(f->inner->settings.body_memory, 6);
    assert_int_equal(weir_group_set_sized(f->outer, &newer.settings, offsetof(weir_group_settings, body_memory)), 0);
    assert_int_equal(f->outer->settings.max_body, 5);
    assert_int_equal(f->outer->settings.body_memory, 0);
}

static void answer(weir_ctx *c)
{
    (void)c;
}

static void memories(void **state)
{
    struct fixture *f = *state;
    uint32_t sizes[ADMISSION_MEMORIES];
    assert_int_equal(site_memories(&f->site, 16384, sizes), 0);
    assert_int_equal(weir_group_set(f->inner, &(weir_group_settings){.request_memory = 16384}), 0);
    assert_int_equal(site_memories(&f->site, 16384, sizes), 0);
    for (size_t i = 0; i < ADMISSION_MEMORIES; i++) {
        weir_group *g = site_add_group(&f->site, NULL, "/more", NULL);
        int expected = i + 1 < ADMISSION_MEMORIES ? 0 : WEIR_EINVAL;
        assert_int_equal(weir_group_set(g, &(weir_group_settings){.request_memory = 20000 + i}), expected);
        if (expected)
            assert_int_equal(weir_group_set(g, &(weir_group_settings){.request_memory = 20000}), 0);
    }
    assert_non_null(strstr(f->site.errors, "request_memory: groups have more than 4 different ones"));
    assert_int_equal(weir_group_set(f->outer, &(weir_group_settings){.request_memory = 20000}), 0);
    assert_int_equal(weir_group_route(f->outer, "GET", "/a", answer, NULL), 0);
    assert_int_equal(weir_group_route(f->inner, "GET", "/b", answer, NULL), 0);
    assert_int_equal(site_seal(&f->site), 0);
    uint32_t count = site_memories(&f->site, 16384, sizes);
    assert_int_equal(count, ADMISSION_MEMORIES - 1);
    assert_int_equal(sizes[0], 20000);
    site_number_memories(&f->site, sizes, count);
    assert_int_equal(container_of(f->site.routes.next, struct route, link)->admission.memory, 1);
    assert_int_equal(container_of(f->site.routes.prev, struct route, link)->admission.memory, 0);
}

/* A group's own path is a route of it; without a prefix there is none. */
static void own_path(void **state)
{
    struct fixture *f = *state;
    weir_group *bare = site_add_group(&f->site, NULL, "", NULL);
    assert_int_equal(weir_group_route(f->outer, "GET", "", answer, NULL), 0);
    assert_string_equal(f->site.errors, "");
    assert_int_equal(weir_group_route(bare, "GET", "", answer, NULL), WEIR_EINVAL);
    assert_non_null(strstr(f->site.errors, "a pattern is not empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refused, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(inherited, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(sizes_of_the_structure, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(memories, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(own_path, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
