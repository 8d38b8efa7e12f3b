/*
 * What a processor's calling convention says that a call preserves: the registers and the rounding mode, to be set and
 * looked at by the self test of the fibers.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WEIR_TESTS_SELFTEST_PROCESSOR_H
#define WEIR_TESTS_SELFTEST_PROCESSOR_H

#include <stdint.h>

#include "selftest.h"

#if defined(__x86_64__)
#define REGISTERS 6
__asm__(".text\n"
        ".type selftest_registers, @function\n"
        "selftest_registers:\n"
        "    pushq %rbx\n pushq %rbp\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n pushq %rdx\n"
        "    movq 0(%rdx), %rbx\n movq 8(%rdx), %rbp\n movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n movq 32(%rdx), %r14\n movq 40(%rdx), %r15\n"
        "    movq %rdi, %rax\n movq %rsi, %rdi\n callq *%rax\n popq %rdx\n"
        "    movq %rbx, 0(%rdx)\n movq %rbp, 8(%rdx)\n movq %r12, 16(%rdx)\n"
        "    movq %r13, 24(%rdx)\n movq %r14, 32(%rdx)\n movq %r15, 40(%rdx)\n"
        "    popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbp\n popq %rbx\n ret\n"
        ".size selftest_registers, .-selftest_registers\n");
#else
#define REGISTERS 18 /* x19 to x28, d8 to d15 */
__asm__(".text\n"
        ".type selftest_registers, %function\n"
        "selftest_registers:\n"
        "    sub sp, sp, #192\n"
        "    stp x19, x20, [sp]\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n str x2, [sp, #160]\n"
        "    ldp x19, x20, [x2]\n ldp x21, x22, [x2, #16]\n ldp x23, x24, [x2, #32]\n ldp x25, x26, [x2, #48]\n"
        "    ldp x27, x28, [x2, #64]\n ldp d8, d9, [x2, #80]\n ldp d10, d11, [x2, #96]\n"
        "    ldp d12, d13, [x2, #112]\n ldp d14, d15, [x2, #128]\n"
        "    mov x9, x0\n mov x0, x1\n blr x9\n ldr x2, [sp, #160]\n"
        "    stp x19, x20, [x2]\n stp x21, x22, [x2, #16]\n stp x23, x24, [x2, #32]\n stp x25, x26, [x2, #48]\n"
        "    stp x27, x28, [x2, #64]\n stp d8, d9, [x2, #80]\n stp d10, d11, [x2, #96]\n"
        "    stp d12, d13, [x2, #112]\n stp d14, d15, [x2, #128]\n"
        "    ldp x19, x20, [sp]\n ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n ldp x29, x30, [sp, #80]\n ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n add sp, sp, #192\n ret\n"
        ".size selftest_registers, .-selftest_registers\n");
#endif

/* Loads every preserved register from values, calls fn(arg), and stores what the registers hold then. */
void selftest_registers(void (*fn)(void *), void *arg, uint64_t *values);

/* Rounding modes: 0 nearest; the others are the processor's. */
#if defined(__x86_64__)
static void rounding_set(unsigned mode)
{
    uint32_t sse;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(sse), "=m"(x87));
    sse = (sse & ~0x6000u) | mode << 13;
    x87 = (uint16_t)((x87 & ~0x0c00u) | mode << 10);
    __asm__ volatile("ldmxcsr %0\n fldcw %1" : : "m"(sse), "m"(x87));
}

static unsigned rounding_get(void)
{
    uint32_t sse;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(sse), "=m"(x87));
    CHECK(((sse >> 13) & 3) == (unsigned)((x87 >> 10) & 3));
    return (sse >> 13) & 3;
}
#else
static void rounding_set(unsigned mode)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = (fpcr & ~(uint64_t)0xc00000) | (uint64_t)mode << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static unsigned rounding_get(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (unsigned)(fpcr >> 22) & 3;
}
#endif

#endif
