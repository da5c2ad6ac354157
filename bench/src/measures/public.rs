//! The time of programs that others published (`crate::public`), each in a fresh instance. Digests of results and of the
//! memory must be equal in all engines.

use crate::engine::Compiled;
use crate::engines::{self, EngineName};
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::options::{Options, repository};
use crate::public::fetch::Cache;
use crate::public::list::{LIST, List, Package, Program};
use crate::public::module::{self, DIGEST, RUN, SETUP};
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `pvf-bench public`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    /// The list of programs [default: the repository's, `bench/public/programs.toml`]
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// The folder that keeps fetched files [default: `bench/target/public` in the repository]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Write the modules to this folder, for other tools, and measure nothing. They export `setup`, `run` and `digest`.
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// The engines that accept modules beyond WebAssembly 1.0; they are measured by default.
const ENGINES: [EngineName; 5] = [
    EngineName::Ours,
    EngineName::Cranelift,
    EngineName::Winch,
    EngineName::Singlepass,
    EngineName::Wasmi,
];

/// The measurements of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name of the program.
    pub name: String,
    /// The kind of work.
    pub work: String,
    /// The package with its registry and version.
    pub source: String,
    /// The licence of the package.
    pub licence: String,
    /// Times of the run.
    pub engines: BTreeMap<EngineName, Times>,
    /// Times of compilation.
    pub compile: BTreeMap<EngineName, Times>,
    /// Digests of results and memory that are not the first engine's, by engine.
    pub wrong: BTreeMap<EngineName, String>,
}

impl Row {
    /// The time of an engine relative to the yardstick's, from the least times.
    pub fn ratio(&self, engine: EngineName) -> Option<f64> {
        let yardstick = self.engines.get(&EngineName::Cranelift)?;
        Some(self.engines.get(&engine)?.ratio(yardstick))
    }
}

/// Runs every program in every engine, interleaved. Programs are fetched before.
pub fn measure(arguments: &Arguments) -> Result<Vec<Row>, String> {
    let options = &arguments.options;
    let engines = options.engines(|it| ENGINES.contains(&it))?;
    let mut rows = Vec::new();
    each(arguments, |package, program, wasm| {
        eprintln!("public: {} ...", program.name);
        let row = row(package, program, wasm, &engines, options.runs);
        rows.push(row.map_err(|error| format!("{}: {error}", program.name))?);
        Ok(())
    })?;
    Ok(rows)
}

/// Writes the modules to a folder.
pub fn write(arguments: &Arguments, folder: &Path) -> Result<bool, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    each(arguments, |_, program, wasm| {
        let file = folder.join(format!("{}.wasm", program.name));
        std::fs::write(&file, wasm).map_err(|error| format!("{}: {error}", file.display()))
    })?;
    Ok(true)
}

/// Calls the function with each program whose name contains the filter, and its module.
fn each(
    arguments: &Arguments,
    mut work: impl FnMut(&Package, &Program, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let list = match &arguments.list {
        Some(file) => List::read(file)?,
        None => List::parse(LIST)?,
    };
    let default = || repository().join("bench/target/public");
    let cache = Cache::new(arguments.cache.clone().unwrap_or_else(default));
    for package in &list.packages {
        for program in &package.programs {
            if program.name.contains(&arguments.options.filter) {
                let wasm = cache.wasm(package, program)?;
                let module = module::module(program, &wasm);
                let module = module.map_err(|error| format!("{}: {error}", program.name))?;
                work(package, program, &module)?;
            }
        }
    }
    Ok(())
}

fn row(
    package: &Package,
    program: &Program,
    wasm: &[u8],
    engines: &[EngineName],
    runs: u32,
) -> Result<Row, String> {
    let mut row = Row {
        name: program.name.clone(),
        work: program.work.clone(),
        source: package.source(),
        licence: package.licence.clone(),
        engines: BTreeMap::new(),
        compile: BTreeMap::new(),
        wrong: BTreeMap::new(),
    };
    let mut compiled = Vec::new();
    for &name in engines {
        let describe = |error: String| format!("{name}: {error}");
        // The other engines take the whole language as well.
        let engine = match name {
            EngineName::Ours => engines::every_feature(false),
            other => other.open()?,
        };
        let wasm = engine.adapt(wasm).map_err(describe)?;
        let mut samples = Samples::default();
        let mut last = None;
        for _ in 0..runs.clamp(1, 3) {
            let (result, time) = timed(|| engine.compile(&wasm));
            last = Some(result.map_err(describe)?);
            samples.push(time);
        }
        row.compile.insert(name, samples.times());
        compiled.extend(last.map(|it| (name, it, Samples::default())));
    }
    let mut known: Option<Outcome> = None;
    for _ in 0..runs.max(1) {
        for (name, compiled, samples) in &mut compiled {
            let (outcome, time) =
                once(compiled.as_ref()).map_err(|error| format!("{name}: {error}"))?;
            samples.push(time);
            match &known {
                None => known = Some(outcome),
                Some(known) if *known != outcome => {
                    row.wrong
                        .insert(*name, format!("{outcome:x?}, not {known:x?}"));
                }
                Some(_) => {}
            }
        }
    }
    let times = compiled
        .iter()
        .map(|(name, _, samples)| (*name, samples.times()));
    row.engines = times.collect();
    Ok(row)
}

/// What a run left: the digest of its results and that of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    results: Option<u64>,
    memory: Option<u64>,
}

/// One run in a fresh instance, with its time.
fn once(compiled: &dyn Compiled) -> Result<(Outcome, std::time::Duration), String> {
    let mut instance = compiled.instantiate()?;
    instance
        .call(SETUP)
        .map_err(|error| format!("in the setup: {error}"))?;
    let (results, time) = timed(|| instance.call(RUN));
    let results = results?;
    let memory = instance.call(DIGEST)?;
    Ok((Outcome { results, memory }, time))
}

/// Whether all engines came to the same.
pub fn all_right(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.wrong.is_empty())
}

/// The rows, the slowest beside the yardstick first.
pub fn worst_first(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    let ratio = |row: &Row| row.ratio(EngineName::Ours).unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
    rows
}

/// The geometric mean of [`Row::ratio`].
pub fn mean(rows: &[Row], engine: EngineName) -> Option<f64> {
    geometric_mean(rows.iter().filter_map(|row| row.ratio(engine)))
}

/// The table, worst first.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let mut engines = EngineName::keys_of(rows.iter().map(|row| &row.engines));
    engines.retain(|&it| it != EngineName::Cranelift);
    let headings = ["program", "package", "work", "Cranelift ms"].map(str::to_owned);
    let mut table = Table::new(
        "Execution of programs that others published, times of Cranelift's, worst first",
        headings
            .into_iter()
            .chain(engines.iter().map(ToString::to_string)),
    );
    for row in worst_first(rows) {
        let yardstick = row.engines.get(&EngineName::Cranelift).map(Times::least_ms);
        let mut cells = vec![
            row.name.clone(),
            row.source.clone(),
            row.work.clone(),
            number(yardstick, 2),
        ];
        cells.extend(engines.iter().map(|&engine| number(row.ratio(engine), 2)));
        table.row(cells);
        for (engine, outcome) in &row.wrong {
            table
                .notes
                .push(format!("DIFFERENT {}: {engine}: {outcome}", row.name));
        }
    }
    if !rows.is_empty() {
        let mut cells = ["geometric mean", "", "", ""].map(str::to_owned).to_vec();
        cells.extend(engines.iter().map(|&engine| number(mean(rows, engine), 2)));
        table.row(cells);
    }
    vec![table]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::list::Registry;

    /// A program of which every engine should make the same.
    fn measured(engines: &[EngineName]) -> Row {
        let text = r#"(module (memory 1)
            (func (export "sum") (param i32) (result i64) (local i64)
                (loop (local.set 1 (i64.add (local.get 1) (i64.extend8_s (i64.load8_u (local.get 0)))))
                    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get 1)))"#;
        let program = Program {
            name: "sum".to_owned(),
            work: String::new(),
            file: String::new(),
            sha256: String::new(),
            globals: BTreeMap::new(),
            imports: BTreeMap::new(),
            arguments: Vec::new(),
            setup: "@random(0, 1000)".to_owned(),
            run: "loop 3\nsum(1000)\nend\n@store32(0, 5)".to_owned(),
        };
        let package = Package {
            registry: Registry::Npm,
            name: "sum".to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT".to_owned(),
            programs: vec![program.clone()],
        };
        let module = module::module(&program, &wat::parse_str(text).unwrap()).unwrap();
        row(&package, &program, &module, engines, 2).unwrap()
    }

    #[test]
    fn engines_come_to_the_same() {
        let built_in = |it: &EngineName| it.built_in();
        let engines: Vec<EngineName> = ENGINES.into_iter().filter(built_in).collect();
        let row = measured(&engines);
        assert!(row.wrong.is_empty(), "{:?}", row.wrong);
        assert_eq!(row.engines.len(), engines.len());
        assert!(row.engines.values().all(|it| it.samples == 2));
    }

    #[test]
    fn the_worst_is_first_and_a_difference_is_seen() {
        let times = |least_ns| Times {
            least_ns,
            ..Times::default()
        };
        let with = |name: &str, ours| Row {
            name: name.to_owned(),
            engines: [
                (EngineName::Ours, times(ours)),
                (EngineName::Cranelift, times(10)),
            ]
            .into(),
            ..measured(&[EngineName::Ours])
        };
        let mut rows = vec![with("fast", 5), with("slow", 20)];
        let table = &tables(&rows)[0];
        let names: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(names, ["program", "slow", "fast", "geometric mean"]);
        assert_eq!(table.rows[3].last().unwrap(), "1.00");
        assert!(all_right(&rows));
        rows[1].wrong.insert(EngineName::Ours, "x".to_owned());
        assert!(!all_right(&rows));
        assert!(tables(&rows)[0].notes[0].starts_with("DIFFERENT slow: ours"));
    }
}
