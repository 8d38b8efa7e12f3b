/*
 * Trimming the heap.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIM_LEAST ((uint64_t)4 << 20) /* bytes that OpenSSL has to have had for the heap to be trimmed */
#define TRIM_PART  4                   /* and the part of them that it has to have given back since */
#define MORE       5                   /* trims that may follow */
#define STACK_SIZE ((size_t)32 * 1024)

/* What glibc keeps for each thread: up to seven blocks of each of 64 sizes. */
#define ASIDE_EACH  7
#define ASIDE_SIZES 64
#define ASIDE_FIRST 24 /* bytes of the smallest that can be asked for */
#define ASIDE_STEP  16

#define END_SIZE ((size_t)120 * 1024) /* what glibc keeps there, and less than it would ask the system for */
#define PAGE     ((uintptr_t)4096)

/* A block of the C library's that is in nobody's use. */
struct tls_block {
    struct tls_block *next;
};

/* Takes what the C library has put aside for this thread, or as many other blocks. */
static struct tls_block *take_aside(void)
{
    struct tls_block *all = NULL;
    for (size_t i = 0; i < ASIDE_EACH * ASIDE_SIZES; i++) {
        struct tls_block *one = malloc(ASIDE_FIRST + i / ASIDE_EACH * ASIDE_STEP);
        if (!one)
            break;
        one->next = all;
        all = one;
    }
    return all;
}

static void *free_main(void *arg)
{
    struct tls_block *one = arg, *next;
    for (; one; one = next) {
        next = one->next;
        free(one);
    }
    return NULL;
}

/* Has a further thread free the blocks, which are only then the heap's again. */
static void *trim_main(void *arg)
{
    struct tls_heap *h = arg;
    struct thread thread;
    if (thread_start(&thread, h->home, STACK_SIZE, 0, free_main, h->put_aside) == 0)
        thread_join(&thread);
    else
        free_main(h->put_aside);
    h->put_aside = NULL;
    malloc_trim(0);
    atomic_store_explicit(&h->over, true, memory_order_release);
    return NULL;
}

/* Gives back the pages of the free end of this thread's part of the heap, which malloc_trim() leaves alone: a block is
 * taken from there, as nearly always, and is emptied. */
static void drop_end(void)
{
    char *block = sysconf(_SC_PAGESIZE) == (long)PAGE ? malloc(END_SIZE) : NULL;
    if (!block)
        return;
    char *first = block + (PAGE - ((uintptr_t)block & (PAGE - 1)));
    (void)madvise(first, END_SIZE - 2 * PAGE, MADV_DONTNEED); /* whole pages alone */
    free(block);
}

static void trim(struct tls_heap *h)
{
    h->put_aside = take_aside();
    atomic_store_explicit(&h->over, false, memory_order_relaxed);
    if (thread_start(&h->thread, h->home, STACK_SIZE, 0, trim_main, h) == 0)
        return;
    free_main(h->put_aside);
    h->put_aside = NULL;
    malloc_trim(0);
    drop_end();
}

/* Much has been given back; or it was, and then half of the rest. Once more a second after that in any case, because
 * the C library puts further blocks aside while those are taken that it had. */
static bool worth_it(const struct tls_heap *h, uint64_t bytes, bool much)
{
    uint64_t gone = h->most - bytes;
    if (much)
        return gone >= h->most / TRIM_PART;
    return h->more == MORE || (h->more > 0 && gone > 0 && gone >= h->most / 2);
}

void tls_heap_init(struct tls_heap *h, struct account *home)
{
    *h = (struct tls_heap){.home = home};
    /* What the C library allocates for a thread is kept for the next one. So that lies here, and not in the middle of
     * what many handshakes have left. */
    if (thread_start(&h->thread, home, STACK_SIZE, 0, free_main, NULL) == 0)
        thread_join(&h->thread);
}

size_t tls_heap_bytes(void)
{
    return 2 * thread_stack_bytes(STACK_SIZE);
}

void tls_heap_done(struct tls_heap *h)
{
    thread_join(&h->thread);
}

void tls_heap_maintain(struct tls_heap *h, uint64_t bytes)
{
    if (h->thread.account) {
        if (!atomic_load_explicit(&h->over, memory_order_acquire))
            return;
        thread_join(&h->thread);
        drop_end();
    }
    bool much = h->most >= TRIM_LEAST;
    if (!worth_it(h, bytes, much))
        return;
    h->more = much ? MORE : h->more - 1;
    h->most = bytes;
    trim(h);
}
