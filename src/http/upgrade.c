/*
 * Upgraded exchanges: what is the same for every version of HTTP.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/upgrade.h"
#include "http/filter.h"
#include "http/http.h"

int upgrade_prepare(struct exchange *x, uint16_t status)
{
    struct reply *r = &x->reply;
    int error = exchange_may(x, REPLY_MAKE);
    if (error)
        return error;
    uint16_t before = r->status;
    x->ops->discard(x); /* room in the region that nothing was put into */
    r->status = status;
    r->length = REPLY_LENGTH_UNKNOWN;
    r->phase = REPLY_SEALING;
    (void)x->http->host->before_head(x);
    r->phase = REPLY_OPEN;
    filter_drop(x);
    r->trailers = NULL;
    r->close = false;
    if (r->status != status)
        return WEIR_ECANCELED;
    error = x->gone ? WEIR_ECLOSED : x->http->net->draining ? WEIR_ECANCELED : 0;
    r->status = error ? before : status;
    return error;
}

void upgrade_begin(struct exchange *x)
{
    debug_assert(x->reply.phase == REPLY_STREAMING);
    x->reply.form = REPLY_RAW;
    x->body_length = -1;
    x->body_limit = INT64_MAX;
    x->body_read = false;
    x->rest.len = 0;
    upgrade_set_patience(x, -1);
    x->body_clock.nudge = 0;
    if (!(x->untold & NEWS_STOP_TOLD)) /* nothing else would end what has no end in sight */
        x->untold |= NEWS_STOP;
    if (x->due & DUE_HANDLER)
        exchange_limit_time(x, -1);
}

/* Whether the present read is to say that exchange_nudge() was called; it then has. */
static bool take_nudge(struct exchange *x)
{
    bool said = x->body_clock.nudge == (NUDGE_CAME | NUDGE_ENDS_READ);
    if (said)
        x->body_clock.nudge = NUDGE_ENDS_READ;
    return said;
}

int upgrade_wait(struct exchange *x)
{
    const struct loop *l = x->http->net->loop;
    uint32_t patience = x->body_clock.patience_ms;
    bool endless = patience == PATIENCE_ENDLESS;
    int result = exchange_news(x, NEWS_STOP);
    if (result || take_nudge(x))
        return result ? result : EXCHANGE_NUDGED;
    do {
        x->body_clock.deadline = tick_after(loop_now_ms(l), loop_delay(patience));
        x->ops->arm_body_deadline(x);
        result = exchange_park(x, WAIT_INPUT);
    } while (endless && result == WEIR_ETIMEDOUT && !x->gone && !exchange_is_late(x));
    if (result >= 0 && take_nudge(x))
        return EXCHANGE_NUDGED;
    if (result == WEIR_ECANCELED && !x->cut)
        (void)exchange_news(x, NEWS_STOP);
    return result < 0 ? result : 0;
}

ssize_t exchange_read_within(struct exchange *x, int ms, const char **data)
{
    uint32_t before = x->body_clock.patience_ms;
    debug_assert(exchange_is_upgraded(x));
    upgrade_set_patience(x, ms);
    x->body_clock.nudge |= NUDGE_ENDS_READ;
    ssize_t result = exchange_read(x, data);
    x->body_clock.nudge &= NUDGE_CAME;
    upgrade_set_patience(x, (int)before);
    return result;
}

void exchange_nudge(struct exchange *x)
{
    x->body_clock.nudge |= NUDGE_CAME;
    if ((x->body_clock.nudge & NUDGE_ENDS_READ) && x->fiber && x->waiting == WAIT_INPUT)
        fiber_wake(x->fiber, 0);
}
