/*
 * The fiber switch for aarch64 (AAPCS64): x19 to x30, d8 to d15 and FPCR are what a call preserves.
 *
 * SPDX-License-Identifier: MIT
 */
#if defined(__aarch64__)
/* Saves what a call preserves in the frame that weir_fiber_switch() leaves a stack by, wherever it was made. */
    .macro save_frame
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp x19, x20, [sp, #0]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    .endm

    .text
    .globl weir_fiber_switch
    .hidden weir_fiber_switch
    .type weir_fiber_switch, %function
    .p2align 4
weir_fiber_switch:
    .cfi_startproc
    save_frame
    mov x10, sp
    str x10, [x0]
    mov sp, x1
    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp d14, d15, [sp, #144]
    ldp d12, d13, [sp, #128]
    ldp d10, d11, [sp, #112]
    ldp d8, d9, [sp, #96]
    ldp x29, x30, [sp, #80]
    ldp x27, x28, [sp, #64]
    ldp x25, x26, [sp, #48]
    ldp x23, x24, [sp, #32]
    ldp x21, x22, [sp, #16]
    ldp x19, x20, [sp, #0]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    br x30 /* not ret: the return predictor belongs to the other stack */
    .cfi_endproc
    .size weir_fiber_switch, .-weir_fiber_switch

    .globl weir_fiber_enter
    .hidden weir_fiber_enter
    .type weir_fiber_enter, %function
    .p2align 4
weir_fiber_enter:
    .cfi_startproc
    save_frame /* most of it is for a switch that comes back here in the call's stead */
    mov x19, sp
    str x19, [x0]
    .cfi_remember_state
    .cfi_undefined x30 /* the outermost frame: a backtrace ends here */
    mov sp, x1
    mov x29, xzr
    mov x0, x3
    blr x2
    mov sp, x19
    .cfi_restore_state
    ldp x29, x30, [sp, #80]
    ldp x19, x20, [sp, #0]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size weir_fiber_enter, .-weir_fiber_enter

    .globl weir_fiber_begin
    .hidden weir_fiber_begin
    .type weir_fiber_begin, %function
    .p2align 4
weir_fiber_begin:
    .cfi_startproc
    .cfi_undefined x30 /* the outermost frame: a backtrace ends here */
    mov x0, x19
    blr x20
    brk #1
    .cfi_endproc
    .size weir_fiber_begin, .-weir_fiber_begin

#endif
    .section .note.GNU-stack, "", %progbits
