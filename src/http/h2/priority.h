/*
 * Priorities (RFC 9218): the value of the Priority field and the payload of PRIORITY_UPDATE, both a Dictionary of RFC
 * 8941. A Dictionary that is not well-formed is ignored as a whole; a member of an unknown name, of another type or out
 * of range is ignored alone.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_HTTP_H2_PRIORITY_H
#define WEIR_HTTP_H2_PRIORITY_H

#include "base/slice.h"
#include "http/h2/frame.h"

#include <stdint.h>

#define H2_URGENCY_DEFAULT 3
#define H2_URGENCY_MAX     7

struct h2_priority {
    uint8_t urgency; /* 0, the most urgent, to H2_URGENCY_MAX */
    bool incremental;
};

static inline struct h2_priority h2_priority_default(void)
{
    return (struct h2_priority){.urgency = H2_URGENCY_DEFAULT};
}

/* Reads a field's value. What that does not say stays in *p as it was. False: it is no Dictionary, and *p is as it was.
 */
bool h2_priority_parse(struct slice value, struct h2_priority *p);

/* The whole payload of a PRIORITY_UPDATE that h2_frame_check() found good: which stream it is about, and what for. What
 * it does not say is the default. Whether the stream may have a priority is for its owner. */
struct h2_fault h2_priority_update_read(const struct h2_frame *f, const uint8_t *payload, uint32_t *stream,
                                        struct h2_priority *p);

#endif
