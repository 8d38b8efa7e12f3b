/*
 * cJSON.
 *
 * SPDX-License-Identifier: MIT
 */
#include "parser.h"

#include <cjson/cJSON.h>

bool (*const parser_stream)(weir_ctx *c) = NULL;

bool parser_round(const char *text, size_t len)
{
    cJSON *tree = cJSON_ParseWithLength(text, len);
    char *written = tree ? cJSON_PrintUnformatted(tree) : NULL;
    cJSON_free(written);
    cJSON_Delete(tree);
    return written != NULL;
}
