/*
 * The field's grammar: a dictionary of structured fields, of which only byte sequences are looked into.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/upload/digest.h"
#include "base/base64.h"
#include "weir.h"

#include <string.h>

/* What is left of a line. */
struct cursor {
    const char *at, *end;
};

static bool next_is(const struct cursor *c, char what)
{
    return c->at < c->end && *c->at == what;
}

static bool skip_one(struct cursor *c, char what)
{
    bool is = next_is(c, what);
    c->at += is;
    return is;
}

static void skip_space(struct cursor *c)
{
    while (next_is(c, ' ') || next_is(c, '\t'))
        c->at++;
}

static bool is_key_char(char is, bool first)
{
    bool begins = (is >= 'a' && is <= 'z') || is == '*';
    return begins || (!first && ((is >= '0' && is <= '9') || is == '_' || is == '-' || is == '.'));
}

/* Takes a key; empty: there is none. */
static struct slice take_key(struct cursor *c)
{
    const char *begin = c->at;
    while (c->at < c->end && is_key_char(*c->at, c->at == begin))
        c->at++;
    return slice_of(begin, (size_t)(c->at - begin));
}

/* Takes what stands before `stop`, and that. False: there is none. A backslash hides the character behind it. */
static bool take_until(struct cursor *c, char stop, bool escapes, struct slice *text)
{
    const char *begin = c->at;
    while (c->at < c->end && *c->at != stop)
        c->at += escapes && *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
    *text = slice_of(begin, (size_t)(c->at - begin));
    return skip_one(c, stop);
}

/* Takes a bare item; *bytes is what stands in a byte sequence, and NULL's slice of any other. */
static bool take_item(struct cursor *c, struct slice *bytes)
{
    struct slice text;
    *bytes = slice_of(NULL, 0);
    if (skip_one(c, ':'))
        return take_until(c, ':', false, bytes);
    if (skip_one(c, '"'))
        return take_until(c, '"', true, &text);
    const char *begin = c->at;
    while (c->at < c->end && !strchr(" \t,;\"()", *c->at))
        c->at++;
    return c->at > begin;
}

/* Takes an inner list, whose opening parenthesis has been taken. */
static bool skip_list(struct cursor *c)
{
    struct slice bytes;
    for (;;) {
        skip_space(c);
        if (skip_one(c, ')'))
            return true;
        if (!skip_one(c, ';') && !take_item(c, &bytes))
            return false;
    }
}

static bool skip_parameters(struct cursor *c)
{
    struct slice bytes;
    while (skip_one(c, ';')) {
        skip_space(c);
        if (take_key(c).len == 0 || (skip_one(c, '=') && !take_item(c, &bytes)))
            return false;
    }
    return true;
}

/* Decodes Base64 with its padding or without into exactly len bytes. */
static bool decode(struct slice text, uint8_t *to, size_t len)
{
    size_t letters = (len * 8 + 5) / 6;
    if (text.len != letters && text.len != (len + 2) / 3 * 4)
        return false;
    for (size_t i = letters; i < text.len; i++)
        if (text.data[i] != '=')
            return false;
    return base64_decode(slice_of(text.data, letters), to, len) == (ssize_t)len;
}

static bool take_member(struct digest *d, struct slice key, struct slice bytes)
{
    bool stronger = slice_equal(key, SLICE("sha-512"));
    if (!stronger && !slice_equal(key, SLICE("sha-256")))
        return true;
    enum sha2_kind kind = stronger ? SHA2_512 : SHA2_256;
    uint8_t value[SHA2_LEN_MAX];
    if (!bytes.data || !decode(bytes, value, sha2_len(kind)))
        return false;
    if (d->expected && d->kind > (uint8_t)kind)
        return true;
    d->expected = true;
    d->kind = (uint8_t)kind;
    memcpy(d->value, value, sha2_len(kind));
    return true;
}

int digest_take(struct digest *d, struct slice line)
{
    struct cursor c = {line.data, line.data + line.len};
    bool first = true;
    for (;;) {
        skip_space(&c);
        if (c.at == c.end)
            return first ? 0 : WEIR_EPROTO; /* an empty line is an empty dictionary; a comma has to be followed */
        struct slice key = take_key(&c), bytes = slice_of(NULL, 0);
        bool good = key.len > 0;
        if (good && skip_one(&c, '='))
            good = skip_one(&c, '(') ? skip_list(&c) : take_item(&c, &bytes);
        if (!good || !skip_parameters(&c) || !take_member(d, key, bytes))
            return WEIR_EPROTO;
        skip_space(&c);
        if (c.at == c.end)
            return 0;
        if (!skip_one(&c, ','))
            return WEIR_EPROTO;
        first = false;
    }
}
