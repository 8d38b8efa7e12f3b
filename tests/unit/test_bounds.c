/*
 * What a server makes before its start and the bounds of its pools: what the plan, the ledger and memory_limit say to
 * them.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/server.h"
#include "weir.h"

#include <string.h>

#define SLAB ((uint64_t)64 * 1024)

static void answer(weir_ctx *c)
{
    weir_reply_text(c, "");
}

static weir_server *make(const weir_config *given)
{
    weir_config config = *given;
    config.port = WEIR_ANY;
    config.log_level = WEIR_OFF;
    if (config.max_connections == 0)
        config.max_connections = 200;
    weir_server *s = weir_server_new(&config);
    assert_non_null(s);
    assert_int_equal(weir_get(s, "/", answer), 0);
    return s;
}

static weir_memory_plan plan_of(const weir_config *config)
{
    weir_server *s = make(config);
    weir_memory_plan plan;
    assert_int_equal(weir_plan(s, &plan), 0);
    weir_server_free(s);
    return plan;
}

static void free_started(weir_server *s)
{
    weir_server_stop(s);
    assert_int_equal(weir_server_wait(s), 0);
    weir_server_free(s);
}

static weir_ledger_account row_of(const weir_ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->account_count; i++)
        if (strcmp(ledger->accounts[i].name, name) == 0)
            return ledger->accounts[i];
    fail_msg("there is no account %s", name);
    return (weir_ledger_account){0};
}

/* The figures of a server that has just started. */
static weir_ledger started(const weir_config *config)
{
    weir_server *s = make(config);
    weir_ledger ledger;
    assert_int_equal(weir_server_start(s), 0);
    weir_ledger_read(s, &ledger);
    free_started(s);
    return ledger;
}

static uint64_t reserved(const weir_ledger *ledger, const char *name)
{
    return row_of(ledger, name).reserved;
}

static void made_before_the_start(void **state)
{
    (void)state;
    const weir_config config = {
        .workers = 2, .stacks = 40, .request_records = 100, .connection_records = 5000, .max_connections = 20000};
    const weir_ledger plain = started(&(weir_config){.workers = 2}), ledger = started(&config);
    assert_int_equal(reserved(&plain, "stacks"), 2 * SLAB);
    assert_int_equal(reserved(&plain, "requests"), 2 * SLAB);
    assert_int_equal(reserved(&plain, "connections"), 2 * SLAB);
    assert_int_equal(reserved(&ledger, "stacks"), 80 * SLAB);
    assert_int_equal(reserved(&ledger, "requests"), 2 * 4 * SLAB);    /* 31 or 32 in a slab */
    assert_int_equal(reserved(&ledger, "connections"), 2 * 5 * SLAB); /* 1169 in a slab */
    assert_true(ledger.reserved <= plan_of(&config).start);
    for (size_t i = 0; i < ledger.account_count; i++)
        assert_int_equal(ledger.accounts[i].refused, 0);
}

static void bounds_in_the_ledger(void **state)
{
    (void)state;
    const weir_config config = {.workers = 2,
                                .max_http_buffers = 20,
                                .max_stacks = 10,
                                .max_request_records = 40,
                                .max_request_memory_blocks = 15};
    const weir_ledger plain = started(&(weir_config){.workers = 2}), ledger = started(&config);
    const char *const names[] = {"http buffers", "stacks", "requests", "request arenas"};
    /* Whole slabs: 7 buffers, a stack, 31 records (and as many tables of fields as there are stacks), 7 blocks. */
    const uint64_t limits[] = {3 * SLAB, 10 * SLAB, (2 + 1) * SLAB, 3 * 2 * SLAB};
    for (size_t i = 0; i < 4; i++) {
        const weir_ledger_account row = row_of(&ledger, names[i]);
        assert_int_equal(row_of(&plain, names[i]).limit, 0);
        assert_int_equal(row.limit, 2 * limits[i]);
        assert_true(row.reserved > 0 && row.reserved <= row.limit);
    }
}

/* No worker has more than its bounds, however many connections there are. */
static void bounds_in_the_plan(void **state)
{
    (void)state;
    const weir_config free_config = {.workers = 2, .max_connections = 5000};
    weir_config config = free_config;
    config.max_stacks = 10;
    const weir_memory_plan free_plan = plan_of(&free_config), plan = plan_of(&config);
    assert_int_equal(plan.connection, free_plan.connection);
    assert_int_equal(plan.request, free_plan.request);
    /* 5,000 stacks less, and as many blocks of 16 KiB and tables. */
    assert_true(plan.worst < free_plan.worst - 4900 * SLAB - 4900 * 16384);
    config.max_http_buffers = 40;
    const weir_memory_plan less = plan_of(&config);
    assert_true(less.worst < plan.worst - 9900 * 8256ull);
    config.max_request_records = 20;
    const weir_memory_plan least = plan_of(&config);
    assert_true(least.worst < less.worst - 4900 * 2048ull);
    /* What is left: connections, their heads, their tables of HTTP/2, and their places in the line. */
    assert_true(least.worst < 5000 * (16384 + 2340 + 64 + 64 + 64 + 5400) + (16ull << 20));
}

/* A listener's transport may ask for larger records: a connection costs the largest, and there may be as many of either
 * size. */
static void records_in_the_plan(void **state)
{
    (void)state;
    const weir_config config = {.workers = 2, .max_connections = 5000, .connection_records = 2000};
    static const struct transport larger = {.connection_size = sizeof(struct connection) + 512};
    const weir_memory_plan plain = plan_of(&config);
    weir_server *s = make(&config);
    weir_memory_plan plan;
    s->settings.listeners[0].transport = &larger;
    assert_int_equal(weir_plan(s, &plan), 0);
    weir_server_free(s);
    assert_true(plan.connection >= plain.connection + 512 && plan.connection < plain.connection + 520);
    assert_true(plan.start > plain.start + 2 * 2000 * sizeof(struct connection));
    assert_true(plan.worst > plain.worst + 5000 * larger.connection_size);
    assert_int_equal(plan.request, plain.request);
}

/* A handle for each connection, and for each file that is kept; 96 workers keep more than a slab of handles holds. */
static void files_in_the_plan(void **state)
{
    (void)state;
    const weir_config none = {.workers = 96, .open_files = WEIR_OFF}, kept = {.workers = 96, .open_files = 64};
    const uint64_t handles = 96 * 64 * sizeof(struct file), slabs = handles / FILE_HANDLE_SLAB;
    const uint64_t more = plan_of(&kept).worst - plan_of(&none).worst - 96 * FILE_CACHE_SLAB;
    assert_true(slabs > 10 && more >= slabs * FILE_HANDLE_SLAB && more <= (slabs + 2) * FILE_HANDLE_SLAB);
}

/* A start with the least that is asked for, and not with a byte less. */
static void least_memory(const weir_config *given)
{
    weir_config config = *given;
    config.memory_limit = 100000;
    weir_server *s = make(&config);
    assert_int_equal(weir_server_start(s), WEIR_EINVAL);
    const char *said = strstr(weir_server_errors(s), "setting memory_limit: 100000 is less than");
    assert_non_null(said);
    uint64_t least = strtoull(strstr(said, "need, ") + 6, NULL, 10);
    weir_server_free(s);
    /* The table of addresses grows with the bound, and so does the least: it is where the two meet. */
    for (int i = 0; i < 4; i++) {
        config.memory_limit = least;
        s = make(&config);
        if (weir_server_start(s) == 0)
            break;
        least = strtoull(strstr(weir_server_errors(s), "need, ") + 6, NULL, 10);
        weir_server_free(s);
        s = NULL;
    }
    assert_non_null(s);
    free_started(s);
    config.memory_limit = least - 1;
    s = make(&config);
    assert_int_equal(weir_server_start(s), WEIR_EINVAL);
    weir_server_free(s);
}

static void memory_limit(void **state)
{
    (void)state;
    least_memory(&(weir_config){.workers = 1});
    least_memory(&(weir_config){.workers = 3, .max_connections_per_address = WEIR_OFF});
    least_memory(&(weir_config){.workers = 2, .http_buffers = 100, .ws_buffer_size = 65536});
    least_memory(&(weir_config){.workers = 1, .http_buffer_size = 65536, .request_memory = 1 << 20});
    least_memory(&(weir_config){
        .workers = 2, .stacks = 30, .request_records = 200, .connection_records = 3000, .max_connections = 3000});
    least_memory(&(weir_config){.workers = 2,
                                .max_http_buffers = 2,
                                .max_stacks = 1,
                                .max_request_records = 1,
                                .max_request_memory_blocks = 1});
}

/* Each wrong setting is told of, and memory_limit with them. */
/* Blocks of a group's size: for a request the dearest, in the worst case all, and one of each where a set is
 * standing. */
static void memory_of_groups(void **state)
{
    (void)state;
    const weir_config config = {.workers = 2}, limited = {.workers = 2, .memory_limit = 64 << 20};
    const weir_config bounded = {.workers = 2, .max_request_memory_blocks = 5};
    const weir_config *const configs[] = {&config, &limited, &bounded};
    const uint64_t large = 1 << 20 /* of 128 KiB, 7 in a slab */, small = SLAB /* of 4 KiB, 15 in a slab */;
    for (size_t i = 0; i < 3; i++) {
        weir_memory_plan before = plan_of(configs[i]), plan;
        weir_server *s = make(configs[i]);
        weir_group *outer = weir_group_new(s, NULL, "/outer", NULL), *inner = weir_group_new(s, outer, "/inner", NULL);
        assert_int_equal(weir_group_set(outer, &(weir_group_settings){.request_memory = 128 << 10}), 0);
        assert_int_equal(weir_group_set(inner, &(weir_group_settings){.request_memory = 4 << 10}), 0);
        assert_int_equal(weir_group_set(weir_root(s), &(weir_group_settings){.request_memory = 16 << 10}), 0);
        uint64_t registered = counter_read(&s->site.account.reserved);
        assert_int_equal(weir_plan(s, &plan), 0);
        uint64_t more = 2 * (registered - /* of a server without groups */ ({
                                 weir_server *bare = make(configs[i]);
                                 uint64_t bytes = counter_read(&bare->site.account.reserved);
                                 weir_server_free(bare);
                                 bytes;
                             }));
        assert_int_equal(plan.start - before.start, more + (i > 0 ? 2 * (large + small) : 0));
        assert_true(plan.request - before.request >= 128 << 10 && plan.request - before.request < 160 << 10);
        if (i == 0) /* 200 connections, and a slab that is not full for each worker */
            assert_int_equal(plan.worst - before.worst, more + (29 + 2) * large + (200 / 15 + 1 + 2) * small);
        if (i == 2)
            assert_int_equal(plan.worst - before.worst, more + 2 * (large + small));
        assert_int_equal(weir_server_start(s), 0);
        weir_ledger ledger;
        weir_ledger_read(s, &ledger);
        weir_ledger_account row = row_of(&ledger, "request arenas");
        assert_int_equal(row.reserved, 2 * 2 * SLAB + (i > 0 ? 2 * (large + small) : 0));
        assert_true(i < 2 || row.limit == row.reserved);
        free_started(s);
    }
}

/* Bodies of groups are in the worst case: at their bound, or the longest for each connection. */
static void bodies_of_groups(void **state)
{
    (void)state;
    static const struct {
        weir_config config;
        uint64_t most;
    } cases[] = {
        {{.workers = 1}, 64 << 20},
        {{.workers = 1, .max_body_memory = WEIR_OFF}, 200 * ((1 << 20) + 4096ull)},
        {{.workers = 1, .max_connections = 20}, 20 * ((1 << 20) + 4096ull)},
        {{.workers = 1, .max_body_memory = 3 << 20}, 3 << 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_memory_plan without, plan;
        weir_server *s = make(&cases[i].config);
        weir_group *g = weir_group_new(s, NULL, "/g", NULL);
        assert_int_equal(weir_plan(s, &without), 0);
        assert_int_equal(weir_group_set(g, &(weir_group_settings){.body_memory = 1 << 20}), 0);
        assert_int_equal(weir_plan(s, &plan), 0);
        assert_int_equal(plan.worst - without.worst, cases[i].most);
        assert_int_equal(plan.start, without.start);
        assert_int_equal(plan.request, without.request);
        weir_server_free(s);
    }
}

static void together(void **state)
{
    (void)state;
    weir_server *s = make(&(weir_config){.memory_limit = 100000, .stacks = 2, .max_stacks = 1, .max_headers = -1});
    assert_int_equal(weir_server_start(s), WEIR_EINVAL);
    const char *errors = weir_server_errors(s);
    assert_non_null(strstr(errors, "setting memory_limit:"));
    assert_non_null(strstr(errors, "setting stacks:"));
    assert_non_null(strstr(errors, "setting max_headers:"));
    weir_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(made_before_the_start),
                                       cmocka_unit_test(bounds_in_the_ledger),
                                       cmocka_unit_test(bounds_in_the_plan),
                                       cmocka_unit_test(records_in_the_plan),
                                       cmocka_unit_test(files_in_the_plan),
                                       cmocka_unit_test(memory_limit),
                                       cmocka_unit_test(memory_of_groups),
                                       cmocka_unit_test(bodies_of_groups),
                                       cmocka_unit_test(together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
