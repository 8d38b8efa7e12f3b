/*
 * Numbers for people: each is written to buf, of TEXT_SIZE bytes, and buf is returned.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_CLI_SHOW_H
#define WEIR_CLI_SHOW_H

#define TEXT_SIZE 32

const char *show_bytes(char *buf, double value);
const char *show_count(char *buf, double value);
/* A time. Below 0: "-". */
const char *show_time(char *buf, double seconds);
/*
 * The upper bound of a class of times: 0 is not known, below 0 is beyond the longest. longest: 0 if not known.
 */
const char *show_bound(char *buf, double seconds, double longest);

#endif
