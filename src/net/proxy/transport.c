/*
 * Prefaces, read before TLS and HTTP. A preface that is not whole is looked at where it is, in the kernel, so that a
 * client that is slow with it costs its connection's record alone; when it is whole, its bytes are taken and none of
 * those behind it. Because a receive buffer of less than 8 KiB may not hold the longest, such a listener takes shorter
 * ones only.
 *
 * The address of the client is counted here, since the one that the socket was accepted from is the proxy's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/proxy/transport.h"
#include "base/system.h"
#include "net/listener.h"
#include "net/networks.h"
#include "net/proxy/preface.h"
#include "weir.h"

#include <errno.h>

/* A connection that is to send a preface. */
struct proxy_connection {
    struct connection c; /* first */
    struct net *net;
};

static struct proxy_connection *proxy_of(struct connection *c)
{
    return (struct proxy_connection *)(void *)c;
}

static void proxy_opened(struct net *n, struct connection *c)
{
    proxy_of(c)->net = n;
    *connection_endpoint(n, c) = (struct endpoint){.family = ENDPOINT_NONE};
}

/* Whether the other end of the socket may send a preface. */
static bool may_send(const struct listen_spec *spec, const struct connection *c)
{
    if (!spec->proxy_networks)
        return true;
    struct address peer;
    address_peer(c->fd, &peer);
    struct endpoint e = endpoint_of_address(&peer);
    return networks_hold(spec->proxy_networks, &e);
}

/* Counts a connection of the client's address. False: it has too many, of which it has been told. */
static bool enter(struct net *n, struct connection *c, const struct endpoint *client)
{
    if (!n->addresses || networks_hold(n->uncounted, client))
        return true;
    struct address address;
    endpoint_address(client, &address);
    if (address_table_enter(n->addresses, &address.base, &c->address_slot))
        return true;
    if (n->refuse_fn)
        n->refuse_fn(n->owner, c);
    return false;
}

/* Takes a whole preface off the socket. */
static bool take(const struct connection *c, char *buf, size_t len)
{
    return system_recv(c->fd, buf, len, MSG_DONTWAIT) == (ssize_t)len;
}

/* The preface is whole: what follows it is the listener's own transport's. */
static int proxy_go_on(struct net *n, struct connection *c, const struct endpoint *client)
{
    const struct listen_spec *spec = &n->listeners[c->timer.owner_bits];
    const struct transport *next = spec->transport ? spec->transport : &transport_plain;
    *connection_endpoint(n, c) = *client;
    if (!enter(n, c, client))
        return TRANSPORT_FAILED(HANDSHAKE_ADDRESS);
    connection_set_transport(n, c, net_transport(n, next));
    return next->handshake ? next->handshake(c) : 0;
}

static int proxy_handshake(struct connection *c)
{
    struct net *n = proxy_of(c)->net;
    char buf[PREFACE_MAX];
    struct preface preface;
    if (!may_send(&n->listeners[c->timer.owner_bits], c))
        return TRANSPORT_FAILED(HANDSHAKE_NETWORK);
    ssize_t have = system_recv(c->fd, buf, sizeof buf, MSG_PEEK | MSG_DONTWAIT);
    if (have < 0)
        return errno == EAGAIN || errno == EINTR ? TRANSPORT_WANT_READ : TRANSPORT_FAILED(HANDSHAKE_CLOSED);
    if (have == 0)
        return TRANSPORT_FAILED(HANDSHAKE_CLOSED);
    switch (preface_parse(buf, (size_t)have, &preface)) {
    case PREFACE_PART:
        return c->ready & READY_HALF_CLOSED ? TRANSPORT_FAILED(HANDSHAKE_CLOSED) : TRANSPORT_WANT_READ;
    case PREFACE_WRONG:
        return TRANSPORT_FAILED(HANDSHAKE_PREFACE);
    case PREFACE_WHOLE:
        break;
    }
    if (!take(c, buf, preface.len))
        return TRANSPORT_FAILED(HANDSHAKE_CLOSED);
    return proxy_go_on(n, c, &preface.client);
}

const struct transport transport_proxy = {
    .capabilities = TRANSPORT_EXACT,
    .connection_size = sizeof(struct proxy_connection),
    .opened = proxy_opened,
    .handshake = proxy_handshake,
};
