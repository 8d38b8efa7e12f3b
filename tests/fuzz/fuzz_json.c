/*
 * JSON strings: what is written is read back as RFC 8259 section 7 says, and has to be the text's characters, with
 * U+FFFD for each longest wrong beginning of one (Unicode 15, table 3-7 and section 3.9). And the depth of a text,
 * beside a parser that recurses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/json.h"
#include "weir.h"

/* Well-formed sequences: the range of each byte. */
static const struct {
    unsigned char first[2], second[2];
    size_t len;
} rows[] = {
    {{0x00, 0x7f}, {0, 0}, 1},       {{0xc2, 0xdf}, {0x80, 0xbf}, 2}, {{0xe0, 0xe0}, {0xa0, 0xbf}, 3},
    {{0xe1, 0xec}, {0x80, 0xbf}, 3}, {{0xed, 0xed}, {0x80, 0x9f}, 3}, {{0xee, 0xef}, {0x80, 0xbf}, 3},
    {{0xf0, 0xf0}, {0x90, 0xbf}, 4}, {{0xf1, 0xf3}, {0x80, 0xbf}, 4}, {{0xf4, 0xf4}, {0x80, 0x8f}, 4},
};

/* The character at the beginning of p[0..len), and how many bytes it has; U+FFFD for what is none. */
static uint32_t character(const uint8_t *p, size_t len, size_t *used)
{
    *used = 1;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        if (p[0] < rows[row].first[0] || p[0] > rows[row].first[1])
            continue;
        size_t n = 1;
        while (n < rows[row].len && n < len && p[n] >= (n == 1 ? rows[row].second[0] : 0x80) &&
               p[n] <= (n == 1 ? rows[row].second[1] : 0xbf))
            n++;
        *used = n;
        if (n < rows[row].len)
            return 0xfffd;
        uint32_t value = rows[row].len == 1 ? p[0] : p[0] & (0x7fu >> rows[row].len);
        for (size_t i = 1; i < n; i++)
            value = value << 6 | (p[i] & 0x3f);
        return value;
    }
    return 0xfffd;
}

/* The character that a JSON string has at p, whose end is not reached. */
static uint32_t json_character(const uint8_t *p, size_t len, size_t *used)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    FUZZ_CHECK(p[0] >= 0x20 && p[0] != '"');
    if (p[0] != '\\') {
        uint32_t c = character(p, len, used);
        FUZZ_CHECK(c != 0xfffd || *used == 3);
        return c;
    }
    FUZZ_CHECK(len >= 2);
    if (p[1] != 'u') {
        const char *name = p[1] ? strchr(names, p[1]) : NULL;
        FUZZ_CHECK(name);
        *used = 2;
        return (uint32_t)values[name - names];
    }
    FUZZ_CHECK(len >= 6);
    char digits[5] = {(char)p[2], (char)p[3], (char)p[4], (char)p[5], 0}, *end;
    FUZZ_CHECK(strspn(digits, "0123456789abcdefABCDEF") == 4);
    *used = 6;
    uint32_t value = (uint32_t)strtoul(digits, &end, 16);
    FUZZ_CHECK(value < 0xd800 || value > 0xdfff); /* weir writes no pairs */
    return value;
}

/* A parser by the grammar (RFC 8259), which recurses: it tells how deep it was when it had read a value, or when it
 * gave up. */
struct reader {
    const uint8_t *at, *end;
    size_t deepest;
};

#define READER_DEPTH 2000 /* deeper texts are only looked at for their brackets */

static bool read_value(struct reader *r, size_t depth);

static void skip_space(struct reader *r)
{
    while (r->at < r->end && memchr(" \t\n\r", *r->at, 4))
        r->at++;
}

static bool read_byte(struct reader *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

/* As lenient as parsers are: any byte but the quote, and any behind a backslash. */
static bool read_string(struct reader *r)
{
    if (!read_byte(r, '"'))
        return false;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\' && ++r->at == r->end)
            return false;
        r->at++;
    }
    return read_byte(r, '"');
}

static bool read_members(struct reader *r, size_t depth, char close, bool named)
{
    if (depth > r->deepest)
        r->deepest = depth;
    if (depth == READER_DEPTH)
        return false;
    if (read_byte(r, close))
        return true;
    do {
        if (named && !(read_string(r) && read_byte(r, ':')))
            return false;
        if (!read_value(r, depth))
            return false;
    } while (read_byte(r, ','));
    return read_byte(r, close);
}

static bool read_value(struct reader *r, size_t depth)
{
    if (read_byte(r, '['))
        return read_members(r, depth + 1, ']', false);
    if (read_byte(r, '{'))
        return read_members(r, depth + 1, '}', true);
    if (r->at < r->end && *r->at == '"')
        return read_string(r);
    const uint8_t *before = r->at;
    while (r->at < r->end && (memchr("+-.", *r->at, 3) || (*r->at >= '0' && *r->at <= '9') ||
                              ((*r->at | 0x20) >= 'a' && (*r->at | 0x20) <= 'z')))
        r->at++;
    return r->at > before;
}

/* The depth bounds what a parser enters, and is that where the whole text is one value. */
static void check_depth(const uint8_t *data, size_t size)
{
    struct reader r = {.at = data, .end = data + size};
    bool whole = read_value(&r, 0);
    skip_space(&r);
    size_t depth = weir_json_depth((const char *)data, size);
    FUZZ_CHECK(depth >= r.deepest && depth <= size);
    if (whole && r.at == r.end)
        FUZZ_CHECK(depth == r.deepest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_memory memory;
    if (!memory.account.memory)
        fuzz_memory_open(&memory);
    if (size > 8192)
        return 0;
    char *copy = fuzz_copy(data, size, 0);
    check_depth((const uint8_t *)copy, size);
    struct slice text = slice_of(copy, size);
    size_t len = json_string_size(text);
    char *out = malloc(len);
    FUZZ_CHECK(out && len >= 2 && json_string_write(text, out) == len);
    FUZZ_CHECK(out[0] == '"' && out[len - 1] == '"');
    size_t at = 1;
    for (size_t from = 0, used; from < size; from += used) {
        FUZZ_CHECK(at < len - 1);
        uint32_t expected = character(data + from, size - from, &used);
        size_t took;
        FUZZ_CHECK(json_character((const uint8_t *)out + at, len - 1 - at, &took) == expected);
        at += took;
    }
    FUZZ_CHECK(at == len - 1);
    const char *kept = json_string(text, &memory.arena);
    FUZZ_CHECK(kept && strlen(kept) == len && memcmp(kept, out, len) == 0);
    fuzz_memory_clear(&memory);
    free(out);
    free(copy);
    return 0;
}
