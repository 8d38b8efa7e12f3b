/*
 * The reply's head and the replies that are one call.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/log.h"
#include "http/scan.h"
#include "http/status.h"
#include "http/trailer.h"
#include "web/cache/value.h"
#include "web/context.h"

#include <stdio.h>

int weir_set_status(weir_ctx *c, int status)
{
    CONTEXT_CHECK(c);
    if (reply_is_committed(&c->x->reply))
        return WEIR_ECOMMITTED;
    if (status < 200 || status > 599)
        return WEIR_EINVAL;
    c->x->reply.status = (uint16_t)status;
    return 0;
}

int weir_status(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    return c->x->reply.status;
}

/* ---- Fields ---- */

static void reply_find_last(struct reply *r)
{
    r->last = &r->fields;
    while (*r->last)
        r->last = &(*r->last)->next;
}

static void reply_remove(struct reply *r, struct slice name)
{
    for (struct reply_field **at = &r->fields; *at;) {
        if (slice_equal_nocase(reply_field_name(*at), name))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    reply_find_last(r);
}

void reply_remove_field(struct reply *r, const struct reply_field *f)
{
    for (struct reply_field **at = &r->fields; *at; at = &(*at)->next) {
        if (*at != f)
            continue;
        *at = f->next;
        break;
    }
    reply_find_last(r);
}

void reply_put_field(struct reply *r, struct reply_field *f)
{
    f->next = NULL;
    *r->last = f;
    r->last = &f->next;
}

/*
 * Whether the page of an error keeps a field, because it belongs to the error and not to the reply that the handler was
 * about to make (RFC 9110 sections 10 and 11, 15.5.16, 15.5.17 and 15.5.22).
 */
static bool field_survives(struct slice name, int status, bool chosen)
{
    static const struct {
        const char *name;
        int status; /* of the only error that the field belongs to; 0: any */
    } known[] = {{"WWW-Authenticate", 0}, {"Proxy-Authenticate", 0}, {"Allow", 0},    {"Location", 0},
                 {"Content-Range", 416},  {"Upgrade", 426},          {"Accept", 415}, {"Accept-Encoding", 415},
                 {"Accept-Patch", 415},   {"Accept-Post", 415}};
    if (slice_equal_nocase(name, SLICE("Retry-After")) || slice_equal_nocase(name, SLICE(HSTS_NAME)))
        return true;
    for (size_t i = 0; chosen && i < sizeof known / sizeof *known; i++)
        if (slice_equal_nocase(name, slice_from(known[i].name)))
            return known[i].status == 0 || known[i].status == status;
    return false;
}

void reply_reset(weir_ctx *c, int status, bool chosen)
{
    struct exchange *x = c->x;
    struct reply *r = &x->reply;
    x->ops->discard(x);
    r->last = &r->fields;
    for (struct reply_field *f = r->fields; f; f = f->next) {
        if (!field_survives(reply_field_name(f), status, chosen))
            continue;
        *r->last = f;
        r->last = &f->next;
    }
    *r->last = NULL;
    r->trailers = NULL;
    r->type = slice_of(NULL, 0);
    r->length = REPLY_LENGTH_UNKNOWN;
    r->phase = REPLY_OPEN;
    c->body_is_file = false;
}

static inline bool all_of(struct slice text, enum scan_class class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!scan_is(text.data[i], class))
            return false;
    return true;
}

/* Whether a field is the framework's alone, such as those that say where a message ends. */
static inline __attribute__((always_inline)) bool field_reserved(struct slice name, struct slice value)
{
    switch (name.len) {
    case 4:
        return slice_equal_nocase(name, SLICE("Date"));
    case 10:
        return slice_equal_nocase(name, SLICE("Connection")) && !slice_equal_nocase(value, SLICE("close"));
    case 14:
        return slice_equal_nocase(name, SLICE("Content-Length"));
    case 17:
        return slice_equal_nocase(name, SLICE("Transfer-Encoding"));
    default:
        return false;
    }
}

static inline __attribute__((always_inline)) bool field_is_valid(struct slice name, struct slice value)
{
    return name.len > 0 && name.len <= 1024 && value.len <= 32768 && all_of(name, SCAN_TOKEN) &&
           all_of(value, SCAN_VALUE) && !field_reserved(name, value);
}

static COLD int field_refused(const weir_ctx *c, const char *what, struct slice name)
{
    log_error(c->web->loop->log, "a reply's %s was refused: \"%.*s\"", what, (int)(name.len < 64 ? name.len : 64),
              name.data);
    return WEIR_EINVAL;
}

/* A line in the request's memory, or NULL. */
static inline __attribute__((always_inline)) struct reply_field *field_make(struct arena *a, struct slice name,
                                                                            struct slice value)
{
    size_t len = name.len + value.len + 4;
    struct reply_field *f = arena_alloc(a, sizeof *f + len);
    if (!f)
        return NULL;
    char *line = (char *)(f + 1);
    memcpy(line, name.data, name.len);
    memcpy(line + name.len, ": ", 2);
    if (value.len)
        memcpy(line + name.len + 2, value.data, value.len);
    memcpy(line + name.len + 2 + value.len, "\r\n", 2);
    *f = (struct reply_field){.name_len = (uint16_t)name.len, .line_len = (uint16_t)len, .line = line};
    return f;
}

int reply_add_field(weir_ctx *c, struct slice name, struct slice value, bool replace)
{
    struct exchange *x = c->x;
    if (reply_is_committed(&x->reply))
        return WEIR_ECOMMITTED;
    if (!field_is_valid(name, value))
        return field_refused(c, "field", name);
    if (name.len == 10 && slice_equal_nocase(name, SLICE("Connection"))) {
        x->reply.close = true;
        return 0;
    }
    struct reply_field *f = field_make(&x->arena, name, value);
    if (!f)
        return WEIR_ENOMEM;
    if (name.len == 12 && slice_equal_nocase(name, SLICE("Content-Type"))) {
        x->reply.type = slice_of(NULL, 0);
        replace = true; /* one line (RFC 9110 section 8.3): a second one would be read in two ways */
    }
    if (replace && x->reply.fields)
        reply_remove(&x->reply, name);
    reply_put_field(&x->reply, f);
    return 0;
}

int weir_set_header(weir_ctx *c, const char *name, const char *value)
{
    CONTEXT_CHECK(c);
    return name && value ? reply_add_field(c, slice_from(name), slice_from(value), true) : context_null_error(c);
}

int weir_add_header(weir_ctx *c, const char *name, const char *value)
{
    CONTEXT_CHECK(c);
    return name && value ? reply_add_field(c, slice_from(name), slice_from(value), false) : context_null_error(c);
}

int weir_remove_header(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    if (reply_is_committed(&c->x->reply))
        return WEIR_ECOMMITTED;
    if (!name)
        return context_null_error(c);
    reply_remove(&c->x->reply, slice_from(name));
    if (strcasecmp(name, "Content-Type") == 0)
        c->x->reply.type = slice_of(NULL, 0);
    return 0;
}

int weir_add_trailer(weir_ctx *c, const char *name, const char *value)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    int error = exchange_may_trail(x);
    if (error)
        return error;
    if (!name || !value)
        return context_null_error(c);
    struct slice n = slice_from(name), v = slice_from(value);
    if (!field_is_valid(n, v) || trailer_is_forbidden_in_reply(n))
        return field_refused(c, "trailer field", n);
    struct reply_field *f = field_make(&x->arena, n, v), **last = &x->reply.trailers;
    if (!f)
        return WEIR_ENOMEM;
    while (*last)
        last = &(*last)->next;
    *last = f;
    x->special = true; /* the end of its request looks at more than most do */
    return 0;
}

const struct reply_field *reply_find_field(const struct reply *r, struct slice name)
{
    const struct reply_field *f = r->fields;
    while (f && !slice_equal_nocase(reply_field_name(f), name))
        f = f->next;
    return f;
}

bool reply_has_field(const struct reply *r, struct slice name)
{
    return reply_find_field(r, name) != NULL;
}

bool reply_has_type(const weir_ctx *c)
{
    return c->x->reply.type.len > 0 || reply_has_field(&c->x->reply, SLICE("Content-Type"));
}

/* RFC 6797 section 7.2: never without a secure transport. */
void reply_add_hsts(weir_ctx *c)
{
    const weir_group *g = container_of(c->chain, const weir_group, chain);
    struct exchange *x = c->x;
    size_t len = strlen(g->hsts);
    if (len == 0 || reply_is_committed(&x->reply) || !exchange_is_secure(x) ||
        reply_has_field(&x->reply, SLICE(HSTS_NAME)))
        return;
    struct reply_field *f = arena_alloc(&x->arena, sizeof *f);
    if (!f)
        return; /* the next reply has it: what the request asks for comes first */
    *f = (struct reply_field){.name_len = sizeof HSTS_NAME - 1, .line_len = (uint16_t)len, .line = g->hsts};
    reply_put_field(&x->reply, f);
}

const char *weir_response_header(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    struct slice wanted = slice_from(name);
    if (c->x->reply.type.len && slice_equal_nocase(wanted, SLICE("Content-Type")))
        return arena_copy(&c->x->arena, c->x->reply.type);
    const struct reply_field *f = reply_find_field(&c->x->reply, wanted);
    return f ? arena_copy(&c->x->arena, reply_field_value(f)) : NULL;
}

int weir_set_cookie(weir_ctx *c, const weir_set_cookie_options *cookie)
{
    CONTEXT_CHECK(c);
    if (!cookie)
        return WEIR_EINVAL;
    if (reply_is_committed(&c->x->reply))
        return WEIR_ECOMMITTED;
    size_t size = COOKIE_PAIR_MAX + 3 * COOKIE_ATTRIBUTE_MAX;
    if (size > arena_room(&c->x->arena))
        size = arena_room(&c->x->arena);
    /* Composed at the end of what is free, and kept only as the field. */
    char text[1024];
    ssize_t len = cookie_compose(cookie, text, sizeof text);
    if (len >= 0)
        return reply_add_field(c, SLICE("Set-Cookie"), slice_of(text, (size_t)len), false);
    if (len != WEIR_ETOOBIG)
        return (int)len;
    char *longer = arena_alloc(&c->x->arena, size);
    if (!longer)
        return WEIR_ENOMEM;
    len = cookie_compose(cookie, longer, size);
    return len < 0 ? (int)len : reply_add_field(c, SLICE("Set-Cookie"), slice_of(longer, (size_t)len), false);
}

/* ---- One-call replies ---- */

/* Keeps the error of a reply that was not made: if the handler makes no other, the client gets the error's page. */
static COLD int reply_failed(weir_ctx *c, int error)
{
    c->reply_error = error;
    return error;
}

/* Refuses to reply with a string or a value that is NULL. */
static COLD int reply_null(weir_ctx *c)
{
    int error = exchange_may(c->x, REPLY_MAKE);
    if (error)
        return error;
    error = context_null_error(c);
    log_warn(c->web->loop->log, "%s: a reply was given NULL (%s)", weir_route_pattern(c), weir_strerror(error));
    return reply_failed(c, error);
}

/* Whether a final reply may be made; sets its type. */
static int reply_begin(weir_ctx *c, const char *type)
{
    struct exchange *x = c->x;
    int error = exchange_may(x, REPLY_MAKE);
    if (error || !type)
        return error;
    struct slice text = slice_from(type);
    if (!all_of(text, SCAN_VALUE))
        return reply_failed(c, WEIR_EINVAL);
    if (x->reply.fields)
        reply_remove(&x->reply, SLICE("Content-Type"));
    x->reply.type.data = arena_copy(&x->arena, text);
    if (!x->reply.type.data)
        return reply_failed(c, WEIR_ENOMEM);
    x->reply.type.len = text.len;
    return 0;
}

static COLD int known_type_make(weir_ctx *c, struct known_type *known, const char *type)
{
    struct slice text = slice_from(type);
    if (!all_of(text, SCAN_VALUE))
        return reply_failed(c, WEIR_EINVAL);
    *known = (struct known_type){.text = type, .len = text.len};
    return 0;
}

/* Where a type that never changes is remembered by its address. */
static inline struct known_type *known_type_of(const weir_ctx *c, const char *type)
{
    uintptr_t place = (uintptr_t)type >> 3 ^ (uintptr_t)type;
    return &c->web->types[place & (KNOWN_TYPES - 1)];
}

/* reply_begin() for a type that never changes, which is looked at once, and not copied. */
static inline int reply_begin_static(weir_ctx *c, const char *type)
{
    struct exchange *x = c->x;
    int error = exchange_may(x, REPLY_MAKE);
    if (unlikely(error || !type))
        return error;
    struct known_type *known = known_type_of(c, type);
    if (unlikely(known->text != type) && known_type_make(c, known, type) != 0)
        return WEIR_EINVAL;
    if (unlikely(x->reply.fields))
        reply_remove(&x->reply, SLICE("Content-Type"));
    x->reply.type = slice_of(type, known->len);
    return 0;
}

void reply_break(weir_ctx *c, const char *why)
{
    log_warn(c->web->loop->log, "%s: a reply was broken off (%s)", weir_route_pattern(c), why);
    http_refused(c->x->http, REFUSAL_BROKEN_REPLY, why);
    exchange_break(c->x);
}

/* Makes the reply final; or, if it could not be made and nothing has been sent, forgets it. */
static int reply_end(weir_ctx *c, int error)
{
    struct reply *r = &c->x->reply;
    if (error && reply_is_committed(r) && !c->x->gone && error != WEIR_EDONE)
        reply_break(c, weir_strerror(error)); /* a part of it may be out */
    if (!error || reply_is_committed(r)) {
        reply_set_complete(r);
    } else {
        c->x->ops->discard(c->x);
        r->length = REPLY_LENGTH_UNKNOWN;
        c->reply_error = error;
    }
    return error;
}

static int reply_copy(weir_ctx *c, const void *data, size_t len)
{
    if (len > INT64_MAX)
        return WEIR_EINVAL;
    struct exchange *x = c->x;
    x->reply.length = (int64_t)len;
    return reply_end(c, len ? x->ops->write(x, data, len) : 0);
}

int weir_reply(weir_ctx *c, const char *type, const void *data, size_t len)
{
    CONTEXT_CHECK(c);
    if (unlikely(!data) && len > 0)
        return reply_null(c);
    int error = reply_begin(c, type);
    return error ? error : reply_copy(c, data, len);
}

int weir_reply_text(weir_ctx *c, const char *text)
{
    CONTEXT_CHECK(c);
    if (unlikely(!text))
        return reply_null(c);
    int error = reply_begin_static(c, "text/plain; charset=utf-8");
    return error ? error : reply_copy(c, text, strlen(text));
}

int weir_reply_json(weir_ctx *c, const char *json)
{
    CONTEXT_CHECK(c);
    if (unlikely(!json))
        return reply_null(c);
    int error = reply_begin_static(c, "application/json");
    return error ? error : reply_copy(c, json, strlen(json));
}

/* Copies a message for people as one line: a control character in it is a space. Returns behind it. */
static char *put_message(char *to, const char *message)
{
    size_t len = strnlen(message, PAGE_MESSAGE_MAX + 1);
    if (len > PAGE_MESSAGE_MAX) {
        len = PAGE_MESSAGE_MAX;
        while (len > 0 && ((unsigned char)message[len] & 0xc0) == 0x80)
            len--; /* not within a character */
    }
    for (size_t i = 0; i < len; i++)
        *to++ = (unsigned char)message[i] < 0x20 || message[i] == 0x7f ? ' ' : message[i];
    return to;
}

/* The page takes none of the request's memory, which may be what has run out. */
int reply_error_page(weir_ctx *c, int status, const char *message)
{
    struct slice reason = status_reason(status);
    char page[PAGE_MESSAGE_MAX + 64];
    int error = reply_begin_static(c, "text/plain; charset=utf-8");
    if (error)
        return error;
    char *end =
        page + snprintf(page, sizeof page - PAGE_MESSAGE_MAX - 1, "%d %.*s\n", status, (int)reason.len, reason.data);
    if (*message) {
        end = put_message(end, message);
        *end++ = '\n';
    }
    return reply_copy(c, page, (size_t)(end - page));
}

static inline int reply_set_static(struct reply *r, const void *data, size_t len)
{
    debug_assert(r->body.kind == SEGMENT_STATIC); /* or there would be a reply */
    r->length = (int64_t)(len & SEGMENT_LEN_MASK);
    r->body.len = len & SEGMENT_LEN_MASK;
    r->body.data = data;
    r->phase = REPLY_FINAL;
    return 0;
}

static __attribute__((noinline)) int reply_static_otherwise(weir_ctx *c, const char *type, const void *data, size_t len)
{
    if (unlikely(!data) && len > 0)
        return reply_null(c);
    int error = reply_begin_static(c, type);
    return error ? error : reply_set_static(&c->x->reply, data, len);
}

int weir_reply_static(weir_ctx *c, const char *type, const void *data, size_t len)
{
    CONTEXT_CHECK(c);
    struct reply *r = &c->x->reply;
    const struct known_type *known = known_type_of(c, type);
    /* Nearly always there is no reply yet, and the type has been seen before. */
    if (unlikely(known->text != type || !type || !data || r->fields || exchange_may(c->x, REPLY_MAKE) != 0))
        return reply_static_otherwise(c, type, data, len);
    r->type = slice_of(type, known->len);
    return reply_set_static(r, data, len);
}

int weir_reply_value(weir_ctx *c, const char *type, const weir_value *value)
{
    CONTEXT_CHECK(c);
    int error = value ? reply_begin(c, type) : reply_null(c);
    if (error)
        return error;
    struct weir_value *shared = (struct weir_value *)(uintptr_t)value;
    struct reply *r = &c->x->reply;
    size_t len = value_size(value);
    r->length = (int64_t)len;
    if (len > 0) {
        value_ref(shared);
        r->body = (struct segment){.kind = SEGMENT_SHARED,
                                   .len = len & SEGMENT_LEN_MASK,
                                   .data = value_data(value),
                                   .shared = &shared->shared};
    }
    reply_set_complete(r);
    return 0;
}

int weir_reply_printf(weir_ctx *c, const char *type, const char *fmt, ...)
{
    CONTEXT_CHECK(c);
    int error = fmt ? reply_begin(c, type) : reply_null(c);
    if (error)
        return error;
    va_list args;
    va_start(args, fmt);
    error = context_vprintf(c, true, fmt, args);
    va_end(args);
    return reply_end(c, error);
}

int weir_redirect(weir_ctx *c, int status, const char *location)
{
    CONTEXT_CHECK(c);
    int error = location ? reply_begin(c, NULL) : reply_null(c);
    if (error)
        return error;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return reply_failed(c, WEIR_EINVAL);
    error = weir_set_header(c, "Location", location);
    if (error)
        return reply_failed(c, error);
    c->x->reply.status = (uint16_t)status;
    c->x->reply.length = 0;
    reply_set_complete(&c->x->reply);
    return 0;
}

int weir_set_length(weir_ctx *c, int64_t length)
{
    CONTEXT_CHECK(c);
    struct exchange *x = c->x;
    if (reply_is_committed(&x->reply))
        return WEIR_ECOMMITTED;
    if (reply_is_complete(&x->reply) || x->body_sent > 0)
        return WEIR_EDONE;
    if (length < 0)
        return WEIR_EINVAL;
    x->reply.length = length;
    return 0;
}

void weir_close_after(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    c->x->reply.close = true;
}

int weir_on_sent(weir_ctx *c, void (*fn)(void *arg, int error, uint64_t bytes), void *arg)
{
    CONTEXT_CHECK(c);
    if (c->x->reply.on_sent)
        return WEIR_EBUSY;
    c->x->reply.on_sent = fn;
    c->x->reply.on_sent_arg = arg;
    return 0;
}
