//! Validation as a service inside a program: prepare once, execute many times, in worker processes.
//!
//! In come code and candidates, from any number of threads; out come judgements. It is what the PVF host of a Polkadot node is to the
//! node, for programs that are none: explorers, test networks, tools for parachain teams. The workers are those of
//! `pvf-worker` (or any that speak the protocol of [`pvf_node_protocol`]), so that no code of a parachain runs in the program's own process.
//!
//! - [`Service`] has a bounded number of workers of both kinds ([`Options`]), started when they are needed and replaced when they die.
//! - Artifacts are kept in a directory with limits of size and age ([`CacheOptions`]). Several processes may share it: an artifact is
//!   prepared by one of them while the others wait, takes its name when it is whole, and may vanish at any time.
//! - Whatever goes wrong by a candidate's fault is a [`Judgement`], by the rules of a node: what may have been an accident is tried once
//!   more, with a fresh artifact if the artifact is in doubt, and then is the candidate's fault. What is the machine's fault
//!   is a [`ServiceError`].
//!
//! ```no_run
//! # fn example(code: &[u8], candidate: pvf_worker_client::service::Candidate) -> Result<(), pvf_worker_client::service::ServiceError> {
//! use pvf_worker_client::service::{Judgement, Options, Rules, Service};
//!
//! let service = Service::start(Options::new("/usr/lib/polkadot", "/var/cache/pvf"))?;
//! match service.validate(code, &candidate, &Rules::default())? {
//!     Judgement::Valid(result) => println!("new head: {:?}", result.head_data),
//!     Judgement::Invalid(reason) => println!("{reason}"),
//! }
//! # Ok(())
//! # }
//! ```
mod cache;
mod instance;
mod pool;
mod private;
mod validate;

pub use cache::CacheOptions;
pub use private::NotPrivate;
pub use pvf_primitives::{ExecutorParams, Network};
pub use validate::{Candidate, Judgement, Options, Rules, Service, ServiceError};
