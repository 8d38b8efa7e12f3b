/*
 * Following a pattern: bit i of a set says that what has been read may stand before the pattern's byte i.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/folder/glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint64_t bit(size_t i)
{
    return UINT64_C(1) << i;
}

/* Adds the places that are reached without a byte: those behind stars. begins: a segment of the path begins here, so
 * that one of the pattern's that is all stars may be none. */
static uint64_t closure(const char *p, uint64_t set, bool begins)
{
    for (size_t i = 0; p[i]; i++) {
        if (!(set & bit(i)) || p[i] != '*')
            continue;
        bool two = p[i + 1] == '*';
        set |= bit(i + (two ? 2 : 1));
        if (two && begins && p[i + 2] == '/' && (i == 0 || p[i - 1] == '/'))
            set |= bit(i + 3);
    }
    return set;
}

/* The places that c leads to from those in set. */
static uint64_t step(const char *p, uint64_t set, char c)
{
    uint64_t next = 0;
    while (set) {
        size_t i = (size_t)__builtin_ctzll(set);
        set &= set - 1;
        if (p[i] == '*' && (c != '/' || p[i + 1] == '*'))
            next |= bit(i);
        else if (p[i] != '*' && p[i] && (p[i] == c || (p[i] == '?' && c != '/')))
            next |= bit(i + 1);
    }
    return closure(p, next, c == '/');
}

bool glob_matches(const char *pattern, const char *path)
{
    const char *slash = strchr(pattern, '/') ? NULL : strrchr(path, '/');
    if (slash)
        path = slash + 1;
    if (pattern[0] == '/')
        pattern++;
    uint64_t set = closure(pattern, bit(0), true);
    for (; *path && set; path++)
        set = step(pattern, set, *path);
    return set & bit(strlen(pattern));
}
