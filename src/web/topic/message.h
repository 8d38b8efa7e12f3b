/*
 * A message of a topic: made once, never changed, held by references from rings, workers and subscribers, on any
 * thread. Its data lies behind the header of the WebSocket frame that carries it, so that both are one piece; as an
 * event of an event stream it is a block of its own, made when somebody first asks.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_MESSAGE_H
#define WEIR_WEB_TOPIC_MESSAGE_H

#include "base/shared.h"
#include "base/slice.h"
#include "web/topic/topic_memory.h"
#include "weir.h"

#define MESSAGE_DATA_MAX ((size_t)16 << 20)

/* The text of an event, framed as a chunk of HTTP/1.1 (RFC 9112 section 7.1); one block. */
struct message_event {
    uint32_t size;       /* of the chunk */
    uint16_t text_start; /* bytes before the text, which two follow */
    char bytes[];
};

struct message {
    struct shared shared;
    struct message_figures *figures;
    struct topic_memory *memory;
    _Atomic(struct message_event *) event_block; /* NULL: not made yet */
    uint64_t id;    /* set when it is put into its topic's ring, before anybody else sees the message */
    uint32_t size;  /* of this block */
    uint32_t len;   /* of the data */
    uint16_t start; /* where in bytes the data begins; a NUL follows it */
    uint8_t head;   /* length of the frame's header, right before the data */
    bool binary;    /* else text, which is UTF-8 */
    uint8_t name_len;
    uint8_t event_len; /* 0: the event has no name */
    char bytes[];      /* topic's name, NUL, event's name, NUL, header, data, NUL */
};

/* The messages that there are. */
struct message_figures {
    _Atomic uint64_t messages, bytes;
};

/* Whether m can be published, with data of at most max bytes: 0, WEIR_EINVAL or WEIR_ETOOBIG. *data: its data. */
int message_check(const weir_message *m, size_t max, struct slice *data) MUST_CHECK;

/* Makes a message that has passed message_check(), with one reference. NULL: there is no memory. Any thread. */
struct message *message_new(struct topic_memory *memory, struct message_figures *figures, struct slice topic,
                            const weir_message *m, struct slice data) MUST_CHECK;

static inline void message_ref(struct message *m)
{
    shared_ref(&m->shared);
}

/* Gives a reference up, and with the last one the message. m may be NULL. Takes the memory's lock. */
static inline void message_unref(struct message *m)
{
    if (m)
        shared_unref(&m->shared);
}

static inline struct slice message_data(const struct message *m)
{
    return slice_of(m->bytes + m->start, m->len);
}

/* The message as one unmasked, final frame of a WebSocket server (RFC 6455 section 5.2): header and data. */
static inline struct slice message_frame(const struct message *m)
{
    return slice_of(m->bytes + m->start - m->head, (size_t)m->head + m->len);
}

/* NUL-terminated. */
static inline struct slice message_topic(const struct message *m)
{
    return slice_of(m->bytes, m->name_len);
}

/* NUL-terminated; empty: none. */
static inline struct slice message_event_name(const struct message *m)
{
    return slice_of(m->bytes + m->name_len + 1, m->event_len);
}

/* What a handler is shown of a message. */
weir_message message_view(const struct message *m);

/* Takes the next line off *rest, which CRLF, LF or CR ends, or nothing: of the data of an event, a field for each line.
 * False: that was the last one. */
bool event_next_line(struct slice *rest, struct slice *line);

/*
 * The message as an event: "id", "event" and "data" fields and the line that ends them (HTML, "Server-sent events"), or
 * that as a chunk. The message's, as long as the caller's reference. Empty for a binary message, which cannot be one,
 * and where there is no memory. Any thread.
 */
struct slice message_event_text(struct message *m);
struct slice message_event_chunk(struct message *m);

#endif
