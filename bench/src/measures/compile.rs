//! From Wasm to something that can be instantiated.

use crate::corpus::{self, Blob};
use crate::measure::{Figures, Samples, geometric_mean, peak_resident_bytes, timed};
use crate::report::{Table, number, write_json};
use crate::{Engine, Options, ours};
use pvf_spec::{DEFAULT_MAX_MEMORY_PAGES, Features};
use serde::Serialize;
use std::path::Path;
use std::process::Command;

#[derive(Serialize)]
struct Row {
    name: String,
    wasm_bytes: usize,
    wasmtime: Option<Compilation>,
    ours: Option<Compilation>,
    /// Time of Wasmtime by time of ours.
    speed_up: Option<f64>,
}

#[derive(Serialize)]
struct Compilation {
    time: Figures,
    mb_per_second: f64,
    code_bytes: usize,
    /// Of a fresh process that does nothing but read, decompress and prepare.
    peak_resident_bytes: Option<u64>,
}

pub fn run(options: &Options) -> Result<bool, String> {
    let mut rows = Vec::new();
    for blob in corpus::blobs(&options.corpus, &options.filter)? {
        eprintln!("{} ...", blob.name);
        rows.push(measure(&blob, options)?);
    }
    let mut table = Table::new(&[
        "PVF",
        "bytes",
        "Wasmtime MB/s",
        "ours MB/s",
        "times faster",
        "code/wasm Wasmtime",
        "code/wasm ours",
        "peak MiB Wasmtime",
        "peak MiB ours",
        "ours peak/bound",
    ]);
    for row in &rows {
        let of = |engine: &Option<Compilation>, get: &dyn Fn(&Compilation) -> f64, decimals| {
            number(engine.as_ref().map(get), decimals)
        };
        let speed = |it: &Compilation| it.mb_per_second;
        let ratio = |it: &Compilation| it.code_bytes as f64 / row.wasm_bytes as f64;
        let peak = |it: &Compilation| it.peak_resident_bytes.unwrap_or(0) as f64 / 1048576.0;
        // Ten times the blob and 64 MiB.
        let bound = row.wasm_bytes as f64 * 10.0 / 1048576.0 + 64.0;
        table.row(vec![
            row.name.clone(),
            row.wasm_bytes.to_string(),
            of(&row.wasmtime, &speed, 2),
            of(&row.ours, &speed, 2),
            number(row.speed_up, 1),
            of(&row.wasmtime, &ratio, 2),
            of(&row.ours, &ratio, 2),
            of(&row.wasmtime, &peak, 0),
            of(&row.ours, &peak, 0),
            of(&row.ours, &|it| peak(it) / bound, 2),
        ]);
    }
    table.print();
    let speed_ups = rows.iter().filter_map(|row| row.speed_up);
    if options.only.is_none() {
        println!(
            "geometric mean: {:.2} times faster",
            geometric_mean(speed_ups)
        );
    }
    write_json(options.json.as_deref(), &rows)?;
    Ok(true)
}

fn measure(blob: &Blob, options: &Options) -> Result<Row, String> {
    let engine = pvf_peer::engine().map_err(|error| error.to_string())?;
    let wasm = pvf_peer::with_own_memory(&blob.wasm, DEFAULT_MAX_MEMORY_PAGES)?;
    let mut samples = [Samples::default(), Samples::default()];
    let mut code_bytes = [0, 0];
    for _ in 0..options.runs.max(1) {
        for &which in options.engines() {
            let (compiled, time) = match which {
                Engine::Wasmtime => timed(|| {
                    let module = wasmtime::Module::new(&engine, &wasm);
                    module.map(|it| it.text().len()).map_err(|e| e.to_string())
                }),
                Engine::Ours => timed(|| {
                    let artifact =
                        ours::compile(&blob.wasm, Features::POLKADOT, options.logical_stack)?;
                    let code_bytes = artifact.code.len();
                    ours::load(artifact).map(|_| code_bytes)
                }),
            };
            code_bytes[which as usize] = compiled.map_err(|e| format!("{}: {e}", blob.name))?;
            samples[which as usize].push(time);
        }
    }
    let compilation = |which: Engine| {
        let time = samples[which as usize].figures();
        options.engines().contains(&which).then(|| Compilation {
            time,
            mb_per_second: blob.wasm.len() as f64 * 1e3 / time.least_ns as f64,
            code_bytes: code_bytes[which as usize],
            peak_resident_bytes: peak_memory(which, &blob.path),
        })
    };
    let (wasmtime, ours) = (compilation(Engine::Wasmtime), compilation(Engine::Ours));
    let speed_up = wasmtime.as_ref().zip(ours.as_ref());
    Ok(Row {
        name: blob.name.clone(),
        wasm_bytes: blob.wasm.len(),
        speed_up: speed_up.map(|(it, ours)| it.time.least_ns as f64 / ours.time.least_ns as f64),
        wasmtime,
        ours,
    })
}

/// Peak resident set of a fresh process that prepares.
fn peak_memory(engine: Engine, code: &Path) -> Option<u64> {
    let name = match engine {
        Engine::Wasmtime => "wasmtime",
        Engine::Ours => "ours",
    };
    let output = Command::new(std::env::current_exe().ok()?)
        .args(["peak-memory", name])
        .arg(code)
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Prepares a file and prints the largest resident set this process had.
pub fn print_peak_memory(engine: Engine, code: &Path) -> Result<bool, String> {
    let wasm = corpus::wasm(code)?;
    match engine {
        Engine::Wasmtime => {
            let engine = pvf_peer::engine().map_err(|error| error.to_string())?;
            wasmtime::Module::new(&engine, &wasm).map_err(|error| error.to_string())?;
        }
        Engine::Ours => {
            ours::load(ours::compile(&wasm, Features::POLKADOT, false)?)?;
        }
    }
    let peak = peak_resident_bytes().ok_or("this system does not tell the peak")?;
    println!("{peak}");
    Ok(true)
}
