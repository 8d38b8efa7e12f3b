/*
 * Entity tags (RFC 9110 section 8.8.3): those of files, and reading the lists of them that requests hold.
 *
 * A file's tag is a hash of its device, inode, size and the times of its last changes to the nanosecond, so that nobody
 * reads these off it; or of its content, where that is asked for (content.h). Each change of a file's bytes changes the
 * second of the times, which nobody can set. But file systems' clocks have ticks, of a few milliseconds or up to two
 * seconds: of a file that has changed just now, a further change may bear the same time. The tag is weak until that is
 * over, and then is another one, so that a copy from those seconds is never taken for what the file has become.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_ETAG_H
#define WEIR_WEB_FILE_ETAG_H

#include "base/slice.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define ETAG_FILE_MAX    (sizeof "\"0123456789abcdef0123456789abcdef\"" - 1)
#define ETAG_CONTENT_LEN 16 /* bytes of a content's digest that a tag shows, as hexadecimal digits */

/* A version of a file: what changes when its bytes do. Compared byte for byte. */
struct file_version {
    uint64_t device, inode, size;
    int64_t modified, modified_ns, changed, changed_ns;
};

static inline struct file_version file_version_of(const struct stat *status)
{
    return (struct file_version){.device = (uint64_t)status->st_dev,
                                 .inode = (uint64_t)status->st_ino,
                                 .size = (uint64_t)status->st_size,
                                 .modified = status->st_mtim.tv_sec,
                                 .modified_ns = status->st_mtim.tv_nsec,
                                 .changed = status->st_ctim.tv_sec,
                                 .changed_ns = status->st_ctim.tv_nsec};
}

static inline bool file_version_equal(const struct file_version *a, const struct file_version *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Seconds after which a change counts as settled: see above. */
#define ETAG_SETTLED_SECONDS 2

/* Whether the last change of a file is so long ago that no other one can bear the same time. now: seconds. */
static inline bool etag_is_settled(const struct stat *status, int64_t now)
{
    return now - status->st_ctim.tv_sec > ETAG_SETTLED_SECONDS;
}

/* Writes the tag of a file in that state, no NUL. Returns its length. */
size_t etag_of_file(const struct stat *status, bool settled, char to[ETAG_FILE_MAX]);

/* Writes the tag of a content with that digest, no NUL. Returns its length. It is strong. */
size_t etag_of_content(const uint8_t digest[ETAG_CONTENT_LEN], char to[ETAG_FILE_MAX]);

static inline bool etag_is_weak(struct slice tag)
{
    return tag.len > 2 && tag.data[0] == 'W';
}

/* Takes the next tag of a list, W/ and quotation marks included; false at the list's end, and where what follows is
 * none. */
bool etag_next(struct slice *list, struct slice *tag);

/* Whether text is one tag and nothing else. */
bool etag_is_valid(struct slice text);

/* Whether two tags are the same, W/ aside (the weak comparison of section 8.8.3.2). */
bool etag_equal_weakly(struct slice a, struct slice b);

/* Whether two tags are the same, and neither is weak. */
bool etag_equal_strongly(struct slice a, struct slice b);

#endif
