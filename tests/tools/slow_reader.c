/*
 * A client that reads badly: it opens connections, sends the same request on each, and then reads at a given rate,
 * stops reading after some bytes, or breaks off by a reset or a close. Servers have to bear such clients, and ordinary
 * ones cannot be made to behave like this.
 *
 * It prints `ready` when every request is sent, and when all connections have ended, --seconds have passed or SIGTERM
 * comes, one line of totals:
 *
 *     connections=10 bytes=123 least=12 most=13 ended=0 reset=0 left=0 open=10
 *
 * ended: the server closed in order; reset: it reset; left: we broke off; open: still open at the end.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 20, REQUEST_MAX = 1 << 20, UNLIMITED = -1 };

struct options {
    struct sockaddr_in server;
    struct sockaddr_in from;
    char *request;
    size_t request_len;
    long connections;
    long long rate;        /* bytes a second for each connection, UNLIMITED, or 0: nothing is read */
    long long stop_after;  /* bytes after which a connection is held unread; UNLIMITED: never */
    long long reset_after; /* bytes after which it is reset; UNLIMITED: never */
    long long close_after; /* the same for an orderly close */
    double seconds;        /* 0: until all have ended */
    int receive_buffer;
};

enum state { OPEN, ENDED, RESET, LEFT, STATES };

struct reader {
    int fd;
    enum state state;
    long long got;
};

static volatile sig_atomic_t stopped; /* written by the signal handler, which gets no argument */

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

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

static int open_reader(const struct options *o)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    /* Before connecting: it decides the window that is announced. */
    if (o->receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->receive_buffer, sizeof(o->receive_buffer));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&o->from, sizeof(o->from)) < 0)
        die("bind");
    if (connect(fd, (const struct sockaddr *)&o->server, sizeof(o->server)) < 0)
        die("connect");
    for (size_t sent = 0; sent < o->request_len;) {
        ssize_t len = send(fd, o->request + sent, o->request_len - sent, MSG_NOSIGNAL);
        if (len < 0)
            die("send");
        sent += (size_t)len;
    }
    return fd;
}

static void leave(struct reader *r, enum state state, bool reset)
{
    if (reset)
        setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(r->fd);
    r->fd = -1;
    r->state = state;
}

/* How many bytes a connection may have read in all by now. */
static long long allowance(const struct options *o, double elapsed)
{
    long long most = o->rate == UNLIMITED ? INT64_MAX : (long long)(elapsed * (double)o->rate);
    const long long ends[] = {o->stop_after, o->reset_after, o->close_after};
    for (int i = 0; i < 3; i++) {
        if (ends[i] != UNLIMITED && ends[i] < most)
            most = ends[i];
    }
    return most;
}

/* Reads what is allowed and there, a bounded amount a turn so that all connections advance together. */
static void advance(const struct options *o, struct reader *r, long long most)
{
    char buf[65536];
    for (int turn = 0; turn < 16 && r->state == OPEN && r->got < most; turn++) {
        long long want = most - r->got;
        ssize_t len = recv(r->fd, buf, want < (long long)sizeof(buf) ? (size_t)want : sizeof(buf), MSG_DONTWAIT);
        if (len < 0 && errno == EAGAIN)
            break;
        if (len <= 0)
            leave(r, len == 0 ? ENDED : RESET, false);
        else
            r->got += len;
    }
    if (r->state != OPEN)
        return;
    if (o->reset_after != UNLIMITED && r->got >= o->reset_after)
        leave(r, LEFT, true);
    else if (o->close_after != UNLIMITED && r->got >= o->close_after)
        leave(r, LEFT, false);
}

/* Waits for data if it is wanted at once, else for a tick; learns of resets on connections that are not read. */
static void wait_turn(const struct options *o, struct reader *readers, struct pollfd *polled, long long most)
{
    bool eager = false;
    for (long i = 0; i < o->connections; i++) {
        bool wants = o->rate == UNLIMITED && readers[i].got < most;
        polled[i] = (struct pollfd){.fd = readers[i].fd, .events = wants ? POLLIN : 0};
        eager = eager || (wants && readers[i].state == OPEN);
    }
    if (!eager)
        nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000}, NULL);
    if (poll(polled, (nfds_t)o->connections, eager ? TICK_MS : 0) <= 0)
        return;
    for (long i = 0; i < o->connections; i++) {
        if (readers[i].state == OPEN && (polled[i].revents & POLLERR) != 0)
            leave(&readers[i], RESET, false);
    }
}

static void run(const struct options *o, struct reader *readers)
{
    struct pollfd *polled = calloc((size_t)o->connections, sizeof(*polled));
    if (polled == NULL)
        die("calloc");
    double began = now(), elapsed = 0;
    long open = o->connections;
    while (open > 0 && !stopped && (o->seconds <= 0 || elapsed < o->seconds)) {
        long long most = allowance(o, elapsed);
        wait_turn(o, readers, polled, most);
        open = 0;
        for (long i = 0; i < o->connections; i++) {
            if (readers[i].state == OPEN)
                advance(o, &readers[i], most);
            open += readers[i].state == OPEN;
        }
        elapsed = now() - began;
    }
    free(polled);
}

static void print_totals(const struct options *o, const struct reader *readers)
{
    long long sum = 0, least = INT64_MAX, most = 0;
    long states[STATES] = {0};
    for (long i = 0; i < o->connections; i++) {
        sum += readers[i].got;
        least = readers[i].got < least ? readers[i].got : least;
        most = readers[i].got > most ? readers[i].got : most;
        states[readers[i].state]++;
    }
    printf("connections=%ld bytes=%lld least=%lld most=%lld ended=%ld reset=%ld left=%ld open=%ld\n", o->connections,
           sum, least, most, states[ENDED], states[RESET], states[LEFT], states[OPEN]);
}

static void read_request(struct options *o, const char *path)
{
    FILE *file = fopen(path, "rb");
    o->request = malloc(REQUEST_MAX);
    if (file == NULL || o->request == NULL)
        die(path);
    o->request_len = fread(o->request, 1, REQUEST_MAX, file);
    fclose(file);
}

/* Options that take a number; false if the name is not one of them. */
static bool parse_number(struct options *o, const char *name, const char *value)
{
    char *end;
    long long number = strtoll(value, &end, 10);
    if (strcmp(name, "--seconds") == 0) {
        o->seconds = strtod(value, &end);
        return *end == '\0';
    }
    if (*end != '\0' || number < UNLIMITED)
        return false;
    if (strcmp(name, "--port") == 0)
        o->server.sin_port = htons((uint16_t)number);
    else if (strcmp(name, "--connections") == 0 && number > 0)
        o->connections = (long)number;
    else if (strcmp(name, "--rate") == 0)
        o->rate = number;
    else if (strcmp(name, "--stop-after") == 0)
        o->stop_after = number;
    else if (strcmp(name, "--reset-after") == 0)
        o->reset_after = number;
    else if (strcmp(name, "--close-after") == 0)
        o->close_after = number;
    else if (strcmp(name, "--rcvbuf") == 0)
        o->receive_buffer = (int)number;
    else
        return false;
    return true;
}

static bool parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--host") == 0 && inet_pton(AF_INET, value, &o->server.sin_addr) == 1)
            continue;
        if (strcmp(argv[i], "--from") == 0 && inet_pton(AF_INET, value, &o->from.sin_addr) == 1)
            continue;
        if (strcmp(argv[i], "--request") == 0) {
            o->request = value;
            o->request_len = strlen(value);
        } else if (strcmp(argv[i], "--request-file") == 0) {
            read_request(o, value);
        } else if (!parse_number(o, argv[i], value)) {
            return false;
        }
    }
    return o->server.sin_port != 0 && o->request != NULL;
}

int main(int argc, char **argv)
{
    struct options o = {.server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                        .from = {.sin_family = AF_INET},
                        .connections = 1,
                        .rate = UNLIMITED,
                        .stop_after = UNLIMITED,
                        .reset_after = UNLIMITED,
                        .close_after = UNLIMITED};
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: slow_reader --port N (--request BYTES | --request-file FILE) [--host ADDRESS]\n"
                        "  [--from ADDRESS] [--connections N] [--rate BYTES_A_SECOND, -1 without limit, 0 nothing]\n"
                        "  [--stop-after BYTES] [--reset-after BYTES] [--close-after BYTES] [--seconds N]\n"
                        "  [--rcvbuf BYTES]\n");
        return 2;
    }
    struct reader *readers = calloc((size_t)o.connections, sizeof(*readers));
    if (readers == NULL)
        die("calloc");
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    for (long i = 0; i < o.connections; i++)
        readers[i].fd = open_reader(&o);
    puts("ready");
    fflush(stdout);
    run(&o, readers);
    print_totals(&o, readers);
    free(readers);
    return 0;
}
