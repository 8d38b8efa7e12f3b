/*
 * The small files that a worker keeps open. Opening a file beneath a folder takes four calls to the kernel and closing
 * it one; whether a file is still what it was when it was opened takes one.
 *
 * A kept file was opened by beneath_open(), and is handed out only while a stat() of its whole path tells the same file
 * in the same state: device, inode, size, and the times of its last changes to the nanosecond. A file that was
 * renamed, replaced, removed, or had its permissions changed is thus seen at once, and so is a folder or a link on the
 * way that leads elsewhere now; or, where a look holds for a while, that much later. stat() follows links out of the
 * folder, but it only compares: what is read is the descriptor that was opened beneath it. Only of a folder that was
 * moved out, with a link left in its place, it says that nothing has changed: so nothing stays open for long, and
 * beneath_open() soon has the word again, however often a file is asked for.
 *
 * The stat() does not wait for a disk. A file that is kept holds the names on its way in the kernel's memory; the name
 * that somebody has just taken away is looked for in a folder that was just written to. Nor does it wait for another
 * machine: only what could be read by a call that does not wait may be given to be kept, which those file systems have
 * whose names this machine alone keeps.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_FILE_CACHE_H
#define WEIR_WEB_FILE_FILE_CACHE_H

#include "base/pool.h"
#include "net/file.h"
#include "web/file/beneath.h"
#include "web/file/file_marks.h"

#define FILE_CACHE_MAX     64  /* files */
#define FILE_CACHE_WAYS    4   /* places that a file may take */
#define FILE_CACHE_PATH    256 /* bytes of root/path and its NUL; files with longer ones are not kept */
#define FILE_CACHE_KEEP_MS 2000
#define FILE_CACHE_SLAB    ((size_t)32 * 1024) /* holds all of them */
#define FILE_HANDLE_SLAB   ((size_t)4 * 1024)

struct kept_file {
    struct file *file; /* with a reference */
    uint32_t opened;   /* tick */
    uint32_t used;     /* tick at which it was asked for last */
    uint32_t looked;   /* tick at which it was found unchanged */
    uint16_t root_len, len;
    struct file_marks marks;
    struct file_version version;
    char path[FILE_CACHE_PATH];
};

struct file_cache {
    struct account account, handle_account;
    struct pool files;
    struct pool handles; /* struct file, of all files that the worker sends or keeps */
    uint32_t sets;       /* of FILE_CACHE_WAYS places each; 0: nothing is kept */
    uint32_t valid_ms;   /* how long a look holds; 0: each request looks */
    uint32_t hashes[FILE_CACHE_MAX];
    struct kept_file *places[FILE_CACHE_MAX]; /* NULL: free */
};

/* Makes an empty cache. most: files, rounded down to whole sets. */
void file_cache_init(struct file_cache *f, struct memory *m, uint32_t most, uint32_t valid_ms);
void file_cache_done(struct file_cache *f);

/* The kept file of a path, if a look, now or less than valid_ms ago, has found it unchanged; or NULL. The file may be
 * let go of as soon as the caller waits: whoever needs it for longer takes a reference to its `file`. now: tick. */
const struct kept_file *file_cache_find(struct file_cache *f, const char *root, const char *path, uint32_t now);

/* Takes over an open file's descriptor, of which bytes have just been read without waiting. marks: those of its state.
 * now: tick. The file, which may be let go of as soon as the caller waits; NULL: the descriptor is still the
 * caller's. */
struct file *file_cache_keep(struct file_cache *f, const struct beneath *b, const struct file_marks *marks,
                             uint32_t now);

/* Lets go of the files that have been open for FILE_CACHE_KEEP_MS, or of all; what is being sent stays open for
 * that. */
void file_cache_close_old(struct file_cache *f, uint32_t now);
void file_cache_clear(struct file_cache *f);

#endif
