/*
 * Cookies, both ways. A request's cookies were made by somebody else, perhaps by another server of the same domain, so
 * one that cannot be read is passed over and the others are not lost. A reply's cookies are ours, so a wrong one is an
 * error.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/cookie.h"

#include "http/date.h"
#include "http/token.h"

#include <inttypes.h>
#include <stdio.h>

#define EXPIRES_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59 */
#define LABEL_MAX   63
#define DOMAIN_MAX  253

/* ---- Of requests */

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = slice_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Takes the next cookie off the front of *rest; false at the end. */
static bool next_cookie(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len > 0) {
        const char *semicolon = memchr(rest->data, ';', rest->len);
        size_t len = semicolon ? (size_t)(semicolon - rest->data) : rest->len;
        struct slice piece = slice_of(rest->data, len);
        size_t taken = semicolon ? len + 1 : len;
        *rest = slice_of(rest->data + taken, rest->len - taken);
        const char *equals = len ? memchr(piece.data, '=', len) : NULL;
        if (!equals)
            continue;
        size_t name_len = (size_t)(equals - piece.data);
        *name = trim(slice_of(piece.data, name_len));
        *value = trim(slice_of(equals + 1, len - name_len - 1));
        if (!is_token(*name))
            continue;
        if (value->len >= 2 && value->data[0] == '"' && value->data[value->len - 1] == '"')
            *value = slice_of(value->data + 1, value->len - 2);
        return true;
    }
    return false;
}

static const char *copy_string(struct slice text, char **at)
{
    char *string = *at;
    if (text.len > 0)
        memcpy(string, text.data, text.len);
    string[text.len] = '\0';
    *at += text.len + 1;
    return string;
}

int cookies_parse(const struct slice *fields, size_t count, struct arena *arena, struct cookies *out)
{
    struct slice name;
    struct slice value;
    size_t found = 0;
    size_t text_size = 0;
    *out = (struct cookies){0};
    for (size_t i = 0; i < count; i++)
        for (struct slice rest = fields[i]; next_cookie(&rest, &name, &value); found++)
            text_size += name.len + value.len + 2;
    if (found == 0)
        return 0;
    if (found > COOKIES_MAX)
        return WEIR_ETOOBIG;
    struct cookie *items = arena_alloc(arena, found * sizeof *items + text_size);
    if (!items)
        return WEIR_ENOMEM;
    char *text = (char *)(items + found);
    struct cookie *item = items;
    for (size_t i = 0; i < count; i++) {
        for (struct slice rest = fields[i]; next_cookie(&rest, &name, &value); item++) {
            item->name = copy_string(name, &text);
            item->value = copy_string(value, &text);
        }
    }
    *out = (struct cookies){.items = items, .count = found};
    return 0;
}

const char *cookies_find(const struct cookies *cookies, const char *name)
{
    for (size_t i = 0; i < cookies->count; i++)
        if (strcmp(cookies->items[i].name, name) == 0)
            return cookies->items[i].value;
    return NULL;
}

/* ---- Of replies */

/* Whether text is visible ASCII without the bytes in except. */
static bool is_made_of_visible(struct slice text, const char *except)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] == 0x7f || strchr(except, text.data[i]))
            return false;
    return true;
}

static bool value_is_valid(struct slice value)
{
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        value = slice_of(value.data + 1, value.len - 2);
    return is_made_of_visible(value, "\",;\\");
}

static bool path_is_valid(struct slice path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.data[i] < ' ' || path.data[i] == 0x7f || path.data[i] == ';')
            return false;
    return path.len > 0 && path.data[0] == '/';
}

static bool domain_is_valid(struct slice domain)
{
    size_t label = 0; /* bytes of the present label */
    char before = '.';
    for (size_t i = 0; i < domain.len; i++) {
        char c = domain.data[i];
        char lower = ascii_lower(c);
        bool letter_or_digit = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
        if (!letter_or_digit && c != '-' && c != '.')
            return false;
        if (c == '.' && (label == 0 || before == '-'))
            return false;
        if (c == '-' && label == 0)
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
        before = c;
    }
    return label > 0 && before != '-' && domain.len <= DOMAIN_MAX;
}

static bool has_prefix(struct slice name, struct slice prefix)
{
    return name.len >= prefix.len && slice_equal_nocase(slice_of(name.data, prefix.len), prefix);
}

/* Whether the name's prefix and the attributes go together; browsers drop a cookie that breaks these rules. */
static bool attributes_agree(const weir_set_cookie_options *cookie)
{
    struct slice name = slice_from(cookie->name);
    bool host_only = has_prefix(name, SLICE("__Host-"));
    if (host_only && (cookie->domain || !cookie->path || strcmp(cookie->path, "/") != 0))
        return false;
    bool wants_secure = host_only || has_prefix(name, SLICE("__Secure-")) || cookie->partitioned ||
                        cookie->same_site == WEIR_SAME_SITE_NONE;
    return cookie->secure || !wants_secure;
}

static bool cookie_is_valid(const weir_set_cookie_options *cookie)
{
    return is_token(slice_from(cookie->name)) && value_is_valid(slice_from(cookie->value)) &&
           (!cookie->path || path_is_valid(slice_from(cookie->path))) &&
           (!cookie->domain || domain_is_valid(slice_from(cookie->domain))) && cookie->max_age >= WEIR_OFF &&
           cookie->expires >= 0 && cookie->expires <= EXPIRES_MAX &&
           (unsigned)cookie->same_site <= WEIR_SAME_SITE_NONE && attributes_agree(cookie);
}

/* A buffer that is written to; what does not fit is counted and not written. */
struct writer {
    char *buf;
    size_t size;
    size_t len;
};

static void put(struct writer *w, struct slice text)
{
    if (text.len > 0 && w->len <= w->size && text.len <= w->size - w->len)
        memcpy(w->buf + w->len, text.data, text.len);
    w->len += text.len;
}

static void put_attribute(struct writer *w, struct slice name, struct slice value)
{
    put(w, name);
    put(w, value);
}

static void put_attributes(struct writer *w, const weir_set_cookie_options *cookie)
{
    static const char *const same_site[] = {NULL, "Lax", "Strict", "None"};
    char text[DATE_LEN];
    if (cookie->path)
        put_attribute(w, SLICE("; Path="), slice_from(cookie->path));
    if (cookie->domain)
        put_attribute(w, SLICE("; Domain="), slice_from(cookie->domain));
    if (cookie->max_age != 0) {
        int len = snprintf(text, sizeof text, "%" PRId64, cookie->max_age > 0 ? cookie->max_age : 0);
        put_attribute(w, SLICE("; Max-Age="), slice_of(text, (size_t)len));
    }
    if (cookie->expires != 0) {
        date_format(text, cookie->expires);
        put_attribute(w, SLICE("; Expires="), slice_of(text, DATE_LEN));
    }
    if (cookie->secure)
        put(w, SLICE("; Secure"));
    if (cookie->http_only)
        put(w, SLICE("; HttpOnly"));
    if (cookie->same_site != WEIR_SAME_SITE_NONE_SET)
        put_attribute(w, SLICE("; SameSite="), slice_from(same_site[cookie->same_site]));
    if (cookie->partitioned)
        put(w, SLICE("; Partitioned"));
}

// NOLINTNEXTLINE(readability-non-const-parameter): the writer that points to buf writes to it
ssize_t cookie_compose(const weir_set_cookie_options *cookie, char *buf, size_t size)
{
    if (!cookie_is_valid(cookie))
        return WEIR_EINVAL;
    struct slice name = slice_from(cookie->name);
    struct slice value = slice_from(cookie->value);
    if (name.len + value.len > COOKIE_PAIR_MAX || slice_from(cookie->path).len > COOKIE_ATTRIBUTE_MAX)
        return WEIR_ETOOBIG;
    struct writer w = {.buf = buf, .size = size};
    put(&w, name);
    put(&w, SLICE("="));
    put(&w, value);
    put_attributes(&w, cookie);
    put(&w, slice_of("", 1));
    return w.len <= size ? (ssize_t)(w.len - 1) : WEIR_ETOOBIG;
}
