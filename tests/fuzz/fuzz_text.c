/*
 * Query strings, cookies and JSON strings out of the same bytes: whatever a client sends, each reads it without error
 * or with one that it names, and what is written is well-formed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/cookie.h"
#include "web/json.h"
#include "web/query.h"

static struct fuzz_memory *memory_get(void)
{
    static struct fuzz_memory memory;
    if (!memory.account.memory)
        fuzz_memory_open(&memory);
    return &memory;
}

static void check_query(struct slice text, struct arena *arena)
{
    struct query query;
    int error = query_parse(text, arena, &query);
    FUZZ_CHECK(error == 0 || error == WEIR_ETOOBIG || error == WEIR_ENOMEM);
    FUZZ_CHECK(error == 0 || query.count == 0);
    size_t total = 0;
    for (size_t i = 0; i < query.count; i++) {
        total += strlen(query.pairs[i].name) + strlen(query.pairs[i].value);
        FUZZ_CHECK(query_find(&query, query.pairs[i].name, 0) != NULL);
    }
    FUZZ_CHECK(total <= text.len);
}

static void check_cookies(struct slice text, struct arena *arena)
{
    struct cookies cookies;
    size_t half = text.len / 2;
    const struct slice fields[] = {slice_of(text.data, half), slice_of(text.data + half, text.len - half)};
    int error = cookies_parse(fields, 2, arena, &cookies);
    FUZZ_CHECK(error == 0 || error == WEIR_ETOOBIG || error == WEIR_ENOMEM);
    for (size_t i = 0; i < cookies.count; i++) {
        FUZZ_CHECK(cookies.items[i].name[0] != '\0' && !strpbrk(cookies.items[i].name, " ;=,\""));
        FUZZ_CHECK(!strchr(cookies.items[i].value, ';'));
        FUZZ_CHECK(cookies_find(&cookies, cookies.items[i].name) != NULL);
    }
}

/* Bytes of the well-formed UTF-8 character at p (Unicode table 3-7), or 0. */
static size_t utf8_length(const unsigned char *p, size_t len)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool wrong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
                 (p[0] == 0xf4 && p[1] > 0x8f);
    return wrong ? 0 : n;
}

static void check_json(struct slice text)
{
    size_t size = json_string_size(text);
    char *out = malloc(size);
    FUZZ_CHECK(out && size >= 2);
    FUZZ_CHECK(json_string_write(text, out) == size);
    FUZZ_CHECK(out[0] == '"' && out[size - 1] == '"');
    for (size_t i = 1; i < size - 1;) {
        const unsigned char *p = (const unsigned char *)out + i;
        FUZZ_CHECK(*p >= 0x20 && *p != '"');
        if (*p == '\\') {
            FUZZ_CHECK(i + 2 < size && memchr("\"\\/bfnrtu", p[1], 9));
            i += p[1] == 'u' ? 6 : 2;
            FUZZ_CHECK(i < size);
        } else {
            size_t n = utf8_length(p, size - 1 - i);
            FUZZ_CHECK(n > 0);
            i += n;
        }
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_memory *memory = memory_get();
    char *copy = fuzz_copy(data, size, 0);
    struct slice text = slice_of(copy, size);
    check_query(text, &memory->arena);
    fuzz_memory_clear(memory);
    check_cookies(text, &memory->arena);
    fuzz_memory_clear(memory);
    check_json(text);
    free(copy);
    return 0;
}
