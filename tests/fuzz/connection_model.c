/*
 * The model: requests are read by the reference, one behind the other.
 *
 * SPDX-License-Identifier: MIT
 */
#include "connection_model.h"
#include "connection_site.h"
#include "fuzz.h"
#include "reference.h"
#include "web/route/path.h"

/* A request's body as far as it has been sent. */
struct body {
    bool exists;
    enum reference_body state; /* of a body with a length: MORE or END */
    bool chunked, long_extension, long_trailer;
    uint64_t announced; /* of a body with a length */
    struct slice data;  /* what there is of it, decoded */
    size_t end;         /* of END: where it ends in the input */
    uint32_t hash;      /* of data, and of the trailer's names and values */
};

static void status_add(uint32_t *statuses, uint32_t status)
{
    while (*statuses)
        statuses++;
    *statuses = status;
}

static char *text_take(struct model *m, size_t len)
{
    FUZZ_CHECK(len <= MODEL_TEXT - m->text_len);
    char *text = m->text + m->text_len;
    m->text_len += len;
    return text;
}

/* ---- Heads ---- */

/* The statuses with which a head has to be refused; none if it is right as far as it goes. whole: there will be no more
 * of it. */
static void head_statuses(const struct reference_head *h, struct slice text, uint32_t *statuses)
{
    static const uint32_t known[] = {400, 417, 431, 501, 505};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (h->faults & reference_fault_of((int)known[i]))
            status_add(statuses, known[i]);
    const char *line_end = memmem(text.data + h->start, text.len - h->start, "\r\n", 2);
    size_t line = line_end ? (size_t)(line_end + 2 - text.data) - h->start : text.len - h->start;
    bool full = !h->complete && text.len >= SITE_BUFFER;
    if (line > SITE_MAX_LINE || (full && !line_end)) {
        /* It may have been refused before its method has ended. */
        const char *space = memchr(text.data + h->start, ' ', text.len - h->start);
        if (!space || (size_t)(space - text.data) > SITE_MAX_LINE)
            status_add(statuses, 501);
        if (space)
            status_add(statuses, 414);
    }
    if ((h->end - h->start > line + SITE_MAX_BLOCK || (full && line_end)) && !(h->faults & FAULT_431))
        status_add(statuses, 431);
}

/* ---- Bodies ---- */

static void body_read(struct model *m, struct body *b, const struct reference_head *h, struct slice input, size_t at)
{
    static struct reference_chunked c;
    c.trailer_count = 0;
    struct slice rest = slice_of(input.data + at, input.len - at);
    *b = (struct body){.exists = h->chunked || h->length > 0, .state = BODY_END, .end = at, .chunked = h->chunked};
    if (h->chunked) {
        char *data = text_take(m, rest.len);
        reference_chunked_read(&c, rest, SITE_MAX_EXTENSION, SITE_MAX_TRAILER, data);
        b->state = c.result;
        b->long_extension = c.long_extension;
        b->long_trailer = c.long_trailer;
        b->data = slice_of(data, c.len);
        b->end = at + c.end;
    } else if (h->has_length) {
        bool all = rest.len >= h->length;
        b->state = all ? BODY_END : BODY_MORE;
        b->announced = h->length;
        b->data = slice_of(rest.data, all ? (size_t)h->length : rest.len);
        b->end = at + b->data.len;
    }
    b->hash = site_hash(SITE_HASH, b->data.data, b->data.len);
    for (size_t i = 0; i < c.trailer_count && i < REFERENCE_FIELDS; i++) {
        b->hash = site_hash(b->hash, c.trailer[i].name.data, c.trailer[i].name.len);
        b->hash = site_hash(b->hash, c.trailer[i].value.data, c.trailer[i].value.len);
    }
}

/* ---- Which handler ---- */

enum found { FOUND_KIND, FOUND_NOTHING, FOUND_METHOD, FOUND_OPTIONS, FOUND_BAD_PATH, FOUND_BAD_TARGET };

static enum found find_kind(const struct reference_head *h, enum site_kind *kind, struct slice *query)
{
    static struct fuzz_memory memory;
    if (!memory.account.memory)
        fuzz_memory_open(&memory);
    struct reference_target target;
    struct path path;
    reference_target_read(&target, h);
    if (!target.valid)
        return FOUND_BAD_TARGET;
    *query = target.query;
    if (slice_equal(target.path, SLICE("*")))
        return FOUND_OPTIONS;
    enum found found = FOUND_NOTHING;
    if (path_normalize(target.path, &memory.arena, &path) != 0)
        found = FOUND_BAD_PATH;
    for (size_t i = 0; i < SITE_KINDS && found == FOUND_NOTHING; i++) {
        if (!slice_equal(path.route, slice_from(site_routes[i].path)))
            continue;
        const char *method = site_routes[i].method;
        bool serves = !method || slice_equal(h->method, slice_from(method)) ||
                      (strcmp(method, "GET") == 0 && slice_equal(h->method, SLICE("HEAD")));
        *kind = (enum site_kind)i;
        found = serves ? FOUND_KIND : slice_equal(h->method, SLICE("OPTIONS")) ? FOUND_OPTIONS : FOUND_METHOD;
    }
    fuzz_memory_clear(&memory);
    return found;
}

static bool kind_reads(enum site_kind kind)
{
    return kind == SITE_READS_ALL || kind == SITE_READS_SLICES || kind == SITE_READS_PART || kind == SITE_READS_BODY ||
           kind == SITE_ECHOES;
}

/* Whether the head of the reply may go out before the handler has ended. */
static bool kind_flushes(enum site_kind kind)
{
    return kind == SITE_ECHOES || kind == SITE_WRITES_LINES || kind == SITE_WRITES_BIG || kind == SITE_WRITES_MORE ||
           kind == SITE_LONG_HEAD || kind == SITE_SLEEPS;
}

static bool has_field(const struct reference_head *h, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < h->field_count && i < REFERENCE_FIELDS; i++)
        found |= slice_equal_nocase(h->fields[i].name, slice_from(name));
    return found;
}

/* ---- What each kind does ---- */

/* The page of a request that the server refuses while its handler reads. */
static void refuse_body(struct model_reply *r, const struct body *b)
{
    r->page = true;
    r->end = MODEL_CLOSED_TOLD;
    if (b->data.len > SITE_MAX_BODY) {
        status_add(r->statuses, 413);
        return;
    }
    status_add(r->statuses, 400);
    if (b->long_extension)
        status_add(r->statuses, 413);
    if (b->long_trailer)
        status_add(r->statuses, 431);
}

/* A handler that wants `wanted` bytes of the body, or all of it, and replies then. True: it has them, and the reply is
 * to be made. */
static bool read_outcome(struct model_reply *r, const struct body *b, size_t wanted, enum model_side side)
{
    if (b->data.len >= wanted)
        return true;
    if (b->state == BODY_END && b->data.len <= SITE_MAX_BODY)
        return true;
    if (b->state == BODY_BAD || b->data.len > SITE_MAX_BODY) {
        refuse_body(r, b);
    } else if (side != SIDE_OPEN) {
        r->page = true;
        r->end = MODEL_CLOSED_TOLD;
        status_add(r->statuses, side == SIDE_SILENT ? 408 : 400);
    } else {
        r->form = MODEL_WAITING;
    }
    return false;
}

static void whole(struct model_reply *r, struct slice body)
{
    r->body = body;
    status_add(r->statuses, 200);
}

static void fails(struct model_reply *r, uint32_t status)
{
    r->page = true;
    status_add(r->statuses, status);
}

static void broken(struct model_reply *r, const char *beginning)
{
    r->form = MODEL_BROKEN;
    r->body = slice_from(beginning);
    r->end = MODEL_CLOSED;
    status_add(r->statuses, 200);
}

static void outcome_echo(struct model_reply *r, const struct body *b, enum model_side side)
{
    r->body = b->data;
    status_add(r->statuses, 200);
    bool bad = b->state == BODY_BAD || b->data.len > SITE_MAX_BODY || (b->state == BODY_MORE && side != SIDE_OPEN);
    if (bad && b->data.len == 0) { /* nothing has been sent: there is a page */
        r->statuses[0] = 0;
        if (b->state == BODY_MORE)
            status_add(r->statuses, side == SIDE_SILENT ? 408 : 400);
        else
            refuse_body(r, b);
        r->page = true;
        r->end = MODEL_CLOSED_TOLD;
    } else if (bad) {
        r->form = MODEL_BROKEN;
        r->end = MODEL_CLOSED;
    } else if (b->state == BODY_MORE) {
        r->form = b->data.len > 0 ? MODEL_BEGUN : MODEL_WAITING;
    }
    if (r->to_1_0 && b->data.len > 0)
        r->end = r->form == MODEL_WHOLE ? MODEL_CLOSED_TOLD : MODEL_CLOSED;
}

static struct slice lines(struct model *m)
{
    char *text = text_take(m, (size_t)16 * SITE_LINES);
    size_t len = 0;
    for (int i = 1; i <= SITE_LINES; i++)
        len += (size_t)snprintf(text + len, 16, "line %d\n", i);
    return slice_of(text, len);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The value that the first "v=" of a query has, if a field can hold it. */
static void outcome_field(struct model *m, struct model_reply *r, struct slice query)
{
    whole(r, SLICE(SITE_NONE_TEXT));
    size_t from = 0;
    while (from < query.len && !(query.data[from] == 'v' && (from + 1 == query.len || query.data[from + 1] == '=' ||
                                                             query.data[from + 1] == '&'))) {
        const char *next = memchr(query.data + from, '&', query.len - from);
        from = next ? (size_t)(next + 1 - query.data) : query.len;
    }
    if (from >= query.len)
        return;
    char *text = text_take(m, query.len);
    size_t len = 0;
    bool good = true;
    for (size_t i = from + 2; i < query.len && query.data[i] != '&' && query.data[from + 1] == '='; i++) {
        char c = query.data[i] == '+' ? ' ' : query.data[i];
        if (c == '%' && i + 2 < query.len && hex_digit(query.data[i + 1]) >= 0 && hex_digit(query.data[i + 2]) >= 0 &&
            memcmp(query.data + i, "%00", 3) != 0) {
            c = (char)(hex_digit(query.data[i + 1]) * 16 + hex_digit(query.data[i + 2]));
            i += 2;
        }
        good &= ((unsigned char)c >= ' ' || c == '\t') && c != 0x7f;
        text[len++] = c;
    }
    if (!good)
        return;
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    while (len > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        len--;
    }
    r->field = text;
    r->field_len = len;
}

static void outcome_body(struct model_reply *r, const struct body *b, enum model_side side)
{
    bool long_one = b->chunked ? b->data.len > SITE_BODY : b->announced > SITE_BODY;
    if (long_one) {
        fails(r, 413);
        r->may_continue &= b->chunked;
    } else if (read_outcome(r, b, SIZE_MAX, side)) {
        whole(r, b->data);
    }
}

/* The reply is made before the body is read, and goes out as it is unless the body is refused meanwhile. */
static void outcome_first(struct model_reply *r, const struct body *b, bool reads, enum model_side side)
{
    bool bad = b->state == BODY_BAD || b->data.len > SITE_MAX_BODY;
    bool half = b->state == BODY_MORE && !bad;
    if (reads && bad) {
        refuse_body(r, b);
    } else if (reads && half && side == SIDE_SILENT) {
        fails(r, 408);
        r->end = MODEL_CLOSED_TOLD;
    } else {
        whole(r, SLICE(SITE_FIRST_TEXT));
        if (reads && half && side == SIDE_OPEN)
            r->form = MODEL_WAITING;
        if (reads && half && side == SIDE_HALF_CLOSED)
            r->end = MODEL_CLOSED_TOLD;
    }
}

static void outcome(struct model *m, struct model_reply *r, enum site_kind kind, const struct body *b, bool reads,
                    struct slice query, enum model_side side)
{
    switch (kind) {
    case SITE_READS_NOTHING:
    case SITE_SLEEPS:
    case SITE_LONG_HEAD:
        whole(r, SLICE(SITE_NONE_TEXT));
        break;
    case SITE_READS_ALL:
    case SITE_READS_SLICES:
        if (read_outcome(r, b, SIZE_MAX, side)) {
            char *text = text_take(m, 64);
            whole(r, slice_of(text, site_digest(text, b->data.len, b->hash)));
        }
        break;
    case SITE_READS_PART:
        if (read_outcome(r, b, SITE_PART, side))
            whole(r, slice_of(b->data.data, b->data.len < SITE_PART ? b->data.len : SITE_PART));
        break;
    case SITE_READS_BODY:
        outcome_body(r, b, side);
        break;
    case SITE_ECHOES:
        outcome_echo(r, b, side);
        break;
    case SITE_WRITES_LINES:
        whole(r, lines(m));
        break;
    case SITE_WRITES_BIG:
    case SITE_REPLIES_STATIC:
    case SITE_SENDS_FILE:
        whole(r, slice_of(site_big(), SITE_BIG));
        break;
    case SITE_FAILS_AT_ONCE:
    case SITE_FAILS_AFTER_WRITE:
        fails(r, 503);
        break;
    case SITE_FAILS_AFTER_FLUSH:
        broken(r, SITE_PARTIAL_TEXT);
        break;
    case SITE_WRITES_LESS:
    case SITE_FLUSHES_LESS:
        if (r->to_head)
            whole(r, SLICE(""));
        else
            broken(r, SITE_PARTIAL_TEXT);
        break;
    case SITE_WRITES_MORE:
        whole(r, slice_of(site_big(), SITE_ANNOUNCED));
        break;
    case SITE_SETS_FIELD:
        outcome_field(m, r, query);
        break;
    case SITE_CLOSES:
        whole(r, SLICE(SITE_NONE_TEXT));
        r->end = MODEL_CLOSED_TOLD;
        break;
    case SITE_NO_CONTENT:
        status_add(r->statuses, 204);
        break;
    case SITE_LONGEST_HEAD:
        fails(r, 500);
        r->end = MODEL_CLOSED_TOLD;
        break;
    case SITE_REPLIES_FIRST:
        outcome_first(r, b, reads, side);
        break;
    case SITE_KINDS:
        break;
    }
    if (r->to_1_0 && r->form == MODEL_WHOLE && (kind == SITE_WRITES_LINES || kind == SITE_WRITES_BIG)) {
        if (!r->to_head)
            r->end = MODEL_CLOSED_TOLD; /* the end of the body is that of the connection */
        else if (r->end == MODEL_KEPT)
            r->end = MODEL_EITHER;
    }
}

/* ---- What is left of the body ---- */

enum use { USE_NONE, USE_SOME, USE_ALL };

/* Behind a whole reply: whether the server goes on behind the body, of which the handler has made this use. */
static bool drain(struct model *m, struct model_reply *r, const struct body *b, enum use use, bool waits, bool flushes,
                  enum model_side side)
{
    uint64_t left = b->chunked ? b->data.len : b->announced;
    if (b->exists && use != USE_ALL && r->end != MODEL_CLOSED_TOLD) {
        /* How much a handler has left depends on how it came; so does whether the end of a chunked body was there when
         * the reply was made, and whether a client has waited for 100 Continue, in vain. */
        bool open = b->chunked && b->state == BODY_MORE;
        if ((use == USE_NONE && waits) || left > SITE_DRAIN || b->chunked)
            r->end = MODEL_EITHER;
        if (b->state == BODY_BAD || open || (use == USE_NONE && left > SITE_DRAIN))
            r->end = b->state == BODY_BAD ? MODEL_CLOSED
                     : !flushes           ? MODEL_CLOSED_TOLD
                     : open               ? MODEL_EITHER
                                          : MODEL_CLOSED;
    }
    m->ended = r->end == MODEL_CLOSED_TOLD || r->end == MODEL_CLOSED || (side != SIDE_OPEN && b->state == BODY_MORE);
    return !m->ended && b->state == BODY_END;
}

/* ---- The connection ---- */

/* One request, whose head has no fault. Returns where the next one begins, or 0 if there will be none. */
static size_t request(struct model *m, const struct reference_head *h, struct slice input, size_t at,
                      enum model_side side)
{
    FUZZ_CHECK(m->count < MODEL_REPLIES);
    struct model_reply *r = &m->replies[m->count++];
    *r = (struct model_reply){.to_head = slice_equal(h->method, SLICE("HEAD")), .to_1_0 = h->minor == 0};
    if (!reference_persists(h) || m->count == SITE_MAX_REQUESTS)
        r->end = MODEL_CLOSED_TOLD;
    struct body b;
    body_read(m, &b, h, input, at);
    enum site_kind kind = SITE_KINDS;
    struct slice query = {NULL, 0};
    enum found found = find_kind(h, &kind, &query);
    bool waits = h->expects_continue && h->minor == 1 && b.exists;
    bool reads = found == FOUND_KIND && (kind_reads(kind) || (kind == SITE_REPLIES_FIRST && !has_field(h, "Expect")));
    if (found == FOUND_KIND && !b.chunked && b.announced > SITE_MAX_BODY) {
        fails(r, 413);
        r->end = MODEL_CLOSED_TOLD;
        m->ended = true;
        return 0;
    }
    switch (found) {
    case FOUND_KIND:
        r->handled = true;
        r->may_continue = waits && kind_reads(kind);
        outcome(m, r, kind, &b, reads, query, side);
        break;
    case FOUND_NOTHING:
        fails(r, 404);
        break;
    case FOUND_METHOD:
        fails(r, 405);
        break;
    case FOUND_OPTIONS:
        status_add(r->statuses, 204);
        break;
    case FOUND_BAD_PATH:
        fails(r, 400);
        break;
    case FOUND_BAD_TARGET:
        fails(r, 400);
        r->end = MODEL_CLOSED_TOLD;
        break;
    }
    r->must_continue = r->may_continue && at == input.len && side == SIDE_OPEN;
    if (r->form != MODEL_WHOLE) {
        m->ended = r->form == MODEL_BROKEN;
        return 0;
    }
    enum use use = !reads || (kind == SITE_READS_BODY && !b.chunked && b.announced > SITE_BODY) ? USE_NONE
                   : kind == SITE_READS_PART || r->page                                         ? USE_SOME
                                                                                                : USE_ALL;
    return drain(m, r, &b, use, waits, found == FOUND_KIND && kind_flushes(kind), side) ? b.end : 0;
}

static void refuse_head(struct model *m, const uint32_t *statuses, size_t size)
{
    FUZZ_CHECK(m->count < MODEL_REPLIES);
    struct model_reply *r = &m->replies[m->count++];
    *r = (struct model_reply){.end = MODEL_CLOSED_TOLD, .page = true, .to_head = m->rest_to_head};
    memcpy(r->statuses, statuses, size);
    m->ended = true;
}

void model_run(struct model *m, struct slice input, enum model_side side)
{
    static struct reference_head h;
    m->count = 0;
    m->text_len = 0;
    m->ended = false;
    memset(m->may_refuse, 0, sizeof m->may_refuse);
    m->rest_to_head = false;
    for (size_t at = 0;;) {
        size_t left = input.len - at;
        struct slice text = slice_of(input.data + at, left < SITE_BUFFER ? left : SITE_BUFFER);
        uint32_t statuses[12] = {0};
        if (left == 0)
            break;
        reference_head_read(&h, text, SITE_MAX_HEADERS);
        m->rest_to_head = text.len - h.start >= 5 && memcmp(text.data + h.start, "HEAD ", 5) == 0;
        head_statuses(&h, text, statuses);
        bool known = h.complete || h.illegal || left >= SITE_BUFFER;
        if (!known && side == SIDE_SILENT)
            status_add(statuses, 408);
        if (!known && side != SIDE_SILENT) {
            memcpy(m->may_refuse, statuses, sizeof statuses); /* it may wait for the end of the head */
            break;
        }
        if (statuses[0]) {
            refuse_head(m, statuses, sizeof statuses);
            return;
        }
        at = request(m, &h, input, at + h.end, side);
        if (at == 0)
            break;
    }
    m->ended |= side != SIDE_OPEN && (m->count == 0 || m->replies[m->count - 1].form == MODEL_WHOLE);
}
