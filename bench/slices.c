/*
 * Loads several servers in slices, over connections that stay open from the first slice to the last, so that two
 * servers can be compared a second at a time: script/bench_floor does. A slice begins when nothing is under way and
 * ends when the last reply has come, so that what the server uses meanwhile is exactly what the slice's requests took.
 *
 * Commands come on standard input, each is answered by a line, and the end of the input ends the program:
 *     open TARGET COUNT           opens more connections; answer: their local ports
 *     keep TARGET PORT...         closes all others; answer: how many are left. Threads take the ports in turn.
 *     slice TARGET MILLISECONDS   loads; answer: replies, nanoseconds from the first request to the last reply,
 *                                 nanoseconds that the slowest batch took
 * Which connections are kept is the caller's choice, since only the caller can see which worker serves which.
 *
 * A connection sends a batch of requests, waits for as many replies, and sends the next. Replies have a fixed length,
 * and each has to begin as a good one does.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TARGETS_MAX = 8,
    THREADS_MAX = 256,
    CONNECTIONS_MAX = 60000,
    DEPTH_MAX = 64,
    REQUEST_MAX = 256,
    INPUT_SIZE = 64 << 10,
    EVENTS = 256,
    PATIENCE_MS = 10000, /* a server that sends nothing for as long has lost a request */
};

#define SECOND 1000000000ULL

static const char GOOD[] = "HTTP/1.1 200 ";

struct connection {
    int fd;
    uint16_t port;   /* ours */
    size_t received; /* bytes of the replies to the batch under way */
    uint64_t sent;   /* when the batch under way was */
};

struct target {
    struct sockaddr_in server;
    size_t reply_len;
    char *batch;
    size_t batch_len;
    struct connection *all;
    size_t count;
};

/* Holds one thread's part of the load: in each target the connections whose number is `index` modulo the threads'. */
struct thread {
    pthread_t id;
    size_t index;
    int pollers[TARGETS_MAX];
    uint64_t replies, slowest, ended; /* of the latest slice */
    char input[INPUT_SIZE];
};

/* The slice under way: written by the main thread while the others wait at a barrier. */
static struct {
    size_t target;
    uint64_t begin, end;
} slice;

static struct target targets[TARGETS_MAX];
static struct thread *threads;
static size_t targets_count, threads_count = 1, depth = 1;
static pthread_barrier_t beginning, ending;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void fail(const char *what)
{
    fprintf(stderr, "slices: %s\n", what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* ---- The load */

/* Sends a batch. All replies to the one before have come, so the socket's buffer is empty and takes it whole. */
static void send_batch(const struct target *target, struct connection *conn, uint64_t time)
{
    conn->received = 0;
    conn->sent = time;
    if (send(conn->fd, target->batch, target->batch_len, MSG_NOSIGNAL) != (ssize_t)target->batch_len)
        die("send");
}

/* Fails unless every reply that begins in these bytes begins well; what a piece ends within is not looked at. */
static void check(const struct target *target, size_t received, const char *input, size_t len)
{
    size_t begun = received % target->reply_len;
    for (size_t at = begun > 0 ? target->reply_len - begun : 0; at + strlen(GOOD) <= len; at += target->reply_len) {
        if (memcmp(input + at, GOOD, strlen(GOOD)) != 0)
            fail("a reply is not one of status 200 and of the length that was told");
    }
}

/* Receives what has come. True: the batch under way is answered. */
static bool receive(struct thread *thread, const struct target *target, struct connection *conn)
{
    ssize_t len = recv(conn->fd, thread->input, INPUT_SIZE, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN)
        return false;
    if (len < 0)
        die("recv");
    if (len == 0)
        fail("the server closed a connection");
    check(target, conn->received, thread->input, (size_t)len);
    conn->received += (size_t)len;
    if (conn->received > depth * target->reply_len)
        fail("more came than was asked for");
    return conn->received == depth * target->reply_len;
}

/* Drives one thread's connections through the slice: all have a batch under way until it is over, then they run dry. */
static void load(struct thread *thread)
{
    struct target *target = &targets[slice.target];
    struct epoll_event events[EVENTS];
    size_t busy = 0;
    uint64_t time = slice.begin;
    thread->replies = thread->slowest = 0;
    for (size_t i = thread->index; i < target->count; i += threads_count, busy++)
        send_batch(target, &target->all[i], time);
    while (busy > 0) {
        int count = epoll_wait(thread->pollers[slice.target], events, EVENTS, PATIENCE_MS);
        if (count == 0)
            fail("no reply came for 10 s");
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        time = now();
        for (int i = 0; i < count; i++) {
            struct connection *conn = &target->all[events[i].data.u64];
            if (!receive(thread, target, conn))
                continue;
            thread->replies += depth;
            if (time - conn->sent > thread->slowest)
                thread->slowest = time - conn->sent;
            if (time < slice.end)
                send_batch(target, conn, time);
            else
                busy--;
        }
    }
    thread->ended = now();
}

static void *run(void *arg)
{
    for (;;) {
        pthread_barrier_wait(&beginning);
        load(arg);
        pthread_barrier_wait(&ending);
    }
    return NULL;
}

/* ---- Commands: `rest` is what follows the target */

static void open_connections(struct target *target, const char *rest)
{
    size_t more = strtoul(rest, NULL, 10);
    if (more < 1 || target->count + more > CONNECTIONS_MAX)
        fail("open wants a number of connections");
    target->all = realloc(target->all, (target->count + more) * sizeof(*target->all));
    if (!target->all)
        die("realloc");
    for (size_t i = 0; i < more; i++) {
        struct sockaddr_in own;
        socklen_t size = sizeof(own);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&target->server, sizeof(target->server)) < 0)
            die("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (getsockname(fd, (struct sockaddr *)&own, &size) < 0)
            die("getsockname");
        target->all[target->count++] = (struct connection){.fd = fd, .port = ntohs(own.sin_port)};
        printf("%s%d", i > 0 ? " " : "", ntohs(own.sin_port));
    }
    printf("\n");
}

/* Puts the connection of `port` at place `at`; those before it have been chosen. */
static void choose(struct target *target, size_t at, uint16_t port)
{
    for (size_t i = at; i < target->count; i++) {
        if (target->all[i].port == port) {
            struct connection chosen = target->all[i];
            target->all[i] = target->all[at];
            target->all[at] = chosen;
            return;
        }
    }
    fail("keep names a port that is none of ours, or one twice");
}

static void keep_connections(struct target *target, char *rest)
{
    size_t kept = 0;
    for (char *save, *word = strtok_r(rest, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
        choose(target, kept++, (uint16_t)strtoul(word, NULL, 10));
    if (kept < 1)
        fail("keep wants ports");
    while (target->count > kept)
        close(target->all[--target->count].fd);
    for (size_t i = 0; i < kept; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (epoll_ctl(threads[i % threads_count].pollers[target - targets], EPOLL_CTL_ADD, target->all[i].fd, &event) <
            0)
            die("epoll_ctl");
    }
    printf("%zu\n", kept);
}

static void run_slice(const struct target *target, const char *rest)
{
    uint64_t replies = 0, ended = 0, slowest = 0, ms = strtoul(rest, NULL, 10);
    if (ms < 1 || target->count < 1)
        fail("slice wants milliseconds, and connections");
    slice.target = (size_t)(target - targets);
    slice.begin = now();
    slice.end = slice.begin + ms * (SECOND / 1000);
    pthread_barrier_wait(&beginning);
    pthread_barrier_wait(&ending);
    for (size_t i = 0; i < threads_count; i++) {
        replies += threads[i].replies;
        ended = threads[i].ended > ended ? threads[i].ended : ended;
        slowest = threads[i].slowest > slowest ? threads[i].slowest : slowest;
    }
    printf("%llu %llu %llu\n", (unsigned long long)replies, (unsigned long long)(ended - slice.begin),
           (unsigned long long)slowest);
}

static void obey(char *line)
{
    char name[8];
    size_t number;
    int end = 0;
    if (sscanf(line, "%7s %zu%n", name, &number, &end) != 2 || number >= targets_count)
        fail("a command is a word, a target and more");
    struct target *target = &targets[number];
    if (strcmp(name, "open") == 0)
        open_connections(target, line + end);
    else if (strcmp(name, "keep") == 0)
        keep_connections(target, line + end);
    else if (strcmp(name, "slice") == 0)
        run_slice(target, line + end);
    else
        fail("commands are open, keep and slice");
    fflush(stdout);
}

/* ---- Start */

static void make_batch(struct target *target)
{
    char request[REQUEST_MAX];
    int len = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                       ntohs(target->server.sin_port));
    target->batch_len = depth * (size_t)len;
    target->batch = malloc(target->batch_len);
    if (!target->batch)
        die("malloc");
    for (size_t i = 0; i < depth; i++)
        memcpy(target->batch + i * (size_t)len, request, (size_t)len);
}

static void start_threads(void)
{
    threads = calloc(threads_count, sizeof(*threads));
    if (!threads || pthread_barrier_init(&beginning, NULL, (unsigned)threads_count + 1) != 0 ||
        pthread_barrier_init(&ending, NULL, (unsigned)threads_count + 1) != 0)
        fail("no room for the threads");
    for (size_t i = 0; i < threads_count; i++) {
        threads[i].index = i;
        for (size_t j = 0; j < targets_count; j++) {
            threads[i].pollers[j] = epoll_create1(EPOLL_CLOEXEC);
            if (threads[i].pollers[j] < 0)
                die("epoll_create1");
        }
        if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
            fail("a thread could not be started");
    }
}

static bool parse_option(const char *name, const char *value)
{
    char *rest;
    unsigned long number = strtoul(value, &rest, 10);
    if (strcmp(name, "--target") == 0 && *rest == ':' && number > 0 && number < 65536 && targets_count < TARGETS_MAX) {
        struct target *target = &targets[targets_count++];
        target->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
        target->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        target->reply_len = strtoul(rest + 1, NULL, 10);
        return target->reply_len > strlen(GOOD);
    }
    if (strcmp(name, "--threads") == 0 && number >= 1 && number <= THREADS_MAX)
        threads_count = number;
    else if (strcmp(name, "--depth") == 0 && number >= 1 && number <= DEPTH_MAX)
        depth = number;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i += 2)
        good = good && i + 1 < argc && parse_option(argv[i], argv[i + 1]);
    if (!good || targets_count == 0) {
        fprintf(stderr, "usage: slices --target PORT:REPLY_LENGTH... [--threads N] [--depth REQUESTS_AT_ONCE]\n");
        return 2;
    }
    for (size_t i = 0; i < targets_count; i++)
        make_batch(&targets[i]);
    start_threads();
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0)
        obey(line);
    free(line);
    return 0;
}
