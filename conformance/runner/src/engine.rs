//! An engine with an adapter: a process that answers each line of JSON with a line of JSON.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The time limit for an adapter's introduction.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// How an adapter introduces its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Name of the engine.
    pub engine: String,
    /// Version of the engine.
    pub version: String,
    /// The features of the engine.
    pub features: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The adapter cannot be started.
    #[error("cannot start {command:?}: {source}")]
    Start {
        /// The program with its arguments.
        command: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The adapter ended, or closed its standard output.
    #[error("the adapter died")]
    Died,
    /// The adapter took too long.
    #[error("no answer in {0:?}")]
    Timeout(Duration),
    /// The adapter's line is not JSON, or not an answer.
    #[error("not an answer: {0}")]
    Garbled(String),
}

/// A running adapter. Dropping it ends the process.
pub struct Engine {
    command: Vec<String>,
    running: Option<Running>,
    /// How the adapter introduced itself.
    pub hello: Hello,
}

struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Engine {
    /// Starts an adapter, which is a program with arguments. It has half a minute to introduce itself.
    ///
    /// # Errors
    /// The adapter cannot be started or does not introduce itself.
    pub fn start(command: &[String]) -> Result<Self, EngineError> {
        Self::start_within(command, HELLO_LIMIT)
    }

    /// As [`Self::start`], with the time limit `limit` if that is less than half a minute.
    ///
    /// # Errors
    /// The adapter cannot be started or does not introduce itself.
    pub fn start_within(command: &[String], limit: Duration) -> Result<Self, EngineError> {
        let nobody = Hello {
            engine: String::new(),
            version: String::new(),
            features: Vec::new(),
        };
        let mut engine = Self {
            command: command.to_vec(),
            running: None,
            hello: nobody,
        };
        let hello = engine.ask(&serde_json::json!({"hello": 1}), limit.min(HELLO_LIMIT))?;
        let text = |field: &str| {
            hello[field]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| EngineError::Garbled(hello.to_string()))
        };
        let features = hello["features"].as_array().into_iter().flatten();
        engine.hello = Hello {
            engine: text("engine")?,
            version: text("version")?,
            features: features
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect(),
        };
        Ok(engine)
    }

    /// Sends a line and waits for the answer. After an error, the next question starts a new process.
    ///
    /// # Errors
    /// There is no answer within the time limit.
    pub fn ask(&mut self, request: &Value, limit: Duration) -> Result<Value, EngineError> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.spawn()?,
        };
        let line = format!("{request}\n");
        let sent = running
            .input
            .write_all(line.as_bytes())
            .and_then(|()| running.input.flush());
        sent.map_err(|_| EngineError::Died)?;
        let line = running
            .lines
            .recv_timeout(limit)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => EngineError::Timeout(limit),
                RecvTimeoutError::Disconnected => EngineError::Died,
            })?;
        let answer = serde_json::from_str(&line).map_err(|_| EngineError::Garbled(line))?;
        self.running = Some(running);
        Ok(answer)
    }

    fn spawn(&self) -> Result<Running, EngineError> {
        let start = |source| EngineError::Start {
            command: self.command.join(" "),
            source,
        };
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| start(std::io::ErrorKind::InvalidInput.into()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(EngineError::Died);
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let sent = line.is_ok_and(|line| sender.send(line).is_ok());
                if !sent {
                    break;
                }
            }
        });
        Ok(Running {
            child,
            input,
            lines,
        })
    }
}
