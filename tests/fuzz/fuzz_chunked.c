/*
 * Chunked bodies: what the decoder makes of them is what the reference does, whole and cut at points that the first byte chooses, and a body that is refused is refused
 * as soon as nothing that follows could mend it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h1_chunked.h"
#include "reference.h"

struct decoded {
    struct h1_chunked decoder;
    enum h1_chunked_event result;
    size_t used, len;
    char *body, *trailer;
};

static void feed(struct decoded *d, const uint8_t *data, size_t upto)
{
    char *copy = fuzz_copy(data + d->used, upto - d->used, 0);
    struct slice input = slice_of(copy, upto - d->used), piece;
    do {
        size_t used = SIZE_MAX;
        d->result = h1_chunked_next(&d->decoder, input, &used, &piece, d->trailer);
        FUZZ_CHECK(used <= input.len);
        if (d->result == CHUNKED_DATA) {
            FUZZ_CHECK(piece.len > 0 && piece.data >= input.data && piece.data + piece.len == input.data + used);
            memcpy(d->body + d->len, piece.data, piece.len);
            d->len += piece.len;
        }
        d->used += used;
        input = slice_of(input.data + used, input.len - used);
    } while (d->result == CHUNKED_DATA);
    FUZZ_CHECK(d->result != CHUNKED_MORE || d->used == upto);
    free(copy);
}

static void begin(struct decoded *d, size_t size)
{
    *d = (struct decoded){.body = malloc(size + 1), .trailer = malloc(size + 1)};
    FUZZ_CHECK(d->body && d->trailer);
    h1_chunked_begin(&d->decoder, CHUNK_EXTENSION_MAX, CHUNK_TRAILER_MAX);
}

static void check_reference(const struct decoded *d, const uint8_t *data, size_t size)
{
    struct reference_chunked expected;
    char *body = fuzz_copy(data, size, 1);
    reference_chunked_read(&expected, slice_of((const char *)data, size), body);
    FUZZ_CHECK((d->result == CHUNKED_MORE) == (expected.result == BODY_MORE));
    FUZZ_CHECK((d->result == CHUNKED_END) == (expected.result == BODY_END));
    FUZZ_CHECK((d->result != CHUNKED_LONG_EXTENSION && d->result != CHUNKED_LONG_TRAILER) || expected.too_long);
    FUZZ_CHECK(d->result != CHUNKED_END || d->used == expected.end);
    FUZZ_CHECK(d->len == expected.len && memcmp(d->body, body, d->len) == 0);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint32_t seed = data[0];
    data++;
    size--;
    struct decoded whole, cut;
    begin(&whole, size);
    begin(&cut, size);
    feed(&whole, data, size);
    FUZZ_CHECK((whole.result < 0) == (whole.decoder.reason != 0));
    check_reference(&whole, data, size);
    for (size_t upto = 0; cut.result == CHUNKED_MORE && upto < size;) {
        upto += fuzz_cut(&seed, size - upto);
        feed(&cut, data, upto);
    }
    FUZZ_CHECK(cut.result == whole.result && cut.used == whole.used && cut.len == whole.len);
    FUZZ_CHECK(memcmp(cut.body, whole.body, whole.len) == 0);
    FUZZ_CHECK(cut.decoder.trailer_len == whole.decoder.trailer_len && whole.decoder.trailer_len <= size);
    FUZZ_CHECK(memcmp(cut.trailer, whole.trailer, whole.decoder.trailer_len) == 0);
    free(whole.body);
    free(whole.trailer);
    free(cut.body);
    free(cut.trailer);
    return 0;
}
