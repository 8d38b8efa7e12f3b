/*
 * Opening files that lie beneath a folder, whatever the path says: no "..", no link and no absolute name leads out.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_BENEATH_H
#define WEIR_WEB_FILE_BENEATH_H

#include <stdbool.h>
#include <sys/stat.h>

struct beneath {
    const char *root, *path;
    bool cached_only;   /* fail with WEIR_EBUSY rather than wait for a disk */
    int fd;             /* out: the file, non-blocking, or -1 */
    struct stat status; /* out */
};

/* Opens the regular file b->path for reading. Returns 0; WEIR_ENOENT, also for what is not a regular file; WEIR_EACCES;
 * WEIR_EBUSY; WEIR_ENOMEM; WEIR_EIO. */
int beneath_open(struct beneath *b);

#endif
