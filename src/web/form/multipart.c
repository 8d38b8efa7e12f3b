/*
 * Parsing multipart bodies.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/form/multipart.h"

#include "http/scan.h"

#define PREFIX_LEN (sizeof MULTIPART_PREFIX - 1)
#define LINE_END   2 /* bytes of a CRLF */

void multipart_begin(struct multipart *m, struct slice boundary, char *header, uint32_t header_size)
{
    debug_assert(boundary.len > 0 && boundary.len <= MULTIPART_BOUNDARY_MAX);
    *m = (struct multipart){.header_size = header_size};
    m->header = header;
    memcpy(m->delimiter, MULTIPART_PREFIX, PREFIX_LEN);
    memcpy(m->delimiter + PREFIX_LEN, boundary.data, boundary.len);
    m->delimiter_len = (uint8_t)(PREFIX_LEN + boundary.len);
    m->matched = m->held_from = LINE_END; /* the first one may begin the body */
}

static void take(struct slice *input, size_t len)
{
    input->data += len;
    input->len -= len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- Content ---- */

/* How many bytes at p, of up to len, go on with the delimiter of which `seen` bytes have been seen. */
static size_t match(const struct multipart *m, size_t seen, const char *p, size_t len)
{
    size_t n = 0, most = m->delimiter_len - seen;
    if (most > len)
        most = len;
    while (n < most && p[n] == m->delimiter[seen + n])
        n++;
    return n;
}

/* A delimiter is complete. */
static enum form_event end_content(struct multipart *m)
{
    m->matched = m->held_from = 0;
    m->state = MULTIPART_DELIMITED;
    return FORM_PART_END;
}

/* Goes on with a delimiter that has begun. FORM_MORE: nothing is held back any more, or all of the input is. */
static enum form_event resume_delimiter(struct multipart *m, struct slice *input, struct slice *data)
{
    size_t n = match(m, m->matched, input->data, input->len);
    take(input, n);
    m->matched = (uint8_t)(m->matched + n);
    if (m->matched == m->delimiter_len)
        return end_content(m);
    if (input->len == 0)
        return FORM_MORE;
    *data = slice_of(m->delimiter + m->held_from, (size_t)m->matched - m->held_from);
    m->matched = m->held_from = 0;
    return data->len > 0 ? FORM_DATA : FORM_MORE;
}

/* Takes content up to the next delimiter, or to what may be the beginning of one at the input's end. */
static enum form_event take_content(struct multipart *m, struct slice *input, struct slice *data)
{
    if (m->matched > 0) {
        enum form_event event = resume_delimiter(m, input, data);
        if (event != FORM_MORE || input->len == 0)
            return event;
    }
    size_t at = 0, n = 0;
    while (at < input->len) {
        if (input->data[at] != '\r') { /* or one CR follows the other, for which a call each would be dear */
            const char *found = memchr(input->data + at, '\r', input->len - at);
            at = found ? (size_t)(found - input->data) : input->len;
        }
        n = match(m, 0, input->data + at, input->len - at);
        if (n == m->delimiter_len || at + n == input->len)
            break;
        at += n;
        n = 0;
    }
    *data = slice_of(input->data, at);
    take(input, at + n);
    m->matched = (uint8_t)n;
    if (data->len > 0)
        return FORM_DATA;
    return n == m->delimiter_len ? end_content(m) : FORM_MORE;
}

/* ---- Headers ---- */

/* Checks a header line, without its CRLF, and makes strings of it at the same place. False: it is malformed. */
static bool take_field(struct multipart *m, char *line, size_t len)
{
    if (m->field_count == MULTIPART_FIELDS_MAX)
        return false;
    size_t name_len = 0;
    while (name_len < len && scan_is(line[name_len], SCAN_TOKEN))
        name_len++;
    if (name_len == 0 || name_len == len || line[name_len] != ':')
        return false;
    for (size_t i = name_len + 1; i < len; i++)
        if (!scan_is(line[i], SCAN_VALUE))
            return false;
    size_t begin = name_len + 1;
    while (begin < len && is_blank(line[begin]))
        begin++;
    while (len > begin && is_blank(line[len - 1]))
        len--;
    line[name_len] = '\0';
    memmove(line + name_len + 1, line + begin, len - begin);
    line[name_len + 1 + (len - begin)] = '\0';
    m->fields_len += (uint32_t)(name_len + 2 + (len - begin));
    m->field_count++;
    return true;
}

/* A line of the header is complete. FORM_MORE: others follow. */
static enum form_event end_line(struct multipart *m)
{
    char *line = m->header + m->fields_len;
    size_t len = m->line_len;
    m->line_len = 0;
    if (len < LINE_END || line[len - LINE_END] != '\r')
        return FORM_MALFORMED;
    if (len > LINE_END)
        return take_field(m, line, len - LINE_END) ? FORM_MORE : FORM_MALFORMED;
    m->state = MULTIPART_CONTENT;
    m->matched = m->held_from = LINE_END; /* the delimiter of an empty content may begin with the header's end */
    return FORM_PART;
}

/* Takes the rest of a header, as far as it has come. */
static enum form_event take_header(struct multipart *m, struct slice *input)
{
    while (input->len > 0) {
        const char *feed = memchr(input->data, '\n', input->len);
        size_t len = feed ? (size_t)(feed - input->data) + 1 : input->len;
        if (len > m->header_size - m->header_used)
            return FORM_LONG_HEADER;
        memcpy(m->header + m->fields_len + m->line_len, input->data, len);
        m->header_used += (uint32_t)len;
        m->line_len += (uint32_t)len;
        take(input, len);
        enum form_event event = feed ? end_line(m) : FORM_MORE;
        if (event != FORM_MORE)
            return event;
    }
    return FORM_MORE;
}

/* ---- Delimiters ---- */

static enum form_event go(struct multipart *m, enum multipart_state state)
{
    m->state = (uint8_t)state;
    return FORM_MORE;
}

static enum form_event begin_header(struct multipart *m)
{
    m->header_used = m->fields_len = m->line_len = 0;
    m->field_count = 0;
    return go(m, MULTIPART_HEADER);
}

/* Takes a byte behind a delimiter's boundary. */
static enum form_event take_delimiter(struct multipart *m, char c)
{
    switch ((enum multipart_state)m->state) {
    case MULTIPART_DELIMITED:
        if (c == '-')
            return go(m, MULTIPART_DASH);
        FALLTHROUGH;
    case MULTIPART_PADDING:
        return is_blank(c) ? go(m, MULTIPART_PADDING) : c == '\r' ? go(m, MULTIPART_LINE_END) : FORM_MALFORMED;
    case MULTIPART_LINE_END:
        return c == '\n' ? begin_header(m) : FORM_MALFORMED;
    case MULTIPART_DASH:
        return c == '-' ? go(m, MULTIPART_CLOSED) : FORM_MALFORMED;
    case MULTIPART_CLOSED:
        return is_blank(c) ? FORM_MORE : c == '\r' ? go(m, MULTIPART_CLOSED_END) : FORM_MALFORMED;
    case MULTIPART_CLOSED_END:
        return c == '\n' ? go(m, MULTIPART_EPILOGUE) : FORM_MALFORMED;
    default:
        weir_assert(false);
        return FORM_MALFORMED;
    }
}

enum form_event multipart_next(struct multipart *m, struct slice *input, bool last, struct slice *data)
{
    enum form_event event = FORM_MORE;
    while (event == FORM_MORE && input->len > 0) {
        switch ((enum multipart_state)m->state) {
        case MULTIPART_PREAMBLE:
            (void)take_content(m, input, data);
            break;
        case MULTIPART_HEADER:
            event = take_header(m, input);
            break;
        case MULTIPART_CONTENT:
            event = take_content(m, input, data);
            break;
        case MULTIPART_EPILOGUE:
            take(input, input->len);
            break;
        default:
            event = take_delimiter(m, input->data[0]);
            take(input, 1);
        }
    }
    /* A delimiter that ends behind data was seen with it, and is told next. */
    if (event == FORM_MORE && m->state == MULTIPART_CONTENT && m->matched == m->delimiter_len)
        return end_content(m);
    if (event == FORM_MORE && last)
        return m->state == MULTIPART_CLOSED || m->state == MULTIPART_EPILOGUE ? FORM_END : FORM_MALFORMED;
    return event;
}
