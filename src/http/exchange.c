/*
 * How an exchange shares its worker: waiting, taking turns, and being ended.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/exchange_life.h"
#include "http/request_log.h"
#include "http/upgrade.h"

/* ---- Waiting and leaving ---- */

bool exchange_is_cut(const struct exchange *x)
{
    return x->cut && x->handler != HANDLER_ENDED;
}

void exchange_forget_class(struct exchange *x)
{
    if (!x->hold.counted)
        x->class = NULL;
}

bool exchange_admit_slowly(struct exchange *x, struct admission_class *class)
{
    return admission_enter(x, class);
}

static inline bool exchange_may_suspend(struct exchange *x, bool waits)
{
    return x->ops->watch(x) && (likely(!x->http->admission.limited) || admission_hold(x, waits));
}

void exchange_before_wait(struct exchange *x)
{
    if (exchange_is_cut(x))
        exchange_abandon(x);
    if (exchange_may_suspend(x, true))
        return;
    exchange_refuse(x, REFUSAL_MEMORY, NULL);
    exchange_abandon(x);
}

bool exchange_can_wait(struct exchange *x)
{
    return exchange_may_suspend(x, true);
}

void exchange_yield(struct exchange *x)
{
    if (exchange_may_suspend(x, false))
        fiber_yield(&x->http->net->loop->fibers);
}

int exchange_park(struct exchange *x, enum exchange_wait why)
{
    struct fibers *f = &x->http->net->loop->fibers;
    if (x->handler != HANDLER_ENDED)
        exchange_before_wait(x);
    else if (!exchange_may_suspend(x, true)) {
        http_refused_request(x->http, x->conn, x, REFUSAL_MEMORY, "no memory to wait for the end of a reply or a body");
        return WEIR_ENOMEM;
    }
    if (unlikely(exchange_is_late(x)) && why != WAIT_OUTPUT)
        return exchange_late_error(x);
    x->waiting = (uint8_t)why;
    x->fiber = f->current;
    int result = fiber_park(f);
    x->waiting = WAIT_NONE;
    x->fiber = NULL;
    return result;
}

int exchange_news(struct exchange *x, unsigned which)
{
    unsigned news = 0;
    if (x->gone)
        news = NEWS_GONE | NEWS_HALF_CLOSED;
    else if (x->ops->peer(x, false) != PEER_OPEN)
        news = NEWS_HALF_CLOSED;
    if (x->http->net->draining)
        news |= NEWS_STOP;
    news &= which & x->untold;
    x->untold = (uint8_t)((x->untold & ~news) | (news & NEWS_STOP ? NEWS_STOP_TOLD : 0));
    return news & (NEWS_GONE | NEWS_HALF_CLOSED) ? WEIR_ECLOSED : news ? WEIR_ECANCELED : 0;
}

int exchange_wait_result(struct exchange *x, int result)
{
    bool ended = result == WEIR_ETIMEDOUT || result == WEIR_ECLOSED || result == WEIR_ECANCELED;
    if (!ended || x->cut || x->handler == HANDLER_ENDED) /* a clean-up is told no news */
        return result;
    int news = exchange_news(x, NEWS_ANY);
    return news ? news : x->gone ? WEIR_ECLOSED : result;
}

int exchange_wait_over(struct exchange *x)
{
    return unlikely(exchange_is_late(x)) ? exchange_late_error(x) : exchange_news(x, NEWS_ANY);
}

int exchange_park_for_other(struct exchange *x)
{
    int over = exchange_wait_over(x);
    return over ? over : exchange_wait_result(x, exchange_park(x, WAIT_OTHER));
}

void exchange_wake_for_news(struct exchange *x, enum exchange_news news)
{
    if (!x->fiber || !(x->untold & news))
        return;
    if (x->waiting == WAIT_OTHER || (news == NEWS_STOP && x->waiting == WAIT_INPUT))
        fiber_wake(x->fiber, news == NEWS_STOP ? WEIR_ECANCELED : WEIR_ECLOSED);
}

void exchange_wake_gone(struct exchange *x, int error)
{
    if (x->fiber && !((x->due & DUE_CLEANING) && x->waiting == WAIT_OTHER))
        fiber_wake(x->fiber, error);
}

/* How long the body may be waited for now, in ms, and which limit that is. */
static uint32_t body_patience(struct exchange *x, enum refusal *cause)
{
    const struct http_settings *settings = x->http->settings;
    struct body_clock *clock = &x->body_clock;
    uint32_t wait = settings->body_timeout_ms;
    *cause = REFUSAL_BODY_TIMEOUT;
    if (settings->body_min_rate == 0)
        return wait;
    /* How long what has come may have taken. */
    uint64_t due = settings->body_grace_ms + clock->received * 1000 / settings->body_min_rate;
    uint64_t left = due > clock->waited_ms ? due - clock->waited_ms : 1;
    uint64_t most = (uint64_t)settings->body_grace_ms + settings->body_timeout_ms;
    if (left > most) /* what came quickly is no credit for ever */
        clock->waited_ms = due - most;
    if (left >= wait)
        return wait;
    *cause = REFUSAL_BODY_RATE;
    return (uint32_t)left;
}

int exchange_wait_for_body(struct exchange *x)
{
    if (exchange_is_upgraded(x))
        return upgrade_wait(x);
    const struct loop *l = x->http->net->loop;
    enum refusal cause;
    uint32_t wait = body_patience(x, &cause);
    int error = exchange_news(x, NEWS_STOP);
    if (error)
        return error;
    uint32_t since = loop_now_ms(l);
    x->body_clock.deadline = tick_after(since, loop_delay(wait));
    x->ops->arm_body_deadline(x);
    error = exchange_park(x, WAIT_INPUT);
    x->body_clock.waited_ms += (uint32_t)ticks_between(since, loop_now_ms(l));
    if (error == WEIR_ETIMEDOUT && !exchange_is_late(x))
        exchange_refuse(x, cause, NULL);
    if (error == WEIR_ECANCELED && !x->cut)
        (void)exchange_news(x, NEWS_STOP);
    return error < 0 ? error : 0;
}

void exchange_refuse(struct exchange *x, enum refusal cause, const char *why)
{
    if (x->refusal != REFUSAL_NONE)
        return;
    x->refusal = (uint8_t)cause;
    x->reply.status_then = (uint16_t)x->reply.status;
    x->special = true;
    http_refused_request(x->http, x->conn, x, cause, why);
}

void exchange_use_memory(struct exchange *x, const struct admission_class *class)
{
    if (class->memory)
        arena_use(&x->arena, &x->http->memories[class->memory - 1]);
}

void exchange_abandon(struct exchange *x)
{
    struct net *n = x->http->net;
    x->http->host->ended(x);
    if (x->duplex)
        exchange_drop_duplex(x);
    x->handler = HANDLER_ABANDONED;
    if (x->reply.phase == REPLY_SEALING)
        x->reply.phase = REPLY_OPEN;
    x->ops->fail(x);
    fiber_abandon(&n->loop->fibers);
}

int exchange_may_trail(const struct exchange *x)
{
    const struct reply *r = &x->reply;
    if (x->gone)
        return WEIR_ECLOSED;
    if (r->phase == REPLY_ENDED && x->handler == HANDLER_ENDED)
        return WEIR_EDONE;
    bool counted = reply_is_committed(r) && r->form == REPLY_PLAIN && x->head.version == WEIR_HTTP_1_1;
    return counted || exchange_is_upgraded(x) ? WEIR_ECOMMITTED : 0;
}

bool exchange_is_secure(const struct exchange *x)
{
    return x->conn && connection_transport(x->http->net, x->conn)->capabilities & TRANSPORT_SECURE;
}

/* ---- Sharing the worker ---- */

#define EXCHANGE_SHARE     (64 * 1024) /* bytes that a fiber may move in a turn */
#define EXCHANGE_CALL_COST 32          /* what a call costs at least, so that many small writes count too */
#define EXCHANGE_SLICE_NS  1000000     /* what a turn may have taken */
#define EXCHANGE_DEAD_ENDS 64

static COLD void charge_slow(struct exchange *x)
{
    struct loop *l = x->http->net->loop;
    x->moved += EXCHANGE_STEP - x->budget;
    x->budget = EXCHANGE_STEP;
    bool quick = loop_clock_ns(l) - l->now_ns < EXCHANGE_SLICE_NS;
    if (x->moved < EXCHANGE_SHARE && quick)
        return;
    x->moved = 0;
    if (!quick) /* else what it has written soon goes out with what it writes next */
        (void)x->ops->push(x);
    exchange_yield(x);
    if (exchange_is_cut(x))
        exchange_abandon(x);
}

struct endpoint exchange_client(const struct exchange *x)
{
    /* A task has no connection. */
    const struct endpoint *told = x->conn ? connection_endpoint(x->http->net, x->conn) : NULL;
    if (told && told->family != ENDPOINT_NONE)
        return *told;
    struct address peer;
    x->ops->address(x, false, &peer);
    return endpoint_of_address(&peer);
}

bool exchange_security(const struct exchange *x, struct transport_security *s)
{
    if (!x->conn)
        return false;
    const struct transport *t = connection_transport(x->http->net, x->conn);
    if (t->security)
        t->security(x->conn, s);
    return t->security != NULL;
}

void exchange_charge(struct exchange *x, size_t n)
{
    size_t cost = n + EXCHANGE_CALL_COST;
    x->budget -= cost < EXCHANGE_SHARE ? (int32_t)cost : EXCHANGE_SHARE;
    if (unlikely(x->budget <= 0))
        charge_slow(x);
}

int exchange_dead_end(struct exchange *x, int error)
{
    if ((++x->dead_ends > EXCHANGE_DEAD_ENDS && x->handler != HANDLER_ENDED) || exchange_is_cut(x))
        exchange_abandon(x);
    exchange_yield(x);
    return error;
}
