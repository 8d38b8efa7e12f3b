/*
 * A server for the wire tests of other services: handlers that wait for descriptors, dial, read and write, and keep
 * connections over requests and workers. `outgoing [WORKERS] [NAMESERVERS]`; what they find is their reply.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT 8

/* The server's data. */
struct site {
    pthread_mutex_t lock;
    weir_conn *kept[KEPT]; /* over requests, by lock */
    int pair[2];
    weir_fd *watched; /* pair[0]; of one worker's tests */
    int told;         /* what a task has come to, by lock; 0: nothing yet */
};

static const char *text(weir_ctx *c, const char *name)
{
    const char *value = weir_query(c, name);
    return value && *value ? value : NULL;
}

static int number(weir_ctx *c, const char *name, int otherwise)
{
    const char *value = text(c, name);
    return value ? (int)strtol(value, NULL, 10) : otherwise;
}

/* ---- Dialling, by what the query says */

static int dial(weir_ctx *c, weir_conn **conn, char *why, size_t why_size)
{
    return weir_dial(c, text(c, "to") ? text(c, "to") : "", conn,
                     &(weir_dial_options){
                         .timeout_ms = number(c, "within", 0),
                         .until_end = number(c, "until_end", 0),
                         .server_name = text(c, "name"),
                         .ca_file = text(c, "ca"),
                         .verify = number(c, "verify", 0),
                         .alpn = text(c, "alpn"),
                         .certificate = text(c, "certificate"),
                         .key = text(c, "key"),
                         .why = why,
                         .why_size = why_size,
                     });
}

/* Says a line and reads the answer: "RESULT|ANSWER|WHY|ALPN". */
static void ask(weir_ctx *c)
{
    char why[256], answer[256] = "", alpn[64] = "";
    weir_conn *conn;
    weir_conn_tls_info info = {0};
    int error = dial(c, &conn, why, sizeof(why));
    if (!error) {
        const char *line = text(c, "say") ? text(c, "say") : "hello";
        if (weir_conn_tls(conn, &info))
            snprintf(alpn, sizeof(alpn), "%s", info.alpn ? info.alpn : "");
        error = weir_conn_write(c, conn, line, strlen(line), number(c, "patience", 0));
        if (!error)
            error = weir_conn_write(c, conn, "\n", 1, number(c, "patience", 0));
        if (!error) {
            ssize_t got = weir_conn_read(c, conn, answer, sizeof(answer) - 1, number(c, "patience", 0));
            error = got < 0 ? (int)got : 0;
            answer[got > 0 ? got : 0] = '\0';
        }
        if (!number(c, "leave", 0))
            weir_conn_close(c, conn);
    }
    weir_reply_printf(c, "text/plain", "%d|%s|%s|%s", error, answer, why, alpn);
}

/* Reads to the end: "RESULT BYTES". */
static void read_all(weir_ctx *c)
{
    char why[256];
    static _Thread_local char piece[1 << 14];
    weir_conn *conn;
    int64_t bytes = 0;
    ssize_t got = dial(c, &conn, why, sizeof(why));
    if (got == 0) {
        while ((got = weir_conn_read(c, conn, piece, sizeof(piece), number(c, "patience", 0))) > 0)
            bytes += got;
        weir_conn_close(c, conn);
    }
    weir_reply_printf(c, "text/plain", "%zd %lld", got, (long long)bytes);
}

/* Writes so many bytes, ends this side, and reads how many have come: "RESULT ANSWER". */
static void write_many(weir_ctx *c)
{
    char why[256], answer[64] = "";
    weir_conn *conn;
    int error = dial(c, &conn, why, sizeof(why));
    if (!error) {
        size_t size = (size_t)number(c, "size", 1 << 20);
        char *data = calloc(1, size);
        error = data ? weir_conn_write(c, conn, data, size, number(c, "patience", 0)) : WEIR_ENOMEM;
        free(data);
        if (!error)
            error = weir_conn_shutdown(c, conn, 0);
        ssize_t got = error ? 0 : weir_conn_read(c, conn, answer, sizeof(answer) - 1, 0);
        if (got < 0)
            error = (int)got;
        weir_conn_close(c, conn);
    }
    weir_reply_printf(c, "text/plain", "%d %s", error, answer);
}

/* A request's own deadline ends whatever it waits for. */
static void ask_within(weir_ctx *c)
{
    weir_set_header(c, "X-Begun", "yes");
    ask(c);
}

/* In a task, which has no request, and with a deadline: what comes of it is read at /told. */
static int dial_in_task(weir_ctx *c, void *arg)
{
    struct site *site = weir_server_data(c);
    weir_conn *conn;
    char why[256];
    const char *to = arg;
    int error =
        weir_dial(c, to, &conn, &(weir_dial_options){.until_end = WEIR_ON, .why = why, .why_size = sizeof(why)});
    if (!error)
        error = weir_conn_write(c, conn, "task\n", 5, 0);
    if (!error)
        error = (int)weir_conn_read(c, conn, why, sizeof(why), 0);
    pthread_mutex_lock(&site->lock);
    site->told = error;
    pthread_mutex_unlock(&site->lock);
    return 0;
}

static void begin_task(weir_ctx *c)
{
    static char to[256];
    snprintf(to, sizeof(to), "%s", text(c, "to"));
    weir_reply_printf(
        c, "text/plain", "%d",
        weir_spawn(weir_ctx_server(c), dial_in_task, to, &(weir_task_options){.timeout_ms = number(c, "deadline", 0)}));
}

static void show_told(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    pthread_mutex_lock(&site->lock);
    int told = site->told;
    site->told = 0;
    pthread_mutex_unlock(&site->lock);
    weir_reply_printf(c, "text/plain", "%d", told);
}

/* A dial that has no time of its own, within the request's deadline: "FIRST AGAIN". */
static void dial_within(weir_ctx *c)
{
    weir_conn *conn;
    weir_set_deadline(c, number(c, "deadline", 100));
    int first = weir_dial(c, text(c, "to"), &conn, NULL);
    int again = weir_dial(c, text(c, "to"), &conn, NULL);
    weir_reply_printf(c, "text/plain", "%d %d", first, again);
}

/* ---- Connections that are kept */

static weir_conn *take_kept(struct site *site, int i)
{
    pthread_mutex_lock(&site->lock);
    weir_conn *conn = site->kept[i];
    site->kept[i] = NULL;
    pthread_mutex_unlock(&site->lock);
    return conn;
}

/* Says a line over the connection of that number, whichever worker it was last used on: "RESULT|ANSWER|NEW|WORKER". */
static void ask_kept(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    int i = number(c, "kept", 0) % KEPT, error = 0;
    char why[256], answer[256] = "";
    weir_conn *conn = take_kept(site, i);
    bool idle = conn && weir_conn_is_idle(conn);
    if (!idle) {
        weir_conn_close(c, conn);
        conn = NULL;
        error = dial(c, &conn, why, sizeof(why));
    }
    if (!error)
        error = weir_conn_write(c, conn, "hello\n", 6, 10000);
    if (!error) {
        ssize_t got = weir_conn_read(c, conn, answer, sizeof(answer) - 1, 10000);
        error = got < 0 ? (int)got : 0;
        answer[got > 0 ? got : 0] = '\0';
    }
    pthread_mutex_lock(&site->lock);
    weir_conn *other = site->kept[i];
    site->kept[i] = conn;
    pthread_mutex_unlock(&site->lock);
    weir_conn_close(c, other);
    weir_reply_printf(c, "text/plain", "%d|%s|%d|%d", error, answer, !idle, weir_worker_index(c));
}

static void close_kept(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    for (int i = 0; i < KEPT; i++)
        weir_conn_close(c, take_kept(site, i));
    weir_reply_text(c, "closed");
}

/* ---- Descriptors */

static weir_fd *watched(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    pthread_mutex_lock(&site->lock);
    if (!site->watched)
        site->watched = weir_fd_new(c, site->pair[0]);
    pthread_mutex_unlock(&site->lock);
    return site->watched;
}

/* A byte there and back, as a query of a database is, so many times. */
static void round_trips(weir_ctx *c)
{
    struct site *site = weir_server_data(c);
    char byte = 'q';
    int good = 0;
    for (int i = number(c, "times", 1); i > 0; i--) {
        if (write(site->pair[0], &byte, 1) != 1 || read(site->pair[1], &byte, 1) != 1 ||
            write(site->pair[1], &byte, 1) != 1)
            break;
        if (weir_fd_wait(c, watched(c), WEIR_READABLE, 10000) != WEIR_READABLE || read(site->pair[0], &byte, 1) != 1)
            break;
        good++;
    }
    weir_reply_printf(c, "text/plain", "%d", good);
}

/* Several at once, of which the one in the query gets a byte: "RESULT READY..." */
static void wait_any(weir_ctx *c)
{
    enum { PAIRS = 5 };
    int pairs[PAIRS][2];
    weir_fd_want wants[PAIRS + 1] = {{0}};
    char ready[PAIRS + 1] = "";
    for (int i = 0; i < PAIRS; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pairs[i]) != 0)
            abort();
        wants[i] = (weir_fd_want){.f = weir_fd_new(c, pairs[i][0]), .events = WEIR_READABLE};
    }
    for (const char *at = text(c, "ready"); at && *at; at++)
        if (write(pairs[*at - '0'][1], "x", 1) != 1)
            abort();
    int result = weir_fd_wait_any(c, wants, PAIRS + 1, number(c, "ms", 10000));
    for (int i = 0; i < PAIRS; i++)
        ready[i] = wants[i].ready ? '1' : '0';
    for (int i = 0; i < PAIRS; i++) {
        weir_fd_free(wants[i].f);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    weir_reply_printf(c, "text/plain", "%d %s", result, ready);
}

/* What is refused. */
static void wrong(weir_ctx *c)
{
    weir_conn *conn = NULL;
    weir_fd_want nothing = {0};
    weir_fd_free(NULL);
    weir_conn_close(c, NULL);
    weir_reply_printf(c, "text/plain", "%d %d %d %d %d %d %d %d %d %d", weir_fd_new(c, -1) != NULL,
                      weir_fd_wait(c, NULL, WEIR_READABLE, 1), weir_fd_wait(c, watched(c), 0, 1),
                      weir_fd_wait(c, watched(c), 4, 1), weir_fd_wait(c, watched(c), WEIR_READABLE, -1),
                      weir_fd_wait_any(c, &nothing, 1, 0), weir_fd_wait_any(c, &nothing, 1, 1),
                      weir_dial(c, NULL, &conn, NULL), weir_conn_fd(NULL), weir_fd_number(NULL));
}

int main(int argc, char **argv)
{
    struct site site = {.lock = PTHREAD_MUTEX_INITIALIZER};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, site.pair) != 0)
        return 1;
    weir_server *s = weir_server_new(&(weir_config){
        .port = WEIR_ANY,
        .workers = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1,
        .nameservers = argc > 2 ? argv[2] : NULL,
        .log_level = WEIR_LOG_WARN,
        .stop_timeout_ms = 1000,
        .server_data = &site,
    });
    weir_get(s, "/ask", ask);
    weir_group *hasty = weir_group_new(s, NULL, "/hasty", NULL);
    weir_group_set(hasty, &(weir_group_settings){.handler_timeout_ms = 400});
    weir_group_route(hasty, "GET", "/ask", ask_within, NULL);
    weir_get(s, "/read", read_all);
    weir_get(s, "/write", write_many);
    weir_get(s, "/within", dial_within);
    weir_get(s, "/task", begin_task);
    weir_get(s, "/told", show_told);
    weir_get(s, "/kept", ask_kept);
    weir_get(s, "/close", close_kept);
    weir_get(s, "/round-trips", round_trips);
    weir_get(s, "/any", wait_any);
    weir_get(s, "/wrong", wrong);
    weir_server_admin(s, "/ledger", NULL);
    int status = serving_start(s) && serving_run(s) ? 0 : 1;
    weir_fd_free(site.watched);
    weir_server_free(s);
    close(site.pair[0]);
    close(site.pair[1]);
    return status;
}
