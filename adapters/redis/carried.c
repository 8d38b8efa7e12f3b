/*
 * "weir1 ORIGIN KIND EVENT\n" and the data: KIND is "t" for a text and "b" for a binary message, EVENT may be empty.
 *
 * SPDX-License-Identifier: MIT
 */
#include "carried.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char mark[] = "weir1 ";
enum {
    MARK_LEN = sizeof mark - 1,
    ORIGIN_AT = MARK_LEN,
    KIND_AT = ORIGIN_AT + CARRIED_ORIGIN_SIZE, /* with the space behind the origin */
    EVENT_AT = KIND_AT + 2,
    LINE_SIZE = EVENT_AT + WEIR_TOPIC_EVENT_MAX + 2,
};

struct carried *carried_new(const char *prefix, const char *name, const char *origin, const weir_message *m)
{
    char line[LINE_SIZE];
    int line_len =
        snprintf(line, sizeof line, "%s%s %c %s\n", mark, origin, m->binary ? 'b' : 't', m->event ? m->event : "");
    const void *data = m->text ? m->text : m->data;
    size_t data_len = m->text ? strlen(m->text) : m->len, prefix_len = strlen(prefix), name_len = strlen(name);
    if (line_len < 0 || line_len >= (int)sizeof line || data_len > SIZE_MAX / 2)
        return NULL;
    size_t len = (size_t)line_len + data_len;
    struct carried *carried = malloc(sizeof *carried + prefix_len + name_len + len);
    if (!carried)
        return NULL;
    *carried = (struct carried){.channel_len = prefix_len + name_len, .len = len};
    char *at = carried->bytes;
    memcpy(at, prefix, prefix_len);
    memcpy(at + prefix_len, name, name_len);
    at += carried->channel_len;
    memcpy(at, line, (size_t)line_len);
    if (data_len)
        memcpy(at + line_len, data, data_len);
    return carried;
}

bool carried_read(const char *origin, const char *payload, size_t len, weir_message *m, char *event)
{
    *m = (weir_message){.data = payload, .len = len};
    const char *end = len > EVENT_AT ? memchr(payload + EVENT_AT, '\n', len - EVENT_AT) : NULL;
    size_t event_len = end ? (size_t)(end - payload) - EVENT_AT : 0;
    if (!end || memcmp(payload, mark, MARK_LEN) != 0 || event_len > WEIR_TOPIC_EVENT_MAX)
        return true;
    if (memcmp(payload + ORIGIN_AT, origin, CARRIED_ORIGIN_SIZE - 1) == 0)
        return false;
    memcpy(event, payload + EVENT_AT, event_len);
    event[event_len] = '\0';
    m->binary = payload[KIND_AT] == 'b';
    m->event = event_len ? event : NULL;
    m->data = end + 1;
    m->len = len - (size_t)(end + 1 - payload);
    return true;
}
