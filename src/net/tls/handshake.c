/*
 * Handshakes. A client whose first record is not whole costs its connection's record alone: the bytes are looked at
 * where they are, in the kernel. Once it is whole, the handshake needs a slot and memory, both of which are bounded;
 * who finds none waits in the order of arrival, and loses nothing, for the bytes stay where they are.
 *
 * A step of a handshake takes longer than a request: a signature, a shared secret. In one turn of the loop steps get
 * TURN_NS at most, and one more; others wait for the next turn, so that requests that run are served in between.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/handshake.h"
#include "base/clock.h"
#include "base/system.h"
#include "net/tls/context.h"
#include "net/tls/hello.h"
#include "net/tls/openssl.h"
#include "net/tls/plain_http.h"
#include "net/tls/worker.h"
#include "weir.h"

#include <errno.h>
#include <sys/socket.h>

#define TURN_NS       ((uint64_t)1000000)
#define STALE_MS      2000        /* a handshake that waits for its client gives way after that, if others wait */
#define RECEIVE_LEAST (64 * 1024) /* a receive buffer of less may not hold a whole first record */

static const struct listen_spec *spec_of(const struct tls_connection *t)
{
    return &t->worker->net->listeners[t->c.timer.owner_bits];
}

static struct tls_listener *listener_of(const struct tls_connection *t)
{
    return spec_of(t)->tls;
}

void tls_opened(struct net *n, struct connection *c)
{
    struct tls_connection *t = tls_of(c);
    weir_assert(n->tls != NULL);
    t->worker = n->tls;
    t->state = TLS_NEW;
}

/* Something is left for the end of this turn, or the next. */
static void worker_due(struct tls_worker *w)
{
    w->net->handshakes_due = true;
}

/* ---- The end of a handshake ---- */

/* Frees what only a handshake needs. */
static void handshake_free(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    struct tls_handshake *h = t->handshake;
    list_remove(&h->link);
    tls_contexts_unref(h->contexts);
    OPENSSL_cleanse(tls_handshake_own(h), w->handshakes.object_size - sizeof *h);
    pool_give(&w->handshakes, h);
    t->handshake = NULL;
    account_give(&w->handshake_account, TLS_HANDSHAKE_BYTES);
    memory_return(&w->handshake_account, TLS_HANDSHAKE_BYTES);
    w->running--;
    counter_subtract(&w->now, 1);
    if (!list_empty(&w->waiting))
        worker_due(w);
}

void tls_handshake_end(struct tls_connection *t)
{
    if (t->state == TLS_WAITING) {
        list_remove(&t->link);
    } else {
        tls_drop_unsent(t);
        if (t->handshake->taken)
            listener_of(t)->mode->transport->close(&t->c, false);
        else
            SSL_free(t->ssl);
        handshake_free(t);
    }
    t->ssl = NULL;
    t->unsent = NULL;
    t->state = TLS_BROKEN;
}

void tls_session_end(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    if (t->flags & TLS_HOLDS)
        memory_return(&w->session_account, TLS_HOLDING_BYTES);
    if (t->flags & TLS_GRANTED) {
        account_give(&w->session_account, TLS_SESSION_BYTES);
        memory_return(&w->session_account, TLS_SESSION_BYTES);
        tls_count(w, TLS_SESSIONS_CLOSED, 1);
    }
    t->flags = 0;
}

void tls_set_transport(struct tls_connection *t, const struct transport *transport)
{
    int number = net_transport(t->worker->net, transport);
    weir_assert(number >= 0 && transport->connection_size == sizeof *t);
    t->c.transport = (unsigned)number & (TRANSPORTS_MAX - 1);
}

/* All is sent: from here on the connection costs what its records need. */
static int handshake_finish(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    bool taken = t->handshake->taken;
    const struct tls_mode *mode = listener_of(t)->mode;
    handshake_free(t);
    t->unsent = NULL;
    t->state = TLS_OPEN;
    connection_received(&t->c); /* what was behind the handshake's last record */
    if (taken) {
        tls_set_transport(t, mode->transport);
        return 0;
    }
    if (!memory_grant(&w->session_account, TLS_SESSION_BYTES))
        return TRANSPORT_FAILED(HANDSHAKE_MEMORY);
    account_take(&w->session_account, TLS_SESSION_BYTES);
    t->flags |= TLS_GRANTED;
    tls_count(w, TLS_SESSIONS, 1);
    return 0;
}

/* ---- Failures ---- */

/* What OpenSSL's last error means for the ledger. */
static enum handshake_failure openssl_failure(void)
{
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return HANDSHAKE_REFUSED;
    int reason = ERR_GET_REASON(code);
    if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        return HANDSHAKE_ALERT;
    switch (reason) {
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        return HANDSHAKE_NO_CIPHER;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_INAPPROPRIATE_FALLBACK:
        return HANDSHAKE_VERSION;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_NO_CERTIFICATE_ASSIGNED:
    case SSL_R_BAD_SIGNATURE:
        return HANDSHAKE_CERTIFICATE;
    default:
        return HANDSHAKE_REFUSED;
    }
}

static COLD int handshake_failed(struct tls_connection *t, int openssl_error)
{
    struct tls_handshake *h = t->handshake;
    enum handshake_failure why = h->failure ? h->failure : openssl_failure();
    if (openssl_error == SSL_ERROR_SYSCALL ||
        ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        why = HANDSHAKE_CLOSED;
    ERR_clear_error();
    if (why != HANDSHAKE_CLOSED)
        (void)tls_send(t, false); /* an alert says why */
    t->worker->out_len = 0;
    return TRANSPORT_FAILED(why);
}

/* ---- Steps ---- */

/* What the client has been promised by ALPN comes next. */
static void choose_next(struct tls_connection *t)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    const struct alpn_offer *chosen = len > 0 ? alpn_find(spec_of(t)->offers, name, len) : NULL;
    if (chosen)
        handshake_follow(t->worker->net, &t->c, chosen->protocol);
}

/* OpenSSL is done. Its last output is not sent yet. */
static void handshake_done(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    const struct tls_mode *mode = listener_of(t)->mode;
    t->handshake->done = true;
    tls_count(w, TLS_HANDSHAKES, 1);
    tls_count(w, SSL_version(t->ssl) == TLS1_3_VERSION ? TLS_VERSION_13 : TLS_VERSION_12, 1);
    if (SSL_session_reused(t->ssl))
        tls_count(w, TLS_RESUMPTIONS, 1);
    choose_next(t);
    if (!mode)
        return;
    t->handshake->taken = mode->take_over(t);
    if (t->handshake->taken)
        t->handshake->bio = NULL;
    tls_count(w, t->handshake->taken ? TLS_MODE_SESSIONS : TLS_MODE_FALLBACKS, 1);
}

static int handshake_go(struct tls_connection *t)
{
    struct tls_handshake *h = t->handshake;
    list_remove(&h->link);
    int sent = tls_send_unsent(t);
    while (sent == 0 && !h->done) {
        ERR_clear_error();
        int result = SSL_do_handshake(t->ssl), error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, result);
        if (result == 1)
            handshake_done(t);
        else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return handshake_failed(t, error);
        sent = tls_send(t, false);
        if (sent == 0 && error == SSL_ERROR_WANT_READ)
            return TRANSPORT_WANT_READ;
    }
    if (sent == 0)
        return handshake_finish(t);
    return transport_wants(sent) ? sent : TRANSPORT_FAILED(sent == WEIR_ENOMEM ? HANDSHAKE_MEMORY : HANDSHAKE_CLOSED);
}

/* A step, and its time. */
static int handshake_step(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    uint64_t began = clock_monotonic_ns();
    int result = handshake_go(t);
    w->spent_ns += clock_monotonic_ns() - began;
    worker_due(w); /* the turn's end sets it back to zero */
    return result;
}

/* Whether a step may be made at once. */
static bool may_step(const struct tls_connection *t)
{
    return (t->flags & TLS_GO) || t->worker->spent_ns < TURN_NS;
}

/* ---- The beginning ---- */

/* OpenSSL's object with its BIO. False: no memory. */
static bool begin_ssl(struct tls_connection *t, struct tls_handshake *h)
{
    SSL *ssl = h->contexts ? SSL_new(h->contexts->certificates[0].context) : NULL;
    BIO *bio = ssl ? tls_bio_new(t, &h->bio) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return false;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    SSL_set_app_data(ssl, t);
    t->ssl = ssl;
    return true;
}

/* Bytes that OpenSSL has for handshakes and connections, about. */
static uint64_t heap_of(const struct tls_worker *w)
{
    return counter_read(&w->handshake_account.reserved) + counter_read(&w->session_account.reserved);
}

/* Grants what OpenSSL takes for a handshake, if need be once others have made room. */
static bool grant_handshake(struct tls_worker *w)
{
    if (memory_grant(&w->handshake_account, TLS_HANDSHAKE_BYTES))
        return true;
    if (w->net->short_fn)
        w->net->short_fn(w->net->owner, TLS_HANDSHAKE_BYTES, false);
    return memory_grant(&w->handshake_account, TLS_HANDSHAKE_BYTES);
}

/* Whether a further connection may have an object of OpenSSL's after its handshake, if need be once others have
 * gone. */
static bool may_have_session(struct tls_worker *w)
{
    if (w->sessions_most == 0 || counter_read(&w->session_account.reserved) < w->sessions_most)
        return true;
    if (w->net->short_fn)
        w->net->short_fn(w->net->owner, TLS_SESSION_BYTES, true);
    return counter_read(&w->session_account.reserved) < w->sessions_most;
}

/* Takes a slot and what a handshake needs. 0; TRANSPORT_WANT_READ: there is none now; or a failure. */
static int handshake_begin(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    if (w->running >= w->slots)
        return TRANSPORT_WANT_READ;
    if (!listener_of(t)->mode && !may_have_session(w))
        return TRANSPORT_FAILED(HANDSHAKE_MEMORY);
    if (!grant_handshake(w))
        return w->running > 0 ? TRANSPORT_WANT_READ : TRANSPORT_FAILED(HANDSHAKE_MEMORY);
    struct tls_handshake *h = pool_take(&w->handshakes);
    if (!h) {
        memory_return(&w->handshake_account, TLS_HANDSHAKE_BYTES);
        return w->running > 0 ? TRANSPORT_WANT_READ : TRANSPORT_FAILED(HANDSHAKE_MEMORY);
    }
    memset(h, 0, w->handshakes.object_size);
    *h = (struct tls_handshake){.t = t, .began = loop_now_ms(w->net->loop)};
    list_init(&h->link);
    account_take(&w->handshake_account, TLS_HANDSHAKE_BYTES);
    h->contexts = tls_listener_contexts(listener_of(t));
    list_remove(&t->link);
    t->ssl = NULL;
    t->handshake = h;
    t->state = TLS_HANDSHAKE;
    w->running++;
    tls_heap_note(&w->heap, heap_of(w));
    counter_add(&w->now, 1);
    return begin_ssl(t, h) ? 0 : TRANSPORT_FAILED(HANDSHAKE_MEMORY);
}

/* The first record is whole: it is this connection's turn, or it waits. */
static int handshake_wait(struct tls_connection *t)
{
    if (!may_step(t) || (!(t->flags & TLS_GO) && t->worker->waiting.next != &t->link))
        return TRANSPORT_WANT_READ;
    int result = handshake_begin(t);
    return result == 0 ? handshake_step(t) : result;
}

/* Whether a whole first record fits what the socket holds: else it is read as it comes. */
static bool holds_a_record(const struct tls_connection *t)
{
    int setting = spec_of(t)->receive_buffer;
    return setting <= 0 || setting >= RECEIVE_LEAST;
}

/* Looks at the first bytes without taking them. */
static int look_at_hello(struct tls_connection *t)
{
    struct tls_worker *w = t->worker;
    ssize_t have = system_recv(t->c.fd, w->in, TLS_IN_SIZE, MSG_PEEK | MSG_DONTWAIT);
    if (have < 0)
        return errno == EAGAIN || errno == EINTR ? TRANSPORT_WANT_READ : TRANSPORT_FAILED(HANDSHAKE_CLOSED);
    if (have == 0)
        return TRANSPORT_FAILED(HANDSHAKE_CLOSED);
    switch (tls_hello_look(w->in, (size_t)have)) {
    case HELLO_PART:
        if (t->c.ready & READY_HALF_CLOSED)
            return TRANSPORT_FAILED(HANDSHAKE_CLOSED);
        if (holds_a_record(t))
            return TRANSPORT_WANT_READ;
        break;
    case HELLO_WHOLE:
        break;
    case HELLO_HTTP:
        t->state = TLS_PLAIN;
        return plain_http_answer(t);
    case HELLO_OTHER:
        return TRANSPORT_FAILED(HANDSHAKE_PROTOCOL);
    }
    t->state = TLS_WAITING;
    list_init(&t->link);
    list_push_back(&w->waiting, &t->link);
    int result = handshake_wait(t);
    if (t->state == TLS_WAITING && result == TRANSPORT_WANT_READ) {
        tls_count(w, TLS_WAITED, 1);
        worker_due(w);
    }
    return result;
}

int tls_handshake(struct connection *c)
{
    struct tls_connection *t = tls_of(c);
    int result = TRANSPORT_FAILED(HANDSHAKE_PROTOCOL);
    switch ((enum tls_state)t->state) {
    case TLS_NEW:
        result = look_at_hello(t);
        break;
    case TLS_WAITING:
        result = handshake_wait(t);
        break;
    case TLS_HANDSHAKE:
        if (may_step(t)) {
            result = handshake_step(t);
        } else {
            if (list_empty(&t->handshake->link))
                list_push_back(&t->worker->ready, &t->handshake->link);
            result = TRANSPORT_WANT_READ;
        }
        break;
    case TLS_PLAIN:
        result = plain_http_answer(t);
        break;
    case TLS_OPEN:
        result = 0;
        break;
    case TLS_ENDED:
    case TLS_BROKEN:
        break;
    }
    t->flags &= (uint8_t)~TLS_GO;
    return result;
}

/* ---- The turn ---- */

/* Lets one handshake go on. */
static void turn_one(struct tls_worker *w, struct tls_connection *t)
{
    struct net *n = w->net;
    t->flags |= TLS_GO;
    connection_protocol(n, &t->c)->run(n, &t->c);
}

static bool may_begin(const struct tls_worker *w)
{
    return !list_empty(&w->waiting) && w->running < w->slots;
}

void tls_turn(struct net *n)
{
    struct tls_worker *w = n->tls;
    bool refused = false;
    while (w->spent_ns < TURN_NS && !refused) {
        if (!list_empty(&w->ready)) {
            turn_one(w, container_of(w->ready.next, struct tls_handshake, link)->t);
        } else if (may_begin(w)) {
            const struct list *first = w->waiting.next;
            turn_one(w, container_of(first, struct tls_connection, link));
            refused = w->waiting.next == first; /* no memory: goes on when a handshake has ended, or after a while */
        } else {
            break;
        }
    }
    w->spent_ns = 0;
    n->handshakes_due = !list_empty(&w->ready) || (may_begin(w) && !refused);
    n->loop->busy = n->handshakes_due;
}

/* While others wait, a handshake that has waited long for its client gives its slot away. */
static void give_way(void *arg, void *object)
{
    struct tls_worker *w = arg;
    const struct tls_handshake *h = object;
    if (ticks_between(h->began, loop_now_ms(w->net->loop)) > STALE_MS)
        connection_deadline(w->net, &h->t->c, 1);
}

void tls_maintain(struct net *n)
{
    struct tls_worker *w = n->tls;
    if (!list_empty(&w->waiting)) {
        pool_each(&w->handshakes, give_way, w);
        n->handshakes_due = true;
    }
    pool_trim(&w->handshakes, false);
    if (w->mode)
        w->modes->trim(w, false);
    tls_heap_maintain(&w->heap, heap_of(w));
}
