/*
 * Exchanges without a request.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/bare.h"
#include "http/exchange_life.h"
#include "net/address.h"

ssize_t bare_read(struct exchange *x, const char **data)
{
    (void)x;
    *data = NULL;
    return 0;
}

bool bare_trailer(const struct exchange *x, size_t i, const char **name, const char **value)
{
    (void)x;
    (void)i;
    (void)name;
    (void)value;
    return false;
}

char *bare_reserve(struct exchange *x, size_t min, size_t *room, int *error)
{
    (void)x;
    (void)min;
    *room = 0;
    *error = WEIR_EDONE;
    return NULL;
}

int bare_commit(struct exchange *x, size_t len)
{
    (void)x;
    (void)len;
    return WEIR_EDONE;
}

char *bare_place(struct exchange *x, size_t len)
{
    (void)x;
    (void)len;
    return NULL;
}

int bare_write(struct exchange *x, const char *data, size_t len)
{
    (void)data;
    return bare_commit(x, len);
}

size_t bare_written(struct exchange *x, const char **data)
{
    (void)x;
    *data = NULL;
    return 0;
}

int bare_nothing(struct exchange *x)
{
    (void)x;
    return 0;
}

void bare_ignore(struct exchange *x)
{
    (void)x;
}

void bare_end(struct exchange *x, enum ending how)
{
    (void)x;
    (void)how;
}

bool bare_watch(struct exchange *x)
{
    (void)x;
    return true;
}

enum exchange_peer bare_peer(struct exchange *x, bool look)
{
    (void)x;
    (void)look;
    return PEER_OPEN;
}

void bare_address(const struct exchange *x, bool own, struct address *a)
{
    (void)x;
    (void)own;
    *a = (struct address){.len = 0};
}

uint8_t bare_listener(const struct exchange *x)
{
    (void)x;
    return 0;
}

void bare_begin(struct exchange *x)
{
    exchange_begin(x);
    x->special = true;
    x->head = (struct http_head){
        .base = "", .version = WEIR_HTTP_1_1, .fields = x->head.fields, .field_max = x->head.field_max};
    x->target = (struct target){.plain = false};
    x->reply.form = REPLY_RAW;
    x->reply.phase = REPLY_ENDED;
    x->body_length = 0;
    x->body_read = false;
    x->rest.len = 0;
}
