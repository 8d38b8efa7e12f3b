/*
 * A server that parses bodies by a library, in each of the ways that docs/handlers.md advises, and in the one that it
 * warns of. The ways: POST /deep (on the deep stack), /offload (on another thread), /checked (on the handler's stack,
 * what nests deeper than DEPTH being refused before), /stream (as it comes), /bare (on the handler's stack,
 * unchecked). 200, or 400 where the text is refused. Further, POST /fail (fails on the deep stack with 422), POST
 * /wait (waits there), GET /ledger. Arguments: deep_stack_size=BYTES, offload_stack_size=BYTES, memory_limit=BYTES.
 *
 * SPDX-License-Identifier: MIT
 */
#include "../serving.h"
#include "parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH   64
#define REFUSED 1 /* of parse(); errors are negative */

struct text {
    const char *data;
    size_t len;
};

static int parse(void *arg)
{
    const struct text *t = arg;
    return parser_round(t->data, t->len) ? 0 : REFUSED;
}

static struct text body(weir_ctx *c)
{
    struct text t;
    int error = weir_body(c, 0, &t.data, &t.len);
    if (error)
        weir_fail(c, error == WEIR_ETOOBIG ? 413 : 400, "%s", weir_strerror(error));
    return t;
}

static void answer(weir_ctx *c, int error)
{
    if (error == REFUSED)
        weir_fail(c, 400, "this is not JSON, or it nests too deep");
    if (error)
        weir_fail(c, 503, "%s", weir_strerror(error));
    weir_reply_text(c, "good");
}

static void on_deep_stack(weir_ctx *c)
{
    struct text t = body(c);
    answer(c, weir_call_deep(c, parse, &t));
}

static void on_thread(weir_ctx *c)
{
    struct text t = body(c);
    answer(c, weir_offload(c, parse, &t));
}

static void checked(weir_ctx *c)
{
    struct text t = body(c);
    answer(c, weir_json_depth(t.data, t.len) > DEPTH ? REFUSED : parse(&t));
}

static void bare(weir_ctx *c)
{
    struct text t = body(c);
    answer(c, parse(&t));
}

static void stream(weir_ctx *c)
{
    answer(c, parser_stream(c) ? 0 : REFUSED);
}

struct failing {
    weir_ctx *c;
    struct text text;
};

static int parse_or_fail(void *arg)
{
    const struct failing *f = arg;
    if (!parser_round(f->text.data, f->text.len))
        weir_fail(f->c, 422, "left on the deep stack");
    return weir_alloc(f->c, 1000) ? 0 : WEIR_ENOMEM;
}

static void failing(weir_ctx *c)
{
    struct failing f = {.c = c, .text = body(c)};
    answer(c, weir_call_deep(c, parse_or_fail, &f));
}

static int wait_there(void *arg)
{
    weir_yield(arg);
    return 0;
}

/* What must not be done. */
static void waiting(weir_ctx *c)
{
    answer(c, weir_call_deep(c, wait_there, c));
}

int main(int argc, char **argv)
{
    weir_config config = {.port = WEIR_ANY, .workers = 1, .offload_threads = 1};
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t number = equals ? strtoul(equals + 1, NULL, 10) : 0;
        if (strncmp(argv[i], "deep_stack_size=", 16) == 0)
            config.deep_stack_size = number;
        else if (strncmp(argv[i], "offload_stack_size=", 19) == 0)
            config.offload_stack_size = number;
        else if (strncmp(argv[i], "memory_limit=", 13) == 0)
            config.memory_limit = number;
        else
            return 2;
    }
    config.request_memory = config.memory_limit ? 0 : 1 << 20; /* bodies of 1 MB, unless memory is short */
    (void)weir_catch_stack_overflow();
    weir_server *s = weir_server_new(&config);
    weir_post(s, "/deep", on_deep_stack);
    weir_post(s, "/offload", on_thread);
    weir_post(s, "/checked", checked);
    weir_post(s, "/bare", bare);
    weir_post(s, "/fail", failing);
    if (parser_stream)
        weir_post(s, "/stream", stream);
    weir_get(s, "/ledger", weir_ledger_json);
    weir_post(s, "/wait", waiting);
    return serve(s);
}
