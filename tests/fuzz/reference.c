/*
 * The reference. Every function looks at whole texts; time does not matter here.
 *
 * SPDX-License-Identifier: MIT
 */
#include "reference.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define LENGTH_DIGITS_MAX  19 /* but for leading zeros: more do not fit 63 bits */
#define CHUNK_DIGITS_MAX   15 /* likewise; weir's own bound */
#define EMPTY_LINES_MAX    8  /* before a request; weir's own bound */
#define DATA_PER_EXTENSION 16 /* weir's own rule: so many bytes of a body pay for one of an extension */

/* ---- Characters (RFC 5234 appendix B.1, RFC 9110 section 5.6.2) ---- */

static bool is_digit(char c)
{
    return strchr("0123456789", c) && c;
}

static bool is_hex(char c)
{
    return strchr("0123456789abcdefABCDEF", c) && c;
}

static bool is_letter(char c)
{
    return strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c) && c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_tchar(char c)
{
    return is_digit(c) || is_letter(c) || (strchr("!#$%&'*+-.^_`|~", c) && c);
}

static bool is_vchar(char c)
{
    return c > ' ' && c < 0x7f;
}

/* weir takes more than RFC 3986 allows: what clients send unescaped. */
static bool is_target_char(char c)
{
    return is_vchar(c) && c != '#';
}

static bool is_control(char c)
{
    return (c >= 0 && c < ' ') || c == 0x7f;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool all(struct slice text, bool (*is)(char))
{
    for (size_t i = 0; i < text.len; i++)
        if (!is(text.data[i]))
            return false;
    return true;
}

static bool is_word(struct slice text, const char *word)
{
    if (text.len != strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.data[i]) != lower(word[i]))
            return false;
    return true;
}

/* Where byte is in text, or text.len. */
static size_t find(struct slice text, char byte)
{
    size_t at = 0;
    while (at < text.len && text.data[at] != byte)
        at++;
    return at;
}

/* Where string is in text, or text.len. */
static size_t find_string(struct slice text, const char *string)
{
    for (size_t at = 0; at < text.len; at++) {
        size_t len = 0;
        while (string[len] && at + len < text.len && text.data[at + len] == string[len])
            len++;
        if (!string[len])
            return at;
    }
    return text.len;
}

static struct slice part(struct slice text, size_t from, size_t to)
{
    return slice_of(text.data + from, to - from);
}

static struct slice trim(struct slice text)
{
    size_t from = 0, to = text.len;
    while (from < to && is_space(text.data[from]))
        from++;
    while (to > from && is_space(text.data[to - 1]))
        to--;
    return part(text, from, to);
}

/* ---- Fields that say how the message is to be read ---- */

static void read_length(struct reference_head *h, struct slice value)
{
    size_t zeros = 0;
    while (zeros < value.len && value.data[zeros] == '0')
        zeros++;
    if (h->has_length || value.len == 0 || value.len - zeros > LENGTH_DIGITS_MAX || !all(value, is_digit)) {
        h->faults |= FAULT_400;
        return;
    }
    h->has_length = true;
    h->length = 0;
    for (size_t i = 0; i < value.len; i++)
        h->length = h->length * 10 + (uint64_t)(value.data[i] - '0');
    if (h->length > INT64_MAX)
        h->faults |= FAULT_400;
}

/* The n-th member of a list that is not empty (RFC 9110 section 5.6.1.2). False: there is none. */
static bool list_member(struct slice list, size_t n, struct slice *member)
{
    for (;;) {
        size_t comma = find(list, ',');
        *member = trim(part(list, 0, comma));
        if (member->len > 0 && n == 0)
            return true;
        if (comma == list.len)
            return false;
        if (member->len > 0)
            n--;
        list = part(list, comma + 1, list.len);
    }
}

/* Codings that weir does not support or that are no tokens are counted as unknown: whether the last one is chunked is
 * told by the whole head. */
static void read_coding(struct reference_head *h, struct slice value, size_t *codings, size_t *unknown)
{
    struct slice coding;
    size_t n = 0, commas = 0;
    for (size_t i = 0; i < value.len; i++)
        commas += value.data[i] == ',';
    for (; list_member(value, n, &coding); n++) {
        ++*codings;
        if (h->chunked || *codings > UINT8_MAX)
            h->faults |= FAULT_400; /* chunked is the last, and is applied once */
        if (is_word(coding, "chunked"))
            h->chunked = true;
        else
            ++*unknown;
    }
    if (n != commas + 1)
        h->faults |= FAULT_400; /* an empty member: the RFC would have it ignored, weir not */
}

static void read_connection(struct reference_head *h, struct slice value)
{
    struct slice option;
    for (size_t n = 0; list_member(value, n, &option); n++) {
        h->close |= is_word(option, "close");
        h->keep_alive |= is_word(option, "keep-alive");
        h->upgrade |= is_word(option, "upgrade");
    }
}

static bool is_name_char(char c)
{
    return is_digit(c) || is_letter(c) || (strchr("-._~", c) && c);
}

static bool is_address(struct slice text)
{
    char address[INET6_ADDRSTRLEN + 1] = "";
    struct in6_addr binary;
    if (text.len >= INET6_ADDRSTRLEN || find(text, '\0') < text.len)
        return false;
    memcpy(address, text.data, text.len);
    return inet_pton(AF_INET6, address, &binary) == 1;
}

/* uri-host [ ":" port ], with a name of fewer characters than RFC 3986 allows it, a port there can be, and no other
 * literal than IPv6 addresses. */
static bool is_authority(struct slice text)
{
    bool literal = text.len > 0 && text.data[0] == '[';
    size_t close = find(text, ']');
    if (literal && (close == text.len || !is_address(part(text, 1, close))))
        return false;
    size_t colon = literal ? close + 1 : find(text, ':');
    struct slice port = part(text, colon < text.len ? colon + 1 : colon, text.len);
    if (colon < text.len && text.data[colon] != ':')
        return false;
    if (!all(port, is_digit) || port.len > 5)
        return false;
    unsigned number = 0;
    for (size_t i = 0; i < port.len; i++)
        number = number * 10 + (unsigned)(port.data[i] - '0');
    if (number > 65535)
        return false;
    return literal || (colon > 0 && all(part(text, 0, colon), is_name_char));
}

static void read_meaning(struct reference_head *h)
{
    size_t codings = 0, unknown = 0;
    for (size_t i = 0; i < h->field_count && i < REFERENCE_FIELDS; i++) {
        struct slice name = h->fields[i].name, value = h->fields[i].value;
        if (is_word(name, "Content-Length"))
            read_length(h, value);
        if (is_word(name, "Transfer-Encoding"))
            read_coding(h, value, &codings, &unknown);
        if (is_word(name, "Connection"))
            read_connection(h, value);
        if (is_word(name, "Expect")) {
            struct slice expectation;
            h->expects_continue |= list_member(value, 0, &expectation);
            for (size_t n = 0; list_member(value, n, &expectation); n++)
                h->faults |= is_word(expectation, "100-continue") ? 0 : FAULT_417;
        }
        if (is_word(name, "Host")) {
            h->host = value;
            if (++h->host_count > 1 || !is_authority(value))
                h->faults |= FAULT_400;
        }
    }
    if (!h->complete)
        return;
    if (h->minor == 1 && h->host_count == 0)
        h->faults |= FAULT_400;
    if (codings > 0 && (h->minor == 0 || h->has_length || !h->chunked))
        h->faults |= FAULT_400;
    if (unknown > 0 || slice_equal(h->method, SLICE("CONNECT")))
        h->faults |= FAULT_501;
}

/* ---- The head, line by line (RFC 9112 sections 2 to 5) ---- */

/* The ends of lines are CRLF, and there are no other control characters but tabs (RFC 9112 section 2.2, RFC 9110
 * section 5.5). */
static bool bytes_are_legal(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool last = i + 1 == text.len;
        if (c == '\r' && !last && text.data[i + 1] != '\n')
            return false;
        if (c == '\n' && (i == 0 || text.data[i - 1] != '\r'))
            return false;
        if (is_control(c) && c != '\r' && c != '\n' && c != '\t')
            return false;
    }
    return true;
}

/* Whether text is the beginning of "HTTP/" DIGIT "." DIGIT, or all of it. */
static bool is_version(struct slice text)
{
    static const char form[] = "HTTP/0.0";
    for (size_t i = 0; i < text.len; i++)
        if (i >= strlen(form) || (form[i] == '0' ? !is_digit(text.data[i]) : text.data[i] != form[i]))
            return false;
    return true;
}

/* request-line = method SP request-target SP HTTP-version. closed: its CR has been seen; whole: and its LF. */
static void read_request_line(struct reference_head *h, struct slice line, bool closed, bool whole)
{
    size_t first = find(line, ' ');
    h->method = part(line, 0, first);
    if (!all(h->method, is_tchar) || (h->method.len == 0 && (closed || first < line.len)))
        h->faults |= FAULT_400;
    struct slice rest = part(line, first < line.len ? first + 1 : line.len, line.len);
    size_t second = find(rest, ' ');
    h->target = part(rest, 0, second);
    if (!all(h->target, is_target_char) || (h->target.len == 0 && (closed || second < rest.len)))
        h->faults |= FAULT_400;
    struct slice version = part(rest, second < rest.len ? second + 1 : rest.len, rest.len);
    if (!is_version(version) || (closed && version.len != strlen("HTTP/1.1")))
        h->faults |= FAULT_400;
    else if (whole && version.data[5] != '1')
        h->faults |= FAULT_505;
    else if (whole)
        h->minor = version.data[7] == '0' ? 0 : 1;
}

/* field-line = field-name ":" OWS field-value OWS */
static void read_field_line(struct reference_head *h, struct slice line, bool closed, bool whole, size_t max_fields)
{
    size_t colon = find(line, ':');
    struct slice name = part(line, 0, colon);
    if (!all(name, is_tchar) || (name.len == 0 && colon < line.len) || (closed && colon == line.len))
        h->faults |= FAULT_400;
    if (!whole)
        return;
    if (h->field_count < REFERENCE_FIELDS)
        h->fields[h->field_count] = (struct reference_field){
            .name = name, .value = trim(part(line, colon < line.len ? colon + 1 : line.len, line.len))};
    if (++h->field_count > max_fields)
        h->faults |= FAULT_431;
}

void reference_head_read(struct reference_head *h, struct slice text, size_t max_fields)
{
    memset(h, 0, offsetof(struct reference_head, fields));
    while (text.len - h->start >= 2 && memcmp(text.data + h->start, "\r\n", 2) == 0) {
        h->start += 2;
        h->illegal |= h->start > 2 * EMPTY_LINES_MAX;
    }
    h->faults |= h->illegal ? FAULT_400 : 0;
    h->end = text.len;
    if (h->illegal || slice_equal(part(text, h->start, text.len), SLICE("\r")))
        return; /* half of an empty line */
    struct slice rest = part(text, h->start, text.len);
    size_t empty = find_string(rest, "\r\n\r\n");
    h->complete = empty < rest.len;
    h->end = h->complete ? h->start + empty + 4 : text.len;
    if (!bytes_are_legal(part(text, 0, h->end))) {
        h->illegal = true;
        h->faults |= FAULT_400;
    }
    rest = part(text, h->start, h->complete ? h->end - 2 : text.len);
    for (size_t number = 0; rest.len > 0; number++) {
        size_t end = find_string(rest, "\r\n");
        bool whole = end < rest.len;
        bool closed = whole || rest.data[rest.len - 1] == '\r';
        struct slice line = part(rest, 0, whole ? end : rest.len - closed);
        if (number == 0)
            read_request_line(h, line, closed, whole);
        else if (line.len > 0 || whole) /* a lone CR begins the empty line */
            read_field_line(h, line, closed, whole, max_fields);
        rest = part(rest, whole ? end + 2 : rest.len, rest.len);
    }
    read_meaning(h);
}

bool reference_persists(const struct reference_head *h)
{
    return !h->close && (h->minor == 1 || h->keep_alive);
}

unsigned reference_fault_of(int status)
{
    return status == 400   ? FAULT_400
           : status == 417 ? FAULT_417
           : status == 431 ? FAULT_431
           : status == 501 ? FAULT_501
           : status == 505 ? FAULT_505
                           : 0;
}

/* ---- Targets ---- */

static void split_query(struct reference_target *t, struct slice text)
{
    size_t mark = find(text, '?');
    t->path = part(text, 0, mark);
    t->has_query = mark < text.len;
    t->query = part(text, t->has_query ? mark + 1 : mark, text.len);
}

void reference_target_read(struct reference_target *t, const struct reference_head *h)
{
    static const char *const schemes[] = {"http://", "https://"};
    *t = (struct reference_target){.valid = true, .authority = h->host};
    struct slice text = h->target;
    if (text.data[0] == '/') {
        split_query(t, text);
        return;
    }
    if (slice_equal(text, SLICE("*")) && slice_equal(h->method, SLICE("OPTIONS"))) {
        t->path = text;
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        size_t scheme = strlen(schemes[i]);
        if (text.len < scheme || !is_word(part(text, 0, scheme), schemes[i]))
            continue;
        struct slice rest = part(text, scheme, text.len);
        size_t slash = find(rest, '/'), mark = find(rest, '?');
        size_t end = slash < mark ? slash : mark;
        t->authority = part(rest, 0, end);
        t->valid = is_authority(t->authority);
        split_query(t, part(rest, end, rest.len));
        if (t->path.len == 0)
            t->path = SLICE("/");
        return;
    }
    t->valid = false;
}

/* ---- Chunked bodies (RFC 9112 section 7.1) ---- */

/* The next line of text from *at, without its CRLF. BODY_END: *line is one; BODY_MORE: *line is what there is of it;
 * *closed: its CR is there. */
static enum reference_body take_line(struct slice text, size_t *at, struct slice *line, bool *closed)
{
    size_t end = *at;
    while (end < text.len && (!is_control(text.data[end]) || text.data[end] == '\t'))
        end++;
    *line = part(text, *at, end);
    *closed = end < text.len && text.data[end] == '\r';
    if (end == text.len || (*closed && end + 1 == text.len))
        return BODY_MORE;
    *at = end + 2;
    return *closed && text.data[end + 1] == '\n' ? BODY_END : BODY_BAD;
}

static size_t token_length(struct slice text, size_t at)
{
    size_t len = 0;
    while (at + len < text.len && is_tchar(text.data[at + len]))
        len++;
    return len;
}

/* The length of the quoted string at `at` (RFC 9110 section 5.6.4), or of what there is of it, which *ended tells. */
static size_t quoted_length(struct slice text, size_t at, bool *ended)
{
    size_t i = at + 1;
    while (i < text.len && text.data[i] != '"')
        i += text.data[i] == '\\' ? 2 : 1;
    *ended = i < text.len;
    return *ended ? i + 1 - at : text.len - at;
}

/* chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ), or, unless it is closed, the beginning of one. weir
 * allows no whitespace. */
static bool extension_is_good(struct slice text, bool closed)
{
    for (size_t at = 0; at < text.len;) {
        if (text.data[at] != ';')
            return false;
        size_t name = token_length(text, ++at);
        at += name;
        if (at == text.len)
            return name > 0 || !closed;
        if (name == 0)
            return false;
        if (text.data[at] != '=')
            continue;
        if (++at == text.len)
            return !closed;
        bool ended = true;
        size_t value = text.data[at] == '"' ? quoted_length(text, at, &ended) : token_length(text, at);
        if (value == 0 || (closed && !ended))
            return false;
        at += value;
    }
    return true;
}

/* chunk-size [ chunk-ext ], or a part of it. */
static bool size_line_is_good(struct slice line, bool closed, uint64_t *size, size_t *extensions)
{
    size_t digits = 0, zeros = 0;
    while (zeros < line.len && line.data[zeros] == '0')
        zeros++;
    *extensions += zeros > 1 ? zeros - 1 : 0;
    *size = 0;
    while (digits < line.len && is_hex(line.data[digits])) {
        static const char values[] = "0123456789abcdef";
        *size = *size * 16 + (uint64_t)(strchr(values, lower(line.data[digits])) - values);
        if (++digits > zeros + CHUNK_DIGITS_MAX)
            return false;
    }
    if (digits == line.len)
        return digits > 0 || !closed;
    *extensions += line.len - digits - 1;
    return digits > 0 && extension_is_good(part(line, digits, line.len), closed);
}

/* RFC 9110 section 6.5.1: framing, routing, request modifiers, authentication, content format. */
static bool is_forbidden_in_trailers(struct slice name)
{
    static const char *const families[] = {"if-", "proxy-", "sec-", "x-forwarded-"};
    static const char *const names[] = {
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "origin",
        "max-forwards",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "upgrade",
        "x-http-method-override",
        "transfer-encoding",
    };
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        found |= is_word(name, names[i]);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        found |= name.len >= strlen(families[i]) && is_word(part(name, 0, strlen(families[i])), families[i]);
    return found;
}

/* A field line, or a part of it. */
static bool trailer_line_is_good(struct reference_chunked *out, struct slice line, bool closed)
{
    size_t colon = find(line, ':');
    struct slice name = part(line, 0, colon);
    if (!all(name, is_tchar))
        return false;
    if (colon == line.len)
        return !closed;
    if (out->trailer_count < REFERENCE_FIELDS)
        out->trailer[out->trailer_count] =
            (struct reference_field){.name = name, .value = trim(part(line, colon + 1, line.len))};
    out->trailer_count += closed;
    return name.len > 0 && !is_forbidden_in_trailers(name);
}

static enum reference_body read_trailer(struct reference_chunked *out, struct slice text, size_t at, size_t max)
{
    size_t start = at;
    for (;;) {
        struct slice line;
        bool closed;
        enum reference_body result = take_line(text, &at, &line, &closed);
        out->long_trailer |= (result == BODY_END ? at : text.len) - start > max;
        if (result == BODY_END && line.len == 0) {
            out->end = at;
            return out->long_trailer ? BODY_BAD : BODY_END;
        }
        if (!trailer_line_is_good(out, line, closed && line.len > 0) || out->long_trailer)
            return BODY_BAD;
        if (result != BODY_END)
            return result;
    }
}

void reference_chunked_read(struct reference_chunked *out, struct slice text, size_t extension_max, size_t trailer_max,
                            char *data)
{
    memset(out, 0, offsetof(struct reference_chunked, trailer));
    out->trailer_count = 0;
    size_t allowed = extension_max, at = 0;
    for (;;) {
        struct slice line;
        uint64_t size;
        size_t extensions = 0;
        bool closed;
        enum reference_body result = take_line(text, &at, &line, &closed);
        bool good = size_line_is_good(line, closed, &size, &extensions);
        out->long_extension = extensions > allowed;
        out->result = good && !out->long_extension ? result : BODY_BAD;
        if (out->result != BODY_END)
            return;
        allowed -= extensions;
        allowed =
            size / DATA_PER_EXTENSION < extension_max - allowed ? allowed + size / DATA_PER_EXTENSION : extension_max;
        if (size == 0) {
            out->result = read_trailer(out, text, at, trailer_max);
            return;
        }
        out->result = BODY_MORE;
        uint64_t left = text.len - at;
        size_t take = size < left ? (size_t)size : (size_t)left;
        memcpy(data + out->len, text.data + at, take);
        out->len += take;
        at += take;
        for (size_t i = 0; i < 2; i++) { /* CRLF */
            if (at == text.len)
                return;
            if (text.data[at++] != "\r\n"[i]) {
                out->result = BODY_BAD;
                return;
            }
        }
    }
}
