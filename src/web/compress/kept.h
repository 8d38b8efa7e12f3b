/*
 * Compressed forms of small files, kept for further replies. The first reply that compresses a file leaves what has
 * come out of the compressor in a cache that all workers share; replies after that send it from there, whole and with
 * its length, and need no compressor.
 *
 * A form is kept by the version of the file that it was made of (device, inode, size, and the times of its last
 * changes to the nanosecond), its coding and its level. So nothing has to be dropped when a file changes: nobody asks
 * for that version any more, and the cache evicts what nobody asks for. Only versions count that have settled, since no
 * later change can bear their times.
 *
 * One reply at a time leaves the form of a file in a coding. Those that meanwhile begin compress for themselves: to
 * wait for a reply whose client may be slow would take longer.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_KEPT_H
#define WEIR_WEB_COMPRESS_KEPT_H

#include "web/cache/cache.h"
#include "web/compress/negotiate.h"
#include "web/file/etag.h"

#define KEPT_FORM_FILE_MAX ((int64_t)256 * 1024) /* bytes of a file of which forms are kept */

/* What a form is kept by. No padding: compared byte for byte. */
struct kept_form {
    struct file_version version;
    uint32_t coding; /* enum coding */
    uint32_t level;
};

/* A form that is being made, in the memory of a request. */
struct kept_form_maker {
    struct kept_form form;
    struct cache_asker asker;
    struct weir_cache_slot slot;
    struct account *account; /* of the bytes */
    char *bytes;             /* size of them; NULL: nothing is being made */
    size_t size, len;
};

/* The form, with a reference for the caller; NULL: there is none. now_ns: CLOCK_MONOTONIC. */
struct weir_value *kept_form_find(struct weir_cache *cache, const struct kept_form *form, uint64_t now_ns) MUST_CHECK;

/* Begins to make a form of size bytes at most, on a fiber of l. False: another reply makes it, or there is no memory.
 * Else m stays where it is until kept_form_end(). */
bool kept_form_begin(struct kept_form_maker *m, struct weir_cache *cache, const struct kept_form *form,
                     struct account *account, size_t size, struct loop *l);

/* The next bytes that have come out of the compressor. Does nothing where no form is being made, and gives it up where
 * it is longer than it may be. */
void kept_form_add(struct kept_form_maker *m, const char *data, size_t len);

/* The form is complete and is kept, or given up. Does nothing where none is being made. */
void kept_form_end(struct kept_form_maker *m, bool complete);

#endif
