/*
 * jansson.
 *
 * SPDX-License-Identifier: MIT
 */
#include "parser.h"

#include <jansson.h>
#include <stdlib.h>

bool (*const parser_stream)(weir_ctx *c) = NULL;

bool parser_round(const char *text, size_t len)
{
    json_t *tree = json_loadb(text, len, 0, NULL);
    char *written = tree ? json_dumps(tree, JSON_COMPACT) : NULL;
    bool accepted = written != NULL;
    free(written);
    json_decref(tree);
    return accepted;
}
