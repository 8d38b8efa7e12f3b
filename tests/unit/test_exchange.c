/*
 * The exchange without a version of HTTP: what a handler may do with its reply, what waits tell, how a handler is
 * ended, what a refusal leaves, and how long a body is waited for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/clock.h"
#include "http_fixture.h"

static struct http_settings settings; /* no limits */

static int open_fixture(void **state)
{
    settings = (struct http_settings){.body_timeout_ms = 1000, .news = NEWS_ANY};
    *state = http_fixture_open(&settings);
    return 0;
}

static int close_fixture(void **state)
{
    http_fixture_close(*state);
    return 0;
}

/* ---- The reply ---- */

/* Every phase, and what may be done in it: to change the head, to make the reply, to write. */
static void phases(void **state)
{
    struct http_fixture *f = *state;
    static const struct {
        enum reply_phase phase;
        enum reply_form form;
        bool gone;
        uint64_t written;
        int may[3];
    } rows[] = {
        {REPLY_OPEN, REPLY_PLAIN, false, 0, {0, 0, 0}},
        {REPLY_OPEN, REPLY_PLAIN, false, 1, {0, WEIR_EDONE, 0}},
        {REPLY_OPEN, REPLY_BODYLESS, false, 0, {0, 0, 0}},
        {REPLY_OPEN, REPLY_PLAIN, true, 0, {0, 0, WEIR_ECLOSED}},
        {REPLY_SEALING, REPLY_PLAIN, false, 0, {0, WEIR_EDONE, WEIR_EDONE}},
        {REPLY_FINAL, REPLY_PLAIN, false, 5, {0, WEIR_EDONE, WEIR_EDONE}},
        {REPLY_FINAL, REPLY_PLAIN, true, 5, {0, WEIR_EDONE, WEIR_ECLOSED}},
        {REPLY_STREAMING, REPLY_CHUNKED, false, 5, {WEIR_ECOMMITTED, WEIR_ECOMMITTED, 0}},
        {REPLY_STREAMING, REPLY_CHUNKED, true, 5, {WEIR_ECOMMITTED, WEIR_ECLOSED, WEIR_ECLOSED}},
        {REPLY_STREAMING, REPLY_BODYLESS, false, 5, {WEIR_ECOMMITTED, WEIR_ECOMMITTED, WEIR_EDONE}},
        {REPLY_ENDED, REPLY_PLAIN, false, 5, {WEIR_ECOMMITTED, WEIR_EDONE, WEIR_EDONE}},
        {REPLY_ENDED, REPLY_PLAIN, true, 5, {WEIR_ECOMMITTED, WEIR_EDONE, WEIR_ECLOSED}},
    };
    struct scripted s;
    scripted_begin(f, &s);
    assert_int_equal(s.x.reply.phase, REPLY_OPEN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        s.x.reply.phase = (uint8_t)rows[i].phase;
        s.x.reply.form = (uint8_t)rows[i].form;
        s.x.gone = rows[i].gone;
        s.x.body_sent = rows[i].written;
        for (int act = REPLY_CHANGE_HEAD; act <= REPLY_WRITE; act++)
            if (exchange_may(&s.x, (enum reply_act)act) != rows[i].may[act])
                fail_msg("row %zu, act %d: %d", i, act, exchange_may(&s.x, (enum reply_act)act));
    }
}

/* A final reply and a stream come to the same end by different ways. */
static void phases_go_on(void **state)
{
    (void)state;
    struct reply r = {.phase = REPLY_OPEN};
    reply_set_complete(&r);
    assert_int_equal(r.phase, REPLY_FINAL);
    assert_false(reply_is_committed(&r));
    reply_set_committed(&r);
    assert_int_equal(r.phase, REPLY_ENDED);
    assert_true(reply_is_committed(&r) && reply_is_complete(&r));
    r.phase = REPLY_SEALING;
    reply_set_committed(&r);
    assert_int_equal(r.phase, REPLY_STREAMING);
    assert_false(reply_is_complete(&r));
    reply_set_complete(&r);
    assert_int_equal(r.phase, REPLY_ENDED);
}

/* ---- Waiting ---- */

static int result;

static void wait_for_other(struct scripted *s)
{
    result = exchange_park_for_other(&s->x);
}

static void wait_for_input(struct scripted *s)
{
    result = exchange_park(&s->x, WAIT_INPUT);
}

/* News is told once each; a wait goes on where there is none left. */
static void news_once(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    s.peer = PEER_HALF_CLOSED;
    assert_true(fixture_run(f, &task, wait_for_other, &s));
    assert_int_equal(result, WEIR_ECLOSED);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    assert_int_equal(s.x.waiting, WAIT_OTHER);
    exchange_wake_for_news(&s.x, NEWS_HALF_CLOSED); /* is known: wakes nobody */
    assert_true(list_empty(&f->loop.fibers.ready));
    f->net.draining = true;
    exchange_wake_for_news(&s.x, NEWS_STOP);
    fixture_go_on(f);
    assert_true(task.done);
    assert_int_equal(result, WEIR_ECANCELED);
    assert_int_equal(s.x.waiting, WAIT_NONE);
    assert_null(s.x.fiber);
    assert_true(s.x.untold & NEWS_STOP_TOLD);
}

/* Who waits for a body is woken by a stop, and not because the client has ended its side. */
static void news_of_a_wait_for_input(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_false(fixture_run(f, &task, wait_for_input, &s));
    exchange_wake_for_news(&s.x, NEWS_HALF_CLOSED);
    assert_true(list_empty(&f->loop.fibers.ready));
    exchange_wake_for_news(&s.x, NEWS_STOP);
    fixture_go_on(f);
    assert_true(task.done);
    assert_int_equal(result, WEIR_ECANCELED);
}

/* Nothing could wake a handler whose connection cannot be watched: it is refused for want of memory. */
static void no_watch(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    s.no_watch = true;
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    assert_null(s.x.fiber);
    assert_int_equal(s.x.refusal, REFUSAL_MEMORY);
    assert_int_equal(s.x.handler, HANDLER_ABANDONED);
    assert_int_equal(s.calls.failed, 1);
    assert_int_equal(counter_read(&f->http.refusals[REFUSAL_MEMORY]), 1);
}

/* While a reply is completed the same wait fails, and ends nothing. */
static void no_watch_at_the_end(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    s.no_watch = true;
    exchange_end_handler(&s.x, false);
    assert_true(fixture_run(f, &task, wait_for_input, &s));
    assert_int_equal(result, WEIR_ENOMEM);
    assert_int_equal(s.calls.failed, 0);
}

/* ---- Times ---- */

/* Lets so many ticks go by, also by the clock that the loop reads. */
static void pass(struct http_fixture *f, uint32_t ticks)
{
    f->loop.start_ns -= (uint64_t)ticks * 1000000;
    f->loop.wheel.handlers[TIMER_HANDLER] = exchange_timed;
    wheel_advance(&f->loop.wheel, tick_after(f->loop.wheel.now, ticks));
}

/* A deadline ends the present wait, and every later one before it begins; a later deadline lets them begin again. */
static void deadline(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_int_equal(exchange_time_left(&s.x), -1);
    exchange_set_deadline(&s.x, 1000);
    assert_in_range(exchange_time_left(&s.x), 1, 1000);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    pass(f, 900);
    assert_true(list_empty(&f->loop.fibers.ready));
    pass(f, 900);
    fixture_go_on(f);
    assert_true(task.done);
    assert_int_equal(result, WEIR_ETIMEDOUT);
    assert_int_equal(exchange_time_left(&s.x), 0);
    assert_true(fixture_run(f, &task, wait_for_input, &s));
    assert_int_equal(result, WEIR_ETIMEDOUT);
    exchange_set_deadline(&s.x, -1);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    exchange_set_deadline(&s.x, 0); /* while it waits: ends nothing that has begun */
    fiber_wake(s.x.fiber, 7);
    fixture_go_on(f);
    assert_int_equal(result, 7);
    exchange_forget_time(&s.x);
}

/* Both of a handler's times hold, in whichever order they come. */
static void both_times(void **state)
{
    struct http_fixture *f = *state;
    static const int times[][2] = {{100, 1000}, {1000, 100}, {500, 500}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct scripted s;
        scripted_begin(f, &s);
        exchange_limit_time(&s.x, times[i][0]);
        exchange_set_deadline(&s.x, times[i][1]);
        for (uint32_t at = 50; at <= 1200; at += 50) {
            pass(f, 50);
            int ended = (int)at - times[i][0], late = (int)at - times[i][1];
            if (ended < -20 || ended > 20)
                assert_int_equal(s.x.cut, ended > 0);
            if (late < -20 || late > 20)
                assert_int_equal(exchange_is_late(&s.x), late > 0);
        }
        assert_false(timer_armed(&s.x.deadline));
    }
}

/* What was cancelled stays so, whatever deadline is set. */
static void canceled(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    exchange_cancel(&s.x);
    fixture_go_on(f);
    assert_int_equal(result, WEIR_ECANCELED);
    exchange_set_deadline(&s.x, 5000);
    assert_true(fixture_run(f, &task, wait_for_other, &s));
    assert_int_equal(result, WEIR_ECANCELED);
    exchange_forget_time(&s.x);
}

/* A clean-up waits whatever has ended the handler, for its own time, and leaves all as it was. */
static void clean_up(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    struct exchange_clean_up before;
    scripted_begin(f, &s);
    s.x.gone = s.x.cut = true;
    exchange_cancel(&s.x);
    exchange_set_deadline(&s.x, 0);
    exchange_begin_clean_up(&s.x, &before, 300);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    pass(f, 200);
    fiber_wake(s.x.fiber, 3);
    fixture_go_on(f);
    assert_int_equal(result, 3);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    pass(f, 200);
    fixture_go_on(f);
    assert_int_equal(result, WEIR_ETIMEDOUT);
    exchange_end_clean_up(&s.x, &before);
    assert_true(s.x.cut && exchange_is_late(&s.x));
    assert_int_equal(exchange_late_error(&s.x), WEIR_ECANCELED);
    assert_int_equal(s.x.handler, HANDLER_RUNS);
    assert_false(timer_armed(&s.x.deadline));
}

/* A handler that has said nothing after its deadline is answered for; one that has said anything is not. */
static void late_reply(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    scripted_begin(f, &s);
    exchange_set_deadline(&s.x, 0);
    exchange_end_handler(&s.x, true);
    assert_int_equal(s.x.refusal, REFUSAL_DEADLINE);
    assert_int_equal(s.calls.replaced, 1);
    scripted_begin(f, &s);
    exchange_set_deadline(&s.x, 0);
    s.x.reply.status = 202;
    exchange_end_handler(&s.x, true);
    assert_int_equal(s.x.refusal, REFUSAL_NONE);
}

/* ---- Ending a handler ---- */

/* The time is over: the next wait ends the handler, clean-up has run, and a head that was being sealed is open
 * again. */
static void overdue(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    exchange_limit_time(&s.x, 0);
    pass(f, 2);
    assert_int_equal(s.x.refusal, REFUSAL_HANDLER_TIMEOUT);
    fixture_go_on(f);
    assert_true(task.done); /* its wait has told it */
    assert_int_equal(result, WEIR_ECANCELED);
    s.x.reply.phase = REPLY_SEALING;
    assert_false(fixture_run(f, &task, wait_for_other, &s));
    assert_int_equal(s.calls.failed, 1);
    assert_int_equal(s.calls.ended, 1);
    assert_int_equal(s.x.handler, HANDLER_ABANDONED);
    assert_int_equal(s.x.reply.phase, REPLY_OPEN);
    assert_true(exchange_is_cut(&s.x));
    exchange_end_handler(&s.x, true);
    assert_false(exchange_is_cut(&s.x)); /* the page has to get out */
    assert_int_equal(s.calls.replaced, 1);
    assert_int_equal(s.calls.ending, ENDING_LINGER);
}

static void write_for_ever(struct scripted *s)
{
    for (;;)
        (void)exchange_dead_end(&s->x, WEIR_ECLOSED);
}

static void dead_ends(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_false(fixture_run(f, &task, write_for_ever, &s));
    int turns = 0;
    while (s.calls.failed == 0 && turns++ < 1000)
        fixture_go_on(f); /* each dead end lets others run */
    assert_int_equal(s.calls.failed, 1);
    assert_in_range(turns, 32, 128);
}

static unsigned steps;

static void move_much(struct scripted *s)
{
    for (steps = 0; steps < 64; steps++)
        exchange_charge(&s->x, 4096);
}

/* 64 KiB are a handler's share of a turn. */
static void share(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_false(fixture_run(f, &task, move_much, &s));
    /* Fewer where the machine is so busy that the turn takes long: one look at the clock may have ended it. */
    bool quick = clock_monotonic_ns() - f->loop.now_ns < 1000000;
    assert_in_range(steps, quick ? 2 : 1, 17);
    int turns = 1;
    for (; !task.done; turns++)
        fixture_go_on(f);
    assert_true(turns >= 4);
}

/* ---- What a refusal leaves ---- */

/* A request that was refused while its handler ran is told so, unless the handler has said something of its own. */
static void refusals(void **state)
{
    struct http_fixture *f = *state;
    static const struct {
        int status_then, status;
        enum reply_phase phase;
        uint64_t written;
        bool abandoned, gone;
        unsigned replaced;
    } rows[] = {
        {200, 200, REPLY_OPEN, 0, false, false, 1},      /* nothing */
        {200, 200, REPLY_FINAL, 9, false, false, 1},     /* a success, which it is not */
        {200, 503, REPLY_FINAL, 9, false, false, 0},     /* an error's reply */
        {200, 503, REPLY_OPEN, 0, false, false, 0},      /* a status of its own */
        {404, 404, REPLY_OPEN, 0, false, false, 1},      /* one that it had set before */
        {404, 404, REPLY_OPEN, 9, false, false, 0},      /* and has written to since */
        {200, 503, REPLY_OPEN, 9, true, false, 1},       /* but was ended */
        {200, 503, REPLY_FINAL, 9, true, false, 0},      /* after it was complete */
        {200, 200, REPLY_STREAMING, 9, false, false, 0}, /* too late */
        {200, 200, REPLY_OPEN, 0, false, true, 0},       /* for nobody */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scripted s;
        scripted_begin(f, &s);
        s.x.reply.status = (uint16_t)rows[i].status_then;
        exchange_refuse(&s.x, REFUSAL_BODY_RATE, NULL);
        exchange_refuse(&s.x, REFUSAL_BODY, NULL); /* the first cause stays */
        s.x.reply.status = (uint16_t)rows[i].status;
        s.x.reply.phase = (uint8_t)rows[i].phase;
        s.x.body_sent = rows[i].written;
        s.x.handler = rows[i].abandoned ? HANDLER_ABANDONED : HANDLER_RUNS;
        s.x.gone = rows[i].gone;
        assert_true(s.x.special);
        exchange_end_handler(&s.x, true);
        assert_int_equal(s.x.refusal, REFUSAL_BODY_RATE);
        assert_int_equal(s.calls.ending, ENDING_LINGER);
        if (s.calls.replaced != rows[i].replaced)
            fail_msg("row %zu: %u", i, s.calls.replaced);
    }
    assert_int_equal(counter_read(&f->http.refusals[REFUSAL_BODY]), 0);
}

/* ---- Bodies ---- */

static void wait_for_body(struct scripted *s)
{
    result = exchange_wait_for_body(&s->x);
}

/* How long a body is waited for, by what has come of it and how long that took. */
static void body_rates(void **state)
{
    struct http_fixture *f = *state;
    f->settings.body_min_rate = 1000;
    f->settings.body_grace_ms = 500;
    static const struct {
        uint64_t received, waited_ms;
        uint32_t wait;
        enum refusal cause;
    } rows[] = {
        {0, 0, 500, REFUSAL_BODY_RATE}, /* the grace */
        {0, 499, 1, REFUSAL_BODY_RATE},
        {0, 5000, 1, REFUSAL_BODY_RATE},       /* over: the shortest wait there is */
        {300, 0, 800, REFUSAL_BODY_RATE},      /* 300 ms more */
        {2000, 0, 1000, REFUSAL_BODY_TIMEOUT}, /* no longer than the time-out */
        {100000, 99900, 600, REFUSAL_BODY_RATE},
        {100000, 0, 1000, REFUSAL_BODY_TIMEOUT}, /* what came quickly is no credit for ever */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scripted s;
        struct task task;
        scripted_begin(f, &s);
        s.x.body_clock = (struct body_clock){.received = rows[i].received, .waited_ms = rows[i].waited_ms};
        assert_false(fixture_run(f, &task, wait_for_body, &s));
        uint32_t since = loop_now_ms(&f->loop);
        assert_int_equal(ticks_between(since, s.x.body_clock.deadline), loop_delay(rows[i].wait));
        assert_int_equal(s.calls.armed, 1);
        fiber_wake(s.x.fiber, WEIR_ETIMEDOUT);
        fixture_go_on(f);
        assert_true(task.done);
        assert_int_equal(result, WEIR_ETIMEDOUT);
        if (s.x.refusal != rows[i].cause)
            fail_msg("row %zu: %d", i, s.x.refusal);
        /* After all that time only the most credit is left. */
        uint64_t due = 500 + rows[i].received, most = 1500;
        assert_true(s.x.body_clock.waited_ms + most >= due);
    }
}

static void body_and_stop(void **state)
{
    struct http_fixture *f = *state;
    struct scripted s;
    struct task task;
    scripted_begin(f, &s);
    assert_false(fixture_run(f, &task, wait_for_body, &s));
    fiber_wake(s.x.fiber, 0);
    fixture_go_on(f);
    assert_int_equal(result, 0);
    f->net.draining = true;
    assert_true(fixture_run(f, &task, wait_for_body, &s));
    assert_int_equal(result, WEIR_ECANCELED);
    assert_int_equal(s.calls.armed, 1);
    assert_false(fixture_run(f, &task, wait_for_body, &s)); /* told once */
    assert_int_equal(s.x.refusal, REFUSAL_NONE);
    fiber_wake(s.x.fiber, 0);
    fixture_go_on(f);
}

/* ---- The end ---- */

static struct exchange_over over;
static unsigned overs;

static void listen_over(struct over_listener *l, const struct exchange_over *e)
{
    (void)l;
    over = *e;
    overs++;
}

static int sent_error;
static uint64_t sent_bytes;

static void on_sent(void *arg, int error, uint64_t bytes)
{
    ++*(unsigned *)arg;
    sent_error = error;
    sent_bytes = bytes;
}

static void scripted_address(const struct exchange *x, bool own, struct address *a)
{
    (void)x;
    (void)own;
    *a = (struct address){0};
}

/* The event is told once, when the sending has ended, and shares the handler's own call. */
static void is_over(void **state)
{
    struct http_fixture *f = *state;
    struct exchange_ops ops = scripted_ops;
    ops.address = scripted_address;
    struct scripted s;
    struct segment call;
    unsigned sent = 0;
    char head[] = "PUT /a/target HTTP/1.1\r\n";
    scripted_begin(f, &s);
    s.x.ops = &ops;
    assert_false(exchange_is_listened_to(&s.x));
    assert_false(exchange_over_call(&s.x, 0, &call));
    struct over_listener listener = {.over = listen_over};
    http_listen(&f->http, &listener);
    overs = 0;
    scripted_begin_again(&s);
    s.x.head.base = head;
    s.x.head.method_len = 3;
    s.x.head.target = 4;
    s.x.head.target_len = 9;
    s.x.reply.status = 201;
    s.x.reply.phase = REPLY_ENDED;
    s.x.body_sent = 1000;
    s.x.body_length = 50;
    s.x.body_clock.received = 50;
    s.x.reply.on_sent = on_sent;
    s.x.reply.on_sent_arg = &sent;
    assert_true(exchange_is_listened_to(&s.x));
    assert_true(exchange_over_call(&s.x, 0, &call));
    assert_int_equal(call.len, 1000);
    struct segment again;
    assert_false(exchange_over_call(&s.x, 0, &again)); /* a deferred call has failed: the end comes twice */
    memset(head, 'x', sizeof head);                    /* the next request is in the buffer */
    assert_int_equal(overs, 0);
    call.call(call.arg, WEIR_ECLOSED, 400);
    assert_int_equal(overs, 1);
    assert_int_equal(sent, 1);
    assert_int_equal(sent_error, WEIR_ECLOSED);
    assert_int_equal(sent_bytes, 400);
    assert_int_equal(over.error, WEIR_ECLOSED);
    assert_int_equal(over.sent, 400);
    assert_int_equal(over.received, 50);
    assert_int_equal(over.status, 201);
    assert_string_equal(over.pattern, "/pattern");
    assert_int_equal(over.method.len, 3);
    assert_int_equal(over.target.len, 9);
    assert_memory_equal(over.method_text, "PUT", 3);
    assert_memory_equal(over.target_text, "/a/target", 9);
    assert_true(over.end_ns >= over.begin_ns);
    assert_int_equal(counter_read(&f->http.counters.unlike_requests), 0);
}

static bool refuse_all(void *arg, const struct account *a, size_t size)
{
    (void)arg;
    (void)a;
    (void)size;
    return true;
}

/* No memory for the event: the listeners are told at once, and the handler's call is still made once. */
static void is_over_without_memory(void **state)
{
    struct http_fixture *f = *state;
    struct exchange_ops ops = scripted_ops;
    ops.address = scripted_address;
    struct scripted s;
    struct segment call;
    unsigned sent = 0;
    struct over_listener listener = {.over = listen_over};
    http_listen(&f->http, &listener);
    overs = 0;
    scripted_begin(f, &s);
    s.x.ops = &ops;
    s.x.reply.on_sent = on_sent;
    s.x.reply.on_sent_arg = &sent;
    f->memory.fault = refuse_all;
    assert_true(exchange_over_call(&s.x, 0, &call));
    f->memory.fault = NULL;
    assert_int_equal(overs, 1);
    assert_int_equal(over.method.len, 0);
    assert_int_equal(over.status, 0);
    assert_int_equal(sent, 0);
    call.call(call.arg, 0, call.len);
    assert_int_equal(sent, 1);
    assert_int_equal(overs, 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(phases),
        TEST(phases_go_on),
        TEST(news_once),
        TEST(news_of_a_wait_for_input),
        TEST(no_watch),
        TEST(deadline),
        TEST(both_times),
        TEST(canceled),
        TEST(clean_up),
        TEST(late_reply),
        TEST(overdue),
        TEST(no_watch_at_the_end),
        TEST(dead_ends),
        TEST(share),
        TEST(refusals),
        TEST(body_rates),
        TEST(body_and_stop),
        TEST(is_over),
        TEST(is_over_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
