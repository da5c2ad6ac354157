//! Who used the gas of a run: an exact call tree.
//!
//! In: a module and the meters' limits. Out: a module that does the same and tells whenever a function begins or
//! ends, and how much gas is left by then ([`instrument`]); a [`Recorder`] that is told; the [`CallTree`] it makes of
//! it, which is written as folded stacks for flame graphs.
//!
//! The gas between two such moments was used by the function that was active, so nothing is sampled and nothing estimated: the same
//! run gives the same profile on every machine, and its sum is the gas used. Meters are enforced by the module
//! itself, as `pvf-instrument` does it, so that the run ends where it ends without a profile; the hooks cost no gas and are no part of
//! any frame.
//!
//! A function that is active already and is called again, directly or by way of others, counts where it was: in
//! every stack a function is at most once. So a recursion neither deepens the tree nor hides its cost.
mod hooks;
mod recorder;
mod tree;

pub use hooks::{ENTER, EXIT, HOOK_MODULE, ProfileError, instrument};
pub use recorder::Recorder;
pub use tree::{By, CallTree, Stack};
