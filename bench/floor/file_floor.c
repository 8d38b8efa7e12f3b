/*
 * The floor for files: the smallest epoll server that answers every request with the same file by sendfile(). A request
 * has to arrive whole, and its last four bytes are all that is looked at. What a server for files adds is measured
 * against it, as floor.c is the measure for small replies.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 64, SLICE = 1 << 20 };

struct worker {
    pthread_t thread;
    int listener;
    int epoll;
};

static int file;
static off_t size;
static char head[160];
static off_t *sent; /* by descriptor; -1: no reply is under way */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int epoll, int operation, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        die("epoll_ctl");
}

/* Sends as much as the socket takes. False: the connection has failed. */
static int send_file(int fd)
{
    while (sent[fd] >= 0 && sent[fd] < size) {
        if (sendfile(fd, file, &sent[fd], SLICE) < 0)
            return errno == EAGAIN;
    }
    sent[fd] = -1;
    return 1;
}

static void serve(int fd)
{
    char request[8192];
    ssize_t len;
    if (sent[fd] >= 0 && !send_file(fd))
        goto gone;
    while (sent[fd] < 0) {
        len = recv(fd, request, sizeof(request), MSG_DONTWAIT);
        if (len < 0 && errno == EAGAIN)
            return;
        if (len < 4 || memcmp(request + len - 4, "\r\n\r\n", 4) != 0)
            goto gone;
        if (send(fd, head, strlen(head), MSG_NOSIGNAL | MSG_MORE | MSG_DONTWAIT) != (ssize_t)strlen(head))
            goto gone;
        sent[fd] = 0;
        if (!send_file(fd))
            goto gone;
    }
    return;
gone:
    close(fd);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[EVENTS];
    for (;;) {
        int fd, count = epoll_wait(w->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != w->listener) {
                serve(events[i].data.fd);
                continue;
            }
            while ((fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
                sent[fd] = -1;
                watch(w->epoll, EPOLL_CTL_ADD, fd);
            }
        }
    }
    return NULL;
}

static void start(struct worker *w, const struct sockaddr_in *address)
{
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(w->listener, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (w->listener < 0 || w->epoll < 0 || bind(w->listener, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        listen(w->listener, 1024) < 0)
        die("listen");
    watch(w->epoll, EPOLL_CTL_ADD, w->listener);
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        die("pthread_create");
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit limit;
    struct stat status;
    long workers = sysconf(_SC_NPROCESSORS_ONLN);
    if (argc != 3)
        return fprintf(stderr, "usage: file_floor PORT FILE\n"), 2;
    signal(SIGPIPE, SIG_IGN); /* sendfile() has no flag against it */
    address.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
    file = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) < 0)
        die(argv[2]);
    size = status.st_size;
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: application/octet-stream\r\n"
             "Content-Length: %lld\r\n\r\n",
             (long long)size);
    getrlimit(RLIMIT_NOFILE, &limit);
    sent = calloc(limit.rlim_cur, sizeof(*sent));
    struct worker *all = calloc((size_t)workers, sizeof(*all));
    if (sent == NULL || all == NULL)
        die("calloc");
    for (long i = 0; i < workers; i++)
        start(&all[i], &address);
    pause(); /* until a signal ends the process */
    return 0;
}
