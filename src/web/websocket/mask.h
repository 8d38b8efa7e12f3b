/*
 * The masks of clients' frames (RFC 6455 section 5.3).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_WEBSOCKET_MASK_H
#define WEIR_WEB_WEBSOCKET_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Takes the mask off len bytes, or puts it on, in place. offset: how many bytes of the payload come before these. */
void ws_mask(uint8_t *data, size_t len, const uint8_t mask[static 4], uint64_t offset);

#endif
