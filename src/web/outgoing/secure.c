/*
 * TLS of connections to other services.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/outgoing/secure.h"

#if WEIR_WITH_TLS

#include "base/clock.h"
#include "net/tls/client.h"
#include "net/tls/openssl.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 256

/* ---- Contexts ---- */

/* A context that is kept, with the options that it was made of. */
struct secure_context {
    struct list link;
    struct tls_client_context *context;
    uint64_t expires; /* ns, CLOCK_MONOTONIC */
    size_t bytes;     /* granted for what OpenSSL has taken */
    size_t key_len;
    char key[];
};

/* What tells one context from another: the options, each with its NUL, and a mark for those that are not given. */
static size_t key_make(const weir_dial_options *o, char *to, size_t size)
{
    const char *parts[] = {o->verify == WEIR_OFF ? "any" : "", o->ca_file, o->alpn, o->certificate, o->key};
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *part = parts[i] ? parts[i] : "\1";
        size_t part_len = strlen(part) + 1;
        if (part_len > size - len)
            return 0;
        memcpy(to + len, part, part_len);
        len += part_len;
    }
    return len;
}

/* Gives back what was granted for a context. */
static void context_return(struct outgoing *o, size_t bytes)
{
    account_give_any(&o->account, bytes);
    memory_return(&o->account, bytes);
}

static void context_drop(struct outgoing *o, struct secure_context *s) REQUIRES(outgoing_lock)
{
    list_remove(&s->link);
    tls_client_context_free(s->context);
    context_return(o, s->bytes);
    memory_free(&o->account, s, sizeof *s + s->key_len);
}

void secure_forget_all(struct outgoing *o)
{
    outgoing_lock_acquire(&o->lock);
    list_for_each_safe (at, &o->contexts)
        context_drop(o, container_of(at, struct secure_context, link));
    outgoing_lock_release(&o->lock);
}

static struct tls_client_context *context_find(struct outgoing *o, const char *key, size_t len)
{
    struct tls_client_context *found = NULL;
    uint64_t now = clock_monotonic_ns();
    outgoing_lock_acquire(&o->lock);
    list_for_each_safe (at, &o->contexts) {
        struct secure_context *s = container_of(at, struct secure_context, link);
        if (now >= s->expires) {
            context_drop(o, s);
        } else if (!found && s->key_len == len && memcmp(s->key, key, len) == 0) {
            found = s->context;
            tls_client_context_keep(found);
        }
    }
    outgoing_lock_release(&o->lock);
    return found;
}

/* Keeps a context, and what was granted for it, for further connections, if there is room for it. */
static void context_keep(struct outgoing *o, struct tls_client_context *x, size_t bytes, const char *key, size_t len)
{
    struct secure_context *s = memory_alloc(&o->account, sizeof *s + len);
    if (!s) {
        context_return(o, bytes);
        return;
    }
    *s = (struct secure_context){.context = x,
                                 .expires = clock_monotonic_ns() + (uint64_t)SECURE_KEPT_S * 1000000000,
                                 .bytes = bytes,
                                 .key_len = len};
    memcpy(s->key, key, len);
    tls_client_context_keep(x);
    outgoing_lock_acquire(&o->lock);
    list_push_front(&o->contexts, &s->link);
    size_t count = 0;
    list_for_each_safe (at, &o->contexts)
        if (++count > SECURE_CONTEXTS)
            context_drop(o, container_of(at, struct secure_context, link));
    outgoing_lock_release(&o->lock);
}

/* What is made on an offload thread; nothing cuts that short, so that it lies on the fiber's stack. */
struct making {
    struct account *account;
    struct tls_client_settings settings;
    size_t bytes; /* granted */
    struct tls_client_context *made;
    char why[WHY_MAX];
};

static int make(void *arg)
{
    struct making *m = arg;
    const char *missing = openssl_load();
    if (missing) {
        snprintf(m->why, sizeof m->why, "%s", missing);
        return WEIR_EINVAL;
    }
    m->bytes = tls_client_context_bytes(&m->settings);
    if (!memory_grant(m->account, m->bytes))
        return WEIR_ENOMEM;
    account_take_any(m->account, m->bytes);
    m->made = tls_client_context_new(&m->settings, m->why, sizeof m->why);
    tls_client_thread_done();
    if (m->made)
        return 0;
    account_give_any(m->account, m->bytes);
    memory_return(m->account, m->bytes);
    return WEIR_EINVAL;
}

int secure_context(struct dialling *d, const weir_dial_options *o, struct tls_client_context **x)
{
    char key[1024];
    size_t len = key_make(o, key, sizeof key);
    if (len == 0) {
        dialling_say(d, "the options' texts are too long");
        return WEIR_EINVAL;
    }
    *x = context_find(d->home, key, len);
    if (*x)
        return 0;
    struct making m = {.account = &d->home->account,
                       .settings = {.ca_file = o->ca_file,
                                    .alpn = o->alpn,
                                    .certificate = o->certificate,
                                    .key = o->key,
                                    .verify = o->verify != WEIR_OFF}};
    context_before_wait(d->c);
    int error = offload_run(d->c->web->offload, d->c->web->loop, make, &m);
    if (error) {
        dialling_say(d, "%s", m.why[0] ? m.why : weir_strerror(error));
        return error;
    }
    *x = m.made;
    context_keep(d->home, m.made, m.bytes, key, len);
    return 0;
}

void secure_context_free(struct tls_client_context *x)
{
    tls_client_context_free(x);
}

/* ---- Steps ---- */

static int step_error(enum tls_step step)
{
    return step == TLS_STEP_BROKEN ? WEIR_EREACH : step == TLS_STEP_DISTRUST ? WEIR_ETRUST : WEIR_EPROTO;
}

/* Waits for what a step wants. 1: the step is to be taken again; 0: it was the last; or an error. */
static int step_wait(weir_ctx *c, struct weir_conn *n, enum tls_step step, struct until u)
{
    if (step == TLS_STEP_DONE || step == TLS_STEP_ENDED)
        return 0;
    if (step != TLS_STEP_READABLE && step != TLS_STEP_WRITABLE)
        return step_error(step);
    int events = step == TLS_STEP_READABLE ? WEIR_READABLE : WEIR_WRITABLE;
    int error = outgoing_wait_for(c, n->f, events, u);
    return error ? error : 1;
}

static int handshake_deep(void *arg)
{
    return (int)tls_client_handshake(arg);
}

/* One step, on the deep stack: checking certificates takes more of one than a handler has to have. */
static enum tls_step handshake_step(weir_ctx *c, struct tls_client *t)
{
    struct fibers *f = &c->web->loop->fibers;
    if (!deep_ready(&f->deep))
        return tls_client_handshake(t);
    return (enum tls_step)fiber_call_deep(f, handshake_deep, t);
}

int secure_begin(struct dialling *d, struct tls_client_context *x, const char *name)
{
    struct weir_conn *n = d->made;
    struct account *account = &d->home->account;
    if (!memory_grant(account, TLS_CLIENT_BYTES))
        return WEIR_ENOMEM;
    n->tls = tls_client_new(x, weir_fd_number(n->f), name);
    if (!n->tls) {
        memory_return(account, TLS_CLIENT_BYTES);
        return WEIR_ENOMEM;
    }
    account_take_any(account, TLS_CLIENT_BYTES);
    for (;;) {
        enum tls_step step = handshake_step(d->c, n->tls);
        int result = step_wait(d->c, n, step, d->until);
        if (result == 0)
            return 0;
        if (result == WEIR_EREACH || result == WEIR_ETRUST || result == WEIR_EPROTO) {
            char why[WHY_MAX];
            tls_client_why(n->tls, why, sizeof why);
            dialling_say(d, "%s", why);
        }
        if (result < 0)
            return result;
    }
}

void secure_end(struct weir_conn *n)
{
    tls_client_free(n->tls);
    n->tls = NULL;
    account_give_any(&n->home->account, TLS_CLIENT_BYTES);
    memory_return(&n->home->account, TLS_CLIENT_BYTES);
}

ssize_t secure_read(weir_ctx *c, struct weir_conn *n, char *to, size_t len, struct until u)
{
    for (;;) {
        size_t got = 0;
        enum tls_step step = tls_client_read(n->tls, to, len, &got);
        if (step == TLS_STEP_DONE)
            return (ssize_t)got;
        int result = step_wait(c, n, step, u);
        if (result <= 0)
            return result;
    }
}

ssize_t secure_write(weir_ctx *c, struct weir_conn *n, const char *data, size_t len, struct until u)
{
    for (;;) {
        size_t put = 0;
        enum tls_step step = tls_client_write(n->tls, data, len, &put);
        if (step == TLS_STEP_DONE)
            return (ssize_t)put;
        int result = step_wait(c, n, step, u);
        if (result <= 0)
            return result == 0 ? WEIR_EREACH : result;
    }
}

int secure_shutdown(weir_ctx *c, struct weir_conn *n, struct until u)
{
    int result;
    do
        result = step_wait(c, n, tls_client_goodbye(n->tls), u);
    while (result > 0);
    return result;
}

bool secure_is_idle(struct weir_conn *n)
{
    return tls_client_is_idle(n->tls);
}

bool weir_conn_tls(const weir_conn *conn, weir_conn_tls_info *info)
{
    if (!conn || !conn->tls || !info)
        return false;
    tls_client_info(conn->tls, &info->version, &info->cipher, &info->alpn);
    return true;
}

#else

int secure_context(struct dialling *d, const weir_dial_options *o, struct tls_client_context **x)
{
    (void)o;
    *x = NULL;
    dialling_say(d, "this weir was built without TLS");
    return WEIR_EINVAL;
}

void secure_context_free(struct tls_client_context *x)
{
    (void)x;
}

int secure_begin(struct dialling *d, struct tls_client_context *x, const char *name)
{
    (void)d;
    (void)x;
    (void)name;
    return WEIR_EINVAL;
}

void secure_end(struct weir_conn *n)
{
    (void)n;
}

ssize_t secure_read(weir_ctx *c, struct weir_conn *n, char *to, size_t len, struct until u)
{
    (void)c;
    (void)n;
    (void)to;
    (void)len;
    (void)u;
    return WEIR_EINVAL;
}

ssize_t secure_write(weir_ctx *c, struct weir_conn *n, const char *data, size_t len, struct until u)
{
    (void)c;
    (void)n;
    (void)data;
    (void)len;
    (void)u;
    return WEIR_EINVAL;
}

int secure_shutdown(weir_ctx *c, struct weir_conn *n, struct until u)
{
    (void)c;
    (void)n;
    (void)u;
    return WEIR_EINVAL;
}

bool secure_is_idle(struct weir_conn *n)
{
    (void)n;
    return false;
}

void secure_forget_all(struct outgoing *o)
{
    (void)o;
}

bool weir_conn_tls(const weir_conn *conn, weir_conn_tls_info *info)
{
    (void)conn;
    (void)info;
    return false;
}

#endif
