/*
 * The entries of a folder: read in pieces on offload threads, and put in order where they fit a bounded memory. A
 * folder with more entries is listed in the order in which the file system has them, one piece after the other.
 *
 * An entry is read where the kernel has put it, and rewritten in place: as ours it never takes more bytes. So one
 * buffer does for both, and how many entries a piece holds follows from its size alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_LISTING_H
#define WEIR_WEB_FOLDER_LISTING_H

#include "web/folder/folder.h"

#define LISTING_MEMORY ((size_t)256 * 1024) /* bytes of the entries that are sorted, in one listing */
#define LISTING_PIECE  ((size_t)16 * 1024)  /* most bytes that are read from the folder at once */
#define LISTING_LEAST  ((size_t)1024)       /* least bytes of a buffer in which there may be an entry more */

enum listing_key { LISTING_NAME, LISTING_SIZE, LISTING_TIME };

struct listing_entry {
    struct slice name;
    bool folder;
    int64_t size;     /* bytes; of a folder 0 */
    int64_t modified; /* seconds since 1970 */
};

struct listing {
    const struct folder_mount *mount;
    const char *path;  /* of the folder beneath the root: empty, or with a slash at its end */
    int fd;            /* the folder */
    char *buf;         /* entries from the beginning; where they are sorted, their offsets up to the end */
    size_t room, used; /* bytes of buf, and of these the entries' */
    uint32_t count;    /* entries in buf */
    bool sorted;       /* all are kept, to be in order; else each piece replaces the one before */
    bool ended;        /* there are no more */
    bool overflowed;   /* there are more than can be sorted */
    bool descending;
    enum listing_key key;
};

/* Reads a piece of the folder; where the entries are sorted, until all are read or buf is full, in several pieces: each
 * is a call. The last one puts them in order. For an offload thread; arg is the listing. 0 or WEIR_EIO. */
int listing_read(void *arg);

/* The i-th entry that has been read. at: 0 at first, where the next one is afterwards. */
struct listing_entry listing_item(const struct listing *l, uint32_t i, size_t *at);

/* Whether a name belongs before another: numbers in them by their value, letters whatever their case. Names that are
 * alike in that are in order of their bytes. */
bool listing_name_before(struct slice a, struct slice b);

/* Replies with a page of the folder fd, which is taken over. May suspend. */
int listing_reply(weir_ctx *c, const struct folder_mount *m, const char *path, int fd);

#endif
