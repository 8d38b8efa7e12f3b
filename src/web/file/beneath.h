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
    bool folders;       /* a folder is opened as a regular file is */
    bool no_links;      /* no symbolic link is followed: WEIR_EACCES */
    int fd;             /* out: the file, non-blocking, or -1 */
    struct stat status; /* out */
};

/* Opens the regular file b->path, or folder if b->folders, for reading. Returns 0; WEIR_ENOENT, also for what is
 * neither; WEIR_EACCES; WEIR_EBUSY; WEIR_ENOMEM; WEIR_EIO. */
int beneath_open(struct beneath *b);

/* Opens a folder that is trusted, for beneath_folder(). A descriptor for names alone (O_PATH), or an error as
 * beneath_open(). May wait for a disk. */
int beneath_root(const char *root);

/* Opens the folder `path`, which lies beneath an open one; likewise. */
int beneath_folder(int root, const char *path);

#endif
