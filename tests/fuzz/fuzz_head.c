/*
 * Request heads: parsed whole and cut at points that the first byte chooses, which has to give the same; and what is
 * accepted holds none of what makes two servers disagree about where a message ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h1_parser.h"
#include "http/scan.h"
#include "http/target.h"

#define FIELDS 32

struct parsed {
    struct h1_parser parser;
    struct http_head head;
    struct http_field fields[FIELDS];
    int result;
};

static void begin(struct parsed *p)
{
    memset(p, 0, sizeof *p);
    p->head.fields = p->fields;
    p->head.field_max = FIELDS;
    h1_parse_begin(&p->parser, &p->head);
}

static void check_complete(const struct parsed *p, const char *data, size_t len)
{
    const struct http_head *h = &p->head;
    size_t skipped = (size_t)(h->base - data);
    FUZZ_CHECK((skipped == 0 || skipped == 2) && skipped + h->size <= len && h->size >= 16);
    FUZZ_CHECK(memcmp(h->base + h->size - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < h->size; i++) {
        unsigned char c = (unsigned char)h->base[i];
        FUZZ_CHECK(c >= 0x20 || c == '\r' || c == '\n' || c == '\t');
        FUZZ_CHECK((c == '\n') == (i > 0 && h->base[i - 1] == '\r'));
        FUZZ_CHECK(c != '\n' || i + 1 == h->size || (h->base[i + 1] != ' ' && h->base[i + 1] != '\t'));
    }
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &p->fields[i];
        FUZZ_CHECK(f->name_len > 0 && f->name + f->name_len < f->value + 1 && f->value + f->value_len < h->size);
        FUZZ_CHECK(h->base[f->name + f->name_len] == ':' && h->base[f->name - 1] == '\n');
    }
    FUZZ_CHECK(!(h->flags & HEAD_HAS_LENGTH) || !head_find(h, SLICE("transfer-encoding"), 0));
    FUZZ_CHECK(!(h->flags & HEAD_CHUNKED) == !head_find(h, SLICE("transfer-encoding"), 0));
    FUZZ_CHECK(!(h->flags & HEAD_HAS_LENGTH) == !head_find(h, SLICE("Content-Length"), 0));
    FUZZ_CHECK(!head_find(h, SLICE("Content-Length"), 1) && !head_find(h, SLICE("Host"), 1));
    FUZZ_CHECK(h->minor == 0 || head_find(h, SLICE("host"), 0));
    FUZZ_CHECK(h->content_length >= 0);
    struct target target;
    const char *reason = NULL;
    if (target_split(h, &target, &reason) == 0)
        FUZZ_CHECK(target.path.len > 0 && (target.path.data[0] == '/' || target.path.data[0] == '*'));
    else
        FUZZ_CHECK(reason);
}

static void check_cuts(const struct parsed *whole, const uint8_t *data, size_t size, uint32_t seed)
{
    struct parsed cut;
    begin(&cut);
    char *copy = NULL;
    for (size_t len = 0; cut.result == H1_INCOMPLETE && len < size;) {
        free(copy);
        len += fuzz_cut(&seed, size - len);
        copy = fuzz_copy(data, len, SCAN_SLACK);
        cut.result = h1_parse(&cut.parser, &cut.head, copy, len);
    }
    FUZZ_CHECK(cut.result == whole->result);
    if (cut.result == H1_COMPLETE) {
        const struct http_head *a = &whole->head, *b = &cut.head;
        FUZZ_CHECK(a->size == b->size && a->method_len == b->method_len && a->minor == b->minor);
        FUZZ_CHECK(a->target == b->target && a->target_len == b->target_len && a->flags == b->flags);
        FUZZ_CHECK(a->host_len == b->host_len && a->content_length == b->content_length);
        FUZZ_CHECK(a->field_count == b->field_count);
        FUZZ_CHECK(memcmp(whole->fields, cut.fields, a->field_count * sizeof cut.fields[0]) == 0);
    } else if (cut.result != H1_INCOMPLETE) {
        FUZZ_CHECK(strcmp(whole->parser.reason, cut.parser.reason) == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 20000)
        return 0;
    uint32_t seed = data[0];
    data++;
    size--;
    struct parsed whole;
    begin(&whole);
    char *copy = fuzz_copy(data, size, SCAN_SLACK);
    whole.result = h1_parse(&whole.parser, &whole.head, copy, size);
    FUZZ_CHECK((whole.result > H1_COMPLETE) == (whole.parser.reason != NULL));
    if (whole.result == H1_COMPLETE)
        check_complete(&whole, copy, size);
    check_cuts(&whole, data, size, seed);
    free(copy);
    return 0;
}
