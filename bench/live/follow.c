/*
 * Opens many WebSockets or event streams, prints `ready`, and holds them until its input ends. With --say a message is
 * sent over each before and has to come back, so that the server has had work with it. With --messages it begins at a
 * line of input, takes so many messages on each, of which none may be lost, changed or out of order, and prints what
 * came as a line of JSON. Every --stall-th stops reading once it is open, and gets little room for what it is sent.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client/frame.h"
#include "client/run.h"

enum { EVENTS = 1024, PATIENCE_MS = 60000, SMALL_BUFFER = 4096 };

static long connections = 1, size = 64, messages, say, stall, events;
static long open_still, taken; /* streams that have not got all, and messages that have come */
static struct message message;

static void take(struct stream *s, const uint8_t *text, size_t len, void *arg)
{
    (void)arg;
    if (!message_is(&message, s->next, text, len)) {
        fprintf(stderr, "in place of message %u came %.*s\n", s->next, (int)(len < DIGITS ? len : DIGITS), text);
        exit(1);
    }
    s->next++;
    taken++;
    open_still -= s->next == (uint32_t)messages;
}

static void converse(struct stream *s)
{
    message_send(&message, s, 0);
    int poller = run_poller(s, 1);
    while (s->next == 0) {
        struct epoll_event event;
        if (epoll_wait(poller, &event, 1, PATIENCE_MS) <= 0)
            fail("what was said did not come back");
        stream_receive(s, take, NULL);
    }
    close(poller);
    s->next = 0;
    taken = 0;
}

/* Whether the stream with this number takes nothing. */
static bool is_stalled(long i)
{
    return stall > 0 && i % stall == stall - 1;
}

static void follow(struct stream *all, int poller)
{
    double began = run_now();
    while (open_still > 0) {
        struct epoll_event ready[EVENTS];
        int count = epoll_wait(poller, ready, EVENTS, PATIENCE_MS);
        if (count <= 0) {
            fprintf(stderr, "%ld have not got all, and nothing came for 60 s\n", open_still);
            exit(1);
        }
        for (int i = 0; i < count; i++)
            stream_receive(&all[ready[i].data.u64], take, NULL);
    }
    printf("{\"messages\": %ld, \"seconds\": %.6f}\n", taken, run_now() - began);
}

int main(int argc, char **argv)
{
    struct target target = {.path = "/ws"};
    const struct option_long own[] = {{"--connections", &connections},
                                      {"--size", &size},
                                      {"--messages", &messages},
                                      {"--say", &say},
                                      {"--stall", &stall},
                                      {"--events", &events}};
    run_options(argc, argv, &target, own, sizeof own / sizeof *own);
    target.events = events > 0;
    message = message_new((size_t)size);
    struct stream *all = calloc((size_t)connections, sizeof *all);
    if (!all)
        die("calloc");
    long reading = 0;
    for (long i = 0; i < connections; i++) {
        stream_open(&all[reading], &target, is_stalled(i) ? SMALL_BUFFER : 0);
        if (say > 0)
            converse(&all[reading]);
        reading += !is_stalled(i); /* one that is stalled stays open, and nobody looks at it again */
    }
    int poller = run_poller(all, (size_t)reading);
    if (messages > 0) {
        run_begin();
        open_still = reading;
        follow(all, poller);
    } else {
        puts("ready");
    }
    run_end();
    return 0;
}
