/*
 * The request head, token by token. Each phase scans over bytes of one class; where the scan stops at the end of the
 * input, the phase is left as it is and goes on from there at the next call.
 *
 * SPDX-License-Identifier: MIT
 */
#include "http/h1/parser.h"
#include "base/debug.h"
#include "base/load.h"
#include "http/authority.h"
#include "http/field.h"
#include "http/scan.h"

enum phase {
    PHASE_START,
    PHASE_METHOD,
    PHASE_TARGET,
    PHASE_VERSION,
    PHASE_LINE,
    PHASE_NAME,
    PHASE_SPACE,
    PHASE_VALUE,
    PHASE_LINE_END
};

#define VERSION_LEN     10 /* "HTTP/1.1\r\n" */
#define EMPTY_LINES_MAX 8  /* before a request (RFC 9112 section 2.2) */

int h1_too_long(const struct h1_parser *p)
{
    return p->phase <= PHASE_METHOD ? 501 : p->phase <= PHASE_VERSION ? 414 : 431;
}

static COLD enum h1_parse_result refuse(struct h1_parser *p, int status, const char *reason)
{
    p->status = (uint16_t)status;
    p->reason = reason;
    return H1_REFUSED;
}

/* ---- Fields that the framing depends on ---- */

/*
 * Whether len (a constant of at least 4) bytes are `lower` but for case, by words that overlap. No byte but a letter's
 * upper case, and CR for "-", becomes a byte of a name that way, and neither tokens nor values hold a CR.
 */
static inline __attribute__((always_inline)) bool text_is(const char *text, const char *lower, size_t len)
{
    const uint64_t fold = 0x2020202020202020u;
    if (len < 8)
        return (load_4(text) | (uint32_t)fold) == load_4(lower) &&
               (load_4(text + len - 4) | (uint32_t)fold) == load_4(lower + len - 4);
    for (size_t at = 0; at + 8 <= len; at += 8)
        if ((load_8(text + at) | fold) != load_8(lower + at))
            return false;
    return (load_8(text + len - 8) | fold) == load_8(lower + len - 8);
}

static COLD int field_content_length(struct h1_parser *p, struct http_head *head, struct slice value)
{
    if (head->flags & HEAD_HAS_LENGTH)
        return refuse(p, 400, "repeated Content-Length");
    int64_t length;
    if (!field_length_read(value, &length))
        return refuse(p, 400, "malformed Content-Length");
    head->content_length = length;
    head->flags |= HEAD_HAS_LENGTH;
    return 0;
}

static COLD int field_transfer_encoding(struct h1_parser *p, struct http_head *head, struct slice value)
{
    struct slice coding;
    size_t left = 1; /* members, were none empty */
    for (size_t i = 0; i < value.len; i++)
        left += value.data[i] == ',';
    while (field_list_next(&value, &coding)) {
        if (head->flags & HEAD_CHUNKED)
            return refuse(p, 400, "a transfer coding after chunked");
        if (p->codings == UINT8_MAX)
            return refuse(p, 400, "too many transfer codings");
        p->codings++;
        left--;
        if (slice_equal_nocase(coding, SLICE("chunked")))
            head->flags |= HEAD_CHUNKED;
    }
    return left > 0 ? refuse(p, 400, "an empty transfer coding") : 0;
}

/* A plain name and perhaps a port, which nearly every Host is. False: it takes a closer look. */
static inline __attribute__((always_inline)) bool host_is_usual(struct slice value)
{
    const char *end = value.data + value.len, *colon = scan_host(value.data);
    if (colon == value.data)
        return false;
    return colon == end || (*colon == ':' && authority_port_is_valid(colon + 1, (size_t)(end - colon - 1)));
}

static COLD int host_check(struct h1_parser *p, const struct http_head *head, struct slice value)
{
    if (head->flags & HEAD_HAS_HOST)
        return refuse(p, 400, "repeated Host");
    return authority_is_valid(value) ? 0 : refuse(p, 400, "malformed Host");
}

static inline __attribute__((always_inline)) int field_host(struct h1_parser *p, struct http_head *head,
                                                            struct slice value)
{
    if (unlikely((head->flags & HEAD_HAS_HOST) || !host_is_usual(value))) {
        int status = host_check(p, head, value);
        if (status != 0)
            return status;
    }
    head->host = (uint16_t)(value.data - head->base);
    head->host_len = (uint16_t)value.len;
    head->flags |= HEAD_HAS_HOST;
    return 0;
}

static int field_connection(struct h1_parser *p, struct http_head *head, struct slice value)
{
    (void)p;
    if (likely(value.len == 10 && text_is(value.data, "keep-alive", 10))) {
        head->flags |= HEAD_KEEP_ALIVE;
        return 0;
    }
    struct slice option;
    while (field_list_next(&value, &option)) {
        if (slice_equal_nocase(option, SLICE("close")))
            head->flags |= HEAD_CLOSE;
        else if (slice_equal_nocase(option, SLICE("keep-alive")))
            head->flags |= HEAD_KEEP_ALIVE;
        else if (slice_equal_nocase(option, SLICE("upgrade")))
            head->flags |= HEAD_UPGRADE;
    }
    return 0;
}

static COLD int field_expect(struct h1_parser *p, struct http_head *head, struct slice value)
{
    struct slice expectation;
    while (field_list_next(&value, &expectation)) { /* an empty list expects nothing */
        if (!slice_equal_nocase(expectation, SLICE("100-continue")))
            return refuse(p, 417, "unknown expectation");
        head->flags |= HEAD_EXPECT_CONTINUE;
    }
    return 0;
}

/* The lengths of the names below as bits. */
#define FRAMING_LENGTHS (1u << 6 | 1u << 10 | 1u << 14 | 1u << 17)

/* Acts on the fields that framing depends on, other than Host, told by their length first. Returns 0 or H1_REFUSED. */
static __attribute__((noinline)) int field_framing(struct h1_parser *p, struct http_head *head, struct slice name,
                                                   struct slice value)
{
    switch (name.len) {
    case 6:
        return text_is(name.data, "expect", 6) ? field_expect(p, head, value) : 0;
    case 10:
        return text_is(name.data, "connection", 10) ? field_connection(p, head, value) : 0;
    case 14:
        return text_is(name.data, "content-length", 14) ? field_content_length(p, head, value) : 0;
    case 17:
        return text_is(name.data, "transfer-encoding", 17) ? field_transfer_encoding(p, head, value) : 0;
    default:
        return 0;
    }
}

/* Whether a name is worth a closer look: a length and a beginning that other names rarely have both. */
static inline bool framing_likely(struct slice name)
{
    if (!(FRAMING_LENGTHS >> (name.len & 31) & 1))
        return false;
    uint32_t begins = load_4(name.data) | 0x20202020u;
    return begins == load_4("conn") || begins == load_4("cont") || begins == load_4("tran") || begins == load_4("expe");
}

_Static_assert(sizeof(struct http_field) == 8 && offsetof(struct http_field, value_len) == 6, "stored as one word");

/* fields: the head's; NULL: it has no room for any. */
static inline void field_store(struct http_field *fields, size_t n, size_t name, size_t name_len, size_t value,
                               size_t value_len)
{
    if (!fields)
        return;
    /* One store: gcc would make a vector of the four parts, which takes longer. None is more than HEAD_SIZE_MAX. */
    uint64_t field = (uint64_t)name | (uint64_t)name_len << 16 | (uint64_t)value << 32 | (uint64_t)value_len << 48;
    memcpy(&fields[n], &field, sizeof field);
}

/* What a field says of the framing. Returns 0 or H1_REFUSED. */
static inline __attribute__((always_inline)) int field_meaning(struct h1_parser *p, struct http_head *head,
                                                               struct slice name, struct slice value)
{
    if (name.len == 4)
        return text_is(name.data, "host", 4) ? field_host(p, head, value) : 0;
    return framing_likely(name) ? field_framing(p, head, name, value) : 0;
}

/* What is left of a value, leading space skipped, without the space before its end. */
static inline struct slice value_trim(const char *value, const char *end)
{
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return slice_of(value, (size_t)(end - value));
}

/* A field's line has been read: the value, leading space skipped, ends at end, where its CRLF begins. */
static int field_complete(struct h1_parser *p, struct http_head *head, struct slice name, const char *value,
                          const char *end)
{
    struct slice rest = value_trim(value, end);
    if (head->field_count == head->field_max)
        return refuse(p, 431, "too many fields");
    field_store(head->fields, head->field_count, (size_t)(name.data - head->base), name.len,
                (size_t)(value - head->base), rest.len);
    head->field_count++;
    return field_meaning(p, head, name, rest);
}

/* ---- The head as a whole ---- */

/* "HTTP/1.x" CRLF: as much of it as is there has to be right. */
static enum h1_parse_result version_parse(struct h1_parser *p, struct http_head *head, const char *at, size_t len)
{
    static const char form[] = "HTTP/d.d\r\n";
    for (size_t i = 0; i < VERSION_LEN; i++) {
        if (i == len)
            return H1_INCOMPLETE;
        bool right = form[i] == 'd' ? at[i] >= '0' && at[i] <= '9' : at[i] == form[i];
        if (!right)
            return refuse(p, 400, "malformed request line");
    }
    if (at[5] != '1')
        return refuse(p, 505, "HTTP version not supported");
    head->version = at[7] == '0' ? WEIR_HTTP_1_0 : WEIR_HTTP_1_1;
    return H1_COMPLETE;
}

/* What can be judged only when all fields are known (RFC 9112 section 6). */
static inline enum h1_parse_result head_complete(struct h1_parser *p, struct http_head *head)
{
    if (likely((head->flags & HEAD_HAS_HOST) && p->codings == 0 && head->method_len != 7))
        return H1_COMPLETE;
    if (head->version >= WEIR_HTTP_1_1 && !(head->flags & HEAD_HAS_HOST))
        return refuse(p, 400, "no Host");
    if (p->codings > 0) {
        if (head->version == WEIR_HTTP_1_0)
            return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
        if (head->flags & HEAD_HAS_LENGTH)
            return refuse(p, 400, "Content-Length and Transfer-Encoding");
        if (!(head->flags & HEAD_CHUNKED))
            return refuse(p, 400, "the last transfer coding is not chunked");
        if (p->codings > 1)
            return refuse(p, 501, "transfer coding not supported");
    }
    if (head->method_len == 7 && memcmp(head->base, "CONNECT", 7) == 0)
        return refuse(p, 501, "CONNECT is not supported");
    return H1_COMPLETE;
}

#define AT_END(q) ((q) == end)

/* Where the target ends that begins at text; *path_len: of a plain path at its beginning, or 0. */
static inline __attribute__((always_inline)) const char *target_quick(const char *text, size_t *path_len)
{
    *path_len = 0;
    if (unlikely(*text != '/'))
        return scan_target(text);
    const char *end = scan_plain_path(text + 1);
    if (likely(*end == ' ') || *end == '?')
        *path_len = (size_t)(end - text);
    return likely(*end == ' ') ? end : scan_target(end);
}

/* The rest of such a line behind a method; method_len is a constant where the method is the usual one. */
static inline __attribute__((always_inline)) const char *request_rest_quick(struct http_head *head, const char *base,
                                                                            size_t method_len)
{
    size_t path_len;
    const char *target = base + method_len + 1, *end = target_quick(target, &path_len);
    if (load_8(end) != load_8(" HTTP/1.") || load_4(end + 7) != load_4(".1\r\n") || end == target)
        return NULL;
    head->method_len = (uint16_t)method_len;
    head->target = (uint16_t)(method_len + 1);
    head->target_len = (uint16_t)(end - target);
    head->path_len = (uint16_t)path_len;
    head->version = WEIR_HTTP_1_1;
    return end + 11;
}

/* A whole line of the most common version at once; returns behind it. NULL: it is for the phases to say what it is. */
static inline const char *request_line_quick(struct http_head *head, const char *base)
{
    if (likely(load_4(base) == load_4("GET ")))
        return request_rest_quick(head, base, 3);
    const char *method_end = scan_token(base);
    if (*method_end != ' ' || method_end == base)
        return NULL;
    return request_rest_quick(head, base, (size_t)(method_end - base));
}

static enum h1_parse_result parse_request_line(struct h1_parser *p, struct http_head *head, const char *base,
                                               const char *end)
{
    const char *q;
    switch ((enum phase)p->phase) {
    case PHASE_METHOD:
        q = scan_token(base + p->pos);
        p->pos = (uint16_t)(q - base);
        if (AT_END(q))
            return H1_INCOMPLETE;
        if (*q != ' ' || p->pos == 0)
            return refuse(p, 400, "malformed method");
        head->method_len = p->pos;
        p->token = ++p->pos;
        p->phase = PHASE_TARGET;
        FALLTHROUGH;
    case PHASE_TARGET:
        q = scan_target(base + p->pos);
        p->pos = (uint16_t)(q - base);
        if (AT_END(q))
            return H1_INCOMPLETE;
        if (*q != ' ' || p->pos == p->token)
            return refuse(p, 400, "malformed request target");
        head->target = p->token;
        head->target_len = (uint16_t)(p->pos - p->token);
        p->pos++;
        p->phase = PHASE_VERSION;
        FALLTHROUGH;
    default:
        break;
    }
    q = base + p->pos;
    enum h1_parse_result version = version_parse(p, head, q, (size_t)(end - q));
    if (version != H1_COMPLETE)
        return version;
    p->pos = (uint16_t)(p->pos + VERSION_LEN);
    p->phase = PHASE_LINE;
    return H1_COMPLETE;
}

/* Host comes first from most clients (RFC 9112 section 3.2), as a plain name and perhaps a port: its line is read in
 * one go. Returns behind it, or line where it is anything else. No field has been read yet. */
static inline __attribute__((always_inline)) const char *host_line_quick(struct http_head *head, const char *line)
{
    if ((load_4(line) | 0x20202020u) != load_4("host") || load_2(line + 4) != load_2(": "))
        return line;
    const char *value = line + 6, *end = scan_host(value);
    if (end == value)
        return line;
    if (*end == ':') {
        size_t digits = authority_digits_count(end + 1);
        if (digits >= 5)
            return line;
        end += 1 + digits;
    }
    if (load_2(end) != load_2("\r\n") || head->field_max == 0)
        return line;
    size_t name = (size_t)(line - head->base), len = (size_t)(end - value);
    field_store(head->fields, 0, name, 4, name + 6, len);
    head->field_count = 1;
    head->host = (uint16_t)(name + 6);
    head->host_len = (uint16_t)len;
    head->flags = HEAD_HAS_HOST;
    return end + 2;
}

/*
 * Whole lines, and the empty one, are read at once. What is left, H1_INCOMPLETE, is a line that is not all there or not
 * right: for the phases to say.
 */
static enum h1_parse_result parse_lines(struct h1_parser *p, struct http_head *head, const char *base, const char *line)
{
    struct http_field *fields = head->fields;
    size_t count = head->field_count, most = head->field_max;
    int refused = 0;
    while (*line != '\r' && refused == 0) {
        const char *colon = scan_token(line);
        if (*colon != ':' || colon == line)
            break;
        const char *value = colon + 1;
        if (likely(*value == ' '))
            value++; /* nearly always one space, and no more */
        while (unlikely(*value == ' ' || *value == '\t'))
            value++;
        const char *end = scan_value(value);
        if (load_2(end) != load_2("\r\n"))
            break;
        struct slice name = slice_of(line, (size_t)(colon - line)), rest = value_trim(value, end);
        line = end + 2;
        if (unlikely(count == most)) {
            refused = refuse(p, 431, "too many fields");
            break;
        }
        field_store(fields, count++, (size_t)(name.data - base), name.len, (size_t)(value - base), rest.len);
        refused = field_meaning(p, head, name, rest);
    }
    head->field_count = (uint16_t)count;
    if (unlikely(refused != 0))
        return H1_REFUSED;
    bool empty = load_2(line) == load_2("\r\n");
    p->pos = (uint16_t)(line - base + (empty ? 2 : 0));
    return empty ? H1_COMPLETE : H1_INCOMPLETE;
}

static enum h1_parse_result parse_fields(struct h1_parser *p, struct http_head *head, const char *base, const char *end)
{
    for (;;) {
        if (p->phase == PHASE_LINE) {
            enum h1_parse_result lines = parse_lines(p, head, base, base + p->pos);
            if (lines != H1_INCOMPLETE)
                return lines;
        }
        const char *q = base + p->pos;
        switch ((enum phase)p->phase) {
        case PHASE_LINE:
            if (AT_END(q))
                return H1_INCOMPLETE;
            if (*q == '\r')
                return AT_END(q + 1) ? H1_INCOMPLETE : refuse(p, 400, "bare CR");
            p->name = p->pos;
            p->phase = PHASE_NAME;
            FALLTHROUGH;
        case PHASE_NAME:
            q = scan_token(q);
            p->pos = (uint16_t)(q - base);
            if (AT_END(q))
                return H1_INCOMPLETE;
            if (*q != ':' || p->pos == p->name)
                return refuse(p, 400, "malformed field name");
            p->name_len = (uint16_t)(p->pos - p->name);
            p->pos++;
            q++;
            p->phase = PHASE_SPACE;
            FALLTHROUGH;
        case PHASE_SPACE:
            while (*q == ' ' || *q == '\t')
                q++;
            p->pos = p->token = (uint16_t)(q - base);
            if (AT_END(q))
                return H1_INCOMPLETE;
            p->phase = PHASE_VALUE;
            FALLTHROUGH;
        case PHASE_VALUE:
            q = scan_value(q);
            p->pos = (uint16_t)(q - base);
            if (AT_END(q))
                return H1_INCOMPLETE;
            if (*q != '\r')
                return refuse(p, 400, "control character in a field");
            p->phase = PHASE_LINE_END;
            FALLTHROUGH;
        default:
            if (AT_END(q + 1))
                return H1_INCOMPLETE;
            if (q[1] != '\n')
                return refuse(p, 400, "bare CR");
            if (unlikely(field_complete(p, head, slice_of(base + p->name, p->name_len), base + p->token, q) != 0))
                return H1_REFUSED;
            p->pos = (uint16_t)(p->pos + 2);
            p->phase = PHASE_LINE;
        }
    }
}

/* Skips empty lines before the request. H1_COMPLETE: something else is there. */
static COLD enum h1_parse_result skip_empty_lines(struct h1_parser *p, const char *data, size_t len)
{
    for (;;) {
        size_t at = (size_t)p->empty_lines * 2;
        if (at == len)
            return H1_INCOMPLETE;
        if (data[at] != '\r')
            return H1_COMPLETE;
        if (at + 1 == len)
            return H1_INCOMPLETE;
        if (data[at + 1] != '\n')
            return refuse(p, 400, "bare CR");
        if (p->empty_lines == EMPTY_LINES_MAX)
            return refuse(p, 400, "too many empty lines before a request");
        p->empty_lines++;
    }
}

/* Goes on, or begins, wherever the head stands. */
static __attribute__((noinline)) enum h1_parse_result parse_on(struct h1_parser *p, struct http_head *head, char *data,
                                                               size_t len)
{
    if (len == 0)
        return H1_INCOMPLETE;
    if (p->phase == PHASE_START && (data[0] == '\r' || p->empty_lines > 0)) {
        enum h1_parse_result skipped = skip_empty_lines(p, data, len);
        if (skipped != H1_COMPLETE)
            return skipped;
    }
    char *base = data + (size_t)p->empty_lines * 2;
    const char *end = data + len;
    head->base = base;
    if (p->phase == PHASE_START)
        p->phase = PHASE_METHOD;
    if (p->phase <= PHASE_VERSION) {
        enum h1_parse_result line = parse_request_line(p, head, base, end);
        if (line != H1_COMPLETE)
            return line;
    }
    enum h1_parse_result fields = parse_fields(p, head, base, end);
    if (fields != H1_COMPLETE)
        return fields;
    head->size = p->pos;
    return head_complete(p, head);
}

/* Goes on behind the request line, and perhaps the first field. */
static __attribute__((noinline)) enum h1_parse_result parse_rest(struct h1_parser *p, struct http_head *head,
                                                                 char *data, const char *line, size_t len)
{
    p->phase = PHASE_LINE;
    enum h1_parse_result lines = parse_lines(p, head, data, line);
    if (unlikely(lines != H1_COMPLETE))
        return lines == H1_INCOMPLETE ? parse_on(p, head, data, len) : lines;
    head->size = p->pos;
    return head_complete(p, head);
}

enum h1_parse_result h1_parse(struct h1_parser *p, struct http_head *head, char *data, size_t len)
{
    if (unlikely(p->phase != PHASE_START || p->empty_lines > 0))
        return parse_on(p, head, data, len);
    head->base = data;
    const char *line = request_line_quick(head, data);
    if (unlikely(!line))
        return parse_on(p, head, data, len);
    line = host_line_quick(head, line);
    if (likely(load_2(line) == load_2("\r\n"))) {
        head->size = (uint16_t)(line + 2 - data);
        return head_complete(p, head);
    }
    return parse_rest(p, head, data, line, len);
}
