//! Shadow mode and recording. The primary engine gives the answer that its candidate names.
//!
//! This program is the host of the tests and, started as a worker, the primary engine.

mod common;
#[path = "common/scripted.rs"]
mod scripted;

use common::*;
use parity_scale_codec::Encode;
use pvf_node_protocol::{ExecuteResponse, JobResponse, WorkerError};
use pvf_primitives::{ExecutorParam, ExecutorParams, ValidationParams};
use pvf_worker_client::observation::{OBSERVE_FILE, Observation, Shadow};
use scripted::*;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const CODE: [u8; 32] = [0xab; 32];
const BAD: [u8; 32] = [0xba; 32];

/// Our workers with a file of settings beside them, and what they observe.
struct Observed {
    installed: Installed,
    directory: PathBuf,
}

impl Observed {
    /// Workers with a primary engine, in shadow mode.
    fn shadow(settings: Shadow) -> Self {
        Self::new(|observation| observation.shadow = Some(settings))
    }

    fn new(set: impl FnOnce(&mut Observation)) -> Self {
        let installed = Installed::new();
        let directory = installed.0.0.join("observed");
        let mut observation = Observation {
            directory: directory.clone(),
            max_bytes: 1 << 20,
            record: false,
            shadow: None,
        };
        set(&mut observation);
        let json = serde_json::to_vec(&observation).expect("settings are JSON");
        fs::write(installed.0.0.join("own").join(OBSERVE_FILE), json).expect("written");
        Self {
            installed,
            directory,
        }
    }

    fn prepared(&self, code: &[u8]) -> Vec<u8> {
        self.prepared_as(CODE, code)
    }

    /// Prepares code under this hash, and waits until it is kept.
    fn prepared_as(&self, hash: [u8; 32], code: &[u8]) -> Vec<u8> {
        let mut request = preparation(code);
        request.code_hash = hash;
        let mut host = self.installed.start("prepare-worker");
        let artifact = host.prepare(&request).expect("prepared").1;
        self.wait_for("the code", || self.file(&format!("code/{}", named(&hash))));
        artifact
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.directory.join(name)).ok()
    }

    /// The lines so far.
    fn lines(&self) -> Vec<Value> {
        let text = self.file("jobs.jsonl").unwrap_or_default();
        let text = String::from_utf8(text).expect("lines are text");
        let parse = |line: &str| serde_json::from_str(line).expect("a line is JSON");
        text.lines().map(parse).collect()
    }

    /// Waits until there are `count` lines, and returns the last one.
    fn line(&self, count: usize) -> Value {
        self.wait_for("a line", || self.lines().get(count - 1).cloned())
    }

    /// Waits for a count in the metrics.
    fn metric(&self, series: &str, count: u64) {
        let line = format!("{series} {count}");
        self.wait_for(&line, || {
            let text = self.file("pvf_workers.prom")?;
            let text = String::from_utf8(text).expect("metrics are text");
            text.lines().any(|it| it == line).then_some(())
        });
    }

    fn wait_for<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < until, "{what}: {:?}", self.lines());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn named(hash: &[u8; 32]) -> String {
    format!("0x{}", hex(hash))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The primary engine's answer stands; the lines say what ours would have answered.
fn the_primary_answer_stands_and_differences_are_written() {
    let observed = Observed::shadow(Shadow::default());
    let good = observed.prepared(&module("", "", ""));
    let bad = observed.prepared_as(BAD, &module("", "unreachable", ""));
    let mut host = observed.installed.executing();
    let differing = [
        (&good, "agreed", None),
        (&bad, "invalid", None),
        (&good, "valid", Some("result")),
        (&good, "invalid", Some("vote")),
        (&bad, "agreed", Some("vote")),
        (&bad, "panic", Some("class")),
        (&bad, "abort", Some("class")),
    ];
    for (count, (artifact, script, difference)) in differing.into_iter().enumerate() {
        let said = say(&mut host, artifact, script);
        assert!(is_primary(&said, script), "{script}: {said:?}");
        let line = observed.line(count + 1);
        assert_eq!(line["difference"].as_str(), difference, "{line}");
        assert_eq!(
            line["code"],
            named(if artifact == &good { &CODE } else { &BAD })
        );
        assert_eq!(line["unanswered"], Value::Null);
        let valid = line["shadow"]["class"] == "valid";
        assert_eq!(valid, artifact == &good, "{line}");
        assert!(
            line["shadow"]["figures"]["stack_native_peak"].as_u64() > Some(0),
            "{line}"
        );
        assert_eq!(line["kept"].is_string(), difference.is_some(), "{line}");
        if let Some(folder) = line["kept"].as_str() {
            reproduces(&observed, folder, script, difference);
        }
    }
    for (outcome, count) in [
        ("agreed", 2),
        ("vote", 2),
        ("result", 1),
        ("class", 2),
        ("unanswered", 0),
    ] {
        observed.metric(
            &format!("pvf_shadow_compared_total{{outcome=\"{outcome}\"}}"),
            count,
        );
    }
    observed.metric("pvf_answers_total{class=\"valid\",engine=\"primary\"}", 3);
    observed.metric("pvf_observation_failures_total", 0);
}

/// What is kept of a difference has the candidate, both answers and the parameters.
fn reproduces(observed: &Observed, folder: &str, script: &str, difference: Option<&str>) {
    let params = ValidationParams {
        parent_head: Vec::new(),
        block_data: script.as_bytes().to_vec(),
        relay_parent_number: 0,
        relay_parent_storage_root: [0; 32],
    };
    let file = |name: &str| observed.file(&format!("{folder}/{name}")).expect(name);
    let candidate = zstd::bulk::decompress(&file("candidate.params.zst"), 1 << 20);
    assert_eq!(candidate.expect("zstd"), params.encode());
    let json: Value = serde_json::from_slice(&file("difference.json")).expect("JSON");
    assert_eq!(json["difference"].as_str(), difference);
    let defaults = format!("0x{}", hex(&ExecutorParams::default().encode()));
    assert_eq!(json["executor_params"], defaults);
}

fn is_primary(response: &ExecuteResponse, script: &str) -> bool {
    match (script, response) {
        ("valid", _) => head(response) == Ok(PRIMARY),
        ("agreed", _) => head(response) == Ok(SECOND),
        ("invalid", Ok(response)) => {
            response.job_response == JobResponse::InvalidCandidate("primary".to_owned())
        }
        ("panic", Err(WorkerError::JobError(_))) | ("abort", Err(WorkerError::JobDied { .. })) => {
            true
        }
        _ => false,
    }
}

/// A shadow that takes long delays no answer: further jobs are skipped.
fn a_slow_shadow_delays_nothing() {
    let observed = Observed::shadow(Shadow {
        cpu_share: 1.0,
        ..Shadow::default()
    });
    let endless = observed.prepared(&module("", "(loop (br 0))", ""));
    let mut host = observed.installed.executing();
    let mut request = execution(&endless);
    request.pov.block_data = b"agreed".to_vec();
    request.execution_timeout = Duration::from_secs(4);
    for _ in 0..8 {
        let said = host.execute(&endless, &request);
        assert_eq!(head(&said), Ok(SECOND));
    }
    assert_eq!(
        observed.lines().len(),
        0,
        "the shadow needs 4 s of CPU time"
    );
    // One job is being executed, one waits.
    observed.metric("pvf_shadow_skipped_total{reason=\"busy\"}", 6);
    // A busy machine stalls the shadow, which is then no answer.
    let line = observed.line(1);
    match line["shadow"]["class"].as_str() {
        Some("job_timed_out") => assert_eq!(line["difference"], "vote"),
        Some("internal_error") => assert!(line["unanswered"].is_string(), "{line}"),
        _ => panic!("{line}"),
    }
}

/// Candidates beyond the sample are skipped.
fn candidates_beyond_the_sample_are_skipped() {
    let observed = Observed::shadow(Shadow {
        sample: 0.0,
        ..Shadow::default()
    });
    let good = observed.prepared(&module("", "", ""));
    let mut host = observed.installed.executing();
    for count in 1..4 {
        assert_eq!(head(&say(&mut host, &good, "valid")), Ok(PRIMARY));
        observed.metric("pvf_shadow_skipped_total{reason=\"sample\"}", count);
    }
    assert_eq!(observed.lines().len(), 0);
}

/// Nothing that happens to the directory changes an answer.
fn a_directory_that_fails_changes_no_answer() {
    // A file where the directory should be.
    let observed = Observed::shadow(Shadow::default());
    fs::write(&observed.directory, "a file").expect("written");
    let mut host = observed.installed.start("prepare-worker");
    let good = prepared(&mut host, &module("", "", ""));
    let mut host = observed.installed.executing();
    for script in ["valid", "invalid"] {
        let said = say(&mut host, &good, script);
        assert!(is_primary(&said, script), "{said:?}");
    }

    // A full directory: there are lines and counts, and nothing is kept.
    let full = Observed::new(|observation| {
        observation.max_bytes = 0;
        observation.record = true;
        observation.shadow = Some(Shadow::default());
    });
    let mut host = full.installed.start("prepare-worker");
    let good = prepared(&mut host, &module("", "", ""));
    let mut host = full.installed.executing();
    let said = say(&mut host, &good, "invalid");
    assert!(is_primary(&said, "invalid"), "{said:?}");
    let line = full.line(1);
    assert_eq!(line["difference"], "vote");
    assert_eq!(line["kept"], Value::Null);
    full.metric("pvf_not_kept_total{kind=\"code\"}", 1);
    full.metric("pvf_not_kept_total{kind=\"candidate\"}", 1);
    full.metric("pvf_not_kept_total{kind=\"difference\"}", 2);
    full.metric("pvf_kept_bytes", 0);
}

/// Without a primary engine, our answers are those of a worker that records nothing.
fn our_own_jobs_are_recorded() {
    let recorded = Observed::new(|observation| observation.record = true);
    fs::remove_file(recorded.installed.0.0.join("own/polkadot-worker.primary")).expect("removed");
    let code = module("", "", "");
    let artifact = recorded.prepared(&code);
    assert_eq!(recorded.file(&format!("code/{}", named(&CODE))), Some(code));
    let params = ExecutorParams(vec![ExecutorParam::MaxMemoryPages(8192)]);
    let mut host = recorded.installed.start("execute-worker");
    host.shake(&params);
    let mut alone = Host::executing(&params);
    let plain = prepared(&mut Host::preparing(), &module("", "", ""));
    // The same candidate twice is one file; a compressed one is the candidate that it decompresses to. A busy recorder
    // skips candidates, so each is executed until the files are there.
    let mut record = |host: &mut Host, script, files| {
        let is_kept = || {
            let text = recorded.file("pvf_workers.prom").unwrap_or_default();
            let line = format!("pvf_kept_total{{kind=\"candidate\"}} {files}");
            String::from_utf8_lossy(&text).contains(&line)
        };
        loop {
            let said = say(host, &artifact, script);
            assert_eq!(head(&said), head(&say(&mut alone, &plain, script)));
            for _ in 0..20 {
                if is_kept() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    };
    for (script, files) in [("valid", 2), ("other", 4), ("valid", 4)] {
        record(&mut host, script, files);
    }
    let damaged = [&[82, 188, 83, 118, 70, 219, 142, 5][..], b"damaged"].concat();
    let mut request = execution(&artifact);
    request.pov.block_data = damaged;
    let said = said(host.execute(&artifact, &request));
    assert_eq!(said, JobResponse::PoVDecompressionFailure);
    record(&mut host, "last", 6);
    recorded.metric("pvf_kept_total{kind=\"candidate\"}", 6);
    let folder = recorded.directory.join("candidates").join(named(&CODE));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("recorded") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        if path.extension().is_some_and(|it| it == "json") {
            let json: Value = serde_json::from_slice(&bytes).expect("JSON");
            assert_eq!(json["version"], 1);
            assert_eq!(json["code"], named(&CODE));
            assert_eq!(json["outcome"], "valid");
            assert_eq!(json["result"], "0x0c0102030000000000000007000000");
            assert_eq!(
                json["executor_params"],
                format!("0x{}", hex(&params.encode()))
            );
            continue;
        }
        let bytes = zstd::bulk::decompress(&bytes, 1 << 20).expect("zstd");
        let params = pvf_node_protocol::frame::decode::<ValidationParams>(&bytes);
        found.push(params.expect("ValidationParams").block_data);
    }
    found.sort();
    assert_eq!(
        found,
        [b"last".to_vec(), b"other".to_vec(), b"valid".to_vec()]
    );
}

/// Settings that say nothing sensible are errors at start, like all files beside the workers.
fn wrong_settings_are_errors_at_start() {
    let observed = Observed::shadow(Shadow::default());
    let own = observed.installed.0.0.join("own");
    let complains = |part: &str| {
        let output = Command::new(observed.installed.own("execute-worker"))
            .args(["execute-worker", "--socket-path", "/nothing/there"])
            .arg("--worker-dir-path")
            .arg(&own)
            .env_clear()
            .output()
            .expect("it starts");
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(OBSERVE_FILE) && text.contains(part), "{text}");
    };
    fs::remove_file(own.join("polkadot-worker.primary")).expect("removed");
    complains("a shadow needs a primary engine");
    for (settings, part) in [("{", "EOF"), (r#"{"directory": "/d"}"#, "neither")] {
        fs::write(own.join(OBSERVE_FILE), settings).expect("written");
        complains(part);
    }
    fs::remove_file(own.join(OBSERVE_FILE)).expect("removed");
    fs::create_dir(own.join(OBSERVE_FILE)).expect("made");
    complains("directory");
}

fn main() -> ExitCode {
    if let Some(ended) = as_worker() {
        return ended;
    }
    let tests: [(&str, fn()); 6] = [
        (
            "the primary answer stands and differences are written",
            the_primary_answer_stands_and_differences_are_written,
        ),
        ("a slow shadow delays nothing", a_slow_shadow_delays_nothing),
        (
            "candidates beyond the sample are skipped",
            candidates_beyond_the_sample_are_skipped,
        ),
        (
            "a directory that fails changes no answer",
            a_directory_that_fails_changes_no_answer,
        ),
        ("our own jobs are recorded", our_own_jobs_are_recorded),
        (
            "wrong settings are errors at start",
            wrong_settings_are_errors_at_start,
        ),
    ];
    for (name, test) in tests {
        println!("{name}");
        test();
    }
    ExitCode::SUCCESS
}
