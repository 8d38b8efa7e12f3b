/*
 * Reading extensions.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/websocket/extension.h"

#include "http/field.h"
#include "http/token.h"

static void skip_blanks(struct slice *text)
{
    while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == '\t'))
        *text = slice_of(text->data + 1, text->len - 1);
}

static struct slice take_token(struct slice *text)
{
    size_t len = 0;
    while (len < text->len && scan_is(text->data[len], SCAN_TOKEN))
        len++;
    struct slice token = slice_of(text->data, len);
    *text = slice_of(text->data + len, text->len - len);
    return token;
}

/* Takes a character, with the blanks around it. False: another one stands there. */
static bool take(struct slice *text, char c)
{
    skip_blanks(text);
    if (text->len == 0 || text->data[0] != c)
        return false;
    *text = slice_of(text->data + 1, text->len - 1);
    skip_blanks(text);
    return true;
}

enum ws_extension_result ws_extension_next(struct slice *list, struct slice *name, struct slice *parameters)
{
    if (!field_list_next(list, parameters))
        return WS_EXTENSION_END;
    *name = take_token(parameters);
    skip_blanks(parameters);
    bool good = name->len > 0 && (parameters->len == 0 || parameters->data[0] == ';');
    return good ? WS_EXTENSION_FOUND : WS_EXTENSION_MALFORMED;
}

/* Takes a quoted value, behind its first quote. */
static bool take_quoted(struct slice *text, struct slice *value)
{
    *value = take_token(text);
    return text->len > 0 && text->data[0] == '"' && take(text, '"');
}

enum ws_extension_result ws_parameter_next(struct slice *parameters, struct ws_parameter *p)
{
    if (parameters->len == 0)
        return WS_EXTENSION_END;
    if (!take(parameters, ';'))
        return WS_EXTENSION_MALFORMED;
    p->name = take_token(parameters);
    p->value = slice_of(NULL, 0);
    if (p->name.len == 0)
        return WS_EXTENSION_MALFORMED;
    if (take(parameters, '=')) {
        bool quoted = parameters->len > 0 && parameters->data[0] == '"';
        if (quoted) {
            *parameters = slice_of(parameters->data + 1, parameters->len - 1);
            if (!take_quoted(parameters, &p->value))
                return WS_EXTENSION_MALFORMED;
        } else {
            p->value = take_token(parameters);
            skip_blanks(parameters);
        }
        if (p->value.len == 0)
            return WS_EXTENSION_MALFORMED;
    }
    return parameters->len == 0 || parameters->data[0] == ';' ? WS_EXTENSION_FOUND : WS_EXTENSION_MALFORMED;
}
