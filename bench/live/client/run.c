/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "run.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

static bool set_own(const char *name, long number, const struct option_long *own, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, own[i].name) == 0) {
            *own[i].value = number;
            return number >= 0;
        }
    }
    return false;
}

static noreturn void usage(const struct option_long *own, size_t count)
{
    fprintf(stderr, "usage: --port N [--path PATH] [--from ADDRESS]");
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " [%s N]", own[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

void run_options(int argc, char **argv, struct target *target, const struct option_long *own, size_t count)
{
    target->server = target->from = (struct sockaddr_in){.sin_family = AF_INET};
    target->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(name, "--port") == 0)
            target->server.sin_port = htons((uint16_t)strtol(value, NULL, 10));
        else if (strcmp(name, "--path") == 0)
            target->path = value;
        else if (strcmp(name, "--from") == 0 && inet_pton(AF_INET, value, &target->from.sin_addr) == 1)
            continue;
        else if (!set_own(name, strtol(value, NULL, 10), own, count))
            usage(own, count);
    }
    if (target->server.sin_port == 0 || !target->path)
        usage(own, count);
}

double run_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void run_begin(void)
{
    puts("ready");
    fflush(stdout);
    int byte;
    while ((byte = getchar()) != '\n') {
        if (byte == EOF)
            exit(0); /* whoever has started this wants nothing of it any more */
    }
}

void run_end(void)
{
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

int run_poller(const struct stream *streams, size_t count)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        die("epoll_create1");
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, streams[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    return poller;
}

struct stream *run_open(const struct target *target, long count, int *poller)
{
    struct stream *all = calloc((size_t)count, sizeof *all);
    if (!all)
        die("calloc");
    for (long i = 0; i < count; i++)
        stream_open(&all[i], target, 0);
    *poller = run_poller(all, (size_t)count);
    return all;
}
