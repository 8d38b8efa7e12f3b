/*
 * Half-received heads: blocks of the smallest class that fits, and when a head is ripe to be parsed.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/http.h"

#include <string.h>

static const struct http_settings settings = {.buffer_size = HEAD_SIZE_MAX};

struct fixture {
    struct memory memory;
    struct http http;
    uint64_t asked; /* bytes that caches were asked for */
};

static void starved(struct http *h, uint64_t bytes)
{
    container_of(h, struct fixture, http)->asked += bytes;
}

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memory_init(&f->memory, 0);
    account_open(&f->http.spill_account, &f->memory, "spills");
    f->http.settings = &settings;
    f->http.starved = starved;
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(counter_read(&f->http.spill_account.in_use), 0);
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        pool_done(&f->http.spills[i]);
    account_close(&f->http.spill_account);
    memory_done(&f->memory);
    free(f);
    return 0;
}

static char text[HEAD_SIZE_MAX];

/* Every length: the copy is right, there is room for a byte more, and no more is taken than the class's step. */
static void every_length(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 31);
    for (size_t len = 1; len < HEAD_SIZE_MAX; len += len < 5000 ? 1 : 97) {
        struct spill *s = spill_take(&f->http, text, len);
        assert_non_null(s);
        assert_int_equal(s->len, len);
        assert_true(s->capacity > len);
        assert_memory_equal(s->data, text, len);
        memset(s->data + len, 'x', s->capacity - len);
        size_t size = sizeof *s + s->capacity;
        if (sizeof *s + len < SPILL_FINE_MAX)
            assert_true(size - len <= sizeof *s + SPILL_FINE_STEP);
        else
            assert_true(size <= 2 * (sizeof *s + len) + 1);
        spill_give(&f->http, s);
        assert_int_equal(counter_read(&f->http.spill_account.in_use), 0);
    }
}

static void many(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 2000 };
    static struct spill *spills[MANY];
    for (size_t i = 0; i < MANY; i++)
        assert_non_null(spills[i] = spill_take(&f->http, text, 1 + i * 13 % 3000));
    for (size_t i = 0; i < MANY; i++) {
        assert_memory_equal(spills[i]->data, text, spills[i]->len);
        spill_give(&f->http, spills[i]);
    }
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        if (f->http.spills[i].account)
            pool_trim(&f->http.spills[i], true);
    assert_int_equal(counter_read(&f->http.spill_account.reserved), 0);
}

static bool refuse_all(void *arg, const struct account *a, size_t size)
{
    (void)arg;
    (void)a;
    (void)size;
    return true;
}

static void no_memory(void **state)
{
    struct fixture *f = *state;
    f->memory.fault = refuse_all;
    assert_null(spill_take(&f->http, text, 100));
    assert_int_equal(f->asked, 65536); /* a slab */
    /* Where its own bound is met, others' memory is no help. */
    f->http.spill_account.limit = 65536 - 1;
    assert_null(spill_take(&f->http, text, 100));
    assert_int_equal(f->asked, 65536);
}

static bool ripe(struct fixture *f, const char *data, size_t before)
{
    struct spill *s = spill_take(&f->http, data, strlen(data));
    assert_non_null(s);
    bool result = spill_ripe(s, before);
    spill_give(&f->http, s);
    return result;
}

static void ripeness(void **state)
{
    struct fixture *f = *state;
    static const char *const waiting[] = {"G",  "GET / HTTP/1.1\r\n",     "GET / HTTP/1.1\r\nA: b\r\n",  "\r\n",
                                          "\r", "\r\nGET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r"};
    static const char *const due[] = {"GET / HTTP/1.1\r\nA: b\r\n\r\n",
                                      "GET / HTTP/1.1\n",
                                      "\n",
                                      "\r\n\r\n",
                                      "GET / HTTP/1.1\r\nA: \x01",
                                      "\x16\x03",
                                      "GET / HTTP/1.1\rA",
                                      "\r\r"};
    for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++)
        assert_false(ripe(f, waiting[i], 0));
    for (size_t i = 0; i < sizeof due / sizeof due[0]; i++)
        assert_true(ripe(f, due[i], 0));
    /* Only what is new is looked at, with what it follows. */
    const char *head = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    for (size_t before = 0; before < strlen(head); before++)
        assert_true(ripe(f, head, before));
    assert_false(ripe(f, "GET\nxyz", 4));
    assert_true(ripe(f, "GET / HTTP/1.1\rA", 15)); /* a CR that came before, and turns out to be bare */

    struct spill *s = spill_take(&f->http, "GET", 3);
    memset(s->data, 'G', s->capacity);
    s->len = s->capacity;
    assert_true(spill_ripe(s, 3)); /* full: to go on in a larger one */
    spill_give(&f->http, s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(every_length), TEST(many), TEST(no_memory), TEST(ripeness)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
