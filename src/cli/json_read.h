/*
 * Reading values out of a JSON text (RFC 8259) that stays where it is. A value is a slice of the text; looking one up
 * takes no memory.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_JSON_READ_H
#define WEIR_CLI_JSON_READ_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 32

/* Whether text is one JSON value, nested at most JSON_DEPTH_MAX deep. All functions below are for values of such a
 * text. */
bool json_is_valid(struct slice text);

/* The member of an object by its path, "memory.limit"; empty if there is none. Names are compared as they are
 * written. */
struct slice json_member(struct slice object, const char *path);

/* The next item of an array; *at is NULL before the first. False: there is none, or it is no array. */
bool json_next(struct slice array, const char **at, struct slice *item);

/* The next member of an object, as json_next(): its name, a string value, and its value. */
bool json_next_member(struct slice object, const char **at, struct slice *name, struct slice *value);

/* A number, or 0 if the value is none. */
double json_number(struct slice value);
uint64_t json_integer(struct slice value);

/* A string's text, NUL-terminated and cut at a character, with nothing in it that a terminal would obey; "" if the
 * value is none. Returns buf. */
const char *json_text(struct slice value, char *buf, size_t size);

#endif
