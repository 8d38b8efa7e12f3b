/*
 * Sends bodies to a server, one on each of some connections and all at once, and prints what became of them as one line
 * of JSON. The path of each has a number of its own, and each body is a piece of memory over and over, so that making
 * them costs this client nothing but system calls. bench/tables/uploads.py measures the server meanwhile.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 256 << 10, PATTERN = 251, REPLY_MAX = 2048, EVENTS = 64 };

struct body {
    int fd;
    uint64_t sent;
    size_t reply_len;
    char reply[REPLY_MAX];
};

struct run {
    struct sockaddr_in server;
    const char *path; /* before the number */
    long connections;
    uint64_t size; /* of each body */
    int poller;
    struct body *bodies;
    long done, wrong;
    char piece[PIECE + PATTERN]; /* byte i of a body is i modulo PATTERN */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void begin(struct run *r, long number)
{
    struct body *b = &r->bodies[number];
    char head[512];
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->fd < 0)
        die("socket");
    if (connect(b->fd, (const struct sockaddr *)&r->server, sizeof r->server) < 0)
        die("connect");
    int len = snprintf(head, sizeof head, "PUT %s%ld HTTP/1.1\r\nHost: localhost\r\nContent-Length: %llu\r\n\r\n",
                       r->path, number, (unsigned long long)r->size);
    if (len >= (int)sizeof head || send(b->fd, head, (size_t)len, MSG_NOSIGNAL | MSG_MORE) != len)
        die("send");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u64 = (uint64_t)number};
    if (epoll_ctl(r->poller, EPOLL_CTL_ADD, b->fd, &event) < 0)
        die("epoll_ctl");
}

static void end(struct run *r, struct body *b, bool good)
{
    close(b->fd);
    r->done++;
    r->wrong += !good;
}

/* False: the connection has ended. */
static bool send_more(struct run *r, struct body *b, uint64_t number)
{
    uint64_t left = r->size - b->sent;
    ssize_t n = send(b->fd, r->piece + b->sent % PATTERN, left < PIECE ? left : PIECE, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN;
    b->sent += (uint64_t)n;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = number};
    if (b->sent == r->size && epoll_ctl(r->poller, EPOLL_CTL_MOD, b->fd, &event) < 0)
        die("epoll_ctl");
    return true;
}

static void receive(struct run *r, struct body *b)
{
    ssize_t n = recv(b->fd, b->reply + b->reply_len, REPLY_MAX - 1 - b->reply_len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0)
        b->reply_len += (size_t)n;
    b->reply[b->reply_len] = '\0';
    if (n > 0 && !strstr(b->reply, "\r\n\r\n") && b->reply_len < REPLY_MAX - 1)
        return;
    bool made = strncmp(b->reply, "HTTP/1.1 201 ", 13) == 0 || strncmp(b->reply, "HTTP/1.1 204 ", 13) == 0;
    if (!made || b->sent < r->size)
        fprintf(stderr, "put: %llu bytes sent, answered by %.60s\n", (unsigned long long)b->sent, b->reply);
    end(r, b, made && b->sent == r->size);
}

static void carry_out(struct run *r)
{
    for (long i = 0; i < r->connections; i++)
        begin(r, i);
    while (r->done < r->connections) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(r->poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct body *b = &r->bodies[events[i].data.u64];
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(r, b);
            else if (!send_more(r, b, events[i].data.u64))
                end(r, b, false);
        }
    }
}

static bool parse(struct run *r, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        long long number = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0)
            r->server.sin_port = htons((uint16_t)number);
        else if (strcmp(argv[i], "--path") == 0)
            r->path = argv[i + 1];
        else if (strcmp(argv[i], "--connections") == 0 && number > 0)
            r->connections = (long)number;
        else if (strcmp(argv[i], "--size") == 0 && number > 0)
            r->size = (uint64_t)number;
        else
            return false;
    }
    return argc % 2 == 1 && r->server.sin_port != 0;
}

int main(int argc, char **argv)
{
    static struct run r = {.server = {.sin_family = AF_INET}, .path = "/upload/", .connections = 1, .size = 1 << 20};
    r.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!parse(&r, argc, argv))
        return fprintf(stderr, "usage: put --port N [--path PREFIX] [--connections N] [--size BYTES]\n"), 2;
    for (size_t i = 0; i < sizeof r.piece; i++)
        r.piece[i] = (char)(i % PATTERN);
    r.poller = epoll_create1(EPOLL_CLOEXEC);
    r.bodies = calloc((size_t)r.connections, sizeof *r.bodies);
    if (r.poller < 0 || !r.bodies)
        die("epoll_create1");
    double began = now();
    carry_out(&r);
    printf("{\"done\": %ld, \"wrong\": %ld, \"bytes\": %llu, \"seconds\": %.6f}\n", r.done, r.wrong,
           (unsigned long long)r.size * (unsigned long long)r.connections, now() - began);
    return r.wrong ? 1 : 0;
}
