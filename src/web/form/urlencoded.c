/*
 * Parsing urlencoded bodies.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/form/urlencoded.h"

#include "http/percent.h"

#define DECODED_MAX 2 /* bytes that one byte of the input may make of what was held back for an escape */

void urlencoded_begin(struct urlencoded *u, char *name, uint32_t name_size)
{
    *u = (struct urlencoded){.name_size = name_size};
    u->name = name;
}

static void take(struct slice *input, size_t len)
{
    input->data += len;
    input->len -= len;
}

/* Puts what has been seen of an escape that is none. Returns how many bytes that were. */
static size_t put_held(struct urlencoded *u, char *to)
{
    size_t len = 0;
    if (u->escape != ESCAPE_NONE)
        to[len++] = '%';
    if (u->escape == ESCAPE_DIGIT)
        to[len++] = u->digit;
    u->escape = ESCAPE_NONE;
    return len;
}

/*
 * Takes a byte of a name or a value; sets *taken to false where the byte is to be looked at once more, since it ended
 * what was no escape. Puts up to DECODED_MAX bytes and returns how many.
 */
static size_t decode_byte(struct urlencoded *u, char c, char *to, bool *taken)
{
    *taken = true;
    if (u->escape == ESCAPE_NONE) {
        if (c == '%') {
            u->escape = ESCAPE_BEGUN;
            return 0;
        }
        *to = c;
        if (c == '+')
            *to = ' ';
        return 1;
    }
    int value = hex_value(c);
    if (value >= 0 && u->escape == ESCAPE_BEGUN) {
        u->escape = ESCAPE_DIGIT;
        u->digit = c;
        return 0;
    }
    if (value >= 0)
        value += 16 * hex_value(u->digit);
    if (value <= 0) { /* no escape, or one of NUL, which would hide a string's end */
        *taken = false;
        return put_held(u, to);
    }
    u->escape = ESCAPE_NONE;
    *to = (char)value;
    return 1;
}

/* The pair has ended, or its name has. */
static enum form_event end_name(struct urlencoded *u, enum urlencoded_state state)
{
    u->name_len += (uint32_t)put_held(u, u->name + u->name_len);
    u->name[u->name_len] = '\0';
    u->state = (uint8_t)state;
    return FORM_PART;
}

static enum form_event take_name(struct urlencoded *u, struct slice *input, bool last)
{
    while (input->len > 0) {
        char c = input->data[0];
        if (c == '=' || (c == '&' && u->name_used > 0)) {
            take(input, 1);
            return end_name(u, c == '=' ? URLENCODED_VALUE : URLENCODED_BEGUN);
        }
        if (c == '&') {
            take(input, 1);
            continue;
        }
        if (u->name_used + 1 >= u->name_size) /* with room for the NUL; decoding does not make a name longer */
            return FORM_LONG_HEADER;
        bool taken;
        u->name_len += (uint32_t)decode_byte(u, c, u->name + u->name_len, &taken);
        if (taken) {
            u->name_used++;
            take(input, 1);
        }
    }
    if (!last)
        return FORM_MORE;
    if (u->name_used > 0)
        return end_name(u, URLENCODED_BEGUN);
    u->state = URLENCODED_OVER;
    return FORM_END;
}

static enum form_event end_value(struct urlencoded *u)
{
    u->state = URLENCODED_NAME;
    u->name_len = u->name_used = 0;
    return FORM_PART_END;
}

/* Takes what needs no decoding, where it lies. */
static struct slice take_plain(struct slice *input)
{
    size_t len = 0;
    while (len < input->len && input->data[len] != '&' && input->data[len] != '%' && input->data[len] != '+')
        len++;
    struct slice plain = slice_of(input->data, len);
    take(input, len);
    return plain;
}

static enum form_event take_value(struct urlencoded *u, struct slice *input, bool last, struct slice *data)
{
    if (u->escape == ESCAPE_NONE && input->len > 0) {
        *data = take_plain(input);
        if (data->len > 0)
            return FORM_DATA;
    }
    size_t len = 0;
    while (input->len > 0 && input->data[0] != '&' && len + DECODED_MAX <= sizeof u->scratch) {
        bool taken;
        len += decode_byte(u, input->data[0], u->scratch + len, &taken);
        take(input, taken);
    }
    bool ends = input->len > 0 ? input->data[0] == '&' : last;
    if (ends && len + DECODED_MAX <= sizeof u->scratch)
        len += put_held(u, u->scratch + len);
    *data = slice_of(u->scratch, len);
    if (len > 0)
        return FORM_DATA;
    if (!ends)
        return FORM_MORE;
    if (input->len > 0)
        take(input, 1);
    return end_value(u);
}

enum form_event urlencoded_next(struct urlencoded *u, struct slice *input, bool last, struct slice *data)
{
    switch ((enum urlencoded_state)u->state) {
    case URLENCODED_NAME:
        return take_name(u, input, last);
    case URLENCODED_BEGUN:
        return end_value(u);
    case URLENCODED_VALUE:
        return take_value(u, input, last, data);
    case URLENCODED_OVER:
        break;
    }
    return FORM_END;
}
