/*
 * Request heads. The parser has to say of every input what the reference says: complete, incomplete, or refused, the
 * last as soon as nothing that follows could mend it; and if it is complete, what every field holds and where the body
 * will end. Cut at points that the first byte chooses, it has to say the same. Strings are terminated in place in an
 * order that the first byte chooses too, and none may spoil another.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h1/parser.h"
#include "http/scan.h"
#include "http/target.h"
#include "reference.h"

#define FIELDS_MANY 40
#define FIELDS_FEW  4

struct parsed {
    struct h1_parser parser;
    struct http_head head;
    struct http_field fields[FIELDS_MANY];
    int result;
};

static void begin(struct parsed *p, uint16_t field_max)
{
    memset(p, 0xee, sizeof *p);
    p->head.fields = p->fields;
    p->head.field_max = field_max;
    p->result = H1_INCOMPLETE;
    h1_parse_begin(&p->parser, &p->head);
}

/* Its result, or the status of a head that is refused. */
static int parse(struct parsed *p, char *data, size_t len)
{
    enum h1_parse_result result = h1_parse(&p->parser, &p->head, data, len);
    return result == H1_REFUSED ? p->parser.status : (int)result;
}

/* ---- Against the reference ---- */

static void check_verdict(const struct parsed *p, const struct reference_head *r)
{
    if (r->faults == 0)
        FUZZ_CHECK(p->result == (r->complete ? H1_COMPLETE : H1_INCOMPLETE));
    else
        FUZZ_CHECK(reference_fault_of(p->result) & r->faults);
    FUZZ_CHECK((p->result > H1_COMPLETE) == (p->parser.reason != NULL));
}

static bool flag(const struct http_head *h, enum head_flags f)
{
    return h->flags & f;
}

static void check_meaning(const struct http_head *h, const struct reference_head *r, const char *data)
{
    FUZZ_CHECK(h->base == data + r->start && h->size == r->end - r->start);
    FUZZ_CHECK(slice_equal(slice_of(h->base, h->method_len), r->method));
    FUZZ_CHECK(slice_equal(head_slice(h, h->target, h->target_len), r->target));
    FUZZ_CHECK(h->version == 10 + r->minor && flag(h, HEAD_HAS_HOST) == (r->host_count > 0));
    FUZZ_CHECK(r->host_count == 0 || slice_equal(head_slice(h, h->host, h->host_len), r->host));
    FUZZ_CHECK(flag(h, HEAD_HAS_LENGTH) == r->has_length && flag(h, HEAD_CHUNKED) == r->chunked);
    FUZZ_CHECK(h->content_length >= 0 && (uint64_t)h->content_length == r->length);
    FUZZ_CHECK(flag(h, HEAD_CLOSE) == r->close && flag(h, HEAD_KEEP_ALIVE) == r->keep_alive);
    FUZZ_CHECK(flag(h, HEAD_UPGRADE) == r->upgrade && flag(h, HEAD_EXPECT_CONTINUE) == r->expects_continue);
    FUZZ_CHECK(h->field_count == r->field_count);
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];
        FUZZ_CHECK(slice_equal(head_slice(h, f->name, f->name_len), r->fields[i].name));
        FUZZ_CHECK(slice_equal(head_slice(h, f->value, f->value_len), r->fields[i].value));
    }
}

/* Looking a name up finds its lines, in their order, whatever its case. */
static void check_lookup(const struct http_head *h, const struct reference_head *r)
{
    for (size_t i = 0; i < r->field_count; i++) {
        size_t before = 0;
        for (size_t j = 0; j < i; j++)
            before += slice_equal_nocase(r->fields[j].name, r->fields[i].name);
        FUZZ_CHECK(head_find(h, r->fields[i].name, before) == &h->fields[i]);
    }
}

static void check_target(const struct http_head *h, const struct reference_head *r)
{
    struct target t;
    struct reference_target expected;
    const char *reason = NULL;
    reference_target_read(&expected, r);
    int status = target_split(h, &t, &reason);
    FUZZ_CHECK(status == (expected.valid ? 0 : 400));
    if (status != 0) {
        FUZZ_CHECK(reason != NULL);
        return;
    }
    FUZZ_CHECK(slice_equal(t.path, expected.path) && slice_equal(t.authority, expected.authority));
    FUZZ_CHECK((t.query.data != NULL) == expected.has_query && slice_equal(t.query, expected.query));
    /* What the parser noted of the path is what a look at all of it tells. */
    struct http_head again = *h;
    struct target slow;
    again.path_len = 0;
    FUZZ_CHECK(target_split(&again, &slow, &reason) == 0);
    FUZZ_CHECK(slow.plain == t.plain && slice_equal(slow.path, t.path) && slice_equal(slow.query, t.query));
}

static bool string_is(const char *string, struct slice text)
{
    return strlen(string) == text.len && memcmp(string, text.data, text.len) == 0;
}

/* The n-th of what a head can be asked for as strings: method, target, host, then names and values. */
static void check_string(struct http_head *h, const struct reference_head *r, size_t n)
{
    if (n == 0) {
        FUZZ_CHECK(string_is(head_string(h, 0, h->method_len), r->method));
    } else if (n == 1) {
        FUZZ_CHECK(string_is(head_string(h, h->target, h->target_len), r->target));
    } else if (n == 2) {
        FUZZ_CHECK(r->host_count == 0 || string_is(head_string(h, h->host, h->host_len), r->host));
    } else {
        const struct http_field *f = &h->fields[(n - 3) / 2];
        const struct reference_field *expected = &r->fields[(n - 3) / 2];
        if (n % 2)
            FUZZ_CHECK(string_is(head_string(h, f->name, f->name_len), expected->name));
        else
            FUZZ_CHECK(string_is(head_string(h, f->value, f->value_len), expected->value));
    }
}

static void check_strings(struct http_head *h, const struct reference_head *r, uint32_t seed)
{
    size_t count = 3 + 2 * h->field_count;
    for (size_t i = 0; i < 2 * count; i++)
        check_string(h, r, fuzz_cut(&seed, SIZE_MAX) * 7 % count);
    for (size_t n = 0; n < count; n++)
        check_string(h, r, n);
}

/* ---- Against itself, cut ---- */

static void check_same(const struct parsed *whole, const struct parsed *cut)
{
    const struct http_head *a = &whole->head, *b = &cut->head;
    FUZZ_CHECK(cut->result == whole->result);
    if (cut->result > H1_COMPLETE)
        FUZZ_CHECK(strcmp(whole->parser.reason, cut->parser.reason) == 0);
    if (cut->result != H1_COMPLETE)
        return;
    FUZZ_CHECK(a->size == b->size && a->method_len == b->method_len && a->version == b->version);
    FUZZ_CHECK(a->target == b->target && a->target_len == b->target_len && a->flags == b->flags);
    FUZZ_CHECK(a->host_len == b->host_len && (a->host_len == 0 || a->host == b->host));
    FUZZ_CHECK(a->content_length == b->content_length && a->field_count == b->field_count);
    FUZZ_CHECK(memcmp(a->fields, b->fields, a->field_count * sizeof *a->fields) == 0);
}

static void check_cuts(const struct parsed *whole, const uint8_t *data, size_t size, uint32_t seed)
{
    struct parsed cut;
    begin(&cut, whole->head.field_max);
    char *copy = NULL;
    for (size_t len = 0; cut.result == H1_INCOMPLETE && len < size;) {
        free(copy);
        len += fuzz_cut(&seed, size - len);
        copy = fuzz_copy(data, len, SCAN_SLACK);
        cut.result = parse(&cut, copy, len);
    }
    check_same(whole, &cut);
    free(copy);
}

/* Without room for fields they are read all the same. */
static void check_fieldless(const struct parsed *whole, char *copy, size_t size)
{
    struct parsed p;
    begin(&p, whole->head.field_max);
    p.head.fields = NULL;
    p.result = parse(&p, copy, size);
    FUZZ_CHECK(p.result == whole->result);
    FUZZ_CHECK(p.result != H1_COMPLETE || p.head.flags == whole->head.flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reference_head reference;
    if (size < 1 || size > 20000)
        return 0;
    uint32_t seed = data[0];
    uint16_t field_max = seed % 8 == 0 ? FIELDS_FEW : FIELDS_MANY;
    data++;
    size--;
    struct parsed whole;
    begin(&whole, field_max);
    char *copy = fuzz_copy(data, size, SCAN_SLACK);
    whole.result = parse(&whole, copy, size);
    reference_head_read(&reference, slice_of((const char *)data, size), field_max);
    check_verdict(&whole, &reference);
    if (whole.result == H1_COMPLETE)
        check_meaning(&whole.head, &reference, copy);
    check_cuts(&whole, data, size, seed);
    check_fieldless(&whole, copy, size);
    if (whole.result == H1_COMPLETE) {
        check_lookup(&whole.head, &reference);
        check_target(&whole.head, &reference);
        check_strings(&whole.head, &reference, seed);
    }
    free(copy);
    return 0;
}
