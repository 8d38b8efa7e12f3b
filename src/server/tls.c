/*
 * TLS of a server's listeners: settings read and checked, certificates loaded before the start and watched after it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/tls.h"
#include "server/server.h"

#if WEIR_WITH_TLS

#include "net/tls/heap.h"
#include "net/tls/listener.h"
#include "net/tls/openssl.h"
#include "net/tls/self_signed.h"
#include "net/tls/transport.h"
#include "net/tls/worker.h"

#include <errno.h>
#include <time.h>

#define HANDSHAKES_DEFAULT 256
#define HANDSHAKES_MOST    65536
#define HANDSHAKES_SHARE   4 /* of memory_limit: a quarter for handshakes, */
#define SESSIONS_SHARE     2 /* and half for connections, so that requests have their part */
#define WATCH_MS           1000
#define WATCH_STACK_SIZE   ((size_t)256 * 1024) /* parses certificates */
#define DESCRIBED_MAX      128

/* What is read while a listener is added. */
struct tls_reading {
    weir_server *s;
    struct tls_settings settings;
    bool failed;
    char where[DESCRIBED_MAX];
};

static COLD void reading_fail(struct tls_reading *r, const char *what)
{
    r->failed = true;
    site_error(&r->s->site, "listener %s: tls: %s", r->where, what);
}

/* Copies a string; NULL stays NULL. */
static char *reading_text(struct tls_reading *r, const char *text)
{
    char *copy = tls_text_copy(&r->s->tls_account, text);
    if (text && !copy)
        reading_fail(r, "no memory for its settings");
    return copy;
}

/* A setting that is WEIR_ON, WEIR_OFF or 0. */
static bool reading_switch(struct tls_reading *r, int value, bool otherwise, const char *name)
{
    char text[64];
    if (value != 0 && value != WEIR_ON && value != WEIR_OFF) {
        snprintf(text, sizeof text, "%s: %d is neither WEIR_ON nor WEIR_OFF", name, value);
        reading_fail(r, text);
    }
    return value == 0 ? otherwise : value == WEIR_ON;
}

static void reading_number(struct tls_reading *r, int value, int least, int most, const char *name)
{
    char text[96];
    if (value == 0 || (value >= least && value <= most))
        return;
    snprintf(text, sizeof text, "%s: %d is not from %d to %d", name, value, least, most);
    reading_fail(r, text);
}

static void read_source(struct tls_reading *r, const weir_tls_certificate *given, size_t number)
{
    struct tls_source *source = &r->settings.sources[number];
    char text[80];
    if ((given->certificate != NULL) == (given->certificate_pem != NULL)) {
        snprintf(text, sizeof text, "certificate %zu: give one, as a file or as text", number + 1);
        reading_fail(r, text);
    }
    if ((given->key != NULL) == (given->key_pem != NULL)) {
        snprintf(text, sizeof text, "key %zu: give one, as a file or as text", number + 1);
        reading_fail(r, text);
    }
    source->certificate = reading_text(r, given->certificate);
    source->key = reading_text(r, given->key);
    source->certificate_pem = reading_text(r, given->certificate_pem);
    source->key_pem = reading_text(r, given->key_pem);
    source->ocsp = reading_text(r, given->ocsp_response);
}

/* A first certificate that is made here. */
static void read_self_signed(struct tls_reading *r, const char *names)
{
    struct tls_source *source = &r->settings.sources[0];
    if (!tls_self_sign(&r->s->tls_account, names, &source->certificate_pem, &source->key_pem))
        reading_fail(r, "self_signed: there are no names, or one is too long, or there is no memory");
}

static void read_sources(struct tls_reading *r, const weir_tls_config *c)
{
    size_t more = c->certificates ? c->certificate_count : 0, count = more + 1;
    bool own_pair = c->certificate || c->key || c->certificate_pem || c->key_pem;
    bool first = own_pair || c->self_signed;
    if (own_pair && c->self_signed)
        reading_fail(r, "self_signed: there is a certificate besides");
    if (!first && more > 0)
        count--;
    if (count > TLS_CERTIFICATES_MAX) {
        reading_fail(r, "there are too many certificates");
        count = TLS_CERTIFICATES_MAX;
    }
    r->settings.sources = memory_alloc(&r->s->tls_account, count * sizeof *r->settings.sources);
    if (!r->settings.sources) {
        reading_fail(r, "no memory for its settings");
        return;
    }
    memset(r->settings.sources, 0, count * sizeof *r->settings.sources);
    r->settings.source_count = count;
    weir_tls_certificate own = {.certificate = c->certificate,
                                .key = c->key,
                                .certificate_pem = c->certificate_pem,
                                .key_pem = c->key_pem,
                                .ocsp_response = c->ocsp_response};
    size_t shift = count > more; /* the first is not among those of the list */
    for (size_t i = 0; i < count; i++) {
        if (i == 0 && c->self_signed)
            read_self_signed(r, c->self_signed);
        else
            read_source(r, i < shift ? &own : &c->certificates[i - shift], i);
    }
}

static void read_clients(struct tls_reading *r, const weir_tls_config *c)
{
    struct tls_settings *t = &r->settings;
    int clients = c->client_certificates;
    t->client_ca = reading_text(r, c->client_ca);
    if (clients == WEIR_TLS_ASKED || clients == WEIR_TLS_REQUIRED)
        t->clients = clients == WEIR_TLS_ASKED ? TLS_CLIENT_ASKED : TLS_CLIENT_REQUIRED;
    else if (clients != 0 && clients != WEIR_OFF)
        reading_fail(r, "client_certificates: neither WEIR_OFF, WEIR_TLS_ASKED nor WEIR_TLS_REQUIRED");
    if (t->clients != TLS_CLIENT_NONE && !c->client_ca)
        reading_fail(r, "client_ca: client certificates are asked for, and none is given");
}

static void read_all(struct tls_reading *r, const weir_tls_config *c)
{
    struct tls_settings *t = &r->settings;
    read_sources(r, c);
    read_clients(r, c);
    if (c->min_version != 0 && c->min_version != 12 && c->min_version != 13)
        reading_fail(r, "min_version: neither 12 nor 13");
    reading_number(r, c->handshake_timeout_ms, 1, TIMEOUT_MAX_MS, "handshake_timeout_ms");
    reading_number(r, c->max_handshakes, 1, HANDSHAKES_MOST, "max_handshakes");
    t->minimum_13 = c->min_version == 13;
    t->strict = reading_switch(r, c->strict_names, false, "strict_names");
    t->tickets = reading_switch(r, c->tickets, true, "tickets");
    t->redirect_plain = reading_switch(r, c->redirect_plain, false, "redirect_plain");
    t->watch = reading_switch(r, c->watch_files, true, "watch_files");
    t->lean = reading_switch(r, c->lean_records, false, "lean_records");
    t->ciphers = reading_text(r, c->ciphers);
    t->suites = reading_text(r, c->ciphersuites);
    t->groups = reading_text(r, c->groups);
    t->ticket_file = reading_text(r, c->ticket_file);
}

static void report(void *arg, bool error, const char *text)
{
    struct tls_reading *r = arg;
    if (error)
        reading_fail(r, text);
    else
        log_warn(&r->s->log, "listener %s: tls: %s", r->where, text);
}

int tls_add(weir_server *s, struct listen_spec *spec, const weir_tls_config *config)
{
    struct tls_reading r = {.s = s};
    char text[ADDRESS_TEXT_MAX];
    if (spec->inherited_fd > 0)
        snprintf(r.where, sizeof r.where, "on descriptor %d", spec->inherited_fd);
    else
        snprintf(r.where, sizeof r.where, "%s", address_format(&spec->address, text, sizeof text));
    const char *missing = openssl_load();
    if (missing) {
        reading_fail(&r, missing);
        return WEIR_EINVAL;
    }
    if (!s->tls_account.memory)
        account_open_shared(&s->tls_account, &s->memory, "tls certificates", NULL, 0);
    struct tls_listener *l = memory_alloc(&s->tls_account, sizeof *l);
    if (!l) {
        reading_fail(&r, "no memory for its settings");
        return WEIR_EINVAL;
    }
    read_all(&r, config);
    if (!reading_switch(&r, config->http2, true, "http2"))
        spec->offers = http_offers(false);
    tls_listener_init(l, &s->tls_account, &s->log, &r.settings);
    if (!r.failed && r.settings.lean)
        tls_listener_try_mode(l, report, &r);
    if (!r.failed)
        (void)tls_listener_load(l, report, &r);
    spec->tls = l;
    spec->transport = &transport_tls;
    spec->handshake_timeout_ms = config->handshake_timeout_ms > 0 ? (uint32_t)config->handshake_timeout_ms : 0;
    spec->max_handshakes = config->max_handshakes > 0 ? (uint32_t)config->max_handshakes : HANDSHAKES_DEFAULT;
    return r.failed ? WEIR_EINVAL : 0;
}

static struct tls_listener *listener_at(weir_server *s, size_t i)
{
    return s->settings.listeners[i].tls;
}

void tls_free(weir_server *s)
{
    for (int i = 0; s->workers && i < s->settings.config.workers; i++)
        tls_worker_free(&s->workers[i].net);
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        struct tls_listener *l = listener_at(s, i);
        if (!l)
            continue;
        tls_listener_done(l);
        memory_free(&s->tls_account, l, sizeof *l);
    }
    account_close(&s->tls_account);
}

/* ---- Workers ---- */

/* Handshakes that may be under way at once in a worker: as set, and under a bound on all memory no more than a part of
 * that has room for. 0: no listener has TLS. */
static uint32_t handshake_slots(const struct settings *s)
{
    uint32_t slots = 0;
    for (size_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].tls && s->listeners[i].max_handshakes > slots)
            slots = s->listeners[i].max_handshakes;
    size_t limit = s->config.memory_limit;
    uint64_t share = limit / HANDSHAKES_SHARE / (uint64_t)s->config.workers / tls_handshake_bytes();
    if (limit > 0 && share < slots)
        return share > 0 ? (uint32_t)share : 1;
    return slots;
}

int tls_open_worker(struct worker *w)
{
    weir_server *s = w->server;
    uint32_t slots = handshake_slots(&s->settings);
    const struct tls_mode *mode = NULL;
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        const struct tls_listener *l = s->settings.listeners[i].tls;
        if (l && tls_listener_mode(l))
            mode = tls_listener_mode(l);
    }
    struct tls_bounds bounds = {
        .slots = slots,
        .sessions_most = s->settings.config.memory_limit / SESSIONS_SHARE / (uint64_t)s->settings.config.workers,
    };
    return slots > 0 ? tls_worker_open(&w->net, &s->tls_account, bounds, mode) : 0;
}

void tls_plan(const weir_server *s, weir_memory_plan *plan)
{
    const struct settings *settings = &s->settings;
    uint64_t workers = (uint64_t)settings->config.workers, slots = handshake_slots(settings), most = 0;
    if (slots == 0)
        return;
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct tls_listener *l = settings->listeners[i].tls;
        uint64_t bytes = l ? tls_listener_session_bytes(l) : 0; /* beside its record, which the pools' rows count */
        most = bytes > most ? bytes : most;
    }
    uint64_t fixed =
        counter_read(&s->tls_account.reserved) + workers * tls_worker_size() + thread_stack_bytes(WATCH_STACK_SIZE);
    plan->start += fixed;
    plan->connection += most;
    plan->worst += fixed + workers * (slots * tls_handshake_bytes() + tls_heap_bytes()) + most * plan->connections;
}

void tls_close_worker(struct worker *w)
{
    tls_worker_close(&w->net);
}

void tls_worker_turn(struct worker *w)
{
    tls_turn(&w->net);
}

void tls_worker_maintain(struct worker *w)
{
    if (w->net.tls)
        tls_maintain(&w->net);
}

/* ---- Reloading ---- */

int weir_tls_reload(weir_server *s)
{
    int result = WEIR_EINVAL, error;
    bool any = false, failed = false;
    for (size_t i = 0; s && i < s->settings.listener_count; i++) {
        if (!listener_at(s, i))
            continue;
        error = tls_listener_reload(listener_at(s, i));
        any = true;
        failed |= error != 0;
    }
    if (any && !failed)
        result = 0;
    return result;
}

/* Waits a second, or until the server ends. True: look again. */
static bool watch_wait(weir_server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until); /* s->changed counts on it */
    until.tv_sec += WATCH_MS / 1000;
    int late = 0;
    server_lock_acquire(&s->lock);
    while (s->state == SERVER_RUNNING && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&s->changed, &s->lock.mutex, &until);
    bool running = s->state == SERVER_RUNNING;
    server_lock_release(&s->lock);
    return running;
}

static void *watch_main(void *arg)
{
    weir_server *s = arg;
    while (watch_wait(s))
        for (size_t i = 0; i < s->settings.listener_count; i++)
            if (listener_at(s, i))
                tls_listener_look(listener_at(s, i));
    return NULL;
}

void tls_watch(weir_server *s)
{
    bool any = false;
    for (size_t i = 0; i < s->settings.listener_count; i++)
        any |= listener_at(s, i) && tls_listener_is_watched(listener_at(s, i));
    if (any && thread_start(&s->tls_watch, &s->thread_account, WATCH_STACK_SIZE, 0, watch_main, s) != 0)
        thread_log_refusal(&s->log, WEIR_LOG_WARN, &s->tls_watch, "the watch over certificates",
                           ": files that change are not loaded anew by themselves, and keys of tickets stay");
}

void tls_unwatch(weir_server *s)
{
    thread_join(&s->tls_watch);
}

#else

int tls_add(weir_server *s, struct listen_spec *spec, const weir_tls_config *config)
{
    (void)spec;
    (void)config;
    site_error(&s->site, "listener: tls: this build of weir is without TLS");
    return WEIR_EINVAL;
}

void tls_plan(const weir_server *s, weir_memory_plan *plan)
{
    (void)s;
    (void)plan;
}

int tls_open_worker(struct worker *w)
{
    (void)w;
    return 0;
}

void tls_close_worker(struct worker *w)
{
    (void)w;
}

void tls_worker_turn(struct worker *w)
{
    (void)w;
}

void tls_worker_maintain(struct worker *w)
{
    (void)w;
}

int weir_tls_reload(weir_server *s)
{
    (void)s;
    return WEIR_EINVAL;
}

void tls_watch(weir_server *s)
{
    (void)s;
}

void tls_unwatch(weir_server *s)
{
    (void)s;
}

void tls_free(weir_server *s)
{
    (void)s;
}

#endif
