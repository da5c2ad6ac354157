//! Pieces of code that stand after a function: traps and slow paths.

use pvf_assembler::Label;
use pvf_rules::TrapKind;

/// A piece of code that is emitted after the function. `C` is a charge of gas that may have to be taken back, `O` a piece
/// that only one target has.
pub(super) enum Late<C, O> {
    Trap {
        label: Label,
        kind: TrapKind,
    },
    /// Slow path of the stack check: the stack is deeper than before in this run, and perhaps beyond the limit.
    StackGrowth {
        label: Label,
        resume: Label,
    },
    /// Slow path of the logical stack: it is higher than before in this run, and perhaps beyond the limit.
    LogicalGrowth {
        label: Label,
        resume: Label,
        /// The cost, if it has not been taken yet.
        leaf_cost: u32,
    },
    /// Slow path of the counter of the logical stack, whose value is in a scratch register.
    CounterGrowth {
        label: Label,
        resume: Label,
    },
    /// A charge did not fit; it is taken back.
    OutOfGas {
        label: Label,
        charge: C,
    },
    /// What this target alone has.
    Own(O),
}
