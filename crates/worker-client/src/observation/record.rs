//! What is kept of an executed candidate, in the form that `pvf replay` reads.

use super::store::{Kind, Store};
use parity_scale_codec::Encode;
use pvf_node_protocol::{ExecuteRequest, ExecuteRequestView, ExecuteResponse, JobResponse};
use pvf_primitives::{ExecutorParams, Hash, POV_BOMB_LIMIT};
use serde::Serialize;
use std::io;
use std::path::Path;

/// Compression of kept candidates, as zstd counts it: the fastest of the usual ones.
const COMPRESSION: i32 = 1;

/// The input of `validate_block` in a request.
#[derive(Debug)]
pub struct KeptCandidate {
    /// BLAKE2b-256 of the bytes, in hexadecimal.
    pub id: String,
    bytes: Vec<u8>,
}

impl KeptCandidate {
    /// The candidate of a request; `None` if its block data does not decompress.
    pub fn of(request: &ExecuteRequest) -> Option<Self> {
        let view = ExecuteRequestView::from(request);
        let block_data = sp_maybe_compressed_blob::decompress(view.block_data, POV_BOMB_LIMIT);
        let bytes = view.validation_params(&block_data.ok()?);
        let id = hex::encode(blake2_256(&bytes));
        Some(Self { id, bytes })
    }

    /// The bytes, compressed.
    ///
    /// # Errors
    /// The compressor's error.
    pub fn compressed(&self) -> io::Result<Vec<u8>> {
        zstd::bulk::compress(&self.bytes, COMPRESSION)
    }
}

/// What is known of a recorded candidate: the file `NAME.json` that `pvf replay` reads.
#[derive(Serialize)]
struct Recorded<'a> {
    version: u32,
    code: String,
    executor_params: &'a str,
    /// `valid` or `invalid`; null if the job gave no verdict.
    outcome: Option<&'static str>,
    /// Of a valid candidate: the result, SCALE-encoded.
    result: Option<String>,
    /// CPU time that was allowed, in milliseconds.
    timeout_ms: f64,
    /// CPU time of the job in nanoseconds; null if the job gave no verdict.
    execute_cpu_ns: Option<u64>,
}

impl<'a> Recorded<'a> {
    fn new(
        code: &Hash,
        executor_params: &'a str,
        request: &ExecuteRequest,
        response: &ExecuteResponse,
    ) -> Self {
        let answered = response.as_ref().ok();
        let (outcome, result) = match answered.map(|it| &it.job_response) {
            Some(JobResponse::Ok { result_descriptor }) => {
                let result = hex::encode(result_descriptor.encode());
                (Some("valid"), Some(format!("0x{result}")))
            }
            Some(JobResponse::InvalidCandidate(_)) => (Some("invalid"), None),
            _ => (None, None),
        };
        let duration = answered.map(|it| it.duration.as_nanos());
        Self {
            version: 1,
            code: named(code),
            executor_params,
            outcome,
            result,
            timeout_ms: request.execution_timeout.as_secs_f64() * 1e3,
            execute_cpu_ns: duration.and_then(|it| u64::try_from(it).ok()),
        }
    }
}

/// The parameters as recorded: SCALE-encoded, in hexadecimal, as the option `--executor-params` takes them.
pub fn executor_params_text(params: &ExecutorParams) -> String {
    format!("0x{}", hex::encode(params.encode()))
}

/// Keeps code under its hash.
///
/// # Errors
/// The system refuses.
pub fn keep_code(store: &Store, hash: &Hash, code: Vec<u8>) -> io::Result<bool> {
    let name = Path::new("code").join(named(hash));
    store.keep(Kind::Code, &name, || Ok(code))
}

/// Keeps the candidate of an executed request, and what is known of it. `executor_params` is an
/// [`executor_params_text`].
///
/// # Errors
/// The system refuses.
pub fn keep_candidate(
    store: &Store,
    code: &Hash,
    executor_params: &str,
    candidate: &KeptCandidate,
    request: &ExecuteRequest,
    response: &ExecuteResponse,
) -> io::Result<()> {
    let folder = Path::new("candidates").join(named(code));
    let file = |ending| folder.join(format!("{}.{ending}", candidate.id));
    let recorded = Recorded::new(code, executor_params, request, response);
    // What is known comes first: a reader looks for it when it sees the candidate.
    if store.keep(Kind::Candidate, &file("json"), || {
        Ok(serde_json::to_vec(&recorded)?)
    })? {
        store.keep(Kind::Candidate, &file("params.zst"), || {
            candidate.compressed()
        })?;
    }
    Ok(())
}

/// The name of code in the directory and in lines: its hash, as votes and explorers write it.
pub fn named(code: &Hash) -> String {
    format!("0x{}", hex::encode(code))
}

/// BLAKE2b-256.
pub fn blake2_256(bytes: &[u8]) -> Hash {
    use blake2::digest::{Digest, consts::U32};
    blake2::Blake2b::<U32>::digest(bytes).into()
}
