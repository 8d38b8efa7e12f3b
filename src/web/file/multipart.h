/*
 * Several ranges of a file as one body, multipart/byteranges (RFC 9110 section 14.6): a source for the output queue,
 * whose pieces are the parts' heads, made when their turn comes, and ranges of the file, which are sent as any file is.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_MULTIPART_H
#define WEIR_WEB_FILE_MULTIPART_H

#include "http/http.h"
#include "web/file/range.h"

#define MULTIPART_TYPE_MAX 128 /* bytes of the file's own Content-Type, which each part tells */

#define MULTIPART_OWN_TYPE_LEN (sizeof "multipart/byteranges; boundary=0123456789abcdef" - 1)

struct multipart;

/* Makes a body of ranges, 1 to RANGES_MAX of them, of a file of size bytes and that type. Lies in a block of its size
 * until it has been sent. NULL: no memory, or the type is too long. */
struct multipart *multipart_new(struct http *http, const struct byte_range *ranges, size_t count, int64_t size,
                                struct slice type);

/* For one that is not sent after all. */
void multipart_free(struct multipart *m);

/* Writes the body's own Content-Type. */
void multipart_type(const struct multipart *m, char to[MULTIPART_OWN_TYPE_LEN]);

/* The body, which is its segment's from here on, as a reference to the file is. */
struct segment multipart_send(struct multipart *m, struct file *file);

#endif
