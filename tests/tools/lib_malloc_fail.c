/*
 * A library to preload (LD_PRELOAD) that refuses one request for memory, so that a test can fail each in turn. The
 * variable WEIR_FAIL_AT says which: 1 is the first of the process, 0 or none refuses nothing; WEIR_FAIL_COUNT, how many
 * in a row (1). What counts as a request is malloc and its like, mmap, and pthread_create, which takes a stack. When
 * the process ends, one line is appended to the file that WEIR_FAIL_FILE names:
 *
 *     calls=310 failed=1 live=12 by=0x5555...
 *
 * calls: requests in all; failed: whether one was refused; live: blocks of malloc that the program itself (not the C
 * library) has asked for and has not freed; by: the address that the last refused call would have returned to, less
 * that of the program, for addr2line.
 *
 * The work is passed on to glibc's own functions by their internal names, since dlsym() itself allocates. The counters
 * are global because the functions they count are.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER ((uintptr_t)__builtin_return_address(0))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

#define TABLE_SIZE ((size_t)1 << 16) /* blocks of the program at once: far more than a test has */
#define REMOVED    ((uintptr_t)1)

static atomic_long calls, live;
static uintptr_t program_base, program_end; /* where the program lies */
static atomic_uintptr_t table[TABLE_SIZE];  /* the program's blocks, by open addressing */
static atomic_long fail_at = -1;            /* not known yet */
static atomic_long fail_count = 1;
static atomic_uintptr_t failed_by;

/* Read at the first call: constructors of other libraries may allocate before ours runs. */
static long target(void)
{
    long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at < 0) {
        const char *text = getenv("WEIR_FAIL_AT");
        at = text ? strtol(text, NULL, 10) : 0;
        text = getenv("WEIR_FAIL_COUNT");
        if (text)
            atomic_store(&fail_count, strtol(text, NULL, 10));
        atomic_store(&fail_at, at);
    }
    return at;
}

static bool refused(uintptr_t by)
{
    long first = target(), call = atomic_fetch_add(&calls, 1) + 1;
    if (first == 0 || call < first || call >= first + atomic_load(&fail_count))
        return false;
    atomic_store(&failed_by, by);
    errno = ENOMEM;
    return true;
}

/* Notes a block if the program has asked for it. */
static void *counted(void *block, uintptr_t by)
{
    if (!block || by < program_base || by >= program_end)
        return block;
    atomic_fetch_add(&live, 1);
    for (size_t i = (uintptr_t)block / 16;; i++) {
        uintptr_t before = atomic_load(&table[i % TABLE_SIZE]);
        if (before <= REMOVED && atomic_compare_exchange_strong(&table[i % TABLE_SIZE], &before, (uintptr_t)block))
            return block;
    }
}

static void forget(void *block)
{
    for (size_t i = (uintptr_t)block / 16, n = 0; n < TABLE_SIZE; i++, n++) {
        uintptr_t entry = atomic_load(&table[i % TABLE_SIZE]);
        if (entry == 0)
            return; /* not the program's */
        if (entry == (uintptr_t)block) {
            atomic_store(&table[i % TABLE_SIZE], REMOVED);
            atomic_fetch_sub(&live, 1);
            return;
        }
    }
}

EXPORT void *malloc(size_t size)
{
    return refused(CALLER) ? NULL : counted(__libc_malloc(size), CALLER);
}

EXPORT void *calloc(size_t number, size_t size)
{
    return refused(CALLER) ? NULL : counted(__libc_calloc(number, size), CALLER);
}

EXPORT void *realloc(void *old, size_t size)
{
    if (refused(CALLER))
        return NULL;
    void *block = __libc_realloc(old, size);
    if (old && block)
        forget(old);
    return counted(block, CALLER);
}

EXPORT void *reallocarray(void *old, size_t number, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(number, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, whole);
}

EXPORT void free(void *block)
{
    if (block)
        forget(block);
    __libc_free(block);
}

EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    if (refused(CALLER))
        return ENOMEM;
    void *got = counted(__libc_memalign(align, size), CALLER);
    if (got)
        *block = got;
    return got ? 0 : ENOMEM;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    return refused(CALLER) ? NULL : counted(__libc_memalign(align, size), CALLER);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (refused(CALLER))
        return MAP_FAILED;
    long result = syscall(SYS_mmap, address, size, protection, flags, fd, offset);
    return (void *)(uintptr_t)result; /* -1 is MAP_FAILED, and errno is set */
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg)
{
    typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (refused(CALLER))
        return EAGAIN;
    create_fn *create = (create_fn *)(uintptr_t)dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, start, arg);
}

/* The first object is the program. */
static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    program_base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && program_base + part->p_vaddr + part->p_memsz > program_end)
            program_end = program_base + part->p_vaddr + part->p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void install(void)
{
    dl_iterate_phdr(find_program, NULL);
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("WEIR_FAIL_FILE");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (fd < 0)
        return;
    uintptr_t by = atomic_load(&failed_by);
    char line[160];
    int len = snprintf(line, sizeof line, "calls=%ld failed=%d live=%ld by=%#lx\n", atomic_load(&calls), by != 0,
                       atomic_load(&live), (unsigned long)(by ? by - program_base : 0));
    ssize_t written = write(fd, line, (size_t)len);
    (void)written; /* the test misses the line */
    close(fd);
}
