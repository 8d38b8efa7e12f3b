/*
 * Prints the sizes of the structures that there are many of, and holds them to what they are today: a byte more in a\n
 * * record is a decision, not an accident.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/pool.h"
#include "http/h1/h1.h"
#include "io/offload.h"
#include "web/context.h"
#include "web/topic/reader.h"

#include <stdio.h>

struct row {
    const char *name;
    size_t size, most;
};

#define ROW(type, most)                                                                                                \
    {                                                                                                                  \
#type, sizeof(type), most                                                                                      \
    }

/* Of whom a context belongs to, in builds that check it. */
#ifdef WEIR_DEBUG
#define MARKS 8
#else
#define MARKS 0
#endif

static void sizes(void **state)
{
    (void)state;
    const struct row rows[] = {
        ROW(struct connection, 56),   ROW(struct timer, 24),
        ROW(struct fiber, 88),        ROW(struct wait_timer, 32),
        ROW(struct exchange, 1184),   ROW(struct h1, 1776),
        ROW(struct h1_parser, 24),    ROW(struct h1_chunked, 24),
        ROW(struct http_head, 48),    ROW(struct http_field, 8),
        ROW(struct segment, 24),      ROW(struct output, 432),
        ROW(struct spill, 16),        ROW(struct arena, 32),
        ROW(struct pool_slab, 40),    ROW(struct weir_ctx, 280 + MARKS),
        ROW(struct subscription, 32), ROW(struct topic_reader, 96),
        ROW(struct message, 64),      ROW(struct weir_topic, 256),
    };
    size_t grown = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        printf("%-20s %5zu\n", rows[i].name, rows[i].size);
        grown += rows[i].size > rows[i].most;
    }
    printf("%-20s %5zu\n", "a live request", http_record_size(&web_host));
    assert_true(web_host.context_size >= sizeof(struct weir_ctx));
#if WEIR_WITH_HTTP2
    printf("%-20s %5zu\n", "HTTP/2 at rest", http_h2_rest_size());
    assert_true(http_h2_rest_size() <= 64); /* 128 bytes are promised, the connection's record and slabs included */
#endif
    assert_true(http_record_size(&web_host) <= 2056 + MARKS);
    assert_int_equal(grown, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
