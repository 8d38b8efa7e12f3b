/*
 * JSON: the depth of a text, and the writing of strings. A string is text in quotes, with everything escaped that RFC
 * 8259 section 7 asks for. What is not UTF-8 becomes U+FFFD, one for each longest wrong beginning of a character, as
 * the Unicode standard recommends (section 3.9), so that the result is always valid, whatever a client sent.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_JSON_H
#define WEIR_WEB_JSON_H

#include "base/arena.h"
#include "base/slice.h"

/* The length of text as a JSON string, its quotes included. */
size_t json_string_size(struct slice text);

/*
 * Writes text as a JSON string to out, which has room for json_string_size() bytes; no NUL follows. Returns the
 * length.
 */
size_t json_string_write(struct slice text, char *out);

/* text as a JSON string, NUL-terminated, in the arena; NULL if that is full. */
const char *json_string(struct slice text, struct arena *arena);

#endif
