/*
 * Sends a message over each of some WebSockets, and the next one when that has come back; every byte of what comes is
 * checked. Prints `ready` when all are open, begins at a line of input, prints what was done as a line of JSON, and
 * ends with its input: bench/lib/live.py reads in between what that has cost the server.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <sys/epoll.h>

#include "client/frame.h"
#include "client/run.h"

enum { EVENTS = 256, PATIENCE_MS = 20000 };

static long connections = 64, size = 64, milliseconds = 1000;
static long busy, done; /* connections with a message under way, and messages that have come back */
static double end;
static struct message message;

static void take(struct stream *s, const uint8_t *text, size_t len, void *arg)
{
    const double *now = arg;
    if (!message_is(&message, s->next, text, len))
        fail("what came back is not what was sent");
    s->next++;
    done++;
    if (*now < end)
        message_send(&message, s, s->next);
    else
        busy--;
}

static void load(struct stream *all, int poller)
{
    for (busy = 0; busy < connections; busy++)
        message_send(&message, &all[busy], 0);
    while (busy > 0) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poller, events, EVENTS, PATIENCE_MS);
        if (count <= 0)
            fail("nothing came for 20 s");
        double now = run_now();
        for (int i = 0; i < count; i++)
            stream_receive(&all[events[i].data.u64], take, &now);
    }
}

int main(int argc, char **argv)
{
    struct target target = {.path = "/ws"};
    const struct option_long own[] = {
        {"--connections", &connections}, {"--size", &size}, {"--milliseconds", &milliseconds}};
    run_options(argc, argv, &target, own, sizeof own / sizeof *own);
    message = message_new((size_t)size);
    int poller;
    struct stream *all = run_open(&target, connections, &poller);
    run_begin();
    double began = run_now();
    end = began + (double)milliseconds / 1e3;
    load(all, poller);
    printf("{\"messages\": %ld, \"seconds\": %.6f}\n", done, run_now() - began);
    run_end();
    return 0;
}
