//! Sends requests to a prepare worker over its socket, as the node's host does, and passes its
//! answers on. This checks that calling the functions directly gives the worker's answers. Nothing
//! is executed.
//!
//! The environment variable `PVF_PREPARE_WORKER` names the worker's program; by default it is the
//! stock worker next to this program.

#![forbid(unsafe_code)]

use pvf_language_protocol::{Class, Executed, Outcome, Parameters, Prepared, Side, serve};
use pvf_node_protocol::{PrepareError, PrepareJobKind, PrepareRequest, PrepareResponse, SecurityStatus, WorkerHandshake, frame};
use pvf_primitives::{ExecutorParam, ExecutorParams};
use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The same limit as in `stock`.
const BOMB_LIMIT: u32 = 50 << 20;

/// A time limit far above the time that a small module takes.
const PREPARE_TIME: Duration = Duration::from_secs(100);

/// Maximum size of an answer: statistics or a message.
const ANSWER_BYTES: usize = 16 << 20;

/// A worker and the host's end of its socket.
struct Worker {
    child: Child,
    host: UnixStream,
    directory: PathBuf,
}

impl Worker {
    /// Starts a worker without a sandbox, which does not affect its answers.
    fn start(program: &Path, directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(directory.join("work"))?;
        let socket = directory.join("socket");
        let listener = UnixListener::bind(&socket)?;
        let mut command = Command::new(program);
        command
            .arg("prepare-worker")
            .env_clear()
            .env("RUST_LOG", "");
        command.arg("--socket-path").arg(&socket);
        command.arg("--worker-dir-path").arg(directory.join("work"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let (mut host, _) = listener.accept()?;
        let security_status = SecurityStatus::default();
        let handshake = WorkerHandshake { security_status };
        frame::send(&mut host, &handshake).map_err(io::Error::other)?;
        Ok(Self {
            child,
            host,
            directory,
        })
    }

    fn ask(
        &mut self,
        code: &[u8],
        executor_params: &ExecutorParams,
        prep_kind: PrepareJobKind,
    ) -> io::Result<PrepareResponse> {
        // The host creates the file for the artifact. The worker clears its directory after each
        // job.
        fs::write(self.directory.join("work/tmp-artifact"), [])?;
        let request = PrepareRequest {
            maybe_compressed_code: code.to_vec(),
            validation_code_bomb_limit: BOMB_LIMIT,
            code_hash: [0; 32],
            executor_params: executor_params.clone(),
            prep_timeout: PREPARE_TIME,
            prep_kind,
        };
        frame::send(&mut self.host, &request).map_err(io::Error::other)?;
        frame::receive(&mut self.host, ANSWER_BYTES).map_err(io::Error::other)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // This program started the process and does not need it any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

struct Real {
    worker: Worker,
}

fn refusal(error: PrepareError) -> (Class, String) {
    match error {
        PrepareError::CouldNotDecompressCodeBlob(why) => (Class::Decompression, why),
        PrepareError::Prevalidation(why) => (Class::Prevalidation, why),
        PrepareError::Preparation(why) => (Class::Preparation, why),
        PrepareError::RuntimeConstruction(why) => (Class::RuntimeConstruction, why),
        PrepareError::TimedOut => (Class::TimedOut, String::new()),
        PrepareError::JobDied { err, .. } => (Class::Died, err),
        other => (Class::JobError, other.to_string()),
    }
}

impl Side for Real {
    fn prepare(&mut self, from: Parameters, code: &[u8]) -> Prepared {
        let maximum = from.stack_logical_max.map(ExecutorParam::StackLogicalMax);
        let bulk = from.bulk_memory.then_some(ExecutorParam::WasmExtBulkMemory);
        let executor_params = ExecutorParams(maximum.into_iter().chain(bulk).collect());
        let mut ask = |kind| match self.worker.ask(code, &executor_params, kind) {
            Ok(Ok(_)) => (Class::Ok, String::new()),
            Ok(Err(error)) => refusal(error),
            Err(error) => (Class::Died, error.to_string()),
        };
        let (class, why) = ask(PrepareJobKind::Compilation);
        if class != Class::Ok {
            return Prepared::refused(class, why);
        }
        let (precheck, message) = ask(PrepareJobKind::Prechecking);
        Prepared {
            class,
            precheck,
            message,
        }
    }

    fn execute(&mut self, _: &[u8]) -> Executed {
        Executed {
            outcome: Outcome::Failed,
            result: Vec::new(),
            message: "a prepare worker executes nothing".to_owned(),
        }
    }
}

fn main() -> io::Result<()> {
    let beside = std::env::current_exe()?.with_file_name("polkadot-prepare-worker");
    let program = std::env::var_os("PVF_PREPARE_WORKER").map_or(beside, PathBuf::from);
    let name = format!("pvf-language-real-{}", std::process::id());
    let worker = Worker::start(&program, std::env::temp_dir().join(name))?;
    serve(&mut Real { worker })
}
