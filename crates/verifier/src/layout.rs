//! The layout of the data that generated code accesses: the contract between compiler and runtime, stated
//! independently. A test of a crate that depends on both compares the two statements.

/// Offsets in the context.
pub mod context {
    /// Address of byte 0 of linear memory.
    pub const MEMORY_BASE: u32 = 0;
    /// Size of linear memory in bytes (u64).
    pub const MEMORY_BYTES: u32 = 8;
    /// The lowest stack pointer so far.
    pub const STACK_LOW: u32 = 16;
    /// The lowest allowed stack pointer.
    pub const STACK_LIMIT: u32 = 24;
    /// The stack pointer at depth 0.
    pub const STACK_TOP: u32 = 32;
    /// Address of the code that calls a host function.
    pub const HOST_CALL: u32 = 40;
    /// Address to which entry stubs jump at their end.
    pub const EXIT: u32 = 48;
    /// Address of the function to enter.
    pub const ENTRY_FUNCTION: u32 = 56;
    /// Parameters and results of the entered function.
    pub const ENTRY_SLOTS: u32 = 64;
    /// The remaining gas.
    pub const GAS_LEFT: u32 = 72;
    /// Units of the logical stack between the greatest height so far and the limit.
    pub const LOGICAL_BEYOND: u32 = 80;
    /// The greatest value of a named counter so far (u32).
    pub const COUNTER_PEAK: u32 = 80;
    /// The limit of a named counter (u32).
    pub const COUNTER_LIMIT: u32 = 84;
    /// The sum of frame bytes, counted in software.
    pub const AUDIT_DEPTH: u32 = 88;
    /// The bits in which that sum and the stack pointer have differed.
    pub const AUDIT_DIFFERENCE: u32 = 96;
    /// The number of compared calls.
    pub const AUDIT_CALLS: u32 = 104;
    /// The host's stack pointer.
    pub const HOST_SP: u32 = 112;
    /// Address of the return address of the last call to the host.
    pub const WASM_SP: u32 = 120;
    /// The pointer by which host functions find the instance.
    pub const STORE: u32 = 128;
    /// Addresses of the imported functions.
    pub const IMPORTS: u32 = 136;
    /// Address to which a plain host call jumps if it has ended the run.
    pub const ENDED: u32 = 144;
    /// The globals.
    pub const GLOBALS: u32 = 256;
}

/// Bytes of a global.
pub const GLOBAL_BYTES: u32 = 8;
/// Bytes of a slot, both on the stack and in the arrays that the host passes.
pub const SLOT_BYTES: u32 = 8;
/// Bytes of a table entry.
pub const TABLE_ENTRY_BYTES: u32 = 16;
/// Offset of the code address in a table entry.
pub const TABLE_ENTRY_CODE: u32 = 0;
/// Offset of the signature number plus 1 in a table entry.
pub const TABLE_ENTRY_SIGNATURE: u32 = 8;

/// Bytes of the inaccessible region before linear memory.
pub const FRONT_GUARD: u64 = 1 << 31;
/// Bytes that are reserved from the base of linear memory on. Every inaccessible address among them faults.
pub const REACH: u64 = (1 << 33) + 64 * 1024;
/// The maximum size of linear memory in bytes.
pub const MOST_MEMORY: u64 = 1 << 32;

/// Bytes below the lowest allowed stack pointer that are readable and writable.
pub const STACK_MARGIN_BYTES: u32 = 16 * 1024;

/// The alignment of functions.
pub const CODE_ALIGNMENT: u32 = 16;

/// The flag in the index for [`context::HOST_CALL`] that selects a builtin.
pub const BUILTIN_FLAG: u32 = 1 << 31;

/// For each builtin of the runtime, by code: the number of parameters and of results, and whether it takes a segment.
pub const BUILTINS: [(u32, u32, bool); 8] = [
    (1, 1, false),
    (3, 0, true),
    (3, 0, false),
    (3, 0, false),
    (0, 0, true),
    (3, 0, true),
    (3, 0, false),
    (0, 0, true),
];

/// The maximum number of parameters of a signature whose imported functions are called as C functions.
pub const PLAIN_PARAMS: usize = 4;

/// The minimum number of bytes of a block operation.
pub const LEAST_BLOCK: u64 = 8;

/// Offset of the table in the context of a module with this number of globals.
pub const fn table_offset(globals: u32) -> u64 {
    (context::GLOBALS as u64 + globals as u64 * GLOBAL_BYTES as u64 + 15) & !15
}
