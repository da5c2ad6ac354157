//! A primary engine whose answers follow a script in the candidate, installed beside our workers.
#![allow(dead_code, reason = "each test file uses a part")]

use crate::common::*;
use pvf_node_protocol::{
    ExecuteResponse, JobError, JobResponse, PrepareError, PrepareRequest, SecurityStatus,
    Verification, frame,
};
use pvf_primitives::{ExecutorParams, ValidationParams, ValidationResult};
use pvf_validation::Pvf;
use pvf_worker::second_opinion::PRIMARY_FILE;
use pvf_worker::{Compilation, ExecuteJob, PrepareJob, Prepared, Worker};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Code that only the primary engine accepts.
pub const STRANGE: &[u8] = b"strange";

/// Head data of the primary engine's results.
pub const PRIMARY: &[u8] = b"primary";

/// Head data of the results of [`module`], which our engine executes.
pub const SECOND: &[u8] = &[1, 2, 3];

/// An engine whose answers follow the candidate's block data.
pub struct Script;

impl PrepareJob for Script {
    fn prepare(
        &self,
        request: &PrepareRequest,
        verification: Verification,
    ) -> Result<Prepared, PrepareError> {
        let mut request = request.clone();
        if request.maybe_compressed_code == STRANGE {
            request.maybe_compressed_code = module("", "", "");
        }
        Compilation.prepare(&request, verification)
    }
}

impl ExecuteJob for Script {
    fn execute(&self, _: &Pvf, candidate: &[u8]) -> Result<JobResponse, JobError> {
        let params: ValidationParams = frame::decode(candidate).expect("a candidate");
        Ok(match &params.block_data[..] {
            b"valid" => JobResponse::Ok {
                result_descriptor: ValidationResult {
                    head_data: PRIMARY.to_vec(),
                    ..ValidationResult::default()
                },
            },
            b"agreed" => JobResponse::Ok {
                result_descriptor: ValidationResult {
                    head_data: SECOND.to_vec(),
                    hrmp_watermark: 7,
                    ..ValidationResult::default()
                },
            },
            b"invalid" => JobResponse::InvalidCandidate("primary".to_owned()),
            b"none" => JobResponse::RuntimeConstruction("primary".to_owned()),
            b"panic" => panic!("primary"),
            b"abort" => std::process::abort(),
            b"spin" => loop {
                std::hint::spin_loop();
            },
            other => panic!("no script {other:?}"),
        })
    }
}

/// Two directories: `own` with our workers, and `primary` with this program as workers. The file
/// [`PRIMARY_FILE`] in `own` names `primary`.
pub struct Installed(pub Scratch);

impl Installed {
    pub fn new() -> Self {
        let installed = Self(Scratch::new());
        let own = std::env::current_exe().expect("this program lies somewhere");
        for command in ["prepare-worker", "execute-worker"] {
            install(&program(command), &installed.own(command));
            install(&own, &installed.primary(command));
        }
        installed.name(&installed.0.0.join("primary"));
        installed
    }

    pub fn own(&self, command: &str) -> PathBuf {
        self.0.0.join("own").join(format!("polkadot-{command}"))
    }

    pub fn primary(&self, command: &str) -> PathBuf {
        self.0.0.join("primary").join(format!("polkadot-{command}"))
    }

    pub fn name(&self, directory: &Path) {
        let file = self.0.0.join("own").join(PRIMARY_FILE);
        fs::write(file, format!("{}\n", directory.display())).expect("the file is written");
    }

    pub fn start(&self, command: &str) -> Host {
        let program = Command::new(self.own(command));
        Host::start_program(program, command, SecurityStatus::ALL)
    }

    pub fn executing(&self) -> Host {
        let mut host = self.start("execute-worker");
        host.shake(&ExecutorParams::default());
        host
    }
}

pub fn install(program: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("it lies in a directory")).expect("it can be made");
    place(program, to);
}

/// Prepares code and returns the artifact.
pub fn prepared(host: &mut Host, code: &[u8]) -> Vec<u8> {
    host.prepare(&preparation(code)).expect("prepared").1
}

/// Executes an artifact with this script as the candidate's block data.
pub fn say(host: &mut Host, artifact: &[u8], script: &str) -> ExecuteResponse {
    let mut request = execution(artifact);
    request.pov.block_data = script.as_bytes().to_vec();
    request.execution_timeout = match script {
        "spin" => Duration::from_millis(200),
        _ => AMPLE,
    };
    host.execute(artifact, &request)
}

/// The head data of a valid candidate, or the text of another answer.
pub fn head(response: &ExecuteResponse) -> Result<&[u8], String> {
    match response {
        Ok(response) => match &response.job_response {
            JobResponse::Ok { result_descriptor } => Ok(&result_descriptor.head_data),
            other => Err(format!("{other:?}")),
        },
        Err(error) => Err(format!("{error:?}")),
    }
}

/// Serves a host if this program was started as a worker: the primary engine.
pub fn as_worker() -> Option<ExitCode> {
    match std::env::args().nth(1).as_deref() {
        Some("execute-worker") => Some(pvf_worker::main(Worker::Execute(&Script))),
        Some("prepare-worker") => Some(pvf_worker::main(Worker::Prepare(&Script))),
        _ => None,
    }
}
