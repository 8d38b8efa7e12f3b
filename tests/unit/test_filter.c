/*
 * Chains of reply filters over a scripted exchange: what they get, in which order, what comes out, and that each is
 * released once, however the reply ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "filter_fixture.h"

/* Nothing is seen before the head is due; then all at once, with its length, the last one that was added first. */
static void collected(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true), b = make(FILTER_CHANGES_LENGTH, 'b', true);
    add(f, &a);
    assert_int_equal(say(f, "one "), 0);
    add(f, &b);
    assert_int_equal(print(f, "two"), 0);
    assert_int_equal(a.begun + b.begun, 0);
    assert_int_equal(f->x.body_sent, 7);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "one twoba");
    assert_int_equal(b.length, 7);
    assert_int_equal(a.length, REPLY_LENGTH_UNKNOWN);
    assert_false(reply_is_committed(&f->x.reply));
    assert_int_equal(f->x.reply.length, REPLY_LENGTH_UNKNOWN);
    assert_string_equal(f->calls, "discard be ae ");
    each_once(&a, 1);
    each_once(&b, 1);
    assert_int_equal(filter_finish(&f->x), 0);
}

static void kept_length(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_KEEPS_LENGTH, 'a', false), b = make(FILTER_KEEPS_LENGTH, 'b', false);
    add(f, &a);
    add(f, &b);
    assert_int_equal(say(f, "0123456789abcdefghij"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "aaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(a.length, 20);
    assert_int_equal(f->x.reply.length, 20);
}

/* More than is collected commits the head, and then each write goes through. */
static void streamed(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', false);
    char *large = malloc(100001);
    assert_non_null(large);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    add(f, &a);
    assert_int_equal(say(f, "begin"), 0);
    assert_int_equal(say(f, large), 0);
    assert_true(reply_is_committed(&f->x.reply));
    assert_int_equal(f->head_length, REPLY_LENGTH_UNKNOWN);
    assert_int_equal(a.length, REPLY_LENGTH_UNKNOWN);
    assert_true(a.most <= 8192);
    assert_memory_equal(f->out, "abegina", 7);
    assert_int_equal(print(f, "more"), 0);
    assert_memory_equal(f->out + f->len - 6, "amorea", 6);
    assert_int_equal(filter_add(&f->x, &a.f), WEIR_ECOMMITTED);
    assert_int_equal(filter_finish(&f->x), 0);
    size_t bytes = 0;
    for (size_t i = 0; i < f->len; i++)
        bytes += f->out[i] == 'x';
    assert_int_equal(bytes, 100000);
    assert_int_equal(f->befores, 1);
    assert_string_equal(f->calls, "discard head ae ");
    each_once(&a, 1);
    free(large);
}

/* An unfiltered reply is left as it was found. */
static void passed(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_PASSES, 'a', false), b = make(FILTER_PASSES, 'b', false);
    add(f, &a);
    add(f, &b);
    f->x.reply.body = (struct segment){.kind = SEGMENT_STATIC, .len = 6, .data = "static"};
    f->x.reply.length = 6;
    assert_int_equal(filter_finish(&f->x), 0);
    assert_int_equal(f->x.reply.body.len, 6);
    assert_int_equal(f->x.reply.length, 6);
    assert_string_equal(f->calls, "");
    each_once(&a, 1);
    each_once(&b, 1);
}

static void passed_by_a_stream(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_PASSES, 'a', false);
    add(f, &a);
    assert_int_equal(say(f, "text"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    assert_int_equal(say(f, "more"), 0);
    came_out(f, "textmore");
    assert_string_equal(f->calls, "flush ");
    each_once(&a, 1);
}

static void some_pass(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_PASSES, 'a', false), b = make(FILTER_CHANGES_LENGTH, 'b', false),
                  c = make(FILTER_PASSES, 'c', false);
    b.f.ops = &bare_ops;
    add(f, &a);
    add(f, &b);
    add(f, &c);
    assert_int_equal(say(f, "text"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    assert_int_equal(c.released, 1);
    assert_int_equal(a.released, 1);
    came_out(f, "btextb");
    assert_int_equal(filter_finish(&f->x), 0);
    each_once(&a, 1);
    each_once(&c, 1);
    assert_int_equal(b.begun, 1);
}

/* Of a reply without a body, and of ranges of one. */
static void no_body(void **state)
{
    struct fixture *f = *state;
    for (int status = 206; status <= 304; status += 98) {
        struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
        add(f, &a);
        f->x.reply.status = (uint16_t)status;
        assert_int_equal(filter_finish(&f->x), 0);
        each_once(&a, 0);
        assert_string_equal(f->calls, "");
    }
}

static void head_request(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    f->x.reply.form = REPLY_BODYLESS;
    add(f, &a);
    assert_int_equal(say(f, "text"), 0);
    f->x.reply.length = 4;
    assert_int_equal(filter_finish(&f->x), 0);
    each_once(&a, 1);
    assert_int_equal(a.length, 4);
    assert_int_equal(a.most, 0);
    assert_int_equal(f->head_length, REPLY_LENGTH_UNKNOWN);
    assert_string_equal(f->calls, "discard head ");
}

static void head_request_of_known_length(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_KEEPS_LENGTH, 'a', false);
    f->x.reply.form = REPLY_BODYLESS;
    add(f, &a);
    assert_int_equal(say(f, "text"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    each_once(&a, 1);
    assert_int_equal(a.most, 0);
    assert_int_equal(f->x.reply.length, 4);
    assert_false(reply_is_committed(&f->x.reply));
}

/* What the handler announced is held against what it writes, whatever comes out. */
static void announced(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    f->x.reply.length = 10;
    assert_false(filter_counts_length(&f->x));
    assert_int_equal(say(f, "01234567890"), WEIR_ETOOBIG);
    assert_int_equal(say(f, "0123"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    assert_int_equal(f->head_length, REPLY_LENGTH_UNKNOWN);
    assert_true(filter_counts_length(&f->x));
    assert_int_equal(say(f, "4567890"), WEIR_ETOOBIG);
    assert_int_equal(say(f, "456789"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "0123|456789a");
    assert_false(filter_counts_length(&f->x));
    each_once(&a, 1);
}

static void announced_and_not_written(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    f->x.reply.length = 10;
    assert_int_equal(say(f, "012345678"), 0);
    assert_int_equal(filter_finish(&f->x), WEIR_EPROTO);
    each_once(&a, 1);
}

/* An error page in place of what was written: the filters have seen nothing yet. */
static void replaced(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    assert_int_equal(say(f, "half a reply"), 0);
    f->x.ops->discard(&f->x);
    assert_int_equal(say(f, "page"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "pagea");
    each_once(&a, 1);
}

static void flushed(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true), b = make(FILTER_CHANGES_LENGTH, 'b', true);
    add(f, &a);
    add(f, &b);
    assert_int_equal(say(f, "1"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    came_out(f, "1||");
    assert_string_equal(f->calls, "discard head bf af flush ");
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "1||ba");
}

/* Before a wait what was written is to be seen; but a wait after which nothing was written adds nothing. */
static void pushed(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    assert_int_equal(f->x.ops->push(&f->x), 0);
    assert_false(reply_is_committed(&f->x.reply));
    assert_int_equal(say(f, "1"), 0);
    assert_int_equal(f->x.ops->push(&f->x), 0);
    assert_int_equal(f->x.ops->push(&f->x), 0);
    came_out(f, "1|");
    reply_set_complete(&f->x.reply);
    assert_int_equal(f->x.ops->push(&f->x), 0);
    f->x.reply.phase = REPLY_STREAMING;
    assert_int_equal(say(f, "2"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "1|2a");
    assert_string_equal(f->calls, "push discard head af push push push ae ");
}

/* A reply that was one call may still be read to its end. */
static void final_reply(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    f->x.reply.length = 4;
    assert_int_equal(say(f, "text"), 0);
    reply_set_complete(&f->x.reply);
    assert_int_equal(say(f, "more"), WEIR_EDONE);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "texta");
    assert_true(f->x.reply.phase == REPLY_FINAL);
}

static void begin_fails(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true), b = make(WEIR_ENOMEM, 'b', true);
    add(f, &a);
    add(f, &b);
    assert_int_equal(say(f, "text"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), WEIR_ENOMEM);
    each_once(&a, 0);
    each_once(&b, 1);
    f->x.ops->discard(&f->x);
    assert_int_equal(say(f, "page"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "page");
}

static void data_fails(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true), b = make(FILTER_CHANGES_LENGTH, 'b', false);
    add(f, &a);
    add(f, &b);
    assert_int_equal(say(f, "text"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    b.data_error = WEIR_EIO;
    assert_int_equal(say(f, "text"), WEIR_EIO);
    b.data_error = 0;
    assert_int_equal(say(f, "text"), WEIR_EDONE);
    assert_int_equal(f->x.ops->flush(&f->x), WEIR_EDONE);
    assert_int_equal(filter_finish(&f->x), WEIR_EDONE);
    came_out(f, "btextb|");
    each_once(&a, 1);
    each_once(&b, 1);
}

static void finish_fails(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    a.finish_error = WEIR_EIO;
    add(f, &a);
    assert_int_equal(filter_finish(&f->x), WEIR_EIO);
    each_once(&a, 1);
}

static void client_goes(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true), b = make(FILTER_CHANGES_LENGTH, 'b', false);
    add(f, &a);
    add(f, &b);
    assert_int_equal(say(f, "text"), 0);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    exchange_break(&f->x);
    assert_int_equal(say(f, "text"), WEIR_ECLOSED);
    assert_int_equal(filter_finish(&f->x), 0);
    each_once(&a, 1);
    each_once(&b, 1);
}

static void client_is_gone_before(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    f->x.gone = true;
    assert_int_equal(filter_finish(&f->x), 0);
    each_once(&a, 0);
}

/* The handler is ended within a filter: the rest of the reply cannot come any more. */
static void never_returns(void **state)
{
    struct fixture *f = *state;
    static struct filter a;
    jmp_buf here;
    a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    assert_int_equal(f->x.ops->flush(&f->x), 0);
    a.leave = &here;
    if (setjmp(here) == 0)
        (void)say(f, "text");
    assert_int_equal(filter_finish(&f->x), WEIR_EPROTO);
    each_once(&a, 1);
}

/* As the handler is ended while its final reply is completed: a page takes its place, without filters. */
static void replaced_within(void **state)
{
    struct fixture *f = *state;
    static struct filter a;
    jmp_buf here;
    a = make(FILTER_CHANGES_LENGTH, 'a', true);
    add(f, &a);
    assert_int_equal(say(f, "text"), 0);
    a.leave = &here;
    if (setjmp(here) == 0)
        (void)filter_finish(&f->x);
    assert_false(reply_is_committed(&f->x.reply));
    f->x.ops->discard(&f->x);
    each_once(&a, 1);
    assert_int_equal(say(f, "page"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "page");
}

/* The handler is ended as its filters begin: the head is not out, so that a page takes the reply's place without those
 * that have begun. */
static void replaced_at_the_beginning(void **state)
{
    struct fixture *f = *state;
    static struct filter a, b, c;
    jmp_buf here;
    a = make(FILTER_CHANGES_LENGTH, 'a', true);
    b = make(FILTER_CHANGES_LENGTH, 'b', true);
    c = make(FILTER_PASSES, 'c', true);
    add(f, &a);
    add(f, &b);
    add(f, &c);
    assert_int_equal(say(f, "text"), 0);
    b.leave_begin = &here;
    if (setjmp(here) == 0)
        (void)f->x.ops->flush(&f->x);
    assert_true(f->x.reply.phase == REPLY_SEALING);
    f->x.reply.phase = REPLY_OPEN; /* as exchange_abandon() does */
    f->x.ops->discard(&f->x);
    assert_int_equal(say(f, "page"), 0);
    assert_int_equal(filter_finish(&f->x), 0);
    came_out(f, "page");
    each_once(&a, 0);
    each_once(&b, 1);
    each_once(&c, 1);
}

/* Response middleware adds one; a filter that begins may not. */
static void added_late(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', true), b = make(FILTER_CHANGES_LENGTH, 'b', true),
                  c = make(FILTER_PASSES, 'c', false);
    assert_int_equal(say(f, "written before"), 0);
    add(f, &a);
    f->added_late = &b.f;
    b.adds = &c.f;
    assert_int_equal(filter_finish(&f->x), 0);
    assert_int_equal(f->late_result, 0);
    assert_int_equal(b.add_result, WEIR_EDONE);
    assert_int_equal(c.begun + c.released, 0);
    came_out(f, "written beforeba");
    each_once(&a, 1);
    each_once(&b, 1);
}

/* Where request memory has no room for a copy, less is collected; a page and the like never need one. */
static void little_memory(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', false);
    add(f, &a);
    assert_non_null(arena_alloc(&f->x.arena, BLOCK - 64));
    char text[2001];
    memset(text, 'x', 2000);
    text[1000] = '\0';
    assert_int_equal(say(f, text), 0);
    assert_false(reply_is_committed(&f->x.reply));
    assert_int_equal(say(f, text), 0);
    assert_true(reply_is_committed(&f->x.reply));
    assert_int_equal(filter_finish(&f->x), 0);
    each_once(&a, 1);
}

static void no_memory(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', false);
    char *text = calloc(1, 3001);
    assert_non_null(text);
    memset(text, 'x', 3000);
    assert_int_equal(say(f, text), 0);
    assert_non_null(arena_alloc(&f->x.arena, BLOCK - 1024));
    assert_int_equal(filter_add(&f->x, &a.f), WEIR_ENOMEM);
    assert_int_equal(a.begun + a.released, 0);
    assert_ptr_equal(f->x.ops, &base_ops);
    free(text);
}

static void bytes_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_KEEPS_LENGTH, 'a', false);
    char *large = calloc(1, 50000);
    assert_non_null(large);
    add(f, &a);
    f->x.reply.body = (struct segment){.kind = SEGMENT_STATIC, .len = 50000, .data = large};
    f->x.reply.length = 50000;
    reply_set_complete(&f->x.reply);
    assert_int_equal(filter_finish(&f->x), 0);
    assert_int_equal(f->x.body_sent, 50000);
    assert_int_equal(f->x.reply.body.len, 0);
    assert_int_equal(f->x.reply.length, 50000);
    assert_int_equal(a.length, 50000);
    free(large);
}

/* In pieces, from an offset to a length; the descriptor is the exchange's. */
static void file(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', false);
    FILE *stream = tmpfile();
    assert_non_null(stream);
    for (int i = 0; i < 20000; i++)
        fputc("0123456789"[i % 10], stream);
    fflush(stream);
    struct file opened = {.fd = fileno(stream), .references = 1};
    add(f, &a);
    f->x.reply.body = (struct segment){.kind = SEGMENT_FILE, .len = 15000, .file = &opened, .offset = 11};
    assert_int_equal(filter_finish(&f->x), 0);
    assert_int_equal(a.length, 15000);
    assert_true(a.most <= 4096);
    size_t at = 0;
    for (size_t i = 0; i < f->len; i++)
        if (f->out[i] != 'a')
            assert_int_equal(f->out[i], "0123456789"[(11 + at++) % 10]);
    assert_int_equal(at, 15000);
    assert_int_equal(f->x.reply.body.kind, SEGMENT_FILE);
    assert_int_equal(f->x.reply.body.len, 0);
    assert_int_equal(opened.references, 1);
    fclose(stream);
    each_once(&a, 1);
}

static void file_that_ends_early(void **state)
{
    struct fixture *f = *state;
    struct filter a = make(FILTER_CHANGES_LENGTH, 'a', false);
    FILE *stream = tmpfile();
    assert_non_null(stream);
    fputs("short", stream);
    fflush(stream);
    struct file opened = {.fd = fileno(stream), .references = 1};
    add(f, &a);
    f->x.reply.body = (struct segment){.kind = SEGMENT_FILE, .len = 6, .file = &opened};
    assert_int_equal(filter_finish(&f->x), WEIR_EIO);
    assert_int_equal(opened.references, 1);
    fclose(stream);
    each_once(&a, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collected),
        TEST(kept_length),
        TEST(streamed),
        TEST(passed),
        TEST(passed_by_a_stream),
        TEST(some_pass),
        TEST(no_body),
        TEST(head_request),
        TEST(head_request_of_known_length),
        TEST(announced),
        TEST(announced_and_not_written),
        TEST(replaced),
        TEST(flushed),
        TEST(pushed),
        TEST(final_reply),
        TEST(begin_fails),
        TEST(data_fails),
        TEST(finish_fails),
        TEST(client_goes),
        TEST(client_is_gone_before),
        TEST(never_returns),
        TEST(replaced_within),
        TEST(replaced_at_the_beginning),
        TEST(added_late),
        TEST(little_memory),
        TEST(no_memory),
        TEST(bytes_elsewhere),
        TEST(file),
        TEST(file_that_ends_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
