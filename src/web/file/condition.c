/*
 * Evaluating preconditions.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/condition.h"
#include "http/date.h"
#include "web/file/etag.h"

static const struct slice match_name = {"If-Match", 8};
static const struct slice none_match_name = {"If-None-Match", 13};
static const struct slice modified_name = {"If-Modified-Since", 17};
static const struct slice unmodified_name = {"If-Unmodified-Since", 19};
static const struct slice if_range_name = {"If-Range", 8};
static const struct slice range_name = {"Range", 5};

static unsigned condition_field(struct slice name)
{
    const struct {
        struct slice name;
        enum condition_field field;
    } known[] = {{match_name, CONDITION_MATCH},
                 {none_match_name, CONDITION_NONE_MATCH},
                 {modified_name, CONDITION_MODIFIED_SINCE},
                 {unmodified_name, CONDITION_UNMODIFIED_SINCE},
                 {if_range_name, CONDITION_IF_RANGE},
                 {range_name, CONDITION_RANGE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equal_nocase(name, known[i].name))
            return known[i].field;
    return 0;
}

unsigned condition_fields(const struct http_head *h)
{
    unsigned found = 0;
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];
        const char *name = h->base + f->name;
        bool conditional = f->name_len >= 8 && (name[0] | 0x20) == 'i' && name[2] == '-'; /* If-... */
        bool range = f->name_len == 5 && (name[0] | 0x20) == 'r';
        if (conditional || range)
            found |= condition_field(slice_of(name, f->name_len));
    }
    return found;
}

static struct slice value_of(const struct http_head *h, const struct http_field *f)
{
    return head_slice(h, f->value, f->value_len);
}

/* The value of a field that may be there once; false: it is there twice. */
static bool only_value(const struct http_head *h, struct slice name, struct slice *value)
{
    const struct http_field *f = head_find(h, name, 0);
    if (!f || head_find(h, name, 1))
        return false;
    *value = value_of(h, f);
    return true;
}

static bool only_date(const struct http_head *h, struct slice name, int64_t now, int64_t *seconds)
{
    struct slice value;
    return only_value(h, name, &value) && date_read(value, now, seconds);
}

/* Whether one of the tags in the fields of that name is the representation's, or "*" stands for any. */
static bool any_matches(const struct http_head *h, struct slice name, const struct validators *v,
                        bool (*equal)(struct slice, struct slice))
{
    const struct http_field *f;
    struct slice value, tag;
    if (only_value(h, name, &value) && slice_equal(value, SLICE("*")))
        return v->exists;
    if (!v->exists || v->etag.len == 0)
        return false;
    for (size_t i = 0; (f = head_find(h, name, i)); i++)
        for (value = value_of(h, f); etag_next(&value, &tag);)
            if (equal(tag, v->etag))
                return true;
    return false;
}

/* If-Match, or If-Unmodified-Since where there is none: whether the method may be performed. */
static bool may_go_on(const struct http_head *h, unsigned fields, const struct validators *v, int64_t now)
{
    int64_t date;
    if (fields & CONDITION_MATCH)
        return any_matches(h, match_name, v, etag_equal_strongly);
    if (!(fields & CONDITION_UNMODIFIED_SINCE) || !v->has_date || !only_date(h, unmodified_name, now, &date))
        return true;
    return v->modified <= date;
}

enum condition_verdict condition_check(const struct http_head *h, unsigned fields, const struct validators *v,
                                       bool reads, int64_t now)
{
    int64_t date;
    if (!may_go_on(h, fields, v, now))
        return CONDITION_FAILED;
    if (fields & CONDITION_NONE_MATCH) {
        if (!any_matches(h, none_match_name, v, etag_equal_weakly))
            return CONDITION_MET;
        return reads ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
    }
    if (reads && (fields & CONDITION_MODIFIED_SINCE) && v->has_date && only_date(h, modified_name, now, &date))
        return v->modified <= date ? CONDITION_NOT_MODIFIED : CONDITION_MET;
    return CONDITION_MET;
}

bool condition_allows_range(const struct http_head *h, unsigned fields, const struct validators *v, int64_t now)
{
    struct slice value;
    int64_t date;
    if (!(fields & CONDITION_RANGE) || !(fields & CONDITION_IF_RANGE))
        return fields & CONDITION_RANGE;
    if (!only_value(h, if_range_name, &value))
        return false;
    if (etag_is_valid(value))
        return v->etag.len > 0 && etag_equal_strongly(value, v->etag);
    return v->has_date && v->date_strong && date_read(value, now, &date) && date == v->modified;
}
