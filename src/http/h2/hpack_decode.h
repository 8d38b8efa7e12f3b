/*
 * HPACK (RFC 7541), the decoder's side: a header block that lies in memory, field by field.
 *
 * The dynamic table is one object of one size, taken from a pool at the first insertion; each entry has its kind beside
 * it (field_kind.h), so that what has been judged once is not judged again. The decoder itself is a few bytes, which a
 * connection keeps. A table can be dropped while the connection lives: hpack_decoder_limit(..., 0) when the peer has
 * acknowledged SETTINGS_HEADER_TABLE_SIZE 0.
 *
 * Strings of literals are decoded straight to the place that the caller gives. Where there is none, decoding goes on
 * without keeping, so that the table stays the peer's: a block has to be decoded to its end, whatever becomes of it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_HPACK_DECODE_H
#define WEIR_HTTP_H2_HPACK_DECODE_H

#include "base/pool.h"
#include "http/h2/hpack_table.h"

struct hpack_decoder {
    struct hpack_table *table; /* NULL: nothing is in it */
    uint16_t limit;            /* what we have announced and the peer has acknowledged */
    uint16_t least;            /* the smallest limit since the last block */
    uint16_t max;              /* what the peer's last size update said */
};

/* The decoder of a new connection, which has a table of HPACK_TABLE_MAX bytes until the peer has acknowledged another
 * size (RFC 9113 section 6.5.2). */
static inline void hpack_decoder_init(struct hpack_decoder *d)
{
    *d = (struct hpack_decoder){.limit = HPACK_TABLE_MAX, .least = HPACK_TABLE_MAX, .max = HPACK_TABLE_MAX};
}

/* The peer has acknowledged a SETTINGS_HEADER_TABLE_SIZE of at most HPACK_TABLE_MAX. If that is less than its table is,
 * its next block has to begin with a size update. 0 gives the table back at once. */
void hpack_decoder_limit(struct hpack_decoder *d, struct pool *tables, uint32_t limit);

/* Gives back the table. */
void hpack_decoder_done(struct hpack_decoder *d, struct pool *tables);

enum hpack_result {
    HPACK_END,       /* the block is over, and well-formed */
    HPACK_FIELD,     /* *field is the next one */
    HPACK_DROPPED,   /* the next one does not fit into its place: its lengths are known, and perhaps its kind */
    HPACK_ERROR,     /* COMPRESSION_ERROR, an error of the connection; the block's reason says why */
    HPACK_NO_MEMORY, /* no table could be had: likewise an error of the connection, INTERNAL_ERROR */
};

/* Where the strings of a field are. */
enum hpack_form {
    HPACK_IN_TABLE, /* in a table, as "name NUL value NUL", until the next call; HPACK_SLACK bytes can be read behind */
    HPACK_PLACED,   /* so at the caller's place */
    HPACK_VALUE_PLACED, /* "value NUL" alone is there, and the name, a pseudo-header's, in the static table */
};

struct hpack_field {
    const char *name, *value; /* a NUL behind each */
    uint32_t name_len, value_len;
    /* enum field_kind; of one that was dropped, FIELD_BAD_PATH or FIELD_BAD_METHOD if it is known to be one */
    uint8_t kind;
    uint8_t form;       /* enum hpack_form */
    bool never_indexed; /* literal, and to stay so (RFC 7541 section 6.2.3) */
};

struct hpack_block {
    struct hpack_decoder *decoder;
    struct pool *tables;
    const uint8_t *pos, *end;
    const char *reason; /* of HPACK_ERROR; static */
};

/* Begins with a whole header block of len bytes, which stays where it is, and reads its size updates: what is wrong
 * with them the first hpack_next() says. tables: of objects of sizeof(struct hpack_table), aligned to 8 or more; the
 * same one for all blocks of a decoder. */
void hpack_block_begin(struct hpack_block *b, struct hpack_decoder *d, struct pool *tables, const uint8_t *block,
                       size_t len);

/*
 * The next field. Strings of literals are put at place, of whose room bytes the last HPACK_SLACK are never part of them
 * and may be overwritten. room 0: there is no place, and literals are HPACK_DROPPED. After HPACK_ERROR and
 * HPACK_NO_MEMORY the decoder is of no use any more.
 */
enum hpack_result hpack_next(struct hpack_block *b, struct hpack_field *field, char *place, size_t room);

/* Whether hpack_next() would say HPACK_END. */
static inline bool hpack_block_is_over(const struct hpack_block *b)
{
    return b->pos == b->end && !b->reason;
}

/* Copies len bytes out of a table, HPACK_SLACK bytes at a time: as many can be read, and have to be free, behind. */
static inline void hpack_copy_out(char *to, const char *from, size_t len)
{
    const char *end = to + len;
    do {
        memcpy(to, from, HPACK_SLACK);
        to += HPACK_SLACK;
        from += HPACK_SLACK;
    } while (to < end);
}

/* The entry that a byte is the whole index of, and where its strings are. NULL: the byte is anything else. t: the
 * decoder's table, or NULL. */
static inline const struct hpack_entry *hpack_entry_of(uint8_t byte, const struct hpack_table *t, const char **strings)
{
    const struct hpack_entry *e;
    if (unlikely(byte <= 0x80 || byte == 0xff))
        return NULL;
    if (byte <= 0x80 + HPACK_STATIC_COUNT) {
        e = &hpack_static[byte - 0x80];
        *strings = hpack_static_bytes + e->at;
        return e;
    }
    uint32_t n = byte - 0x80u - HPACK_STATIC_COUNT - 1;
    if (unlikely(!t || n >= t->count))
        return NULL;
    e = hpack_table_entry(t, n);
    *strings = t->bytes + e->at;
    return e;
}

/* The field of an entry, as hpack_next() gives it. */
static inline struct hpack_field hpack_field_of(const struct hpack_entry *e, const char *strings)
{
    return (struct hpack_field){.name = strings,
                                .value = strings + e->name_len + 1,
                                .name_len = e->name_len,
                                .value_len = e->value_len,
                                .kind = e->kind,
                                .form = HPACK_IN_TABLE};
}

#endif
