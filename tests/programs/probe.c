/*
 * A server for the wire tests, with what the tour does not have: handlers that loop for ever, wait, break off or reply
 * wrongly, and counts of how handlers ended. Its arguments are settings by their names in weir_config, such as
 * `probe workers=1 http_buffer_size=16384`, so that a test can give any of them any value; `listen=ADDRESS:PORT`,
 * `listen=unix:PATH` and `fd=N` add listeners; `root=DIR` is what /file/ serves.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What has become of the handlers that loop or sleep; shared by the workers. */
struct counts {
    atomic_int started;
    atomic_int ended;
    atomic_int turns;
    atomic_int last_error;
    atomic_int sent;
    atomic_int sent_error;
    atomic_ullong sent_bytes;
    const char *root; /* of /file/ */
};

struct setting {
    const char *name;
    size_t offset;
    enum { SETTING_TEXT, SETTING_INT, SETTING_SIZE, SETTING_INT64 } type;
};

#define SETTING(member, kind)                                                                                          \
    {                                                                                                                  \
#member, offsetof(weir_config, member), kind                                                                   \
    }

static const struct setting settings[] = {
    SETTING(host, SETTING_TEXT),
    SETTING(port, SETTING_INT),
    SETTING(backlog, SETTING_INT),
    SETTING(shared_listener, SETTING_INT),
    SETTING(workers, SETTING_INT),
    SETTING(offload_threads, SETTING_INT),
    SETTING(http_buffer_size, SETTING_SIZE),
    SETTING(ws_buffer_size, SETTING_SIZE),
    SETTING(stack_size, SETTING_SIZE),
    SETTING(request_memory, SETTING_SIZE),
    SETTING(memory_limit, SETTING_SIZE),
    SETTING(kernel_memory_limit, SETTING_SIZE),
    SETTING(memory_wait_ms, SETTING_INT),
    SETTING(memory_share, SETTING_INT),
    SETTING(http_buffers, SETTING_INT),
    SETTING(stacks, SETTING_INT),
    SETTING(request_records, SETTING_INT),
    SETTING(request_memory_blocks, SETTING_INT),
    SETTING(connection_records, SETTING_INT),
    SETTING(max_http_buffers, SETTING_INT),
    SETTING(max_stacks, SETTING_INT),
    SETTING(max_request_records, SETTING_INT),
    SETTING(max_request_memory_blocks, SETTING_INT),
    SETTING(open_files, SETTING_INT),
    SETTING(open_files_valid_ms, SETTING_INT),
    SETTING(tcp_nodelay, SETTING_INT),
    SETTING(so_linger, SETTING_INT),
    SETTING(notsent_lowat, SETTING_INT),
    SETTING(send_buffer, SETTING_INT),
    SETTING(receive_buffer, SETTING_INT),
    SETTING(max_connections, SETTING_INT),
    SETTING(max_connections_per_address, SETTING_INT),
    SETTING(max_requests_per_connection, SETTING_INT),
    SETTING(max_request_line, SETTING_INT),
    SETTING(max_header_block, SETTING_INT),
    SETTING(max_headers, SETTING_INT),
    SETTING(max_body, SETTING_INT64),
    SETTING(max_chunk_extension, SETTING_INT),
    SETTING(max_trailer, SETTING_INT),
    SETTING(pipeline_depth, SETTING_INT),
    SETTING(http2_max_streams, SETTING_INT),
    SETTING(http2_stream_window, SETTING_INT),
    SETTING(http2_connection_window, SETTING_INT),
    SETTING(header_timeout_ms, SETTING_INT),
    SETTING(idle_timeout_ms, SETTING_INT),
    SETTING(body_timeout_ms, SETTING_INT),
    SETTING(body_min_rate, SETTING_INT),
    SETTING(body_grace_ms, SETTING_INT),
    SETTING(write_timeout_ms, SETTING_INT),
    SETTING(write_min_rate, SETTING_INT),
    SETTING(handler_timeout_ms, SETTING_INT),
    SETTING(stop_timeout_ms, SETTING_INT),
    SETTING(watchdog_ms, SETTING_INT),
    SETTING(drain_limit, SETTING_INT64),
    SETTING(log_level, SETTING_INT),
};

/* ---- Handlers */

static int param_number(weir_ctx *c, const char *name)
{
    return (int)strtol(weir_param(c, name), NULL, 10);
}

static void end_count(void *arg)
{
    struct counts *counts = arg;
    atomic_fetch_add(&counts->ended, 1);
}

/* Counts the handler: it ends at its deferred calls, however it ends. */
static struct counts *begin_count(weir_ctx *c)
{
    struct counts *counts = weir_server_data(c);
    atomic_fetch_add(&counts->started, 1);
    weir_defer(c, end_count, counts);
    return counts;
}

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

/* An endless stream without a pause, ended by the first error. */
static void flood(weir_ctx *c)
{
    struct counts *counts = begin_count(c);
    int error = 0;
    for (unsigned i = 0; !error; i++)
        error = weir_printf(c, "Chunk %u\n", i);
    atomic_store(&counts->last_error, error);
}

/* The same by a program that does not look at errors: the server has to end it. */
static void deaf(weir_ctx *c)
{
    begin_count(c);
    for (unsigned i = 0;; i++)
        weir_printf(c, "Chunk %u\n", i);
}

static void sleep_and_reply(weir_ctx *c)
{
    struct counts *counts = begin_count(c);
    int error = weir_sleep(c, param_number(c, "ms"));
    atomic_store(&counts->last_error, error);
    if (!error || weir_closed(c) == WEIR_HALF_CLOSED) /* who has ended its side may still read */
        weir_reply_text(c, "slept");
}

/* Replies with the place that it had among those that began. */
static void take_turn(weir_ctx *c)
{
    struct counts *counts = weir_server_data(c);
    int turn = atomic_fetch_add(&counts->turns, 1);
    weir_sleep(c, param_number(c, "ms"));
    weir_reply_printf(c, NULL, "%d", turn);
}

/* A handler that keeps its worker: it waits, but not through weir. */
static void block(weir_ctx *c)
{
    usleep((useconds_t)param_number(c, "ms") * 1000);
    weir_reply_text(c, "blocked");
}

static void sleep_and_block(weir_ctx *c)
{
    weir_sleep(c, 500);
    block(c);
}

/* A piece, a sleep, a piece: shows that what is written goes out before a wait. */
static void live(weir_ctx *c)
{
    begin_count(c);
    weir_write(c, "before\n", 7);
    weir_sleep(c, param_number(c, "ms"));
    weir_write(c, "after\n", 6);
}

static void pieces(weir_ctx *c)
{
    char piece[4096];
    int count = param_number(c, "count"), size = param_number(c, "size");
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < count; i++) {
        if (weir_write(c, piece, size < (int)sizeof(piece) ? (size_t)size : sizeof(piece)) != 0)
            return;
    }
}

static void status(weir_ctx *c)
{
    weir_set_status(c, param_number(c, "status"));
    weir_reply_text(c, "text");
}

static void short_body(weir_ctx *c)
{
    weir_set_length(c, 10);
    weir_write(c, "12345", 5);
}

static void long_body(weir_ctx *c)
{
    struct counts *counts = weir_server_data(c);
    weir_set_length(c, 3);
    atomic_store(&counts->last_error, weir_write(c, "12345", 5));
    weir_write(c, "123", 3);
}

static void fail(weir_ctx *c)
{
    begin_count(c);
    weir_fail(c, param_number(c, "status"), "asked for");
}

static void fail_late(weir_ctx *c)
{
    begin_count(c);
    weir_write(c, "some", 4);
    weir_flush(c);
    weir_fail(c, 500, "asked for");
}

/* Header values that would split the reply; what each call returns is the body. */
static void split(weir_ctx *c)
{
    int results[] = {weir_set_header(c, "X-One", "a\r\nX-Evil: 1"), weir_set_header(c, "X-Two", "a\nX-Evil: 1"),
                     weir_add_header(c, "X-Evil: 1\r\nX-Three", "a"), weir_set_header(c, "Content-Length", "1"),
                     weir_set_header(c, "X-Four", "good")};
    weir_reply_printf(c, "text/plain", "%d %d %d %d %d", results[0], results[1], results[2], results[3], results[4]);
}

static void tell_closed(weir_ctx *c)
{
    weir_sleep(c, 300);
    weir_reply_printf(c, "text/plain", "%d", (int)weir_closed(c));
}

static void tell_closed_now(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", (int)weir_closed(c));
}

static void note_sent(void *arg, int error, uint64_t bytes)
{
    struct counts *counts = arg;
    atomic_store(&counts->sent_error, error);
    atomic_store(&counts->sent_bytes, bytes);
    atomic_fetch_add(&counts->sent, 1);
}

static char large[10 << 20]; /* zeros, never written; not const, so that the program does not hold them */

/* A large static reply whose end is reported. */
static void large_static(weir_ctx *c)
{
    weir_on_sent(c, note_sent, weir_server_data(c));
    weir_reply_static(c, "application/octet-stream", large, sizeof(large));
}

/* The same bytes, by a call that waits until the kernel has them. */
static void large_write(weir_ctx *c)
{
    struct counts *counts = begin_count(c);
    atomic_store(&counts->last_error, weir_write(c, large, sizeof(large)));
}

/* A file by the kernel. Errors are left to the framework. */
static void file(weir_ctx *c)
{
    const struct counts *counts = weir_server_data(c);
    weir_on_sent(c, note_sent, weir_server_data(c));
    weir_send_file(c, counts->root, weir_param(c, "path"));
}

/* The same by hand. */
static void file_by_hand(weir_ctx *c)
{
    const struct counts *counts = weir_server_data(c);
    weir_file *opened;
    char buf[4096];
    ssize_t len;
    int error = weir_file_open(c, counts->root, weir_param(c, "path"), &opened);
    if (error)
        weir_fail(c, error == WEIR_ENOENT ? 404 : 503, "%s", weir_strerror(error));
    weir_set_length(c, weir_file_size(opened));
    while ((len = weir_file_read(c, opened, buf, sizeof(buf))) > 0)
        if (weir_write(c, buf, (size_t)len) != 0)
            return;
    if (len < 0)
        weir_fail(c, 500, "%s", weir_strerror((int)len));
}

static int sleep_in_thread(void *arg)
{
    usleep(*(useconds_t *)arg);
    return 7;
}

static void offload(weir_ctx *c)
{
    useconds_t time = (useconds_t)param_number(c, "ms") * 1000;
    weir_reply_printf(c, "text/plain", "%d", weir_offload(c, sleep_in_thread, &time));
}

/* Is over its time when it begins to write, from its own stack: more than a socket takes. */
static void lent(weir_ctx *c)
{
    useconds_t time = (useconds_t)param_number(c, "ms") * 1000;
    char letters[16384];
    memset(letters, 'a', sizeof letters);
    (void)weir_offload(c, sleep_in_thread, &time);
    while (weir_write(c, letters, sizeof letters) == 0)
        continue;
}

static void read_some(weir_ctx *c)
{
    char buf[16];
    ssize_t len = weir_read(c, buf, sizeof(buf));
    weir_reply_printf(c, "text/plain", "%zd", len);
}

/* The body back as it comes. */
static void echo(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    begin_count(c);
    while ((len = weir_read_slice(c, &data)) > 0)
        if (weir_write(c, data, (size_t)len) != 0)
            return;
    if (len < 0)
        weir_fail(c, 400, "%s", weir_strerror((int)len));
}

/* Tells what it has read, and takes no notice of errors. */
static void read_all(weir_ctx *c)
{
    const void *piece;
    long long len = 0;
    for (ssize_t n; (n = weir_read_slice(c, &piece)) > 0;)
        len += n;
    weir_reply_printf(c, "text/plain", "%lld", len);
}

/* The same with a pause after each piece. */
static void read_slowly(weir_ctx *c)
{
    const void *piece;
    long long len = 0;
    for (ssize_t n; (n = weir_read_slice(c, &piece)) > 0;) {
        len += n;
        weir_sleep(c, param_number(c, "ms"));
    }
    weir_reply_printf(c, "text/plain", "%lld", len);
}

static void ignore_body(weir_ctx *c)
{
    weir_reply_text(c, "ignored");
}

/* A field of the request. */
static void show_field(weir_ctx *c)
{
    const char *value = weir_header(c, weir_param(c, "name"));
    weir_reply_printf(c, "text/plain", "%d %s", weir_http_version(c), value ? value : "none");
}

/* The body back, and its trailer fields behind it. */
static void echo_trailers(weir_ctx *c)
{
    const char *name, *value;
    echo(c);
    for (size_t i = 0; weir_trailer_item(c, i, &name, &value); i++)
        weir_add_trailer(c, name, value);
    weir_add_trailer(c, "X-Own", "own");
}

static void show_counts(weir_ctx *c)
{
    struct counts *counts = weir_server_data(c);
    weir_reply_printf(
        c, "application/json",
        "{\"started\":%d,\"ended\":%d,\"last_error\":%d,\"sent\":%d,\"sent_error\":%d,\"sent_bytes\":%llu}",
        atomic_load(&counts->started), atomic_load(&counts->ended), atomic_load(&counts->last_error),
        atomic_load(&counts->sent), atomic_load(&counts->sent_error), atomic_load(&counts->sent_bytes));
}

static void show_ledger(weir_ctx *c)
{
    weir_ledger ledger;
    weir_ledger_read(weir_ctx_server(c), &ledger);
    weir_set_header(c, "Content-Type", "application/json");
    weir_printf(c,
                "{\"connections\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"fibers\":%" PRIu64
                ",\"reserved\":%" PRIu64 ",\"kernel_memory\":%" PRIu64 ",\"kernel_memory_peak\":%" PRIu64
                ",\"kernel_memory_cut\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"accounts\":{",
                ledger.connections, ledger.accepted, ledger.requests, ledger.fibers, ledger.reserved,
                ledger.kernel_memory, ledger.kernel_memory_peak, ledger.kernel_memory_cut, ledger.bytes_out);
    for (size_t i = 0; i < ledger.account_count; i++) {
        const weir_ledger_account *a = &ledger.accounts[i];
        weir_printf(c,
                    "%s\"%s\":{\"limit\":%" PRIu64 ",\"in_use\":%" PRIu64 ",\"reserved\":%" PRIu64 ",\"peak\":%" PRIu64
                    ",\"refused\":%" PRIu64 ",\"objects\":%" PRIu64 "}",
                    i ? "," : "", a->name, a->limit, a->in_use, a->reserved, a->peak, a->refused, a->objects);
    }
    weir_printf(c, "},\"refusals\":{");
    for (size_t i = 0; i < ledger.refusal_count; i++)
        weir_printf(c, "%s\"%s\":%" PRIu64, i ? "," : "", ledger.refusals[i].cause, ledger.refusals[i].count);
    weir_printf(c, "}}");
}

static void stop(weir_ctx *c)
{
    weir_server_stop(weir_ctx_server(c));
    weir_reply_text(c, "stopping");
}

static void show_worker(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", weir_worker_index(c));
}

/* Uses a little more stack at each level; the levels above keep theirs, because their values are summed up later. */
static int descend(int levels)
{
    volatile char frame[4096];
    frame[0] = (char)levels;
    return levels == 0 ? 0 : descend(levels - 1) + frame[0];
}

static void overflow(weir_ctx *c)
{
    weir_reply_printf(c, "text/plain", "%d", descend(param_number(c, "levels")));
}

static void add_routes(weir_server *s)
{
    weir_get(s, "/", hello);
    weir_get(s, "/flood", flood);
    weir_get(s, "/deaf", deaf);
    weir_get(s, "/sleep/{ms:[0-9]+}", sleep_and_reply);
    weir_post(s, "/sleep/{ms:[0-9]+}", sleep_and_reply);
    weir_get(s, "/block/{ms:[0-9]+}", block);
    weir_get(s, "/turn/{ms:[0-9]+}", take_turn);
    weir_get(s, "/sleep-and-block/{ms:[0-9]+}", sleep_and_block);
    weir_get(s, "/live/{ms:[0-9]+}", live);
    weir_get(s, "/pieces/{count:[0-9]+}/{size:[0-9]+}", pieces);
    weir_get(s, "/status/{status:[0-9]+}", status);
    weir_get(s, "/short", short_body);
    weir_get(s, "/long", long_body);
    weir_get(s, "/fail/{status:[0-9]+}", fail);
    weir_get(s, "/fail-late", fail_late);
    weir_get(s, "/split", split);
    weir_get(s, "/closed", tell_closed);
    weir_get(s, "/closed-now", tell_closed_now);
    weir_get(s, "/large-static", large_static);
    weir_get(s, "/file/{path:.*}", file);
    weir_get(s, "/by-hand/{path:.*}", file_by_hand);
    weir_get(s, "/large-write", large_write);
    weir_get(s, "/offload/{ms:[0-9]+}", offload);
    weir_get(s, "/lent/{ms:[0-9]+}", lent);
    weir_post(s, "/echo", echo);
    weir_post(s, "/echo-trailers", echo_trailers);
    weir_get(s, "/field/{name}", show_field);
    weir_post(s, "/read-some", read_some);
    weir_post(s, "/read-all", read_all);
    weir_post(s, "/read-slowly/{ms:[0-9]+}", read_slowly);
    weir_post(s, "/ignore-body", ignore_body);
    weir_group *small = weir_group_new(s, NULL, "/small", NULL), *any = weir_group_new(s, NULL, "/any", NULL);
    weir_group_max_body(small, 10);
    weir_group_max_body(any, WEIR_OFF);
    weir_group_route(small, "POST", "/read-all", read_all, NULL);
    weir_group_route(any, "POST", "/read-all", read_all, NULL);
    weir_get(s, "/counts", show_counts);
    weir_get(s, "/ledger", show_ledger);
    weir_get(s, "/stop", stop);
    weir_get(s, "/worker", show_worker);
    weir_get(s, "/overflow/{levels:[0-9]+}", overflow);
}

/* ---- Arguments and running */

static bool set(weir_config *config, const char *name, size_t name_len, const char *value)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const struct setting *setting = &settings[i];
        if (strlen(setting->name) != name_len || memcmp(setting->name, name, name_len) != 0)
            continue;
        void *member = (char *)config + setting->offset;
        long long number = strtoll(value, NULL, 10);
        if (setting->type == SETTING_TEXT)
            *(const char **)member = value;
        else if (setting->type == SETTING_INT)
            *(int *)member = (int)number;
        else if (setting->type == SETTING_SIZE)
            *(size_t *)member = (size_t)number;
        else
            *(int64_t *)member = number;
        return true;
    }
    return false;
}

/* listen=unix:PATH, listen=ADDRESS:PORT, fd=N */
static bool add_listener(weir_server *s, char *argument)
{
    weir_listen_config listener = {0};
    char *colon;
    if (strncmp(argument, "fd=", 3) == 0) {
        listener.fd = (int)strtol(argument + 3, NULL, 10);
    } else if (strncmp(argument, "listen=unix:", 12) == 0) {
        listener.host = argument + 7;
    } else if (strncmp(argument, "listen=", 7) == 0 && (colon = strrchr(argument, ':')) != NULL) {
        *colon = '\0';
        listener.host = argument + 7;
        listener.port = (int)strtol(colon + 1, NULL, 10);
    } else {
        return false;
    }
    weir_server_listen(s, &listener);
    return true;
}

int main(int argc, char **argv)
{
    struct counts counts = {0};
    weir_config config = {.host = "127.0.0.1", .port = WEIR_ANY, .server_data = &counts};
    bool listeners = false;
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        if (strncmp(argv[i], "root=", 5) == 0) {
            counts.root = argv[i] + 5;
        } else if (strncmp(argv[i], "fd=", 3) == 0 || strncmp(argv[i], "listen=", 7) == 0) {
            listeners = true;
        } else if (!equals || !set(&config, argv[i], (size_t)(equals - argv[i]), equals + 1)) {
            fprintf(stderr, "probe: no setting '%s'\n", argv[i]);
            return 2;
        }
    }
    weir_catch_stack_overflow();
    weir_server *s = weir_server_new(&config);
    for (int i = 1; listeners && i < argc; i++)
        add_listener(s, argv[i]);
    add_routes(s);
    return serve(s);
}
