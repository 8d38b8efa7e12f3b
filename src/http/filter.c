/*
 * A reply's chain of filters: when they begin, and the operations that lead to the first of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/filter.h"

#include "http/request_log.h"
#include "http/status.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

enum filter_state {
    FILTER_WAITS, /* the head is not due: what is written is collected below, unfiltered */
    FILTER_RUNS,  /* what is written goes through the filters */
};

/* The filters of one reply, in the request's memory. Found by the exchange's operations, which lie in it: so an
 * exchange without filters holds nothing for them. */
struct filter_chain {
    struct exchange_ops ops; /* first: x->ops of the exchange */
    const struct exchange_ops *base;
    struct reply_filter *first; /* the one that was added last */
    int64_t left;               /* of the length that the handler announced; -1: it has not */
    uint8_t state;              /* enum filter_state */
    bool busy;                  /* in a filter's call; stays so where that never returned */
    bool broken;                /* a filter's call has failed: nothing whole can come any more */
    bool unflushed;             /* data has gone in since the last flush */
};

/* Held bytes that are copied to the stack where the filters begin; longer ones need request memory. */
#define HELD_SMALL ((size_t)1024)
/* What a filter gets at once: between pieces others have their turn. */
#define DATA_PIECE ((size_t)8 * 1024)

static int chain_write(struct exchange *x, const char *data, size_t len);

static struct filter_chain *chain_of(const struct exchange *x)
{
    return x->ops->write == chain_write ? (struct filter_chain *)(uintptr_t)x->ops : NULL;
}

/* The chain whose operation was called, or that is known to be there. */
static struct filter_chain *chain_own(const struct exchange *x)
{
    struct filter_chain *chain = chain_of(x);
    weir_assert(chain != NULL);
    return chain;
}

/* Lets go of the filters; the exchange's own operations are its only ones again. */
static void chain_remove(struct exchange *x, struct filter_chain *chain)
{
    struct reply_filter *f = chain->first;
    chain->first = NULL;
    x->ops = chain->base;
    while (f) {
        struct reply_filter *next = f->next;
        if (f->ops->release)
            f->ops->release(f, x);
        f = next;
    }
}

/* ---- What comes out of a filter ---- */

int filter_write(struct reply_filter *f, struct exchange *x, const char *data, size_t len)
{
    if (len == 0)
        return 0;
    return f->next ? f->next->ops->data(f->next, x, data, len) : chain_own(x)->base->write(x, data, len);
}

/* Where the input of f is composed. */
static char *filter_room(struct reply_filter *f, struct exchange *x, size_t *room, int *error)
{
    if (!f->room)
        f->room = arena_alloc(&x->arena, EXCHANGE_RESERVE_MAX);
    *room = EXCHANGE_RESERVE_MAX;
    *error = f->room ? 0 : WEIR_ENOMEM;
    return f->room;
}

char *filter_reserve(struct reply_filter *f, struct exchange *x, size_t min, size_t *room, int *error)
{
    return f->next ? filter_room(f->next, x, room, error) : chain_own(x)->base->reserve(x, min, room, error);
}

int filter_commit(struct reply_filter *f, struct exchange *x, size_t len)
{
    if (len == 0)
        return 0;
    return f->next ? f->next->ops->data(f->next, x, f->next->room, len) : chain_own(x)->base->commit(x, len);
}

/* ---- What goes in ---- */

/* The filters that a call has failed for take nothing more. */
static int chain_result(struct filter_chain *chain, int error)
{
    chain->busy = false;
    chain->broken |= error != 0;
    return error;
}

/* data is charged as what comes out is: a filter works for each byte of both. */
static int chain_pass(struct exchange *x, struct filter_chain *chain, const char *data, size_t len)
{
    if (chain->left >= 0) {
        if ((uint64_t)len > (uint64_t)chain->left)
            return WEIR_ETOOBIG;
        chain->left -= (int64_t)len;
    }
    int error = chain->broken ? WEIR_EDONE : 0;
    while (!error && len > 0) {
        size_t piece = len < DATA_PIECE ? len : DATA_PIECE;
        chain->busy = chain->unflushed = true;
        error = chain->first->ops->data(chain->first, x, data, piece);
        if (!error)
            exchange_charge(x, piece);
        error = chain_result(chain, error);
        data += piece;
        len -= piece;
    }
    return error;
}

static int chain_flush_filters(struct exchange *x, struct filter_chain *chain)
{
    int error = chain->broken ? WEIR_EDONE : 0;
    chain->unflushed = false;
    for (struct reply_filter *f = chain->first; f && !error; f = f->next) {
        chain->busy = true;
        error = chain_result(chain, f->ops->flush ? f->ops->flush(f, x) : 0);
    }
    return error;
}

static int chain_finish_filters(struct exchange *x, struct filter_chain *chain)
{
    int error = chain->broken ? WEIR_EDONE : 0;
    for (struct reply_filter *f = chain->first; f && !error; f = f->next) {
        chain->busy = true;
        error = chain_result(chain, f->ops->finish ? f->ops->finish(f, x) : 0);
    }
    return error;
}

/* ---- The beginning ---- */

/* The length of the body as the filters get it. last: all of it has been written. */
static int64_t body_length(const struct exchange *x, bool last)
{
    const struct reply *r = &x->reply;
    if (r->body.len > 0)
        return (int64_t)r->body.len;
    return r->length >= 0 ? r->length : last ? (int64_t)x->body_sent : REPLY_LENGTH_UNKNOWN;
}

/* Tells each filter of the head; those that pass are out. *length becomes what is known of the length that comes out.
 * 0 or an error. */
static int chain_begin(struct exchange *x, struct filter_chain *chain, int64_t *length)
{
    bool none = status_bodyless(x->reply.status) || x->reply.status == 206; /* a part is of the body as it was */
    for (struct reply_filter **at = &chain->first; *at;) {
        struct reply_filter *f = *at;
        int answer = none ? FILTER_PASSES : f->ops->begin(f, x, *length);
        if (answer < 0)
            return answer;
        if (answer == FILTER_CHANGES_LENGTH)
            *length = REPLY_LENGTH_UNKNOWN;
        if (answer != FILTER_PASSES) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        if (f->ops->release)
            f->ops->release(f, x);
    }
    return 0;
}

/* A reply that is complete for its handler is not for what its filters still write. True: it was, and is to be again
 * afterwards. */
static bool reply_reopen(struct reply *r)
{
    bool complete = reply_is_complete(r);
    if (complete)
        r->phase = reply_is_committed(r) ? REPLY_STREAMING : REPLY_OPEN;
    return complete;
}

/* A HEAD request's reply: its head is that of the body as it would come out, of which nothing is made. */
static int start_head(struct exchange *x, struct filter_chain *chain, bool changes, bool last)
{
    const struct exchange_ops *base = chain->base;
    chain_remove(x, chain);
    if (changes)
        base->discard(x);
    return changes || !last ? base->commit_head(x) : 0;
}

/* What was collected goes through the filters: first it has to get out of the place where their output goes. */
static int start_body(struct exchange *x, struct filter_chain *chain, bool last)
{
    const char *held;
    char small[HELD_SMALL], *copy = small;
    size_t len = chain->base->written(x, &held);
    if (len > sizeof small && !(copy = arena_alloc(&x->arena, len)))
        return WEIR_ENOMEM;
    if (len > 0) {
        memcpy(copy, held, len);
        chain->base->discard(x);
    }
    int error = last ? 0 : chain->base->commit_head(x);
    if (!error)
        error = chain_pass(x, chain, copy, len);
    if (copy != small)
        arena_shrink(&x->arena, copy, len, 0);
    return error;
}

/*
 * The head is due: response middleware and the filters have their say, and what was collected goes through those that
 * take part. If none does, or there is an error, the exchange has no filters afterwards, unless the head is out. last:
 * the body is complete, so that what comes out may get a length and the head stays uncommitted.
 */
static int chain_start(struct exchange *x, bool last)
{
    struct filter_chain *chain = chain_own(x);
    struct reply *r = &x->reply;
    if (!last)
        r->phase = REPLY_SEALING;
    (void)x->http->host->before_head(x); /* may make the reply if there is none yet */
    if (r->phase == REPLY_SEALING)
        r->phase = REPLY_OPEN;
    if (chain_of(x) != chain || chain->state != FILTER_WAITS)
        return 0;
    bool complete = reply_reopen(r);
    int64_t length = body_length(x, last);
    r->phase = REPLY_SEALING;
    chain->busy = true;
    int error = chain_begin(x, chain, &length);
    chain->busy = false;
    r->phase = REPLY_OPEN;
    if (error || !chain->first) {
        chain_remove(x, chain);
    } else {
        bool changes = length < 0;
        chain->state = FILTER_RUNS;
        chain->left = r->length;
        r->length = length;
        error = reply_is_bodyless(r) ? start_head(x, chain, changes, last) : start_body(x, chain, last);
        if (error && chain_of(x) == chain && !reply_is_committed(r))
            chain_remove(x, chain);
    }
    if (complete)
        reply_set_complete(r);
    return error;
}

/* ---- The handler's calls ---- */

/* Whether a body may be written to; the exchange's own operations know. */
static int write_check(struct exchange *x, const struct filter_chain *chain)
{
    return chain->base->write(x, "", 0);
}

/* Room below for len further bytes that wait for the head, if there will be memory to take them out again; or NULL. */
static char *hold_place(struct exchange *x, const struct filter_chain *chain, size_t len)
{
    if (chain->state != FILTER_WAITS)
        return NULL;
    size_t most = arena_room(&x->arena) / 2, held = x->body_sent;
    if (most < HELD_SMALL)
        most = HELD_SMALL;
    return held < most && len <= most - held ? chain->base->place(x, len) : NULL;
}

static int chain_write(struct exchange *x, const char *data, size_t len)
{
    struct filter_chain *chain = chain_own(x);
    int error = write_check(x, chain);
    if (error || len == 0)
        return error;
    if (chain->state == FILTER_RUNS)
        return chain_pass(x, chain, data, len);
    if (len > INT64_MAX || (x->reply.length >= 0 && (int64_t)len > x->reply.length - (int64_t)x->body_sent))
        return WEIR_ETOOBIG;
    char *to = hold_place(x, chain, len);
    if (to) {
        memcpy(to, data, len);
        return chain->base->commit(x, len);
    }
    error = chain_start(x, false);
    return error ? error : x->ops->write(x, data, len);
}

static char *chain_reserve(struct exchange *x, size_t min, size_t *room, int *error)
{
    struct filter_chain *chain = chain_own(x);
    *error = write_check(x, chain);
    if (*error)
        return NULL;
    if (chain->state == FILTER_RUNS)
        return filter_room(chain->first, x, room, error);
    for (size_t len = DATA_PIECE; len >= EXCHANGE_RESERVE_MAX; len /= 2) {
        char *to = hold_place(x, chain, len);
        if (to) {
            *room = len;
            return to;
        }
    }
    *error = chain_start(x, false);
    return *error ? NULL : x->ops->reserve(x, min, room, error);
}

static int chain_commit(struct exchange *x, size_t len)
{
    struct filter_chain *chain = chain_own(x);
    if (chain->state == FILTER_WAITS)
        return chain->base->commit(x, len);
    return len > 0 ? chain_pass(x, chain, chain->first->room, len) : 0;
}

static char *chain_place(struct exchange *x, size_t len)
{
    return hold_place(x, chain_own(x), len);
}

/* Whether the handler may have its bytes on their way; the exchange's own operations say why not. */
static bool is_open(const struct exchange *x)
{
    return !x->gone && !reply_is_complete(&x->reply) && x->reply.phase != REPLY_SEALING;
}

static int chain_flush(struct exchange *x)
{
    struct filter_chain *chain = chain_own(x);
    if (is_open(x)) {
        int error = chain->state == FILTER_WAITS ? chain_start(x, false) : 0;
        if (error)
            return error;
        if (chain_of(x) != chain)
            return x->ops->flush(x);
        error = chain_flush_filters(x, chain);
        if (error)
            return error;
    }
    return chain->base->flush(x);
}

/* Before a wait: what has been written is to be seen, so that the filters are flushed. */
static int push_filters(struct exchange *x, struct filter_chain *chain)
{
    const char *held;
    int error = 0;
    if (chain->state == FILTER_WAITS && chain->base->written(x, &held) > 0)
        error = chain_start(x, false);
    if (!error && chain_of(x) == chain && chain->unflushed)
        error = chain_flush_filters(x, chain);
    return error;
}

static int chain_push(struct exchange *x)
{
    struct filter_chain *chain = chain_own(x);
    const struct exchange_ops *base = chain->base;
    if (chain->busy) /* the exchange's fiber has had its share; a body that ends may still get a length */
        return reply_is_committed(&x->reply) ? base->push(x) : 0;
    int error = is_open(x) ? push_filters(x, chain) : 0;
    if (unlikely(error) && !x->gone) { /* as where what is written cannot be sent: nobody looks at what is returned */
        http_refused(x->http, REFUSAL_BROKEN_REPLY, weir_strerror(error));
        exchange_break(x);
    }
    return error ? error : base->push(x);
}

/* Filters that have begun, or were about to when the handler was ended, cannot begin again: what takes the place of
 * their reply goes out without them. */
static void chain_discard(struct exchange *x)
{
    struct filter_chain *chain = chain_own(x);
    const struct exchange_ops *base = chain->base;
    if ((chain->state == FILTER_RUNS || chain->busy) && !reply_is_committed(&x->reply))
        chain_remove(x, chain);
    base->discard(x);
}

/* Makes the exchange a chain, or finds the one that it has. 0 or an error. */
static int chain_make(struct exchange *x, struct filter_chain **made)
{
    struct filter_chain *chain = chain_of(x);
    if (reply_is_committed(&x->reply))
        return WEIR_ECOMMITTED;
    if (chain && (chain->state != FILTER_WAITS || chain->busy))
        return WEIR_EDONE;
    if (!chain) {
        const char *held;
        chain = arena_alloc(&x->arena, sizeof *chain);
        size_t len = x->ops->written(x, &held);
        if (!chain || (len > HELD_SMALL && len > arena_room(&x->arena)))
            return WEIR_ENOMEM;
        *chain = (struct filter_chain){.ops = *x->ops, .base = x->ops, .left = -1, .state = FILTER_WAITS};
        chain->ops.reserve = chain_reserve;
        chain->ops.commit = chain_commit;
        chain->ops.place = chain_place;
        chain->ops.write = chain_write;
        chain->ops.flush = chain_flush;
        chain->ops.push = chain_push;
        chain->ops.discard = chain_discard;
        x->ops = &chain->ops;
        x->special = true; /* the end of its request looks at more than most do */
    }
    *made = chain;
    return 0;
}

int filter_add(struct exchange *x, struct reply_filter *f)
{
    struct filter_chain *chain;
    int error = chain_make(x, &chain);
    if (error)
        return error;
    f->room = NULL;
    f->next = chain->first;
    chain->first = f;
    return 0;
}

int filter_append(struct exchange *x, struct reply_filter *f)
{
    struct filter_chain *chain;
    int error = chain_make(x, &chain);
    if (error)
        return error;
    struct reply_filter **last = &chain->first;
    while (*last)
        last = &(*last)->next;
    f->room = NULL;
    f->next = NULL;
    *last = f;
    return 0;
}

/* ---- The end ---- */

/* The body of a one-call reply that is not collected: bytes that lie elsewhere, or a file. */

#define FILE_PIECE       ((size_t)4096)
#define FILE_PIECE_SMALL ((size_t)1024) /* where request memory has run out */
#define FILE_AHEAD       ((size_t)256 * 1024)

struct read_job {
    int fd;
    char *to;
    size_t len;
    int64_t offset;
    ssize_t result;
};

static int read_offloaded(void *arg)
{
    struct read_job *job = arg;
    (void)readahead(job->fd, job->offset, FILE_AHEAD);
    job->result = pread(job->fd, job->to, job->len, job->offset);
    return 0;
}

/* The next piece of a file, on another thread where a disk would be waited for. Bytes, or an error; also at the file's
 * end, which has come too early. */
static ssize_t read_piece(struct exchange *x, struct read_job *job)
{
    struct iovec part = {.iov_base = job->to, .iov_len = job->len};
    job->result = preadv2(job->fd, &part, 1, job->offset, RWF_NOWAIT);
    if (job->result < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)) {
        bool may_wait = !x->http->admission.limited || admission_hold(x, true);
        if (!may_wait || offload_run(x->http->offload, x->http->net->loop, read_offloaded, job) != 0)
            (void)read_offloaded(job);
    }
    return job->result > 0 ? job->result : WEIR_EIO;
}

static int pass_file(struct exchange *x, struct filter_chain *chain, struct segment *file)
{
    char small[FILE_PIECE_SMALL], *large = arena_alloc(&x->arena, FILE_PIECE);
    size_t most = large ? FILE_PIECE : sizeof small;
    int error = 0;
    while (!error && file->len > 0) {
        struct read_job job = {.fd = file->file->fd,
                               .to = large ? large : small,
                               .len = file->len < most ? (size_t)file->len : most,
                               .offset = file->offset};
        ssize_t n = read_piece(x, &job);
        if (n < 0) {
            http_log_failure(x, "a file could not be read to its end");
            return (int)n;
        }
        error = chain_pass(x, chain, job.to, (size_t)n);
        file->offset += n;
        file->len = (file->len - (uint64_t)n) & SEGMENT_LEN_MASK;
    }
    return error;
}

/* What x->reply.body held is let go of by whoever ends the reply. */
static int pass_body(struct exchange *x, struct filter_chain *chain)
{
    struct segment *body = &x->reply.body;
    if (body->len == 0)
        return 0;
    if (body->kind == SEGMENT_SOURCE) /* several ranges, of which a handler has made another status than 206 */
        return WEIR_EINVAL;
    if (body->kind == SEGMENT_FILE)
        return pass_file(x, chain, body);
    int error = chain_pass(x, chain, body->data, (size_t)body->len);
    body->len = 0;
    return error;
}

static int chain_finish(struct exchange *x, struct filter_chain *chain)
{
    bool complete = reply_reopen(&x->reply);
    int error = pass_body(x, chain);
    if (!error)
        error = chain_finish_filters(x, chain);
    if (complete)
        reply_set_complete(&x->reply);
    if (!error && chain->left > 0) {
        http_log_failure(x, "its handler wrote %lld bytes less than it announced", (long long)chain->left);
        error = WEIR_EPROTO;
    }
    return error;
}

int filter_finish(struct exchange *x)
{
    struct filter_chain *chain = chain_of(x);
    if (!chain)
        return 0;
    int error = 0;
    if (chain->busy) /* the handler was ended within it: what the filters hold is in pieces */
        error = WEIR_EPROTO;
    else if (!x->gone && chain->state == FILTER_WAITS)
        error = chain_start(x, true);
    if (chain_of(x) != chain)
        return error;
    if (!error && !x->gone)
        error = chain_finish(x, chain);
    chain_remove(x, chain);
    return error;
}

void filter_drop(struct exchange *x)
{
    struct filter_chain *chain = chain_of(x);
    debug_assert(!chain || chain->state == FILTER_WAITS);
    if (chain)
        chain_remove(x, chain);
}

bool filter_is_there(const struct exchange *x)
{
    return chain_of(x) != NULL;
}

bool filter_counts_length(const struct exchange *x)
{
    const struct filter_chain *chain = chain_of(x);
    return chain && chain->left >= 0;
}
