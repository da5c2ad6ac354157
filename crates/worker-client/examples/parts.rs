//! Measures what a whole job costs, from the request to the answer, and what each barrier adds.
//!
//! The runs of all directories of workers and of all sets of barriers are interleaved. Each row has the least and the
//! median of its runs, in milliseconds.
//!
//! ```console
//! $ cargo build --release -p pvf-worker
//! $ cargo run --release -p pvf-worker-client --example parts -- fixtures/ledger/code.wasm fixtures/ledger/transfer.params target/release OTHER_WORKERS
//! ```

use parity_scale_codec::Decode;
use pvf_node_protocol::{
    ArtifactChecksum, CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest,
    ExecuteResponse, PrepareJobKind, PrepareRequest, PrepareResponse, SecurityStatus,
};
use pvf_primitives::{ExecutorParams, Network, PersistedValidationData, PoV, ValidationParams};
use pvf_worker_client::{Launch, PREPARE_ANSWER_BYTES, Process, execute_answer_bytes, security};
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait for any answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs of each row.
const RUNS: usize = 200;

/// A set of barriers: the name of what is left out, and how.
type Set = (&'static str, fn(&mut SecurityStatus));

const SETS: [Set; 6] = [
    ("all barriers", |_| ()),
    ("without namespaces of jobs", |it| {
        it.can_do_secure_clone = false;
    }),
    ("without a root of its own", |it| {
        it.can_unshare_user_namespace_and_change_root = false;
    }),
    ("without Landlock", |it| it.can_enable_landlock = false),
    ("without seccomp", |it| it.can_enable_seccomp = false),
    ("without any", |it| {
        *it = SecurityStatus {
            secure_validator_mode: false,
            can_enable_landlock: false,
            can_enable_seccomp: false,
            can_unshare_user_namespace_and_change_root: false,
            can_do_secure_clone: false,
        };
    }),
];

/// A worker with the times of its jobs.
struct Row {
    name: String,
    worker: Process,
    request: ExecuteRequest,
    artifact: Vec<u8>,
    /// Milliseconds of wall-clock and of CPU time.
    times: Vec<(f64, f64)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [code, params, workers @ ..] = &arguments[..] else {
        return Err("usage: parts CODE CANDIDATE WORKERS...".into());
    };
    let code = read(Path::new(code))?;
    let params = ValidationParams::decode(&mut &read(Path::new(params))?[..])?;
    let places = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for (number, workers) in workers.iter().enumerate() {
        let place = places.path().join(number.to_string());
        fs::create_dir(&place)?;
        rows.extend(rows_of(workers, &place, &code, &params)?);
    }
    for run in 0..=RUNS {
        for row in &mut rows {
            let time = row.run()?;
            // The first job loads the artifact.
            match run {
                0 => println!("{:60} {:>8.3} (first)", row.name, time.0),
                _ => row.times.push(time),
            }
        }
    }
    println!("{:60} {:>8} {:>8} {:>8}", "", "least", "median", "CPU");
    for row in &mut rows {
        row.times.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (least, median) = (row.times[0].0, row.times[RUNS / 2].0);
        let cpu = row
            .times
            .iter()
            .map(|it| it.1)
            .fold(f64::INFINITY, f64::min);
        println!("{:60} {least:>8.3} {median:>8.3} {cpu:>8.3}", row.name);
    }
    Ok(())
}

/// Reads a file, decompressed if its name says that it is compressed.
fn read(path: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    match path.extension() == Some(OsStr::new("zst")) {
        true => Ok(zstd::decode_all(&bytes[..])?),
        false => Ok(bytes),
    }
}

/// Prepares with the workers in a directory, and starts an execute worker for each set of barriers.
fn rows_of(
    workers: &OsStr,
    place: &Path,
    code: &[u8],
    params: &ValidationParams,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let directory = fs::canonicalize(workers)?;
    let executor_params = Network::Polkadot.executor_params();
    let preparer = directory.join("polkadot-prepare-worker");
    let to_try = place.join("checks");
    fs::create_dir(&to_try)?;
    let status = security(&preparer, &to_try)?;
    println!("{}: {status:?}", directory.display());
    let launch = Launch::new(preparer, "prepare-worker", status);
    let mut worker = Process::start(&launch, place.join("prepare"))?;
    let file = worker.directory().join("tmp-artifact");
    fs::write(&file, [])?;
    let request = PrepareRequest {
        maybe_compressed_code: code.to_vec(),
        validation_code_bomb_limit: 50 << 20,
        code_hash: [1; 32],
        executor_params: executor_params.clone(),
        prep_timeout: PATIENCE,
        prep_kind: PrepareJobKind::Compilation,
    };
    let response: PrepareResponse = worker.ask(&request, PREPARE_ANSWER_BYTES, PATIENCE)?;
    let checksum = response?.checksum;
    let artifact = fs::read(&file)?;
    drop(worker);
    let mut rows = Vec::new();
    for (number, (name, leave_out)) in SETS.iter().enumerate() {
        let mut status = status;
        leave_out(&mut status);
        let program = directory.join("polkadot-execute-worker");
        let launch = Launch::new(program, "execute-worker", status);
        let mut worker = Process::start(&launch, place.join(number.to_string()))?;
        worker.tell(&ExecuteHandshake {
            executor_params: executor_params.clone(),
        })?;
        rows.push(Row {
            name: format!("{}, {name}", Path::new(workers).display()),
            worker,
            request: request_of(params, checksum),
            artifact: artifact.clone(),
            times: Vec::new(),
        });
    }
    Ok(rows)
}

fn request_of(params: &ValidationParams, artifact_checksum: ArtifactChecksum) -> ExecuteRequest {
    ExecuteRequest {
        pvd: PersistedValidationData {
            parent_head: params.parent_head.clone(),
            relay_parent_number: params.relay_parent_number,
            relay_parent_storage_root: params.relay_parent_storage_root,
            max_pov_size: 10 << 20,
        },
        pov: PoV {
            block_data: params.block_data.clone(),
        },
        execution_timeout: Duration::from_secs(15),
        artifact_checksum,
        relay_parent: [0; 32],
        scheduling_parent: [0; 32],
        descriptor_version: CandidateDescriptorVersion::V2,
    }
}

impl Row {
    /// Runs a job. Returns milliseconds of wall-clock and of CPU time.
    fn run(&mut self) -> Result<(f64, f64), Box<dyn Error>> {
        // A node links the artifact's file before each job; the same file stays the same artifact.
        let kept = self.worker.directory().with_extension("artifact");
        if !kept.exists() {
            fs::write(&kept, &self.artifact)?;
        }
        let file = self.worker.directory().join("artifact");
        fs::hard_link(&kept, &file)?;
        let most = execute_answer_bytes(&ExecutorParams::default());
        let asked = Instant::now();
        let response: ExecuteResponse = self.worker.ask(&self.request, most, PATIENCE)?;
        let wall = asked.elapsed().as_secs_f64() * 1e3;
        fs::remove_file(&file)?;
        let job = response?;
        Ok((wall, job.duration.as_secs_f64() * 1e3))
    }
}
