/*
 * Header blocks of a client.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "hpack.h"

#include <string.h>

/* Appendix A, as far as requests use it. */
static const struct {
    size_t index;
    const char *name, *value;
} static_table[] = {
    {1, ":authority", ""},
    {2, ":method", "GET"},
    {3, ":method", "POST"},
    {4, ":path", "/"},
    {5, ":path", "/index.html"},
    {6, ":scheme", "http"},
    {7, ":scheme", "https"},
    {16, "accept-encoding", "gzip, deflate"},
    {17, "accept-language", ""},
    {19, "accept", ""},
    {23, "authorization", ""},
    {24, "cache-control", ""},
    {28, "content-length", ""},
    {31, "content-type", ""},
    {32, "cookie", ""},
    {35, "expect", ""},
    {40, "if-modified-since", ""},
    {41, "if-none-match", ""},
    {50, "range", ""},
    {51, "referer", ""},
    {58, "user-agent", ""},
};

/* Appendix B: how many bits each byte's code has. The codes follow from that: those of a length count upwards, byte by
 * byte, from where the shorter ones end. */
static const uint8_t code_bits[256] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,
    7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
    7,  8,  7,  8,  13, 19, 13, 14, 6,  15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,
    5,  6,  7,  7,  7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24,
    24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26,
    27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23,
    22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
};

enum { SHORTEST = 5, LONGEST = 30 };

static void make_codes(uint32_t codes[static 256])
{
    uint32_t code = 0;
    for (unsigned bits = SHORTEST; bits <= LONGEST; bits++, code <<= 1) {
        for (unsigned byte = 0; byte < 256; byte++) {
            if (code_bits[byte] == bits)
                codes[byte] = code++;
        }
    }
}

static void write_byte(struct hpack_writer *writer, uint8_t byte)
{
    if (writer->len == writer->room)
        writer->wrong = true;
    else
        writer->data[writer->len++] = byte;
}

void hpack_write_number(struct hpack_writer *writer, uint8_t pattern, unsigned bits, size_t value)
{
    size_t most = (1U << bits) - 1;
    if (value < most) {
        write_byte(writer, (uint8_t)(pattern | value));
        return;
    }
    write_byte(writer, (uint8_t)(pattern | most));
    for (value -= most; value >= 0x80; value >>= 7)
        write_byte(writer, (uint8_t)(0x80 | (value & 0x7f)));
    write_byte(writer, (uint8_t)value);
}

static void write_coded(struct hpack_writer *writer, const char *text, size_t len)
{
    uint32_t codes[256];
    uint64_t pending = 0;
    unsigned bits = 0;
    make_codes(codes);
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)text[i];
        pending = pending << code_bits[byte] | codes[byte];
        for (bits += code_bits[byte]; bits >= 8; bits -= 8)
            write_byte(writer, (uint8_t)(pending >> (bits - 8) & 0xff));
        pending &= 0xff; /* what is left is less than a byte */
    }
    if (bits > 0) /* filled up with ones, the beginning of the code that ends a text */
        write_byte(writer, (uint8_t)((pending << (8 - bits) | 0xffU >> bits) & 0xff));
}

static void write_text(struct hpack_writer *writer, const char *text, size_t len)
{
    size_t bits = 0;
    for (size_t i = 0; i < len; i++)
        bits += code_bits[(uint8_t)text[i]];
    size_t coded = (bits + 7) / 8;
    if (coded < len) {
        hpack_write_number(writer, 0x80, 7, coded);
        write_coded(writer, text, len);
        return;
    }
    hpack_write_number(writer, 0, 7, len);
    for (size_t i = 0; i < len; i++)
        write_byte(writer, (uint8_t)text[i]);
}

static bool equals(const char *text, size_t len, const char *wanted)
{
    return strlen(wanted) == len && memcmp(text, wanted, len) == 0;
}

size_t hpack_find(const struct hpack_field *field, size_t *name_index)
{
    *name_index = 0;
    for (size_t i = 0; i < sizeof(static_table) / sizeof(*static_table); i++) {
        if (!equals(field->name, field->name_len, static_table[i].name))
            continue;
        if (*static_table[i].value && equals(field->value, field->value_len, static_table[i].value))
            return static_table[i].index;
        if (*name_index == 0)
            *name_index = static_table[i].index;
    }
    return 0;
}

void hpack_write_literal(struct hpack_writer *writer, const struct hpack_field *field, size_t name_index, bool insert)
{
    hpack_write_number(writer, insert ? 0x40 : 0, insert ? 6 : 4, name_index);
    if (name_index == 0)
        write_text(writer, field->name, field->name_len);
    write_text(writer, field->value, field->value_len);
}

bool hpack_is_fleeting(const struct hpack_field *field)
{
    static const char *const names[] = {":path", "authorization", "content-length", "if-modified-since",
                                        "if-none-match"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (equals(field->name, field->name_len, names[i]))
            return true;
    }
    return false;
}
