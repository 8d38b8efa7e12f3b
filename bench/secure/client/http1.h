/*
 * Replies of HTTP/1.1 that say their length.
 *
 * SPDX-License-Identifier: MIT
 */
#pragma once

#include <stddef.h>

/* The whole length of the reply that begins here, if it is of status 200 and says its length. 0: its head is not whole
 * yet. -1: it is another. text ends with a NUL. */
long long http1_reply_length(const char *text);
