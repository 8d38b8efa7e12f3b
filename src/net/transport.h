/*
 * How bytes cross a connection. The plain transport is the socket itself; a TLS transport keeps a state of its own
 * behind the connection record (connection_size) and may hold received bytes that the poller does not announce
 * (pending).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TRANSPORT_H
#define WEIR_NET_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct connection;

enum {
    TRANSPORT_SENDFILE = 1, /* files go out without passing through user space */
    TRANSPORT_SPLICE = 2,   /* bodies come in without passing through user space */
};

enum transport_write {
    /* further bytes follow at once: the kernel may hold back a packet that is not full, until push() or 200 ms later */
    WRITE_MORE = 1,
    WRITE_SEAL = 2, /* the kernel begins a new packet buffer behind these bytes, see output.h */
};

/* What read and write return besides counts: nothing can be done now. Other failures are WEIR_E... values. */
#define TRANSPORT_AGAIN (-100)

struct transport {
    unsigned capabilities;
    size_t connection_size; /* of a connection's record, the transport's own state included */
    /* Continues a handshake: 0 when done, TRANSPORT_AGAIN, or an error. NULL: there is none. */
    int (*handshake)(struct connection *c);
    /* Bytes read (at least 1), 0 at the peer's end of stream, TRANSPORT_AGAIN or an error. */
    ssize_t (*read)(struct connection *c, void *buf, size_t len);
    /* Bytes taken (possibly fewer than given), TRANSPORT_AGAIN or an error. how: enum transport_write. After
     * TRANSPORT_AGAIN the same bytes have to be given again, and stay where they are. */
    ssize_t (*write)(struct connection *c, const struct iovec *parts, int count, unsigned how);
    /* As write, from a file at *offset, which is advanced; 0: the file ended before len. */
    ssize_t (*send_file)(struct connection *c, int fd, int64_t *offset, size_t len);
    /* Sends what WRITE_MORE has held back. */
    void (*push)(struct connection *c);
    /* How many bytes more could leave at once, by the peer's window and the network's; 0 if unknown. */
    size_t (*room)(const struct connection *c);
    /* Received bytes that read() gives without the poller's word. */
    size_t (*pending)(const struct connection *c);
    /* Bytes that were taken by write and send_file and that the peer has not acknowledged; 0 if unknown. */
    size_t (*unacknowledged)(const struct connection *c);
    /* Ends this side in an orderly way; the other side may still send. */
    void (*shutdown)(struct connection *c);
    /* Frees the transport's own state, before the socket is closed. NULL: there is none. */
    void (*close)(struct connection *c);
};

extern const struct transport transport_plain;

#endif
