/*
 * Topics in the ledger: added up, as JSON, as metrics. One table names every figure.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server/ledger_topics.h"
#include "server/server.h"

#include <inttypes.h>

static const struct figure {
    const char *name, *metric, *type, *help;
    size_t offset; /* in weir_ledger_topics */
} figures[] = {
#define FIGURE(member, metric, type, help)                                                                             \
    {                                                                                                                  \
#member, metric, type, help, offsetof(weir_ledger_topics, member)                                              \
    }
    FIGURE(topics, "topics", "gauge", "Topics by name."),
    FIGURE(patterns, "topic_patterns", "gauge", "Patterns that somebody has subscribed to."),
    FIGURE(subscribers, "topic_subscribers", "gauge", "Subscriptions."),
    FIGURE(lagging, "topic_subscribers_lagging", "gauge", "Those of them that have not taken all that is there."),
    FIGURE(messages, "topic_messages", "gauge", "Messages that are held."),
    FIGURE(bytes, "topic_message_bytes", "gauge", "Bytes that they take."),
    FIGURE(published, "topic_published_total", "counter", "Messages that were published."),
    FIGURE(delivered, "topic_delivered_total", "counter", "Times that a message was handed to a subscriber."),
    FIGURE(skipped, "topic_skipped_total", "counter", "Messages that a slow subscriber has missed."),
    FIGURE(conflated, "topic_conflated_total", "counter", "Likewise, where only the newest counts."),
    FIGURE(disconnected, "topic_disconnected_total", "counter", "Subscriptions that were ended for being slow."),
    FIGURE(refused, "topic_refused_total", "counter", "Messages and subscriptions that were refused at a bound."),
};

#define COUNT (sizeof figures / sizeof figures[0])

static uint64_t figure_of(const weir_ledger_topics *topics, size_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)topics + figures[i].offset, sizeof value);
    return value;
}

void ledger_read_topics(weir_server *s, bool started, weir_ledger_topics *topics)
{
    struct topics *t = &s->topics;
    topic_table_lock_acquire(&t->table_lock);
    topics->topics = t->name_count;
    topics->patterns = t->pattern_count;
    topic_table_lock_release(&t->table_lock);
    topics->messages = counter_read(&t->figures.messages);
    topics->bytes = counter_read(&t->figures.bytes);
    topics->published = counter_read(&t->published);
    topics->refused = counter_read(&t->refused);
    for (int i = 0; started && i < s->settings.config.workers; i++) {
        const struct topic_figures *worker = &s->workers[i].web.topics.figures;
        topics->subscribers += counter_read(&worker->subscribers);
        topics->lagging += counter_read(&worker->lagging);
        topics->delivered += counter_read(&worker->delivered);
        topics->skipped += counter_read(&worker->skipped);
        topics->conflated += counter_read(&worker->conflated);
        topics->disconnected += counter_read(&worker->disconnected);
    }
}

void ledger_put_topics_json(struct ledger_writer *w, const weir_ledger_topics *topics)
{
    for (size_t i = 0; i < COUNT; i++)
        ledger_put(w, "%s\"%s\":%" PRIu64, i ? "," : ",\"topics\":{", figures[i].name, figure_of(topics, i));
    ledger_put(w, "}");
}

void ledger_put_topics_metrics(struct ledger_writer *w, const weir_ledger_topics *topics)
{
    for (size_t i = 0; i < COUNT; i++) {
        ledger_put_metric(w, figures[i].metric, figures[i].type, figures[i].help);
        ledger_put(w, "weir_%s %" PRIu64 "\n", figures[i].metric, figure_of(topics, i));
    }
}
