/*
 * Registering with NULL where something is wanted: an error, kept where there is a server to keep it, and no crash.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "weir.h"

#include <string.h>

static void handler(weir_ctx *c)
{
    (void)c;
}

static void each(void *arg, const weir_route_info *route)
{
    (void)route;
    ++*(int *)arg;
}

static size_t lines(weir_server *s)
{
    size_t count = 0;
    for (const char *p = weir_server_errors(s); *p; p++)
        count += *p == '\n';
    return count;
}

/* The server is there, and an argument is not. */
static void without_arguments(void **state)
{
    (void)state;
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .log_level = WEIR_OFF});
    assert_non_null(s);
    weir_group *g = weir_group_new(s, NULL, "/g", NULL);
    assert_int_equal(weir_route(s, "GET", NULL, handler), WEIR_EINVAL);
    assert_int_equal(weir_route(s, NULL, NULL, handler, s), WEIR_EINVAL);
    assert_int_equal(weir_get(s, NULL, handler), WEIR_EINVAL);
    assert_int_equal(weir_get(s, "/", NULL), WEIR_EINVAL);
    assert_int_equal(weir_any(s, NULL, NULL), WEIR_EINVAL);
    assert_int_equal((weir_post)(s, NULL, handler), WEIR_EINVAL);
    assert_int_equal((weir_route)(s, "GET", "/", NULL), WEIR_EINVAL);
    assert_int_equal(weir_group_route(g, "GET", NULL, handler, NULL), WEIR_EINVAL);
    assert_null(weir_group_new(s, NULL, NULL, NULL));
    assert_null(weir_group_new(s, g, NULL, "a.test"));
    assert_int_equal(weir_on_request(g, NULL), WEIR_EINVAL);
    assert_int_equal(weir_on_response(g, NULL), WEIR_EINVAL);
    assert_int_equal(weir_around(g, NULL), WEIR_EINVAL);
    assert_int_equal(weir_group_set(g, NULL), WEIR_EINVAL);
    assert_int_equal(weir_server_listen(s, NULL), WEIR_EINVAL);
    assert_int_equal(weir_server_admin(s, NULL, NULL), WEIR_EINVAL);
    assert_int_equal(lines(s), 16);
    assert_int_equal(weir_not_found(s, NULL), WEIR_EINVAL);
    assert_int_equal(weir_on_error(s, NULL), WEIR_EINVAL);
    assert_null(weir_account_open(s, NULL, NULL, 0));
    assert_int_equal(weir_plan(s, NULL), WEIR_EINVAL);
    weir_routes(s, NULL, NULL);
    /* the messages say (null), and the server refuses to start */
    assert_non_null(strstr(weir_server_errors(s), "route \"(null)\": byte 0: a pattern is not empty"));
    assert_non_null(strstr(weir_server_errors(s), "group \"(null)\": a prefix is empty, or begins"));
    assert_int_equal(weir_server_start(s), WEIR_EINVAL);
    weir_server_free(s);
}

/* A group says itself what is wrong with its prefix or host, whether it has routes or not. */
static void wrong_groups(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *host, *message;
    } cases[] = {
        {"/a/:id", NULL, "group \"/a/:id\": pattern \"/g/a/:id\": byte 5: a parameter is written {id}"},
        {"/*", NULL, "pattern \"/g/*\": byte 3: the rest of the path is written {rest:^.*$}"},
        {"/{x:(}", NULL, "pattern \"/g/{x:(}\": byte 7: bad expression"},
        {"/{x", NULL, "this brace is not closed"},
        {"", "a b", "\"a b\" is not a host"},
        {"/a/", NULL, "begins with a slash and does not end with one"},
    };
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .log_level = WEIR_OFF});
    weir_group *g = weir_group_new(s, NULL, "/g", NULL);
    assert_non_null(weir_group_new(s, NULL, "/g", NULL)); /* a second one of the same prefix is none of that */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(weir_group_new(s, g, cases[i].prefix, cases[i].host));
        assert_int_equal(lines(s), i + 1);
        assert_non_null(strstr(weir_server_errors(s), cases[i].message));
    }
    weir_server_free(s);
}

/* weir_server_new() had no memory, and nobody looked. */
static void without_a_server(void **state)
{
    (void)state;
    int count = 0;
    weir_memory_plan plan;
    assert_null(weir_root(NULL));
    assert_int_equal(weir_get(NULL, "/", handler), WEIR_EINVAL);
    assert_int_equal(weir_get(NULL, "/", handler, &count), WEIR_EINVAL);
    assert_int_equal((weir_get)(NULL, "/", handler), WEIR_EINVAL);
    assert_int_equal(weir_route(NULL, "GET", "/", handler), WEIR_EINVAL);
    assert_int_equal(weir_group_route(NULL, "GET", "/", handler, NULL), WEIR_EINVAL);
    assert_null(weir_group_new(NULL, NULL, "/g", NULL));
    assert_int_equal(weir_group_set(NULL, &(weir_group_settings){.max_body = 1}), WEIR_EINVAL);
    assert_int_equal(weir_on_request(weir_root(NULL), handler), WEIR_EINVAL);
    assert_int_equal(weir_not_found(NULL, handler), WEIR_EINVAL);
    assert_int_equal(weir_on_error(NULL, NULL), WEIR_EINVAL);
    assert_int_equal(weir_server_listen(NULL, &(weir_listen_config){.port = 1}), WEIR_EINVAL);
    assert_int_equal(weir_server_admin(NULL, "/_weir", NULL), WEIR_EINVAL);
    assert_null(weir_account_open(NULL, NULL, "a", 0));
    assert_int_equal(weir_plan(NULL, &plan), WEIR_EINVAL);
    assert_int_equal(plan.worst, 0);
    weir_routes(NULL, each, &count);
    assert_int_equal(count, 0);
    assert_string_equal(weir_server_errors(NULL), "");
    assert_int_equal(weir_server_start(NULL), WEIR_ENOMEM);
    assert_int_equal(weir_run(NULL), WEIR_ENOMEM);
    weir_server_free(NULL);
}

/* What asks about a server, a cache or an account survives that there is none. */
static void nobody_is_asked(void **state)
{
    (void)state;
    static weir_ledger ledger = {.workers = 7};
    weir_cache_stats stats = {.hits = 7};
    weir_server_stop(NULL);
    assert_int_equal(weir_server_wait(NULL), WEIR_EINVAL);
    assert_int_equal(weir_server_port(NULL), 0);
    assert_int_equal(weir_server_admin_port(NULL), 0);
    assert_int_equal(weir_server_workers(NULL), 0);
    weir_ledger_read(NULL, &ledger);
    assert_int_equal(ledger.workers, 0);
    weir_ledger_read(NULL, NULL);
    assert_int_equal(weir_ledger_sample(NULL), WEIR_EINVAL);
    weir_route_times(NULL, NULL, NULL);
    size_t alive = 1;
    assert_int_equal(weir_live_read(NULL, NULL, 0, &alive), 0);
    assert_int_equal(alive, 0);
    assert_null(weir_cache_new(NULL, NULL));
    weir_cache_remove(NULL, "a");
    weir_cache_stats_read(NULL, &stats);
    assert_int_equal(stats.hits, 0);
    weir_cache_stats_read(NULL, NULL);
    assert_null(weir_account_alloc(NULL, 1));
    weir_account_free(NULL, NULL);
    assert_int_equal(weir_json_depth(NULL, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_asked),
        cmocka_unit_test(without_arguments),
        cmocka_unit_test(wrong_groups),
        cmocka_unit_test(without_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
