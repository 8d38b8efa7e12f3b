/*
 * Memory and data of the request, and of whom it belongs to.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/json.h"

#include <stdio.h>

static inline void *request_alloc(weir_ctx *c, size_t size)
{
    void *p = arena_alloc(&c->x->arena, size);
    if (unlikely(!p))
        c->memory_refused = true;
    return p;
}

void *weir_alloc(weir_ctx *c, size_t size)
{
    CONTEXT_CHECK(c);
    return request_alloc(c, size);
}

char *weir_sprintf(weir_ctx *c, const char *fmt, ...)
{
    CONTEXT_CHECK(c);
    if (!fmt)
        return NULL;
    va_list args;
    va_start(args, fmt);
    char probe[1];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(probe, sizeof probe, fmt, again);
    va_end(again);
    char *text = len < 0 ? NULL : request_alloc(c, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

const char *weir_json_string(weir_ctx *c, const char *text)
{
    CONTEXT_CHECK(c);
    if (!text)
        return "null";
    const char *quoted = json_string(slice_from(text), &c->x->arena);
    if (unlikely(!quoted))
        c->memory_refused = true;
    return quoted;
}

void *weir_attribute_find(weir_ctx *c, const weir_attribute_key *key)
{
    CONTEXT_CHECK(c);
    for (struct attribute *a = c->attributes; a; a = a->next)
        if (a->key == key)
            return a->value;
    return NULL;
}

void *weir_attribute(weir_ctx *c, const weir_attribute_key *key)
{
    CONTEXT_CHECK(c);
    void *value = weir_attribute_find(c, key);
    if (value || !key)
        return value;
    struct attribute *a = request_alloc(c, sizeof *a + key->size);
    if (!a)
        return NULL;
    a->next = c->attributes;
    a->key = key;
    memset(a->value, 0, key->size);
    c->attributes = a;
    return a->value;
}

void *weir_server_data(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->web->server_data;
}

void *weir_worker_data(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->web->worker_data;
}

int weir_worker_index(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->web->worker_index;
}

weir_server *weir_ctx_server(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->web->server;
}
