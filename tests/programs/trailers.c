/*
 * A server for the wire tests of trailer fields of replies. `trailers ROOT [SEED]` serves, with a seed by the unsteady
 * transport. The query of a request below /reply says when fields are added: when=before, between (behind a flush) or
 * after what makes the reply, or late, by response middleware; and, if not that, their value. What the calls have
 * returned is told by /results.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"
#include "unsteady.h"

#include "http/filter.h"
#include "web/context.h"

#include <stdlib.h>
#include <string.h>

#define LARGE   100000
#define RESULTS 64

/* What the program's one worker has; its handlers do not wait between two looks. */
static struct {
    const char *root;
    weir_cache *cache;
    int results[RESULTS];
    int count;
    char large[LARGE];
} site;

static bool is(const char *text, const char *name)
{
    return text && strcmp(text, name) == 0;
}

static void add(weir_ctx *c, const char *name, const char *value)
{
    int result = weir_add_trailer(c, name, value);
    if (site.count < RESULTS)
        site.results[site.count++] = result;
}

static void add_at(weir_ctx *c, const char *when)
{
    const char *wanted = weir_query(c, "when"), *value = weir_query(c, "value");
    if (wanted && strstr(wanted, when))
        add(c, "X-When", value ? value : when);
}

static void add_late(weir_ctx *c)
{
    add_at(c, "late");
}

/* ---- A filter that writes each byte twice */

static int twice_begin(struct reply_filter *f, struct exchange *x, int64_t length)
{
    (void)f;
    (void)x;
    (void)length;
    return FILTER_CHANGES_LENGTH;
}

static int twice_data(struct reply_filter *f, struct exchange *x, const char *data, size_t len)
{
    int error = 0;
    for (size_t i = 0; i < len && !error; i++)
        error = filter_write(f, x, (const char[]){data[i], data[i]}, 2);
    return error;
}

static const struct reply_filter_ops twice = {.begin = twice_begin, .data = twice_data};

static void add_filter(weir_ctx *c)
{
    struct reply_filter *f = weir_query(c, "filter") ? weir_alloc(c, sizeof *f) : NULL;
    if (f)
        f->ops = &twice;
    if (f && filter_add(c->x, f) != 0)
        weir_fail(c, 500, "no filter");
}

/* ---- Replies */

static int fill(weir_ctx *c, weir_cache_slot *slot, void *arg)
{
    (void)c;
    (void)arg;
    return weir_cache_put(slot, site.large, LARGE);
}

static void reply_value(weir_ctx *c)
{
    const weir_value *value;
    if (weir_cache_get(c, site.cache, "key", fill, NULL, &value, NULL) == 0)
        weir_reply_value(c, "text/plain", value);
}

/* In two pieces, with what is between them. */
static void stream(weir_ctx *c, int64_t announced)
{
    if (announced >= 0)
        weir_set_length(c, announced);
    weir_printf(c, "first ");
    if (weir_query(c, "flush"))
        weir_flush(c);
    add_at(c, "between");
    weir_printf(c, "second");
}

static void make_reply(weir_ctx *c)
{
    const char *how = weir_param(c, "how");
    add_at(c, "before");
    if (is(how, "text"))
        weir_reply_text(c, "text");
    else if (is(how, "large"))
        weir_reply(c, "text/plain", site.large, LARGE);
    else if (is(how, "static"))
        weir_reply_static(c, "text/plain", "static", 6);
    else if (is(how, "static-large"))
        weir_reply_static(c, "text/plain", site.large, LARGE);
    else if (is(how, "value"))
        reply_value(c);
    else if (is(how, "file"))
        weir_send_file(c, site.root, "small.txt");
    else if (is(how, "file-large"))
        weir_send_file(c, site.root, "large.bin");
    else if (is(how, "stream"))
        stream(c, -1);
    else if (is(how, "announced"))
        stream(c, 12);
    else if (is(how, "short"))
        stream(c, 13);
    else if (is(how, "no-content"))
        weir_set_status(c, 204);
    else if (is(how, "not-modified"))
        weir_set_status(c, 304);
    else if (is(how, "fail"))
        weir_fail(c, 409, "failed");
    else if (is(how, "fail-late")) {
        weir_printf(c, "some");
        weir_flush(c);
        weir_fail(c, 409, "failed");
    }
    add_at(c, "after");
}

/* Many fields, or large ones. */
static void many(weir_ctx *c)
{
    long count = strtol(weir_param(c, "count"), NULL, 10);
    char name[32];
    weir_printf(c, "many");
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "X-%ld", i);
        add(c, name, weir_query(c, "value"));
    }
}

/* A field of the query's name and value. */
static void named(weir_ctx *c)
{
    int result = weir_add_trailer(c, weir_query(c, "name"), weir_query(c, "value"));
    weir_reply_printf(c, "text/plain", "%d", result);
}

/* With the checksum of what has been streamed, announced as RFC 9110 section 6.6.2 has it. */
static void summed(weir_ctx *c)
{
    unsigned sum = 0;
    weir_set_header(c, "Trailer", "X-Sum");
    for (int i = 0; i < 100; i++) {
        if (weir_write(c, site.large, 1000) != 0)
            return;
        sum += 1000;
        if (i % 10 == 0)
            weir_sleep(c, 1);
    }
    char text[16];
    snprintf(text, sizeof text, "%u", sum);
    add(c, "X-Sum", text);
}

static void add_deferred(void *arg)
{
    add(arg, "X-Deferred", "1");
}

static void deferred(weir_ctx *c)
{
    weir_printf(c, "body");
    weir_flush(c);
    weir_defer(c, add_deferred, c);
}

static void results(weir_ctx *c)
{
    for (int i = 0; i < site.count; i++)
        weir_printf(c, "%d ", site.results[i]);
    site.count = 0;
}

int main(int argc, char **argv)
{
    site.root = argc > 1 ? argv[1] : ".";
    for (size_t i = 0; i < LARGE; i++)
        site.large[i] = "abcdefghijklmnopqrstuvwxyz\n"[i % 27];
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 1, .log_level = WEIR_LOG_INFO});
    if (argc > 2)
        unsteady_install(s, (unsigned)strtoul(argv[2], NULL, 10));
    site.cache = weir_cache_new(s, NULL);
    weir_group *replies = weir_group_new(s, NULL, "/reply", NULL);
    weir_on_request(replies, add_filter);
    weir_on_response(replies, add_late);
    weir_group_route(replies, "GET", "/{how}", make_reply, NULL);
    weir_get(s, "/plain/{how}", make_reply);
    weir_get(s, "/many/{count}", many);
    weir_get(s, "/named", named);
    weir_get(s, "/summed", summed);
    weir_get(s, "/deferred", deferred);
    weir_get(s, "/results", results);
    return serve(s);
}
