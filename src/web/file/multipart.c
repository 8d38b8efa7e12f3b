/*
 * The parts of multipart/byteranges, one after the other.
 *
 * SPDX-License-Identifier: MIT
 */
#include "web/file/multipart.h"

#include <stdio.h>
#include <sys/random.h>

#define BOUNDARY_LEN 16

/* "\r\n--boundary", which begins each part's head and the end. */
#define DELIMITER_LEN (4 + BOUNDARY_LEN)

/* What is the same in each part's head, and the longest that is not: "first-last/size", and an empty line. */
#define PREFIX_MAX (DELIMITER_LEN + sizeof "\r\nContent-Type: \r\nContent-Range: bytes " - 1 + MULTIPART_TYPE_MAX)
#define PLACE_MAX  (sizeof "9223372036854775807-9223372036854775807/9223372036854775807\r\n\r\n")

struct multipart {
    struct output_source source;
    struct http *http;
    struct spill *block; /* in which all this lies */
    struct file *file;   /* with a reference; NULL until it is to be sent */
    int64_t size;        /* of the file */
    uint64_t length;     /* of the body */
    int64_t sent;        /* bytes of the range that are sent */
    uint16_t prefix_len;
    uint16_t head_at, head_len; /* head[head_at..head_len) is what comes next; equal: the range is */
    uint8_t part, count;        /* the range whose turn it is; count: the end's */
    char head[PREFIX_MAX + PLACE_MAX];
    struct byte_range ranges[];
};

/* Puts where a range lies behind what all heads have in common. Returns the head's length. */
static size_t put_place(struct multipart *m, const struct byte_range *range)
{
    int len = snprintf(m->head + m->prefix_len, PLACE_MAX, "%lld-%lld/%lld\r\n\r\n", (long long)range->first,
                       (long long)(range->first + range->len - 1), (long long)m->size);
    return m->prefix_len + (size_t)len;
}

/* The head of the next part, or the end: the prefix is not needed any more. */
static void begin_part(struct multipart *m)
{
    m->sent = 0;
    m->head_at = m->part == 0 ? 2 : 0; /* nothing stands before the first one, so that no line ends there */
    if (m->part < m->count) {
        m->head_len = (uint16_t)put_place(m, &m->ranges[m->part]);
    } else {
        memcpy(m->head + DELIMITER_LEN, "--\r\n", 4);
        m->head_len = DELIMITER_LEN + 4;
    }
}

static struct multipart *multipart_of(struct output_source *s)
{
    return container_of(s, struct multipart, source);
}

static bool next_piece(struct output_source *s, struct segment *piece)
{
    struct multipart *m = multipart_of(s);
    if (m->head_at < m->head_len) {
        *piece = (struct segment){.kind = SEGMENT_STATIC, .data = m->head + m->head_at};
        piece->len = (uint64_t)(m->head_len - m->head_at) & SEGMENT_LEN_MASK;
        return true;
    }
    if (m->part == m->count)
        return false;
    const struct byte_range *range = &m->ranges[m->part];
    *piece = (struct segment){.kind = SEGMENT_FILE, .file = m->file, .offset = range->first + m->sent};
    piece->len = (uint64_t)(range->len - m->sent) & SEGMENT_LEN_MASK;
    return true;
}

static void took(struct output_source *s, size_t n)
{
    struct multipart *m = multipart_of(s);
    if (m->head_at < m->head_len) {
        m->head_at = (uint16_t)(m->head_at + n);
        debug_assert(m->head_at <= m->head_len);
        return;
    }
    m->sent += (int64_t)n;
    debug_assert(m->sent <= m->ranges[m->part].len);
    if (m->sent == m->ranges[m->part].len) {
        m->part++;
        begin_part(m);
    }
}

static void release(struct output_source *s, int error)
{
    (void)error;
    multipart_free(multipart_of(s));
}

static const struct output_source_ops multipart_ops = {.piece = next_piece, .took = took, .release = release};

struct multipart *multipart_new(struct http *http, const struct byte_range *ranges, size_t count, int64_t size,
                                struct slice type)
{
    uint64_t boundary;
    size_t len = sizeof(struct multipart) + count * sizeof *ranges;
    debug_assert(count > 0 && count <= RANGES_MAX);
    if (type.len > MULTIPART_TYPE_MAX || getrandom(&boundary, sizeof boundary, 0) != (ssize_t)sizeof boundary)
        return NULL;
    struct spill *block = spill_take_any(http, len);
    if (!block)
        return NULL;
    struct multipart *m = (void *)block->data;
    *m = (struct multipart){.source.ops = &multipart_ops, .http = http, .block = block, .size = size};
    m->count = (uint8_t)count;
    memcpy(m->ranges, ranges, count * sizeof *ranges);
    m->prefix_len =
        (uint16_t)snprintf(m->head, sizeof m->head, "\r\n--%016llx\r\nContent-Type: %.*s\r\nContent-Range: bytes ",
                           (unsigned long long)boundary, (int)type.len, type.data);
    for (size_t i = 0; i < count; i++)
        m->length += put_place(m, &ranges[i]) + (uint64_t)ranges[i].len;
    m->length += DELIMITER_LEN + 4 - 2; /* the end; and what the first part does without */
    begin_part(m);
    return m;
}

void multipart_free(struct multipart *m)
{
    if (m->file)
        file_unref(m->file);
    spill_give(m->http, m->block);
}

void multipart_type(const struct multipart *m, char to[MULTIPART_OWN_TYPE_LEN])
{
    memcpy(to, "multipart/byteranges; boundary=", MULTIPART_OWN_TYPE_LEN - BOUNDARY_LEN);
    memcpy(to + MULTIPART_OWN_TYPE_LEN - BOUNDARY_LEN, m->head + 4, BOUNDARY_LEN);
}

struct segment multipart_send(struct multipart *m, struct file *file)
{
    m->file = file;
    return (struct segment){.kind = SEGMENT_SOURCE, .len = m->length & SEGMENT_LEN_MASK, .source = &m->source};
}
