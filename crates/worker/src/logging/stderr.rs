//! Writes to the standard error stream without blocking.
//!
//! The stream may be a file, a terminal, a journal's socket, or a pipe that nobody reads. No answer
//! may be delayed or lost because of a log line. A line that cannot be written, because the disk is
//! full or the reader is gone or slow, is dropped; the next line that is written is preceded by the
//! number of lost lines. A pipe or terminal is opened again in non-blocking mode: that mode belongs
//! to the open file description, and the inherited one is shared with the node.

use super::JOB_BYTES;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};

/// How long to wait for a slow reader before a line is dropped, in milliseconds.
const PATIENCE_MS: u8 = 50;

/// Bytes that a pipe which is ready for writing accepts without blocking (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

/// The note at the place where the lines of a job are cut.
const CUT: &str = "… (no more of this job: its 64 KiB of the log are full)\n";

/// Bytes of the log that the current job may still fill.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether the line being written is a job's.
static OF_A_JOB: AtomicBool = AtomicBool::new(false);

/// In a job: bytes of the lines that it has sent.
static SENT: AtomicUsize = AtomicUsize::new(0);

/// Number of the descriptor opened for the stream, or -1.
static OPENED: AtomicI32 = AtomicI32::new(-1);

/// Begins a job, with its full share of the log.
pub fn job_begins() {
    LEFT.store(JOB_BYTES, Relaxed);
    SENT.store(0, Relaxed);
}

/// Runs `write`, whose lines are a job's.
pub fn of_a_job(write: impl FnOnce()) {
    OF_A_JOB.store(true, Relaxed);
    write();
    OF_A_JOB.store(false, Relaxed);
}

/// Whether the line being written is a job's.
pub fn is_of_a_job() -> bool {
    OF_A_JOB.load(Relaxed)
}

/// In a job: whether to send a line of this many bytes. The first line that exceeds the job's share
/// is still sent, so that the worker writes its beginning and the note.
pub fn job_may_send(bytes: usize) -> bool {
    SENT.fetch_add(bytes, Relaxed) <= JOB_BYTES
}

/// The descriptor opened for the stream, which a job must not have.
pub fn opened() -> Option<RawFd> {
    Some(OPENED.load(Relaxed)).filter(|&descriptor| descriptor >= 0)
}

/// The standard error stream.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    /// Whether the last line was lost.
    stuck: bool,
    /// Lines lost since the last line that was written.
    lost: u64,
}

#[derive(Debug)]
enum Kind {
    /// A pipe or terminal that was opened again in non-blocking mode.
    Opened(File),
    /// A socket. Each message has the flag not to block.
    Socket,
    /// A pipe or terminal that could not be opened again. It is polled before each write.
    Pipe,
    /// A file or device, to which a write does not block.
    Other,
}

impl Stream {
    /// Determines the kind of the standard error stream.
    pub fn open() -> Self {
        let stream = io::stderr();
        let kind = fstat(&stream).map_or(SFlag::empty(), |status| {
            SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT
        });
        let kind = match kind {
            SFlag::S_IFSOCK => Kind::Socket,
            SFlag::S_IFIFO => open_anew().map_or(Kind::Pipe, Kind::Opened),
            _ if stream.is_terminal() => open_anew().map_or(Kind::Pipe, Kind::Opened),
            _ => Kind::Other,
        };
        if let Kind::Opened(file) = &kind {
            OPENED.store(file.as_raw_fd(), Relaxed);
        }
        Self {
            kind,
            stuck: false,
            lost: 0,
        }
    }

    /// Writes a line, or counts it as lost.
    fn line(&mut self, line: &[u8]) {
        let written = match self.lost {
            0 => self.all(line),
            lost => {
                let lost = format!("({lost} lines were lost here)\n");
                self.all(&[lost.as_bytes(), line].concat())
            }
        };
        self.stuck = written.is_err();
        self.lost = if written.is_ok() { 0 } else { self.lost + 1 };
    }

    fn all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut begun = false;
        while !bytes.is_empty() {
            match self.some(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    begun = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // After a lost line, do not wait for the reader until a line has been written
                    // again.
                    if self.stuck || !is_ready(&self.kind, PATIENCE_MS.into()) {
                        if begun {
                            // End the cut line, if possible, so that the next line starts on its
                            // own.
                            let _ = self.some(b"\n");
                        }
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Opened(file) => file.write(bytes),
            Kind::Socket => {
                let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
                Ok(rustix::net::send(io::stderr(), bytes, flags)?)
            }
            Kind::Pipe if !is_ready(&Kind::Pipe, PollTimeout::ZERO) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Kind::Pipe => write(&bytes[..bytes.len().min(AT_ONCE)]),
            Kind::Other => write(bytes),
        }
    }
}

/// Writes without `std`'s writer, which reports success if the descriptor is closed.
fn write(bytes: &[u8]) -> io::Result<usize> {
    Ok(nix::unistd::write(io::stderr(), bytes)?)
}

/// Opens the pipe or terminal of the stream again, in non-blocking mode.
fn open_anew() -> Option<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open("/proc/self/fd/2", flags, Mode::empty())
        .ok()
        .map(File::from)
}

fn is_ready(kind: &Kind, patience: PollTimeout) -> bool {
    let stream = io::stderr();
    let descriptor = match kind {
        Kind::Opened(file) => file.as_fd(),
        _ => stream.as_fd(),
    };
    let mut stream = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    loop {
        match poll(&mut stream, patience) {
            Err(Errno::EINTR) => {}
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}

/// The interface of the logger, which writes one line at a time.
impl Write for Stream {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !is_of_a_job() {
            self.line(line);
            return Ok(line.len());
        }
        match LEFT.load(Relaxed) {
            0 => {}
            left if line.len() + CUT.len() <= left => {
                LEFT.store(left - line.len(), Relaxed);
                self.line(line);
            }
            left => {
                LEFT.store(0, Relaxed);
                // The line is UTF-8, because the logger formats text.
                let text = String::from_utf8_lossy(line);
                let room = left.saturating_sub(CUT.len());
                let cut = &text[..text.floor_char_boundary(room)];
                self.line([cut, CUT].concat().as_bytes());
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
