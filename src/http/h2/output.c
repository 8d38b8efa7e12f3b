/*
 * The output of an HTTP/2 connection: frames are composed in the worker's output and queued; what is then unsent when
 * the connection leaves that moves to a block of its own.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/request_log.h"

/* The worker's output is this connection's from here on. */
static inline struct http_h2 *output_enter(struct h2 *h)
{
    struct http_h2 *worker = &h->http->h2;
    debug_assert(!worker->output_of || worker->output_of == h);
    if (!worker->output_of || h->out.regions == 0)
        worker->composed = 0;
    worker->output_of = h;
    return worker;
}

/* Bytes of the queue that lie in the worker's output, or in the connection's block. */
static size_t region_bytes(struct output *o)
{
    size_t len = 0;
    for (unsigned i = 0; i < o->count; i++)
        if (output_at(o, i)->kind == SEGMENT_REGION)
            len += output_at(o, i)->len;
    return len;
}

/* Joins segments of the region that follow each other, in the queue and in memory. */
static void regions_join(struct output *o)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < o->count; i++) {
        struct segment s = *output_at(o, i);
        struct segment *last = kept > 0 ? output_at(o, kept - 1) : NULL;
        if (last && s.kind == SEGMENT_REGION && last->kind == SEGMENT_REGION && last->data + last->len == s.data) {
            last->len = (last->len + s.len) & SEGMENT_LEN_MASK;
            o->regions--;
        } else {
            *output_at(o, kept++) = s;
        }
    }
    o->count = (uint8_t)kept;
}

/* Moves what is composed and unsent to a block of its size. False: no memory. */
static bool regions_move(struct h2 *h)
{
    size_t len = region_bytes(&h->out);
    struct spill *before = h->own, *block = NULL;
    if (len > 0) {
        block = len <= SPILL_MOST ? spill_take_any(h->http, len) : NULL;
        if (!block)
            return false;
        char *to = block->data;
        for (unsigned i = 0; i < h->out.count; i++) {
            struct segment *s = output_at(&h->out, i);
            if (s->kind != SEGMENT_REGION)
                continue;
            memcpy(to, s->data, s->len);
            s->data = to;
            to += s->len;
        }
        regions_join(&h->out);
    }
    if (before)
        spill_give(h->http, before);
    h->own = block;
    return true;
}

void h2_output_leave(struct h2 *h)
{
    struct http_h2 *worker = &h->http->h2;
    if (worker->output_of == h) {
        worker->output_of = NULL;
        worker->composed = 0;
        if (h->out.regions > 0 && !regions_move(h)) {
            http_refused_request(h->http, h->conn, NULL, REFUSAL_MEMORY, "no memory to keep frames that are not taken");
            h2_die(h, WEIR_ENOMEM);
        }
    }
    if (h->own && h->out.regions == 0) {
        spill_give(h->http, h->own);
        h->own = NULL;
    }
}

/* Sends what there is to make room for a frame, but does not wait. */
static void make_room(struct h2 *h)
{
    h->composing = true;
    (void)h2_send(h, true);
    h->composing = false;
}

bool h2_has_room(struct h2 *h)
{
    if (unlikely(!h->out.blocked && !output_has_room(&h->out, H2_BATCH_SEGMENTS)))
        make_room(h);
    return !h->out.blocked && output_has_room(&h->out, H2_BATCH_SEGMENTS);
}

/* Whether what is composed next has a place in the queue, or joins what is there. */
static bool has_place(struct h2 *h, const struct http_h2 *worker)
{
    const struct segment *last = h->out.count > 0 ? output_at(&h->out, h->out.count - 1u) : NULL;
    bool joins = last && last->kind == SEGMENT_REGION && last->data + last->len == worker->output + worker->composed;
    return joins || output_has_room(&h->out, 1);
}

char *h2_compose(struct h2 *h, size_t len)
{
    struct http_h2 *worker = output_enter(h);
    debug_assert(len <= H2_COMPOSE_SIZE);
    if (h->ending == H2_DEAD)
        return NULL;
    if (unlikely(worker->composed + len > H2_COMPOSE_SIZE || !has_place(h, worker))) {
        make_room(h);
        worker = output_enter(h);
        if (h->ending != H2_DEAD && (worker->composed + len > H2_COMPOSE_SIZE || !has_place(h, worker))) {
            if (!regions_move(h) || !output_has_room(&h->out, 1)) {
                http_refused_request(h->http, h->conn, NULL, REFUSAL_MEMORY, "no memory for frames that are not taken");
                h2_die(h, WEIR_ENOMEM);
            }
            worker->composed = 0;
        }
        if (h->ending == H2_DEAD)
            return NULL;
    }
    return worker->output + worker->composed;
}

void h2_composed(struct h2 *h, const char *frames, size_t len)
{
    struct http_h2 *worker = &h->http->h2;
    debug_assert(worker->output_of == h && frames == worker->output + worker->composed);
    worker->composed += (uint32_t)len;
    output_push_region(&h->out, frames, len);
}

void h2_control(struct h2 *h, const void *frame, size_t len)
{
    char *to = h2_compose(h, len);
    if (!to)
        return;
    memcpy(to, frame, len);
    h2_composed(h, to, len);
    h->unsent_control += (uint32_t)len;
}

void h2_stream_unpin_now(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    unsigned begin = 0;
    if (s->pinned == 0)
        return;
    for (unsigned i = 0; i < h->out.count; i++) {
        const struct segment *call = output_at(&h->out, i);
        if (call->kind != SEGMENT_CALL)
            continue;
        for (unsigned k = begin; k < i && call->call == h2_stream_unpin && call->arg == s; k++) {
            struct segment *part = output_at(&h->out, k);
            if (part->kind != SEGMENT_STATIC)
                continue;
            part->kind = SEGMENT_REGION;
            h->out.regions++;
        }
        begin = i + 1;
    }
    (void)output_enter(h);
    if (!regions_move(h))
        h2_die(h, WEIR_ENOMEM);
    h->http->h2.composed = 0;
}

/* ---- Sending ---- */

/* The stream of the file at the queue's front: the call behind its bytes tells. */
static struct h2_stream *front_stream(struct h2 *h)
{
    for (unsigned i = 0; i < h->out.count; i++) {
        const struct segment *s = output_at(&h->out, i);
        if (s->kind == SEGMENT_CALL && s->call == h2_stream_unpin)
            return s->arg;
    }
    return NULL;
}

/* Fetches the next part of the file at the front into memory, on another thread. Others are served meanwhile, and
 * nobody else sends on this connection. */
static void output_warm(struct h2 *h)
{
    struct h2_stream *s = front_stream(h);
    h->out.warm = true; /* if it cannot be fetched, it is sent all the same */
    if (h->http->admission.limited && (!s || !admission_hold(&s->x, true)))
        return;
    struct output_piece piece = output_cold_piece(&h->out);
    if (!h2_leave(h)) {
        file_unref(piece.file);
        return;
    }
    h2_output_leave(h);
    h->warming = true;
    bool blocked = h->out.blocked;
    h->out.blocked = false;
    (void)offload_run(h->http->offload, h2_net(h)->loop, output_piece_fetch, &piece);
    h->out.blocked = blocked && h->ending != H2_DEAD;
    h->out.watch.progress = loop_now_ms(h2_net(h)->loop); /* the client did not keep this side waiting */
    h->warming = false;
    file_unref(piece.file);
}

/* Reads what comes next, which the transport cannot send itself, into the worker's output. Its bytes or an error. */
static ssize_t output_read(struct h2 *h)
{
    struct http_h2 *worker = output_enter(h);
    return output_fill(&h->out, worker->output + H2_COMPOSE_SIZE, H2_FILL_SIZE);
}

/* The output is broken at what is at its front, or the client has gone. Returns the error. */
static COLD int output_break(struct h2 *h, int result)
{
    int error = result == OUTPUT_SHORT ? WEIR_EIO : result;
    bool unread = h->out.count > 0 && segment_is_unread(output_at(&h->out, 0));
    struct h2_stream *s = unread ? front_stream(h) : NULL;
    if (s && error != WEIR_ECLOSED && error != WEIR_ETIMEDOUT)
        http_log_failure(&s->x, "a file could not be sent to its end: %s", weir_strerror(error));
    h2_die(h, error);
    return error;
}

/* output_send(), with cold files fetched, and read where they have to be. */
static int output_send_filled(struct h2 *h, bool more)
{
    struct net *n = h2_net(h);
    ssize_t filled = 0;
    int result = output_send(&h->out, n, h->conn, more);
    while (result == OUTPUT_COLD || result == OUTPUT_FILL) {
        if (result == OUTPUT_FILL && filled < (ssize_t)OUTPUT_TURN_BYTES) {
            ssize_t got = output_read(h);
            if (got < 0)
                return (int)got;
            filled += got;
        } else if (result == OUTPUT_FILL || !n->loop->fibers.current || h->composing) {
            h->out.blocked = false;
            return OUTPUT_TURN; /* goes on after others, or on a fiber */
        } else {
            output_warm(h);
            if (h->ending == H2_DEAD)
                return WEIR_ECLOSED;
        }
        result = output_send(&h->out, n, h->conn, more);
    }
    return result;
}

/* One look at what streams have to send, and one go at sending it. *again: there may be more. */
static int send_once(struct h2 *h, bool more, bool *again)
{
    bool was_blocked = h->out.blocked;
    *again = was_blocked || h2_cut_frames(h);
    if (output_empty(&h->out) && likely(more || !h->out.flow.held))
        return 0;
    int result = output_send_filled(h, more);
    if (result == 0)
        h->unsent_control = 0;
    if (transport_wants(result) && !was_blocked)
        h2_arm(h);
    return result;
}

int h2_send(struct h2 *h, bool more)
{
    if (unlikely(h->ending == H2_DEAD))
        return WEIR_ECLOSED;
    if (unlikely(h->sending || h->warming))
        return h->warming ? TRANSPORT_WANT_WRITE : 0;
    uint64_t before = h->out.sent;
    int result;
    bool again;
    do {
        h->sending = true;
        result = send_once(h, more, &again);
        h->sending = false;
        if (unlikely(h->ending == H2_DEAD))
            return WEIR_ECLOSED;
        if (result == 0 && again && h->out.sent - before >= OUTPUT_TURN_BYTES)
            result = OUTPUT_TURN;
    } while (result == 0 && again);
    if (result == OUTPUT_TURN)
        connection_queue(h2_net(h), h->conn); /* no event would tell that there is room */
    if (result == 0 || result == OUTPUT_TURN || transport_wants(result))
        return result;
    return output_break(h, result);
}
