/*
 * The wait that all of this folder's are made of.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_WEB_OUTGOING_WAIT_H
#define WEIR_WEB_OUTGOING_WAIT_H

#include "weir.h"

/* weir_fd_wait_any() for arguments that have been checked. */
int outgoing_wait(weir_ctx *c, weir_fd_want *wants, size_t count, int timeout_ms);

#endif
