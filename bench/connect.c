/*
 * Opens many connections to a server, sends the same bytes on each, optionally reads a reply of known length on each,
 * prints `ready`, and holds them all until its standard input ends, reading slowly if it is told to. script/memory and
 * the tables of bench/tables measure the server meanwhile. What is read is thrown away inside the kernel, so that a
 * hundred downloads cost this client nothing but system calls.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 100 };

struct options {
    struct sockaddr_in server;
    struct sockaddr_in from;
    long connections;
    const char *send;  /* may be empty */
    long long reply;   /* bytes to read on each; 0: nothing is read */
    bool lockstep;     /* each reply is read before the next connection is opened */
    long long trickle; /* bytes a second to read on each once all have asked; 0: nothing is read */
    int receive_buffer;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_connection(const struct options *o)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (o->receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->receive_buffer, sizeof(o->receive_buffer));
    /* The port is chosen at connect(), so that it need only be free towards this server. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&o->from, sizeof(o->from)) < 0)
        die("bind");
    if (connect(fd, (const struct sockaddr *)&o->server, sizeof(o->server)) < 0)
        die("connect");
    size_t len = strlen(o->send);
    if (len > 0 && send(fd, o->send, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
    return fd;
}

/* Throws away up to *left bytes that have arrived on fd; blocks if nothing has. */
static void drain(int fd, long long *left)
{
    size_t most = *left < (1 << 20) ? (size_t)*left : 1 << 20;
    ssize_t len = recv(fd, NULL, most, MSG_TRUNC);
    if (len < 0)
        die("recv");
    if (len == 0) {
        fprintf(stderr, "connect: the server closed a connection %lld bytes before the reply's end\n", *left);
        exit(1);
    }
    *left -= len;
}

/* Reads all replies at once, as they come. */
static void drain_all(const int *fds, long count, long long reply)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    long long *left = calloc((size_t)count, sizeof(*left));
    if (poller < 0 || left == NULL)
        die("epoll_create1");
    for (long i = 0; i < count; i++) {
        left[i] = reply;
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event) < 0)
            die("epoll_ctl");
    }
    for (long open = count; open > 0;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            uint64_t which = events[i].data.u64;
            drain(fds[which], &left[which]);
            if (left[which] == 0) {
                epoll_ctl(poller, EPOLL_CTL_DEL, fds[which], NULL);
                open--;
            }
        }
    }
    close(poller);
    free(left);
}

/* Reads on every connection at a fixed rate until standard input ends. A connection that the server closes is left. */
static void trickle(int *fds, long count, long long rate)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, TICK_MS) == 0) {
        for (long i = 0; i < count; i++) {
            if (fds[i] < 0)
                continue;
            ssize_t len = recv(fds[i], NULL, (size_t)(rate * TICK_MS / 1000), MSG_TRUNC | MSG_DONTWAIT);
            if (len == 0 || (len < 0 && errno != EAGAIN)) {
                close(fds[i]);
                fds[i] = -1;
            }
        }
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: connect --port N [--host ADDRESS] [--from ADDRESS] [--connections N] [--send BYTES]\n"
                    "               [--reply LENGTH] [--lockstep 1] [--rcvbuf BYTES] [--trickle BYTES_A_SECOND]\n");
    return 2;
}

static bool parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value == NULL)
            return false;
        long long number = strtoll(value, NULL, 10);
        if (strcmp(name, "--port") == 0)
            o->server.sin_port = htons((uint16_t)number);
        else if (strcmp(name, "--host") == 0 && inet_pton(AF_INET, value, &o->server.sin_addr) == 1)
            continue;
        else if (strcmp(name, "--from") == 0 && inet_pton(AF_INET, value, &o->from.sin_addr) == 1)
            continue;
        else if (strcmp(name, "--connections") == 0 && number > 0)
            o->connections = (long)number;
        else if (strcmp(name, "--send") == 0)
            o->send = value;
        else if (strcmp(name, "--reply") == 0)
            o->reply = number;
        else if (strcmp(name, "--lockstep") == 0)
            o->lockstep = number != 0;
        else if (strcmp(name, "--trickle") == 0 && number >= 0)
            o->trickle = number;
        else if (strcmp(name, "--rcvbuf") == 0)
            o->receive_buffer = (int)number;
        else
            return false;
    }
    return o->server.sin_port != 0;
}

int main(int argc, char **argv)
{
    struct options o = {.server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                        .from = {.sin_family = AF_INET},
                        .connections = 1,
                        .send = ""};
    if (!parse(&o, argc, argv))
        return usage();
    int *fds = calloc((size_t)o.connections, sizeof(*fds));
    if (fds == NULL)
        die("calloc");
    for (long i = 0; i < o.connections; i++) {
        fds[i] = open_connection(&o);
        for (long long left = o.lockstep ? o.reply : 0; left > 0;)
            drain(fds[i], &left);
    }
    if (o.reply > 0 && !o.lockstep)
        drain_all(fds, o.connections, o.reply);
    puts("ready");
    fflush(stdout);
    if (o.trickle > 0)
        trickle(fds, o.connections, o.trickle);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR)
        errno = 0;
    return 0; /* the kernel closes the connections */
}
