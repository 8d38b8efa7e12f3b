/*
 * Whole numbers in what clients send: an optional minus and decimal digits, and nothing else. The C library's functions
 * take more than that (blanks, a plus, what precedes a letter) and go by the locale.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_NUMBER_H
#define WEIR_WEB_NUMBER_H

#include <stdint.h>

/* Reads all of text into *value. Returns 0; WEIR_EINVAL: text is no number; WEIR_ETOOBIG: the number is not within min
 * and max. After an error *value is what it was. */
int number_read(const char *text, int64_t min, int64_t max, int64_t *value);

#endif
