/*
 * Subscriptions: who is given the messages of a topic or a pattern, on one worker. 32 bytes in the record of whoever
 * subscribes, without memory of their own.
 *
 * All subscriptions of one worker and one kind to one topic share a reader. It takes what is new out of the ring once,
 * and hands it to each that keeps up, several messages in one call. One that takes fewer than it is given lags from
 * then on: it is left out, and has a place of its own in the ring, from which its owner asks for one message after the
 * other until there is none; then it keeps up again. So a slow subscriber holds what its owner has asked for last, and
 * nothing is queued for it. Where the ring has gone past its place, the topic's bounds say what becomes of it.
 *
 * A kind of subscriber is a static table:
 *
 *     static size_t line_deliver(struct topic_worker *w, struct subscription *s, struct message *const *messages,
 *                                size_t count)
 *     {
 *         struct line *l = container_of(s, struct line, subscription);
 *         if (l->sending)
 *             return 0;                    // lags: line_took() goes on
 *         l->sending = messages[0];        // is to be kept beyond this call
 *         message_ref(l->sending);
 *         line_send(l, message_frame(l->sending));
 *         return 1;                        // lags, too, if count is more
 *     }
 *
 *     static void line_took(struct line *l) // the client has taken all of it
 *     {
 *         message_unref(l->sending);
 *         l->sending = NULL;
 *         int more = subscription_lags(&l->subscription) ? subscription_next(&l->subscription, &l->sending) : 0;
 *         if (more > 0)
 *             line_send(l, message_frame(l->sending));
 *         else if (more < 0)
 *             line_close(l);               // WEIR_OVERRUN_DISCONNECT
 *     }
 *
 *     static void line_overrun(struct topic_worker *worker, struct subscription *s) // has ended already
 *     {
 *         line_close(container_of(s, struct line, subscription));
 *     }
 *
 *     static const struct subscriber_ops line_ops = {.deliver = line_deliver, .overrun = line_overrun};
 *
 *     ... if (subscribe(worker, name, &line_ops, NULL, &l->subscription) > 0)  // the history comes first
 *             line_took(l);
 *     ... unsubscribe(&l->subscription);   // before l goes
 *
 * Everything here is the worker's, on its own thread; nothing suspends.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_SUBSCRIPTION_H
#define WEIR_WEB_TOPIC_SUBSCRIPTION_H

#include "web/topic/topic.h"

struct subscription {
    struct list link;            /* among those of its reader that keep up; in no list: lags */
    struct topic_reader *reader; /* NULL: none, it has ended or not begun */
    uint64_t position; /* of the next message, while it lags; else no message before this position is for it */
};

_Static_assert(sizeof(struct subscription) == 32, "an idle subscriber has few bytes beside it");

struct subscriber_ops {
    /*
     * Gives count > 0 messages, in order, on the loop's own stack. Returns how many were taken, from the first on; with
     * fewer than count s lags. The messages are the caller's: who keeps one takes a reference. May end any
     * subscription; once it has ended s itself, it returns count. Must not subscribe s, nor ask for its next message.
     */
    size_t (*deliver)(struct topic_worker *w, struct subscription *s, struct message *const *messages, size_t count);
    /* Messages for s were lost, and the topic disconnects. s has ended. May be freed. */
    void (*overrun)(struct topic_worker *w, struct subscription *s);
};

/*
 * Begins s, of that kind, which has not begun or has ended: to a name or a pattern that is there or may be made. start
 * may be NULL: with what is published from now on. Returns 0: it keeps up; 1: it lags, so that the caller is to ask for
 * the next message; or WEIR_EINVAL, WEIR_EACCES, WEIR_ETOOBIG, WEIR_ENOMEM as weir_topic_subscribe().
 */
int subscribe(struct topic_worker *w, struct slice name, const struct subscriber_ops *ops,
              const weir_topic_start *start, struct subscription *s) MUST_CHECK;

/* Ends s. Does nothing if it has not begun, all zero, or has ended. */
void unsubscribe(struct subscription *s);

/* Whether s lags: its owner asks for what comes next. */
static inline bool subscription_lags(const struct subscription *s)
{
    return s->reader && list_empty(&s->link);
}

/* The next message of one that lags, with a reference for the caller: 1. 0: there is none, and it keeps up from here
 * on. WEIR_ETOOBIG: it was overrun, and has ended. */
int subscription_next(struct subscription *s, struct message **m) MUST_CHECK;

/* The name or the pattern that s is for. */
struct slice subscription_topic(const struct subscription *s);

#endif
