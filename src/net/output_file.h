/*
 * Sending files and sources: what output.c asks of output_file.c.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_NET_OUTPUT_FILE_H
#define WEIR_NET_OUTPUT_FILE_H

#include "net/output.h"

/* Hands up to `most` bytes of the file or source at the front to the transport. Bytes that were taken, and the segment
 * knows it; TRANSPORT_WANT_..., OUTPUT_COLD, OUTPUT_FILL, OUTPUT_SHORT or an error. */
ssize_t output_send_unread(struct output *o, struct net *n, struct connection *c, size_t most);

#endif
