//! One of the two workers that this worker asks.

use parity_scale_codec::{Decode, Encode};
use pvf_node_protocol::ExecuteHandshake;
use pvf_primitives::ExecutorParams;
use pvf_worker_client::{Launch, Process, ProcessError, execute_answer_bytes};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A worker that is started on demand, and again after it died.
pub struct Engine {
    launch: Launch,
    directory: PathBuf,
    params: Option<ExecutorParams>,
    process: Option<Process>,
}

impl Engine {
    /// An engine whose worker is not started yet.
    pub fn new(launch: Launch, directory: PathBuf) -> Self {
        Self {
            launch,
            directory,
            params: None,
            process: None,
        }
    }

    /// Path of a file in the worker's directory, which exists while the worker runs.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Path of the worker's program, for messages.
    pub fn program(&self) -> &Path {
        &self.launch.program
    }

    /// Sets the parameters of an execute worker, which it uses until it exits.
    ///
    /// # Errors
    /// The worker runs and does not receive them.
    pub fn set_params(&mut self, params: &ExecutorParams) -> Result<(), ProcessError> {
        self.params = Some(params.clone());
        match &mut self.process {
            Some(process) => tell_params(process, params),
            None => Ok(()),
        }
    }

    /// Largest answer of an execute worker in bytes.
    pub fn answer_bytes(&self) -> usize {
        execute_answer_bytes(self.params.as_ref().unwrap_or(&ExecutorParams::default()))
    }

    /// Starts the worker unless it runs.
    ///
    /// # Errors
    /// The worker cannot be started.
    pub fn start(&mut self) -> Result<&mut Process, ProcessError> {
        let process = match self.process.take() {
            Some(process) => process,
            None => {
                let mut process = Process::start(&self.launch, self.directory.clone())?;
                if let Some(params) = &self.params {
                    tell_params(&mut process, params)?;
                }
                process
            }
        };
        Ok(self.process.insert(process))
    }

    /// Sends a request, and waits at most `patience` for an answer of at most `limit` bytes.
    ///
    /// # Errors
    /// The worker died, is late, or sent an answer that does not decode. It is killed then.
    pub fn ask<T: Decode>(
        &mut self,
        message: &impl Encode,
        limit: usize,
        patience: Duration,
    ) -> Result<T, ProcessError> {
        let answer = self.start()?.ask(message, limit, patience);
        if answer.is_err() {
            self.process = None;
        }
        answer
    }

    /// Waits at most `patience` for another message after an answer.
    ///
    /// # Errors
    /// The worker died, is late, or sent a message that does not decode. It is killed then.
    pub fn hear<T: Decode>(&mut self, limit: usize, patience: Duration) -> Result<T, ProcessError> {
        let message = self.start()?.hear(limit, patience);
        if message.is_err() {
            self.process = None;
        }
        message
    }
}

fn tell_params(process: &mut Process, params: &ExecutorParams) -> Result<(), ProcessError> {
    process.tell(&ExecuteHandshake {
        executor_params: params.clone(),
    })
}
