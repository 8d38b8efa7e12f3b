/*
 * A server for the wire tests of reply filters. Every reply below /reply goes through those that the request names, in
 * X-Filters, outermost first; X-When says who adds them: request (the default), around or response middleware, the
 * handler, or several of them. `filters ROOT [NAME=NUMBER ...]` serves with settings by name and logs to standard
 * error.
 *
 *   upper     upper-cases: as many bytes come out as go in
 *   hex       two digits for each byte; holds back up to 64 bytes; "|" behind what a flush made it give, where X-Marks
 *             is sent, and "!" at the end
 *   text      as hex, but passes replies whose type is not text
 *   broken-N  an error from its N-th call: 0 is begin, 1 and up data, 9 finish
 *   fails-N   ends the handler with 409 from its N-th call
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include "http/filter.h"
#include "web/context.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LARGE 300000
#define HELD  64

/* What filters and replies did, for /counts; and what replies are made of. */
struct tally {
    const char *root;
    weir_cache *cache;
    atomic_int added, begun, released, twice, sent, deferred;
    atomic_llong sent_bytes;
    atomic_int sent_error, add_error, status;
    char large[LARGE];
};

static struct tally tally;

/* ---- Filters */

struct test_filter {
    struct reply_filter f;
    bool released;
    bool text_only, fails;
    bool marks;          /* the request wants to see where flushes were: also turns that took long flush */
    int fails_at, calls; /* -1: never */
    size_t len;
    char held[HELD];
};

static struct test_filter *test_filter(struct reply_filter *f)
{
    return (struct test_filter *)(void *)f;
}

static void release(struct reply_filter *f, struct exchange *x)
{
    (void)x;
    struct test_filter *t = test_filter(f);
    atomic_fetch_add(&tally.twice, t->released);
    atomic_fetch_add(&tally.released, 1);
    t->released = true;
}

/* What begin saw is told to the client. */
static void tell_begin(struct exchange *x, const char *name, int64_t length)
{
    weir_ctx *c = x->context;
    char text[64];
    snprintf(text, sizeof text, "%s %d %lld", name, weir_status(c), (long long)length);
    weir_add_header(c, "X-Begin", text);
    atomic_fetch_add(&tally.begun, 1);
}

static int upper_begin(struct reply_filter *f, struct exchange *x, int64_t length)
{
    (void)f;
    tell_begin(x, "upper", length);
    return FILTER_KEEPS_LENGTH;
}

/* Where the next one has room for it, piece by piece. */
static int upper_data(struct reply_filter *f, struct exchange *x, const char *data, size_t len)
{
    while (len > 0) {
        size_t room;
        int error;
        char *to = filter_reserve(f, x, 1, &room, &error);
        if (!to)
            return error;
        size_t piece = len < room ? len : room;
        for (size_t i = 0; i < piece; i++)
            to[i] = (char)toupper((unsigned char)data[i]);
        error = filter_commit(f, x, piece);
        if (error)
            return error;
        data += piece;
        len -= piece;
    }
    return 0;
}

static const struct reply_filter_ops upper_ops = {.begin = upper_begin, .data = upper_data, .release = release};

static int hex_begin(struct reply_filter *f, struct exchange *x, int64_t length)
{
    const char *type = weir_response_header(x->context, "Content-Type");
    if (test_filter(f)->text_only && (!type || strncmp(type, "text/", 5) != 0))
        return FILTER_PASSES;
    test_filter(f)->marks = weir_header(x->context, "X-Marks") != NULL;
    tell_begin(x, "hex", length);
    return FILTER_CHANGES_LENGTH;
}

static int hex_put(struct reply_filter *f, struct exchange *x, const char *mark)
{
    struct test_filter *t = test_filter(f);
    char out[2 * HELD + 2];
    size_t len = 0;
    for (size_t i = 0; i < t->len; i++) {
        out[len++] = "0123456789abcdef"[(unsigned char)t->held[i] >> 4];
        out[len++] = "0123456789abcdef"[(unsigned char)t->held[i] & 15];
    }
    t->len = 0;
    len += (size_t)snprintf(out + len, 2, "%s", mark);
    return filter_write(f, x, out, len);
}

static int hex_data(struct reply_filter *f, struct exchange *x, const char *data, size_t len)
{
    struct test_filter *t = test_filter(f);
    for (size_t i = 0; i < len; i++) {
        int error = t->len == HELD ? hex_put(f, x, "") : 0;
        if (error)
            return error;
        t->held[t->len++] = data[i];
    }
    return 0;
}

static int hex_flush(struct reply_filter *f, struct exchange *x)
{
    const struct test_filter *t = test_filter(f);
    return t->marks || t->len > 0 ? hex_put(f, x, t->marks ? "|" : "") : 0;
}

static int hex_finish(struct reply_filter *f, struct exchange *x)
{
    return hex_put(f, x, "!");
}

static const struct reply_filter_ops hex_ops = {
    .begin = hex_begin, .data = hex_data, .flush = hex_flush, .finish = hex_finish, .release = release};

/* Returns the error of a filter that is broken. */
static int fail(const struct test_filter *t, struct exchange *x, int error)
{
    if (t->fails)
        weir_fail(x->context, 409, "failed in a filter");
    return error;
}

static int broken_begin(struct reply_filter *f, struct exchange *x, int64_t length)
{
    (void)length;
    struct test_filter *t = test_filter(f);
    atomic_fetch_add(&tally.begun, 1);
    return t->fails_at == 0 ? fail(t, x, WEIR_ENOMEM) : FILTER_CHANGES_LENGTH;
}

static int broken_data(struct reply_filter *f, struct exchange *x, const char *data, size_t len)
{
    struct test_filter *t = test_filter(f);
    return ++t->calls == t->fails_at ? fail(t, x, WEIR_ETOOBIG) : filter_write(f, x, data, len);
}

static int broken_finish(struct reply_filter *f, struct exchange *x)
{
    struct test_filter *t = test_filter(f);
    return t->fails_at == 9 ? fail(t, x, WEIR_EIO) : 0;
}

static const struct reply_filter_ops broken_ops = {
    .begin = broken_begin, .data = broken_data, .finish = broken_finish, .release = release};

static void add_filter(weir_ctx *c, const char *name, size_t len)
{
    struct test_filter *t = weir_alloc(c, sizeof *t);
    if (!t)
        abort();
    bool broken = *name == 'b' || *name == 'f';
    *t = (struct test_filter){.f.ops = *name == 'u' ? &upper_ops
                                       : broken     ? &broken_ops
                                                    : &hex_ops,
                              .text_only = *name == 't',
                              .fails = *name == 'f',
                              .fails_at = broken ? name[len - 1] - '0' : -1};
    int error = filter_add(c->x, &t->f);
    atomic_store(&tally.add_error, error);
    atomic_fetch_add(&tally.added, error == 0);
}

/* Adds the request's filters if it wants them from here. */
static void add_filters(weir_ctx *c, const char *here)
{
    const char *names = weir_header(c, "X-Filters"), *when = weir_header(c, "X-When");
    if (!names || !strstr(when ? when : "request", here))
        return;
    while (*names) {
        size_t len = strcspn(names, ", ");
        add_filter(c, names, len);
        names += len + strspn(names + len, ", ");
    }
}

static void on_request(weir_ctx *c)
{
    add_filters(c, "request");
}

static void around(weir_ctx *c)
{
    add_filters(c, "around");
    weir_next(c);
}

static void on_response(weir_ctx *c)
{
    add_filters(c, "response");
    weir_set_header(c, "X-Response", "seen");
}

/* ---- Replies */

static void is_sent(void *arg, int error, uint64_t bytes)
{
    (void)arg;
    atomic_store(&tally.sent_error, error);
    atomic_store(&tally.sent_bytes, (long long)bytes);
    atomic_fetch_add(&tally.sent, 1);
}

static void undo(void *arg)
{
    (void)arg;
    atomic_fetch_add(&tally.deferred, 1);
}

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    (void)c;
    return weir_cache_put(slot, tally.large, arg ? LARGE : 5);
}

static void value(weir_ctx *c, bool large)
{
    const weir_value *v;
    if (weir_cache_get(c, tally.cache, large ? "large" : "small", fill, large ? c : NULL, &v, NULL) == 0)
        weir_reply_value(c, "text/plain", v);
}

/* In pieces of all lengths. */
static void write_large(weir_ctx *c, size_t all)
{
    for (size_t at = 0, piece = 1; at < all; at += piece, piece = piece % 7000 + 37) {
        if (piece > all - at)
            piece = all - at;
        if (weir_write(c, tally.large + at, piece) != 0)
            return;
    }
}

static void print(weir_ctx *c, int lines)
{
    for (int i = 0; i < lines; i++)
        if (weir_printf(c, "line %d\n", i) != 0)
            return;
}

static void one_call(weir_ctx *c)
{
    const char *how = weir_param(c, "how");
    if (strcmp(how, "text") == 0)
        weir_reply_text(c, "some text");
    else if (strcmp(how, "json") == 0)
        weir_reply_json(c, "{\"a\":1}");
    else if (strcmp(how, "reply") == 0)
        weir_reply(c, "text/plain", tally.large, 3000);
    else if (strcmp(how, "reply-large") == 0)
        weir_reply(c, "text/plain", tally.large, LARGE);
    else if (strcmp(how, "printf") == 0)
        weir_reply_printf(c, "text/plain", "%.*s", 6000, tally.large);
    else if (strcmp(how, "static") == 0)
        weir_reply_static(c, "text/plain", "static", 6);
    else if (strcmp(how, "static-large") == 0)
        weir_reply_static(c, "text/plain", tally.large, LARGE);
    else if (strcmp(how, "value") == 0 || strcmp(how, "value-large") == 0)
        value(c, how[5] != '\0');
    else if (strcmp(how, "file") == 0)
        weir_send_file(c, tally.root, "small.txt");
    else if (strcmp(how, "file-large") == 0)
        weir_send_file(c, tally.root, "large.bin");
    else if (strcmp(how, "file-huge") == 0)
        weir_send_file(c, tally.root, "huge.bin");
    else if (strcmp(how, "missing") == 0)
        weir_send_file(c, tally.root, "missing");
    else if (strcmp(how, "error") == 0)
        weir_reply_error(c, 409, "a message");
    else if (strcmp(how, "redirect") == 0)
        weir_redirect(c, 302, "/elsewhere");
    else if (strcmp(how, "204") == 0 || strcmp(how, "304") == 0)
        weir_set_status(c, how[0] == '2' ? 204 : 304);
}

static void stream(weir_ctx *c)
{
    const char *how = weir_param(c, "how");
    if (strcmp(how, "stream") == 0) {
        print(c, 100);
    } else if (strcmp(how, "stream-large") == 0) {
        write_large(c, LARGE);
    } else if (strcmp(how, "print-large") == 0) {
        print(c, 20000);
    } else if (strcmp(how, "flushed") == 0) {
        weir_printf(c, "first");
        weir_flush(c);
        weir_printf(c, "second");
    } else if (strcmp(how, "announced") == 0 || strcmp(how, "short") == 0 || strcmp(how, "long") == 0) {
        weir_set_length(c, 40000);
        write_large(c, *how == 'a' ? 40000 : *how == 's' ? 30000 : 39000);
        if (*how == 'l')
            atomic_store(&tally.status, weir_write(c, tally.large, 2000));
    } else if (strcmp(how, "over") == 0) {
        weir_set_length(c, 40000);
        write_large(c, 40000);
        atomic_store(&tally.status, weir_write(c, tally.large, 1));
    } else if (strcmp(how, "fail") == 0) {
        weir_printf(c, "half a reply");
        weir_fail(c, 409, "failed");
    } else if (strcmp(how, "fail-late") == 0) {
        write_large(c, 20000);
        weir_fail(c, 409, "failed");
    } else if (strcmp(how, "wait") == 0) {
        weir_printf(c, "before");
        while (weir_sleep(c, 60000) == 0)
            ;
    } else if (strcmp(how, "endless") == 0) {
        while (weir_write(c, tally.large, LARGE) == 0)
            ;
    } else if (strcmp(how, "late") == 0) {
        weir_printf(c, "head out");
        weir_flush(c);
        add_filters(c, "late");
    }
}

static void make_reply(weir_ctx *c)
{
    weir_on_sent(c, is_sent, NULL);
    weir_defer(c, undo, NULL);
    add_filters(c, "handler");
    weir_set_header(c, "Content-Type", "text/plain");
    stream(c);
    one_call(c);
}

/* The request's body back; or, final=1, a final reply before it is read. */
static void echo(weir_ctx *c)
{
    const void *data;
    ssize_t n;
    if (weir_query(c, "unread")) {
        weir_reply_text(c, "not read");
        return;
    }
    if (weir_query(c, "final"))
        weir_reply(c, "text/plain", tally.large, 3000);
    while ((n = weir_read_slice(c, &data)) > 0)
        if (!weir_query(c, "final"))
            weir_write(c, data, (size_t)n);
}

static void counts(weir_ctx *c)
{
    weir_reply_printf(c, "application/json",
                      "{\"added\":%d,\"begun\":%d,\"released\":%d,\"twice\":%d,\"sent\":%d,\"sent_bytes\":%lld,"
                      "\"sent_error\":%d,\"add_error\":%d,\"write_error\":%d,\"deferred\":%d}",
                      tally.added, tally.begun, tally.released, tally.twice, tally.sent, tally.sent_bytes,
                      tally.sent_error, tally.add_error, tally.status, tally.deferred);
}

/* ---- Running */

static void set(weir_config *config, const char *argument)
{
    const char *value = strchr(argument, '=');
    long long n = value ? strtoll(value + 1, NULL, 10) : 0;
    if (strncmp(argument, "handler_timeout_ms=", 19) == 0)
        config->handler_timeout_ms = (int)n;
    else if (strncmp(argument, "request_memory=", 15) == 0)
        config->request_memory = (size_t)n;
    else if (strncmp(argument, "write_timeout_ms=", 17) == 0)
        config->write_timeout_ms = (int)n;
    else if (strncmp(argument, "http_buffer_size=", 17) == 0)
        config->http_buffer_size = (size_t)n;
    else if (strncmp(argument, "memory_limit=", 13) == 0)
        config->memory_limit = (size_t)n;
    else
        abort();
}

int main(int argc, char **argv)
{
    tally.root = argc > 1 ? argv[1] : ".";
    for (size_t i = 0; i < LARGE; i++)
        tally.large[i] = "abcdefghijklmnopqrstuvwxyz\n"[i % 27];
    weir_config config = {.port = WEIR_ANY, .workers = 1, .log_level = WEIR_LOG_INFO};
    for (int i = 2; i < argc; i++)
        set(&config, argv[i]);
    weir_server *s = weir_server_new(&config);
    tally.cache = weir_cache_new(s, NULL);
    weir_group *filtered = weir_group_new(s, NULL, "/reply", NULL);
    weir_on_request(filtered, on_request);
    weir_around(filtered, around);
    weir_on_response(filtered, on_response);
    weir_group_route(filtered, "GET", "/{how}", make_reply, NULL);
    weir_group_route(filtered, "POST", "/echo", echo, NULL);
    weir_get(s, "/counts", counts);
    weir_get(s, "/ledger", weir_ledger_json);
    return serve(s);
}
