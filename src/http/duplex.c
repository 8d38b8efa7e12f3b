/*
 * Leaving a duplex behind, whatever carries it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/duplex.h"
#include "http/exchange_life.h"
#include "net/address.h"

void exchange_leave(struct exchange *x, struct duplex *d, const struct duplex_user *user)
{
    debug_assert(!x->duplex);
    *d = (struct duplex){.user = user};
    x->duplex = d;
    x->special = true;
}

void exchange_drop_duplex(struct exchange *x)
{
    struct duplex *d = x->duplex;
    x->duplex = NULL;
    if (d)
        d->user->ended(x->http, d);
}

void duplex_exchange_address(const struct exchange *x, bool own, struct address *a)
{
    connection_address(x->http->net, x->conn, own, a);
}

uint8_t duplex_exchange_listener(const struct exchange *x)
{
    return x->conn->timer.owner_bits;
}
