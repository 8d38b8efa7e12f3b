/*
 * Chunks of a body (RFC 9112, section 7.1) that is an event stream. Each has to hold whole events, as weir's do, of one
 * line of data each.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LIVE_CHUNK_H
#define LIVE_CHUNK_H

#include "stream.h"

/* Hands over the data of all events in chunks that are whole, and returns how many bytes those were. */
size_t chunks_take(struct stream *s, const uint8_t *data, size_t len, stream_taker *take, void *arg);

#endif
