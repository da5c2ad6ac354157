//! The protocol between a Polkadot node's PVF host and its workers, as of node 1.25.1
//! (`polkadot-node-core-pvf-common` 29).
//!
//! Host and worker exchange SCALE-encoded messages in [frames](frame) over a Unix socket. The
//! worker answers one request before the host sends the next.
//!
//! | | prepare worker | execute worker |
//! | --- | --- | --- |
//! | receives once | [`WorkerHandshake`] | [`WorkerHandshake`], then [`ExecuteHandshake`] |
//! | receives for each job | [`PrepareRequest`] | [`ExecuteRequest`] |
//! | answers | [`PrepareResponse`] | [`ExecuteResponse`] |
//!
//! The types are declared again here, from their encodings, so that neither side has to link the
//! node. A test in `integration/polkadot` compares the encodings. The protocol has no version
//! number of its own: it belongs to a release of the node. A message that does not decode to its
//! last byte is an error.
//!
//! ```
//! use pvf_node_protocol::{SecurityStatus, WorkerHandshake, frame};
//!
//! let handshake = WorkerHandshake { security_status: SecurityStatus::ALL };
//! let mut socket = Vec::new();
//! frame::send(&mut socket, &handshake)?;
//! assert_eq!(socket, [5, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
//! assert_eq!(frame::receive::<WorkerHandshake>(&mut &socket[..], 64)?, handshake);
//! # Ok::<(), frame::FrameError>(())
//! ```
#![forbid(unsafe_code)]

mod checksum;
mod execute;
pub mod frame;
mod handshake;
mod prepare;
mod verification;

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
pub use verification::{UnknownWord, Verification};

/// The newest release of the node with this protocol.
pub const NODE_VERSION: &str = "1.25.1";

/// The oldest and the newest release of the node with this protocol; all releases between have it
/// too. The frames of `polkadot-node-core-pvf-common` 25 to 29 differ only in
/// [`CandidateDescriptorVersion::Unknown`].
pub const NODE_RELEASES: (&str, &str) = ("1.22.0", NODE_VERSION);

/// Name of the file in a worker's directory that holds the version of the worker's node.
pub const VERSION_FILE: &str = "polkadot-worker.version";

/// Name of the file in a worker's directory that holds the path of the primary engine's workers.
pub const PRIMARY_FILE: &str = "polkadot-worker.primary";

/// Name of the file in a worker's directory that says when machine code is verified ([`Verification`]).
pub const VERIFY_FILE: &str = "polkadot-worker.verify";
