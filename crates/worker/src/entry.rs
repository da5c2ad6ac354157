//! The `main` of a worker: command line, handshake and isolation, up to the loop over requests.

use crate::command_line::{self, Check, Command, Options};
use crate::execute::{self, ExecuteJob, JobLauncher};
use crate::logging;
use crate::prepare::{self, PrepareJob};
use crate::process::{self, SingleThreaded};
use crate::second_opinion::{Engines, Others, SecondOpinionError};
use crate::security::{self, Machine, Role, SecurityError};
use crate::verification::{self, VerificationError};
use crate::version;
use nix::sys::signal::{Signal, kill};
use nix::unistd::getppid;
use pvf_node_protocol::{SecurityStatus, Verification, WorkerHandshake, frame};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A kind of worker, with the code of its jobs.
#[derive(Clone, Copy)]
pub enum Worker<'a> {
    /// A worker that compiles PVFs.
    Prepare(&'a dyn PrepareJob),
    /// A worker that executes PVFs.
    Execute(&'a dyn ExecuteJob),
}

/// Exit status of a check that failed, as the host expects it.
const CHECK_FAILED: u8 = 255;

/// A worker that is connected to its host.
pub(crate) struct Session {
    /// The connection to the host.
    pub host: UnixStream,
    /// Path of the worker's directory, after the change of the root directory.
    pub directory: PathBuf,
    /// The barriers for jobs that this machine offers.
    pub machine: Machine,
    /// The launcher of an execute worker's jobs.
    pub launcher: Option<JobLauncher>,
    /// When machine code is verified.
    pub verification: Verification,
    /// Whether an execute worker sends measurements after each answer.
    pub sends_figures: bool,
}

impl Worker<'_> {
    /// The command that serves a host.
    fn command(self) -> &'static str {
        match self {
            Self::Prepare(_) => "prepare-worker",
            Self::Execute(_) => "execute-worker",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Prepare(_) => Role::Prepare,
            Self::Execute(_) => Role::Execute,
        }
    }
}

/// The `main` of a worker.
pub fn main(worker: Worker<'_>) -> ExitCode {
    process::close_forgotten();
    process::ignore_signals_of_writing();
    logging::start();
    let command = worker.command();
    let tell = |text: &dyn Fn(String) -> String| match version::node_version() {
        Ok(version) => {
            println!("{}", text(version));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("polkadot-{command}: {error}"));
            ExitCode::FAILURE
        }
    };
    let commit = version::commit();
    match command_line::parse(command, std::env::args_os().skip(1)) {
        Ok(Command::Help) => tell(&|version| {
            format!(
                "polkadot-{command} {version}\ncommit: {commit}\n\n\
                 A PVF worker of the deterministic executor, to be started by a Polkadot node."
            )
        }),
        Ok(Command::Version) => tell(&|version| version),
        Ok(Command::FullVersion) => tell(&|version| format!("{version}-{commit}")),
        Ok(Command::Check(check)) => match self::check(&check) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error.to_string());
                ExitCode::from(CHECK_FAILED)
            }
        },
        Ok(Command::TestSleep) => {
            std::thread::sleep(Duration::from_secs(5));
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => {
            let error = run(worker, &options);
            log::info!("the {command} exits: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!("polkadot-{command}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to the standard error stream. A failure to write is ignored.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tries a means of isolation in this process, which must exit afterwards.
fn check(check: &Check) -> Result<(), SecurityError> {
    match check {
        Check::Landlock => security::landlock::restrict_job()?,
        Check::Seccomp => security::seccomp::check()?,
        Check::ChangeRoot(directory) => security::root::change(Role::Execute, directory)?,
        Check::Clone => security::check_clone()?,
    }
    Ok(())
}

/// Why a worker exits.
#[derive(Debug, thiserror::Error)]
enum Ending {
    /// The node has another version than the worker's node.
    #[error("version mismatch: the node is {node}, this worker is for {worker}")]
    Version { node: String, worker: String },
    /// The version of the worker's node is unknown.
    #[error(transparent)]
    WorkerVersion(#[from] version::VersionError),
    /// The host did not prepare the environment as it should.
    #[error("{0}")]
    Environment(String),
    /// A barrier could not be set up.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// A system call failed.
    #[error("{what}: {error}")]
    Io {
        what: &'static str,
        error: io::Error,
    },
    /// The file that says when to verify cannot be read.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// The primary engine is missing or cannot be used.
    #[error(transparent)]
    SecondOpinion(#[from] SecondOpinionError),
    /// The host hung up, or sent a message that does not decode.
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
}

fn io(what: &'static str) -> impl Fn(io::Error) -> Ending {
    move |error| Ending::Io { what, error }
}

/// Serves a host, and returns why it stopped.
fn run(worker: Worker<'_>, options: &Options) -> Ending {
    let served = match start(worker, options) {
        Err(ending) => {
            log::error!("the {} cannot start: {ending}", worker.command());
            return ending;
        }
        Ok(Started::Alone(mut session)) => match worker {
            Worker::Prepare(job) => prepare::serve(&mut session, job),
            Worker::Execute(_) => execute::serve(&mut session),
        },
        Ok(Started::WithOthers(mut host, mut engines)) => match worker {
            Worker::Prepare(_) => engines.prepare(&mut host),
            Worker::Execute(_) => engines.execute(&mut host),
        },
    };
    match served {
        Err(error) => error.into(),
        Ok(()) => Ending::Environment("nothing more to do".to_owned()),
    }
}

/// A worker that is ready for requests.
enum Started {
    /// A worker that answers requests itself.
    Alone(Session),
    /// A worker that passes requests on to other workers.
    WithOthers(UnixStream, Box<Engines>),
}

/// Connects to the host, performs the handshake, and isolates the worker.
fn start(worker: Worker<'_>, options: &Options) -> Result<Started, Ending> {
    compare_versions(options)?;
    let directory = &options.worker_dir_path;
    std::fs::read_dir(directory).map_err(io("the worker's directory"))?;
    let one = SingleThreaded::check().map_err(io("counting threads"))?;
    let verification = verification::combined(options.verification)?;
    let others = match options.alone {
        true => None,
        false => Others::installed(worker.command())?,
    };
    let mut host = UnixStream::connect(&options.socket_path).map_err(io("the host's socket"))?;
    // The socket serves this connection only. The host may have removed it already.
    let _ = std::fs::remove_file(&options.socket_path);
    let handshake: WorkerHandshake = frame::receive(&mut host, 64)?;
    let security = handshake.security_status;

    let leftover = security::leftover_environment();
    if !leftover.is_empty() {
        let what = format!("environment variables that should have been cleared: {leftover:?}");
        tolerate(security, Ending::Environment(what))?;
    }
    let machine = Machine::examine(security, one)?;
    if let Some(others) = others {
        let version = options.node_version.clone();
        let engines = Engines::new(
            others,
            worker.command(),
            directory,
            version,
            verification,
            &machine,
        )?;
        return Ok(Started::WithOthers(host, Box::new(engines)));
    }
    let launch = || match worker {
        Worker::Prepare(_) => Ok(None),
        Worker::Execute(job) => execute::launch(job, &machine, host.as_raw_fd()).map(Some),
    };
    let (directory, launcher) = isolate(worker.role(), directory, security, launch)?;
    let launcher = launcher.map_err(io("the launcher"))?;
    Ok(Started::Alone(Session {
        host,
        directory,
        machine,
        launcher,
        verification,
        sends_figures: options.figures,
    }))
}

/// Isolates the worker with the barriers that the host found possible. If one fails, the worker
/// continues only outside of Secure Validator Mode, and never with a partly changed root directory.
fn isolate<T>(
    role: Role,
    directory: &Path,
    security: SecurityStatus,
    start: impl FnOnce() -> T,
) -> Result<(PathBuf, T), Ending> {
    let isolated = security::isolate_worker(role, directory, security, start);
    let (isolated, started) = isolated.map_err(SecurityError::from)?;
    for missing in isolated.missing {
        tolerate(security, missing.into())?;
    }
    Ok((isolated.directory.to_owned(), started))
}

fn tolerate(security: SecurityStatus, what: Ending) -> Result<(), Ending> {
    if security.secure_validator_mode {
        return Err(what);
    }
    log::error!("{what}");
    Ok(())
}

/// Compares the node's version with the version of the worker's node. If they differ, the node was
/// upgraded in place and may misread this worker's answers; so the worker terminates its parent, as
/// the node's own workers do.
fn compare_versions(options: &Options) -> Result<(), Ending> {
    let worker = version::node_version()?;
    match &options.node_version {
        Some(node) if *node != worker => {
            let node = node.clone();
            let parent = getppid();
            if parent.as_raw() > 1 {
                // If the signal cannot be sent, the worker can do nothing more than exit.
                let _ = kill(parent, Signal::SIGTERM);
            }
            Err(Ending::Version { node, worker })
        }
        _ => Ok(()),
    }
}
