/*
 * Basic authentication.
 *
 * Every pair is kept in a block of one size, filled up with zeros, and so is what a client sends.
 * Blocks are compared to their end, and with all of the list, so that the time is the same whatever differs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/basic_auth.h"
#include "base/base64.h"

#include <string.h>
#include <strings.h>

/* ---- Names and passwords ---- */

static bool looks_hashed(const char *password, size_t len)
{
    static const char *const marks[] = {"$apr1$", "$2y$", "$2a$", "$2b$", "$5$", "$6$", "$y$", "{SHA}"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (len > strlen(marks[i]) && memcmp(password, marks[i], strlen(marks[i])) == 0)
            return true;
    return false;
}

const char *basic_auth_add(struct basic_auth *a, const char *pair, size_t len)
{
    const char *colon = memchr(pair, ':', len);
    if (!colon)
        return "there is no colon between a name and a password";
    if (colon == pair)
        return "the name is empty";
    size_t name = (size_t)(colon - pair), password = len - name - 1;
    if (password == 0)
        return "the password is empty";
    if (len >= BASIC_AUTH_PAIR)
        return "name and password have more than 254 bytes";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)pair[i] < ' ' || pair[i] == 0x7f)
            return "there is a control character";
    if (looks_hashed(colon + 1, password))
        return "the password looks like a hash, and is read as it stands";
    if (a->count == BASIC_AUTH_USERS)
        return "there are more than 64 names";
    for (size_t i = 0; i < a->count; i++)
        if (memcmp(a->pairs[i], pair, name + 1) == 0)
            return "the name is there twice";
    char *to = a->pairs[a->count++];
    memset(to, 0, BASIC_AUTH_PAIR);
    memcpy(to, pair, len);
    return NULL;
}

const char *basic_auth_read(struct basic_auth *a, const char *text, size_t len, unsigned *line)
{
    const char *end = text + len;
    *line = 0;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        ++*line;
        if (stop > text && stop[-1] == '\r')
            stop--;
        const char *why = stop == text || *text == '#' ? NULL : basic_auth_add(a, text, (size_t)(stop - text));
        if (why)
            return why;
        text = next;
    }
    return a->count ? NULL : "there is no line USER:PASSWORD";
}

size_t basic_auth_name_length(const struct basic_auth *a, int index)
{
    return strcspn(a->pairs[index], ":");
}

/* ---- What clients send ---- */

/* Decodes Base64, which may lack its padding, to at most `most` bytes. Returns how many, -1: it is none, or longer. */
static ssize_t decode(char *out, size_t most, const char *text)
{
    struct slice letters = slice_of(text, strcspn(text, "="));
    text += letters.len;
    text += strspn(text, "=");
    text += strspn(text, " \t");
    return *text == '\0' ? base64_decode(letters, out, most) : -1;
}

/* Whether two blocks are the same; looks at every byte. */
static bool is_same(const char *a, const char *b)
{
    unsigned differs = 0;
    for (size_t i = 0; i < BASIC_AUTH_PAIR; i++)
        differs |= (unsigned char)(a[i] ^ b[i]);
    return differs == 0;
}

int basic_auth_check(const struct basic_auth *a, const char *field)
{
    static const char scheme[] = "Basic";
    char sent[BASIC_AUTH_PAIR] = {0};
    int found = -1;
    if (!field || strncasecmp(field, scheme, sizeof scheme - 1) != 0 || field[sizeof scheme - 1] != ' ')
        return -1;
    field += sizeof scheme - 1;
    field += strspn(field, " ");
    ssize_t len = decode(sent, sizeof sent - 1, field);
    if (len < 0 || memchr(sent, '\0', (size_t)len))
        return -1;
    for (size_t i = 0; i < a->count; i++)
        found = is_same(a->pairs[i], sent) ? (int)i : found;
    return found;
}
