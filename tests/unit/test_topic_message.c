/*
 * Messages of topics: their frames, their events and their memory; and rings of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "topic_fixture.h"

static struct message *make(struct fixture *f, const weir_message *m)
{
    struct slice data;
    assert_int_equal(message_check(m, MESSAGE_DATA_MAX, &data), 0);
    struct message *made = message_new(&f->topics.memory, &f->topics.figures, SLICE("room/5"), m, data);
    assert_non_null(made);
    return made;
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
}

static void test_check(void **state)
{
    (void)state;
    struct slice data;
    char event[WEIR_TOPIC_EVENT_MAX + 2];
    memset(event, 'e', sizeof event);
    event[WEIR_TOPIC_EVENT_MAX + 1] = '\0';
    assert_int_equal(message_check(NULL, 10, &data), WEIR_EINVAL);
    assert_int_equal(message_check(&(weir_message){.text = "a", .data = "b"}, 10, &data), WEIR_EINVAL);
    assert_int_equal(message_check(&(weir_message){.len = 1}, 10, &data), WEIR_EINVAL);
    assert_int_equal(message_check(&(weir_message){.text = "\xff"}, 10, &data), WEIR_EINVAL);
    assert_int_equal(message_check(&(weir_message){.text = "a", .event = "x\ny"}, 10, &data), WEIR_EINVAL);
    assert_int_equal(message_check(&(weir_message){.text = "a", .event = "\r"}, 10, &data), WEIR_EINVAL);
    assert_int_equal(message_check(&(weir_message){.text = "a", .event = event}, 10, &data), WEIR_EINVAL);
    event[WEIR_TOPIC_EVENT_MAX] = '\0';
    assert_int_equal(message_check(&(weir_message){.text = "a", .event = event}, 10, &data), 0);
    assert_int_equal(message_check(&(weir_message){.data = "\xff", .len = 1, .binary = true}, 10, &data), 0);
    assert_int_equal(message_check(&(weir_message){.text = "0123456789"}, 10, &data), 0);
    assert_int_equal(message_check(&(weir_message){.text = "01234567890"}, 10, &data), WEIR_ETOOBIG);
    assert_int_equal(message_check(&(weir_message){.text = NULL}, 10, &data), 0); /* an empty one */
    assert_int_equal(data.len, 0);
}

static void test_frames(void **state)
{
    static const struct {
        size_t len;
        const char *head;
        size_t head_len;
    } cases[] = {
        {0, "\x00", 1},
        {125, "\x7d", 1},
        {126, "\x7e\x00\x7e", 3},
        {65535, "\x7e\xff\xff", 3},
        {65536, "\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 9},
    };
    static char data[65536];
    struct fixture f;
    (void)state;
    fixture_open(&f);
    memset(data, 'x', sizeof data);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int binary = 0; binary < 2; binary++) {
            struct message *m = make(&f, &(weir_message){.data = data, .len = cases[i].len, .binary = binary});
            struct slice frame = message_frame(m);
            assert_int_equal(frame.len, 1 + cases[i].head_len + cases[i].len);
            assert_int_equal((unsigned char)frame.data[0], binary ? 0x82 : 0x81);
            assert_memory_equal(frame.data + 1, cases[i].head, cases[i].head_len);
            assert_memory_equal(frame.data + 1 + cases[i].head_len, data, cases[i].len);
            assert_int_equal(message_data(m).data[cases[i].len], '\0');
            message_unref(m);
        }
    }
    fixture_close(&f);
}

static void test_events(void **state)
{
    static const struct {
        const char *data, *event, *text;
    } cases[] = {
        {"hello", NULL, "id: 7\ndata: hello\n\n"},
        {"hello", "greeting", "id: 7\nevent: greeting\ndata: hello\n\n"},
        {"", NULL, "id: 7\ndata: \n\n"},
        {"a\nb", NULL, "id: 7\ndata: a\ndata: b\n\n"},
        {"a\r\nb\rc", NULL, "id: 7\ndata: a\ndata: b\ndata: c\n\n"},
        {"a\n", NULL, "id: 7\ndata: a\ndata: \n\n"},
        {"\r\n\r\n", NULL, "id: 7\ndata: \ndata: \ndata: \n\n"},
        {"\n\r", NULL, "id: 7\ndata: \ndata: \ndata: \n\n"},
        {"data: x", NULL, "id: 7\ndata: data: x\n\n"},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message *m = make(&f, &(weir_message){.text = cases[i].data, .event = cases[i].event});
        char chunk[256];
        m->id = 7;
        snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen(cases[i].text), cases[i].text);
        assert_slice(message_event_chunk(m), chunk);
        assert_slice(message_event_text(m), cases[i].text);
        assert_ptr_equal(message_event_chunk(m).data, message_event_chunk(m).data); /* made once */
        message_unref(m);
    }
    fixture_close(&f);
}

static void test_no_event(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct message *binary = make(&f, &(weir_message){.data = "x", .len = 1, .binary = true});
    assert_int_equal(message_event_chunk(binary).len, 0);
    assert_int_equal(message_event_text(binary).len, 0);
    message_unref(binary);
    static char large[1 << 20]; /* beyond a region, so that memory is asked for */
    memset(large, '\n', sizeof large);
    struct message *m = make(&f, &(weir_message){.data = large, .len = sizeof large});
    f.fail = true;
    assert_int_equal(message_event_chunk(m).len, 0);
    f.fail = false;
    message_unref(m);
    fixture_close(&f);
}

static void test_view(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct message *m = make(&f, &(weir_message){.text = "hello", .event = "greeting"});
    m->id = 9;
    weir_message v = message_view(m);
    assert_string_equal(v.text, "hello");
    assert_ptr_equal(v.data, v.text);
    assert_string_equal(v.topic, "room/5");
    assert_string_equal(v.event, "greeting");
    assert_true(v.len == 5 && !v.binary && v.id == 9);
    message_unref(m);
    m = make(&f, &(weir_message){.data = "\0\1", .len = 2, .binary = true});
    v = message_view(m);
    assert_true(!v.text && !v.event && v.binary && v.len == 2);
    message_unref(m);
    fixture_close(&f);
}

/* ---- Rings */

static void put(struct fixture *f, struct ring *r, const char *text, uint64_t id)
{
    struct message *m = make(f, &(weir_message){.text = text});
    m->id = id;
    assert_int_equal(ring_ready(r), 0);
    ring_put(r, m);
    message_unref(m);
}

static void assert_ring(const struct ring *r, const char *texts)
{
    char all[2048] = "";
    for (uint64_t at = ring_first(r); at < r->next; at++) {
        size_t len = strlen(all);
        snprintf(all + len, sizeof all - len, "%s", message_data(ring_at(r, at)).data);
    }
    assert_string_equal(all, texts);
}

static void test_ring_count(void **state)
{
    struct fixture f;
    struct ring r;
    (void)state;
    fixture_open(&f);
    ring_init(&r, &f.topics.memory, 5, 1 << 20);
    assert_ring(&r, "");
    static const char *const letters[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (uint64_t i = 0; i < 8; i++)
        put(&f, &r, letters[i], i + 1);
    assert_ring(&r, "defgh");
    assert_true(r.next == 9 && ring_first(&r) == 4);
    assert_int_equal(counter_read(&f.topics.figures.messages), 5);
    struct message *copied[4];
    assert_int_equal(ring_copy(&r, 6, copied, 2), 2);
    assert_slice(message_data(copied[0]), "f");
    assert_slice(message_data(copied[1]), "g");
    message_unref(copied[0]);
    message_unref(copied[1]);
    assert_int_equal(ring_copy(&r, 9, copied, 4), 0);
    ring_trim(&r, 2);
    assert_ring(&r, "gh");
    ring_trim(&r, 3);
    assert_ring(&r, "gh");
    ring_done(&r);
    assert_ring(&r, "");
    fixture_close(&f);
}

static void test_ring_bytes(void **state)
{
    struct fixture f;
    struct ring r;
    (void)state;
    fixture_open(&f);
    char large[1000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    ring_init(&r, &f.topics.memory, 100, 600);
    for (uint64_t i = 1; i <= 10; i++)
        put(&f, &r, "a", i);
    assert_true(r.bytes <= 600 && r.count >= 2 && r.count < 10);
    put(&f, &r, large, 11); /* larger than the bound: alone */
    assert_ring(&r, large);
    put(&f, &r, "b", 12);
    assert_ring(&r, "b");
    ring_done(&r);
    assert_int_equal(r.bytes, 0);
    fixture_close(&f);
}

static void test_ring_after(void **state)
{
    struct fixture f;
    struct ring r;
    (void)state;
    fixture_open(&f);
    ring_init(&r, &f.topics.memory, 8, 1 << 20);
    assert_int_equal(ring_after(&r, 5), r.next);
    static const uint64_t ids[] = {10, 30, 20, 40, 60};
    for (size_t i = 0; i < 5; i++)
        put(&f, &r, "x", ids[i]);
    assert_int_equal(ring_after(&r, 10), 2);
    assert_int_equal(ring_after(&r, 30), 3); /* behind itself, although less ones follow */
    assert_int_equal(ring_after(&r, 20), 4);
    assert_int_equal(ring_after(&r, 60), 6);
    assert_int_equal(ring_after(&r, 50), 5);
    assert_int_equal(ring_after(&r, 99), 6);
    assert_int_equal(ring_after(&r, 5), 1); /* before all that is there */
    ring_done(&r);
    fixture_close(&f);
}

/* A ring whose slots cannot grow goes on with those it has. */
static void test_ring_memory(void **state)
{
    struct fixture f;
    struct ring r;
    (void)state;
    fixture_open_bounded(&f, 65536, 10);
    ring_init(&r, &f.topics.memory, 1 << 20, (size_t)1 << 30);
    struct message *m = make(&f, &(weir_message){.text = "m"});
    while (ring_ready(&r) == 0 && r.capacity < 8192 && (r.count < r.capacity || r.count == 0))
        ring_put(&r, m);
    assert_true(r.count > 0 && r.count == r.capacity);
    uint64_t next = r.next;
    ring_put(&r, m);
    assert_true(r.next == next + 1 && r.count == r.capacity);
    ring_done(&r);
    message_unref(m);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),      cmocka_unit_test(test_frames),     cmocka_unit_test(test_events),
        cmocka_unit_test(test_no_event),   cmocka_unit_test(test_view),       cmocka_unit_test(test_ring_count),
        cmocka_unit_test(test_ring_bytes), cmocka_unit_test(test_ring_after), cmocka_unit_test(test_ring_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
