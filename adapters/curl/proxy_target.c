/*
 * Where a request goes: the target is the client's own text, which has been parsed as one, behind the upstream's path.
 * Nothing is decoded and encoded again. A path that an upstream could understand as another one is refused: dot
 * segments, also such as are hidden behind an encoded slash, would leave the prefix that the route stands for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The next character of a path, with the dots and slashes of its encoded forms; *at goes behind it. */
static char next_decoded(const char **at)
{
    const char *p = *at;
    static const struct {
        const char *code;
        char character;
    } codes[] = {{"%2e", '.'}, {"%2f", '/'}, {"%5c", '/'}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strncasecmp(p, codes[i].code, 3) == 0) {
            *at = p + 3;
            return codes[i].character;
        }
    *at = p + 1;
    return *p == '\\' ? '/' : *p;
}

static bool has_dot_segment(const char *path)
{
    size_t len = 0, dots = 0;
    for (const char *at = path; *at && *at != '?';) {
        char character = next_decoded(&at);
        if (character == '/') {
            if (len > 0 && len == dots && len <= 2)
                return true;
            len = dots = 0;
            continue;
        }
        len++;
        dots += character == '.';
    }
    return len > 0 && len == dots && len <= 2;
}

/* Behind the authority of a URL; its end where it has no path. */
static const char *path_of(const char *url)
{
    const char *authority = strstr(url, "://");
    return authority ? authority + 3 + strcspn(authority + 3, "/?") : url;
}

/* Takes the prefix off a path. NULL: the path does not have it. */
static const char *strip(const char *path, const char *prefix)
{
    size_t len = prefix ? strlen(prefix) : 0;
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    if (len == 0)
        return path;
    if (strncmp(path, prefix, len) != 0 || (path[len] && path[len] != '/' && path[len] != '?'))
        return NULL;
    return path + len;
}

int proxy_target(weir_ctx *c, const char *upstream, const char *strip_prefix, char **target)
{
    const char *path = weir_target(c);
    *target = NULL;
    if (strcmp(path, "*") == 0) {
        *target = strdup(path);
        return *target ? 0 : WEIR_ENOMEM;
    }
    if (path[0] != '/')
        path = path_of(path);
    if (has_dot_segment(path) || !(path = strip(path, strip_prefix)))
        return WEIR_EINVAL;
    const char *base = path_of(upstream);
    size_t base_len = strcspn(base, "?#"), path_len = strlen(path);
    while (base_len > 0 && base[base_len - 1] == '/')
        base_len--;
    bool slash = path[0] != '/';
    char *text = malloc(base_len + slash + path_len + 1);
    if (!text)
        return WEIR_ENOMEM;
    memcpy(text, base, base_len);
    if (slash)
        text[base_len] = '/';
    memcpy(text + base_len + slash, path, path_len + 1);
    *target = text;
    return 0;
}
