/*
 * What was meant by a word that is not known.
 *
 * SPDX-License-Identifier: MIT
 */
#include "cli/suggest.h"

#include <string.h>

#define WORD_PART     3 /* one change for so many letters is a slip, more is another word */
#define PREFIX_LENGTH 2 /* letters from which the beginning of a word is one */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned suggest_distance(const char *a, const char *b)
{
    unsigned rows[3][SUGGEST_MAX + 1]; /* of the table of all beginnings, the last three */
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > SUGGEST_MAX || b_len > SUGGEST_MAX)
        return SUGGEST_MAX;
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned changed = before[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(changed, least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void suggest_consider(struct suggestion *s, const char *candidate)
{
    size_t len = strlen(s->word);
    unsigned distance = suggest_distance(s->word, candidate);
    if (len >= PREFIX_LENGTH && strncmp(s->word, candidate, len) == 0)
        distance = least(distance, 1);
    unsigned most = len < WORD_PART ? 1 : (unsigned)len / WORD_PART;
    if (len == 0 || distance > most || (s->nearest && distance >= s->distance))
        return;
    s->nearest = candidate;
    s->distance = distance;
}
