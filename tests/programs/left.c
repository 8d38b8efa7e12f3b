/*
 * A server whose handlers leave duplexes behind (http/duplex.h): /ticks/{n} is followed by n lines, one every 20 ms,
 * and an end; /flood by the same 64 KiB for as long as they are taken; /echo, by HTTP/2 with a body that has not ended,
 * by what the client sends, until it ends its side; /socket/{n}, an upgrade to "echo" (http/upgrade.h), reads and
 * sends back n bytes before it leaves one; /alive says how many of them there are. Arguments: unsteady=SEED
 * for the transport of that name, write_timeout_ms=...
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/duplex.h"
#include "serving.h"
#include "unsteady.h"
#include "web/context.h"

#include <stdlib.h>
#include <string.h>

#define TICK_MS 20

struct left {
    struct duplex duplex;
    char text[64 * 1024]; /* text[sent..len) waits */
    size_t sent, len;
    int tick, ticks; /* < 0: without end */
    bool echoes, over;
};

static _Atomic int alive;

static struct left *left_of(struct duplex *d)
{
    return container_of(d, struct left, duplex);
}

static void left_free(struct left *l)
{
    free(l);
    atomic_fetch_sub(&alive, 1);
}

/* Puts text behind what waits; as a chunk where that is needed. */
static void left_say(struct left *l, const char *text, size_t len)
{
    if (l->sent == l->len)
        l->sent = l->len = 0;
    int room = (int)(sizeof l->text - l->len);
    if (duplex_is_chunked(&l->duplex))
        l->len += (size_t)snprintf(l->text + l->len, (size_t)room, "%zx\r\n%.*s\r\n", len, (int)len, text);
    else
        l->len += (size_t)snprintf(l->text + l->len, (size_t)room, "%.*s", (int)len, text);
}

static void left_tick(struct http *http, struct left *l)
{
    char line[32];
    int len = snprintf(line, sizeof line, "tick %d\n", l->tick);
    left_say(l, line, (size_t)len);
    l->over = ++l->tick == l->ticks;
    if (!l->over)
        duplex_time(http, &l->duplex, TICK_MS);
    duplex_send(http, &l->duplex);
}

static void left_begun(struct http *http, struct duplex *d, const char *data, size_t len)
{
    struct left *l = left_of(d);
    if (len > 0)
        left_say(l, data, len);
    if (l->ticks > 0)
        duplex_time(http, d, TICK_MS);
    if (l->ticks < 0) {
        memset(l->text, 'x', sizeof l->text);
        l->len = sizeof l->text;
    }
}

static void left_run(struct http *http, struct duplex *d)
{
    struct left *l = left_of(d);
    char buf[1024];
    ssize_t got = 1;
    while (l->len < sizeof l->text / 2 && (got = duplex_read(http, d, buf, sizeof buf)) > 0) {
        if (!l->echoes)
            continue;
        left_say(l, buf, (size_t)got);
        duplex_send(http, d);
    }
    l->over = l->over || (got == 0 && l->echoes);
    if (!l->over || l->sent < l->len || !duplex_is_there(d))
        return;
    duplex_close(http, d, true);
    left_free(l);
}

static int left_peek(struct http *http, struct duplex *d, struct iovec *parts, int most)
{
    struct left *l = left_of(d);
    (void)http;
    (void)most;
    if (l->sent == l->len)
        return 0;
    parts[0] = (struct iovec){.iov_base = l->text + l->sent, .iov_len = l->len - l->sent};
    return 1;
}

static void left_took(struct http *http, struct duplex *d, size_t n)
{
    struct left *l = left_of(d);
    (void)http;
    l->sent += n;
    if (l->ticks < 0)
        l->sent %= l->len;
}

static void left_sent(struct http *http, struct duplex *d)
{
    struct left *l = left_of(d);
    l->sent = l->len = 0;
    if (l->echoes)
        duplex_queue(http, d); /* what it left unread for want of room */
    if (!l->over)
        return;
    duplex_close(http, d, true);
    left_free(l);
}

static void left_look(struct http *http, struct duplex *d)
{
    struct left *l = left_of(d);
    if (l->ticks > 0 && !l->over)
        left_tick(http, l);
    else
        duplex_time(http, d, 1000);
}

static void left_resumed(struct http *http, struct duplex *d)
{
    duplex_time(http, d, TICK_MS);
}

static void left_drain(struct http *http, struct duplex *d)
{
    struct left *l = left_of(d);
    duplex_close(http, d, true);
    left_free(l);
}

static void left_lost(struct http *http, struct duplex *d, int error)
{
    (void)http;
    (void)d;
    (void)error;
}

static void left_ended(struct http *http, struct duplex *d)
{
    (void)http;
    left_free(left_of(d));
}

static const struct duplex_user left_user = {
    .begun = left_begun,
    .run = left_run,
    .peek = left_peek,
    .took = left_took,
    .sent = left_sent,
    .look = left_look,
    .resumed = left_resumed,
    .drain = left_drain,
    .lost = left_lost,
    .ended = left_ended,
};

static struct left *left_new(weir_ctx *c, int ticks, bool echoes)
{
    struct left *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->ticks = ticks;
    l->echoes = echoes;
    atomic_fetch_add(&alive, 1);
    exchange_leave(c->x, &l->duplex, &left_user);
    return l;
}

static void ticks(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "text/plain");
    weir_write(c, "begin\n", 6);
    left_new(c, (int)strtol(weir_param(c, "n"), NULL, 10), false);
}

static void flood(weir_ctx *c)
{
    left_new(c, -1, false);
}

static void echo(weir_ctx *c)
{
    left_new(c, 0, true);
}

/* A handler that speaks for a while, and leaves what it has not read. */
static void socket_echo(weir_ctx *c)
{
    char byte;
    long left = strtol(weir_param(c, "n"), NULL, 10);
    if (weir_upgrade(c, "echo") != 0)
        return;
    while (left-- > 0 && weir_read(c, &byte, 1) == 1)
        weir_write(c, &byte, 1);
    left_new(c, 0, true);
}

/* Leaves, and fails then. */
static void failing(weir_ctx *c)
{
    left_new(c, 1, false);
    weir_fail(c, 500, "after all not");
}

static void count(weir_ctx *c)
{
    weir_printf(c, "%d", atomic_load(&alive));
}

int main(int argc, char **argv)
{
    weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .log_level = WEIR_OFF, .workers = 2};
    unsigned seed = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "unsteady=", 9) == 0)
            seed = (unsigned)strtoul(argv[i] + 9, NULL, 10);
        else if (strncmp(argv[i], "write_timeout_ms=", 17) == 0)
            config.write_timeout_ms = (int)strtol(argv[i] + 17, NULL, 10);
        else
            abort();
    }
    weir_server *s = weir_server_new(&config);
    if (seed > 0)
        unsteady_install(s, seed);
    weir_get(s, "/ticks/{n}", ticks);
    weir_get(s, "/flood", flood);
    weir_post(s, "/echo", echo);
    weir_route(s, WEIR_UPGRADE, "/socket/{n}", socket_echo);
    weir_get(s, "/failing", failing);
    weir_get(s, "/alive", count);
    return serve(s);
}
