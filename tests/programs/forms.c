/*
 * A server for the wire tests of forms. `forms ROOT [tls]` saves beneath ROOT, and logs to standard error.
 *
 *   POST /parts    the parts as JSON lines; query: how=slice (default), read, begun, skip, text, count; max_parts,
 *                  max_header, max_part, max_size
 *   POST /fields   the fields as JSON lines; /large/fields with more memory
 *   POST /values   the first and the second value of "a", and that of "b", as JSON
 *   POST /asked    as /values, and before it the result of weir_form_read()
 *   POST /body     as /values, behind weir_body()
 *   POST /careless takes what weir_part_next() returns for a truth value, and says "fine"
 *   POST /calls    results of calls that are not meant like this
 *   POST /save     saves files by their safe names; query: limit, exclusive, folder
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <string.h>

static const char *root;

static const char *json(weir_ctx *c, const char *text)
{
    const char *quoted = weir_json_string(c, text);
    if (!quoted)
        weir_fail(c, 500, "no memory for a string");
    return quoted;
}

static int64_t number(weir_ctx *c, const char *name)
{
    int64_t value = 0;
    if (weir_query_int(c, name, WEIR_OFF, INT64_MAX, &value) != 0)
        weir_fail(c, 500, "%s is no number", name);
    return value;
}

/* ---- Parts */

static void print_headers(weir_ctx *c)
{
    const char *name, *value;
    weir_printf(c, ",\"headers\":[");
    for (size_t i = 0; weir_part_header_item(c, i, &name, &value); i++)
        weir_printf(c, "%s[%s,%s]", i ? "," : "", json(c, name), json(c, value));
    const char *own = weir_part_header(c, "x-own");
    weir_printf(c, "],\"own\":%s", json(c, own));
}

/* Adds what the part holds; false: an error. */
static bool print_content(weir_ctx *c, const char *how)
{
    unsigned long long size = 0, sum = 0;
    const void *data;
    const char *text;
    char buf[7];
    ssize_t len = 0;
    int error;
    if (strcmp(how, "skip") == 0)
        return true;
    if (strcmp(how, "text") == 0) {
        error = weir_part_text(c, 0, &text);
        if (!error)
            weir_printf(c, ",\"text\":%s", json(c, text));
        return !error;
    }
    if (strcmp(how, "begun") == 0 && weir_part_read(c, buf, 1) < 0)
        return false;
    if (strcmp(how, "begun") == 0)
        return true;
    bool slices = strcmp(how, "read") != 0;
    while ((len = slices ? weir_part_read_slice(c, &data) : weir_part_read(c, buf, sizeof(buf))) > 0) {
        const unsigned char *bytes = slices ? data : (const void *)buf;
        for (ssize_t i = 0; i < len; i++)
            sum = (sum * 31 + bytes[i]) & 0xffffffff;
        size += (unsigned long long)len;
    }
    weir_printf(c, ",\"size\":%llu,\"sum\":%llu", size, sum);
    return len == 0;
}

static void count(weir_ctx *c)
{
    const weir_part *part;
    int found = 0;
    while (weir_part_next(c, &part) > 0)
        found++;
    weir_printf(c, "%d", found);
}

static void parts(weir_ctx *c)
{
    const weir_part *part;
    const char *how = weir_query(c, "how");
    int more, error = weir_form_begin(c, &(weir_form_options){
                                             .max_parts = (int)number(c, "max_parts"),
                                             .max_header = (size_t)number(c, "max_header"),
                                             .max_part = number(c, "max_part"),
                                             .max_size = number(c, "max_size"),
                                         });
    if (error == WEIR_EINVAL)
        weir_fail(c, 500, "options");
    if (how && strcmp(how, "count") == 0) {
        count(c);
        return;
    }
    while ((more = weir_part_next(c, &part)) > 0) {
        weir_printf(c, "{\"name\":%s,\"filename\":%s,\"safe\":%s,\"type\":%s", json(c, part->name),
                    json(c, part->filename), json(c, part->safe_name), json(c, part->type));
        print_headers(c);
        if (!print_content(c, how ? how : "slice"))
            return;
        weir_printf(c, "}\n");
    }
}

static void careless(weir_ctx *c)
{
    const weir_part *part;
    weir_reply_text(c, "fine");
    while (weir_part_next(c, &part))
        ;
}

/* ---- Whole forms */

static void fields(weir_ctx *c)
{
    const char *name, *value;
    for (size_t i = 0; weir_form_item(c, i, &name, &value); i++)
        weir_printf(c, "[%s,%s]\n", json(c, name), json(c, value));
}

static void values(weir_ctx *c)
{
    const char *a = weir_form(c, "a"), *second = weir_form_nth(c, "a", 1), *b = weir_form(c, "b");
    weir_printf(c, "[%s,%s,%s]", json(c, a), json(c, second), json(c, b));
}

static void asked(weir_ctx *c)
{
    int error = weir_form_read(c);
    if (error && weir_query(c, "own")) {
        weir_reply_error(c, 422, "of its own");
        return;
    }
    weir_printf(c, "%s %s ", weir_strerror(error), weir_strerror(weir_form_read(c)));
    values(c);
}

static void body(weir_ctx *c)
{
    const char *data;
    size_t len;
    if (weir_body(c, 0, &data, &len) != 0)
        weir_fail(c, 500, "the body");
    values(c);
}

static void calls(weir_ctx *c)
{
    const weir_part *part;
    const void *data;
    const char *text;
    char buf[8];
    weir_printf(c, "is %d", weir_is_form(c));
    weir_printf(c, " options %d", weir_form_begin(c, &(weir_form_options){.max_header = 1}));
    weir_printf(c, " options %d", weir_form_begin(c, &(weir_form_options){.max_part = -2}));
    weir_printf(c, " begin %d", weir_form_begin(c, NULL));
    weir_printf(c, " begin %d", weir_form_begin(c, NULL));
    weir_printf(c, " before %d %d", (int)weir_part_read(c, buf, sizeof(buf)), weir_part_text(c, 0, &text));
    weir_printf(c, " save %d", weir_part_save(c, root, "x", NULL));
    weir_printf(c, " item %d", weir_part_header_item(c, 0, NULL, NULL));
    weir_printf(c, " null %d %d", weir_part_next(c, NULL), (int)weir_part_read_slice(c, NULL));
    weir_printf(c, " next %d", weir_part_next(c, &part));
    weir_printf(c, " whole %d %d", weir_form_read(c), weir_form(c, part->name) == NULL);
    weir_printf(c, " read %d", (int)weir_part_read(c, buf, 0));
    while (weir_part_read(c, buf, sizeof(buf)) > 0)
        ;
    weir_printf(c, " behind %d %d", (int)weir_part_read(c, buf, 1), (int)weir_part_read_slice(c, &data));
    weir_printf(c, " name %s", part->name);
    while (weir_part_next(c, &part) > 0)
        ;
    weir_printf(c, " over %d %d %d", weir_part_next(c, &part), part == NULL, weir_part_header_item(c, 0, NULL, NULL));
}

/* ---- Files */

static void save(weir_ctx *c)
{
    const weir_part *part;
    const char *folder = weir_query(c, "folder");
    weir_save_options options = {.limit = number(c, "limit"), .exclusive = (int)number(c, "exclusive")};
    while (weir_part_next(c, &part) > 0) {
        if (!part->filename || !*part->safe_name)
            continue;
        const char *path = weir_sprintf(c, "%s%s", folder ? folder : "", part->safe_name);
        if (weir_part_save(c, root, path, &options) != 0)
            return;
        weir_printf(c, "%s\n", part->safe_name);
    }
}

int main(int argc, char **argv)
{
    root = argc > 1 ? argv[1] : ".";
    weir_server *s = weir_server_new(&(weir_config){
        .port = WEIR_ANY,
        .workers = 1,
        .log_level = WEIR_LOG_INFO,
        .body_timeout_ms = 2000,
    });
    weir_post(s, "/parts", parts);
    weir_any(s, "/fields", fields);
    weir_post(s, "/values", values);
    weir_post(s, "/asked", asked);
    weir_post(s, "/body", body);
    weir_post(s, "/careless", careless);
    weir_post(s, "/calls", calls);
    weir_post(s, "/save", save);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_group *large = weir_group_new(s, NULL, "/large", NULL);
    weir_group_set(large, &(weir_group_settings){.request_memory = 1 << 18});
    weir_group_route(large, "POST", "/fields", fields, NULL);
    if (argc > 2 && strcmp(argv[2], "tls") == 0)
        weir_server_listen(s, &(weir_listen_config){
                                  .port = WEIR_ANY,
                                  .tls = &(weir_tls_config){.self_signed = "localhost 127.0.0.1"},
                              });
    return serve(s);
}
