//! What lies around the code: host calls, loading an artifact, making an instance.

use crate::measure::{Figures, Samples, timed};
use crate::report::{Table, number, write_json};
use crate::{Engine, Options, corpus, ours};
use pvf_executor::{open_module, write_artifact};
use pvf_host::Pvf;
use pvf_peer::{Ended, Prepared};
use pvf_runtime::{Instance, Linker, Module};
use pvf_spec::{ExecutionParameters, Features};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Calls in one execution of a loop.
const CALLS: u32 = 200_000;

/// Least executions of each measurement; `--runs` may ask for more.
const LEAST_RUNS: u32 = 20;

/// What one turn of a loop does: imports, text. `$x` is a local.
const LOOPS: &[(&str, &str)] = &[
    (
        "nothing",
        "(local.set $x (i32.add (local.get $x) (i32.const 1)))",
    ),
    ("trivial call (max_level)", "(local.set $x (call $level))"),
    (
        "malloc and free, 24 bytes",
        "(call $free (call $malloc (i32.const 24)))",
    ),
    (
        "malloc and free, 2 of each, nested",
        "(local.set $x (call $malloc (i32.const 100)))
         (call $free (call $malloc (i32.const 40)))
         (call $free (local.get $x))",
    ),
    (
        "twox_64 of 32 bytes, free",
        "(call $free (call $twox_64 (i64.const 0x20_0000_0100)))",
    ),
    (
        "twox_128 of 32 bytes, free",
        "(call $free (call $twox_128 (i64.const 0x20_0000_0100)))",
    ),
    (
        "blake2_128 of 32 bytes, free",
        "(call $free (call $blake2_128 (i64.const 0x20_0000_0100)))",
    ),
    (
        "blake2_256 of 32 bytes, free",
        "(call $free (call $blake2_256 (i64.const 0x20_0000_0100)))",
    ),
];

#[derive(Serialize)]
struct Row {
    what: String,
    wasmtime: Option<Figures>,
    ours: Option<Figures>,
    /// Time of ours by time of Wasmtime, after what is subtracted from both.
    ratio: Option<f64>,
    /// How many of the thing a figure is for.
    count: u32,
}

pub fn run(options: &Options) -> Result<bool, String> {
    let mut rows = Vec::new();
    host_calls(options, &mut rows)?;
    print("a turn of a loop", "ns", &rows);
    let calls = rows.len();
    for blob in corpus::blobs(&options.corpus, &options.filter)? {
        eprintln!("{} ...", blob.name);
        loading(&blob.name, &blob.wasm, options, &mut rows)?;
    }
    print("loading and instances", "us", &rows[calls..]);
    write_json(options.json.as_deref(), &rows)?;
    Ok(true)
}

fn print(title: &str, unit: &str, rows: &[Row]) {
    let scale = if unit == "us" { 1e3 } else { 1.0 };
    let mut table = Table::new(&[
        title,
        &format!("Wasmtime {unit}"),
        &format!("ours {unit}"),
        "ours/Wasmtime",
    ]);
    for row in rows {
        let each = |figures: Option<Figures>| {
            let each = figures.map(|it| it.least_ns as f64 / f64::from(row.count) / scale);
            number(each, 1)
        };
        table.row(vec![
            row.what.clone(),
            each(row.wasmtime),
            each(row.ours),
            number(row.ratio, 2),
        ]);
    }
    table.print();
}

/// Measures both by turns.
fn both(
    what: String,
    count: u32,
    options: &Options,
    mut wasmtime: impl FnMut() -> Result<(), String>,
    mut ours: impl FnMut() -> Result<(), String>,
) -> Result<Row, String> {
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..=options.runs.max(LEAST_RUNS) {
        for &which in options.engines() {
            let (result, time) = match which {
                Engine::Wasmtime => timed(&mut wasmtime),
                Engine::Ours => timed(&mut ours),
            };
            result.map_err(|error| format!("{what}: {error}"))?;
            // The first one faults memory and code in.
            if round > 0 {
                samples[which as usize].push(time);
            }
        }
    }
    let figures = |which: Engine| {
        let has = options.engines().contains(&which);
        has.then(|| samples[which as usize].figures())
    };
    let (wasmtime, ours) = (figures(Engine::Wasmtime), figures(Engine::Ours));
    let ratio = wasmtime
        .zip(ours)
        .map(|(w, o)| o.least_ns as f64 / w.least_ns as f64);
    Ok(Row {
        what,
        wasmtime,
        ours,
        ratio,
        count,
    })
}

/// The same loop around different calls; from the second on, the first is subtracted.
fn host_calls(options: &Options, rows: &mut Vec<Row>) -> Result<(), String> {
    let engine = pvf_peer::engine().map_err(|error| error.to_string())?;
    let mut nothing: Option<(Option<Figures>, Option<Figures>)> = None;
    for (what, turn) in LOOPS {
        let wasm = wat::parse_str(loop_module(turn)).map_err(|error| error.to_string())?;
        let peer = Prepared::new(&engine, &wasm).map_err(|error| format!("{error:#}"))?;
        let pvf = ours::prepare(&wasm, options.logical_stack)?;
        let mut row = both(
            (*what).to_owned(),
            CALLS,
            options,
            || {
                let (ended, _) = peer.execute(&[]).map_err(|error| format!("{error:#}"))?;
                returned(ended)
            },
            || returned(ours::execute(&pvf, &[])?),
        )?;
        let (peer_loop, our_loop) = *nothing.get_or_insert((row.wasmtime, row.ours));
        if !rows.is_empty() {
            let net = |figures: Option<Figures>, loops: Option<Figures>| {
                figures.zip(loops).map(|(figures, loops)| Figures {
                    least_ns: figures.least_ns.saturating_sub(loops.least_ns),
                    median_ns: figures.median_ns.saturating_sub(loops.median_ns),
                })
            };
            row.wasmtime = net(row.wasmtime, peer_loop);
            row.ours = net(row.ours, our_loop);
            let ratio = row.wasmtime.zip(row.ours);
            row.ratio = ratio.map(|(w, o)| o.least_ns as f64 / w.least_ns as f64);
        }
        rows.push(row);
    }
    Ok(())
}

fn returned(ended: Ended) -> Result<(), String> {
    match ended {
        Ended::Returned(_) => Ok(()),
        Ended::Trapped(kind) => Err(kind.name().to_owned()),
    }
}

/// A validation function that takes so many turns and returns an empty result.
fn loop_module(turn: &str) -> String {
    let hashes: String = ["twox_64", "twox_128", "blake2_128", "blake2_256"]
        .iter()
        .map(|name| {
            format!(
                r#"(import "env" "ext_hashing_{name}_version_1" (func ${name} (param i64) (result i32)))"#
            )
        })
        .collect();
    format!(
        r#"(module
            (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
            (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
            (import "env" "ext_logging_max_level_version_1" (func $level (result i32)))
            {hashes}
            (memory (export "memory") 2)
            (global (export "__heap_base") i32 (i32.const 65536))
            (func (export "validate_block") (param i32 i32) (result i64)
                (local $i i32) (local $x i32)
                (loop $turns
                    {turn}
                    (br_if $turns
                        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                            (i32.const {CALLS}))))
                (i64.const 0xc_0000_0010)))"#
    )
}

/// From a file to something that can be instantiated, and an instance made and dropped.
fn loading(name: &str, wasm: &[u8], options: &Options, rows: &mut Vec<Row>) -> Result<(), String> {
    let engine = pvf_peer::engine().map_err(|error| error.to_string())?;
    let own = pvf_peer::with_own_memory(wasm, pvf_spec::DEFAULT_MAX_MEMORY_PAGES)
        .map_err(|error| error.to_string())?;
    let files = Files::new(name);
    let peer = wasmtime::Module::new(&engine, own).map_err(|error| format!("{error:#}"))?;
    let bytes = peer.serialize().map_err(|error| format!("{error:#}"))?;
    std::fs::write(&files.wasmtime, &bytes).map_err(|error| error.to_string())?;
    let artifact = ours::compile(wasm, Features::POLKADOT, options.logical_stack)?;
    let code_bytes = artifact.code.len();
    write_artifact(&artifact, &files.ours).map_err(|error| error.to_string())?;
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |it| it.len() / 1024);
    eprintln!(
        "  files: Wasmtime {} KiB, ours {} KiB (code {} KiB)",
        length(&files.wasmtime),
        length(&files.ours),
        code_bytes / 1024
    );

    rows.push(both(
        format!("{name}: load"),
        1,
        options,
        || load_peer(&engine, &files.wasmtime).map(drop),
        || load(&files.ours).map(drop),
    )?);
    let peer = load_peer(&engine, &files.wasmtime)?;
    let module = load(&files.ours)?;
    rows.push(both(
        format!("{name}: link host functions"),
        1,
        options,
        || peer_linked(&engine, &peer).map(drop),
        || {
            drop(Pvf::new(module.clone(), Default::default()));
            Ok(())
        },
    )?);
    let linked = peer_linked(&engine, &peer)?;
    let mut linker = Linker::<()>::new();
    linker.memory_any(None);
    linker.unknown_functions(None);
    let own_linked = linker.link(&module).map_err(|error| error.to_string())?;
    let parameters = ExecutionParameters {
        stack_logical_max: None,
        ..ExecutionParameters::POLKADOT
    };
    rows.push(both(
        format!("{name}: instance made and dropped"),
        1,
        options,
        || {
            let mut store = wasmtime::Store::new(&engine, ());
            let instance = linked.instantiate(&mut store);
            instance.map(drop).map_err(|error| format!("{error:#}"))
        },
        || {
            let instance = Instance::from_linked(&own_linked, &parameters, ());
            instance.map(drop).map_err(|error| error.to_string())
        },
    )?);
    Ok(())
}

fn load(path: &Path) -> Result<Module, String> {
    open_module(path).map_err(|error| error.to_string())
}

#[allow(unsafe_code, reason = "Wasmtime cannot check what it loads")]
fn load_peer(engine: &wasmtime::Engine, path: &Path) -> Result<wasmtime::Module, String> {
    // SAFETY: the file was written by this process with the same engine, and nobody else knows its name.
    let module = unsafe { wasmtime::Module::deserialize_file(engine, path) };
    module.map_err(|error| format!("{error:#}"))
}

fn peer_linked(
    engine: &wasmtime::Engine,
    module: &wasmtime::Module,
) -> Result<wasmtime::InstancePre<()>, String> {
    let mut linker = wasmtime::Linker::new(engine);
    let linked = linker.define_unknown_imports_as_traps(module);
    linked
        .and_then(|()| linker.instantiate_pre(module))
        .map_err(|error| format!("{error:#}"))
}

/// Two files in the system's temporary folder, removed on drop.
struct Files {
    wasmtime: PathBuf,
    ours: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let path = |engine: &str| {
            let file = format!("pvf-bench-{}-{name}.{engine}", std::process::id());
            std::env::temp_dir().join(file)
        };
        Self {
            wasmtime: path("wasmtime"),
            ours: path("ours"),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.wasmtime, &self.ours] {
            // Whoever wrote none has none.
            let _ = std::fs::remove_file(path);
        }
    }
}
