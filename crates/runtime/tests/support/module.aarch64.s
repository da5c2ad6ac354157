// Hand-assembled functions that follow the ABI of pvf_compiler::abi; the counterpart of
// module.x86_64.s. x19 is the context; at a function's entry, slot i is at [sp + 8*i].

.macro function name, signature, frame
.L\name:
    .pushsection .rodata.pvf_test_functions, "a"
    .long .L\name - pvf_test_code
    .long .Lend_\name - pvf_test_code
    .long \signature
    .long \frame
    .popsection
.endm

.macro end_function name
.Lend_\name:
.endm

// A trap site at this address: number (used as the Wasm offset) and kind.
.macro site number, kind
.Lsite_\number:
    .pushsection .rodata.pvf_test_sites, "a"
    .long .Lsite_\number - pvf_test_code
    .long \number
    .long \kind
    .popsection
.endm

// The trap site of the call just made: its last byte, one below the return address.
.macro call_site number, kind
.Lsite_\number:
    .pushsection .rodata.pvf_test_sites, "a"
    .long .Lsite_\number - pvf_test_code - 1
    .long \number
    .long \kind
    .popsection
.endm

// The stub of an import or builtin: index with flag, and immediate.
.macro stub index, immediate
    ldr w9, =\index
    mov w10, \immediate
    mov x1, sp
    str x30, [sp, -16]!
    ldr x16, [x19, 40]
    blr x16
    ldr x30, [sp], 16
    ret
.endm

// A call of a builtin from a function that itself was called with the builtin's slots and has
// pushed its return address.
.macro stub_shifted index, immediate
    ldr w9, =\index
    mov w10, \immediate
    add x1, sp, 16
    str x30, [sp, -16]!
    ldr x16, [x19, 40]
    blr x16
    ldr x30, [sp], 16
    ret
.endm

// The entry stub of a signature.
.macro entry name, params, results
.Lentry_\name:
    .pushsection .rodata.pvf_test_stubs, "a"
    .long .Lentry_\name - pvf_test_code
    .popsection
    ldr x16, [x19, 64]
    .set pvf_slot, 0
    .rept \params
    ldr x17, [x16, pvf_slot]
    str x17, [sp, pvf_slot]
    .set pvf_slot, pvf_slot + 8
    .endr
    ldr x16, [x19, 56]
    blr x16
    ldr x16, [x19, 64]
    .set pvf_slot, 0
    .rept \results
    ldr x17, [sp, pvf_slot]
    str x17, [x16, pvf_slot]
    .set pvf_slot, pvf_slot + 8
    .endr
    // The runtime must not rely on these registers: the stub may leave anything in them.
    mov x20, -1
    mov x21, -1
    mov x22, -1
    mov x23, -1
    mov x24, -1
    mov x25, -1
    mov x26, -1
    mov x27, -1
    mov x28, -1
    mov x29, -1
    movi v8.2d, 0xffffffffffffffff
    movi v15.2d, 0xffffffffffffffff
    ldr x16, [x19, 48]
    br x16
.endm

.pushsection .rodata.pvf_test_functions, "a"
.balign 8
.globl pvf_test_functions
pvf_test_functions:
.popsection
.pushsection .rodata.pvf_test_sites, "a"
.balign 8
.globl pvf_test_sites
pvf_test_sites:
.popsection
.pushsection .rodata.pvf_test_stubs, "a"
.balign 8
.globl pvf_test_stubs
pvf_test_stubs:
.popsection

.pushsection .rodata.pvf_test_code, "a"
.balign 16
.globl pvf_test_code
pvf_test_code:

entry nothing, 0, 0
entry i32_i32, 1, 1
entry i32x2_i32, 2, 1
entry i64x2_i64, 2, 1
entry i32_i64, 1, 1
entry i32_i64_none, 2, 0
entry i32x3_none, 3, 0
entry none_i32, 0, 1
entry i32_none, 1, 0

function import_add, 3, 0
    stub 0, 0
end_function import_add
function import_nop, 0, 0
    stub 1, 0
end_function import_nop
function import_missing, 0, 0
    stub 2, 0
end_function import_missing
function import_float, 7, 0
    stub 3, 0
end_function import_float

function add, 3, 16
    ldp x0, x1, [sp]
    add x0, x0, x1
    str x0, [sp]
    ret
end_function add

function unreachable, 0, 16
site 100, 0
    udf 0
end_function unreachable

// Division instructions do not trap on aarch64, so the code checks the operands.
function div_u, 2, 16
    ldr w0, [sp]
    ldr w1, [sp, 8]
    cbnz w1, 2f
site 110, 7
    udf 0
2:  udiv w0, w0, w1
    str w0, [sp]
    ret
end_function div_u

function div_s, 2, 16
    ldr w0, [sp]
    ldr w1, [sp, 8]
    cmn w1, 1
    b.ne 2f
    negs wzr, w0
    b.vc 2f
site 120, 8
    udf 0
2:  sdiv w0, w0, w1
    str w0, [sp]
    ret
end_function div_s

function load8, 1, 16
    ldr x2, [x19]
    ldr w1, [sp]
site 130, 3
    ldrb w0, [x2, x1]
    str w0, [sp]
    ret
end_function load8

function load64, 4, 16
    ldr x2, [x19]
    ldr w1, [sp]
site 140, 3
    ldr x0, [x2, x1]
    str x0, [sp]
    ret
end_function load64

// Uses the largest static offset.
function load64_far, 4, 16
    ldr x2, [x19]
    ldr w1, [sp]
    mov w0, 0xffffffff
    add x1, x1, x0
site 150, 3
    ldr q0, [x2, x1]
    str d0, [sp]
    ret
end_function load64_far

function store64, 5, 16
    ldr x2, [x19]
    ldr w1, [sp]
    ldr x0, [sp, 8]
site 160, 3
    str x0, [x2, x1]
    ret
end_function store64

function call_add, 3, 32
    sub sp, sp, 32
    str x30, [sp, 24]
    ldp x0, x1, [sp, 32]
    stp x0, x1, [sp]
    bl .Limport_add
call_site 170, 10
    ldr x0, [sp]
    str x0, [sp, 32]
    ldr x30, [sp, 24]
    add sp, sp, 32
    ret
end_function call_add

function call_nop, 0, 16
    sub sp, sp, 16
    str x30, [sp, 8]
    bl .Limport_nop
call_site 180, 10
    ldr x30, [sp, 8]
    add sp, sp, 16
    ret
end_function call_nop

// The call is the last instruction, so the return address is after the function.
function call_missing, 0, 16
    bl .Limport_missing
call_site 190, 10
end_function call_missing

// Calls itself as many times as its parameter says; frames of 32 bytes.
function recurse, 1, 32
    sub sp, sp, 32
    mov x0, sp
    ldr x1, [x19, 16]
    cmp x0, x1
    b.hs 2f
    ldr x1, [x19, 24]
    cmp x0, x1
    b.lo 4f
    str x0, [x19, 16]
2:  str x30, [sp, 24]
    ldr w0, [sp, 32]
    cbz w0, 3f
    sub w0, w0, 1
    str x0, [sp]
    bl .Lrecurse
3:  ldr x30, [sp, 24]
    add sp, sp, 32
    ret
4:
site 200, 1
    udf 0
end_function recurse

function grow, 1, 16
    stub 0x80000000, 0
end_function grow

// The slots are above the return address pushed here.
.macro builtin name, signature, number, kind, index, immediate
function \name, \signature, 16
    str x30, [sp, -16]!
    bl 2f
call_site \number, \kind
    ldr x30, [sp], 16
    ret
2:  stub_shifted \index, \immediate
end_function \name
.endm

builtin copy, 6, 210, 3, 0x80000002, 0
builtin fill, 6, 220, 3, 0x80000003, 0
builtin init, 6, 230, 3, 0x80000001, 2
builtin data_drop, 0, 240, 3, 0x80000004, 2
builtin table_init, 6, 250, 4, 0x80000005, 1
builtin table_copy, 6, 260, 4, 0x80000006, 0
builtin elem_drop, 0, 270, 4, 0x80000007, 1

// The parameter is a table entry; calls it as [i64 i64] -> [i64] with 20 and 22. The table is at
// 256 + 2*8 = 272.
function call_indirect, 4, 32
    sub sp, sp, 32
    str x30, [sp, 24]
    ldr w0, [sp, 32]
    add x1, x19, x0, lsl 4
    ldr w0, [x1, 272 + 8]
    cmp w0, 4
    b.ne 2f
    mov x0, 20
    mov x2, 22
    stp x0, x2, [sp]
    ldr x16, [x1, 272]
    blr x16
    ldr x0, [sp]
    str x0, [sp, 32]
    ldr x30, [sp, 24]
    add sp, sp, 32
    ret
2:
site 280, 6
    udf 0
end_function call_indirect

function float_state, 7, 16
    mrs x0, fpcr
    str x0, [sp]
    ret
end_function float_state

// Calls env.nop as many times as its parameter says.
function nop_loop, 8, 32
    sub sp, sp, 32
    str x30, [sp, 24]
2:  bl .Limport_nop
call_site 290, 10
    ldr w0, [sp, 32]
    subs w0, w0, 1
    str w0, [sp, 32]
    b.ne 2b
    ldr x30, [sp, 24]
    add sp, sp, 32
    ret
end_function nop_loop

// Adds 1 to global 0 and to the first word of memory; returns the global.
function bump, 7, 16
    ldr x2, [x19]
site 300, 3
    ldr w0, [x2]
    add w0, w0, 1
    str w0, [x2]
    ldr w0, [x19, 256]
    add w0, w0, 1
    str x0, [x19, 256]
    str x0, [sp]
    ret
end_function bump

// Jumps to the stub of an import.
function import_add_self, 3, 16
    b .Limport_add
end_function import_add_self

// Simulates a wrong frame: moves down the stack without a check until it reaches the guard.
function leave_stack, 0, 16
2:  sub sp, sp, 4096
site 310, 1
    str x0, [sp]
    b 2b
end_function leave_stack

// A memory access without a trap site, as by a bug of the compiler. The runtime must not claim its
// fault.
function no_site, 0, 16
    ldr x2, [x19]
    mov x1, -8
    ldr x0, [x2, x1]
    ret
end_function no_site

// Accesses an address before memory, as by a wrongly sign-extended displacement.
function negative, 0, 16
    ldr x2, [x19]
    mov x1, -0x80000000
site 320, 3
    ldr x0, [x2, x1]
    ret
end_function negative

// Traps with an unusable stack pointer.
function no_stack, 0, 16
    mov x0, 16
    mov sp, x0
site 330, 0
    udf 0
end_function no_stack

// A trap site whose access is far from the memory, as by a bug. The runtime must not claim its
// fault.
function wild, 0, 16
    mov w2, 0x1000
site 340, 3
    ldr x0, [x2]
    ret
end_function wild

.ltorg
.globl pvf_test_code_end
pvf_test_code_end:
.popsection

.pushsection .rodata.pvf_test_functions, "a"
.globl pvf_test_functions_end
pvf_test_functions_end:
.popsection
.pushsection .rodata.pvf_test_sites, "a"
.globl pvf_test_sites_end
pvf_test_sites_end:
.popsection
.pushsection .rodata.pvf_test_stubs, "a"
.globl pvf_test_stubs_end
pvf_test_stubs_end:
.popsection
