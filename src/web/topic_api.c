/*
 * Topics as handlers see them: a subscription that a fiber waits on. It never keeps up for long: each message that
 * comes wakes the fiber, which asks for it, so that what a handler does not ask for stays in the ring.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/topic/name.h"
#include "web/topic/subscription.h"

/* In the request's memory; ends with it. */
struct weir_subscription {
    struct subscription base;
    struct fiber *fiber;     /* waits for the next message; NULL: nobody does */
    struct message *current; /* the one that was given last, with a reference; NULL: none */
    bool overrun;            /* the base has ended by that */
};

#define TOPIC_NEWS 1 /* what a fiber is woken with: there is a message */

static weir_subscription *handler_of(struct subscription *s)
{
    return container_of(s, struct weir_subscription, base);
}

static size_t handler_deliver(struct topic_worker *worker, struct subscription *base, struct message *const *messages,
                              size_t count)
{
    (void)worker;
    (void)messages;
    (void)count;
    weir_subscription *s = handler_of(base);
    if (s->fiber)
        fiber_wake(s->fiber, TOPIC_NEWS);
    return 0;
}

static void handler_overrun(struct topic_worker *worker, struct subscription *base)
{
    (void)worker;
    weir_subscription *s = handler_of(base);
    s->overrun = true;
    if (s->fiber)
        fiber_wake(s->fiber, TOPIC_NEWS);
}

static const struct subscriber_ops handler_ops = {.deliver = handler_deliver, .overrun = handler_overrun};

static void handler_end(void *arg)
{
    weir_subscription *s = arg;
    unsubscribe(&s->base);
    message_unref(s->current);
    s->current = NULL;
}

int weir_topic_subscribe(weir_ctx *c, const char *name, const weir_topic_start *start, weir_subscription **subscription)
{
    CONTEXT_CHECK(c);
    if (!subscription)
        return WEIR_EINVAL;
    *subscription = NULL;
    if (!name)
        return context_null_error(c);
    if (start && start->last < 0)
        return WEIR_EINVAL;
    weir_subscription *s = weir_alloc(c, sizeof *s);
    if (!s)
        return WEIR_ENOMEM;
    *s = (weir_subscription){.fiber = NULL};
    int error = weir_defer(c, handler_end, s);
    if (!error)
        error = subscribe(&c->web->topics, slice_from(name), &handler_ops, start, &s->base);
    if (error < 0)
        return error;
    *subscription = s;
    return 0;
}

void weir_topic_unsubscribe(weir_ctx *c, weir_subscription *subscription)
{
    CONTEXT_CHECK(c);
    if (subscription)
        handler_end(subscription);
}

/* What is there now: 1 with a message, 0, or an error. */
static int handler_look(weir_subscription *s)
{
    if (!s->base.reader)
        return s->overrun ? WEIR_ETOOBIG : WEIR_EINVAL;
    int result = subscription_lags(&s->base) ? subscription_next(&s->base, &s->current) : 0;
    s->overrun |= result < 0;
    return result;
}

/* Waits until there is a message: 1; or what ended the wait. */
static int handler_wait(weir_ctx *c, weir_subscription *s, uint32_t timeout_ms)
{
    struct loop *l = c->web->loop;
    struct wait_timer wait = {.timer.kind = TIMER_WAIT, .fiber = l->fibers.current};
    context_before_wait(c);
    if (timeout_ms > 0)
        timer_arm(&l->wheel, &wait.timer, loop_delay_now(l, timeout_ms));
    s->fiber = l->fibers.current;
    int result = 0;
    while (result == 0) {
        /* A wait of a handler that is cut would end it here, where its stack is known to others. */
        result = exchange_is_cut(c->x) ? WEIR_ECANCELED : exchange_park_for_other(c->x);
        if (result >= 0)
            result = handler_look(s);
    }
    s->fiber = NULL;
    timer_cancel(&l->wheel, &wait.timer);
    return result;
}

int weir_topic_next(weir_ctx *c, weir_subscription *subscription, int timeout_ms, weir_message *m)
{
    CONTEXT_CHECK(c);
    if (!m)
        return WEIR_EINVAL;
    *m = (weir_message){.text = NULL};
    if (!subscription || timeout_ms < WEIR_OFF)
        return WEIR_EINVAL;
    message_unref(subscription->current);
    subscription->current = NULL;
    int result = handler_look(subscription);
    if (result == 0)
        result = timeout_ms == WEIR_OFF ? WEIR_ETIMEDOUT : handler_wait(c, subscription, (uint32_t)timeout_ms);
    if (result < 0)
        return result;
    *m = message_view(subscription->current);
    return 0;
}

bool weir_topic_is_name(const char *name)
{
    return name && topic_name_kind(slice_from(name)) == TOPIC_NAME;
}

int weir_topic_publish(weir_topic *topic, const weir_message *m)
{
    return topic ? topic_publish(topic, m, false) : WEIR_EINVAL;
}
