//! The service of `pvf-worker-client`, a pool of workers with a cache, with our workers.

mod common;

use common::*;
use parity_scale_codec::Encode;
use pvf_node_protocol::{PrepareError, Verification};
use pvf_primitives::{PersistedValidationData, PoV};
use pvf_worker_client::service::prometheus::{self, Registry};
use pvf_worker_client::service::{
    Candidate, Judgement, Options, Recording, Rules, Service, ServiceError,
};
use std::fs::{self, File, Permissions};
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn options(cache: &Path) -> Options {
    let workers = program("prepare-worker");
    let workers = workers.parent().expect("programs lie in a directory");
    Options {
        execute_workers: NonZeroUsize::new(2).unwrap(),
        verification: Verification {
            at_load: true,
            ..Verification::default()
        },
        ..Options::new(workers, cache)
    }
}

fn service(cache: &Path) -> Service {
    Service::start(options(cache)).expect("the service starts")
}

fn nothing() -> Candidate {
    Candidate::new(PersistedValidationData::default(), PoV::default())
}

fn artifacts(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.join("artifacts")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A candidate of the fixtures with its result, if it is valid.
fn fixture(chain: &str, case: &str) -> (Vec<u8>, Candidate, Option<Vec<u8>>) {
    let folder = fixtures().join(chain);
    let code = fs::read(folder.join("code.wasm")).unwrap();
    let params = fs::read(folder.join(format!("{case}.params"))).unwrap();
    let request = execution_of(b"", &params).expect("a host can ask for it");
    let result = fs::read(folder.join(format!("{case}.result"))).ok();
    (code, Candidate::new(request.pvd, request.pov), result)
}

fn assert_judged(judgement: Judgement, result: &Option<Vec<u8>>) {
    match (judgement, result) {
        (Judgement::Valid(judged), Some(result)) => assert_eq!(judged.encode(), *result),
        (Judgement::Invalid(_), None) => {}
        (judgement, _) => panic!("{judgement:?}"),
    }
}

#[test]
fn several_services_share_the_artifacts_of_a_cache() {
    let scratch = Scratch::new();
    let cases = [
        fixture("adder", "add-1"),
        fixture("adder", "wrong-state"),
        fixture("ledger", "transfer"),
        fixture("ledger", "too-poor"),
    ];
    // Several services on one cache, as in several processes, each used by several threads.
    let services = [
        service(&scratch.0),
        service(&scratch.0),
        service(&scratch.0),
    ];
    std::thread::scope(|scope| {
        for service in &services {
            for first in 0..4 {
                let cases = &cases;
                scope.spawn(move || {
                    for number in first..first + 8 {
                        let (code, candidate, result) = &cases[number % cases.len()];
                        let judgement = service.validate(code, candidate, &Rules::default());
                        assert_judged(judgement.expect("there is a judgement"), result);
                    }
                });
            }
        }
    });
    assert_eq!(artifacts(&scratch.0).len(), 2);
    drop(services);
    let left = fs::read_dir(scratch.0.join("instances")).unwrap().count();
    assert_eq!(left, 0);
    // A service that starts later finds the artifacts.
    let before = fs::metadata(&artifacts(&scratch.0)[0]).unwrap().len();
    let service = service(&scratch.0);
    let (code, candidate, result) = &cases[0];
    service.prepare(code, &Rules::default()).unwrap();
    assert_judged(
        service
            .validate(code, candidate, &Rules::default())
            .unwrap(),
        result,
    );
    assert_eq!(
        fs::metadata(&artifacts(&scratch.0)[0]).unwrap().len(),
        before
    );
    assert_eq!(artifacts(&scratch.0).len(), 2);
}

#[test]
fn artifacts_that_are_damaged_or_gone_are_prepared_again() {
    let scratch = Scratch::new();
    let (code, candidate, result) = fixture("adder", "add-2");
    let judged = |service: &Service| {
        let judgement = service
            .validate(&code, &candidate, &Rules::default())
            .unwrap();
        assert_judged(judgement, &result);
    };
    let running = service(&scratch.0);
    judged(&running);
    let path = artifacts(&scratch.0).pop().unwrap();
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[5000] ^= 1;
    for bytes in [bad, Vec::new(), good[..good.len() - 1].to_vec()] {
        for service in [&running, &service(&scratch.0)] {
            fs::write(&path, &bytes).unwrap();
            judged(service);
            assert_eq!(fs::read(&path).unwrap(), good);
            fs::remove_file(&path).unwrap();
            judged(service);
        }
    }
}

#[test]
fn foreign_entries_at_the_path_of_an_artifact_or_lock_are_replaced() {
    let scratch = Scratch::new();
    let cache = scratch.0.join("cache");
    let (code, candidate, result) = fixture("adder", "add-2");
    let judged = |service: &Service| {
        let judgement = service
            .validate(&code, &candidate, &Rules::default())
            .unwrap();
        assert_judged(judgement, &result);
    };
    let running = service(&cache);
    judged(&running);
    let artifact = artifacts(&cache).pop().unwrap();
    let good = fs::read(&artifact).unwrap();
    let stranger = scratch.0.join("stranger");
    fs::write(&stranger, b"stranger").unwrap();
    let nothing = scratch.0.join("nothing");
    let locks = fs::read_dir(cache.join("locks")).unwrap();
    let locks: Vec<_> = locks.map(|entry| entry.unwrap().path()).collect();
    let places: [&dyn Fn(&Path); 5] = [
        &|path| symlink(&stranger, path).unwrap(),
        &|path| symlink(&nothing, path).unwrap(),
        &|path| fs::create_dir_all(path.join("deep")).unwrap(),
        // A file larger than any memory.
        &|path| File::create(path).unwrap().set_len(1 << 40).unwrap(),
        // A file that other users may have written.
        &|path| {
            fs::copy(&stranger, path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        },
    ];
    for (number, place) in places.into_iter().enumerate() {
        for service in [&running, &service(&cache)] {
            for lock in &locks {
                fs::remove_file(lock).unwrap();
                place(lock);
            }
            fs::remove_file(&artifact).unwrap();
            place(&artifact);
            judged(service);
            assert_eq!(fs::read(&artifact).unwrap(), good, "{number}");
            assert!(fs::symlink_metadata(&artifact).unwrap().is_file());
            assert!(!nothing.exists(), "{number}");
            assert_eq!(fs::read(&stranger).unwrap(), b"stranger");
            for lock in &locks {
                fs::remove_dir_all(lock)
                    .or_else(|_| fs::remove_file(lock))
                    .ok();
                fs::write(lock, b"").unwrap();
            }
        }
    }
}

#[test]
fn a_cache_that_other_users_can_change_is_refused() {
    let scratch = Scratch::new();
    drop(service(&scratch.0.join("cache")));
    for part in ["", "artifacts", "locks", "instances"] {
        let part = scratch.0.join("cache").join(part);
        assert_eq!(mode(&part), 0o700);
        fs::set_permissions(&part, Permissions::from_mode(0o777)).unwrap();
        let started = Service::start(options(&scratch.0.join("cache")));
        let refused = started.err().expect("it is refused").to_string();
        assert!(refused.contains("other users may write"), "{refused}");
        fs::set_permissions(&part, Permissions::from_mode(0o700)).unwrap();
    }
}

/// Permission bits of a path.
fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn code_that_cannot_be_prepared_is_a_service_error() {
    let scratch = Scratch::new();
    let service = service(&scratch.0);
    let rules = Rules::default();
    for _ in 0..2 {
        match service.validate(b"no code", &nothing(), &rules) {
            Err(ServiceError::Prepare(error @ PrepareError::Prevalidation(_))) => {
                assert!(error.is_deterministic());
            }
            other => panic!("{other:?}"),
        }
    }
    let rules = Rules {
        prepare_timeout: Duration::ZERO,
        ..rules
    };
    let timed_out = service.prepare(&module("", "", ""), &rules);
    assert!(matches!(
        timed_out,
        Err(ServiceError::Prepare(PrepareError::TimedOut))
    ));
    assert!(artifacts(&scratch.0).is_empty());
    let again = service.validate(&module("", "", ""), &nothing(), &Rules::default());
    assert!(matches!(again, Ok(Judgement::Valid(_))));
}

#[test]
fn executions_that_fail_are_invalid() {
    let scratch = Scratch::new();
    let service = service(&scratch.0);
    let endless = module("", "(loop (br 0))", "");
    let rules = Rules {
        execute_timeout: Duration::from_millis(50),
        ..Rules::default()
    };
    let judged = |code: &[u8], rules: &Rules| match service.validate(code, &nothing(), rules) {
        Ok(Judgement::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(judged(&endless, &rules), "time is up");
    let starting = module("", "", "(func $s unreachable) (start $s)");
    assert!(judged(&starting, &Rules::default()).contains("start function"));
    let trapping = module("", "unreachable", "");
    judged(&trapping, &Rules::default());
}

#[test]
fn a_cache_with_a_limit_of_0_bytes_keeps_the_last_artifact() {
    let scratch = Scratch::new();
    let mut options = options(&scratch.0);
    options.cache.max_bytes = 0;
    let service = Service::start(options).unwrap();
    for number in 0..3 {
        let body = format!("(drop (i32.const {number}))");
        let code = module("", &body, "");
        let judgement = service.validate(&code, &nothing(), &Rules::default());
        assert!(
            matches!(judgement, Ok(Judgement::Valid(_))),
            "{judgement:?}"
        );
        assert_eq!(artifacts(&scratch.0).len(), 1);
    }
}

#[test]
fn a_service_without_workers_does_not_start() {
    let scratch = Scratch::new();
    let started = Service::start(Options::new("/nowhere", &scratch.0));
    assert!(matches!(started, Err(ServiceError::Process(_))));
}

/// A service keeps candidates and counts them, and its answers are the same.
#[test]
fn candidates_are_recorded_and_counted() {
    let scratch = Scratch::new();
    let record = scratch.0.join("record");
    let service = Service::start(Options {
        record: Some(Recording::new(&record)),
        ..options(&scratch.0.join("cache"))
    })
    .expect("the service starts");
    let registry = Registry::new();
    service.metrics().register(&registry).expect("registered");
    assert!(service.metrics().register(&registry).is_err(), "twice");
    let cases = [("add-1", "valid"), ("wrong-state", "invalid")];
    for _ in 0..2 {
        for (case, _) in cases {
            let (code, candidate, result) = fixture("adder", case);
            let judged = service.validate(&code, &candidate, &Rules::default());
            assert_judged(judged.expect("there is a judgement"), &result);
        }
    }
    // A candidate that gives no verdict at first is recorded with the second attempt, which gives none either.
    let trapping = module("", "", "(data (i32.const 65536) \"x\")");
    let judged = service.validate(&trapping, &nothing(), &Rules::default());
    assert!(matches!(judged, Ok(Judgement::Invalid(_))), "{judged:?}");
    let refused = service.validate(b"no code", &nothing(), &Rules::default());
    assert!(matches!(refused, Err(ServiceError::Prepare(_))));
    // Everything that was handed over is kept before the service is gone.
    drop(service);
    let mut text = Vec::new();
    let encoder = prometheus::TextEncoder::new();
    prometheus::Encoder::encode(&encoder, &registry.gather(), &mut text).expect("text");
    let text = String::from_utf8(text).expect("text");
    for line in [
        r#"pvf_service_judged_total{verdict="valid"} 2"#,
        r#"pvf_service_judged_total{verdict="invalid"} 3"#,
        r#"pvf_service_judged_total{verdict="none"} 1"#,
        r#"pvf_service_prepared_total{outcome="refused"} 1"#,
        r#"pvf_service_prepared_total{outcome="failed"} 0"#,
        "pvf_service_retried_total 1",
        "pvf_service_not_recorded_total 0",
        "pvf_service_execute_seconds_count 6",
        "# TYPE pvf_service_prepare_seconds histogram",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    let folder = fixtures().join("adder");
    let mut kept = Vec::new();
    for code in fs::read_dir(record.join("code")).expect("code is kept") {
        let path = code.expect("an entry").path();
        if fs::read(&path).unwrap() == fs::read(folder.join("code.wasm")).unwrap() {
            kept.push(path.file_name().expect("a name").to_owned());
        }
    }
    let [hash] = &kept[..] else {
        panic!("{kept:?}");
    };
    let candidates = fs::read_dir(record.join("candidates").join(hash)).expect("kept");
    let files: Vec<PathBuf> = candidates.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for (case, outcome) in cases {
        let params = fs::read(folder.join(format!("{case}.params"))).unwrap();
        let file = files.iter().find(|file| {
            let compressed = fs::read(file).unwrap();
            zstd::bulk::decompress(&compressed, 1 << 20).is_ok_and(|it| it == params)
        });
        let name = file.expect(case).to_str().expect("text");
        let json = fs::read(name.replace(".params.zst", ".json")).expect("described");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["outcome"], outcome);
        assert_eq!(json["result"].is_string(), outcome == "valid");
    }
    let mode = fs::metadata(&record).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
