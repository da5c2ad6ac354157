//! A worker behind this one.

use parity_scale_codec::{Decode, Encode};
use pvf_node_protocol::ExecuteHandshake;
use pvf_primitives::ExecutorParams;
use pvf_worker_client::{Launch, Process, ProcessError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A worker that is started when it is needed, and again after it died.
pub struct Engine {
    launch: Launch,
    directory: PathBuf,
    params: Option<ExecutorParams>,
    process: Option<Process>,
}

impl Engine {
    /// Not started yet.
    pub fn new(launch: Launch, directory: PathBuf) -> Self {
        Self {
            launch,
            directory,
            params: None,
            process: None,
        }
    }

    /// Where it finds and leaves artifacts, while it runs.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The program, for messages.
    pub fn program(&self) -> &Path {
        &self.launch.program
    }

    /// Sets the parameters of an execute worker, for life.
    ///
    /// # Errors
    /// It runs and does not take them.
    pub fn set_params(&mut self, params: &ExecutorParams) -> Result<(), ProcessError> {
        self.params = Some(params.clone());
        match &mut self.process {
            Some(process) => tell_params(process, params),
            None => Ok(()),
        }
    }

    /// Starts it unless it runs.
    ///
    /// # Errors
    /// It cannot be started.
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

    /// Asks it, for so long.
    ///
    /// # Errors
    /// It died or makes no sense. What is left of it is gone.
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
}

fn tell_params(process: &mut Process, params: &ExecutorParams) -> Result<(), ProcessError> {
    process.tell(&ExecuteHandshake {
        executor_params: params.clone(),
    })
}
