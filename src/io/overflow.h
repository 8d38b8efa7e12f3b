/*
 * Telling a stack overflow from any other fault: a fiber that runs into its guard ends the process with a message that says so.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_OVERFLOW_H
#define WEIR_IO_OVERFLOW_H

#include "io/fiber.h"

#define OVERFLOW_STACK_SIZE ((size_t)16 * 1024) /* of the alternate stack */

/* Gives the calling thread an alternate signal stack, charged to account, and lets the fault handler find its fibers. Undone by overflow_unwatch(). */
void overflow_watch(struct fibers *f, struct account *account);
void overflow_unwatch(void);

#endif
