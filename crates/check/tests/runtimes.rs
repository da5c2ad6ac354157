//! Checks of small modules, each of which has one fault, and of production runtimes.
//!
//! The production runtimes are not part of this repository. `PVF_CASES` names their folder; by default it is `../shared/pvf` next
//! to the repository. Their hashes and versions were recorded by other programs.

use pvf_check::{Line, Node, Report, Settings, Status, Usage, check, unmeasured};
use pvf_executor::{COMPRESSED_MAGIC, RejectionClass};
use pvf_primitives::{ExecutorParam, ExecutorParams, Network, PvfPrepKind};
use std::time::Duration;

fn polkadot() -> Settings<'static> {
    Settings::of_network(Network::Polkadot)
}

fn report(text: &str, settings: &Settings<'_>) -> Report {
    let blob = wat::parse_str(text).expect("it is a module");
    check(&blob, settings).expect("no failure of the host")
}

fn line<'r>(report: &'r Report, check: &str) -> &'r Line {
    let line = report.lines.iter().find(|line| line.check == check);
    line.unwrap_or_else(|| panic!("no line {check} in {report:#?}"))
}

fn failing(report: &Report) -> Vec<&str> {
    let failing = report
        .lines
        .iter()
        .filter(|line| line.status == Status::Fail);
    failing.map(|line| line.check).collect()
}

/// A module that could be a runtime, with more declarations.
fn runtime(imports: &str, more: &str) -> String {
    format!(
        r#"(module {imports}
            (memory (export "memory") 17)
            (global (export "__heap_base") i32 (i32.const 4096))
            (func (export "validate_block") (param i32 i32) (result i64) unreachable)
            {more})"#
    )
}

#[test]
fn each_fault_fails_its_own_line() {
    let fine = report(&runtime("", ""), &polkadot());
    assert!(fine.passes, "{fine:#?}");
    assert_eq!(line(&fine, "memory").used, Some(17));
    // Not measured, so not known; and the fault that is not there is not invented.
    assert_eq!(line(&fine, "precheck_time").status, Status::Unknown);

    for (imports, more, expected) in [
        (
            "",
            "(func (result i32) (i32.extend8_s (i32.const 5)))",
            "language",
        ),
        (
            "",
            "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
            "language",
        ),
        ("(import \"other\" \"f\" (func))", "", "imports"),
        ("(import \"env\" \"t\" (global i32))", "", "compilation"),
        (
            "(import \"env\" \"ext_hashing_twox_64_version_1\" (func))",
            "",
            "imports",
        ),
        ("", "(data (i32.const -1) \"abc\")", "instance"),
        ("", "(func $start unreachable) (start $start)", "instance"),
    ] {
        let report = report(&runtime(imports, more), &polkadot());
        let failing = failing(&report);
        assert_eq!(failing, [expected], "{imports} {more}: {report:#?}");
        assert!(line(&report, expected).rule.is_some());
        assert!(!report.passes);
    }
    let report = report(
        "(module (memory (export \"memory\") 9000) (global (export \"__heap_base\") i32 (i32.const 0))
            (func (export \"validate_block\") (param i32 i32) (result i64) unreachable))",
        &polkadot(),
    );
    assert_eq!(failing(&report), ["memory", "entry_point", "instance"]);
    assert_eq!(line(&report, "memory").limit, Some(8224));
}

#[test]
fn a_refusal_names_rule_function_and_byte() {
    let text = runtime(
        "",
        "(func $culprit (result i32) (i32.extend8_s (i32.const 5)))",
    );
    let blob = wat::parse_str(&text).expect("it is a module");
    let report = check(&blob, &polkadot()).expect("no failure of the host");
    let line = line(&report, "language");
    assert_eq!(line.class, Some(RejectionClass::Prevalidation));
    assert_eq!(
        (line.function, line.function_name.as_deref()),
        (Some(1), Some("culprit"))
    );
    // 0xc0 is the opcode of i32.extend8_s.
    let offset = line.offset.expect("an offset") as usize;
    assert_eq!(blob[offset], 0xc0);
}

#[test]
fn sizes_are_compared_with_the_networks_limits() {
    let blob = wat::parse_str(runtime("", "")).expect("it is a module");
    let mut settings = polkadot();
    settings.limits.max_code_size = blob.len() as u32;
    let report = check(&blob, &settings).expect("no failure");
    assert!(report.passes);
    assert_eq!(line(&report, "code_size").status, Status::Warn);
    settings.limits.max_code_size -= 1;
    let report = check(&blob, &settings).expect("no failure");
    assert_eq!(failing(&report), ["code_size"]);

    let compressed = |content: &[u8]| {
        let frame = zstd::encode_all(content, 3).expect("it compresses");
        [&COMPRESSED_MAGIC[..], &frame].concat()
    };
    let mut settings = polkadot();
    assert!(
        check(&compressed(&blob), &settings)
            .expect("no failure")
            .passes
    );
    // Ten times the largest code.
    settings.limits.max_code_size = 1000;
    let bomb = check(&compressed(&[0; 10_001]), &settings).expect("no failure");
    assert_eq!(failing(&bomb), ["decompression"]);
    assert_eq!(
        line(&bomb, "decompression").rule.map(|it| it.as_str()),
        Some("CODE-3")
    );
    let cut = &compressed(&blob)[..30];
    let cut = check(cut, &settings).expect("no failure");
    assert_eq!(
        line(&cut, "decompression").rule.map(|it| it.as_str()),
        Some("CODE-2")
    );
    assert_eq!(cut.about.wasm_bytes, None);
}

#[test]
fn what_was_measured_is_compared_with_the_parameters() {
    let meter = |action: &mut dyn FnMut()| Usage {
        cpu_ns: Some(3_000_000_000),
        peak_bytes: Some(1000),
        ..unmeasured(action)
    };
    let stock = pvf_check::StockRatio {
        ratio: 30.0,
        measured: "2026-11-25",
        source: "a test",
    };
    let with = |params: Vec<ExecutorParam>| {
        let settings = Settings {
            meter: &meter,
            stock: Some(stock),
            ..Settings::new(ExecutorParams(params), Network::Polkadot.host_limits())
        };
        report(&runtime("", ""), &settings)
    };
    let defaults = with(vec![]);
    assert!(defaults.passes);
    assert_eq!(line(&defaults, "preparation_memory").limit, None);
    let time = line(&defaults, "precheck_time");
    // Compiling and verifying.
    assert_eq!(
        (time.used, time.limit),
        (Some(6_000_000_000), Some(60_000_000_000))
    );
    // 90 seconds by an estimate, which refuses nothing.
    let estimate = line(&defaults, "precheck_time_stock");
    assert_eq!(
        (estimate.used, estimate.status),
        (Some(90_000_000_000), Status::Warn)
    );
    assert_eq!(line(&defaults, "prepare_time_stock").status, Status::Pass);

    let tight = with(vec![
        ExecutorParam::PrecheckingMaxMemory(999),
        ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 5_999),
    ]);
    assert_eq!(failing(&tight), ["preparation_memory", "precheck_time"]);
    let enough = with(vec![
        ExecutorParam::PrecheckingMaxMemory(1000),
        ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 6_000),
    ]);
    assert!(enough.passes);
    assert_eq!(line(&enough, "precheck_time").status, Status::Warn);
}

#[test]
fn imports_are_known_to_some_nodes() {
    let text = runtime(
        r#"(import "env" "ext_hashing_twox_64_version_1" (func (param i64) (result i32)))
           (import "env" "ext_storage_get_version_1" (func (param i64) (result i64)))
           (import "env" "ext_host_calls_pallas_mul_version_1" (func (param i64 i64 i64) (result i32)))"#,
        "",
    );
    let mut settings = polkadot();
    let off = report(&text, &settings);
    assert!(off.passes);
    let imports = off.imports.as_ref().expect("it was read");
    assert_eq!((imports.functions, imports.known), (3, 1));
    assert_eq!(imports.ecc_rfc163, ["ext_host_calls_pallas_mul_version_1"]);
    assert_eq!(imports.missing.len(), 2);
    assert_eq!(line(&off, "imports").status, Status::Warn);
    assert!(line(&off, "imports").words.contains("--ecc-rfc163"));

    settings.ecc_rfc163 = true;
    let on = report(&text, &settings);
    assert_eq!(line(&on, "imports").status, Status::Pass);
    assert_eq!(on.imports.as_ref().map(|it| it.known), Some(2));

    settings.node = Node::of_version("1.21").expect("it is known");
    let old = report(&text, &settings);
    assert_eq!(line(&old, "imports").status, Status::Warn);
    assert!(line(&old, "imports").words.contains("do not know"));
}

#[test]
fn tools_and_features_are_listed() {
    let text = runtime(
        "",
        r#"(@producers (language "Rust" "") (processed-by "rustc" "1.93.0"))
           (@custom "target_features" "\03+\0fmutable-globals+\08sign-ext-\04simd")"#,
    );
    let report = report(&text, &polkadot());
    let tools: Vec<_> = report
        .about
        .tools
        .iter()
        .map(|it| (&*it.name, &*it.version))
        .collect();
    assert_eq!(tools, [("Rust", ""), ("rustc", "1.93.0")]);
    let features: Vec<_> = report
        .about
        .features
        .iter()
        .map(|it| (it.prefix, &*it.name, it.accepted))
        .collect();
    let expected = [
        ('+', "mutable-globals", true),
        ('+', "sign-ext", false),
        ('-', "simd", true),
    ];
    assert_eq!(features, expected);
    // Allowed, but not used: the code passes.
    assert!(report.passes);
    assert_eq!(line(&report, "features").status, Status::Warn);
}

#[test]
fn an_endless_start_function_ends_with_its_time() {
    let settings = Settings {
        time: Some(Duration::from_millis(100)),
        ..polkadot()
    };
    let text = runtime("", "(func $start (loop (br 0))) (start $start)");
    let report = report(&text, &settings);
    assert_eq!(line(&report, "instance").status, Status::Warn);
}

/// Blobs of anything: a report, whatever they hold.
#[test]
fn damaged_blobs_have_reports() {
    let blob = wat::parse_str(runtime(
        "",
        "(@custom \"target_features\" \"\\03+\\0fmutable\")",
    ))
    .expect("it is a module");
    for end in 0..blob.len() {
        // Without its custom section at the end it is a module still.
        let is_module = wasmparser::validate(&blob[..end]).is_ok();
        let report = check(&blob[..end], &polkadot()).expect("no failure");
        assert!(is_module || !report.passes, "{end}");
        let mut flipped = blob.clone();
        flipped[end] ^= 0x55;
        check(&flipped, &polkadot()).expect("no failure");
    }
}

#[test]
fn production_runtimes_pass_and_are_named_as_recorded() {
    let chains = pvf_corpus::recorded_chains().expect("the folder can be read");
    for chain in &chains {
        let cases = &chain.about;
        let blob = pvf_corpus::code(&chain.code).expect("can be read");
        let report = check(&blob, &polkadot()).expect("no failure of the host");
        assert!(report.passes, "{}: {report:#?}", chain.name);
        let about = &report.about;
        let hash = cases["code_file_blake2_256"].as_str().expect("a hash");
        assert_eq!(about.code_hash, format!("0x{hash}"));
        if let Some(version) = &about.version {
            assert_eq!(cases["spec_name"], version.spec_name);
            assert_eq!(cases["spec_version"], version.spec_version);
        }
        let imports = report.imports.expect("it was read");
        assert!(imports.known >= 10 && imports.functions > imports.known);
    }
    println!("{} runtimes", chains.len());
}
