/*
 * An HTTP/2 connection as the loop sees it: readiness, timers, rest, the stop and the end. All of that is taken on the
 * loop's own stack; whatever may run a handler is queued for a fiber and goes on in read.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/h2.h"
#include "http/linger.h"
#include "http/request_log.h"

size_t http_h2_record_size(const struct http_host *host)
{
    return sizeof(struct h2_stream) + host->context_size;
}

size_t http_h2_live_size(void)
{
    return sizeof(struct h2);
}

size_t http_h2_rest_size(void)
{
    return sizeof(struct h2_kept);
}

size_t http_h2_table_size(void)
{
    return sizeof(struct hpack_table);
}

size_t http_h2_input_size(void)
{
    return H2_INPUT_SIZE;
}

size_t http_h2_worker_size(void)
{
    return memory_whole_pages(H2_INPUT_SIZE + H2_OUTPUT_SIZE);
}

/* ---- Rest ---- */

/* Whether the dynamic table is there and not used for long: its size is to be announced as 0. */
static bool is_to_park(const struct h2_kept *k)
{
    return k->hpack.table && k->table == H2_TABLE_OFFERED;
}

/* No request is alive, not even in part, and nothing of one is about to be served. */
static bool h2_is_idle(const struct connection *c)
{
    const struct h2_kept *k = c->active;
    return c->state == H2_REST && !(c->ready & READY_QUEUED) && !k->partial && !is_to_park(k);
}

/* Takes a record for a connection that has something to say, or is to be told something. NULL: no memory. */
static struct h2 *h2_wake(struct http *http, struct connection *c)
{
    struct h2_kept *k = c->active;
    struct h2 *h = http_take(http, &http->h2_lives);
    if (!h)
        return NULL;
    counter_add(&http->counters.h2_live, 1);
    memset(h, 0, offsetof(struct h2, out));
    output_init(&h->out);
    h->kept = *k;
    pool_give(&http->h2_rests, k);
    h->http = http;
    h->conn = c;
    h->wake_tick = loop_now_ms(http->net->loop);
    h2_turns_init(&h->turns);
    c->active = h;
    c->state = H2_LIVE;
    return h;
}

/* How long a connection rests before something is done about it, in ms. */
static uint32_t rest_time(const struct http *http, const struct h2_kept *k)
{
    uint32_t idle = http->settings->idle_timeout_ms;
    if (k->partial)
        return http->settings->header_timeout_ms;
    return is_to_park(k) && H2_PARK_MS < idle ? H2_PARK_MS : idle;
}

/* Nothing is alive: what has to be remembered is all that stays. */
static void h2_rest(struct h2 *h)
{
    struct http *http = h->http;
    struct connection *c = h->conn;
    struct h2_kept *k = http_take(http, &http->h2_rests);
    if (!k)
        return; /* the live record is kept in its place */
    *k = h->kept;
    pool_give(&http->h2_lives, h);
    counter_subtract(&http->counters.h2_live, 1);
    c->active = k;
    c->state = H2_REST;
    if (k->partial && (c->flags & H2_FRAME_TIMED))
        return;
    c->flags = k->partial ? c->flags | H2_FRAME_TIMED : 0;
    connection_deadline(http->net, c, rest_time(http, k));
}

static void kept_free(struct http *http, struct h2_kept *k)
{
    hpack_decoder_done(&k->hpack, &http->h2_tables);
    if (k->partial)
        spill_give(http, k->partial);
}

static void rest_close(struct net *n, struct connection *c, bool reset)
{
    struct http *http = n->owner;
    kept_free(http, c->active);
    pool_give(&http->h2_rests, c->active);
    connection_close(n, c, reset);
}

/* ---- The end ---- */

/* Gives back all that a live connection had, and closes it, at once or when the client has read what was sent. */
static void h2_close(struct h2 *h)
{
    struct http *http = h->http;
    struct net *n = http->net;
    struct connection *c = h->conn;
    bool reset = h->ending == H2_DEAD;
    bool linger = !reset && !h->input_ended && !(c->ready & READY_GONE);
    debug_assert(h->streams == 0 && http->h2.output_of != h && http->h2.input_of != h);
    if (h->block)
        spill_give(http, h->block);
    if (h->own)
        spill_give(http, h->own);
    kept_free(http, &h->kept);
    pool_give(&http->h2_lives, h);
    counter_subtract(&http->counters.h2_live, 1);
    c->active = NULL;
    if (linger)
        http_linger(n, c);
    else
        connection_close(n, c, reset);
}

static void goaway_send(struct h2 *h, uint32_t last, uint32_t error, const char *why)
{
    uint8_t frame[H2_GOAWAY_LEN(64)];
    size_t len = why && strlen(why) < 64 ? strlen(why) : 0;
    uint8_t *end = h2_write_goaway(frame, last, error, slice_of(why, len));
    h2_control(h, frame, (size_t)(end - frame));
}

static void stream_lost(struct h2_stream *s, int error)
{
    h2_stream_lost(s, error);
}

void h2_fail(struct h2 *h, uint32_t error, enum refusal cause, const char *why)
{
    if (h->ending >= H2_FAILED)
        return;
    http_refused_request(h->http, h->conn, NULL, cause, why);
    goaway_send(h, h->kept.last_stream, error, why);
    if (h->ending >= H2_FAILED)
        return;
    h->ending = H2_FAILED;
    h2_each_stream(h, stream_lost, WEIR_ECLOSED);
    h2_unwait_all(h);
}

void h2_die(struct h2 *h, int error)
{
    if (h->ending == H2_DEAD)
        return;
    h->ending = H2_DEAD;
    output_discard(&h->out, error);
    h->out.flow.held = false; /* nor is what the transport has, which nobody flushes any more */
    h2_each_stream(h, stream_lost, error);
    h2_unwait_all(h);
}

void h2_go_away(struct h2 *h)
{
    if (h->ending >= H2_GOING)
        return;
    h->ending = H2_GOING;
    goaway_send(h, h->kept.last_stream, H2_NO_ERROR, NULL);
}

/* The server stops: streams that are on their way are still taken, for as long as the client cannot know. */
static void announce_stop(struct h2 *h)
{
    if (h->ending != H2_OPEN)
        return;
    if (!h->kept.settings_sent)
        h2_begin(h);
    h->ending = H2_ANNOUNCED;
    goaway_send(h, H2_STREAM_MAX, H2_NO_ERROR, NULL);
    connection_deadline(h2_net(h), h->conn, H2_STOP_GRACE_MS);
}

static struct output_limits output_limits(const struct h2 *h)
{
    const struct http_settings *settings = h->http->settings;
    return (struct output_limits){.stall_ms = settings->write_timeout_ms,
                                  .window_ms = settings->write_window_ms,
                                  .min_rate = settings->write_min_rate};
}

/* Whether a frame, or a header block, has come in part. */
static bool is_incomplete(const struct h2 *h)
{
    return h->kept.partial || h->block;
}

/* Milliseconds until the acknowledgement of our first settings is overdue (RFC 9113 section 6.5.3); 0 or less: it is.
 * Those of later ones are not asked for: what the client is sent before them may take it any time to receive. The time
 * at rest does not count: a client may look at the connection only when it has a request. */
static int32_t settings_left(const struct h2 *h)
{
    uint32_t most = h->http->settings->header_timeout_ms;
    if (likely(h->kept.settings_known) || most == TIMER_DELAY_MAX || h->ending >= H2_FAILED)
        return INT32_MAX;
    return ticks_between(loop_now_ms(h2_net(h)->loop), tick_after(h->wake_tick, loop_delay(most)));
}

void h2_arm(struct h2 *h)
{
    struct connection *c = h->conn;
    const struct http_settings *settings = h->http->settings;
    uint32_t ms = settings->header_timeout_ms;
    if (h->out.blocked) {
        struct output_limits limits = output_limits(h);
        ms = output_interval(&limits);
    } else if (h->ending == H2_ANNOUNCED || (is_incomplete(h) && (c->flags & H2_FRAME_TIMED))) {
        return; /* the time until the second GOAWAY runs, or that for the frame */
    } else if (!is_incomplete(h)) {
        bool waits = h->streams == 0 && h2_may_hear_late(h) && settings->idle_timeout_ms > H2_LEFTOVER_MS;
        c->flags &= (uint8_t) ~(H2_FRAME_TIMED | H2_LOOKED);
        ms = waits ? H2_LEFTOVER_MS : settings->idle_timeout_ms;
    } else {
        c->flags |= H2_FRAME_TIMED;
    }
    int32_t left = settings_left(h);
    connection_deadline(h2_net(h), c, left <= 0 ? 1 : (uint32_t)left < ms ? (uint32_t)left : ms);
}

void h2_settle(struct h2 *h)
{
    struct connection *c = h->conn;
    if (h->reader || h->sending || h->warming || (c->ready & READY_QUEUED))
        return;
    bool held = h->out.flow.held && h->ending != H2_DEAD;
    if (h->streams > 0 || !output_empty(&h->out) || held) {
        h2_arm(h);
        if (!h->out.blocked && (h->out.count > 0 || held || h2_has_turn(h)))
            connection_queue(h2_net(h), c); /* the turn was over, and no event would tell that there is room */
        return;
    }
    if (h->ending >= H2_GOING || h->input_ended) {
        h2_close(h);
        return;
    }
    h2_arm(h);
    if (h->ending == H2_OPEN && !h->block && !h->in_frame && !h2_may_hear_late(h))
        h2_rest(h);
}

/* ---- The protocol's table ---- */

static void h2_opened(struct net *n, struct connection *c, const char *data, size_t len)
{
    struct http *http = n->owner;
    struct h2_kept *k = http_take(http, &http->h2_rests);
    struct spill *partial = k && len > 0 ? spill_take_any(http, len) : NULL;
    if (!k || (len > 0 && !partial)) {
        if (k)
            pool_give(&http->h2_rests, k);
        http_refused_request(http, c, NULL, REFUSAL_MEMORY, "no memory for an HTTP/2 connection");
        connection_close(n, c, false);
        return;
    }
    if (partial)
        memcpy(partial->data, data, len);
    *k = (struct h2_kept){.partial = partial,
                          .send_window = H2_WINDOW_DEFAULT,
                          .receive_window = H2_WINDOW_DEFAULT,
                          .peer_window = H2_WINDOW_DEFAULT,
                          .faults_tick = loop_now_ms(n->loop)};
    hpack_decoder_init(&k->hpack);
    c->active = k;
    c->state = H2_REST;
    connection_deadline(n, c, http->settings->idle_timeout_ms);
    connection_queue(n, c); /* what it has to say may be there already, and the poller does not watch it yet */
}

/* A connection that was queued is not served: it is cut, the client has gone, or there is no memory. */
static COLD void close_unserved(struct net *n, struct connection *c)
{
    if (!n->cutting && !(c->ready & READY_GONE))
        http_refused_request(n->owner, c, NULL, REFUSAL_MEMORY, "no memory for a request");
    rest_close(n, c, n->cutting);
}

static void run_failed(struct h2 *h)
{
    while (h->failed) {
        struct h2_stream *s = h->failed;
        h->failed = s->next_wanting;
        s->failed = false;
        h2_resume_failed(s);
    }
}

static void h2_run(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    struct h2 *h = c->active;
    if (c->state == H2_REST && (n->cutting || (c->ready & READY_GONE) || !(h = h2_wake(http, c)))) {
        close_unserved(n, c);
        return;
    }
    if (c->ready & READY_GONE)
        h2_die(h, WEIR_ECLOSED);
    run_failed(h);
    h2_run_left(h);
    if (n->draining)
        announce_stop(h);
    h2_serve(h);
}

/* What waits to be sent goes on, and what waits to be read. */
static void live_ready(struct net *n, struct h2 *h)
{
    struct connection *c = h->conn;
    if (c->ready & READY_GONE) {
        h2_die(h, WEIR_ECLOSED);
    } else if ((c->ready & READY_WRITE) && h->out.blocked && !h->warming) {
        (void)h2_send(h, false);
        h2_output_leave(h);
        if (h->ending < H2_FAILED && !h->out.blocked)
            h2_arm(h);
    }
    if ((c->ready & READY_READ) && h->ending < H2_FAILED && !h->input_ended)
        connection_queue(n, c);
    h2_settle(h);
}

static void h2_ready(struct net *n, struct connection *c, uint32_t events)
{
    switch ((enum h2_state)c->state) {
    case H2_REST:
        if (c->ready & READY_QUEUED)
            break;
        if (c->ready & READY_GONE)
            rest_close(n, c, false);
        else if (events & (POLLER_READ | POLLER_HALF_CLOSED))
            connection_queue(n, c);
        break;
    case H2_LIVE:
        live_ready(n, c->active);
        break;
    }
}

/* A time is over. Timers come before events, and a process that stood still finds both at once: what came meanwhile is
 * looked for, once. */
static bool late_input(struct net *n, struct connection *c)
{
    if ((c->flags & H2_LOOKED) || !connection_events(n, c, POLLER_READ))
        return false;
    c->flags |= H2_LOOKED;
    c->ready |= READY_READ;
    connection_queue(n, c);
    connection_deadline(n, c, 1); /* unless what came makes another one */
    return true;
}

/* Sends what has just been composed on the loop's own stack. */
static void send_and_settle(struct h2 *h)
{
    (void)h2_send(h, false);
    h2_output_leave(h);
    h2_settle(h);
}

/* Our settings have not been acknowledged in time. Until they are, each stream may take more than there is room for,
 * see h2_window_early(). What has come meanwhile is looked for first, once. */
static COLD void settings_expired(struct net *n, struct h2 *h)
{
    struct connection *c = h->conn;
    if (!(c->flags & H2_SETTINGS_LOOKED) && connection_events(n, c, POLLER_READ)) {
        c->flags |= H2_SETTINGS_LOOKED;
        c->ready |= READY_READ;
        connection_queue(n, c);
        connection_deadline(n, c, 1);
        return;
    }
    h2_fail(h, H2_SETTINGS_TIMEOUT, REFUSAL_H2_SETTINGS, NULL);
    send_and_settle(h);
}

static void live_expired(struct net *n, struct h2 *h)
{
    struct connection *c = h->conn;
    if (settings_left(h) <= 0) {
        settings_expired(n, h);
        return;
    }
    if (h->out.blocked) {
        struct output_limits limits = output_limits(h);
        enum output_pace pace = output_check(&h->out, n, c, &limits);
        if (pace != OUTPUT_KEEPS_UP) {
            http_refused_request(h->http, c, NULL, pace == OUTPUT_SLOW ? REFUSAL_WRITE_RATE : REFUSAL_WRITE_TIMEOUT,
                                 NULL);
            h2_die(h, WEIR_ETIMEDOUT);
        }
        h2_settle(h);
        return;
    }
    bool late = h->streams == 0 && h2_may_hear_late(h);
    if (late)
        h2_hear_late_no_more(h);
    if (h->ending == H2_ANNOUNCED) {
        h2_go_away(h);
    } else if (is_incomplete(h)) {
        if ((c->flags & H2_FRAME_TIMED) && !late_input(n, c))
            h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_HEADER_TIMEOUT, NULL);
    } else if (h->streams == 0 && !late && h->ending == H2_OPEN && !late_input(n, c)) {
        http_refused_request(h->http, c, NULL, REFUSAL_IDLE_TIMEOUT, NULL); /* in the middle of DATA for nobody */
        h2_go_away(h);
    }
    send_and_settle(h);
}

/* At rest: the dynamic table is given up, or the connection is. */
static void rest_expired(struct net *n, struct connection *c)
{
    struct http *http = n->owner;
    const struct h2_kept *k = c->active;
    bool park = is_to_park(k) && !n->draining;
    if (!park && late_input(n, c))
        return;
    struct h2 *h = h2_wake(http, c);
    if (!h) {
        rest_close(n, c, false);
        return;
    }
    if (park) {
        h2_announce_table(h, 0);
    } else if (is_incomplete(h)) {
        h2_fail(h, H2_PROTOCOL_ERROR, REFUSAL_HEADER_TIMEOUT, NULL);
    } else {
        http_refused_request(http, c, NULL, REFUSAL_IDLE_TIMEOUT, NULL);
        h2_go_away(h);
    }
    send_and_settle(h);
}

static void h2_expired(struct net *n, struct connection *c)
{
    if (c->ready & READY_QUEUED) {
        connection_deadline(n, c, 1);
        return;
    }
    switch ((enum h2_state)c->state) {
    case H2_REST:
        rest_expired(n, c);
        break;
    case H2_LIVE:
        live_expired(n, c->active);
        break;
    }
}

static void stream_news(struct h2_stream *s, int news)
{
    exchange_wake_for_news(&s->x, (enum exchange_news)news);
    if (s->left != H2_LEFT_NOT && news == NEWS_STOP)
        h2_left_drain(s);
}

/* Tells the streams that the server stops. What they say to that is sent afterwards, and h stays until then. */
static void drain_streams(struct h2 *h)
{
    bool sending = h->sending;
    h->sending = true;
    h2_each_stream(h, stream_news, NEWS_STOP);
    h->sending = sending;
}

static void h2_drain_connection(struct net *n, struct connection *c)
{
    struct h2 *h = c->active;
    switch ((enum h2_state)c->state) {
    case H2_REST: /* what it has to say is looked for first */
        c->ready |= READY_READ;
        connection_queue(n, c);
        break;
    case H2_LIVE:
        announce_stop(h);
        drain_streams(h);
        send_and_settle(h);
        break;
    }
}

static void stream_cut(struct h2_stream *s, int arg)
{
    (void)arg;
    if (s->running && !s->x.cut && !s->x.gone)
        http_log_failure(&s->x, "cut: the server stops, and stop_timeout_ms are over");
    s->x.cut = true;
}

static void h2_cut(struct net *n, struct connection *c)
{
    struct h2 *h = c->active;
    switch ((enum h2_state)c->state) {
    case H2_REST:
        if (!(c->ready & READY_QUEUED))
            rest_close(n, c, true);
        break;
    case H2_LIVE:
        h2_each_stream(h, stream_cut, 0);
        h2_die(h, WEIR_ECANCELED);
        h2_settle(h);
        break;
    }
}

static WRAPS uint32_t h2_stalled(struct net *n, struct connection *c)
{
    const struct http *http = n->owner;
    struct h2 *h = c->active;
    uint32_t since;
    if (c->ready & READY_QUEUED)
        return 0;
    if (c->state == H2_REST) { /* the kernel may hold a whole reply that the client has not taken */
        const struct h2_kept *k = c->active;
        if (k->partial)
            return 0;
        since = c->deadline - loop_delay(rest_time(http, k));
    } else {
        if (!h->out.blocked || h->ending == H2_DEAD)
            return 0;
        output_look(&h->out, n, c);
        since = h->out.watch.progress;
    }
    int32_t ms = (int32_t)(loop_now_ms(n->loop) - since);
    return ms > 0 ? (uint32_t)ms : 0;
}

static void h2_give_up(struct net *n, struct connection *c)
{
    struct h2 *h = c->active;
    http_refused_request(n->owner, c, NULL, REFUSAL_KERNEL_MEMORY, NULL);
    if (c->state == H2_REST) {
        rest_close(n, c, true);
        return;
    }
    h2_die(h, WEIR_ETIMEDOUT);
    h2_settle(h);
}

static void h2_close_idle(struct net *n, struct connection *c)
{
    rest_close(n, c, false);
}

const struct protocol http_protocol_h2 = {
    .opened = h2_opened,
    .ready = h2_ready,
    .expired = h2_expired,
    .run = h2_run,
    .drain = h2_drain_connection,
    .cut = h2_cut,
    .stalled = h2_stalled,
    .give_up = h2_give_up,
    .idle = h2_is_idle,
    .close_idle = h2_close_idle,
};
