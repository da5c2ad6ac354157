//! A second opinion: the primary engine executes first, ours before a vote against a candidate.
//!
//! A file [`PRIMARY_FILE`] beside this program names the directory of other workers, usually the
//! node's own. These workers are the primary engine. Ours is the second engine: it executes before
//! a validator votes against a candidate. So a candidate that only the primary engine rejects is
//! not disputed.
//!
//! With shadow mode ([`observation`](crate::observation)), the primary engine's answer always stands, and ours
//! executes after the answer was sent. With recording and without a file [`PRIMARY_FILE`], the primary engine is ours,
//! and there is no second one.
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

use crate::beside::{self, BesideError};
use crate::command_line::{ALONE, FIGURES};
use crate::security::Machine;
pub use engine::Engine;
pub use execution::{KeptPart, execute_with, not_answered};
use place::{Place, PlaceError};
use pvf_node_protocol::Verification;
use pvf_worker_client::observation::{OBSERVE_FILE, Observation, ObservationError};
use pvf_worker_client::{Launch, ProcessError};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Why a worker that passes requests on cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SecondOpinionError {
    /// The installation of the primary engine is unusable.
    #[error(transparent)]
    Installed(#[from] InstalledError),
    /// The file [`OBSERVE_FILE`] cannot be looked for or read.
    #[error(transparent)]
    File(#[from] BesideError),
    /// The settings of the observation are wrong.
    #[error("{}: {source}", path.display())]
    Observation {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong.
        source: ObservationError,
    },
    /// There is no primary engine that a shadow could stand beside.
    #[error("{}: a shadow needs a primary engine, and there is no file {PRIMARY_FILE}", path.display())]
    ShadowOfNothing {
        /// Path of the file with the settings.
        path: PathBuf,
    },
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

/// The workers that this worker passes requests to, and what it observes, as its installation says.
pub struct Others {
    /// The program of the primary worker; `None` if that is this program.
    primary: Option<PathBuf>,
    observation: Option<Observation>,
}

impl Others {
    /// What the files beside this program say for a command (`prepare-worker`, `execute-worker`). `None` if this worker
    /// answers itself.
    ///
    /// # Errors
    /// [`SecondOpinionError`].
    pub fn installed(command: &str) -> Result<Option<Self>, SecondOpinionError> {
        let primary = primary(command)?;
        let observation = match beside::read(&beside::own_directory()?, OBSERVE_FILE)? {
            Some(file) => {
                let path = file.path;
                match Observation::from_json(&file.bytes) {
                    Ok(it) if it.shadow.is_some() && primary.is_none() => {
                        return Err(SecondOpinionError::ShadowOfNothing { path });
                    }
                    Ok(observation) => Some(observation),
                    Err(source) => return Err(SecondOpinionError::Observation { path, source }),
                }
            }
            None => None,
        };
        let any = primary.is_some() || observation.is_some();
        Ok(any.then_some(Self {
            primary,
            observation,
        }))
    }
}

/// The workers of both engines.
pub struct Engines {
    // Fields are dropped in this order: workers before `place`, which holds their directories.
    primary: Engine,
    /// Our engine, if another one is the primary engine.
    second: Option<Engine>,
    observation: Option<Observation>,
    place: Place,
}

impl Engines {
    /// Starts the primary worker; the second worker, which is this program again, is started when
    /// it is needed. `directory` is the directory of this worker. Moves this process into new
    /// namespaces.
    ///
    /// # Errors
    /// [`SecondOpinionError`].
    pub fn new(
        others: Others,
        command: &'static str,
        directory: &Path,
        node_version: Option<String>,
        verification: Verification,
        machine: &Machine,
    ) -> Result<Self, SecondOpinionError> {
        let Others {
            primary,
            observation,
        } = others;
        let place = Place::new(directory, machine)?;
        let own = std::env::current_exe().map_err(SecondOpinionError::Own)?;
        let sends_figures = observation.as_ref().is_some_and(|it| it.shadow.is_some());
        let ours = Launch {
            arguments: std::iter::once(ALONE)
                .chain(verification.options())
                .chain(sends_figures.then_some(FIGURES))
                .map(OsString::from)
                .collect(),
            node_version: node_version.clone(),
            log: std::env::var_os("RUST_LOG").unwrap_or_default(),
            ..Launch::new(own, command, machine.status)
        };
        let (first, second) = match primary {
            Some(program) => {
                let theirs = Launch {
                    program,
                    arguments: Vec::new(),
                    ..ours.clone()
                };
                (theirs, Some(ours))
            }
            None => (ours, None),
        };
        let mut primary = Engine::new(first, place.path("primary"));
        primary.start().map_err(SecondOpinionError::Primary)?;
        let second = second.map(|launch| Engine::new(launch, place.path("second")));
        Ok(Self {
            primary,
            second,
            observation,
            place,
        })
    }
}
