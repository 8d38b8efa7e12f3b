/*
 * Granting memory against the bound, and taking it from the system.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void memory_init(struct memory *m, uint64_t limit)
{
    *m = (struct memory){.limit = limit};
    lock_init(&m->lock);
}

void memory_done(struct memory *m)
{
    lock_done(&m->lock);
}

static void account_enter(struct account *a)
{
    struct memory *m = a->memory;
    memory_lock_acquire(&m->lock);
    a->next = m->accounts;
    m->accounts = a;
    memory_lock_release(&m->lock);
}

void account_open(struct account *a, struct memory *m, const char *name)
{
    *a = (struct account){.memory = m, .name = name};
    account_enter(a);
}

void account_open_shared(struct account *a, struct memory *m, const char *name, struct account *parent, uint64_t limit)
{
    weir_assert(!parent || (parent->memory == m && parent->shared));
    *a = (struct account){.memory = m, .name = name, .parent = parent, .limit = limit, .shared = true};
    account_enter(a);
}

void account_close(struct account *a)
{
    struct memory *m = a->memory;
    if (!m)
        return;
    weir_assert(counter_read(&a->granted) == 0);
    memory_lock_acquire(&m->lock);
    for (struct account **at = &m->accounts; *at; at = &(*at)->next) {
        if (*at == a) {
            *at = a->next;
            break;
        }
    }
    memory_lock_release(&m->lock);
    a->memory = NULL;
}

static void counter_add_shared(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void account_take_any(struct account *a, size_t size)
{
    if (!a->shared) {
        account_take(a, size);
        return;
    }
    uint64_t in_use = atomic_fetch_add_explicit(&a->in_use, size, memory_order_relaxed) + size;
    uint64_t peak = counter_read(&a->peak);
    while (in_use > peak &&
           !atomic_compare_exchange_weak_explicit(&a->peak, &peak, in_use, memory_order_relaxed, memory_order_relaxed))
        ;
    counter_add_shared(&a->objects, 1);
}

void account_give_any(struct account *a, size_t size)
{
    if (!a->shared) {
        account_give(a, size);
        return;
    }
    uint64_t before = atomic_fetch_sub_explicit(&a->in_use, size, memory_order_relaxed);
    debug_assert(before >= size && counter_read(&a->objects) > 0);
    (void)before;
    atomic_fetch_sub_explicit(&a->objects, 1, memory_order_relaxed);
}

/* Adds size to a sum that has a bound. False, with nothing changed, if the bound would be exceeded. */
static bool bound_take(_Atomic uint64_t *granted, uint64_t limit, size_t size)
{
    if (limit && size > limit)
        return false; /* so that no sum below can overflow */
    uint64_t before = atomic_fetch_add_explicit(granted, size, memory_order_relaxed);
    if (!limit || before + size <= limit)
        return true;
    atomic_fetch_sub_explicit(granted, size, memory_order_relaxed);
    return false;
}

/* Takes size out of the sums of a and those above it, up to but not including `end`. */
static void chain_return(struct account *a, const struct account *end, size_t size)
{
    for (; a != end; a = a->parent)
        atomic_fetch_sub_explicit(&a->granted, size, memory_order_relaxed);
}

static bool chain_take(struct account *a, size_t size)
{
    for (struct account *at = a; at; at = at->parent) {
        if (!bound_take(&at->granted, at->limit, size)) {
            chain_return(a, at, size);
            return false;
        }
    }
    return true;
}

bool memory_grant(struct account *a, size_t size)
{
    struct memory *m = a->memory;
    bool refused = m->fault && m->fault(m->fault_arg, a, size);
    if (!refused)
        refused = !bound_take(&m->granted, m->limit, size);
    if (!refused && !chain_take(a, size)) {
        atomic_fetch_sub_explicit(&m->granted, size, memory_order_relaxed);
        refused = true;
    }
    counter_add_shared(refused ? &a->refused : &a->reserved, refused ? 1 : size);
    return !refused;
}

void memory_return(struct account *a, size_t size)
{
    debug_assert(counter_read(&a->reserved) >= size);
    atomic_fetch_sub_explicit(&a->reserved, size, memory_order_relaxed);
    chain_return(a, NULL, size);
    atomic_fetch_sub_explicit(&a->memory->granted, size, memory_order_relaxed);
}

/* Takes a grant back, and counts a refusal: the system has refused the memory. NULL. */
static COLD void *grant_failed(struct account *a, size_t size)
{
    memory_return(a, size);
    counter_add_shared(&a->refused, 1);
    return NULL;
}

/* Maps size bytes aligned to align: more is mapped, and cut off at both ends. */
static void *map_aligned(size_t size, size_t align)
{
    size_t extra = align > 4096 ? align : 0;
    char *p = mmap(NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (extra) {
        size_t head = (align - ((uintptr_t)p & (align - 1))) & (align - 1);
        if (head)
            munmap(p, head);
        if (extra > head)
            munmap(p + head + size, extra - head);
        p += head;
    }
    madvise(p, size, MADV_NOHUGEPAGE); /* fails where huge pages are not built in, which is as good */
    return p;
}

size_t memory_whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) & ~(page - 1);
}

void *memory_map(struct account *a, size_t size, size_t align)
{
    if (!memory_grant(a, size))
        return NULL;
    void *p = map_aligned(size, align);
    if (!p)
        return grant_failed(a, size);
    poison_register(p, size, a->name);
    return p;
}

void memory_unmap(struct account *a, void *p, size_t size)
{
    memory_unpoison(p, size);
    poison_unregister(p);
    munmap(p, size);
    memory_return(a, size);
}

void *memory_remap(struct account *a, void *p, size_t size, size_t new_size)
{
    if (new_size > size && !memory_grant(a, new_size - size))
        return NULL;
    void *moved = mremap(p, size, new_size, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        return new_size > size ? grant_failed(a, new_size - size) : NULL;
    if (new_size < size)
        memory_return(a, size - new_size);
    poison_unregister(p);
    poison_register(moved, new_size, a->name);
    return moved;
}

void *memory_alloc(struct account *a, size_t size)
{
    if (!memory_grant(a, size))
        return NULL;
    void *p = malloc(size);
    if (!p)
        return grant_failed(a, size);
    account_take_any(a, size);
    atomic_fetch_add_explicit(&a->memory->allocated, size, memory_order_relaxed);
    return p;
}

void memory_free(struct account *a, void *p, size_t size)
{
    if (!p)
        return;
    free(p);
    account_give_any(a, size);
    memory_return(a, size);
}
