/*
 * Request heads of HTTP/2. nghttp2's decoder says which fields a block has; what RFC 9113 section 8 makes of them is
 * written down here once more, slowly, over the whole list. The builder has to say the same: good, with the same head,
 * or the same kind of fault as one that the list has. In a smaller buffer it may say too long, and nothing else than
 * that may change. The first byte chooses buffer and table of fields, and says whether the block is a trailer section.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h2/h2_head.h"
#include "http/target.h"
#include "http/trailer.h"
#include "reference.h"

#include <nghttp2/nghttp2.h>

#define FIELDS_MAX 40
#define LIST_MAX   2000

struct pair {
    struct slice name, value;
};

struct listed {
    struct pair pairs[LIST_MAX];
    size_t count;
    char bytes[1 << 20];
    size_t used;
    bool decoded; /* the block is well-formed HPACK */
    bool full;
};

static struct listed list;

static struct slice keep(const uint8_t *data, size_t len)
{
    char *at = list.bytes + list.used;
    if (len)
        memcpy(at, data, len);
    list.used += len;
    return slice_of(at, len);
}

static void list_block(const uint8_t *block, size_t len)
{
    nghttp2_hd_inflater *inflater;
    FUZZ_CHECK(nghttp2_hd_inflate_new(&inflater) == 0);
    list.count = list.used = 0;
    list.decoded = list.full = false;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block, len, 1);
        if (used < 0)
            break;
        block += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            if (list.count == LIST_MAX || nv.namelen + nv.valuelen > sizeof list.bytes - list.used) {
                list.full = true;
                break;
            }
            struct slice name = keep(nv.name, nv.namelen);
            list.pairs[list.count++] = (struct pair){name, keep(nv.value, nv.valuelen)};
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            list.decoded = true;
            break;
        }
    }
    nghttp2_hd_inflate_del(inflater);
}

/* ---- RFC 9113 section 8, once more ---- */

enum {
    WRONG_MALFORMED = 1,
    WRONG_400 = 2,
    WRONG_417 = 4,
    WRONG_501 = 8,
};

static bool is(struct slice text, const char *word)
{
    return slice_equal(text, slice_from(word));
}

static bool among(struct slice text, const char *const *words)
{
    for (; *words; words++)
        if (is(text, *words))
            return true;
    return false;
}

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (!is_letter(c) && !is_digit(c) && !(c && strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

static bool name_right(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] >= 'A' && name.data[i] <= 'Z')
            return false;
    return token(name);
}

static bool clean(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool value_right(struct slice value)
{
    return clean(value) && (value.len == 0 || (!blank(value.data[0]) && !blank(value.data[value.len - 1])));
}

static bool target_right(struct slice path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.data[i] <= 0x20 || path.data[i] == 0x7f || path.data[i] == '#')
            return false;
    return path.data[0] == '/' || path.len == 1;
}

/* What HTTP/1's reference says of a head with one field of this name beside Host, or Host alone. */
static const struct reference_head *reference_field(const char *name, struct slice value)
{
    static struct reference_head head;
    static char text[1 << 21];
    bool host = strcmp(name, "Host") == 0;
    int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s%s: ", host ? "" : "Host: a\r\n", name);
    FUZZ_CHECK(value.len < sizeof text / 2);
    if (value.len)
        memcpy(text + len, value.data, value.len);
    memcpy(text + len + value.len, "\r\n\r\n", 4);
    reference_head_read(&head, slice_of(text, (size_t)len + value.len + 4), REFERENCE_FIELDS);
    return &head;
}

static bool authority_right(struct slice value)
{
    return value_right(value) && reference_field("Host", value)->faults == 0;
}

#define FIELDS_LISTED (LIST_MAX + 1)

/* What the list of a block comes to. */
struct expected {
    unsigned faults;
    bool method_seen, scheme_seen, path_seen, authority_seen, fields;
    struct slice method, path, host;
    bool has_host, has_length, expects_continue, https;
    uint64_t length;
    struct pair fields_of[FIELDS_LISTED];
    size_t count, cookie; /* cookie: behind the field that cookies are joined in; 0: none */
    char cookies[1 << 21];
    size_t cookies_len, cookie_count;
};

static void expect_field(struct expected *e, struct slice name, struct slice value)
{
    e->fields_of[e->count++] = (struct pair){name, value};
}

/* Once, and before all fields. */
static void pseudo_once(struct expected *e, bool *seen)
{
    if (*seen || e->fields)
        e->faults |= WRONG_MALFORMED;
    *seen = true;
}

static void expect_pseudo(struct expected *e, struct slice name, struct slice value)
{
    if (is(name, ":method")) {
        pseudo_once(e, &e->method_seen);
        e->method = value;
        if (!token(value))
            e->faults |= WRONG_MALFORMED;
        if (value.len > H2_METHOD_MAX)
            e->faults |= WRONG_501;
    } else if (is(name, ":scheme")) {
        pseudo_once(e, &e->scheme_seen);
        e->https = value.len == 5;
        if (!slice_equal_nocase(value, SLICE("http")) && !slice_equal_nocase(value, SLICE("https")))
            e->faults |= WRONG_400;
    } else if (is(name, ":path")) {
        pseudo_once(e, &e->path_seen);
        e->path = value;
        if (value.len == 0 || (value.data[0] != '/' && value.data[0] != '*'))
            e->faults |= WRONG_MALFORMED;
        else if (!target_right(value))
            e->faults |= WRONG_400;
    } else if (is(name, ":authority")) {
        pseudo_once(e, &e->authority_seen);
        if (!authority_right(value))
            e->faults |= WRONG_400;
        e->host = value;
        e->has_host = true;
        expect_field(e, SLICE("host"), value);
    } else {
        e->faults |= WRONG_MALFORMED;
    }
}

static void expect_cookie(struct expected *e, struct slice value)
{
    e->cookie_count++;
    if (e->cookie == 0) {
        expect_field(e, SLICE("cookie"), value);
        e->cookie = e->count;
    } else {
        memcpy(e->cookies + e->cookies_len, "; ", 2);
        e->cookies_len += 2;
    }
    if (value.len)
        memcpy(e->cookies + e->cookies_len, value.data, value.len);
    e->cookies_len += value.len;
    e->fields_of[e->cookie - 1].value = slice_of(e->cookies, e->cookies_len);
}

static void expect_host(struct expected *e, struct slice value)
{
    if (!authority_right(value))
        e->faults |= WRONG_400;
    if (e->has_host) {
        if (!e->authority_seen || !slice_equal_nocase(value, e->host))
            e->faults |= WRONG_MALFORMED;
        return;
    }
    e->host = value;
    e->has_host = true;
    expect_field(e, SLICE("host"), value);
}

static const char *const of_connection[] = {"connection",        "proxy-connection", "keep-alive",
                                            "transfer-encoding", "upgrade",          NULL};

/* Names and values that no field may have, of a head or of trailers. */
static bool field_right(struct slice name, struct slice value)
{
    return name_right(name) && value_right(value) && !among(name, of_connection) &&
           (!is(name, "te") || slice_equal_nocase(value, SLICE("trailers")));
}

static void expect_plain(struct expected *e, struct slice name, struct slice value)
{
    e->fields = true;
    if (!field_right(name, value)) {
        e->faults |= WRONG_MALFORMED;
    } else if (is(name, "host")) {
        expect_host(e, value);
    } else if (is(name, "cookie")) {
        expect_cookie(e, value);
    } else if (is(name, "content-length")) {
        const struct reference_head *r = reference_field("Content-Length", value);
        if (e->has_length || r->faults)
            e->faults |= WRONG_MALFORMED;
        e->has_length = true;
        e->length = r->length;
        expect_field(e, name, value);
    } else if (is(name, "expect")) {
        const struct reference_head *r = reference_field("Expect", value);
        if (r->faults)
            e->faults |= WRONG_417;
        e->expects_continue |= r->expects_continue;
        expect_field(e, name, value);
    } else {
        expect_field(e, name, value);
    }
}

static void expect(struct expected *e)
{
    size_t room = sizeof *e;
    memset(e, 0, room);
    for (size_t i = 0; i < list.count; i++) {
        struct pair *p = &list.pairs[i];
        if (p->name.len > 0 && p->name.data[0] == ':')
            expect_pseudo(e, p->name, p->value);
        else
            expect_plain(e, p->name, p->value);
    }
    if (e->method_seen && is(e->method, "CONNECT"))
        e->faults |= e->scheme_seen || e->path_seen ? WRONG_MALFORMED : WRONG_501;
    else if (!e->method_seen || !e->scheme_seen || !e->path_seen)
        e->faults |= WRONG_MALFORMED;
    if (!e->has_host)
        e->faults |= WRONG_400;
}

/* ---- The builder ---- */

static struct pool tables;

static void tables_open(void)
{
    static struct memory memory;
    static struct account account;
    static bool open;
    if (open)
        return;
    open = true;
    memory_init(&memory, 0);
    account_open(&account, &memory, "fuzz");
    pool_init(&tables, &account, sizeof(struct hpack_table), 16, 0);
}

static bool flag(const struct http_head *h, enum head_flags f)
{
    return h->flags & f;
}

static bool string_is(const char *string, struct slice text)
{
    return strlen(string) == text.len && memcmp(string, text.data, text.len) == 0;
}

static void check_good(struct http_head *h, const struct h2_head *out, const struct expected *e)
{
    FUZZ_CHECK(string_is(h->base, e->method) && h->method_len == e->method.len);
    FUZZ_CHECK(string_is(h->base + h->target, e->path) && h->target_len == e->path.len);
    FUZZ_CHECK(string_is(h->base + h->host, e->host) && h->host_len == e->host.len && flag(h, HEAD_HAS_HOST));
    FUZZ_CHECK(flag(h, HEAD_HAS_LENGTH) == e->has_length && (uint64_t)h->content_length == e->length);
    FUZZ_CHECK(flag(h, HEAD_EXPECT_CONTINUE) == e->expects_continue && out->https == e->https &&
               h->version == WEIR_HTTP_2);
    FUZZ_CHECK(!flag(h, HEAD_CHUNKED) && !flag(h, HEAD_CLOSE) && !flag(h, HEAD_UPGRADE));
    FUZZ_CHECK(h->field_count == e->count);
    for (size_t i = 0; i < e->count; i++) {
        const struct http_field *f = &h->fields[i];
        FUZZ_CHECK(f->name_len == e->fields_of[i].name.len && f->value_len == e->fields_of[i].value.len);
        FUZZ_CHECK(string_is(h->base + f->name, e->fields_of[i].name));
        FUZZ_CHECK(string_is(h->base + f->value, e->fields_of[i].value));
        FUZZ_CHECK((size_t)f->value + f->value_len < h->size);
    }
    struct target t, slow;
    struct http_head again = *h;
    const char *reason;
    again.path_len = 0;
    int status = target_split(&again, &slow, &reason);
    if (h->path_len > 0) {
        FUZZ_CHECK(status == 0 && target_split(h, &t, &reason) == 0);
        FUZZ_CHECK(slow.plain == t.plain && slice_equal(slow.path, t.path) && slice_equal(slow.query, t.query));
    } else {
        FUZZ_CHECK(status != 0 || !slow.plain);
    }
}

static unsigned fault_of(enum h2_head_result result, int status)
{
    if (result == H2_HEAD_MALFORMED)
        return WRONG_MALFORMED;
    return status == 400 ? WRONG_400 : status == 417 ? WRONG_417 : status == 501 ? WRONG_501 : 0;
}

static bool grow(void *arg, struct http_head *head)
{
    struct http_field *more = arg;
    if (head->field_max >= FIELDS_LISTED)
        return false;
    memcpy(more, head->fields, head->field_count * sizeof *more);
    head->fields = more;
    head->field_max = FIELDS_LISTED;
    return true;
}

/* Whether a head could be too long: what it takes, with every cookie moved each time. */
static bool may_be_long(const struct expected *e, size_t size, size_t fields)
{
    size_t bytes = HPACK_SLACK + 32;
    for (size_t i = 0; i < list.count; i++)
        bytes += list.pairs[i].name.len + list.pairs[i].value.len + 8;
    bytes += e->cookie_count > 1 ? e->cookie_count * (e->cookies_len + 16) : 0;
    return bytes > size || e->count > fields;
}

static void check_head(const uint8_t *block, size_t len, size_t size, bool growing, const struct expected *e)
{
    static struct http_field few[FIELDS_MAX], many[FIELDS_LISTED];
    struct http_head head = {.fields = few, .field_max = FIELDS_MAX};
    struct h2_head out;
    char *buf = malloc(size);
    FUZZ_CHECK(buf);
    struct h2_head_place place = {.head = &head,
                                  .buf = buf,
                                  .size = size,
                                  .request_line_max = 65535,
                                  .block_max = 1 << 20,
                                  .more_fields = growing ? grow : NULL,
                                  .more_fields_arg = many};
    struct hpack_decoder d, other;
    hpack_decoder_init(&d);
    hpack_decoder_init(&other);
    enum h2_head_result result = h2_head_decode(&out, &place, &d, &tables, block, len);
    struct h2_head unused;
    enum h2_head_result discarded = h2_head_discard(&unused, &other, &tables, block, len);
    FUZZ_CHECK((result == H2_HEAD_CONNECTION) == (discarded == H2_HEAD_CONNECTION));
    FUZZ_CHECK((result == H2_HEAD_GOOD) == (out.reason == NULL));
    if (result == H2_HEAD_CONNECTION) {
        FUZZ_CHECK(out.error == H2_COMPRESSION_ERROR);
        FUZZ_CHECK(!list.decoded || strcmp(out.reason, "too many size updates") == 0);
    } else {
        FUZZ_CHECK(list.decoded);
        FUZZ_CHECK(d.max == other.max && (!d.table || d.table->size == other.table->size));
        bool is_long = result == H2_HEAD_REFUSED && (out.status == 431 || out.status == 414);
        if (is_long)
            FUZZ_CHECK(
                may_be_long(e, size < HEAD_SIZE_MAX ? size : HEAD_SIZE_MAX, growing ? FIELDS_LISTED : FIELDS_MAX));
        else if (result == H2_HEAD_GOOD)
            FUZZ_CHECK(e->faults == 0);
        else
            FUZZ_CHECK(fault_of(result, out.status) & e->faults);
        if (result == H2_HEAD_GOOD)
            check_good(&head, &out, e);
    }
    hpack_decoder_done(&d, &tables);
    hpack_decoder_done(&other, &tables);
    free(buf);
}

static void check_trailer(const uint8_t *block, size_t len, size_t size)
{
    struct hpack_decoder d;
    struct h2_head out;
    size_t used = 0, needed = 0;
    bool right = true;
    char *buf = malloc(size);
    FUZZ_CHECK(buf);
    for (size_t i = 0; i < list.count; i++) {
        struct pair *p = &list.pairs[i];
        right &= field_right(p->name, p->value) && !trailer_is_forbidden(p->name);
        needed += p->name.len + p->value.len + 2;
    }
    hpack_decoder_init(&d);
    enum h2_head_result result = h2_trailer_decode(&out, buf, size, &used, &d, &tables, block, len);
    if (result == H2_HEAD_CONNECTION) {
        FUZZ_CHECK(!list.decoded || strcmp(out.reason, "too many size updates") == 0);
    } else if (result == H2_HEAD_REFUSED) {
        FUZZ_CHECK(out.status == 431 && needed + HPACK_SLACK > size);
    } else {
        FUZZ_CHECK((result == H2_HEAD_GOOD) == right);
    }
    if (result == H2_HEAD_GOOD) {
        FUZZ_CHECK(used == needed);
        const char *at = buf;
        for (size_t i = 0; i < list.count; i++) {
            FUZZ_CHECK(string_is(at, list.pairs[i].name));
            at += strlen(at) + 1;
            FUZZ_CHECK(string_is(at, list.pairs[i].value));
            at += strlen(at) + 1;
        }
    }
    hpack_decoder_done(&d, &tables);
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct expected expected;
    if (size < 1 || size > 20000)
        return 0;
    unsigned seed = data[0];
    uint8_t *block = (uint8_t *)fuzz_copy(data + 1, size - 1, 0);
    size--;
    tables_open();
    list_block(block, size);
    if (!list.full) {
        size_t small = 57 + (seed >> 2) * 37;
        if (seed & 2) {
            check_trailer(block, size, 65536);
            check_trailer(block, size, small);
        } else {
            expect(&expected);
            check_head(block, size, 70000, seed & 1, &expected);
            check_head(block, size, small, seed & 1, &expected);
        }
    }
    free(block);
    return 0;
}
