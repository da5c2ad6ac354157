//! A second opinion: the primary engine executes first, ours before a vote against a candidate.
//!
//! A file [`PRIMARY_FILE`] beside this program names the directory of other workers, usually the
//! node's own. These workers are the primary engine. Ours is the second engine: it executes before
//! a validator votes against a candidate. So a candidate that only the primary engine rejects is
//! not disputed.
//!
//! ```text
//! node ── socket ── this worker ──┬── socket ── the primary worker, as if the node had started it
//!                                 └── socket ── this program again (--alone), behind all of its barriers
//! ```
//!
//! | answer of the primary engine | answer of the second engine | answer to the node |
//! | --- | --- | --- |
//! | valid | not asked | valid |
//! | timed out | not asked | timed out: the time that the node allows is used up |
//! | any other, or the worker died | valid | valid; the log has both answers, as an error |
//! | any other, or the worker died | any other, or none | that of the primary engine |
//! | the code cannot be prepared | not asked | that of the primary engine |
//!
//! So the second engine never makes an answer worse for a candidate. The artifact's file holds the
//! artifacts of both engines ([`pair`]), or the primary engine's alone if ours rejects the code.
//!
//! This process neither reads nor executes code: it passes on messages and artifacts. It does not
//! isolate itself, because that would isolate the primary worker too; both workers isolate
//! themselves as the node's handshake says. The workers' directories are in a private file system
//! in memory, which vanishes with this process ([`place`]) and needs a user namespace. When this
//! process is killed, the workers and their jobs are killed too.

mod engine;
mod installed;
pub mod pair;
pub mod place;
mod rule;
mod shepherd;

mod execution;
mod preparation;

pub use installed::{InstalledError, primary};
pub use pvf_node_protocol::PRIMARY_FILE;

use crate::command_line::ALONE;
use crate::security::Machine;
use engine::Engine;
use place::{Place, PlaceError};
use pvf_node_protocol::Verification;
use pvf_worker_client::{Launch, ProcessError};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Why a worker with a primary engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SecondOpinionError {
    /// The installation of the primary engine is unusable.
    #[error(transparent)]
    Installed(#[from] InstalledError),
    /// The file system for the workers' directories cannot be created.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The path of this program is unknown.
    #[error("the path of this program: {0}")]
    Own(io::Error),
    /// The primary worker does not start.
    #[error("the primary engine: {0}")]
    Primary(ProcessError),
}

/// The workers of both engines.
pub struct Engines {
    // Fields are dropped in this order: workers before `place`, which holds their directories.
    primary: Engine,
    second: Engine,
    place: Place,
}

impl Engines {
    /// Starts the worker `primary`; the second worker, which is this program again, is started when
    /// it is needed. `directory` is the directory of this worker. Moves this process into new
    /// namespaces.
    ///
    /// # Errors
    /// [`SecondOpinionError`].
    pub fn new(
        primary: PathBuf,
        command: &'static str,
        directory: &Path,
        node_version: Option<String>,
        verification: Verification,
        machine: &Machine,
    ) -> Result<Self, SecondOpinionError> {
        let place = Place::new(directory, machine)?;
        let launch = Launch {
            node_version,
            log: std::env::var_os("RUST_LOG").unwrap_or_default(),
            ..Launch::new(primary, command, machine.status)
        };
        let own = std::env::current_exe().map_err(SecondOpinionError::Own)?;
        let alone = Launch {
            program: own,
            arguments: std::iter::once(ALONE)
                .chain(verification.options())
                .map(OsString::from)
                .collect(),
            ..launch.clone()
        };
        let mut primary = Engine::new(launch, place.path("primary"));
        primary.start().map_err(SecondOpinionError::Primary)?;
        let second = Engine::new(alone, place.path("second"));
        Ok(Self {
            primary,
            second,
            place,
        })
    }
}
