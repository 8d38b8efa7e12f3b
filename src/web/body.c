/*
 * A request's body in one piece: in the request's memory or, where the group allows it, in a mapping of its own. The
 * mapping also serves a body that would take more than half of what the request has left, since the reply needs memory,
 * too.
 *
 * A mapping begins when the first bytes are there and grows to twice its size with those that have come: a client that
 * announces much and sends little holds little. Mappings and not the heap, because they grow without a copy and leave
 * nothing behind.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/mapping.h"

/* A body that is being read. */
struct collection {
    char *data; /* NULL: nowhere yet */
    size_t room, len;
    size_t most; /* length that the body may reach */
    bool mapped;
};

static struct mapping *mapping_of(char *data)
{
    return (struct mapping *)(void *)(data - sizeof(struct mapping));
}

/* The body_memory of the request's group. */
static size_t body_memory(const weir_ctx *c)
{
    if (!c->chain || !c->web->bodies)
        return 0;
    return container_of(c->chain, const weir_group, chain)->settings.body_memory;
}

size_t context_body_size(size_t len)
{
    return mapping_size(len + 1);
}

/* Makes room for need bytes, which are at most the longest body and its NUL. */
static bool collection_grow(weir_ctx *c, struct collection *b, size_t need)
{
    struct mapping *m = b->mapped ? mapping_of(b->data) : NULL;
    size_t size = m ? m->size * 2 : MAPPING_FIRST, whole = context_body_size(b->most);
    if (size < sizeof *m + need)
        size = mapping_size(need);
    m = mapping_resize(c->x->http, c->web->bodies, m, size < whole ? size : whole);
    if (!m)
        return false;
    c->body_mapping = m; /* from here on: a wait within reading may end the handler for good */
    if (!b->mapped) {
        if (b->len > 0)
            memcpy(mapping_data(m), b->data, b->len);
        if (b->data)
            arena_shrink(&c->x->arena, b->data, b->room, 0);
    }
    b->data = mapping_data(m);
    b->room = mapping_room(m);
    b->mapped = true;
    return true;
}

/* Lets a body of known length use what the request's memory has left: no first mapping could be had. */
static bool collection_fit(weir_ctx *c, struct collection *b)
{
    if (b->data || c->x->body_length < 0 || b->most >= arena_room(&c->x->arena))
        return false;
    b->data = arena_alloc(&c->x->arena, b->most + 1);
    b->room = b->data ? b->most + 1 : 0;
    return b->data != NULL;
}

/* Gives the collection's memory back, which the reply to the error needs. */
static int collection_drop(weir_ctx *c, struct collection *b, int error)
{
    if (b->mapped)
        context_release_body(c);
    else if (b->data)
        arena_shrink(&c->x->arena, b->data, b->room, 0);
    c->body_error = (int16_t)error;
    return error;
}

static int collection_read(weir_ctx *c, struct collection *b)
{
    const void *piece;
    ssize_t n;
    while ((n = weir_read_slice(c, &piece)) > 0) {
        if ((size_t)n > b->most - b->len)
            return WEIR_ETOOBIG;
        if (b->room - b->len <= (size_t)n && !collection_grow(c, b, b->len + (size_t)n + 1) && !collection_fit(c, b))
            return WEIR_ENOMEM;
        memcpy(b->data + b->len, piece, (size_t)n);
        b->len += (size_t)n;
    }
    return (int)n;
}

/* Keeps a complete body, which needs no more memory than it is long. */
static void collection_keep(weir_ctx *c, struct collection *b)
{
    b->data[b->len] = '\0';
    if (!b->mapped) {
        arena_shrink(&c->x->arena, b->data, b->room, b->len + 1);
    } else {
        struct mapping *m = mapping_of(b->data);
        size_t size = context_body_size(b->len);
        struct mapping *shorter = size < m->size ? mapping_resize(c->x->http, c->web->bodies, m, size) : NULL;
        c->body_mapping = shorter ? shorter : m;
        b->data = mapping_data(c->body_mapping);
    }
    c->body = b->data;
    c->body_len = b->len;
}

static int body_collect(weir_ctx *c, size_t limit)
{
    struct exchange *x = c->x;
    struct collection b = {.room = arena_room(&x->arena), .most = body_memory(c)};
    if (b.most < b.room)
        b.most = b.room - 1;
    else
        b.room /= 2;
    if (b.most > limit)
        b.most = limit;
    if (x->body_length >= 0) {
        if ((uint64_t)x->body_length > b.most)
            return WEIR_ETOOBIG;
        b.most = (size_t)x->body_length;
        b.room = b.most < b.room ? b.most + 1 : 0; /* all of it in the request's memory, or nothing */
    }
    if (b.room > 0 && !(b.data = arena_alloc(&x->arena, b.room)))
        b.room = 0;
    if (b.room == 0 && (b.most == 0 || body_memory(c) == 0))
        return WEIR_ENOMEM; /* no room even for the body's NUL, or for a mapping no permission */
    int error = collection_read(c, &b);
    if (error)
        return collection_drop(c, &b, error);
    if (b.room == 0)
        return collection_drop(c, &b, WEIR_ENOMEM);
    collection_keep(c, &b);
    return 0;
}

int weir_body(weir_ctx *c, size_t limit, const char **data, size_t *len)
{
    CONTEXT_CHECK(c);
    if (!data)
        return WEIR_EINVAL;
    if (!c->body) {
        int error = c->body_error ? c->body_error : body_collect(c, limit ? limit : SIZE_MAX);
        if (error)
            return error;
    }
    *data = c->body;
    if (len)
        *len = c->body_len;
    return 0;
}

void context_release_body(weir_ctx *c)
{
    if (!c->body_mapping)
        return;
    mapping_free(c->web->bodies, c->body_mapping);
    c->body = NULL;
    c->body_mapping = NULL;
}
