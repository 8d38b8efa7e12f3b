/*
 * Chunked bodies: what the decoder makes of them is what the reference does, whole and cut at points that the first
 * byte chooses, and a body that is refused is refused as soon as nothing that follows could mend it. Trailer fields are
 * collected over what has been decoded, as a connection does.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h1/chunked.h"
#include "reference.h"

struct decoded {
    struct h1_chunked decoder;
    enum h1_chunked_event result;
    size_t used, len;
    char *body, *trailer;
};

/* Decodes the bytes that follow those used, up to upto, in memory of their own size. */
static void feed(struct decoded *d, const uint8_t *data, size_t upto)
{
    size_t kept = d->decoder.trailer_len, fresh = upto - d->used;
    char *window = malloc(kept + fresh + 1);
    FUZZ_CHECK(window);
    memcpy(window, d->trailer, kept);
    memcpy(window + kept, data + d->used, fresh);
    struct slice input = slice_of(window + kept, fresh), piece;
    do {
        size_t used = SIZE_MAX;
        d->result = h1_chunked_next(&d->decoder, input, &used, &piece, window);
        FUZZ_CHECK(used <= input.len && window + d->decoder.trailer_len <= input.data + used);
        if (d->result == CHUNKED_DATA) {
            FUZZ_CHECK(piece.len > 0 && piece.data >= input.data && piece.data + piece.len == input.data + used);
            memcpy(d->body + d->len, piece.data, piece.len);
            d->len += piece.len;
        }
        d->used += used;
        input = slice_of(input.data + used, input.len - used);
    } while (d->result == CHUNKED_DATA);
    FUZZ_CHECK(d->result != CHUNKED_MORE || d->used == upto);
    memcpy(d->trailer, window, d->decoder.trailer_len);
    free(window);
}

static void begin(struct decoded *d, size_t size, uint16_t extension_max, uint16_t trailer_max)
{
    *d = (struct decoded){.body = malloc(size + 1), .trailer = malloc(size + 1)};
    FUZZ_CHECK(d->body && d->trailer);
    h1_chunked_begin(&d->decoder, extension_max, trailer_max);
}

static bool string_is(const char *string, struct slice text)
{
    return strlen(string) == text.len && memcmp(string, text.data, text.len) == 0;
}

static void check_trailer(const struct decoded *d, const struct reference_chunked *expected)
{
    const char *name, *value;
    for (size_t i = 0; i < expected->trailer_count && i < REFERENCE_FIELDS; i++) {
        FUZZ_CHECK(h1_chunked_trailer(&d->decoder, d->trailer, i, &name, &value));
        FUZZ_CHECK(string_is(name, expected->trailer[i].name) && string_is(value, expected->trailer[i].value));
    }
    FUZZ_CHECK(!h1_chunked_trailer(&d->decoder, d->trailer, expected->trailer_count, &name, &value));
}

static void check_reference(const struct decoded *d, const uint8_t *data, size_t size, uint16_t extension_max,
                            uint16_t trailer_max)
{
    static struct reference_chunked expected;
    char *body = fuzz_copy(data, size, 1);
    reference_chunked_read(&expected, slice_of((const char *)data, size), extension_max, trailer_max, body);
    FUZZ_CHECK((d->result == CHUNKED_MORE) == (expected.result == BODY_MORE));
    FUZZ_CHECK((d->result == CHUNKED_END) == (expected.result == BODY_END));
    FUZZ_CHECK((d->result < 0) == (*h1_chunked_reason(&d->decoder) != '\0'));
    FUZZ_CHECK(d->result != CHUNKED_LONG_EXTENSION || expected.long_extension);
    FUZZ_CHECK(d->result != CHUNKED_LONG_TRAILER || expected.long_trailer);
    FUZZ_CHECK(d->len == expected.len && memcmp(d->body, body, d->len) == 0);
    if (d->result == CHUNKED_END) {
        FUZZ_CHECK(d->used == expected.end);
        check_trailer(d, &expected);
    }
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint32_t seed = data[0];
    uint16_t extension_max = seed % 4 == 0 ? 4 : CHUNK_EXTENSION_MAX;
    uint16_t trailer_max = seed % 8 == 0 ? 12 : CHUNK_TRAILER_MAX;
    data++;
    size--;
    struct decoded whole, cut;
    begin(&whole, size, extension_max, trailer_max);
    begin(&cut, size, extension_max, trailer_max);
    feed(&whole, data, size);
    check_reference(&whole, data, size, extension_max, trailer_max);
    for (size_t upto = 0; cut.result == CHUNKED_MORE && upto < size;) {
        upto += fuzz_cut(&seed, size - upto);
        feed(&cut, data, upto);
    }
    FUZZ_CHECK(cut.result == whole.result && cut.used == whole.used && cut.len == whole.len);
    FUZZ_CHECK(memcmp(cut.body, whole.body, whole.len) == 0);
    FUZZ_CHECK(cut.decoder.trailer_len == whole.decoder.trailer_len);
    FUZZ_CHECK(memcmp(cut.trailer, whole.trailer, whole.decoder.trailer_len) == 0);
    free(whole.body);
    free(cut.body);
    free(whole.trailer);
    free(cut.trailer);
    return 0;
}
