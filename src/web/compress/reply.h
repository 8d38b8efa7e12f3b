/*
 * Replies that are compressed on their way out: whether, by which coding, what their head says then, and the filter.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_COMPRESS_REPLY_H
#define WEIR_WEB_COMPRESS_REPLY_H

#include "weir.h"

/*
 * A reply's head is about to be committed, in a group with settings for compression: gives the reply a filter if it is
 * to be compressed, and says in Vary what it depends on (RFC 9110 section 12.5.5). Where there is no memory for that it
 * goes out as it is.
 */
void compress_reply(weir_ctx *c);

#endif
