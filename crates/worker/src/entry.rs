//! From the command line to the loop over requests.

use crate::command_line::{self, Check, Command, Options};
use crate::execute::{self, ExecuteJob, JobLauncher};
use crate::job::JobStack;
use crate::logging;
use crate::prepare::{self, PrepareJob};
use crate::process::{self, SingleThreaded};
use crate::second_opinion::{self, Engines, SecondOpinionError};
use crate::security::{self, Machine, Role, SecurityError};
use crate::version;
use nix::sys::signal::{Signal, kill};
use nix::unistd::getppid;
use pvf_node_protocol::{SecurityStatus, WorkerHandshake, frame};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A kind of worker, with what its jobs do.
#[derive(Clone, Copy)]
pub enum Worker<'a> {
    /// Compiles.
    Prepare(&'a dyn PrepareJob),
    /// Executes.
    Execute(&'a dyn ExecuteJob),
}

/// Exit status of a check that failed, as the host reads it.
const CHECK_FAILED: u8 = 255;

/// A worker with its host.
pub(crate) struct Session {
    /// The connection.
    pub host: UnixStream,
    /// The worker's directory, as this process sees it.
    pub directory: PathBuf,
    /// Which barriers there are for jobs.
    pub machine: Machine,
    /// Where they run.
    pub stack: JobStack,
    /// From which those of an execute worker are forked.
    pub launcher: Option<JobLauncher>,
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
            log::info!("the {command} ends: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!("polkadot-{command}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Says something on the standard error stream, if it takes it.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tries a means of isolation in this process, which is of no other use afterwards.
fn check(check: &Check) -> Result<(), SecurityError> {
    match check {
        Check::Landlock => security::landlock::restrict_job()?,
        Check::Seccomp => security::seccomp::check()?,
        Check::ChangeRoot(directory) => security::root::change(Role::Execute, directory)?,
        Check::Clone => security::check_clone()?,
    }
    Ok(())
}

/// Why a worker ends.
#[derive(Debug, thiserror::Error)]
enum Ending {
    /// The node is of another version.
    #[error("version mismatch: the node is {node}, this worker is for {worker}")]
    Version { node: String, worker: String },
    /// It is not known which node this worker is for.
    #[error(transparent)]
    WorkerVersion(#[from] version::VersionError),
    /// Something is not as the host should have left it.
    #[error("{0}")]
    Environment(String),
    /// A barrier is missing.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// The system refused something.
    #[error("{what}: {error}")]
    Io {
        what: &'static str,
        error: io::Error,
    },
    /// The primary engine is not there, or cannot be used.
    #[error(transparent)]
    SecondOpinion(#[from] SecondOpinionError),
    /// The host hung up, or speaks another language.
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
}

fn io(what: &'static str) -> impl Fn(io::Error) -> Ending {
    move |error| Ending::Io { what, error }
}

/// Serves a host; why that ended.
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
        Ok(Started::WithPrimary(mut host, mut engines)) => match worker {
            Worker::Prepare(_) => engines.prepare(&mut host),
            Worker::Execute(_) => engines.execute(&mut host),
        },
    };
    match served {
        Err(error) => error.into(),
        Ok(()) => Ending::Environment("nothing more to do".to_owned()),
    }
}

/// Ready for requests.
enum Started {
    /// Answers them itself.
    Alone(Session),
    /// Asks the primary engine first.
    WithPrimary(UnixStream, Box<Engines>),
}

/// All that comes before the first request.
fn start(worker: Worker<'_>, options: &Options) -> Result<Started, Ending> {
    compare_versions(options)?;
    let directory = &options.worker_dir_path;
    std::fs::read_dir(directory).map_err(io("the worker's directory"))?;
    let one = SingleThreaded::check().map_err(io("counting threads"))?;
    let primary = match options.alone {
        true => None,
        false => second_opinion::primary(worker.command()).map_err(SecondOpinionError::from)?,
    };
    let mut host = UnixStream::connect(&options.socket_path).map_err(io("the host's socket"))?;
    // It was for this connection alone. If it is gone already, all the better.
    let _ = std::fs::remove_file(&options.socket_path);
    let handshake: WorkerHandshake = frame::receive(&mut host, 64)?;
    let security = handshake.security_status;

    let leftover = security::leftover_environment();
    if !leftover.is_empty() {
        let what = format!("environment variables that should have been cleared: {leftover:?}");
        tolerate(security, Ending::Environment(what))?;
    }
    let machine = Machine::examine(security, one)?;
    if let Some(primary) = primary {
        let version = options.node_version.clone();
        let engines = Engines::new(primary, worker.command(), directory, version, &machine)?;
        return Ok(Started::WithPrimary(host, Box::new(engines)));
    }
    let stack = JobStack::new().map_err(io("the stack of jobs"))?;
    let launch = || match worker {
        Worker::Prepare(_) => Ok(None),
        Worker::Execute(job) => execute::launch(job, &machine, &stack, host.as_raw_fd()).map(Some),
    };
    let (directory, launcher) = isolate(worker.role(), directory, security, launch)?;
    let launcher = launcher.map_err(io("the launcher"))?;
    Ok(Started::Alone(Session {
        host,
        directory,
        machine,
        stack,
        launcher,
    }))
}

/// The host found out what is possible. If it is not after all, a worker goes on only if nobody insists, and never with a root
/// directory changed in part.
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

/// A node that was updated in place would take this worker's answers for its own kind's: it has to go.
fn compare_versions(options: &Options) -> Result<(), Ending> {
    let worker = version::node_version()?;
    match &options.node_version {
        Some(node) if *node != worker => {
            let node = node.clone();
            let parent = getppid();
            if parent.as_raw() > 1 {
                // If it cannot be ended, there is nothing more to be done here.
                let _ = kill(parent, Signal::SIGTERM);
            }
            Err(Ending::Version { node, worker })
        }
        _ => Ok(()),
    }
}
