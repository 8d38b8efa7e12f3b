/*
 * A file's marks, made and added.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/file_marks.h"
#include "web/context.h"

#define DATE_AT (sizeof "Last-Modified: " - 1)
#define TAG_AT  (sizeof "ETag: " - 1)

/* Completes the tag's line around a tag of len bytes. */
static void end_tag_line(struct file_marks *m, size_t len)
{
    memcpy(m->tag_line + TAG_AT + len, "\r\n", 2);
    m->tag_len = (uint8_t)(TAG_AT + len + 2);
}

void file_marks_make(struct file_marks *m, const struct stat *status, int64_t now)
{
    bool past = status->st_mtim.tv_sec <= now;
    m->modified = !past ? now : status->st_mtim.tv_sec > 0 ? status->st_mtim.tv_sec : 0;
    m->settled = past && etag_is_settled(status, now);
    memcpy(m->date_line, "Last-Modified: ", DATE_AT);
    date_format(m->date_line + DATE_AT, m->modified);
    memcpy(m->date_line + DATE_AT + DATE_LEN, "\r\n", 2);
    memcpy(m->tag_line, "ETag: ", TAG_AT);
    end_tag_line(m, etag_of_file(status, m->settled, m->tag_line + TAG_AT));
}

void file_marks_use_content(struct file_marks *m, const uint8_t digest[ETAG_CONTENT_LEN])
{
    end_tag_line(m, etag_of_content(digest, m->tag_line + TAG_AT));
}

struct slice file_marks_tag(const struct file_marks *m)
{
    return slice_of(m->tag_line + TAG_AT, m->tag_len - TAG_AT - 2);
}

/* The lines in the request's memory: the file may be let go of before the head is made. */
struct lines {
    struct reply_field date, tag, ranges;
    char text[MARKS_DATE_LEN + MARKS_TAG_MAX];
};

static inline void append(struct reply *r, struct reply_field *f)
{
    *r->last = f;
    r->last = &f->next;
}

/* What the handler has set is left as it is. */
static void append_unset(struct reply *r, struct reply_field *f)
{
    if (!reply_has_field(r, slice_of(f->line, f->name_len)))
        append(r, f);
}

bool file_marks_add(struct exchange *x, const struct file_marks *m, enum marks_told told)
{
    static const char accept[] = "Accept-Ranges: bytes\r\n";
    struct reply *r = &x->reply;
    struct lines *l = arena_alloc(&x->arena, sizeof *l);
    if (!l)
        return false;
    memcpy(l->text, m->date_line, MARKS_DATE_LEN);
    memcpy(l->text + MARKS_DATE_LEN, m->tag_line, MARKS_TAG_MAX);
    l->date = (struct reply_field){.name_len = DATE_AT - 2, .line_len = MARKS_DATE_LEN, .line = l->text};
    l->tag = (struct reply_field){.name_len = TAG_AT - 2, .line_len = m->tag_len, .line = l->text + MARKS_DATE_LEN};
    l->ranges = (struct reply_field){.name_len = sizeof "Accept-Ranges" - 1, .line_len = sizeof accept - 1};
    l->ranges.line = accept;
    void (*add)(struct reply *, struct reply_field *) = r->fields ? append_unset : append;
    add(r, &l->date);
    if (told >= MARKS_DATE_TAG)
        add(r, &l->tag);
    if (told == MARKS_DATE_TAG_RANGES)
        add(r, &l->ranges);
    return true;
}
