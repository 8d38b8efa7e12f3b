/*
 * The kernel's share of a server's memory: what it holds in the queues of the sockets, which is most of what a slow
 * client costs.
 *
 * The kernel tells it for one socket at a time (SO_MEMINFO), so it is sampled: once in a while a worker asks for a
 * bounded number of its connections, first for those whose output is blocked or whose input waits, each time for others
 * of the rest, and infers the sum. No request pays for that, and a connection's record holds nothing of it. What is too
 * much is given back by cutting the clients that have taken nothing for longest.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_SOCKET_MEMORY_H
#define WEIR_NET_SOCKET_MEMORY_H

#include "net/connection.h"

/* What the workers of a server share; written by each of them once in a round. */
struct socket_memory_total {
    uint64_t limit;        /* soft bound on held; 0: none */
    _Atomic uint64_t held; /* sum of the workers' last estimates */
    _Atomic uint64_t peak; /* most that was held at the end of a round */
    _Atomic uint64_t cut;  /* connections that were cut for it */
};

/* One worker's part in the total. */
struct socket_memory {
    struct net *net;
    struct socket_memory_total *total;
    uint64_t held;       /* what this worker has added to the total */
    uint64_t quiet_mean; /* bytes held for a connection that is not pressed, over the last rounds */
    uint32_t round;
    uint32_t pressed_step, quiet_step; /* one connection in so many is asked for */
    bool over;    /* the total was over the limit at the end of the last round: nothing is accepted */
    uint64_t cut; /* connections cut since it is over */
};

void socket_memory_init(struct socket_memory *m, struct net *n, struct socket_memory_total *total);
/* Takes this worker's share off the total. */
void socket_memory_done(struct socket_memory *m);

/* A round: samples, and while the total is over the limit cuts connections. Milliseconds until the next is due.
 * Worker's thread, on no fiber, between two events. */
uint32_t socket_memory_sample(struct socket_memory *m);

/* Bytes in the queues of a socket, with the kernel's overhead, and reserved for them; *output: of what was written and
 * is not acknowledged. Both 0 if the kernel does not tell. */
uint64_t socket_memory_of(int fd, uint64_t *output);

/*
 * TCP_NOTSENT_LOWAT. setting: most that the kernel is to hold unsent for a client that stops reading, <= 0: not
 * bounded. A connection begins with a value that is enough to fill any window, and is given its final one when its
 * output first blocks, if ever: only then is it known how much a packet buffer can hold. A client that announces a tiny
 * window gets buffers of a few hundred bytes or less, each with its overhead, and must not cost more for that.
 */
int socket_lowat_first(int setting);
/* segment: bytes in the connection's packet buffers at least, TCP_MAXSEG. */
int socket_lowat_final(int setting, int segment);

#endif
