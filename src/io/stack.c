/*
 * Mapping stacks.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/stack.h"

#include <sys/mman.h>
#include <unistd.h>

#ifdef WEIR_ASAN
#include <sanitizer/lsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id)       ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

/* Makes [p, p + size) fault. The newer call splits no mapping, so that ten thousand stacks stay one. */
static bool guard_install(char *p, size_t size)
{
    return madvise(p, size, MADV_GUARD_INSTALL) == 0 || mprotect(p, size, PROT_NONE) == 0;
}

bool stack_map(struct stack *s, struct account *a, size_t size)
{
    if (!memory_grant(a, size))
        return false;
    size_t guard = memory_whole_pages(STACK_GUARD_SIZE), whole = guard + size;
    char *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p != MAP_FAILED && !guard_install(p, guard)) {
        munmap(p, whole);
        p = MAP_FAILED;
    }
    if (p == MAP_FAILED) {
        memory_return(a, size);
        counter_add(&a->refused, 1);
        return false;
    }
    madvise(p + guard, size, MADV_NOHUGEPAGE);
    *s = (struct stack){.base = p + guard, .size = size};
    s->valgrind = VALGRIND_STACK_REGISTER(s->base, s->base + size);
#ifdef WEIR_ASAN
    __lsan_register_root_region(s->base, size);
#endif
    poison_register(s->base, size, a->name);
    return true;
}

void stack_unmap(struct stack *s, struct account *a)
{
    size_t guard = memory_whole_pages(STACK_GUARD_SIZE);
#ifdef WEIR_ASAN
    __lsan_unregister_root_region(s->base, s->size);
#endif
    VALGRIND_STACK_DEREGISTER(s->valgrind);
    memory_unpoison(s->base, s->size);
    poison_unregister(s->base);
    munmap(s->base - guard, guard + s->size);
    memory_return(a, s->size);
    *s = (struct stack){0};
}

void stack_release(char *base, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (page - ((uintptr_t)base & (page - 1))) & (page - 1);
    size_t whole = len > skip ? (len - skip) & ~(page - 1) : 0;
    if (whole > 0)
        madvise(base + skip, whole, MADV_DONTNEED);
}
