/*
 * Servers within a program, for the wire tests: two in one process, one on listeners of every kind, and one of which
 * everything is registered wrongly. Each mode makes its calls, prints what they returned and serves until SIGTERM.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

struct site {
    const char *name;
    weir_server *server, *other;
};

/* ---- Handlers */

static void show_ledger(weir_ctx *c)
{
    weir_ledger ledger;
    weir_ledger_read(weir_ctx_server(c), &ledger);
    weir_reply_printf(c, NULL, "%" PRIu64 " %" PRIu64, ledger.requests, ledger.accepted);
}

static void say_name(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_reply_printf(c, NULL, "%s %d", site->name, weir_worker_index(c));
}

/* From a handler: its own server, or the other from its thread. */
static void stop_server(weir_ctx *c)
{
    const struct site *site = weir_server_data(c);
    weir_server_stop(weir_query(c, "other") ? site->other : weir_ctx_server(c));
    weir_reply_text(c, "stopping");
}

static void show_ends(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%s %s", weir_peer(c), weir_local(c));
}

/* ---- Running */

static void await_signal(void)
{
    sigset_t signals;
    int signal;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigwait(&signals, &signal);
}

static void block_signal(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static int refused(weir_server *s, int error)
{
    fprintf(stderr, "%d %s\n%s", error, weir_strerror(error), weir_server_errors(s));
    weir_server_free(s);
    return 1;
}

static weir_server *small_server(struct site *site, const weir_config *config)
{
    weir_config full = *config;
    full.server_data = site;
    full.log_level = WEIR_OFF;
    site->server = weir_server_new(&full);
    weir_get(site->server, "/name", say_name);
    weir_get(site->server, "/ledger", show_ledger);
    weir_get(site->server, "/stop", stop_server);
    weir_get(site->server, "/ends", show_ends);
    return site->server;
}

static void *wait_for(void *arg)
{
    printf("second ended %d\n", weir_server_wait(arg));
    fflush(stdout);
    return NULL;
}

/* Two servers, a third that wants the first's port, and every call that is out of order. */
static int serve_two(void)
{
    struct site one = {.name = "one"}, two = {.name = "two"}, three = {.name = "three"};
    weir_server *first = small_server(&one, &(weir_config){.port = WEIR_ANY, .workers = 1});
    weir_server *second = small_server(&two, &(weir_config){.port = WEIR_ANY, .workers = 2});
    one.other = second;
    two.other = first;
    int early = weir_server_wait(first), start = weir_server_start(first), again = weir_server_start(first);
    int late_route = weir_get(first, "/late", say_name), start_second = weir_server_start(second);
    weir_server *third = small_server(&three, &(weir_config){.port = weir_server_port(first), .workers = 2});
    int busy = weir_server_start(third), busy_again = weir_server_start(third);
    weir_server_free(third);
    pthread_t waiter;
    if (pthread_create(&waiter, NULL, wait_for, second) != 0)
        return 1;
    printf("%d %d %d %d %d %d %d %d second=%d %d\nlistening on http://127.0.0.1:%d\n", early, start, again, late_route,
           start_second, busy, busy_again, weir_server_workers(first) + 1, weir_server_workers(second),
           weir_server_port(second), weir_server_port(first));
    fflush(stdout);
    await_signal();
    weir_server_stop(second);
    pthread_join(waiter, NULL);
    int wait_again = weir_server_wait(second), start_late = weir_server_start(second);
    weir_server_free(second);
    weir_server_free(first);
    return wait_again == 0 && start_late == WEIR_EINVAL ? 0 : 1;
}

/* One server on an address of its own, IPv6, a Unix socket, a descriptor that it was given, and a
 * further port of its own address. */
static int serve_listeners(const char *path, int fd, int port)
{
    struct site site = {.name = "listeners"};
    weir_server *s = small_server(
        &site, &(weir_config){.host = "127.0.0.2", .port = WEIR_ANY, .workers = 2, .shared_listener = WEIR_ON});
    weir_server_listen(s, &(weir_listen_config){.host = "::1", .port = WEIR_ANY});
    weir_server_listen(s, &(weir_listen_config){.host = path, .unix_mode = 0600});
    weir_server_listen(s, &(weir_listen_config){.fd = fd});
    weir_server_listen(s, &(weir_listen_config){.port = port});
    int error = weir_server_start(s);
    if (error)
        return refused(s, error);
    printf("listening on http://127.0.0.2:%d\n", weir_server_port(s));
    fflush(stdout);
    await_signal();
    weir_server_free(s);
    return fcntl(fd, F_GETFD) == -1 && errno == EBADF ? 0 : 1;
}

/* Wrong settings, routes, groups, middleware and listeners: all are told, and the start is refused. */
static int register_wrongly(void)
{
    weir_server *s = weir_server_new(&(weir_config){
        .port = 70000, .workers = -2, .http_buffer_size = 5, .max_headers = 5000, .log_level = WEIR_OFF});
    int results[] = {
        weir_get(s, "/good", show_ends),
        weir_get(s, "/good", show_ends),
        weir_get(s, "relative", show_ends),
        weir_get(s, "/a/{open", show_ends),
        weir_get(s, "/b/{x:(}", show_ends),
        weir_get(s, "/c/{x}/{x}", show_ends),
        weir_get(s, "/d/{}", show_ends),
        weir_get(s, "/e", NULL),
        weir_route(s, "B@D", "/f", show_ends),
        weir_on_request(weir_root(s), NULL),
        weir_server_listen(s, &(weir_listen_config){.host = "nowhere"}),
        weir_group_new(s, NULL, "no-slash", NULL) ? 0 : WEIR_EINVAL,
    };
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        printf("%d ", results[i]);
    printf("\nstart %d\n%s", weir_server_start(s), weir_server_errors(s));
    weir_server_free(s);
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    block_signal();
    if (strcmp(mode, "two") == 0)
        return serve_two();
    if (strcmp(mode, "listeners") == 0 && argc > 4)
        return serve_listeners(argv[2], (int)strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    if (strcmp(mode, "wrong") == 0)
        return register_wrongly();
    fprintf(stderr, "usage: embed two | listeners unix:PATH FD PORT | wrong\n");
    return 2;
}
