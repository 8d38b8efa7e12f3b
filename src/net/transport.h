/*
 * How bytes cross a connection. The plain transport is the socket itself; a TLS transport keeps a state of its own
 * behind the connection record (connection_size) and may hold received bytes that the poller does not announce
 * (pending). A listener has one (listener.h), and a connection can be given another (connection_set_transport()).
 *
 * Watches are edge-triggered, so that READY_READ of the connection is never guessed: it is set while reading may give
 * something, and the transport clears it, by connection_drained(), when it has seen that the socket has nothing and
 * holds nothing itself. One that gives a record at a time leaves it set.
 *
 * An operation that cannot go on says in which direction the socket is waited for, which need not be its own: writing
 * may need the peer's word first. connection.c watches for it and makes the operation that waits ready.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TRANSPORT_H
#define WEIR_NET_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct address;
struct connection;
struct net;

enum {
    TRANSPORT_SENDFILE = 1, /* there is send_file(): who sends a file need not read it */
    TRANSPORT_SPLICE = 2,   /* there is splice(): bodies come in without passing through user space */
    /* The socket is wanted only when it has just given or taken nothing, so that an edge will tell. What another
     * transport waits for is watched anew each time, which tells of what is there already. */
    TRANSPORT_EXACT = 4,
    TRANSPORT_SECURE = 8,  /* nobody between the two ends can read or change the bytes */
    TRANSPORT_UNREAD = 16, /* nor does send_file(): the file's bytes go out without passing through user space */
};

/* What the calls return besides counts: nothing can be done until the socket can be read from, or written to. Other
 * failures are WEIR_E... values. */
#define TRANSPORT_WANT_READ  (-100)
#define TRANSPORT_WANT_WRITE (-101)

/* What a handshake has failed of, enum handshake_failure. */
#define TRANSPORT_FAILED(why) (-200 - (int)(why))

static inline bool transport_wants(ssize_t result)
{
    return result == TRANSPORT_WANT_READ || result == TRANSPORT_WANT_WRITE;
}

/* What a transport remembers of the output that is alive on a connection, zero at first. Lies in struct output, for
 * which only `held` has a meaning. */
struct flow {
    uint32_t unsealed; /* the plain transport's, see plain.c */
    uint16_t gather;   /* the plain transport's */
    bool held;         /* of what was taken, something may wait until flush() is called */
};

/* What a transport knows of who is at the other end, and how what is sent is kept from others. Texts are
 * NUL-terminated, "" where there is none. */
struct transport_security {
    char version[8];    /* "TLSv1.3" */
    char cipher[48];    /* the suite's name in IANA's registry */
    char name[256];     /* the host that the client asked for by SNI */
    char protocol[16];  /* what ALPN chose */
    char subject[1024]; /* of the client's certificate, as RFC 2253 writes it; "" as well if it is longer */
    bool resumed;       /* by a ticket */
    bool verified;      /* the client has shown a certificate, and it is good */
};

struct transport {
    unsigned capabilities;
    size_t connection_size; /* of a connection's record, the transport's own state included; that is zero at first */
    size_t piece;           /* bytes that write() is given at most */
    /* c has become this transport's, whose state is zero. NULL: nothing is to be done. */
    void (*opened)(struct net *n, struct connection *c);
    /* Continues a handshake: 0 when done, TRANSPORT_WANT_..., or an error: WEIR_ECLOSED where the peer has gone, or
     * TRANSPORT_FAILED(). It may say which protocol follows, by handshake_follow(). On the loop's own stack. NULL:
     * there is none. */
    int (*handshake)(struct connection *c);
    /* Bytes read (at least 1), 0 at the peer's end of stream, TRANSPORT_WANT_... or an error. */
    ssize_t (*read)(struct connection *c, void *buf, size_t len);
    /* As read, at most len bytes into an empty pipe, without copying them. Fewer than len says nothing. NULL without
     * TRANSPORT_SPLICE. */
    ssize_t (*splice)(struct connection *c, int pipe, size_t len);
    /* Bytes taken, TRANSPORT_WANT_... or an error; fewer than given: no more is taken now. more: further bytes follow
     * at once, and what these do not fill may be held back until flush(). Bytes that were not taken are given again, at
     * another place perhaps, and in other pieces. */
    ssize_t (*write)(struct connection *c, struct flow *f, const struct iovec *parts, int count, bool more);
    /* As write, from a file at *offset, which is advanced; 0: the file ended before len. Fewer than len says nothing.
     * NULL without TRANSPORT_SENDFILE. */
    ssize_t (*send_file)(struct connection *c, struct flow *f, int fd, int64_t *offset, size_t len);
    /* Sends what is held back. 0: all that was taken is with the kernel, and f->held is false; TRANSPORT_WANT_... or an
     * error. */
    int (*flush)(struct connection *c, struct flow *f);
    /* write() or send_file() took no more, which the transport can change: true, and writing again is worth it. NULL:
     * it cannot. */
    bool (*widen)(struct net *n, struct connection *c);
    /* Received bytes that read() gives at once, and of which the poller will not tell. NULL: there are never any. */
    size_t (*pending)(const struct connection *c);
    /* Bytes that were taken by write and send_file and that the peer has not acknowledged; 0 if unknown. */
    size_t (*unacknowledged)(const struct connection *c);
    /* For a connection without a socket, else NULL. look: the poller's events that hold now. watch: c is watched from
     * now on, or anew. address: that of the peer, or this end's (own). */
    uint32_t (*look)(const struct connection *c);
    void (*watch)(struct connection *c);
    void (*address)(const struct connection *c, bool own, struct address *a);
    /* What is known of the peer. NULL: nothing is, and what is sent is open to all. */
    void (*security)(const struct connection *c, struct transport_security *s);
    /* Ends this side in an orderly way; the other side may still send. 0, or TRANSPORT_WANT_...: it is to be called
     * again then. */
    int (*shutdown)(struct connection *c);
    /* Frees the transport's own state, before the socket is closed. orderly: the peer may be told that this is the end
     * of what it was sent, as far as the socket takes that at once. NULL: nothing is to be done. */
    void (*close)(struct connection *c, bool orderly);
};

extern const struct transport transport_plain;

#endif
