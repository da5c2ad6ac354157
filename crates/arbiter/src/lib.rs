//! A second opinion on a disputed candidate.
//!
//! In: a module, a candidate, and the parameters of the network. Out: a [`Ruling`]: what the outcome is, whether it is
//! deterministic, which numbered rule of the specification decided it, and how close the run came to every limit.
//!
//! # How
//! The candidate is run with *both* stack limits and *both* meters, whatever of them the network uses: then a
//! run leaves marks (gas, both peaks) that tell it from any other. It is run
//!
//! 1. as asked;
//! 2. again, from nothing;
//! 3. with code made another way: loops turn by turn, without any replaced (rule MEM-10);
//! 4. with code that counts every frame in software beside the stack pointer (rules STACK-1 to STACK-11).
//!
//! All that the rules cover has to be the same in all of them. If it is not, that is a fault of this executor or of this
//! machine. The ruling says so: a validator must not vote on it.
//!
//! Then, to name the rule, the limit that seems to have decided is lifted and the candidate run once more. A gas limit becomes ten times as
//! large, and 2,000,000,000 at least. A run that does not end in its time all the same is made again with so much gas as shows that it goes on.
#![forbid(unsafe_code)]

mod cause;
mod headroom;
mod ruling;
mod runs;

pub use cause::{Cause, Limit};
pub use headroom::Headroom;
pub use ruling::{ArbiterError, Difference, MOST_RUNS, Question, Ruling, arbitrate};
pub use runs::{Rerun, Variant};
