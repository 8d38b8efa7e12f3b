/*
 * The one table through which all memory is had. Every byte belongs to an account; the accounts of a server share one
 * bound, which holds at every instant because memory is granted before it is taken. A test can make any allocation
 * fail.
 *
 * Accounts nest: what one is granted counts against the bounds of all above it. Its other figures are its own alone, so
 * that those of all accounts add up.
 *
 * An account has one writer at a time: the worker that owns it, or whoever holds its owner's lock. Any thread may read
 * it, so its figures are relaxed atomics that the writer loads and stores without a locked instruction. One that is
 * opened as shared may be used by any thread at any time, and pays for that with locked instructions.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_MEMORY_H
#define WEIR_BASE_MEMORY_H

#include "base/debug.h"
#include "base/lock.h"
#include "base/poison.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct memory;

LOCK_ROLE(memory_lock)

struct account {
    struct memory *memory;
    const char *name; /* static, or alive as long as the account */
    struct account *next GUARDED_BY(memory_lock);
    struct account *parent;    /* NULL: none above it */
    uint64_t limit;            /* bound on granted; 0: none of its own */
    bool shared;               /* any thread may use it */
    _Atomic uint64_t granted;  /* bytes reserved by this account and by those below it */
    _Atomic uint64_t in_use;   /* bytes handed out */
    _Atomic uint64_t reserved; /* bytes taken from the system */
    _Atomic uint64_t peak;     /* most that was in use */
    _Atomic uint64_t refused;  /* requests that were turned down */
    _Atomic uint64_t objects;  /* things handed out */
};

struct memory {
    uint64_t limit;             /* bound on the sum of reserved; 0: none */
    _Atomic uint64_t granted;   /* sum of reserved over the accounts */
    _Atomic uint64_t allocated; /* bytes of granted that memory_alloc() has handed out */
    struct lock lock;
    struct account *accounts GUARDED_BY(memory_lock);
    /* For tests: returns true to make this allocation fail. NULL: none. */
    bool (*fault)(void *arg, const struct account *a, size_t size);
    void *fault_arg;
};

void memory_init(struct memory *m, uint64_t limit);
void memory_done(struct memory *m);

/* Opens an account, which is the caller's, and has to live until account_close(), as name has. */
void account_open(struct account *a, struct memory *m, const char *name);
/* Opens an account that any thread may use, below parent (which is one of m's, or NULL) and with a bound (0: none). */
void account_open_shared(struct account *a, struct memory *m, const char *name, struct account *parent, uint64_t limit);
/* Closes an account; nothing may be reserved any more, by it or below it. Does nothing if the account is not open. */
void account_close(struct account *a);

/* Adds to a figure that only the calling thread writes. Compilers make three instructions of a load and a store that
 * are atomic each; where one does as well, the code says so. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
#if defined(__x86_64__) && !defined(WEIR_TSAN) && !defined(WEIR_ASAN)
    __asm__("addq %1, %0" : "+m"(*(uint64_t *)(void *)counter) : "er"(n) : "cc");
#else
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
#endif
}

/* Takes from a figure that only the calling thread writes, and which never falls below 0. */
static inline void counter_subtract(_Atomic uint64_t *counter, uint64_t n)
{
#if defined(__x86_64__) && !defined(WEIR_TSAN) && !defined(WEIR_ASAN)
    __asm__("subq %1, %0" : "+m"(*(uint64_t *)(void *)counter) : "er"(n) : "cc");
#else
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) - n, memory_order_relaxed);
#endif
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void account_take(struct account *a, size_t size)
{
    uint64_t in_use = counter_read(&a->in_use) + size;
    atomic_store_explicit(&a->in_use, in_use, memory_order_relaxed);
    if (in_use > counter_read(&a->peak))
        atomic_store_explicit(&a->peak, in_use, memory_order_relaxed);
    counter_add(&a->objects, 1);
}

static inline void account_give(struct account *a, size_t size)
{
    debug_assert(counter_read(&a->in_use) >= size && counter_read(&a->objects) > 0);
    counter_subtract(&a->in_use, size);
    counter_subtract(&a->objects, 1);
}

/* account_take() for an account of either kind. */
void account_take_any(struct account *a, size_t size);
void account_give_any(struct account *a, size_t size);

/* size rounded up to whole pages, as mappings are. */
size_t memory_whole_pages(size_t size);

/*
 * Maps size bytes (see memory_whole_pages()), aligned to align (a power of two, at least a page), cleared, and never
 * made of huge pages. NULL when the bound or the system refuses. The mapping counts as reserved; how much of it is in
 * use is the caller's to count.
 */
void *memory_map(struct account *a, size_t size, size_t align) MUST_CHECK;
void memory_unmap(struct account *a, void *p, size_t size);
/* Makes a mapping of memory_map() larger, the new part cleared, or smaller. Returns where the mapping lies then; NULL:
 * refused, nothing changed. */
void *memory_remap(struct account *a, void *p, size_t size, size_t new_size) MUST_CHECK;

/* Counts size bytes as reserved by a without taking them: for memory that a library takes. False: refused. */
bool memory_grant(struct account *a, size_t size) MUST_CHECK;
void memory_return(struct account *a, size_t size);

/* Memory from the C library, not cleared, counted as reserved and in use. For what is not on a request's path. NULL
 * when refused. */
void *memory_alloc(struct account *a, size_t size) MUST_CHECK;
/* Gives back memory of memory_alloc(); size is what was asked for. p may be NULL. */
void memory_free(struct account *a, void *p, size_t size);

#endif
