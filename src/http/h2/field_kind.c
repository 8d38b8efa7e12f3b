/*
 * Telling kinds: the name's bytes, what it is by its length, the value's bytes, and what that has to be.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/field_kind.h"
#include "base/debug.h"
#include "http/authority.h"
#include "http/field.h"
#include "http/scan.h"
#include "http/token.h"

#define IS(text, literal) (memcmp((text), (literal), sizeof(literal) - 1) == 0)

/* The first byte of a name that is not in a token, or upper case. */
static const char *scan_lower_token(const char *p)
{
#ifdef __SSE2__
    for (;;) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Moved so that 'a' to 'z' become the smallest of the signed bytes. */
        __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - 'a')));
        __m128i letters = _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(0x80 + 26)));
        __m128i good = _mm_or_si128(letters, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
        unsigned stops = (unsigned)_mm_movemask_epi8(good) ^ 0xffff;
        if (stops) {
            p += (unsigned)__builtin_ctz(stops);
            break;
        }
        p += 16;
    }
#endif
    while (scan_is(*p, SCAN_TOKEN) && !(*p >= 'A' && *p <= 'Z'))
        p++;
    return p;
}

/* A field that is of a connection's own (RFC 9113 section 8.2.2), or else means something to HTTP/2. */
static enum field_kind kind_of_name(const char *name, uint32_t len)
{
    switch (len) {
    case 2:
        return IS(name, "te") ? FIELD_BAD_TE : FIELD_PLAIN;
    case 4:
        return IS(name, "host") ? FIELD_BAD_HOST : FIELD_PLAIN;
    case 6:
        return IS(name, "cookie") ? FIELD_COOKIE : IS(name, "expect") ? FIELD_BAD_EXPECT : FIELD_PLAIN;
    case 7:
        return IS(name, "upgrade") ? FIELD_BAD_CONNECTION : FIELD_PLAIN;
    case 8:
        return IS(name, "priority") ? FIELD_PRIORITY : FIELD_PLAIN;
    case 10:
        return IS(name, "connection") || IS(name, "keep-alive") ? FIELD_BAD_CONNECTION : FIELD_PLAIN;
    case 14:
        return IS(name, "content-length") ? FIELD_BAD_LENGTH : FIELD_PLAIN;
    case 16:
        return IS(name, "proxy-connection") ? FIELD_BAD_CONNECTION : FIELD_PLAIN;
    case 17:
        return IS(name, "transfer-encoding") ? FIELD_BAD_CONNECTION : FIELD_PLAIN;
    default:
        return FIELD_PLAIN;
    }
}

static enum field_kind kind_of_pseudo(const char *name, uint32_t len)
{
    switch (len) {
    case 5:
        return IS(name, ":path") ? FIELD_BAD_PATH : FIELD_BAD_PSEUDO;
    case 7:
        return IS(name, ":method") ? FIELD_BAD_METHOD : IS(name, ":scheme") ? FIELD_BAD_SCHEME : FIELD_BAD_PSEUDO;
    case 9:
        return IS(name, ":protocol") ? FIELD_BAD_PROTOCOL : FIELD_BAD_PSEUDO;
    case 10:
        return IS(name, ":authority") ? FIELD_BAD_AUTHORITY : FIELD_BAD_PSEUDO;
    default:
        return FIELD_BAD_PSEUDO;
    }
}

/* 100-continue, once or more often, or nothing (RFC 9110 section 10.1.1). */
static bool expect_is_known(struct slice value)
{
    struct slice expectation;
    while (field_list_next(&value, &expectation))
        if (!slice_equal_nocase(expectation, SLICE("100-continue")))
            return false;
    return true;
}

static bool path_is_valid(struct slice value)
{
    if (value.len == 0 || (value.data[0] != '/' && !slice_equal(value, SLICE("*"))))
        return false;
    return scan_target(value.data) == value.data + value.len;
}

/* What a name is whose value has to be of a form of its own. */
static enum field_kind kind_of_value(enum field_kind name, struct slice value)
{
    int64_t length;
    switch (name) {
    case FIELD_BAD_METHOD:
        return is_token(value) ? FIELD_METHOD : name;
    case FIELD_BAD_SCHEME:
        return slice_equal_nocase(value, SLICE("https")) || slice_equal_nocase(value, SLICE("http")) ? FIELD_SCHEME
                                                                                                     : name;
    case FIELD_BAD_AUTHORITY:
        return authority_is_valid(value) ? FIELD_AUTHORITY : name;
    case FIELD_BAD_PATH:
        return path_is_valid(value) ? FIELD_PATH : name;
    case FIELD_BAD_PROTOCOL:
        return is_token(value) ? FIELD_PROTOCOL : name;
    case FIELD_BAD_HOST:
        return authority_is_valid(value) ? FIELD_HOST : name;
    case FIELD_BAD_LENGTH:
        return field_length_read(value, &length) ? FIELD_CONTENT_LENGTH : name;
    case FIELD_BAD_EXPECT:
        return expect_is_known(value) ? FIELD_EXPECT : name;
    case FIELD_BAD_TE:
        return slice_equal_nocase(value, SLICE("trailers")) ? FIELD_PLAIN : name;
    default:
        return name;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The name is a token in lower case, behind its colon if it is a pseudo-header's. */
static bool name_is_valid(const char *name, uint32_t len)
{
    bool pseudo = name[0] == ':';
    return len > pseudo && scan_lower_token(name + pseudo) == name + len;
}

enum field_kind field_kind_of(const char *name, uint32_t name_len, const char *value, uint32_t value_len)
{
    if (unlikely(!name_is_valid(name, name_len)))
        return FIELD_BAD_NAME;
    bool pseudo = name[0] == ':', clean = scan_value(value) == value + value_len;
    if (pseudo) {
        enum field_kind kind = kind_of_pseudo(name, name_len);
        return clean ? kind_of_value(kind, slice_of(value, value_len)) : kind;
    }
    if (unlikely(!clean || (value_len > 0 && (is_blank(value[0]) || is_blank(value[value_len - 1])))))
        return FIELD_BAD_VALUE;
    enum field_kind kind = kind_of_name(name, name_len);
    return likely(kind == FIELD_PLAIN) ? kind : kind_of_value(kind, slice_of(value, value_len));
}
