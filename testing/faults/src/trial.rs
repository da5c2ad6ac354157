//! Runs with one fault each: what the answers must be, and how many there were of each kind.

use crate::{Amount, Fault, Trace, plan, start};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

/// After this time, a process that gives no answer or does not end hangs.
pub const PATIENCE: Duration = Duration::from_secs(50);

/// The answer to a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// The right one.
    Right,
    /// The machine failed.
    Internal(String),
    /// The job died or failed: a node tries again.
    Ambiguous(String),
    /// None: the process has ended.
    Ended,
    /// A wrong one, or none in time.
    Wrong(String),
}

impl Said {
    fn kind(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Internal(_) => "internal",
            Self::Ambiguous(_) => "ambiguous",
            Self::Ended => "ended",
            Self::Wrong(_) => "WRONG",
        }
    }
}

/// A run with a fault.
#[derive(Debug)]
pub struct Ran {
    /// The answers, up to the first that is [`Said::Ended`].
    pub answers: Vec<Said>,
    /// What else is not as it should be.
    pub wrong: Vec<String>,
    /// What the processes did.
    pub trace: Trace,
}

impl Ran {
    /// What is wrong with this run.
    fn problems(&self) -> Vec<String> {
        let mut problems = self.wrong.clone();
        let failed = self.answers.iter().filter(|it| **it != Said::Right);
        for answer in failed.clone() {
            if let Said::Wrong(what) = answer {
                problems.push(what.clone());
            }
        }
        // A worker that told of a failure may exit afterwards, as its host expects.
        let told = failed.filter(|it| **it != Said::Ended).count();
        if told > 1 {
            problems.push(format!(
                "one fault and several failures: {:?}",
                self.answers
            ));
        }
        problems
    }

    /// How it went, in a word.
    fn word(&self) -> &'static str {
        let first = self.answers.iter().find(|it| **it != Said::Right);
        match first {
            _ if !self.problems().is_empty() => "WRONG",
            None if !self.trace.hit => "not reached",
            first => first.unwrap_or(&Said::Right).kind(),
        }
    }
}

/// Whether this machine lets a process trace its children. Says why not, or panics with
/// `PVF_REQUIRE_TOOLS`.
pub fn can_trace() -> bool {
    let why = match start(Command::new("true"), None) {
        Ok(traced) => match traced.finish(PATIENCE) {
            Ok(trace) if !trace.counts.is_empty() => return true,
            other => format!("{other:?}"),
        },
        Err(error) => error.to_string(),
    };
    let required = std::env::var_os("PVF_REQUIRE_TOOLS").is_some();
    assert!(
        !required || cfg!(not(target_arch = "x86_64")),
        "this machine does not trace: {why}"
    );
    println!("skipped: this machine does not trace: {why}");
    false
}

/// Tries a selection of the calls of a good run, as many as [`Amount`] says for `short`.
///
/// # Panics
/// A run went wrong, or the good run did.
pub fn try_all(
    short: usize,
    wanted: impl Fn(&str, i64) -> bool,
    run: impl Fn(Option<Fault>) -> Ran + Sync,
) {
    let before = left_behind();
    let good = run(None);
    assert!(
        good.problems().is_empty() && good.answers.iter().all(|it| *it == Said::Right),
        "the run without a fault: {good:?}"
    );
    let faults = plan(&good.trace, Amount::of_this_run(short), wanted);
    assert!(!faults.is_empty(), "a run makes calls");
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let threads = available_parallelism().map_or(1, |it| it.get().min(4));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = catch_unwind(AssertUnwindSafe(|| run(Some(fault.clone()))));
                    if std::env::var_os("PVF_EACH").is_some() {
                        println!("  {fault}: {:?}", ran.as_ref().map(|it| &it.answers).ok());
                    }
                    let lock = results.lock();
                    lock.expect("no thread panics").push((fault.clone(), ran));
                }
            });
        }
    });
    let mut counts = BTreeMap::<(String, &str), usize>::new();
    let mut problems = Vec::new();
    for (fault, ran) in results.into_inner().expect("no thread panics") {
        let (word, found) = match &ran {
            Ok(ran) => (ran.word(), ran.problems()),
            Err(_) => ("PANIC", vec!["the test panicked, see above".to_owned()]),
        };
        *counts.entry((fault.process.clone(), word)).or_default() += 1;
        problems.extend(found.into_iter().map(|what| format!("{fault}: {what}")));
    }
    println!("  {} faults", faults.len());
    for ((process, word), count) in counts {
        println!("  {process:60} {word:12} {count}");
    }
    let after = left_behind();
    if before != after {
        problems.push(format!("left behind: {before:?} became {after:?}"));
    }
    problems.sort();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// What processes could leave on the machine: mounts of this namespace, shared memory.
fn left_behind() -> (usize, usize) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let shared = fs::read_dir("/dev/shm").map_or(0, |it| it.count());
    (mounts.lines().count(), shared)
}
