/*
 * Dictionaries of RFC 8941 section 4.2.2, with every type that a member can have, so that what is well-formed and
 * unknown is told from what is not.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h2/priority.h"
#include "http/scan.h"

/* ---- Bytes ---- */

static bool at_byte(const struct slice *text, char c)
{
    return text->len > 0 && text->data[0] == c;
}

static void skip(struct slice *text, size_t n)
{
    text->data += n;
    text->len -= n;
}

static bool take(struct slice *text, char c)
{
    if (!at_byte(text, c))
        return false;
    skip(text, 1);
    return true;
}

static void skip_spaces(struct slice *text)
{
    while (take(text, ' '))
        ;
}

static void skip_blanks(struct slice *text)
{
    while (take(text, ' ') || take(text, '\t'))
        ;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
    return is_lower(ascii_lower(c));
}

/* ---- Items (RFC 8941 section 3.3) ---- */

enum item_type { ITEM_BAD, ITEM_INTEGER, ITEM_BOOLEAN, ITEM_OTHER };

struct item {
    enum item_type type;
    int64_t number; /* of an integer; of a boolean 0 or 1 */
};

static const struct item bad = {.type = ITEM_BAD};
static const struct item other = {.type = ITEM_OTHER};

/* At most 15 digits; of a decimal 12, and 1 to 3 behind the point. */
static struct item number_take(struct slice *text)
{
    bool negative = take(text, '-');
    int64_t n = 0;
    size_t digits = 0;
    for (; text->len > 0 && is_digit(text->data[0]); skip(text, 1)) {
        if (++digits > 15)
            return bad;
        n = n * 10 + (text->data[0] - '0');
    }
    if (digits == 0)
        return bad;
    if (!take(text, '.'))
        return (struct item){.type = ITEM_INTEGER, .number = negative ? -n : n};
    size_t fraction = 0;
    for (; text->len > 0 && is_digit(text->data[0]); skip(text, 1))
        fraction++;
    return digits <= 12 && fraction >= 1 && fraction <= 3 ? other : bad;
}

static struct item string_take(struct slice *text)
{
    skip(text, 1);
    while (text->len > 0) {
        char c = text->data[0];
        skip(text, 1);
        if (c == '"')
            return other;
        if (c < 0x20 || c > 0x7e)
            return bad;
        if (c == '\\' && !take(text, '"') && !take(text, '\\'))
            return bad;
    }
    return bad;
}

static struct item token_take(struct slice *text)
{
    while (text->len > 0 && (scan_is(text->data[0], SCAN_TOKEN) || at_byte(text, ':') || at_byte(text, '/')))
        skip(text, 1);
    return other;
}

static struct item bytes_take(struct slice *text)
{
    skip(text, 1);
    for (; text->len > 0; skip(text, 1)) {
        char c = text->data[0];
        if (take(text, ':'))
            return other;
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '/' && c != '=')
            return bad;
    }
    return bad;
}

static struct item boolean_take(struct slice *text)
{
    skip(text, 1);
    if (take(text, '1'))
        return (struct item){.type = ITEM_BOOLEAN, .number = 1};
    return take(text, '0') ? (struct item){.type = ITEM_BOOLEAN} : bad;
}

static struct item item_take(struct slice *text)
{
    char c = text->len > 0 ? text->data[0] : '\0';
    if (c == '-' || is_digit(c))
        return number_take(text);
    if (c == '*' || is_alpha(c))
        return token_take(text);
    switch (c) {
    case '"':
        return string_take(text);
    case ':':
        return bytes_take(text);
    case '?':
        return boolean_take(text);
    default:
        return bad;
    }
}

/* ---- Keys, parameters, lists ---- */

static bool is_key_byte(char c)
{
    return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}

static bool key_take(struct slice *text, struct slice *key)
{
    if (text->len == 0 || (!is_lower(text->data[0]) && text->data[0] != '*'))
        return false;
    *key = slice_of(text->data, 0);
    for (; text->len > 0 && is_key_byte(text->data[0]); skip(text, 1))
        key->len++;
    return true;
}

static bool parameters_take(struct slice *text)
{
    struct slice key;
    while (take(text, ';')) {
        skip_spaces(text);
        if (!key_take(text, &key))
            return false;
        if (take(text, '=') && item_take(text).type == ITEM_BAD)
            return false;
    }
    return true;
}

/* What is behind its "(", with the parameters of each item and its own. */
static struct item list_take(struct slice *text)
{
    for (;;) {
        skip_spaces(text);
        if (take(text, ')'))
            return parameters_take(text) ? other : bad;
        if (item_take(text).type == ITEM_BAD || !parameters_take(text))
            return bad;
        if (!at_byte(text, ' ') && !at_byte(text, ')'))
            return bad;
    }
}

static struct item value_take(struct slice *text)
{
    if (!take(text, '='))
        return parameters_take(text) ? (struct item){.type = ITEM_BOOLEAN, .number = 1} : bad;
    if (take(text, '('))
        return list_take(text);
    struct item item = item_take(text);
    return item.type != ITEM_BAD && parameters_take(text) ? item : bad;
}

/* ---- Priorities ---- */

/* The last member of a name is the one that counts, whatever it is. */
static void priority_set(struct h2_priority *p, struct h2_priority before, struct slice key, struct item item)
{
    if (slice_equal(key, SLICE("u"))) {
        bool right = item.type == ITEM_INTEGER && item.number >= 0 && item.number <= H2_URGENCY_MAX;
        p->urgency = right ? (uint8_t)item.number : before.urgency;
    } else if (slice_equal(key, SLICE("i"))) {
        p->incremental = item.type == ITEM_BOOLEAN ? item.number == 1 : before.incremental;
    }
}

bool h2_priority_parse(struct slice value, struct h2_priority *p)
{
    struct h2_priority now = *p;
    skip_spaces(&value);
    while (value.len > 0) {
        struct slice key;
        if (!key_take(&value, &key))
            return false;
        struct item item = value_take(&value);
        if (item.type == ITEM_BAD)
            return false;
        priority_set(&now, *p, key, item);
        skip_blanks(&value);
        if (value.len == 0)
            break;
        if (!take(&value, ','))
            return false;
        skip_blanks(&value);
        if (value.len == 0)
            return false;
    }
    *p = now;
    return true;
}

struct h2_fault h2_priority_update_read(const struct h2_frame *f, const uint8_t *payload, uint32_t *stream,
                                        struct h2_priority *p)
{
    *stream = h2_read_32(payload) & H2_STREAM_MAX;
    *p = h2_priority_default();
    if (*stream == 0)
        return (struct h2_fault){.reason = "PRIORITY_UPDATE of stream 0", .error = H2_PROTOCOL_ERROR};
    (void)h2_priority_parse(slice_of((const char *)payload + 4, f->length - 4), p);
    return H2_GOOD;
}
