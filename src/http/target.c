/*
 * The forms of a request target: origin, absolute, asterisk. (CONNECT and its authority form are refused by the
 * parser.)
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/target.h"
#include "base/debug.h"
#include "http/authority.h"
#include "http/scan.h"

static void split_query(struct target *t, const char *at, size_t len)
{
    const char *mark = memchr(at, '?', len);
    t->path = slice_of(at, mark ? (size_t)(mark - at) : len);
    t->query = mark ? slice_of(mark + 1, len - t->path.len - 1) : slice_of(NULL, 0);
}

/* "http://authority/path": the authority replaces Host (RFC 9112 section 3.2.2). */
static COLD int split_absolute(struct slice text, struct target *t, const char **reason)
{
    *reason = "malformed request target";
    size_t scheme = 0;
    if (text.len > 7 && slice_equal_nocase(slice_of(text.data, 7), SLICE("http://")))
        scheme = 7;
    else if (text.len > 8 && slice_equal_nocase(slice_of(text.data, 8), SLICE("https://")))
        scheme = 8;
    if (scheme == 0)
        return 400;
    const char *at = text.data + scheme, *end = text.data + text.len, *p = at;
    while (p < end && *p != '/' && *p != '?')
        p++;
    t->authority = slice_of(at, (size_t)(p - at));
    if (!authority_is_valid(t->authority))
        return 400;
    split_query(t, p, (size_t)(end - p));
    if (t->path.len == 0)
        t->path = SLICE("/");
    return 0;
}

int target_split_slowly(const struct http_head *head, struct target *t, const char **reason)
{
    struct slice text = head_slice(head, head->target, head->target_len);
    t->authority = head_slice(head, head->host, head->host_len);
    t->plain = false;
    if (likely(text.data[0] == '/')) {
        const char *stop = scan_plain_path(text.data + 1);
        split_query(t, text.data, text.len);
        t->plain = stop == t->path.data + t->path.len;
        return 0;
    }
    t->query = slice_of(NULL, 0);
    if (text.len == 1 && text.data[0] == '*' && head->method_len == 7 && memcmp(head->base, "OPTIONS", 7) == 0) {
        t->path = text;
        return 0;
    }
    return split_absolute(text, t, reason);
}
