/*
 * Tests in process of clients that do not send a request and wait for its reply: those that stall, go or stay.
 *
 * SPDX-License-Identifier: MIT
 */
#include "in_process_fixture.h"

/* ---- Peers ---- */

static void test_stalled(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/endless"});
    char buf[1000];
    assert_int_equal(weir_test_receive(p, buf, sizeof buf), sizeof buf);
    weir_test_stall(p, true);
    assert_string_equal(noted, "");
    weir_test_advance(*state, 100000); /* write_timeout_ms */
    assert_true(weir_test_is_closed(p));
    assert_memory_equal(noted, "stopped sent:-3:", 16); /* cut */
    weir_test_close(p);
}

/* A client that goes within its reply. */
static void test_goes(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/endless"});
    char buf[1000];
    assert_int_equal(weir_test_receive(p, buf, sizeof buf), sizeof buf);
    weir_test_reset(p);
    assert_non_null(strstr(noted, "sent:-3:"));
    assert_non_null(strstr(noted, "stopped"));
    noted[0] = '\0';
    p = weir_test_open(*state, &(weir_test){.target = "/leaves"});
    weir_test_close(p);
    assert_noted("gone");
}

/* A client that ends its side is taken for gone, and still gets its reply. */
static void test_half_close(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/leaves"});
    assert_string_equal(noted, "");
    weir_test_shut(p);
    assert_noted("gone");
    weir_test_reply *r = weir_test_finish(p);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->body, "bye");
    weir_test_reply_free(r);
    weir_test_close(p);
}

static void test_raw(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/hello/you"});
    char buf[256];
    ssize_t n = weir_test_receive_raw(p, buf, sizeof buf - 1);
    assert_true(n > 0);
    buf[n] = '\0';
    assert_memory_equal(buf, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(weir_test_send(p, "GET /cookies HTTP/1.1\r\nHost: a\r\n\r\n", 0), 0);
    assert_int_equal(weir_test_status(p), 200); /* the same connection's next */
    weir_test_close(p);
    assert_int_equal(weir_test_send(NULL, "x", 1), WEIR_EINVAL);
}

static void test_events(void **state)
{
    weir_test_peer *p = weir_test_open(*state, &(weir_test){.target = "/events"});
    weir_event e;
    assert_int_equal(weir_test_event(p, &e), 0);
    assert_string_equal(weir_test_peer_header(p, "Content-Type", 0), "text/event-stream");
    assert_string_equal(e.event, "first");
    assert_string_equal(e.data, "one\ntwo");
    assert_string_equal(e.id, "7");
    assert_int_equal(e.retry_ms, 100);
    assert_int_equal(weir_topic_publish_to(*state, "news", &(weir_message){.data = "rain", .len = 4}), 0);
    assert_int_equal(weir_test_event(p, &e), 0);
    assert_string_equal(e.event, "message");
    assert_string_equal(e.data, "rain");
    assert_non_null(e.id);
    weir_test_close(p);
}

static void echo_both(weir_server *s, const char *target)
{
    weir_test_peer *p = weir_test_ws_open(s, &(weir_test){.target = target});
    weir_ws_message m;
    char *big = malloc(100000);
    assert_non_null(big);
    memset(big, 'x', 100000);
    assert_int_equal(weir_test_status(p), 101);
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_TEXT, "hello", 0), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), 0);
    assert_true(m.text);
    assert_string_equal(m.data, "hello");
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_BINARY, big, 100000), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), 0);
    assert_false(m.text);
    assert_int_equal(m.len, 100000);
    assert_memory_equal(m.data, big, m.len);
    free(big);
    weir_test_advance(s, 60000); /* Pings, which nobody answers but weir_test_ws_receive() */
    weir_test_close(p);
}

static void test_websocket(void **state)
{
    weir_server *s = *state;
    weir_ws_message m;
    echo_both(s, "/socket");
    assert_noted("closed:1006");
    echo_both(s, "/events-socket");
    weir_test_peer *p = weir_test_ws_open(s, &(weir_test){.target = "/socket"});
    assert_int_equal(weir_test_ws_close(p, 4001, "enough"), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), WEIR_ECLOSED);
    assert_int_equal(weir_test_ws_code(p), 4001);
    assert_noted("closed:4001");
    weir_test_close(p);
    p = weir_test_ws_open(s, &(weir_test){.target = "/events-socket"});
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_TEXT, "quit", 0), 0);
    assert_int_equal(weir_test_ws_receive(p, &m), WEIR_ECLOSED);
    assert_int_equal(weir_test_ws_code(p), 4000);
    weir_test_close(p);
    p = weir_test_ws_open(s, &(weir_test){.target = "/hello/you"});
    assert_int_equal(weir_test_status(p), 200);
    assert_int_equal(weir_test_ws_send(p, WEIR_WS_TEXT, "x", 0), WEIR_EUPGRADE);
    weir_test_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_stalled), WITH_SERVER(test_goes),   WITH_SERVER(test_half_close),
        WITH_SERVER(test_raw),     WITH_SERVER(test_events), WITH_SERVER(test_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
