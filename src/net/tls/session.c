/*
 * The transport of a TLS connection with OpenSSL's records.
 *
 * A read receives no more than OpenSSL can take in the same call: up to a record's end where one has begun, else no
 * more ciphertext than the caller has room for, of which the plaintext is always less. So nothing is ever left in the
 * worker's buffer, and what OpenSSL may keep is the begin of one record, or the rest of one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"
#include "base/system.h"
#include "net/tls/handshake.h"
#include "net/tls/openssl.h"
#include "weir.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNSENT_READ_MOST ((size_t)4 * 1024) /* with more than that unsent, what OpenSSL answers to is not read */

/* Nothing can be sealed or opened any more; what OpenSSL has to say of that is sent if it can be. */
static COLD int session_break(struct tls_connection *t, int error)
{
    t->state = TLS_BROKEN;
    (void)tls_send(t, false);
    ERR_clear_error();
    return error;
}

/* ---- Reading ---- */

static bool session_holds(const struct tls_connection *t)
{
    const struct tls_bio *kept = BIO_get_data(SSL_get_rbio(t->ssl));
    return SSL_pending(t->ssl) > 0 || !tls_follow_between(&kept->in);
}

/* Counts what OpenSSL holds of a record between two calls. False: there is no memory for it. */
static bool session_account(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    bool holds = session_holds(t), counted = t->flags & TLS_HOLDS;
    if (holds == counted)
        return true;
    if (holds) {
        if (!memory_grant(&w->session_account, TLS_HOLDING_BYTES))
            return false;
        t->flags |= TLS_HOLDS;
    } else {
        memory_return(&w->session_account, TLS_HOLDING_BYTES);
        t->flags &= (uint8_t)~TLS_HOLDS;
    }
    return true;
}

/* What OpenSSL gives of what it has; 0: it wants more. WEIR_ECLOSED: the peer has ended its side in order. */
static ssize_t session_open(struct tls_connection *t, char *buf, size_t len)
{
    size_t total = 0;
    while (total < len && (t->worker->in_pos < t->worker->in_len || SSL_pending(t->ssl) > 0)) {
        size_t got = 0;
        if (SSL_read_ex(t->ssl, buf + total, len - total, &got) > 0) {
            total += got;
            continue;
        }
        int error = SSL_get_error(t->ssl, 0);
        if (error == SSL_ERROR_WANT_READ)
            break;
        t->worker->in_pos = t->worker->in_len;
        if (error == SSL_ERROR_ZERO_RETURN)
            break;
        return session_break(t, WEIR_EPROTO);
    }
    return (ssize_t)total;
}

/* Receives once and opens what has come: its plaintext, or 0 where that was none. *over: nothing more can be had now,
 * and the result is that of the read. */
static ssize_t session_receive(struct tls_connection *t, char *buf, size_t len, bool *over)
{
    const struct tls_bio *kept = BIO_get_data(SSL_get_rbio(t->ssl));
    bool between = tls_follow_between(&kept->in);
    ssize_t got = tls_receive(t, between ? len : tls_follow_need(&kept->in));
    *over = true;
    if (got < 0)
        return got;
    if (got == 0) { /* without close_notify: nobody knows whether that was all */
        tls_count(t->worker, TLS_TRUNCATED, 1);
        return session_break(t, WEIR_ECLOSED);
    }
    *over = false;
    return session_open(t, buf, len);
}

static ssize_t session_read_on(struct tls_connection *t, char *buf, size_t len)
{
    for (;;) {
        bool over;
        if (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN)
            return 0;
        ssize_t got = session_receive(t, buf, len, &over);
        if (got != 0 || over)
            return got;
        if (!(t->c.ready & READY_READ) && !(SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN))
            return TRANSPORT_WANT_READ;
    }
}

static ssize_t session_read(struct connection *c, void *buf, size_t len)
{
    struct tls_connection *t = tls_of(c);
    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return WEIR_ECLOSED;
    if (t->unsent && t->unsent->len - t->unsent->pos > UNSENT_READ_MOST) {
        int sent = tls_send_unsent(t);
        if (sent != 0)
            return sent;
    }
    ERR_clear_error();
    ssize_t got = session_open(t, buf, len);
    if (got == 0)
        got = session_read_on(t, buf, len);
    if (got < 0 && !transport_wants(got))
        return got;
    if (t->worker->out_len > 0) { /* an answer to what came between */
        int sent = tls_send(t, false);
        if (sent < 0 && !transport_wants(sent))
            return session_break(t, sent);
    }
    if (!session_account(t))
        return session_break(t, WEIR_ENOMEM);
    if (SSL_pending(t->ssl) > 0)
        connection_received(c);
    if (got > 0)
        tls_count(t->worker, TLS_BYTES_IN, (uint64_t)got);
    return got;
}

static size_t session_pending(const struct connection *c)
{
    const struct tls_connection *t = tls_of_const(c);
    return t->state == TLS_OPEN ? (size_t)SSL_pending(t->ssl) : 0;
}

/* ---- Writing ---- */

/* Seals len bytes as one record into the worker's output, which has room for it. Errors of others that OpenSSL's queue
 * may hold do not matter: a failure of whatever kind breaks the session, and nobody asks for its reason. */
static bool session_seal(struct tls_connection *t, const char *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t taken = 0;
        if (SSL_write_ex(t->ssl, data + done, len - done, &taken) <= 0)
            return false;
        done += taken;
    }
    tls_grow(t, len);
    tls_count(t->worker, TLS_BYTES_OUT, len);
    return true;
}

/* Bytes of output that len bytes of plaintext may need: a client may ask for records of 512 bytes (RFC 6066). */
static size_t sealed_size(size_t len)
{
    return len + (len / 512 + 1) * 64;
}

/* The next `most` bytes of the parts, which begin at *offset of the first, in one piece: where they lie, or copied to
 * plain. Moves on. */
static const char *gather(const struct iovec **part, size_t *offset, size_t most, char *plain)
{
    const struct iovec *p = *part;
    if (p->iov_len - *offset >= most) {
        const char *at = (const char *)p->iov_base + *offset;
        *offset += most;
        return at;
    }
    for (size_t have = 0; have < most;) {
        size_t rest = p->iov_len - *offset, take = rest < most - have ? rest : most - have;
        memcpy(plain + have, (const char *)p->iov_base + *offset, take);
        have += take;
        *offset += take;
        if (*offset == p->iov_len && have < most) {
            p++;
            *offset = 0;
        }
    }
    *part = p;
    return plain;
}

/* Ends a call that writes: what was sealed goes out. Bytes taken, or why there are none. */
static ssize_t session_written(struct tls_connection *t, struct flow *f, size_t taken, bool more)
{
    int sent = tls_send(t, more);
    if (sent < 0 && !transport_wants(sent))
        return session_break(t, sent);
    f->held = t->unsent != NULL;
    return taken > 0 ? (ssize_t)taken : sent;
}

static ssize_t session_write(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more)
{
    (void)more;
    struct tls_connection *t = tls_of(c);
    if (t->state != TLS_OPEN)
        return WEIR_ECLOSED;
    int result = tls_send_unsent(t);
    if (result != 0)
        return result;
    size_t len = 0, taken = 0, offset = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    while (taken < len) {
        size_t size = tls_record_size(t);
        size = size < len - taken ? size : len - taken;
        if (tls_out_room(t->worker) < sealed_size(size) && (result = tls_send(t, true)) != 0)
            break;
        while (offset == parts->iov_len) {
            parts++;
            offset = 0;
        }
        const char *data = gather(&parts, &offset, size, t->worker->plain);
        if (!session_seal(t, data, size))
            return session_break(t, WEIR_EPROTO);
        taken += size;
    }
    if (result < 0 && !transport_wants(result))
        return session_break(t, result);
    return session_written(t, f, taken, false);
}

/* Seals up to `most` bytes of a file: a record of the largest size, or as much in smaller ones. Bytes, 0 at the file's
 * end, or an error. */
static ssize_t session_seal_file(struct tls_connection *t, int fd, int64_t offset, size_t most)
{
    char *plain = tls_apart(t->worker->plain, offset);
    ssize_t got = pread(fd, plain, most < TLS_PLAIN_MAX ? most : TLS_PLAIN_MAX, offset);
    if (got < 0)
        return error_from_errno(errno);
    for (size_t done = 0, size; done < (size_t)got; done += size) {
        size = tls_record_size(t);
        size = size < (size_t)got - done ? size : (size_t)got - done;
        if (!session_seal(t, plain + done, size))
            return session_break(t, WEIR_EPROTO);
    }
    return got;
}

static ssize_t session_send_file(struct connection *c, struct flow *f, int fd, int64_t *offset, size_t len)
{
    struct tls_connection *t = tls_of(c);
    if (t->state != TLS_OPEN)
        return WEIR_ECLOSED;
    ssize_t result = tls_send_unsent(t), got = 1;
    size_t taken = 0;
    while (result == 0 && got > 0 && taken < len) {
        size_t batch = tls_batch(t), left = batch;
        do {
            got = session_seal_file(t, fd, *offset, len - taken);
            if (t->state != TLS_OPEN)
                return got;
            *offset += got > 0 ? got : 0;
            taken += got > 0 ? (size_t)got : 0;
        } while (got > 0 && --left > 0 && taken < len && tls_out_room(t->worker) >= sealed_size(TLS_PLAIN_MAX));
        result = tls_send(t, got > 0 && taken < len && batch < TLS_BATCH);
    }
    if (result < 0 && !transport_wants(result))
        return session_break(t, (int)result);
    f->held = t->unsent != NULL;
    if (taken > 0)
        return (ssize_t)taken;
    return got < 0 ? got : result; /* the file's error, which comes again where something was taken */
}

static int session_flush(struct connection *c, struct flow *f)
{
    int result = tls_send_unsent(tls_of(c));
    if (result == 0)
        f->held = false;
    return result;
}

static bool session_widen(struct net *n, struct connection *c)
{
    return transport_plain.widen(n, c);
}

static size_t session_unacknowledged(const struct connection *c)
{
    const struct tls_connection *t = tls_of_const(c);
    size_t unsent = t->state != TLS_HANDSHAKE && t->unsent ? t->unsent->len - t->unsent->pos : 0;
    return unsent + transport_plain.unacknowledged(c);
}

static void session_security(const struct connection *c, struct transport_security *s)
{
    const struct tls_connection *t = tls_of_const(c);
    if (t->state == TLS_OPEN || t->state == TLS_ENDED)
        tls_read_security(t->ssl, s);
    else
        *s = (struct transport_security){0};
}

/* ---- The end ---- */

/* Says close_notify, once. */
static void session_notify(struct tls_connection *t)
{
    if (t->state != TLS_OPEN)
        return;
    t->state = TLS_ENDED;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    (void)tls_send(t, false);
}

static int session_shutdown(struct connection *c)
{
    struct tls_connection *t = tls_of(c);
    session_notify(t);
    return t->state == TLS_ENDED || t->state == TLS_BROKEN ? tls_end_socket(t) : transport_plain.shutdown(c);
}

/* Closing a socket with bytes unread is a reset, which may overtake an alert. */
static void drop_unread(const struct tls_connection *t)
{
    (void)system_recv(t->c.fd, t->worker->in, TLS_IN_SIZE, MSG_DONTWAIT);
}

static void session_close(struct connection *c, bool orderly)
{
    struct tls_connection *t = tls_of(c);
    if (t->state == TLS_WAITING || t->state == TLS_HANDSHAKE)
        tls_handshake_end(t);
    if (!t->ssl) {
        if (orderly)
            drop_unread(t);
        return;
    }
    if (orderly)
        session_notify(t);
    tls_drop_unsent(t);
    SSL_free(t->ssl);
    t->ssl = NULL;
    tls_session_end(t);
}

const struct transport transport_tls = {
    .capabilities = TRANSPORT_SENDFILE | TRANSPORT_EXACT | TRANSPORT_SECURE,
    .connection_size = sizeof(struct tls_connection),
    .piece = TLS_PLAIN_MAX,
    .opened = tls_opened,
    .handshake = tls_handshake,
    .read = session_read,
    .write = session_write,
    .send_file = session_send_file,
    .flush = session_flush,
    .widen = session_widen,
    .pending = session_pending,
    .unacknowledged = session_unacknowledged,
    .security = session_security,
    .shutdown = session_shutdown,
    .close = session_close,
};
