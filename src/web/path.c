/*
 * Normalizing a path. Most paths need nothing: a scan over whole words finds that out, and they are used where they
 * lie. The scan asks for less than it has to know (it stops at "/.well-known" as well), which keeps it short; a
 * second, exact look decides.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/path.h"

#include "web/percent.h"
#include "weir.h"

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Loads that overlap cover any length from 4 on without looking beyond it. */
static inline uint64_t load_8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint64_t load_4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

#ifdef __SSE2__

typedef __m128i block;

static inline block block_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline block block_of(uint64_t low, uint64_t high)
{
    return _mm_set_epi64x((long long)high, (long long)low);
}

/* A dot counts after a slash, and first in the block: what is before it is not known here. */
static inline bool block_is_plain(block b)
{
    block bad = _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('%')), _mm_cmpeq_epi8(b, _mm_setzero_si128()));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(b, _mm_set1_epi8('\\')));
    unsigned dots = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(b, _mm_set1_epi8('.')));
    unsigned slashes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(b, _mm_set1_epi8('/')));
    return ((unsigned)_mm_movemask_epi8(bad) | (dots & (slashes << 1 | 1))) == 0;
}

#else

typedef struct {
    uint64_t low, high;
} block;

static inline block block_load(const char *p)
{
    return (block){load_8(p), load_8(p + 8)};
}

static inline block block_of(uint64_t low, uint64_t high)
{
    return (block){low, high};
}

/* The top bit of every byte of the word that equals byte. Exact: no carry runs from one byte into the next. */
static inline uint64_t bytes_equal(uint64_t word, unsigned char byte)
{
    const uint64_t low_bits = 0x7f7f7f7f7f7f7f7fu;
    uint64_t x = word ^ (0x0101010101010101u * byte);
    return ~(((x & low_bits) + low_bits) | x | low_bits);
}

/* Both processors that weir runs on are little-endian: the byte before is the lower one. */
static inline uint64_t word_suspicious(uint64_t word)
{
    uint64_t after_slash = bytes_equal(word, '/') << 8 | 0x80;
    return bytes_equal(word, '%') | bytes_equal(word, '\0') | bytes_equal(word, '\\') |
           (bytes_equal(word, '.') & after_slash);
}

static inline bool block_is_plain(block b)
{
    return (word_suspicious(b.low) | word_suspicious(b.high)) == 0;
}

#endif

/* False if there may be an escape, a NUL, a backslash or a dot segment. */
static inline bool path_looks_plain(const char *p, size_t len)
{
    if (len >= 16) {
        const char *last = p + len - 16;
        for (; p < last; p += 16)
            if (!block_is_plain(block_load(p)))
                return false;
        return block_is_plain(block_load(last));
    }
    if (len >= 8)
        return block_is_plain(block_of(load_8(p), load_8(p + len - 8)));
    if (len >= 4)
        return block_is_plain(block_of(load_4(p) | load_4(p + len - 4) << 32, UINT64_MAX));
    for (size_t i = 1; i < len; i++)
        if (p[i] == '%' || p[i] == '\0' || p[i] == '\\' || p[i] == '.')
            return false;
    return true;
}

static inline bool is_dot(const char *p, size_t len)
{
    return len == 1 && p[0] == '.';
}

static inline bool is_dot_dot(const char *p, size_t len)
{
    return len == 2 && p[0] == '.' && p[1] == '.';
}

/* Whether anything has to be decoded, resolved or refused. */
static COLD bool path_needs_change(struct slice raw)
{
    if (memchr(raw.data, '%', raw.len) || memchr(raw.data, '\0', raw.len) || memchr(raw.data, '\\', raw.len))
        return true;
    const char *end = raw.data + raw.len;
    for (const char *p = raw.data + 1; p <= end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t len = (size_t)((slash ? slash : end) - p);
        if (is_dot(p, len) || is_dot_dot(p, len))
            return true;
        p += len + 1;
    }
    return false;
}

/*
 * Appends the decoded segment at p to out, up to a slash or end; returns where it stopped, or NULL if it is to be
 * refused.
 */
static const char *decode_segment(const char *p, const char *end, char *out, size_t *len)
{
    for (; p < end && *p != '/'; p++) {
        int c = (unsigned char)*p;
        if (c == '\\')
            return NULL;
        if (c == '%')
            c = percent_value(p, end);
        if (c <= 0)
            return NULL;
        if (*p == '%')
            p += 2;
        out[(*len)++] = c == '/' ? '\0' : (char)c;
    }
    return p;
}

/* Makes the route form, at most as long as raw. Returns its length, or 0 if the path is to be refused. */
static size_t path_rewrite(struct slice raw, char *out)
{
    const char *end = raw.data + raw.len;
    size_t len = 0;
    for (const char *p = raw.data; p < end;) {
        size_t start = len;
        out[len++] = '/';
        p = decode_segment(p + 1, end, out, &len);
        if (!p)
            return 0;
        bool dot = is_dot(out + start + 1, len - start - 1);
        bool dot_dot = is_dot_dot(out + start + 1, len - start - 1);
        if (!dot && !dot_dot)
            continue;
        len = start;
        if (dot_dot)
            while (len > 0 && out[--len] != '/')
                ;
        if (p == end)
            out[len++] = '/'; /* what "." and ".." name is a folder */
    }
    out[len] = '\0';
    return len;
}

/* Makes the decoded and the text form of a route form that holds encoded slashes. */
static int path_make_forms(struct path *path, size_t encoded_slashes, struct arena *arena)
{
    size_t len = path->route.len;
    size_t text_len = len + encoded_slashes * 2;
    char *decoded = arena_alloc(arena, len + 1 + text_len + 1);
    if (!decoded)
        return WEIR_ENOMEM;
    char *text = decoded + len + 1;
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        char c = path->route.data[i];
        decoded[i] = c ? c : '/';
        if (c) {
            text[at++] = c;
        } else {
            memcpy(text + at, "%2F", 3);
            at += 3;
        }
    }
    decoded[len] = '\0';
    text[at] = '\0';
    path->decoded = slice_of(decoded, len);
    path->text = slice_of(text, text_len);
    return 0;
}

static COLD int path_change(struct slice raw, struct arena *arena, struct path *out)
{
    char *route = arena_alloc(arena, raw.len + 1);
    if (!route)
        return WEIR_ENOMEM;
    size_t len = path_rewrite(raw, route);
    if (len == 0)
        return WEIR_EPROTO;
    size_t encoded_slashes = 0;
    for (size_t i = 0; i < len; i++)
        encoded_slashes += route[i] == '\0';
    struct slice form = slice_of(route, len);
    struct path path = {.route = form, .decoded = form, .text = form};
    if (encoded_slashes && path_make_forms(&path, encoded_slashes, arena) < 0)
        return WEIR_ENOMEM;
    *out = path;
    return 0;
}

static COLD int path_normalize_slowly(struct slice raw, struct arena *arena, struct path *out)
{
    if (raw.len == 0)
        raw = SLICE("/");
    if (raw.data[0] != '/')
        return WEIR_EPROTO;
    if (path_needs_change(raw))
        return path_change(raw, arena, out);
    *out = (struct path){.route = raw, .decoded = raw, .text = raw, .in_place = true};
    return 0;
}

int path_normalize(struct slice raw, struct arena *arena, struct path *out)
{
    if (unlikely(raw.len == 0 || raw.data[0] != '/' || !path_looks_plain(raw.data, raw.len)))
        return path_normalize_slowly(raw, arena, out);
    path_take(raw, out);
    return 0;
}
