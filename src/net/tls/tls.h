/*
 * TLS: what its files share. A connection of a TLS listener is a struct tls_connection, which begins with the record
 * that all others see. OpenSSL's object is made when the first record, the client's hello, is whole in the kernel's
 * queue; until then nothing is held for a client but that record.
 *
 * What crosses the socket goes through the worker's buffers, which belong to whoever is in a call of the transport and
 * hold nothing between two calls: what is received is used up, and what the kernel has not taken is moved to a block of
 * the connection's own, struct tls_unsent. OpenSSL meets those buffers by a BIO without a buffer (bio.c), which follows
 * the headers of the records.
 *
 * Another way to seal and open records than OpenSSL's own is a struct tls_mode: it may take a connection over when the
 * handshake has been done, and before the last of its output is sent.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_TLS_H
#define WEIR_NET_TLS_TLS_H

#include "base/list.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/tls/heap.h"
#include "net/tls/openssl.h"

#define TLS_HEADER     5                          /* bytes of a record's header */
#define TLS_PLAIN_MAX  16384                      /* bytes of a record's plaintext at most: 2^14 */
#define TLS_RECORD_MAX (TLS_HEADER + 16384 + 256) /* bytes of a whole record at most, RFC 8446 section 5.2 */

/* Of the largest records, how many are sealed before they are sent, at most. */
#define TLS_BATCH 3

/* Bytes of the worker's buffers. Output: such records and a short one, a piece of plaintext in records of one packet,
 * or a flight of the handshake. Where a file is read into one, it may begin up to a page later, see tls_apart(). */
#define TLS_IN_SIZE  ((size_t)17 * 1024)
#define TLS_OUT_SIZE ((size_t)52 * 1024)
#define TLS_PAGE     ((size_t)4096)

/* What OpenSSL takes from the heap: for a handshake, for a connection after that, and for what it holds of a record
 * that has not come whole, or has not been read to its end. Measured; granted before it is taken. */
#define TLS_HANDSHAKE_BYTES ((size_t)44 * 1024)
#define TLS_SESSION_BYTES   ((size_t)14 * 1024)
#define TLS_HOLDING_BYTES   ((size_t)17 * 1024)

struct tls_listener;
struct tls_contexts;
struct tls_handshake;

/* Bytes that have been sealed and that the kernel has not taken. One allocation of the account of its worker. */
struct tls_unsent {
    uint32_t pos, len, size; /* from pos to len they wait; room for size of them */
    char data[];
};

enum tls_state {
    TLS_NEW,       /* the first record is not whole */
    TLS_WAITING,   /* whole, and waits for a slot: link is in the worker's list */
    TLS_HANDSHAKE, /* OpenSSL's handshake; handshake is set */
    TLS_PLAIN,     /* what came is plain HTTP, which is answered as such: handshake and ssl are NULL */
    TLS_OPEN,      /* the handshake is done */
    TLS_ENDED,     /* ended on this side: close_notify has been made, and may be unsent */
    TLS_BROKEN,    /* an error of the protocol: nothing can be sealed or opened any more */
};

enum tls_flags {
    TLS_GO = 1,       /* the worker's turn lets the handshake go on now */
    TLS_HOLDS = 2,    /* OpenSSL holds a part of a record, for which memory is granted */
    TLS_GRANTED = 4,  /* memory is granted for OpenSSL's object after the handshake */
    TLS_ANSWERED = 8, /* TLS_PLAIN: the answer has been sent, and what still comes is dropped */
};

/* A connection of a TLS listener. What it costs before its first record is whole. */
struct tls_connection {
    struct connection c; /* first: the record that all others see */
    struct tls_worker *worker;
    union {
        struct list link; /* TLS_WAITING: among the worker's waiting */
        struct {
            union {
                SSL *ssl;   /* NULL before the handshake */
                void *mode; /* of another mode than OpenSSL's, after the handshake: what it keeps for this connection */
            };
            union {
                struct tls_handshake *handshake; /* TLS_HANDSHAKE */
                struct tls_unsent *unsent;       /* after it; NULL: nothing is unsent */
            };
        };
    };
    uint32_t written; /* tick at which something was last sealed */
    uint16_t grown;   /* KiB that were sealed since the stream began, or began anew after idleness; up to 65535 */
    uint8_t state;    /* enum tls_state */
    uint8_t flags;    /* enum tls_flags */
};
_Static_assert(sizeof(struct tls_connection) == 88, "a connection that is silent costs 96 bytes at most");

static inline struct tls_connection *tls_of(struct connection *c)
{
    return (struct tls_connection *)(void *)c;
}
static inline const struct tls_connection *tls_of_const(const struct connection *c)
{
    return (const struct tls_connection *)(const void *)c;
}

#define TLS_STARTED 96 /* bytes of the last record that are kept: all of a Finished */

/* One direction's records, followed by their headers as the bytes go by. */
struct tls_follow {
    uint8_t header[TLS_HEADER];
    uint8_t have;     /* bytes of the header; TLS_HEADER: the record's body is under way */
    bool changed;     /* a ChangeCipherSpec record went by */
    uint32_t left;    /* bytes of the record's body that have not gone by */
    uint32_t records; /* headers that went by since the last ChangeCipherSpec record, or ever if there was none */
    uint32_t since;   /* of the output: headers that went by since a record of the input last began */
    uint32_t started; /* bytes of the record under way or, between two, of the last one, that are in `start` */
    uint8_t start[TLS_STARTED];
};

static inline bool tls_follow_between(const struct tls_follow *f)
{
    return f->have == 0;
}
/* Bytes until the part of the record ends that is under way: its header, or its body. */
static inline size_t tls_follow_need(const struct tls_follow *f)
{
    return f->have < TLS_HEADER ? (size_t)(TLS_HEADER - f->have) : f->left;
}
/* len bytes go by. Returns the number of records that they begin. */
uint32_t tls_follow_bytes(struct tls_follow *f, const char *data, size_t len);

/* What a BIO keeps; OpenSSL's, freed with the BIO. */
struct tls_bio {
    struct tls_connection *t;
    struct tls_follow in, out;
};

/* A handshake under way: what is not needed after it. From the worker's pool; behind it lie the mode's own
 * handshake_size bytes, cleared at first. */
struct tls_handshake {
    struct list link; /* in the worker's list of those that can go on; empty: it waits for the peer */
    struct tls_connection *t;
    struct tls_contexts *contexts; /* with a reference */
    struct tls_unsent *unsent;     /* NULL: nothing is unsent */
    struct tls_bio *bio;           /* NULL once a mode has taken over */
    uint32_t began;                /* tick */
    uint8_t failure;               /* enum handshake_failure, where a callback of OpenSSL's knows it; 0: it does not */
    bool done;                     /* OpenSSL has said so; the output may be unsent */
    bool taken;                    /* the mode has taken over: t->mode is set */
};

static inline struct tls_unsent **tls_unsent_of(struct tls_connection *t)
{
    return t->state == TLS_HANDSHAKE ? &t->handshake->unsent : &t->unsent;
}

/* How records are sealed and opened after the handshake, where that is not left to OpenSSL. */
struct tls_mode {
    const char *name;
    const struct transport *transport; /* of connections that were taken over; its connection_size is that of
                                        * struct tls_connection */
    size_t session_size;               /* bytes that it keeps for each connection that is idle */
    size_t handshake_size;             /* bytes that it needs for each handshake, see tls_handshake_own() */
    /* Before a server starts: NULL, or what has failed, a static text: then this mode is not used. */
    const char *(*self_test)(void);
    /* A worker's part, w->mode: made (0 or WEIR_ENOMEM, then there is none), freed when its connections have been
     * closed, and given back as far as it is not used. */
    int (*open)(struct tls_worker *w);
    void (*close)(struct tls_worker *w);
    void (*trim)(struct tls_worker *w, bool all);
    /* Sets up a context: suites, callbacks. False: OpenSSL has refused something. */
    bool (*prepare)(SSL_CTX *context);
    /*
     * SSL_do_handshake() has returned 1; its last output is in t->worker->out (out_len bytes), all of it since its last
     * record of input began, unless something is unsent before it. True: t is this mode's, t->ssl has been freed and
     * t->mode set; when the output has been sent, t gets this mode's transport, and t->handshake is freed, of which the
     * mode has cleansed its own part. False: t stays OpenSSL's, and why was counted.
     */
    bool (*take_over)(struct tls_connection *t);
};

/* The mode's own part of a handshake. */
static inline void *tls_handshake_own(struct tls_handshake *h)
{
    return h + 1;
}

#define TLS_REASONS 12 /* most for which a mode does not take a connection over */

enum tls_counter {
    TLS_HANDSHAKES,           /* handshakes done, ever */
    TLS_RESUMPTIONS,          /* of these, those by a ticket */
    TLS_VERSION_12,           /* of these, those of a version */
    TLS_VERSION_13,           /* */
    TLS_SESSIONS,             /* connections that went on with OpenSSL's records, ever */
    TLS_SESSIONS_CLOSED,      /* of these, those that are closed */
    TLS_BYTES_IN,             /* plaintext by OpenSSL's records */
    TLS_BYTES_OUT,            /* */
    TLS_WAITED,               /* handshakes that waited for a slot, for memory or for their turn */
    TLS_PLAIN_ANSWERS,        /* plain HTTP that was answered */
    TLS_TRUNCATED,            /* connections that ended without close_notify */
    TLS_MODE_SESSIONS,        /* connections that the mode took over, ever; counted by handshake.c */
    TLS_MODE_SESSIONS_CLOSED, /* of these, those that are closed; counted by the mode, as what follows */
    TLS_MODE_BYTES_IN,        /* plaintext by the mode's records */
    TLS_MODE_BYTES_OUT,       /* */
    TLS_MODE_FALLBACKS,       /* handshakes that the mode did not take over; counted by handshake.c */
    TLS_COUNTERS,
};

/* The TLS side of a worker. */
struct tls_worker {
    struct net *net;
    struct account *home; /* of this record */
    char *in;             /* what was received in the present call: in_pos to in_len are not used yet */
    size_t in_pos, in_len;
    char *out; /* what was sealed in the present call and is not sent; within out_room */
    size_t out_len;
    char *out_room;
    char *plain; /* plaintext of one record, gathered or read from a file; with TLS_PAGE more */
    struct account buffer_account, handshake_account, session_account, unsent_account;
    BIO_METHOD *bio_method;
    struct pool handshakes;
    struct list waiting;    /* connections whose first record is whole, without a slot */
    struct list ready;      /* handshakes that can go on, by their links */
    uint32_t slots;         /* handshakes that may be under way at once */
    uint32_t running;       /* handshakes under way */
    uint64_t sessions_most; /* bytes that OpenSSL's objects may have after the handshake; 0: any number */
    struct tls_heap heap;   /* and their going back */
    uint64_t spent_ns;      /* by steps of handshakes in this turn */

    /* Another way to seal records than OpenSSL's, of the listeners that want it, and its part of this worker. NULL:
     * there is none. */
    const struct tls_mode *modes;
    void *mode;
    _Atomic uint64_t kept[TLS_REASONS]; /* handshakes that the mode did not take over, by why: its own numbers */

    _Atomic uint64_t counters[TLS_COUNTERS];
    _Atomic uint64_t now; /* handshakes under way */
};

static inline void tls_count(struct tls_worker *w, enum tls_counter which, uint64_t n)
{
    counter_add(&w->counters[which], n);
}

/* ---- wire.c: the worker's buffers and the socket ---- */

/* Receives up to `most` bytes into w->in, which is empty. Bytes, 0 at the end of the stream, TRANSPORT_WANT_READ, or an
 * error. Fewer than asked for: c->ready says that the socket has been drained. */
ssize_t tls_receive(struct tls_connection *t, size_t most);
/* Sends what is in w->out behind what is unsent; what the kernel does not take is unsent from then on, and w->out is
 * empty. 0: the kernel has all; TRANSPORT_WANT_WRITE; or an error, after which nothing can be sent any more. */
int tls_send(struct tls_connection *t, bool more);
/* As tls_send(), where w->out is empty. */
int tls_send_unsent(struct tls_connection *t);
/* Frees what is unsent. */
void tls_drop_unsent(struct tls_connection *t);
static inline size_t tls_out_room(const struct tls_worker *w)
{
    return TLS_OUT_SIZE - w->out_len;
}
/* How many of the largest records of a file are worth sealing before they are sent, 1 to TLS_BATCH: as many as a client
 * that stops reading may cost. TLS_BATCH: the kernel has little unsent, so that nothing is gained by holding back what
 * fills no packet. */
size_t tls_batch(const struct tls_connection *t);
/* Where within `room`, of which a page may be left out, to read what a file has at offset. */
char *tls_apart(char *room, int64_t offset);
/* How much plaintext the next record gets: it grows with the stream. tls_grow() when it has been sealed. */
size_t tls_record_size(struct tls_connection *t);
void tls_grow(struct tls_connection *t, size_t len);

/* ---- bio.c ---- */

/* A BIO for t's SSL, which becomes the SSL's own, and what it keeps; NULL: no memory. Reading gives what is in w->in,
 * else, in a handshake, what the socket has, and never goes past the end of a record. Writing appends to w->out. */
BIO *tls_bio_new(struct tls_connection *t, struct tls_bio **kept);
/* The method of a worker's BIOs, freed by BIO_meth_free() when the last of them has been; NULL: no memory. */
BIO_METHOD *tls_bio_method(void);

/* ---- info.c ---- */

/* What the handshake of ssl has agreed on. */
void tls_read_security(const SSL *ssl, struct transport_security *s);

/* ---- session.c: the transport with OpenSSL's records ---- */

extern const struct transport transport_tls;

/* ---- What another mode's transport shares ---- */

/* Their handshake and opened, which go on with the connection's own mode. */
int tls_handshake(struct connection *c);
void tls_opened(struct net *n, struct connection *c);
/* Ends the socket's side when all is sent: 0 or TRANSPORT_WANT_WRITE. */
int tls_end_socket(struct tls_connection *t);

#endif
