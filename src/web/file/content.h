/*
 * Entity tags of files' contents, for groups that ask for them: the first half of the content's SHA-256. Copies of a
 * file have one tag, on whichever machine they are and whenever they were put there.
 *
 * A content is read once for each version of its file (device, inode, size, and the times of its last changes to the
 * nanosecond): its digest is kept in a cache that all workers share. A few KiB are read by the worker if they are in
 * memory, more by an offload thread; other requests for the version wait for the one that reads. Files that are larger
 * than CONTENT_MAX, or have changed so lately that a further change could bear the same time, have the tag of their
 * state as everywhere else: see etag.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_CONTENT_H
#define WEIR_WEB_FILE_CONTENT_H

#include "web/context.h"

#define CONTENT_MAX ((int64_t)64 << 20) /* bytes of a file whose content is read for its tag */

/* Whether the request's group asks for tags of contents; own: WEIR_ON or WEIR_OFF where its mount says so, 0: it says
 * nothing. */
bool content_is_asked(const weir_ctx *c, int own);

/* The marks of a version with the tag of its content, if that is known already. False: nothing is changed. */
bool content_find(weir_ctx *c, const struct file_version *version, struct file_marks *marks);

/* Likewise, and else reads it. fd: of the file, and is the caller's again unless the handler is ended meanwhile. What
 * cannot be known keeps the marks that it has. May suspend. */
void content_read(weir_ctx *c, int fd, const struct file_version *version, struct file_marks *marks);

#endif
