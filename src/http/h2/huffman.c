/*
 * Huffman decoding. Codes of up to 8 bits, which are those of nearly all text, are looked up by the next 8 bits. The
 * code is canonical: longer codes of one length are consecutive numbers in the order of their symbols, and a longer
 * code is a larger number, so that theirs are found by comparing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/huffman.h"
#include "base/debug.h"

#include <stdbool.h>
#include <string.h>

#define EOS 256

/* clang-format off */
/* By the next 8 bits: symbol << 8 | bits of its code; 0: the code is longer. */
static const uint16_t short_codes[256] = {
    0x3005, 0x3005, 0x3005, 0x3005, 0x3005, 0x3005, 0x3005, 0x3005, 0x3105, 0x3105, 0x3105, 0x3105,
    0x3105, 0x3105, 0x3105, 0x3105, 0x3205, 0x3205, 0x3205, 0x3205, 0x3205, 0x3205, 0x3205, 0x3205,
    0x6105, 0x6105, 0x6105, 0x6105, 0x6105, 0x6105, 0x6105, 0x6105, 0x6305, 0x6305, 0x6305, 0x6305,
    0x6305, 0x6305, 0x6305, 0x6305, 0x6505, 0x6505, 0x6505, 0x6505, 0x6505, 0x6505, 0x6505, 0x6505,
    0x6905, 0x6905, 0x6905, 0x6905, 0x6905, 0x6905, 0x6905, 0x6905, 0x6f05, 0x6f05, 0x6f05, 0x6f05,
    0x6f05, 0x6f05, 0x6f05, 0x6f05, 0x7305, 0x7305, 0x7305, 0x7305, 0x7305, 0x7305, 0x7305, 0x7305,
    0x7405, 0x7405, 0x7405, 0x7405, 0x7405, 0x7405, 0x7405, 0x7405, 0x2006, 0x2006, 0x2006, 0x2006,
    0x2506, 0x2506, 0x2506, 0x2506, 0x2d06, 0x2d06, 0x2d06, 0x2d06, 0x2e06, 0x2e06, 0x2e06, 0x2e06,
    0x2f06, 0x2f06, 0x2f06, 0x2f06, 0x3306, 0x3306, 0x3306, 0x3306, 0x3406, 0x3406, 0x3406, 0x3406,
    0x3506, 0x3506, 0x3506, 0x3506, 0x3606, 0x3606, 0x3606, 0x3606, 0x3706, 0x3706, 0x3706, 0x3706,
    0x3806, 0x3806, 0x3806, 0x3806, 0x3906, 0x3906, 0x3906, 0x3906, 0x3d06, 0x3d06, 0x3d06, 0x3d06,
    0x4106, 0x4106, 0x4106, 0x4106, 0x5f06, 0x5f06, 0x5f06, 0x5f06, 0x6206, 0x6206, 0x6206, 0x6206,
    0x6406, 0x6406, 0x6406, 0x6406, 0x6606, 0x6606, 0x6606, 0x6606, 0x6706, 0x6706, 0x6706, 0x6706,
    0x6806, 0x6806, 0x6806, 0x6806, 0x6c06, 0x6c06, 0x6c06, 0x6c06, 0x6d06, 0x6d06, 0x6d06, 0x6d06,
    0x6e06, 0x6e06, 0x6e06, 0x6e06, 0x7006, 0x7006, 0x7006, 0x7006, 0x7206, 0x7206, 0x7206, 0x7206,
    0x7506, 0x7506, 0x7506, 0x7506, 0x3a07, 0x3a07, 0x4207, 0x4207, 0x4307, 0x4307, 0x4407, 0x4407,
    0x4507, 0x4507, 0x4607, 0x4607, 0x4707, 0x4707, 0x4807, 0x4807, 0x4907, 0x4907, 0x4a07, 0x4a07,
    0x4b07, 0x4b07, 0x4c07, 0x4c07, 0x4d07, 0x4d07, 0x4e07, 0x4e07, 0x4f07, 0x4f07, 0x5007, 0x5007,
    0x5107, 0x5107, 0x5207, 0x5207, 0x5307, 0x5307, 0x5407, 0x5407, 0x5507, 0x5507, 0x5607, 0x5607,
    0x5707, 0x5707, 0x5907, 0x5907, 0x6a07, 0x6a07, 0x6b07, 0x6b07, 0x7107, 0x7107, 0x7607, 0x7607,
    0x7707, 0x7707, 0x7807, 0x7807, 0x7907, 0x7907, 0x7a07, 0x7a07, 0x2608, 0x2a08, 0x2c08, 0x3b08,
    0x5808, 0x5a08, 0x0000, 0x0000,
};

/* The symbols with longer codes, in the order of these; EOS is behind the last. */
static const uint8_t long_symbols[] = {
    33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96,
    123, 92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177, 179, 209,
    216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178,
    181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1, 135, 137, 138, 139, 140, 141, 143, 147,
    149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239,
    9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201,
    202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241,
    244, 245, 246, 247, 248, 250, 251, 252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14,
    15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249, 10,
    13, 22,
};
/* clang-format on */

struct code_length {
    uint32_t first;   /* the first code of this length, in the highest bits */
    uint8_t bits;     /* of each code */
    uint8_t position; /* of the first code's symbol in long_symbols */
};

static const struct code_length lengths[] = {
    {0xfe000000, 10, 0},   {0xff400000, 11, 5},   {0xffa00000, 12, 8},   {0xffc00000, 13, 10},  {0xfff00000, 14, 16},
    {0xfff80000, 15, 18},  {0xfffe0000, 19, 21},  {0xfffe6000, 20, 24},  {0xfffee000, 21, 32},  {0xffff4800, 22, 45},
    {0xffffb000, 23, 71},  {0xffffea00, 24, 100}, {0xfffff600, 25, 112}, {0xfffff800, 26, 116}, {0xfffffbc0, 27, 131},
    {0xfffffe20, 28, 150}, {0xfffffff0, 30, 179},
};

#define LENGTHS (sizeof lengths / sizeof lengths[0])

/* Bits that have been read and not been used: the highest ones of a word. */
struct bits {
    uint64_t word;
    unsigned count;
    const uint8_t *next, *begin, *end;
};

static inline uint64_t load_big_endian(const uint8_t *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return __builtin_bswap64(word); /* the processors that weir runs on are little-endian */
}

/* Fills the word up to more than 55 bits, if there are as many. */
static inline WRAPS void bits_fill(struct bits *b)
{
    size_t left = (size_t)(b->end - b->next), bytes = (63 - b->count) >> 3;
    if (likely(left >= 8)) {
        b->word |= load_big_endian(b->next) >> b->count;
    } else if (left == 0) {
        return;
    } else if (b->end - b->begin >= 8) { /* the last bytes, out of the last eight */
        b->word |= load_big_endian(b->end - 8) << (64 - 8 * left) >> b->count;
        bytes = left < bytes ? left : bytes;
    } else {
        bytes = left < bytes ? left : bytes;
        for (size_t i = 0; i < bytes; i++)
            b->word |= (uint64_t)b->next[i] << (56 - b->count - 8 * i);
    }
    b->next += bytes;
    b->count += 8 * (unsigned)bytes;
}

static inline WRAPS void bits_use(struct bits *b, unsigned count)
{
    b->word <<= count;
    b->count -= count;
}

/* The symbol of a code of more than 8 bits that the word begins with, and its length. */
static unsigned long_code(uint32_t word, unsigned *bits)
{
    size_t i = 0;
    while (i + 1 < LENGTHS && word >= lengths[i + 1].first)
        i++;
    *bits = lengths[i].bits;
    size_t at = lengths[i].position + ((word - lengths[i].first) >> (32 - *bits));
    return at < sizeof long_symbols ? long_symbols[at] : EOS;
}

/*
 * The next symbol, whatever its length and however few bits are left; EOS at the end, where *good says whether what is
 * left is padding. Behind the last bit stand ones, as padding does: so the end is a code that is longer than what is
 * left.
 */
static WRAPS unsigned bits_symbol(struct bits *b, bool *good)
{
    bits_fill(b);
    uint64_t ones = b->count < 64 ? ~(uint64_t)0 >> b->count : 0, word = b->word | ones;
    unsigned bits, symbol, code = short_codes[word >> 56];
    if (code) {
        bits = code & 0xff;
        symbol = code >> 8;
    } else {
        symbol = long_code((uint32_t)(word >> 32), &bits);
    }
    *good = true;
    if (bits <= b->count && symbol != EOS) {
        bits_use(b, bits);
        return symbol;
    }
    *good = b->count < 8 && word == ~(uint64_t)0;
    return EOS;
}

/* The codes of 10 bits, and the first one that is longer. */
#define TEN_BITS      0x3f8
#define MORE_THAN_TEN 0x3fd

/* Whether what is left is fewer than 8 ones, or nothing. */
static inline bool is_padding(const struct bits *b)
{
    return b->count < 8 && b->next == b->end && (b->word | ~(uint64_t)0 >> b->count) == ~(uint64_t)0;
}

/* The symbol and the bits, as in short_codes, of a code of up to 10 bits; 0: a longer one. */
static inline unsigned code_of(uint64_t word)
{
    unsigned code = short_codes[word >> 56], ten = (unsigned)(word >> 54);
    if (unlikely(code == 0) && ten < MORE_THAN_TEN)
        code = (unsigned)long_symbols[ten - TEN_BITS] << 8 | 10;
    return code;
}

#define WORD_SYMBOLS 12 /* the most that a word of 63 bits is the code of */

/* Puts symbols whose codes have up to 10 bits, as long as there are such and room. Returns behind what it put. */
static inline char *decode_quick(struct bits *b, char *to, const char *end)
{
    bits_fill(b);
    while (b->count >= 10 && end - to >= WORD_SYMBOLS) {
        do {
            unsigned code = code_of(b->word);
            if (unlikely(code == 0))
                return to;
            *to++ = (char)(code >> 8);
            bits_use(b, code & 0xff);
        } while (b->count >= 10);
        bits_fill(b);
    }
    while (b->count >= 5 && to < end) { /* ones behind what is left, as bits_symbol() has it */
        unsigned code = code_of(b->word | ~(uint64_t)0 >> b->count);
        if (code == 0 || (code & 0xff) > b->count)
            break;
        *to++ = (char)(code >> 8);
        bits_use(b, code & 0xff);
    }
    return to;
}

size_t huffman_decode(const uint8_t *text, size_t len, char *to, size_t room)
{
    struct bits b = {.next = text, .begin = text, .end = text + len};
    char *at = to, *end = to + room;
    for (;;) {
        at = decode_quick(&b, at, end);
        if (likely(is_padding(&b)))
            return (size_t)(at - to);
        bool good;
        unsigned symbol = bits_symbol(&b, &good);
        if (symbol == EOS)
            return good ? (size_t)(at - to) : HUFFMAN_BAD;
        if (unlikely(at == end))
            return HUFFMAN_LONG;
        *at++ = (char)symbol;
    }
}

size_t huffman_length(const uint8_t *text, size_t len)
{
    struct bits b = {.next = text, .begin = text, .end = text + len};
    bool good;
    size_t length = 0;
    while (bits_symbol(&b, &good) != EOS)
        length++;
    return good ? length : HUFFMAN_BAD;
}
