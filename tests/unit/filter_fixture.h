/*
 * Reply filters over a scripted exchange: an exchange that keeps what reaches it, and filters that note what they are
 * asked, hold bytes back, change their number, or fail at a call of choice.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FILTER_FIXTURE_H
#define WEIR_TESTS_FILTER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/filter.h"
#include "http/http.h"

#include <stdio.h>
#include <string.h>

#define HOLD  4096 /* body bytes that the scripted exchange collects before its head is committed */
#define BLOCK 16384

/* ---- The scripted exchange ---- */

struct fixture {
    struct exchange x; /* first */
    struct memory memory;
    struct account account;
    struct pool blocks;
    struct loop loop;
    struct net net;
    struct http http;
    char out[1 << 20]; /* the body: held until committed */
    size_t len;
    int64_t head_length; /* as the head was committed */
    int write_error;     /* of the next write that has bytes */
    size_t most;         /* the longest piece that was written */
    struct reply_filter *added_late;
    int late_result;
    int befores;
    char calls[256]; /* of what is below the filters, and of filters that write their name there */
};

static inline struct fixture *fixture_of(struct exchange *x)
{
    return (struct fixture *)(void *)x;
}

static inline void note(struct exchange *x, const char *call)
{
    struct fixture *f = fixture_of(x);
    size_t len = strlen(f->calls);
    assert_true(len + strlen(call) + 2 < sizeof f->calls);
    snprintf(f->calls + len, sizeof f->calls - len, "%s ", call);
}

static inline int check(const struct exchange *x)
{
    return exchange_may(x, REPLY_WRITE);
}

static inline int put(struct exchange *x, const char *data, size_t len)
{
    struct fixture *f = fixture_of(x);
    if (len > 0 && f->write_error)
        return f->write_error;
    if (x->reply.length >= 0 && (int64_t)len > x->reply.length - (int64_t)x->body_sent)
        return WEIR_ETOOBIG;
    assert_true(f->len + len < sizeof f->out);
    if (data)
        memcpy(f->out + f->len, data, len);
    f->len += len;
    x->body_sent += len;
    f->most = len > f->most ? len : f->most;
    return 0;
}

static inline int base_write(struct exchange *x, const char *data, size_t len)
{
    int error = check(x);
    return error ? error : put(x, data, len);
}

static inline char *base_reserve(struct exchange *x, size_t min, size_t *room, int *error)
{
    *error = check(x);
    *room = min < 7 ? 7 : min;
    return *error ? NULL : fixture_of(x)->out + fixture_of(x)->len;
}

static inline int base_commit(struct exchange *x, size_t len)
{
    return put(x, NULL, len);
}

static inline char *base_place(struct exchange *x, size_t len)
{
    struct fixture *f = fixture_of(x);
    return !reply_is_committed(&x->reply) && f->len + len <= HOLD ? f->out + f->len : NULL;
}

static inline size_t base_written(struct exchange *x, const char **data)
{
    *data = fixture_of(x)->out;
    return reply_is_committed(&x->reply) ? 0 : fixture_of(x)->len;
}

static inline int base_commit_head(struct exchange *x)
{
    struct fixture *f = fixture_of(x);
    assert_false(reply_is_committed(&x->reply));
    assert_int_equal(f->len, 0);
    reply_set_committed(&x->reply);
    f->head_length = x->reply.length;
    note(x, "head");
    return 0;
}

static inline int base_flush(struct exchange *x)
{
    note(x, "flush");
    return check(x);
}

static inline int base_push(struct exchange *x)
{
    note(x, "push");
    return 0;
}

static inline void base_discard(struct exchange *x)
{
    note(x, "discard");
    x->reply.body = (struct segment){.kind = SEGMENT_STATIC};
    if (reply_is_committed(&x->reply))
        return;
    fixture_of(x)->len = 0;
    x->body_sent = 0;
}

static inline void base_end(struct exchange *x, enum ending how)
{
    assert_int_equal(how, ENDING_RESET);
    note(x, "reset");
}

static const struct exchange_ops base_ops = {
    .reserve = base_reserve,
    .commit = base_commit,
    .place = base_place,
    .write = base_write,
    .written = base_written,
    .commit_head = base_commit_head,
    .flush = base_flush,
    .push = base_push,
    .discard = base_discard,
    .end = base_end,
};

static inline bool before_head(struct exchange *x)
{
    struct fixture *f = fixture_of(x);
    if (f->befores++ == 0 && f->added_late)
        f->late_result = filter_add(x, f->added_late);
    return false;
}

static const struct http_host host = {.before_head = before_head};

static inline int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memory_init(&f->memory, 0);
    account_open(&f->account, &f->memory, "blocks");
    pool_init(&f->blocks, &f->account, BLOCK, 64, 0);
    f->net.loop = &f->loop;
    f->http.net = &f->net;
    f->http.host = &host;
    struct exchange *x = &f->x;
    x->ops = &base_ops;
    x->http = &f->http;
    x->reply = (struct reply){.status = 200, .length = REPLY_LENGTH_UNKNOWN, .body.kind = SEGMENT_STATIC};
    x->budget = INT32_MAX;
    f->head_length = -2;
    arena_init(&x->arena, &f->blocks, x->inline_memory, sizeof x->inline_memory);
    *state = f;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *f = *state;
    assert_ptr_equal(f->x.ops, &base_ops);
    arena_done(&f->x.arena, f->x.inline_memory, sizeof f->x.inline_memory);
    memory_unpoison(f->x.inline_memory, sizeof f->x.inline_memory);
    assert_int_equal(counter_read(&f->account.in_use), 0);
    pool_done(&f->blocks);
    account_close(&f->account);
    memory_done(&f->memory);
    free(f);
    return 0;
}

/* ---- Filters ---- */

/* "wrap" encloses each piece in its two signs, at once; "hold" keeps everything, to 100 bytes, for flush and finish. */
struct filter {
    struct reply_filter f;
    int answer;
    bool holds;
    char sign;
    int begun, released;
    int64_t length;
    size_t len, most;
    int data_error, finish_error;
    jmp_buf *leave;       /* data does not return */
    jmp_buf *leave_begin; /* nor does begin */
    struct reply_filter *adds;
    int add_result;
    char held[100];
};

static inline struct filter *filter_of(struct reply_filter *f)
{
    return (struct filter *)(void *)f;
}

static inline int begin(struct reply_filter *r, struct exchange *x, int64_t length)
{
    struct filter *f = filter_of(r);
    f->begun++;
    f->length = length;
    assert_int_equal(f->released, 0);
    if (f->adds)
        f->add_result = filter_add(x, f->adds);
    if (f->leave_begin)
        longjmp(*f->leave_begin, 1);
    return f->answer;
}

static inline int data(struct reply_filter *r, struct exchange *x, const char *bytes, size_t len)
{
    struct filter *f = filter_of(r);
    assert_int_equal(f->begun, 1);
    assert_int_equal(f->released, 0);
    assert_true(len > 0);
    f->most = len > f->most ? len : f->most;
    if (f->leave)
        longjmp(*f->leave, 1);
    if (f->data_error)
        return f->data_error;
    if (f->holds) {
        assert_true(f->len + len <= sizeof f->held);
        memcpy(f->held + f->len, bytes, len);
        f->len += len;
        return 0;
    }
    while (len > 0) { /* as room is given */
        size_t room;
        int error;
        char *to = filter_reserve(r, x, 3, &room, &error);
        if (!to)
            return error;
        size_t piece = f->answer == FILTER_KEEPS_LENGTH ? room : room - 2;
        piece = piece < len ? piece : len;
        char *end = to;
        if (f->answer == FILTER_CHANGES_LENGTH)
            *end++ = f->sign;
        for (size_t i = 0; i < piece; i++)
            *end++ = f->answer == FILTER_KEEPS_LENGTH ? f->sign : bytes[i];
        if (f->answer == FILTER_CHANGES_LENGTH)
            *end++ = f->sign;
        error = filter_commit(r, x, (size_t)(end - to));
        if (error)
            return error;
        bytes += piece;
        len -= piece;
    }
    return 0;
}

static inline int give(struct filter *f, struct exchange *x, char sign)
{
    char text[sizeof f->held + 1];
    size_t len = f->len;
    memcpy(text, f->held, len);
    text[len++] = sign;
    f->len = 0;
    return filter_write(&f->f, x, text, len);
}

static inline int flush(struct reply_filter *r, struct exchange *x)
{
    struct filter *f = filter_of(r);
    note(x, (char[]){f->sign, 'f', '\0'});
    return f->holds ? give(f, x, '|') : 0;
}

static inline int finish(struct reply_filter *r, struct exchange *x)
{
    struct filter *f = filter_of(r);
    note(x, (char[]){f->sign, 'e', '\0'});
    return f->finish_error ? f->finish_error : f->holds ? give(f, x, f->sign) : 0;
}

static inline void release(struct reply_filter *r, struct exchange *x)
{
    (void)x;
    filter_of(r)->released++;
}

static const struct reply_filter_ops filter_ops = {
    .begin = begin, .data = data, .flush = flush, .finish = finish, .release = release};

static const struct reply_filter_ops bare_ops = {.begin = begin, .data = data};

static inline struct filter make(int answer, char sign, bool holds)
{
    return (struct filter){.f.ops = &filter_ops, .answer = answer, .sign = sign, .holds = holds};
}

static inline void add(struct fixture *f, struct filter *filter)
{
    assert_int_equal(filter_add(&f->x, &filter->f), 0);
}

static inline int say(struct fixture *f, const char *text)
{
    return f->x.ops->write(&f->x, text, strlen(text));
}

/* What the handler writes by room that it is given. */
static inline int print(struct fixture *f, const char *text)
{
    size_t room, len = strlen(text);
    int error;
    char *to = f->x.ops->reserve(&f->x, len, &room, &error);
    if (!to)
        return error;
    assert_true(room >= len);
    memcpy(to, text, len);
    return f->x.ops->commit(&f->x, len);
}

static inline void came_out(const struct fixture *f, const char *text)
{
    assert_int_equal(f->len, strlen(text));
    assert_memory_equal(f->out, text, f->len);
    assert_int_equal(f->x.body_sent, f->len);
}

static inline void each_once(const struct filter *filter, int begun)
{
    assert_int_equal(filter->begun, begun);
    assert_int_equal(filter->released, 1);
}

#endif
