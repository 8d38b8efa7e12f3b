/*
 * What the parts of the tour know of each other. They are one program with tour.c, which says what it is for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TOUR_H
#define TOUR_H

#include <stdbool.h>

#include <weir.h>

enum {
    PIECE_SIZE = 8192, /* of a file that is read and sent by hand; also the longest line of the CSV file and its NUL */
};

#ifndef WEIR_SAMPLES_DIR
#define WEIR_SAMPLES_DIR "examples/samples" /* beneath the folder that the tour is started in */
#endif

struct options {
    const char *host;
    const char *root;
    const char *upload_dir;
    int port;
    int workers;
    size_t memory_limit;
    int tls_port; /* 0: none */
    const char *certificate, *key;
    bool lean_records;
    bool quiet;
};

/* Reads the arguments over what o has. Ends the process on wrong ones, and on --help. */
void parse_arguments(struct options *o, int argc, char **argv);

/* Routes of clients that stay: WebSockets, event streams and topics. */
void add_live_routes(weir_server *s);

/* Whoever listens to /events gets a tick: so many seconds have gone by. */
void tick(weir_server *s, unsigned seconds);

/* Routes of the chat: its page, and a WebSocket for each visitor. */
void add_chat_routes(weir_server *s);

/* Makes the large sample files beneath root, unless they are there; what cannot be made is told. */
void make_samples(const char *root, bool quiet);

#endif
