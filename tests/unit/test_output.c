/*
 * The output queue over a transport that does what a script says: order, joins, writes that take any part of what they
 * are given, what is let go of and when, and turns.
 *
 * SPDX-License-Identifier: MIT
 */
#include "output_segments.h"

/* ---- Memory ---- */

static void in_order(void **state)
{
    struct fixture *f = *state;
    char region[] = "region, joined";
    fixture_begin(f);
    assert_true(output_empty(&f->out));
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->writes, 0);
    output_push_region(&f->out, region, 7);
    push_text(&f->out, " static ");
    output_push_region(&f->out, region + 7, 7);
    assert_int_equal(f->out.count, 3);
    assert_int_equal(f->out.regions, 2);
    assert_false(output_empty(&f->out));
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "region, static  joined");
    assert_int_equal(f->writes, 1);
    assert_int_equal(f->part_count, 3);
    assert_false(f->more);
    assert_int_equal(f->out.regions, 0);
    assert_int_equal(f->out.sent, 22);
    assert_int_equal(counter_read(&f->net.bytes_out), 22);
    assert_true(output_empty(&f->out));
}

/* Bytes of the region are joined only where they follow the last ones. */
static void joins(void **state)
{
    struct fixture *f = *state;
    char region[] = "0123456789";
    fixture_begin(f);
    output_push_region(&f->out, region, 3);
    output_push_region(&f->out, region + 3, 2);
    assert_int_equal(f->out.count, 1);
    output_push_region(&f->out, region + 6, 2);
    assert_int_equal(f->out.count, 2);
    push_static(&f->out, region, 1);
    push_static(&f->out, region + 1, 1);
    assert_int_equal(f->out.count, 4);
    output_push_region(&f->out, region + 8, 2);
    assert_int_equal(f->out.count, 5);
    assert_int_equal(f->out.regions, 3);
    assert_int_equal(output_unsent(&f->out, false), 11);
    output_shift_region(&f->out, 1);
    region[10] = '!';
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "1234578019!");
}

/* Two small pieces go out by a way of their own, with the same result. */
static void short_and_partial(void **state)
{
    struct fixture *f = *state;
    struct held held;
    for (int cut = 0; cut <= 9; cut++) {
        fixture_begin(f);
        push_text(&f->out, "head ");
        push_shared(f, &held, "body");
        fixture_step(f, cut);
        fixture_step(f, TRANSPORT_WANT_WRITE);
        int blocked = send_all(f, 0);
        assert_int_equal(blocked, cut == 9 ? 0 : 2);
        assert_int_equal(f->part_count, cut < 5 ? 2 : cut < 9 ? 1 : 2);
        assert_int_equal(held.released, 0);
        assert_true(shared_drop(&held.shared)); /* the queue's reference is gone */
        assert_int_equal(counter_read(&f->net.bytes_out), 9);
        fixture_expect(f, "head body");
    }
}

/* A write is given a piece at most, and is told that more follows unless it is the last; a call behind the last bytes
 * is nothing that follows. */
static void pieces(void **state)
{
    struct fixture *f = *state;
    static char large[3 * PIECE];
    struct told told;
    memset(large, 'x', sizeof large);
    for (size_t len = PIECE - 1; len <= PIECE + 1; len++) {
        for (int more = 0; more <= 1; more++) {
            fixture_begin(f);
            push_static(&f->out, large, len);
            push_call(f, &told, 0);
            fixture_step(f, PIECE);
            fixture_step(f, TRANSPORT_WANT_WRITE);
            int result = fixture_send(f, more);
            assert_int_equal(result, len > PIECE ? TRANSPORT_WANT_WRITE : 0);
            assert_int_equal(told.times, len <= PIECE);
            assert_int_equal(f->more, more);
            assert_int_equal(f->given, len > PIECE ? 1 : len);
            assert_int_equal(f->writes, len > PIECE ? 2 : 1);
            assert_int_equal(fixture_send(f, false), 0);
            assert_int_equal(f->taken_len, len);
        }
    }
    fixture_begin(f);
    push_static(&f->out, large, PIECE + 1);
    fixture_step(f, WEIR_ETIMEDOUT);
    assert_int_equal(fixture_send(f, false), WEIR_ETIMEDOUT);
    assert_true(f->more);
    assert_int_equal(f->given, PIECE);
    output_discard(&f->out, WEIR_ETIMEDOUT);
}

/* A transport may take small pieces alone: no way of sending gives it more. */
static void small_pieces(void **state)
{
    struct fixture *f = *state;
    struct held held;
    for (size_t piece = 1; piece <= 30; piece++) {
        fixture_begin(f);
        f->transport.piece = piece;
        push_text(&f->out, "one piece of 22 bytes.");
        assert_int_equal(fixture_send(f, false), 0);
        assert_int_equal(f->writes, (22 + piece - 1) / piece);
        push_text(&f->out, "head ");
        push_shared(f, &held, "body");
        assert_int_equal(fixture_send(f, false), 0);
        assert_true(shared_drop(&held.shared));
        push_text(&f->out, "1");
        push_text(&f->out, "2");
        push_text(&f->out, "3");
        assert_int_equal(fixture_send(f, false), 0);
        fixture_expect(f, "one piece of 22 bytes.head body123");
    }
    f->transport.piece = PIECE;
}

/* What of the region is queued: as far as it reaches, behind what lies elsewhere, too. */
static void queued_region(void **state)
{
    struct fixture *f = *state;
    char region[] = "0123456789", *begin, *end;
    fixture_begin(f);
    assert_false(output_region(&f->out, &begin, &end));
    push_text(&f->out, "elsewhere");
    assert_false(output_region(&f->out, &begin, &end));
    output_push_region(&f->out, region + 2, 2);
    push_text(&f->out, "elsewhere");
    output_push_region(&f->out, region + 5, 3);
    assert_true(output_region(&f->out, &begin, &end));
    assert_ptr_equal(begin, region + 2);
    assert_ptr_equal(end, region + 8);
    assert_int_equal(fixture_send(f, false), 0);
    assert_false(output_region(&f->out, &begin, &end));
}

static void turns(void **state)
{
    struct fixture *f = *state;
    static char large[2 * OUTPUT_TURN_BYTES + 100];
    memset(large, 't', sizeof large);
    fixture_begin(f);
    push_static(&f->out, large, sizeof large);
    f->out.blocked = true;
    assert_int_equal(fixture_send(f, false), OUTPUT_TURN);
    assert_int_equal(f->taken_len, OUTPUT_TURN_BYTES);
    assert_false(f->out.blocked);
    assert_int_equal(fixture_send(f, false), OUTPUT_TURN);
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->taken_len, sizeof large);
    fixture_begin(f);
    push_static(&f->out, large, OUTPUT_TURN_BYTES);
    assert_int_equal(fixture_send(f, false), 0); /* nothing is left */
}

/* ---- What a transport can answer ---- */

static void refused(void **state)
{
    struct fixture *f = *state;
    fixture_begin(f);
    push_text(&f->out, "abc");
    fixture_step(f, TRANSPORT_WANT_READ);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_READ);
    assert_true(f->out.blocked);
    fixture_step(f, 2);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    fixture_step(f, WEIR_ECLOSED);
    assert_int_equal(fixture_send(f, false), WEIR_ECLOSED);
    assert_int_equal(output_unsent(&f->out, false), 1);
    assert_int_equal(f->out.sent, 2);
    output_discard(&f->out, WEIR_ECLOSED);
    assert_true(output_empty(&f->out));
    fixture_expect(f, "ab");
    /* There is no memory to watch the socket. */
    fixture_begin(f);
    push_text(&f->out, "abc");
    f->conn.ready = READY_WATCHED;
    fixture_step(f, 1);
    assert_int_equal(fixture_send(f, false), WEIR_ECLOSED);
    assert_true(f->conn.ready & READY_GONE);
    assert_false(f->out.blocked);
    output_discard(&f->out, WEIR_ECLOSED);
}

/* Where the transport makes room, it is asked again at once. */
static void widened(void **state)
{
    struct fixture *f = *state;
    for (size_t len = 8; len <= 8000; len += 7992) {
        static char bytes[8000];
        fixture_begin(f);
        push_static(&f->out, bytes, len);
        f->widen_answers = 2;
        fixture_step(f, 3);
        fixture_step(f, TRANSPORT_WANT_WRITE);
        fixture_step(f, 1);
        assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
        assert_int_equal(f->widens, 3);
        assert_int_equal(f->writes, 3);
        assert_int_equal(f->taken_len, 4);
        output_discard(&f->out, 0);
    }
}

/* What is held for more leaves at the end, or when no more can come; the output is not empty before it has left. */
static void held_bytes(void **state)
{
    struct fixture *f = *state;
    fixture_begin(f);
    f->holds = true;
    push_text(&f->out, "abc");
    assert_int_equal(fixture_send(f, true), 0);
    assert_int_equal(f->flushes, 0);
    assert_true(f->out.flow.held);
    f->flush_answers = 2;
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_false(output_empty(&f->out));
    assert_true(f->out.blocked);
    f->widen_answers = 1; /* which is reason to try again */
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->flushes, 3);
    assert_true(output_empty(&f->out));
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->flushes, 3);
    assert_int_equal(f->writes, 1);
    fixture_expect(f, "abc");
    /* More was to come, and is refused. */
    push_text(&f->out, "def");
    assert_int_equal(fixture_send(f, true), 0);
    push_text(&f->out, "ghi");
    fixture_step(f, TRANSPORT_WANT_WRITE);
    assert_int_equal(fixture_send(f, true), TRANSPORT_WANT_WRITE);
    assert_int_equal(f->flushes, 4);
    assert_false(f->out.flow.held);
    assert_int_equal(fixture_send(f, false), 0);
    assert_int_equal(f->flushes, 4);
    fixture_expect(f, "defghi");
}

/* ---- The end of segments ---- */

static void calls(void **state)
{
    struct fixture *f = *state;
    struct told first, second, third;
    struct held held;
    struct text_source source;
    fixture_begin(f);
    push_text(&f->out, "0123456789");
    push_call(f, &first, 10);
    push_shared(f, &held, "0123456789");
    push_source(f, &source, &text_reads, "0123456789", 10);
    push_call(f, &second, 50);
    push_call(f, &third, 0);
    push_text(&f->out, "01234");
    assert_int_equal(output_unsent(&f->out, false), 5);
    assert_int_equal(output_unsent(&f->out, true), 0); /* the third's reply is empty */
    fixture_step(f, 9);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(first.times, 0);
    fixture_step(f, 6);
    fixture_step(f, TRANSPORT_WANT_WRITE);
    assert_int_equal(fixture_send(f, false), TRANSPORT_WANT_WRITE);
    assert_int_equal(first.times, 1);
    assert_int_equal(first.error, 0);
    assert_int_equal(first.bytes, 10);
    output_discard(&f->out, WEIR_ETIMEDOUT);
    assert_true(output_empty(&f->out));
    assert_int_equal(f->out.regions + f->out.unread, 0);
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 1);
    assert_int_equal(second.error, WEIR_ETIMEDOUT);
    assert_int_equal(second.bytes, 50 - 15);
    assert_int_equal(third.times, 1);
    assert_int_equal(third.bytes, 0);
    assert_int_equal(source.released, 1);
    assert_int_equal(source.error, WEIR_ETIMEDOUT);
    shared_unref(&held.shared);
    assert_int_equal(held.released, 1);
    /* A call that reports less than what is unsent. */
    push_text(&f->out, "0123456789");
    push_call(f, &first, 4);
    output_discard(&f->out, WEIR_ECLOSED);
    assert_int_equal(first.bytes, 0);
}

static void call_that_adds(void *arg, int error, uint64_t bytes)
{
    (void)error;
    (void)bytes;
    push_text(arg, "more");
}

/* What a call adds goes out, too. */
static void calls_add(void **state)
{
    struct fixture *f = *state;
    fixture_begin(f);
    push_text(&f->out, "abc ");
    output_push(&f->out, (struct segment){.kind = SEGMENT_CALL, .call = call_that_adds, .arg = &f->out});
    assert_int_equal(fixture_send(f, false), 0);
    fixture_expect(f, "abc more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),     cmocka_unit_test(joins),         cmocka_unit_test(pieces),
        cmocka_unit_test(small_pieces), cmocka_unit_test(queued_region), cmocka_unit_test(short_and_partial),
        cmocka_unit_test(turns),        cmocka_unit_test(refused),       cmocka_unit_test(widened),
        cmocka_unit_test(held_bytes),   cmocka_unit_test(calls),         cmocka_unit_test(calls_add),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
