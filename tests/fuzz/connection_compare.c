/*
 * What a client has received, read as RFC 9112 says and compared with the model.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_model.h"
#include "fuzz.h"
#include "reference.h"

/* The beginning of what the server has sent, read as a client does. */
struct seen {
    bool head_whole, whole;
    size_t end; /* of the reply, if it is whole */
    uint32_t status;
    bool has_length, chunked, close, keep_alive, has_date, until_end;
    uint64_t length;
    struct slice body, field;
    bool has_field;
};

static bool name_is(struct slice name, const char *word)
{
    return slice_equal_nocase(name, slice_from(word));
}

static uint64_t number(struct slice text, size_t digits_max)
{
    uint64_t n = 0;
    FUZZ_CHECK(text.len > 0 && text.len <= digits_max);
    for (size_t i = 0; i < text.len; i++) {
        FUZZ_CHECK(text.data[i] >= '0' && text.data[i] <= '9');
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    }
    return n;
}

static void read_field(struct seen *s, struct slice line)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *colon = memchr(line.data, ':', line.len);
    FUZZ_CHECK(colon && colon > line.data);
    struct slice name = slice_of(line.data, (size_t)(colon - line.data));
    struct slice value = slice_of(colon + 1, line.len - name.len - 1);
    for (size_t i = 0; i < name.len; i++)
        FUZZ_CHECK(name.data[i] && strchr(token, name.data[i]));
    while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
        value = slice_of(value.data + 1, value.len - 1);
    while (value.len > 0 && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
        value.len--;
    if (name_is(name, "Content-Length")) {
        FUZZ_CHECK(!s->has_length);
        s->has_length = true;
        s->length = number(value, 18);
    } else if (name_is(name, "Transfer-Encoding")) {
        FUZZ_CHECK(!s->chunked && name_is(value, "chunked"));
        s->chunked = true;
    } else if (name_is(name, "Connection")) {
        s->close |= name_is(value, "close");
        s->keep_alive |= name_is(value, "keep-alive");
    } else if (name_is(name, "Date")) {
        FUZZ_CHECK(!s->has_date && value.len == 29);
        s->has_date = true;
    } else if (name_is(name, "X-Value")) {
        FUZZ_CHECK(!s->has_field);
        s->has_field = true;
        s->field = value;
    } else {
        FUZZ_CHECK(!name_is(name, "X-Gone"));
    }
}

/* status-line and fields; text ends with the empty line. */
static void read_head(struct seen *s, struct slice text)
{
    FUZZ_CHECK(text.len > 17 && memcmp(text.data, "HTTP/1.1 ", 9) == 0 && text.data[12] == ' ');
    s->status = (uint32_t)number(slice_of(text.data + 9, 3), 3);
    FUZZ_CHECK(s->status >= 200 && s->status <= 599);
    for (size_t at = 0, line = 0; at < text.len - 2; line++) {
        const char *end = memmem(text.data + at, text.len - at, "\r\n", 2);
        struct slice content = slice_of(text.data + at, (size_t)(end - text.data) - at);
        for (size_t i = 0; i < content.len; i++)
            FUZZ_CHECK(((unsigned char)content.data[i] >= ' ' || content.data[i] == '\t') && content.data[i] != 0x7f);
        if (line > 0)
            read_field(s, content);
        at += content.len + 2;
    }
    FUZZ_CHECK(s->has_date && !(s->has_length && s->chunked) && !(s->close && s->keep_alive));
}

/* RFC 9112 section 6.3. data has room for text.len bytes. */
static void read_reply(struct seen *s, struct slice text, const struct model_reply *r, bool ended, char *data)
{
    *s = (struct seen){0};
    const char *empty = memmem(text.data, text.len, "\r\n\r\n", 4);
    if (!empty)
        return;
    s->head_whole = true;
    size_t head = (size_t)(empty + 4 - text.data);
    read_head(s, slice_of(text.data, head));
    struct slice rest = slice_of(text.data + head, text.len - head);
    s->end = head;
    s->whole = true;
    if (s->status == 204)
        FUZZ_CHECK(!s->has_length && !s->chunked);
    if (r->to_head || s->status == 204 || s->status == 304)
        return;
    if (s->chunked) {
        static struct reference_chunked c;
        reference_chunked_read(&c, rest, 0, 2, data);
        FUZZ_CHECK(c.result != BODY_BAD);
        s->body = slice_of(data, c.len);
        s->whole = c.result == BODY_END;
        s->end += c.end;
    } else {
        s->until_end = !s->has_length;
        s->whole = s->until_end ? ended : rest.len >= s->length;
        s->body = slice_of(rest.data, s->whole && s->has_length ? (size_t)s->length : rest.len);
        s->end += s->body.len;
    }
}

static bool status_is_among(uint32_t status, const uint32_t *statuses)
{
    for (; *statuses; statuses++)
        if (*statuses == status)
            return true;
    return false;
}

static bool begins_with(struct slice text, struct slice beginning)
{
    return text.len >= beginning.len && (beginning.len == 0 || memcmp(text.data, beginning.data, beginning.len) == 0);
}

static void check_whole(const struct model_reply *r, const struct seen *s, enum model_side side)
{
    FUZZ_CHECK(!(r->to_1_0 && s->chunked) && (r->to_1_0 || !s->until_end));
    if (!r->page && !r->to_head)
        FUZZ_CHECK(slice_equal(s->body, r->body));
    if (!r->page && r->to_head && r->body.len > 0 && s->has_length)
        FUZZ_CHECK(s->length == r->body.len);
    if (r->end == MODEL_CLOSED_TOLD)
        FUZZ_CHECK(s->close);
    if (r->end == MODEL_KEPT && side == SIDE_OPEN)
        FUZZ_CHECK(!s->close && (!r->to_1_0 || s->keep_alive));
    FUZZ_CHECK(s->has_field == (r->field != NULL));
    if (r->field)
        FUZZ_CHECK(slice_equal(s->field, slice_of(r->field, r->field_len)));
}

/* What a reply that is not whole may look like. */
static void check_part(const struct model_reply *r, const struct seen *s, bool ended, bool whole)
{
    if (r->form == MODEL_BROKEN) {
        FUZZ_CHECK(begins_with(r->body, s->body));
        FUZZ_CHECK(!s->whole || r->to_head || s->until_end);
        FUZZ_CHECK(ended || !whole);
    } else if (r->form == MODEL_BEGUN) {
        FUZZ_CHECK(s->head_whole ? begins_with(r->body, s->body) && !s->whole : !whole);
        FUZZ_CHECK(!whole || slice_equal(r->body, s->body));
        FUZZ_CHECK(!whole || !ended);
    } else {
        FUZZ_CHECK(!whole && (r->page || begins_with(r->body, s->body)));
    }
}

/* Takes 100 Continue off the output where there may be one. False: it has to be there and is not. */
static bool take_continue(const struct model_reply *r, struct slice *output, bool whole)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (r->may_continue && begins_with(*output, slice_from(text))) {
        *output = slice_of(output->data + strlen(text), output->len - strlen(text));
        return true;
    }
    return !r->must_continue || !whole;
}

/* Behind the last reply: nothing, or a refusal of what is no whole head. */
static void check_rest(const struct model *m, struct slice output, bool ended, bool whole, char *data)
{
    if (output.len > 0) {
        struct model_reply r = {.end = MODEL_CLOSED_TOLD, .page = true, .to_head = m->rest_to_head};
        struct seen s;
        read_reply(&s, output, &r, ended, data);
        FUZZ_CHECK(m->may_refuse[0] && (s.whole || !whole));
        if (s.whole) {
            FUZZ_CHECK(status_is_among(s.status, m->may_refuse) && s.close && s.end == output.len);
            FUZZ_CHECK(ended || !whole);
        }
    } else if (whole) {
        bool either = m->count > 0 && m->replies[m->count - 1].end == MODEL_EITHER;
        FUZZ_CHECK(ended == m->ended || (ended && either));
    }
}

uint64_t model_compare(const struct model *m, struct slice output, bool ended, bool whole, enum model_side side)
{
    static char data[(size_t)4 << 20];
    uint64_t handled = 0;
    FUZZ_CHECK(output.len <= sizeof data);
    for (size_t i = 0; i < m->count; i++) {
        const struct model_reply *r = &m->replies[i];
        struct seen s;
        FUZZ_CHECK(take_continue(r, &output, whole));
        if (output.len == 0 && ended && i > 0 && m->replies[i - 1].end == MODEL_EITHER)
            return handled;
        handled += r->handled;
        if (output.len == 0 && (r->form == MODEL_WAITING || !whole)) {
            FUZZ_CHECK(!ended || !whole);
            return handled;
        }
        read_reply(&s, output, r, ended, data);
        if (s.until_end && !whole)
            s.whole =
                false; /* a client that did not read: it may have been cut, which on a socket pair looks like the end */
        FUZZ_CHECK(r->form != MODEL_WAITING && (!s.head_whole || status_is_among(s.status, r->statuses)));
        if (r->form != MODEL_WHOLE || !s.whole) {
            check_part(r, &s, ended, whole);
            return handled;
        }
        check_whole(r, &s, side);
        output = slice_of(output.data + s.end, output.len - s.end);
    }
    check_rest(m, output, ended, whole, data);
    return handled;
}
