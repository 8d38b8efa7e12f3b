/*
 * What a group wants compressed, and how: read once, before the start, and looked at for each reply.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_SETTINGS_H
#define WEIR_WEB_COMPRESS_SETTINGS_H

#include "base/memory.h"
#include "web/compress/negotiate.h"
#include "weir.h"

struct compress_settings {
    bool on;
    uint8_t count;          /* of order */
    uint8_t order[CODINGS]; /* the codings that are offered, the favourite first */
    int levels[CODINGS];    /* by enum coding */
    uint64_t least;         /* bytes of a body that is worth it */
    size_t size;            /* of this record, with what lies behind */
    char types[];           /* patterns, with a space between two */
};

/* Makes settings of what a program has given. Returns 0; WEIR_EINVAL with a message for people; WEIR_ENOMEM. */
int compress_settings_new(struct account *a, const weir_compress_config *config, struct compress_settings **made,
                          char *message, size_t size) MUST_CHECK;
/* s may be NULL. */
void compress_settings_free(struct account *a, struct compress_settings *s);

/* Whether a Content-Type, of which what is behind ";" does not count, is among patterns: "*" stands for any text, case
 * is ignored, and a pattern behind "!" takes types out again, wherever it stands. */
bool compress_type_matches(const char *patterns, struct slice type);

#endif
