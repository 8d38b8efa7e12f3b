/*
 * Names of topics, and patterns that match them. A name is segments with "/" between them; in a pattern "+" stands for
 * any one segment, and "#", as the last one, for whatever follows, which may be nothing: "room/#" matches "room", too
 * (as MQTT 5.0 section 4.7 has it). Neither stands for a first segment that begins with "$".
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_TOPIC_NAME_H
#define WEIR_WEB_TOPIC_NAME_H

#include "base/slice.h"

enum topic_name_kind {
    TOPIC_NAME_WRONG, /* neither of the two: it is too long, a segment is empty, or there is what must not be */
    TOPIC_NAME,
    TOPIC_PATTERN, /* with "+" or "#" */
};

enum topic_name_kind topic_name_kind(struct slice text);

/* Whether a pattern, or a name that stands for itself, matches name. A name may be a pattern's text as well. */
bool topic_name_matches(struct slice pattern, struct slice name);

#endif
