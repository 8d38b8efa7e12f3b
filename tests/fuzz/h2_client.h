/*
 * What a client of HTTP/2 sees: a strict reader of the server's frames, which knows what the client has sent. Whatever
 * a frame may not be or say ends the program.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_H2_CLIENT_H
#define WEIR_TESTS_FUZZ_H2_CLIENT_H

#include "http/h2/frame.h"

#include <nghttp2/nghttp2.h>

#define CLIENT_STREAMS  128 /* their ids are the odd ones from 1 */
#define CLIENT_SETTINGS 64  /* that are on their way at most */

struct client_stream {
    bool opened;      /* HEADERS have been sent */
    bool to_head;     /* of a HEAD request: the reply has no body, whatever its length */
    bool replied;     /* a head that is final has come */
    bool ended;       /* END_STREAM has come */
    bool reset;       /* RST_STREAM has come */
    bool broken;      /* this side has reset it */
    int64_t length;   /* that the reply's head has told; -1: none */
    int64_t received; /* bytes of its body */
    int64_t granted;  /* by WINDOW_UPDATE */
    int64_t sent;     /* bytes of DATA, padding included */
    int64_t window;   /* that the server has given by WINDOW_UPDATE */
};

struct client_view {
    struct client_stream streams[CLIENT_STREAMS];
    nghttp2_hd_inflater *inflater;
    bool loose;   /* the client has sent what is no frame of a model: what it gets is only looked at by itself */
    bool greeted; /* the server's SETTINGS have come */
    bool failed;  /* a GOAWAY with an error has come: nothing follows */
    bool ended;   /* in any way: the client knows that nothing more is valid */
    int64_t received, granted;         /* of the connection: DATA from the server, and what the client has allowed */
    int64_t sent, window;              /* likewise the other way */
    uint32_t initial;                  /* INITIAL_WINDOW_SIZE that the server has acknowledged */
    uint32_t pending[CLIENT_SETTINGS]; /* what is to be acknowledged: window sizes, or CLIENT_NO_WINDOW */
    unsigned pending_first, pending_count;
    unsigned pings; /* that are to be answered */
    unsigned acks;  /* SETTINGS of the server that the client has not acknowledged */
    uint32_t last;  /* stream of the last GOAWAY */
};

#define CLIENT_NO_WINDOW UINT32_MAX

void view_begin(struct client_view *v);
void view_end(struct client_view *v);
struct client_stream *view_stream(struct client_view *v, uint32_t id);
/* Takes whole frames from data; returns how many bytes they are. */
size_t view_read(struct client_view *v, const uint8_t *data, size_t len);

#endif
