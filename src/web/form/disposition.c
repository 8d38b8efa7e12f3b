/*
 * Reading Content-Disposition.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/form/disposition.h"

#include "http/percent.h"
#include "http/token.h"
#include "web/form/parameter.h"

/* The parameters that count; data NULL: not there. */
struct found {
    struct parameter name, filename, extended;
};

static struct parameter *place_of(struct found *f, struct slice name)
{
    return slice_equal_nocase(name, SLICE("name"))        ? &f->name
           : slice_equal_nocase(name, SLICE("filename"))  ? &f->filename
           : slice_equal_nocase(name, SLICE("filename*")) ? &f->extended
                                                          : NULL;
}

static bool find(struct slice value, struct found *f)
{
    struct slice rest;
    struct parameter p;
    enum parameter_result result;
    if (!slice_equal_nocase(parameter_subject(value, &rest), SLICE("form-data")))
        return false;
    while ((result = parameter_next(&rest, &p)) == PARAMETER_FOUND) {
        if (!p.quoted && !is_token(p.value))
            return false;
        struct parameter *place = place_of(f, p.name);
        if (place && place->value.data)
            return false;
        if (place)
            *place = p;
    }
    return result == PARAMETER_END && f->name.value.data;
}

/* The byte that browsers have escaped at p, or -1. */
static int browser_escape(const char *p, const char *end)
{
    int byte = *p == '%' ? percent_value(p, end) : -1;
    return byte == '"' || byte == '\r' || byte == '\n' ? byte : -1;
}

/* Writes a value as a string to *to, and moves *to behind it. */
static const char *put(const struct parameter *p, char **to)
{
    char *string = *to, *at = string;
    const char *end = p->value.data + p->value.len;
    for (const char *from = p->value.data; from < end; from++) {
        int byte = p->quoted ? browser_escape(from, end) : -1;
        if (byte >= 0) {
            *at++ = (char)byte;
            from += 2;
            continue;
        }
        if (p->quoted && *from == '\\' && end - from > 1 && (from[1] == '"' || from[1] == '\\'))
            from++;
        *at++ = *from;
    }
    *at++ = '\0';
    *to = at;
    return string;
}

/* Writes an extended value (RFC 8187 section 3.2.1), which has to be in UTF-8; NULL: it is malformed. */
static const char *put_extended(const struct parameter *p, char **to)
{
    static const struct slice charset = SLICE("UTF-8'");
    struct slice text = p->value;
    if (p->quoted || text.len < charset.len || !slice_equal_nocase(slice_of(text.data, charset.len), charset))
        return NULL;
    const char *end = text.data + text.len;
    const char *from = memchr(text.data + charset.len, '\'', text.len - charset.len); /* behind the language */
    if (!from)
        return NULL;
    char *string = *to, *at = string;
    for (from++; from < end; from++) {
        int byte = *from == '%' ? percent_value(from, end) : *from;
        if (byte == 0 || (*from == '%' && byte < 0))
            return NULL;
        *at++ = (char)byte;
        from += *from == '%' ? 2 : 0;
    }
    *at++ = '\0';
    *to = at;
    return string;
}

bool disposition_read(struct slice value, char *to, struct disposition *d)
{
    struct found f = {0};
    *d = (struct disposition){0};
    if (!find(value, &f))
        return false;
    d->name = put(&f.name, &to);
    if (f.filename.value.data)
        d->filename = put(&f.filename, &to);
    else if (f.extended.value.data)
        return (d->filename = put_extended(&f.extended, &to)) != NULL;
    return true;
}

/* ---- Names that are safe ---- */

/* The length of the character at p, which is not a control character and in UTF-8 (RFC 3629); 0: there is none such. */
static size_t character(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    unsigned code = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) /* or the NUL */
            return 0;
        code = code << 6 | (p[i] & 0x3fu);
    }
    static const unsigned least[] = {0, 0, 0xa0, 0x800, 0x10000}; /* C1 control characters are left out, too */
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return p[0] >= 0xc0 && p[0] < 0xf8 && code >= least[len] && code <= 0x10ffff && !surrogate ? len : 0;
}

void disposition_safe_name(const char *filename, char to[static SAFE_NAME_MAX + 1])
{
    const char *base = filename;
    for (const char *p = filename; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    size_t len = 0;
    while (*base == '.')
        base++;
    while (*base) {
        size_t size = character((const unsigned char *)base);
        size_t part = size ? size : 1;
        if (len + part > SAFE_NAME_MAX)
            break;
        memcpy(to + len, size ? base : "_", part);
        len += part;
        base += part;
    }
    to[len] = '\0';
}
