//! The standard error stream, of which a worker knows nothing: a file, a terminal, a journal's socket, a pipe that nobody reads.
//!
//! Lines are for people; no answer may wait for them or die of them. A line that does not go out, because the disk is full, the
//! reader gone or too slow, is lost, and the next that does go out says how many were. A pipe or terminal is opened anew: not to wait is a property of what is
//! opened, and what was inherited is the node's.

use super::JOB_BYTES;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};

/// How long a reader that was on time so far is waited for.
const PATIENCE_MS: u8 = 50;

/// Bytes that a pipe takes at once or not at all, if it takes any.
const AT_ONCE: usize = 4096;

/// What stands where the lines of a job are cut.
const CUT: &str = "… (no more of this job: its 64 KiB of the log are full)\n";

/// Bytes of the log that are left to the job whose lines are being written.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether a line of a job is being written.
static OF_A_JOB: AtomicBool = AtomicBool::new(false);

/// In a job: bytes that it has sent.
static SENT: AtomicUsize = AtomicUsize::new(0);

/// What was opened for the stream, if anything was.
static OPENED: AtomicI32 = AtomicI32::new(-1);

/// A job begins, with all its bytes.
pub fn job_begins() {
    LEFT.store(JOB_BYTES, Relaxed);
    SENT.store(0, Relaxed);
}

/// What is written in `write` is a job's.
pub fn of_a_job(write: impl FnOnce()) {
    OF_A_JOB.store(true, Relaxed);
    write();
    OF_A_JOB.store(false, Relaxed);
}

/// Whether a line of a job is being written.
pub fn is_of_a_job() -> bool {
    OF_A_JOB.load(Relaxed)
}

/// In a job: whether a line of so many bytes is worth sending. The one that does not fit any more is.
pub fn job_may_send(bytes: usize) -> bool {
    SENT.fetch_add(bytes, Relaxed) <= JOB_BYTES
}

/// A descriptor of the stream that a job must not have.
pub fn opened() -> Option<RawFd> {
    Some(OPENED.load(Relaxed)).filter(|&descriptor| descriptor >= 0)
}

/// The stream.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    /// Whether the last line did not go out.
    stuck: bool,
    /// Lines that were lost since one went out.
    lost: u64,
}

#[derive(Debug)]
enum Kind {
    /// Does not wait.
    Opened(File),
    /// Does not wait if it is told so with each message.
    Socket,
    /// Would wait, and is asked before.
    Pipe,
    /// Does not wait: a file, a device.
    Other,
}

impl Stream {
    /// Finds out what it is.
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

    /// Writes a whole line, as far as it is taken.
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
                    // One that was too slow is not waited for again, until it has caught up.
                    if self.stuck || !is_ready(&self.kind, PATIENCE_MS.into()) {
                        if begun {
                            // What follows shall be a line of its own, if there is room for its end at least.
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

/// As it is: `std`'s own writer takes a descriptor that is not open for one that takes everything, and says nothing.
fn write(bytes: &[u8]) -> io::Result<usize> {
    Ok(nix::unistd::write(io::stderr(), bytes)?)
}

/// The same pipe or terminal, not waiting.
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

/// For the logger, which writes a line at a time.
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
                // The lines are UTF-8, since the logger is given text.
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
