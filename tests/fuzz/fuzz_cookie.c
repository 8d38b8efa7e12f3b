/*
 * Cookies, both ways. Those of a request are what cutting its Cookie fields at every ";" and the first "=" gives. One
 * that is set is read back from the field as a browser reads it (RFC 6265 section 5.2), and has to be what was asked
 * for: nothing in a name, a value or an attribute can add another attribute or another field.
 *
 * Input: a byte of flags, then texts that end with a NUL: a request's fields, or the parts of the cookie to set. What
 * is behind the flags is read as the fields that ask for files as well, see file_fields.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "file_fields.h"
#include "fuzz.h"
#include "web/cookie.h"

#define FIELDS_MAX 8

static bool is_tchar(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* The piece of s up to a byte; *s is what follows it, *found whether it was there. */
static struct slice take(struct slice *s, char byte, bool *found)
{
    size_t len = 0;
    while (len < s->len && s->data[len] != byte)
        len++;
    *found = len < s->len;
    struct slice piece = slice_of(s->data, len);
    *s = slice_of(s->data + len + *found, s->len - len - *found);
    return piece;
}

static bool string_is(const char *string, struct slice text)
{
    return strlen(string) == text.len && memcmp(string, text.data, text.len) == 0;
}

/* ---- Of requests ---- */

/* The cookies of one field, checked against those parsed from *n on; only counted where there are none. */
static void walk_field(struct slice field, const struct cookies *cookies, size_t *n)
{
    bool more = true;
    while (more) {
        bool equals;
        struct slice value = take(&field, ';', &more);
        struct slice name = trim(take(&value, '=', &equals));
        value = trim(value);
        bool good = equals && name.len > 0;
        for (size_t i = 0; i < name.len; i++)
            good = good && is_tchar(name.data[i]);
        if (!good)
            continue;
        if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
            value = slice_of(value.data + 1, value.len - 2);
        if (cookies) {
            FUZZ_CHECK(*n < cookies->count);
            FUZZ_CHECK(string_is(cookies->items[*n].name, name) && string_is(cookies->items[*n].value, value));
        }
        ++*n;
    }
}

static void check_request(const struct slice *fields, size_t count, struct arena *arena)
{
    struct cookies cookies;
    size_t expected = 0, seen = 0;
    int error = cookies_parse(fields, count, arena, &cookies);
    for (size_t i = 0; i < count; i++)
        walk_field(fields[i], NULL, &expected);
    if (error) {
        FUZZ_CHECK(error == WEIR_ETOOBIG && expected > COOKIES_MAX && cookies.count == 0);
        return;
    }
    FUZZ_CHECK(cookies.count == expected);
    for (size_t i = 0; i < count; i++)
        walk_field(fields[i], &cookies, &seen);
    for (size_t i = 0; i < cookies.count && i < 50; i++) {
        size_t first = 0;
        while (strcmp(cookies.items[first].name, cookies.items[i].name) != 0)
            first++;
        FUZZ_CHECK(cookies_find(&cookies, cookies.items[i].name) == cookies.items[first].value);
    }
}

/* ---- Of replies ---- */

static bool word_is(struct slice text, const char *word)
{
    return slice_equal_nocase(text, slice_from(word));
}

/* Takes an attribute's name and value off a field. */
static struct slice attribute(struct slice *field, struct slice *value)
{
    bool found;
    *value = take(field, ';', &found);
    struct slice name = trim(take(value, '=', &found));
    *value = trim(*value);
    return name;
}

static void check_attributes(struct slice field, const weir_set_cookie_options *c)
{
    int path = 0, domain = 0, max_age = 0, expires = 0, secure = 0, http_only = 0, same_site = 0, partitioned = 0;
    static const char *const sites[] = {"", "Lax", "Strict", "None"};
    while (field.len > 0) {
        struct slice value, name = attribute(&field, &value);
        if (word_is(name, "Path")) {
            path++;
            FUZZ_CHECK(c->path && slice_equal(value, trim(slice_from(c->path))));
        } else if (word_is(name, "Domain")) {
            domain++;
            FUZZ_CHECK(c->domain && string_is(c->domain, value));
        } else if (word_is(name, "Max-Age")) {
            max_age++;
            FUZZ_CHECK(strtoll(value.data, NULL, 10) == (c->max_age > 0 ? c->max_age : 0));
        } else if (word_is(name, "Expires")) {
            expires++;
            FUZZ_CHECK(value.len == 29 && memcmp(value.data + 25, " GMT", 4) == 0);
        } else if (word_is(name, "Secure")) {
            secure++;
        } else if (word_is(name, "HttpOnly")) {
            http_only++;
        } else if (word_is(name, "SameSite")) {
            same_site++;
            FUZZ_CHECK(word_is(value, sites[c->same_site]));
        } else {
            partitioned++;
            FUZZ_CHECK(word_is(name, "Partitioned"));
        }
    }
    FUZZ_CHECK(path == (c->path != NULL) && domain == (c->domain != NULL) && max_age == (c->max_age != 0));
    FUZZ_CHECK(expires == (c->expires != 0) && secure == c->secure && http_only == c->http_only);
    FUZZ_CHECK(same_site == (c->same_site != WEIR_SAME_SITE_NONE_SET) && partitioned == c->partitioned);
}

static void check_set(const weir_set_cookie_options *c)
{
    char buf[8192];
    ssize_t len = cookie_compose(c, buf, sizeof buf);
    FUZZ_CHECK(len > 0 || len == WEIR_EINVAL || len == WEIR_ETOOBIG);
    if (len == WEIR_ETOOBIG)
        FUZZ_CHECK(strlen(c->name) + (c->value ? strlen(c->value) : 0) + (c->path ? strlen(c->path) : 0) > 1000);
    if (len < 0)
        return;
    FUZZ_CHECK(strlen(buf) == (size_t)len);
    for (ssize_t i = 0; i < len; i++)
        FUZZ_CHECK((unsigned char)buf[i] >= ' ' && buf[i] != 0x7f);
    struct slice field = slice_of(buf, (size_t)len), value;
    struct slice name = attribute(&field, &value);
    FUZZ_CHECK(string_is(c->name, name) && string_is(c->value ? c->value : "", value) && name.len > 0);
    check_attributes(field, c);
    /* What a server reads back when the browser returns the cookie is what was set. */
    char *exact = malloc((size_t)len + 1);
    FUZZ_CHECK(exact);
    FUZZ_CHECK(cookie_compose(c, exact, (size_t)len + 1) == len && memcmp(exact, buf, (size_t)len + 1) == 0);
    FUZZ_CHECK(cookie_compose(c, exact, (size_t)len) == WEIR_ETOOBIG);
    free(exact);
}

/* ---- The input ---- */

static const char *part(const struct slice *texts, size_t count, size_t i)
{
    return i < count && texts[i].len > 0 ? texts[i].data : NULL;
}

static void set(const struct slice *texts, size_t count, uint8_t flags)
{
    static const int64_t ages[] = {0, WEIR_OFF, 1, INT64_MAX};
    weir_set_cookie_options c = {
        .name = count > 0 ? texts[0].data : "",
        .value = part(texts, count, 1),
        .path = part(texts, count, 2),
        .domain = part(texts, count, 3),
        .max_age = ages[flags >> 1 & 3],
        .expires = flags & 8 ? 1700000000 : 0,
        .secure = flags & 16,
        .http_only = flags & 8,
        .partitioned = (flags & 0xe0) == 0xe0,
        .same_site = (enum weir_same_site)(flags >> 5 & 3),
    };
    check_set(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_memory memory;
    if (!memory.account.memory)
        fuzz_memory_open(&memory);
    if (size < 1 || size > 16000)
        return 0;
    char *value = fuzz_copy(data + 1, size - 1, 0); /* of exactly its size */
    fuzz_file_fields((const uint8_t *)value, size - 1);
    free(value);
    char *copy = fuzz_copy(data + 1, size - 1, 1);
    struct slice texts[FIELDS_MAX];
    size_t count = 0;
    for (size_t at = 0; at < size - 1 && count < FIELDS_MAX;) {
        texts[count] = slice_from(copy + at);
        at += texts[count++].len + 1;
    }
    if (data[0] & 1)
        set(texts, count, data[0]);
    else
        check_request(texts, count, &memory.arena);
    fuzz_memory_clear(&memory);
    free(copy);
    return 0;
}
