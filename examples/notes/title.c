/*
 * The title of a page: what is between <title> and </title>, in one line, as UTF-8.
 *
 * SPDX-License-Identifier: MIT
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "links.h"

/* Where an element's tag begins, case ignored; NULL: nowhere. */
static const char *find_tag(const char *at, const char *end, const char *tag)
{
    size_t len = strlen(tag);
    for (; (size_t)(end - at) >= len; at++)
        if (*at == '<' && strncasecmp(at, tag, len) == 0)
            return at;
    return NULL;
}

/* The bytes of the UTF-8 character at at; 0: it is none. */
static size_t character(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char low, high, second_low, second_high;
        size_t len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*at < forms[i].low || *at > forms[i].high || forms[i].len > left)
            continue;
        if (forms[i].len > 1 && (at[1] < forms[i].second_low || at[1] > forms[i].second_high))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if (at[k] < 0x80 || at[k] > 0xbf)
                return 0;
        return forms[i].len;
    }
    return 0;
}

/* Copies text as one line: blanks and control characters become one blank, what is no UTF-8 a question mark. */
static void copy_line(const char *from, const char *end, char *title, size_t size)
{
    size_t len = 0;
    while (from < end && len < size - 1) {
        size_t step = character((const unsigned char *)from, (size_t)(end - from));
        if (step == 1 && ((unsigned char)*from <= ' ' || *from == 0x7f)) {
            if (len && title[len - 1] != ' ')
                title[len++] = ' ';
        } else if (step > size - 1 - len) {
            break;
        } else if (step) {
            memcpy(title + len, from, step);
            len += step;
        } else {
            title[len++] = '?';
        }
        from += step ? step : 1;
    }
    while (len && title[len - 1] == ' ')
        len--;
    title[len] = '\0';
}

bool links_find_title(const char *page, size_t len, char *title, size_t size)
{
    const char *end = page + len, *from = find_tag(page, end, "<title");
    from = from ? memchr(from, '>', (size_t)(end - from)) : NULL;
    const char *to = from ? find_tag(from, end, "</title") : NULL;
    if (!to || !size)
        return false;
    copy_line(from + 1, to, title, size);
    return *title != '\0';
}
