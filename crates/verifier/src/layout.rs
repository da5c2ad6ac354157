//! Where things are that generated code touches: the contract of compiler and runtime, stated once more. A test of a crate that
//! knows both compares the two statements.

/// Offsets in the context.
pub mod context {
    /// Address of byte 0 of linear memory.
    pub const MEMORY_BASE: u32 = 0;
    /// Size of linear memory in bytes (u64).
    pub const MEMORY_BYTES: u32 = 8;
    /// Lowest stack pointer so far.
    pub const STACK_LOW: u32 = 16;
    /// Lowest stack pointer allowed.
    pub const STACK_LIMIT: u32 = 24;
    /// Stack pointer at depth 0.
    pub const STACK_TOP: u32 = 32;
    /// Address of the code that calls the host.
    pub const HOST_CALL: u32 = 40;
    /// Where entry stubs go at their end.
    pub const EXIT: u32 = 48;
    /// The function to be entered.
    pub const ENTRY_FUNCTION: u32 = 56;
    /// Parameters and results of the entered function.
    pub const ENTRY_SLOTS: u32 = 64;
    /// Gas left.
    pub const GAS_LEFT: u32 = 72;
    /// Units of the logical stack between the greatest height and the limit.
    pub const LOGICAL_BEYOND: u32 = 80;
    /// Greatest value of a named counter (u32).
    pub const COUNTER_PEAK: u32 = 80;
    /// Limit of a named counter (u32).
    pub const COUNTER_LIMIT: u32 = 84;
    /// Bytes of frames, counted in software.
    pub const AUDIT_DEPTH: u32 = 88;
    /// Bits in which that count and the stack pointer differed.
    pub const AUDIT_DIFFERENCE: u32 = 96;
    /// Calls that were compared.
    pub const AUDIT_CALLS: u32 = 104;
    /// The host's stack pointer.
    pub const HOST_SP: u32 = 112;
    /// Where the return address of the last call to the host lies.
    pub const WASM_SP: u32 = 120;
    /// What host functions find the instance by.
    pub const STORE: u32 = 128;
    /// Addresses of the imported functions.
    pub const IMPORTS: u32 = 136;
    /// Where a plain host call goes that has ended the run.
    pub const ENDED: u32 = 144;
    /// The globals.
    pub const GLOBALS: u32 = 256;
}

/// Offsets from the host's stack pointer.
pub mod host_stack {
    /// The host's control of floating point.
    pub const HOST_FLOAT: u32 = 0;
    /// On x86-64, that of Wasm.
    pub const WASM_FLOAT: u32 = 4;
}

/// Bytes of a global.
pub const GLOBAL_BYTES: u32 = 8;
/// Bytes of a slot, on the stack and towards the host.
pub const SLOT_BYTES: u32 = 8;
/// Bytes of a table entry.
pub const TABLE_ENTRY_BYTES: u32 = 16;
/// Offset of the code's address in a table entry.
pub const TABLE_ENTRY_CODE: u32 = 0;
/// Offset of the signature plus 1 in a table entry.
pub const TABLE_ENTRY_SIGNATURE: u32 = 8;

/// Inaccessible bytes in front of linear memory.
pub const FRONT_GUARD: u64 = 1 << 31;
/// Bytes from the base of linear memory on that are reserved for it: whatever is not accessible faults.
pub const REACH: u64 = (1 << 33) + 64 * 1024;
/// The most bytes that linear memory can have.
pub const MOST_MEMORY: u64 = 1 << 32;

/// Readable and writable bytes below the lowest stack pointer allowed.
pub const STACK_MARGIN_BYTES: u32 = 16 * 1024;

/// Functions begin at multiples of this.
pub const CODE_ALIGNMENT: u32 = 16;

/// Set in the index given to [`context::HOST_CALL`] where a builtin is meant.
pub const BUILTIN_FLAG: u32 = 1 << 31;

/// Parameters and results of the runtime's builtins, by code, and whether they take a segment.
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

/// The most parameters of a signature whose imported functions are called as C functions.
pub const PLAIN_PARAMS: usize = 4;

/// The fewest bytes of a block operation.
pub const LEAST_BLOCK: u64 = 8;

/// Offset of the table in the context of a module with so many globals.
pub const fn table_offset(globals: u32) -> u64 {
    (context::GLOBALS as u64 + globals as u64 * GLOBAL_BYTES as u64 + 15) & !15
}
