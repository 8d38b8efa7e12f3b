/*
 * The time of a clean-up that waits is its own, not what its handler had left of handler_timeout_ms.
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

static int slept;

static void sleep_longer(weir_ctx *c, void *arg)
{
    (void)arg;
    slept = weir_sleep(c, 500);
}

static void return_at_once(weir_ctx *c)
{
    weir_defer_wait(c, sleep_longer, NULL, 5000);
    weir_reply_text(c, "returned");
}

static void fail_at_once(weir_ctx *c)
{
    weir_defer_wait(c, sleep_longer, NULL, 5000);
    weir_fail(c, 500, "as was asked");
}

static void take_too_long(weir_ctx *c)
{
    weir_defer_wait(c, sleep_longer, NULL, 5000);
    for (;;)
        (void)weir_sleep(c, 1000);
}

static void clean_ups_have_their_own_time(void **state)
{
    static const struct {
        const char *target;
        int status;
    } cases[] = {{"/return", 200}, {"/fail", 500}, {"/late", 503}};
    (void)state;
    weir_server *s = weir_server_new(&(weir_config){.workers = 1, .log_level = WEIR_OFF, .handler_timeout_ms = 100});
    weir_get(s, "/return", return_at_once);
    weir_get(s, "/fail", fail_at_once);
    weir_get(s, "/late", take_too_long);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        slept = 1;
        weir_test_reply *r = weir_test_request(s, &(weir_test){.target = cases[i].target});
        assert_int_equal(r->status, cases[i].status);
        assert_int_equal(slept, 0);
        assert_true(r->took_ms >= 500);
        weir_test_reply_free(r);
    }
    weir_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clean_ups_have_their_own_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
