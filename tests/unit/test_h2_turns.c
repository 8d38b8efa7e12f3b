/*
 * Whose turn it is on an HTTP/2 connection: by urgency, whole replies by their ids, incremental ones in turn.
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/h2/h2.h"

#include <stdio.h>
#include <string.h>

#define STREAMS 16

struct fixture {
    struct h2_turns turns;
    struct h2_stream *streams[STREAMS]; /* by id / 2 */
};

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    h2_turns_init(&f->turns);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < STREAMS; i++)
        free(f->streams[i]);
    free(f);
    return 0;
}

static struct h2_stream *enter(struct fixture *f, uint32_t id, uint8_t urgency, bool incremental)
{
    struct h2_stream *s = calloc(1, sizeof *s);
    assert_non_null(s);
    f->streams[id / 2] = s;
    s->id = id;
    s->priority = (struct h2_priority){.urgency = urgency, .incremental = incremental};
    list_init(&s->turn);
    h2_turn_enter(&f->turns, s);
    return s;
}

/* Whose turns the next `count` are, where each stream has frames without end. */
static void expect_turns(struct fixture *f, size_t count, const char *expected)
{
    char ids[256] = "";
    for (size_t i = 0, len = 0; i < count; i++) {
        struct h2_stream *s = h2_turn_next(&f->turns, NULL);
        assert_non_null(s);
        h2_turn_take(&f->turns, s);
        h2_turn_enter(&f->turns, s);
        len += (size_t)snprintf(ids + len, sizeof ids - len, i ? " %u" : "%u", s->id);
    }
    assert_string_equal(ids, expected);
}

static void leave(struct fixture *f, uint32_t id)
{
    h2_turn_leave(&f->turns, f->streams[id / 2]);
}

static void nobody(void **state)
{
    struct fixture *f = *state;
    assert_null(h2_turn_next(&f->turns, NULL));
    enter(f, 1, 3, false);
    leave(f, 1);
    assert_null(h2_turn_next(&f->turns, NULL));
    assert_int_equal(f->turns.urgencies, 0);
}

static void more_urgent_first(void **state)
{
    struct fixture *f = *state;
    enter(f, 1, 7, false);
    enter(f, 3, 3, true);
    enter(f, 5, 0, false);
    expect_turns(f, 2, "5 5");
    leave(f, 5);
    expect_turns(f, 2, "3 3");
    enter(f, 7, 2, true);
    expect_turns(f, 2, "7 7");
    leave(f, 7);
    leave(f, 3);
    expect_turns(f, 2, "1 1");
}

/* In whatever order they have become ready. */
static void whole_ones_by_id(void **state)
{
    struct fixture *f = *state;
    enter(f, 5, 3, false);
    enter(f, 9, 3, false);
    enter(f, 1, 3, false);
    enter(f, 7, 3, false);
    expect_turns(f, 3, "1 1 1");
    enter(f, 3, 3, false);
    expect_turns(f, 1, "1");
    leave(f, 1);
    expect_turns(f, 2, "3 3");
    leave(f, 3);
    expect_turns(f, 2, "5 5");
    leave(f, 5);
    leave(f, 7);
    expect_turns(f, 2, "9 9");
}

/* The first is paced by its handler: others use the time, and it goes on when it has more. */
static void paced_one_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    struct h2_stream *paced = enter(f, 1, 3, false);
    enter(f, 3, 3, false);
    expect_turns(f, 2, "1 1");
    leave(f, 1);
    expect_turns(f, 2, "3 3");
    h2_turn_enter(&f->turns, paced);
    expect_turns(f, 2, "1 1");
}

static void incremental_ones_in_turn(void **state)
{
    struct fixture *f = *state;
    enter(f, 5, 3, true);
    enter(f, 1, 3, true);
    enter(f, 3, 3, true);
    expect_turns(f, 7, "5 1 3 5 1 3 5");
    leave(f, 3);
    expect_turns(f, 4, "1 5 1 5");
}

static void both_kinds(void **state)
{
    struct fixture *f = *state;
    enter(f, 1, 3, false);
    enter(f, 3, 3, true);
    enter(f, 5, 3, false);
    enter(f, 7, 3, true);
    expect_turns(f, 6, "1 3 1 7 1 3");
    leave(f, 1);
    expect_turns(f, 4, "5 7 5 3");
    leave(f, 5);
    expect_turns(f, 3, "7 3 7");
}

/* A turn of another urgency between changes nothing. */
static void both_kinds_interrupted(void **state)
{
    struct fixture *f = *state;
    enter(f, 1, 3, false);
    enter(f, 3, 3, true);
    expect_turns(f, 1, "1");
    enter(f, 5, 1, false);
    expect_turns(f, 2, "5 5");
    leave(f, 5);
    expect_turns(f, 3, "3 1 3");
}

static bool is_seven(const struct h2_stream *s)
{
    return s->id == 7;
}

/* Where the connection's window is shut only some may go on. */
static void some_may(void **state)
{
    struct fixture *f = *state;
    enter(f, 1, 3, false);
    enter(f, 3, 3, true);
    assert_null(h2_turn_next(&f->turns, is_seven));
    enter(f, 5, 3, true);
    enter(f, 7, 6, true);
    assert_int_equal(h2_turn_next(&f->turns, is_seven)->id, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody),
        TEST(more_urgent_first),
        TEST(whole_ones_by_id),
        TEST(paced_one_holds_up_nobody),
        TEST(incremental_ones_in_turn),
        TEST(both_kinds),
        TEST(both_kinds_interrupted),
        TEST(some_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
