//! The worker processes, and who does what.

use super::ReplayArgs;
use super::items::Item;
use super::record::Outcome;
use crate::failure::Failure;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often something is tried whose process dies. The machine may have killed it for lack of memory.
const ATTEMPTS: u32 = 2;

/// Pieces of work for each process: fewer would leave some idle at the end, more would prepare codes more often.
const PIECES: usize = 8;

/// Does everything, and passes on each outcome as it comes.
pub fn run(
    args: &ReplayArgs,
    items: Vec<Item>,
    tell: &mut dyn FnMut(Outcome) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let jobs = args.jobs().min(items.len());
    if jobs == 0 {
        return Ok(());
    }
    let piece = items.len().div_ceil(jobs * PIECES);
    let mut pieces = VecDeque::new();
    let mut rest = items;
    while !rest.is_empty() {
        let behind = rest.split_off(piece.min(rest.len()));
        pieces.push_back(rest);
        rest = behind;
    }
    let pieces = Mutex::new(pieces);
    let (told, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (pieces, told) = (&pieces, told.clone());
            scope.spawn(move || work(args, pieces, &told));
        }
        drop(told);
        let mut result = Ok(());
        for outcome in outcomes {
            match outcome.and_then(&mut *tell) {
                Ok(ControlFlow::Continue(())) => continue,
                Ok(ControlFlow::Break(())) => {}
                Err(failure) => result = Err(failure),
            }
            // No more work, so that the threads end.
            pieces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            break;
        }
        result
    })
}

/// One thread, with its process.
fn work(
    args: &ReplayArgs,
    pieces: &Mutex<VecDeque<Vec<Item>>>,
    told: &Sender<Result<Outcome, Failure>>,
) {
    let mut worker = None;
    loop {
        let piece = pieces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(piece) = piece else {
            return;
        };
        for item in piece {
            let outcome = one(args, &item, &mut worker);
            // Nobody listens after a failure.
            if told.send(outcome).is_err() {
                return;
            }
        }
    }
}

/// One item, tried again if its process dies.
fn one(args: &ReplayArgs, item: &Item, worker: &mut Option<Worker>) -> Result<Outcome, Failure> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let current = match worker {
            Some(current) => current,
            None => worker.insert(Worker::start()?),
        };
        let error = match current.ask(item, args.patience()) {
            Ok(outcome) => {
                return Ok(Outcome {
                    attempts,
                    ..outcome
                });
            }
            Err(lost) => lost,
        };
        // It is in an unknown state, or gone.
        if let Some(lost) = worker.take() {
            let status = lost.end();
            let (again, error) = match error {
                Lost::Late(time) => (false, format!("no answer within {time:?}")),
                Lost::Gone => (attempts < ATTEMPTS, died(status)),
            };
            if !again {
                return Ok(Outcome {
                    error: Some(error),
                    attempts,
                    ..Outcome::of(item)
                });
            }
        }
    }
}

fn died(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.signal(), status.code())) {
        Some((Some(signal), _)) => format!("the process was killed by signal {signal}"),
        Some((_, Some(code))) => format!("the process ended with exit code {code}"),
        _ => "the process died".to_owned(),
    }
}

/// This process's arguments, and what makes a worker of it: behind the command's name, since what follows `--` is a path.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let command = arguments.iter().position(|argument| argument == "replay");
    let behind = command.map_or(arguments.len(), |at| at + 1);
    arguments.insert(behind, "--serve".into());
    arguments
}

/// Why there is no answer.
enum Lost {
    /// It took too long.
    Late(Duration),
    /// The process is gone.
    Gone,
}

/// A process, and the thread that reads its answers.
struct Worker {
    child: Child,
    jobs: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    /// Starts this program with the same arguments, as a worker.
    fn start() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::Host(format!("a worker process cannot be started: {error}"))
        };
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .args(arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(jobs), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Host("a worker process has no pipes".to_owned()));
        };
        let (send, receive) = mpsc::channel();
        // Ends when the process has ended and its pipe is empty.
        std::thread::spawn(move || {
            for line in BufReader::new(answers).lines() {
                let Ok(line) = line else { return };
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            jobs,
            answers: receive,
        })
    }

    fn ask(&mut self, item: &Item, patience: Option<Duration>) -> Result<Outcome, Lost> {
        let mut line = serde_json::to_vec(item).map_err(|_| Lost::Gone)?;
        line.push(b'\n');
        self.jobs.write_all(&line).map_err(|_| Lost::Gone)?;
        let answer = match patience {
            Some(time) => self
                .answers
                .recv_timeout(time)
                .map_err(|error| match error {
                    RecvTimeoutError::Timeout => Lost::Late(time),
                    RecvTimeoutError::Disconnected => Lost::Gone,
                })?,
            None => self.answers.recv().map_err(|_| Lost::Gone)?,
        };
        serde_json::from_str(&answer).map_err(|_| Lost::Gone)
    }

    /// Kills it, if it has not ended.
    fn end(mut self) -> Option<ExitStatus> {
        // It may have ended by itself; its own status says more then.
        for _ in 0..50 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
