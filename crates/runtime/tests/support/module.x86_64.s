# Hand-assembled functions that follow the ABI of pvf_compiler::abi. r15 is the context; at a
# function's entry, slot i is at [rsp + 8 + 8*i].

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

# A trap site at this address: number (used as the Wasm offset) and kind.
.macro site number, kind
.Lsite_\number:
    .pushsection .rodata.pvf_test_sites, "a"
    .long .Lsite_\number - pvf_test_code
    .long \number
    .long \kind
    .popsection
.endm

# The trap site of the call just made: its last byte, one below the return address.
.macro call_site number, kind
.Lsite_\number:
    .pushsection .rodata.pvf_test_sites, "a"
    .long .Lsite_\number - pvf_test_code - 1
    .long \number
    .long \kind
    .popsection
.endm

# The stub of an import or builtin: index with flag, and immediate.
.macro stub index, immediate
    mov eax, \index
    mov edx, \immediate
    lea rsi, [rsp + 8]
    call [r15 + 40]
    ret
.endm

# A call of a builtin from a function that itself was called with the builtin's slots.
.macro stub_shifted index, immediate
    mov eax, \index
    mov edx, \immediate
    lea rsi, [rsp + 16]
    call [r15 + 40]
    ret
.endm

# The entry stub of a signature.
.macro entry name, params, results
.Lentry_\name:
    .pushsection .rodata.pvf_test_stubs, "a"
    .long .Lentry_\name - pvf_test_code
    .popsection
    mov rax, [r15 + 64]
    .set pvf_slot, 0
    .rept \params
    mov rcx, [rax + pvf_slot]
    mov [rsp + pvf_slot], rcx
    .set pvf_slot, pvf_slot + 8
    .endr
    call [r15 + 56]
    mov rax, [r15 + 64]
    .set pvf_slot, 0
    .rept \results
    mov rcx, [rsp + pvf_slot]
    mov [rax + pvf_slot], rcx
    .set pvf_slot, pvf_slot + 8
    .endr
    # The runtime must not rely on these registers: the stub may leave anything in them.
    mov rbx, -1
    mov rbp, -1
    mov r12, -1
    mov r13, -1
    mov r14, -1
    jmp [r15 + 48]
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
    mov rax, [rsp + 8]
    add rax, [rsp + 16]
    mov [rsp + 8], rax
    ret
end_function add

function unreachable, 0, 16
site 100, 0
    ud2
end_function unreachable

function div_u, 2, 16
    mov eax, [rsp + 8]
    xor edx, edx
site 110, 7
    div dword ptr [rsp + 16]
    mov [rsp + 8], eax
    ret
end_function div_u

# Traps with an overflow. Sets the direction flag first; the runtime has to clear it.
function div_s, 2, 16
    mov eax, [rsp + 8]
    std
    cdq
site 120, 8
    idiv dword ptr [rsp + 16]
    cld
    mov [rsp + 8], eax
    ret
end_function div_s

function load8, 1, 16
    mov rdx, [r15]
    mov ecx, [rsp + 8]
site 130, 3
    movzx eax, byte ptr [rdx + rcx]
    mov [rsp + 8], eax
    ret
end_function load8

function load64, 4, 16
    mov rdx, [r15]
    mov ecx, [rsp + 8]
site 140, 3
    mov rax, [rdx + rcx]
    mov [rsp + 8], rax
    ret
end_function load64

# Uses the largest static offset.
function load64_far, 4, 16
    mov rdx, [r15]
    mov ecx, [rsp + 8]
    mov eax, 0xffffffff
    add rcx, rax
site 150, 3
    movdqu xmm0, [rdx + rcx]
    movq [rsp + 8], xmm0
    ret
end_function load64_far

function store64, 5, 16
    mov rdx, [r15]
    mov ecx, [rsp + 8]
    mov rax, [rsp + 16]
site 160, 3
    mov [rdx + rcx], rax
    ret
end_function store64

function call_add, 3, 32
    push rbp
    sub rsp, 16
    mov rax, [rsp + 32]
    mov [rsp], rax
    mov rax, [rsp + 40]
    mov [rsp + 8], rax
    call .Limport_add
call_site 170, 10
    mov rax, [rsp]
    mov [rsp + 32], rax
    add rsp, 16
    pop rbp
    ret
end_function call_add

function call_nop, 0, 16
    call .Limport_nop
call_site 180, 10
    ret
end_function call_nop

# The call is the last instruction, so the return address is after the function.
function call_missing, 0, 16
    call .Limport_missing
call_site 190, 10
end_function call_missing

# Calls itself as many times as its parameter says; frames of 32 bytes.
function recurse, 1, 32
    lea rax, [rsp - 24]
    cmp rax, [r15 + 16]
    jae 2f
    cmp rax, [r15 + 24]
    jb 4f
    mov [r15 + 16], rax
2:  push rbp
    sub rsp, 16
    mov eax, [rsp + 32]
    test eax, eax
    jz 3f
    dec eax
    mov [rsp], eax
    call .Lrecurse
3:  add rsp, 16
    pop rbp
    ret
4:
site 200, 1
    ud2
end_function recurse

function grow, 1, 16
    stub 0x80000000, 0
end_function grow
function copy, 6, 16
    call 2f
call_site 210, 3
    ret
2:  stub_shifted 0x80000002, 0
end_function copy
function fill, 6, 16
    call 2f
call_site 220, 3
    ret
2:  stub_shifted 0x80000003, 0
end_function fill
function init, 6, 16
    call 2f
call_site 230, 3
    ret
2:  stub_shifted 0x80000001, 2
end_function init
function data_drop, 0, 16
    call 2f
call_site 240, 3
    ret
2:  stub_shifted 0x80000004, 2
end_function data_drop
function table_init, 6, 16
    call 2f
call_site 250, 4
    ret
2:  stub_shifted 0x80000005, 1
end_function table_init
function table_copy, 6, 16
    call 2f
call_site 260, 4
    ret
2:  stub_shifted 0x80000006, 0
end_function table_copy
function elem_drop, 0, 16
    call 2f
call_site 270, 4
    ret
2:  stub_shifted 0x80000007, 1
end_function elem_drop

# The parameter is a table entry; calls it as [i64 i64] -> [i64] with 20 and 22. The table is at 256
# + 2*8 = 272.
function call_indirect, 4, 32
    push rbp
    sub rsp, 16
    mov eax, [rsp + 32]
    shl rax, 4
    cmp dword ptr [r15 + rax + 272 + 8], 4
    jne 2f
    mov qword ptr [rsp], 20
    mov qword ptr [rsp + 8], 22
    call [r15 + rax + 272]
    mov rax, [rsp]
    mov [rsp + 32], rax
    add rsp, 16
    pop rbp
    ret
2:
site 280, 6
    ud2
end_function call_indirect

function float_state, 7, 16
    stmxcsr [rsp + 8]
    ret
end_function float_state

# Calls env.nop as many times as its parameter says.
function nop_loop, 8, 32
    push rbp
    sub rsp, 16
2:  call .Limport_nop
call_site 290, 10
    dec dword ptr [rsp + 32]
    jnz 2b
    add rsp, 16
    pop rbp
    ret
end_function nop_loop

# Adds 1 to global 0 and to the first word of memory; returns the global.
function bump, 7, 16
    mov rdx, [r15]
site 300, 3
    inc dword ptr [rdx]
    mov eax, [r15 + 256]
    inc eax
    mov [r15 + 256], eax
    mov [rsp + 8], eax
    ret
end_function bump

# Jumps to the stub of an import.
function import_add_self, 3, 16
    jmp .Limport_add
end_function import_add_self

# Simulates a wrong frame: moves down the stack without a check until it reaches the guard.
function leave_stack, 0, 16
2:  sub rsp, 4096
site 310, 1
    mov [rsp], rax
    jmp 2b
end_function leave_stack

# A memory access without a trap site, as by a bug of the compiler. The runtime must not claim its
# fault.
function no_site, 0, 16
    mov rdx, [r15]
    mov rcx, -8
    mov rax, [rdx + rcx]
    ret
end_function no_site

# Accesses an address before memory, as by a wrongly sign-extended displacement.
function negative, 0, 16
    mov rdx, [r15]
site 320, 3
    mov rax, [rdx - 0x80000000]
    ret
end_function negative

# Traps with an unusable stack pointer.
function no_stack, 0, 16
    mov rsp, 8
site 330, 0
    ud2
end_function no_stack

# A trap site whose access is far from the memory, as by a bug. The runtime must not claim its
# fault.
function wild, 0, 16
    mov edx, 0x1000
site 340, 3
    mov rax, [rdx]
    ret
end_function wild

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
