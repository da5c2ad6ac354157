//! Small programs that do one thing each; what they return is compared.

use crate::measure::{Figures, Samples, geometric_mean, timed};
use crate::report::{Table, number, write_json};
use crate::{Engine, Options, ours};
use pvf_compiler::Artifact;
use pvf_runtime::{Instance, Linker, Module, Value};
use pvf_spec::{ExecutionParameters, Features};
use serde::Serialize;

macro_rules! programs {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../programs/", $name, ".wat")))),*]
    };
}

/// Each exports `run: [] -> [i64]` and may import `env.next: [i64] -> [i64]`.
pub const PROGRAMS: &[(&str, &str)] = programs![
    "copy",
    "dispatch",
    "fibonacci",
    "host",
    "indirect",
    "matrix",
    "mix64",
    "sieve",
];

#[derive(Serialize)]
struct Row {
    name: &'static str,
    wasmtime: Option<Figures>,
    ours: Option<Figures>,
    /// Time of ours by time of Wasmtime.
    ratio: Option<f64>,
    results: Vec<u64>,
}

/// What the host function makes of its argument.
fn next(x: u64) -> u64 {
    x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)
}

pub fn run(options: &Options) -> Result<bool, String> {
    let mut rows = Vec::new();
    for (name, text) in PROGRAMS {
        if name.contains(&options.filter) {
            let wasm = wat::parse_str(text).map_err(|error| format!("{name}: {error}"))?;
            rows.push(measure(name, &wasm, options).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    let mut table = Table::new(&["program", "Wasmtime ms", "ours ms", "ours/Wasmtime"]);
    for row in &rows {
        let ms = |figures: &Option<Figures>| number(figures.map(|it| it.least_ms()), 3);
        table.row(vec![
            row.name.to_owned(),
            ms(&row.wasmtime),
            ms(&row.ours),
            number(row.ratio, 2),
        ]);
    }
    table.print();
    if options.only.is_none() {
        let ratios = rows.iter().filter_map(|row| row.ratio);
        println!(
            "ours/Wasmtime: geometric mean {:.2}",
            geometric_mean(ratios)
        );
    }
    write_json(options.json.as_deref(), &rows)?;
    let mut same = true;
    for row in &rows {
        if row.results.windows(2).any(|pair| pair[0] != pair[1]) {
            println!("DIFFERENT {}: {:x?}", row.name, row.results);
            same = false;
        }
    }
    Ok(same)
}

fn measure(name: &'static str, wasm: &[u8], options: &Options) -> Result<Row, String> {
    let mut wasmtime = wasmtime_run(wasm)?;
    let mut ours = match options.engines().contains(&Engine::Ours) {
        true => {
            let artifact = ours::compile(wasm, Features::POLKADOT, options.logical_stack)?;
            Some(ours_run(artifact)?)
        }
        false => None,
    };
    let mut samples = [Samples::default(), Samples::default()];
    let mut results = Vec::new();
    for round in 0..=options.runs.max(1) {
        for &which in options.engines() {
            let (result, time) = match (which, &mut ours) {
                (Engine::Ours, Some(ours)) => timed(ours),
                _ => timed(&mut wasmtime),
            };
            match round {
                // The first one faults memory and code in.
                0 => results.push(result?),
                _ => samples[which as usize].push(time),
            }
        }
    }
    let figures = |which: Engine| {
        let has = options.engines().contains(&which);
        has.then(|| samples[which as usize].figures())
    };
    let (wasmtime, ours) = (figures(Engine::Wasmtime), figures(Engine::Ours));
    Ok(Row {
        name,
        ratio: wasmtime
            .zip(ours)
            .map(|(it, ours)| ours.least_ns as f64 / it.least_ns as f64),
        wasmtime,
        ours,
        results,
    })
}

fn wasmtime_run(wasm: &[u8]) -> Result<impl FnMut() -> Result<u64, String>, String> {
    let build = || {
        let engine = pvf_peer::engine()?;
        let module = wasmtime::Module::new(&engine, wasm)?;
        let mut linker = wasmtime::Linker::new(&engine);
        linker.func_wrap("env", "next", next)?;
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        let run = instance.get_typed_func::<(), u64>(&mut store, "run")?;
        Ok((store, run))
    };
    let (mut store, run) = build().map_err(|error: wasmtime::Error| format!("{error:#}"))?;
    Ok(move || {
        run.call(&mut store, ())
            .map_err(|error| format!("{error:#}"))
    })
}

/// What calls `run` of a compiled program.
pub fn ours_run(artifact: Artifact) -> Result<impl FnMut() -> Result<u64, String>, String> {
    use pvf_compiler::artifact::{FuncType, ValType};
    let module: Module = ours::load(artifact)?;
    let mut linker = Linker::new();
    let ty = FuncType {
        params: vec![ValType::I64],
        results: vec![ValType::I64],
    };
    linker.func("env", "next", ty, |_, slots| {
        slots[0] = next(slots[0]);
        Ok(())
    });
    let mut instance = Instance::new(&module, &linker, &ExecutionParameters::WASM, ())
        .map_err(|error| error.to_string())?;
    Ok(move || match instance.call_export("run", &[]) {
        Ok(results) => match results[..] {
            [Value::I64(result)] => Ok(result as u64),
            _ => Err(format!("{results:?}")),
        },
        Err(error) => Err(error.to_string()),
    })
}
