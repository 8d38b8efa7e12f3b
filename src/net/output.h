/*
 * What is waiting to be sent: a short queue of segments that know where their bytes lie, drained by whoever can,
 * without a fiber. Bytes in the connection's output region, static memory, shared bytes, files, and bytes that have to
 * be made first meet here, and go out in as few calls as possible. What is queued is not known here, nor why: whoever
 * drains the queue is told what has become of it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_OUTPUT_H
#define WEIR_NET_OUTPUT_H

#include "base/shared.h"
#include "net/connection.h"
#include "net/file.h"

enum segment_kind {
    SEGMENT_REGION, /* in the output region: has to be sent before the region can be reused */
    SEGMENT_STATIC, /* lives longer than the connection, or its owner waits until it is sent */
    SEGMENT_SHARED, /* with a reference to what the bytes belong to, given up when they are sent */
    SEGMENT_CALL,   /* no bytes: a function to be called when everything before it is sent */
    SEGMENT_FILE,   /* a range of a file, with a reference to it, given up when it is sent */
    SEGMENT_SOURCE, /* bytes that are made when their turn comes */
};

struct segment;

/*
 * What makes the bytes of a SOURCE, one piece after the other. Embedded in its owner. Either by read, or by piece and
 * took:
 *
 * read: puts up to len bytes into `to`; returns how many, or a negative error; 0: there are no more.
 * piece: what comes next, as a segment: STATIC, of bytes that stay as they are until the next took, or FILE, a range of
 * a file of which no reference is given. False: there is no more.
 * took: n bytes of that are sent, or have been copied.
 * release: nothing more is asked of it. error: 0 when all was handed over.
 */
struct output_source {
    const struct output_source_ops *ops;
};

struct output_source_ops {
    ssize_t (*read)(struct output_source *s, char *to, size_t len);
    bool (*piece)(struct output_source *s, struct segment *piece);
    void (*took)(struct output_source *s, size_t n);
    void (*release)(struct output_source *s, int error);
};

struct segment {
    uint64_t kind : 4;
    uint64_t len : 60; /* bytes left; of a call: bytes of body to report */
    union {
        const char *data; /* REGION, STATIC, SHARED */
        struct file *file;
        void (*call)(void *arg, int error, uint64_t bytes);
        struct output_source *source;
    };
    union {
        struct shared *shared;
        int64_t offset; /* of a file */
        void *arg;      /* of a call */
    };
};

_Static_assert(sizeof(struct segment) == 24, "every live request holds a queue of them");

/* What a length can be: 2^60 bytes is more than any file. */
#define SEGMENT_LEN_MASK (((uint64_t)1 << 60) - 1)

#define OUTPUT_SEGMENTS 16

/* How fast the peer takes what it is sent, see output_watch.c. Means something while the output is blocked. */
struct output_watch {
    uint32_t progress;        /* tick at which the peer was last seen to take something */
    uint32_t window_start;    /* tick at which the present measurement of its rate began */
    int64_t delivered;        /* bytes that it had taken at the last look */
    int64_t window_delivered; /* and when the measurement began; RATE_UNKNOWN: it begins at the next look */
};

struct output {
    uint8_t first, count;
    uint8_t regions; /* segments in the region */
    uint8_t unread;  /* files and sources: each may need a place before it for a piece that was read */
    bool warm;       /* the file at the front is sent without looking whether it is in memory; for one call */
    bool blocked;    /* the transport takes no more: the socket is watched */
    struct flow flow;
    uint64_t sent; /* bytes ever given to the transport */
    struct output_watch watch;
    struct segment segments[OUTPUT_SEGMENTS];
};

static inline void output_init(struct output *o)
{
    o->first = o->count = o->regions = o->unread = 0;
    o->warm = o->blocked = false;
    o->flow = (struct flow){0};
    o->sent = 0;
    o->watch.delivered = INT64_MIN;
}

/* Nothing waits, not even with the transport. */
static inline bool output_empty(const struct output *o)
{
    return o->count == 0 && !o->blocked;
}

/* Whether n more segments, none a file or a source, have a place. */
static inline bool output_has_room(const struct output *o, unsigned n)
{
    return (unsigned)o->count + o->unread + n <= OUTPUT_SEGMENTS;
}

/* Whether the bytes of s may have to be read before they can be sent. */
static inline bool segment_is_unread(const struct segment *s)
{
    return s->kind >= SEGMENT_FILE;
}

/* What comes next of a segment that is no call, len > 0: of a source its next piece, else all of it. Kind SOURCE: bytes
 * that have to be read. len 0: a source has ended too early. */
static inline struct segment segment_next(const struct segment *s)
{
    struct segment piece = *s;
    if (s->kind != SEGMENT_SOURCE || !s->source->ops->piece)
        return piece;
    if (!s->source->ops->piece(s->source, &piece))
        piece = (struct segment){.kind = SEGMENT_STATIC};
    else if (piece.len > s->len)
        piece.len = s->len;
    return piece;
}

/* n bytes of what segment_next() has told are sent, or have been copied. */
static inline void segment_took(struct segment *s, size_t n)
{
    s->len = (s->len - n) & SEGMENT_LEN_MASK;
    if (s->kind == SEGMENT_FILE)
        s->offset += (int64_t)n;
    else if (s->kind != SEGMENT_SOURCE)
        s->data += n;
    else if (s->source->ops->piece)
        s->source->ops->took(s->source, n);
}

static inline struct segment *output_at(struct output *o, unsigned i)
{
    return &o->segments[(o->first + i) % OUTPUT_SEGMENTS];
}

/* Adds a segment, whose reference becomes the queue's. There must be room for it, and for one more if it is a file or a
 * source. */
static inline void output_push(struct output *o, struct segment s)
{
    debug_assert(output_has_room(o, 1u + segment_is_unread(&s)));
    *output_at(o, o->count++) = s;
    o->regions = (uint8_t)(o->regions + (s.kind == SEGMENT_REGION));
    o->unread = (uint8_t)(o->unread + segment_is_unread(&s));
}

/* Adds bytes of the region, joined with the last segment where they follow it. */
static inline void output_push_region(struct output *o, const char *data, size_t len)
{
    struct segment *last = o->count ? output_at(o, o->count - 1u) : NULL;
    if (last && last->kind == SEGMENT_REGION && last->data + last->len == data) {
        last->len = (last->len + len) & SEGMENT_LEN_MASK;
    } else {
        debug_assert(output_has_room(o, 1));
        *output_at(o, o->count++) =
            (struct segment){.kind = SEGMENT_REGION, .len = len & SEGMENT_LEN_MASK, .data = data};
        o->regions++;
    }
}

/* What one call of output_send() moves at most, so that one fast reader does not keep the worker. */
#define OUTPUT_TURN_BYTES ((size_t)1 << 20)

/* What output_send() returns besides 0, TRANSPORT_WANT_... and the transport's errors. */
#define OUTPUT_TURN  (-110) /* the connection's turn is over though more could be sent */
#define OUTPUT_COLD  (-111) /* what comes next of a file is not in memory, and `warm` did not say not to look */
#define OUTPUT_FILL  (-112) /* what comes next has to be read: output_fill(), and call again */
#define OUTPUT_SHORT (-113) /* a file or a source ended before its length */

/*
 * Sends what can be sent. Returns 0 when the queue is empty and nothing is held back, or, where more is said, held back
 * for that; TRANSPORT_WANT_... when no more is taken now (then o->blocked is set, and c is watched); OUTPUT_TURN,
 * OUTPUT_COLD or OUTPUT_FILL; else the output is broken: OUTPUT_SHORT, or a negative error of what is at the front.
 * more: whoever sends has more to come at once.
 */
int output_send(struct output *o, struct net *n, struct connection *c, bool more);

/* Lets go of everything unsent; calls are told error, and what of their body was sent. */
void output_discard(struct output *o, int error);

/* Lets go of what a segment holds that is in no queue. Of a call: makes it. */
void segment_release(const struct segment *s, int error);

/* Bytes that wait, of the last reply: behind the last call; called: that is its own, and they are before it. */
uint64_t output_unsent(const struct output *o, bool called);

/* Where the queued bytes of the region begin and end; false: there are none. */
bool output_region(struct output *o, char **begin, char **end);

/* The region's bytes have been moved by shift. */
void output_shift_region(struct output *o, ptrdiff_t shift);

/* ---- output_file.c: bytes that are not in memory yet ---- */

/* After OUTPUT_FILL: reads what comes next into block, of which it is then a part of the region. Bytes that were read;
 * OUTPUT_SHORT or another error, which is that of output_send(). */
ssize_t output_fill(struct output *o, char *block, size_t size);

/* Whether output_send() will ask for a block again and again until the queue is empty. */
bool output_needs_block(const struct output *o, const struct net *n, const struct connection *c);

/* The next piece of the file at the front, after OUTPUT_COLD. */
struct output_piece {
    struct file *file; /* with a reference of its own */
    int64_t offset;
    size_t len;
};
struct output_piece output_cold_piece(const struct output *o);
/* Fetches it into memory. 0 or WEIR_EIO. Any thread; waits for the disk. */
int output_piece_fetch(void *piece);

/* ---- output_watch.c: peers that take nothing, or too little ---- */

#define RATE_UNKNOWN INT64_MIN

struct output_limits {
    uint32_t stall_ms;  /* how long the peer may take nothing */
    uint32_t window_ms; /* over how long its rate is measured */
    uint32_t min_rate;  /* bytes a second; 0: any */
};

enum output_pace {
    OUTPUT_KEEPS_UP,
    OUTPUT_STALLED, /* nothing has been taken for too long */
    OUTPUT_SLOW,    /* less was taken than the least rate asks for */
};

/* A look at what the peer takes is had several times in the longest time that it may take nothing: how long until the
 * next, in ms. */
uint32_t output_interval(const struct output_limits *limits);
/* Looks, while o is blocked. */
enum output_pace output_check(struct output *o, const struct net *n, const struct connection *c,
                              const struct output_limits *limits);
/* Asks the transport what the peer has taken, and keeps when it last took something. */
void output_look(struct output *o, const struct net *n, const struct connection *c);
/* The output was free until now, or could not be sent for another reason than the peer: what it takes is watched from
 * here on. */
void output_watch_begin(struct output *o, const struct net *n);

#endif
