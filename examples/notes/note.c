/*
 * Notes from JSON and to JSON. json-c's tokener is a loop with a bound on nesting, so that no body overflows a handler's
 * stack; what it has made is freed before weir_fail(), which does not return.
 *
 * SPDX-License-Identifier: MIT
 */
#include "note.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

enum { NESTING = 4 };

const char *note_json(weir_ctx *c, const struct note *note)
{
    const char *text = weir_json_string(c, note->text), *link = weir_json_string(c, note->link),
               *title = weir_json_string(c, note->title);
    const char *json = NULL;
    if (text && link && title)
        json = weir_sprintf(c, "{\"id\":%lld,\"version\":%lld,\"text\":%s,\"link\":%s,\"title\":%s,\"created\":\"%s\"}",
                            (long long)note->id, (long long)note->version, text, link, title, note->created);
    if (!json)
        weir_fail(c, 503, "the request has no memory left");
    return json;
}

/* A member that is a text of min to max bytes, as a copy in the request's memory; NULL where it is null or not there.
 * Returns false where it is anything else. */
static bool member(weir_ctx *c, json_object *root, const char *name, size_t min, size_t max, const char **value)
{
    json_object *found;
    *value = NULL;
    if (!json_object_object_get_ex(root, name, &found) || !found)
        return true;
    const char *text = json_object_get_string(found);
    size_t len = (size_t)json_object_get_string_len(found);
    if (!json_object_is_type(found, json_type_string) || len < min || len > max || strlen(text) != len)
        return false;
    *value = weir_sprintf(c, "%s", text);
    return *value != NULL;
}

static bool is_link(const char *link)
{
    if (strncasecmp(link, "http://", 7) != 0 && strncasecmp(link, "https://", 8) != 0)
        return false;
    for (; *link; link++)
        if ((unsigned char)*link <= ' ' || *link == '"' || *link == '\\' || (unsigned char)*link >= 0x7f)
            return false;
    return true;
}

/* Returns what is wrong with a note, or NULL. */
static const char *take_members(weir_ctx *c, json_object *root, struct note *note)
{
    if (!json_object_is_type(root, json_type_object))
        return "a note is an object";
    if (!member(c, root, "text", 1, NOTE_TEXT_MAX, &note->text) || !note->text)
        return "text is a string of 1 to 1000 bytes, none of them zero";
    if (!member(c, root, "link", 1, NOTE_LINK_MAX, &note->link) || (note->link && !is_link(note->link)))
        return "link is a URL of http or https of at most 500 bytes";
    return NULL;
}

/* Parses a body. Returns what is wrong with it, and the status that says so, or NULL. */
static const char *parse(weir_ctx *c, const char *body, size_t len, struct note *note, int *status)
{
    json_tokener *parser = json_tokener_new_ex(NESTING);
    *status = 503;
    if (!parser)
        return "there is no memory";
    json_tokener_set_flags(parser, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *root = json_tokener_parse_ex(parser, body, (int)len + 1); /* with its NUL, which ends a number */
    enum json_tokener_error error = json_tokener_get_error(parser);
    *status = error ? 400 : 422;
    const char *wrong = error ? json_tokener_error_desc(error) : take_members(c, root, note);
    json_object_put(root);
    json_tokener_free(parser);
    return wrong;
}

void note_read(weir_ctx *c, struct note *note)
{
    const char *type = weir_header(c, "Content-Type"), *body;
    size_t len;
    if (type && strncasecmp(type, "application/json", 16) != 0)
        weir_fail(c, 415, "a note is application/json");
    int error = weir_body(c, 0, &body, &len);
    if (error == WEIR_ETOOBIG)
        weir_fail(c, 413, "a note is not as long as that");
    if (error)
        weir_fail(c, error == WEIR_ETIMEDOUT ? 408 : 400, "%s", weir_strerror(error));
    if (strlen(body) != len)
        weir_fail(c, 400, "the body holds a zero byte");
    int status;
    const char *wrong = parse(c, body, len, note, &status);
    if (wrong)
        weir_fail(c, status, "%s", wrong);
}
