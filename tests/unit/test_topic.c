/*
 * Topics on one worker: who hears what, who lags, and what goes when.
 *
 * SPDX-License-Identifier: MIT
 */
#include "topic_fixture.h"
#include "web/topic/members.h"

static uint32_t names(struct fixture *f)
{
    topic_table_lock_acquire(&f->topics.table_lock);
    uint32_t count = f->topics.name_count;
    topic_table_lock_release(&f->topics.table_lock);
    return count;
}

static uint32_t patterns(struct fixture *f)
{
    topic_table_lock_acquire(&f->topics.table_lock);
    uint32_t count = f->topics.pattern_count;
    topic_table_lock_release(&f->topics.table_lock);
    return count;
}

static uint64_t messages(struct fixture *f)
{
    return counter_read(&f->topics.figures.messages);
}

static weir_topic *make(struct fixture *f, const char *name, const weir_topic_bounds *bounds)
{
    weir_topic *topic = topics_make(&f->topics, slice_from(name), bounds);
    assert_non_null(topic);
    return topic;
}

static void test_heard(void **state)
{
    struct fixture f;
    struct listener a, b, other;
    (void)state;
    fixture_open(&f);
    assert_int_equal(publish(&f, "room/5", "before"), 0);
    assert_int_equal(listen_to(&f, &a, "room/5", NULL), 0);
    assert_int_equal(listen_to(&f, &other, "room/6", NULL), 0);
    publish_numbers(&f, "room/5", 1, 2);
    assert_int_equal(listen_to(&f, &b, "room/5", NULL), 0); /* while two are on their way to the worker */
    publish_numbers(&f, "room/5", 3, 4);
    fixture_turn(&f);
    assert_heard(&a, "1 2 3 4");
    assert_int_equal(a.calls, 1);
    assert_heard(&b, "3 4");
    assert_heard(&other, "");
    publish_numbers(&f, "room/5", 5, 5);
    fixture_turn(&f);
    assert_heard(&a, "5");
    assert_heard(&b, "5");
    assert_int_equal(messages(&f), 0); /* all have taken them, and there is no history */
    unsubscribe(&a.subscription);
    unsubscribe(&a.subscription); /* again does nothing */
    publish_numbers(&f, "room/5", 6, 6);
    fixture_turn(&f);
    assert_heard(&a, "");
    assert_heard(&b, "6");
    assert_int_equal(counter_read(&f.worker.figures.delivered), 9);
    unsubscribe(&b.subscription);
    unsubscribe(&other.subscription);
    assert_int_equal(names(&f), 0);
    fixture_close(&f);
}

/* More than a batch at once. */
static void test_batches(void **state)
{
    struct fixture f;
    struct listener a;
    (void)state;
    fixture_open(&f);
    assert_int_equal(listen_to(&f, &a, "t", NULL), 0);
    publish_numbers(&f, "t", 1, 200);
    fixture_turn(&f);
    assert_int_equal(a.calls, 4);
    char *at = a.heard;
    for (int i = 1; i <= 200; i++)
        assert_int_equal(strtol(at, &at, 10), i);
    unsubscribe(&a.subscription);
    fixture_close(&f);
}

static void test_patterns(void **state)
{
    struct fixture f;
    struct listener one, rest, all;
    (void)state;
    fixture_open(&f);
    make(&f, "room/1", NULL);
    assert_int_equal(listen_to(&f, &one, "room/+", NULL), 0);
    assert_int_equal(listen_to(&f, &rest, "room/#", NULL), 0);
    assert_int_equal(listen_to(&f, &all, "#", NULL), 0);
    assert_int_equal(patterns(&f), 3);
    assert_int_equal(publish(&f, "room/1", "old"), 0);
    assert_int_equal(publish(&f, "room/2", "new"), 0);
    assert_int_equal(publish(&f, "room/2/door", "deep"), 0);
    assert_int_equal(publish(&f, "hall", "far"), 0);
    fixture_turn(&f);
    assert_heard(&one, "old new");
    assert_heard(&rest, "old new deep");
    assert_heard(&all, "old new deep far");
    assert_int_equal(messages(&f), 0);
    assert_int_equal(names(&f), 4);
    unsubscribe(&all.subscription);
    assert_int_equal(names(&f), 3); /* nothing matches "hall" any more */
    unsubscribe(&one.subscription);
    assert_int_equal(names(&f), 3);
    unsubscribe(&rest.subscription);
    assert_int_equal(names(&f), 1);
    assert_int_equal(patterns(&f), 0);
    fixture_close(&f);
}

static void test_lag(void **state)
{
    struct fixture f;
    struct listener slow, quick;
    (void)state;
    fixture_open(&f);
    assert_int_equal(listen_to(&f, &slow, "t", NULL), 0);
    assert_int_equal(listen_to(&f, &quick, "t", NULL), 0);
    slow.most = 1;
    publish_numbers(&f, "t", 1, 3);
    fixture_turn(&f);
    assert_heard(&slow, "1");
    assert_heard(&quick, "1 2 3");
    assert_true(subscription_lags(&slow.subscription) && !subscription_lags(&quick.subscription));
    assert_int_equal(counter_read(&f.worker.figures.lagging), 1);
    publish_numbers(&f, "t", 4, 4);
    fixture_turn(&f);
    assert_heard(&slow, ""); /* left out */
    assert_heard(&quick, "4");
    publish_numbers(&f, "t", 5, 5); /* which the worker has not taken when the slow one catches up */
    assert_int_equal(listener_catch_up(&slow), 0);
    assert_heard(&slow, "2 3 4 5");
    assert_false(subscription_lags(&slow.subscription));
    slow.most = SIZE_MAX;
    publish_numbers(&f, "t", 6, 6);
    fixture_turn(&f);
    assert_heard(&slow, "6"); /* and not 5 again */
    assert_heard(&quick, "5 6");
    assert_int_equal(messages(&f), 0);
    unsubscribe(&slow.subscription);
    unsubscribe(&quick.subscription);
    fixture_close(&f);
}

/* What one that lags leaves behind goes with it. */
static void test_lag_ends(void **state)
{
    struct fixture f;
    struct listener slow, quick;
    (void)state;
    fixture_open(&f);
    assert_int_equal(listen_to(&f, &slow, "t", NULL), 0);
    assert_int_equal(listen_to(&f, &quick, "t", NULL), 0);
    slow.most = 0;
    publish_numbers(&f, "t", 1, 3);
    fixture_turn(&f);
    assert_int_equal(messages(&f), 3);
    unsubscribe(&slow.subscription);
    assert_int_equal(messages(&f), 0);
    unsubscribe(&quick.subscription);
    fixture_close(&f);
}

static void overrun(struct fixture *f, enum weir_overrun how, struct listener *slow)
{
    const weir_topic_bounds bounds = {.max_messages = 4, .overrun = (int)how};
    fixture_open_bounded(f, TEST_BYTES, 100);
    make(f, "t", &bounds);
    assert_int_equal(listen_to(f, slow, "t", NULL), 0);
    slow->most = 1;
    publish_numbers(f, "t", 1, 2);
    fixture_turn(f);
    assert_heard(slow, "1");
    publish_numbers(f, "t", 3, 9);
}

static void test_skip(void **state)
{
    struct fixture f;
    struct listener slow;
    (void)state;
    overrun(&f, WEIR_OVERRUN_SKIP, &slow);
    assert_int_equal(listener_catch_up(&slow), 0);
    assert_heard(&slow, "6 7 8 9");
    assert_int_equal(counter_read(&f.worker.figures.skipped), 4);
    unsubscribe(&slow.subscription);
    fixture_close(&f);
}

static void test_conflate(void **state)
{
    struct fixture f;
    struct listener slow;
    (void)state;
    overrun(&f, WEIR_OVERRUN_CONFLATE, &slow);
    assert_int_equal(listener_catch_up(&slow), 0);
    assert_heard(&slow, "9");
    assert_int_equal(counter_read(&f.worker.figures.conflated), 7);
    unsubscribe(&slow.subscription);
    fixture_close(&f);
}

static void test_disconnect(void **state)
{
    struct fixture f;
    struct listener slow;
    (void)state;
    overrun(&f, WEIR_OVERRUN_DISCONNECT, &slow);
    assert_int_equal(listener_catch_up(&slow), WEIR_ETOOBIG);
    assert_heard(&slow, "");
    assert_null(slow.subscription.reader);
    assert_int_equal(slow.cuts, 0); /* the result has told it */
    assert_int_equal(counter_read(&f.worker.figures.disconnected), 1);
    unsubscribe(&slow.subscription);
    fixture_close(&f);
}

/* The worker itself comes too late: all of its subscribers have missed something, but not one that came meanwhile. */
static void late_worker(enum weir_overrun how, const char *heard, uint64_t skipped, uint64_t conflated, int cuts)
{
    const weir_topic_bounds bounds = {.max_messages = 4, .overrun = (int)how};
    struct fixture f;
    struct listener a, b, late;
    fixture_open(&f);
    make(&f, "t", &bounds);
    assert_int_equal(listen_to(&f, &a, "t", NULL), 0);
    assert_int_equal(listen_to(&f, &b, "t", NULL), 0);
    publish_numbers(&f, "t", 1, 8);
    assert_int_equal(listen_to(&f, &late, "t", NULL), 0);
    publish_numbers(&f, "t", 9, 9);
    fixture_turn(&f);
    assert_heard(&a, heard);
    assert_heard(&b, heard);
    assert_heard(&late, "9");
    assert_true(a.cuts == cuts && b.cuts == cuts && late.cuts == 0);
    assert_int_equal(counter_read(&f.worker.figures.skipped), skipped);
    assert_int_equal(counter_read(&f.worker.figures.conflated), conflated);
    unsubscribe(&a.subscription);
    unsubscribe(&b.subscription);
    unsubscribe(&late.subscription);
    fixture_close(&f);
}

static void test_late_worker(void **state)
{
    (void)state;
    late_worker(WEIR_OVERRUN_SKIP, "6 7 8 9", 10, 0, 0);
    late_worker(WEIR_OVERRUN_CONFLATE, "9", 0, 16, 0);
    late_worker(WEIR_OVERRUN_DISCONNECT, "", 0, 0, 1);
}

static void test_history(void **state)
{
    struct fixture f;
    struct listener a;
    (void)state;
    fixture_open_bounded(&f, TEST_BYTES, 100);
    assert_int_equal(topics_allow(&f.topics, SLICE("t"), &(weir_topic_bounds){.history = 3}), 0);
    uint64_t before = atomic_load(&f.topics.next_id);
    publish_numbers(&f, "t", 1, 5);
    assert_int_equal(messages(&f), 3);
    assert_int_equal(listen_to(&f, &a, "t", NULL), 0);
    unsubscribe(&a.subscription);
    static const struct {
        weir_topic_start start;
        const char *heard;
    } cases[] = {
        {{.last = 2}, "4 5"},
        {{.last = 9}, "3 4 5"},
        {{.after = 4}, "5"},
        {{.after = 1}, "3 4 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_topic_start start = cases[i].start;
        if (start.after > 0)
            start.after += before - 1; /* ids follow each other here */
        assert_int_equal(listen_to(&f, &a, "t", &start), 1);
        assert_int_equal(listener_catch_up(&a), 0);
        assert_heard(&a, cases[i].heard);
        unsubscribe(&a.subscription);
    }
    assert_int_equal(listen_to(&f, &a, "t", &(weir_topic_start){.after = before + 4}), 0);
    publish_numbers(&f, "t", 6, 6);
    fixture_turn(&f);
    assert_heard(&a, "6");
    assert_int_equal(messages(&f), 3);
    unsubscribe(&a.subscription);
    assert_int_equal(names(&f), 1); /* for its history */
    fixture_close(&f);
}

static void test_allowed(void **state)
{
    struct fixture f;
    struct listener a;
    (void)state;
    fixture_open_bounded(&f, TEST_BYTES, 100);
    assert_int_equal(publish(&f, "room/5", "x"), WEIR_EACCES);
    assert_int_equal(publish(&f, "room/+", "x"), WEIR_EINVAL);
    assert_int_equal(publish(&f, "", "x"), WEIR_EINVAL);
    assert_int_equal(listen_to(&f, &a, "room/5", NULL), WEIR_EACCES);
    assert_int_equal(listen_to(&f, &a, "room//5", NULL), WEIR_EINVAL);
    assert_null(topics_make(&f.topics, SLICE("room/+"), NULL));
    assert_null(topics_make(&f.topics, SLICE("a"), &(weir_topic_bounds){.history = 2000}));
    assert_null(topics_make(&f.topics, SLICE("a"), &(weir_topic_bounds){.max_messages = -1}));
    assert_null(topics_make(&f.topics, SLICE("a"), &(weir_topic_bounds){.overrun = 4}));
    assert_int_equal(topics_allow(&f.topics, SLICE("room/+"), &(weir_topic_bounds){.max_message = 3}), 0);
    assert_int_equal(topics_allow(&f.topics, SLICE("room/+"), NULL), WEIR_EEXIST);
    assert_int_equal(topics_allow(&f.topics, SLICE("room//"), NULL), WEIR_EINVAL);
    assert_int_equal(publish(&f, "room/5", "abc"), 0);
    assert_int_equal(publish(&f, "room/5", "abcd"), WEIR_ETOOBIG);
    assert_int_equal(publish(&f, "hall", "abc"), WEIR_EACCES);
    assert_int_equal(names(&f), 0); /* nobody wanted it */
    assert_ptr_equal(make(&f, "hall", NULL), make(&f, "hall", NULL));
    assert_int_equal(publish(&f, "hall", "abc"), 0);
    assert_int_equal(listen_to(&f, &a, "hall", NULL), 0);
    unsubscribe(&a.subscription);
    assert_int_equal(names(&f), 1); /* the program's own stay */
    fixture_close(&f);
}

/* Of those without subscribers, the one unused for longest makes room. */
static void test_many(void **state)
{
    struct fixture f;
    struct listener listeners[4];
    (void)state;
    fixture_open_bounded(&f, TEST_BYTES, 3);
    assert_int_equal(topics_allow(&f.topics, SLICE("#"), &(weir_topic_bounds){.history = 1}), 0);
    assert_int_equal(publish(&f, "a", "1"), 0);
    assert_int_equal(publish(&f, "b", "1"), 0);
    assert_int_equal(publish(&f, "c", "1"), 0);
    assert_int_equal(publish(&f, "a", "2"), 0);
    assert_int_equal(publish(&f, "d", "1"), 0); /* in the place of b */
    assert_int_equal(names(&f), 3);
    assert_int_equal(listen_to(&f, &listeners[0], "a", &(weir_topic_start){.last = 1}), 1);
    assert_int_equal(listener_catch_up(&listeners[0]), 0);
    assert_heard(&listeners[0], "2");
    assert_int_equal(listen_to(&f, &listeners[1], "c", &(weir_topic_start){.last = 1}), 1);
    assert_int_equal(listen_to(&f, &listeners[2], "b", &(weir_topic_start){.last = 1}), 0); /* in the place of d */
    assert_int_equal(listen_to(&f, &listeners[3], "e", NULL), WEIR_ETOOBIG);
    assert_int_equal(publish(&f, "e", "1"), WEIR_ETOOBIG);
    for (int i = 0; i < 3; i++)
        unsubscribe(&listeners[i].subscription);
    assert_int_equal(publish(&f, "e", "1"), 0);
    fixture_close(&f);
}

/* At the bound of the memory, histories give way; a message that nothing can make room for is refused. */
static void test_memory(void **state)
{
    static char data[8192];
    struct fixture f;
    (void)state;
    fixture_open_bounded(&f, (uint64_t)256 << 10, 100);
    memset(data, 'x', sizeof data);
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        weir_topic *topic = make(&f, name, &(weir_topic_bounds){.history = 100});
        for (int k = 0; k < 20; k++)
            assert_int_equal(topic_publish(topic, &(weir_message){.data = data, .len = sizeof data}, false), 0);
    }
    assert_true(counter_read(&f.topics.memory.account.reserved) <= (uint64_t)256 << 10);
    assert_int_equal(atomic_load(&f.topics.refused), 0);
    static char larger[(size_t)300 << 10];
    memset(larger, 'x', sizeof larger);
    weir_topic *topic = make(&f, "large", &(weir_topic_bounds){.max_message = 1 << 20});
    const weir_message m = {.data = larger, .len = sizeof larger};
    assert_int_equal(topic_publish(topic, &m, false), WEIR_ENOMEM);
    assert_int_equal(atomic_load(&f.topics.refused), 1);
    fixture_close(&f);
}

static void test_no_memory(void **state)
{
    struct fixture f;
    struct listener a;
    (void)state;
    fixture_open_bounded(&f, TEST_BYTES, 100);
    f.fail = true;
    assert_int_equal(topics_allow(&f.topics, SLICE("#"), NULL), WEIR_ENOMEM);
    assert_null(topics_make(&f.topics, SLICE("a"), NULL));
    assert_int_equal(publish(&f, "a", "x"), WEIR_ENOMEM);
    assert_int_equal(listen_to(&f, &a, "#", NULL), WEIR_ENOMEM);
    f.fail = false;
    assert_int_equal(names(&f), 0);
    assert_int_equal(patterns(&f), 0);
    fixture_close(&f);
}

/* A subscriber that ends itself, and another one, while it is given messages. */
static struct listener *victim;

static size_t leaver_deliver(struct topic_worker *worker, struct subscription *s, struct message *const *all,
                             size_t count)
{
    listener_deliver(worker, s, all, count);
    if (victim)
        unsubscribe(&victim->subscription);
    unsubscribe(s);
    return count;
}

static void test_leaves(void **state)
{
    static const struct subscriber_ops leaver_ops = {.deliver = leaver_deliver, .overrun = listener_overrun};
    struct fixture f;
    struct listener leavers[3] = {{.most = SIZE_MAX}, {.most = SIZE_MAX}, {.most = SIZE_MAX}}, stays;
    (void)state;
    fixture_open(&f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(subscribe(&f.worker, SLICE("t"), &leaver_ops, NULL, &leavers[i].subscription), 0);
    assert_int_equal(listen_to(&f, &stays, "t", NULL), 0);
    victim = &leavers[1];
    publish_numbers(&f, "t", 1, 1);
    fixture_turn(&f);
    publish_numbers(&f, "t", 2, 2);
    fixture_turn(&f);
    assert_heard(&leavers[0], "1");
    assert_heard(&leavers[1], "");
    assert_heard(&leavers[2], "1");
    assert_heard(&stays, "1 2");
    unsubscribe(&stays.subscription);
    fixture_close(&f);
}

static void note_who(void *arg, const char *who)
{
    char *all = arg;
    size_t len = strlen(all);
    snprintf(all + len, 64 - len, "%s ", who);
}

static void test_members(void **state)
{
    struct fixture f;
    struct listener presence;
    weir_member *ann, *again, *ben, *many;
    char all[64] = "";
    (void)state;
    fixture_open_bounded(&f, TEST_BYTES, 100);
    assert_int_equal(topics_allow(&f.topics, SLICE("room/+"), &(weir_topic_bounds){.presence = 1, .max_members = 2}),
                     0);
    assert_int_equal(listen_to(&f, &presence, "$presence/hall", NULL), WEIR_EACCES);
    assert_int_equal(listen_to(&f, &presence, "$presence/room/5", NULL), 0);
    assert_int_equal(topic_join(&f.topics, SLICE("hall"), SLICE("ann"), &ann), WEIR_EACCES);
    assert_int_equal(topic_join(&f.topics, SLICE("room/5"), SLICE("a\n"), &ann), WEIR_EINVAL);
    assert_int_equal(topic_join(&f.topics, SLICE("room/5"), SLICE("ann"), &ann), 0);
    assert_int_equal(topic_join(&f.topics, SLICE("room/5"), SLICE("ann"), &again), 0);
    assert_int_equal(topic_join(&f.topics, SLICE("room/5"), SLICE("\"ben\""), &ben), 0);
    assert_int_equal(topic_join(&f.topics, SLICE("room/5"), SLICE("cid"), &many), WEIR_ETOOBIG);
    assert_int_equal(topic_each_member(&f.topics, SLICE("room/5"), note_who, all), 2);
    assert_string_equal(all, "ann \"ben\" ");
    assert_int_equal(topic_each_member(&f.topics, SLICE("room/6"), NULL, NULL), 0);
    topic_leave(ann);
    topic_leave(ben);
    topic_leave(again);
    fixture_turn(&f);
    assert_heard(&presence, "{\"event\":\"join\",\"who\":\"ann\",\"members\":1} "
                            "{\"event\":\"join\",\"who\":\"\\\"ben\\\"\",\"members\":2} "
                            "{\"event\":\"leave\",\"who\":\"\\\"ben\\\"\",\"members\":1} "
                            "{\"event\":\"leave\",\"who\":\"ann\",\"members\":0}");
    unsubscribe(&presence.subscription);
    assert_int_equal(names(&f), 0);
    fixture_close(&f);
}

/* ---- Carriers */

struct bridge {
    char journal[512];
};

static void bridge_note(struct bridge *b, const char *what, const char *name)
{
    size_t len = strlen(b->journal);
    snprintf(b->journal + len, sizeof b->journal - len, "%s%s %s", len ? ", " : "", what, name);
}

static void bridge_publish(void *arg, const char *name, const weir_message *m)
{
    bridge_note(arg, m->text, name);
}

static void bridge_subscribe(void *arg, const char *name)
{
    bridge_note(arg, "+", name);
}

static void bridge_unsubscribe(void *arg, const char *name)
{
    bridge_note(arg, "-", name);
}

static void test_carrier(void **state)
{
    struct fixture f;
    struct listener a, b, all;
    struct bridge bridge = {""};
    (void)state;
    fixture_open(&f);
    f.topics.carrier = (weir_topic_carrier){bridge_publish, bridge_subscribe, bridge_unsubscribe, &bridge};
    assert_int_equal(listen_to(&f, &a, "t", NULL), 0);
    assert_int_equal(listen_to(&f, &b, "t", NULL), 0);
    assert_int_equal(listen_to(&f, &all, "#", NULL), 0);
    assert_int_equal(publish(&f, "t", "out"), 0);
    assert_int_equal(topics_publish(&f.topics, SLICE("t"), &(weir_message){.text = "in"}, true), 0);
    assert_int_equal(publish(&f, "t", "\xff"), WEIR_EINVAL);
    fixture_turn(&f);
    unsubscribe(&a.subscription);
    unsubscribe(&b.subscription);
    unsubscribe(&all.subscription);
    assert_heard(&a, "out in");
    assert_heard(&all, "out in");
    assert_string_equal(bridge.journal, "+ t, + #, out t, - t, - #");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heard),    cmocka_unit_test(test_batches),    cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_lag),      cmocka_unit_test(test_lag_ends),   cmocka_unit_test(test_skip),
        cmocka_unit_test(test_conflate), cmocka_unit_test(test_disconnect), cmocka_unit_test(test_late_worker),
        cmocka_unit_test(test_history),  cmocka_unit_test(test_allowed),    cmocka_unit_test(test_many),
        cmocka_unit_test(test_memory),   cmocka_unit_test(test_no_memory),  cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_members),  cmocka_unit_test(test_carrier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
