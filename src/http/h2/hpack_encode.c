/*
 * Literals without indexing (RFC 7541 section 6.2.2), and where the static table has a name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/hpack_encode.h"
#include "base/debug.h"
#include "base/load.h"
#include "http/date.h"
#include "http/h2/hpack_table.h"

_Static_assert(HPACK_DATE_LEN == 3 + DATE_LEN, "two bytes of index and one of length before a date");

#define INDEXED       0x80 /* first bytes of representations */
#define WITHOUT_INDEX 0x00
#define NEVER_INDEXED 0x10

/* ---- Integers and strings (RFC 7541 section 5) ---- */

static inline size_t integer_size(size_t n, size_t most)
{
    size_t size = 1;
    if (n < most)
        return size;
    for (n -= most; n >= 0x80; n >>= 7)
        size++;
    return size + 1;
}

/* most: a prefix that is full; first: what stands before the prefix. */
static inline uint8_t *integer_put(uint8_t *to, size_t n, uint8_t most, uint8_t first)
{
    if (likely(n < most)) {
        *to = (uint8_t)(first | n);
        return to + 1;
    }
    *to++ = first | most;
    for (n -= most; n >= 0x80; n >>= 7)
        *to++ = (uint8_t)(n | 0x80);
    *to = (uint8_t)n;
    return to + 1;
}

static inline size_t string_size(size_t len)
{
    return integer_size(len, 0x7f) + len;
}

static inline uint8_t *string_put(uint8_t *to, struct slice text)
{
    to = integer_put(to, text.len, 0x7f, 0);
    if (text.len > 0)
        memcpy(to, text.data, text.len);
    return to + text.len;
}

/* ---- Names ---- */

/* clang-format off */
/* The fields of the static table, by name_hash(); 0: none. */
static const uint8_t by_name[128] = {
    47,  0, 45, 16, 42,  0,  0, 56,  0,  0,  0,  0, 48,  0,  0,  0,
    53, 34,  0,  0, 38,  0,  0, 33,  0,  0, 60,  0,  0,  0, 23,  0,
    51,  0, 17,  0, 59,  0,  0,  0,  0, 28,  0,  0,  0,  0,  0,  0,
     0, 26,  0, 22,  0,  0,  0,  0,  0, 25, 52,  0,  0, 54, 15,  0,
    58, 35, 61, 41, 46, 29,  0,  0,  0,  0,  0, 44, 36,  0, 37, 27,
    21, 18,  0,  0,  0, 57, 39,  0,  0, 43,  0, 30,  0, 19,  0, 31,
     0, 40,  0,  0,  0,  0,  0,  0, 20,  0,  0,  0,  0,  0,  0, 24,
     0, 50,  0,  0,  0,  0, 55, 32,  0,  0,  0,  0,  0, 49,  0,  0,
};
/* clang-format on */

/* A hash that tells all names of the static table apart, by their length, first and last byte. */
static inline WRAPS unsigned name_hash(struct slice name)
{
    uint32_t first = (uint8_t)name.data[0] | 0x20u, last = (uint8_t)name.data[name.len - 1] | 0x20u;
    return ((uint32_t)name.len | first << 8 | last << 16) * 0xf831e123u >> 25;
}

/* Whether a name is `lower` but for case. Names are tokens: of their bytes only letters in upper case become another
 * one's. */
static inline bool name_is(const char *name, const char *lower, size_t len)
{
    const uint64_t fold = 0x2020202020202020u;
    if (len < 8) {
        for (size_t i = 0; i < len; i++)
            if ((name[i] | 0x20) != lower[i])
                return false;
        return true;
    }
    for (size_t at = 0; at + 8 < len; at += 8)
        if ((load_8(name + at) | fold) != load_8(lower + at))
            return false;
    return (load_8(name + len - 8) | fold) == load_8(lower + len - 8);
}

/* The index of a name in the static table, or 0. */
static inline unsigned name_find(struct slice name)
{
    if (unlikely(name.len == 0))
        return 0;
    unsigned index = by_name[name_hash(name)];
    const struct hpack_entry *e = &hpack_static[index];
    return index > 0 && e->name_len == name.len && name_is(name.data, hpack_static_bytes + e->at, name.len) ? index : 0;
}

static inline bool value_is(unsigned index, struct slice value)
{
    const struct hpack_entry *e = &hpack_static[index];
    return e->value_len == value.len &&
           (value.len == 0 || memcmp(hpack_static_bytes + e->at + e->name_len + 1, value.data, value.len) == 0);
}

/* Eight bytes in lower case: those from A to Z, whose sums with one of these and not with the other reach the highest
 * bit, get the bit that makes the difference. */
static inline uint64_t lower_8(uint64_t text)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low = text & 0x7f * ones, from_a = low + (0x80 - 'A') * ones, behind_z = low + (0x7f - 'Z') * ones;
    return text | ((from_a ^ behind_z) & ~text & 0x80 * ones) >> 2;
}

static inline void lower_put(uint8_t *to, const char *name)
{
    uint64_t lower = lower_8(load_8(name));
    memcpy(to, &lower, sizeof lower);
}

static uint8_t *name_put(uint8_t *to, struct slice name)
{
    to = integer_put(to, name.len, 0x7f, 0);
    if (name.len < 8) {
        for (size_t i = 0; i < name.len; i++)
            to[i] = (uint8_t)ascii_lower(name.data[i]);
        return to + name.len;
    }
    for (size_t at = 0; at + 8 < name.len; at += 8)
        lower_put(to + at, name.data + at);
    lower_put(to + name.len - 8, name.data + name.len - 8);
    return to + name.len;
}

/* ---- Fields ---- */

/* What nobody between should keep (RFC 7541 section 7.1.3). */
static inline bool is_secret(unsigned index)
{
    return index == HPACK_AUTHORIZATION || index == HPACK_PROXY_AUTHORIZATION || index == HPACK_SET_COOKIE;
}

size_t hpack_field_size(struct slice name, struct slice value)
{
    unsigned index = name_find(name);
    if (index == 0)
        return 1 + string_size(name.len) + string_size(value.len);
    return value_is(index, value) ? 1 : integer_size(index, 0x0f) + string_size(value.len);
}

uint8_t *hpack_put_field(uint8_t *to, struct slice name, struct slice value)
{
    unsigned index = name_find(name);
    if (index > 0 && value_is(index, value)) {
        *to = (uint8_t)(INDEXED | index);
        return to + 1;
    }
    if (index > 0) {
        to = integer_put(to, index, 0x0f, is_secret(index) ? NEVER_INDEXED : WITHOUT_INDEX);
    } else {
        *to = WITHOUT_INDEX;
        to = name_put(to + 1, name);
    }
    return string_put(to, value);
}

/* ---- What nearly all replies have ---- */

static inline unsigned status_index(int status)
{
    switch (status) {
    case 200:
        return HPACK_STATUS_200;
    case 204:
        return HPACK_STATUS_200 + 1;
    case 206:
        return HPACK_STATUS_200 + 2;
    case 304:
        return HPACK_STATUS_200 + 3;
    case 400:
        return HPACK_STATUS_200 + 4;
    case 404:
        return HPACK_STATUS_200 + 5;
    case 500:
        return HPACK_STATUS_500;
    default:
        return 0;
    }
}

size_t hpack_status_size(int status)
{
    return status_index(status) > 0 ? 1 : 5;
}

uint8_t *hpack_put_status(uint8_t *to, int status)
{
    unsigned index = status_index(status);
    if (likely(index > 0)) {
        *to = (uint8_t)(INDEXED | index);
        return to + 1;
    }
    debug_assert(status >= 100 && status <= 999);
    to[0] = WITHOUT_INDEX | HPACK_STATUS_200;
    to[1] = 3;
    to[2] = (uint8_t)('0' + status / 100);
    to[3] = (uint8_t)('0' + status / 10 % 10);
    to[4] = (uint8_t)('0' + status % 10);
    return to + 5;
}

/* The two bytes of an index of 15 to 142 before a literal value. */
static inline uint8_t *index_put(uint8_t *to, unsigned index)
{
    to[0] = WITHOUT_INDEX | 0x0f;
    to[1] = (uint8_t)(index - 0x0f);
    return to + 2;
}

static inline unsigned decimal_digits(uint64_t n)
{
    unsigned digits = 1;
    for (uint64_t power = 10; n >= power; power *= 10)
        if (++digits == 20)
            break;
    return digits;
}

size_t hpack_length_size(uint64_t length)
{
    return 3 + decimal_digits(length);
}

uint8_t *hpack_put_length(uint8_t *to, uint64_t length)
{
    unsigned digits = decimal_digits(length);
    to = index_put(to, HPACK_CONTENT_LENGTH);
    *to++ = (uint8_t)digits;
    uint8_t *end = to + digits, *at = end;
    for (; length >= 10; length /= 10)
        *--at = (uint8_t)('0' + length % 10);
    *--at = (uint8_t)('0' + length);
    return end;
}

size_t hpack_type_size(struct slice type)
{
    return type.len > 0 ? 2 + string_size(type.len) : 1;
}

uint8_t *hpack_put_type(uint8_t *to, struct slice type)
{
    if (unlikely(type.len == 0)) { /* the table has that */
        *to = INDEXED | HPACK_CONTENT_TYPE;
        return to + 1;
    }
    return string_put(index_put(to, HPACK_CONTENT_TYPE), type);
}

uint8_t *hpack_put_date(uint8_t *to, const char *date)
{
    to = index_put(to, HPACK_DATE);
    *to++ = DATE_LEN;
    memcpy(to, date, DATE_LEN);
    return to + DATE_LEN;
}
