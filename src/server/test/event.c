/*
 * Event streams, as a client reads them (HTML, "Server-sent events").
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/peer.h"

#include <stdlib.h>

/* Where the next event ends in what has come of the body, the empty line behind it included; 0: not yet. */
static size_t event_len(const weir_test_peer *p)
{
    struct slice there = test_bytes_left(&p->reader.body);
    const char *end = there.len > 1 ? memmem(there.data, there.len, "\n\n", 2) : NULL;
    return end ? (size_t)(end + 2 - there.data) : 0;
}

static bool has_event(void *peer)
{
    weir_test_peer *p = peer;
    (void)test_peer_reads(p);
    return p->reader.state >= READER_DONE || event_len(p) > 0;
}

static bool bytes_set(struct test_bytes *b, struct slice value)
{
    b->at = b->len = 0;
    return test_bytes_add(b, value.data, value.len);
}

/* A line "name: value" of an event. False: no memory. */
static bool event_line(weir_test_peer *p, struct slice line, weir_event *e, bool *data)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon || colon == line.data)
        return true; /* a comment, or nothing that we know */
    struct slice name = slice_of(line.data, (size_t)(colon - line.data));
    struct slice value = slice_of(colon + 1, line.len - name.len - 1);
    if (value.len > 0 && value.data[0] == ' ')
        value = slice_of(value.data + 1, value.len - 1);
    if (slice_equal(name, SLICE("data"))) {
        bool good = !*data || test_bytes_add(&p->text, "\n", 1);
        *data = true;
        return good && test_bytes_add(&p->text, value.data, value.len);
    }
    if (slice_equal(name, SLICE("event")))
        return bytes_set(&p->event, value);
    if (slice_equal(name, SLICE("id")))
        return bytes_set(&p->id, value);
    if (slice_equal(name, SLICE("retry")))
        e->retry_ms = (int)strtol(value.data, NULL, 10);
    return true;
}

/* Reads an event of len bytes. 1; 0: it has no data, and is none; or WEIR_ENOMEM. */
static int event_read(weir_test_peer *p, struct slice text, weir_event *e)
{
    bool data = false, good = bytes_set(&p->text, SLICE("")) && bytes_set(&p->event, SLICE("message"));
    good = good && (p->id.data || bytes_set(&p->id, SLICE("")));
    *e = (weir_event){0};
    while (good && text.len > 0) {
        const char *newline = memchr(text.data, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.data) : text.len;
        good = event_line(p, slice_of(text.data, len), e, &data);
        size_t used = newline ? len + 1 : len;
        text = slice_of(text.data + used, text.len - used);
    }
    if (!good)
        return WEIR_ENOMEM;
    e->data = p->text.data;
    e->len = p->text.len;
    e->event = p->event.data;
    e->id = p->id.len > 0 ? p->id.data : NULL;
    return data;
}

int weir_test_event(weir_test_peer *p, weir_event *event)
{
    if (!p || !event)
        return WEIR_EINVAL;
    for (;;) {
        int error = has_event(p) ? 0 : test_peer_await(p, has_event);
        if (error)
            return error;
        size_t len = event_len(p);
        if (len == 0)
            return test_peer_error(p) ? test_peer_error(p) : WEIR_ENOENT;
        int got = event_read(p, slice_of(test_bytes_left(&p->reader.body).data, len), event);
        test_bytes_drop(&p->reader.body, len);
        if (got != 0)
            return got < 0 ? got : 0;
    }
}
