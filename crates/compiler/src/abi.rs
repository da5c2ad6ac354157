//! The contract between generated code and the runtime.
//!
//! # The context
//! One block of memory per instance. Generated code holds its address in a fixed
//! register and reads and writes it at the constant offsets of [`context`]. After
//! the header follow the globals and the table, whose offsets [`ContextLayout`]
//! computes from the module's counts.
//!
//! # Slots
//! Values that cross memory between caller and callee lie in *slots*: 8 bytes each,
//! the caller's lowest operand homes. Of `n` parameters and `m` results, parameter `i`
//! and result `j` have their slots at `S + 8*(n-1-i)` and `S + 8*(m-1-j)`, where `S` is the
//! stack pointer at the call instruction: in the order of the operand stack, which grows downwards.
//! An `i32` or `f32` occupies the low 4 bytes of its slot; the
//! high 4 bytes mean nothing. A parameter or result passed in a register has its slot all the same.
//! Towards the host, stubs turn the order round: there slot `i` is at `S + 8*i`.
//!
//! # Registers
//! | | x86-64 | aarch64 |
//! | --- | --- | --- |
//! | context | `r15` | `x19` |
//! | base of linear memory | `r14` | `x20` |
//! | gas left, if it is counted | `r13` | `x21` |
//! | units of the logical stack below its greatest height, if they are counted | `r12` | `x22` |
//! | the least stack pointer of the run, [`context::STACK_LOW`] | | `x23` |
//!
//! C functions keep all of these. The others belong to generated code, but on aarch64 `x18` (the platform's).
//! Host calls overwrite `x24` there.
//!
//! # Frames and return addresses
//! Inside a function the stack pointer is a multiple of 16, and a function's frame begins at its caller's stack
//! pointer, `S`, and lies below: the same bytes on every target. The return address is the topmost word of the frame,
//! at `S - 8`. On x86-64 the call puts it there; on aarch64 the function itself stores `x30`.
//!
//! # Entry
//! An artifact holds an entry stub for each signature that the host may call: those of exported functions and of
//! the start function. The
//! runtime switches to the Wasm stack with the stack pointer at
//! [`context::STACK_TOP`], the context register set, and *jumps* to the stub. The
//! stub loads the fixed registers (memory base; gas left and logical height, if they are counted), takes `n` parameters
//! from the array at [`context::ENTRY_SLOTS`], calls the function at [`context::ENTRY_FUNCTION`] with the stack pointer
//! still at `STACK_TOP` (so that depth 0 is one address for every signature; above it lie [`ENTRY_AREA_BYTES`] for
//! slots), writes the results into the same array and jumps to the address in [`context::EXIT`]. Registers other than
//! the context register and the stack pointer hold nothing afterwards.
//!
//! # Host calls
//! An imported function is called through its import stub. The stub writes
//! all parameters into their slots and *calls* the address in [`context::HOST_CALL`] with
//!
//! | | x86-64 | aarch64 |
//! | --- | --- | --- |
//! | index of the imported function, or a [`Builtin`]'s code with [`BUILTIN_FLAG`] set | `eax` | `w9` |
//! | immediate (segment index) | `edx` | `w10` |
//! | address of the slots | `rsi` | `x1` |
//! | context | `r15` | `x19` |
//! | return address into the calling Wasm function | `[rsp + 8]`, after the one into the stub | `[sp]` |
//!
//! The callee switches to the host's stack, does the work, and returns to the stub with the
//! results in the slots; the fixed registers and the stack pointer are as they were, all other registers may have
//! changed. If the host function fails it does not return: the runtime leaves the Wasm activation. The place of the
//! return address into the Wasm function is then in [`context::WASM_SP`]; the byte before that address, the call's
//! last, has an entry in the trap map (what follows the call may have one of its own).
//!
//! # Plain host calls
//! A signature is *plain* ([`is_plain`]) if it has up to [`PLAIN_PARAMS`] parameters and at most one result,
//! all integers. The stub of such an imported function switches stacks itself: it notes its stack pointer, at which
//! lies the return address into the calling Wasm function, in [`context::WASM_SP`], loads [`context::HOST_SP`], and
//! calls the entry with the imported function's index in the array of addresses at [`context::IMPORTS`] by the
//! convention of C:
//! ```text
//! extern "C" fn(p0: u64, p1: u64, p2: u64, p3: u64, index: u32, store: *mut c_void) -> { value: u64, ended: u64 }
//! ```
//! where `store` is what [`context::STORE`] holds. Of an `i32` only the low 32 bits of `p` mean anything;
//! the callee zero-extends `value`. If `ended` is not 0, the stub jumps to the address in [`context::ENDED`]. The stub
//! keeps nothing in registers that C functions may change, except the context. The floating-point state is that of Wasm
//! when the callee is called and has to be so when it returns: a callee that computes with floating point, or may call
//! what does, switches to the host's state itself.
//!
//! # Floating-point state
//! Round to nearest, denormals kept, nothing trapped: MXCSR at its default; FPCR at 0 but for DN, so that on aarch64 an
//! operation that gives a NaN gives the canonical one. [`float_state`] has both.
//!
//! # Traps
//! An instruction at a site of the trap map that raises SIGSEGV, SIGBUS, SIGFPE or SIGILL: an access to linear memory
//! outside of its accessible part; a division on x86-64; `ud2`, on aarch64 `udf`, everywhere else.

#[cfg(feature = "polkavm")]
pub mod polkavm;

use crate::types::{FuncType, ValType};

/// Offsets of the fixed fields of the context, in bytes.
pub mod context {
    /// Address of byte 0 of linear memory (u64).
    pub const MEMORY_BASE: u32 = 0;
    /// Size of linear memory in bytes (u64), a multiple of the page size.
    pub const MEMORY_BYTES: u32 = 8;
    /// Lowest stack pointer seen so far (u64); starts at [`STACK_TOP`]'s value. A
    /// function whose frame goes lower takes its slow path, which compares with
    /// [`STACK_LIMIT`] and then writes this field.
    pub const STACK_LOW: u32 = 16;
    /// Lowest stack pointer allowed (u64): `STACK_TOP` value minus
    /// `stack_native_max`.
    pub const STACK_LIMIT: u32 = 24;
    /// Stack pointer at depth 0 (u64), 16-byte aligned.
    pub const STACK_TOP: u32 = 32;
    /// Address of the code that switches to the host's stack and calls a host
    /// function (u64).
    pub const HOST_CALL: u32 = 40;
    /// Address the entry stub jumps to when the function has returned (u64).
    pub const EXIT: u32 = 48;
    /// Address of the function to be entered (u64).
    pub const ENTRY_FUNCTION: u32 = 56;
    /// Address of the array of parameters and results of the entered function (u64).
    pub const ENTRY_SLOTS: u32 = 64;
    /// Gas left (u64), in metered code. While it runs, a register holds the gas left; it is written here
    /// before the host is called and when the run ends, by the signal handler if that ends it.
    pub const GAS_LEFT: u32 = 72;
    /// Units between the greatest height of the logical stack so far and the limit (i64); starts at
    /// the limit. A register holds the units between the present height and the greatest one so far. A call
    /// that takes it below 0 takes its slow path, which takes the deficit from here.
    pub const LOGICAL_BEYOND: u32 = 80;
    /// In code of a module that names the counter of the logical stack, the greatest value that it had after an
    /// admitted call of this run (u32), and the limit (u32); in place of [`LOGICAL_BEYOND`]. The counter is a global,
    /// and the register holds nothing.
    pub const COUNTER_PEAK: u32 = LOGICAL_BEYOND;
    /// See [`COUNTER_PEAK`].
    pub const COUNTER_LIMIT: u32 = LOGICAL_BEYOND + 4;
    /// In audited code, bytes of the active frames as counted in software (u64).
    pub const AUDIT_DEPTH: u32 = 88;
    /// In audited code, the bits in which that count and the stack pointer ever differed at a call (u64).
    pub const AUDIT_DIFFERENCE: u32 = 96;
    /// In audited code, calls that were compared (u64).
    pub const AUDIT_CALLS: u32 = 104;
    /// The host's stack pointer while Wasm runs (u64), 16-byte aligned.
    pub const HOST_SP: u32 = 112;
    /// Address, on the Wasm stack, of the return address into the function that made the last call to the host (u64).
    pub const WASM_SP: u32 = 120;
    /// The pointer by which host functions find the instance (u64).
    pub const STORE: u32 = 128;
    /// Address of the array of the imported functions' addresses, for plain host calls (u64).
    pub const IMPORTS: u32 = 136;
    /// Address to jump to when a plain host call has ended the run (u64).
    pub const ENDED: u32 = 144;
    /// Private to the runtime.
    pub const RUNTIME: u32 = 152;
    /// Words of [`RUNTIME`].
    pub const RUNTIME_WORDS: u32 = 13;
    /// First byte after the header: the globals.
    pub const GLOBALS: u32 = 256;
}

/// The control of floating point while Wasm runs.
pub mod float_state {
    /// MXCSR: all exceptions masked, round to nearest, denormals kept.
    pub const MXCSR: u32 = 0x1f80;
    /// FPCR: default NaN (DN), round to nearest, denormals kept.
    pub const FPCR: u32 = 1 << 25;
}

/// Bytes of readable and writable stack above `STACK_TOP`, for the slots of an
/// entered function with the largest number of parameters or results.
pub const ENTRY_AREA_BYTES: u32 = 16 * 1024;

/// Bytes of readable and writable stack below `STACK_LIMIT`, for return addresses
/// of stubs, which no rule counts.
pub const STACK_MARGIN_BYTES: u32 = 16 * 1024;

/// Bytes of a global in the context.
pub const GLOBAL_BYTES: u32 = 8;

/// Bytes of a table entry: the address of the function's code (u64, 0 if there is no
/// function), its interned signature plus 1 (u32, 0 if there is no function), the function's index
/// (u32). An entry of zeros is a null reference.
pub const TABLE_ENTRY_BYTES: u32 = 16;

/// Offset of the code address in a table entry.
pub const TABLE_ENTRY_CODE: u32 = 0;
/// Offset of the signature in a table entry.
pub const TABLE_ENTRY_SIGNATURE: u32 = 8;
/// Offset of the function index in a table entry.
pub const TABLE_ENTRY_FUNCTION: u32 = 12;

/// Offsets of the variable parts of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextLayout {
    /// Offset of entry 0 of the table.
    pub table: u64,
    /// Size of the whole context.
    pub bytes: u64,
}

impl ContextLayout {
    /// The layout for a module with `globals` globals (imported ones counted) and
    /// entries of its table.
    pub const fn new(globals: u32, table_entries: u32) -> Self {
        let table = (context::GLOBALS as u64 + globals as u64 * GLOBAL_BYTES as u64 + 15) & !15;
        Self {
            table,
            bytes: table + table_entries as u64 * TABLE_ENTRY_BYTES as u64,
        }
    }

    /// Offset of a global.
    pub const fn global(index: u32) -> u32 {
        context::GLOBALS + index * GLOBAL_BYTES
    }
}

/// The most parameters of a plain signature.
pub const PLAIN_PARAMS: usize = 4;

/// Whether imported functions of this signature are called as plain host calls.
pub fn is_plain(ty: &FuncType) -> bool {
    let integer = |ty: &ValType| matches!(ty, ValType::I32 | ValType::I64);
    ty.params.len() <= PLAIN_PARAMS
        && ty.results.len() <= 1
        && ty.params.iter().chain(&ty.results).all(integer)
}

/// Set in the index given to [`context::HOST_CALL`] where a [`Builtin`] is meant.
pub const BUILTIN_FLAG: u32 = 1 << 31;

/// Work that generated code leaves to the runtime. Operands lie in slots 0, 1, ... in the order
/// in which they were pushed; a result is written to slot 0; "immediate" is that of host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Builtin {
    /// `[pages: i32] -> [old pages or -1: i32]`.
    MemoryGrow = 0,
    /// `[destination, source, bytes: i32] -> []`, immediate: data segment.
    MemoryInit = 1,
    /// `[destination, source, bytes: i32] -> []`.
    MemoryCopy = 2,
    /// `[destination, value, bytes: i32] -> []`.
    MemoryFill = 3,
    /// `[] -> []`, immediate: data segment.
    DataDrop = 4,
    /// `[destination, source, entries: i32] -> []`, immediate: element segment.
    TableInit = 5,
    /// `[destination, source, entries: i32] -> []`.
    TableCopy = 6,
    /// `[] -> []`, immediate: element segment.
    ElemDrop = 7,
}

impl Builtin {
    /// All builtins, by code.
    pub const ALL: [Self; 8] = [
        Self::MemoryGrow,
        Self::MemoryInit,
        Self::MemoryCopy,
        Self::MemoryFill,
        Self::DataDrop,
        Self::TableInit,
        Self::TableCopy,
        Self::ElemDrop,
    ];

    /// Whether it has a segment as its immediate.
    pub fn takes_segment(self) -> bool {
        matches!(
            self,
            Self::MemoryInit | Self::DataDrop | Self::TableInit | Self::ElemDrop
        )
    }

    /// The builtin with this code.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

/// Bytes of a slot.
pub const SLOT_BYTES: u32 = pvf_rules::SLOT_BYTES as u32;
