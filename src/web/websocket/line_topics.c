/*
 * Topics whose messages a line sends. A subscription never keeps up for long: what comes wakes the fiber, which asks
 * for one message after the other.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/line.h"

#include "http/upgrade.h"

#define ROUND 16 /* messages of one topic between two looks at what the client sends */

struct line_topic {
    struct subscription base;
    struct ws_line *line;
    struct list link;
};

static struct line_topic *topic_of(struct subscription *s)
{
    return container_of(s, struct line_topic, base);
}

static size_t deliver(struct topic_worker *worker, struct subscription *s, struct message *const *messages,
                      size_t count)
{
    (void)worker;
    (void)messages;
    (void)count;
    exchange_nudge(topic_of(s)->line->c->x);
    return 0;
}

static void overrun(struct topic_worker *worker, struct subscription *s)
{
    (void)worker;
    struct ws_line *l = topic_of(s)->line;
    l->flags |= LINE_OVERRUN;
    exchange_nudge(l->c->x);
}

static const struct subscriber_ops ops = {.deliver = deliver, .overrun = overrun};

static struct line_topic *find(const struct ws_line *l, struct slice name)
{
    list_for_each (link, &l->topics) {
        struct line_topic *t = container_of(link, struct line_topic, link);
        if (t->base.reader && slice_equal(subscription_topic(&t->base), name))
            return t;
    }
    return NULL;
}

int line_subscribe(weir_ctx *c, struct slice name, const weir_topic_start *start)
{
    struct ws_line *l = line_of(c);
    if (find(l, name))
        return WEIR_EEXIST;
    struct list *link = list_pop_front(&l->ended);
    struct line_topic *t = link ? container_of(link, struct line_topic, link) : weir_alloc(c, sizeof *t);
    if (!t)
        return WEIR_ENOMEM;
    *t = (struct line_topic){.line = l};
    int error = subscribe(&c->web->topics, name, &ops, start, &t->base);
    list_push_back(error < 0 ? &l->ended : &l->topics, &t->link);
    return error < 0 ? error : 0;
}

static void end(struct ws_line *l, struct line_topic *t)
{
    unsubscribe(&t->base);
    list_remove(&t->link);
    list_push_back(&l->ended, &t->link);
}

int line_unsubscribe(weir_ctx *c, struct slice name)
{
    struct ws_line *l = line_of(c);
    struct line_topic *t = find(l, name);
    if (t)
        end(l, t);
    return t ? 0 : WEIR_ENOENT;
}

void line_unsubscribe_all(struct ws_line *l)
{
    while (!list_empty(&l->topics))
        end(l, container_of(l->topics.next, struct line_topic, link));
    message_unref(l->delivering);
    l->delivering = NULL;
}

/* Sends the next messages of one topic. True: there may be more. */
static bool deliver_some(struct ws_line *l, struct line_topic *t)
{
    for (int i = 0; i < ROUND; i++) {
        if (!ws_may_send(l->rest) || !subscription_lags(&t->base))
            return false;
        int result = subscription_next(&t->base, &l->delivering);
        if (result < 0)
            l->flags |= LINE_OVERRUN;
        if (result <= 0)
            return false;
        (void)line_put(l, message_frame(l->delivering), slice_of(NULL, 0));
        message_unref(l->delivering);
        l->delivering = NULL;
    }
    return true;
}

bool line_deliver(struct ws_line *l)
{
    bool more = false;
    if (l->socket.sending || (l->flags & LINE_LEFT)) /* no message goes between the parts of another one */
        return false;
    list_for_each (link, &l->topics)
        more |= deliver_some(l, container_of(link, struct line_topic, link));
    if ((l->flags & LINE_OVERRUN) && ws_may_send(l->rest))
        (void)line_close(l->c, WS_CLOSE_POLICY, SLICE("too slow"));
    return more;
}
