/*
 * Input that is held between two calls: a part of one record, as plaintext or as ciphertext, and what came behind it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "net/tls/lean_worker.h"

#include <string.h>

const size_t lean_held_sizes[LEAN_HELD_SIZES] = {512, 4096, sizeof(struct lean_held) + LEAN_RECORD_MAX};

/* The smallest size that holds len bytes. */
static uint16_t size_for(size_t len)
{
    uint16_t size = 0;
    while (lean_held_sizes[size] - sizeof(struct lean_held) < len)
        size++;
    return size;
}

void lean_drop_held(struct lean_worker *w, struct lean_connection *l)
{
    if (l->held)
        pool_give(&w->held[l->held->size], l->held);
    l->held = NULL;
}

bool lean_hold(struct lean_worker *w, struct lean_connection *l, const uint8_t *plain, size_t plain_len,
               const uint8_t *cipher, size_t cipher_len)
{
    size_t len = plain_len + cipher_len;
    weir_assert(len <= LEAN_RECORD_MAX);
    if (len == 0) {
        lean_drop_held(w, l);
        return true;
    }
    struct lean_held *held = l->held;
    uint16_t size = size_for(len);
    if (!held || held->size != size) {
        held = pool_take(&w->held[size]);
        if (!held)
            return false;
        held->size = size;
    }
    held->at = 0;
    held->plain = (uint16_t)plain_len;
    held->cipher = (uint16_t)cipher_len;
    memcpy(held->data, plain, plain_len);
    memcpy(held->data + plain_len, cipher, cipher_len);
    if (held != l->held)
        lean_drop_held(w, l);
    l->held = held;
    return true;
}

size_t lean_take_plain(struct lean_worker *w, struct lean_connection *l, uint8_t *to, size_t len)
{
    struct lean_held *held = l->held;
    if (!held || held->plain == 0)
        return 0;
    len = len < held->plain ? len : held->plain;
    memcpy(to, held->data + held->at, len);
    held->at = (uint16_t)(held->at + len);
    held->plain = (uint16_t)(held->plain - len);
    if (held->plain == 0 && held->cipher == 0)
        lean_drop_held(w, l);
    return len;
}
