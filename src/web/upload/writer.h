/*
 * A file that a request writes, as weir.h tells; and what the library's own ways of saving need beside that. Lies in
 * the request's memory.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_UPLOAD_WRITER_H
#define WEIR_WEB_UPLOAD_WRITER_H

#include "web/upload/place.h"
#include "weir.h"

enum new_file_state {
    NEW_FILE_OPEN,
    NEW_FILE_OVER, /* committed or dropped: nothing is open */
};

struct weir_new_file {
    struct place place;
    weir_ctx *context;
    int64_t offset; /* of the next write */
    int64_t limit;
    int error;     /* the first one that a write has met; 0: none */
    uint8_t state; /* enum new_file_state */
};

/* Whether what is written now is another thread's. */
bool new_file_is_elsewhere(weir_ctx *c);

/* Writes n bytes that lie in the pipe of web->pipes that is on top, which has no others, as weir_file_write(): the pipe
 * is empty afterwards, or gone. elsewhere: on another thread; then what was written of the reply has been pushed. May
 * suspend, and never ends the handler. */
int new_file_splice(weir_ctx *c, weir_new_file *f, size_t n, bool elsewhere);

/* Writes the rest of the request's body where the file's last write has ended, by a pipe where the transport can. What
 * has come is written whatever breaks off: f->offset tells. 0, or an error of the body or of writing. May suspend. */
int new_file_fill(weir_ctx *c, weir_new_file *f);

#endif
