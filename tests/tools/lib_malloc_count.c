/*
 * A library to preload (LD_PRELOAD) that counts how often a process asks for memory, so that a test can show that
 * serving does not. SIGUSR2 makes it append one line to the file that the variable WEIR_MALLOC_COUNT_FILE names:
 *
 *     malloc=1 calloc=2 realloc=3 free=4 posix_memalign=5 aligned_alloc=6 mmap=7
 *
 * Counts begin at the start of the process and never fall; a test compares two lines. The work is passed on to glibc's
 * own functions by their internal names, since dlsym() itself allocates. mmap counts calls from outside glibc only. The
 * counters are global because the functions they count are.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

enum counter { MALLOC, CALLOC, REALLOC, FREE, POSIX_MEMALIGN, ALIGNED_ALLOC, MMAP, COUNTERS };

static const char *const names[COUNTERS] = {"malloc",         "calloc",        "realloc", "free",
                                            "posix_memalign", "aligned_alloc", "mmap"};
static atomic_ullong counts[COUNTERS];
static const char *report_path;

static void count(enum counter which)
{
    atomic_fetch_add_explicit(&counts[which], 1, memory_order_relaxed);
}

EXPORT void *malloc(size_t size)
{
    count(MALLOC);
    return __libc_malloc(size);
}

EXPORT void *calloc(size_t number, size_t size)
{
    count(CALLOC);
    return __libc_calloc(number, size);
}

EXPORT void *realloc(void *old, size_t size)
{
    count(REALLOC);
    return __libc_realloc(old, size);
}

EXPORT void *reallocarray(void *old, size_t number, size_t size)
{
    size_t whole;
    count(REALLOC);
    if (__builtin_mul_overflow(number, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, whole);
}

EXPORT void free(void *block)
{
    if (block != NULL)
        count(FREE);
    __libc_free(block);
}

EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    count(POSIX_MEMALIGN);
    if (align < sizeof(void *) || (align & (align - 1)) != 0)
        return EINVAL;
    void *got = __libc_memalign(align, size);
    if (got == NULL)
        return ENOMEM;
    *block = got;
    return 0;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    count(ALIGNED_ALLOC);
    return __libc_memalign(align, size);
}

EXPORT void *memalign(size_t align, size_t size); /* glibc declares it in a header of its own */
EXPORT void *memalign(size_t align, size_t size)
{
    count(ALIGNED_ALLOC);
    return __libc_memalign(align, size);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    count(MMAP);
    long result = syscall(SYS_mmap, address, size, protection, flags, fd, offset);
    return (void *)(uintptr_t)result; /* -1 is MAP_FAILED, and errno is set */
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

/* Writes " NAME=COUNT" at p, by hand: nothing that formats may be called in a signal handler. Returns the end. */
static char *put(char *p, const char *name, unsigned long long value)
{
    char digits[24];
    size_t len = strlen(name), used = 0;
    memcpy(p, name, len);
    p += len;
    *p++ = '=';
    do {
        digits[used++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (used > 0)
        *p++ = digits[--used];
    return p;
}

static void report(int number)
{
    char line[512];
    char *p = line;
    int before = errno;
    (void)number;
    for (int i = 0; i < COUNTERS; i++) {
        p = put(p, names[i], atomic_load_explicit(&counts[i], memory_order_relaxed));
        *p++ = i + 1 < COUNTERS ? ' ' : '\n';
    }
    int fd = open(report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0) {
        while (write(fd, line, (size_t)(p - line)) < 0 && errno == EINTR)
            continue;
        close(fd);
    }
    errno = before;
}

__attribute__((constructor)) static void install(void)
{
    report_path = getenv("WEIR_MALLOC_COUNT_FILE");
    if (report_path == NULL)
        return;
    struct sigaction action = {.sa_handler = report, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR2, &action, NULL);
}
