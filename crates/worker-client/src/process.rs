//! A worker process and the connection to it.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parity_scale_codec::{Decode, Encode};
use pvf_node_protocol::{SecurityStatus, WorkerHandshake, frame};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Why there is no worker, or no answer of one.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program cannot be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It was started and did not connect.
    #[error("{} did not report in {seconds} s", program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Its directory or its socket cannot be made.
    #[error("{}: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It died, hangs or talks nonsense.
    #[error("the worker failed: {0}")]
    Failed(#[from] frame::FrameError),
}

impl ProcessError {
    /// Whether the worker did not answer in the time it was given.
    pub fn is_late(&self) -> bool {
        let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        matches!(self, Self::Failed(frame::FrameError::Io(error)) if late.contains(&error.kind()))
    }
}

/// Time that a worker has to connect.
const REPORT_SECONDS: u64 = 10;

/// Largest answer of a prepare worker in bytes.
pub const PREPARE_ANSWER_BYTES: usize = 1 << 20;

/// Largest answer of an execute worker in bytes: a result lies in the memory of the PVF, which has at most 4 GiB.
pub const EXECUTE_ANSWER_BYTES: usize = 5 << 30;

/// How long to wait for the answer to a job that may take this CPU time: four times as long, as a node does, and a little more.
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
    /// Its command: `prepare-worker` or `execute-worker`.
    pub command: &'static str,
    /// Arguments beyond those that every host gives.
    pub arguments: Vec<OsString>,
    /// Version of the node that it shall compare with its own.
    pub node_version: Option<String>,
    /// What it shall log, as in `RUST_LOG`.
    pub log: OsString,
    /// The barriers that it shall put up.
    pub security: SecurityStatus,
}

impl Launch {
    /// Without a version to compare and with errors alone in the log.
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
        }
    }

    /// The program with its arguments. The paths may be relative to `place`, where it is started.
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

/// A worker that is running. Killed when dropped, its directory removed.
#[derive(Debug)]
pub struct Process {
    running: Running,
    stream: UnixStream,
}

impl Process {
    /// Starts a worker with a directory of its own, which is made here and has to lie in one that exists. Its path is absolute.
    ///
    /// # Errors
    /// [`ProcessError`]; nothing is left then.
    pub fn start(launch: &Launch, directory: PathBuf) -> Result<Self, ProcessError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ProcessError::Directory { path, source }
        };
        // Not in the directory: what is there is the worker's.
        let socket = directory.with_extension("socket");
        let place = directory.parent().unwrap_or(Path::new("/"));
        let name = socket.file_name().unwrap_or_default();
        let listener = listen(place, name).map_err(failed(&socket))?;
        let made = fs::create_dir(&directory).map_err(failed(&directory));
        let started = made.and_then(|()| {
            let running = Running::start(launch, place, name, directory.clone())?;
            match accept(&listener).map_err(failed(&socket))? {
                Some(stream) => Ok(Self { running, stream }),
                None => Err(ProcessError::Silent {
                    program: launch.program.clone(),
                    seconds: REPORT_SECONDS,
                }),
            }
        });
        // The worker has removed it already, if all is well.
        let _ = fs::remove_file(&socket);
        let mut process = started?;
        process.tell(&WorkerHandshake {
            security_status: launch.security,
        })?;
        Ok(process)
    }

    /// The worker's own directory.
    pub fn directory(&self) -> &Path {
        &self.running.directory
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The worker does not take it.
    pub fn tell(&mut self, message: &impl Encode) -> Result<(), ProcessError> {
        Ok(frame::send(&mut self.stream, message).map_err(frame::FrameError::from)?)
    }

    /// Sends a message and waits for the answer, for so long; it may be so many bytes long.
    ///
    /// # Errors
    /// The worker died, takes too long or talks nonsense: there is no more understanding with it.
    pub fn ask<T: Decode>(
        &mut self,
        message: &impl Encode,
        limit: usize,
        patience: Duration,
    ) -> Result<T, ProcessError> {
        let patience = patience.max(Duration::from_millis(1));
        let timeout = self.stream.set_read_timeout(Some(patience));
        timeout.map_err(frame::FrameError::from)?;
        self.tell(message)?;
        Ok(frame::receive(&mut self.stream, limit)?)
    }
}

/// A program and the directory made for it. Both go when this is dropped.
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
        match launch.command(place, socket, &directory).spawn() {
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
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Listens on a socket in a directory whose path may be longer than an address can be.
fn listen(place: &Path, name: &OsStr) -> io::Result<UnixListener> {
    let place = fs::File::open(place)?;
    let short = Path::new("/proc/self/fd").join(place.as_raw_fd().to_string());
    UnixListener::bind(short.join(name))
}

/// Waits for a connection, but not for ever.
fn accept(listener: &UnixListener) -> io::Result<Option<UnixStream>> {
    let mut waiting_for = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::from(REPORT_SECONDS as u16 * 1000);
    loop {
        return match poll(&mut waiting_for, patience) {
            Ok(0) => Ok(None),
            Ok(_) => listener.accept().map(|(stream, _)| Some(stream)),
            Err(Errno::EINTR) => continue,
            Err(errno) => Err(errno.into()),
        };
    }
}
