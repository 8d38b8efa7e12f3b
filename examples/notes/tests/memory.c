/*
 * Notes in an array.
 *
 * SPDX-License-Identifier: MIT
 */
#include "memory.h"

#include <stdio.h>

/* What each call begins with: the delay, then the error. */
static int begin(weir_ctx *c, struct memory *m)
{
    int error = m->delay_ms ? weir_sleep(c, m->delay_ms) : 0;
    return error ? error : m->error;
}

static struct note *at(struct memory *m, int64_t id)
{
    return id >= 1 && id <= m->count && m->notes[id - 1].note.id ? &m->notes[id - 1].note : NULL;
}

/* Puts text and link in the place of a note, whose rest is set. */
static void fill(struct memory *m, int64_t id, struct note *note, int64_t version)
{
    struct note *own = &m->notes[id - 1].note;
    snprintf(m->notes[id - 1].text, sizeof m->notes[0].text, "%s", note->text);
    snprintf(m->notes[id - 1].link, sizeof m->notes[0].link, "%s", note->link ? note->link : "");
    *own = (struct note){
        .id = id,
        .version = version,
        .text = m->notes[id - 1].text,
        .link = note->link ? m->notes[id - 1].link : NULL,
        .created = "2026-01-02T03:04:05Z",
    };
    *note = *own;
}

static int add(weir_ctx *c, void *data, struct note *note)
{
    struct memory *m = data;
    int error = begin(c, m);
    if (!error)
        fill(m, ++m->count, note, 1);
    return error;
}

static int find(weir_ctx *c, void *data, int64_t id, struct note *note)
{
    struct memory *m = data;
    int error = begin(c, m);
    if (!error && !at(m, id))
        error = WEIR_ENOENT;
    if (!error)
        *note = *at(m, id);
    return error;
}

static int list(weir_ctx *c, void *data, int64_t after, int size, struct note *notes, int *count)
{
    struct memory *m = data;
    int error = begin(c, m);
    *count = 0;
    for (int64_t id = after + 1; !error && id <= m->count && *count < size; id++)
        if (at(m, id))
            notes[(*count)++] = *at(m, id);
    return error;
}

static int change(weir_ctx *c, void *data, int64_t version, struct note *note)
{
    struct memory *m = data;
    int error = begin(c, m);
    struct note *old = at(m, note->id);
    if (!error && !old)
        error = WEIR_ENOENT;
    if (!error && version && old->version != version)
        error = WEIR_ECONDITION;
    if (!error)
        fill(m, note->id, note, old->version + 1);
    return error;
}

static int remove_note(weir_ctx *c, void *data, int64_t id)
{
    struct memory *m = data;
    int error = begin(c, m);
    if (!error && !at(m, id))
        error = WEIR_ENOENT;
    if (!error)
        at(m, id)->id = 0;
    return error;
}

static int set_title(weir_ctx *c, void *data, int64_t id, const char *link, const char *title)
{
    struct memory *m = data;
    int error = begin(c, m);
    struct note *note = at(m, id);
    (void)link;
    if (error || !note)
        return error;
    snprintf(m->notes[id - 1].title, sizeof m->notes[0].title, "%s", title);
    note->title = m->notes[id - 1].title;
    note->version++;
    return 0;
}

static int expire(weir_ctx *c, void *data, int keep_s, int *count)
{
    struct memory *m = data;
    (void)keep_s;
    m->expired++;
    *count = 0;
    return begin(c, m);
}

static int ping(weir_ctx *c, void *data)
{
    return begin(c, data);
}

struct store store_memory(struct memory *memory)
{
    return (struct store){
        .data = memory,
        .add = add,
        .find = find,
        .list = list,
        .change = change,
        .remove = remove_note,
        .set_title = set_title,
        .expire = expire,
        .ping = ping,
    };
}
