/*
 * Telling a stack overflow from any other fault: a fiber that runs into its guard ends the process with a message that says so.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_OVERFLOW_H
#define WEIR_IO_OVERFLOW_H

#include "io/fiber.h"

#include <signal.h>

#define OVERFLOW_STACK_SIZE ((size_t)16 * 1024) /* of the alternate stack */

/* Gives the calling thread an alternate signal stack, charged to account, and lets the fault handler find its fibers. Undone by overflow_unwatch(). */
void overflow_watch(struct fibers *f, struct account *account);
void overflow_unwatch(void);

/* In a signal handler: the fibers of this thread, NULL if it has none. */
const struct fibers *overflow_watched(void);
/* Likewise: says so if this address is in the guard of the fiber that runs. */
bool overflow_tell(const void *fault);
/* Whether a signal's action is that of weir_catch_stack_overflow(). */
bool overflow_is_caught(void (*action)(int number, siginfo_t *info, void *context));

#endif
