/*
 * The tour: one server with every program of this folder, each in its shortest form, and a few routes more that tests
 * and benchmarks use. The files beside this one show the same programs one at a time. What is not one of those programs
 * lies in tour/: clients that stay, the chat, the arguments, and two large sample files, which are made at the first
 * start since they are too large to keep in a repository.
 *
 * It starts and stops the server by hand instead of calling weir_run(), because it says where it listens once it does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tour/tour.h"

enum { CACHE_ENTRIES = 1000 };

/* What the handlers know: they reach it by weir_server_data(). */
struct tour {
    const char *root;
    const char *upload_dir; /* NULL: nothing can be uploaded */
    weir_cache *cache;
};

/* ---- The programs */

static void hello(weir_ctx *c)
{
    static const char text[] = "Hello, World!";
    weir_reply_static(c, "text/plain", text, sizeof(text) - 1);
}

static void not_found(weir_ctx *c)
{
    weir_set_status(c, 404);
    weir_reply_text(c, "File not found");
}

static void file(weir_ctx *c)
{
    const struct tour *tour = weir_server_data(c);
    if (weir_send_file(c, tour->root, weir_param(c, "file")) == WEIR_ENOENT)
        not_found(c);
}

static void stream(weir_ctx *c)
{
    weir_set_header(c, "Content-Type", "text/plain");
    for (int i = 0; i < 1000000; i++) {
        if (weir_printf(c, "Chunk %d\n", i) != 0) /* waits while the client is slow */
            return;
        if (i % 1000 == 0)
            weir_sleep(c, 1);
    }
}

static void large(weir_ctx *c)
{
    const struct tour *tour = weir_server_data(c);
    weir_file *opened;
    char buf[PIECE_SIZE];
    ssize_t len;

    if (weir_file_open(c, tour->root, "large.bin", &opened) != 0) {
        not_found(c);
        return;
    }
    weir_set_header(c, "Content-Type", "application/octet-stream");
    weir_set_length(c, weir_file_size(opened));
    weir_close_after(c);
    while ((len = weir_file_read(c, opened, buf, sizeof(buf))) > 0) {
        if (weir_write(c, buf, (size_t)len) != 0)
            return;
    }
    if (len < 0)
        weir_fail(c, 500, "%s", weir_strerror((int)len));
}

static void json(weir_ctx *c)
{
    const char *id = weir_header(c, "X-Request-ID");
    const char *quoted = weir_json_string(c, id ? id : "unknown");
    if (!quoted || weir_reply_printf(c, "application/json", "{\"request_id\":%s,\"timestamp\":%lld,\"status\":\"ok\"}",
                                     quoted, (long long)time(NULL)) == WEIR_ETOOBIG)
        weir_fail(c, 431, "X-Request-ID is too long");
}

static void efficient(weir_ctx *c)
{
    char buf[1024];
    int len = snprintf(buf, sizeof(buf), "A reply to %s, made in %zu bytes of stack.\n", weir_path(c), sizeof(buf));
    weir_reply(c, "text/plain", buf, (size_t)len);
}

static void csv(weir_ctx *c)
{
    const struct tour *tour = weir_server_data(c);
    weir_file *opened;
    char line[PIECE_SIZE];
    ssize_t len;

    if (weir_file_open(c, tour->root, "large_dataset.csv", &opened) != 0) {
        not_found(c);
        return;
    }
    weir_set_header(c, "Content-Type", "text/csv");
    while ((len = weir_file_line(c, opened, line, sizeof(line))) > 0) {
        for (ssize_t i = 0; i < len; i++)
            line[i] = (char)toupper((unsigned char)line[i]);
        if (weir_write(c, line, (size_t)len) != 0)
            return;
    }
    if (len < 0)
        weir_fail(c, 500, "%s", weir_strerror((int)len));
}

/* The lines of the request's body instead of the file's. */
static void csv_body(weir_ctx *c)
{
    char line[PIECE_SIZE];
    ssize_t len;

    weir_set_header(c, "Content-Type", "text/csv");
    while ((len = weir_body_line(c, line, sizeof(line))) > 0) {
        for (ssize_t i = 0; i < len; i++)
            line[i] = (char)toupper((unsigned char)line[i]);
        if (weir_write(c, line, (size_t)len) != 0)
            return;
    }
    if (len < 0)
        weir_fail(c, len == WEIR_ETOOBIG ? 413 : 400, "%s", weir_strerror((int)len));
}

static int compute(weir_ctx *c, weir_cache_slot *slot, void *key)
{
    const char *quoted = weir_json_string(c, key);
    char value[8300];
    int len = quoted ? snprintf(value, sizeof(value), "{\"key\":%s,\"computed\":true}", quoted) : -1;
    return len >= 0 && (size_t)len < sizeof(value) ? weir_cache_put(slot, value, (size_t)len) : WEIR_ETOOBIG;
}

static void cached(weir_ctx *c)
{
    const struct tour *tour = weir_server_data(c);
    const char *key = weir_param(c, "key");
    const weir_value *value;
    bool hit;

    int error = weir_cache_get(c, tour->cache, key, compute, (void *)key, &value, &hit);
    if (error)
        weir_fail(c, error == WEIR_ETOOBIG ? 414 : 503, "%s", weir_strerror(error));
    weir_set_header(c, "X-Cache", hit ? "HIT" : "MISS");
    weir_reply_value(c, "application/json", value);
}

/* ---- Further routes */

static void echo(weir_ctx *c)
{
    const char *type = weir_header(c, "Content-Type");
    const void *data;
    ssize_t len;

    weir_set_header(c, "Content-Type", type ? type : "application/octet-stream");
    if (weir_body_length(c) >= 0)
        weir_set_length(c, weir_body_length(c));
    while ((len = weir_read_slice(c, &data)) > 0) {
        if (weir_write(c, data, (size_t)len) != 0)
            return;
    }
    if (len < 0)
        weir_fail(c, 400, "%s", weir_strerror((int)len));
}

static void length(weir_ctx *c)
{
    const void *data;
    ssize_t len;
    long long total = 0;

    while ((len = weir_read_slice(c, &data)) > 0)
        total += len;
    if (len < 0)
        weir_fail(c, 400, "%s", weir_strerror((int)len));
    weir_reply_printf(c, "text/plain", "%lld", total);
}

static void post(weir_ctx *c)
{
    const char *id = weir_json_string(c, weir_param(c, "id"));
    const char *name = weir_json_string(c, weir_param(c, "post"));
    if (!id || !name)
        weir_fail(c, 414, "the parameters are too long");
    weir_reply_printf(c, "application/json", "{\"id\":%s,\"post\":%s}", id, name);
}

#define WAIT_MAX_MS 600000

/* A number in decimal, without sign, blanks or leading zeros; -1 if it is not one or beyond the longest wait. */
static int wait_ms(const char *text)
{
    int ms = 0;
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return -1;
    for (; *text >= '0' && *text <= '9' && ms <= WAIT_MAX_MS; text++)
        ms = ms * 10 + (*text - '0');
    return *text == '\0' && ms <= WAIT_MAX_MS ? ms : -1;
}

static void wait_and_tell(weir_ctx *c)
{
    int ms = wait_ms(weir_param(c, "ms"));
    if (ms < 0)
        weir_fail(c, 400, "what to wait for is a number of milliseconds from 0 to %d", WAIT_MAX_MS);
    (void)weir_sleep(c, ms); /* ends early where the client goes; one that has ended its side alone still reads */
    weir_reply_printf(c, "text/plain", "%d", ms);
}

static void form_page(weir_ctx *c)
{
    static const char page[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\">\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>A form</title>\n"
        "<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 2rem auto; padding: 0 1rem }\n"
        "label { display: block; margin: 1rem 0 } input, textarea { display: block; width: 100%; font: inherit;"
        " box-sizing: border-box }</style>\n"
        "<h1>A form</h1>\n"
        "<p>What is sent is answered with its parts, as JSON; nothing is kept.</p>\n"
        "<form method=\"post\" action=\"/form\" enctype=\"multipart/form-data\">\n"
        "<label>Title <input name=\"title\" autocomplete=\"off\"></label>\n"
        "<label>Text <textarea name=\"text\" rows=\"4\"></textarea></label>\n"
        "<label>Files <input name=\"files\" type=\"file\" multiple></label>\n"
        "<button>Send</button>\n"
        "</form>\n"
        "</html>\n";
    weir_reply_static(c, "text/html; charset=utf-8", page, sizeof(page) - 1);
}

/* Each part as it arrives, in one buffer's memory. */
static void form_parts(weir_ctx *c)
{
    const weir_part *part;
    const void *data;
    int more, count = 0;

    weir_set_header(c, "Content-Type", "application/json");
    weir_write(c, "[", 1);
    while ((more = weir_part_next(c, &part)) > 0) {
        const char *name = weir_json_string(c, part->name), *type = weir_json_string(c, part->type);
        const char *filename = weir_json_string(c, part->filename);
        long long size = 0;
        ssize_t len;
        if (!name || !type || !filename)
            weir_fail(c, 413, "the names of the parts are too long");
        while ((len = weir_part_read_slice(c, &data)) > 0)
            size += len;
        if (len < 0)
            return; /* the client is told why */
        weir_printf(c, "%s{\"name\":%s,\"filename\":%s,\"type\":%s,\"size\":%lld}", count++ > 0 ? "," : "", name,
                    filename, type, size);
    }
    if (more == 0)
        weir_write(c, "]\n", 2);
}

#define TEXT_LINES_MAX 10000000

/* Records that compress as those of a database do. */
static void text(weir_ctx *c)
{
    static const char *const cities[] = {"Berlin", "Kyoto", "Lima", "Nairobi", "Oslo", "Quebec", "Turin"};
    int64_t lines = -1;
    if (weir_param_int(c, "n", 0, TEXT_LINES_MAX, &lines) != 0)
        weir_fail(c, 400, "the number of lines is one from 0 to %d", TEXT_LINES_MAX);
    weir_set_header(c, "Content-Type", "application/json");
    weir_printf(c, "[");
    for (int i = 0; i < lines; i++) {
        unsigned mixed = (unsigned)((uint64_t)i * 48271 % 2147483647); /* looks like chance, the same each time */
        if (weir_printf(c, "%s\n{\"id\":%d,\"name\":\"name-%u\",\"city\":\"%s\",\"value\":%u.%02u,\"active\":%s}",
                        i ? "," : "", i, mixed % 10007, cities[mixed % 7], mixed % 1000, mixed / 7 % 100,
                        mixed & 64 ? "true" : "false") != 0)
            return;
    }
    weir_printf(c, "\n]\n");
}

static void upload(weir_ctx *c)
{
    const struct tour *tour = weir_server_data(c);
    weir_saved saved;
    if (!tour->upload_dir)
        weir_fail(c, 404, "there is no folder for uploads: --upload-dir names one");
    if (weir_save_body(c, tour->upload_dir, weir_param(c, "name"), &(weir_save_options){.saved = &saved}) == 0)
        weir_set_status(c, saved.replaced ? 204 : 201);
}

static void add_routes(weir_server *s, const struct options *o)
{
    weir_group *compressed = weir_group_new(s, NULL, "", NULL);
    weir_group_compress(compressed, NULL);
    weir_group_route(compressed, "GET", "/text/{n}", text, NULL);
    weir_group *uploads = weir_group_new(s, NULL, "/upload", NULL);
    weir_group_max_body(uploads, WEIR_OFF);
    weir_group_route(uploads, "PUT", "/{name}", upload, NULL);
    weir_get(s, "/", hello);
    weir_get(s, "/file/{file:^.*$}", file);
    weir_get(s, "/stream", stream);
    weir_get(s, "/large", large);
    weir_get(s, "/json", json);
    weir_get(s, "/efficient", efficient);
    weir_get(s, "/csv", csv);
    weir_post(s, "/csv", csv_body);
    weir_get(s, "/cache/{key}", cached);
    weir_any(s, "/echo", echo);
    weir_post(s, "/length", length);
    weir_get(s, "/users/{id:[0-9]+}/posts/{post}", post);
    weir_get(s, "/wait/{ms}", wait_and_tell);
    weir_files(weir_root(s), "/files",
               &(weir_files_options){.root = o->root, .listing = WEIR_ON, .precompressed = WEIR_ON});
    weir_get(s, "/form", form_page);
    weir_post(s, "/form", form_parts);
    add_live_routes(s);
    add_chat_routes(s);
    weir_server_admin(s, "/_weir", NULL); /* for everybody, since this server is for trying things out */
}

/* ---- Running */

/* https as well, with the certificate of the options or one that is made here. */
static void listen_tls(weir_server *s, const struct options *o)
{
    bool is_unix = strncmp(o->host, "unix:", 5) == 0;
    weir_tls_config tls = {
        .certificate = o->certificate,
        .key = o->key,
        .self_signed = o->certificate ? NULL : "localhost 127.0.0.1 ::1",
        .lean_records = o->lean_records ? WEIR_ON : WEIR_OFF,
    };
    weir_server_listen(s, &(weir_listen_config){
                              .host = is_unix ? "127.0.0.1" : o->host,
                              .port = o->tls_port,
                              .tls = &tls,
                          }); /* what is wrong is told when the server starts */
}

static void print_programs(const char *curl, const char *url)
{
    printf("file by route   %s -i %s/file/hello.txt\n", curl, url);
    printf("endless stream  %s -N %s/stream\n", curl, url);
    printf("settings        %s -iH \"X-Long: $(printf %%09000d 0)\" %s/  # a head beyond the 8192-byte buffer\n", curl,
           url);
    printf("large file      %s -o /dev/null %s/large\n", curl, url);
    printf("JSON, clients   %s -iH 'X-Request-ID: 42' %s/json\n", curl, url);
    printf("pools           %s -so /dev/null '%s/?[1-1000]'  # a thousand requests, nothing is allocated\n", curl, url);
    printf("stack reply     %s -i %s/efficient\n", curl, url);
    printf("static reply    %s -i %s/\n", curl, url);
    printf("streaming CSV   %s -o /dev/null %s/csv\n", curl, url);
    printf("bounded cache   %s -i %s/cache/apple\n", curl, url);
    printf("echo            %s -d 'some text' %s/echo\n", curl, url);
    printf("length          %s --data-binary @README.md %s/length\n", curl, url);
    printf("parameters      %s -i %s/users/7/posts/first\n", curl, url);
    printf("a form          %s/form  # in a browser; %s -F title=hello -F files=@README.md %s/form\n", url, curl, url);
    printf("waiting         %s -i %s/wait/500\n", curl, url);
    printf("compression     %s -i --compressed %s/text/100\n", curl, url);
    printf("a folder        %s/files/  # in a browser; %s -iH 'Accept-Encoding: br' %s/files/hello.txt\n", url, curl,
           url);
    printf("chat            %s/chat  # in a browser, in two windows; %s -s %s/chat\n", url, curl, url);
    printf("event stream    %s -N %s/events\n", curl, url);
    printf("topics          %s -N %s/topic/news  # and beside it: %s -d 'some news' %s/topic/news\n", curl, url, curl,
           url);
    printf("the ledger      %s/_weir/  # in a browser; %s -s %s/_weir/metrics\n", url, curl, url);
}

/* What the memory's bound would have to be for this server never to refuse anything, and of what it is made. */
static void print_plan(weir_server *s)
{
    const double mib = 1 << 20;
    weir_memory_plan plan;
    if (weir_plan(s, &plan) == 0)
        printf("memory planned: %.2f MiB at the start, %" PRIu64 " bytes for a connection, %.1f KiB for a request, "
               "%.1f MiB at most (%" PRIu64 " connections)\n",
               (double)plan.start / mib, plan.connection, (double)plan.request / 1024, (double)plan.worst / mib,
               plan.connections);
}

static void print_listening(const struct options *o, int port, int tls_port)
{
    char curl[PATH_MAX + 32] = "curl", url[PATH_MAX + 32];
    bool is_unix = strncmp(o->host, "unix:", 5) == 0;
    bool is_any = strcmp(o->host, "0.0.0.0") == 0 || strcmp(o->host, "::") == 0;
    const char *brackets[2] = {strchr(o->host, ':') ? "[" : "", strchr(o->host, ':') ? "]" : ""};

    if (is_unix)
        snprintf(curl, sizeof(curl), "curl --unix-socket %s", o->host + 5);
    if (is_unix || is_any)
        snprintf(url, sizeof(url), is_unix ? "http://localhost" : "http://localhost:%d", port);
    else
        snprintf(url, sizeof(url), "http://%s%s%s:%d", brackets[0], o->host, brackets[1], port);
    if (!o->quiet)
        print_programs(curl, url);
    if (is_unix)
        printf("listening on %s\n", o->host);
    else
        printf("listening on http://%s%s%s:%d\n", brackets[0], o->host, brackets[1], port);
    if (tls_port)
        printf("listening on https://%s%s%s:%d\n", brackets[0], is_unix ? "127.0.0.1" : o->host, brackets[1], tls_port);
    fflush(stdout);
}

/* Serves until SIGINT or SIGTERM, then lets the server finish what runs; a second signal ends the process at once. */
static int serve(weir_server *s, const struct options *o)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before the start: the server's threads inherit it */

    if (!o->quiet)
        print_plan(s);
    int error = weir_server_start(s);
    if (error) {
        fprintf(stderr, "tour: %s\n%s", weir_strerror(error), weir_server_errors(s));
        return 1;
    }
    print_listening(o, weir_server_port(s), weir_server_tls_port(s));
    for (unsigned seconds = 1; sigtimedwait(&stop, NULL, &(struct timespec){.tv_sec = 1}) < 0; seconds++)
        tick(s, seconds);
    weir_server_stop(s);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
    return weir_server_wait(s) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *samples = getenv("WEIR_SAMPLES");
    struct options o = {.host = "127.0.0.1", .port = 60000, .root = samples ? samples : WEIR_SAMPLES_DIR};
    struct tour tour = {0};
    parse_arguments(&o, argc, argv);
    make_samples(o.root, o.quiet);
    tour.root = o.root;
    tour.upload_dir = o.upload_dir;

    weir_catch_stack_overflow();
    weir_catch_crash();
    weir_server *s = weir_server_new(&(weir_config){
        .host = o.host,
        .port = o.port,
        .workers = o.workers,
        .memory_limit = o.memory_limit,
        .http_buffer_size = 8192,
        .ws_buffer_size = 4096,
        .open_files_valid_ms = 1,
        .tcp_nodelay = WEIR_ON,
        .so_linger = WEIR_OFF,
        .server_data = &tour,
    });
    if (!s) {
        fprintf(stderr, "tour: there is no memory for the server\n");
        return 1;
    }
    tour.cache = weir_cache_new(s, &(weir_cache_config){.max_entries = CACHE_ENTRIES});
    if (!tour.cache)
        fprintf(stderr, "tour: there is no memory for the cache\n");
    add_routes(s, &o);
    if (o.tls_port)
        listen_tls(s, &o);
    int status = tour.cache ? serve(s, &o) : 1;
    weir_server_free(s);
    return status;
}
