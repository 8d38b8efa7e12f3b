/*
 * The times that bound an exchange's handler: when it is ended, when its waits are, and how long a clean-up may wait.
 * Few requests have any; those that do share one timer, which is armed for what is next.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_life.h"
#include "http/request_log.h"

/* Arms the timer for what is due next. */
static void time_arm(struct exchange *x)
{
    struct loop *l = x->http->net->loop;
    uint32_t now = loop_now_ms(l);
    int32_t handler = x->due & DUE_HANDLER ? ticks_between(now, x->handler_due) : INT32_MAX;
    int32_t waits = x->due & DUE_WAITS ? ticks_between(now, x->waits_due) : INT32_MAX;
    int32_t next = handler < waits ? handler : waits;
    if (next == INT32_MAX)
        timer_cancel(&l->wheel, &x->deadline);
    else
        timer_arm(&l->wheel, &x->deadline, next > 0 ? (uint32_t)next : 0);
}

/* The tick that lies ms ahead. */
static uint32_t tick_ahead(const struct exchange *x, int64_t ms)
{
    const struct loop *l = x->http->net->loop;
    return tick_after(loop_now_ms(l), loop_delay_now(l, ms < TIMER_DELAY_MAX ? (uint32_t)ms : TIMER_DELAY_MAX));
}

void exchange_limit_time(struct exchange *x, int ms)
{
    x->special = true;
    x->due = (uint8_t)(ms < 0 ? x->due & ~DUE_HANDLER : x->due | DUE_HANDLER);
    if (ms >= 0)
        x->handler_due = tick_after(loop_now_ms(x->http->net->loop), loop_delay((uint32_t)ms));
    time_arm(x);
}

void exchange_set_deadline(struct exchange *x, int64_t ms)
{
    x->special = true;
    x->due &= DUE_HANDLER | DUE_CANCELED;
    if (ms == 0)
        x->due |= DUE_PASSED;
    if (ms > 0) {
        x->due |= DUE_WAITS;
        x->waits_due = tick_ahead(x, ms);
    }
    time_arm(x);
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
    int32_t left = ticks_between(loop_now_ms(x->http->net->loop), x->waits_due) - 1; /* as loop_delay() adds one */
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

void exchange_timed(void *owner, struct timer *t)
{
    (void)owner;
    struct exchange *x = container_of(t, struct exchange, deadline);
    uint32_t now = loop_now_ms(x->http->net->loop);
    if ((x->due & DUE_WAITS) && ticks_between(now, x->waits_due) <= 0) {
        x->due = (uint8_t)((x->due & ~DUE_WAITS) | DUE_PASSED);
        if (x->fiber)
            fiber_wake(x->fiber, WEIR_ETIMEDOUT);
    }
    if ((x->due & DUE_HANDLER) && ticks_between(now, x->handler_due) <= 0)
        end_handler(x);
    time_arm(x);
}

/* ---- Clean-up ---- */

void exchange_begin_clean_up(struct exchange *x, struct exchange_clean_up *before, int ms)
{
    *before = (struct exchange_clean_up){.handler = x->handler,
                                         .untold = x->untold,
                                         .cut = x->cut,
                                         .canceled = x->due & DUE_CANCELED,
                                         .left = exchange_time_left(x)};
    x->handler = HANDLER_ENDED;
    x->untold &= NEWS_STOP_TOLD;
    x->cut = false;
    x->due &= (uint8_t)~DUE_CANCELED;
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
}
