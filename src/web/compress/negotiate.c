/*
 * Reading Accept-Encoding, and choosing by it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/negotiate.h"

#include "http/field.h"
#include "http/token.h"

/* Weights while lines are read, above those that the grammar has. */
#define UNNAMED UINT16_MAX

static const struct slice names[CODINGS] = {
    [CODING_IDENTITY] = {"identity", 8},
    [CODING_GZIP] = {"gzip", 4},
    [CODING_BR] = {"br", 2},
    [CODING_ZSTD] = {"zstd", 4},
};

struct slice coding_name(enum coding coding)
{
    return names[coding];
}

/* ---- One member: codings [ OWS ";" OWS "q=" qvalue ] ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Reads a qvalue (RFC 9110 section 12.4.2) as a weight; false: it is none. */
static bool weight_read(struct slice text, uint16_t *weight)
{
    uint16_t thousandths = 0;
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1'))
        return false;
    if (text.len > 1 && text.data[1] != '.')
        return false;
    for (size_t i = 0; i < 3; i++) {
        char digit = i + 2 < text.len ? text.data[i + 2] : '0';
        if (digit < '0' || digit > '9')
            return false;
        thousandths = (uint16_t)(thousandths * 10 + (digit - '0'));
    }
    if (text.data[0] == '1') {
        *weight = ACCEPT_MOST;
        return thousandths == 0;
    }
    *weight = thousandths == 0 ? ACCEPT_REFUSED : (uint16_t)(thousandths + ACCEPT_LEAST - 1);
    return true;
}

/* Splits a member into its coding and its weight; false: it is no such member. */
static bool member_read(struct slice member, struct slice *coding, uint16_t *weight)
{
    const char *semicolon = memchr(member.data, ';', member.len);
    *weight = ACCEPT_MOST;
    if (!semicolon) {
        *coding = member;
        return is_token(member);
    }
    size_t before = (size_t)(semicolon - member.data);
    *coding = trim(slice_of(member.data, before));
    struct slice rest = trim(slice_of(semicolon + 1, member.len - before - 1));
    return is_token(*coding) && rest.len > 2 && ascii_lower(rest.data[0]) == 'q' && rest.data[1] == '=' &&
           weight_read(slice_of(rest.data + 2, rest.len - 2), weight);
}

/* ---- The field ---- */

/* The coding of that name; CODINGS: one that is not known here. */
static unsigned coding_of(struct slice name)
{
    unsigned coding = CODING_IDENTITY;
    if (slice_equal_nocase(name, SLICE("x-gzip")))
        return CODING_GZIP;
    while (coding < CODINGS && !slice_equal_nocase(name, names[coding]))
        coding++;
    return coding;
}

static void note(uint16_t *to, uint16_t weight)
{
    if (*to == UNNAMED || weight > *to)
        *to = weight;
}

static void read_line(struct slice line, struct accepted *a, uint16_t *others)
{
    struct slice member, coding;
    uint16_t weight;
    while (field_list_next(&line, &member)) {
        if (!member_read(member, &coding, &weight))
            continue;
        unsigned known = coding_of(coding);
        if (known < CODINGS)
            note(&a->weights[known], weight);
        else if (slice_equal(coding, SLICE("*")))
            note(others, weight);
    }
}

void accepted_read(const struct slice *lines, size_t count, struct accepted *a)
{
    uint16_t others = UNNAMED;
    for (unsigned i = 0; i < CODINGS; i++)
        a->weights[i] = UNNAMED;
    for (size_t i = 0; i < count; i++)
        read_line(lines[i], a, &others);
    for (unsigned i = 0; i < CODINGS; i++) {
        uint16_t unnamed = others != UNNAMED ? others : i == CODING_IDENTITY ? ACCEPT_UNSAID : ACCEPT_REFUSED;
        if (a->weights[i] == UNNAMED)
            a->weights[i] = unnamed;
    }
}

size_t accepted_read_head(const struct http_head *head, struct accepted *a)
{
    struct slice lines[ACCEPTED_LINES];
    size_t count = 0;
    const struct http_field *field;
    while (count < ACCEPTED_LINES && (field = head_find(head, SLICE("Accept-Encoding"), count)) != NULL)
        lines[count++] = head_slice(head, field->value, field->value_len);
    accepted_read(lines, count, a);
    return count;
}

enum coding accepted_choose(const struct accepted *a, const uint8_t *offered, size_t count)
{
    enum coding best = CODING_IDENTITY;
    uint16_t most = ACCEPT_REFUSED;
    for (size_t i = 0; i < count; i++) {
        if (offered[i] != CODING_IDENTITY && a->weights[offered[i]] > most) {
            best = offered[i];
            most = a->weights[best];
        }
    }
    return a->weights[CODING_IDENTITY] > most ? CODING_IDENTITY : best;
}
