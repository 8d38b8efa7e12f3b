/*
 * Parsing of prefaces. Version 1 is a line of text, version 2 is binary: a signature, 4 bytes of header, addresses by
 * family, and a list of typed values to the end of the announced length.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/proxy/preface.h"
#include "net/proxy/crc32c.h"

static const char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

/* ---- Version 1 ---- */

/* The next word of a line, up to a space or the line's end; *line is what follows it, without the space. False: there
 * is none, or it is empty. */
static bool next_word(struct slice *line, struct slice *word)
{
    const char *space = line->len > 0 ? memchr(line->data, ' ', line->len) : NULL;
    size_t len = space ? (size_t)(space - line->data) : line->len;
    *word = slice_of(line->data, len);
    *line = slice_of(line->data + len + (space != NULL), line->len - len - (space != NULL));
    return len > 0;
}

/* A port: up to five digits, no leading zero, at most 65535. */
static bool read_port(struct slice text, uint16_t *port)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* An address of the family that the line names: IPv4 without a colon, IPv6 with. */
static bool read_address(struct slice text, bool v6, struct endpoint *e)
{
    return (memchr(text.data, ':', text.len) != NULL) == v6 && endpoint_parse(e, text);
}

/* A whole line without "PROXY " and CRLF. */
static bool read_line(struct slice line, struct preface *p)
{
    struct slice family, source, destination, ports[2];
    struct endpoint other;
    uint16_t port;
    p->client = (struct endpoint){0};
    if (line.len >= 7 && memcmp(line.data, "UNKNOWN", 7) == 0 && (line.len == 7 || line.data[7] == ' '))
        return true; /* whatever follows is to be ignored */
    if (!next_word(&line, &family))
        return false;
    bool v6 = slice_equal(family, SLICE("TCP6"));
    if (!v6 && !slice_equal(family, SLICE("TCP4")))
        return false;
    if (!next_word(&line, &source) || !next_word(&line, &destination) || !next_word(&line, &ports[0]))
        return false;
    ports[1] = line; /* with whatever is too much, which is no digit */
    if (!read_address(source, v6, &p->client) || !read_address(destination, v6, &other))
        return false;
    return read_port(ports[0], &p->client.port) && read_port(ports[1], &port);
}

static enum preface_state parse_text(const char *data, size_t len, struct preface *p)
{
    static const char begin[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
    size_t have = len < sizeof begin ? len : sizeof begin, most = len < PREFACE_V1_MAX ? len : PREFACE_V1_MAX;
    if (memcmp(data, begin, have) != 0)
        return PREFACE_WRONG;
    const char *end = memchr(data, '\r', most);
    if (!end || end + 1 == data + most)
        return most == PREFACE_V1_MAX ? PREFACE_WRONG : PREFACE_PART;
    if (end[1] != '\n' || end < data + sizeof begin)
        return PREFACE_WRONG;
    p->len = (size_t)(end + 2 - data);
    return read_line(slice_of(data + sizeof begin, (size_t)(end - data) - sizeof begin), p) ? PREFACE_WHOLE
                                                                                            : PREFACE_WRONG;
}

/* ---- Version 2 ---- */

#define HEADER 16 /* bytes before the addresses */

enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };

/* Typed values that are looked into. */
enum {
    VALUE_CRC32C = 0x03,
    VALUE_SSL = 0x20,
};

enum { CLIENT_SSL = 0x01 };  /* of VALUE_SSL's first byte: the client's connection is by TLS */
enum { SSL_FIXED = 5 };      /* bytes of VALUE_SSL before values of its own */
enum { VALUE_HEADER = 3 };   /* type and length */
enum { CHECKSUM_BYTES = 4 }; /* of VALUE_CRC32C */
enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX };
enum { PROTOCOL_UNSPEC, PROTOCOL_STREAM };

static unsigned read_16(const char *at)
{
    return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

static uint32_t read_32(const char *at)
{
    return (uint32_t)read_16(at) << 16 | read_16(at + 2);
}

/* Takes the next typed value off a list. False: the list does not hold all of it. */
static bool next_value(struct slice *list, uint8_t *type, struct slice *value)
{
    if (list->len < VALUE_HEADER)
        return false;
    size_t len = read_16(list->data + 1);
    if (len > list->len - VALUE_HEADER)
        return false;
    *type = (uint8_t)list->data[0];
    *value = slice_of(list->data + VALUE_HEADER, len);
    *list = slice_of(list->data + VALUE_HEADER + len, list->len - VALUE_HEADER - len);
    return true;
}

/* Whether the values within a value are whole. */
static bool values_are_whole(struct slice list)
{
    uint8_t type;
    struct slice value;
    while (list.len > 0)
        if (!next_value(&list, &type, &value))
            return false;
    return true;
}

/* The checksum is that of the whole preface with zeros in its own place. */
static bool checksum_is_right(const char *data, size_t len, struct slice value)
{
    static const char zeros[CHECKSUM_BYTES] = {0};
    if (value.len != CHECKSUM_BYTES)
        return false;
    size_t before = (size_t)(value.data - data), after = before + CHECKSUM_BYTES;
    uint32_t crc = crc32c(0, slice_of(data, before));
    crc = crc32c(crc, slice_of(zeros, sizeof zeros));
    crc = crc32c(crc, slice_of(data + after, len - after));
    return crc == read_32(value.data);
}

static bool read_values(const char *data, struct slice list, struct preface *p)
{
    uint8_t type;
    struct slice value;
    while (list.len > 0) {
        if (!next_value(&list, &type, &value))
            return false;
        if (type == VALUE_CRC32C && !checksum_is_right(data, p->len, value))
            return false;
        if (type != VALUE_SSL)
            continue;
        if (value.len < SSL_FIXED || !values_are_whole(slice_of(value.data + SSL_FIXED, value.len - SSL_FIXED)))
            return false;
        p->client.tls = (unsigned char)value.data[0] & CLIENT_SSL;
    }
    return true;
}

/* Bytes of the two addresses of each family. */
static const size_t address_bytes[] = {
    [FAMILY_UNSPEC] = 0,
    [FAMILY_INET] = 12,
    [FAMILY_INET6] = 36,
    [FAMILY_UNIX] = 216,
};

static struct endpoint read_source(unsigned family, const char *at)
{
    switch (family) {
    case FAMILY_INET:
        return endpoint_of(ENDPOINT_V4, at, (uint16_t)read_16(at + 8));
    case FAMILY_INET6:
        return endpoint_of(ENDPOINT_V6, at, (uint16_t)read_16(at + 32));
    case FAMILY_UNIX:
        return (struct endpoint){.family = ENDPOINT_LOCAL};
    default:
        return (struct endpoint){.family = ENDPOINT_NONE};
    }
}

/* Family and protocol are both unknown, or a family and a stream: nothing else can have come by a connection. */
static bool transport_is_right(unsigned family, unsigned protocol)
{
    if (family > FAMILY_UNIX || protocol > PROTOCOL_STREAM)
        return false;
    return (family == FAMILY_UNSPEC) == (protocol == PROTOCOL_UNSPEC);
}

static enum preface_state parse_binary(const char *data, size_t len, struct preface *p)
{
    size_t have = len < sizeof signature ? len : sizeof signature;
    if (memcmp(data, signature, have) != 0)
        return PREFACE_WRONG;
    if (len > 12 && ((unsigned char)data[12] >> 4 != 2 || (data[12] & 15) > COMMAND_PROXY))
        return PREFACE_WRONG;
    if (len < HEADER)
        return PREFACE_PART;
    bool local = (data[12] & 15) == COMMAND_LOCAL;
    unsigned family = (unsigned char)data[13] >> 4, protocol = data[13] & 15;
    size_t rest = read_16(data + 14);
    if (rest > PREFACE_MAX - HEADER)
        return PREFACE_WRONG;
    if (!local && (!transport_is_right(family, protocol) || rest < address_bytes[family]))
        return PREFACE_WRONG;
    if (rest > len - HEADER)
        return PREFACE_PART;
    p->len = HEADER + rest;
    p->client = (struct endpoint){0};
    if (local || family == FAMILY_UNSPEC)
        return PREFACE_WHOLE; /* what it holds is to be ignored */
    p->client = read_source(family, data + HEADER);
    size_t addresses = address_bytes[family];
    return read_values(data, slice_of(data + HEADER + addresses, rest - addresses), p) ? PREFACE_WHOLE : PREFACE_WRONG;
}

enum preface_state preface_parse(const char *data, size_t len, struct preface *p)
{
    if (len == 0)
        return PREFACE_PART;
    return data[0] == signature[0] ? parse_binary(data, len, p) : parse_text(data, len, p);
}
