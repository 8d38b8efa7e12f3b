/*
 * Error values: the system's mapped to ours.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include "weir.h"

/* The negative WEIR_E... value that fits an errno value; WEIR_ESYS for one without a counterpart. */
int error_from_errno(int number);

#endif
