//! Keeps the candidates of a service, beside the answers.

use super::cache::Key;
use crate::observation::{
    KeptCandidate, Store, blake2_256, executor_params_text, keep_candidate, keep_code,
};
use prometheus::IntCounter;
use pvf_node_protocol::{ExecuteRequest, ExecuteResponse};
use pvf_primitives::{ExecutorParams, Hash};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// Candidates that wait for the thread. Each is held in memory.
const WAITING: usize = 8;

/// Where a service keeps its candidates: the directory of a [`Store`], which `pvf replay` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The directory. It is created with mode 0700.
    pub directory: PathBuf,
    /// Largest sum of the sizes of all kept files in bytes. Nothing more is kept beyond.
    pub max_bytes: u64,
}

impl Recording {
    /// A recording of at most 10 GiB in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: 10 << 30,
        }
    }
}

/// An execution to keep.
struct Seen {
    code_hash: Hash,
    /// The code, if it was not handed over earlier.
    code: Option<Vec<u8>>,
    params: ExecutorParams,
    request: ExecuteRequest,
    response: ExecuteResponse,
}

/// The thread that keeps candidates. Dropping it waits until everything that was handed over is kept.
pub(super) struct Recorder {
    thread: Option<(SyncSender<Seen>, JoinHandle<()>)>,
    /// Hashes of the code that the thread has.
    known: Mutex<HashMap<Key, Hash>>,
    not_recorded: IntCounter,
}

impl Recorder {
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn new(recording: Recording, not_recorded: IntCounter) -> io::Result<Self> {
        let store = Store::new(recording.directory, recording.max_bytes);
        let (sender, seen) = sync_channel(WAITING);
        let failed = not_recorded.clone();
        let thread = std::thread::Builder::new().name("pvf-recorder".to_owned());
        let thread = thread.spawn(move || keep_all(&store, &seen, &failed))?;
        Ok(Self {
            thread: Some((sender, thread)),
            known: Mutex::default(),
            not_recorded,
        })
    }

    /// Hands over an execution. It is skipped, and counted, if the thread is behind.
    pub(super) fn see(
        &self,
        key: &Key,
        code: &[u8],
        params: &ExecutorParams,
        request: ExecuteRequest,
        response: ExecuteResponse,
    ) {
        let Some((thread, _)) = &self.thread else {
            return;
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known_hash = known().get(key).copied();
        let code_hash = known_hash.unwrap_or_else(|| blake2_256(code));
        let seen = Seen {
            code_hash,
            code: known_hash.is_none().then(|| code.to_vec()),
            params: params.clone(),
            request,
            response,
        };
        match thread.try_send(seen) {
            Ok(()) => drop(known().insert(*key, code_hash)),
            Err(_) => self.not_recorded.inc(),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // A thread that panicked keeps nothing more.
            let _ = thread.join();
        }
    }
}

fn keep_all(store: &Store, seen: &Receiver<Seen>, failed: &IntCounter) {
    for seen in seen {
        if keep(store, seen).is_err() {
            failed.inc();
        }
    }
}

fn keep(store: &Store, seen: Seen) -> io::Result<()> {
    if let Some(code) = seen.code {
        keep_code(store, &seen.code_hash, code)?;
    }
    match KeptCandidate::of(&seen.request) {
        Some(candidate) => keep_candidate(
            store,
            &seen.code_hash,
            &executor_params_text(&seen.params),
            &candidate,
            &seen.request,
            &seen.response,
        ),
        None => Ok(()),
    }
}
