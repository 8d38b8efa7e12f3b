/*
 * Publishes messages over a WebSocket that gets them as well, in bursts: the next one goes when the last has come back,
 * so that a server is not told more than it follows. Begins and ends as bench/live/echo.c does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <sys/epoll.h>

#include "client/frame.h"
#include "client/run.h"

enum { PATIENCE_MS = 60000 };

static long messages = 1000, size = 64, burst = 1;
static struct message message;

static void take(struct stream *s, const uint8_t *text, size_t len, void *arg)
{
    (void)arg;
    if (!message_is(&message, s->next, text, len))
        fail("a message that came is not the next one");
    s->next++;
}

int main(int argc, char **argv)
{
    struct target target = {.path = "/ws/topic/bench"};
    const struct option_long own[] = {{"--messages", &messages}, {"--size", &size}, {"--burst", &burst}};
    run_options(argc, argv, &target, own, sizeof own / sizeof *own);
    message = message_new((size_t)size);
    struct stream s;
    stream_open(&s, &target, 0);
    int poller = run_poller(&s, 1);
    run_begin();
    double began = run_now();
    for (long sent = 0; sent < messages;) {
        for (long i = 0; i < burst && sent < messages; i++)
            message_send(&message, &s, (uint32_t)sent++);
        while (s.next < (uint32_t)sent) {
            struct epoll_event event;
            if (epoll_wait(poller, &event, 1, PATIENCE_MS) <= 0)
                fail("a message did not come back");
            stream_receive(&s, take, NULL);
        }
    }
    printf("{\"messages\": %ld, \"seconds\": %.6f}\n", messages, run_now() - began);
    run_end();
    return 0;
}
