/*
 * The handlers. They check what the interface promises to them; what the client sees is checked from outside.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_site.h"
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

struct site_counts site_counts;

static char big[SITE_BIG + 1];
static char root[64];

const char *site_big(void)
{
    return big;
}

WRAPS uint32_t site_hash(uint32_t hash, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * 16777619u;
    return hash;
}

size_t site_digest(char *text, size_t len, uint32_t hash)
{
    return (size_t)snprintf(text, 64, "%zu bytes, %08x\n", len, hash);
}

static uint32_t hash_trailer(weir_ctx *c, uint32_t hash)
{
    const char *name, *value;
    for (size_t i = 0; weir_trailer_item(c, i, &name, &value); i++) {
        FUZZ_CHECK(weir_trailer(c, name));
        hash = site_hash(site_hash(hash, name, strlen(name)), value, strlen(value));
    }
    return hash;
}

static void undo(void *arg)
{
    FUZZ_CHECK(arg == &site_counts);
    site_counts.undone++;
}

static void sent(void *arg, int error, uint64_t bytes)
{
    FUZZ_CHECK(arg == &site_counts && error <= 0 && bytes < 1 << 30);
    site_counts.settled++;
}

static void begin(weir_ctx *c)
{
    site_counts.handled++;
    site_counts.deferred++;
    FUZZ_CHECK(weir_defer(c, undo, &site_counts) == 0);
    site_counts.announced++;
    FUZZ_CHECK(weir_on_sent(c, sent, &site_counts) == 0);
}

/* A body could not be read to its end. One that the server has refused gets the server's page by itself. */
static void unreadable(weir_ctx *c, ssize_t error)
{
    FUZZ_CHECK(error == WEIR_ECLOSED || error == WEIR_EPROTO || error == WEIR_ETOOBIG || error == WEIR_ETIMEDOUT ||
               error == WEIR_ECANCELED);
    if (error == WEIR_ECLOSED)
        weir_fail(c, 400, "the body is not whole");
}

static void reads_nothing(weir_ctx *c)
{
    begin(c);
    weir_reply_text(c, SITE_NONE_TEXT);
}

static void reads_all(weir_ctx *c)
{
    begin(c);
    char buf[100], text[64];
    uint32_t hash = SITE_HASH;
    size_t len = 0;
    ssize_t n;
    while ((n = weir_read(c, buf, sizeof buf)) > 0) {
        hash = site_hash(hash, buf, (size_t)n);
        len += (size_t)n;
    }
    if (n < 0) {
        unreadable(c, n);
        return;
    }
    FUZZ_CHECK(weir_body_length(c) < 0 || (uint64_t)weir_body_length(c) == len);
    weir_reply(c, "text/plain", text, site_digest(text, len, hash_trailer(c, hash)));
}

static void reads_slices(weir_ctx *c)
{
    begin(c);
    const void *data;
    char text[64];
    uint32_t hash = SITE_HASH;
    size_t len = 0;
    ssize_t n;
    while ((n = weir_read_slice(c, &data)) > 0) {
        hash = site_hash(hash, data, (size_t)n);
        len += (size_t)n;
    }
    FUZZ_CHECK(weir_read_slice(c, &data) <= 0);
    if (n < 0)
        unreadable(c, n);
    else
        weir_reply_printf(c, "text/plain", "%.*s", (int)site_digest(text, len, hash_trailer(c, hash)), text);
}

static void reads_part(weir_ctx *c)
{
    begin(c);
    char buf[SITE_PART];
    size_t len = 0;
    ssize_t n = 1;
    while (len < sizeof buf && (n = weir_read(c, buf + len, sizeof buf - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        unreadable(c, n);
    else
        weir_reply(c, NULL, buf, len);
}

static void reads_body(weir_ctx *c)
{
    begin(c);
    const char *data;
    size_t len;
    int error = weir_body(c, SITE_BODY, &data, &len);
    if (error == WEIR_ETOOBIG)
        weir_fail(c, 413, "the body is longer than this handler wants");
    if (error) {
        unreadable(c, error);
        return;
    }
    FUZZ_CHECK(data[len] == '\0' && len <= SITE_BODY);
    weir_reply(c, NULL, data, len);
}

static void echoes(weir_ctx *c)
{
    begin(c);
    const void *data;
    ssize_t n;
    while ((n = weir_read_slice(c, &data)) > 0)
        if (weir_write(c, data, (size_t)n) != 0 || weir_flush(c) != 0)
            return;
    if (n < 0)
        weir_fail(c, 400, "the body is not whole");
}

static void writes_lines(weir_ctx *c)
{
    begin(c);
    for (int i = 1; i <= SITE_LINES; i++) {
        weir_printf(c, "line %d\n", i);
        if (i % SITE_LINES_FLUSH == 0)
            weir_flush(c);
    }
}

static void writes_big(weir_ctx *c)
{
    begin(c);
    weir_write(c, big, 1);
    weir_write(c, big + 1, SITE_BIG - 1);
}

static void replies_static(weir_ctx *c)
{
    begin(c);
    weir_reply_static(c, "text/plain", big, SITE_BIG);
}

static void sends_file(weir_ctx *c)
{
    begin(c);
    int error = weir_send_file(c, root, "big");
    FUZZ_CHECK(error == 0 || error == WEIR_ECLOSED);
}

static void fails_at_once(weir_ctx *c)
{
    begin(c);
    weir_fail(c, 503, "as was to be");
}

static void fails_after_write(weir_ctx *c)
{
    begin(c);
    weir_set_header(c, "X-Gone", "gone");
    weir_printf(c, SITE_PARTIAL_TEXT);
    weir_fail(c, 503, "as was to be");
}

static void fails_after_flush(weir_ctx *c)
{
    begin(c);
    weir_printf(c, SITE_PARTIAL_TEXT);
    weir_flush(c);
    weir_fail(c, 503, "as was to be");
}

static void writes_less(weir_ctx *c)
{
    begin(c);
    weir_set_length(c, SITE_ANNOUNCED);
    weir_printf(c, SITE_PARTIAL_TEXT);
}

static void flushes_less(weir_ctx *c)
{
    begin(c);
    weir_set_length(c, SITE_ANNOUNCED);
    weir_printf(c, SITE_PARTIAL_TEXT);
    weir_flush(c);
}

static void writes_more(weir_ctx *c)
{
    begin(c);
    weir_set_length(c, SITE_ANNOUNCED);
    weir_write(c, big, SITE_ANNOUNCED - 3);
    FUZZ_CHECK(weir_write(c, big, SITE_BIG) == WEIR_ETOOBIG);
    FUZZ_CHECK(weir_write(c, big, 4) == WEIR_ETOOBIG);
    weir_write(c, big + SITE_ANNOUNCED - 3, 3);
}

static void sets_field(weir_ctx *c)
{
    begin(c);
    const char *value = weir_query(c, "v"), *name = weir_query(c, "n");
    if (value)
        weir_set_header(c, "X-Value", value);
    if (name)
        weir_add_header(c, name, "x");
    weir_reply_text(c, SITE_NONE_TEXT);
}

static void sleeps(weir_ctx *c)
{
    begin(c);
    site_counts.sleeping++;
    int error = weir_sleep(c, SITE_SLEEP_MS);
    site_counts.sleeping--;
    FUZZ_CHECK(error == 0 || error == WEIR_ECLOSED);
    weir_reply_text(c, SITE_NONE_TEXT);
}

static void closes(weir_ctx *c)
{
    begin(c);
    weir_close_after(c);
    weir_reply_text(c, SITE_NONE_TEXT);
}

static void no_content(weir_ctx *c)
{
    begin(c);
    weir_set_status(c, 204);
}

static void long_head(weir_ctx *c, int fields, size_t len)
{
    begin(c);
    char value[800];
    memset(value, 'x', len);
    value[len] = '\0';
    for (int i = 0; i < fields; i++)
        FUZZ_CHECK(weir_add_header(c, "X-Long", value) == 0);
    weir_reply_text(c, SITE_NONE_TEXT);
}

static void sends_long_head(weir_ctx *c)
{
    long_head(c, 5, 500);
}

static void sends_longest_head(weir_ctx *c)
{
    long_head(c, 20, 700);
}

static void replies_first(weir_ctx *c)
{
    begin(c);
    char buf[100];
    ssize_t n;
    weir_reply_static(c, "text/plain", SITE_FIRST_TEXT, sizeof SITE_FIRST_TEXT - 1);
    if (weir_header(c, "Expect"))
        return;
    while ((n = weir_read(c, buf, sizeof buf)) > 0)
        ;
    FUZZ_CHECK(n == 0 || n == WEIR_ECLOSED || n == WEIR_EPROTO || n == WEIR_ETOOBIG || n == WEIR_ETIMEDOUT ||
               n == WEIR_ECANCELED);
}

const struct site_route site_routes[SITE_KINDS] = {
    [SITE_READS_NOTHING] = {NULL, "/n"},
    [SITE_READS_ALL] = {NULL, "/a"},
    [SITE_READS_SLICES] = {NULL, "/s"},
    [SITE_READS_PART] = {NULL, "/p"},
    [SITE_READS_BODY] = {NULL, "/b"},
    [SITE_ECHOES] = {"POST", "/e"},
    [SITE_WRITES_LINES] = {"GET", "/l"},
    [SITE_WRITES_BIG] = {"GET", "/g"},
    [SITE_REPLIES_STATIC] = {NULL, "/c"},
    [SITE_SENDS_FILE] = {NULL, "/f"},
    [SITE_FAILS_AT_ONCE] = {NULL, "/x"},
    [SITE_FAILS_AFTER_WRITE] = {NULL, "/y"},
    [SITE_FAILS_AFTER_FLUSH] = {"GET", "/z"},
    [SITE_WRITES_LESS] = {NULL, "/u"},
    [SITE_FLUSHES_LESS] = {NULL, "/v"},
    [SITE_WRITES_MORE] = {NULL, "/w"},
    [SITE_SETS_FIELD] = {NULL, "/h"},
    [SITE_SLEEPS] = {NULL, "/t"},
    [SITE_CLOSES] = {NULL, "/k"},
    [SITE_NO_CONTENT] = {NULL, "/d"},
    [SITE_LONG_HEAD] = {NULL, "/i"},
    [SITE_LONGEST_HEAD] = {NULL, "/j"},
    [SITE_REPLIES_FIRST] = {NULL, "/r"},
};

static const weir_handler handlers[SITE_KINDS] = {
    [SITE_READS_NOTHING] = reads_nothing,
    [SITE_READS_ALL] = reads_all,
    [SITE_READS_SLICES] = reads_slices,
    [SITE_READS_PART] = reads_part,
    [SITE_READS_BODY] = reads_body,
    [SITE_ECHOES] = echoes,
    [SITE_WRITES_LINES] = writes_lines,
    [SITE_WRITES_BIG] = writes_big,
    [SITE_REPLIES_STATIC] = replies_static,
    [SITE_SENDS_FILE] = sends_file,
    [SITE_FAILS_AT_ONCE] = fails_at_once,
    [SITE_FAILS_AFTER_WRITE] = fails_after_write,
    [SITE_FAILS_AFTER_FLUSH] = fails_after_flush,
    [SITE_WRITES_LESS] = writes_less,
    [SITE_FLUSHES_LESS] = flushes_less,
    [SITE_WRITES_MORE] = writes_more,
    [SITE_SETS_FIELD] = sets_field,
    [SITE_SLEEPS] = sleeps,
    [SITE_CLOSES] = closes,
    [SITE_NO_CONTENT] = no_content,
    [SITE_LONG_HEAD] = sends_long_head,
    [SITE_LONGEST_HEAD] = sends_longest_head,
    [SITE_REPLIES_FIRST] = replies_first,
};

/* The folder with the one file that is sent; removed when the program ends in an orderly way. */
static void remove_folder(void)
{
    char path[sizeof root + 8];
    snprintf(path, sizeof path, "%s/big", root);
    (void)unlink(path);
    (void)rmdir(root);
}

static void make_folder(void)
{
    char path[sizeof root + 8];
    const char *shared = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(root, sizeof root, "%s/weir-fuzz-XXXXXX", shared);
    FUZZ_CHECK(mkdtemp(root));
    snprintf(path, sizeof path, "%s/big", root);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, big, SITE_BIG) == SITE_BIG && close(fd) == 0);
    FUZZ_CHECK(atexit(remove_folder) == 0);
}

static void drop_line(void *data, int level, const char *line)
{
    FUZZ_CHECK(!data && level >= WEIR_LOG_ERROR && level <= WEIR_LOG_DEBUG);
    for (; *line; line++)
        FUZZ_CHECK((unsigned char)*line >= ' ' && *line != 0x7f);
}

weir_server *site_new(void *(*worker_start)(void *server_data, int worker), bool http2)
{
    for (size_t i = 0; i < SITE_BIG; i++)
        big[i] = (char)('a' + i % 23);
    make_folder();
    weir_server *s = weir_server_new(&(weir_config){
        .port = WEIR_ANY,
        .workers = 1,
        .http2 = http2 ? WEIR_ON : WEIR_OFF,
        .http_buffer_size = SITE_BUFFER,
        .stack_size = (size_t)256 * 1024,
        .max_request_line = SITE_MAX_LINE,
        .max_header_block = SITE_MAX_BLOCK,
        .max_headers = SITE_MAX_HEADERS,
        .max_requests_per_connection = SITE_MAX_REQUESTS,
        .max_body = SITE_MAX_BODY,
        .max_chunk_extension = SITE_MAX_EXTENSION,
        .max_trailer = SITE_MAX_TRAILER,
        .drain_limit = SITE_DRAIN,
        .http2_max_streams = SITE_STREAMS,
        .http2_stream_window = SITE_WINDOW,
        .http2_connection_window = SITE_CONNECTION_WINDOW,
        .header_timeout_ms = SITE_TIMEOUT_MS,
        .idle_timeout_ms = SITE_TIMEOUT_MS,
        .body_timeout_ms = SITE_TIMEOUT_MS,
        .body_grace_ms = SITE_TIMEOUT_MS,
        .write_timeout_ms = SITE_TIMEOUT_MS,
        .handler_timeout_ms = 100 * SITE_TIMEOUT_MS,
        .memory_limit = getenv("WEIR_FUZZ_LIMIT") ? strtoull(getenv("WEIR_FUZZ_LIMIT"), NULL, 10) : 0,
        .watchdog_ms = WEIR_OFF,
        .log_level = WEIR_LOG_DEBUG,
        .log = drop_line,
        .worker_start = worker_start,
    });
    FUZZ_CHECK(s);
    for (size_t i = 0; i < SITE_KINDS; i++)
        FUZZ_CHECK(weir_route(s, site_routes[i].method, site_routes[i].path, handlers[i]) == 0);
    return s;
}
