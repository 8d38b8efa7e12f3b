/*
 * Lists of networks: read, and asked.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/networks.h"

/* The first word of *text, which is left behind it; empty: there is none. */
static struct slice next_word(struct slice *text)
{
    size_t begin = 0, end;
    while (begin < text->len && text->data[begin] == ' ')
        begin++;
    for (end = begin; end < text->len && text->data[end] != ' '; end++)
        ;
    struct slice word = slice_of(text->data + begin, end - begin);
    *text = slice_of(text->data + end, text->len - end);
    return word;
}

/* A length behind "/": up to three digits, no leading zero, and at most `most`. */
static bool read_bits(struct slice text, unsigned most, uint8_t *bits)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *bits = (uint8_t)value;
    return value <= most;
}

/* Whether no bit is set behind those that count: a list that says 10.1.2.3/8 means something else than it says. */
static bool rest_is_zero(const struct network *n)
{
    for (size_t bit = n->bits; bit < sizeof n->bytes * 8; bit++)
        if (n->bytes[bit / 8] & (0x80u >> bit % 8))
            return false;
    return true;
}

static bool read_network(struct network *n, struct slice word)
{
    struct endpoint e;
    if (slice_equal(word, SLICE("unix:"))) {
        *n = (struct network){.family = ENDPOINT_LOCAL};
        return true;
    }
    const char *slash = memchr(word.data, '/', word.len);
    size_t len = slash ? (size_t)(slash - word.data) : word.len;
    if (!endpoint_parse(&e, slice_of(word.data, len)))
        return false;
    bool mapped = e.family == ENDPOINT_V4 && memchr(word.data, ':', len);
    unsigned most = e.family == ENDPOINT_V4 && !mapped ? 32 : 128;
    *n = (struct network){.family = e.family, .bits = (uint8_t)most};
    memcpy(n->bytes, e.bytes, sizeof n->bytes);
    if (slash && !read_bits(slice_of(slash + 1, word.len - len - 1), most, &n->bits))
        return false;
    if (mapped && n->bits < 96) /* a network around all of IPv4, which nobody means by it */
        return false;
    if (mapped)
        n->bits = (uint8_t)(n->bits - 96);
    return rest_is_zero(n);
}

struct networks *networks_parse(struct account *a, const char *text, struct slice *wrong)
{
    size_t count = 0;
    *wrong = SLICE("nothing");
    for (struct slice rest = slice_from(text), word; (word = next_word(&rest)).len > 0; count++) {
        struct network n;
        *wrong = word;
        if (count == NETWORKS_MAX || !read_network(&n, word))
            return NULL;
    }
    if (count == 0)
        return NULL;
    struct networks *list = memory_alloc(a, sizeof *list + count * sizeof list->items[0]);
    *wrong = (struct slice){0};
    if (!list)
        return NULL;
    list->count = 0;
    for (struct slice rest = slice_from(text); list->count < count; list->count++)
        (void)read_network(&list->items[list->count], next_word(&rest));
    return list;
}

void networks_free(struct account *a, struct networks *n)
{
    if (n)
        memory_free(a, n, sizeof *n + n->count * sizeof n->items[0]);
}

static bool network_holds(const struct network *n, const struct endpoint *e)
{
    size_t whole = n->bits / 8, rest = n->bits % 8;
    if (n->family != e->family || memcmp(n->bytes, e->bytes, whole) != 0)
        return false;
    return rest == 0 || ((n->bytes[whole] ^ e->bytes[whole]) >> (8 - rest)) == 0;
}

bool networks_hold(const struct networks *n, const struct endpoint *e)
{
    for (size_t i = 0; n && i < n->count; i++)
        if (network_holds(&n->items[i], e))
            return true;
    return false;
}
