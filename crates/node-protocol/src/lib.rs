//! What a Polkadot node's PVF host and its workers say to each other: the protocol of node 1.25.1 (`pvf-common` 29).
//!
//! Both sides speak SCALE in [frames](frame) over a Unix socket, strictly in turns. A worker is told:
//!
//! | | prepare worker | execute worker |
//! | --- | --- | --- |
//! | once | [`WorkerHandshake`] | [`WorkerHandshake`], then [`ExecuteHandshake`] |
//! | for each job | [`PrepareRequest`] | [`ExecuteRequest`] |
//! | and answers | [`PrepareResponse`] | [`ExecuteResponse`] |
//!
//! The types are declared here once more, from their encodings, so that neither side has to link the node; a test beside the node
//! compares the encodings. The protocol has no version of its own: it belongs to a release of the node, and whoever
//! gets something he cannot decode to the last byte must not guess.
//!
//! ```
//! use pvf_node_protocol::{SecurityStatus, WorkerHandshake, frame};
//!
//! let said = WorkerHandshake { security_status: SecurityStatus::ALL };
//! let mut socket = Vec::new();
//! frame::send(&mut socket, &said)?;
//! assert_eq!(socket, [5, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
//! assert_eq!(frame::receive::<WorkerHandshake>(&mut &socket[..], 64)?, said);
//! # Ok::<(), frame::FrameError>(())
//! ```
#![forbid(unsafe_code)]

mod checksum;
mod execute;
pub mod frame;
mod handshake;
mod prepare;

pub use checksum::ArtifactChecksum;
pub use execute::{
    CandidateDescriptorVersion, ExecuteRequest, ExecuteRequestView, ExecuteResponse,
    InternalValidationError, JobError, JobResponse, WorkerError, WorkerResponse,
};
pub use handshake::{ExecuteHandshake, SecurityStatus, WorkerHandshake};
pub use prepare::{
    MemoryAllocationStats, MemoryStats, PrepareError, PrepareJobKind, PrepareRequest,
    PrepareResponse, PrepareStats, PrepareWorkerSuccess,
};

/// The newest release of the node whose protocol this is.
pub const NODE_VERSION: &str = "1.25.1";

/// The oldest and the newest release of the node whose protocol this is, and that of all between: the frames of
/// `polkadot-node-core-pvf-common` 25 to 29 differ in [`CandidateDescriptorVersion::Unknown`] alone.
pub const NODE_RELEASES: (&str, &str) = ("1.22.0", NODE_VERSION);

/// Name of the file beside a worker that holds the version of the node it is for.
pub const VERSION_FILE: &str = "polkadot-worker.version";

/// Name of the file beside a worker that holds the directory of the workers that are asked first.
pub const PRIMARY_FILE: &str = "polkadot-worker.primary";
