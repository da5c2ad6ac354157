//! The effects of Binaryen's `wasm-opt`: real blobs unchanged, after inlining of small functions alone, and after `-O2`
//! and `-O3`, with only WebAssembly 1.0 allowed. Measures sizes, compilation, and the execution of candidates.

use crate::corpus::{self, Blob, Expected};
use crate::engine::Ended;
use crate::engines::EngineName;
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::measures::{compile, execute};
use crate::options::Options;
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Arguments of `pvf-bench wasm-opt`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    /// The path of Binaryen's program.
    #[arg(long, value_name = "PROGRAM", default_value = "wasm-opt")]
    pub wasm_opt: PathBuf,
    /// Candidates to execute, by their names, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "empty-1,transfer-500,batch-200,remark-1m,xcm-down-20"
    )]
    pub cases: Vec<String>,
}

/// The optimisation levels; the first one leaves the module unchanged.
const LEVELS: [&str; 4] = ["as it is", "--inlining-optimizing", "-O2", "-O3"];

/// The engines that are compared by default.
const ENGINES: [EngineName; 5] = [
    EngineName::Ours,
    EngineName::OursLogical,
    EngineName::Cranelift,
    EngineName::CraneliftPolkadot,
    EngineName::Singlepass,
];

/// The measurements of a blob at one level.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name of the module.
    pub name: String,
    /// The optimisation level.
    pub level: String,
    /// The size of the optimised module.
    pub wasm_bytes: usize,
    /// The compilation in each engine.
    pub compile: BTreeMap<EngineName, Compiled>,
    /// The execution times, by candidate.
    pub execute: BTreeMap<String, BTreeMap<EngineName, Times>>,
    /// Candidates with another outcome, with the engine.
    pub wrong: Vec<String>,
}

/// A compilation in an engine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Compiled {
    /// CPU time.
    pub time: Times,
    /// Size of the machine code.
    pub code_bytes: Option<usize>,
}

/// Measures all blobs whose name contains the filter, at all levels.
pub fn measure(arguments: &Arguments) -> Result<Vec<Row>, String> {
    execute::silence_host_panics();
    let options = &arguments.options;
    let asked = |it: EngineName| !options.engines.is_empty() || ENGINES.contains(&it);
    let engines = options.engines(asked)?;
    let mut rows = Vec::new();
    for (folder, _) in options
        .corpora()
        .into_iter()
        .filter(|(_, group)| *group == "PVFs")
    {
        for blob in corpus::blobs(&folder, &options.filter)? {
            eprintln!("wasm-opt: {} ...", blob.name);
            rows.extend(
                blob_rows(&blob, arguments, &engines).map_err(|e| format!("{}: {e}", blob.name))?,
            );
        }
    }
    Ok(rows)
}

fn blob_rows(
    blob: &Blob,
    arguments: &Arguments,
    engines: &[EngineName],
) -> Result<Vec<Row>, String> {
    let runs = arguments.options.runs;
    let mut rows = Vec::new();
    let mut levels = Vec::new();
    for level in LEVELS {
        let wasm = match level {
            "as it is" => blob.wasm.clone(),
            level => optimise(&arguments.wasm_opt, level, &blob.wasm)?,
        };
        let mut compiled = BTreeMap::new();
        for (name, time, code_bytes) in compile::times(&wasm, engines, runs)? {
            compiled.insert(name, Compiled { time, code_bytes });
        }
        rows.push(Row {
            name: blob.name.clone(),
            level: level.to_owned(),
            wasm_bytes: wasm.len(),
            compile: compiled,
            execute: BTreeMap::new(),
            wrong: Vec::new(),
        });
        let able: Vec<_> = engines
            .iter()
            .copied()
            .filter(|&it| execute::able(it))
            .collect();
        levels.push(execute::prepare(&wasm, &able)?);
    }
    for case in blob
        .cases
        .iter()
        .filter(|case| arguments.cases.contains(&case.name))
    {
        let Expected::Returned(expected) = &case.expected else {
            continue;
        };
        let parameters = case.parameters()?;
        let mut samples: Vec<Vec<Samples>> = levels
            .iter()
            .map(|it| vec![Samples::default(); it.len()])
            .collect();
        for _ in 0..runs.max(3) {
            for ((pvfs, samples), row) in levels.iter().zip(&mut samples).zip(&mut rows) {
                for ((name, pvf), samples) in pvfs.iter().zip(samples) {
                    let (ended, time) = timed(|| pvf.execute(&parameters));
                    samples.push(time);
                    let right = matches!(&ended, Ok(Ended::Returned(result)) if result == expected);
                    let place = format!("{}, {name}", case.name);
                    if !right && !row.wrong.contains(&place) {
                        row.wrong.push(place);
                    }
                }
            }
        }
        for ((pvfs, samples), row) in levels.iter().zip(&samples).zip(&mut rows) {
            let times = pvfs
                .iter()
                .zip(samples)
                .map(|((name, _), it)| (*name, it.times()));
            row.execute.insert(case.name.clone(), times.collect());
        }
    }
    Ok(rows)
}

/// Runs `wasm-opt` on a module.
fn optimise(program: &Path, level: &str, wasm: &[u8]) -> Result<Vec<u8>, String> {
    let base = std::env::temp_dir().join(format!("pvf-bench-{}", std::process::id()));
    let (from, to) = (base.with_extension("wasm"), base.with_extension("opt.wasm"));
    let describe = |error: std::io::Error| format!("{}: {error}", base.display());
    std::fs::write(&from, wasm).map_err(describe)?;
    let output = Command::new(program)
        .args([level, "--mvp-features", "-o"])
        .args([&to, &from])
        .output()
        .map_err(|error| {
            format!(
                "cannot start {}: {error}; it is in Debian's package binaryen and in npm's of the same name",
                program.display()
            )
        })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!(
            "{} {level}: {}: {message}",
            program.display(),
            output.status
        ));
    }
    let optimised = std::fs::read(&to).map_err(describe)?;
    for file in [from, to] {
        std::fs::remove_file(file).map_err(describe)?;
    }
    Ok(optimised)
}

/// Whether all outcomes were the expected ones.
pub fn all_right(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.wrong.is_empty())
}

/// Tables of the levels' effects, for each blob and for all together.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let engines = EngineName::keys_of(rows.iter().map(|row| &row.compile));
    let executing: Vec<EngineName> = engines
        .iter()
        .copied()
        .filter(|&it| execute::able(it))
        .collect();
    let mut headings: Vec<String> = ["PVF", "level", "Wasm"].map(str::to_owned).into();
    for (what, engines) in [
        ("compile", &engines),
        ("code", &engines),
        ("execute", &executing),
    ] {
        headings.extend(engines.iter().map(|engine| format!("{what} {engine}")));
    }
    let mut table = Table::new("wasm-opt: times the figure of the blob as it is", headings);
    let mut means: BTreeMap<&str, Vec<Vec<f64>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.level != LEVELS[0]) {
        let Some(plain) = rows
            .iter()
            .find(|it| it.name == row.name && it.level == LEVELS[0])
        else {
            continue;
        };
        let ratios = ratios(row, plain, &engines, &executing);
        let mut cells = vec![row.name.clone(), row.level.clone()];
        cells.extend(ratios.iter().map(|&ratio| number(ratio, 2)));
        table.row(cells);
        let columns = means
            .entry(&row.level)
            .or_insert_with(|| vec![Vec::new(); ratios.len()]);
        for (column, ratio) in columns.iter_mut().zip(ratios) {
            column.extend(ratio);
        }
    }
    for (level, columns) in means {
        let mut cells = vec!["geometric mean".to_owned(), level.to_owned()];
        cells.extend(
            columns
                .into_iter()
                .map(|column| number(geometric_mean(column), 2)),
        );
        table.row(cells);
    }
    for row in rows {
        table.notes.extend(
            row.wrong
                .iter()
                .map(|place| format!("DIFFERENT {} {}: {place}", row.name, row.level)),
        );
    }
    vec![table]
}

/// The ratios of a row: size, then compilation and code for each engine, then execution over all candidates.
fn ratios(
    row: &Row,
    plain: &Row,
    engines: &[EngineName],
    executing: &[EngineName],
) -> Vec<Option<f64>> {
    let mut ratios = vec![Some(row.wasm_bytes as f64 / plain.wasm_bytes as f64)];
    let pair = |engine| Some((row.compile.get(engine)?, plain.compile.get(engine)?));
    ratios.extend(
        engines
            .iter()
            .map(|it| pair(it).map(|(a, b)| a.time.ratio(&b.time))),
    );
    ratios.extend(engines.iter().map(|engine| {
        let (row, plain) = pair(engine)?;
        Some(row.code_bytes? as f64 / plain.code_bytes? as f64)
    }));
    ratios.extend(executing.iter().map(|engine| {
        geometric_mean(row.execute.iter().filter_map(|(case, times)| {
            Some(
                times
                    .get(engine)?
                    .ratio(plain.execute.get(case)?.get(engine)?),
            )
        }))
    }));
    ratios
}
