//! The costs around the code: host calls, loading, linking, instantiation, for every engine with host functions.

use crate::corpus;
use crate::engine::{Ended, Loaded};
use crate::engines::EngineName;
use crate::measure::{Samples, Times, timed};
use crate::measures::execute::{self, able};
use crate::options::Options;
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Number of calls in one execution of a loop.
const CALLS: u32 = 200_000;

/// The minimum number of executions in each measurement; `--runs` may ask for more.
const LEAST_RUNS: u32 = 20;

/// The body of the empty loop, whose time is subtracted from the others.
const NOTHING: &str = "(local.set $x (i32.add (local.get $x) (i32.const 1)))";

/// The body of each loop: name, text. `$x` is a local.
const LOOPS: &[(&str, &str)] = &[
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

/// A measurement of the boundary between host and code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The part of the boundary.
    pub part: Part,
    /// Name of the host calls, or of the validation function.
    pub name: String,
    /// Number of operations that the times cover. The time of the empty loop is subtracted from those of host calls.
    pub count: u32,
    /// Times of all `count` operations.
    pub engines: BTreeMap<EngineName, Times>,
    /// Sizes of the files that are loaded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_bytes: BTreeMap<EngineName, u64>,
}

/// A part of the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Calls of host functions.
    HostCalls,
    /// Loading a file from the page cache, until it can be linked.
    Load,
    /// Binding Polkadot's host functions.
    Bind,
    /// Making and dropping an instance without running anything.
    Instance,
}

/// The work of each engine.
type Turns<'a> = Vec<(EngineName, Box<dyn FnMut() -> Result<(), String> + 'a>)>;

/// Measures host calls, then loading, linking and instances of the corpora's validation functions.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let engines = options.engines(able)?;
    let mut rows = host_calls(&engines, options)?;
    for (folder, group) in options.corpora() {
        for blob in corpus::blobs(&folder, &options.filter)? {
            eprintln!("boundary: {group} {} ...", blob.name);
            let name = format!("{group} {}", blob.name);
            rows.extend(loading(&name, &blob.wasm, &engines, options.runs)?);
        }
    }
    Ok(rows)
}

fn by_turns(
    what: &str,
    mut turns: Turns<'_>,
    runs: u32,
) -> Result<BTreeMap<EngineName, Times>, String> {
    let mut samples = vec![Samples::default(); turns.len()];
    for round in 0..=runs.max(LEAST_RUNS) {
        for ((name, turn), samples) in turns.iter_mut().zip(&mut samples) {
            let (done, time) = timed(turn);
            done.map_err(|error| format!("{what}, {name}: {error}"))?;
            // The first execution causes page faults for memory and code, so it does not count.
            if round > 0 {
                samples.push(time);
            }
        }
    }
    let times = turns.iter().zip(&samples);
    Ok(times
        .map(|((name, _), samples)| (*name, samples.times()))
        .collect())
}

/// Measures the same loop with different calls, minus the loop without calls.
fn host_calls(engines: &[EngineName], options: &Options) -> Result<Vec<Row>, String> {
    let times = |name: &str, turn: &str| {
        let wasm = wat::parse_str(loop_module(turn)).map_err(|error| error.to_string())?;
        let pvfs = execute::prepare(&wasm, engines)?;
        let turns = pvfs.iter().map(|(engine, pvf)| {
            let turn = || match pvf.execute(&[])? {
                Ended::Returned(_) => Ok(()),
                Ended::Trapped(kind) => Err(kind.name().to_owned()),
            };
            (*engine, Box::new(turn) as Box<dyn FnMut() -> _>)
        });
        by_turns(name, turns.collect(), options.runs)
    };
    eprintln!("boundary: host calls ...");
    let nothing = times("nothing", NOTHING)?;
    let mut rows = Vec::new();
    for (name, turn) in LOOPS {
        let mut engines = times(name, turn)?;
        for (engine, times) in &mut engines {
            *times = times.without(&nothing[engine]);
        }
        rows.push(Row {
            part: Part::HostCalls,
            name: (*name).to_owned(),
            count: CALLS,
            engines,
            file_bytes: BTreeMap::new(),
        });
    }
    Ok(rows)
}

/// A validation function that runs this number of iterations and returns an empty result.
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

/// Measures a validation function from its file to an instance, step by step.
fn loading(name: &str, wasm: &[u8], engines: &[EngineName], runs: u32) -> Result<Vec<Row>, String> {
    let mut stored = Vec::new();
    let mut file_bytes = BTreeMap::new();
    for &engine in engines {
        let file =
            Stored::new(engine, wasm).map_err(|error| format!("{name}, {engine}: {error}"))?;
        file_bytes.insert(engine, file.bytes()?);
        stored.push((engine, file));
    }
    let row = |part, turns, file_bytes| {
        Ok::<_, String>(Row {
            part,
            name: name.to_owned(),
            count: 1,
            engines: by_turns(name, turns, runs)?,
            file_bytes,
        })
    };
    let load = turns(&stored, |file| file.load().map(drop));
    let load = row(Part::Load, load, file_bytes)?;

    let loaded = each(&stored, |file| file.load())?;
    let bind = turns(&loaded, |module| module.bind().map(drop));
    let bind = row(Part::Bind, bind, BTreeMap::new())?;

    let linked = each(&loaded, |module| module.link())?;
    let instance = turns(&linked, |linked| linked.instantiate());
    let instance = row(Part::Instance, instance, BTreeMap::new())?;
    Ok(vec![load, bind, instance])
}

/// Measures the next step of each engine.
fn each<T, R>(
    of: &[(EngineName, T)],
    step: impl Fn(&T) -> Result<R, String>,
) -> Result<Vec<(EngineName, R)>, String> {
    let steps = of.iter().map(|(engine, it)| {
        let done = step(it).map_err(|error| format!("{engine}: {error}"))?;
        Ok((*engine, done))
    });
    steps.collect()
}

/// Measures the same work for each engine.
fn turns<'a, T>(
    of: &'a [(EngineName, T)],
    work: impl Fn(&T) -> Result<(), String> + Copy + 'a,
) -> Turns<'a> {
    let turns = of.iter().map(|(engine, it)| {
        let turn: Box<dyn FnMut() -> _> = Box::new(move || work(it));
        (*engine, turn)
    });
    turns.collect()
}

/// An engine's code of a module in a file of the system's temporary folder, which is removed on drop.
struct Stored {
    engine: Box<dyn crate::engine::Engine>,
    file: PathBuf,
}

impl Stored {
    fn new(name: EngineName, wasm: &[u8]) -> Result<Self, String> {
        let file = format!("pvf-bench-{}.{name}", std::process::id());
        let stored = Self {
            engine: name.open()?,
            file: std::env::temp_dir().join(file),
        };
        let wasm = stored.engine.adapt(wasm)?;
        stored.files()?.store(&wasm, &stored.file)?;
        Ok(stored)
    }

    fn files(&self) -> Result<&dyn crate::engine::Files, String> {
        let files = self.engine.files();
        files.ok_or_else(|| "keeps no code in files".to_owned())
    }

    fn load(&self) -> Result<Box<dyn Loaded>, String> {
        self.files()?.load(&self.file)
    }

    fn bytes(&self) -> Result<u64, String> {
        let metadata = std::fs::metadata(&self.file);
        metadata
            .map(|it| it.len())
            .map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // The file does not exist if it could not be written.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// A table for each part, and one for the file sizes.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let part = |part, title, ns| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.part == part).collect();
        table(title, &rows, ns)
    };
    vec![
        part(
            Part::HostCalls,
            "Host calls, ns of a turn, without the loop around it",
            1.0,
        ),
        part(Part::Load, "Loading compiled code from a file, µs", 1e3),
        files(rows),
        part(Part::Bind, "Binding Polkadot's host functions, µs", 1e3),
        part(Part::Instance, "An instance made and dropped, µs", 1e3),
    ]
}

fn engines(rows: &[&Row]) -> Vec<EngineName> {
    EngineName::keys_of(rows.iter().map(|row| &row.engines))
}

fn table(title: &str, rows: &[&Row], unit_ns: f64) -> Table {
    let engines = engines(rows);
    let mut pairs = EngineName::PAIRS.to_vec();
    pairs.retain(|(a, b)| engines.contains(a) && engines.contains(b));
    let headings = ["".to_owned()].into_iter();
    let headings = headings.chain(engines.iter().map(ToString::to_string));
    let headings = headings.chain(pairs.iter().map(|(a, b)| format!("{a}/{b}")));
    let mut table = Table::new(title, headings);
    for row in rows {
        let each = |times: &Times| times.least_ns as f64 / f64::from(row.count) / unit_ns;
        let mut cells = vec![row.name.clone()];
        cells.extend(
            engines
                .iter()
                .map(|it| number(row.engines.get(it).map(each), 1)),
        );
        cells.extend(pairs.iter().map(|(a, b)| {
            let both = row.engines.get(a).zip(row.engines.get(b));
            number(both.map(|(a, b)| a.ratio(b)), 2)
        }));
        table.row(cells);
    }
    table
}

fn files(rows: &[Row]) -> Table {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| !row.file_bytes.is_empty())
        .collect();
    let engines = engines(&rows);
    let headings = [String::new()].into_iter();
    let headings = headings.chain(engines.iter().map(ToString::to_string));
    let mut table = Table::new("Files of compiled code, KiB", headings);
    for row in rows {
        let kib = |it: &EngineName| row.file_bytes.get(it).map(|&bytes| bytes as f64 / 1024.0);
        let mut cells = vec![row.name.clone()];
        cells.extend(engines.iter().map(|it| number(kib(it), 0)));
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engines() -> Vec<EngineName> {
        let usable = |it: &EngineName| it.built_in() && able(*it);
        EngineName::ALL.into_iter().filter(usable).collect()
    }

    #[test]
    fn every_loop_returns_in_every_engine() {
        for (name, turn) in LOOPS.iter().chain(&[("nothing", NOTHING)]) {
            let wasm = wat::parse_str(loop_module(turn)).unwrap();
            for (engine, pvf) in execute::prepare(&wasm, &engines()).unwrap() {
                let ended = pvf.execute(&[]).unwrap();
                assert!(
                    matches!(ended, Ended::Returned(_)),
                    "{name}, {engine}: {ended:?}"
                );
            }
        }
    }

    #[test]
    fn loaded_code_behaves_like_the_stored_code() {
        let (_, turn) = LOOPS[6];
        let wasm = wat::parse_str(loop_module(turn)).unwrap();
        for engine in engines() {
            let stored = Stored::new(engine, &wasm).unwrap();
            let file = stored.file.clone();
            assert_eq!(stored.bytes().unwrap(), file.metadata().unwrap().len());
            let loaded = stored.load().unwrap();
            loaded.link().unwrap().instantiate().unwrap();
            let ended = loaded.bind().unwrap().execute(&[]).unwrap();
            let prepared = execute::prepare(&wasm, &[engine]).unwrap();
            assert_eq!(ended, prepared[0].1.execute(&[]).unwrap());
            drop(stored);
            assert!(!file.exists());
        }
    }

    #[test]
    fn a_time_is_per_operation_without_the_empty_loop() {
        let times = |least_ns| Times {
            least_ns,
            ..Times::default()
        };
        let row = Row {
            part: Part::HostCalls,
            name: "call".into(),
            count: 10,
            engines: [
                (EngineName::Ours, times(100)),
                (EngineName::Cranelift, times(400)),
            ]
            .into(),
            file_bytes: BTreeMap::new(),
        };
        let rows = &tables(&[row])[0].rows;
        assert_eq!(rows[1], ["call", "10.0", "40.0", "0.25"]);
    }
}
