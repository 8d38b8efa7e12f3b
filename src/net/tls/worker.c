/*
 * The TLS side of a worker: made, freed, counted.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/worker.h"
#include "net/tls/lean_handover.h"
#include "net/tls/openssl.h"
#include "net/tls/tls.h"
#include "weir.h"

#define BUFFERS (TLS_IN_SIZE + TLS_OUT_SIZE + TLS_PAGE + TLS_PLAIN_MAX + TLS_PAGE)

int tls_worker_open(struct net *n, struct account *home, struct tls_bounds bounds, const struct tls_mode *mode)
{
    struct tls_worker *w = memory_alloc(home, sizeof *w);
    if (!w)
        return WEIR_ENOMEM;
    memset(w, 0, sizeof *w);
    w->net = n;
    w->home = home;
    w->slots = bounds.slots;
    w->sessions_most = bounds.sessions_most;
    n->tls = w;
    account_open(&w->buffer_account, home->memory, "tls buffers");
    account_open(&w->handshake_account, home->memory, "tls handshakes");
    account_open(&w->session_account, home->memory, "tls sessions");
    account_open(&w->unsent_account, home->memory, "tls unsent");
    size_t extra = mode ? mode->handshake_size : 0;
    pool_init(&w->handshakes, &w->buffer_account, sizeof(struct tls_handshake) + extra, 8, 0);
    w->handshakes.secret = true;
    tls_heap_init(&w->heap, home);
    list_init(&w->waiting);
    list_init(&w->ready);
    w->bio_method = tls_bio_method();
    w->in = memory_alloc(&w->buffer_account, BUFFERS);
    if (!w->in || !w->bio_method)
        return WEIR_ENOMEM;
    w->out = w->out_room = w->in + TLS_IN_SIZE;
    w->plain = w->out_room + TLS_OUT_SIZE + TLS_PAGE;
    w->modes = mode;
    return mode ? mode->open(w) : 0;
}

size_t tls_worker_size(void)
{
    return sizeof(struct tls_worker) + BUFFERS;
}

void tls_worker_free(struct net *n)
{
    struct tls_worker *w = n->tls;
    n->tls = NULL;
    if (w)
        memory_free(w->home, w, sizeof *w);
}

void tls_worker_close(struct net *n)
{
    struct tls_worker *w = n->tls;
    if (!w)
        return;
    weir_assert(w->running == 0);
    if (w->mode)
        w->modes->close(w);
    tls_heap_done(&w->heap);
    BIO_meth_free(w->bio_method);
    if (w->in)
        OPENSSL_cleanse(w->in, BUFFERS);
    memory_free(&w->buffer_account, w->in, BUFFERS);
    pool_done(&w->handshakes);
    account_close(&w->unsent_account);
    account_close(&w->session_account);
    account_close(&w->handshake_account);
    account_close(&w->buffer_account);
}

_Static_assert(LEAN_REASONS - 1 <= TLS_REASONS, "each has its place");
_Static_assert(sizeof((struct tls_figures *)0)->kept == sizeof((struct tls_worker *)0)->kept, "in both");

const char *tls_kept_name(size_t i)
{
    return i + 1 < LEAN_REASONS ? lean_reason_name((enum lean_reason)(i + 1)) : NULL;
}

void tls_figures_add(struct tls_figures *sum, const struct net *n)
{
    const struct tls_worker *w = n->tls;
    if (!w)
        return;
    uint64_t count[TLS_COUNTERS];
    for (size_t i = 0; i < TLS_COUNTERS; i++)
        count[i] = counter_read(&w->counters[i]);
    sum->now += counter_read(&w->now);
    sum->handshakes += count[TLS_HANDSHAKES];
    sum->resumptions += count[TLS_RESUMPTIONS];
    sum->version_12 += count[TLS_VERSION_12];
    sum->version_13 += count[TLS_VERSION_13];
    sum->sessions += count[TLS_SESSIONS] - count[TLS_SESSIONS_CLOSED];
    sum->mode_sessions += count[TLS_MODE_SESSIONS] - count[TLS_MODE_SESSIONS_CLOSED];
    sum->bytes_in += count[TLS_BYTES_IN];
    sum->bytes_out += count[TLS_BYTES_OUT];
    sum->mode_bytes_in += count[TLS_MODE_BYTES_IN];
    sum->mode_bytes_out += count[TLS_MODE_BYTES_OUT];
    sum->waited += count[TLS_WAITED];
    sum->plain_answers += count[TLS_PLAIN_ANSWERS];
    sum->truncated += count[TLS_TRUNCATED];
    sum->fallbacks += count[TLS_MODE_FALLBACKS];
    for (size_t i = 0; i < TLS_REASONS; i++)
        sum->kept[i] += counter_read(&w->kept[i]);
}
