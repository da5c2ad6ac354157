//! Real candidates of a parachain's runtime, without a collator.
//!
//! In: a [`Source`], which is a runtime or a chain specification, a [`Script`] of blocks, and
//! [`Options`]. Out: [`Candidates`], which writes the block's candidate as validators take it
//! (`ValidationParams`) and as collators export it (`.pov`), right or corrupted ([`Corruption`]).
//!
//! Blocks are built as a collator builds them: by the runtime's own functions (`Core`,
//! `BlockBuilder`, `GenesisBuilder`), executed by this repository's engine with Substrate's host
//! functions, over a state whose reads are recorded for the proof. A relay chain is there as far as
//! a parachain sees it: the entries of its state that parachains read, with a proof of them.
//!
//! The same source, script and options give the same bytes, on every machine and every time.
//!
//! ```no_run
//! use pvf_candidate::{Candidates, Options, Script, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let source = Source::from_bytes(&std::fs::read("runtime.compact.compressed.wasm")?)?;
//! let script = Script::parse("blocks 2\ntransfer 50\nremark 1000", &|name| {
//!     std::fs::read(name).map_err(|error| error.to_string())
//! })?;
//! let candidates = Candidates::build(&source, &script, &Options::default())?;
//! std::fs::write("candidate.params", candidates.last()?.params)?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod block;
mod candidate;
mod candidates;
mod chain;
mod error;
mod extrinsic;
mod genesis;
mod header;
mod keys;
mod last_error;
mod metadata;
mod relay;
mod runtime;
pub mod script;
mod source;
mod state;
mod value;
mod xcm;

pub use candidate::{Bytes, Corruption, ProofForm};
pub use candidates::{About, Candidates, Expected};
pub use chain::Options;
pub use error::Error;
pub use keys::Scheme;
pub use relay::UpgradeSignal;
pub use script::{Script, Step};
pub use source::Source;
pub use xcm::XcmVersion;
