//! A profile of the gas of a run: an exact call tree.
//!
//! In: a module and the meters' limits. Out: a module that does the same and calls a hook whenever a function begins
//! or ends, with the gas left at that moment ([`instrument`]); a [`Recorder`] that receives these calls; the
//! [`CallTree`] it builds, which can be written as folded stacks for flame graphs.
//!
//! The gas between two hooks was used by the function active between them. So nothing is sampled or estimated: the
//! same run gives the same profile on every machine, and the sum of a profile is the gas used. The module enforces the
//! meters itself, as every instrumented module does, so a profiled run ends where the run without a profile ends. Hooks
//! cost no gas and belong to no frame.
//!
//! A call of a function that is already active, directly or through others, counts at the node where the function is
//! active: no stack contains a function twice. So recursion neither deepens the tree nor hides its cost.
mod hooks;
mod recorder;
mod shadow;
mod tree;

pub use hooks::{ENTER, EXIT, HOOK_MODULE, ProfileError, instrument};
pub use recorder::Recorder;
pub use shadow::Shadow;
pub use tree::{By, CallTree, Stack};
