/*
 * Ranges name exactly the bytes that their specs do, told one byte at a time, and near gaps; tags and dates are what
 * would be written.
 *
 * SPDX-License-Identifier: MIT
 */
#include "file_fields.h"
#include "fuzz.h"
#include "http/date.h"
#include "web/file/etag.h"
#include "web/file/range.h"

#include <strings.h>

#define FILE_SIZE 1000

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* A number, or FILE_SIZE where it is at least that. False: text[from..to) is none. */
static bool number_of(const uint8_t *text, size_t from, size_t to, unsigned *number)
{
    *number = 0;
    for (size_t i = from; i < to; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (text[i] - (unsigned)'0');
        if (*number > FILE_SIZE)
            *number = FILE_SIZE;
    }
    return from < to;
}

/* Marks the bytes that text[from..to) asks for. False: it is no range-spec. Numbers in the wrong order that are both
 * beyond the file are not told apart here. */
static bool mark_spec(const uint8_t *text, size_t from, size_t to, char asked[FILE_SIZE])
{
    size_t dash = from;
    unsigned first = 0, last = FILE_SIZE - 1;
    while (dash < to && text[dash] != '-')
        dash++;
    if (dash == to)
        return false;
    if (dash == from) {
        if (!number_of(text, dash + 1, to, &last))
            return false;
        memset(asked + FILE_SIZE - last, 1, last);
        return true;
    }
    if (!number_of(text, from, dash, &first))
        return false;
    if (dash + 1 < to && (!number_of(text, dash + 1, to, &last) || last < first))
        return false;
    for (unsigned i = first; i <= last && i < FILE_SIZE; i++)
        asked[i] = 1;
    return true;
}

/* Marks what a Range asks for. Returns how many specs there are; 0: it is none. */
static size_t mark_all(const uint8_t *text, size_t size, char asked[FILE_SIZE])
{
    size_t specs = 0;
    if (size < 6 || strncasecmp((const char *)text, "bytes=", 6) != 0)
        return 0;
    for (size_t from = 6; from <= size;) {
        size_t to = from;
        while (to < size && text[to] != ',')
            to++;
        size_t next = to + 1;
        while (from < to && is_blank(text[from]))
            from++;
        while (to > from && is_blank(text[to - 1]))
            to--;
        if (from < to && !mark_spec(text, from, to, asked))
            return 0;
        specs += from < to;
        from = next;
    }
    return specs;
}

static bool has_long_numbers(const uint8_t *text, size_t size)
{
    for (size_t i = 0, digits = 0; i < size; i++)
        if ((digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0) > 3)
            return true;
    return false;
}

static void check_ranges(const uint8_t *data, size_t size)
{
    char asked[FILE_SIZE] = {0}, named[FILE_SIZE] = {0};
    struct byte_range ranges[RANGES_MAX];
    size_t count, specs = mark_all(data, size, asked);
    enum ranges_verdict verdict = ranges_read(slice_of((const char *)data, size), FILE_SIZE, ranges, &count);
    bool some = memchr(asked, 1, sizeof asked) != NULL;
    if (verdict == RANGES_IGNORED) {
        FUZZ_CHECK(specs == 0 || specs > RANGES_MAX || has_long_numbers(data, size));
        return;
    }
    FUZZ_CHECK(specs > 0 && specs <= RANGES_MAX);
    FUZZ_CHECK(some == (verdict == RANGES_SATISFIED) && some == (count > 0) && count <= specs);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(ranges[i].first >= 0 && ranges[i].len > 0 && ranges[i].len <= FILE_SIZE - ranges[i].first);
        FUZZ_CHECK(asked[ranges[i].first] && asked[ranges[i].first + ranges[i].len - 1]);
        for (int64_t k = ranges[i].first; k < ranges[i].first + ranges[i].len; k++)
            FUZZ_CHECK(named[k]++ == 0);
    }
    for (size_t i = 0; i < FILE_SIZE; i++)
        FUZZ_CHECK(named[i] >= asked[i]);
}

static void check_tags(const uint8_t *data, size_t size)
{
    struct slice list = slice_of((const char *)data, size), tag;
    const char *at = list.data, *end = list.data + size;
    while (etag_next(&list, &tag)) {
        FUZZ_CHECK(tag.data >= at && tag.data + tag.len <= end && etag_is_valid(tag));
        FUZZ_CHECK(etag_equal_weakly(tag, tag) && etag_equal_strongly(tag, tag) == !etag_is_weak(tag));
        at = tag.data + tag.len;
        FUZZ_CHECK(list.data >= at && list.data + list.len == end);
    }
}

static void check_date(const uint8_t *data, size_t size)
{
    int64_t seconds;
    char text[DATE_LEN];
    if (!date_read(slice_of((const char *)data, size), 1790000000, &seconds))
        return;
    FUZZ_CHECK(seconds > -62200000000 && seconds <= 253402300800);
    if (size != DATE_LEN || data[3] != ',' || seconds < 0 || memcmp(data + 23, "60", 2) == 0)
        return;
    date_format(text, seconds);
    FUZZ_CHECK(memcmp(text + 3, data + 3, DATE_LEN - 3) == 0); /* all but the weekday */
}

void fuzz_file_fields(const uint8_t *data, size_t size)
{
    check_ranges(data, size);
    check_tags(data, size);
    check_date(data, size);
}
