/*
 * Forms: parts, their names and their contents are those that a reader finds who has the whole body, looks for
 * delimiters with memmem() and reads dispositions a character at a time; and however the body is cut, the same is told.
 *
 * The first byte of an input chooses between urlencoded and multipart with one of some boundaries, the second one the
 * limit of headers, the third one how the body is cut. The rest is the body.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "web/form/disposition.h"
#include "web/form/multipart.h"
#include "web/form/urlencoded.h"
#include "web/query.h"

#include <ctype.h>

static const char *const boundaries[] = {"b", "--", "-----------------------------41184676334",
                                         "0123456789'()+_,-./:=? abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"};

/* What is told of a form: for each part its fields and its content, then how it ends. */
struct told {
    char *text;
    size_t len, size;
};

static void put(struct told *t, const char *data, size_t len)
{
    FUZZ_CHECK(len <= t->size - t->len);
    if (len > 0)
        memcpy(t->text + t->len, data, len);
    t->len += len;
}

static void put_string(struct told *t, const char *text)
{
    put(t, text, strlen(text) + 1);
}

static void told_open(struct told *t, size_t size)
{
    *t = (struct told){.size = 4 * size + 4096};
    t->text = malloc(t->size);
    FUZZ_CHECK(t->text);
}

/* ---- The parsers ---- */

struct run {
    struct told told;
    bool urlencoded;
    struct multipart m;
    struct urlencoded u;
    size_t content; /* where the present part's content begins */
};

static void put_part(struct run *r)
{
    if (r->urlencoded) {
        put_string(&r->told, r->u.name);
        return;
    }
    const char *at = r->m.header;
    for (size_t strings = 2u * r->m.field_count; strings > 0; strings--) {
        put_string(&r->told, at);
        at += strlen(at) + 1;
    }
    FUZZ_CHECK((size_t)(at - r->m.header) == r->m.fields_len);
    put_string(&r->told, "]");
}

/* Takes a piece. True: nothing more is to be told. */
static bool take(struct run *r, struct slice input, bool last)
{
    for (;;) {
        struct slice data = {0};
        enum form_event event =
            r->urlencoded ? urlencoded_next(&r->u, &input, last, &data) : multipart_next(&r->m, &input, last, &data);
        switch (event) {
        case FORM_MORE:
            FUZZ_CHECK(input.len == 0 && !last);
            return false;
        case FORM_PART:
            put_part(r);
            r->content = r->told.len;
            break;
        case FORM_DATA:
            FUZZ_CHECK(data.len > 0);
            put(&r->told, data.data, data.len);
            break;
        case FORM_PART_END:
            put_string(&r->told, ";");
            r->content = 0;
            break;
        default: /* how much of a content is told before an error depends on the cuts */
            if (r->content)
                r->told.len = r->content;
            put_string(&r->told, event == FORM_END ? "end" : event == FORM_LONG_HEADER ? "long" : "malformed");
            return true;
        }
    }
}

static void run(struct run *r, bool urlencoded, const char *boundary, uint32_t limit, const uint8_t *body, size_t size,
                uint32_t *seed)
{
    char *header = malloc(limit + 1);
    FUZZ_CHECK(header);
    *r = (struct run){.urlencoded = urlencoded};
    told_open(&r->told, size);
    if (urlencoded)
        urlencoded_begin(&r->u, header, limit + 1);
    else
        multipart_begin(&r->m, slice_from(boundary), header, limit);
    bool over = false;
    for (size_t at = 0; at < size && !over;) {
        size_t len = seed ? fuzz_cut(seed, size - at) : size - at;
        char *piece = fuzz_copy(body + at, len, 0);
        over = take(r, slice_of(piece, len), false);
        free(piece);
        at += len;
    }
    if (!over)
        FUZZ_CHECK(take(r, slice_of(NULL, 0), true));
    free(header);
}

/* ---- Dispositions, a character at a time ---- */

struct value {
    char text[4096];
    size_t len;
    bool there, quoted;
};

static void add(struct value *v, char c)
{
    v->text[v->len++] = c;
    v->text[v->len] = '\0';
}

static bool is_tchar(int c)
{
    return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool reference_set(const char *name, const struct value *v, struct value found[3])
{
    static const char *const names[] = {"name", "filename", "filename*"};
    for (size_t i = 0; !v->quoted && i < v->len; i++)
        if (!is_tchar((unsigned char)v->text[i]))
            return false;
    for (int i = 0; i < 3; i++) {
        if (strcasecmp(name, names[i]) != 0)
            continue;
        if (found[i].there)
            return false;
        found[i] = *v;
        found[i].there = true;
    }
    return v->quoted || v->len > 0;
}

/* Undoes what browsers and others do to names in quotes. */
static void reference_undo(struct value *v)
{
    struct value out = {.there = v->there};
    for (size_t i = 0; i < v->len; i++) {
        const char *p = v->text + i;
        if (strncmp(p, "%22", 3) == 0 || strncasecmp(p, "%0d", 3) == 0 || strncasecmp(p, "%0a", 3) == 0) {
            add(&out, p[1] == '2' ? '"' : p[2] == 'a' || p[2] == 'A' ? '\n' : '\r');
            i += 2;
        } else if (*p == '\\' && (p[1] == '"' || p[1] == '\\')) {
            add(&out, p[1]);
            i++;
        } else {
            add(&out, *p);
        }
    }
    *v = out;
}

/* What RFC 8187 makes of a value. False: nothing. */
static bool reference_extended(struct value *v)
{
    struct value out = {.there = true};
    char *from = v->quoted || strncasecmp(v->text, "utf-8'", 6) != 0 ? NULL : strchr(v->text + 6, '\'');
    if (!from)
        return false;
    for (from++; *from; from++) {
        unsigned byte = (unsigned char)*from;
        if (*from == '%') {
            char digits[3] = {0};
            if (!isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]))
                return false;
            memcpy(digits, from + 1, 2);
            byte = (unsigned)strtoul(digits, NULL, 16);
            if (byte == 0)
                return false;
            from += 2;
        }
        add(&out, (char)byte);
    }
    *v = out;
    return true;
}

/* found[0]: the name, found[1]: the file name. */
static bool reference_disposition(const char *text, struct value found[3])
{
    static struct value v;
    char name[4096];
    size_t name_len = 0;
    enum { TYPE, BEFORE, NAME, VALUE, QUOTED, BEHIND } state = TYPE;
    size_t type_len = 0;
    while (text[type_len] && text[type_len] != ';')
        type_len++;
    const char *p = text + type_len;
    while (type_len > 0 && (text[type_len - 1] == ' ' || text[type_len - 1] == '\t'))
        type_len--;
    if (type_len != 9 || strncasecmp(text, "form-data", 9) != 0)
        return false;
    state = BEHIND;
    for (;; p++) {
        char c = *p;
        bool blank = c == ' ' || c == '\t', ends = c == ';' || c == '\0';
        if (state == BEHIND) {
            if (!blank && !ends)
                return false;
            if (c == ';')
                state = BEFORE;
        } else if (state == BEFORE) {
            name_len = 0;
            v = (struct value){0};
            if (!blank && !ends)
                state = NAME;
        } else if (state == VALUE && c == '"' && v.len == 0) {
            v.quoted = true;
            state = QUOTED;
            continue;
        } else if (state == VALUE && (blank || ends)) {
            if (!reference_set(name, &v, found))
                return false;
            state = c == ';' ? BEFORE : BEHIND;
        } else if (state == VALUE) {
            add(&v, c);
        } else if (state == QUOTED) {
            if (c == '\0')
                return false;
            if (c == '"') {
                if (!reference_set(name, &v, found))
                    return false;
                state = BEHIND;
                continue;
            }
            add(&v, c);
            if (c == '\\' && (p[1] == '"' || p[1] == '\\'))
                add(&v, *++p);
        }
        if (state == NAME) {
            if (c == '=' && name_len > 0) {
                name[name_len] = '\0';
                state = VALUE;
            } else if (is_tchar((unsigned char)c)) {
                name[name_len++] = c;
            } else {
                return false;
            }
        }
        if (c == '\0')
            break;
    }
    if (!found[0].there)
        return false;
    if (found[0].quoted)
        reference_undo(&found[0]);
    if (found[1].there && found[1].quoted)
        reference_undo(&found[1]);
    if (!found[1].there && found[2].there) {
        if (!reference_extended(&found[2]))
            return false;
        found[1] = found[2];
    }
    return true;
}

/* A safe name is one, and a plain one is its own. */
static void check_safe_name(const char *filename)
{
    char safe[SAFE_NAME_MAX + 1];
    disposition_safe_name(filename, safe);
    FUZZ_CHECK(strlen(safe) <= SAFE_NAME_MAX && safe[0] != '.' && !strpbrk(safe, "/\\"));
    for (const unsigned char *p = (const unsigned char *)safe; *p; p++)
        FUZZ_CHECK(*p >= 0x20 && *p != 0x7f && (*p != 0xc2 || p[1] >= 0xa0));
    size_t plain = strspn(filename, "abcdefghijklmnopqrstuvwxyz0123456789-_ ");
    if (filename[plain] == '\0' && plain <= SAFE_NAME_MAX)
        FUZZ_CHECK(strcmp(filename, safe) == 0);
    char again[SAFE_NAME_MAX + 1];
    disposition_safe_name(safe, again);
    FUZZ_CHECK(strcmp(safe, again) == 0);
}

static void check_disposition(const char *value)
{
    static struct value found[3];
    size_t len = strlen(value);
    if (len >= sizeof found[0].text)
        return;
    memset(found, 0, sizeof found);
    char *exact = fuzz_copy((const uint8_t *)value, len, 0), *room = malloc(len + 2);
    struct disposition d;
    FUZZ_CHECK(room);
    bool good = disposition_read(slice_of(exact, len), room, &d);
    FUZZ_CHECK(good == reference_disposition(value, found));
    if (good) {
        FUZZ_CHECK(strcmp(d.name, found[0].text) == 0 && (d.filename != NULL) == found[1].there);
        FUZZ_CHECK(!d.filename || strcmp(d.filename, found[1].text) == 0);
        check_safe_name(d.filename ? d.filename : d.name);
    }
    free(exact);
    free(room);
}

/* ---- The whole body at once ---- */

struct body {
    const char *data;
    size_t size;
    uint32_t limit;
    char delimiter[80]; /* CRLF, "--" and the boundary */
};

static size_t blanks(const struct body *b, size_t at)
{
    while (at < b->size && (b->data[at] == ' ' || b->data[at] == '\t'))
        at++;
    return at;
}

static bool stands(const struct body *b, size_t at, const char *text)
{
    return strlen(text) <= b->size - at && memcmp(b->data + at, text, strlen(text)) == 0;
}

/* Adds a header line of len bytes. False: it is malformed. */
static bool reference_field(struct told *t, const char *line, size_t len)
{
    char name[70000], value[70000];
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return false;
    for (const char *p = line; p < colon; p++)
        if (!is_tchar((unsigned char)*p))
            return false;
    for (const char *p = colon; p < line + len; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    size_t from = (size_t)(colon - line) + 1, to = len;
    while (from < to && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
        to--;
    snprintf(name, sizeof name, "%.*s", (int)(colon - line), line);
    snprintf(value, sizeof value, "%.*s", (int)(to - from), line + from);
    put_string(t, name);
    put_string(t, value);
    if (strcasecmp(name, "Content-Disposition") == 0)
        check_disposition(value);
    return true;
}

/* Adds the fields of the header at *at, and moves *at behind it. Returns what is wrong; NULL: nothing. */
static const char *reference_header(struct told *t, const struct body *b, size_t *at)
{
    size_t begin = *at;
    for (size_t count = 0;; count++) {
        const char *line = b->data + *at, *feed = memchr(line, '\n', b->size - *at);
        size_t end = feed ? (size_t)(feed - b->data) + 1 : b->size;
        if (end - begin > b->limit)
            return "long";
        size_t len = end - *at;
        if (!feed || len < 2 || line[len - 2] != '\r')
            return "malformed";
        *at = end;
        if (len == 2)
            return NULL;
        if (count == MULTIPART_FIELDS_MAX || !reference_field(t, line, len - 2))
            return "malformed";
    }
}

static const char *reference_multipart(struct told *t, const struct body *b)
{
    size_t len = strlen(b->delimiter), at = len - 2;
    if (b->size < at || memcmp(b->data, b->delimiter + 2, at) != 0) {
        const char *found = b->size ? memmem(b->data, b->size, b->delimiter, len) : NULL;
        if (!found)
            return "malformed";
        at = (size_t)(found - b->data) + len;
    }
    for (;;) { /* at is behind a boundary */
        bool closes = stands(b, at, "--");
        at = blanks(b, closes ? at + 2 : at);
        if (closes)
            return at == b->size || stands(b, at, "\r\n") ? "end" : "malformed";
        if (!stands(b, at, "\r\n"))
            return "malformed";
        at += 2;
        size_t before = t->len;
        const char *wrong = reference_header(t, b, &at);
        if (wrong) {
            t->len = before;
            return wrong;
        }
        put_string(t, "]");
        const char *found = memmem(b->data + at - 2, b->size - at + 2, b->delimiter, len);
        if (!found)
            return "malformed";
        size_t end = (size_t)(found - b->data);
        if (end > at)
            put(t, b->data + at, end - at);
        put_string(t, ";");
        at = end + len;
    }
}

static const char *reference_urlencoded(struct told *t, const struct body *b)
{
    struct slice rest = slice_of(b->data, b->size), name, value;
    char *room = malloc(b->size + 1);
    const char *result = "end";
    FUZZ_CHECK(room);
    while (query_next(&rest, &name, &value)) {
        if (name.len > b->limit) {
            result = "long";
            break;
        }
        put(t, room, query_decode(name, room));
        put(t, "", 1);
        put(t, room, query_decode(value, room));
        put_string(t, ";");
    }
    free(room);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole, cut;
    if (size < 3 || size > 65536)
        return 0;
    bool urlencoded = data[0] % 5 == 4;
    struct body b = {.data = (const char *)data + 3, .size = size - 3, .limit = data[1] < 128 ? 64 + data[1] : 65536};
    const char *boundary = boundaries[data[0] % 5 % 4];
    uint32_t seed = data[2];
    if (urlencoded && b.size > 0 && memchr(b.data, 0, b.size))
        return 0; /* would end a name early */
    snprintf(b.delimiter, sizeof b.delimiter, "\r\n--%s", boundary);
    run(&whole, urlencoded, boundary, b.limit, data + 3, b.size, NULL);
    run(&cut, urlencoded, boundary, b.limit, data + 3, b.size, &seed);
    FUZZ_CHECK(whole.told.len == cut.told.len && memcmp(whole.told.text, cut.told.text, cut.told.len) == 0);
    struct told reference;
    told_open(&reference, b.size);
    put_string(&reference, urlencoded ? reference_urlencoded(&reference, &b) : reference_multipart(&reference, &b));
    FUZZ_CHECK(reference.len == cut.told.len && memcmp(reference.text, cut.told.text, cut.told.len) == 0);
    free(whole.told.text);
    free(cut.told.text);
    free(reference.text);
    return 0;
}
