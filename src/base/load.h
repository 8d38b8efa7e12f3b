/*
 * Words of a text, read from wherever they lie.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_LOAD_H
#define WEIR_BASE_LOAD_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_2(const char *p)
{
    uint16_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t load_4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint64_t load_8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

#endif
