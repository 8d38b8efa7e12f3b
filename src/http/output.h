/*
 * What is waiting to be sent: a short queue of segments that know where their bytes lie, drained by whoever can,
 * without a fiber. Bytes in the connection's output region, static memory, shared values and files meet here, and go
 * out in as few calls as possible.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_OUTPUT_H
#define WEIR_HTTP_OUTPUT_H

#include "net/connection.h"
#include "weir.h"

enum segment_kind {
    SEGMENT_REGION, /* in the output region: has to be sent before the region can be reused */
    SEGMENT_STATIC, /* lives longer than the connection, or its owner waits until it is sent */
    SEGMENT_SHARED, /* a reference to a value, given back when sent */
    SEGMENT_FILE,   /* a descriptor, closed when sent */
    SEGMENT_CALL,   /* no bytes: a function to be called when everything before it is sent */
};

struct segment {
    uint64_t kind : 4;
    uint64_t len : 60; /* bytes left; of a call: bytes of body to report */
    union {
        const char *data;
        void (*call)(void *arg, int error, uint64_t bytes);
        int fd;
    };
    union {
        int64_t offset;           /* of a file */
        struct weir_value *value; /* of a shared segment */
        void *arg;                /* of a call */
    };
};

_Static_assert(sizeof(struct segment) == 24, "every live request holds a queue of them");

/* What a length can be: 2^60 bytes is more than any file. */
#define SEGMENT_LEN_MASK (((uint64_t)1 << 60) - 1)

#define OUTPUT_SEGMENTS 16

struct output {
    uint8_t first, count;
    uint8_t regions;   /* segments in the region */
    uint8_t files;     /* segments that are files: each holds a descriptor */
    bool warm;         /* the file at the front is sent without looking whether it is in memory; for one call */
    bool blocked;      /* the kernel took less than it was given */
    bool held;         /* the kernel was told that more is to come, and may hold back a packet that is not full */
    uint32_t unsealed; /* bytes sent since the kernel's buffer was sealed */
    uint32_t gather;   /* how many are to be before it is sealed; 0: the transport has not been asked yet */
    uint64_t sent;     /* bytes ever given to the kernel */
    struct segment segments[OUTPUT_SEGMENTS];
};

/* What lets go of a shared segment's value. Set once by the floor that knows values. */
typedef void (*output_release_fn)(struct weir_value *value);

static inline void output_init(struct output *o)
{
    o->first = o->count = o->regions = o->files = 0;
    o->blocked = false;
    o->warm = o->held = false;
    o->unsealed = o->gather = 0;
    o->sent = 0;
}

static inline bool output_empty(const struct output *o)
{
    return o->count == 0;
}

static inline bool output_full(const struct output *o)
{
    return o->count == OUTPUT_SEGMENTS;
}

/* Adds a segment; the queue must not be full. */
static inline void output_push(struct output *o, struct segment s)
{
    debug_assert(!output_full(o));
    o->segments[(o->first + o->count++) % OUTPUT_SEGMENTS] = s;
    o->regions = (uint8_t)(o->regions + (s.kind == SEGMENT_REGION));
    o->files = (uint8_t)(o->files + (s.kind == SEGMENT_FILE));
}

static inline struct segment *output_last(struct output *o)
{
    return o->count ? &o->segments[(o->first + o->count - 1) % OUTPUT_SEGMENTS] : NULL;
}

/* Adds bytes of the region, joined with the last segment where they follow it. */
static inline void output_push_region(struct output *o, const char *data, size_t len)
{
    struct segment *last = output_last(o);
    if (last && last->kind == SEGMENT_REGION && last->data + last->len == data)
        last->len = (last->len + len) & SEGMENT_LEN_MASK;
    else
        output_push(o, (struct segment){.kind = SEGMENT_REGION, .len = len & SEGMENT_LEN_MASK, .data = data});
}

/*
 * What one call to the kernel is given of memory at most, and how many bytes may go into one of its packet buffers
 * before the buffer is sealed. The kernel looks at TCP_NOTSENT_LOWAT only when it begins a new buffer, and fills one up
 * to 64 KiB: a stalled reader would cost nearly twice the setting. Sealing after each small write would cost more than
 * it saves, for every buffer has an overhead of about 1 KiB.
 *
 * Where more is to come, a buffer gathers as much as could leave at once, up to OUTPUT_GATHER: that costs half of what
 * a packet for each write does. Nothing of it stays with the kernel, since the client's window has room for it; when it
 * has not, nothing is gathered.
 */
#define OUTPUT_SEAL   ((uint32_t)4 * 1024)
#define OUTPUT_PIECE  ((size_t)16 * 1024)
#define OUTPUT_GATHER ((size_t)64 * 1024)

/* What one call of output_send() moves at most, so that one fast reader does not keep the worker. */
#define OUTPUT_TURN_BYTES ((size_t)1 << 20)

/*
 * Sends what can be sent. Returns 0 when the queue is empty, TRANSPORT_AGAIN when the kernel takes no more (then c is
 * watched for writing), OUTPUT_TURN when its turn is over though more could be sent, OUTPUT_COLD when what comes next
 * of a file is not in memory (unless `warm` says not to look), or a negative error: a file that ended early is
 * WEIR_EIO. more: whoever sends has more to come at once; a packet that is not full may be held back for it.
 */
#define OUTPUT_TURN (-101)
#define OUTPUT_COLD (-102)
int output_send(struct output *o, struct net *n, struct connection *c, output_release_fn release, bool more);

/* Has the kernel send what it holds back because more was to come. */
void output_push_held(struct output *o, struct net *n, struct connection *c);

/* Lets go of everything unsent; calls are told error, and what of their body was sent. */
void output_discard(struct output *o, int error, output_release_fn release);

/* Bytes that wait, of the last reply. */
uint64_t output_unsent(const struct output *o);

#endif
