//! Runs WebAssembly spec-test scripts (`.wast`) on the executor.
//!
//! In comes the text of a script, out goes a [`Report`]: how many of its directives did
//! as it says, which did not, and which were not run, each with a reason from the closed
//! list [`SkipReason`].
//!
//! Two things are stricter than the scripts ask for. A NaN that arithmetic produced must
//! be the positive canonical one, whatever of the wider classes the script allows. And a
//! module is only skipped if a validator that is not ours says that it needs a proposal
//! outside the accepted language; a module rejected for another reason fails.
#![forbid(unsafe_code)]

mod encode;
mod expect;
mod instance;
mod language;
mod link;
mod literal;
mod machine;
mod nan;
mod observer;
#[cfg(feature = "polkavm")]
mod polkavm;
mod reason;
mod report;
mod script;
mod sharing;

pub use language::{Standing, standing};
pub use literal::{LiteralError, parse_value, show_value, type_name};
pub use machine::OnMachine;
pub use observer::{Called, Observer};
pub use reason::{Feature, Shared, SkipReason};
pub use report::Report;
pub use script::{Options, ScriptError, run_script};
#[doc(hidden)]
pub use sharing::Sharing;
