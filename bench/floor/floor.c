/*
 * The floor: the smallest HTTP server that epoll allows, and so the physical limit of the machine that runs it.
 * Each worker thread has its own SO_REUSEPORT listener and epoll; it accepts, reads, searches for the blank lines that
 * end requests, and sends as many copies of one constant reply by a single send(). It parses nothing, times nothing and
 * limits nothing: whatever a real server adds is measured against it. The reply has the bytes of the tour's `GET /`
 * (only the date stands still), so that both push the same load through the kernel; script/bench_floor checks that.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD                                                                                                           \
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
#define BODY "\r\nHello, World!"

enum {
    CARRY = 3, /* most bytes of a blank line that an earlier read may have ended with */
    READ_SIZE = 8192,
    COPIES_MAX = READ_SIZE / 4 + 1, /* a read cannot end more requests than this */
    EVENTS = 256,
};

/* What a connection remembers between events; nearly always both are zero. */
struct connection {
    uint32_t owed;    /* bytes of replies that the kernel has not taken yet; reading stops meanwhile */
    uint32_t matched; /* bytes of "\r\n\r\n" at the end of what was read, 0 to 3 */
};

struct worker {
    pthread_t thread;
    int listener;
    int epoll;
    const char *replies; /* COPIES_MAX times the reply */
    uint32_t reply_len;
    int closes;                     /* after each reply */
    struct connection *connections; /* by descriptor */
    char input[CARRY + READ_SIZE];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct worker *w, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(w->epoll, operation, fd, &event) < 0)
        die("epoll_ctl");
}

/* How many blank lines end in [p, end); *matched is set to the part of one that the rest ends with. */
static uint32_t count_requests(const char *p, const char *end, uint32_t *matched)
{
    uint32_t count = 0;
    const char *rest = p; /* behind the last blank line */
    while (end - p >= 4) {
        if (p[3] != '\n')
            p += p[3] == '\r' ? 1 : 4; /* a carriage return may be the blank line's first or third byte */
        else if (memcmp(p, "\r\n\r\n", 4) == 0)
            rest = p += 4, count++;
        else
            p += 2;
    }
    *matched = CARRY;
    while (*matched > 0 && (end - rest < (ptrdiff_t)*matched || memcmp(end - *matched, "\r\n\r\n", *matched) != 0))
        --*matched;
    return count;
}

/* Sends what is owed; replies all look the same, so the number of bytes left tells where to go on. False: it failed. */
static int send_owed(struct worker *w, int fd, struct connection *conn)
{
    size_t skip = (w->reply_len - conn->owed % w->reply_len) % w->reply_len;
    ssize_t sent = send(fd, w->replies + skip, conn->owed, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return 0;
    conn->owed -= sent < 0 ? 0 : (uint32_t)sent;
    if (conn->owed > 0)
        watch(w, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    return 1;
}

/* Reads and answers until the socket is drained; a short read means that it is, unless the peer has ended its side. */
static void serve(struct worker *w, int fd, uint32_t events)
{
    struct connection *conn = &w->connections[fd];
    ssize_t len;
    if (conn->owed > 0 && !send_owed(w, fd, conn))
        goto gone;
    do {
        if (conn->owed > 0)
            return;
        len = recv(fd, w->input + CARRY, READ_SIZE, 0);
        if (len < 0 && errno == EAGAIN)
            return;
        if (len <= 0)
            goto gone;
        char *start = w->input + CARRY - conn->matched;
        memcpy(start, "\r\n\r", conn->matched);
        conn->owed = w->reply_len * count_requests(start, w->input + CARRY + len, &conn->matched);
        if (conn->owed > 0 && (!send_owed(w, fd, conn) || w->closes))
            goto gone;
    } while (len == READ_SIZE || events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    return;
gone:
    close(fd);
}

static void accept_all(struct worker *w)
{
    int fd;
    while ((fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        w->connections[fd] = (struct connection){0};
        watch(w, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
    }
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(w->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == w->listener)
                accept_all(w);
            else
                serve(w, events[i].data.fd, events[i].events);
        }
    }
    return NULL;
}

/* Opens a listener that shares *address with the other workers; a port of 0 is resolved by the first. */
static void start(struct worker *w, struct sockaddr_in *address, rlim_t descriptors)
{
    socklen_t size = sizeof(*address);
    w->connections = calloc(descriptors, sizeof(*w->connections));
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!w->connections || w->listener < 0 || w->epoll < 0)
        die("start");
    setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(w->listener, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (bind(w->listener, (struct sockaddr *)address, size) < 0 || listen(w->listener, 1024) < 0)
        die("listen");
    getsockname(w->listener, (struct sockaddr *)address, &size);
    watch(w, EPOLL_CTL_ADD, w->listener, EPOLLIN);
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        die("pthread_create");
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit limit;
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    getrlimit(RLIMIT_NOFILE, &limit);
    long workers = CPU_COUNT(&cpus);
    int closes = 0;
    for (int i = 1; i < argc; i += 2) {
        long value = i + 1 < argc ? strtol(argv[i + 1], NULL, 10) : -1;
        if (strcmp(argv[i], "--port") == 0 && value >= 0 && value < 65536)
            address.sin_port = htons((uint16_t)value);
        else if (strcmp(argv[i], "--workers") == 0 && value > 0 && value <= 1024)
            workers = value;
        else if (strcmp(argv[i], "--close") == 0 && value >= 0)
            closes = value > 0;
        else
            return fprintf(stderr, "usage: floor [--port N] [--workers N] [--close 1]\n"), 2;
    }
    const char *reply = closes ? HEAD "Connection: close\r\n" BODY : HEAD BODY;
    size_t reply_len = strlen(reply);
    char *replies = malloc(COPIES_MAX * reply_len);
    struct worker *all = calloc((size_t)workers, sizeof(*all));
    if (!replies || !all)
        die("malloc");
    for (size_t i = 0; i < COPIES_MAX; i++)
        memcpy(replies + i * reply_len, reply, reply_len);
    for (long i = 0; i < workers; i++) {
        all[i].replies = replies;
        all[i].reply_len = (uint32_t)reply_len;
        all[i].closes = closes;
        start(&all[i], &address, limit.rlim_cur);
    }
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    pause(); /* until a signal ends the process */
    return 0;
}
