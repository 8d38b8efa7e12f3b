/*
 * An open file that several may be sending: a descriptor and the count of its holders. Belongs to one worker, from
 * whose pool it comes; other threads may use the descriptor while a holder waits for them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_FILE_H
#define WEIR_NET_FILE_H

#include "base/pool.h"

struct file {
    int fd;
    uint32_t references;
    struct pool *home;
};

/* Makes f, an object of the pool home, a file with one reference, the caller's. Takes over fd. */
static inline void file_init(struct file *f, struct pool *home, int fd)
{
    *f = (struct file){.fd = fd, .references = 1, .home = home};
}

/* One more holder. Returns f. */
static inline struct file *file_ref(struct file *f)
{
    f->references++;
    return f;
}

/* Gives a reference up; with the last one the descriptor is closed and f goes back to its pool. */
void file_unref(struct file *f);

#endif
