//! Runs WebAssembly spec-test scripts (`.wast`) on the executor.
//!
//! In comes the text of a script, out goes a [`Report`]: how many of its directives did
//! as it says, which did not, and which were not run, each with a reason from the closed
//! list [`SkipReason`].
//!
//! Two things are stricter than the scripts ask for. A NaN that arithmetic produced must
//! be the positive canonical one, whatever of the wider classes the script allows. And a
//! module is only skipped if a validator that is not ours says that it needs a proposal
//! outside the accepted language; a module turned down for another reason fails.
#![forbid(unsafe_code)]

mod language;
mod nan;
mod reason;
mod report;

pub use language::{Standing, standing};
pub use reason::{Feature, Shared, SkipReason};
pub use report::Report;
