/*
 * The C library's heap, from which OpenSSL takes its memory: what many handshakes and connections have had at once goes
 * back to the system when they are over.
 *
 * Once a second a worker compares what OpenSSL may have with the most that it had. Where much has been given back, a
 * thread of a moment's life trims the heap (malloc_trim), so that the worker goes on meanwhile. Before that it is given
 * the small blocks that the C library has put aside for the worker's thread, seven of each size: they lie wherever the
 * last of the handshakes lay, and keep a page each from going back. The C library gives such blocks up when the thread
 * ends that has freed them, and so does the thread of a moment.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_TLS_HEAP_H
#define WEIR_NET_TLS_HEAP_H

#include "base/thread.h"

#include <stdatomic.h>

/* A worker's view of the heap. */
struct tls_heap {
    uint64_t most;               /* bytes that OpenSSL has had, about, since the heap was last trimmed */
    uint32_t more;               /* trims that may follow although not that much was had */
    struct account *home;        /* of the threads: a shared one */
    struct thread thread;        /* trims; see `over` */
    struct tls_block *put_aside; /* the thread's, while it runs */
    atomic_bool over;            /* the thread has done its work */
};

void tls_heap_init(struct tls_heap *h, struct account *home);
/* Waits for the thread, if one runs. */
void tls_heap_done(struct tls_heap *h);

/* OpenSSL may have that many bytes now. */
static inline void tls_heap_note(struct tls_heap *h, uint64_t bytes)
{
    if (bytes > h->most)
        h->most = bytes;
}

/* Bytes of the threads that may run at once for a worker. */
size_t tls_heap_bytes(void);

/* Once a second, on the worker's thread: trims the heap where that is worth it. bytes: that OpenSSL may have now. */
void tls_heap_maintain(struct tls_heap *h, uint64_t bytes);

#endif
