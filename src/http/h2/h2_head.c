/*
 * Heads, field by field. Most fields mean nothing here and came before: they are copied out of the table as they are,
 * since what they are was told when they first came.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/debug.h"
#include "http/field.h"
#include "http/h2/field_kind.h"
#include "http/h2/h2_builder.h"
#include "http/scan.h"
#include "http/trailer.h"

#define METHOD_RESERVE   (H2_METHOD_MAX + 1) /* kept free where another pseudo-header comes before :method */
#define REQUEST_LINE_ADD 12                  /* what a line of HTTP/1 has beside method and target: "  HTTP/1.1\r\n" */
#define FIELD_ADD        2 /* what a field of HTTP/1 has more than here: ": \r\n" instead of two NULs */
#define HOST_NAME        "host"
#define UPGRADE_NAME     "upgrade"
#define COOKIE_NAME      "cookie"

_Static_assert(HPACK_SLACK >= SCAN_SLACK, "what is at its place can be scanned");

#define SEEN(kind) (1u << ((kind)-FIELD_METHOD))

/* ---- Storing ---- */

static inline bool has_room(const struct builder *b, size_t len)
{
    return len <= (size_t)(b->end - b->at);
}

/* Room for one more entry in the table of fields. False: the head is refused. */
static COLD bool fields_grow(struct builder *b)
{
    const struct h2_head_place *place = b->place;
    uint16_t count = b->head->field_count;
    if (place->more_fields && place->more_fields(place->more_fields_arg, b->head) && b->head->field_max > count)
        return true;
    h2_builder_refuse(b, 431, "too many fields");
    b->h->fields_full = true;
    return false;
}

/* One store, of parts that are no more than HEAD_SIZE_MAX each. */
static inline void field_put(struct http_field *to, size_t at, size_t name_len, size_t value_len)
{
    uint64_t field =
        (uint64_t)at | (uint64_t)name_len << 16 | (uint64_t)(at + name_len + 1) << 32 | (uint64_t)value_len << 48;
    memcpy(to, &field, sizeof field);
}

/* Makes an entry of "name NUL value NUL" at what is free, and goes on behind it. */
static inline bool field_store(struct builder *b, size_t name_len, size_t value_len)
{
    struct http_head *head = b->head;
    if (unlikely(head->field_count == head->field_max) && !fields_grow(b))
        return false;
    field_put(&head->fields[head->field_count++], (size_t)(b->at - b->base), name_len, value_len);
    b->at += name_len + value_len + 2;
    return true;
}

/* Takes a field as it is. */
static inline bool take_field(struct builder *b, const struct hpack_field *f)
{
    b->seen |= SEEN_FIELD;
    if (likely(f->form == HPACK_IN_TABLE)) {
        size_t len = (size_t)f->name_len + f->value_len + 2;
        if (unlikely(!has_room(b, len))) {
            h2_builder_too_long(b, false);
            return false;
        }
        hpack_copy_out(b->at, f->name, len);
    }
    return field_store(b, f->name_len, f->value_len);
}

/* ---- Pseudo-headers ---- */

static COLD bool pseudo_refuse(struct builder *b)
{
    h2_builder_malformed(b, b->seen & SEEN_FIELD ? "a pseudo-header behind a field" : "a repeated pseudo-header");
    return false;
}

/* A pseudo-header of a kind comes, for the first time and before all fields. */
static inline bool pseudo_begin(struct builder *b, enum field_kind kind)
{
    if (unlikely(b->seen & (SEEN(kind) | SEEN_FIELD)))
        return pseudo_refuse(b);
    b->seen |= (uint8_t)SEEN(kind);
    return true;
}

/* Puts a value and its NUL behind some bytes that are left for the caller. NULL: it does not fit. A value that is at
 * what is free already may move. */
static inline char *value_place(struct builder *b, const struct hpack_field *f, size_t before)
{
    size_t reserve = b->at == b->base ? METHOD_RESERVE : 0;
    if (unlikely(!has_room(b, reserve + before + f->value_len + 1)))
        return NULL;
    b->at += reserve;
    char *to = b->at + before;
    if (likely(f->form == HPACK_IN_TABLE))
        hpack_copy_out(to, f->value, f->value_len + 1);
    else if (to != f->value)
        memmove(to, f->value, f->value_len + 1);
    return to;
}

/* Puts the method at the base, where as many bytes are free as are copied; they can be read, too. */
static inline void method_put(struct builder *b, const char *value, size_t len)
{
    char method[METHOD_RESERVE];
    memcpy(method, value, METHOD_RESERVE);
    memcpy(b->base, method, METHOD_RESERVE);
    b->head->method_len = (uint16_t)len;
}

static inline void take_method(struct builder *b, const struct hpack_field *f)
{
    if (unlikely(!pseudo_begin(b, FIELD_METHOD)))
        return;
    if (unlikely(f->value_len > H2_METHOD_MAX)) {
        h2_builder_method_too_long(b);
        return;
    }
    method_put(b, f->value, f->value_len);
    if (b->at == b->base)
        b->at += f->value_len + 1;
}

/* A path that has been put. */
static inline void path_set(struct builder *b, const char *path, size_t len)
{
    struct http_head *head = b->head;
    head->target = (uint16_t)(path - b->base);
    head->target_len = (uint16_t)len;
    if (likely(path[0] == '/')) {
        const char *stop = scan_plain_path(path + 1);
        if (likely(*stop == '\0') || *stop == '?')
            head->path_len = (uint16_t)(stop - path);
    }
}

static inline void take_path(struct builder *b, const struct hpack_field *f)
{
    if (unlikely(!pseudo_begin(b, FIELD_PATH)))
        return;
    char *path = value_place(b, f, 0);
    if (unlikely(!path)) {
        h2_builder_too_long(b, true);
        return;
    }
    path_set(b, path, f->value_len);
    b->at = path + f->value_len + 1;
}

static inline void host_set(struct builder *b, const struct http_field *f)
{
    b->head->host = f->value;
    b->head->host_len = f->value_len;
    b->head->flags |= HEAD_HAS_HOST;
}

/* :authority becomes the Host field (RFC 9113 section 8.3.1). */
static inline void take_authority(struct builder *b, const struct hpack_field *f)
{
    if (unlikely(!pseudo_begin(b, FIELD_AUTHORITY)))
        return;
    if (unlikely(!value_place(b, f, sizeof HOST_NAME))) {
        h2_builder_too_long(b, false);
        return;
    }
    memcpy(b->at, HOST_NAME, sizeof HOST_NAME);
    if (field_store(b, sizeof HOST_NAME - 1, f->value_len))
        host_set(b, &b->head->fields[b->head->field_count - 1]);
}

/* :protocol becomes an Upgrade field, which says the same in HTTP/1 (RFC 8441 section 4). */
static COLD void take_protocol(struct builder *b, const struct hpack_field *f)
{
    if (!b->place->connect) {
        h2_builder_malformed(b, "unknown pseudo-header"); /* as long as it is not announced */
        return;
    }
    if (!pseudo_begin(b, FIELD_PROTOCOL))
        return;
    if (!value_place(b, f, sizeof UPGRADE_NAME)) {
        h2_builder_too_long(b, false);
        return;
    }
    memcpy(b->at, UPGRADE_NAME, sizeof UPGRADE_NAME);
    (void)field_store(b, sizeof UPGRADE_NAME - 1, f->value_len);
}

/* ---- Fields that mean something ---- */

/* Host, which says the same as :authority or stands for it. */
static void take_host(struct builder *b, const struct hpack_field *f)
{
    b->seen |= SEEN_FIELD;
    struct http_head *head = b->head;
    if (!(head->flags & HEAD_HAS_HOST)) {
        if (take_field(b, f))
            host_set(b, &head->fields[head->field_count - 1]);
        return;
    }
    if (!(b->seen & SEEN(FIELD_AUTHORITY)))
        h2_builder_malformed(b, "repeated Host");
    else if (!slice_equal_nocase(head_slice(head, head->host, head->host_len), slice_of(f->value, f->value_len)))
        h2_builder_malformed(b, "Host is not :authority");
}

/* A cookie behind the one that has been put last. */
static void cookie_append(struct builder *b, const struct hpack_field *f, struct http_field *cookie)
{
    char *end = b->at - 1; /* of what there is */
    if (unlikely(!has_room(b, f->value_len + 2))) {
        h2_builder_too_long(b, false);
        return;
    }
    memmove(end + 2, f->value, f->value_len + 1);
    memcpy(end, "; ", 2);
    cookie->value_len = (uint16_t)(cookie->value_len + 2 + f->value_len);
    b->at = end + 2 + f->value_len + 1;
}

/* Other fields have come since: the cookies move behind them first. Where they were stays unused, as often as fields
 * come between cookies. */
static COLD void cookie_move(struct builder *b, const struct hpack_field *f, struct http_field *cookie)
{
    size_t before = cookie->value_len, at = sizeof COOKIE_NAME + before + 2;
    if (!has_room(b, at + f->value_len + 1)) {
        h2_builder_too_long(b, false);
        return;
    }
    memmove(b->at + at, f->value, f->value_len + 1);
    memcpy(b->at, COOKIE_NAME, sizeof COOKIE_NAME);
    memcpy(b->at + sizeof COOKIE_NAME, b->base + cookie->value, before);
    memcpy(b->at + at - 2, "; ", 2);
    cookie->name = (uint16_t)(b->at - b->base);
    cookie->value = (uint16_t)(cookie->name + sizeof COOKIE_NAME);
    cookie->value_len = (uint16_t)(before + 2 + f->value_len);
    b->at += at + f->value_len + 1;
}

static void take_cookie(struct builder *b, const struct hpack_field *f)
{
    b->seen |= SEEN_FIELD;
    if (b->cookie == 0) {
        if (take_field(b, f))
            b->cookie = b->head->field_count;
        return;
    }
    struct http_field *cookie = &b->head->fields[b->cookie - 1];
    if (b->base + cookie->value + cookie->value_len + 1 == b->at)
        cookie_append(b, f, cookie);
    else
        cookie_move(b, f, cookie);
}

static void take_length(struct builder *b, const struct hpack_field *f)
{
    if (b->head->flags & HEAD_HAS_LENGTH) {
        h2_builder_malformed(b, "repeated Content-Length");
        return;
    }
    (void)field_length_read(slice_of(f->value, f->value_len), &b->head->content_length); /* by its kind it is one */
    b->head->flags |= HEAD_HAS_LENGTH;
    (void)take_field(b, f);
}

static void take_priority(struct builder *b, const struct hpack_field *f)
{
    b->h->has_priority |= h2_priority_parse(slice_of(f->value, f->value_len), &b->h->priority);
    (void)take_field(b, f);
}

/* Takes any field. */
static __attribute__((noinline)) void take(struct builder *b, const struct hpack_field *f)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_PLAIN:
        (void)take_field(b, f);
        break;
    case FIELD_METHOD:
        take_method(b, f);
        break;
    case FIELD_SCHEME:
        b->h->https = f->value_len == sizeof "https" - 1;
        (void)pseudo_begin(b, FIELD_SCHEME);
        break;
    case FIELD_AUTHORITY:
        take_authority(b, f);
        break;
    case FIELD_PATH:
        take_path(b, f);
        break;
    case FIELD_PROTOCOL:
        take_protocol(b, f);
        break;
    case FIELD_HOST:
        take_host(b, f);
        break;
    case FIELD_COOKIE:
        take_cookie(b, f);
        break;
    case FIELD_CONTENT_LENGTH:
        take_length(b, f);
        break;
    case FIELD_EXPECT:
        if (f->value_len >= sizeof "100-continue" - 1) /* by its kind, an empty list otherwise */
            b->head->flags |= HEAD_EXPECT_CONTINUE;
        (void)take_field(b, f);
        break;
    case FIELD_PRIORITY:
        take_priority(b, f);
        break;
    default:
        h2_builder_bad_field(b, f);
        break;
    }
}

/* ---- What nearly all fields are ---- */

/* How far entries have been taken: what of the builder and the head changes with each. */
struct run {
    char *at;
    size_t count;
    uint32_t seen;
};

/* The room of an entry's pseudo-header, behind what is kept for :method. False: for take() to say what is wrong. */
static inline __attribute__((always_inline)) bool run_pseudo(struct run *r, const struct builder *b,
                                                             enum field_kind kind, size_t len)
{
    if (unlikely(r->seen & (SEEN(kind) | SEEN_FIELD)) || unlikely(METHOD_RESERVE + len > (size_t)(b->end - r->at)))
        return false;
    r->seen |= SEEN(kind);
    if (unlikely(r->at == b->base))
        r->at += METHOD_RESERVE;
    return true;
}

static inline __attribute__((always_inline)) bool run_method(struct run *r, struct builder *b,
                                                             const struct hpack_entry *e, const char *value)
{
    if (unlikely(r->seen & (SEEN(FIELD_METHOD) | SEEN_FIELD)) || unlikely(e->value_len > H2_METHOD_MAX))
        return false;
    r->seen |= SEEN(FIELD_METHOD);
    method_put(b, value, e->value_len);
    if (likely(r->at == b->base))
        r->at += e->value_len + 1;
    return true;
}

static inline __attribute__((always_inline)) bool run_scheme(struct run *r, struct builder *b,
                                                             const struct hpack_entry *e)
{
    if (unlikely(r->seen & (SEEN(FIELD_SCHEME) | SEEN_FIELD)))
        return false;
    r->seen |= SEEN(FIELD_SCHEME);
    b->h->https = e->value_len == sizeof "https" - 1;
    return true;
}

static inline __attribute__((always_inline)) bool run_path(struct run *r, struct builder *b,
                                                           const struct hpack_entry *e, const char *value)
{
    if (!run_pseudo(r, b, FIELD_PATH, e->value_len + 1u))
        return false;
    hpack_copy_out(r->at, value, e->value_len + 1u);
    path_set(b, r->at, e->value_len);
    r->at += e->value_len + 1;
    return true;
}

static inline __attribute__((always_inline)) bool run_authority(struct run *r, struct builder *b,
                                                                const struct hpack_entry *e, const char *value)
{
    if (unlikely(r->count == b->head->field_max) ||
        !run_pseudo(r, b, FIELD_AUTHORITY, sizeof HOST_NAME + e->value_len + 1))
        return false;
    memcpy(r->at, HOST_NAME, sizeof HOST_NAME);
    hpack_copy_out(r->at + sizeof HOST_NAME, value, e->value_len + 1u);
    struct http_field *f = &b->head->fields[r->count++];
    field_put(f, (size_t)(r->at - b->base), sizeof HOST_NAME - 1, e->value_len);
    host_set(b, f);
    r->at += sizeof HOST_NAME + e->value_len + 1;
    return true;
}

static inline __attribute__((always_inline)) bool
run_plain(struct run *r, const struct builder *b, const struct hpack_entry *e, const char *strings, size_t most)
{
    size_t len = (size_t)e->name_len + e->value_len + 2;
    if (unlikely(r->count == most) || unlikely(len > (size_t)(b->end - r->at)))
        return false;
    hpack_copy_out(r->at, strings, len);
    field_put(&b->head->fields[r->count++], (size_t)(r->at - b->base), e->name_len, e->value_len);
    r->at += len;
    r->seen |= SEEN_FIELD;
    return true;
}

static inline __attribute__((always_inline)) bool run_entry(struct run *r, struct builder *b,
                                                            const struct hpack_entry *e, const char *name, size_t most)
{
    const char *value = name + e->name_len + 1;
    if (likely(e->kind == FIELD_PLAIN))
        return run_plain(r, b, e, name, most);
    switch ((enum field_kind)e->kind) {
    case FIELD_METHOD:
        return run_method(r, b, e, value);
    case FIELD_SCHEME:
        return run_scheme(r, b, e);
    case FIELD_AUTHORITY:
        return run_authority(r, b, e, value);
    case FIELD_PATH:
        return run_path(r, b, e, value);
    case FIELD_COOKIE: /* the first one */
        if (b->cookie > 0 || !run_plain(r, b, e, name, most))
            return false;
        b->cookie = (uint16_t)r->count;
        return true;
    default:
        return false;
    }
}

/* Takes fields as long as each is an entry of a table, of a kind that nearly all are, in its place and with room.
 * Returns the first entry that is not so, whose byte is the next; NULL: what is next is no entry. */
static inline const struct hpack_entry *take_entries(struct builder *b, struct hpack_block *input, const char **strings)
{
    const struct hpack_table *t = input->decoder->table;
    const uint8_t *pos = input->pos, *end = input->end;
    const size_t most = b->head->field_max;
    struct run r = {.at = b->at, .count = b->head->field_count, .seen = b->seen};
    const struct hpack_entry *e = NULL;
    const char *name = NULL;
    for (; pos < end; pos++) {
        e = hpack_entry_of(*pos, t, &name);
        if (unlikely(!e) || unlikely(!run_entry(&r, b, e, name, most)))
            break;
        e = NULL;
    }
    input->pos = pos;
    b->head->field_count = (uint16_t)r.count;
    b->at = r.at;
    b->seen = (uint8_t)r.seen;
    *strings = name;
    return e;
}

/* ---- Heads ---- */

#define SEEN_NEEDED (SEEN(FIELD_METHOD) | SEEN(FIELD_SCHEME) | SEEN(FIELD_PATH))

/* CONNECT has neither :scheme nor :path (RFC 9113 section 8.5), and is not served; but for the extended one, which has
 * both and a protocol. True: that is what it is. */
static COLD bool connect_judge(struct builder *b)
{
    if ((b->seen & SEEN(FIELD_PROTOCOL)) && (b->seen & SEEN_NEEDED) == SEEN_NEEDED) {
        b->head->flags |= HEAD_CONNECT | HEAD_UPGRADE;
        return true;
    }
    if (b->seen & SEEN(FIELD_PROTOCOL))
        h2_builder_malformed(b, "a pseudo-header is missing");
    else if (b->seen & (SEEN(FIELD_SCHEME) | SEEN(FIELD_PATH)))
        h2_builder_malformed(b, "CONNECT with :scheme or :path");
    else
        h2_builder_refuse(b, 501, "CONNECT is not supported");
    return false;
}

/* What can be judged only when all fields are known. */
static void head_complete(struct builder *b)
{
    struct http_head *head = b->head;
    if (unlikely(head->method_len == 7 && memcmp(b->base, "CONNECT", 7) == 0)) {
        if (!connect_judge(b))
            return;
    } else if (unlikely((b->seen & (SEEN_NEEDED | SEEN(FIELD_PROTOCOL))) != SEEN_NEEDED)) {
        h2_builder_malformed(b, b->seen & SEEN(FIELD_PROTOCOL) ? ":protocol without CONNECT"
                                                               : "a pseudo-header is missing");
        return;
    }
    if (unlikely(!(head->flags & HEAD_HAS_HOST))) {
        h2_builder_refuse(b, 400, "no Host");
        return;
    }
    size_t line = (size_t)head->method_len + head->target_len, used = (size_t)(b->at - b->base);
    if (unlikely(line + REQUEST_LINE_ADD > b->place->request_line_max))
        h2_builder_too_long(b, true);
    else if (unlikely(used - line + FIELD_ADD * (size_t)head->field_count > b->place->block_max))
        h2_builder_too_long(b, false);
    head->size = (uint16_t)used;
}

static void builder_begin(struct builder *b, struct h2_head *h, const struct h2_head_place *place)
{
    size_t size = place->size < HEAD_SIZE_MAX ? place->size : HEAD_SIZE_MAX;
    weir_assert(size > HPACK_SLACK + METHOD_RESERVE);
    struct http_head *head = place->head;
    head->base = place->buf;
    head->size = head->method_len = head->target = head->target_len = 0;
    head->host = head->host_len = head->path_len = 0;
    head->flags = 0;
    head->version = WEIR_HTTP_2;
    head->field_count = 0;
    head->content_length = 0;
    *h = (struct h2_head){.priority = h2_priority_default()};
    *b = (struct builder){.h = h,
                          .place = place,
                          .head = head,
                          .base = place->buf,
                          .at = place->buf,
                          .end = place->buf + size - HPACK_SLACK};
}

enum h2_head_result h2_head_decode(struct h2_head *h, const struct h2_head_place *place, struct hpack_decoder *d,
                                   struct pool *tables, const uint8_t *block, size_t len)
{
    struct builder b;
    struct hpack_block input;
    struct hpack_field f;
    builder_begin(&b, h, place);
    hpack_block_begin(&input, d, tables, block, len);
    while (likely(b.result == H2_HEAD_GOOD)) {
        const char *strings;
        const struct hpack_entry *e = take_entries(&b, &input, &strings);
        if (e) {
            f = hpack_field_of(e, strings);
            input.pos++;
            take(&b, &f);
            continue;
        }
        if (likely(hpack_block_is_over(&input))) {
            head_complete(&b);
            return b.result;
        }
        enum hpack_result next = hpack_next(&input, &f, b.at, (size_t)(b.end - b.at) + HPACK_SLACK);
        if (likely(next == HPACK_FIELD)) {
            take(&b, &f);
        } else if (next == HPACK_DROPPED) {
            h2_builder_dropped(&b, &f);
        } else {
            return h2_builder_connection_error(h, next, input.reason);
        }
    }
    return h2_builder_block_rest(h, &input) == H2_HEAD_GOOD ? b.result : H2_HEAD_CONNECTION;
}

enum h2_head_result h2_head_discard(struct h2_head *h, struct hpack_decoder *d, struct pool *tables,
                                    const uint8_t *block, size_t len)
{
    struct hpack_block input;
    *h = (struct h2_head){.priority = h2_priority_default()};
    hpack_block_begin(&input, d, tables, block, len);
    return h2_builder_block_rest(h, &input);
}

/* ---- Trailers ---- */

/* Whether a field may be in a trailer section. */
static bool trailer_is_right(struct h2_head *h, const struct hpack_field *f)
{
    h->error = H2_PROTOCOL_ERROR;
    if (f->kind == FIELD_PLAIN || f->kind == FIELD_PRIORITY) {
        h->reason = "a field that no trailer may hold";
        return !trailer_is_forbidden(slice_of(f->name, f->name_len));
    }
    h->reason = f->name_len > 0 && f->name[0] == ':' ? "a pseudo-header in a trailer" : "malformed trailer";
    return false;
}

enum h2_head_result h2_trailer_decode(struct h2_head *h, char *buf, size_t size, size_t *used, struct hpack_decoder *d,
                                      struct pool *tables, const uint8_t *block, size_t len)
{
    struct hpack_block input;
    struct hpack_field f;
    enum h2_head_result result = H2_HEAD_GOOD;
    char *at = buf, *end = buf + (size > HPACK_SLACK ? size - HPACK_SLACK : 0);
    *h = (struct h2_head){.priority = h2_priority_default()};
    hpack_block_begin(&input, d, tables, block, len);
    while (result == H2_HEAD_GOOD) {
        enum hpack_result next = hpack_next(&input, &f, at, (size_t)(end - at) + HPACK_SLACK);
        if (next == HPACK_ERROR || next == HPACK_NO_MEMORY)
            return h2_builder_connection_error(h, next, input.reason);
        if (next == HPACK_END) {
            *used = (size_t)(at - buf);
            return H2_HEAD_GOOD;
        }
        size_t bytes = next == HPACK_FIELD ? (size_t)f.name_len + f.value_len + 2 : SIZE_MAX;
        if (next == HPACK_FIELD && !trailer_is_right(h, &f)) {
            result = H2_HEAD_MALFORMED;
        } else if (bytes > (size_t)(end - at)) {
            h->status = 431;
            h->reason = "trailer section too long";
            result = H2_HEAD_REFUSED;
        } else {
            if (f.form == HPACK_IN_TABLE)
                hpack_copy_out(at, f.name, bytes);
            at += bytes;
        }
    }
    return h2_builder_block_rest(h, &input) == H2_HEAD_GOOD ? result : H2_HEAD_CONNECTION;
}
