/*
 * Reading replies.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/test/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#define HEAD_MAX ((size_t)1 << 20)

/* ---- Bytes ---- */

bool test_bytes_add(struct test_bytes *b, const char *data, size_t len)
{
    if (b->at > 0 && b->at == b->len)
        b->at = b->len = 0;
    if (len >= SIZE_MAX / 4 || b->len >= SIZE_MAX / 4)
        return false;
    size_t wanted = b->len + len + 1;
    if (wanted > b->size) {
        size_t size = wanted > 2 * b->size ? wanted : 2 * b->size;
        char *larger = realloc(b->data, size);
        if (!larger)
            return false;
        b->data = larger;
        b->size = size;
    }
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

void test_bytes_drop(struct test_bytes *b, size_t n)
{
    b->at += n;
    if (b->at == b->len)
        b->at = b->len = 0;
}

void test_bytes_free(struct test_bytes *b)
{
    free(b->data);
    *b = (struct test_bytes){0};
}

/* ---- The head ---- */

const char *test_field(const struct test_bytes *fields, const char *name, size_t n)
{
    const char *at = fields->data, *end = at ? at + fields->len : at;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        bool same = strcasecmp(at, name) == 0;
        if (same && n == 0)
            return value;
        n -= same;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

/* Keeps a line "Name: value". False: it is none. */
static bool field_add(struct test_reader *r, struct slice line)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon)
        return false;
    const char *value = colon + 1, *end = line.data + line.len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    r->no_memory |= !test_bytes_add(&r->fields, line.data, (size_t)(colon - line.data)) ||
                    !test_bytes_add(&r->fields, "", 1) || !test_bytes_add(&r->fields, value, (size_t)(end - value)) ||
                    !test_bytes_add(&r->fields, "", 1);
    return true;
}

/* What the body is delimited by (RFC 9112 section 6.3). */
static enum reader_state body_begins(struct test_reader *r)
{
    const char *coding = test_field(&r->fields, "Transfer-Encoding", 0);
    const char *length = test_field(&r->fields, "Content-Length", 0);
    if (r->status == 101)
        return READER_TUNNEL;
    if (r->bodyless || r->status == 204 || r->status == 304)
        return READER_DONE;
    if (coding)
        return strcasecmp(coding, "chunked") == 0 ? READER_SIZE : READER_BAD;
    if (!length)
        return READER_TO_END;
    char *end;
    r->left = strtoull(length, &end, 10);
    if (end == length || *end)
        return READER_BAD;
    return r->left > 0 ? READER_LENGTH : READER_DONE;
}

/* A whole head, the empty line included. */
static enum reader_state head_read(struct test_reader *r, struct slice head)
{
    char *end;
    if (head.len < 13 || memcmp(head.data, "HTTP/1.", 7) != 0)
        return READER_BAD;
    long status = strtol(head.data + 9, &end, 10);
    if (end != head.data + 12 || status < 100 || status > 999)
        return READER_BAD;
    if (status < 200 && status != 101)
        return READER_HEAD; /* an interim one */
    r->status = (int)status;
    r->no_memory |= !test_bytes_add(&r->head, head.data, head.len - 2);
    const char *line = memchr(head.data, '\n', head.len), *last = head.data + head.len - 2;
    while (line && ++line < last) {
        const char *newline = memchr(line, '\n', (size_t)(last - line));
        size_t len = newline ? (size_t)(newline - line) : (size_t)(last - line);
        if (!field_add(r, slice_of(line, len)))
            return READER_BAD;
        line = newline;
    }
    return body_begins(r);
}

/* ---- The body ---- */

/* Takes up to r->left bytes of the body. */
static void body_take(struct test_reader *r, struct test_bytes *from)
{
    struct slice there = test_bytes_left(from);
    size_t take = there.len < r->left ? there.len : (size_t)r->left;
    r->no_memory |= !test_bytes_add(&r->body, there.data, take);
    r->left -= take;
    test_bytes_drop(from, take);
}

/* The line that comes next, its end included; len 0: it is not whole. */
static struct slice line_next(const struct test_bytes *from)
{
    struct slice there = test_bytes_left(from);
    const char *newline = there.len > 0 ? memchr(there.data, '\n', there.len) : NULL;
    return slice_of(there.data, newline ? (size_t)(newline + 1 - there.data) : 0);
}

/* The state behind a whole line of the chunked coding. */
static enum reader_state line_read(struct test_reader *r, struct slice line)
{
    char *end;
    bool empty = line.len == 2 && line.data[0] == '\r';
    if (r->state == READER_BEHIND)
        return empty ? READER_SIZE : READER_BAD;
    if (r->state == READER_TRAILER)
        return empty ? READER_DONE : field_add(r, slice_of(line.data, line.len - 1)) ? READER_TRAILER : READER_BAD;
    r->left = strtoull(line.data, &end, 16);
    if (end == line.data || (*end != '\r' && *end != ';'))
        return READER_BAD;
    return r->left > 0 ? READER_CHUNK : READER_TRAILER;
}

/* Where a head ends in what has come; 0: not yet. */
static size_t head_len(struct slice there)
{
    const char *end = there.len > 0 ? memmem(there.data, there.len, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end + 4 - there.data) : 0;
}

/* One step. False: more is needed, or nothing more is the reply's. */
static bool reader_step(struct test_reader *r, struct test_bytes *from)
{
    struct slice there = test_bytes_left(from), line;
    size_t len;
    switch (r->state) {
    case READER_HEAD:
        if ((len = head_len(there)) == 0) {
            r->state = there.len > HEAD_MAX ? READER_BAD : READER_HEAD;
            return false;
        }
        r->state = head_read(r, slice_of(there.data, len));
        test_bytes_drop(from, len);
        return true;
    case READER_LENGTH:
    case READER_CHUNK:
        body_take(r, from);
        if (r->left > 0)
            return false;
        r->state = r->state == READER_LENGTH ? READER_DONE : READER_BEHIND;
        return true;
    case READER_TO_END:
        r->left = there.len;
        body_take(r, from);
        return false;
    case READER_SIZE:
    case READER_BEHIND:
    case READER_TRAILER:
        if ((line = line_next(from)).len == 0)
            return false;
        r->state = line_read(r, line);
        test_bytes_drop(from, line.len);
        return true;
    case READER_DONE:
    case READER_TUNNEL:
    case READER_BAD:
        break;
    }
    return false;
}

void test_reader_feed(struct test_reader *r, struct test_bytes *from)
{
    while (reader_step(r, from))
        ;
}

void test_reader_end(struct test_reader *r)
{
    if (r->state == READER_TO_END)
        r->state = READER_DONE;
}

void test_reader_free(struct test_reader *r)
{
    test_bytes_free(&r->head);
    test_bytes_free(&r->fields);
    test_bytes_free(&r->body);
}
