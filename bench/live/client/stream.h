/*
 * A client's end of a live connection: a WebSocket, or an event stream that comes in chunks. A message of either is
 * handed to the caller when it is whole; what has come of one that is not is kept. Whatever a server does that these
 * clients do not expect of it ends the program.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LIVE_STREAM_H
#define LIVE_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* Where to, and how. */
struct target {
    struct sockaddr_in server, from; /* from: whose address is 0 unless one was asked for */
    const char *path;
    bool events; /* an event stream; else a WebSocket */
};

struct stream {
    int fd;
    bool events;
    uint32_t next;     /* the caller's: number of the message that comes next */
    uint32_t rest_len; /* what has come of a message that is not whole */
    uint8_t *rest;
};

/* A message of a stream: its text. */
typedef void stream_taker(struct stream *s, const uint8_t *text, size_t len, void *arg);

noreturn void die(const char *what);  /* with the system's reason */
noreturn void fail(const char *what); /* without */

/* Connects, asks, and waits for the reply's head. receive_buffer: bytes (SO_RCVBUF), or 0 for the system's own. */
void stream_open(struct stream *s, const struct target *target, int receive_buffer);
/* Takes what has come, without waiting. */
void stream_receive(struct stream *s, stream_taker *take, void *arg);
/* Sends all of these bytes, waiting if need be. */
void stream_send(const struct stream *s, const void *data, size_t len);

#endif
