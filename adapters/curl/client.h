/*
 * What a client keeps of each worker, and a transfer: one request by libcurl and its reply.
 *
 * A worker has one multi handle. Its sockets are in an epoll set of the worker's own, which is the only descriptor that
 * fibers wait for: a socket stays in the set as long as it is open, so that a request by a kept connection registers
 * nothing. No task drives the handle: of the fibers that wait for transfers one is the leader, which waits for the set
 * and has libcurl do what there is to do for all; the others wait for their turn to be told. Who stops waiting hands
 * the lead on. Libcurl's timer is kept by one fiber, too: whoever waits when it has become the earliest.
 *
 * Libcurl runs on the worker's deep stack, because handshakes take more of a stack than a handler has to have; so its
 * callbacks never wait. They copy, and leave word with the transfer.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_ADAPTER_CURL_CLIENT_H
#define WEIR_ADAPTER_CURL_CLIENT_H

#include "weir-curl.h"

#include <curl/curl.h>

#define SEND_SIZE    16384 /* bytes that libcurl sends at once; it receives as many */
#define BUFFER_SIZE  32768 /* of a stream's bytes that its handler has not taken */
#define FREE_HANDLES 32    /* easy handles that a worker keeps for further requests */
#define NO_TIME      INT64_MAX

struct transfer;

/* A socket of libcurl's, by its number. */
struct watched_socket {
    uint32_t registered; /* events that the set is asked for; 0: it does not have the socket */
    uint32_t wanted;     /* events that libcurl wants */
    bool own;            /* opened by open_socket(): close_socket() will be called */
};

/* Of one worker, and touched on its thread alone, but for weir_curl_free(). */
struct worker {
    weir_curl *client;
    CURLM *multi;
    int set;        /* the epoll set */
    int alarm;      /* a timer in the set, for a time of libcurl's that no waiting fiber keeps */
    weir_fd *ready; /* of the set */
    int64_t timer;  /* when libcurl wants to be called; NO_TIME: never */
    struct watched_socket *sockets;
    size_t socket_count;
    struct transfer *active; /* transfers that are in the handle */
    struct transfer *leader; /* waits for the set; NULL: nobody does */
    struct transfer *keeper; /* waits until keeper_time as well; NULL: nobody does */
    struct transfer *marked; /* transfers that something has happened to */
    int64_t keeper_time;     /* the timer as it was when the keeper began to wait */
    CURL *handles[FREE_HANDLES];
    int handle_count;
};

struct weir_curl {
    weir_server *server;
    weir_account *account;
    weir_curl_config config; /* with copies of its strings */
    int worker_count;
    struct worker **workers; /* each is made by its own worker */
};

/* The fields of a reply, and its body. One block, but for the body. */
struct weir_curl_kept {
    struct weir_curl_kept *next, **link; /* among those of the request that made the call; link NULL: in none */
    weir_account *account;
    char *body;
    size_t len, size;
    size_t count; /* of the fields */
    struct kept_field {
        const char *name, *value;
    } fields[];
};

enum out_state { OUT_NONE, OUT_WHOLE, OUT_WRITTEN };

struct transfer {
    struct worker *w;
    weir_ctx *c;
    CURL *easy;
    struct transfer *next, **link;                 /* in active */
    struct transfer *request_next, **request_link; /* among those of the request */
    struct transfer *marked_next;
    struct curl_slist *lines; /* of the request's head */

    /* How far it is. */
    bool done;      /* libcurl has ended it, with code */
    bool head_done; /* the reply's head has come */
    bool head_ends; /* the last head that has begun has ended, and is no interim one */
    bool connects;  /* no request is made: the connection is the handler's */
    bool marked;
    CURLcode code;
    int error; /* why a callback has ended it; 0: none has */
    size_t head_bytes;
    int redirects;

    /* The reply's body: into a stream's buffer, or all of it into body. */
    char *buffer;
    size_t begin, end; /* of the bytes in buffer that have not been taken */
    size_t lent;       /* of these, what the handler has been given by its last read, and may still use */
    bool receive_paused;
    bool collects;
    char *body;
    size_t body_len, body_size, max_body;
    struct weir_curl_kept *kept; /* a stream's head */

    /* The request's body. */
    enum out_state out_state;
    const char *out;  /* what is to be sent next */
    size_t out_len;   /* of it */
    int64_t out_left; /* of OUT_WRITTEN: bytes that may still be written; < 0: any number */
    bool out_ended;   /* nothing follows behind out */
    bool send_paused; /* libcurl wants more of it */
    const char *whole;
    size_t whole_len;

    /* Waiting. */
    weir_semaphore wake;
    bool parked;      /* waits for wake */
    bool signalled;   /* wake was given a permit that has not been taken */
    int64_t end_time; /* of the whole request; NO_TIME: none */
    int64_t moved;    /* when bytes went over last */
    int idle_ms;      /* 0: any time */
    int driven;       /* times that libcurl was called since the fiber has let others run */

    weir_fd *tunnel; /* of a connection that the handler reads and writes by itself; NULL: it does not */
    char *why;
    size_t why_size;
    char text[CURL_ERROR_SIZE];
};

/* weir_curl_stream is a transfer to its users. */
struct weir_curl_stream {
    struct transfer t;
};

static inline struct transfer *transfer_of(weir_curl_stream *s)
{
    return &s->t;
}

static inline size_t max_header_of(const struct transfer *t)
{
    return t->w->client->config.max_header;
}

/* ---- sockets.c ---- */

int64_t curl_now_ms(void);
/* Gives the handle its callbacks. False: refused. */
bool worker_set_callbacks(struct worker *w);
bool handle_set_sockets(CURL *easy, struct worker *w);
/* Has libcurl do what there is to do, on the deep stack, and tells those that it concerns. 0 or WEIR_ENOMEM. */
int worker_drive(weir_ctx *c, struct worker *w);
/* Has the set become ready at a time. */
void worker_set_alarm(struct worker *w, int64_t time);
bool worker_open_alarm(struct worker *w);
/* Takes a socket out of the set. */
void worker_forget_socket(struct worker *w, curl_socket_t s);

/* ---- worker.c ---- */

/* The worker's part of a client; made by its first request. NULL: no memory. */
struct worker *worker_of(weir_ctx *c, weir_curl *client);
void worker_free(struct worker *w);
CURL *worker_take_handle(struct worker *w);
void worker_give_handle(struct worker *w, CURL *easy);

/* ---- wait.c ---- */

void transfer_mark(struct transfer *t);
/* Tells those that something has happened to. */
void worker_tell(struct worker *w);
/* Waits until libcurl has done something: 0, or an error. The caller looks at what it waits for, and calls
 * transfer_left() when it waits no more. */
int transfer_wait(struct transfer *t);
/* The transfer waits no more: hands on what only one fiber does. */
void transfer_left(struct transfer *t);

/* ---- transfer.c ---- */

/* Begins a request: 0 with the transfer, or an error. prepare (may be NULL) sets further options, and
 * adds lines, first. */
int transfer_begin(weir_ctx *c, weir_curl *client, const weir_curl_request *r, bool collects,
                   int (*prepare)(struct transfer *t, void *arg), void *arg, struct transfer **t);
void transfer_end(struct transfer *t);
/* What the transfer has ended with: 0 or an error, which is told in why. */
int transfer_result(struct transfer *t);
/* Keeps an error's text for who asked for it. Returns error. */
int transfer_fail(struct transfer *t, int error, const char *text);
/* Adds a line to the request's head. False: no memory. */
bool transfer_add_line(struct curl_slist **lines, const char *line);

/* ---- options.c ---- */

/* Sets what a request is; 0 or an error. */
int transfer_set_options(struct transfer *t, const weir_curl_request *r);

/* ---- callbacks.c ---- */

CURLcode transfer_set_callbacks(struct transfer *t);

/* ---- kept.c ---- */

/* The fields of the final head. NULL: no memory. */
struct weir_curl_kept *kept_of(struct transfer *t);
void kept_free(struct weir_curl_kept *kept);
/* Has them freed when the request ends. False: no memory. */
bool request_keeps(weir_ctx *c, struct weir_curl_kept *kept);
bool request_has(weir_ctx *c, struct transfer *t);

#endif
