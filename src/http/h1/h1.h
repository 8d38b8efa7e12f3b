/*
 * An HTTP/1 connection while a request on it is alive: the buffers, the output, and the exchange. Private to
 * this folder.
 *
 * One buffer serves both ways where it can: the head of the request stays at its place, and the free part behind the
 * input is the output region. A second buffer is taken when a body has to be received and output made at the same time,
 * or when the head leaves less than a quarter free. There are never more than two.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H1_H1_H
#define WEIR_HTTP_H1_H1_H

#include "http/exchange_life.h"
#include "http/h1/chunked.h"
#include "http/h1/parser.h"
#include "http/linger.h"

/* connection.state */
enum h1_state {
    H1_IDLE,     /* between requests; active is NULL */
    H1_HEAD,     /* half a head; active is a struct spill */
    H1_ACTIVE,   /* a fiber serves it; active is a struct h1 */
    H1_FAILED,   /* the handler was ended; queued to be finished */
    H1_DRAINING, /* no fiber; the output is being sent */
    H1_WAITING,  /* a request that cannot be admitted yet; active is a struct h1_waiting */
};

/* connection.flags */
enum h1_flags {
    H1_HEAD_TIMED = 1, /* the head's time runs */
    H1_ADMITTED = 2,   /* a set has been promised, and a fiber is waited for */
    H1_SERVED = 4,     /* a request has been served */
    H1_LOOKED = 8,     /* the deadline has passed, and what came meanwhile has been looked for */
};

#define H1_STOP_GRACE_MS 1000u /* what half a head, or a first request, has to come in once the server stops */

struct h1 {
    struct exchange x; /* first: an exchange of this version is a struct h1 */
    struct h1_parser parser;
    struct h1_chunked chunks;
    char *in;                /* the first buffer */
    char *second;            /* the second, or NULL */
    uint32_t in_pos, in_len; /* unparsed input is in[in_pos..in_len) */
    char *window;            /* where the body is received: in, or in the second buffer */
    uint32_t window_pos, window_len, window_size;
    uint32_t head_end; /* offset in `in` behind the present request's head */
    uint32_t served;   /* requests since the fiber began */
    uint32_t requests; /* requests of this connection */
    int64_t body_left; /* of a body with a length */
    bool parsing;      /* the head at in_pos has been begun */
    bool receiving;    /* more of the body than came with the head has been received */
    bool continue_due; /* the client waits for 100 Continue */
    bool refused;      /* what came is not a body */
    uint8_t ending;    /* enum ending: of the connection, after this reply */
    bool lent;         /* memory of the handler, or of its request, is in the queue: it waits until that is sent */
    uint8_t next;      /* number of the protocol that has the connection when all is sent, see upgrade.c; 0: none */
    struct output out;
    char *region, *region_end; /* where output is composed; NULL: none chosen */
    char *pos;                 /* the next free byte of the region */
    char *open;                /* body bytes not yet in the queue begin here; NULL: none */
};

_Static_assert(sizeof(struct h1) <= 1792, "a stalled reader of a file costs this and the web floor's context");

static inline struct h1 *h1_of(struct exchange *x)
{
    return (struct h1 *)(void *)x;
}

/* A request that cannot be admitted yet. */
struct h1_waiting {
    struct waiter waiter;
    struct connection *conn;
    struct spill *head; /* what has been received of it */
};

/* The connection ends in that way after the present reply, or in a worse one. */
static inline void h1_end(struct h1 *h, enum ending how)
{
    if (how > h->ending)
        h->ending = (uint8_t)how;
}

static inline const struct h1 *h1_of_const(const struct exchange *x)
{
    return (const struct h1 *)(const void *)x;
}

static inline struct net *h1_net(const struct h1 *h)
{
    return h->x.http->net;
}

/* What the end of the region keeps free: CRLF behind a chunk, and the last chunk. */
#define H1_TAIL_ROOM 8
/* Segments that are left free for one step: a head, the three parts of a chunk, a call. */
#define H1_SEGMENTS_SPARE 5
/* What lies before a chunk's data: up to 5 digits of size and CRLF. */
#define H1_CHUNK_ROOM 7

/* ---- connection.c: the record and its end ---- */

/* Gives back the buffers that hold nothing any more: while only a file or static bytes are left, a stalled client costs
 * its records. */
void h1_shed(struct h1 *h);
/* Gives back everything that a live request had. */
void h1_release_more(struct h1 *h); /* what a record rarely has: all but itself and its first buffer */
static inline void h1_release(struct h1 *h)
{
    struct http *http = h->x.http;
    struct connection *c = h->x.conn;
    if (unlikely(h->x.head.fields != h->x.fields || c->state == H1_DRAINING || !output_empty(&h->out) || h->second ||
                 http->admission.limited))
        h1_release_more(h);
    c->active = NULL;
    if (likely(h->in != NULL))
        pool_give(&http->buffers, h->in);
    pool_give(&http->records, h);
}
/* The record and the buffer of a connection in H1_IDLE or H1_HEAD that was queued. NULL: it is not to be served; it has
 * been closed, or is left at rest where there is no memory for it, unless that is needed now. */
struct h1 *h1_open_fresh(struct net *n, struct connection *c, bool needed);
/* struct protocol's run, of a connection that has a record. */
void h1_run_on(struct net *n, struct connection *c);
/* The last reply is out, or there will be none: ends the connection. */
void h1_close(struct h1 *h);

/* ---- waiting.c: requests that wait for memory ---- */

/* Lets the connection wait until the request at in_pos can be admitted, or refuses it if there is no memory even for
 * that. */
COLD void h1_wait(struct h1 *h);
/* Takes the request of a connection in H1_WAITING off the list: the connection is at H1_HEAD again. */
void h1_unwait(struct http *http, struct connection *c);

/* ---- serve.c: from head to head ---- */

/* Serves what has arrived until nothing more is there, the output blocks, or the connection ends. */
void h1_serve(struct h1 *h);
/* Receives more input behind what is there. True: there is some, or the request has been refused; false: the connection
 * has been left. */
bool h1_receive(struct h1 *h);
/* Nothing is alive any more: gives back everything and waits for the next request. */
void h1_idle(struct h1 *h);
/* The handler has ended, in one way or another: completes the exchange. */
void h1_finish_exchange(struct h1 *h);

/* ---- duplex.c: what is left of an exchange ---- */

struct duplex;
/* c was to be handed over to d, and cannot be: d is lost. */
void h1_lose_duplex(struct net *n, struct connection *c, struct duplex *d);
/* c is handed over to d, with what has been read and belongs to it. chunked: what is sent are chunks. */
void h1_leave_duplex(struct net *n, struct connection *c, struct duplex *d, bool chunked, const char *data, size_t len);

/* ---- stalled.c: clients that take nothing ---- */

/* Resets the connection because of cause when its handler has ended, which is told if it waits. Without a handler the
 * caller closes it. */
void h1_cut_stalled(struct h1 *h, enum refusal cause);
/* struct protocol's stalled and give_up */
uint32_t h1_stalled(struct net *n, struct connection *c);
void h1_give_up(struct net *n, struct connection *c);

/* ---- reply.c: composing heads ---- */

/* A length that the head has at most, whatever the body. */
size_t h1_head_room(const struct h1 *h);
/* The head's exact length, for a body of length (REPLY_LENGTH_UNKNOWN: streamed), and its bytes written to `to`.
 * Returns behind it. */
size_t h1_head_size(const struct h1 *h, int64_t length);
char *h1_head_compose(const struct h1 *h, int64_t length, char *to);

#define H1_JOIN_MAX 512 /* a static body up to this is copied behind its head: a part of its own would cost more */

/* Puts a whole reply that is the usual into the region and the queue at once. False: it is anything else, and nothing
 * was done. */
bool h1_put_usual(struct h1 *h);

/* Copies a text that is mostly short, for which a call would cost more than the copy; returns behind it. */
static inline WRAPS char *h1_put_text(char *to, const char *text, size_t len)
{
    if (likely(len - 8 <= 8)) {
        uint64_t first, last;
        memcpy(&first, text, 8);
        memcpy(&last, text + len - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + len - 8, &last, 8);
    } else if (len > 0) { /* or there may be no text */
        memcpy(to, text, len);
    }
    return to + len;
}

/* Writes n in decimal or hexadecimal; returns behind it. */
char *h1_put_decimal(char *to, uint64_t n);
char *h1_put_hex(char *to, uint64_t n);
unsigned h1_hex_digits(uint64_t n);

/* ---- output.c: the region and the queue ---- */

/* What an unsent output's timer has to say: how long until the next look, in ms, or 0 when the client takes it too
 * slowly and *cause says which limit is met. */
uint32_t h1_output_check(struct h1 *h, enum refusal *cause);
/* How long until the first look, in ms. */
uint32_t h1_output_interval(const struct h1 *h);

/* Chooses a region where none is. False: no memory. */
bool h1_choose_region(struct h1 *h);
/* The client has gone or is cut: lets go of everything unsent. */
void h1_drop_output(struct h1 *h, int error);
/* Sends what can be sent: 0 when all is, TRANSPORT_WANT_..., OUTPUT_TURN, or an error, after which x.gone is set.
 * Suspends only where it is called on a fiber, while a file's next part is fetched into memory; on the loop's own stack
 * that is OUTPUT_TURN. */
int h1_send(struct h1 *h);
/* Waits until the queue is empty. 0 or an error. */
int h1_drain(struct h1 *h);
/* h1_drain() where the handler is writing on: what has left the queue may wait in the kernel for more, until h1_send()
 * or a wait. */
int h1_drain_on(struct h1 *h);
/* Makes sure that a segment and about `room` bytes of the region can be added. 0 or an error. May suspend. */
int h1_make_room(struct h1 *h, size_t room);
/* Whether nothing has to be sent or chosen before a segment and room bytes of the region can be added. */
static inline bool h1_room_is_there(const struct h1 *h, size_t room)
{
    return h->region && (size_t)(h->region_end - h->pos) >= room + H1_TAIL_ROOM &&
           output_has_room(&h->out, H1_SEGMENTS_SPARE);
}
/* Moves the region out of the first buffer, which the body needs. 0 or WEIR_ENOMEM. */
int h1_move_region(struct h1 *h);

/* ---- upgrade.c: to another protocol ---- */

/* struct exchange_ops' upgrade. */
COLD int h1_upgrade(struct exchange *x, const char *protocol);
/* When the handler of an upgraded exchange has returned and all is sent, the connection is that protocol's, with what
 * the client has sent and the handler has not read. 0, or WEIR_EINVAL: the worker has too many protocols. */
int h1_pass_on(struct exchange *x, const struct protocol *p);
/* What has come and is not read is what an upgraded exchange reads first. */
void h1_begin_raw(struct h1 *h);
/* Hands the connection over. False: it is to be closed. */
bool h1_hand_over(struct h1 *h, const struct protocol *next);

/* ---- raw.c: connections without HTTP ---- */

/* struct protocol's opened and run. */
void h1_raw_opened(struct net *n, struct connection *c, const char *data, size_t len);
void h1_raw_run(struct net *n, struct connection *c);

/* ---- prior.c: HTTP/2 by prior knowledge ---- */

enum h1_prior {
    PRIOR_NONE, /* no preface of HTTP/2 */
    PRIOR_SOME, /* the beginning of one, perhaps */
    PRIOR_DONE, /* the connection is HTTP/2's: h is gone */
};
/* A head was refused: whether it is what HTTP/2 begins with (RFC 9113 section 3.3), where that is spoken. */
COLD enum h1_prior h1_prior_knowledge(struct h1 *h);

/* ---- exchange.c: what the exchange asks of this version ---- */

extern const struct exchange_ops h1_exchange_ops;
/* Sets the connection's timer for the present wait for a body. */
void h1_arm_body_deadline(struct exchange *x);

/* ---- write.c: the reply; struct exchange_ops says what the first nine do ---- */

char *h1_reply_reserve(struct exchange *x, size_t min, size_t *room, int *error);
int h1_reply_commit(struct exchange *x, size_t len);
char *h1_reply_place(struct exchange *x, size_t len);
int h1_reply_write(struct exchange *x, const char *data, size_t len);
size_t h1_reply_written(struct exchange *x, const char **data);
int h1_reply_commit_head(struct exchange *x);
int h1_reply_flush(struct exchange *x);
int h1_reply_push(struct exchange *x);
void h1_reply_discard(struct exchange *x);

/* Queues whatever is open; commits the head if needed. */
int h1_close_open(struct h1 *h);
/* A final reply goes into the queue before its handler has ended: its room is needed. 0 or an error. May suspend. */
int h1_commit_final(struct h1 *h);
/* Commits the head for a body of length (REPLY_LENGTH_UNKNOWN: a stream), and queues what is open behind it. */
int h1_commit_head(struct h1 *h, int64_t length);
/* The reply is complete: it goes through its filters, if it has any, and is queued up to its last chunk if it has
 * trailer fields. 0, or an error after which x.gone is set. May suspend. */
int h1_finish_filters(struct h1 *h);
/* The handler has ended: the rest of the reply goes into the queue. */
int h1_finish_reply(struct h1 *h);
/* Likewise, where the reply goes on without a handler: what has been written of it is queued. */
int h1_finish_left(struct h1 *h);

/* ---- trailed.c: replies with trailer fields ---- */

/* Commits the head of a reply that is still being made: chunked where the request's version knows that. May suspend. */
COLD int h1_commit_trailed(struct h1 *h);
/* The handler has ended: all but the last chunk goes into the queue, unless no trailer fields can be sent, or the head
 * is out. 0 or an error. May suspend. */
COLD int h1_finish_trailed(struct h1 *h);
/* The last chunk and the trailer fields go into the queue. 0 or an error. May suspend. */
COLD int h1_put_trailers(struct h1 *h);

/* ---- live.c: what the ledger's page shows ---- */

void h1_live(const struct exchange *x, struct http_live *live);

/* ---- read.c: the request's body ---- */

/* Sets up the body of the request whose head has been parsed. One of body_length 0 needs neither h1_body_drop() nor
 * h1_body_end(). */
void h1_body_announced(struct h1 *h);
static inline void h1_body_begin(struct h1 *h)
{
    struct exchange *x = &h->x;
    h->window = h->in;
    h->receiving = h->continue_due = h->refused = false;
    x->rest.len = 0;
    x->body_length = 0;
    x->body_read = true;
    if (unlikely(x->head.flags & (HEAD_CHUNKED | HEAD_HAS_LENGTH)))
        h1_body_announced(h);
}
ssize_t h1_body_read(struct exchange *x, const char **data);
ssize_t h1_body_splice(struct exchange *x, int pipe, size_t len);
int h1_body_await(struct exchange *x);
bool h1_body_trailer(const struct exchange *x, size_t i, const char **name, const char **value);
/* Whether the rest of the body can be dropped, so that the connection goes on behind it. Of a body whose length nobody
 * knows, all has to be there: it is dropped here, as the reply's head is to say `close` if not. Does not wait. */
bool h1_body_can_drop(struct h1 *h);
/* Reads and drops the rest of the body, of which no more than drain_limit is left. False: the connection cannot be
 * kept. May suspend. */
bool h1_body_drop(struct h1 *h);
/* What lies behind the body is the next request's. */
void h1_body_end(struct h1 *h);

#endif
