/*
 * The first stack frame of a fiber, as fiber_*.S expects it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/fiber_switch.h"

#include <string.h>

#if defined(__x86_64__)

/* Lays out the first frame; from the bottom: control words, r15, r14, r13, r12, rbx, rbp, the address to go to. */
void *fiber_switch_prepare(char *top, void (*fn)(void *), void *arg)
{
    struct {
        uint32_t sse_control;
        uint16_t x87_control, unused;
        void *r15, *r14, *r13;
        void (*r12)(void *);
        void *rbx, *rbp;
        void (*start)(void);
    } frame = {.r12 = fn, .rbx = arg, .start = weir_fiber_begin};
    __asm__("stmxcsr %0" : "=m"(frame.sse_control));
    __asm__("fnstcw %0" : "=m"(frame.x87_control));
    char *at = top - sizeof frame;
    memcpy(at, &frame, sizeof frame);
    return at;
}

#elif defined(__aarch64__)

void *fiber_switch_prepare(char *top, void (*fn)(void *), void *arg)
{
    struct {
        void *x19;
        void (*x20)(void *);
        void *x21_to_x29[9];
        void (*x30)(void);
        double d8_to_d15[8];
        uint64_t fpcr, unused;
    } frame = {.x19 = arg, .x20 = fn, .x30 = weir_fiber_begin};
    __asm__("mrs %0, fpcr" : "=r"(frame.fpcr));
    char *at = top - sizeof frame;
    memcpy(at, &frame, sizeof frame);
    return at;
}

#else
#error "weir supports x86-64 and aarch64"
#endif
