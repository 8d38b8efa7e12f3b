/*
 * Query strings: pairs, their order and their decoded texts are what cutting the text at every "&" and the first "="
 * gives.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/query.h"
#include "weir.h"

static int hex(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Whether string is data[from..to) decoded. */
static bool is_decoded(const char *string, const uint8_t *data, size_t from, size_t to)
{
    const unsigned char *s = (const unsigned char *)string;
    for (size_t i = from; i < to; i++, s++) {
        bool escape = data[i] == '%' && i + 2 < to && hex(data[i + 1]) >= 0 && hex(data[i + 2]) >= 0 &&
                      (data[i + 1] != '0' || data[i + 2] != '0');
        int c = escape ? hex(data[i + 1]) * 16 + hex(data[i + 2]) : data[i] == '+' ? ' ' : data[i];
        if (*s != c)
            return false;
        if (escape)
            i += 2;
    }
    return *s == '\0';
}

static void check_pair(const struct query *q, size_t n, const uint8_t *data, size_t from, size_t to)
{
    size_t equals = from;
    while (equals < to && data[equals] != '=')
        equals++;
    FUZZ_CHECK(is_decoded(q->pairs[n].name, data, from, equals));
    FUZZ_CHECK(is_decoded(q->pairs[n].value, data, equals < to ? equals + 1 : to, to));
}

/* The pieces of the text; each is checked against its pair if there are pairs. Returns how many there are. */
static size_t walk(const struct query *q, const uint8_t *data, size_t size)
{
    size_t n = 0;
    for (size_t from = 0; from < size;) {
        size_t to = from;
        while (to < size && data[to] != '&')
            to++;
        if (to > from) {
            if (q) {
                FUZZ_CHECK(n < q->count);
                check_pair(q, n, data, from, to);
            }
            n++;
        }
        from = to + 1;
    }
    return n;
}

/* Every pair is found by its name and its place among those of that name, and there are no more. */
static void check_lookup(const struct query *q)
{
    for (size_t i = 0; i < q->count && i < 8; i++) {
        size_t before = 0, all = 0;
        for (size_t j = 0; j < q->count; j++) {
            bool same = strcmp(q->pairs[j].name, q->pairs[i].name) == 0;
            before += same && j < i;
            all += same;
        }
        FUZZ_CHECK(query_find(q, q->pairs[i].name, before) == q->pairs[i].value);
        FUZZ_CHECK(query_find(q, q->pairs[i].name, all) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_memory memory;
    if (!memory.account.memory)
        fuzz_memory_open(&memory);
    /* Bytes that no target holds are of bodies of the same form; a NUL would end a value early. */
    if (size > 16000 || (size > 0 && memchr(data, 0, size)))
        return 0;
    char *copy = fuzz_copy(data, size, 0);
    struct query query;
    int error = query_parse(slice_of(copy, size), &memory.arena, &query);
    size_t count = walk(NULL, data, size);
    if (error == 0) {
        FUZZ_CHECK(query.count == count && count <= QUERY_PAIRS_MAX);
        walk(&query, data, size);
        check_lookup(&query);
    } else {
        FUZZ_CHECK(error == WEIR_ETOOBIG && count > QUERY_PAIRS_MAX && query.count == 0);
    }
    size_t len = query_decode(slice_of(copy, size), copy); /* in place */
    FUZZ_CHECK(len <= size);
    char *again = fuzz_copy((const uint8_t *)copy, len, 1);
    FUZZ_CHECK(is_decoded(again, data, 0, size));
    free(again);
    fuzz_memory_clear(&memory);
    free(copy);
    return 0;
}
