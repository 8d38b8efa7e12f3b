/*
 * Adding offload pools: what is wrong is named, and keeps the server from starting; the plan counts their threads.
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

#include <stdio.h>
#include <string.h>

static weir_server *new_server(void)
{
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .log_level = WEIR_OFF, .workers = 1});
    assert_non_null(s);
    return s;
}

static void wrong_ones_are_named(void **state)
{
    static const struct {
        weir_offload_pool_config config;
        const char *told;
    } wrong[] = {
        {{.name = NULL}, "offload pool \"(null)\": a name has 1 to 31 bytes, all of them printable ASCII\n"},
        {{.name = ""}, "offload pool \"\": a name has 1 to 31 bytes, all of them printable ASCII\n"},
        {{.name = "a\tb"}, "offload pool \"a\tb\": a name has 1 to 31 bytes, all of them printable ASCII\n"},
        {{.name = "12345678901234567890123456789012"},
         "offload pool \"12345678901234567890123456789012\": a name has "
         "1 to 31 bytes, all of them printable ASCII\n"},
        {{.name = "there"}, "offload pool \"there\": a pool of that name is there already\n"},
        {{.name = "a", .threads = -1}, "offload pool \"a\": threads: -1 is not within 1 and 256\n"},
        {{.name = "a", .threads = 257}, "offload pool \"a\": threads: 257 is not within 1 and 256\n"},
        {{.name = "a", .stack_size = 4096}, "offload pool \"a\": stack_size: 4096 is not within 65536 and 67108864\n"},
        {{.name = "a", .max_queued = -1}, "offload pool \"a\": max_queued: -1 is not within 1 and 1000000\n"},
        {{.name = "a", .idle_s = 86401}, "offload pool \"a\": idle_s: 86401 is not within 1 and 86400\n"},
        {{.name = "a", .threads_at_start = 2},
         "offload pool \"a\": threads_at_start is neither WEIR_ON nor WEIR_OFF\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        weir_server *s = new_server();
        assert_non_null(weir_offload_pool_new(s, &(weir_offload_pool_config){.name = "there"}));
        assert_null(weir_offload_pool_new(s, &wrong[i].config));
        assert_string_equal(weir_server_errors(s), wrong[i].told);
        assert_int_equal(weir_server_start(s), WEIR_EINVAL);
        weir_server_free(s);
    }
    assert_null(weir_offload_pool_new(NULL, &(weir_offload_pool_config){.name = "a"}));
}

static void sixteen_at_most(void **state)
{
    (void)state;
    weir_server *s = new_server();
    char name[16];
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "pool %d", i);
        assert_non_null(weir_offload_pool_new(s, &(weir_offload_pool_config){.name = name}));
    }
    assert_null(weir_offload_pool_new(s, &(weir_offload_pool_config){.name = "one more"}));
    assert_string_equal(weir_server_errors(s), "offload pool \"one more\": there are too many\n");
    weir_ledger ledger;
    weir_ledger_read(s, &ledger);
    assert_int_equal(ledger.offload_pool_count, 16);
    assert_string_equal(ledger.offload_pools[3].name, "pool 3");
    weir_server_free(s);
}

/* A structure that ends before idle_s, of a program that was compiled when there was no such member. */
static void an_older_structure(void **state)
{
    (void)state;
    weir_server *s = new_server();
    weir_offload_pool_config config = {.name = "a", .idle_s = -1};
    assert_non_null(weir_offload_pool_new_sized(s, &config, offsetof(weir_offload_pool_config, idle_s)));
    assert_string_equal(weir_server_errors(s), "");
    weir_server_free(s);
}

static void in_the_plan(void **state)
{
    (void)state;
    weir_memory_plan plan, later, at_start;
    weir_server *s = new_server();
    assert_int_equal(weir_plan(s, &plan), 0);
    assert_non_null(
        weir_offload_pool_new(s, &(weir_offload_pool_config){.name = "a", .threads = 3, .stack_size = 1 << 20}));
    assert_int_equal(weir_plan(s, &later), 0);
    assert_in_range(later.start - plan.start, 0, 4096); /* the pool's record */
    assert_in_range(later.worst - plan.worst, 3 << 20, 4 << 20);
    assert_non_null(weir_offload_pool_new(
        s, &(weir_offload_pool_config){.name = "b", .threads_at_start = WEIR_ON, .stack_size = 1 << 20}));
    assert_int_equal(weir_plan(s, &at_start), 0);
    assert_in_range(at_start.start - later.start, 1 << 20, 2 << 20);
    assert_int_equal(at_start.worst - later.worst, at_start.start - later.start);
    weir_server_free(s);
}

static void *make(void *data)
{
    return data;
}

static void let_go(void *data, void *thread_data)
{
    assert_ptr_equal(data, thread_data);
    ++*(int *)data;
}

/* Threads from the start on end with the server, though they had no job. */
static void started_with_the_server(void **state)
{
    (void)state;
    int stopped = 0;
    weir_server *s = new_server();
    assert_non_null(weir_offload_pool_new(
        s, &(weir_offload_pool_config){
               .name = "a", .threads_at_start = WEIR_ON, .start = make, .stop = let_go, .data = &stopped}));
    assert_int_equal(weir_server_start(s), 0);
    assert_null(weir_offload_pool_new(s, &(weir_offload_pool_config){.name = "late"}));
    assert_string_equal(weir_server_errors(s), "offload pool \"late\": the server has started\n");
    weir_ledger ledger;
    weir_ledger_read(s, &ledger);
    assert_int_equal(ledger.offload_pools[0].threads, 1);
    weir_server_stop(s);
    assert_int_equal(weir_server_wait(s), 0);
    weir_server_free(s);
    assert_int_equal(stopped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_ones_are_named),    cmocka_unit_test(sixteen_at_most),
        cmocka_unit_test(an_older_structure),      cmocka_unit_test(in_the_plan),
        cmocka_unit_test(started_with_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
