//! Another engine first, ours if it says no.
//!
//! Where a file [`PRIMARY_FILE`] beside this program names the directory of other workers, usually the node's own, they are the primary
//! engine: they prepare and execute as before, and ours are asked before a validator votes against a candidate. A candidate that
//! only one compiler turns down is then not disputed.
//!
//! ```text
//! node ── socket ── this worker ──┬── socket ── the primary worker, as if the node had started it
//!                                 └── socket ── this program once more (--alone), behind all of its barriers
//! ```
//!
//! | the primary says | ours is asked | the answer |
//! | --- | --- | --- |
//! | valid | no | valid |
//! | time is up | no | time is up: how long a job may take is the node's affair, and that time is gone |
//! | anything else, or it died | yes, and says valid | valid; both are named in the log, as an error |
//! | | yes, and says anything else, or cannot say | as the primary says |
//! | the code cannot be prepared | | as the primary says |
//!
//! So ours never turns an answer into one against a candidate. What is in the artifact's file is made by both ([`pair`]); if ours
//! does not take the code, it is the primary's alone.
//!
//! The process in the middle reads no code and executes none: it passes messages and artifacts on. It is not isolated, since it would isolate
//! the primary with itself; both workers isolate themselves as the node's handshake says. Their directories are on a file
//! system in memory that nobody else sees and that vanishes with them ([`place`]), which takes a user namespace. When it is killed, all
//! of them are, and their jobs.

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
use pvf_worker_client::{Launch, ProcessError};
use std::io;
use std::path::{Path, PathBuf};

/// Why two engines cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum SecondOpinionError {
    /// What is installed makes no sense.
    #[error(transparent)]
    Installed(#[from] InstalledError),
    /// There is no place for the workers' directories.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// This program cannot be found.
    #[error("the path of this program: {0}")]
    Own(io::Error),
    /// The primary worker does not start.
    #[error("the primary engine: {0}")]
    Primary(ProcessError),
}

/// Both engines.
pub struct Engines {
    // Dropped in this order: workers go before the place of their directories.
    primary: Engine,
    second: Engine,
    place: Place,
}

impl Engines {
    /// Starts the primary worker, which is this program; the second one is started when it is needed. `directory` is that of this worker. The process moves
    /// into new namespaces.
    ///
    /// # Errors
    /// [`SecondOpinionError`].
    pub fn new(
        primary: PathBuf,
        command: &'static str,
        directory: &Path,
        node_version: Option<String>,
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
            arguments: vec![ALONE.into()],
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
