/*
 * Compression in the ledger: added up, as JSON, as metrics.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_compression.h"
#include "server/server.h"

#include <inttypes.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

_Static_assert(COUNT(((weir_ledger_compression *)0)->codings) == CODINGS - 1, "all but identity");

void ledger_read_compression(const weir_server *s, weir_ledger_compression *compression)
{
    for (int i = 0; i < s->settings.config.workers; i++) {
        const struct contexts *contexts = &s->workers[i].web.contexts;
        compression->missing += counter_read(&contexts->missing);
        for (size_t n = 0; n < COUNT(compression->codings); n++) {
            const struct coding_figures *figures = &contexts->figures[n + 1]; /* the first coding is none */
            compression->codings[n].replies += counter_read(&figures->replies);
            compression->codings[n].bytes_in += counter_read(&figures->bytes_in);
            compression->codings[n].bytes_out += counter_read(&figures->bytes_out);
        }
    }
}

static const char *name_of(size_t n)
{
    return coding_name((enum coding)(n + 1)).data;
}

void ledger_put_compression_json(struct ledger_writer *w, const weir_ledger_compression *compression)
{
    ledger_put(w, ",\"compression\":{");
    for (size_t n = 0; n < COUNT(compression->codings); n++)
        ledger_put(w, "\"%s\":{\"replies\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 "},",
                   name_of(n), compression->codings[n].replies, compression->codings[n].bytes_in,
                   compression->codings[n].bytes_out);
    ledger_put(w, "\"missing\":%" PRIu64 "}", compression->missing);
}

static void put_coding(struct ledger_writer *w, const char *name, size_t n, uint64_t value)
{
    ledger_put(w, "weir_%s{coding=\"%s\"} %" PRIu64 "\n", name, name_of(n), value);
}

void ledger_put_compression_metrics(struct ledger_writer *w, const weir_ledger_compression *compression)
{
    static const char replies[] = "compressed_replies_total", in[] = "compression_input_bytes_total",
                      out[] = "compression_output_bytes_total", missing[] = "compression_missing_total";
    ledger_put_metric(w, replies, "counter", "Replies that were compressed, by coding.");
    for (size_t n = 0; n < COUNT(compression->codings); n++)
        put_coding(w, replies, n, compression->codings[n].replies);
    ledger_put_metric(w, in, "counter", "Bytes of bodies that went into compressors.");
    for (size_t n = 0; n < COUNT(compression->codings); n++)
        put_coding(w, in, n, compression->codings[n].bytes_in);
    ledger_put_metric(w, out, "counter", "Bytes that came out of them.");
    for (size_t n = 0; n < COUNT(compression->codings); n++)
        put_coding(w, out, n, compression->codings[n].bytes_out);
    ledger_put_metric(w, missing, "counter", "Replies that went out uncompressed for want of memory.");
    ledger_put(w, "weir_%s %" PRIu64 "\n", missing, compression->missing);
}
