/*
 * A pool's close that fails: the task that closes is ended, and the connection's place is free again.
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

static weir_pool *pool;
static int opened, failed;

static int open_one(weir_ctx *c, void *data, void **connection)
{
    (void)c;
    (void)data;
    *connection = &opened;
    opened++;
    return 0;
}

static void close_badly(weir_ctx *c, void *data, void *connection)
{
    (void)data;
    (void)connection;
    if (!c)
        return;
    failed++;
    weir_fail(c, 500, "no goodbye");
}

static void use(weir_ctx *c)
{
    void *connection;
    if (weir_pool_get(c, pool, &connection) != 0)
        weir_fail(c, 503, NULL);
    weir_pool_put(pool, connection, false);
    weir_reply_text(c, "used");
}

static void close_may_fail(void **state)
{
    (void)state;
    weir_server *s = weir_server_new(&(weir_config){.workers = 1, .log_level = WEIR_OFF});
    weir_pool_config config = {.open = open_one, .close = close_badly, .max = 1};
    pool = weir_pool_new(s, &config);
    assert_non_null(pool);
    weir_get(s, "/", use);
    for (int i = 1; i <= 3; i++) {
        weir_test_reply *r = weir_test_request(s, &(weir_test){.target = "/"});
        assert_int_equal(r->status, 200);
        weir_test_reply_free(r);
        assert_int_equal(weir_test_advance(s, 10), 0);
        assert_int_equal(opened, i);
        assert_int_equal(failed, i);
    }
    weir_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(close_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
