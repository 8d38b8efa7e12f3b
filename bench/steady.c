/*
 * Sends requests at a fixed rate and measures how long each reply takes from the moment at which its request was due,
 * not from the moment at which it could be sent: a server that stalls is charged for all the requests that had to wait,
 * as its users would be (without that, the stall would be one bad sample: "coordinated omission"). Requests that are
 * due while every connection is busy wait for one. Without a rate each connection sends its next request when it has
 * its reply.
 *
 * Replies are followed to their end by length, by chunks or by the end of the connection. A connection that the server
 * closes between two replies is opened again. One line of JSON is printed at the end. The tables of bench/tables use
 * it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MAX = 8192,
    REQUEST_MAX = 65536,
    INPUT_SIZE = 256 << 10,
    EVENTS = 256,
    SUB_BITS = 7, /* a latency is known to one part in 128 */
    BUCKETS = (64 - SUB_BITS) << SUB_BITS,
    RETRIES_MAX = 3,
};

#define SECOND 1000000000ULL
#define GRACE  (10 * SECOND) /* how long replies are waited for after the last request was due */

enum state { IDLE, HEAD, LENGTH, UNTIL_CLOSE, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
    int fd;
    enum state state;
    bool closes;     /* the server said that it closes after this reply */
    int retries;     /* of the request under way, after the server closed an idle connection */
    uint64_t due;    /* when the request under way should have been sent */
    uint64_t left;   /* bytes to skip, or the chunk's size so far */
    size_t head_len; /* in HEAD; in CHUNK_SIZE and TRAILER the length of the line so far */
    char head[HEAD_MAX];
};

struct run {
    struct sockaddr_in server;
    char request[REQUEST_MAX];
    size_t request_len;
    size_t connections;
    double rate;       /* a second; 0: as fast as replies come */
    double seconds;    /* 0: until `requests` are made */
    double warm_up;    /* seconds whose latencies do not count */
    uint64_t requests; /* 0: until the seconds are over */
    int poller, timer;
    struct connection *all;
    uint32_t *idle; /* a ring of the idle connections, so that each gets its turn */
    size_t idle_first, idle_count;
    uint64_t start, issued, done, errors, bytes, counted, unanswered;
    uint64_t last_done; /* when the last reply ended */
    uint64_t slowest;
    uint64_t buckets[BUCKETS];
    char input[INPUT_SIZE];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* ---- Latencies: counts by the highest bits of the nanoseconds */

static size_t bucket_of(uint64_t ns)
{
    if (ns < 1 << SUB_BITS)
        return (size_t)ns;
    int shift = 63 - __builtin_clzll(ns) - SUB_BITS;
    return ((size_t)(shift + 1) << SUB_BITS) + (size_t)((ns >> shift) - (1 << SUB_BITS));
}

/* The largest latency that a bucket stands for. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < 1 << SUB_BITS)
        return bucket;
    int shift = (int)(bucket >> SUB_BITS) - 1;
    uint64_t top = (1 << SUB_BITS) + (bucket & ((1 << SUB_BITS) - 1));
    return ((top + 1) << shift) - 1;
}

static void count_latency(struct run *r, uint64_t due, uint64_t at)
{
    uint64_t ns = at > due ? at - due : 0;
    if (due < r->start + (uint64_t)(r->warm_up * (double)SECOND))
        return;
    r->counted++;
    r->buckets[bucket_of(ns)]++;
    if (ns > r->slowest)
        r->slowest = ns;
}

static double percentile(const struct run *r, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)r->counted + 0.999999), seen = 0;
    if (wanted < 1)
        wanted = 1;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += r->buckets[i];
        if (seen >= wanted)
            return (double)(bucket_end(i) < r->slowest ? bucket_end(i) : r->slowest) / 1e3;
    }
    return (double)r->slowest / 1e3;
}

/* ---- Connections */

static void connect_to_server(struct run *r, struct connection *conn)
{
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket");
    if (connect(conn->fd, (struct sockaddr *)&r->server, sizeof(r->server)) < 0)
        die("connect");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(conn - r->all)};
    if (epoll_ctl(r->poller, EPOLL_CTL_ADD, conn->fd, &event) < 0)
        die("epoll_ctl");
}

static void reconnect(struct run *r, struct connection *conn)
{
    close(conn->fd); /* epoll forgets it */
    connect_to_server(r, conn);
}

static void put_idle(struct run *r, struct connection *conn)
{
    conn->state = IDLE;
    r->idle[(r->idle_first + r->idle_count++) % r->connections] = (uint32_t)(conn - r->all);
}

/* Sends the request of which conn->due is known. It is small beside the socket's buffer, so it goes at once. */
static void send_request(struct run *r, struct connection *conn)
{
    conn->state = HEAD;
    conn->head_len = 0;
    conn->closes = false;
    while (send(conn->fd, r->request, r->request_len, MSG_NOSIGNAL) != (ssize_t)r->request_len) {
        if (++conn->retries > RETRIES_MAX)
            die("send");
        reconnect(r, conn);
    }
}

static void end_reply(struct run *r, struct connection *conn, bool good)
{
    r->last_done = now();
    if (good) {
        r->done++;
        count_latency(r, conn->due, r->last_done);
    } else {
        r->errors++;
    }
    if (conn->closes || !good)
        reconnect(r, conn);
    put_idle(r, conn);
}

/* ---- Replies */

/* Whether the header whose line starts with `name`, given with the line break before it, has `word` in its value. */
static bool has_word(const char *head, const char *name, const char *word)
{
    const char *line = strcasestr(head, name);
    const char *end = line ? strstr(line + strlen(name), "\r\n") : NULL;
    const char *found = line ? strcasestr(line, word) : NULL;
    return found && end && found < end;
}

/* The whole head is there. False: it is not one that a benchmark may count. */
static bool begin_body(struct connection *conn)
{
    const char *length = strcasestr(conn->head, "\r\nContent-Length:");
    conn->closes = has_word(conn->head, "\r\nConnection:", "close");
    conn->head_len = 0;
    conn->left = 0;
    if (strncmp(conn->head, "HTTP/1.", 7) != 0 || conn->head[9] != '2')
        return false;
    if (has_word(conn->head, "\r\nTransfer-Encoding:", "chunked")) {
        conn->state = CHUNK_SIZE;
    } else if (length) {
        conn->state = LENGTH;
        conn->left = strtoull(length + strlen("\r\nContent-Length:"), NULL, 10);
    } else {
        conn->state = UNTIL_CLOSE;
        conn->closes = true;
    }
    return true;
}

static const char *feed_head(struct connection *conn, const char *p, const char *end, bool *good)
{
    while (p < end) {
        if (conn->head_len == HEAD_MAX - 1)
            return *good = false, end;
        conn->head[conn->head_len++] = *p++;
        if (p[-1] == '\n' && conn->head_len >= 4 && memcmp(conn->head + conn->head_len - 4, "\r\n\r\n", 4) == 0) {
            conn->head[conn->head_len] = '\0';
            *good = begin_body(conn);
            return p;
        }
    }
    return p;
}

/* A byte of a chunk's size line, of the line behind its data, or of the trailer. True: the reply ends with it. */
static bool feed_chunk_byte(struct connection *conn, char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = c ? memchr(digits, c | 0x20, 16) : NULL;
    if (conn->state == CHUNK_SIZE) {
        if (c == '\n')
            conn->state = conn->left > 0 ? CHUNK_DATA : TRAILER;
        else if (digit && conn->head_len == 0)
            conn->left = conn->left << 4 | (uint64_t)(digit - digits);
        else
            conn->head_len = 1; /* an extension, or the line's end: digits no longer count */
        if (c == '\n')
            conn->head_len = 0;
    } else if (conn->state == CHUNK_END) {
        if (c == '\n')
            conn->state = CHUNK_SIZE;
    } else if (c == '\n') {
        if (conn->head_len == 0)
            return true;
        conn->head_len = 0;
    } else if (c != '\r') {
        conn->head_len++;
    }
    return false;
}

/* Takes what has arrived on a connection. */
static void feed(struct run *r, struct connection *conn, const char *p, const char *end)
{
    bool good = conn->state != IDLE, ended = false; /* nothing may come that was not asked for */
    while (good && !ended && p < end) {
        uint64_t len = (uint64_t)(end - p);
        switch (conn->state) {
        case HEAD:
            p = feed_head(conn, p, end, &good);
            ended = good && conn->state == LENGTH && conn->left == 0;
            break;
        case LENGTH:
        case CHUNK_DATA:
            if (len > conn->left)
                len = conn->left;
            p += len;
            conn->left -= len;
            ended = conn->left == 0 && conn->state == LENGTH;
            if (conn->left == 0 && conn->state == CHUNK_DATA)
                conn->state = CHUNK_END;
            break;
        case UNTIL_CLOSE:
            p = end;
            break;
        default:
            ended = feed_chunk_byte(conn, *p++);
        }
    }
    if (conn->state == IDLE)
        r->errors++, reconnect(r, conn);
    else if (!good || ended)
        end_reply(r, conn, good && p == end);
}

/* The server has closed: in order at the end of a reply, or between two. */
static void meet_end(struct run *r, struct connection *conn)
{
    if (conn->state == UNTIL_CLOSE) {
        end_reply(r, conn, true);
    } else if (conn->state == IDLE) {
        reconnect(r, conn);
    } else if (conn->state == HEAD && conn->head_len == 0 && conn->retries < RETRIES_MAX) {
        conn->retries++; /* it closed as the request was under way: sent again, and its time goes on */
        reconnect(r, conn);
        send_request(r, conn);
    } else {
        end_reply(r, conn, false);
    }
}

static void receive(struct run *r, struct connection *conn)
{
    bool skip = conn->state == LENGTH && conn->left > INPUT_SIZE;
    ssize_t len =
        skip ? recv(conn->fd, NULL, conn->left < 1 << 30 ? (size_t)conn->left : 1 << 30, MSG_TRUNC | MSG_DONTWAIT)
             : recv(conn->fd, r->input, INPUT_SIZE, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        meet_end(r, conn);
        return;
    }
    r->bytes += (uint64_t)len;
    if (!skip)
        feed(r, conn, r->input, r->input + len);
    else if ((conn->left -= (uint64_t)len) == 0)
        end_reply(r, conn, true);
}

/* ---- The schedule */

/* When the next request is due, or 0 when there is none any more. */
static uint64_t next_due(const struct run *r)
{
    uint64_t due = r->rate > 0 ? r->start + (uint64_t)((double)r->issued / r->rate * (double)SECOND) : now();
    bool over = r->seconds > 0 && due >= r->start + (uint64_t)(r->seconds * (double)SECOND);
    return over || (r->requests > 0 && r->issued >= r->requests) ? 0 : due;
}

/* Sends what is due as far as there are idle connections. Returns when the next is due, or 0. */
static uint64_t send_due(struct run *r)
{
    uint64_t due, time = now();
    while ((due = next_due(r)) != 0 && due <= time + 1000 && r->idle_count > 0) {
        struct connection *conn = &r->all[r->idle[r->idle_first]];
        r->idle_first = (r->idle_first + 1) % r->connections;
        r->idle_count--;
        r->issued++;
        conn->due = due;
        conn->retries = 0;
        send_request(r, conn);
        if (r->rate == 0)
            time = now();
    }
    return due;
}

static void set_timer(const struct run *r, uint64_t at)
{
    struct itimerspec when = {.it_value = {(time_t)(at / SECOND), (long)(at % SECOND)}};
    if (timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        die("timerfd_settime");
}

/* Requests that never got a reply are counted with the time that they have waited so far. */
static void count_unanswered(struct run *r)
{
    uint64_t time = now(), due;
    for (size_t i = 0; i < r->connections; i++) {
        if (r->all[i].state != IDLE) {
            r->unanswered++;
            count_latency(r, r->all[i].due, time);
        }
    }
    for (; r->rate > 0 && (due = next_due(r)) != 0; r->issued++) {
        r->unanswered++;
        count_latency(r, due, time);
    }
}

static void drive(struct run *r)
{
    struct epoll_event events[EVENTS];
    uint64_t give_up = r->seconds > 0 ? r->start + (uint64_t)(r->seconds * (double)SECOND) + GRACE : UINT64_MAX;
    for (;;) {
        uint64_t due = send_due(r);
        if ((due == 0 && r->idle_count == r->connections) || now() > give_up)
            break;
        if (due != 0 && r->idle_count > 0)
            set_timer(r, due);
        int count = epoll_wait(r->poller, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            uint64_t expired;
            if (events[i].data.u64 < r->connections)
                receive(r, &r->all[events[i].data.u64]);
            else if (read(r->timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
                die("timerfd");
        }
    }
    count_unanswered(r);
}

static void prepare(struct run *r)
{
    r->all = calloc(r->connections, sizeof(*r->all));
    r->idle = calloc(r->connections, sizeof(*r->idle));
    r->poller = epoll_create1(EPOLL_CLOEXEC);
    r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = r->connections};
    if (!r->all || !r->idle || r->poller < 0 || r->timer < 0 ||
        epoll_ctl(r->poller, EPOLL_CTL_ADD, r->timer, &event) < 0)
        die("prepare");
    for (size_t i = 0; i < r->connections; i++) {
        connect_to_server(r, &r->all[i]);
        put_idle(r, &r->all[i]);
    }
    r->start = now();
}

static void print_result(const struct run *r)
{
    printf(
        "{\"issued\": %llu, \"done\": %llu, \"errors\": %llu, \"unanswered\": %llu, \"bytes\": %llu, \"seconds\": %.6f",
        (unsigned long long)r->issued, (unsigned long long)r->done, (unsigned long long)r->errors,
        (unsigned long long)r->unanswered, (unsigned long long)r->bytes,
        r->last_done > r->start ? (double)(r->last_done - r->start) / 1e9 : 0.0);
    printf(", \"counted\": %llu, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": "
           "%.1f}\n",
           (unsigned long long)r->counted, percentile(r, 0.5), percentile(r, 0.9), percentile(r, 0.99),
           percentile(r, 0.999), (double)r->slowest / 1e3);
}

/* ---- Arguments */

struct head {
    const char *path;
    char headers[REQUEST_MAX / 2];
    size_t headers_len;
};

static bool add_header(struct head *head, const char *line)
{
    size_t room = sizeof(head->headers) - head->headers_len;
    int len = snprintf(head->headers + head->headers_len, room, "%s\r\n", line);
    head->headers_len += len > 0 && (size_t)len < room ? (size_t)len : 0;
    return len > 0 && (size_t)len < room;
}

static bool parse_option(struct run *r, struct head *head, const char *name, const char *value)
{
    double number = strtod(value, NULL);
    if (strcmp(name, "--port") == 0)
        r->server.sin_port = htons((uint16_t)number);
    else if (strcmp(name, "--host") == 0)
        return inet_pton(AF_INET, value, &r->server.sin_addr) == 1;
    else if (strcmp(name, "--path") == 0)
        head->path = value;
    else if (strcmp(name, "--header") == 0)
        return add_header(head, value);
    else if (strcmp(name, "--connections") == 0 && number >= 1 && number <= 60000)
        r->connections = (size_t)number;
    else if (strcmp(name, "--rate") == 0 && number >= 0)
        r->rate = number;
    else if (strcmp(name, "--seconds") == 0 && number > 0)
        r->seconds = number;
    else if (strcmp(name, "--warm-up") == 0 && number >= 0)
        r->warm_up = number;
    else if (strcmp(name, "--requests") == 0 && number >= 1)
        r->requests = (uint64_t)number;
    else
        return false;
    return true;
}

static bool parse(struct run *r, int argc, char **argv)
{
    static struct head head = {.path = "/"};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !parse_option(r, &head, argv[i], argv[i + 1]))
            return false;
    }
    int len = snprintf(r->request, sizeof(r->request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", head.path,
                       ntohs(r->server.sin_port), head.headers);
    r->request_len = (size_t)len;
    return r->server.sin_port != 0 && len > 0 && (size_t)len < sizeof(r->request) &&
           (r->seconds > 0 || r->requests > 0);
}

int main(int argc, char **argv)
{
    static struct run r = {.server = {.sin_family = AF_INET}, .connections = 1};
    r.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!parse(&r, argc, argv)) {
        fprintf(stderr, "usage: steady --port N [--host ADDRESS] [--path PATH] [--header LINE]... [--connections N]\n"
                        "              [--rate PER_SECOND] [--seconds N] [--requests N] [--warm-up SECONDS]\n");
        return 2;
    }
    prepare(&r);
    drive(&r);
    print_result(&r);
    return 0;
}
