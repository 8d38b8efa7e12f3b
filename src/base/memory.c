/*
 * Granting memory against the bound, and taking it from the system.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

void memory_init(struct memory *m, uint64_t limit)
{
    *m = (struct memory){.limit = limit};
    lock_init(&m->lock);
}

void memory_done(struct memory *m)
{
    lock_done(&m->lock);
}

void account_open(struct account *a, struct memory *m, const char *name)
{
    *a = (struct account){.memory = m, .name = name};
    lock_acquire(&m->lock);
    a->next = m->accounts;
    m->accounts = a;
    lock_release(&m->lock);
}

void account_close(struct account *a)
{
    struct memory *m = a->memory;
    if (!m)
        return;
    weir_assert(counter_read(&a->reserved) == 0);
    lock_acquire(&m->lock);
    for (struct account **at = &m->accounts; *at; at = &(*at)->next) {
        if (*at == a) {
            *at = a->next;
            break;
        }
    }
    lock_release(&m->lock);
    a->memory = NULL;
}

bool memory_grant(struct account *a, size_t size)
{
    struct memory *m = a->memory;
    bool refused = m->fault && m->fault(m->fault_arg, a, size);
    if (!refused && m->limit)
        refused = size > m->limit; /* so that no sum below can overflow */
    if (!refused) {
        uint64_t before = atomic_fetch_add_explicit(&m->granted, size, memory_order_relaxed);
        refused = m->limit && before + size > m->limit;
        if (refused)
            atomic_fetch_sub_explicit(&m->granted, size, memory_order_relaxed);
    }
    if (refused) {
        counter_add(&a->refused, 1);
        return false;
    }
    counter_add(&a->reserved, size);
    return true;
}

void memory_return(struct account *a, size_t size)
{
    debug_assert(counter_read(&a->reserved) >= size);
    counter_add(&a->reserved, (uint64_t)0 - size);
    atomic_fetch_sub_explicit(&a->memory->granted, size, memory_order_relaxed);
}

/* Alignment is had by mapping more and cutting off both ends. */
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

void *memory_map(struct account *a, size_t size, size_t align)
{
    if (!memory_grant(a, size))
        return NULL;
    void *p = map_aligned(size, align);
    if (!p) {
        memory_return(a, size);
        counter_add(&a->refused, 1);
    }
    return p;
}

void memory_unmap(struct account *a, void *p, size_t size)
{
    memory_unpoison(p, size);
    munmap(p, size);
    memory_return(a, size);
}

void *memory_alloc(struct account *a, size_t size)
{
    if (!memory_grant(a, size))
        return NULL;
    void *p = malloc(size);
    if (!p) {
        memory_return(a, size);
        counter_add(&a->refused, 1);
        return NULL;
    }
    account_take(a, size);
    return p;
}

void memory_free(struct account *a, void *p, size_t size)
{
    if (!p)
        return;
    free(p);
    account_give(a, size);
    memory_return(a, size);
}
