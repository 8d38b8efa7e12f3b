/*
 * Normalizing a path. Most paths need nothing and are used where they lie; nearly all of those are told from the others
 * when the target is split (struct target), and do not come here. The look at the rest is exact: "/.well-known" needs
 * nothing either.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/path.h"

#include "http/percent.h"
#include "weir.h"

static inline bool is_dot(const char *p, size_t len)
{
    return len == 1 && p[0] == '.';
}

static inline bool is_dot_dot(const char *p, size_t len)
{
    return len == 2 && p[0] == '.' && p[1] == '.';
}

/* Whether anything has to be decoded, resolved or refused. */
static bool path_needs_change(struct slice raw)
{
    if (memchr(raw.data, '%', raw.len) || memchr(raw.data, '\0', raw.len) || memchr(raw.data, '\\', raw.len))
        return true;
    const char *end = raw.data + raw.len;
    for (const char *p = raw.data + 1; p <= end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t len = (size_t)((slash ? slash : end) - p);
        if (is_dot(p, len) || is_dot_dot(p, len))
            return true;
        p += len + 1;
    }
    return false;
}

/*
 * Appends the decoded segment at p to out, up to a slash or end; returns where it stopped, or NULL if it is to be
 * refused.
 */
static const char *decode_segment(const char *p, const char *end, char *out, size_t *len)
{
    for (; p < end && *p != '/'; p++) {
        int c = (unsigned char)*p;
        if (c == '\\')
            return NULL;
        if (c == '%')
            c = percent_value(p, end);
        if (c <= 0)
            return NULL;
        if (*p == '%')
            p += 2;
        out[(*len)++] = c == '/' ? '\0' : (char)c;
    }
    return p;
}

/* Makes the route form, at most as long as raw. Returns its length, or 0 if the path is to be refused. */
static size_t path_rewrite(struct slice raw, char *out)
{
    const char *end = raw.data + raw.len;
    size_t len = 0;
    for (const char *p = raw.data; p < end;) {
        size_t start = len;
        out[len++] = '/';
        p = decode_segment(p + 1, end, out, &len);
        if (!p)
            return 0;
        bool dot = is_dot(out + start + 1, len - start - 1);
        bool dot_dot = is_dot_dot(out + start + 1, len - start - 1);
        if (!dot && !dot_dot)
            continue;
        len = start;
        if (dot_dot)
            while (len > 0 && out[--len] != '/')
                ;
        if (p == end)
            out[len++] = '/'; /* what "." and ".." name is a folder */
    }
    out[len] = '\0';
    return len;
}

/* Makes the decoded and the text form of a route form that holds encoded slashes. */
static int path_make_forms(struct path *path, size_t encoded_slashes, struct arena *arena)
{
    size_t len = path->route.len;
    size_t text_len = len + encoded_slashes * 2;
    char *decoded = arena_alloc(arena, len + 1 + text_len + 1);
    if (!decoded)
        return WEIR_ENOMEM;
    char *text = decoded + len + 1;
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        char c = path->route.data[i];
        decoded[i] = c ? c : '/';
        if (c) {
            text[at++] = c;
        } else {
            memcpy(text + at, "%2F", 3);
            at += 3;
        }
    }
    decoded[len] = '\0';
    text[at] = '\0';
    path->decoded = slice_of(decoded, len);
    path->text = slice_of(text, text_len);
    return 0;
}

static COLD int path_change(struct slice raw, struct arena *arena, struct path *out)
{
    char *route = arena_alloc(arena, raw.len + 1);
    if (!route)
        return WEIR_ENOMEM;
    size_t len = path_rewrite(raw, route);
    if (len == 0)
        return WEIR_EPROTO;
    size_t encoded_slashes = 0;
    for (size_t i = 0; i < len; i++)
        encoded_slashes += route[i] == '\0';
    struct slice form = slice_of(route, len);
    struct path path = {.route = form, .decoded = form, .text = form};
    if (encoded_slashes && path_make_forms(&path, encoded_slashes, arena) < 0)
        return WEIR_ENOMEM;
    *out = path;
    return 0;
}

int path_normalize(struct slice raw, struct arena *arena, struct path *out)
{
    if (raw.len == 0)
        raw = SLICE("/");
    if (raw.data[0] != '/')
        return WEIR_EPROTO;
    if (path_needs_change(raw))
        return path_change(raw, arena, out);
    path_take(raw, out);
    return 0;
}
