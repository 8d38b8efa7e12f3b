/*
 * What RFC 9110 and RFC 9112 say of a request, written down once more: slowly, line by line over the whole text,
 * without states, so that it can be read beside the grammar. It shares no code with the parsers that it is compared
 * with, and no idea of how they work.
 *
 * Where a head has several faults, any of their statuses is right: they are bits of one word.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_REFERENCE_H
#define WEIR_TESTS_FUZZ_REFERENCE_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- Heads ---- */

enum reference_fault {
    FAULT_400 = 1,
    FAULT_417 = 2,
    FAULT_431 = 4,
    FAULT_501 = 8,
    FAULT_505 = 16,
};

/* The bit of a status, or 0 for one that is no refusal of a head. */
unsigned reference_fault_of(int status);

#define REFERENCE_FIELDS 512

struct reference_field {
    struct slice name, value;
};

struct reference_head {
    bool complete;   /* the empty line has been found, well-formed or not */
    unsigned faults; /* of what is there, so that nothing that may follow can mend it */
    /* some byte is one that no head may hold at its place, whatever it means: bare CR or LF, a control character */
    bool illegal;
    size_t start; /* 2 behind an empty line that is ignored, else 0 */
    size_t end;   /* behind the empty line; the text's length while there is none */
    struct slice method, target;
    int minor; /* of the version: 0 or 1 */
    size_t host_count;
    struct slice host;
    bool has_length, chunked, close, keep_alive, upgrade, expects_continue;
    uint64_t length;
    size_t field_count; /* also those for which there was no room */
    struct reference_field fields[REFERENCE_FIELDS];
};

/* Reads text from its beginning. max_fields: more are FAULT_431. Slices refer to text. */
void reference_head_read(struct reference_head *out, struct slice text, size_t max_fields);

/* Whether the connection outlives the reply, as far as the request says (RFC 9112 section 9.3). */
bool reference_persists(const struct reference_head *head);

struct reference_target {
    bool valid;
    struct slice path, query, authority;
    bool has_query;
};

/* The target of a complete head without faults (RFC 9112 section 3.2). */
void reference_target_read(struct reference_target *out, const struct reference_head *head);

/* ---- Chunked bodies ---- */

enum reference_body { BODY_MORE, BODY_END, BODY_BAD };

struct reference_chunked {
    enum reference_body result;
    bool long_extension, long_trailer; /* of BODY_BAD: it has more than it may have, which may be why */
    size_t end;                        /* behind the body, of BODY_END */
    size_t len;                        /* bytes of data */
    struct reference_field trailer[REFERENCE_FIELDS];
    size_t trailer_count;
};

/* Reads text from the body's first byte; data takes its decoded bytes and has room for text.len. The fields refer to
 * text. */
void reference_chunked_read(struct reference_chunked *out, struct slice text, size_t extension_max, size_t trailer_max,
                            char *data);

#endif
