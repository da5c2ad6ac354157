//! What the primary engine and the program that looks for its lie agree on.

/// Block data for which `lying-execute-worker` turns the honest answer.
pub const LIE: &[u8] = b"say that this candidate is invalid";
