/*
 * What the fuzz targets share: a check that ends the program, an arena, input in memory of exactly its size, and cuts
 * that the input itself chooses.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_FUZZ_H
#define WEIR_TESTS_FUZZ_H

#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct fuzz_memory {
    struct memory memory;
    struct account account;
    struct pool blocks;
    struct arena arena;
    char first[64] __attribute__((aligned(16)));
};

static inline void fuzz_memory_open(struct fuzz_memory *m)
{
    memory_init(&m->memory, 0);
    account_open(&m->account, &m->memory, "fuzz");
    pool_init(&m->blocks, &m->account, 65536, 64, 0);
    arena_init(&m->arena, &m->blocks, m->first, sizeof m->first);
}

static inline void fuzz_memory_clear(struct fuzz_memory *m)
{
    arena_done(&m->arena, m->first, sizeof m->first);
    arena_init(&m->arena, &m->blocks, m->first, sizeof m->first);
}

/* A copy with slack bytes behind it, the first of them zero; freed by the caller. */
static inline char *fuzz_copy(const uint8_t *data, size_t size, size_t slack)
{
    char *copy = malloc(size + slack ? size + slack : 1);
    FUZZ_CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    if (slack)
        memset(copy + size, 'A', slack);
    if (slack)
        copy[size] = '\0';
    return copy;
}

/* The length of the next piece, from 1 to most, by a linear congruence modulo 2^32. */
static inline WRAPS size_t fuzz_cut(uint32_t *seed, size_t most)
{
    *seed = *seed * 1664525u + 1013904223u;
    uint32_t range = *seed >> 28 < 8 ? 4 : 64;
    size_t len = (*seed >> 8) % range + 1;
    return len < most ? len : most;
}

#endif
