/*
 * json-c, whose parser does not recurse and takes a text in pieces. Writing and deleting a tree do recurse; its depth
 * is JSON_TOKENER_DEFAULT_DEPTH.
 *
 * SPDX-License-Identifier: MIT
 */
#include "parser.h"

#include <json-c/json.h>

bool parser_round(const char *text, size_t len)
{
    struct json_tokener *parser = json_tokener_new();
    struct json_object *tree = parser ? json_tokener_parse_ex(parser, text, (int)len) : NULL;
    bool accepted = tree && json_object_to_json_string(tree);
    json_object_put(tree);
    json_tokener_free(parser);
    return accepted;
}

static void free_parser(void *parser)
{
    json_tokener_free(parser);
}

static bool parse_stream(weir_ctx *c)
{
    struct json_tokener *parser = json_tokener_new();
    if (!parser || weir_defer(c, free_parser, parser) != 0)
        weir_fail(c, 503, "no memory");
    struct json_object *tree = NULL;
    enum json_tokener_error error = json_tokener_continue;
    const void *piece;
    ssize_t len;
    while (error == json_tokener_continue && (len = weir_read_slice(c, &piece)) > 0) {
        tree = json_tokener_parse_ex(parser, piece, (int)len);
        error = json_tokener_get_error(parser);
    }
    json_object_put(tree);
    return error == json_tokener_success;
}

bool (*const parser_stream)(weir_ctx *c) = parse_stream;
