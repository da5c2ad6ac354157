//! Validation as a service inside a program: prepare once, execute many times, in worker processes.
//!
//! [`Service`] takes code and candidates from any number of threads and returns a [`Judgement`] for
//! each candidate. It gives explorers, test networks and tools for parachain teams what a Polkadot
//! node has in its PVF host. The workers are those of `pvf-worker`, or others with the protocol of
//! [`pvf_node_protocol`], so no code of a parachain runs in the program's own process.
//!
//! - A [`Service`] has a bounded number of workers of both kinds ([`Options`]). It starts them on
//!   demand and replaces them when they die.
//! - Artifacts are kept in a directory with limits of size and age ([`CacheOptions`]). Several
//!   processes may share the directory: one of them prepares an artifact while the others wait.
//! - A failure that the candidate causes is [`Judgement::Invalid`], by the rules of a node: an
//!   execution that may have failed by accident is tried once more, with a new artifact if the
//!   artifact may be the cause. If it fails again, the candidate is invalid. A failure of the
//!   machine is a [`ServiceError`].
//! - [`Service::metrics`] counts verdicts, preparations and times for Prometheus, and [`Recording`] keeps every
//!   candidate in the form that `pvf replay` reads.
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
mod metrics;
mod pool;
mod private;
mod recorder;
mod validate;

pub use cache::CacheOptions;
pub use metrics::Metrics;
pub use private::NotPrivate;
pub use prometheus;
pub use pvf_primitives::{ExecutorParams, Network};
pub use recorder::Recording;
pub use validate::{Candidate, Judgement, Options, Rules, Service, ServiceError};
