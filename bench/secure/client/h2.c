/*
 * The client's side of an HTTP/2 connection.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "h2.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "hpack.h"

enum { FIELDS_MAX = 32, NAMES_MAX = 1024, TABLE_DEFAULT = 4096, FIRST_DYNAMIC = 62, ENTRY_EXTRA = 32 };

enum frame { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };

enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, HAS_PRIORITY = 32 };

enum { HEADER_TABLE_SIZE = 1, ENABLE_PUSH = 2, INITIAL_WINDOW_SIZE = 4 };

/* ---- A request's fields, and its blocks */

struct fields {
    struct hpack_field all[FIELDS_MAX];
    size_t count;
    char names[NAMES_MAX]; /* in lower case */
    size_t names_len;
};

static bool add_field(struct fields *fields, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (fields->count == FIELDS_MAX || name_len > NAMES_MAX - fields->names_len)
        return false;
    char *low = fields->names + fields->names_len;
    for (size_t i = 0; i < name_len; i++)
        low[i] = (char)tolower((unsigned char)name[i]);
    fields->names_len += name_len;
    fields->all[fields->count++] = (struct hpack_field){low, value, name_len, value_len};
    return true;
}

/* Adds a cookie field as browsers send it: in pieces (RFC 9113, section 8.2.3). */
static bool add_cookies(struct fields *fields, const char *value, size_t len)
{
    while (len > 0) {
        const char *end = memmem(value, len, "; ", 2);
        size_t piece = end ? (size_t)(end - value) : len, step = end ? piece + 2 : piece;
        if (!add_field(fields, "cookie", strlen("cookie"), value, piece))
            return false;
        value += step;
        len -= step;
    }
    return true;
}

static bool add_line(struct fields *fields, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon)
        return false;
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1 + strspn(colon + 1, " ");
    size_t value_len = (size_t)(line + len - value);
    if (name_len == strlen("Cookie") && strncasecmp(line, "Cookie", name_len) == 0)
        return add_cookies(fields, value, value_len);
    if ((name_len == strlen("Host") && strncasecmp(line, "Host", name_len) == 0) ||
        (name_len == strlen("Connection") && strncasecmp(line, "Connection", name_len) == 0))
        return true; /* has been seen to, and has no meaning */
    return add_field(fields, line, name_len, value, value_len);
}

/* Reads a request of HTTP/1.1 into fields. False if it is none. */
static bool read_fields(struct fields *fields, const char *text, bool tls)
{
    const char *space = strchr(text, ' '), *end = strstr(text, " HTTP/1.1\r\n"), *host = strcasestr(text, "\r\nHost: ");
    if (!space || !end || end <= space || !host)
        return false;
    const char *authority = host + strlen("\r\nHost: ");
    const char *scheme = tls ? "https" : "http";
    bool good = add_field(fields, ":method", 7, text, (size_t)(space - text)) &&
                add_field(fields, ":scheme", 7, scheme, strlen(scheme)) &&
                add_field(fields, ":authority", 10, authority, strcspn(authority, "\r")) &&
                add_field(fields, ":path", 5, space + 1, (size_t)(end - space - 1));
    for (const char *line = strstr(end, "\r\n") + 2; good && *line; line += strcspn(line, "\r") + 2) {
        size_t len = strcspn(line, "\r");
        if (len == 0)
            return true;
        good = line[len] && add_line(fields, line, len);
    }
    return false;
}

bool h2_make_request(struct h2_request *request, const char *text, bool tls)
{
    static struct fields fields;
    struct hpack_writer first = {request->first.data, 0, H2_BLOCK_MAX, false};
    struct hpack_writer later = {request->later.data, 0, H2_BLOCK_MAX, false};
    struct hpack_writer plain = {request->plain.data, 0, H2_BLOCK_MAX, false};
    size_t inserted = 0, number = 0;
    fields.count = fields.names_len = request->table_size = 0;
    if (!read_fields(&fields, text, tls))
        return false;
    for (size_t i = 0, name; i < fields.count; i++)
        inserted += hpack_find(&fields.all[i], &name) == 0 && !hpack_is_fleeting(&fields.all[i]);
    for (size_t i = 0; i < fields.count; i++) {
        const struct hpack_field *field = &fields.all[i];
        size_t name, index = hpack_find(field, &name);
        bool fleeting = hpack_is_fleeting(field);
        if (index > 0) {
            hpack_write_number(&first, 0x80, 7, index);
            hpack_write_number(&later, 0x80, 7, index);
            hpack_write_number(&plain, 0x80, 7, index);
            continue;
        }
        hpack_write_literal(&first, field, name, !fleeting);
        hpack_write_literal(&plain, field, name, false);
        if (fleeting) {
            hpack_write_literal(&later, field, name, false);
        } else { /* the newest entry has the lowest number */
            hpack_write_number(&later, 0x80, 7, FIRST_DYNAMIC + inserted - ++number);
            request->table_size += field->name_len + field->value_len + ENTRY_EXTRA;
        }
    }
    request->first.len = first.len;
    request->later.len = later.len;
    request->plain.len = plain.len;
    return !first.wrong && !later.wrong && !plain.wrong;
}

/* ---- Frames out */

static void put_number(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

static uint32_t get_number(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void add_bytes(struct h2_output *out, const void *data, size_t len)
{
    if (len > out->room - out->len)
        len = out->room - out->len; /* the server will find the frame broken */
    memcpy(out->data + out->len, data, len);
    out->len += len;
}

static void add_head(struct h2_output *out, size_t len, enum frame type, uint8_t flags, uint32_t stream)
{
    uint8_t head[H2_FRAME_HEAD] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, (uint8_t)type, flags};
    put_number(head + 5, stream);
    add_bytes(out, head, sizeof(head));
}

static void add_setting(struct h2_output *out, uint8_t id, uint32_t value)
{
    uint8_t bytes[6] = {0, id};
    put_number(bytes + 2, value);
    add_bytes(out, bytes, sizeof(bytes));
}

void h2_begin(struct h2_client *client, uint32_t window, struct h2_output *out)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    uint8_t increment[4];
    *client = (struct h2_client){.table = TABLE_DEFAULT, .smallest = TABLE_DEFAULT};
    add_bytes(out, preface, sizeof(preface) - 1);
    add_head(out, 12, SETTINGS, 0, 0);
    add_setting(out, ENABLE_PUSH, 0);
    add_setting(out, INITIAL_WINDOW_SIZE, window);
    put_number(increment, H2_WINDOW_MAX - 65535);
    add_head(out, sizeof(increment), WINDOW_UPDATE, 0, 0);
    add_bytes(out, increment, sizeof(increment));
}

void h2_ask(struct h2_client *client, const struct h2_request *request, struct h2_output *out)
{
    uint8_t sizes[12];
    struct hpack_writer writer = {sizes, 0, sizeof(sizes), false};
    if (client->told_size) {
        if (client->smallest < client->table)
            hpack_write_number(&writer, 0x20, 5, client->smallest);
        hpack_write_number(&writer, 0x20, 5, client->table);
        client->told_size = false;
        client->smallest = client->table;
    }
    bool fits = request->table_size <= client->table;
    const struct h2_block *block = client->filled ? &request->later : fits ? &request->first : &request->plain;
    client->filled = fits;
    client->stream = client->stream ? client->stream + 2 : 1;
    client->open++;
    add_head(out, writer.len + block->len, HEADERS, END_STREAM | END_HEADERS, client->stream);
    add_bytes(out, sizes, writer.len);
    add_bytes(out, block->data, block->len);
}

/* ---- Frames in */

static const char *end_reply(struct h2_client *client, bool good)
{
    if (client->open == 0)
        return "a reply ended that was not asked for";
    client->open--;
    client->good += good ? 1 : 0;
    client->refused += good ? 0 : 1;
    return NULL;
}

/* Remembers that a stream's status was not 200, until the stream ends. */
static const char *mark_bad(struct h2_client *client, uint32_t stream)
{
    if (client->bad_count == H2_BAD_MAX)
        return "too many replies at once of another status than 200";
    client->bad[client->bad_count++] = stream;
    return NULL;
}

/* Whether a stream was marked; it is no longer then. */
static bool was_bad(struct h2_client *client, uint32_t stream)
{
    for (size_t i = 0; i < client->bad_count; i++) {
        if (client->bad[i] == stream) {
            client->bad[i] = client->bad[--client->bad_count];
            return true;
        }
    }
    return false;
}

/* Takes the server's settings: of these only the size of the table that it keeps for us matters. */
static void take_settings(struct h2_client *client, const uint8_t *data, size_t len)
{
    for (; len >= 6; data += 6, len -= 6) {
        if (data[0] != 0 || data[1] != HEADER_TABLE_SIZE)
            continue;
        uint32_t size = get_number(data + 2);
        size = size < TABLE_DEFAULT ? size : TABLE_DEFAULT;
        if (size == client->table && !client->told_size)
            continue; /* nothing changes */
        if (size < client->smallest || !client->told_size)
            client->smallest = size; /* of the sizes since the last block */
        client->filled = false;
        client->told_size = true;
        client->table = size;
    }
}

/* Takes the head of a reply: its status is its first field, behind changes of the table's size. A reply with trailers
 * counts as one that is not good. */
static const char *take_headers(struct h2_client *client, uint8_t flags, const uint8_t *data, size_t len)
{
    uint32_t stream = get_number(client->head + 5) & H2_WINDOW_MAX;
    size_t skip = (flags & PADDED ? 1 : 0) + (flags & HAS_PRIORITY ? 5 : 0);
    if (skip > len)
        return "a short HEADERS frame";
    for (data += skip, len -= skip; len > 0 && (*data & 0xe0) == 0x20;) {
        bool more = (*data & 0x1f) == 0x1f;
        data++, len--;
        for (; more && len > 0; data++, len--)
            more = (*data & 0x80) != 0;
    }
    bool good = len > 0 && *data == 0x88; /* ":status: 200" of the static table */
    if (flags & END_STREAM) {
        was_bad(client, stream);
        return end_reply(client, good);
    }
    return good ? NULL : mark_bad(client, stream);
}

static const char *take_frame(struct h2_client *client, struct h2_output *out)
{
    const uint8_t *head = client->head, *data = client->payload;
    size_t len = client->payload_len;
    uint8_t type = head[3], flags = head[4];
    if (type == HEADERS)
        return take_headers(client, flags, data, len);
    uint32_t stream = get_number(head + 5) & H2_WINDOW_MAX;
    if (type == DATA && (flags & END_STREAM))
        return end_reply(client, !was_bad(client, stream));
    if (type == RST_STREAM) {
        was_bad(client, stream);
        return end_reply(client, false);
    }
    if (type == SETTINGS && !(flags & ACK)) {
        client->begun = true;
        take_settings(client, data, len);
        add_head(out, 0, SETTINGS, ACK, 0);
    } else if (type == PING && !(flags & ACK) && len == 8) {
        add_head(out, len, PING, ACK, 0);
        add_bytes(out, data, len);
    } else if (type == GOAWAY && len >= 8) {
        client->going_away = true;
        client->last_accepted = get_number(data) & H2_WINDOW_MAX;
        if (get_number(data + 4) != 0)
            return "the server ends the connection for an error";
    }
    return NULL;
}

const char *h2_feed(struct h2_client *client, const uint8_t *data, size_t len, struct h2_output *out)
{
    while (len > 0) {
        if (client->head_len < H2_FRAME_HEAD) {
            client->head[client->head_len++] = *data++;
            len--;
            if (client->head_len < H2_FRAME_HEAD)
                continue;
            client->left = (uint32_t)client->head[0] << 16 | (uint32_t)client->head[1] << 8 | client->head[2];
            client->payload_len = 0;
        }
        size_t part = len < client->left ? len : client->left;
        size_t room = sizeof(client->payload) - client->payload_len, kept = part < room ? part : room;
        memcpy(client->payload + client->payload_len, data, kept);
        client->payload_len += kept;
        if (client->head[3] == DATA)
            client->received += part;
        client->left -= (uint32_t)part;
        data += part;
        len -= part;
        if (client->left > 0)
            break;
        client->head_len = 0;
        const char *wrong = take_frame(client, out);
        if (wrong)
            return wrong;
    }
    return NULL;
}
