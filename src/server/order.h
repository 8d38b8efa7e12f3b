/*
 * Orders: messages to a worker, each of which is on its way once at most.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_ORDER_H
#define WEIR_SERVER_ORDER_H

#include "io/loop.h"

struct worker;

/* One of each for each worker. */
struct order {
    struct inbox_node node;
    struct worker *worker;
    _Atomic bool sent;
};

/* Sends an order unless it is under way. loop: the worker's. Any thread. */
static inline void order_send(struct order *order, struct loop *loop)
{
    if (!atomic_exchange(&order->sent, true))
        loop_send(loop, &order->node);
}

#endif
