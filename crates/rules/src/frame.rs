//! The cost of a frame in bytes of native stack.

/// Return address and saved frame pointer (two words, whatever the target needs
/// of them).
pub const FRAME_HEADER_BYTES: u64 = 16;

/// Size of a home: one declared local or one operand-stack position.
pub const SLOT_BYTES: u64 = 8;

/// Bytes of native stack one active call of a function takes, on every target:
///
/// ```text
/// frame(f) = align16(16 + 8 * (declared_locals(f) + max_operand_height(f)))
/// ```
///
/// `declared_locals` does not count parameters: a parameter's home is a slot of
/// the caller. `max_operand_height` is taken over reachable code only.
///
/// ```
/// assert_eq!(pvf_rules::frame_bytes(0, 0), 16);
/// assert_eq!(pvf_rules::frame_bytes(1, 0), 32);
/// assert_eq!(pvf_rules::frame_bytes(1, 1), 32);
/// assert_eq!(pvf_rules::frame_bytes(2, 1), 48);
/// ```
pub const fn frame_bytes(declared_locals: u32, max_operand_height: u32) -> u64 {
    let slots = declared_locals as u64 + max_operand_height as u64;
    (FRAME_HEADER_BYTES + SLOT_BYTES * slots + 15) & !15
}
