/*
 * The client's side of an HTTP/2 connection (RFC 9113), sans I/O: bytes in, frames out. It asks for the same thing over
 * and over, as a browser does: the first request puts its fields into the server's table (RFC 7541), the later ones
 * name them.
 *
 * SPDX-License-Identifier: MIT
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H2_BLOCK_MAX = 2048, H2_FRAME_HEAD = 9, H2_WINDOW_MAX = 0x7fffffff, H2_BAD_MAX = 64 };

/* Frames that are to be sent. The caller empties it, and makes it large enough for what a call adds. */
struct h2_output {
    uint8_t *data;
    size_t len, room;
};

/* Holds a request as header blocks: one that fills the table, one that uses it, and one that needs none. */
struct h2_request {
    struct h2_block {
        uint8_t data[H2_BLOCK_MAX];
        size_t len;
    } first, later, plain;
    size_t table_size; /* what the fields of `first` take in the table */
};

/* Holds a connection. All zero is one that has not begun. */
struct h2_client {
    uint32_t stream;          /* the latest request's; 0: none yet */
    uint32_t open;            /* requests whose reply has not ended */
    uint32_t good, refused;   /* replies that have ended: of status 200, of another or by a reset */
    uint32_t bad[H2_BAD_MAX]; /* streams of `open` whose status is another than 200 */
    size_t bad_count;
    uint64_t received;      /* bytes of bodies */
    uint32_t last_accepted; /* the last stream that a GOAWAY left; 0 without one */
    bool going_away;
    bool begun;     /* whether SETTINGS have come */
    bool filled;    /* whether the server's table holds the request's fields */
    bool told_size; /* whether the next block has to begin with the table's size */
    uint32_t smallest, table;

    uint8_t head[H2_FRAME_HEAD]; /* of the frame that is coming */
    size_t head_len;
    uint32_t left; /* of its payload */
    uint8_t payload[64];
    size_t payload_len; /* how much of it is in `payload`: no frame that matters is longer */
};

/* Makes the blocks of a request that is given as HTTP/1.1 has it. False if it is none, or too long. */
bool h2_make_request(struct h2_request *request, const char *text, bool tls);

/* Adds the preface, SETTINGS with an initial window for the server's replies, and a connection's window without end. */
void h2_begin(struct h2_client *client, uint32_t window, struct h2_output *out);

/* Adds a request. */
void h2_ask(struct h2_client *client, const struct h2_request *request, struct h2_output *out);

/* Takes bytes of the server; adds what they have to be answered with. NULL, or what is wrong with them. */
const char *h2_feed(struct h2_client *client, const uint8_t *data, size_t len, struct h2_output *out);
