/*
 * Lists of a program's, as its settings have them: words with blanks between.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_WORDS_H
#define WEIR_WEB_WEBSOCKET_WORDS_H

#include "base/slice.h"

/* Takes the next word of *list, which may be NULL. False: there is none. */
static inline bool words_next(const char **list, struct slice *word)
{
    if (!*list)
        return false;
    const char *from = *list + strspn(*list, " ");
    *word = slice_of(from, strcspn(from, " "));
    *list = from + word->len;
    return word->len > 0;
}

#endif
