/*
 * A server for the wire tests of waiting: handlers that sleep, await a descriptor, hand work to a thread or yield, and
 * replies whose end is told. `waits ROOT [half_close]` serves with one worker; what its handlers note is read at
 * /journal.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The server's data; used by its one worker only. */
struct site {
    const char *root;
    int pipe[2];
    bool flag;
    char journal[2048];
};

static void note(struct site *site, const char *text)
{
    size_t len = strlen(site->journal);
    snprintf(site->journal + len, sizeof(site->journal) - len, "%s%s", len ? " " : "", text);
}

/* What was noted since the last time. */
static void show_journal(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    weir_reply_text(c, site->journal);
    site->journal[0] = '\0';
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int number(weir_ctx *c, const char *name)
{
    return (int)strtol(weir_param(c, name), NULL, 10);
}

/* ---- The end of a reply */

static void note_sent(void *arg, int error, uint64_t bytes)
{
    char text[64];
    snprintf(text, sizeof(text), "sent:%d:%" PRIu64, error, bytes);
    note(arg, text);
}

static void sent(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    const char *kind = weir_param(c, "kind");
    static char zeros[1 << 22];
    weir_on_sent(c, note_sent, site);
    if (strcmp(kind, "reply") == 0)
        weir_reply_text(c, "12345");
    else if (strcmp(kind, "file") == 0)
        weir_send_file(c, site->root, "large.bin");
    else if (strcmp(kind, "static") == 0)
        weir_reply_static(c, "application/octet-stream", zeros, sizeof(zeros));
    else if (strcmp(kind, "stream") == 0)
        for (int i = 0; i < 1000; i++)
            weir_printf(c, "%019d\n", i);
    else if (strcmp(kind, "fail") == 0)
        weir_fail(c, 500, "asked for");
}

/* ---- Waiting */

static void note_result(weir_ctx *c, const char *what, int result)
{
    char text[64];
    snprintf(text, sizeof(text), "%s:%d", what, result);
    note(weir_server_data(c), text);
    weir_reply_text(c, text);
}

static void sleep_some(weir_ctx *c)
{
    note_result(c, "sleep", weir_sleep(c, number(c, "ms")));
}

/* What each of three waits is told, and by what the reply is made all the same. */
static void sleep_thrice(weir_ctx *c)
{
    int told[3];
    for (int i = 0; i < 3; i++)
        told[i] = weir_sleep(c, number(c, "ms"));
    char text[64];
    snprintf(text, sizeof(text), "told:%d:%d:%d", told[0], told[1], told[2]);
    note(weir_server_data(c), text);
    weir_reply_text(c, text);
}

/* Waits in one way until the server stops. */
static void wait_for_stop(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    const char *how = weir_param(c, "how");
    char byte;
    if (weir_query(c, "on"))
        weir_stop_ends_waits(c, true);
    bool before = weir_stopping(c);
    int told = strcmp(how, "sleep") == 0   ? weir_sleep(c, 60000)
               : strcmp(how, "await") == 0 ? weir_await_fd(c, site->pipe[0], WEIR_READABLE, 60000)
                                           : (int)weir_read(c, &byte, 1);
    bool after = weir_stopping(c);
    weir_reply_printf(c, "text/plain", "%d %d %d again:%d", before, told, after, weir_sleep(c, 1));
}

/* Asks for news of the stop again and again. */
static void rearm_stop(weir_ctx *c)
{
    int told = 0, waits = 0;
    while (!weir_stopping(c) || waits++ < 20) {
        weir_stop_ends_waits(c, false);
        weir_stop_ends_waits(c, true);
        told += weir_sleep(c, 5) == WEIR_ECANCELED;
    }
    weir_reply_printf(c, "text/plain", "told:%d", told);
}

/* An event stream, whose end is written when it is told of one. */
static void stream_until_stop(weir_ctx *c)
{
    weir_stop_ends_waits(c, true);
    do
        weir_printf(c, "data: tick\n\n");
    while (weir_sleep(c, 200) == 0);
    weir_printf(c, "data: end\n\n");
}

/* Writes to a client that takes nothing until it is told that this is in vain. */
static void write_until_error(weir_ctx *c)
{
    static const char zeros[1 << 16];
    int error;
    while ((error = weir_write(c, zeros, sizeof(zeros))) == 0)
        ;
    char text[32];
    snprintf(text, sizeof(text), "write:%d", error);
    note(weir_server_data(c), text);
}

/* Writes and sleeps as if there were nothing to look at. The journal tells when it begins, so that the client can go
 * meanwhile. */
static void sleep_carelessly(weir_ctx *c)
{
    char text[64];
    note(weir_server_data(c), "begun");
    while (weir_closed(c) != WEIR_GONE)
        weir_yield(c);
    for (int i = 0; i < 2; i++) {
        int64_t began = now_ms();
        int result = weir_sleep(c, number(c, "ms"));
        snprintf(text, sizeof(text), "%d:%s", result, now_ms() - began < number(c, "ms") ? "short" : "whole");
        note(weir_server_data(c), text);
    }
}

static void await_pipe(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    char byte;
    int end = weir_query(c, "write") ? 1 : 0;
    int events = weir_await_fd(c, site->pipe[end], end ? WEIR_WRITABLE : WEIR_READABLE, number(c, "ms"));
    if (events == WEIR_READABLE && read(site->pipe[0], &byte, 1) != 1)
        events = 99;
    note_result(c, "await", events);
}

static void poke_pipe(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_reply_printf(c, NULL, "%zd", write(site->pipe[1], "!", 1));
}

/* Notes the thread that it runs on. */
static int triple(void *arg)
{
    int *values = arg;
    values[1] = gettid();
    return values[0] * 3;
}

static void offload(weir_ctx *c)
{
    int values[2] = {number(c, "value"), 0};
    int result = weir_offload(c, triple, values);
    weir_reply_printf(c, NULL, "%d %d", result, values[1] != gettid());
}

/* Yields until another request has raised the flag: only if that is served meanwhile does it end before the clock. */
static void yield_until_flag(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    site->flag = false;
    long turns = 0;
    while (!site->flag && turns < 20000000) {
        weir_yield(c);
        turns++;
    }
    weir_reply_text(c, site->flag ? "raised" : "never");
}

static void raise_flag(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    site->flag = true;
    weir_reply_text(c, "raising");
}

/* Waits without a limit for what never comes, with output that the client has not taken. */
static void await_behind_output(weir_ctx *c)
{
    char piece[1024], text[32];
    int pipe[2];
    memset(piece, 'x', sizeof(piece));
    for (int left = number(c, "pieces"); left > 0; left--) {
        if (weir_write(c, piece, sizeof(piece)) != 0)
            return;
        weir_yield(c); /* sends it */
    }
    if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC) != 0)
        return;
    snprintf(text, sizeof(text), "behind:%d", weir_await_fd(c, pipe[0], WEIR_READABLE, 0));
    note(weir_server_data(c), text);
    close(pipe[0]);
    close(pipe[1]);
}

/* Waits again and again, whatever it is told. */
static void wait_carelessly(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    bool sleeps = strcmp(weir_param(c, "how"), "sleep") == 0;
    site->flag = false;
    while (!site->flag)
        (void)(sleeps ? weir_sleep(c, 50) : weir_await_fd(c, site->pipe[0], WEIR_READABLE, 50));
    note(site, "ended");
}

/* ---- Writing before a wait */

#define PIECE 6000

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Waits in one way until the client says that it has what was written. False: no more of it is wanted. */
static bool wait_for_client(weir_ctx *c, const char *how)
{
    struct site *site = weir_server_data(c);
    char byte;
    if (strcmp(how, "body") == 0)
        return weir_read(c, &byte, 1) == 1;
    if (strcmp(how, "await") == 0)
        return weir_await_fd(c, site->pipe[0], WEIR_READABLE, 20000) > 0 && read(site->pipe[0], &byte, 1) == 1;
    site->flag = false;
    for (int turns = 0; !site->flag && turns < 20000000; turns++) {
        if (strcmp(how, "sleep") == 0)
            weir_sleep(c, 1);
        else if (strcmp(how, "offload") == 0)
            weir_offload(c, nothing, NULL);
        else
            weir_yield(c);
    }
    return site->flag;
}

/* Two pieces that are sent from where they lie, with more to come behind them, and a wait, again and again. */
static void write_and_wait(weir_ctx *c)
{
    static const char piece[PIECE];
    int rounds = number(c, "rounds");
    if (weir_query(c, "length"))
        weir_set_length(c, (int64_t)rounds * 2 * PIECE);
    for (int i = 0; i < rounds; i++) {
        if (weir_write(c, piece, PIECE) != 0 || weir_write(c, piece, PIECE) != 0)
            return;
        if (i + 1 < rounds && !wait_for_client(c, weir_param(c, "how")))
            return;
    }
}

/* ---- Running */

static void add_routes(weir_server *s)
{
    weir_get(s, "/sent/{kind}", sent);
    weir_get(s, "/sleep/{ms}", sleep_some);
    weir_get(s, "/sleep-carelessly/{ms}", sleep_carelessly);
    weir_get(s, "/sleep-thrice/{ms}", sleep_thrice);
    weir_any(s, "/until-stop/{how}", wait_for_stop);
    weir_group *streams = weir_group_new(s, NULL, "/streams", NULL);
    weir_group_set(streams, &(weir_group_settings){.stop_ends_waits = WEIR_ON});
    weir_group_route(streams, NULL, "/until-stop/{how}", wait_for_stop, NULL);
    weir_group *others = weir_group_new(s, streams, "/others", NULL);
    weir_group_set(others, &(weir_group_settings){.stop_ends_waits = WEIR_OFF});
    weir_group_route(others, NULL, "/until-stop/{how}", wait_for_stop, NULL);
    weir_get(s, "/stream-until-stop", stream_until_stop);
    weir_get(s, "/rearm-stop", rearm_stop);
    weir_get(s, "/write-until-error", write_until_error);
    weir_get(s, "/await/{ms}", await_pipe);
    weir_get(s, "/await-behind/{pieces}", await_behind_output);
    weir_get(s, "/poke", poke_pipe);
    weir_get(s, "/offload/{value}", offload);
    weir_get(s, "/yield", yield_until_flag);
    weir_get(s, "/carelessly/{how}", wait_carelessly);
    weir_get(s, "/raise", raise_flag);
    weir_get(s, "/write/{how}/{rounds}", write_and_wait);
    weir_post(s, "/write/{how}/{rounds}", write_and_wait);
    weir_get(s, "/journal", show_journal);
}

int main(int argc, char **argv)
{
    struct site site = {.root = argc > 1 ? argv[1] : "."};
    if (pipe2(site.pipe, O_NONBLOCK | O_CLOEXEC) != 0)
        return 1;
    weir_server *s = weir_server_new(&(weir_config){
        .port = WEIR_ANY,
        .workers = 1,
        .log_level = WEIR_OFF,
        .write_timeout_ms = 2000,
        .half_close = argc > 2 && strcmp(argv[2], "half_close") == 0 ? WEIR_ON : 0,
        .server_data = &site,
    });
    add_routes(s);
    int status = serve(s);
    close(site.pipe[0]);
    close(site.pipe[1]);
    return status;
}
