/*
 * Header blocks of a client (RFC 7541): encoding alone, with the static table, indexing and Huffman's code.
 *
 * SPDX-License-Identifier: MIT
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is done with a field: named by its number, put into the table, or neither. */
enum hpack_kind { HPACK_INDEXED, HPACK_INSERTED, HPACK_PLAIN };

struct hpack_field {
    const char *name, *value;
    size_t name_len, value_len;
};

/* A block that is written. `wrong` once something did not fit. */
struct hpack_writer {
    uint8_t *data;
    size_t len, room;
    bool wrong;
};

/* Writes an integer whose first byte has a prefix of `bits` bits below what `pattern` sets (section 5.1). */
void hpack_write_number(struct hpack_writer *writer, uint8_t pattern, unsigned bits, size_t value);

/* The number of a field in the static table, or 0; *name_index: of its name, or 0. */
size_t hpack_find(const struct hpack_field *field, size_t *name_index);

/* Writes a field that the static table does not have whole; name_index as hpack_find() gives it. */
void hpack_write_literal(struct hpack_writer *writer, const struct hpack_field *field, size_t name_index, bool insert);

/* Whether a client keeps such a field out of the table, because the next request has another value. */
bool hpack_is_fleeting(const struct hpack_field *field);
