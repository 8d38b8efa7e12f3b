/*
 * Telling a stack overflow from any other fault: what runs into the guard of its stack, be it a fiber, a call on the
 * deep stack or an offloaded function, ends the process with a message that says so.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_OVERFLOW_H
#define WEIR_IO_OVERFLOW_H

#include "io/fiber.h"

#include <signal.h>

#define OVERFLOW_STACK_SIZE ((size_t)16 * 1024) /* of the alternate stack */

/* Gives the calling thread an alternate signal stack, charged to account, and lets the fault handler find its fibers.
 * Undone by overflow_unwatch(). */
void overflow_watch(struct fibers *f, struct account *account);
/* overflow_watch() for a thread of the pool that runs offloaded functions on its own stack, from base on, which was
 * asked for with size bytes. */
void overflow_watch_thread(const char *base, size_t size, struct account *account);
void overflow_unwatch(void);

/* The fibers of this thread, NULL if it has none. In a signal handler. */
const struct fibers *overflow_watched(void);
/* Tells of an overflow, and returns true, if the address is in the guard of the stack of what runs. In a signal
 * handler. */
bool overflow_tell(const void *fault);
/* Whether a signal's action is that of weir_catch_stack_overflow(). */
bool overflow_is_caught(void (*action)(int number, siginfo_t *info, void *context));

#endif
