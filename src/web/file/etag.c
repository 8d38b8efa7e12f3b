/*
 * Making and reading entity tags.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/etag.h"
#include "base/siphash.h"

static const char digits[] = "0123456789abcdef";

size_t etag_of_content(const uint8_t digest[ETAG_CONTENT_LEN], char to[ETAG_FILE_MAX])
{
    size_t at = 0;
    to[at++] = '"';
    for (size_t i = 0; i < ETAG_CONTENT_LEN; i++) {
        to[at++] = digits[digest[i] >> 4];
        to[at++] = digits[digest[i] & 15];
    }
    to[at++] = '"';
    return at;
}

size_t etag_of_file(const struct stat *status, bool settled, char to[ETAG_FILE_MAX])
{
    /* Every process makes the same tags: they outlive the server that made them. */
    static const struct siphash_key key = {{0x7765697266696c65, 0x656e746974796167}};
    const struct file_version version = file_version_of(status);
    uint64_t hash = siphash(&key, slice_of((const char *)&version, sizeof version));
    size_t at = 0;
    if (!settled) {
        memcpy(to, "W/", 2);
        at = 2;
    }
    to[at++] = '"';
    for (int shift = 60; shift >= 0; shift -= 4)
        to[at++] = digits[hash >> shift & 15];
    if (!settled) {
        memcpy(to + at, "-new", 4);
        at += 4;
    }
    to[at++] = '"';
    return at;
}

/* etagc: what a tag may hold between its quotation marks. */
static bool is_etagc(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

/* Bytes of the tag that text begins with; 0: none. */
static size_t tag_length(struct slice text)
{
    size_t at = text.len >= 2 && text.data[0] == 'W' && text.data[1] == '/' ? 2 : 0;
    if (at == text.len || text.data[at++] != '"')
        return 0;
    while (at < text.len && is_etagc(text.data[at]))
        at++;
    return at < text.len && text.data[at] == '"' ? at + 1 : 0;
}

static size_t skip_blanks(struct slice text, size_t at)
{
    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\t'))
        at++;
    return at;
}

bool etag_next(struct slice *list, struct slice *tag)
{
    size_t at = skip_blanks(*list, 0);
    while (at < list->len && list->data[at] == ',') /* members may be empty */
        at = skip_blanks(*list, at + 1);
    struct slice rest = slice_of(list->data + at, list->len - at);
    size_t len = rest.len > 0 ? tag_length(rest) : 0;
    size_t next = skip_blanks(rest, len);
    if (len == 0 || (next < rest.len && rest.data[next] != ',')) {
        list->len = 0; /* what is behind something else is not looked at */
        return false;
    }
    *tag = slice_of(rest.data, len);
    *list = slice_of(rest.data + next, rest.len - next);
    return true;
}

bool etag_is_valid(struct slice text)
{
    return text.len > 0 && tag_length(text) == text.len;
}

static struct slice opaque(struct slice tag)
{
    return etag_is_weak(tag) ? slice_of(tag.data + 2, tag.len - 2) : tag;
}

bool etag_equal_weakly(struct slice a, struct slice b)
{
    return slice_equal(opaque(a), opaque(b));
}

bool etag_equal_strongly(struct slice a, struct slice b)
{
    return !etag_is_weak(a) && slice_equal(a, b);
}
