/*
 * TLS in the ledger: added up, as JSON, as metrics.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_tls.h"
#include "net/tls/listener.h"
#include "net/tls/worker.h"
#include "server/server.h"

#include <inttypes.h>

static const char *const modes[2] = {"openssl", "lean"};

#if WEIR_WITH_TLS
static void read_workers(const weir_server *s, weir_ledger_tls *tls)
{
    struct tls_figures sum = {0};
    for (int i = 0; i < s->settings.config.workers; i++)
        tls_figures_add(&sum, &s->workers[i].net);
    tls->handshakes_now = sum.now;
    tls->handshakes = sum.handshakes;
    tls->resumptions = sum.resumptions;
    tls->tls12 = sum.version_12;
    tls->tls13 = sum.version_13;
    tls->waited = sum.waited;
    tls->sessions[0] = sum.sessions;
    tls->sessions[1] = sum.mode_sessions;
    tls->bytes_in[0] = sum.bytes_in;
    tls->bytes_in[1] = sum.mode_bytes_in;
    tls->bytes_out[0] = sum.bytes_out;
    tls->bytes_out[1] = sum.mode_bytes_out;
    tls->lean_fallbacks = sum.fallbacks;
    for (size_t i = 0; i < WEIR_LEDGER_LEAN && tls_kept_name(i); i++)
        tls->lean_reasons[tls->lean_reason_count++] = (weir_ledger_refusal){tls_kept_name(i), sum.kept[i]};
    tls->plain_answers = sum.plain_answers;
    tls->truncated = sum.truncated;
}

static void read_listeners(weir_server *s, weir_ledger_tls *tls)
{
    for (size_t i = 0; i < s->settings.listener_count; i++) {
        struct tls_listener *l = s->settings.listeners[i].tls;
        if (!l)
            continue;
        tls->reloads += atomic_load_explicit(&l->reloads, memory_order_relaxed);
        tls->lean_self_tests_failed += l->mode_failed;
        tls->reloads_failed += atomic_load_explicit(&l->failed_reloads, memory_order_relaxed);
    }
}
#endif

void ledger_read_tls(weir_server *s, weir_ledger_tls *tls)
{
#if WEIR_WITH_TLS
    read_workers(s, tls);
    read_listeners(s, tls);
#else
    (void)s;
    (void)tls;
#endif
}

static void put_pair(struct ledger_writer *w, const char *name, const uint64_t values[2])
{
    ledger_put(w, ",\"%s\":{\"%s\":%" PRIu64 ",\"%s\":%" PRIu64 "}", name, modes[0], values[0], modes[1], values[1]);
}

void ledger_put_tls_json(struct ledger_writer *w, const weir_ledger_tls *tls)
{
    ledger_put(w,
               ",\"tls\":{\"handshakes_now\":%" PRIu64 ",\"handshakes\":%" PRIu64 ",\"resumptions\":%" PRIu64
               ",\"tls12\":%" PRIu64 ",\"tls13\":%" PRIu64 ",\"waited\":%" PRIu64,
               tls->handshakes_now, tls->handshakes, tls->resumptions, tls->tls12, tls->tls13, tls->waited);
    put_pair(w, "sessions", tls->sessions);
    put_pair(w, "bytes_in", tls->bytes_in);
    put_pair(w, "bytes_out", tls->bytes_out);
    ledger_put(w,
               ",\"lean_fallbacks\":%" PRIu64 ",\"plain_answers\":%" PRIu64 ",\"truncated\":%" PRIu64
               ",\"reloads\":%" PRIu64 ",\"reloads_failed\":%" PRIu64,
               tls->lean_fallbacks, tls->plain_answers, tls->truncated, tls->reloads, tls->reloads_failed);
    ledger_put(w, ",\"lean_self_tests_failed\":%" PRIu64 ",\"lean_reasons\":{", tls->lean_self_tests_failed);
    for (size_t i = 0; i < tls->lean_reason_count; i++)
        ledger_put(w, "%s\"%s\":%" PRIu64, i ? "," : "", tls->lean_reasons[i].cause, tls->lean_reasons[i].count);
    ledger_put(w, "}}");
}

static void put_one(struct ledger_writer *w, const char *name, const char *type, const char *help, uint64_t value)
{
    ledger_put_metric(w, name, type, help);
    ledger_put(w, "weir_%s %" PRIu64 "\n", name, value);
}

static void put_modes(struct ledger_writer *w, const char *name, const char *type, const char *help,
                      const uint64_t values[2])
{
    ledger_put_metric(w, name, type, help);
    for (int i = 0; i < 2; i++)
        ledger_put(w, "weir_%s{mode=\"%s\"} %" PRIu64 "\n", name, modes[i], values[i]);
}

void ledger_put_tls_metrics(struct ledger_writer *w, const weir_ledger_tls *tls)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } singles[] = {
        {"tls_handshakes_now", "gauge", "Handshakes under way.", tls->handshakes_now},
        {"tls_handshakes_total", "counter", "Handshakes that were done.", tls->handshakes},
        {"tls_resumptions_total", "counter", "Those of them by a ticket.", tls->resumptions},
        {"tls_handshakes_waited_total", "counter", "Handshakes that waited for a slot, memory or their turn.",
         tls->waited},
        {"tls_lean_fallbacks_total", "counter", "Connections with lean records whose records OpenSSL has kept.",
         tls->lean_fallbacks},
        {"tls_lean_self_tests_failed", "gauge", "Listeners without lean records, since their self-test has failed.",
         tls->lean_self_tests_failed},
        {"tls_plain_answers_total", "counter", "Plain HTTP on a port of TLS that was answered.", tls->plain_answers},
        {"tls_truncated_total", "counter", "Connections that ended without close_notify.", tls->truncated},
        {"tls_reloads_total", "counter", "Times that a listener's files were loaded anew.", tls->reloads},
        {"tls_reloads_failed_total", "counter", "Times that they were wrong, and were not used.", tls->reloads_failed},
    };
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++)
        put_one(w, singles[i].name, singles[i].type, singles[i].help, singles[i].value);
    ledger_put_metric(w, "tls_versions_total", "counter", "Handshakes that were done, by version.");
    ledger_put(w, "weir_tls_versions_total{version=\"1.2\"} %" PRIu64 "\n", tls->tls12);
    ledger_put(w, "weir_tls_versions_total{version=\"1.3\"} %" PRIu64 "\n", tls->tls13);
    put_modes(w, "tls_sessions", "gauge", "Connections behind their handshake, by who makes their records.",
              tls->sessions);
    put_modes(w, "tls_received_bytes_total", "counter", "Plaintext that was opened.", tls->bytes_in);
    put_modes(w, "tls_sent_bytes_total", "counter", "Plaintext that was sealed.", tls->bytes_out);
    ledger_put_metric(w, "tls_lean_kept_total", "counter", "Connections whose records OpenSSL has kept, by cause.");
    for (size_t i = 0; i < tls->lean_reason_count; i++)
        ledger_put(w, "weir_tls_lean_kept_total{cause=\"%s\"} %" PRIu64 "\n", tls->lean_reasons[i].cause,
                   tls->lean_reasons[i].count);
}
