/*
 * What the self tests share: they use no framework, so that they can be built by a cross compiler and run on an
 * emulated processor, under each sanitizer and under Valgrind. They print what fails and end with 1 if anything did.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_SELFTEST_H
#define WEIR_TESTS_SELFTEST_H

#include <stdio.h>

static _Atomic int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, #condition);                      \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* What main() returns. */
static inline int selftest_end(void)
{
    printf("%s\n", failures ? "failed" : "all good");
    return failures != 0;
}

#endif
