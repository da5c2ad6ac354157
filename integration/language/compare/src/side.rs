//! A side of the comparison: a process that is started again when it ends or does not answer.

use pvf_language_protocol::{
    Class, Executed, Message, Outcome, Parameters, Prepared, Request, send,
};
use std::io::{BufWriter, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// A side of the comparison.
pub struct Side {
    program: PathBuf,
    process: Option<Process>,
    /// Number of restarts.
    pub restarts: u64,
}

struct Process {
    child: Child,
    input: BufWriter<ChildStdin>,
    answers: Receiver<Vec<u8>>,
}

/// Why a side did not answer.
enum NoAnswer {
    Died(String),
    TimedOut,
}

impl Side {
    /// A side that runs this program.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            process: None,
            restarts: 0,
        }
    }

    fn start(&mut self) -> Result<&mut Process, String> {
        if self.process.is_none() {
            let mut command = Command::new(&self.program);
            // The empty environment also disables backtraces of panics, which are expected.
            command.env_clear().stdin(Stdio::piped());
            let child = command.stdout(Stdio::piped()).spawn();
            let shown = self.program.display();
            let mut child = child.map_err(|error| format!("{shown}: {error}"))?;
            let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(format!("{shown}: no pipes"));
            };
            self.process = Some(Process {
                child,
                input: BufWriter::new(input),
                answers: frames(output),
            });
        }
        self.process
            .as_mut()
            .ok_or_else(|| "not started".to_owned())
    }

    /// Sends a request. An error of the pipe is ignored here: `answer` will notice that the process
    /// has ended.
    fn ask(&mut self, request: &Request) -> Result<(), String> {
        let process = self.start()?;
        let _ = send(&mut process.input, request);
        Ok(())
    }

    fn answer<M: Message>(&mut self, timeout: Duration) -> Result<Result<M, NoAnswer>, String> {
        let process = self.start()?;
        let received = process.answers.recv_timeout(timeout);
        let no_answer = match received {
            Ok(frame) => {
                let message = M::get(&frame).ok_or("not an answer of the protocol")?;
                return Ok(Ok(message));
            }
            Err(RecvTimeoutError::Timeout) => {
                process.child.kill().map_err(|error| error.to_string())?;
                NoAnswer::TimedOut
            }
            Err(RecvTimeoutError::Disconnected) => NoAnswer::Died(String::new()),
        };
        let status = process.child.wait().map_err(|error| error.to_string())?;
        self.process = None;
        self.restarts += 1;
        Ok(Err(match no_answer {
            NoAnswer::TimedOut => NoAnswer::TimedOut,
            NoAnswer::Died(_) => NoAnswer::Died(status.to_string()),
        }))
    }

    /// Sends a request to prepare.
    pub fn ask_to_prepare(&mut self, parameters: Parameters, code: &[u8]) -> Result<(), String> {
        self.ask(&Request::Prepare(parameters, code.to_vec()))
    }

    /// Waits for the result of the preparation.
    pub fn prepared(&mut self, timeout: Duration) -> Result<Prepared, String> {
        Ok(match self.answer(timeout)? {
            Ok(prepared) => prepared,
            Err(NoAnswer::Died(how)) => Prepared::refused(Class::Died, how),
            Err(NoAnswer::TimedOut) => Prepared::refused(Class::TimedOut, String::new()),
        })
    }

    /// Executes a candidate with the last prepared code.
    pub fn execute(&mut self, candidate: &[u8], timeout: Duration) -> Result<Executed, String> {
        self.ask(&Request::Execute(candidate.to_vec()))?;
        let ended = |outcome, message| Executed {
            outcome,
            result: Vec::new(),
            message,
        };
        Ok(match self.answer(timeout)? {
            Ok(executed) => executed,
            Err(NoAnswer::Died(how)) => ended(Outcome::Died, how),
            Err(NoAnswer::TimedOut) => ended(Outcome::TimedOut, String::new()),
        })
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.input);
            // The process ends when its input ends.
            let _ = process.child.wait();
        }
    }
}

/// Reads frames in a thread, so that a receiver can wait with a timeout.
fn frames(mut output: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        loop {
            let mut length = [0; 4];
            if output.read_exact(&mut length).is_err() {
                return;
            }
            let mut frame = vec![0; u32::from_le_bytes(length) as usize];
            if output.read_exact(&mut frame).is_err() || sender.send(frame).is_err() {
                return;
            }
        }
    });
    receiver
}
