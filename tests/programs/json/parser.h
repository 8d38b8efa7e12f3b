/*
 * What the servers of this folder parse bodies with: each is json_server.c and one library, because json-c and
 * jansson have functions of the same names.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_PARSER_H
#define WEIR_TESTS_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include <weir.h>

/* Parses text with the library's own limit on depth, writes the tree as JSON again, and deletes it: all three may
 * recurse. False: refused. */
bool parser_round(const char *text, size_t len);

/* Parses the request's body as it comes; NULL: the library cannot. False: refused. */
extern bool (*const parser_stream)(weir_ctx *c);

#endif
