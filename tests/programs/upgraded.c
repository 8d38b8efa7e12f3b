/*
 * A server whose handlers go on after an upgrade, for the wire tests: `upgraded SETTING=VALUE ...`. Settings are
 * members of weir_config by name; certificate and key add a TLS listener. One worker.
 *
 *   /echo    sends back what comes, until the client ends its side, and then "end\n"
 *   /first   says "hello\n" first, and then as /echo
 *   /timed   as /echo; each time that nothing has come for 50 ms it says "tick\n"
 *   /count   reads all, and then says how many bytes there were
 *   /deny    response middleware makes 403 of it
 *   /back    response middleware adds X-Middleware, and compresses
 *   /nudged  as /echo, and says "nudged\n" when somebody asks for /nudge
 *   /relay   sends what comes over a pair of sockets and back; there it says "tick", and at last "0 end"
 *   /stop    as /echo; when the server stops it says "stopping\n" and ends
 *   /own     answers an upgrade that cannot be with a page of its own
 *   /get, /any  are for GET and for any method, and reply "got\n"
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/upgrade.h"
#include "named.h"
#include "serving.h"
#include "web/context.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct exchange *waiting; /* for /nudge; there is one worker */

/* Sends back what comes; returns what ended that. */
static ssize_t send_back(weir_ctx *c)
{
    char buf[3000];
    ssize_t len;
    while ((len = weir_read(c, buf, sizeof buf)) > 0)
        if (weir_write(c, buf, (size_t)len) != 0)
            return WEIR_ECLOSED;
    return len;
}

static void echo(weir_ctx *c)
{
    weir_set_header(c, "X-Asked", weir_method(c));
    if (weir_upgrade(c, "echo") == 0 && send_back(c) == 0)
        weir_write(c, "end\n", 4);
}

static void first(weir_ctx *c)
{
    if (weir_upgrade(c, "echo") != 0)
        return;
    weir_write(c, "hello\n", 6);
    if (weir_flush(c) == 0)
        send_back(c);
}

static void timed(weir_ctx *c)
{
    if (weir_upgrade(c, "echo") != 0 || weir_read_timeout(c, 50) != 0)
        return;
    while (send_back(c) == WEIR_ETIMEDOUT)
        if (weir_write(c, "tick\n", 5) != 0)
            return;
}

static void count(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    long long bytes = 0;
    if (weir_upgrade(c, "echo") != 0)
        return;
    while ((len = weir_read_slice(c, &data)) > 0)
        bytes += len;
    weir_printf(c, "%lld\n", len < 0 ? (long long)len : bytes);
}

static void forget(void *arg)
{
    (void)arg;
    waiting = NULL;
}

static void nudged(weir_ctx *c)
{
    if (weir_upgrade(c, "echo") != 0 || weir_defer(c, forget, NULL) != 0)
        return;
    waiting = c->x;
    for (;;) {
        const char *data;
        ssize_t len = exchange_read_within(c->x, -1, &data);
        if (len <= 0 && len != EXCHANGE_NUDGED)
            return;
        if (len == EXCHANGE_NUDGED)
            weir_write(c, "nudged\n", 7);
        else
            weir_write(c, data, (size_t)len);
    }
}

static void nudge(weir_ctx *c)
{
    if (waiting)
        exchange_nudge(waiting);
    weir_reply_text(c, waiting ? "yes" : "no");
}

/* ---- A relay to a pair of sockets, whose other end says "tick" after a moment, and what the client sends */

static int tick(weir_ctx *c, void *arg)
{
    const int *end = arg;
    int error = weir_sleep(c, 50);
    return error ? error : write(*end, "tick", 4) == 4 ? 0 : WEIR_ESYS;
}

static void close_pair(void *arg)
{
    const int *pair = arg;
    close(pair[0]);
    close(pair[1]);
}

static void free_descriptor(void *arg)
{
    weir_fd_free(arg);
}

static void relay(weir_ctx *c)
{
    char answer[256];
    const void *data;
    size_t len;
    int *pair = weir_alloc(c, 2 * sizeof(int));
    if (!pair || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return;
    weir_defer(c, close_pair, pair);
    weir_fd *f = weir_fd_new(c, pair[0]);
    weir_defer(c, free_descriptor, f);
    if (weir_read_or_wait(c, f, WEIR_READABLE, &data, &len, 0) != WEIR_EINVAL || weir_upgrade(c, "echo") != 0)
        return;
    if (weir_read_or_wait(c, f, WEIR_READABLE, &data, &len, 20) == WEIR_ETIMEDOUT)
        weir_printf(c, "late ");
    weir_work work = {tick, &pair[1], 0};
    int ready = weir_group_run(c, &work, 1, NULL);
    while (ready >= 0) {
        ready = weir_read_or_wait(c, f, WEIR_READABLE, &data, &len, 0);
        if (ready == 0 && len == 0)
            break;
        if (ready == 0 && write(pair[1], data, len) < 0)
            return;
        ssize_t got = ready > 0 ? read(pair[0], answer, sizeof answer) : 0;
        if (got > 0)
            weir_write(c, answer, (size_t)got);
    }
    weir_printf(c, "%d end", ready);
}

static void stop(weir_ctx *c)
{
    if (weir_upgrade(c, "echo") != 0)
        return;
    if (send_back(c) == WEIR_ECANCELED && weir_stopping(c))
        weir_write(c, "stopping\n", 9);
}

static void own(weir_ctx *c)
{
    int error = weir_upgrade(c, "echo");
    if (error)
        weir_fail(c, error == WEIR_EUPGRADE ? 426 : 400, "%s", weir_strerror(error));
}

static void got(weir_ctx *c)
{
    weir_reply_text(c, "got\n");
}

static void deny(weir_ctx *c)
{
    weir_set_status(c, 403);
}

static void mark(weir_ctx *c)
{
    weir_set_header(c, "X-Middleware", "yes");
    weir_set_header(c, "Content-Type", "text/plain");
}

static void routes(weir_server *s)
{
    weir_group *denied = weir_group_new(s, NULL, "/deny", NULL), *back = weir_group_new(s, NULL, "/back", NULL);
    weir_on_response(denied, deny);
    weir_group_route(denied, WEIR_UPGRADE, "", echo, NULL);
    weir_on_response(back, mark);
    weir_group_compress(back, &(weir_compress_config){.min_size = 1, .types = "*"});
    weir_group_route(back, WEIR_UPGRADE, "", echo, NULL);
    weir_route(s, WEIR_UPGRADE, "/echo", echo);
    weir_route(s, WEIR_UPGRADE, "/first", first);
    weir_route(s, WEIR_UPGRADE, "/timed", timed);
    weir_route(s, WEIR_UPGRADE, "/count", count);
    weir_route(s, WEIR_UPGRADE, "/nudged", nudged);
    weir_route(s, WEIR_UPGRADE, "/relay", relay);
    weir_route(s, WEIR_UPGRADE, "/stop", stop);
    weir_route(s, WEIR_UPGRADE, "/own", own);
    weir_post(s, "/echo", echo);
    weir_get(s, "/nudge", nudge);
    weir_get(s, "/get", got);
    weir_any(s, "/any", got);
}

int main(int argc, char **argv)
{
    const weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .log_level = WEIR_OFF, .workers = 1};
    weir_server *s = named_server(config, argc, argv);
    routes(s);
    return serve(s);
}
