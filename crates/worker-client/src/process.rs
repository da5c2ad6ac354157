//! A worker process and the connection to it.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parity_scale_codec::{Decode, Encode};
use pvf_node_protocol::{SecurityStatus, WorkerHandshake, frame};
use pvf_primitives::ExecutorParams;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Why a worker did not start or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program cannot be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The program started and did not connect.
    #[error("{} did not connect within {seconds} s", program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// How long the host waited.
        seconds: u64,
    },
    /// The program started and ended without connecting.
    #[error("{} ended before it connected: {status}", program.display())]
    Ended {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// The worker's directory or socket cannot be created.
    #[error("{}: {source}", path.display())]
    Directory {
        /// The directory or socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The worker died, did not answer in time, or sent a message that does not decode.
    #[error("the worker failed: {0}")]
    Failed(#[from] frame::FrameError),
}

impl ProcessError {
    /// Whether the worker did not answer in time.
    pub fn is_late(&self) -> bool {
        let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        matches!(self, Self::Failed(frame::FrameError::Io(error)) if late.contains(&error.kind()))
    }
}

/// Seconds that a started worker has to connect.
const REPORT_SECONDS: u64 = 10;

/// Largest answer of a prepare worker in bytes.
pub const PREPARE_ANSWER_BYTES: usize = 1 << 20;

/// Largest answer of an execute worker with these parameters, in bytes: a result lies in the memory of
/// the PVF and does not grow when it is encoded again; everything else is a short text.
pub fn execute_answer_bytes(params: &ExecutorParams) -> usize {
    const PAGE_BYTES: u64 = 64 << 10;
    /// Pages of the protocol's default limit, and of the largest memory that Wasm has.
    const DEFAULT_PAGES: u32 = 2_080;
    const MOST_PAGES: u32 = 1 << 16;
    /// Bytes beyond the memory of the PVF.
    const MORE: u64 = 1 << 20;
    let pages = params.max_memory_pages().unwrap_or(DEFAULT_PAGES);
    let bytes = u64::from(pages.min(MOST_PAGES)) * PAGE_BYTES + MORE;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// How long to wait for the answer to a job with this limit of CPU time: four times the limit, as a
/// node does, and 2 s more.
pub fn patience(cpu_time: Duration) -> Duration {
    const TIMES: u32 = 4;
    const MORE: Duration = Duration::from_secs(2);
    cpu_time.saturating_mul(TIMES).saturating_add(MORE)
}

/// How to start a worker.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// The worker's command: `prepare-worker` or `execute-worker`.
    pub command: &'static str,
    /// Arguments beyond those of a node.
    pub arguments: Vec<OsString>,
    /// Version of the node, if the worker is to compare it with its own.
    pub node_version: Option<String>,
    /// Directives of the worker's log, the value of `RUST_LOG`.
    pub log: OsString,
    /// The barriers that the worker sets up.
    pub security: SecurityStatus,
    /// File to which the worker's standard error is appended; `None` if it is that of this process.
    pub stderr: Option<PathBuf>,
}

impl Launch {
    /// A launch without a version to compare, which logs errors only.
    pub fn new(
        program: impl Into<PathBuf>,
        command: &'static str,
        security: SecurityStatus,
    ) -> Self {
        Self {
            program: program.into(),
            command,
            arguments: Vec::new(),
            node_version: None,
            log: OsString::new(),
            security,
            stderr: None,
        }
    }

    /// The program with its arguments. Its working directory is `place`, so the paths may be
    /// relative to it.
    fn command(&self, place: &Path, socket: &OsStr, directory: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.command);
        if let Some(version) = &self.node_version {
            command.arg("--node-impl-version").arg(version);
        }
        command
            .arg("--socket-path")
            .arg(socket)
            .arg("--worker-dir-path")
            .arg(directory)
            .args(&self.arguments)
            .current_dir(place)
            .env_clear()
            .env("RUST_LOG", &self.log)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

/// A running worker. Dropping it kills the worker and removes the worker's directory.
#[derive(Debug)]
pub struct Process {
    // Fields are dropped in this order: a worker that is hung up on ends even if it cannot be killed.
    stream: UnixStream,
    running: Running,
}

impl Process {
    /// Starts a worker and creates its `directory`, an absolute path whose parent exists.
    ///
    /// # Errors
    /// [`ProcessError`]; the process and the directory are removed then.
    pub fn start(launch: &Launch, directory: PathBuf) -> Result<Self, ProcessError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ProcessError::Directory { path, source }
        };
        // The socket is beside the directory: files in the directory belong to the worker.
        let socket = directory.with_extension("socket");
        let place = directory.parent().unwrap_or(Path::new("/"));
        let name = socket.file_name().unwrap_or_default();
        let listener = listen(place, name).map_err(failed(&socket))?;
        let made = fs::create_dir(&directory).map_err(failed(&directory));
        let started = made.and_then(|()| {
            let mut running = Running::start(launch, place, name, directory.clone())?;
            let accepted = accept(&listener, &mut running.child).map_err(failed(&socket))?;
            let program = launch.program.clone();
            match accepted {
                Accepted::Stream(stream) => Ok(Self { running, stream }),
                Accepted::Ended(status) => Err(ProcessError::Ended { program, status }),
                Accepted::Nothing => Err(ProcessError::Silent {
                    program,
                    seconds: REPORT_SECONDS,
                }),
            }
        });
        // A worker that connected has removed its socket already.
        let _ = fs::remove_file(&socket);
        let mut process = started?;
        process.tell(&WorkerHandshake {
            security_status: launch.security,
        })?;
        Ok(process)
    }

    /// The worker's directory.
    pub fn directory(&self) -> &Path {
        &self.running.directory
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The worker does not receive the message.
    pub fn tell(&mut self, message: &impl Encode) -> Result<(), ProcessError> {
        Ok(frame::send(&mut self.stream, message).map_err(frame::FrameError::from)?)
    }

    /// Sends a message and waits at most `patience` for the answer of at most `limit` bytes.
    ///
    /// # Errors
    /// The worker died, is late, or sent an answer that does not decode. The connection is of no
    /// further use then.
    pub fn ask<T: Decode>(
        &mut self,
        message: &impl Encode,
        limit: usize,
        patience: Duration,
    ) -> Result<T, ProcessError> {
        self.tell(message)?;
        self.hear(limit, patience)
    }

    /// Waits at most `patience` for a message of at most `limit` bytes.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub fn hear<T: Decode>(&mut self, limit: usize, patience: Duration) -> Result<T, ProcessError> {
        let patience = patience.max(Duration::from_millis(1));
        let timeout = self.stream.set_read_timeout(Some(patience));
        timeout.map_err(frame::FrameError::from)?;
        Ok(frame::receive(&mut self.stream, limit)?)
    }
}

/// A running program and the directory created for it. Dropping it kills the program and removes
/// the directory.
#[derive(Debug)]
struct Running {
    child: Child,
    directory: PathBuf,
}

impl Running {
    fn start(
        launch: &Launch,
        place: &Path,
        socket: &OsStr,
        directory: PathBuf,
    ) -> Result<Self, ProcessError> {
        let mut command = launch.command(place, socket, &directory);
        let spawned = match &launch.stderr {
            Some(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .and_then(|file| command.stderr(file).spawn()),
            None => command.spawn(),
        };
        match spawned {
            Ok(child) => Ok(Self { child, directory }),
            Err(source) => {
                let _ = fs::remove_dir(&directory);
                let program = launch.program.clone();
                Err(ProcessError::Start { program, source })
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Listens on the socket `name` in the directory `place`, whose path may be longer than a socket
/// address can hold.
fn listen(place: &Path, name: &OsStr) -> io::Result<UnixListener> {
    let place = fs::File::open(place)?;
    let short = Path::new("/proc/self/fd").join(place.as_raw_fd().to_string());
    UnixListener::bind(short.join(name))
}

/// What came of waiting for a connection.
enum Accepted {
    Stream(UnixStream),
    /// The program has ended.
    Ended(ExitStatus),
    /// Time is up.
    Nothing,
}

/// Waits at most [`REPORT_SECONDS`] for a connection of this program.
fn accept(listener: &UnixListener, program: &mut Child) -> io::Result<Accepted> {
    /// How often to look whether the program lives, in milliseconds.
    const LOOK_EVERY: u16 = 20;
    let started = Instant::now();
    loop {
        // A program that connects and ends has connected: so the end is looked for first.
        let ended = program.try_wait()?;
        let mut waiting_for = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting_for, PollTimeout::from(LOOK_EVERY)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => {
                return listener
                    .accept()
                    .map(|(stream, _)| Accepted::Stream(stream));
            }
            Err(errno) => return Err(errno.into()),
        }
        if let Some(status) = ended {
            return Ok(Accepted::Ended(status));
        }
        if started.elapsed() >= Duration::from_secs(REPORT_SECONDS) {
            return Ok(Accepted::Nothing);
        }
    }
}
