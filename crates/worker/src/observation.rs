//! Shadow mode and recording: what a worker observes beside its answers, without any influence on them.
//!
//! A file [`OBSERVE_FILE`](pvf_worker_client::observation::OBSERVE_FILE) beside this program holds the settings
//! ([`Observation`]). The worker that the node started passes requests to other workers (module
//! [`second_opinion`](crate::second_opinion)). When an answer has been sent, it hands the job to a thread, which
//!
//! - in shadow mode executes the job again with our engine, compares the answers, writes a line and counts,
//! - keeps what reproduces a difference,
//! - when recording, keeps the candidate and the code.
//!
//! Neither a failure nor the duration of this thread's work changes an answer: the thread takes one job at a time and
//! holds one more, and every further job is skipped. It runs with the least priority (nice 19), and so does the worker
//! that it starts. The files are described at [`Store`].
//!
//! What remains of a cost: a prepare worker in shadow mode prepares code with both engines before it answers, and jobs
//! of both engines share the processor's caches.

mod comparison;
mod figures;
mod line;
mod shadow;

pub use comparison::{Difference, Vote};
pub use figures::Figures;

use crate::second_opinion::{Engine, KeptPart};
use pvf_node_protocol::{ExecuteRequest, ExecuteResponse};
use pvf_primitives::{ExecutorParams, Hash};
use pvf_worker_client::observation::{
    Counters, KeptCandidate, Observation, Store, executor_params_text, keep_candidate, keep_code,
    named,
};
use rustix::process::setpriority_process;
use shadow::Shadow;
use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Jobs that wait while the thread works. Each holds a candidate in memory.
const WAITING: usize = 1;

/// The lowest priority of a thread that still runs beside busy ones.
const NICE: i32 = 19;

/// An execution that was answered.
pub struct Executed {
    /// The request of the host.
    pub request: ExecuteRequest,
    /// The answer to the host.
    pub response: ExecuteResponse,
    /// How long the answer took.
    pub wall_time: Duration,
    /// Hash of the code.
    pub code: Hash,
    /// Our engine's artifact, if our engine accepted the code.
    pub artifact: Option<Arc<KeptPart>>,
    /// What [`Self::candidate`] has made.
    pub candidate: OnceCell<Option<KeptCandidate>>,
}

impl Executed {
    /// The input of `validate_block`, which is made once; `None` if the block data does not decompress.
    pub fn candidate(&self) -> Option<&KeptCandidate> {
        let make = || KeptCandidate::of(&self.request);
        self.candidate.get_or_init(make).as_ref()
    }
}

enum Seen {
    Code(Hash, Vec<u8>),
    Execution(Box<Executed>),
}

/// The side of a worker that observes: it hands everything to a thread of its own.
pub struct Observer {
    /// `None` if the thread could not be started.
    thread: Option<SyncSender<Seen>>,
    /// What the thread was too busy for, and has not counted yet. The store may be slow or locked, so this side never
    /// touches it.
    busy: Arc<AtomicU64>,
}

impl Observer {
    /// The observer of a prepare worker, which keeps code.
    pub fn of_code(observation: Observation) -> Self {
        Self::start(observation, |store, _| {
            Box::new(move |seen| {
                if let Seen::Code(hash, code) = seen {
                    noted(&store, keep_code(&store, &hash, code));
                }
            })
        })
    }

    /// The observer of an execute worker. `engine` is the engine of the shadow, if there is one.
    pub fn of_executions(
        observation: Observation,
        engine: Option<Engine>,
        params: ExecutorParams,
    ) -> Self {
        Self::start(observation, move |store, observation| {
            let params = executor_params_text(&params);
            let mut shadow = match (engine, observation.shadow) {
                (Some(engine), Some(settings)) => {
                    Some(Shadow::new(engine, settings, params.clone()))
                }
                _ => None,
            };
            let records = observation.record;
            Box::new(move |seen| {
                if let Seen::Execution(executed) = seen {
                    if let (true, Some(candidate)) = (records, executed.candidate()) {
                        let (request, response) = (&executed.request, &executed.response);
                        let code = &executed.code;
                        let kept =
                            keep_candidate(&store, code, &params, candidate, request, response);
                        noted(&store, kept);
                    }
                    if let Some(shadow) = &mut shadow {
                        noted(&store, shadow.follow(&store, &executed));
                    }
                }
            })
        })
    }

    fn start(
        observation: Observation,
        make: impl FnOnce(Arc<Store>, &Observation) -> Box<dyn FnMut(Seen)> + Send + 'static,
    ) -> Self {
        let directory = observation.directory.clone();
        let store = Arc::new(Store::new(directory, observation.max_bytes));
        let (thread, seen) = sync_channel(WAITING);
        let busy = Arc::new(AtomicU64::new(0));
        let skipped = Arc::clone(&busy);
        let work = move || {
            // On Linux, the priority belongs to the thread and to the processes that it starts.
            if let Err(errno) = setpriority_process(None, NICE) {
                log::warn!("the observer keeps its priority: {errno}");
            }
            let mut work = make(Arc::clone(&store), &observation);
            for seen in seen {
                work(seen);
                // A job is skipped only while another one waits, so this counts it soon.
                let count = skipped.swap(0, Ordering::Relaxed);
                if count > 0 {
                    noted(&store, store.report(None, &shadow::skipped("busy", count)));
                }
            }
        };
        let spawned = std::thread::Builder::new()
            .name("observer".to_owned())
            .spawn(work);
        let thread = match spawned {
            Ok(_) => Some(thread),
            Err(error) => {
                log::error!("nothing is observed, the thread cannot be started: {error}");
                None
            }
        };
        Self { thread, busy }
    }

    /// Hands over code that was prepared.
    pub fn see_code(&self, hash: Hash, code: Vec<u8>) {
        self.hand_over(Seen::Code(hash, code));
    }

    /// Hands over an execution that was answered.
    pub fn see_execution(&self, executed: Executed) {
        self.hand_over(Seen::Execution(Box::new(executed)));
    }

    fn hand_over(&self, seen: Seen) {
        let Some(thread) = &self.thread else { return };
        if thread.try_send(seen).is_err() {
            self.busy.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts and logs a failure of the observer.
fn noted<T>(store: &Store, result: io::Result<T>) {
    if let Err(error) = result {
        log::warn!("a job is not observed: {error}");
        let failed = Counters {
            failed: 1,
            ..Counters::default()
        };
        // The system may refuse this too; the log has it.
        let _ = store.report(None, &failed);
    }
}

/// The directory of a difference on a candidate of this code.
fn difference_folder(code: &Hash, id: &str) -> PathBuf {
    Path::new("differences").join(named(code)).join(id)
}
