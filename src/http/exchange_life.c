/*
 * The parts of an exchange's life that few requests have.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_life.h"
#include "http/request_log.h"

void exchange_begin_special(struct exchange *x)
{
    x->special = true;
    uint32_t ms = x->http->settings->handler_timeout_ms;
    if (ms > 0)
        exchange_limit_time(x, (int)ms);
}

void exchange_undo(struct exchange *x)
{
    exchange_forget_time(x);
    arena_done(&x->arena, x->inline_memory, sizeof x->inline_memory);
    if (x->head.fields != x->fields)
        exchange_shrink_fields(x);
}

/*
 * Whether the handler has said something of its own to a refusal: it made an error's reply, or wrote one, or has set
 * such a status since. A status that it had set before, and then waited with, says nothing.
 */
static bool refusal_answered(const struct exchange *x, bool abandoned)
{
    if (reply_is_committed(&x->reply))
        return true;
    if (x->reply.status < 400)
        return false;
    return reply_is_complete(&x->reply) ||
           (!abandoned && (x->body_sent > 0 || x->reply.status != x->reply.status_then));
}

/* Whether the handler has made nothing of its reply, after its waits had been ended. */
static bool has_run_late(const struct exchange *x, bool abandoned)
{
    const struct reply *r = &x->reply;
    return exchange_is_late(x) && !abandoned && r->phase == REPLY_OPEN && r->status == 200 && x->body_sent == 0 &&
           !r->fields && r->length == REPLY_LENGTH_UNKNOWN;
}

void exchange_settle(struct exchange *x, bool abandoned)
{
    if (has_run_late(x, abandoned))
        exchange_refuse(x, REFUSAL_DEADLINE, NULL);
    exchange_forget_time(x);
    if (x->http->admission.limited)
        admission_learn(x);
    if (x->duplex && (abandoned || x->refusal != REFUSAL_NONE))
        exchange_drop_duplex(x);
    if (x->refusal == REFUSAL_NONE)
        return;
    x->ops->end(x, ENDING_LINGER);
    if (x->gone)
        return;
    x->cut = false; /* the page has to get out */
    if (!refusal_answered(x, abandoned))
        x->http->host->replace(x);
}

void exchange_shrink_fields(struct exchange *x)
{
    pool_give(&x->http->fields, x->head.fields);
    counter_subtract(&x->http->counters.unlike_requests, 1);
    x->head.fields = x->fields;
    x->head.field_max = HEAD_FIELDS_INLINE;
}
