/*
 * Memory and data of the request, and of whom it belongs to.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/json.h"

#include <stdio.h>

void *weir_alloc(weir_ctx *c, size_t size)
{
    return arena_alloc(&c->x->arena, size);
}

char *weir_sprintf(weir_ctx *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char probe[1];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(probe, sizeof probe, fmt, again);
    va_end(again);
    char *text = len < 0 ? NULL : arena_alloc(&c->x->arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

size_t weir_json_depth(const char *text, size_t len)
{
    return json_depth(slice_of(text, len));
}

const char *weir_json_string(weir_ctx *c, const char *text)
{
    return text ? json_string(slice_from(text), &c->x->arena) : "null";
}

void *weir_attribute_find(weir_ctx *c, const weir_attribute_key *key)
{
    for (struct attribute *a = c->attributes; a; a = a->next)
        if (a->key == key)
            return a->value;
    return NULL;
}

void *weir_attribute(weir_ctx *c, const weir_attribute_key *key)
{
    void *value = weir_attribute_find(c, key);
    if (value)
        return value;
    struct attribute *a = arena_alloc(&c->x->arena, sizeof *a + key->size);
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
    return c->web->server_data;
}

void *weir_worker_data(weir_ctx *c)
{
    return c->web->worker_data;
}

int weir_worker_index(weir_ctx *c)
{
    return c->web->worker_index;
}

weir_server *weir_ctx_server(weir_ctx *c)
{
    return c->web->server;
}
