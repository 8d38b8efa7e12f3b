/*
 * Requests of a test, and what has become of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/peer.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- Asking ---- */

/* The line that *text begins with, without its end; *text moves behind it. */
static struct slice line_take(const char **text)
{
    const char *line = *text;
    size_t len = strcspn(line, "\n");
    *text = line[len] ? line + len + 1 : line + len;
    return slice_of(line, len > 0 && line[len - 1] == '\r' ? len - 1 : len);
}

static bool headers_have(const char *headers, const char *name)
{
    size_t len = strlen(name);
    while (headers && *headers) {
        struct slice line = line_take(&headers);
        if (line.len > len && line.data[len] == ':' && strncasecmp(line.data, name, len) == 0)
            return true;
    }
    return false;
}

/* The head of a request. False: no memory. */
static bool head_write(struct test_bytes *to, const weir_test *test, const char *more, size_t body_len)
{
    char length[48] = "";
    const char *method = test->method ? test->method : test->body ? "POST" : "GET", *headers = test->headers;
    const char *parts[] = {method,
                           " ",
                           test->target ? test->target : "/",
                           " HTTP/1.1\r\n",
                           headers_have(headers, "Host") ? "" : "Host: localhost\r\n",
                           length,
                           more ? more : ""};
    if (test->body && !headers_have(headers, "Content-Length") && !headers_have(headers, "Transfer-Encoding"))
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", body_len);
    bool good = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        good = good && test_bytes_add(to, parts[i], strlen(parts[i]));
    while (headers && *headers) {
        struct slice line = line_take(&headers);
        if (line.len > 0)
            good = good && test_bytes_add(to, line.data, line.len) && test_bytes_add(to, "\r\n", 2);
    }
    return good && test_bytes_add(to, "\r\n", 2);
}

int test_peer_ask(weir_test_peer *p, const weir_test *test, const char *more)
{
    struct test_bytes head = {0};
    size_t body_len = test->body && test->body_len == 0 ? strlen(test->body) : test->body_len;
    bool good = head_write(&head, test, more, body_len);
    struct slice text = test_bytes_left(&head);
    int error = good ? test_peer_say(p, text.data, text.len) : WEIR_ENOMEM;
    test_bytes_free(&head);
    p->reader.bodyless = test->method && strcmp(test->method, "HEAD") == 0;
    if (!error && test->body)
        p->within.said[1] = slice_of(test->body, body_len);
    return error;
}

weir_test_peer *weir_test_open_sized(weir_server *s, const weir_test *given, size_t size)
{
    int error;
    weir_test test = test_given(given, size);
    struct test *t = test_of(s, &error);
    weir_test_peer *p = t ? test_peer_open(t, &test, &error) : NULL;
    if (p && test.target && test_peer_ask(p, &test, NULL) != 0) {
        weir_test_reset(p);
        return NULL;
    }
    if (p)
        test_settle(t);
    return p;
}

/* ---- The reply ---- */

/* What the program sees of it, and what that points to. */
struct test_reply {
    weir_test_reply is;
    struct test_bytes head, fields, body;
};

static struct test_reply *reply_of(const weir_test_reply *r)
{
    return container_of((weir_test_reply *)(uintptr_t)r, struct test_reply, is);
}

/* The part that the program sees: the same address, so that what looks for leaks follows. */
static weir_test_reply *reply_told(struct test_reply *r)
{
    _Static_assert(offsetof(struct test_reply, is) == 0, "the first member");
    return (weir_test_reply *)(void *)r;
}

static weir_test_reply *reply_failed(int error)
{
    struct test_reply *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->is = (weir_test_reply){.error = error, .head = "", .body = ""};
    return reply_told(r);
}

/* Hands over what a peer has read. */
static weir_test_reply *reply_take(weir_test_peer *p, int error)
{
    struct test_reader *reader = &p->reader;
    struct test *t = p->test;
    struct test_reply *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->head = reader->head;
    r->fields = reader->fields;
    r->body = reader->body;
    reader->head = reader->fields = reader->body = (struct test_bytes){0};
    struct slice body = test_bytes_left(&r->body);
    r->is = (weir_test_reply){
        .error = error ? error : test_peer_error(p),
        .status = reader->status,
        .head = r->head.data ? r->head.data : "",
        .body = body.data,
        .body_len = body.len,
        .bytes_in = p->within.read,
        .bytes_out = p->within.written,
        .took_ms = (t->clock_ns - p->figures.clock_ns) / 1000000,
        .suspended = t->server->workers[0].loop.fibers.parks - p->figures.parks,
        .memory = test_measure_memory(t, &p->figures),
        .closed = p->within.server != WITHIN_OPEN,
    };
    return reply_told(r);
}

/* The reply has ended, and so has what the server did for it. */
static bool has_ended(void *peer)
{
    weir_test_peer *p = peer;
    (void)test_peer_reads(p);
    bool idle = p->within.server != WITHIN_OPEN || within_is_idle(&p->test->server->workers[0].net, &p->within);
    return p->reader.state >= READER_DONE && (idle || p->reader.state >= READER_TUNNEL);
}

weir_test_reply *weir_test_finish(weir_test_peer *p)
{
    int error = test_peer_await(p, has_ended);
    return p ? reply_take(p, error) : reply_failed(error);
}

weir_test_reply *weir_test_request_sized(weir_server *s, const weir_test *given, size_t size)
{
    int error;
    weir_test test = test_given(given, size);
    struct test *t = test_of(s, &error);
    weir_test_peer *p = t ? test_peer_open(t, &test, &error) : NULL;
    if (!p)
        return reply_failed(error);
    error = test_peer_ask(p, &test, NULL);
    if (!error)
        error = test_peer_await(p, has_ended);
    weir_test_reply *r = reply_take(p, error);
    weir_test_close(p);
    return r;
}

void weir_test_reply_free(weir_test_reply *r)
{
    if (!r)
        return;
    struct test_reply *all = reply_of(r);
    test_bytes_free(&all->head);
    test_bytes_free(&all->fields);
    test_bytes_free(&all->body);
    free(all);
}

const char *weir_test_header(const weir_test_reply *r, const char *name, size_t n)
{
    return r && name ? test_field(&reply_of(r)->fields, name, n) : NULL;
}
