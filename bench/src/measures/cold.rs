//! The whole path once, starting from Wasm: compilation, an instance, one execution. Guests execute `run`; validation
//! functions execute the first candidate that has a result.

use crate::corpus::{self, Expected};
use crate::engines::EngineName;
use crate::guests::{GUESTS, Guest};
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::measures::execute;
use crate::options::Options;
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A module and its execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// `PVFs`, `fixtures` or `guests`.
    pub group: String,
    /// Name of the module in its group; the name of a validation function includes the candidate's.
    pub name: String,
    /// Times of the whole path.
    pub engines: BTreeMap<EngineName, Times>,
}

/// Runs the whole path for every module with every engine that can execute it, interleaved.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let mut rows = validation_functions(options)?;
    let engines = options.engines(EngineName::has_code_of_its_own)?;
    for guest in GUESTS
        .iter()
        .filter(|guest| guest.name.contains(&options.filter))
    {
        eprintln!("cold: {} ...", guest.name);
        let mut samples = vec![Samples::default(); engines.len()];
        for _ in 0..options.runs.max(1) {
            for (&name, samples) in engines.iter().zip(&mut samples) {
                samples.push(
                    guest_once(guest, name)
                        .map_err(|error| format!("{}, {name}: {error}", guest.name))?,
                );
            }
        }
        rows.push(row("guests", guest.name, &engines, &samples));
    }
    Ok(rows)
}

fn row(group: &str, name: &str, engines: &[EngineName], samples: &[Samples]) -> Row {
    let engines = engines.iter().zip(samples);
    Row {
        group: group.to_owned(),
        name: name.to_owned(),
        engines: engines
            .map(|(&name, samples)| (name, samples.times()))
            .collect(),
    }
}

fn guest_once(guest: &Guest, name: EngineName) -> Result<std::time::Duration, String> {
    let engine = name.open()?;
    let wasm = guest.wasm()?;
    let wasm = engine.adapt(&wasm)?;
    let (done, time) = timed(|| {
        let mut instance = engine.compile(&wasm)?.instantiate()?;
        if instance.has("initialize") {
            instance.call("initialize")?;
        }
        instance.call("run")
    });
    match done? {
        Some(result) if result == guest.result => Ok(time),
        other => Err(format!("returned {other:x?}")),
    }
}

fn validation_functions(options: &Options) -> Result<Vec<Row>, String> {
    let engines = options.engines(execute::able)?;
    let mut rows = Vec::new();
    for (folder, group) in options.corpora() {
        for blob in corpus::blobs(&folder, &options.filter)? {
            let returned = |expected: &Expected| matches!(expected, Expected::Returned(_));
            let Some(case) = blob.cases.iter().find(|case| returned(&case.expected)) else {
                continue;
            };
            let name = format!("{}/{}", blob.name, case.name);
            eprintln!("cold: {group} {name} ...");
            let parameters = case.parameters()?;
            let mut samples = vec![Samples::default(); engines.len()];
            for _ in 0..options.runs.max(1) {
                for (&engine, samples) in engines.iter().zip(&mut samples) {
                    let (done, time) = timed(|| {
                        let pvfs = execute::prepare(&blob.wasm, &[engine])?;
                        pvfs[0].1.execute(&parameters)
                    });
                    if let Some(text) = execute::difference(&case.expected, &done) {
                        return Err(format!("{name}, {engine}: {text}"));
                    }
                    samples.push(time);
                }
            }
            rows.push(row(group, &name, &engines, &samples));
        }
    }
    Ok(rows)
}

/// Milliseconds, and the ratio to this executor's time.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let engines = EngineName::keys_of(rows.iter().map(|row| &row.engines));
    let headings = ["module".to_owned()].into_iter();
    let mut table = Table::new(
        "Cold total (compile, instantiate, execute once): least ms, and times ours",
        headings.chain(engines.iter().map(ToString::to_string)),
    );
    let by_ours = |row: &Row, engine| {
        let ours = row.engines.get(&EngineName::Ours)?;
        Some(row.engines.get(&engine)?.ratio(ours))
    };
    for row in rows {
        let mut cells = vec![format!("{} {}", row.group, row.name)];
        cells.extend(engines.iter().map(|&engine| {
            let ms = number(row.engines.get(&engine).map(Times::least_ms), 2);
            match by_ours(row, engine) {
                Some(ratio) if engine != EngineName::Ours => format!("{ms} ({ratio:.1}x)"),
                _ => ms,
            }
        }));
        table.row(cells);
    }
    for group in ["PVFs", "fixtures", "guests"] {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
        for &engine in engines.iter().filter(|&&it| it != EngineName::Ours) {
            if let Some(mean) = geometric_mean(rows.iter().filter_map(|row| by_ours(row, engine))) {
                table.notes.push(format!(
                    "{group}, {engine}: {mean:.1} times ours in the geometric mean"
                ));
            }
        }
    }
    vec![table]
}
