/*
 * Reading a form part by part, as weir.h tells.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/form/form.h"

#include "web/context.h"
#include "web/form/disposition.h"
#include "web/form/parameter.h"

#define PARTS_DEFAULT  1000
#define HEADER_DEFAULT 2048
#define HEADER_MIN     64
#define HEADER_MAX     65536

static const weir_attribute_key form_key = {"form", sizeof(struct form)};

int form_refuse(weir_ctx *c, struct form *f, int error, enum refusal cause, const char *why)
{
    f->error = error;
    f->state = FORM_FAILED;
    exchange_refuse(c->x, cause, why);
    return error;
}

/* ---- Beginning ---- */

static enum form_kind kind_of(weir_ctx *c, struct slice *parameters)
{
    const char *type = weir_header(c, "Content-Type");
    struct slice subject = parameter_subject(slice_from(type ? type : ""), parameters);
    if (slice_equal_nocase(subject, SLICE("multipart/form-data")))
        return FORM_MULTIPART;
    return slice_equal_nocase(subject, SLICE("application/x-www-form-urlencoded")) ? FORM_URLENCODED : FORM_EMPTY;
}

bool weir_is_form(weir_ctx *c)
{
    CONTEXT_CHECK(c);
    struct slice parameters;
    return kind_of(c, &parameters) != FORM_EMPTY;
}

/* A limit as given: 0 and WEIR_OFF are none. False: it is wrong. */
static bool take_limit(int64_t given, int64_t *limit)
{
    *limit = given > 0 ? given : INT64_MAX;
    return given >= WEIR_OFF;
}

/* Takes the options. Returns 0 or WEIR_EINVAL. */
static int take_options(struct form *f, const weir_form_options *o, size_t *header)
{
    *header = o->max_header ? o->max_header : HEADER_DEFAULT;
    f->max_parts = o->max_parts == 0 ? PARTS_DEFAULT : o->max_parts > 0 ? o->max_parts : INT32_MAX;
    if (o->max_parts < WEIR_OFF || *header < HEADER_MIN || *header > HEADER_MAX)
        return WEIR_EINVAL;
    return take_limit(o->max_part, &f->max_part) && take_limit(o->max_size, &f->max_size) ? 0 : WEIR_EINVAL;
}

/* Makes the parser, with memory for headers of up to `header` bytes, or for what the whole body can hold of them. */
static int begin_parser(weir_ctx *c, struct form *f, size_t header, struct slice parameters)
{
    int64_t length = c->x->body_length;
    struct slice boundary = {0};
    if (f->kind == FORM_MULTIPART && !parameter_boundary(parameters, &boundary))
        return form_refuse(c, f, WEIR_EPROTO, REFUSAL_FORM, "a form without a proper boundary");
    if (length >= 0 && (uint64_t)length < header)
        header = (size_t)length;
    /* Behind the fields of a header: its names, decoded, and the safe one. */
    size_t names = f->kind == FORM_MULTIPART ? header + 2 + SAFE_NAME_MAX + 1 : 1;
    char *memory = arena_alloc(context_arena(c), header + names);
    if (!memory)
        return form_refuse(c, f, WEIR_ENOMEM, REFUSAL_MEMORY, "no room in the request's memory for a form");
    if (f->kind == FORM_MULTIPART)
        multipart_begin(&f->parser.multipart, boundary, memory, (uint32_t)header);
    else
        urlencoded_begin(&f->parser.urlencoded, memory, (uint32_t)header + 1);
    f->state = FORM_BETWEEN;
    return 0;
}

/* Whether the body's bytes are coded in a way that a form's parser does not undo. */
static bool is_coded(weir_ctx *c)
{
    const char *coding = weir_header(c, "Content-Encoding");
    return coding && !slice_equal_nocase(slice_from(coding), SLICE("identity"));
}

static int begin(weir_ctx *c, struct form *f, const weir_form_options *options)
{
    size_t header;
    struct slice parameters;
    int64_t length = c->x->body_length;
    int error = take_options(f, options, &header);
    if (error)
        return error;
    f->kind = (uint8_t)kind_of(c, &parameters);
    if (f->kind == FORM_EMPTY && length == 0 && !weir_header(c, "Content-Type")) {
        f->state = FORM_OVER;
        return 0;
    }
    if (weir_header_count(c, "Content-Type") > 1)
        return form_refuse(c, f, WEIR_EPROTO, REFUSAL_FORM, "a form with two types");
    if (f->kind == FORM_EMPTY || is_coded(c))
        return form_refuse(c, f, WEIR_ETYPE, REFUSAL_FORM_TYPE, NULL);
    if (length > f->max_size)
        return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_SIZE, NULL);
    return begin_parser(c, f, header, parameters);
}

static int begin_once(weir_ctx *c, const weir_form_options *options, struct form **form)
{
    struct form *f = weir_attribute(c, &form_key);
    if (!f) {
        exchange_refuse(c->x, REFUSAL_MEMORY, "no room in the request's memory for a form");
        return WEIR_ENOMEM;
    }
    *form = f;
    if (f->state == FORM_UNUSED)
        return begin(c, f, options);
    return f->state == FORM_FAILED ? f->error : WEIR_EBUSY;
}

int weir_form_begin_sized(weir_ctx *c, const weir_form_options *options, size_t size)
{
    CONTEXT_CHECK(c);
    weir_form_options given = {0};
    struct form *f;
    if (options)
        memcpy(&given, options, size < sizeof given ? size : sizeof given);
    return begin_once(c, &given, &f);
}

struct form *form_find(weir_ctx *c)
{
    return weir_attribute_find(c, &form_key);
}

struct form *form_of(weir_ctx *c, int *error)
{
    struct form *f = NULL;
    *error = begin_once(c, &(weir_form_options){0}, &f);
    if (*error == WEIR_EBUSY)
        *error = 0;
    return *error ? NULL : f;
}

/* ---- Reading ---- */

/* The next piece of the body, which weir_body() may have read before. */
static ssize_t read_piece(weir_ctx *c, const struct form *f, const void **data)
{
    if (!c->body)
        return weir_read_slice(c, data);
    *data = c->body;
    return f->size == 0 ? (ssize_t)c->body_len : 0;
}

/* Gives the parser more of the body. Returns 0 or an error. May suspend. */
static int feed(weir_ctx *c, struct form *f)
{
    const void *data;
    ssize_t len = read_piece(c, f, &data);
    if (len < 0)
        return (int)len;
    f->body_over = len == 0;
    f->input = slice_of(len > 0 ? data : NULL, (size_t)len);
    f->size += len;
    return f->size > f->max_size ? form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_SIZE, NULL) : 0;
}

/* The next event but for FORM_MORE and what is an error. Returns 0 or an error. May suspend. */
static int next_event(weir_ctx *c, struct form *f, enum form_event *event, struct slice *data)
{
    for (;;) {
        *event = f->kind == FORM_MULTIPART ? multipart_next(&f->parser.multipart, &f->input, f->body_over, data)
                                           : urlencoded_next(&f->parser.urlencoded, &f->input, f->body_over, data);
        if (*event == FORM_MALFORMED)
            return form_refuse(c, f, WEIR_EPROTO, REFUSAL_FORM, f->body_over ? "a form that breaks off" : NULL);
        if (*event == FORM_LONG_HEADER)
            return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_HEADER, NULL);
        if (*event == FORM_DATA) {
            f->part_size += (int64_t)data->len;
            if (f->part_size > f->max_part)
                return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_PART, NULL);
        }
        if (*event != FORM_MORE)
            return 0;
        int error = feed(c, f);
        if (error)
            return error;
    }
}

/* The i-th field of the part's header. */
static bool field_at(const struct form *f, size_t i, const char **name, const char **value)
{
    const struct multipart *m = &f->parser.multipart;
    if (f->kind != FORM_MULTIPART || i >= m->field_count)
        return false;
    const char *at = m->header;
    for (size_t strings = 2 * i; strings > 0; strings--)
        at += strlen(at) + 1;
    *name = at;
    *value = at + strlen(at) + 1;
    return true;
}

/* Finds the field of a name that there may be once. False: there are two. */
static bool field_once(const struct form *f, struct slice wanted, const char **found)
{
    const char *name, *value;
    *found = NULL;
    for (size_t i = 0; field_at(f, i, &name, &value); i++) {
        if (!slice_equal_nocase(slice_from(name), wanted))
            continue;
        if (*found)
            return false;
        *found = value;
    }
    return true;
}

/* Makes the part that a header tells of. False: the header is none of a form's part. */
static bool make_part(struct form *f)
{
    const struct multipart *m = &f->parser.multipart;
    const char *disposition;
    struct disposition d;
    char *names = m->header + m->fields_len;
    if (!field_once(f, SLICE("Content-Disposition"), &disposition) || !disposition ||
        !field_once(f, SLICE("Content-Type"), &f->part.type))
        return false;
    struct slice value = slice_from(disposition);
    if (!disposition_read(value, names, &d))
        return false;
    char *safe = names + value.len + 2;
    disposition_safe_name(d.filename ? d.filename : "", safe);
    f->part.name = d.name;
    f->part.filename = d.filename;
    f->part.safe_name = safe;
    return true;
}

static int begin_part(weir_ctx *c, struct form *f)
{
    if (f->parts == f->max_parts)
        return form_refuse(c, f, WEIR_ETOOBIG, REFUSAL_FORM_PARTS, NULL);
    f->parts++;
    f->part_size = 0;
    f->state = FORM_IN_PART;
    if (f->kind == FORM_URLENCODED)
        f->part = (weir_part){.name = f->parser.urlencoded.name, .safe_name = ""};
    else if (!make_part(f))
        return form_refuse(c, f, WEIR_EPROTO, REFUSAL_FORM, "a part whose header is malformed");
    return 0;
}

int weir_part_next(weir_ctx *c, const weir_part **part)
{
    CONTEXT_CHECK(c);
    int error;
    enum form_event event = FORM_MORE;
    struct slice data;
    if (!part)
        return WEIR_EINVAL;
    *part = NULL;
    struct form *f = form_of(c, &error);
    if (!f)
        return exchange_dead_end(c->x, error);
    if (f->state == FORM_OVER)
        return exchange_dead_end(c->x, 0);
    f->rest.len = 0;
    do { /* what is left of the part before is dropped */
        error = next_event(c, f, &event, &data);
    } while (!error && event != FORM_PART && event != FORM_END);
    if (!error && event == FORM_PART)
        error = begin_part(c, f);
    if (error)
        return error;
    if (event == FORM_END) {
        f->state = FORM_OVER;
        return 0;
    }
    *part = &f->part;
    return 1;
}

/* Sees to it that there is content in the form's rest. Returns its length with the form in *form; 0 at the part's end;
 * or an error. May suspend. */
static ssize_t want_content(weir_ctx *c, struct form **form)
{
    int error;
    enum form_event event;
    struct form *f = form_of(c, &error);
    *form = f;
    if (!f || f->state != FORM_IN_PART)
        return exchange_dead_end(c->x, f && f->parts == 0 ? WEIR_EINVAL : error);
    if (f->rest.len == 0) {
        error = next_event(c, f, &event, &f->rest);
        if (error)
            return error;
        if (event == FORM_PART_END)
            f->state = FORM_BETWEEN;
    }
    return (ssize_t)f->rest.len;
}

ssize_t weir_part_read_slice(weir_ctx *c, const void **data)
{
    CONTEXT_CHECK(c);
    struct form *f;
    if (!data)
        return WEIR_EINVAL;
    ssize_t len = want_content(c, &f);
    if (f && len > 0) {
        *data = f->rest.data;
        f->rest.len = 0;
    }
    return len;
}

ssize_t weir_part_read(weir_ctx *c, void *buf, size_t len)
{
    CONTEXT_CHECK(c);
    struct form *f;
    if (len == 0)
        return 0;
    if (!buf)
        return WEIR_EINVAL;
    ssize_t n = want_content(c, &f);
    if (!f || n <= 0)
        return n;
    size_t taken = (size_t)n < len ? (size_t)n : len;
    memcpy(buf, f->rest.data, taken);
    f->rest.data += taken;
    f->rest.len -= taken;
    return (ssize_t)taken;
}

bool weir_part_header_item(weir_ctx *c, size_t i, const char **name, const char **value)
{
    CONTEXT_CHECK(c);
    const struct form *f = form_find(c);
    const char *is_name, *is_value;
    bool present = f && f->parts > 0 && (f->state == FORM_BETWEEN || f->state == FORM_IN_PART);
    if (!present || !field_at(f, i, &is_name, &is_value))
        return false;
    if (name)
        *name = is_name;
    if (value)
        *value = is_value;
    return true;
}

const char *weir_part_header(weir_ctx *c, const char *name)
{
    CONTEXT_CHECK(c);
    const char *found, *value;
    for (size_t i = 0; name && weir_part_header_item(c, i, &found, &value); i++)
        if (slice_equal_nocase(slice_from(found), slice_from(name)))
            return value;
    return NULL;
}
