/*
 * Clients that stay, and topics, in the ledger: added up, as JSON, as metrics. One table names every figure of either.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_live.h"
#include "server/ledger_rows.h"
#include "server/server.h"

#include <inttypes.h>

#define FIGURE(group, member, metric, type, help)                                                                      \
    {                                                                                                                  \
#member, metric, type, help, offsetof(weir_ledger, group.member)                                               \
    }

static const struct ledger_figure sockets[] = {
    FIGURE(sockets, websockets, "websockets", "gauge", "WebSockets that are open."),
    FIGURE(sockets, event_streams, "event_streams", "gauge", "Event streams of topics that are open."),
    FIGURE(sockets, received, "websocket_received_total", "counter", "Messages received on WebSockets."),
    FIGURE(sockets, sent, "websocket_sent_total", "counter", "Messages that handlers have sent on WebSockets."),
};

static const struct ledger_figure topics[] = {
    FIGURE(topics, topics, "topics", "gauge", "Topics by name."),
    FIGURE(topics, patterns, "topic_patterns", "gauge", "Patterns that somebody has subscribed to."),
    FIGURE(topics, subscribers, "topic_subscribers", "gauge", "Subscriptions."),
    FIGURE(topics, lagging, "topic_subscribers_lagging", "gauge",
           "Those of them that have not taken all that is there."),
    FIGURE(topics, messages, "topic_messages", "gauge", "Messages that are held."),
    FIGURE(topics, bytes, "topic_message_bytes", "gauge", "Bytes that they take."),
    FIGURE(topics, published, "topic_published_total", "counter", "Messages that were published."),
    FIGURE(topics, delivered, "topic_delivered_total", "counter", "Times that a message was handed to a subscriber."),
    FIGURE(topics, skipped, "topic_skipped_total", "counter", "Messages that a slow subscriber has missed."),
    FIGURE(topics, conflated, "topic_conflated_total", "counter", "Likewise, where only the newest counts."),
    FIGURE(topics, disconnected, "topic_disconnected_total", "counter",
           "Subscriptions that were ended for being slow."),
    FIGURE(topics, refused, "topic_refused_total", "counter",
           "Messages and subscriptions that were refused at a bound."),
};

#define COUNT_OF(figures) (sizeof figures / sizeof figures[0])

/* ---- Reading ---- */

static void read_worker(const struct web *web, weir_ledger *ledger)
{
    const struct live_figures *live = &web->live.figures;
    const struct topic_figures *topic = &web->topics.figures;
    ledger->sockets.websockets += counter_read(&live->websockets);
    ledger->sockets.event_streams += counter_read(&live->event_streams);
    ledger->sockets.received += counter_read(&live->received);
    ledger->sockets.sent += counter_read(&live->sent);
    ledger->topics.subscribers += counter_read(&topic->subscribers);
    ledger->topics.lagging += counter_read(&topic->lagging);
    ledger->topics.delivered += counter_read(&topic->delivered);
    ledger->topics.skipped += counter_read(&topic->skipped);
    ledger->topics.conflated += counter_read(&topic->conflated);
    ledger->topics.disconnected += counter_read(&topic->disconnected);
}

void ledger_read_live(weir_server *s, bool started, weir_ledger *ledger)
{
    struct topics *t = &s->topics;
    topic_table_lock_acquire(&t->table_lock);
    ledger->topics.topics = t->name_count;
    ledger->topics.patterns = t->pattern_count;
    topic_table_lock_release(&t->table_lock);
    ledger->topics.messages = counter_read(&t->figures.messages);
    ledger->topics.bytes = counter_read(&t->figures.bytes);
    ledger->topics.published = counter_read(&t->published);
    ledger->topics.refused = counter_read(&t->refused);
    for (int i = 0; started && i < s->settings.config.workers; i++)
        read_worker(&s->workers[i].web, ledger);
}

/* ---- Writing ---- */

static void put_object(struct ledger_writer *w, const char *name, const weir_ledger *ledger,
                       const struct ledger_figure *figures, size_t count)
{
    ledger_put(w, ",\"%s\":{", name);
    for (size_t i = 0; i < count; i++)
        ledger_put(w, "%s\"%s\":%" PRIu64, i ? "," : "", figures[i].name, ledger_figure_value(ledger, &figures[i]));
    ledger_put(w, "}");
}

void ledger_put_live_json(struct ledger_writer *w, const weir_ledger *ledger)
{
    put_object(w, "sockets", ledger, sockets, COUNT_OF(sockets));
    put_object(w, "topics", ledger, topics, COUNT_OF(topics));
}

static void put_metrics(struct ledger_writer *w, const weir_ledger *ledger, const struct ledger_figure *figures,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ledger_put_metric(w, figures[i].metric, figures[i].type, figures[i].help);
        ledger_put(w, "weir_%s %" PRIu64 "\n", figures[i].metric, ledger_figure_value(ledger, &figures[i]));
    }
}

void ledger_put_live_metrics(struct ledger_writer *w, const weir_ledger *ledger)
{
    put_metrics(w, ledger, sockets, COUNT_OF(sockets));
    put_metrics(w, ledger, topics, COUNT_OF(topics));
}
