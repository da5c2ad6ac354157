//! A small PVF host: starts a worker as a node does, sends a node's messages, and reads the
//! answers.
#![allow(dead_code, reason = "each test file uses a part")]

use pvf_node_protocol::{
    ArtifactChecksum, CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest,
    ExecuteResponse, JobResponse, PrepareError, PrepareJobKind, PrepareRequest, PrepareResponse,
    PrepareWorkerSuccess, SecurityStatus, WorkerHandshake, frame,
};
use pvf_primitives::{ExecutorParams, PersistedValidationData, PoV, ValidationParams};
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A limit of CPU time that no job of these tests should reach.
pub const AMPLE: Duration = Duration::from_secs(60);

/// Puts a program at a path. Never through a file that this process has open for writing: a process
/// that another test starts meanwhile would inherit it, and the kernel would refuse to execute the
/// program ("text file busy").
pub fn place(program: &Path, to: &Path) {
    // A hard link fails across file systems.
    if fs::hard_link(program, to).is_err() {
        let copied = Command::new("cp").arg(program).arg(to).status();
        assert!(copied.expect("cp starts").success(), "{to:?} is written");
    }
}

/// A directory that is removed after the test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("pvf-worker-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running worker and the connection to it.
pub struct Host {
    pub worker: Child,
    pub stream: UnixStream,
    /// The worker's directory.
    pub directory: PathBuf,
    /// Whether the worker has a launcher, whose jobs have a name of their own.
    has_launcher: bool,
    scratch: Scratch,
}

/// Path of a worker's program.
pub fn program(kind: &str) -> PathBuf {
    match kind {
        "prepare-worker" => env!("CARGO_BIN_EXE_polkadot-prepare-worker").into(),
        "execute-worker" => env!("CARGO_BIN_EXE_polkadot-execute-worker").into(),
        other => panic!("no worker {other}"),
    }
}

impl Host {
    /// Starts one of our workers.
    pub fn start(kind: &str, security: SecurityStatus) -> Self {
        Self::start_program(Command::new(program(kind)), kind, security)
    }

    /// Starts a program as a worker, with a worker's command line and handshake.
    pub fn start_program(program: Command, kind: &str, security: SecurityStatus) -> Self {
        Self::start_logging(program, kind, security, "")
    }

    /// As [`start_program`](Self::start_program), with directives for the log.
    pub fn start_logging(
        program: Command,
        kind: &str,
        security: SecurityStatus,
        directives: &str,
    ) -> Self {
        Self::start_owned(program, kind, security, directives, |_| {})
    }

    /// As [`start_logging`](Self::start_logging), for a worker of another user: `give` makes a path
    /// accessible to that user.
    pub fn start_owned(
        mut program: Command,
        kind: &str,
        security: SecurityStatus,
        directives: &str,
        give: impl Fn(&Path),
    ) -> Self {
        let scratch = Scratch::new();
        let directory = scratch.0.join("worker-dir");
        fs::create_dir(&directory).expect("the worker's directory can be made");
        let socket = scratch.0.join("socket");
        let listener = UnixListener::bind(&socket).expect("the host can listen");
        [&scratch.0, &directory, &socket]
            .into_iter()
            .for_each(|path| give(path));
        let worker = program
            .arg(kind)
            .arg("--socket-path")
            .arg(&socket)
            .arg("--worker-dir-path")
            .arg(&directory)
            .env_clear()
            .env("RUST_LOG", directives)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the worker starts");
        let (mut stream, _) = listener.accept().expect("the worker connects");
        let handshake = WorkerHandshake {
            security_status: security,
        };
        frame::send(&mut stream, &handshake).expect("the worker takes the handshake");
        Self {
            worker,
            stream,
            directory,
            has_launcher: kind == "execute-worker",
            scratch,
        }
    }

    /// The jobs of the worker.
    pub fn jobs(&self) -> Vec<i32> {
        let worker = self.worker.id();
        let children = format!("/proc/{worker}/task/{worker}/children");
        let children = fs::read_to_string(children).expect("the kernel tells children");
        let children = children.split_whitespace();
        let children = children.map(|child| child.parse().expect("a number"));
        children.filter(|&child| self.is_job(child)).collect()
    }

    /// Whether a child of the worker is a job that runs. An execute worker has a launcher and a process that waits for
    /// an order as well; a job that has answered is a zombie at most.
    fn is_job(&self, child: i32) -> bool {
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        let has = |line: &str| status.lines().any(|it| it.starts_with(line));
        let name = match self.has_launcher {
            true => "Name:\tpolkadot-exec-j",
            false => "Name:\t",
        };
        has(name) && !has("State:\tZ")
    }

    /// Begins a long execution and returns its job. Another job has loaded the artifact before.
    pub fn begin(&mut self, artifact: &[u8], request: &ExecuteRequest) -> nix::unistd::Pid {
        fs::write(self.directory.join("artifact"), artifact).expect("the host links the artifact");
        let mut short = request.clone();
        short.execution_timeout = Duration::from_millis(1);
        self.try_execute(&short)
            .expect("the worker answers")
            .expect_err("it takes a while");
        frame::send(&mut self.stream, request).expect("the worker takes a request");
        let job = self.job();
        // A job that has used this many nanoseconds of CPU time has set up its barriers.
        const AT_WORK: u64 = 20_000_000;
        let had = || {
            let text = fs::read_to_string(format!("/proc/{job}/schedstat")).unwrap_or_default();
            let nanoseconds = text.split(' ').next().and_then(|it| it.parse().ok());
            nanoseconds.unwrap_or(u64::MAX)
        };
        while had() < AT_WORK {
            std::thread::yield_now();
        }
        job
    }

    /// Waits for the worker's first job.
    pub fn job(&self) -> nix::unistd::Pid {
        loop {
            match self.jobs().first() {
                Some(&job) => return nix::unistd::Pid::from_raw(job),
                None => std::thread::yield_now(),
            }
        }
    }

    /// A prepare worker with all barriers.
    pub fn preparing() -> Self {
        Self::start("prepare-worker", SecurityStatus::ALL)
    }

    /// An execute worker with all barriers.
    pub fn executing(params: &ExecutorParams) -> Self {
        let mut host = Self::start("execute-worker", SecurityStatus::ALL);
        host.shake(params);
        host
    }

    /// Sends the second handshake of an execute worker.
    pub fn shake(&mut self, params: &ExecutorParams) {
        let executor_params = params.clone();
        let handshake = ExecuteHandshake { executor_params };
        frame::send(&mut self.stream, &handshake).expect("the worker takes the handshake");
    }

    /// Prepares code. Returns the artifact with a success.
    pub fn prepare(
        &mut self,
        request: &PrepareRequest,
    ) -> Result<(PrepareWorkerSuccess, Vec<u8>), PrepareError> {
        let path = self.directory.join("tmp-artifact");
        fs::write(&path, []).expect("the host makes the file");
        let success = self.try_prepare(request).expect("the worker answers")?;
        let artifact = fs::read(&path).expect("the artifact is there");
        fs::remove_file(&path).expect("the host clears the directory");
        assert_eq!(success.checksum, ArtifactChecksum::of(&artifact));
        Ok((success, artifact))
    }

    /// Sends a request and reads the answer, without touching the worker's directory.
    pub fn try_prepare(
        &mut self,
        request: &PrepareRequest,
    ) -> Result<PrepareResponse, frame::FrameError> {
        frame::send(&mut self.stream, request)?;
        frame::receive(&mut self.stream, 1 << 20)
    }

    /// Executes an artifact.
    pub fn execute(&mut self, artifact: &[u8], request: &ExecuteRequest) -> ExecuteResponse {
        let path = self.directory.join("artifact");
        fs::write(&path, artifact).expect("the host links the artifact");
        let response = self.try_execute(request).expect("the worker answers");
        fs::remove_file(&path).expect("the host clears the directory");
        response
    }

    /// Sends a request and reads the answer, without touching the worker's directory.
    pub fn try_execute(
        &mut self,
        request: &ExecuteRequest,
    ) -> Result<ExecuteResponse, frame::FrameError> {
        frame::send(&mut self.stream, request)?;
        frame::receive(&mut self.stream, 1 << 30)
    }

    /// Sends bytes without a frame.
    pub fn stream_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the worker listens");
    }

    /// Waits for a worker that is about to exit.
    pub fn ends(mut self) -> io::Result<std::process::ExitStatus> {
        self.worker.wait()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// All security statuses that a host can send.
pub fn all_statuses() -> impl Iterator<Item = SecurityStatus> + Clone {
    (0..32_u8).map(|bits| SecurityStatus {
        secure_validator_mode: bits & 1 != 0,
        can_enable_landlock: bits & 2 != 0,
        can_enable_seccomp: bits & 4 != 0,
        can_unshare_user_namespace_and_change_root: bits & 8 != 0,
        can_do_secure_clone: bits & 16 != 0,
    })
}

/// A request to prepare this code.
pub fn preparation(code: &[u8]) -> PrepareRequest {
    PrepareRequest {
        maybe_compressed_code: code.to_vec(),
        validation_code_bomb_limit: 50 << 20,
        code_hash: [0; 32],
        executor_params: ExecutorParams::default(),
        prep_timeout: AMPLE,
        prep_kind: PrepareJobKind::Prechecking,
    }
}

/// A request to execute an artifact with an empty candidate.
pub fn execution(artifact: &[u8]) -> ExecuteRequest {
    ExecuteRequest {
        pvd: PersistedValidationData::default(),
        pov: PoV::default(),
        execution_timeout: AMPLE,
        artifact_checksum: ArtifactChecksum::of(artifact),
        relay_parent: [0; 32],
        scheduling_parent: [0; 32],
        descriptor_version: CandidateDescriptorVersion::V2,
    }
}

/// A request to execute an artifact with the encoded parameters `candidate`. `None` if no request
/// results in these parameters.
pub fn execution_of(artifact: &[u8], candidate: &[u8]) -> Option<ExecuteRequest> {
    let params: ValidationParams = frame::decode(candidate).ok()?;
    Some(ExecuteRequest {
        pvd: PersistedValidationData {
            parent_head: params.parent_head,
            relay_parent_number: params.relay_parent_number,
            relay_parent_storage_root: params.relay_parent_storage_root,
            max_pov_size: 10 << 20,
        },
        pov: PoV {
            block_data: params.block_data,
        },
        ..execution(artifact)
    })
}

/// The answer of a job.
pub fn said(response: ExecuteResponse) -> JobResponse {
    response.expect("the job comes to an end").job_response
}

/// The directory of the fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A parachain of the fixtures with its candidates.
pub struct FixtureChain {
    pub name: String,
    pub code: Vec<u8>,
    pub cases: Vec<FixtureCase>,
}

/// A candidate of the fixtures.
pub struct FixtureCase {
    pub name: String,
    /// The encoded parameters.
    pub candidate: Vec<u8>,
    /// The encoded result; `None` if the candidate is expected to trap.
    pub result: Option<Vec<u8>>,
}

/// All parachains of the fixtures.
pub fn fixture_chains() -> Vec<FixtureChain> {
    let chains = pvf_corpus::chains(&fixtures(), "").expect("can be read");
    let chains = chains.into_iter().map(|chain| FixtureChain {
        name: chain.name,
        code: pvf_corpus::code(&chain.code).expect("there is code"),
        cases: chain.cases.into_iter().map(fixture_case).collect(),
    });
    chains.collect()
}

fn fixture_case(case: pvf_corpus::Case) -> FixtureCase {
    FixtureCase {
        candidate: case.params().expect("there is a file"),
        result: case.result().expect("there is a file"),
        name: case.name,
    }
}

/// A module with a `validate_block` that executes `body` and returns a valid result. `imports` and
/// `fields` are further parts of the module.
pub fn module(imports: &str, body: &str, fields: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {imports}
            (memory (export "memory") 1)
            (global (export "__heap_base") i32 (i32.const 2048))
            (data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
            {fields}
            (func (export "validate_block") (param $at i32) (param $bytes i32) (result i64)
                {body} (i64.const 0xf00000010)))"#
    );
    parse(&text)
}

/// Converts the text format to a module.
pub fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
