/*
 * Reading parameters.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/form/parameter.h"

#include "http/scan.h"
#include "web/form/multipart.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void take(struct slice *rest, size_t len)
{
    rest->data += len;
    rest->len -= len;
}

static void skip_blanks(struct slice *rest)
{
    while (rest->len > 0 && is_blank(rest->data[0]))
        take(rest, 1);
}

struct slice parameter_subject(struct slice value, struct slice *rest)
{
    skip_blanks(&value);
    size_t len = 0;
    while (len < value.len && value.data[len] != ';')
        len++;
    *rest = slice_of(value.data + len, value.len - len);
    while (len > 0 && is_blank(value.data[len - 1]))
        len--;
    return slice_of(value.data, len);
}

/* Takes a quoted value; its first quote has been taken. False: its last one is missing. */
static bool take_quoted(struct slice *rest, struct slice *value)
{
    const char *text = rest->data;
    for (size_t i = 0; i < rest->len; i++) {
        if (text[i] == '\\' && i + 1 < rest->len && (text[i + 1] == '"' || text[i + 1] == '\\')) {
            i++;
        } else if (text[i] == '"') {
            *value = slice_of(text, i);
            take(rest, i + 1);
            return true;
        }
    }
    return false;
}

static struct slice take_unquoted(struct slice *rest)
{
    size_t len = 0;
    while (len < rest->len && rest->data[len] != ';' && !is_blank(rest->data[len]))
        len++;
    struct slice value = slice_of(rest->data, len);
    take(rest, len);
    return value;
}

enum parameter_result parameter_next(struct slice *rest, struct parameter *p)
{
    skip_blanks(rest);
    while (rest->len > 0 && rest->data[0] == ';') { /* there may be nothing between two of them */
        take(rest, 1);
        skip_blanks(rest);
    }
    if (rest->len == 0)
        return PARAMETER_END;
    size_t len = 0;
    while (len < rest->len && scan_is(rest->data[len], SCAN_TOKEN))
        len++;
    if (len == 0 || len == rest->len || rest->data[len] != '=')
        return PARAMETER_MALFORMED;
    p->name = slice_of(rest->data, len);
    take(rest, len + 1);
    p->quoted = rest->len > 0 && rest->data[0] == '"';
    if (p->quoted) {
        take(rest, 1);
        if (!take_quoted(rest, &p->value))
            return PARAMETER_MALFORMED;
    } else {
        p->value = take_unquoted(rest);
        if (p->value.len == 0)
            return PARAMETER_MALFORMED;
    }
    skip_blanks(rest);
    return rest->len == 0 || rest->data[0] == ';' ? PARAMETER_FOUND : PARAMETER_MALFORMED;
}

/* What a boundary is made of (RFC 2046: bchars). */
static bool is_boundary_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("'()+_,-./:=? ", c));
}

static bool is_boundary(struct slice text)
{
    if (text.len == 0 || text.len > MULTIPART_BOUNDARY_MAX || text.data[text.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_boundary_byte(text.data[i]))
            return false;
    return true;
}

bool parameter_boundary(struct slice rest, struct slice *boundary)
{
    struct parameter p;
    enum parameter_result result;
    bool found = false;
    while ((result = parameter_next(&rest, &p)) == PARAMETER_FOUND) {
        if (!slice_equal_nocase(p.name, SLICE("boundary")))
            continue;
        if (found || !is_boundary(p.value))
            return false;
        *boundary = p.value;
        found = true;
    }
    return found && result == PARAMETER_END;
}
