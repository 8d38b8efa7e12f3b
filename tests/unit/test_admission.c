/*
 * Admission without connections: who gets a set, who waits, in which order they go on, and that everything is given
 * back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http_fixture.h"

#define SETS 3u /* that the bound below allows beside the standing one */

struct fixture {
    struct http_fixture *f;
    struct admission_class classes[2];
    char order[32]; /* who was admitted, a letter each */
};

/* One that waits, as a version of HTTP embeds it. */
struct queued {
    struct waiter waiter;
    struct fixture *fixture;
    char name;
    bool admitted;
};

static void open_with(struct fixture *t, uint32_t records, uint8_t share)
{
    struct http_settings settings = {.bounds.records = records, .memory_share = share};
    t->f = http_fixture_open(&settings);
    t->classes[1].number = 1;
    assert_int_equal(t->f->http.admission.limited, records > 0);
}

static int open_fixture(void **state)
{
    struct fixture *t = calloc(1, sizeof *t);
    assert_non_null(t);
    open_with(t, SETS + 1, 0);
    *state = t;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *t = *state;
    const struct admission *a = &t->f->http.admission;
    assert_int_equal(a->promised.sets, 0);
    assert_int_equal(a->promised.records, 0);
    assert_int_equal(a->promised.buffers, 0);
    assert_int_equal(t->f->sets, 0);
    assert_false(admission_is_waited_for(a));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t->classes[i].sets, 0);
        assert_int_equal(t->classes[i].waiting, 0);
    }
    timer_cancel(&t->f->loop.wheel, &t->f->http.admission.retry);
    http_fixture_close(t->f);
    free(t);
    return 0;
}

static void admitted(struct http *h, struct waiter *w)
{
    (void)h;
    struct queued *q = container_of(w, struct queued, waiter);
    q->admitted = true;
    strncat(q->fixture->order, &q->name, 1);
}

static void wait_in_line(struct fixture *t, struct queued *q, char name, struct admission_class *class)
{
    *q = (struct queued){.waiter.admitted = admitted, .fixture = t, .name = name};
    admission_wait(&t->f->http, &q->waiter, class);
}

/* Suspends a request of that class; whether it could be. */
static bool suspend(struct fixture *t, struct scripted *s, struct admission_class *class)
{
    scripted_begin(t->f, s);
    return admission_enter(&s->x, class) && admission_hold(&s->x, true);
}

/* ---- Sets ---- */

/* A class is known to wait from its first wait on; then its requests are admitted before they start, as long as there
 * are sets. */
static void enter(void **state)
{
    struct fixture *t = *state;
    struct scripted s[SETS + 2];
    scripted_begin(t->f, &s[0]);
    assert_true(admission_enter(&s[0].x, &t->classes[0])); /* not known to wait: takes nothing */
    assert_int_equal(s[0].x.hold.kind, HOLD_STANDING);
    assert_int_equal(t->classes[0].sets, 0);
    assert_true(admission_hold(&s[0].x, true));
    assert_int_equal(t->classes[0].sets, 1);
    for (size_t i = 1; i < SETS; i++) {
        scripted_begin(t->f, &s[i]);
        assert_true(admission_enter(&s[i].x, &t->classes[0]));
        assert_int_equal(s[i].x.hold.kind, HOLD_SET);
        assert_int_equal(t->classes[0].sets, i + 1);
    }
    scripted_begin(t->f, &s[SETS]);
    assert_false(admission_enter(&s[SETS].x, &t->classes[0]));
    assert_int_equal(s[SETS].x.hold.kind, HOLD_STANDING);
    /* Another class is not known to wait: it starts on the standing set, and cannot be suspended. */
    assert_false(suspend(t, &s[SETS + 1], &t->classes[1]));
    /* Another request of one that holds a set enters by that. */
    assert_true(admission_enter(&s[1].x, &t->classes[0]));
    assert_true(admission_enter(&s[1].x, &t->classes[1]));
    assert_int_equal(t->classes[0].sets, SETS - 1);
    assert_int_equal(t->classes[1].sets, 1);
    assert_true(admission_enter(&s[1].x, NULL)); /* no route */
    assert_int_equal(t->classes[1].sets, 0);
    for (size_t i = 0; i <= SETS + 1; i++)
        admission_release(&s[i].x);
}

/* A class that has stopped waiting is forgotten to wait, one request after the other. */
static void learn(void **state)
{
    struct fixture *t = *state;
    struct scripted s;
    assert_true(suspend(t, &s, &t->classes[0]));
    admission_learn(&s.x);
    assert_int_equal(t->classes[0].waits, ADMISSION_WAITS); /* it has waited */
    admission_release(&s.x);
    for (int i = 0; i < ADMISSION_WAITS; i++) {
        assert_true(t->classes[0].waits > 0);
        scripted_begin(t->f, &s);
        assert_true(admission_enter(&s.x, &t->classes[0]));
        assert_int_equal(s.x.hold.kind, HOLD_SET);
        assert_true(admission_hold(&s.x, false)); /* it has given way, and not waited */
        admission_learn(&s.x);
        admission_release(&s.x);
    }
    scripted_begin(t->f, &s);
    assert_true(admission_enter(&s.x, &t->classes[0]));
    assert_int_equal(s.x.hold.kind, HOLD_STANDING);
}

/* A reply that drains holds its record and buffers instead of a set. */
static void keep_output(void **state)
{
    struct fixture *t = *state;
    struct scripted s[SETS], more;
    for (size_t i = 0; i < SETS; i++)
        assert_true(suspend(t, &s[i], &t->classes[0]));
    assert_true(admission_keep_output(&s[0].x, 1));
    assert_int_equal(s[0].x.hold.kind, HOLD_OUTPUT);
    assert_int_equal(t->f->http.admission.promised.sets, SETS - 1);
    assert_int_equal(t->f->http.admission.promised.records, 1);
    assert_int_equal(t->f->http.admission.promised.buffers, 1);
    assert_int_equal(t->classes[0].sets, SETS - 1);
    assert_false(suspend(t, &more, &t->classes[0])); /* its record is still taken */
    assert_true(admission_keep_output(&s[0].x, 0));
    assert_int_equal(t->f->http.admission.promised.buffers, 0);
    assert_true(admission_hold(&s[0].x, true)); /* and back: a handler of the next request waits */
    assert_int_equal(t->f->http.admission.promised.sets, SETS);
    assert_int_equal(t->f->http.admission.promised.records, 0);
    for (size_t i = 0; i < SETS; i++)
        admission_release(&s[i].x);
}

/* ---- Waiting ---- */

/* In order of arrival, as many as there are sets; also where they are of one connection, which nobody here can tell. */
static void in_order(void **state)
{
    struct fixture *t = *state;
    struct scripted s[SETS];
    struct queued q[5];
    for (size_t i = 0; i < SETS; i++)
        assert_true(suspend(t, &s[i], &t->classes[0]));
    for (int i = 0; i < 5; i++)
        wait_in_line(t, &q[i], (char)('a' + i), &t->classes[i % 2]);
    assert_int_equal(t->classes[0].waiting, 3);
    admission_turn(&t->f->http);
    assert_string_equal(t->order, ""); /* nothing has been given back */
    admission_release(&s[0].x);
    admission_turn(&t->f->http);
    assert_string_equal(t->order, "a");
    admission_unwait(&t->f->http, &q[1].waiter); /* its client has gone */
    assert_int_equal(t->classes[1].waiting, 1);
    admission_release(&s[1].x);
    admission_release(&s[2].x);
    admission_turn(&t->f->http);
    assert_string_equal(t->order, "acd");
    assert_true(admission_is_waited_for(&t->f->http.admission));
    /* One that was admitted gets its record, and holds the set from here on. */
    scripted_begin(t->f, &s[0]);
    admission_arrive(&s[0].x, q[0].waiter.class);
    assert_int_equal(s[0].x.hold.kind, HOLD_SET);
    assert_true(admission_enter(&s[0].x, &t->classes[0]));
    assert_int_equal(t->classes[0].sets, 2);
    admission_release(&s[0].x);
    /* Another ends before that. */
    admission_forget(&t->f->http, q[2].waiter.class);
    admission_forget(&t->f->http, q[3].waiter.class);
    admission_turn(&t->f->http);
    assert_string_equal(t->order, "acde");
    admission_forget(&t->f->http, q[4].waiter.class);
}

/* Who comes later does not overtake those of the class that wait, though there is a set again. */
static void no_overtaking(void **state)
{
    struct fixture *t = *state;
    struct scripted s[SETS], late;
    struct queued q;
    for (size_t i = 0; i < SETS; i++)
        assert_true(suspend(t, &s[i], &t->classes[0]));
    wait_in_line(t, &q, 'a', &t->classes[0]);
    admission_release(&s[0].x);
    scripted_begin(t->f, &late);
    assert_false(admission_enter(&late.x, &t->classes[0]));
    admission_turn(&t->f->http);
    assert_true(q.admitted);
    admission_forget(&t->f->http, &t->classes[0]);
    assert_true(admission_enter(&late.x, &t->classes[0]));
    admission_release(&late.x);
    for (size_t i = 1; i < SETS; i++)
        admission_release(&s[i].x);
}

/* No class holds more than its share; who waits for that hides nobody behind. */
static void shares(void **state)
{
    struct fixture *t = *state;
    http_fixture_close(t->f);
    open_with(t, 5, 50); /* four sets, two for a class */
    struct scripted s[2], other;
    struct queued q[2];
    for (size_t i = 0; i < 2; i++)
        assert_true(suspend(t, &s[i], &t->classes[0]));
    scripted_begin(t->f, &other);
    assert_false(admission_enter(&other.x, &t->classes[0]));
    wait_in_line(t, &q[0], 'a', &t->classes[0]);
    wait_in_line(t, &q[1], 'b', &t->classes[1]);
    t->f->http.admission.freed = true;
    admission_turn(&t->f->http);
    assert_string_equal(t->order, "b");
    admission_release(&s[0].x);
    admission_turn(&t->f->http);
    assert_string_equal(t->order, "ba");
    admission_forget(&t->f->http, &t->classes[0]);
    admission_forget(&t->f->http, &t->classes[1]);
    admission_release(&s[1].x);
}

/* Of many that wait, 256 are looked at in a turn, and the next look goes on there. */
static void many(void **state)
{
    struct fixture *t = *state;
    enum { MANY = 600 };
    http_fixture_close(t->f);
    open_with(t, 5, 25); /* four sets, one for a class */
    struct scripted s;
    static struct queued q[MANY + 1];
    assert_true(suspend(t, &s, &t->classes[0]));
    for (int i = 0; i < MANY; i++)
        wait_in_line(t, &q[i], 'x', &t->classes[0]);
    wait_in_line(t, &q[MANY], 'b', &t->classes[1]);
    t->f->http.admission.freed = true;
    int turns = 0;
    while (!q[MANY].admitted && turns++ < 10)
        admission_turn(&t->f->http);
    assert_int_equal(turns, 3);
    assert_string_equal(t->order, "b");
    for (int i = 0; i < MANY; i++)
        admission_unwait(&t->f->http, &q[i].waiter);
    admission_forget(&t->f->http, &t->classes[1]);
    admission_release(&s.x);
}

/* ---- Without a bound, and with one on memory ---- */

static void unlimited(void **state)
{
    struct fixture *t = *state;
    http_fixture_close(t->f);
    open_with(t, 0, 0);
    struct scripted s;
    scripted_begin(t->f, &s);
    t->classes[0].waits = 1;
    assert_true(admission_enter(&s.x, &t->classes[0]));
    assert_ptr_equal(s.x.class, &t->classes[0]);
    assert_false(s.x.hold.counted);
    assert_int_equal(s.x.hold.kind, HOLD_STANDING);
    t->classes[0].waits = 0;
}

static bool refuse_all(void *arg, const struct account *a, size_t size)
{
    (void)arg;
    (void)a;
    (void)size;
    return true;
}

/* The system refuses: nothing is promised, and what was promised before holds. */
static void no_memory(void **state)
{
    struct fixture *t = *state;
    http_fixture_close(t->f);
    open_with(t, 1000, 0);
    struct scripted *s = calloc(1000, sizeof *s);
    assert_non_null(s);
    size_t held = 0;
    t->f->memory.fault = refuse_all;
    while (held < 1000 && suspend(t, &s[held], &t->classes[0]))
        held++;
    assert_in_range(held, 0, 998); /* as many as the slabs hold that are there */
    assert_int_equal(t->f->http.admission.promised.sets, held);
    assert_true(t->f->starved > 0);
    t->f->memory.fault = NULL;
    admission_release(&s[held].x);
    assert_true(suspend(t, &s[held], &t->classes[0]));
    for (size_t i = 0; i <= held; i++)
        admission_release(&s[i].x);
    free(s);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(enter),  TEST(learn), TEST(keep_output), TEST(in_order),  TEST(no_overtaking),
        TEST(shares), TEST(many),  TEST(unlimited),   TEST(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
