/*
 * SHA-256 and SHA-512 (FIPS 180-4). Our own, because a server without TLS is to check what it is sent as well: plain C,
 * which takes some eight times as long as a processor's instructions for SHA-256 do.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_SHA2_H
#define WEIR_BASE_SHA2_H

#include <stddef.h>
#include <stdint.h>

enum sha2_kind { SHA2_256, SHA2_512 };

#define SHA2_256_LEN 32
#define SHA2_512_LEN 64
#define SHA2_LEN_MAX SHA2_512_LEN

struct sha2 {
    uint8_t kind;  /* enum sha2_kind */
    uint64_t size; /* bytes so far */
    union {
        uint32_t words[8]; /* of SHA2_256 */
        uint64_t longs[8]; /* of SHA2_512 */
    };
    uint8_t block[128]; /* what is left of the bytes so far: of SHA2_256 only the first half is used */
};

void sha2_begin(struct sha2 *s, enum sha2_kind kind);
void sha2_add(struct sha2 *s, const void *data, size_t len);
/* Writes the digest, whose length it returns. */
size_t sha2_end(struct sha2 *s, uint8_t digest[static SHA2_LEN_MAX]);

/* The length of a kind's digests in bytes. */
static inline size_t sha2_len(enum sha2_kind kind)
{
    return kind == SHA2_256 ? SHA2_256_LEN : SHA2_512_LEN;
}

#endif
