/*
 * One proxy's word: an element of Forwarded (RFC 7239 section 4), a node (section 6), a member of X-Forwarded-For.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/token.h"
#include "web/client/forwarded.h"

/* ---- Nodes ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What an obfuscated identifier holds behind its "_". */
static bool is_hidden_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

/* "_" and at least one further byte. */
static bool is_hidden(struct slice text)
{
    if (text.len < 2 || text.data[0] != '_')
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_hidden_byte(text.data[i]))
            return false;
    return true;
}

/* What follows a node's name: nothing, or ":" and a port, which may be hidden as well. */
static bool read_port(struct slice text, uint16_t *port)
{
    unsigned value = 0;
    if (text.len == 0)
        return true;
    if (text.data[0] != ':' || text.len == 1)
        return false;
    text = slice_of(text.data + 1, text.len - 1);
    if (is_hidden(text))
        return true;
    if (text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool set_name(struct forwarded_hop *hop, struct slice name)
{
    if (name.len > FORWARDED_NAME_MAX)
        return false;
    memcpy(hop->name, name.data, name.len);
    hop->name[name.len] = '\0';
    hop->client = (struct endpoint){.family = ENDPOINT_NONE};
    return true;
}

static struct slice behind(struct slice text, size_t len)
{
    return slice_of(text.data + len, text.len - len);
}

/* Reads a node (RFC 7239 section 6): an address, "unknown" or a hidden name, perhaps with a port. */
static bool read_node(struct slice text, struct forwarded_hop *hop)
{
    uint16_t port = 0;
    const char *end = memchr(text.data, text.data[0] == '[' ? ']' : ':', text.len);
    size_t len = end ? (size_t)(end - text.data) : text.len;
    hop->known = true;
    if (text.data[0] == '[') {
        if (!end || !endpoint_parse(&hop->client, slice_of(text.data + 1, len - 1)))
            return false;
        if (!memchr(text.data, ':', len) || !read_port(behind(text, len + 1), &port)) /* "[127.0.0.1]" is none */
            return false;
        hop->client.port = port;
        return true;
    }
    struct slice name = slice_of(text.data, len);
    if (!read_port(behind(text, len), &port))
        return false;
    if (slice_equal_nocase(name, SLICE("unknown")))
        return set_name(hop, SLICE("unknown"));
    if (is_hidden(name))
        return set_name(hop, name);
    if (!endpoint_parse(&hop->client, name))
        return false;
    hop->client.port = port;
    return true;
}

bool forwarded_node(struct slice member, struct forwarded_hop *hop)
{
    *hop = (struct forwarded_hop){.known = true};
    if (endpoint_parse(&hop->client, member)) /* IPv6 without brackets, as nobody else writes it */
        return true;
    return read_node(member, hop);
}

/* ---- Elements ---- */

#define VALUE_MAX FORWARDED_HOST_MAX

/* A pair's value without its quotes. */
struct value {
    size_t len; /* beyond VALUE_MAX: the rest is not here */
    char text[VALUE_MAX];
};

static void value_add(struct value *v, char c)
{
    if (v->len < sizeof v->text)
        v->text[v->len] = c;
    v->len++;
}

/* What may be in a quoted string (RFC 9110 section 5.6.4). */
static bool is_text(char c)
{
    return c == '\t' || (unsigned char)c >= 0x80 || (c >= ' ' && c != 0x7f);
}

/* Takes a quoted string off *text, which begins with its quote. */
static bool take_quoted(struct slice *text, struct value *v)
{
    for (size_t i = 1; i < text->len; i++) {
        char c = text->data[i];
        if (c == '"') {
            *text = behind(*text, i + 1);
            return true;
        }
        if (c == '\\' && ++i < text->len)
            c = text->data[i];
        if (i == text->len || !is_text(c))
            return false;
        value_add(v, c);
    }
    return false;
}

/* Takes a token off *text. A port or an address in brackets should be quoted, and often is not: what that would be is
 * plain. */
static bool take_token(struct slice *text, struct value *v)
{
    size_t len = 0;
    while (len < text->len && (scan_is(text->data[len], SCAN_TOKEN) || strchr(":[]", text->data[len])))
        value_add(v, text->data[len++]);
    *text = behind(*text, len);
    return len > 0;
}

static void skip_space(struct slice *text)
{
    while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == '\t'))
        *text = behind(*text, 1);
}

/* Parameters that are looked into. Each may be there once. */
enum { PAIR_FOR = 1, PAIR_BY = 2, PAIR_PROTO = 4, PAIR_HOST = 8 };

static unsigned pair_of(struct slice name)
{
    return slice_equal_nocase(name, SLICE("for"))     ? PAIR_FOR
           : slice_equal_nocase(name, SLICE("by"))    ? PAIR_BY
           : slice_equal_nocase(name, SLICE("proto")) ? PAIR_PROTO
           : slice_equal_nocase(name, SLICE("host"))  ? PAIR_HOST
                                                      : 0;
}

/* What a pair says. False: it is malformed. A scheme or a host that is none weir knows says nothing. */
static bool read_pair(unsigned pair, struct slice value, struct forwarded_hop *hop)
{
    if (pair == PAIR_FOR)
        return value.len > 0 && value.len <= VALUE_MAX && read_node(value, hop);
    if (pair == PAIR_PROTO)
        hop->scheme = forwarded_scheme_of(value);
    else if (pair == PAIR_HOST)
        forwarded_set_host(hop, value);
    return true;
}

/* Takes a pair off *text: a name, "=" and a value. */
static bool take_pair(struct slice *text, unsigned *seen, struct forwarded_hop *hop)
{
    struct value v = {.len = 0};
    const char *equals = memchr(text->data, '=', text->len);
    struct slice name = slice_of(text->data, equals ? (size_t)(equals - text->data) : 0);
    if (!is_token(name))
        return false;
    *text = behind(*text, name.len + 1);
    bool quoted = text->len > 0 && text->data[0] == '"';
    unsigned pair = pair_of(name);
    if (!(quoted ? take_quoted : take_token)(text, &v) || (*seen & pair))
        return false;
    *seen |= pair;
    if (v.len > sizeof v.text)
        return pair != PAIR_FOR;
    return read_pair(pair, slice_of(v.text, v.len), hop);
}

bool forwarded_element(struct slice member, struct forwarded_hop *hop)
{
    unsigned seen = 0;
    *hop = (struct forwarded_hop){.known = false};
    for (;;) {
        skip_space(&member);
        if (member.len > 0 && member.data[0] != ';' && !take_pair(&member, &seen, hop))
            return false;
        skip_space(&member);
        if (member.len == 0)
            return true;
        if (member.data[0] != ';')
            return false;
        member = behind(member, 1);
    }
}
