/*
 * Classes of bytes (RFC 9110 section 5, RFC 9112 section 3) and fast scanning over them. Every scan runs over a buffer
 * that ends with a byte of no class behind the input, and of which 16 bytes beyond that may be read, so that no loop
 * checks bounds.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_SCAN_H
#define WEIR_HTTP_SCAN_H

#include "base/debug.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that have to be readable behind the input; the first has to be zero. */
#define SCAN_SLACK 17

enum scan_class {
    SCAN_TOKEN = 1,  /* tchar */
    SCAN_TARGET = 2, /* visible ASCII but for "#": clients send " < > and the like unescaped, and they are data */
    SCAN_VALUE = 4,  /* field-vchar, obs-text, space, tab */
    SCAN_HOST = 8,   /* what the name of a host may hold */
    SCAN_HEX = 16,
};

extern const uint8_t scan_classes[256];

static inline bool scan_is(char c, enum scan_class class)
{
    return scan_classes[(unsigned char)c] & class;
}

/* The first byte at or after p that is not of the class. */
static inline const char *scan_while(const char *p, enum scan_class class)
{
    while (scan_is(*p, class))
        p++;
    return p;
}

#ifdef __SSE2__
#include <emmintrin.h>

/* Which of 16 bytes are ASCII letters. */
static inline __m128i scan_letters(__m128i bytes)
{
    /* Lower case, moved so that 'a' to 'z' become the smallest of the signed bytes. */
    __m128i moved = _mm_add_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8((char)(0x80 - 'a')));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(0x80 + 26)));
}

/* The first byte that is not in a token. What nearly all tokens are made of is told at once, the rest by the table. */
static inline const char *scan_token(const char *p)
{
    for (;;) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i good = _mm_or_si128(scan_letters(bytes), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
        unsigned stops = (unsigned)_mm_movemask_epi8(good) ^ 0xffff;
        if (stops)
            return scan_while(p + (unsigned)__builtin_ctz(stops), SCAN_TOKEN);
        p += 16;
    }
}

/* Which of 16 bytes are letters, digits, "-" or ".". */
static inline unsigned scan_host_bytes(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* '-' to '9' but for '/' */
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - '-')));
    __m128i marks = _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(0x80 + '9' - '-' + 1)));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(scan_letters(bytes), _mm_andnot_si128(slash, marks)));
}

/* The first byte that is no letter, digit, "-" or ".": where most hosts' names end. Most are shorter than 16 bytes, for
 * which there is no loop. */
static inline const char *scan_host(const char *p)
{
    unsigned stops = ~scan_host_bytes(p) & 0xffff;
    while (unlikely(stops == 0))
        stops = ~scan_host_bytes(p += 16) & 0xffff;
    return p + (unsigned)__builtin_ctz(stops);
}

/* Which of 16 bytes are control bytes, tabs among them. */
static inline unsigned scan_control_bytes(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, del));
}

/* The first byte that is not in a field's value: a control byte other than tab. */
static inline const char *scan_value(const char *p)
{
    for (;; p++) {
        unsigned stops = scan_control_bytes(p);
        while (!stops)
            stops = scan_control_bytes(p += 16);
        p += (unsigned)__builtin_ctz(stops);
        if (likely(*p != '\t'))
            return p;
    }
}

/* The first byte that is not in a request target. */
static inline const char *scan_target(const char *p)
{
    for (;;) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Moved so that visible ASCII, 0x21 to 0x7e, becomes the smallest of the signed bytes. */
        __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - 0x21)));
        __m128i bad = _mm_cmpgt_epi8(moved, _mm_set1_epi8((char)(0x80 + 0x7e - 0x21)));
        __m128i hash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'));
        unsigned stops = (unsigned)_mm_movemask_epi8(_mm_or_si128(bad, hash));
        if (stops)
            return p + (unsigned)__builtin_ctz(stops);
        p += 16;
    }
}

/* Which of 16 bytes in a target, behind its first slash, belong to a path that needs no decoding. */
static inline unsigned scan_plain_bytes(const char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i before = _mm_loadu_si128((const __m128i *)(const void *)(p - 1));
    __m128i slash = _mm_cmpeq_epi8(before, _mm_set1_epi8('/'));
    __m128i dot = _mm_and_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.')), slash);
    __m128i hash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'));
    __m128i query = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('?'));
    __m128i escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('%'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i marks = _mm_or_si128(_mm_or_si128(query, escape), _mm_or_si128(_mm_or_si128(hash, backslash), dot));
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - 0x21))); /* as in scan_target() */
    __m128i visible = _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(0x80 + 0x7f - 0x21)));
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(marks, visible));
}

/*
 * In a target, behind its first slash: the first byte that ends a path which needs no decoding. That is what ends the
 * target, "?", or what makes the path need more: "%", a backslash, or a dot that begins a segment.
 */
static inline const char *scan_plain_path(const char *p)
{
    unsigned stops = ~scan_plain_bytes(p) & 0xffff;
    while (unlikely(stops == 0))
        stops = ~scan_plain_bytes(p += 16) & 0xffff;
    return p + (unsigned)__builtin_ctz(stops);
}

#else

static inline const char *scan_plain_path(const char *p)
{
    while (scan_is(*p, SCAN_TARGET) && *p != '?' && *p != '%' && *p != '\\' && !(*p == '.' && p[-1] == '/'))
        p++;
    return p;
}

static inline const char *scan_token(const char *p)
{
    return scan_while(p, SCAN_TOKEN);
}

static inline const char *scan_host(const char *p)
{
    return scan_while(p, SCAN_HOST);
}

static inline const char *scan_value(const char *p)
{
    return scan_while(p, SCAN_VALUE);
}

static inline const char *scan_target(const char *p)
{
    return scan_while(p, SCAN_TARGET);
}

#endif

#endif
