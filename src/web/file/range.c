/*
 * Reading, resolving and merging byte ranges.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/range.h"
#include "http/field.h"

/* A number of any length, as its digits without leading zeros. False: text is none. */
static bool digits_read(struct slice text, struct slice *digits)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    *digits = text;
    while (digits->len > 1 && digits->data[0] == '0')
        *digits = slice_of(digits->data + 1, digits->len - 1);
    return text.len > 0;
}

static bool digits_are_less(struct slice a, struct slice b)
{
    return a.len != b.len ? a.len < b.len : memcmp(a.data, b.data, a.len) < 0;
}

/* The number, or INT64_MAX where that is less. */
static int64_t digits_value(struct slice digits)
{
    int64_t n;
    return field_length_read(digits, &n) ? n : INT64_MAX;
}

/* What one range-spec asks for. */
struct range_spec {
    bool suffix;         /* last is the length of the end that is asked for */
    int64_t first, last; /* last INT64_MAX: up to the end */
};

static bool spec_read(struct slice text, struct range_spec *spec)
{
    const char *dash = memchr(text.data, '-', text.len);
    if (!dash)
        return false;
    struct slice before = slice_of(text.data, (size_t)(dash - text.data)), first;
    struct slice behind = slice_of(dash + 1, text.len - before.len - 1), last;
    if (before.len == 0) {
        *spec = (struct range_spec){.suffix = true};
        if (!digits_read(behind, &last))
            return false;
        spec->last = digits_value(last);
        return true;
    }
    if (!digits_read(before, &first))
        return false;
    *spec = (struct range_spec){.first = digits_value(first), .last = INT64_MAX};
    if (behind.len == 0)
        return true;
    if (!digits_read(behind, &last) || digits_are_less(last, first))
        return false;
    spec->last = digits_value(last);
    return true;
}

/* The bytes of a representation of size bytes, size > 0; false: it has none of them. */
static bool spec_resolve(const struct range_spec *spec, int64_t size, struct byte_range *range)
{
    if (spec->suffix) {
        range->len = spec->last < size ? spec->last : size;
        range->first = size - range->len;
        return range->len > 0;
    }
    if (spec->first >= size)
        return false;
    range->first = spec->first;
    range->len = (spec->last < size ? spec->last + 1 : size) - spec->first;
    return true;
}

/* Whether two ranges overlap, or nearly touch. */
static bool are_near(const struct byte_range *a, const struct byte_range *b)
{
    int64_t gap = a->first < b->first ? b->first - a->first - a->len : a->first - b->first - b->len;
    return gap < RANGES_GAP;
}

static void join(struct byte_range *a, const struct byte_range *b)
{
    int64_t a_end = a->first + a->len, b_end = b->first + b->len;
    int64_t first = a->first < b->first ? a->first : b->first;
    *a = (struct byte_range){.first = first, .len = (a_end > b_end ? a_end : b_end) - first};
}

/* Adds a range to others, none of which are near each other; with those that it is near it becomes one, at the place of
 * the first. There is room for one more. */
static void add(struct byte_range *ranges, size_t *count, struct byte_range range)
{
    size_t place = *count;
    for (size_t i = 0; i < *count;) {
        if (!are_near(&ranges[i], &range)) {
            i++;
            continue;
        }
        join(&range, &ranges[i]);
        --*count;
        memmove(&ranges[i], &ranges[i + 1], (*count - i) * sizeof *ranges);
        place = i < place ? i : place;
        i = 0; /* what it has grown by may be near others */
    }
    memmove(&ranges[place + 1], &ranges[place], (*count - place) * sizeof *ranges);
    ranges[place] = range;
    ++*count;
}

enum ranges_verdict ranges_read(struct slice value, int64_t size, struct byte_range ranges[static RANGES_MAX],
                                size_t *count)
{
    const struct slice unit = SLICE("bytes=");
    struct slice member;
    size_t asked = 0;
    *count = 0;
    if (size == 0 || value.len < unit.len || !slice_equal_nocase(slice_of(value.data, unit.len), unit))
        return RANGES_IGNORED;
    value = slice_of(value.data + unit.len, value.len - unit.len);
    while (field_list_next(&value, &member)) {
        struct range_spec spec;
        struct byte_range range;
        if (++asked > RANGES_MAX || !spec_read(member, &spec))
            return RANGES_IGNORED;
        if (spec_resolve(&spec, size, &range))
            add(ranges, count, range);
    }
    if (asked == 0)
        return RANGES_IGNORED;
    return *count > 0 ? RANGES_SATISFIED : RANGES_UNSATISFIABLE;
}
