/*
 * Clients that take nothing: how long, and how they are cut.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"
#include "http/request_log.h"

void h1_cut_stalled(struct h1 *h, enum refusal cause)
{
    struct exchange *x = &h->x;
    http_refused_request(x->http, x->conn, x, cause, NULL);
    x->gone = true;
    h1_end(h, ENDING_RESET);
    output_discard(&h->out, WEIR_ETIMEDOUT);
    exchange_wake_gone(x, WEIR_ETIMEDOUT);
}

WRAPS uint32_t h1_stalled(struct net *n, struct connection *c)
{
    const struct http *http = n->owner;
    struct h1 *h = c->active;
    uint32_t since;
    if (c->ready & READY_QUEUED)
        return 0;
    switch ((enum h1_state)c->state) {
    case H1_IDLE: /* the kernel may hold a whole reply that the client has not taken */
        since = c->deadline - loop_delay(http->settings->idle_timeout_ms);
        break;
    case H1_ACTIVE:
    case H1_DRAINING:
        if (!h->out.blocked || h->x.gone)
            return 0;
        output_look(&h->out, n, c);
        since = h->out.watch.progress;
        break;
    default:
        return 0;
    }
    int32_t ms = (int32_t)(loop_now_ms(n->loop) - since);
    return ms > 0 ? (uint32_t)ms : 0;
}

void h1_give_up(struct net *n, struct connection *c)
{
    if (c->state == H1_IDLE) {
        http_refused_request(n->owner, c, NULL, REFUSAL_KERNEL_MEMORY, NULL);
        connection_close(n, c, true);
        return;
    }
    h1_cut_stalled(c->active, REFUSAL_KERNEL_MEMORY);
    if (c->state == H1_DRAINING)
        h1_close(c->active);
}
