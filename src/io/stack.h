/*
 * Stacks: mappings with a guard below them, for fibers and for calls on a deep stack. None becomes a huge page, or a
 * stack of 8 KiB in use would cost 2 MiB. Valgrind and LeakSanitizer are told of each.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_STACK_H
#define WEIR_IO_STACK_H

#include "base/memory.h"

#define STACK_GUARD_SIZE ((size_t)64 * 1024)

struct stack {
    char *base;        /* lowest usable address; NULL: there is none */
    size_t size;       /* usable bytes */
    unsigned valgrind; /* the stack's number in Valgrind */
};

/* Maps a stack of size bytes, which are whole pages, with a guard of STACK_GUARD_SIZE, rounded up to whole pages, below
 * it. size is granted against a; what is in use is the caller's to count. False: refused, and counted as refused. */
bool stack_map(struct stack *s, struct account *a, size_t size) MUST_CHECK;
void stack_unmap(struct stack *s, struct account *a);

/* Gives back the whole pages within [base, base + len), which hold nothing that is wanted. */
void stack_release(char *base, size_t len);

#endif
