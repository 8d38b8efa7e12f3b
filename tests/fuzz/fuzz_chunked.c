/*
 * Chunked bodies: decoded whole and cut at points that the first byte chooses, which has to give the same.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "http/h1_chunked.h"

struct decoded {
    struct h1_chunked decoder;
    enum h1_chunked_event result;
    size_t used, len;
    char *body;
};

static void feed(struct decoded *d, const uint8_t *data, size_t upto)
{
    char *copy = fuzz_copy(data + d->used, upto - d->used, 0);
    struct slice input = slice_of(copy, upto - d->used), piece;
    do {
        size_t used = SIZE_MAX;
        d->result = h1_chunked_next(&d->decoder, input, &used, &piece);
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
    *d = (struct decoded){.body = malloc(size + 1)};
    FUZZ_CHECK(d->body);
    h1_chunked_begin(&d->decoder);
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
    FUZZ_CHECK((whole.result == CHUNKED_BAD) == (whole.decoder.reason != NULL) || whole.result == CHUNKED_TOO_LONG);
    for (size_t upto = 0; cut.result == CHUNKED_MORE && upto < size;) {
        upto += fuzz_cut(&seed, size - upto);
        feed(&cut, data, upto);
    }
    FUZZ_CHECK(cut.result == whole.result && cut.used == whole.used && cut.len == whole.len);
    FUZZ_CHECK(memcmp(cut.body, whole.body, whole.len) == 0);
    if (whole.result == CHUNKED_END)
        FUZZ_CHECK(whole.used >= 5 && whole.len + 5 <= whole.used);
    free(whole.body);
    free(cut.body);
    return 0;
}
