/*
 * Accounts of the program: nesting, bounds, names, and use by many threads; by the public interface, on a server that
 * is never started.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "weir.h"

#include <pthread.h>
#include <string.h>

#define HEAD 16 /* of a block */

static char logged[512];

static void log_line(void *data, int level, const char *line)
{
    (void)data;
    if (level == WEIR_LOG_ERROR)
        strncat(logged, line, sizeof logged - strlen(logged) - 1);
}

static int server_open(void **state)
{
    logged[0] = '\0';
    *state = weir_server_new(&(weir_config){.log = log_line});
    return *state ? 0 : -1;
}

static int server_close(void **state)
{
    weir_server_free(*state);
    return 0;
}

static weir_ledger_account row(weir_server *s, const char *name)
{
    weir_ledger ledger;
    weir_ledger_read(s, &ledger);
    for (size_t i = 0; i < ledger.account_count; i++)
        if (strcmp(ledger.accounts[i].name, name) == 0)
            return ledger.accounts[i];
    return (weir_ledger_account){.name = "none"};
}

static void figures(void **state)
{
    weir_server *s = *state;
    weir_account *a = weir_account_open(s, NULL, "sessions", 0);
    assert_non_null(a);
    char *p = weir_account_alloc(a, 1000), *q = weir_account_alloc(a, 0);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal((uintptr_t)p % 16, 0);
    memset(p, 1, 1000);
    weir_ledger_account r = row(s, "sessions");
    assert_int_equal(r.in_use, 1000 + 2 * HEAD);
    assert_int_equal(r.reserved, r.in_use);
    assert_int_equal(r.objects, 2);
    assert_int_equal(r.limit, 0);
    assert_int_equal(weir_account_close(a), WEIR_EBUSY);
    weir_account_free(a, p);
    weir_account_free(a, q);
    weir_account_free(a, NULL);
    r = row(s, "sessions");
    assert_int_equal(r.in_use + r.reserved + r.objects, 0);
    assert_int_equal(r.peak, 1000 + 2 * HEAD);
    assert_int_equal(weir_account_close(a), 0);
    assert_int_equal(weir_account_close(NULL), 0);
    assert_string_equal(row(s, "sessions").name, "none");
}

static void nesting(void **state)
{
    weir_server *s = *state;
    weir_account *top = weir_account_open(s, NULL, "app", 10000);
    weir_account *left = weir_account_open(s, top, "left", 6000), *right = weir_account_open(s, top, "right", 0);
    assert_true(top && left && right);
    void *a = weir_account_alloc(left, 6000 - HEAD);
    assert_non_null(a);
    assert_null(weir_account_alloc(left, 0));            /* its own bound */
    assert_null(weir_account_alloc(right, 4001 - HEAD)); /* that of the one above */
    void *b = weir_account_alloc(right, 4000 - HEAD);
    assert_non_null(b);
    assert_null(weir_account_alloc(top, 0));
    assert_int_equal(row(s, "app").limit, 10000);
    assert_int_equal(row(s, "app").reserved, 0); /* its own figures are its own */
    assert_int_equal(row(s, "app").refused, 1);
    assert_int_equal(row(s, "app/left").reserved, 6000);
    assert_int_equal(row(s, "app/left").refused, 1);
    assert_int_equal(row(s, "app/right").reserved, 4000);
    assert_int_equal(row(s, "app/right").refused, 1);
    weir_account_free(left, a);
    assert_int_equal(weir_account_close(top), WEIR_EBUSY);
    assert_int_equal(weir_account_close(left), 0);
    void *c = weir_account_alloc(top, 6000 - HEAD);
    assert_non_null(c);
    weir_account_free(top, c);
    weir_account_free(right, b);
    assert_int_equal(weir_account_close(top), WEIR_EBUSY);
    assert_int_equal(weir_account_close(right), 0);
    assert_int_equal(weir_account_close(top), 0);
}

static void memory_limit(void **state)
{
    (void)state;
    weir_server *s = weir_server_new(&(weir_config){.workers = 1, .memory_limit = 4 << 20});
    weir_account *a = weir_account_open(s, NULL, "data", 0);
    assert_null(weir_account_alloc(a, 4 << 20));
    assert_null(weir_account_alloc(a, SIZE_MAX));
    assert_null(weir_account_alloc(a, SIZE_MAX - HEAD));
    void *p = weir_account_alloc(a, 3 << 20);
    assert_non_null(p);
    assert_null(weir_account_alloc(a, 1 << 20));
    assert_int_equal(row(s, "data").refused, 3);
    weir_account_free(a, p);
    weir_server_free(s);
}

static void names(void **state)
{
    weir_server *s = *state;
    const char *const wrong[] = {NULL,   "",     "a/b",
                                 "a\nb", "\x7f", "a name of more than sixty-three bytes, which is one byte too many"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(weir_account_open(s, NULL, wrong[i], 0));
    weir_account *a = weir_account_open(s, NULL, "a name of sixty-three bytes, which are all that fit in a row...", 0);
    assert_non_null(a);
    assert_null(weir_account_open(s, a, "b", 0));
    weir_server *other = weir_server_new(NULL);
    assert_null(weir_account_open(other, a, "b", 0));
    weir_server_free(other);

    /* More accounts than the ledger has rows: nothing is lost. */
    weir_ledger before, after;
    weir_ledger_read(s, &before);
    uint64_t sum = 0;
    for (int i = 0; i < 100; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i);
        weir_account *n = weir_account_open(s, NULL, name, 0);
        assert_non_null(n);
        weir_account_free(n, weir_account_alloc(n, 100));
    }
    weir_ledger_read(s, &after);
    assert_int_equal(after.account_count, sizeof after.accounts / sizeof after.accounts[0]);
    assert_string_equal(after.accounts[after.account_count - 1].name, "others");
    for (size_t i = 0; i < after.account_count; i++)
        sum += after.accounts[i].reserved;
    assert_int_equal(sum, after.reserved);
}

/* What is left open is closed with the server, and what is left in it is told. */
static void left_open(void **state)
{
    (void)state;
    logged[0] = '\0';
    weir_server *s = weir_server_new(&(weir_config){.log = log_line});
    weir_account *a = weir_account_open(s, NULL, "app", 0), *b = weir_account_open(s, a, "left", 0);
    void *p = weir_account_alloc(b, 84);
    assert_non_null(p);
    weir_server_free(s);
    assert_string_equal(logged, "account app/left: the program has not given back 100 bytes");
    free((char *)p - HEAD); /* the test's own leak */
}

enum { THREADS = 4, ROUNDS = 5000, KEPT = 8 };

static void *use_account(void *arg)
{
    weir_account *a = arg;
    void *kept[KEPT] = {NULL};
    for (int i = 0; i < ROUNDS; i++) {
        weir_account_free(a, kept[i % KEPT]);
        kept[i % KEPT] = weir_account_alloc(a, (size_t)(i % 100));
        assert_non_null(kept[i % KEPT]);
    }
    for (int i = 0; i < KEPT; i++)
        weir_account_free(a, kept[i]);
    return NULL;
}

static void threads(void **state)
{
    weir_server *s = *state;
    weir_account *top = weir_account_open(s, NULL, "app", 1 << 20), *a = weir_account_open(s, top, "threads", 0);
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, use_account, a), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    weir_ledger_account r = row(s, "app/threads");
    assert_int_equal(r.in_use + r.reserved + r.objects + r.refused, 0);
    assert_true(r.peak > 100 && r.peak <= THREADS * KEPT * (100 + HEAD));
    assert_int_equal(weir_account_close(a), 0);
    assert_int_equal(weir_account_close(top), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, server_open, server_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(figures), TEST(nesting), TEST(memory_limit), TEST(names), TEST(left_open), TEST(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
