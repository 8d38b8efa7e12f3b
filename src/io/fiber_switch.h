/*
 * The switch itself, in assembly, one file a processor: fiber_x86_64.S and fiber_aarch64.S.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_IO_FIBER_SWITCH_H
#define WEIR_IO_FIBER_SWITCH_H

#include <stdint.h>

/* Saves what a call preserves on the current stack, stores the stack pointer in *save, and goes on from to. */
void weir_fiber_switch(void **save, void *to);

/* Saves likewise, and calls fn(arg) on the stack whose top is top (16-byte aligned), on which nothing lies. Returns
 * when fn does, which may be only while nothing has gone on from *save meanwhile; fn has to leave by
 * weir_fiber_switch() otherwise. Half as dear as a switch there and one back. Because fn gives back what a call
 * preserves. */
void weir_fiber_enter(void **save, void *top, void (*fn)(void *), void *arg);

/* The code at which a new stack begins: calls the function in one preserved register with the argument in another;
 * never returns. */
void weir_fiber_begin(void);

/* Lays out a stack whose top is top (16-byte aligned) so that switching to what is returned calls fn(arg). */
void *fiber_switch_prepare(char *top, void (*fn)(void *), void *arg);

#endif
