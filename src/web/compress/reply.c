/*
 * Compressing a reply. What decides is in its head as the handler and response middleware have left it.
 *
 * What has come of a small file before is sent in its place, and what comes of it now is kept for that: see kept.h.
 *
 * A validator is of one representation (RFC 9110 section 8.8.3.3): a strong ETag becomes a weak one, by which
 * If-None-Match compares just as well, and a 304 bears it in the form that the client has named.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/compress/reply.h"

#include "http/field.h"
#include "http/filter.h"
#include "http/status.h"
#include "web/compress/kept.h"
#include "web/context.h"

#define VARY_MAX 1024 /* bytes of a Vary that is added to */

/* ---- Looking at heads ---- */

/* Whether a list has a member of that name, with an argument or without. */
static bool list_has(struct slice list, struct slice name)
{
    struct slice member;
    while (field_list_next(&list, &member))
        if (slice_equal_nocase(member, name))
            return true;
    return false;
}

/* Whether a field keeps its reply from being compressed: it is encoded, a part, or bears a digest of its bytes. */
static bool field_forbids(struct slice name, struct slice value)
{
    switch (name.len) {
    case 6:
        return slice_equal_nocase(name, SLICE("Digest"));
    case 11:
        return slice_equal_nocase(name, SLICE("Content-MD5")) || slice_equal_nocase(name, SLICE("Repr-Digest"));
    case 13:
        return slice_equal_nocase(name, SLICE("Content-Range")) ||
               (slice_equal_nocase(name, SLICE("Cache-Control")) && list_has(value, SLICE("no-transform")));
    case 14:
        return slice_equal_nocase(name, SLICE("Content-Digest"));
    case 16:
        return slice_equal_nocase(name, SLICE("Content-Encoding"));
    default:
        return false;
    }
}

/* Whether a reply's body of length (REPLY_LENGTH_UNKNOWN: any) is to be compressed for who accepts that. */
static bool reply_is_fit(const struct reply *r, const struct compress_settings *s, int64_t length)
{
    struct slice type = r->type;
    if (status_bodyless(r->status) || r->status == 206 || (length >= 0 && (uint64_t)length < s->least) || length == 0)
        return false;
    for (const struct reply_field *f = r->fields; f; f = f->next) {
        struct slice name = reply_field_name(f);
        if (field_forbids(name, reply_field_value(f)))
            return false;
        if (slice_equal_nocase(name, SLICE("Content-Type")))
            type = reply_field_value(f);
    }
    return type.len > 0 && compress_type_matches(s->types, type);
}

/* Whether the reply is a part of what 200 might have sent compressed, or says that the client has that. */
static bool reply_is_of_200(const struct reply *r, const struct compress_settings *s)
{
    if (r->status == 206)
        return reply_has_field(r, SLICE("Content-Range")) && r->type.len > 0 &&
               compress_type_matches(s->types, r->type);
    return r->status == 304 && (reply_has_field(r, SLICE("ETag")) || reply_has_field(r, SLICE("Last-Modified")));
}

/* The length of the body that will come, as filters are told it. */
static int64_t reply_length(const struct exchange *x)
{
    const struct reply *r = &x->reply;
    if (r->body.len > 0)
        return (int64_t)r->body.len;
    if (r->length >= 0)
        return r->length;
    return r->phase == REPLY_SEALING ? REPLY_LENGTH_UNKNOWN : (int64_t)x->body_sent;
}

/* ---- Changing them ---- */

static bool append(char *text, size_t *len, struct slice more)
{
    if (more.len > VARY_MAX - *len)
        return false;
    memcpy(text + *len, more.data, more.len);
    *len += more.len;
    return true;
}

/* Says that the reply depends on Accept-Encoding, in the Vary that is there if it has one. 0 or an error. */
static int reply_vary(weir_ctx *c)
{
    char text[VARY_MAX];
    size_t len = 0;
    for (const struct reply_field *f = c->x->reply.fields; f; f = f->next) {
        struct slice value = reply_field_value(f);
        if (!slice_equal_nocase(reply_field_name(f), SLICE("Vary")) || value.len == 0)
            continue;
        if (list_has(value, SLICE("*")) || list_has(value, SLICE("Accept-Encoding")))
            return 0;
        if (!append(text, &len, value) || !append(text, &len, SLICE(", ")))
            return reply_add_field(c, SLICE("Vary"), SLICE("Accept-Encoding"), false); /* a line more says the same */
    }
    if (!append(text, &len, SLICE("Accept-Encoding")))
        return reply_add_field(c, SLICE("Vary"), SLICE("Accept-Encoding"), false);
    return reply_add_field(c, SLICE("Vary"), slice_of(text, len), true);
}

static struct slice reply_strong_tag(const struct reply *r)
{
    for (const struct reply_field *f = r->fields; f; f = f->next) {
        struct slice value = reply_field_value(f);
        if (slice_equal_nocase(reply_field_name(f), SLICE("ETag")) && value.len > 1 && value.data[0] == '"')
            return value;
    }
    return slice_of(NULL, 0);
}

/* Makes a strong ETag a weak one. 0 or an error. */
static int reply_weaken(weir_ctx *c, struct slice tag)
{
    char *text = arena_alloc(context_arena(c), tag.len + 2);
    if (!text)
        return WEIR_ENOMEM;
    memcpy(text, "W/", 2);
    memcpy(text + 2, tag.data, tag.len);
    return reply_add_field(c, SLICE("ETag"), slice_of(text, tag.len + 2), true);
}

/* Makes the head that of an encoded body. 0 or an error, after which the reply is still whole without that. */
static int reply_encode(weir_ctx *c, enum coding coding)
{
    struct slice tag = reply_strong_tag(&c->x->reply);
    int error = tag.len > 0 ? reply_weaken(c, tag) : 0;
    if (!error && reply_has_field(&c->x->reply, SLICE("Accept-Ranges")))
        error = weir_remove_header(c, "Accept-Ranges");
    return error ? error : reply_add_field(c, SLICE("Content-Encoding"), coding_name(coding), true);
}

/* A client has what it was once sent encoded, and asks whether that is still good: it is told by the tag it knows. */
static void reply_confirm(weir_ctx *c)
{
    struct exchange *x = c->x;
    struct slice tag = reply_strong_tag(&x->reply);
    const struct http_field *field;
    for (size_t i = 0; tag.len > 0 && (field = head_find(&x->head, SLICE("If-None-Match"), i)) != NULL; i++) {
        struct slice value = head_slice(&x->head, field->value, field->value_len);
        const char *found = memmem(value.data, value.len, tag.data, tag.len);
        if (!found || found - value.data < 2 || memcmp(found - 2, "W/", 2) != 0)
            continue;
        (void)reply_weaken(c, tag);
        return;
    }
}

/* ---- The filter ---- */

struct compress_filter {
    struct reply_filter f;
    const struct compress_settings *settings;
    struct accepted accepted;
    struct coding_figures *figures;
    struct compressor *compressor; /* NULL: the reply is not being compressed */
    struct kept_form_maker *keeps; /* what comes out is kept; NULL: it is not */
};

static struct compress_filter *filter_of(struct reply_filter *f)
{
    return container_of(f, struct compress_filter, f);
}

struct library_call {
    struct compressor *compressor;
    enum compress_act act;
    struct compress_io *io;
};

static int library_run(void *arg)
{
    struct library_call *call = arg;
    return call->compressor->codec->run(call->compressor, call->act, call->io);
}

/* Whether a library that takes much stack has the worker's deep one, or enough of the fiber's own. */
static bool stack_is_there(weir_ctx *c, const struct codec *codec)
{
    const char *here = __builtin_frame_address(0);
    return !codec->deep || deep_ready(&context_loop(c)->fibers.deep) ||
           (size_t)(here - context_fiber(c)->stack) >= CODEC_STACK_MOST;
}

/* Lets the library run where it has stack for it. As codec.run. */
static int library_call(weir_ctx *c, struct library_call *call)
{
    const struct codec *codec = call->compressor->codec;
    struct fibers *fibers = &context_loop(c)->fibers;
    if (!codec->deep)
        return library_run(call);
    if (unlikely(!stack_is_there(c, codec)))
        return WEIR_ENOMEM;
    return deep_ready(&fibers->deep) ? fiber_call_deep(fibers, library_run, call) : library_run(call);
}

/* The coding of which there is a context, taking the client's next best where there is none; identity: of none. */
static enum coding take_context(weir_ctx *c, struct compress_filter *t)
{
    const struct compress_settings *s = t->settings;
    struct contexts *contexts = &c->web->contexts;
    enum coding coding;
    while ((coding = accepted_choose(&t->accepted, s->order, s->count)) != CODING_IDENTITY) {
        if (likely(stack_is_there(c, codec_of(coding))) &&
            (t->compressor = contexts_take(contexts, coding, s->levels[coding])) != NULL)
            break;
        t->accepted.weights[coding] = ACCEPT_REFUSED;
    }
    if (unlikely(coding == CODING_IDENTITY))
        counter_add(&contexts->missing, 1);
    t->figures = &contexts->figures[coding];
    return coding;
}

static struct kept_form form_of(const weir_ctx *c, const struct compress_settings *s, enum coding coding)
{
    return (struct kept_form){
        .version = *c->body_version, .coding = (uint32_t)coding, .level = (uint32_t)s->levels[coding]};
}

/* Has what comes out of the filter kept, where the body is a small file. */
static void keep_begin(weir_ctx *c, struct compress_filter *t, enum coding coding, int64_t length)
{
    if (!c->body_is_file || length <= 0)
        return;
    const struct kept_form form = form_of(c, t->settings, coding);
    struct kept_form_maker *maker = arena_alloc(context_arena(c), sizeof *maker);
    if (maker &&
        kept_form_begin(maker, c->web->kept_forms, &form, &c->web->contexts.account, (size_t)length, context_loop(c)))
        t->keeps = maker;
}

static int compress_begin(struct reply_filter *f, struct exchange *x, int64_t length)
{
    struct compress_filter *t = filter_of(f);
    weir_ctx *c = x->context;
    if (!reply_is_fit(&x->reply, t->settings, length) || reply_vary(c) != 0)
        return FILTER_PASSES;
    bool head = reply_is_bodyless(&x->reply); /* of a HEAD request, which takes no context */
    enum coding coding =
        head ? accepted_choose(&t->accepted, t->settings->order, t->settings->count) : take_context(c, t);
    if (coding == CODING_IDENTITY || reply_encode(c, coding) != 0)
        return FILTER_PASSES;
    if (!head) {
        counter_add(&t->figures->replies, 1);
        keep_begin(c, t, coding, length);
    }
    return FILTER_CHANGES_LENGTH;
}

/* Lets the library work until it has done what it is told. */
static int compress_run(struct reply_filter *f, struct exchange *x, enum compress_act act, const char *data, size_t len)
{
    struct compress_filter *t = filter_of(f);
    struct compress_io io = {.in = data, .in_len = len};
    struct library_call call = {t->compressor, act, &io};
    counter_add(&t->figures->bytes_in, len);
    for (;;) {
        size_t room;
        int error, more;
        io.out = filter_reserve(f, x, CODEC_ROOM_MIN, &room, &error);
        if (!io.out)
            return error;
        io.room = room;
        const char *out = io.out;
        more = library_call(x->context, &call);
        counter_add(&t->figures->bytes_out, room - io.room);
        if (t->keeps)
            kept_form_add(t->keeps, out, room - io.room);
        error = filter_commit(f, x, room - io.room);
        if (error || more <= 0)
            return error ? error : more;
    }
}

static int compress_data(struct reply_filter *f, struct exchange *x, const char *data, size_t len)
{
    return compress_run(f, x, COMPRESS_MORE, data, len);
}

static int compress_flush(struct reply_filter *f, struct exchange *x)
{
    return compress_run(f, x, COMPRESS_FLUSH, "", 0);
}

static int compress_finish(struct reply_filter *f, struct exchange *x)
{
    int error = compress_run(f, x, COMPRESS_FINISH, "", 0);
    struct compress_filter *t = filter_of(f);
    if (t->keeps && !error)
        kept_form_end(t->keeps, true);
    return error;
}

static void compress_release(struct reply_filter *f, struct exchange *x)
{
    struct compress_filter *t = filter_of(f);
    (void)x;
    if (t->keeps)
        kept_form_end(t->keeps, false);
    if (t->compressor)
        contexts_give(t->compressor);
    t->compressor = NULL;
}

static const struct reply_filter_ops compress_ops = {.begin = compress_begin,
                                                     .data = compress_data,
                                                     .flush = compress_flush,
                                                     .finish = compress_finish,
                                                     .release = compress_release};

/* ---- What is kept ---- */

/* Puts the form of a small file that is kept in that coding in place of the reply's body. False: there is none, or no
 * memory to say so. */
static bool reply_use_kept(weir_ctx *c, const struct compress_settings *s, enum coding coding)
{
    struct exchange *x = c->x;
    const struct kept_form form = form_of(c, s, coding);
    struct weir_value *value = kept_form_find(c->web->kept_forms, &form, context_loop(c)->now_ns);
    if (!value)
        return false;
    if (reply_vary(c) != 0 || reply_encode(c, coding) != 0) {
        value_unref(value);
        return false;
    }
    x->ops->discard(x);
    x->reply.length = (int64_t)value_size(value);
    if (reply_is_bodyless(&x->reply))
        value_unref(value);
    else
        x->reply.body = (struct segment){.kind = SEGMENT_SHARED,
                                         .len = value_size(value) & SEGMENT_LEN_MASK,
                                         .data = value_data(value),
                                         .shared = &value->shared};
    return true;
}

void compress_reply(weir_ctx *c)
{
    const struct compress_settings *s = container_of(c->chain, const weir_group, chain)->compress;
    struct exchange *x = c->x;
    struct accepted accepted;
    if (reply_is_committed(&x->reply) || x->head.method_len == 0)
        return;
    if (reply_is_of_200(&x->reply, s)) { /* which would have said so (RFC 9110 sections 15.3.7 and 15.4.5) */
        (void)reply_vary(c);
        if (x->reply.status == 304)
            reply_confirm(c);
        return;
    }
    if (!reply_is_fit(&x->reply, s, reply_length(x)))
        return;
    (void)accepted_read_head(&x->head, &accepted);
    enum coding coding = accepted_choose(&accepted, s->order, s->count);
    if (coding == CODING_IDENTITY) {
        (void)reply_vary(c);
        return;
    }
    if (filter_is_there(x)) /* which change what the handler has made */
        c->body_is_file = false;
    if (c->body_is_file && reply_use_kept(c, s, coding))
        return;
    struct compress_filter *t = arena_alloc(context_arena(c), sizeof *t);
    if (t) {
        *t = (struct compress_filter){.f.ops = &compress_ops, .settings = s, .accepted = accepted};
        if (filter_append(x, &t->f) == 0)
            return;
    }
    counter_add(&c->web->contexts.missing, 1);
    (void)reply_vary(c);
}
