/*
 * What was meant by a word that is not known: the nearest of those that are.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SUGGEST_H
#define WEIR_CLI_SUGGEST_H

#define SUGGEST_MAX 32 /* bytes of a word; a longer one resembles nothing */

/* The number of single changes that make one word of the other: a letter inserted, removed or replaced, or two
 * neighbours exchanged. SUGGEST_MAX where one of the words is longer than that. */
unsigned suggest_distance(const char *a, const char *b);

/* The best candidate so far. Begins as {.word = WORD}. */
struct suggestion {
    const char *word;
    const char *nearest; /* NULL: none resembles the word */
    unsigned distance;   /* of the nearest */
};

/* Looks at one candidate, which has to live as long as the suggestion. Of equals the first counts. */
void suggest_consider(struct suggestion *s, const char *candidate);

#endif
