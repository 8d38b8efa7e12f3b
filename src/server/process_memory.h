/*
 * The process's memory as the kernel counts it, so that what the ledger does not know can be seen.
 *
 * The remainder is the private memory outside of weir's own mappings, less what accounts have from the C library.
 * weir's mappings are told by two flags that the kernel shows of each: every one is made without reserving swap
 * (MAP_NORESERVE) and without huge pages (MADV_NOHUGEPAGE), which neither the C library's heaps nor its threads' stacks
 * are (so what threads touch of their stacks is in the remainder). So pages of a pool that were never touched count
 * nowhere, and pages that nobody accounts for always do.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_SERVER_PROCESS_MEMORY_H
#define WEIR_SERVER_PROCESS_MEMORY_H

#include "base/memory.h"

struct process_memory {
    _Atomic uint64_t taken_ns; /* CLOCK_MONOTONIC of the sample; 0: there is none */
    _Atomic uint64_t due_ns;   /* no other one before this */
    _Atomic bool busy;         /* a thread takes one */
    _Atomic uint64_t resident, private_bytes, remainder;
};

/* Takes a sample if one is due and nobody takes it. allocated: what accounts have from the C library. 0 or WEIR_EIO.
 * Blocks. */
int process_memory_sample(struct process_memory *p, const _Atomic uint64_t *allocated);

/* Whether a sample is due. */
bool process_memory_due(const struct process_memory *p, uint64_t now_ns);

#endif
