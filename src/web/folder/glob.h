/*
 * Patterns of paths, for headers of a folder's files: "*" is any bytes but "/", "**" any bytes, "?" one byte but "/",
 * and "**" as a whole segment may be no segment at all. A pattern without "/" is compared with a path's last name.
 *
 * The work is bounded by the product of the lengths, whatever stands in a path: all places of the pattern that the
 * bytes so far can have led to are followed at once, as bits.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_FOLDER_GLOB_H
#define WEIR_WEB_FOLDER_GLOB_H

#include <stdbool.h>

#define GLOB_LEN_MAX 63 /* bytes of a pattern */

/* Whether a path, without a slash at its beginning, matches a pattern of up to GLOB_LEN_MAX bytes. */
bool glob_matches(const char *pattern, const char *path);

#endif
