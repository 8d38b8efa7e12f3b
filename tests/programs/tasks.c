/*
 * A server for the wire tests of tasks, groups of work, deadlines and clean-up that waits. `tasks [WORKERS]` serves;
 * what its handlers and tasks note is read at /journal.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECES 200

struct site {
    pthread_mutex_t lock;
    char journal[4096];
    int running, peak; /* pieces at once */
    int ticks;
    bool gate; /* open: who waits for it goes on */
};

static struct site site = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(const char *fmt, int number)
{
    char text[64];
    snprintf(text, sizeof text, fmt, number);
    pthread_mutex_lock(&site.lock);
    size_t len = strlen(site.journal);
    snprintf(site.journal + len, sizeof site.journal - len, "%s%s", len ? " " : "", text);
    pthread_mutex_unlock(&site.lock);
}

static void show_journal(weir_ctx *c)
{
    char text[sizeof site.journal];
    pthread_mutex_lock(&site.lock);
    memcpy(text, site.journal, sizeof text);
    site.journal[0] = '\0';
    pthread_mutex_unlock(&site.lock);
    weir_reply_text(c, text);
}

static int number(weir_ctx *c, const char *name, int otherwise)
{
    int64_t value = otherwise;
    (void)weir_query_int(c, name, -1000000, 10000000, &value);
    return (int)value;
}

static bool gate_is_open(void)
{
    pthread_mutex_lock(&site.lock);
    bool open = site.gate;
    pthread_mutex_unlock(&site.lock);
    return open;
}

static void set_gate(weir_ctx *c)
{
    pthread_mutex_lock(&site.lock);
    site.gate = weir_query(c, "open") != NULL;
    pthread_mutex_unlock(&site.lock);
    weir_reply_text(c, "");
}

/* ---- Groups */

/* A piece is there, or has gone. */
static void count_piece(int more)
{
    pthread_mutex_lock(&site.lock);
    site.running += more;
    if (site.running > site.peak)
        site.peak = site.running;
    pthread_mutex_unlock(&site.lock);
}

static void piece_over(void *arg)
{
    (void)arg;
    count_piece(-1);
}

struct piece {
    int ms, result;
    char how; /* 'f': ends by weir_fail(); 'n': a group of its own; 'w': waits again and again; else: returns */
};

static int run_piece(weir_ctx *c, void *arg);

static int run_nested(weir_ctx *c, const struct piece *p)
{
    struct piece inner[2] = {{.ms = p->ms}, {.ms = p->ms, .result = p->result}};
    weir_work works[2] = {{run_piece, &inner[0], 0}, {run_piece, &inner[1], 0}};
    return weir_group_run(c, works, 2, NULL);
}

static int run_piece(weir_ctx *c, void *arg)
{
    const struct piece *p = arg;
    count_piece(1);
    weir_defer(c, piece_over, NULL);
    if (p->how == 'n')
        return run_nested(c, p);
    int told = weir_sleep(c, p->ms);
    if (p->how == 'w')
        note("again:%d", weir_sleep(c, 60000));
    if (p->how == 'f')
        weir_fail(c, 500, "asked for");
    return told ? told : p->result;
}

/* /group?count=&ms=&bad=&result=&how=: the piece `bad` has that result, or ends in that way; the others sleep. */
static void group(weir_ctx *c)
{
    static struct piece pieces[PIECES]; /* one request at a time */
    static weir_work works[PIECES];
    int count = number(c, "count", 3), bad = number(c, "bad", -1);
    const char *how = weir_query(c, "how");
    for (int i = 0; i < count; i++) {
        pieces[i] = (struct piece){.ms = number(c, "ms", 50)};
        works[i] = (weir_work){run_piece, &pieces[i], 0};
    }
    if (bad >= 0)
        pieces[bad] = (struct piece){.ms = 1, .result = number(c, "result", 0), .how = how ? *how : ' '};
    site.peak = 0;
    int result = weir_group_run(c, works, (size_t)count,
                                &(weir_group_options){.timeout_ms = number(c, "timeout", 0),
                                                      .at_once = number(c, "at_once", 0),
                                                      .keep_on = weir_query(c, "keep_on") ? WEIR_ON : WEIR_OFF});
    note("group:%d", result);
    note("running:%d", site.running);
    weir_printf(c, "%d peak %d:", result, site.peak);
    for (int i = 0; i < count; i++)
        weir_printf(c, " %d", works[i].result);
}

/* A piece that asks for what a handler has. */
static int look_around(weir_ctx *c, void *arg)
{
    char byte, text[200];
    snprintf(text, sizeof text, "[%s][%s][%s][%s] %zd %d %d %d", weir_method(c), weir_path(c), weir_route_pattern(c),
             weir_peer(c), weir_read(c, &byte, 1), weir_write(c, "x", 1), weir_reply_text(c, "x"),
             weir_set_header(c, "A", "b"));
    snprintf(arg, 200, "%s", text);
    return weir_alloc(c, 1000) ? 7 : WEIR_ENOMEM;
}

static void look(weir_ctx *c)
{
    char text[200];
    weir_work work = {look_around, text, 0};
    int result = weir_group_run(c, &work, 1, NULL);
    weir_reply_printf(c, "text/plain", "%d %d %s", result, work.result, text);
}

/* ---- Deadlines */

static void deadline(weir_ctx *c)
{
    int left = (int)weir_time_left(c), ms = number(c, "ms", 0);
    if (ms != 0)
        weir_set_deadline(c, ms);
    if (weir_query(c, "none"))
        weir_set_deadline(c, WEIR_OFF);
    int first = weir_sleep(c, number(c, "sleep", 60000));
    if (weir_query(c, "silent"))
        return;
    int second = weir_sleep(c, 1), third = weir_await_fd(c, STDIN_FILENO, WEIR_READABLE, 1);
    weir_reply_printf(c, "text/plain", "%d: %d %d %d %d", left, first, second, third, (int)weir_time_left(c));
}

/* A deadline within the reading of a body. */
static void read_slowly(weir_ctx *c)
{
    char buf[64];
    ssize_t n;
    weir_set_deadline(c, number(c, "ms", 100));
    while ((n = weir_read(c, buf, sizeof buf)) > 0)
        ;
    weir_reply_printf(c, "text/plain", "read:%zd", n);
}

static void write_late(weir_ctx *c)
{
    static const char zeros[1 << 16];
    int error;
    weir_set_deadline(c, number(c, "ms", 100));
    while ((error = weir_write(c, zeros, sizeof zeros)) == 0)
        ;
    note("write:%d", error);
}

/* ---- Clean-up */

static void clean_up(weir_ctx *c, void *arg)
{
    (void)arg;
    note("cleaning:%d", (int)(weir_time_left(c) > 0));
    note("first:%d", weir_sleep(c, 20));
    while (weir_query(c, "forever") && !gate_is_open()) {
        int told = weir_sleep(c, 20);
        if (told) {
            note("ended:%d", told);
            break;
        }
    }
    note("cleaned:%d", 0);
}

static void plain_clean_up(void *arg)
{
    (void)arg;
    note("plain:%d", 0);
}

/* /clean-up?how=: ends in that way, with clean-up. */
static void end_with_clean_up(weir_ctx *c)
{
    const char *how = weir_query(c, "how");
    weir_defer(c, plain_clean_up, NULL);
    weir_defer_wait(c, clean_up, NULL, number(c, "ms", 30000));
    note("begun:%d", 0);
    if (strcmp(how, "fail") == 0)
        weir_fail(c, 503, "asked for");
    if (strcmp(how, "wait") == 0)
        while (!gate_is_open())
            (void)weir_sleep(c, 10);
    if (strcmp(how, "late") == 0) {
        weir_set_deadline(c, 20);
        note("late:%d", weir_sleep(c, 60000));
    }
    weir_reply_text(c, "done");
}

static void fail_in_clean_up(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_fail(c, 500, "too late");
}

static void fail_late(weir_ctx *c)
{
    weir_defer_wait(c, fail_in_clean_up, NULL, 1000);
    weir_reply_text(c, "done");
}

/* ---- Tasks in the background */

static void released(void *arg)
{
    note("released:%d", (int)(intptr_t)arg);
}

static int run_briefly(weir_ctx *c, void *arg)
{
    note("ran:%d", (int)(intptr_t)arg);
    return weir_sleep(c, 1);
}

/* Waits until the server stops, and then for a little longer. */
static int run_until_stop(weir_ctx *c, void *arg)
{
    (void)arg;
    note("waiting:%d", 0);
    int told = weir_sleep(c, 3600000);
    bool stopping = weir_stopping(c);
    int again = weir_sleep(c, 50);
    printf("told %d stopping %d again %d\n", told, stopping, again);
    fflush(stdout);
    return told;
}

static void say_cut(weir_ctx *c, void *arg)
{
    (void)arg;
    printf("cut, cleaning %d\n", weir_sleep(c, 10));
    fflush(stdout);
}

/* Waits whatever it is told. */
static int run_stubbornly(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_defer_wait(c, say_cut, NULL, 1000);
    while (!gate_is_open())
        (void)weir_sleep(c, 20);
    return 0;
}

static int run_into_failure(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_defer(c, plain_clean_up, NULL);
    weir_fail(c, 500, "asked for");
    return 0;
}

static int run_late(weir_ctx *c, void *arg)
{
    (void)arg;
    note("late:%d", weir_sleep(c, 60000));
    return 0;
}

static void spawn(weir_ctx *c)
{
    static const struct {
        const char *name;
        weir_task_fn fn;
    } kinds[] = {{"brief", run_briefly},
                 {"until-stop", run_until_stop},
                 {"stubborn", run_stubbornly},
                 {"failing", run_into_failure},
                 {"late", run_late}};
    const char *kind = weir_param(c, "kind");
    int error = WEIR_ENOENT;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            error = weir_spawn(weir_ctx_server(c), kinds[i].fn, (void *)(intptr_t)number(c, "number", 0),
                               &(weir_task_options){.name = kind,
                                                    .timeout_ms = number(c, "timeout", 0),
                                                    .worker = number(c, "worker", 0),
                                                    .release = weir_query(c, "release") ? released : NULL});
    weir_reply_printf(c, "text/plain", "%d", error);
}

static int tick(weir_ctx *c, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&site.lock);
    int ticks = ++site.ticks;
    pthread_mutex_unlock(&site.lock);
    if (ticks == 3)
        weir_sleep(c, 100); /* so that some are missed */
    return ticks == 10 ? WEIR_EDONE : 0;
}

static void show_ticks(weir_ctx *c)
{
    pthread_mutex_lock(&site.lock);
    int ticks = site.ticks;
    pthread_mutex_unlock(&site.lock);
    weir_reply_printf(c, "text/plain", "%d", ticks);
}

static void pass(weir_ctx *c)
{
    weir_reply_text(c, "");
}

static void add_routes(weir_server *s)
{
    weir_get(s, "/", pass);
    weir_get(s, "/journal", show_journal);
    weir_get(s, "/gate", set_gate);
    weir_get(s, "/group", group);
    weir_get(s, "/look", look);
    weir_get(s, "/deadline", deadline);
    weir_post(s, "/read", read_slowly);
    weir_get(s, "/write", write_late);
    weir_get(s, "/clean-up", end_with_clean_up);
    weir_get(s, "/fail-late", fail_late);
    weir_get(s, "/spawn/{kind}", spawn);
    weir_get(s, "/ticks", show_ticks);
    weir_get(s, "/ledger.json", weir_ledger_json);
    weir_get(s, "/metrics", weir_ledger_metrics);
    weir_group *timed = weir_group_new(s, NULL, "/timed", NULL);
    weir_group_set(timed, &(weir_group_settings){.deadline_ms = 60000, .deadline_header = "Timeout-Ms"});
    weir_group_route(timed, "GET", "/deadline", deadline, NULL);
    weir_group *ended = weir_group_new(s, NULL, "/ended", NULL);
    weir_group_set(ended, &(weir_group_settings){.handler_timeout_ms = 50});
    weir_group_route(ended, "GET", "/clean-up", end_with_clean_up, NULL);
    weir_group_route(ended, "GET", "/group", group, NULL);
}

int main(int argc, char **argv)
{
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY,
                                                    .workers = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1,
                                                    .memory_limit = argc > 2 ? strtoul(argv[2], NULL, 10) : 0,
                                                    .max_tasks = 20,
                                                    .stop_timeout_ms = 1000,
                                                    .log_level = WEIR_LOG_WARN});
    add_routes(s);
    weir_spawn(s, run_briefly, (void *)(intptr_t)77, &(weir_task_options){.name = "before the start"});
    weir_every(s, 10, tick, NULL, &(weir_task_options){.name = "ticks", .release = released});
    return serve(s);
}
