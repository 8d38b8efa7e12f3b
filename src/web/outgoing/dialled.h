/*
 * A connection to another service, and what is under way while one is made.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_DIALLED_H
#define WEIR_WEB_OUTGOING_DIALLED_H

#include "web/outgoing/target.h"
#include "web/outgoing/wait.h"

struct tls_client;
struct tls_client_context;

struct weir_conn {
    struct list link; /* of its server's */
    struct outgoing *home;
    struct weir_fd *f;        /* of the socket, which is the connection's */
    struct tls_client *tls;   /* NULL: plain */
    weir_ctx *tied;           /* the request at whose end it is closed; NULL: none */
    struct deferred deferred; /* of that request */
};

/* A connection on a socket, which is the connection's if 0 is returned, as f is. */
int dialled_new(struct outgoing *o, struct weir_fd *f, struct weir_conn **made) MUST_CHECK;
/* Closes and frees it; NULL is allowed. Any thread. */
void dialled_close(struct weir_conn *n);
void dialled_close_all(struct outgoing *o);

/* Has the connection closed when the request ends; and has it not. */
void dialled_tie(struct weir_conn *n, weir_ctx *c);
void dialled_untie(struct weir_conn *n);

/* ---- Making one ---- */

/* One address that is tried. */
struct attempt {
    struct weir_fd *f; /* of the socket; NULL: not begun, or over */
};

/* Lies in the heap, and is let go of by a deferred call: a handler that is ended while it waits leaves its frames. */
struct dialling {
    weir_ctx *c;
    struct outgoing *home;
    struct deferred deferred;
    struct until until;
    struct dial_target target;
    struct name_addresses addresses; /* in the order in which they are tried */
    struct attempt attempts[NAME_ADDRESSES];
    weir_fd_want wants[NAME_ADDRESSES];
    struct tls_client_context *context; /* of TLS; NULL: none */
    struct weir_conn *made;             /* whose handshake is under way */
    char *why;                          /* the caller's */
    size_t why_size;
};

/* Says why there is no connection. */
void dialling_say(struct dialling *d, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Connects to one of the addresses, or to the path: *f is watched, on a socket that is the caller's. 0 or an error,
 * which has been said. */
int race_connect(struct dialling *d, struct weir_fd **f);

/* Puts the addresses of both families in turn, the first one's first (RFC 8305 section 4). */
void race_interleave(struct name_addresses *a);

#endif
