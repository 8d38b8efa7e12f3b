/*
 * The fiber switch for x86-64 (System V): rbx, rbp, r12 to r15, the SSE control word and the x87 control word are what
 * a call preserves. The switch leaves by an indirect jump: a return would be predicted from the wrong stack and cost
 * three times as much.
 *
 * SPDX-License-Identifier: MIT
 */
#if defined(__x86_64__)
/* Saves what a call preserves in the frame that weir_fiber_switch() leaves a stack by, wherever it was made. */
    .macro save_frame
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    .endm

    .text
    .globl weir_fiber_switch
    .hidden weir_fiber_switch
    .type weir_fiber_switch, @function
    .p2align 4
weir_fiber_switch:
    .cfi_startproc
    save_frame
    movq %rsp, (%rdi)
    movl (%rsp), %eax
    movw 4(%rsp), %cx
    movq %rsi, %rsp
    xorl (%rsp), %eax
    .cfi_remember_state
    testl $0xffc0, %eax /* the control bits; the status bits below are nobody's */
    jne 1f
2:
    cmpw 4(%rsp), %cx
    jne 3f
4:
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq *%rcx
    .cfi_restore_state
1:
    ldmxcsr (%rsp) /* ten times as dear as the whole switch when it changes something */
    jmp 2b
3:
    fldcw 4(%rsp)
    jmp 4b
    .cfi_endproc
    .size weir_fiber_switch, .-weir_fiber_switch

    .globl weir_fiber_enter
    .hidden weir_fiber_enter
    .type weir_fiber_enter, @function
    .p2align 4
weir_fiber_enter:
    .cfi_startproc
    save_frame /* most of it is for a switch that comes back here in the call's stead */
    movq %rsp, (%rdi)
    movq %rsp, %rbx
    .cfi_remember_state
    .cfi_undefined rip /* the outermost frame: a backtrace ends here */
    movq %rsi, %rsp
    xorl %ebp, %ebp
    movq %rcx, %rdi
    callq *%rdx
    movq %rbx, %rsp
    .cfi_restore_state
    addq $40, %rsp
    .cfi_adjust_cfa_offset -40
    .cfi_restore r12
    .cfi_restore r13
    .cfi_restore r14
    .cfi_restore r15
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret /* to where the call before last came from: predicted */
    .cfi_endproc
    .size weir_fiber_enter, .-weir_fiber_enter

    .globl weir_fiber_begin
    .hidden weir_fiber_begin
    .type weir_fiber_begin, @function
    .p2align 4
weir_fiber_begin:
    .cfi_startproc
    .cfi_undefined rip /* the outermost frame: a backtrace ends here */
    movq %rbx, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size weir_fiber_begin, .-weir_fiber_begin

#endif
    .section .note.GNU-stack, "", @progbits
