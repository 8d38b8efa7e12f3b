/*
 * The log: lines with a level, to a callback or to standard error. A line is composed on the caller's stack and is cut
 * at LOG_LINE_MAX, so that logging allocates nothing and a peer cannot make lines of any length. Bytes that are not
 * printable are escaped, so that a peer cannot forge lines either.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "weir.h"

#define LOG_LINE_MAX 512

struct log {
    int level;      /* most verbose enum weir_log_level written; 0 or less: nothing */
    weir_log_fn fn; /* NULL: standard error */
    void *data;
};

/* Whether lines of a level are written: asked before a line that takes work to compose. l may be NULL. */
static inline bool log_wants(const struct log *l, int level)
{
    return l && level <= l->level;
}

/* Writes a line if the level is wanted. l may be NULL: nothing. Any thread. */
void log_write(const struct log *l, int level, const char *fmt, ...) WEIR_PRINTF(3, 4);

#define log_error(l, ...) log_write((l), WEIR_LOG_ERROR, __VA_ARGS__)
#define log_warn(l, ...)  log_write((l), WEIR_LOG_WARN, __VA_ARGS__)
#define log_info(l, ...)  log_write((l), WEIR_LOG_INFO, __VA_ARGS__)
#define log_debug(l, ...) log_write((l), WEIR_LOG_DEBUG, __VA_ARGS__)

#endif
