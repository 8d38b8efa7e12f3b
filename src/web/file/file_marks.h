/*
 * The marks of a file, by which copies of it are told apart: its entity tag and the date of its last change, as lines
 * of a reply's head. Made once when a file is opened, and kept with it while it stays open.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FILE_FILE_MARKS_H
#define WEIR_WEB_FILE_FILE_MARKS_H

#include "http/date.h"
#include "http/exchange.h"
#include "web/file/etag.h"

#define MARKS_DATE_LEN (sizeof "Last-Modified: \r\n" - 1 + DATE_LEN)
#define MARKS_TAG_MAX  (sizeof "ETag: \r\n" - 1 + ETAG_FILE_MAX)

struct file_marks {
    int64_t modified; /* seconds, as the line tells */
    bool settled;     /* no other change of the file can bear the same marks */
    uint8_t tag_len;  /* of tag_line */
    char date_line[MARKS_DATE_LEN];
    char tag_line[MARKS_TAG_MAX];
};

/* Makes the marks of a file in that state. now: seconds. A file from the future was changed now (RFC 9110 section
 * 8.8.2.1). */
void file_marks_make(struct file_marks *m, const struct stat *status, int64_t now);

/* Puts the tag of the file's content in place of that of its state. */
void file_marks_use_content(struct file_marks *m, const uint8_t digest[ETAG_CONTENT_LEN]);

/* The entity tag alone. */
struct slice file_marks_tag(const struct file_marks *m);

/* Which of a file's marks a reply's head tells. */
enum marks_told {
    MARKS_DATE,           /* the reply is nothing that can be asked for by its tag */
    MARKS_DATE_TAG,       /* or has no bytes */
    MARKS_DATE_TAG_RANGES /* and Accept-Ranges: parts of it can be asked for */
};

/* Adds them to a reply's head, but for those that the handler has set. False: no memory. */
bool file_marks_add(struct exchange *x, const struct file_marks *m, enum marks_told told);

#endif
