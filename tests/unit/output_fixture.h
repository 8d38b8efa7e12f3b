/*
 * An output over a transport that does what a script says: how many bytes each write takes, or what it answers. What
 * was taken is kept, and how it was given.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_OUTPUT_FIXTURE_H
#define WEIR_TESTS_OUTPUT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/output.h"
#include "weir.h"

#include <string.h>
#include <unistd.h>

#define SCRIPT_STEPS 512
#define TAKEN_MOST   ((size_t)4 << 20)
#define PIECE        16384 /* bytes that a write is given at most */

struct fixture {
    struct output out;
    struct connection conn;
    struct net net;
    struct loop loop;
    struct transport transport;
    /* What the next calls that write are answered: a number of bytes at most, or a result. Behind the last: all. */
    ssize_t steps[SCRIPT_STEPS];
    size_t step, step_count;
    bool holds;         /* what is written with more to come is held */
    int flush_answers;  /* flushes that want to write before one is done */
    int widen_answers;  /* times that there is room after all */
    size_t unconfirmed; /* bytes that the peer has not acknowledged */
    char *taken;
    size_t taken_len;
    unsigned writes, sends, flushes, widens;
    size_t given;   /* bytes of the last write */
    int part_count; /* of the last write */
    bool more;      /* of the last write */
};

static inline struct fixture *fixture_of(const struct connection *c)
{
    return container_of(c, struct fixture, conn);
}

static inline ssize_t fixture_answer(struct fixture *f, size_t len)
{
    ssize_t answer = f->step < f->step_count ? f->steps[f->step++] : (ssize_t)len;
    return answer > (ssize_t)len ? (ssize_t)len : answer;
}

static inline void fixture_take(struct fixture *f, const void *data, size_t len)
{
    assert_true(f->taken_len + len <= TAKEN_MOST);
    memcpy(f->taken + f->taken_len, data, len);
    f->taken_len += len;
}

static inline ssize_t fixture_write(struct connection *c, struct flow *flow, const struct iovec *parts, int count,
                                    bool more)
{
    struct fixture *f = fixture_of(c);
    assert_ptr_equal(flow, &f->out.flow);
    f->writes++;
    f->part_count = count;
    f->more = more;
    f->given = 0;
    for (int i = 0; i < count; i++)
        f->given += parts[i].iov_len;
    assert_true(f->given <= f->transport.piece);
    ssize_t answer = fixture_answer(f, f->given);
    for (size_t left = answer > 0 ? (size_t)answer : 0; left > 0; parts++) {
        size_t piece = parts->iov_len < left ? parts->iov_len : left;
        fixture_take(f, parts->iov_base, piece);
        left -= piece;
    }
    flow->held = answer > 0 ? f->holds && more : flow->held;
    return answer;
}

static inline ssize_t fixture_send_file(struct connection *c, struct flow *flow, int fd, int64_t *offset, size_t len)
{
    struct fixture *f = fixture_of(c);
    char bytes[65536];
    assert_ptr_equal(flow, &f->out.flow);
    f->sends++;
    ssize_t answer = fixture_answer(f, len < sizeof bytes ? len : sizeof bytes);
    if (answer > 0) {
        answer = pread(fd, bytes, (size_t)answer, *offset);
        assert_true(answer >= 0);
        fixture_take(f, bytes, (size_t)answer);
        *offset += answer;
        flow->held = false;
    }
    return answer;
}

static inline int fixture_flush(struct connection *c, struct flow *flow)
{
    struct fixture *f = fixture_of(c);
    f->flushes++;
    if (f->flush_answers > 0 && f->flush_answers-- > 0)
        return TRANSPORT_WANT_WRITE;
    flow->held = false;
    return 0;
}

static inline bool fixture_widen(struct net *n, struct connection *c)
{
    struct fixture *f = fixture_of(c);
    assert_ptr_equal(n, &f->net);
    f->widens++;
    return f->widen_answers > 0 && f->widen_answers-- > 0;
}

static inline size_t fixture_unacknowledged(const struct connection *c)
{
    return fixture_of(c)->unconfirmed;
}

/* The queue is empty again, and the script as well. */
static inline void fixture_begin(struct fixture *f)
{
    output_init(&f->out);
    f->conn.ready = READY_WATCH_WRITE | READY_WATCHED; /* so that blocking needs no poller */
    f->transport.capabilities = TRANSPORT_SENDFILE | TRANSPORT_EXACT;
    f->step = f->step_count = f->taken_len = 0;
    f->holds = false;
    f->flush_answers = f->widen_answers = 0;
    f->writes = f->sends = f->flushes = f->widens = 0;
    f->unconfirmed = 0;
    atomic_store(&f->net.bytes_out, 0);
}

static inline int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->taken = malloc(TAKEN_MOST);
    assert_non_null(f->taken);
    f->transport = (struct transport){
        .piece = PIECE,
        .write = fixture_write,
        .send_file = fixture_send_file,
        .flush = fixture_flush,
        .widen = fixture_widen,
        .unacknowledged = fixture_unacknowledged,
    };
    f->loop.poller.fd = f->conn.fd = -1;
    f->net = (struct net){.loop = &f->loop, .transports = {&f->transport}};
    fixture_begin(f);
    *state = f;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *f = *state;
    free(f->taken);
    free(f);
    return 0;
}

static inline void fixture_step(struct fixture *f, ssize_t answer)
{
    assert_true(f->step_count < SCRIPT_STEPS);
    f->steps[f->step_count++] = answer;
}

static inline int fixture_send(struct fixture *f, bool more)
{
    return output_send(&f->out, &f->net, &f->conn, more);
}

/* What has been taken since the last time. */
static inline void fixture_expect(struct fixture *f, const char *text)
{
    assert_int_equal(f->taken_len, strlen(text));
    assert_memory_equal(f->taken, text, f->taken_len);
    f->taken_len = 0;
}

static inline void push_static(struct output *o, const char *data, size_t len)
{
    output_push(o, (struct segment){.kind = SEGMENT_STATIC, .len = len & SEGMENT_LEN_MASK, .data = data});
}

static inline void push_text(struct output *o, const char *text)
{
    push_static(o, text, strlen(text));
}

#endif
