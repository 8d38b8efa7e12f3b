/*
 * Fields as strings in the request's memory: one of them, or all of a small form.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/context.h"
#include "web/form/form.h"

/* ---- One field ---- */

/* Appends the rest of the present part to `to`. Returns 0 or an error. */
static int collect(weir_ctx *c, struct form *f, size_t limit, char *to, size_t room, size_t *len)
{
    const void *piece;
    ssize_t n;
    while ((n = weir_part_read_slice(c, &piece)) > 0) {
        if ((size_t)n > limit - *len)
            return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_PART, NULL);
        if ((size_t)n >= room - *len)
            return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_SIZE,
                               "a form beyond what the request's memory has left");
        if (memchr(piece, '\0', (size_t)n))
            return form_refuse(c, f, WEIR_EPROTO, REFUSAL_FORM, "a field with a NUL");
        memcpy(to + *len, piece, (size_t)n);
        *len += (size_t)n;
    }
    return (int)n;
}

int form_read_text(weir_ctx *c, struct form *f, size_t limit, const char **text)
{
    struct arena *a = context_arena(c);
    size_t len = 0, room = arena_room(a);
    if (c->x->body_length >= 0 && (uint64_t)c->x->body_length < room)
        room = (size_t)c->x->body_length + 1;
    char *to = room > 0 ? arena_alloc(a, room) : NULL;
    if (!to)
        return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_SIZE, "a form beyond what the request's memory has left");
    int error = collect(c, f, limit, to, room, &len);
    arena_shrink(a, to, room, error ? 0 : len + 1);
    if (error)
        return error;
    to[len] = '\0';
    *text = to;
    return 0;
}

int weir_part_text(weir_ctx *c, size_t limit, const char **text)
{
    CONTEXT_CHECK(c);
    int error;
    if (!text)
        return WEIR_EINVAL;
    struct form *f = form_of(c, &error);
    return f ? form_read_text(c, f, limit ? limit : SIZE_MAX, text) : error;
}

/* ---- All of them ---- */

static int keep_field(weir_ctx *c, struct form *f, const weir_part *part)
{
    struct arena *a = context_arena(c);
    struct form_field *field = arena_alloc(a, sizeof *field);
    char *name = field ? arena_copy(a, slice_from(part->name)) : NULL;
    if (!name)
        return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_SIZE, "a form beyond what the request's memory has left");
    *field = (struct form_field){.name = name};
    int error = form_read_text(c, f, SIZE_MAX, &field->value);
    if (error)
        return error;
    if (f->last)
        f->last->next = field;
    else
        f->first = field;
    f->last = field;
    return 0;
}

static int keep_all(weir_ctx *c, struct form *f)
{
    const weir_part *part;
    int more;
    while ((more = weir_part_next(c, &part)) > 0) {
        int error = part->filename ? 0 : keep_field(c, f, part);
        if (error)
            return error;
    }
    return more;
}

/* The fields will not be known. */
static int keep_nothing(struct form *f, int error)
{
    f->whole = FORM_KEPT_IN_VAIN;
    f->state = FORM_FAILED;
    f->error = error;
    f->first = NULL;
    return error;
}

int weir_form_read(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    int error;
    struct form *f = form_of(c, &error);
    if (!f)
        return (f = form_find(c)) && f->state == FORM_FAILED ? keep_nothing(f, error) : error;
    if (f->whole == FORM_KEPT)
        return 0;
    if (f->parts > 0)
        return WEIR_EBUSY;
    if (f->state != FORM_OVER)
        error = keep_all(c, f);
    if (error)
        return keep_nothing(f, error);
    f->whole = FORM_KEPT;
    return 0;
}

/* Ends the handler, whose form could not be read. */
static COLD void fail(weir_ctx *c, int error)
{
    const struct refusal_info *info = &refusal_infos[c->x->refusal];
    if (c->x->refusal != REFUSAL_NONE && info->status)
        weir_fail(c, info->status, "%s", info->text);
    weir_fail(c, error == WEIR_ECANCELED || error == WEIR_ENOMEM ? 503 : 400, "%s", weir_strerror(error));
}

/* The fields that have been kept. */
static const struct form_field *fields(weir_ctx *c)
{
    const struct form *f = form_find(c);
    if (!f || f->whole == FORM_NOT_KEPT) {
        int error = weir_form_read(c);
        if (error && error != WEIR_EBUSY)
            fail(c, error);
        f = form_find(c);
    }
    return f ? f->first : NULL;
}

const char *weir_form_nth(weir_ctx *c, const char *name, size_t i)
{
    CONTEXT_CHECK(c);
    for (const struct form_field *field = name ? fields(c) : NULL; field; field = field->next) {
        if (strcmp(field->name, name) != 0)
            continue;
        if (i == 0)
            return field->value;
        i--;
    }
    return NULL;
}

const char *weir_form(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    return weir_form_nth(c, name, 0);
}

bool weir_form_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    const struct form_field *field = fields(c);
    for (; field && i > 0; i--)
        field = field->next;
    if (!field)
        return false;
    if (name)
        *name = field->name;
    if (value)
        *value = field->value;
    return true;
}
