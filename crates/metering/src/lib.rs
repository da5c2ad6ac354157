//! The rules of the two meters, logical stack and gas, as code.
//!
//! In: the operators of valid function bodies, and a gas schedule. Out: the units that a call of each function
//! adds to the logical stack, and the places in its body where gas is charged, with the amounts. The compiler, the
//! instrumenter and the conformance suite share these numbers; nothing here generates code.
//! Both meters equal `wasm-instrument` 0.4 on every module it accepts, and the tests hold them to it.
//! Both look at the module as it was given: never at one that the other meter has instrumented, where
//! heights and blocks are others.
//!
//! The rules are those of the specification's chapters "Logical stack" and "Gas", whose ids are used here.
//!
//! # The logical stack
//!
//! **LOGICAL-2, cost.** `cost(f) = declared locals + greatest height`, in units. Parameters are not
//! counted. Every defined function costs at least 2; imported functions cost 0.
//!
//! **LOGICAL-3, height.** A body starts at height 2, and each operator takes and gives operands as
//! its type says. A height counts if it is there *before* an operator (before the last `end` too, but
//! never after it) while the innermost open block is not polymorphic. A block becomes polymorphic at
//! its first `unreachable`, `br`, `br_table` or `return` and stays so to its `end`, of extended blocks to the
//! `else`. A block inside a polymorphic one is not polymorphic itself and counts.
//! - Branches and `return` take the values of their label; `br_if` gives them back. `br_table` does
//!   not take its index. A loop's label takes the loop's parameters.
//! - `else` changes nothing: an `else` branch starts at the height where the first branch ended, its
//!   result included, and does not count at all if the first branch is polymorphic. Not so in an *extended*
//!   block, which has parameters or several results: there either branch starts at the height where the block began
//!   with the parameters on top, and counts.
//! - `end` sets the height to that where the block began, and adds the block's results.
//! - An operator may take operands (`select`: two, then one; `call_indirect`: the index, then the
//!   arguments; `br_if`: the label's values, then the condition) that unreachable code does not have.
//!   If the height is exactly where a polymorphic block began, it stays; otherwise it falls by their
//!   number, below the block's beginning too. The body's own block begins at 0. Where the height
//!   would fall below 0 the module is rejected, valid as it is ([`MeterError::Underflow`]):
//!   `unreachable i32.add i32.add drop`.
//!
//! **LOGICAL-4 and LOGICAL-5, where it is charged.** Every call of a defined function is charged its cost
//! once, whether it comes from a `call`, a `call_indirect`, the host by way of an export, or the start
//! function. Calls of imported functions never are, not even of one that is exported again or in a table.
//!
//! **LOGICAL-6, check.** At a call `h = h + cost(f)`; if then `h > limit` (unsigned; `h = limit` fits), the
//! execution traps. That is after the arguments are computed, after `call_indirect` has found its
//! callee (a null entry or another signature traps first), and before anything of the callee: its frame,
//! its locals, its gas. When the function returns, `h = h - cost(f)`. A trap leaves `h` as it is, which
//! nothing can see. `h` starts at 0 with the instance, so that the start function and each later
//! call of an export start from 0.
//!
//! Under `wasm-instrument` the trap is `unreachable`. Outside the equality are limits above 2^32 less
//! the cost of the most expensive function, where its `h` wraps, and modules that import globals, which it makes
//! invalid (its counter's index ignores them).
//!
//! # Gas
//!
//! **GAS-2, prices.** A [`Schedule`] gives each instruction a price; `else` and `end` have none.
//!
//! **GAS-3, metered blocks.** A new metered block begins
//! 1. at the start of the body;
//! 2. after `loop` (so inside it: every iteration pays), `if` and `else`;
//! 3. after `br`, `br_if`, `br_table` and `return`;
//! 4. after the `end` of a control block out of which a branch may have gone to the end of a block
//!    further out (from whatever depth inside; branches back to a `loop` do not count).
//!
//! After the `end` of any other control block, code belongs to the metered block in which the control
//! block itself stands. The first instructions of a `block` belong to the metered block it stands in.
//! Calls, `unreachable` and traps end no metered block.
//!
//! **GAS-4, cost.** The price of all instructions of the block, unreachable ones included. A block of
//! cost 0 makes no charge.
//!
//! **GAS-5 and GAS-8, charges.** A charge of `c` with `u` used and limit `l` fits if `u + c <= l`, and then
//! `u = u + c`; otherwise the execution ends `out of gas` before any effect of the block, and the
//! charge does not count as used. What a trap leaves unexecuted of a block stays charged. A function's
//! first charge comes after the stack checks of its call.
//!
//! **GAS-6, growth.** With a price per page, `memory.grow` of `n` pages (`n` unsigned) charges
//! `n * price` more, right before it grows, whether or not it succeeds.
//!
//! **GAS-7, locals.** Each declared local has a price, charged before the first operator of the body, be it
//! the last `end`, and together with that operator's block. The product must fit 32 bits, else
//! the module is rejected. Parameters have none.
//!
//! The equality is with the *host function* back end, where the host counts. The *mutable
//! global* back end charges at the same places; each charge (save that of GAS-6) adds the price of its own
//! counting function (11 at 1 per instruction; there `else` and `end` have prices); it counts down,
//! and at exhaustion sets the global to 2^64 - 1 and traps `unreachable`, so that the gas left is lost.
//!
//! # Beyond the oracle
//! Multi-value, saturating conversions and bulk memory, which `wasm-instrument` cannot read, follow the
//! same rules: block parameters lie inside their block, every instruction has one price. Bulk operators
//! are not charged by length. The quirk of `else` ends where the oracle's language does, so that code without
//! unreachable operators always has a logical cost.
//!
//! # In a compiler
//! Pass 1 feeds every operator (reachable or not, after validation) to a [`LogicalHeight`] and a
//! [`GasBlocks`], each of which keeps its buffers from function to function:
//!
//! ```
//! use pvf_metering::{Charge, Costs, GasBlocks, LogicalHeight, Signatures};
//! use wasmparser::FunctionBody;
//!
//! fn pass_1(
//!     height: &mut LogicalHeight,
//!     blocks: &mut GasBlocks,
//!     costs: &Costs,
//!     module: &impl Signatures,
//!     body: &FunctionBody<'_>,
//!     results: u32,
//! ) -> Result<(u32, Vec<Charge>), Box<dyn std::error::Error>> {
//!     let locals = pvf_metering::declared_locals(body)?;
//!     height.begin(locals, results);
//!     blocks.begin(costs, locals)?;
//!     let mut operators = body.get_operators_reader()?;
//!     while !operators.eof() {
//!         let (operator, offset) = operators.read_with_offset()?;
//!         height.operator(&operator, module)?;
//!         blocks.operator(offset, &operator, costs)?;
//!     }
//!     Ok((height.finish()?, blocks.finish()?.to_vec()))
//! }
//! ```
//!
//! A compiler of two passes asks [`GasBlocks::begun`] after each operator whether a metered block begins with it, and
//! marks the place with the block's number; [`GasBlocks::blocks`] has the costs once the body ends. Pass 2 emits the
//! charge before the operator (after the label, where the operator before was a `loop` or an `end`). Charges of
//! unreachable operators are left out, because they pay for unreachable code only.
//! Before a `memory.grow` it emits the dynamic charge if
//! [`Costs::memory_grow_per_page`] is not 0. The logical cost is a constant of the callee, so it can be charged in
//! the callee's prologue, before the frame check, and given back at its returns; by LOGICAL-4 and LOGICAL-5
//! that is the same as the limiter's charges at calls and thunks.
//! An artifact with gas depends on the schedule: hash [`Costs::to_bytes`].
//!
//! # Shared by both
//! [`Reachability`] is the operand height of a body that frames are made of, and [`body_features`] the accepted
//! language as wasmparser is told it.
//!
//! # In an instrumenter
//! [`logical_costs`] and [`gas_charges`] give the numbers for the original bodies; the instrumenter then
//! writes both meters at once, so that neither meters the other.
#![forbid(unsafe_code)]

mod body;
mod error;
mod gas;
mod instruction;
mod language;
mod logical;
mod meter;
mod reachability;
mod schedule;
mod signatures;
mod stack;

pub use body::{
    BodyError, FunctionCharges, declared_locals, function_charges, gas_charges, logical_cost,
    logical_costs,
};
pub use error::MeterError;
pub use gas::{Charge, GasBlocks};
pub use instruction::{Class, Instruction};
pub use language::{body_features, declaration_features};
pub use logical::{ACTIVATION_COST, LogicalHeight};
pub use meter::{Gas, LogicalStack, LogicalStackExhausted, OutOfGas};
pub use reachability::{BlockKind, Reachability};
pub use schedule::{Costs, Schedule, ScheduleError};
pub use signatures::{Arity, ModuleSignatures, Signatures};
pub use stack::give_back;
