/*
 * Prefaces of the PROXY protocol. Whatever comes in pieces is what it is as a whole: a beginning of a preface is never
 * wrong, what is wrong stays wrong whatever follows, and what is whole does not depend on what follows. A second reader
 * here finds the length and, of version 2, the address by itself.
 *
 * Input: the bytes that a client sends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "net/proxy/preface.h"

static enum preface_state parse(const uint8_t *data, size_t size, struct preface *p)
{
    char *exact = fuzz_copy(data, size, 0); /* of exactly its size */
    enum preface_state state = preface_parse(exact, size, p);
    free(exact);
    return state;
}

static void check_text(const uint8_t *data, const struct preface *p)
{
    FUZZ_CHECK(p->len <= PREFACE_V1_MAX && memcmp(data, "PROXY ", 6) == 0);
    FUZZ_CHECK(memchr(data, '\r', p->len) == data + p->len - 2 && data[p->len - 1] == '\n');
    if (p->client.family == ENDPOINT_NONE) {
        FUZZ_CHECK(memcmp(data + 6, "UNKNOWN", 7) == 0);
        return;
    }
    /* What was read is written again: the source's words, up to their form. */
    char text[ENDPOINT_TEXT_MAX], copy[PREFACE_V1_MAX + 1], source[PREFACE_V1_MAX + 1];
    char port[6];
    struct endpoint again;
    memcpy(copy, data, p->len);
    copy[p->len] = '\0';
    FUZZ_CHECK(sscanf(copy, "PROXY %*s %106s %*s %5s", source, port) == 2);
    FUZZ_CHECK(strtoul(port, NULL, 10) == p->client.port);
    FUZZ_CHECK(endpoint_parse(&again, slice_from(endpoint_format(&p->client, text, sizeof text))));
    FUZZ_CHECK(memcmp(again.bytes, p->client.bytes, sizeof again.bytes) == 0);
    FUZZ_CHECK(endpoint_parse(&again, slice_from(source)) && again.family == p->client.family);
    FUZZ_CHECK(memcmp(again.bytes, p->client.bytes, sizeof again.bytes) == 0);
}

static void check_binary(const uint8_t *data, const struct preface *p)
{
    FUZZ_CHECK(p->len == 16u + data[14] * 256u + data[15] && (data[12] == 0x20 || data[12] == 0x21));
    if (data[12] == 0x20) {
        FUZZ_CHECK(p->client.family == ENDPOINT_NONE);
        return;
    }
    switch (p->client.family) {
    case ENDPOINT_V4:
        FUZZ_CHECK(data[13] == 0x11 || data[13] == 0x21); /* an IPv6 address may hold one of IPv4 */
        FUZZ_CHECK(memcmp(p->client.bytes, data + (data[13] == 0x11 ? 16 : 28), 4) == 0);
        break;
    case ENDPOINT_V6:
        FUZZ_CHECK(data[13] == 0x21 && memcmp(p->client.bytes, data + 16, 16) == 0);
        FUZZ_CHECK(p->client.port == data[48] * 256 + data[49]);
        break;
    default:
        FUZZ_CHECK(data[13] == (p->client.family == ENDPOINT_LOCAL ? 0x31 : 0x00));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct preface whole, part;
    if (size > PREFACE_MAX + 64)
        return 0;
    enum preface_state state = parse(data, size, &whole);
    if (state == PREFACE_WHOLE) {
        FUZZ_CHECK(whole.len > 0 && whole.len <= size && whole.len <= PREFACE_MAX);
        (data[0] == 'P' ? check_text : check_binary)(data, &whole);
    } else {
        FUZZ_CHECK(state != PREFACE_PART || size < PREFACE_MAX);
    }
    size_t step = size > 256 ? size / 64 : 1;
    enum preface_state before = PREFACE_PART;
    for (size_t i = 0; i <= size; i += step) {
        enum preface_state now = parse(data, i, &part);
        FUZZ_CHECK(before == PREFACE_PART || now == before);
        FUZZ_CHECK(now != PREFACE_WHOLE || part.len == whole.len);
        before = now;
    }
    FUZZ_CHECK(before == PREFACE_PART || before == state);
    return 0;
}
