//! A worker under the tracer, and what remains of it.

use crate::common::Scratch;
use parity_scale_codec::{Decode, Encode};
use pvf_faults::{Fault, PATIENCE, Ran, Said, Traced};
use pvf_node_protocol::{SecurityStatus, WorkerHandshake, frame};
use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Limit of CPU time of a job. A worker waits for one less than [`PATIENCE`].
pub const JOB: Duration = Duration::from_secs(10);

/// A worker under the tracer, connected.
pub struct Session {
    traced: Traced,
    stream: Option<UnixStream>,
    scratch: Scratch,
    answers: Vec<Said>,
    wrong: Vec<String>,
}

impl Session {
    /// Starts a program as a worker and performs the first handshake.
    pub fn start(mut program: Command, kind: &str, fault: Option<Fault>) -> Self {
        let scratch = Scratch::new();
        let directory = scratch.0.join("worker-dir");
        fs::create_dir(&directory).expect("the worker's directory can be made");
        let socket = scratch.0.join("socket");
        let listener = UnixListener::bind(&socket).expect("the host can listen");
        listener.set_nonblocking(true).expect("a socket");
        program
            .arg(kind)
            .arg("--socket-path")
            .arg(&socket)
            .arg("--worker-dir-path")
            .arg(&directory)
            .env_clear()
            .env("RUST_LOG", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let traced = pvf_faults::start(program, fault).expect("the worker starts");
        let mut session = Self {
            traced,
            stream: None,
            scratch,
            answers: Vec::new(),
            wrong: Vec::new(),
        };
        session.accept(&listener);
        let handshake = WorkerHandshake {
            security_status: SecurityStatus::ALL,
        };
        session.tell(&handshake);
        session
    }

    fn accept(&mut self, listener: &UnixListener) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let ended = self.traced.has_ended();
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("a socket");
                    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
                    self.stream = Some(stream);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && ended => return,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        self.wrong.push("the worker did not connect".to_owned());
    }

    /// Path of a file in the worker's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.0.join("worker-dir").join(name)
    }

    /// Sends a message. A worker that does not take it has ended, which the next answer shows.
    pub fn tell(&mut self, message: &impl Encode) {
        if let Some(stream) = &mut self.stream {
            let _ = frame::send(stream, message);
        }
    }

    /// Sends a request, and judges the answer by `judge`. Does nothing after the worker's end.
    pub fn ask<T: Decode>(&mut self, request: &impl Encode, judge: impl FnOnce(T) -> Said) {
        if self.answers.last() == Some(&Said::Ended) {
            return;
        }
        self.tell(request);
        let answer = match &mut self.stream {
            Some(stream) => frame::receive(stream, 1 << 30),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        };
        let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        self.answers.push(match answer {
            Ok(answer) => judge(answer),
            Err(frame::FrameError::Io(error)) if late.contains(&error.kind()) => {
                Said::Wrong("no answer in time".to_owned())
            }
            Err(frame::FrameError::Io(_)) => Said::Ended,
            Err(error) => Said::Wrong(error.to_string()),
        });
    }

    /// [`held`](Self::held), once it stays the same: after an answer, a worker's job exits, and the
    /// process of the next one is made.
    pub fn settled(&self) -> Option<(usize, usize)> {
        const SAME: Duration = Duration::from_millis(100);
        let (mut held, mut since) = (self.held()?, Instant::now());
        while since.elapsed() < SAME {
            std::thread::sleep(Duration::from_millis(1));
            let now = self.held()?;
            if now != held {
                (held, since) = (now, Instant::now());
            }
        }
        Some(held)
    }

    /// Processes that live below the worker, and their descriptors, after all tasks. `None` if the
    /// worker has ended, or the machine does not tell.
    fn held(&self) -> Option<(usize, usize)> {
        match self.answers.last() {
            Some(Said::Right) => held(self.traced.pid.as_raw()),
            _ => None,
        }
    }

    /// [`held`](Self::held), once a job that was killed has ended.
    fn held_at_last(&self, most: (usize, usize)) -> Option<(usize, usize)> {
        let begun = Instant::now();
        loop {
            let held = self.held()?;
            if held.0 <= most.0 && held.1 <= most.1 || begun.elapsed() > PATIENCE {
                return Some(held);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Hangs up, and waits for the end of all processes. `most` is [`held`](Self::held) of a good
    /// run.
    pub fn end(mut self, most: Option<(usize, usize)>) -> Ran {
        if let Some(most) = most
            && let Some(held) = self.held_at_last(most)
            && (held.0 > most.0 || held.1 > most.1)
        {
            self.wrong.push(format!(
                "{held:?} processes and descriptors, {most:?} without a fault"
            ));
        }
        drop(self.stream.take());
        let trace = match self.traced.finish(PATIENCE) {
            Ok(trace) => trace,
            Err(left) => {
                let left_ones = format!("these processes did not end: {:?}", left.processes);
                self.wrong.push(left_ones);
                left.trace
            }
        };
        self.wrong.extend(files_left(&self.scratch.0));
        Ran {
            answers: self.answers,
            wrong: self.wrong,
            trace,
        }
    }
}

/// Files below a worker's scratch directory that a host has not made itself.
fn files_left(scratch: &Path) -> Vec<String> {
    let own = ["worker-dir", "socket", "artifact", "tmp-artifact"];
    let folders = [scratch.to_owned(), scratch.join("worker-dir")];
    let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let names = entries.map(|it| it.file_name().to_string_lossy().into_owned());
    let left = names.filter(|name| !own.contains(&name.as_str()));
    left.map(|name| format!("{name} is left")).collect()
}

/// The living processes of a tree, and the sum of their descriptors.
fn held(pid: i32) -> Option<(usize, usize)> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    if status.rsplit(") ").next()?.starts_with('Z') {
        return Some((0, 0));
    }
    let mut sum = (1, fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count());
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    for child in children.split_whitespace() {
        let below = held(child.parse().ok()?)?;
        sum = (sum.0 + below.0, sum.1 + below.1);
    }
    Some(sum)
}
