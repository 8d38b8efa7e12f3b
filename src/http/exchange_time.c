/*
 * The times that bound an exchange's handler: when it is ended, when its waits are, and how long a clean-up may wait.
 * Few requests have any; those that do share one timer, which is armed for what is next.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_life.h"
#include "http/request_log.h"

/* The ticks of what is due. The timer's own is that of the first, so that the record needs room for one more only. */
struct times {
    uint32_t handler, waits; /* where enum exchange_due says that there is one */
};

static struct times times_of(const struct exchange *x)
{
    uint32_t first = x->deadline.expires, later = x->due_later;
    if ((x->due & (DUE_HANDLER | DUE_WAITS)) != (DUE_HANDLER | DUE_WAITS))
        return (struct times){.handler = first, .waits = first};
    bool waits_later = x->due & DUE_WAITS_LATER;
    return (struct times){.handler = waits_later ? first : later, .waits = waits_later ? later : first};
}

/* Keeps the ticks of what is due, and arms the timer for the first. */
static void times_keep(struct exchange *x, struct times t)
{
    struct loop *l = x->http->net->loop;
    bool both = (x->due & DUE_HANDLER) && (x->due & DUE_WAITS);
    bool waits_later = both && ticks_between(t.handler, t.waits) > 0;
    bool handler_first = waits_later || !(x->due & DUE_WAITS);
    x->due = (uint8_t)((x->due & ~DUE_WAITS_LATER) | (waits_later ? DUE_WAITS_LATER : 0));
    x->due_later = waits_later ? t.waits : t.handler;
    int32_t delay = ticks_between(loop_now_ms(l), handler_first ? t.handler : t.waits);
    if (x->due & (DUE_HANDLER | DUE_WAITS))
        timer_arm(&l->wheel, &x->deadline, delay > 0 ? (uint32_t)delay : 0);
    else
        timer_cancel(&l->wheel, &x->deadline);
}

/* The tick that lies ms ahead. */
static uint32_t tick_ahead(const struct exchange *x, int64_t ms)
{
    const struct loop *l = x->http->net->loop;
    return tick_after(loop_now_ms(l), loop_delay_now(l, ms < TIMER_DELAY_MAX ? (uint32_t)ms : TIMER_DELAY_MAX));
}

void exchange_limit_time(struct exchange *x, int ms)
{
    struct times t = times_of(x);
    x->special = true;
    x->due = (uint8_t)(ms < 0 ? x->due & ~DUE_HANDLER : x->due | DUE_HANDLER);
    if (ms >= 0)
        t.handler = tick_after(loop_now_ms(x->http->net->loop), loop_delay((uint32_t)ms));
    times_keep(x, t);
}

void exchange_set_deadline(struct exchange *x, int64_t ms)
{
    struct times t = times_of(x);
    x->special = true;
    x->due &= (uint8_t) ~(DUE_WAITS | DUE_PASSED);
    if (ms == 0)
        x->due |= DUE_PASSED;
    if (ms > 0) {
        x->due |= DUE_WAITS;
        t.waits = tick_ahead(x, ms);
    }
    times_keep(x, t);
}

void exchange_cancel(struct exchange *x)
{
    x->due |= DUE_CANCELED;
    if (x->fiber)
        fiber_wake(x->fiber, WEIR_ECANCELED);
}

int64_t exchange_time_left(const struct exchange *x)
{
    if (x->due & DUE_PASSED)
        return 0;
    if (!(x->due & DUE_WAITS))
        return -1;
    int32_t left =
        ticks_between(loop_tick_now(x->http->net->loop), times_of(x).waits) - 1; /* as loop_delay() adds one */
    return left > 1 ? left : 1;
}

void exchange_forget_time(struct exchange *x)
{
    x->due = 0;
    timer_cancel(&x->http->net->loop->wheel, &x->deadline);
}

/* The handler is over its time. */
static void end_handler(struct exchange *x)
{
    x->due &= (uint8_t)~DUE_HANDLER;
    exchange_refuse(x, REFUSAL_HANDLER_TIMEOUT, NULL);
    x->cut = true;
    if (x->fiber)
        fiber_wake(x->fiber, WEIR_ECANCELED);
}

static void end_waits(struct exchange *x)
{
    x->due = (uint8_t)((x->due & ~DUE_WAITS) | DUE_PASSED);
    if (x->fiber)
        fiber_wake(x->fiber, WEIR_ETIMEDOUT);
}

void exchange_timed(void *owner, struct timer *timer)
{
    (void)owner;
    struct exchange *x = container_of(timer, struct exchange, deadline);
    struct times t = times_of(x);
    uint32_t now = loop_now_ms(x->http->net->loop);
    if ((x->due & DUE_WAITS) && ticks_between(now, t.waits) <= 0)
        end_waits(x);
    if ((x->due & DUE_HANDLER) && ticks_between(now, t.handler) <= 0)
        end_handler(x);
    times_keep(x, t);
}

/* ---- Clean-up ---- */

void exchange_begin_clean_up(struct exchange *x, struct exchange_clean_up *before, int ms)
{
    if (x->due & DUE_HANDLER) /* of a handler that was ended before its time */
        exchange_limit_time(x, -1);
    *before = (struct exchange_clean_up){.handler = x->handler,
                                         .untold = x->untold,
                                         .cut = x->cut,
                                         .canceled = x->due & DUE_CANCELED,
                                         .cleaning = x->due & DUE_CLEANING,
                                         .left = exchange_time_left(x)};
    x->handler = HANDLER_ENDED;
    x->untold &= NEWS_STOP_TOLD;
    x->cut = false;
    x->due = (uint8_t)((x->due & ~DUE_CANCELED) | DUE_CLEANING);
    exchange_set_deadline(x, ms);
}

void exchange_end_clean_up(struct exchange *x, const struct exchange_clean_up *before)
{
    exchange_set_deadline(x, before->left);
    x->handler = before->handler;
    x->untold |= before->untold;
    x->cut |= before->cut;
    if (before->canceled)
        x->due |= DUE_CANCELED;
    if (!before->cleaning)
        x->due &= (uint8_t)~DUE_CLEANING;
}
