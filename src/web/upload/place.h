/*
 * The place of a file that is being written: a folder beneath a root, and the name that the file gets when it is
 * whole. Until then the file has no name at all (O_TMPFILE), so that nothing is left of it when the process dies; where
 * the file system knows no such files, or has to replace one, it has a temporary name in the same folder: that of the
 * file with a dot before it and eight random characters behind it.
 *
 * All calls may wait for a disk. They know no request: a worker has them made on another thread.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_PLACE_H
#define WEIR_WEB_UPLOAD_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#define PLACE_MARK 8 /* random characters of a temporary name */

struct place {
    const char *root, *path; /* of the file; read by place_open() and, with make_folders, until the end */
    const char *name;        /* the last part of the path, which is to live as long as the place */
    mode_t mode;             /* of the file, less the umask */
    bool make_folders;       /* folders of the path that are missing are made, and go with a file that is not there */
    bool exclusive;          /* a file that is there is not replaced */
    bool sync;               /* file and name are on the disk when the file has its name */
    bool nameless_off;       /* the file is not to be without a name */
    bool named;              /* the file has its temporary name */
    bool replaced;           /* out: another file had the name */
    char mark[PLACE_MARK + 1];
    int made;       /* folders that were made, the last ones of the path */
    int folder, fd; /* descriptors, or -1 */
    /* Called by place_publish() just before the file gets its name: 0, or an error, with which it gets none. *held: a
     * descriptor that is to stay open meanwhile, or -1. NULL: nothing is asked. */
    int (*check)(void *arg, int *held);
    void *check_arg;
};

/* The last part of a path, if a file can have that name; NULL: it is empty, "." or "..", or too long. */
const char *place_name(const char *path);

/* Opens the folder and makes the file; place_close() ends that. 0, or an error, after which nothing is open. */
int place_open(struct place *p);

/* Gives the file its name and closes it. 0, or an error, after which there is no file; WEIR_EIO with `sync`: its name
 * may be there all the same. */
int place_publish(struct place *p);

/* Gives a file that has a name in another folder of the same file system, that of a descriptor, its name here, without
 * copying it. Opens and closes the folder by itself; `mode` does not count. 0, or an error, after which the file has
 * the name that it had; WEIR_EIO with `sync`: or its new one. */
int place_move(struct place *p, int from, const char *name);

/* Closes what is open, and removes the temporary name. */
void place_close(struct place *p);

#endif
