/*
 * The transport of a connection with lean records.
 *
 * A read receives into the worker's buffer, once where that gives something, and no more than fits the caller's room
 * or ends the record that has begun; each record is opened there in place, and its plaintext copied out when its tag
 * has been verified. What is left is held: the begin of a record, or the end of one for which there was no room.
 *
 * A write puts plaintext into the worker's output behind the place of a header and seals it there, once. What the
 * kernel does not take then is ciphertext that waits, and nothing more is taken before it is sent.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "base/system.h"
#include "net/tls/lean_mode.h"
#include "net/tls/openssl.h"
#include "weir.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_MORE ((size_t)LEAN_RECORD_MAX - LEAN_PLAIN_MAX) /* bytes by which a record is longer at most */

_Static_assert(LEAN_RECORD_MAX <= TLS_IN_SIZE, "a whole record has room in the worker's input");
_Static_assert(TLS_BATCH *(LEAN_PLAIN_MAX + LEAN_OVERHEAD_MAX) + LEAN_KEY_UPDATE_LEN + LEAN_OVERHEAD_MAX <=
                   TLS_OUT_SIZE,
               "so have the largest that are sealed and a KeyUpdate before them");

static struct lean_connection *lean_of(const struct tls_connection *t)
{
    return t->mode;
}

/* ---- Sealing ---- */

/* Where the plaintext of the next record goes. */
static inline uint8_t *next_text(const struct tls_connection *t)
{
    const struct tls_worker *w = t->worker;
    return (uint8_t *)w->out + w->out_len + lean_front(lean_of(t)->session.suite);
}

/* Whether the output has room for a record of len bytes, and for a KeyUpdate before it. */
static inline bool has_room(const struct tls_connection *t, size_t len)
{
    return tls_out_room(t->worker) >= len + LEAN_KEY_UPDATE_LEN + 2 * (size_t)LEAN_OVERHEAD_MAX;
}

/* Seals the len bytes at next_text(). False: nothing can be sealed any more. */
static bool seal_next(struct tls_connection *t, enum lean_type type, size_t len)
{
    struct tls_worker *w = t->worker;
    struct lean_session *s = &lean_of(t)->session;
    size_t whole = lean_seal(&lean_worker_of(w)->records, &s->out, s->suite, type, (uint8_t *)w->out + w->out_len, len);
    w->out_len += whole;
    return whole > 0;
}

static bool seal_alert(struct tls_connection *t, enum lean_alert alert)
{
    return has_room(t, LEAN_ALERT_LEN) && seal_next(t, LEAN_ALERT, lean_put_alert(next_text(t), alert));
}

/* Replaces the key of one side. */
static bool next_key(struct tls_connection *t, struct lean_side *side)
{
    struct lean_session *s = &lean_of(t)->session;
    lean_records_forget(&lean_worker_of(t->worker)->records, side, s->suite);
    return lean_side_update(side, s->suite);
}

/* Whether the peer has to be asked for another key, since it has used this one long enough. */
static inline bool peer_is_worn(const struct lean_session *s)
{
    return s->suite.tls13 && !s->post.asked && lean_side_is_worn(&s->in, s->suite);
}

static inline bool update_is_due(const struct lean_session *s)
{
    return s->suite.tls13 && ((s->flags & LEAN_OWES) || lean_side_is_worn(&s->out, s->suite) || peer_is_worn(s));
}

/* Says that our key changes, and changes it. */
static COLD bool seal_update(struct tls_connection *t)
{
    struct lean_session *s = &lean_of(t)->session;
    bool ask = peer_is_worn(s);
    if (!seal_next(t, LEAN_HANDSHAKE, lean_put_key_update(next_text(t), ask)) || !next_key(t, &s->out))
        return false;
    s->post.asked = s->post.asked || ask;
    s->flags &= (uint8_t)~LEAN_OWES;
    return true;
}

/* Seals the len bytes at next_text() as data. */
static inline bool seal_text(struct tls_connection *t, size_t len)
{
    if (!seal_next(t, LEAN_DATA, len))
        return false;
    tls_grow(t, len);
    tls_count(t->worker, TLS_MODE_BYTES_OUT, len);
    return true;
}

/* As that, or moves them behind a KeyUpdate that is due. */
static inline bool seal_data(struct tls_connection *t, size_t len)
{
    if (unlikely(update_is_due(&lean_of(t)->session))) {
        memcpy(t->worker->plain, next_text(t), len);
        if (!seal_update(t))
            return false;
        memcpy(next_text(t), t->worker->plain, len);
    }
    return seal_text(t, len);
}

/* The connection cannot go on: the peer is told if it can be, and every call fails from here on. */
static COLD int lean_break(struct tls_connection *t, int alert, int error)
{
    if (t->state == TLS_OPEN && alert != 0 && seal_alert(t, (enum lean_alert)alert))
        (void)tls_send(t, false);
    t->worker->out_len = 0;
    t->state = TLS_BROKEN;
    ERR_clear_error();
    return error;
}

/* ---- Reading ---- */

/* Puts what is held of a record into the worker's input, and receives what is missing of it, or as much as len bytes of
 * plaintext may take where none has begun. 1: there is something to open; 0: the stream has ended; TRANSPORT_WANT_READ,
 * or an error, of which *alert tells the peer. *drained: the socket has no more, and an event will tell when it has. */
static int receive(struct tls_connection *t, size_t len, int *alert, bool *drained)
{
    struct tls_worker *w = t->worker;
    struct lean_connection *l = lean_of(t);
    size_t have = l->held ? l->held->cipher : 0, want;
    debug_assert(!l->held || l->held->plain == 0);
    if (have > 0)
        memcpy(w->in, l->held->data + l->held->at, have);
    w->in_pos = 0;
    w->in_len = have;
    if (have >= LEAN_HEADER) {
        int whole = lean_record_length(l->session.suite, (const uint8_t *)w->in);
        if (whole < 0) {
            *alert = -whole;
            return WEIR_EPROTO;
        }
        if ((size_t)whole <= have)
            return 1;
        want = (size_t)whole - have;
    } else {
        want = (len < LEAN_PLAIN_MAX ? len + RECORD_MORE : LEAN_RECORD_MAX) - have;
    }
    ssize_t got = system_recv(t->c.fd, w->in + have, want, MSG_DONTWAIT);
    *drained = got > 0 && (size_t)got < want && !(t->c.ready & READY_HALF_CLOSED);
    if (*drained)
        connection_drained(&t->c);
    if (got > 0)
        w->in_len += (size_t)got;
    if (got >= 0)
        return got > 0;
    if (errno != EAGAIN && errno != EINTR)
        return error_from_errno(errno);
    connection_drained(&t->c);
    return TRANSPORT_WANT_READ;
}

/* Does what a record means beside data. 0, or an alert. */
static COLD int act(struct tls_connection *t, int meaning)
{
    struct lean_session *s = &lean_of(t)->session;
    if ((meaning & LEAN_NEW_KEY) && !next_key(t, &s->in))
        return LEAN_INTERNAL_ERROR;
    if (meaning & LEAN_WANTS_UPDATE)
        s->flags |= LEAN_OWES;
    if (meaning & LEAN_IS_CLOSED)
        s->flags |= LEAN_CLOSED;
    if ((meaning & LEAN_REFUSE_HELLO) && t->state == TLS_OPEN && !seal_alert(t, LEAN_NO_RENEGOTIATION))
        return LEAN_INTERNAL_ERROR;
    return 0;
}

/* What open_records() has come to. */
struct opened {
    size_t len;             /* bytes that were given to the caller */
    struct lean_plain rest; /* plaintext for which there was no room */
    int alert, error;       /* 0, or why the connection is broken; the alert is to be sent */
};

/* Opens the record of `whole` bytes that the input begins with. False: nothing behind it is to be looked at now. */
static bool open_record(struct tls_connection *t, size_t whole, uint8_t *buf, size_t len, struct opened *o)
{
    struct tls_worker *w = t->worker;
    struct lean_session *s = &lean_of(t)->session;
    struct lean_plain plain;
    int type = lean_open(&lean_worker_of(w)->records, &s->in, s->suite, (uint8_t *)w->in + w->in_pos, whole,
                         s->plain_most, &plain);
    int meaning = type < 0 ? type : lean_post_take(&s->post, s->suite, type, &plain);
    w->in_pos += whole;
    if (likely(meaning == LEAN_IS_DATA)) {
        size_t room = len - o->len, take = plain.len < room ? plain.len : room;
        memcpy(buf + o->len, plain.data, take);
        o->len += take;
        o->rest = (struct lean_plain){plain.data + take, plain.len - take};
        return o->rest.len == 0;
    }
    if (meaning < 0 || (meaning & LEAN_IS_GONE)) {
        o->alert = meaning < 0 ? -meaning : 0;
        o->error = meaning < 0 ? WEIR_EPROTO : WEIR_ECLOSED;
        return false;
    }
    o->alert = act(t, meaning);
    o->error = o->alert ? WEIR_EPROTO : 0;
    return o->alert == 0 && !(s->flags & LEAN_CLOSED);
}

/* Opens what has come, as many whole records as fit into buf, and at least one. */
static void open_records(struct tls_connection *t, uint8_t *buf, size_t len, struct opened *o)
{
    struct tls_worker *w = t->worker;
    *o = (struct opened){.rest = {(uint8_t *)w->in, 0}};
    bool more = true;
    while (more && w->in_len - w->in_pos >= LEAN_HEADER) {
        int whole = lean_record_length(lean_of(t)->session.suite, (const uint8_t *)w->in + w->in_pos);
        if (whole < 0) {
            o->alert = -whole;
            o->error = WEIR_EPROTO;
            return;
        }
        if ((size_t)whole > w->in_len - w->in_pos ||
            (o->len > 0 && (size_t)whole > len - o->len + LEAN_HEADER + LEAN_TAG))
            return;
        more = open_record(t, (size_t)whole, buf, len, o);
    }
}

/* Receives and opens once. *over: what is returned is the read's result; else there is more to try. */
static ssize_t read_once(struct tls_connection *t, uint8_t *buf, size_t len, bool *over)
{
    struct tls_worker *w = t->worker;
    struct lean_worker *lean = lean_worker_of(w);
    struct lean_connection *l = lean_of(t);
    struct opened o;
    bool drained = false;
    int alert = 0, got = receive(t, len, &alert, &drained);
    *over = true;
    if (got == TRANSPORT_WANT_READ)
        return got;
    if (got == 0) { /* without close_notify: nobody knows whether that was all */
        tls_count(w, TLS_TRUNCATED, 1);
        return lean_break(t, 0, WEIR_ECLOSED);
    }
    if (got < 0)
        return lean_break(t, alert, got);
    open_records(t, buf, len, &o);
    if (unlikely(o.error != 0)) {
        int error = lean_break(t, o.alert, o.error);
        connection_received(&t->c); /* the next read tells of it, if this one gives what came before */
        return o.len > 0 ? (ssize_t)o.len : error;
    }
    if (l->session.flags & LEAN_CLOSED)
        w->in_pos = w->in_len; /* what comes behind is nobody's */
    if (l->held || o.rest.len > 0 || w->in_pos < w->in_len) {
        if (!lean_hold(lean, l, o.rest.data, o.rest.len, (const uint8_t *)w->in + w->in_pos, w->in_len - w->in_pos))
            return lean_break(t, LEAN_INTERNAL_ERROR, WEIR_ENOMEM);
    }
    *over = o.len > 0 || drained || (l->session.flags & LEAN_CLOSED);
    return o.len > 0 || !drained || (l->session.flags & LEAN_CLOSED) ? (ssize_t)o.len : TRANSPORT_WANT_READ;
}

/* Bytes that read() gives at once: plaintext, or a record that is whole. */
static size_t lean_pending(const struct connection *c)
{
    const struct tls_connection *t = tls_of_const(c);
    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return 0;
    const struct lean_held *held = lean_of(t)->held;
    if (!held)
        return 0;
    if (held->plain > 0 || held->cipher < LEAN_HEADER)
        return held->plain;
    int whole = lean_record_length(lean_of(t)->session.suite, held->data + held->at);
    return whole < 0 || whole <= held->cipher ? 1 : 0;
}

/* What a read has given rise to: answers, a KeyUpdate that the peer is asked for. 0, or an error. */
static COLD int answer(struct tls_connection *t)
{
    if (t->state == TLS_OPEN && peer_is_worn(&lean_of(t)->session) && has_room(t, LEAN_KEY_UPDATE_LEN) &&
        !seal_update(t))
        return lean_break(t, 0, WEIR_EPROTO);
    int sent = t->worker->out_len > 0 ? tls_send(t, false) : 0;
    return sent < 0 && !transport_wants(sent) ? lean_break(t, 0, sent) : 0;
}

static ssize_t lean_read(struct connection *c, void *buf, size_t len)
{
    struct tls_connection *t = tls_of(c);
    struct lean_connection *l = lean_of(t);
    if (unlikely(t->state != TLS_OPEN && t->state != TLS_ENDED))
        return WEIR_ECLOSED;
    ssize_t got = (ssize_t)lean_take_plain(lean_worker_of(t->worker), l, buf, len);
    bool over = got > 0;
    while (!over) {
        if (l->session.flags & LEAN_CLOSED)
            return 0;
        got = read_once(t, buf, len, &over);
    }
    if (got < 0 && !transport_wants(got))
        return got;
    if (unlikely(t->worker->out_len > 0 || peer_is_worn(&l->session))) {
        int error = answer(t);
        if (error != 0 && got <= 0)
            return error;
    }
    if (unlikely(l->held != NULL) && lean_pending(c) > 0)
        connection_received(c);
    if (got > 0)
        tls_count(t->worker, TLS_MODE_BYTES_IN, (uint64_t)got);
    return got;
}

/* ---- Writing ---- */

/* Copies the next len bytes of the parts, which begin at *offset of the first. Moves on. */
static void gather(const struct iovec **part, size_t *offset, uint8_t *to, size_t len)
{
    while (len > 0) {
        const struct iovec *p = *part;
        size_t rest = p->iov_len - *offset, take = rest < len ? rest : len;
        if (take > 0)
            memcpy(to, (const char *)p->iov_base + *offset, take);
        to += take;
        len -= take;
        *offset += take;
        if (*offset == p->iov_len) {
            ++*part;
            *offset = 0;
        }
    }
}

/* The plaintext of the next record, of `left` bytes. */
static inline size_t record_size(struct tls_connection *t, size_t left)
{
    size_t size = tls_record_size(t), most = lean_of(t)->session.plain_most;
    size = size < most ? size : most;
    return size < left ? size : left;
}

/* Ends a call that has sealed `taken` bytes: they go out. Bytes taken, or why there are none. */
static ssize_t written(struct tls_connection *t, struct flow *f, size_t taken, bool more)
{
    int sent = tls_send(t, more);
    if (unlikely(sent < 0 && !transport_wants(sent)))
        return lean_break(t, 0, sent);
    f->held = t->unsent != NULL || more;
    return taken > 0 ? (ssize_t)taken : sent;
}

static ssize_t lean_write(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more)
{
    struct tls_connection *t = tls_of(c);
    if (unlikely(t->state != TLS_OPEN))
        return WEIR_ECLOSED;
    int result = t->unsent ? tls_send_unsent(t) : 0;
    if (unlikely(result != 0))
        return transport_wants(result) ? result : lean_break(t, 0, result);
    size_t len = 0, taken = 0, offset = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    while (taken < len && result == 0) {
        size_t size = record_size(t, len - taken);
        if (!has_room(t, size) && (result = tls_send(t, true)) != 0)
            break;
        gather(&parts, &offset, next_text(t), size);
        if (unlikely(!seal_data(t, size)))
            return lean_break(t, 0, WEIR_EPROTO);
        taken += size;
    }
    if (unlikely(result < 0 && !transport_wants(result)))
        return lean_break(t, 0, result);
    return written(t, f, taken, more);
}

/* Reads a part of a file into the output, which is empty, to where it is sealed: up to `batch` of the largest records,
 * or one behind a KeyUpdate that is due. Bytes, 0 at the file's end, or an error. */
static ssize_t seal_file(struct tls_connection *t, int fd, int64_t offset, size_t most, size_t batch)
{
    struct lean_suite suite = lean_of(t)->session.suite;
    struct iovec parts[TLS_BATCH];
    int count = 0;
    bool due = update_is_due(&lean_of(t)->session);
    batch = due ? 1 : batch;
    t->worker->out = tls_apart(t->worker->out_room, offset);
    for (uint8_t *text = next_text(t); batch > 0 && most > 0; batch--) {
        size_t size = most < LEAN_PLAIN_MAX ? most : LEAN_PLAIN_MAX;
        parts[count++] = (struct iovec){.iov_base = text, .iov_len = size};
        text += size + lean_behind(suite) + lean_front(suite);
        most -= size;
    }
    ssize_t got = preadv(fd, parts, count, offset);
    if (got <= 0)
        return got < 0 ? error_from_errno(errno) : 0;
    for (size_t left = (size_t)got, size; left > 0; left -= size) {
        size = left < LEAN_PLAIN_MAX ? left : LEAN_PLAIN_MAX;
        if (!(due ? seal_data(t, size) : seal_text(t, size)))
            return WEIR_EPROTO;
    }
    return got;
}

/* As that, in records of less than the largest: read at once. */
static ssize_t seal_small(struct tls_connection *t, int fd, int64_t offset, size_t most)
{
    char *plain = t->worker->in; /* which holds nothing between calls, as a record may be moved through `plain` */
    ssize_t got = pread(fd, plain, most < LEAN_PLAIN_MAX ? most : LEAN_PLAIN_MAX, offset);
    if (got <= 0)
        return got < 0 ? error_from_errno(errno) : 0;
    for (size_t done = 0, size; done < (size_t)got; done += size) {
        size = record_size(t, (size_t)got - done);
        if (!has_room(t, size)) {
            int sent = tls_send(t, true);
            if (sent < 0)
                return done > 0 && transport_wants(sent) ? (ssize_t)done : sent;
        }
        memcpy(next_text(t), plain + done, size);
        if (!seal_data(t, size))
            return WEIR_EPROTO;
    }
    return got;
}

static ssize_t lean_send_file(struct connection *c, struct flow *f, int fd, int64_t *offset, size_t len)
{
    struct tls_connection *t = tls_of(c);
    if (unlikely(t->state != TLS_OPEN))
        return WEIR_ECLOSED;
    int result = t->unsent ? tls_send_unsent(t) : 0;
    size_t taken = 0;
    while (result == 0 && taken < len) {
        size_t left = len - taken, size = record_size(t, left), batch = tls_batch(t);
        ssize_t got = size < left && size < LEAN_PLAIN_MAX ? seal_small(t, fd, *offset, left)
                                                           : seal_file(t, fd, *offset, left, batch);
        if (got == 0)
            break;
        if (got < 0) {
            result = (int)got;
            break;
        }
        *offset += got;
        taken += (size_t)got;
        result = tls_send(t, taken < len && batch < TLS_BATCH);
    }
    f->held = t->unsent != NULL || taken < len;
    if (result < 0 && !transport_wants(result)) {
        if (t->state == TLS_OPEN && result != WEIR_EPROTO && t->worker->out_len == 0 && taken > 0)
            return (ssize_t)taken; /* the file's error comes again */
        return lean_break(t, 0, result);
    }
    return taken > 0 ? (ssize_t)taken : result;
}

static int lean_flush(struct connection *c, struct flow *f)
{
    struct tls_connection *t = tls_of(c);
    int result = t->unsent ? tls_send_unsent(t) : 0;
    if (result != 0)
        return result;
    if (f->held)
        (void)setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int));
    f->held = false;
    return 0;
}

static bool lean_widen(struct net *n, struct connection *c)
{
    return transport_plain.widen(n, c);
}

static size_t lean_unacknowledged(const struct connection *c)
{
    const struct tls_connection *t = tls_of_const(c);
    size_t unsent = t->unsent ? t->unsent->len - t->unsent->pos : 0;
    return unsent + transport_plain.unacknowledged(c);
}

static void lean_security(const struct connection *c, struct transport_security *s)
{
    const struct tls_connection *t = tls_of_const(c);
    lean_told(lean_of(t), t->worker->net->listeners[t->c.timer.owner_bits].offers, s);
}

/* ---- The end ---- */

/* Says close_notify, once. */
static void notify(struct tls_connection *t)
{
    if (t->state != TLS_OPEN)
        return;
    bool sealed = seal_alert(t, LEAN_CLOSE_NOTIFY);
    t->state = TLS_ENDED;
    if (sealed)
        (void)tls_send(t, false);
}

static int lean_shutdown(struct connection *c)
{
    struct tls_connection *t = tls_of(c);
    notify(t);
    return tls_end_socket(t);
}

static void lean_close(struct connection *c, bool orderly)
{
    struct tls_connection *t = tls_of(c);
    struct lean_worker *w = lean_worker_of(t->worker);
    struct lean_connection *l = lean_of(t);
    if (orderly)
        notify(t);
    tls_drop_unsent(t);
    lean_drop_held(w, l);
    lean_drop_told(w, l);
    lean_records_forget(&w->records, &l->session.in, l->session.suite);
    lean_records_forget(&w->records, &l->session.out, l->session.suite);
    OPENSSL_cleanse(l, sizeof *l);
    pool_give(&w->connections, l);
    t->mode = NULL;
    tls_count(t->worker, TLS_MODE_SESSIONS_CLOSED, 1);
}

const struct transport transport_lean = {
    .capabilities = TRANSPORT_SENDFILE | TRANSPORT_EXACT | TRANSPORT_SECURE,
    .connection_size = sizeof(struct tls_connection),
    .piece = TLS_PLAIN_MAX,
    .opened = tls_opened,
    .handshake = tls_handshake,
    .read = lean_read,
    .write = lean_write,
    .send_file = lean_send_file,
    .flush = lean_flush,
    .widen = lean_widen,
    .pending = lean_pending,
    .unacknowledged = lean_unacknowledged,
    .security = lean_security,
    .shutdown = lean_shutdown,
    .close = lean_close,
};
