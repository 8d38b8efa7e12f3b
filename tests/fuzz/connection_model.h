/*
 * What a correct server answers to the bytes of a connection, said from the specification and the site's handlers
 * alone: which replies, of which status and content, and whether the connection goes on behind each.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_CONNECTION_MODEL_H
#define WEIR_TESTS_FUZZ_CONNECTION_MODEL_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_REPLIES 1024
#define MODEL_TEXT    262144

enum model_form {
    MODEL_WHOLE,   /* a complete reply */
    MODEL_WAITING, /* the handler or the server waits for more of the request: no reply yet */
    MODEL_BEGUN,   /* the beginning of a reply whose handler waits for more of the request */
    MODEL_BROKEN,  /* at most the beginning of a reply: then the connection ends */
};

enum model_end {
    MODEL_KEPT,
    MODEL_CLOSED_TOLD, /* the reply says so */
    MODEL_CLOSED,      /* the reply may have been on its way already when that was known */
    MODEL_EITHER,
};

struct model_reply {
    enum model_form form;
    enum model_end end;
    uint32_t statuses[12];            /* any of them; 0 ends the list */
    bool to_head;                     /* the request is HEAD: no body, whatever the head says */
    bool to_1_0;                      /* the request is HTTP/1.0: never chunked, and a kept connection is told */
    bool page;                        /* an error page: its text is the server's */
    bool may_continue, must_continue; /* 100 Continue goes before it */
    bool handled;                     /* a handler of the site has run, or does */
    struct slice body;                /* all of it; of BEGUN what has to be there, of BROKEN what it begins with */
    const char *field;                /* X-Value that it has to have; NULL: it must not have one */
    size_t field_len;
};

struct model {
    struct model_reply replies[MODEL_REPLIES];
    size_t count;
    bool ended;              /* the connection has to be closed by the server behind the last reply */
    bool rest_to_head;       /* the head that is not whole, or not right, is a HEAD request's */
    uint32_t may_refuse[12]; /* statuses with which the server may refuse what is behind it, which is no whole head */
    size_t text_len;
    char text[MODEL_TEXT]; /* of bodies */
};

/* What follows the bytes that were sent: perhaps more; the end of the client's side; or nothing, until every time was
 * over. */
enum model_side { SIDE_OPEN, SIDE_HALF_CLOSED, SIDE_SILENT };

/* input: all that was sent. */
void model_run(struct model *m, struct slice input, enum model_side side);

/* Compares with what was received: output, and whether the end of the stream came behind it. whole: the client has read
 * all that there is, and the server has nothing left to do. Returns how many of the site's handlers may have run, and
 * ends the program if a reply differs. */
uint64_t model_compare(const struct model *m, struct slice output, bool ended, bool whole, enum model_side side);

#endif
