/*
 * Sending to a live stream, piece by piece, and what topics deliver to it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/live/stream.h"
#include "web/context.h"
#include "web/live/event.h"

size_t live_stream_size(void)
{
    return sizeof(struct live_stream);
}

size_t live_work_size(void)
{
    return sizeof(struct live_work);
}

size_t live_further_size(void)
{
    return sizeof(struct live_subscription);
}

static struct web *live_web(const struct http *http)
{
    return http->owner;
}

static const struct live_kind *kind_of(const struct live_stream *l)
{
    return container_of(l->duplex.user, struct live_kind, user);
}

/* ---- Beginning, work, and the end ---- */

/* Lets go of what is under way. */
static void work_drop(struct live_work *w)
{
    if (w->piece == LIVE_PIECE_MESSAGE && !w->borrowed)
        message_unref(w->message);
    w->piece = LIVE_PIECE_NONE;
    w->message = NULL;
    w->said = 0;
    w->batch_taken = w->batch_count; /* nobody asks for more */
}

struct live_stream *live_take(struct http *http)
{
    struct live_stream *l = pool_take(&live_web(http)->live.streams);
    if (l)
        memset(l, 0, sizeof *l);
    return l;
}

static _Atomic uint64_t *figure_of(struct http *http, const struct live_kind *kind)
{
    return (_Atomic uint64_t *)(void *)((char *)&live_web(http)->live.figures + kind->figure);
}

void live_leave(struct exchange *x, struct live_stream *l, const struct live_kind *kind)
{
    counter_add(figure_of(x->http, kind), 1);
    exchange_leave(x, &l->duplex, &kind->user);
}

void live_free(struct http *http, struct live_stream *l)
{
    live_unsubscribe_all(http, l);
    struct live_work *w = live_work_of(l);
    if (w) {
        work_drop(w);
        if (w->early)
            spill_give(http, w->early);
        w->early = NULL;
        w->keeps = false;
        live_rest(http, l);
    }
    debug_assert(!live_work_of(l));
    if (l->duplex.user) /* else it has never been left */
        counter_subtract(figure_of(http, kind_of(l)), 1);
    pool_give(&live_web(http)->live.streams, l);
}

struct live_work *live_work(struct http *http, struct live_stream *l)
{
    struct live_work *w = live_work_of(l);
    if (w)
        return w;
    w = pool_take(&live_web(http)->live.works);
    if (!w)
        return NULL;
    memset(w, 0, offsetof(struct live_work, saying));
    w->stream = l;
    w->data = l->has.data;
    l->has.work = w;
    l->rest.driver |= LIVE_WORKS;
    return w;
}

void live_rest(struct http *http, struct live_stream *l)
{
    struct live_work *w = live_work_of(l);
    if (!w || w->keeps || w->early || w->event || w->further || w->writer || w->batch || w->said > 0 ||
        w->piece != LIVE_PIECE_NONE)
        return;
    l->has.data = w->data;
    l->rest.driver &= (uint16_t)~LIVE_WORKS;
    pool_give(&live_web(http)->live.works, w);
}

/* ---- The piece under way ---- */

static void piece_set(struct live_work *w, enum live_piece piece, struct iovec first, struct iovec second)
{
    w->piece = piece;
    w->parts[0] = first;
    w->parts[1] = second;
    w->part_count = second.iov_len > 0 ? 2 : 1;
}

static struct iovec part_of(struct slice bytes)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len};
}

/* Makes m the piece under way. False: this kind cannot be sent it. */
static bool piece_message(struct live_work *w, struct message *m, bool borrowed)
{
    struct slice bytes = kind_of(w->stream)->encode(w->stream, m);
    if (bytes.len == 0)
        return false;
    w->message = m;
    w->borrowed = borrowed;
    piece_set(w, LIVE_PIECE_MESSAGE, part_of(bytes), (struct iovec){.iov_len = 0});
    return true;
}

/* The next message of a subscription that lags. False: it has none. */
static bool piece_lagging(struct http *http, struct live_work *w, struct subscription *s)
{
    while (subscription_lags(s)) {
        struct message *m;
        int result = subscription_next(s, &m);
        if (result < 0)
            live_end_soon(http, w->stream, LIVE_OVERRUN);
        if (result <= 0)
            return false;
        if (piece_message(w, m, false))
            return true;
        message_unref(m);
    }
    return false;
}

/* The next piece, where none is under way. False: there is nothing. */
static bool piece_next(struct http *http, struct live_work *w)
{
    weir_assert(w);
    if (w->said > 0) {
        piece_set(w, LIVE_PIECE_SAID, (struct iovec){.iov_base = w->saying, .iov_len = w->said},
                  (struct iovec){.iov_len = 0});
        return true;
    }
    if (w->writer && w->writer_result == 0) {
        piece_set(w, LIVE_PIECE_SENT, w->writing[0], w->writing[1]);
        return true;
    }
    if (w->stream->rest.driver & LIVE_IN_PARTS)
        return false;
    while (w->batch && w->batch_taken < w->batch_count)
        if (piece_message(w, w->batch[w->batch_taken++], true))
            return true;
    if (piece_lagging(http, w, &w->stream->first))
        return true;
    for (struct live_subscription *s = w->further; s; s = s->next)
        if (piece_lagging(http, w, &s->base))
            return true;
    return false;
}

static void piece_over(struct live_work *w)
{
    enum live_piece piece = w->piece;
    w->piece = LIVE_PIECE_NONE;
    switch (piece) {
    case LIVE_PIECE_SAID:
        w->said = 0;
        break;
    case LIVE_PIECE_SENT:
        w->writer_result = 1;
        fiber_wake(w->writer, 0);
        break;
    case LIVE_PIECE_MESSAGE:
        if (!w->borrowed)
            message_unref(w->message);
        w->message = NULL;
        break;
    case LIVE_PIECE_NONE:
        break;
    }
}

/* Whether messages of the batch follow the piece under way, whatever happens: nothing else waits to be sent. */
static bool batch_follows(const struct live_work *w)
{
    return w->batch && w->piece == LIVE_PIECE_MESSAGE && w->said == 0 && !w->writer;
}

int live_peek(struct http *http, struct duplex *d, struct iovec *parts, int most)
{
    struct live_stream *l = live_of(d);
    struct live_work *w = live_work_of(l);
    bool lags = !w && !(l->rest.driver & LIVE_IN_PARTS) && subscription_lags(&l->first); /* others have work */
    if (lags)
        w = live_work(http, l);
    if (!w || (w->piece == LIVE_PIECE_NONE && !piece_next(http, w)))
        return 0;
    int count = 0;
    for (; count < w->part_count && count < most; count++)
        parts[count] = w->parts[count];
    if (!batch_follows(w))
        return count;
    for (size_t i = w->batch_taken; i < w->batch_count && count < most; i++) {
        struct slice bytes = kind_of(l)->encode(l, w->batch[i]);
        if (bytes.len == 0)
            break;
        parts[count++] = part_of(bytes);
    }
    return count;
}

void live_took(struct http *http, struct duplex *d, size_t n)
{
    struct live_work *w = live_work_there(live_of(d));
    while (n > 0) {
        struct iovec *part = &w->parts[0];
        if (n < part->iov_len) {
            part->iov_base = (char *)part->iov_base + n;
            part->iov_len -= n;
            return;
        }
        n -= part->iov_len;
        w->parts[0] = w->parts[1];
        if (--w->part_count > 0)
            continue;
        piece_over(w);
        if (n > 0)
            (void)piece_next(http, w); /* which live_peek() has given as well */
    }
}

void live_sent(struct http *http, struct duplex *d)
{
    live_rest(http, live_of(d));
}

void live_lost(struct http *http, struct duplex *d, int error)
{
    struct live_stream *l = live_of(d);
    (void)error;
    live_event_tell(l, NEWS_HALF_CLOSED);
    live_unsubscribe_all(http, l);
    struct live_work *w = live_work_of(l); /* unless further subscriptions were all that kept it */
    if (!w)
        return;
    bool waits = w->writer && w->writer_result == 0;
    work_drop(w);
    if (waits) {
        w->writer_result = WEIR_ECLOSED;
        fiber_wake(w->writer, 0);
    }
}

/* ---- What is sent beside messages ---- */

bool live_say(struct http *http, struct live_stream *l, const char *bytes, size_t len)
{
    struct live_work *w = duplex_is_there(&l->duplex) ? live_work(http, l) : NULL;
    debug_assert(len <= LIVE_SAID_MAX);
    if (!w || w->said > 0)
        return false;
    memcpy(w->saying, bytes, len);
    w->said = (uint8_t)len;
    duplex_send(http, &l->duplex);
    return true;
}

int live_send(struct http *http, struct live_stream *l, struct slice head, struct slice data)
{
    struct fibers *fibers = &http->net->loop->fibers;
    struct live_work *w = duplex_is_there(&l->duplex) ? live_work(http, l) : NULL;
    if (!w)
        return duplex_is_there(&l->duplex) ? WEIR_ENOMEM : WEIR_ECLOSED;
    debug_assert(!w->writer);
    w->writer = fibers->current;
    w->writer_result = 0;
    w->writing[0] = part_of(head.len > 0 ? head : data);
    w->writing[1] = part_of(head.len > 0 ? data : slice_of(NULL, 0));
    duplex_send(http, &l->duplex);
    while (w->writer_result == 0) {
        bool may_wait = duplex_before_wait(http, &l->duplex); /* which may send */
        if (w->writer_result != 0)
            break;
        if (may_wait)
            (void)fiber_park(fibers);
        else
            w->writer_result = WEIR_ENOMEM;
    }
    int result = w->writer_result;
    if (result < 0 && w->piece == LIVE_PIECE_SENT) {
        w->piece = LIVE_PIECE_NONE; /* half of it is out, and no other piece can follow */
        l->rest.driver |= LIVE_CLOSING | LIVE_GIVEN_UP;
    }
    w->writer = NULL;
    live_rest(http, l);
    return result < 0 ? result : 0;
}

/* ---- Subscriptions ---- */

static struct http *http_of(const struct topic_worker *worker)
{
    const struct net *n = worker->loop->owner;
    return n->owner;
}

/* Hands messages to l, on behalf of one of its subscriptions: as many as it takes at once. */
static size_t deliver(struct http *http, struct live_stream *l, struct message *const *messages, size_t count)
{
    struct live_work *w = live_work_of(l);
    bool parted = l->rest.driver & LIVE_IN_PARTS;
    bool busy = parted || (w && (w->piece != LIVE_PIECE_NONE || w->said > 0 || (w->writer && w->writer_result == 0)));
    if (busy || !duplex_is_there(&l->duplex) || !(w = live_work(http, l)))
        return 0; /* lags, and is asked when what is under way is over, or by the next look() */
    w->batch = messages;
    w->batch_count = count;
    w->batch_taken = 0;
    duplex_send(http, &l->duplex);
    if (w->piece == LIVE_PIECE_MESSAGE && w->borrowed) {
        message_ref(w->message); /* half of it is out */
        w->borrowed = false;
    }
    size_t taken = w->batch_taken; /* all, if it was lost: the subscription has gone then */
    w->batch = NULL;
    w->batch_count = w->batch_taken = 0;
    live_rest(http, l);
    return taken;
}

size_t live_deliver_first(struct topic_worker *worker, struct subscription *s, struct message *const *messages,
                          size_t count)
{
    return deliver(http_of(worker), container_of(s, struct live_stream, first), messages, count);
}

size_t live_deliver_further(struct topic_worker *worker, struct subscription *s, struct message *const *messages,
                            size_t count)
{
    return deliver(http_of(worker), container_of(s, struct live_subscription, base)->stream, messages, count);
}

void live_overrun_first(struct topic_worker *worker, struct subscription *s)
{
    live_end_soon(http_of(worker), container_of(s, struct live_stream, first), LIVE_OVERRUN);
}

void live_overrun_further(struct topic_worker *worker, struct subscription *s)
{
    live_end_soon(http_of(worker), container_of(s, struct live_subscription, base)->stream, LIVE_OVERRUN);
}

void live_end_soon(struct http *http, struct live_stream *l, enum live_flags why)
{
    l->rest.driver = (uint16_t)(l->rest.driver | LIVE_CLOSING | why);
    if (duplex_is_there(&l->duplex))
        duplex_queue(http, &l->duplex);
}

/* Takes a place for a further subscription; NULL: no memory. */
static struct live_subscription *further_take(struct http *http, struct live_stream *l)
{
    struct live_work *w = live_work(http, l);
    struct live_subscription *s = w ? pool_take(&live_web(http)->live.further) : NULL;
    if (!s) {
        live_rest(http, l);
        return NULL;
    }
    *s = (struct live_subscription){.stream = l, .next = w->further};
    w->further = s;
    return s;
}

static void further_give(struct http *http, struct live_stream *l, struct live_subscription **at)
{
    struct live_subscription *s = *at;
    *at = s->next;
    unsubscribe(&s->base);
    pool_give(&live_web(http)->live.further, s);
    live_rest(http, l);
}

int live_subscribe(struct http *http, struct live_stream *l, struct slice name, const weir_topic_start *start)
{
    struct topic_worker *worker = &live_web(http)->topics;
    const struct live_kind *kind = kind_of(l);
    struct live_subscription *further = NULL;
    if (l->first.reader && !(further = further_take(http, l)))
        return WEIR_ENOMEM;
    struct subscription *s = further ? &further->base : &l->first;
    int result = subscribe(worker, name, further ? &kind->further : &kind->first, start, s);
    if (result < 0 && further)
        further_give(http, l, &live_work_there(l)->further);
    if (result > 0 && duplex_is_there(&l->duplex))
        duplex_send(http, &l->duplex);
    return result < 0 ? result : 0;
}

bool live_is_subscribed(const struct live_stream *l, struct slice name)
{
    if (l->first.reader && slice_equal(subscription_topic(&l->first), name))
        return true;
    const struct live_work *w = live_work_of(l);
    for (const struct live_subscription *s = w ? w->further : NULL; s; s = s->next)
        if (s->base.reader && slice_equal(subscription_topic(&s->base), name))
            return true;
    return false;
}

int live_unsubscribe(struct http *http, struct live_stream *l, struct slice name)
{
    if (l->first.reader && slice_equal(subscription_topic(&l->first), name)) {
        unsubscribe(&l->first);
        return 0;
    }
    struct live_work *w = live_work_of(l);
    for (struct live_subscription **at = w ? &w->further : NULL; at && *at; at = &(*at)->next)
        if (slice_equal(subscription_topic(&(*at)->base), name)) {
            further_give(http, l, at);
            return 0;
        }
    return WEIR_ENOENT;
}

void live_unsubscribe_all(struct http *http, struct live_stream *l)
{
    unsubscribe(&l->first);
    for (struct live_work *w; (w = live_work_of(l)) && w->further;)
        further_give(http, l, &w->further);
}
