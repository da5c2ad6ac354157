//! A worker process and the connection to it.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parity_scale_codec::{Decode, Encode};
use pvf_wire::{SecurityStatus, WorkerHandshake, frame};
use std::fs;
use std::io;
use std::os::fd::AsFd;
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

/// Time that a worker has to connect.
const REPORT_SECONDS: u64 = 10;

/// A worker that is running. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    stream: UnixStream,
    /// The worker's own directory.
    pub(crate) directory: PathBuf,
}

impl Process {
    /// Starts a worker with a directory of its own, which is made here.
    pub(crate) fn start(
        program: &Path,
        command: &str,
        directory: PathBuf,
        security: SecurityStatus,
    ) -> Result<Self, ProcessError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ProcessError::Directory { path, source }
        };
        fs::create_dir(&directory).map_err(failed(&directory))?;
        // Not in the directory: what is there is the worker's.
        let socket = directory.with_extension("socket");
        let listener = UnixListener::bind(&socket).map_err(failed(&socket))?;
        let child = Command::new(program)
            .arg(command)
            .arg("--socket-path")
            .arg(&socket)
            .arg("--worker-dir-path")
            .arg(&directory)
            .env_clear()
            .env("RUST_LOG", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| ProcessError::Start {
                program: program.to_owned(),
                source,
            })?;
        let mut guard = Unconnected(Some(child));
        let stream = accept(&listener).map_err(failed(&socket))?;
        let stream = stream.ok_or_else(|| ProcessError::Silent {
            program: program.to_owned(),
            seconds: REPORT_SECONDS,
        })?;
        // The worker has removed it already, if all is well.
        let _ = fs::remove_file(&socket);
        let child = guard.0.take();
        let mut process = Self {
            child: child.ok_or(frame::FrameError::Io(io::ErrorKind::NotFound.into()))?,
            stream,
            directory,
        };
        process.tell(&WorkerHandshake {
            security_status: security,
        })?;
        Ok(process)
    }

    /// Sends a message.
    pub(crate) fn tell(&mut self, message: &impl Encode) -> Result<(), ProcessError> {
        Ok(frame::send(&mut self.stream, message).map_err(frame::FrameError::from)?)
    }

    /// Sends a message and waits for the answer, for so long.
    pub(crate) fn ask<T: Decode>(
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

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A worker that has not connected yet.
struct Unconnected(Option<Child>);

impl Drop for Unconnected {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
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

/// What a program's `--check-...` commands say about the machine.
pub(crate) fn security(preparer: &Path, directory: &Path) -> io::Result<SecurityStatus> {
    let check = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(preparer)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .output()?;
        Ok::<_, io::Error>(output.status.success())
    };
    let root = "--check-can-unshare-user-namespace-and-change-root";
    Ok(SecurityStatus {
        secure_validator_mode: false,
        can_enable_landlock: check(&["--check-can-enable-landlock".as_ref()])?,
        can_enable_seccomp: check(&["--check-can-enable-seccomp".as_ref()])?,
        can_unshare_user_namespace_and_change_root: check(&[root.as_ref(), directory.as_ref()])?,
        can_do_secure_clone: check(&["--check-can-do-secure-clone".as_ref()])?,
    })
}
