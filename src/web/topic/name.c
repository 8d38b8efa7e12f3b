/*
 * Names and patterns, segment by segment.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/topic/name.h"
#include "web/websocket/utf8.h"
#include "weir.h"

/* Takes the next segment off text, and the "/" behind it. */
static struct slice take_segment(struct slice *text)
{
    const char *slash = memchr(text->data, '/', text->len);
    size_t len = slash ? (size_t)(slash - text->data) : text->len;
    struct slice segment = slice_of(text->data, len);
    size_t taken = slash ? len + 1 : len;
    *text = slice_of(text->data + taken, text->len - taken);
    return segment;
}

static bool is_one(struct slice segment)
{
    return slice_equal(segment, SLICE("+"));
}

static bool is_rest(struct slice segment)
{
    return slice_equal(segment, SLICE("#"));
}

static bool segment_is_good(struct slice segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        unsigned char c = (unsigned char)segment.data[i];
        if (c < 0x20 || c == 0x7f || c == '+' || c == '#')
            return false;
    }
    return segment.len > 0;
}

enum topic_name_kind topic_name_kind(struct slice text)
{
    enum topic_name_kind kind = TOPIC_NAME;
    if (text.len == 0 || text.len > WEIR_TOPIC_NAME_MAX || text.data[text.len - 1] == '/' ||
        !utf8_is_valid(text.data, text.len))
        return TOPIC_NAME_WRONG;
    while (text.len > 0) {
        struct slice segment = take_segment(&text);
        bool rest = is_rest(segment);
        if (rest || is_one(segment))
            kind = TOPIC_PATTERN;
        else if (!segment_is_good(segment))
            return TOPIC_NAME_WRONG;
        if (rest && text.len > 0)
            return TOPIC_NAME_WRONG;
    }
    return kind;
}

bool topic_name_matches(struct slice pattern, struct slice name)
{
    if (name.data[0] == '$' && (pattern.data[0] == '+' || pattern.data[0] == '#'))
        return false;
    while (pattern.len > 0) {
        struct slice wanted = take_segment(&pattern);
        if (is_rest(wanted))
            return true;
        if (name.len == 0)
            return false;
        struct slice segment = take_segment(&name);
        if (!is_one(wanted) && !slice_equal(wanted, segment))
            return false;
    }
    return name.len == 0;
}
