//! Why a meter has no costs for a body.

/// Why a meter has no costs for a body.
///
/// [`Underflow`](Self::Underflow) happens to valid modules with unreachable operators: `wasm-instrument` refuses them too, so
/// that a network which instruments rejects such a module when it is prepared. The other kinds
/// need a body that is invalid, outside the accepted language or far beyond the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// Code after an unconditional branch takes more operands than the logical height has.
    #[error("unreachable code takes more operands than the logical stack height has")]
    Underflow,
    /// Code takes an operand of an outer block.
    #[error("an operand of an outer block is taken")]
    OuterOperand,
    /// The targets of a `br_table` take different numbers of values.
    #[error("the targets of a br_table take different numbers of values")]
    BrTableArity,
    /// An operator after the last `end`, or a label, function or type that does not exist.
    #[error("malformed body: {what}")]
    Malformed {
        /// What is missing.
        what: &'static str,
    },
    /// An operator the meters have no cost for.
    #[error("an instruction outside the metered language")]
    UnknownInstruction,
    /// A cost does not fit its type.
    #[error("{what} overflows")]
    Overflow {
        /// Which cost.
        what: &'static str,
    },
}

pub(crate) const NO_FRAME: MeterError = MeterError::Malformed {
    what: "no open block",
};
pub(crate) const NO_LABEL: MeterError = MeterError::Malformed {
    what: "no such label",
};
pub(crate) const NO_FUNCTION: MeterError = MeterError::Malformed {
    what: "no such function",
};
pub(crate) const NO_TYPE: MeterError = MeterError::Malformed {
    what: "no such type",
};
