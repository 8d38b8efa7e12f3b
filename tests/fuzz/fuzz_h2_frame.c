/*
 * Frames and priorities. Behind an "F": frames one after the other, each judged by its head and then read; what is said
 * of it has to follow from RFC 9113 section 6, told here by ranges, and what is read, written again, has to be the same
 * bytes. Behind a "P": a priority; a Dictionary that is good has to stay good with a member more on either side, and to
 * be read the same in every spelling of its separators.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h2/frame.h"
#include "http/h2/priority.h"

#define FRAME_MAX 16384

static void check_fault(struct h2_fault fault)
{
    FUZZ_CHECK(h2_is_good(fault) == (fault.error == H2_NO_ERROR) && (!h2_is_good(fault) || !fault.stream));
    FUZZ_CHECK(strcmp(h2_error_name(fault.error), "unknown") != 0);
}

/* ---- Frames ---- */

static bool head_is_right(const struct h2_frame *f)
{
    bool client = f->stream % 2 == 1, none = f->stream == 0;
    if (f->length > FRAME_MAX)
        return false;
    switch (f->type) {
    case 0:
    case 1:
    case 9:
        return client;
    case 2:
        return !none && f->length == 5;
    case 3:
        return client && f->length == 4;
    case 4:
        return none && f->length % 6 == 0 && (!(f->flags & 1) || f->length == 0);
    case 5:
        return false;
    case 6:
        return none && f->length == 8;
    case 7:
        return none && f->length >= 8;
    case 8:
        return (none || client) && f->length == 4;
    case 16:
        return none && f->length >= 4;
    default:
        return true;
    }
}

static void check_headers(const struct h2_frame *f, const uint8_t *payload)
{
    struct slice block;
    struct h2_fault fault = h2_headers_read(f, payload, &block);
    size_t before = (f->flags & 8 ? 1 : 0) + (f->flags & 32 ? 5 : 0);
    size_t padding = (f->flags & 8) && f->length > 0 ? payload[0] : 0;
    check_fault(fault);
    FUZZ_CHECK((before + padding <= f->length) == (h2_is_good(fault) || fault.stream));
    if (before + padding > f->length)
        return;
    FUZZ_CHECK(block.data == (const char *)payload + before && block.len == f->length - before - padding);
    if (f->flags & 32) {
        uint32_t on = h2_read_32(payload + (f->flags & 8 ? 1 : 0)) & 0x7fffffff;
        FUZZ_CHECK(fault.stream == (on == f->stream));
    }
}

static void check_data(const struct h2_frame *f, const uint8_t *payload)
{
    uint32_t padding;
    struct h2_fault fault = h2_padding_read(f, f->length > 0 ? payload[0] : 0, &padding);
    check_fault(fault);
    if (h2_is_good(fault))
        FUZZ_CHECK(f->flags & 8 ? padding == payload[0] && padding < f->length : padding == 0);
    else
        FUZZ_CHECK((f->flags & 8) && (f->length == 0 || payload[0] >= f->length));
}

static void check_settings(const struct h2_frame *f, const uint8_t *payload)
{
    struct h2_setting settings[FRAME_MAX / 6];
    size_t count = f->length / H2_SETTING_LEN;
    uint8_t *out = malloc(H2_SETTINGS_LEN(count));
    FUZZ_CHECK(out);
    for (size_t i = 0; i < count; i++)
        check_fault(h2_setting_read(payload + i * H2_SETTING_LEN, &settings[i]));
    uint8_t *end = h2_write_settings(out, settings, count);
    FUZZ_CHECK((size_t)(end - out) == H2_SETTINGS_LEN(count));
    FUZZ_CHECK(memcmp(out + H2_FRAME_HEAD, payload, f->length) == 0);
    free(out);
}

static void check_goaway(const struct h2_frame *f, const uint8_t *payload)
{
    struct h2_goaway g;
    h2_goaway_read(f, payload, &g);
    FUZZ_CHECK(g.debug.len == f->length - 8 && g.last_stream <= H2_STREAM_MAX);
    uint8_t *out = malloc(H2_GOAWAY_LEN(g.debug.len));
    FUZZ_CHECK(out);
    uint8_t *end = h2_write_goaway(out, g.last_stream, (enum h2_error)(g.error & 15), g.debug);
    FUZZ_CHECK((size_t)(end - out) == H2_GOAWAY_LEN(g.debug.len));
    FUZZ_CHECK(memcmp(out + H2_FRAME_HEAD + 8, payload + 8, g.debug.len) == 0);
    free(out);
}

static void check_payload(const struct h2_frame *f, const uint8_t *payload)
{
    struct h2_dependency d;
    struct h2_priority p;
    uint32_t number;
    struct h2_fault fault;
    uint8_t out[H2_WINDOW_UPDATE_LEN];
    switch (f->type) {
    case H2_DATA:
        check_data(f, payload);
        break;
    case H2_HEADERS:
        check_headers(f, payload);
        break;
    case H2_PRIORITY:
        fault = h2_priority_read(f, payload, &d);
        check_fault(fault);
        FUZZ_CHECK(fault.stream == (d.stream == f->stream) && d.weight >= 1 && d.weight <= 256);
        break;
    case H2_SETTINGS:
        check_settings(f, payload);
        break;
    case H2_GOAWAY:
        check_goaway(f, payload);
        break;
    case H2_WINDOW_UPDATE:
        fault = h2_window_update_read(f, payload, &number);
        check_fault(fault);
        FUZZ_CHECK(h2_is_good(fault) == (number > 0) && (h2_is_good(fault) || fault.stream == (f->stream != 0)));
        h2_write_window_update(out, f->stream, number);
        FUZZ_CHECK(memcmp(out + H2_FRAME_HEAD + 1, payload + 1, 3) == 0);
        break;
    case H2_PRIORITY_UPDATE:
        fault = h2_priority_update_read(f, payload, &number, &p);
        check_fault(fault);
        FUZZ_CHECK(h2_is_good(fault) == (number != 0) && p.urgency <= H2_URGENCY_MAX);
        break;
    default:
        break;
    }
}

static void frames(const uint8_t *data, size_t size)
{
    while (size >= H2_FRAME_HEAD) {
        struct h2_frame f = h2_frame_read(data);
        uint8_t again[H2_FRAME_HEAD];
        h2_frame_write(again, f.length, (enum h2_frame_type)f.type, f.flags, f.stream);
        FUZZ_CHECK(memcmp(again, data, 5) == 0 && (data[5] & 0x7f) == again[5] && memcmp(again + 6, data + 6, 3) == 0);
        struct h2_fault fault = h2_frame_check(&f, FRAME_MAX);
        check_fault(fault);
        FUZZ_CHECK(h2_is_good(fault) == head_is_right(&f));
        data += H2_FRAME_HEAD;
        size -= H2_FRAME_HEAD;
        if (f.length > size)
            break;
        if (h2_is_good(fault)) {
            uint8_t *payload = (uint8_t *)fuzz_copy(data, f.length, 0);
            check_payload(&f, payload);
            free(payload);
        }
        data += f.length;
        size -= f.length;
    }
}

/* ---- Priorities ---- */

static bool parse(const char *before, const uint8_t *data, size_t size, const char *behind, struct h2_priority *p)
{
    size_t first = strlen(before), last = strlen(behind);
    char *text = malloc(first + size + last + 1);
    FUZZ_CHECK(text);
    memcpy(text, before, first);
    if (size)
        memcpy(text + first, data, size);
    memcpy(text + first + size, behind, last);
    *p = h2_priority_default();
    bool good = h2_priority_parse(slice_of(text, first + size + last), p);
    free(text);
    return good;
}

static void priorities(const uint8_t *data, size_t size)
{
    struct h2_priority p, q;
    bool good = parse("", data, size, "", &p);
    FUZZ_CHECK(p.urgency <= H2_URGENCY_MAX);
    if (!good)
        FUZZ_CHECK(p.urgency == H2_URGENCY_DEFAULT && !p.incremental);
    FUZZ_CHECK(parse("  ", data, size, "", &q) == good && p.urgency == q.urgency && p.incremental == q.incremental);
    size_t spaces = 0;
    while (spaces < size && data[spaces] == ' ')
        spaces++;
    if (spaces < size) { /* what begins with a tab is bad, and is good behind a comma */
        FUZZ_CHECK(parse("", data, size, " \t", &q) == good);
        FUZZ_CHECK(parse("a=1\t,", data, size, "", &q) == good || data[spaces] == '\t');
        FUZZ_CHECK(parse("", data, size, ", u=6, i", &q) == good);
        if (good)
            FUZZ_CHECK(q.urgency == 6 && q.incremental);
        FUZZ_CHECK(parse("", data, size, " , u=9, i=2", &q) == good);
        if (good)
            FUZZ_CHECK(q.urgency == H2_URGENCY_DEFAULT && !q.incremental);
    }
    FUZZ_CHECK(!parse("", data, size, ",", &q));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 40000)
        return 0;
    if (data[0] == 'P')
        priorities(data + 1, size - 1);
    else
        frames(data + 1, size - 1);
    return 0;
}
