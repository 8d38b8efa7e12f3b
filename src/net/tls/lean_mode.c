/*
 * The mode: contexts, the key log, the hand-over of a connection.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_mode.h"
#include "net/tls/lean_selftest.h"
#include "net/tls/openssl.h"
#include "weir.h"

#include <string.h>

/* What a handshake keeps for the hand-over. */
struct lean_own {
    struct lean_secrets secrets;
};

static struct lean_own *own_of(struct tls_handshake *h)
{
    return tls_handshake_own(h);
}

static const char *lean_try(void)
{
    return lean_self_test(NULL);
}

/* OpenSSL's key log, which nobody else hears. */
static void note_secret(const SSL *ssl, const char *line)
{
    struct tls_connection *t = SSL_get_app_data(ssl);
    if (t && t->state == TLS_HANDSHAKE && t->handshake)
        lean_secrets_note(&own_of(t->handshake)->secrets, line);
}

static bool lean_prepare(SSL_CTX *context)
{
    SSL_CTX_set_keylog_callback(context, note_secret);
    return lean_prepare_context(context);
}

/* What the BIO has seen go by. The last record is at the end of what is unsent, if it was written since the client last
 * said something; a short one is kept by who has followed it. */
static struct lean_crossed crossed_of(const struct tls_connection *t)
{
    const struct tls_worker *w = t->worker;
    const struct tls_follow *in = &t->handshake->bio->in, *out = &t->handshake->bio->out;
    struct lean_crossed x = {
        .between = tls_follow_between(in) && tls_follow_between(out),
        .in = in->records,
        .out = out->records,
        .in_changed = in->changed,
        .out_changed = out->changed,
        .out_since = out->since,
    };
    x.last_len = LEAN_HEADER + ((size_t)out->start[3] << 8 | out->start[4]);
    if (x.last_len <= out->started)
        x.last = out->start;
    else if (out->since > 0 && x.last_len <= w->out_len)
        x.last = (const uint8_t *)w->out + w->out_len - x.last_len;
    return x;
}

/* OpenSSL's object is no longer needed. Its session is not to be dropped, as that of a connection that failed is. */
static void free_ssl(struct tls_connection *t)
{
    SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    t->ssl = NULL;
}

static enum lean_reason take_over(struct tls_connection *t)
{
    struct lean_worker *w = lean_worker_of(t->worker);
    struct lean_connection *l = pool_take(&w->connections);
    if (!l)
        return LEAN_NO_MEMORY;
    memset(l, 0, sizeof *l);
    struct lean_crossed crossed = crossed_of(t);
    enum lean_reason reason = lean_hand_over(&w->records, t->ssl, &own_of(t->handshake)->secrets, &crossed,
                                             (uint8_t *)t->worker->plain, TLS_PLAIN_MAX, &l->session);
    if (reason == LEAN_TAKEN) {
        struct transport_security told;
        tls_read_security(t->ssl, &told);
        if (!lean_tell(w, l, t->worker->net->listeners[t->c.timer.owner_bits].offers, &told))
            reason = LEAN_NO_MEMORY;
    }
    if (reason != LEAN_TAKEN) {
        OPENSSL_cleanse(l, sizeof *l);
        pool_give(&w->connections, l);
        return reason;
    }
    free_ssl(t);
    t->mode = l;
    return LEAN_TAKEN;
}

static bool lean_take_over(struct tls_connection *t)
{
    enum lean_reason reason = take_over(t);
    OPENSSL_cleanse(own_of(t->handshake), sizeof(struct lean_own));
    if (reason != LEAN_TAKEN)
        counter_add(&t->worker->kept[reason - 1], 1);
    return reason == LEAN_TAKEN;
}

const struct tls_mode tls_mode_lean = {
    .name = "lean records",
    .transport = &transport_lean,
    .handshake_size = sizeof(struct lean_own),
    .session_size = sizeof(struct lean_connection) + LEAN_TOLD_SHORT,
    .self_test = lean_try,
    .open = lean_worker_open,
    .close = lean_worker_close,
    .trim = lean_worker_trim,
    .prepare = lean_prepare,
    .take_over = lean_take_over,
};
