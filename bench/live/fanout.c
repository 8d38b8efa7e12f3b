/*
 * Opens many WebSockets that get each other's messages; the first of them sends one, or a burst of them, and the next
 * when all have got all of it. Every byte of what comes is checked. Begins and ends as bench/live/echo.c does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "client/frame.h"
#include "client/run.h"

enum { EVENTS = 1024, PATIENCE_MS = 20000 };

static long connections = 1000, size = 64, milliseconds = 1000, burst = 1;
static long missing, delivered; /* messages that have not come of this burst, and that have come in all */
static struct message message;

static void take(struct stream *s, const uint8_t *text, size_t len, void *arg)
{
    (void)arg;
    if (!message_is(&message, s->next, text, len))
        fail("a message that came is not the next one");
    s->next++;
    delivered++;
    missing--;
}

static void publish(const struct stream *s, uint8_t *frames)
{
    size_t each = message.head + message.size;
    for (long i = 0; i < burst; i++)
        message_put(&message, s->next + (uint32_t)i, frames + (size_t)i * each);
    stream_send(s, frames, (size_t)burst * each);
}

static void carry_out(struct stream *all, int poller, double end)
{
    uint8_t *frames = malloc((size_t)burst * (message.head + message.size));
    if (!frames)
        die("malloc");
    do {
        missing = connections * burst;
        publish(&all[0], frames);
        while (missing > 0) {
            struct epoll_event events[EVENTS];
            int count = epoll_wait(poller, events, EVENTS, PATIENCE_MS);
            if (count <= 0)
                fail("nothing came for 20 s");
            for (int i = 0; i < count; i++)
                stream_receive(&all[events[i].data.u64], take, NULL);
        }
    } while (run_now() < end);
    free(frames);
}

int main(int argc, char **argv)
{
    struct target target = {.path = "/ws/topic/bench"};
    const struct option_long own[] = {
        {"--connections", &connections}, {"--size", &size}, {"--milliseconds", &milliseconds}, {"--burst", &burst}};
    run_options(argc, argv, &target, own, sizeof own / sizeof *own);
    message = message_new((size_t)size);
    int poller;
    struct stream *all = run_open(&target, connections, &poller);
    run_begin();
    double began = run_now();
    carry_out(all, poller, began + (double)milliseconds / 1e3);
    printf("{\"messages\": %ld, \"published\": %ld, \"seconds\": %.6f}\n", delivered, delivered / connections,
           run_now() - began);
    run_end();
    return 0;
}
