/*
 * The fields that ask for a file in parts or under conditions: Range, lists of entity tags, dates.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_FILE_FIELDS_H
#define WEIR_TESTS_FUZZ_FILE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

/* Reads the input as a value of each. Ends the program where what was read is not right. */
void fuzz_file_fields(const uint8_t *data, size_t size);

#endif
