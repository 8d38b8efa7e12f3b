/*
 * A server whose handlers do what is forbidden: they keep pointers into a request and use them after its end. Builds
 * that poison memory have to catch each at once. One worker, so that the pointer needs no lock.
 *
 * SPDX-License-Identifier: MIT
 */
#include "serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile const char *kept;
static volatile bool ended;

static void keep(weir_ctx *c, const void *pointer)
{
    kept = pointer;
    weir_reply_text(c, pointer ? "kept" : "none");
}

static void keep_header(weir_ctx *c)
{
    keep(c, weir_header(c, "X-Kept"));
}

static void keep_query(weir_ctx *c)
{
    weir_alloc(c, 64); /* so that it does not lie where the next request's first allocation does */
    keep(c, weir_query(c, "kept"));
}

static void keep_alloc(weir_ctx *c)
{
    weir_alloc(c, 64);
    char *memory = weir_alloc(c, (size_t)strtol(weir_param(c, "size"), NULL, 10));
    if (memory)
        memory[0] = 'x';
    keep(c, memory);
}

static void keep_body(weir_ctx *c)
{
    const void *piece;
    keep(c, weir_read_slice(c, &piece) > 0 ? piece : NULL);
}

static void note_end(void *arg)
{
    (void)arg;
    ended = true;
}

static void keep_local(weir_ctx *c)
{
    char local[64] = "local";
    ended = false;
    weir_defer(c, note_end, NULL);
    keep(c, local);
}

static void use(weir_ctx *c)
{
    weir_reply_printf(c, NULL, "%d", kept[0]);
}

/* The same, while another handler keeps and ends: this one has a stack of its own meanwhile. */
static void use_later(weir_ctx *c)
{
    ended = false;
    while (!ended)
        weir_sleep(c, 1);
    weir_sleep(c, 10);
    use(c);
}

int main(void)
{
    weir_server *s = weir_server_new(&(weir_config){.port = WEIR_ANY, .workers = 1, .log_level = WEIR_OFF});
    weir_get(s, "/keep/header", keep_header);
    weir_get(s, "/keep/query", keep_query);
    weir_get(s, "/keep/alloc/{size}", keep_alloc);
    weir_post(s, "/keep/body", keep_body);
    weir_get(s, "/keep/local", keep_local);
    weir_get(s, "/use", use);
    weir_get(s, "/use/later", use_later);
    return serve(s);
}
