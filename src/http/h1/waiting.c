/*
 * Requests that wait for memory: the connection rests with its unparsed head until admission has a set for it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/h1.h"

void h1_unwait(struct http *http, struct connection *c)
{
    struct h1_waiting *waiting = c->active;
    struct spill *head = waiting->head;
    admission_unwait(http, &waiting->waiter);
    pool_give(&http->waiting, waiting);
    c->active = head;
    c->state = H1_HEAD;
}

/* There is a set for the request: a fiber is to serve the connection. */
static void waiting_admitted(struct http *http, struct waiter *w)
{
    struct h1_waiting *waiting = container_of(w, struct h1_waiting, waiter);
    struct connection *c = waiting->conn;
    waiting->head->class = w->class;
    c->active = waiting->head;
    c->state = H1_HEAD;
    c->flags |= H1_ADMITTED;
    pool_give(&http->waiting, waiting);
    connection_queue(http->net, c);
}

void h1_wait(struct h1 *h)
{
    struct http *http = h->x.http;
    struct net *n = http->net;
    struct connection *c = h->x.conn;
    struct admission_class *class = h->x.class;
    uint32_t requests = h->requests;
    struct spill *head = spill_take(http, h->in + h->in_pos, h->in_len - h->in_pos);
    h1_release(h);
    c->flags &= H1_SERVED;
    struct h1_waiting *waiting = head ? http_take(http, &http->waiting) : NULL;
    if (!waiting) {
        if (head)
            spill_give(http, head);
        http_linger_refused(n, c, REFUSAL_MEMORY);
        return;
    }
    head->requests = requests;
    *waiting = (struct h1_waiting){.waiter.admitted = waiting_admitted, .conn = c, .head = head};
    c->active = waiting;
    c->state = H1_WAITING;
    admission_wait(http, &waiting->waiter, class);
    connection_deadline(n, c, http->settings->memory_wait_ms);
}
