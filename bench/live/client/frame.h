/*
 * Frames of WebSocket (RFC 6455, section 5) as a client sends and takes them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LIVE_FRAME_H
#define LIVE_FRAME_H

#include "stream.h"

/* Hands over all texts that are whole, answers Pings, and returns how many bytes that were. */
size_t frames_take(struct stream *s, uint8_t *data, size_t len, stream_taker *take, void *arg);

/* A text that can be sent again and again: eight digits, by which the receiver knows its number, and letters. */
struct message {
    size_t size; /* of the text */
    size_t head; /* bytes of the frame before it */
    uint8_t *frame;
    char *letters; /* the text, but for its digits */
};

enum { DIGITS = 8 };

struct message message_new(size_t size); /* of at least DIGITS and at most 65535 bytes */
/* Writes the frame of the message with this number, m->head + m->size bytes, to `to`. */
void message_put(const struct message *m, uint32_t number, uint8_t *to);
void message_send(const struct message *m, const struct stream *s, uint32_t number);
/* Whether a text is the message with this number, byte by byte. */
bool message_is(const struct message *m, uint32_t number, const uint8_t *text, size_t len);

#endif
