/*
 * Listening sockets. A listener of TCP that we bind is one socket for each worker with SO_REUSEPORT, so that workers
 * share nothing; a Unix socket, an inherited descriptor, or one so set, is one socket that all workers watch with
 * EPOLLEXCLUSIVE.
 *
 * The end is in three steps: nobody connects any more (listen_refuse(), at once for all workers); each worker accepts
 * what the kernel has accepted, now and once more after a moment, for handshakes that were under way; the socket is
 * closed by the last worker that uses it. An inherited descriptor may be another process's as well, so that clients go
 * on connecting to it: of it, only our copy is closed.
 *
 * Running out of descriptors or memory pauses accepting and is tried again when a connection closes or after a moment:
 * it neither spins nor stops the server.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_LISTENER_H
#define WEIR_NET_LISTENER_H

#include "net/accept_guess.h"
#include "net/address.h"
#include "net/connection.h"

/* What a listening socket is made of. Zero or less: left as the system has it, unless said. */
struct listen_spec {
    struct address address; /* of a socket that we bind */
    int inherited_fd;       /* > 0: used instead */
    bool shared;            /* one socket for all workers */
    bool admin;             /* for the ledger's page */
    int backlog;
    int unix_mode; /* permission bits of a Unix socket's file */
    int notsent_lowat;
    int send_buffer, receive_buffer;
    int linger_seconds; /* -1: off */
    bool nodelay;
    const struct transport *transport;     /* of its connections; NULL: the plain one */
    const struct protocol *protocol;       /* which connections begin with, after the handshake if there is one */
    const struct alpn_offer *offers;       /* others that they begin with where ALPN has chosen one; NULL: none */
    const void *service;                   /* what the protocol has to know of them; NULL: nothing */
    struct tls_listener *tls;              /* of transport_tls */
    bool proxied;                          /* connections begin with a PROXY preface, before their transport */
    const struct networks *proxy_networks; /* who may send one; NULL: whoever can connect */
    uint32_t handshake_timeout_ms;         /* 0: net.handshake_timeout_ms */
    uint32_t max_handshakes;               /* under way at once in a worker */
    /* Of their records: the most that the transports need that they may be given; 0: this one's. What a preface needs
     * is added. */
    size_t record_size;
    int user_timeout_ms; /* how long unacknowledged bytes may wait, TCP_USER_TIMEOUT */
    /* The file of a Unix socket that we have bound; 0: there is none. Another server may have put its own in that
     * place. */
    dev_t device;
    ino_t inode;
    _Atomic int users; /* workers that a shared socket is still open for */
    int number;        /* the system's error that listen_probe() or listen_open() has failed of; 0: it was none */
};

/* Refuses an address that another socket listens on: with SO_REUSEPORT the two would silently share it. 0 or a negative
 * error. Nothing to do for an inherited or a Unix socket, or port 0. */
int listen_probe(struct listen_spec *spec);

/* Makes a listening socket, non-blocking. Its descriptor, or a negative error. Port 0 is resolved in spec->address. For
 * a Unix socket, a stale socket file is replaced, one that answers is WEIR_EBUSY. */
int listen_open(struct listen_spec *spec);

/* Lets nobody connect to a socket of listen_open() any more; what the kernel has accepted can still be had from it. A
 * Unix socket's path is free then. An inherited one is left as it is. Any thread. */
void listen_refuse(struct listen_spec *spec, int fd);

/* Removes the file of a Unix socket that we have bound if it is still there. */
void listen_unlink(struct listen_spec *spec);

/* One worker's end of a listener. */
struct listener {
    struct timer timer; /* while paused after a failure, and before the last look */
    struct net *net;
    struct listen_spec *spec;
    int fd;
    uint8_t number;
    bool paused;
    bool ending; /* the last look is due */
    uint64_t refusals;
    struct accept_guess guess;
    const struct listener_hooks *hooks;
};

/* What the worker decides for its listeners; owner is net.owner. */
struct listener_hooks {
    bool (*may_accept)(void *owner); /* false: the connection limit is reached */
    /* The peer's address has too many connections: says so, and closes the socket. */
    void (*refuse)(void *owner, int fd, uint8_t listener);
    /* There is no memory for a connection: may make room for the next one. */
    void (*no_memory)(void *owner);
    /* True: another worker took the socket with its address's slot. */
    bool (*hand_over)(void *owner, int fd, uint8_t listener, uint32_t address_slot);
};

void listener_init(struct listener *ls, struct net *n, int fd, uint8_t number, struct listen_spec *spec,
                   const struct listener_hooks *hooks);
/* Begins to accept. 0 or a negative error. */
int listener_start(struct listener *ls) MUST_CHECK;
/* Goes on after a pause. */
void listener_resume(struct listener *ls);
/* Goes on where count of them are paused: there may be room again. */
void listeners_resume(struct listener *first, size_t count);
/* After listen_refuse(): accepts all that waits, now and after a moment, then ends; the socket is closed by the last
 * that uses it. */
void listener_stop(struct listener *ls);
static inline bool listener_has_ended(const struct listener *ls)
{
    return ls->fd < 0;
}

#endif
