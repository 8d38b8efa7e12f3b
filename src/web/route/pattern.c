/*
 * Reading route patterns. Everything that could never match, or that would match something else than it seems to, is
 * an error here, with its position: a wrong pattern is found when the program starts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/route/pattern.h"

#include "base/debug.h"
#include "http/percent.h"
#include "weir.h"

#include <stdarg.h>
#include <stdio.h>

int pattern_fail(struct pattern_error *error, const char *source, size_t at, int code, const char *fmt, ...)
{
    int len = snprintf(error->message, error->size, "pattern \"%.200s\": byte %zu: ", source, at);
    weir_assert(len >= 0);
    if ((size_t)len >= error->size)
        return code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->message + len, error->size - (size_t)len, fmt, args);
    va_end(args);
    return code;
}

size_t pattern_decode(struct slice text, char *out)
{
    size_t len = 0;
    const char *end = text.data + text.len;
    for (const char *p = text.data; p < end; p++) {
        int c = (unsigned char)*p;
        if (c == '%') {
            c = percent_value(p, end);
            p += 2;
        }
        out[len++] = c == '/' ? '\0' : (char)c;
    }
    return len;
}

/* Skips a character class, whose '[' is at p; returns what follows it. The first ']' of a class is a member of it. */
static const char *skip_class(const char *p)
{
    p++;
    if (*p == '^')
        p++;
    if (*p == ']')
        p++;
    while (*p && *p != ']') {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '=')) {
            const char *close = strchr(p + 2, p[1]);
            if (close && close[1] == ']')
                p = close + 1;
        }
        p++;
    }
    return *p ? p + 1 : p;
}

/* Skips what a backslash at p protects: one byte, or all between \Q and \E. */
static const char *skip_escape(const char *p)
{
    if (p[1] == 'Q') {
        const char *close = strstr(p + 2, "\\E");
        return close ? close + 2 : p + strlen(p);
    }
    return p[1] ? p + 2 : p + 1;
}

/* The brace that closes the one before p, or NULL. */
static const char *closing_brace(const char *p)
{
    size_t depth = 1;
    while (*p) {
        if (*p == '[') {
            p = skip_class(p);
            continue;
        }
        if (*p == '\\') {
            p = skip_escape(p);
            continue;
        }
        if (*p == '{')
            depth++;
        if (*p == '}' && --depth == 0)
            return p;
        p++;
    }
    return NULL;
}

static bool is_name_byte(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '_' || c == '-' ||
           c == '.';
}

/* Checks the parameter whose brace is at p, whose name ends at end, and whose last brace is close. */
static int check_parameter(const char *p, const char *end, const char *close, const struct pattern *pattern,
                           struct pattern_error *error)
{
    const char *source = pattern->source;
    struct slice name = slice_of(p + 1, (size_t)(end - p - 1));
    if (!close)
        return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL, "this brace is not closed");
    if (*end != ':' && *end != '}')
        return pattern_fail(error, source, (size_t)(end - source), WEIR_EINVAL,
                            "a parameter's name is made of letters, digits, '_', '-' and '.'");
    if (name.len == 0)
        return pattern_fail(error, source, (size_t)(end - source), WEIR_EINVAL, "the parameter has no name");
    if (*end == ':' && close == end + 1)
        return pattern_fail(error, source, (size_t)(close - source), WEIR_EINVAL, "the expression is empty");
    if (close[1] && close[1] != '/')
        return pattern_fail(error, source, (size_t)(close + 1 - source), WEIR_EINVAL,
                            "a parameter takes a whole segment: '/' or the end is expected after '}'");
    for (size_t i = 0; i < pattern->count; i++)
        if (pattern->segments[i].kind != SEGMENT_TEXT && slice_equal(pattern->segments[i].name, name))
            return pattern_fail(error, source, (size_t)(p + 1 - source), WEIR_EINVAL,
                                "the parameter \"%.*s\" occurs twice", (int)name.len, name.data);
    if (pattern->params == PATTERN_PARAMS_MAX)
        return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL, "more than %d parameters",
                            PATTERN_PARAMS_MAX);
    return 0;
}

/* Reads the parameter whose brace is at *p, and moves *p behind it. */
static int parse_parameter(const char **p, struct pattern *out, struct pattern_segment *segment,
                           struct pattern_error *error)
{
    const char *name = *p + 1;
    const char *end = name;
    while (is_name_byte(*end))
        end++;
    const char *close = *end == ':' ? closing_brace(end + 1) : strchr(end, '}');
    int failed = check_parameter(*p, end, close, out, error);
    if (failed)
        return failed;
    segment->kind = *end == ':' ? SEGMENT_EXPRESSION : SEGMENT_PARAMETER;
    segment->name = slice_of(name, (size_t)(end - name));
    if (*end == ':')
        segment->text = slice_of(end + 1, (size_t)(close - end - 1));
    out->params++;
    *p = close + 1;
    return 0;
}

/* Refuses '?' and '#': a pattern cannot speak of the part of a target behind them. */
static int refuse_sign(const char *p, const char *source, struct pattern_error *error)
{
    if (*p == '?')
        return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL,
                            "the query is no part of a pattern: see weir_query() (write the sign as %%3F)");
    return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL,
                        "no request has a fragment (write the sign as %%23)");
}

/*
 * Refuses text that is a parameter, or the rest of the path, in other routers' patterns, and that no request means
 * literally. The two signs elsewhere in a segment are text like any other.
 */
static int check_spelling(const char *p, const char *end, const char *source, struct pattern_error *error)
{
    const char *name = p + 1;
    const char *stop = name;
    while (stop < end && is_name_byte(*stop))
        stop++;
    if (*p == ':' && stop > name)
        return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL,
                            "a parameter is written {%.*s}, and the text \":%.*s\" %%3A%.*s", (int)(stop - name), name,
                            (int)(end - name), name, (int)(end - name), name);
    if (*p != '*')
        return 0;
    if (stop == name) {
        name = "rest";
        stop = name + 4;
    }
    return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL,
                        "the rest of the path is written {%.*s:^.*$}, one segment {%.*s}, and the sign itself %%2A",
                        (int)(stop - name), name, (int)(stop - name), name);
}

/* Checks the text from p to end; *dots tells whether it is "." or "..", decoded. */
static int check_text(const char *p, const char *end, const char *source, bool *dots, struct pattern_error *error)
{
    size_t len = 0;
    *dots = true;
    for (; p < end; p++, len++) {
        int c = (unsigned char)*p;
        if (c == '{' || c == '}')
            return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL,
                                "a brace within text: a parameter takes a whole segment (write the sign as %s)",
                                c == '{' ? "%7B" : "%7D");
        if (c == '?' || c == '#')
            return refuse_sign(p, source, error);
        if (c == '%')
            c = percent_value(p, end);
        if (c < 0)
            return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL,
                                "'%%' is not followed by two hexadecimal digits");
        if (c == 0)
            return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL, "no path can hold a NUL");
        if (*p == '%')
            p += 2;
        *dots = *dots && c == '.';
    }
    *dots = *dots && (len == 1 || len == 2);
    return 0;
}

/* Reads the text at *p, and moves *p behind it. */
static int parse_text(const char **p, const char *source, struct pattern_segment *segment, struct pattern_error *error)
{
    const char *end = *p + strcspn(*p, "/");
    bool dots;
    int failed = check_text(*p, end, source, &dots, error);
    if (!failed && end > *p)
        failed = check_spelling(*p, end, source, error);
    if (failed)
        return failed;
    if (dots)
        return pattern_fail(error, source, (size_t)(*p - source), WEIR_EINVAL,
                            "dot segments are resolved before routing: this matches nothing");
    segment->text = slice_of(*p, (size_t)(end - *p));
    *p = end;
    return 0;
}

int pattern_parse(const char *source, struct pattern *out, struct pattern_error *error)
{
    if (!source || !*source)
        return pattern_fail(error, "", 0, WEIR_EINVAL, "the pattern is empty");
    if (*source != '/')
        return pattern_fail(error, source, 0, WEIR_EINVAL, "a pattern begins with '/'");
    if (strlen(source) > PATTERN_LEN_MAX)
        return pattern_fail(error, source, PATTERN_LEN_MAX, WEIR_EINVAL, "the pattern is too long");
    out->source = source;
    out->count = 0;
    out->params = 0;
    for (const char *p = source; *p;) {
        if (out->count == PATTERN_SEGMENTS_MAX)
            return pattern_fail(error, source, (size_t)(p - source), WEIR_EINVAL, "more than %d segments",
                                PATTERN_SEGMENTS_MAX);
        struct pattern_segment segment = {.kind = SEGMENT_TEXT};
        p++;
        int failed = *p == '{' ? parse_parameter(&p, out, &segment, error) : parse_text(&p, source, &segment, error);
        if (failed)
            return failed;
        out->segments[out->count++] = segment;
    }
    return 0;
}
