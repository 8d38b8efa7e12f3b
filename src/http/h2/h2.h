/*
 * An HTTP/2 connection and its streams (RFC 9113). Private to this folder.
 *
 * A connection at rest is a struct h2_kept and nothing else. A struct h2 is taken when something comes, and given back
 * when no stream is open, no output waits and no frame is incomplete. A stream is an exchange in a request's record,
 * taken when its head is whole; the head is decoded into the stream's buffer, and the reply is collected behind it.
 *
 * Frames are read by one fiber at a time, the connection's reader. It runs the handlers of the requests that it finds;
 * where one of them first waits, the fiber is the reader no more, and the connection is queued so that another fiber
 * reads on. Frames are read into the worker's input, and composed in the worker's output, which a connection has to
 * itself until it leaves them: what is then unread, or unsent, moves to a block of its size.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_H2_H
#define WEIR_HTTP_H2_H2_H

#include "http/exchange_life.h"
#include "http/h2/frame.h"
#include "http/h2/h2_head.h"
#include "http/h2/hpack_decode.h"

#define H2_BUCKETS        16                         /* of a connection's table of streams; a power of two */
#define H2_FRAME_MOST     H2_FRAME_MAX_DEFAULT       /* the longest payload, either way */
#define H2_INPUT_SIZE     (20 * 1024)                /* of the worker's input: a frame, and what may be behind it */
#define H2_COMPOSE_SIZE   (H2_FRAME_MOST + 4 * 1024) /* of the worker's output: frames that are composed */
#define H2_FILL_SIZE      H2_FRAME_MOST              /* and what has to be read of a file */
#define H2_OUTPUT_SIZE    (H2_COMPOSE_SIZE + H2_FILL_SIZE)
#define H2_BATCH_SEGMENTS 8     /* a frame and the calls behind it need fewer */
#define H2_COPY_MOST      2048  /* of a body, copied behind its frame's head */
#define H2_UNSENT_MOST    4096  /* control frames that the client has not taken, unless it reads */
#define H2_BLOCK_FRAMES   8     /* HEADERS and CONTINUATION of one header block */
#define H2_RESETS         8     /* of a connection, remembered while it lives */
#define H2_LEFTOVERS      4     /* of a connection, see leftover.c */
#define H2_LEFTOVER_MS    1000u /* how long they are waited for, where nothing else is alive */
#define H2_PARK_MS        2000u /* at rest: until the dynamic table is given back */
#define H2_STOP_GRACE_MS  1000u /* between the two GOAWAY of a stop */

/* timer.owner_bits of TIMER_STREAM: what it lies in. */
enum h2_timer { H2_TIMER_STREAM, H2_TIMER_WAITING };

/* connection.state */
enum h2_state {
    H2_REST, /* nothing is alive; active is a struct h2_kept */
    H2_LIVE, /* active is a struct h2 */
};

/* connection.flags */
enum h2_flags {
    H2_FRAME_TIMED = 1,     /* the time for the rest of a frame, or of a header block, runs */
    H2_LOOKED = 2,          /* the deadline has passed, and what came meanwhile has been looked for */
    H2_SETTINGS_LOOKED = 4, /* likewise, the time for the acknowledgement of our settings */
};

/* How a connection is going to end. The order counts: what is worse stays. */
enum h2_ending {
    H2_OPEN,
    H2_ANNOUNCED, /* the server stops: the first GOAWAY is out, new streams are still taken */
    H2_GOING,     /* the GOAWAY that names the last stream is out; those that are open are finished */
    H2_FAILED,    /* a connection error: its GOAWAY is to be sent, and nothing else */
    H2_DEAD,      /* the client has gone or is cut: nothing is sent any more */
};

/* The dynamic table that the client's encoder may use. */
enum h2_table {
    H2_TABLE_OFFERED,  /* a size is announced */
    H2_TABLE_PARKING,  /* 0 has been announced, and not acknowledged */
    H2_TABLE_PARKED,   /* 0 is acknowledged: there is none */
    H2_TABLE_OFFERING, /* a size has been announced again, and not acknowledged */
};

/* What an HTTP/2 connection has to remember while it rests. */
struct h2_kept {
    struct hpack_decoder hpack;
    struct spill *partial;  /* a frame's beginning; NULL: none */
    uint32_t last_stream;   /* highest stream that the client has opened */
    int32_t send_window;    /* of the connection: what may be sent */
    int32_t receive_window; /* and what the client may send, but for what is credited at the next occasion */
    uint32_t peer_window;   /* SETTINGS_INITIAL_WINDOW_SIZE of the client */
    uint32_t faults_tick;   /* see faults.c */
    uint32_t uncredited;    /* of the connection's window, not yet given back */
    uint32_t requests;      /* on this connection, where they are counted */
    uint16_t faults;
    uint8_t table;            /* enum h2_table */
    uint8_t settings_unacked; /* SETTINGS that have been sent and not acknowledged */
    bool preface_read : 1;    /* the client's preface has come */
    bool settings_read : 1;   /* and its first SETTINGS */
    bool settings_sent : 1;   /* ours have been sent */
    bool settings_known : 1;  /* and the first of them acknowledged */
    bool table_refused : 1;   /* the client has been told that this side's encoder has no table */
    bool priorities : 1;      /* the client knows those of RFC 9218: it has sent one, or has said so */
};

struct h2_stream;
struct h2_waiting;

/* Streams that have something to send and a window for it, by urgency; see turns.c. */
struct h2_turns {
    struct list whole[H2_URGENCY_MAX + 1];  /* not incremental ones, by their ids */
    struct list shared[H2_URGENCY_MAX + 1]; /* incremental ones, the next first */
    uint8_t urgencies;                      /* bits: those of which a stream is here */
    uint8_t shared_next;                    /* bits: those where, of both kinds, an incremental one is next */
};

/* A request whose reply is out, and whose body is still coming. */
struct h2_leftover {
    uint32_t id;    /* 0: none */
    int32_t window; /* what may come of it */
    int64_t left;   /* of a body whose length was told; -1: it was not */
};

struct h2 {
    struct h2_kept kept;
    struct http *http;
    struct connection *conn;
    struct fiber *reader;                  /* the fiber that reads frames; NULL: none */
    struct h2_stream *buckets[H2_BUCKETS]; /* streams by their ids */
    struct h2_waiting *waiting, *admitted; /* requests that wait for memory, and those that have it now */
    struct h2_stream *failed;              /* whose handlers were ended: a page is to be made */
    struct h2_stream *left;                /* whose duplexes want to run */
    uint32_t streams;                      /* in the table, and requests that wait */
    struct h2_leftover leftovers[H2_LEFTOVERS];
    uint32_t resets[H2_RESETS]; /* streams that this side has reset last: what is still on its way is ignored */
    uint32_t resets_next;
    uint32_t wake_tick; /* since when it has not rested */
    /* Input. */
    struct h2_frame frame; /* of which frame_left bytes of payload are to come: DATA, or what is skipped */
    uint32_t frame_left;
    uint16_t padding_left; /* of these, padding */
    bool in_frame;
    struct spill *block; /* a header block that has not come whole; NULL: none */
    uint32_t block_stream;
    uint8_t block_frames, block_flags;
    bool block_broken; /* HEADERS broke a rule that is the stream's error */
    bool input_ended;  /* the client has ended its side */
    /* Output. */
    uint8_t ending;          /* enum h2_ending */
    bool sending;            /* in h2_send(): what is called meanwhile does not send */
    bool composing;          /* room is made for a frame: nothing is waited for, since a frame may be being read */
    bool warming;            /* a file's next part is being fetched: nobody sends */
    uint32_t unsent_control; /* bytes of control frames in the queue since it was last empty */
    struct spill *own;       /* composed bytes that had to leave the worker's output; NULL: none */
    struct h2_turns turns;
    struct output out;
};

/* enum h2_stream.state: what may still come. */
enum h2_remote {
    H2_REMOTE_OPEN,
    H2_REMOTE_ENDED, /* END_STREAM has come */
    H2_REMOTE_RESET, /* RST_STREAM has come, or been sent: whatever comes is nobody's */
};

/* How far this side of a stream has come. */
enum h2_local {
    H2_LOCAL_OPEN,  /* more may be written */
    H2_LOCAL_LAST,  /* the reply is complete, and what is left of it waits to be sent */
    H2_LOCAL_ENDED, /* END_STREAM is in the connection's queue, or the reply was given up */
};

/* A piece of a request's body that its handler has not read, in a buffer of its own. */
struct h2_piece {
    struct h2_piece *next;
    uint32_t pos, len;
    char data[];
};

/* enum h2_stream.left: whether a duplex is left on it, see duplex.c. */
enum h2_left {
    H2_LEFT_NOT,
    H2_LEFT_RESTS,
    H2_LEFT_RUNS, /* a fiber is in its user's run(), and may be suspended there */
};

struct h2_stream {
    struct exchange x; /* first: an exchange of this version is a struct h2_stream */
    struct h2 *h2;
    struct h2_stream *next;         /* in its bucket */
    struct h2_stream *next_wanting; /* a fiber: in h2.failed, or in h2.left */
    struct list turn;               /* in a list of h2.turns, or by itself */
    struct timer timer;             /* for a body, or for a client that opens no window */
    uint32_t id;
    uint32_t pinned; /* frames in the connection's queue that refer to what this stream holds, or will call it */
    uint8_t remote;  /* enum h2_remote */
    uint8_t local;   /* enum h2_local */
    struct h2_priority priority;
    bool running;          /* the handler has not ended, or what follows it has not */
    bool failed;           /* in h2.failed */
    bool continue_due;     /* the client waits for 100 Continue */
    bool looked;           /* the body's time was over, and what had come meanwhile has been looked for */
    bool draining;         /* the handler has ended, and the reply has not been sent */
    bool region_is_memory; /* the region lies in the request's memory */
    bool borrowed;         /* the tail is the handler's own memory: it waits until that is sent */
    bool watched;          /* how long the client takes for the output is measured */
    uint8_t left;          /* enum h2_left */
    bool left_queued;      /* in h2.left */
    bool left_again;       /* run() is wanted once more */
    bool left_timed;       /* look() is wanted at x.body_clock.deadline */
    /* The request. */
    char *buffer; /* holds the head and the region; NULL: given back */
    struct h2_piece *body, *body_end;
    struct h2_piece *spare; /* one that has been read to its end, kept for the next */
    int64_t body_came;      /* bytes of the body that have come */
    int32_t receive_window; /* what the client may still send of it; below 0: see h2_window_early() */
    struct spill *trailers; /* fields behind the body; NULL: none */
    /* The reply. */
    int32_t send_window;
    char *region, *region_end; /* where the body is collected; NULL: none chosen */
    char *begin, *pos;         /* of it, what is to be sent next, and the next free byte */
    struct spill *kept;        /* the rest of a reply whose buffer was given back; begin lies in it. NULL: none */
    struct spill *first;       /* a HEADERS frame that did not go out at once. NULL: none */
    struct segment tail;       /* what is sent behind the region: len 0 and kind STATIC: nothing */
    struct spill *last;        /* the frame that ends the stream: its trailers. NULL: none */
    struct segment over;       /* the call behind the reply; kind CALL where there is one, else STATIC */
    uint32_t progress;         /* tick at which something of it was last sent, or it began to wait */
    uint32_t rate_start;       /* tick at which the present measurement of its rate began */
    uint64_t rate_sent;        /* what has been sent since */
};

_Static_assert(sizeof(struct h2_stream) <= 1792, "a stream's record is a request's record");

static inline struct h2_stream *h2_of(struct exchange *x)
{
    return (struct h2_stream *)(void *)x;
}

static inline const struct h2_stream *h2_of_const(const struct exchange *x)
{
    return (const struct h2_stream *)(const void *)x;
}

static inline struct net *h2_net(const struct h2 *h)
{
    return h->http->net;
}

/* ---- connection.c: the connection as the loop sees it ---- */

/* Nothing is alive any more: rests, ends or goes on, as h->ending says. h may be gone afterwards. */
void h2_settle(struct h2 *h);
/* The connection is broken by the client: every stream is given up, and a GOAWAY with `error` is the last that it
 * gets. cause: what is counted. */
COLD void h2_fail(struct h2 *h, uint32_t error, enum refusal cause, const char *why);
/* The client has gone, or is cut: nothing more is sent or received. error: what waits are told. */
COLD void h2_die(struct h2 *h, int error);
/* No new streams from here on: GOAWAY with the last one. */
void h2_go_away(struct h2 *h);
/* Sets the connection's deadline by what is waited for. */
void h2_arm(struct h2 *h);

/* ---- read.c: frames, from the input to who handles them ---- */

/* Reads frames and serves requests until nothing more is there, or another fiber has become the reader. h may be gone
 * afterwards. */
void h2_serve(struct h2 *h);
/* The present fiber is about to be suspended, or its handler is ended: if it is the reader, what is unread moves to a
 * block, and the connection is queued if there is more to read. False: no memory. */
bool h2_leave(struct h2 *h);
/* Whether the present fiber is the reader and the next frame that has come whole is DATA or of control; it has been
 * handled then. */
bool h2_read_on(struct h2 *h);

/* ---- frames.c: what each frame does ---- */

/* A frame whose payload is whole; not DATA, HEADERS, CONTINUATION. False: the connection has failed. */
bool h2_control_frame(struct h2 *h, const struct h2_frame *f, const uint8_t *payload);
/* What every connection begins with: SETTINGS, and the connection's window. */
void h2_begin(struct h2 *h);
/* Announces a size of the dynamic table that the client may use. */
void h2_announce_table(struct h2 *h, uint32_t size);

/* ---- faults.c: what a client may do wrong, or make this side do, before it is too much ---- */

/* Counts n of it. False: that was too much, and the connection has failed because of cause. */
bool h2_fault(struct h2 *h, unsigned n, enum refusal cause);

/* ---- stream.c: the table of streams, and their ends ---- */

struct h2_stream *h2_find(const struct h2 *h, uint32_t id);
/* A stream for a request that begins, with a record and a buffer; in no table yet. NULL: no memory. */
struct h2_stream *h2_stream_take(struct h2 *h, uint32_t id);
void h2_stream_add(struct h2_stream *s);
/* Gives back one that was not added. */
void h2_stream_untake(struct h2_stream *s);
/* Resets a stream: its client is told, and what is left of both directions is given up. */
void h2_stream_reset(struct h2_stream *s, uint32_t error);
/* The client has reset the stream, or the connection is dead: likewise, but nobody is told. error: what waits get. */
void h2_stream_lost(struct h2_stream *s, int error);
/* Gives the stream back if nothing holds it any more: its handler has ended, its reply is sent or given up. True: it is
 * gone. */
bool h2_stream_release(struct h2_stream *s);
/* Whether this side has reset a stream not long ago: the client need not have known (section 5.1). */
bool h2_was_reset(const struct h2 *h, uint32_t id);
/* RST_STREAM for a stream that is not in the table. */
void h2_reset_unknown(struct h2 *h, uint32_t id, uint32_t error);
/* What s has to send waits for the client: for how long is watched. */
void h2_stream_watch(struct h2_stream *s);
/* The stream's timer comes in so many ticks, or before that. */
void h2_stream_time(struct h2_stream *s, uint32_t delay);
/* Calls each() for every stream, which may release any; it is called again for others then, so that twice has to be as
 * good as once. */
void h2_each_stream(struct h2 *h, void (*each)(struct h2_stream *s, int arg), int arg);

/* ---- leftover.c: bodies that come when their reply is out ---- */

/* The reply of s is out, and more of the body may come: that is remembered, or the client told not to send it. */
void h2_leave_rest(struct h2_stream *s);
/* Whether frames of streams that are over here may still come: of such a request, or of a stream that was reset. */
bool h2_may_hear_late(const struct h2 *h);
bool h2_is_leftover(const struct h2 *h, uint32_t id);
/* Nothing more comes of it. */
void h2_leftover_end(struct h2 *h, uint32_t id);
/* Nothing of that is waited for any more: requests whose bodies have not come are reset. */
void h2_hear_late_no_more(struct h2 *h);
/* The head of a DATA frame of len bytes, padding included. False: the stream is none of them. */
bool h2_leftover_data(struct h2 *h, uint32_t id, uint32_t len, uint32_t padding, bool last);

/* ---- request.c: from a whole header block to the end of a handler ---- */

/* A header block has come whole. False: the connection has failed. */
bool h2_headers(struct h2 *h, uint32_t id, uint8_t flags, const uint8_t *block, size_t len);
/* The handler has ended, in one way or another: completes the exchange. The stream may be gone afterwards. */
void h2_finish_exchange(struct h2_stream *s);
/* Runs the handler of the request whose head lies in s, on this fiber. head: why it is refused; NULL: it is not. ended:
 * it has no body. waited: it was admitted while it waited. The stream may be gone afterwards. False: it is not
 * admitted, and nothing was done. */
bool h2_serve_request(struct h2_stream *s, const struct h2_head *head, bool ended, bool waited);
/* Makes the page of a stream whose handler was ended. */
void h2_resume_failed(struct h2_stream *s);

/* ---- waiting.c: requests that wait for memory ---- */

/* Lets the stream's request wait, which is given back. False: there is no memory even for that. */
COLD bool h2_wait(struct h2_stream *s);
/* Serves a request that has memory now. */
void h2_serve_admitted(struct h2 *h);
struct h2_waiting *h2_find_waiting(const struct h2 *h, uint32_t id);
/* A waiting request's stream has been reset, or its connection is dead. */
void h2_unwait(struct h2 *h, struct h2_waiting *w);
void h2_unwait_all(struct h2 *h);
/* A part of the body of a request that waits. False: no memory for it. */
bool h2_waiting_data(struct h2 *h, struct h2_waiting *w, const uint8_t *data, size_t len, bool last);
/* The client's window for its reply, and how urgent it is. */
int32_t *h2_waiting_window(struct h2_waiting *w);
/* Goes over the waiting requests; NULL: the first, or there are no more. */
struct h2_waiting *h2_next_waiting(struct h2 *h, struct h2_waiting *w);
void h2_waiting_expired(struct timer *t);

/* ---- duplex.c: what is left of an exchange ---- */

/* The handler has ended and leaves a duplex on s, which may be gone afterwards. */
COLD void h2_finish_leaving(struct h2_stream *s);
/* All that the user of s gave has been sent: it is asked for more. */
void h2_left_more(struct h2_stream *s);
/* Something has come for s: its user is to run. */
void h2_left_queue(struct h2_stream *s);
void h2_left_unqueue(struct h2_stream *s);
/* Runs those that want to. */
void h2_run_left(struct h2 *h);
/* The stream is lost: its user is told. */
void h2_left_lost(struct h2_stream *s, int error);
void h2_left_drain(struct h2_stream *s);
void h2_left_expired(struct h2_stream *s);

/* ---- body.c: the request's body ---- */

/* Copies what has come out of its pieces: its bytes; 0: the client has ended its side; or TRANSPORT_WANT_READ. */
ssize_t h2_body_take(struct h2_stream *s, char *buf, size_t len);

/* A part of a DATA frame has come for s. False: it is too long, or there is no memory for it; s has been reset. */
bool h2_body_came(struct h2_stream *s, const uint8_t *data, size_t len);
/* The body has ended, by END_STREAM. */
void h2_body_ended(struct h2_stream *s);
/* Sets up the body of the request whose head is whole. */
void h2_body_begin(struct h2_stream *s, bool ended);
ssize_t h2_body_read(struct exchange *x, const char **data);
bool h2_body_trailer(const struct exchange *x, size_t i, const char **name, const char **value);
void h2_body_arm(struct exchange *x);
void h2_body_expired(struct h2_stream *s);
/* The window that a new stream has. */
uint32_t h2_window_first(const struct http *http);
/* What more than the streams' windows may come from a client that does not know our settings yet, whose streams begin
 * with a window of 65,535 bytes (RFC 9113 section 6.9.3). */
static inline int64_t h2_window_early(const struct h2 *h)
{
    uint32_t first = h2_window_first(h->http);
    return h->kept.settings_known || first > H2_WINDOW_DEFAULT ? 0 : H2_WINDOW_DEFAULT - first;
}
/* Puts what has come behind what is there, for the handler: how much of it; for the rest there is no memory. */
size_t h2_body_put(struct h2_stream *s, const uint8_t *data, size_t len);
/* What was received and not read is dropped. */
void h2_body_drop(struct h2_stream *s);
/* len bytes of DATA are nobody's any more: the connection's window gets them back. */
void h2_credit(struct h2 *h, size_t len);

/* ---- reply.c: composing heads ---- */

/* The length that a reply's HEADERS has at most, with its frame's head, and the frame written to `to`; returns behind
 * it. length: of the body; REPLY_LENGTH_UNKNOWN: not told. */
size_t h2_head_size(const struct h2_stream *s, int64_t length);
char *h2_head_compose(const struct h2_stream *s, int64_t length, bool last, char *to);
/* Likewise, the trailers. 0: there are none. */
size_t h2_trailers_size(const struct h2_stream *s);
char *h2_trailers_compose(const struct h2_stream *s, char *to);
/* A bare reply without a body, that a stream which is none gets. */
void h2_bare_reply(struct h2 *h, uint32_t id, int status, bool last);

/* ---- output.c: the worker's output, and the connection's queue ---- */

/* Whether the queue takes a frame with all that goes with it, and what it holds is not waiting for the client. */
bool h2_has_room(struct h2 *h);
/* Room for len bytes of frames (<= H2_COMPOSE_SIZE), to be queued by h2_composed(). NULL: no memory, and the connection
 * is dead. */
char *h2_compose(struct h2 *h, size_t len);
void h2_composed(struct h2 *h, const char *frames, size_t len);
/* Queues a control frame, and counts it. */
void h2_control(struct h2 *h, const void *frame, size_t len);
/* What waits in the worker's output moves to a block, since another connection may need that. */
void h2_output_leave(struct h2 *h);
/* Sends what can be sent: 0 where nothing is left that could be; TRANSPORT_WANT_..., OUTPUT_TURN, or an error, after
 * which the connection is dead. more: further bytes follow at once. */
int h2_send(struct h2 *h, bool more);

/* ---- turns.c: whose turn it is ---- */

void h2_turns_init(struct h2_turns *t);
/* s, which is in no list, is in that of its priority. */
void h2_turn_enter(struct h2_turns *t, struct h2_stream *s);
/* s is in none any more. */
void h2_turn_leave(struct h2_turns *t, struct h2_stream *s);
/* Likewise, for it sends a frame: the next turn is another's. */
void h2_turn_take(struct h2_turns *t, struct h2_stream *s);
/* Who is next, of those that may; may NULL: all. NULL: nobody. */
struct h2_stream *h2_turn_next(struct h2_turns *t, bool (*may)(const struct h2_stream *s));

/* ---- writer.c: frames of the stream whose turn it is ---- */

/* Queues frames of streams that have something to send, as far as windows and the queue let it. True: something was
 * queued. */
bool h2_cut_frames(struct h2 *h);
/* Whether there is a stream that can send. */
bool h2_has_turn(struct h2 *h);
/* s may have something to send, or a window for it. */
void h2_stream_ready(struct h2_stream *s);
/* Whether anything of s is unsent, but for what has been queued. struct segment's call behind frames that refer to a
 * stream's memory: arg is the stream. */
void h2_stream_unpin(void *arg, int error, uint64_t bytes);
/* Queued frames of s go on without its memory, which they are copied from. */
void h2_stream_unpin_now(struct h2_stream *s);
void h2_stream_set_priority(struct h2_stream *s, struct h2_priority priority);
/* Whether anything of s is unsent, but for what has been queued. */
bool h2_stream_has_output(const struct h2_stream *s);
/* Bytes of body that s has to send. */
uint64_t h2_stream_unsent(const struct h2_stream *s);
/* Gives up what s has to send, but for frames that have been queued. error: what listeners are told. */
void h2_stream_drop_output(struct h2_stream *s, int error);
/* Sends a complete reply at once, into the worker's output, where it is small. */
void h2_stream_cut_small(struct h2_stream *s);
/* The reply waits to be sent without a fiber: keeps what it needs of the stream's buffers and no more. */
void h2_stream_shed(struct h2_stream *s);
/* Likewise, the buffer alone. */
void h2_stream_shed_buffer(struct h2_stream *s);

/* ---- write.c: the reply; struct exchange_ops says what the first nine do ---- */

char *h2_reply_reserve(struct exchange *x, size_t min, size_t *room, int *error);
int h2_reply_commit(struct exchange *x, size_t len);
char *h2_reply_place(struct exchange *x, size_t len);
int h2_reply_write(struct exchange *x, const char *data, size_t len);
size_t h2_reply_written(struct exchange *x, const char **data);
int h2_reply_commit_head(struct exchange *x);
int h2_reply_flush(struct exchange *x);
int h2_reply_push(struct exchange *x);
void h2_reply_discard(struct exchange *x);
/* Commits the head for a body of length (REPLY_LENGTH_UNKNOWN: a stream). whole: the reply is complete but for its
 * trailers. 0 or an error. */
int h2_commit_head(struct h2_stream *s, int64_t length, bool whole);
/* The reply is complete: it goes through its filters, if it has any. 0, or an error after which x.gone is set. May
 * suspend. */
int h2_finish_filters(struct h2_stream *s);
/* The handler has ended: the rest of the reply waits to be sent. */
void h2_finish_reply(struct h2_stream *s);
/* Waits until nothing of s is unsent. 0 or an error. May suspend. */
int h2_drain(struct h2_stream *s, bool more);

/* ---- upgrade.c: extended CONNECT ---- */

/* struct exchange_ops' upgrade. */
COLD int h2_upgrade(struct exchange *x, const char *protocol);

/* ---- exchange.c: what the exchange asks of this version ---- */

extern const struct exchange_ops h2_exchange_ops;
/* Has the connection served by a fiber before all that is queued. */
void h2_queue_first(struct h2 *h);

#endif
