/*
 * Replying with a file: what weir_send_file() does, and whoever serves files otherwise, such as a mounted folder. The
 * reply is RFC 9110's whole: validators, preconditions and ranges of the file are seen to here, so that a caller
 * chooses the file and says what it is.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_FILE_REPLY_H
#define WEIR_WEB_FILE_FILE_REPLY_H

#include "web/context.h"

/* What the reply says of the file beside what the file says itself. Texts are static, or of the request's memory;
 * empty: none. A field that the handler has set itself is left as it is. */
struct file_reply_options {
    /* Content-Type; empty: application/octet-stream. */
    struct slice type;
    /* Content-Encoding: the file's bytes are an encoded variant (a precompressed sibling). Its entity tag differs from
     * the others' in any case, since it is a file of its own. */
    struct slice encoding;
    /* Of replies that carry or confirm the file, 200, 206 and 304, and of no error's page. */
    struct slice cache_control;
    struct slice vary;
    int content_tags; /* WEIR_ON: the entity tag is of the content, see content.h; WEIR_OFF; 0: as the group says */
};

/* Opens root/path, confined as by beneath_open(); a name that has to be looked up on a disk is looked up on another
 * thread. 0, and b->fd is the caller's; or an error of weir_send_file(). May suspend. */
int file_open(weir_ctx *c, const char *root, const char *path, struct beneath *b);
/* Likewise what *b asks for, of which root, path and how they are followed have been set. */
int file_find(weir_ctx *c, struct beneath *b);

/* Replies with a file that file_open() has opened; b->fd is taken over in any case. how: NULL: nothing is said. 0: a
 * reply has been made, perhaps one without the file (304, 412, 416); or an error, and there is none. May suspend. */
int file_reply(weir_ctx *c, const struct beneath *b, const struct file_reply_options *how);

/* file_open() and file_reply(), or without the first where the worker keeps the file open. May suspend. */
int file_send(weir_ctx *c, const char *root, const char *path, const struct file_reply_options *how);

#endif
