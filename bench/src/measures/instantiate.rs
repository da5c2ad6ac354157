//! Instantiation of a compiled module, repeated: imports are linked to stubs, memory and table are allocated and
//! initialised. The time includes dropping the instance.

use crate::engines::EngineName;
use crate::measure::{Samples, Times, timed};
use crate::modules;
use crate::options::Options;
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The measurements of a module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// `PVFs`, `fixtures` or `guests`.
    pub group: String,
    /// Name of the module in its group.
    pub name: String,
    /// Times of making and dropping one instance.
    pub engines: BTreeMap<EngineName, Times>,
}

/// Number of instances in one sample, because reading the CPU clock takes time itself.
const BATCH: u32 = 10;

/// Instantiates every module with every engine, interleaved.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let engines = options.engines(EngineName::has_code_of_its_own)?;
    let mut rows = Vec::new();
    for input in modules::inputs(options)? {
        eprintln!("instantiate: {} {} ...", input.group, input.name);
        let mut turns = Vec::new();
        for &name in &engines {
            let engine = name.open()?;
            let compiled = engine
                .adapt(&input.wasm)
                .and_then(|wasm| engine.compile(&wasm));
            let compiled = compiled.map_err(|error| format!("{}, {name}: {error}", input.name))?;
            turns.push((name, compiled, Samples::default()));
        }
        // The first instance of each engine does not count, because it causes page faults for the code.
        for round in 0..=options.runs.max(1) * 4 {
            for (name, compiled, samples) in &mut turns {
                let (made, time) =
                    timed(|| (0..BATCH).try_for_each(|_| compiled.instantiate().map(drop)));
                made.map_err(|error| format!("{}, {name}: {error}", input.name))?;
                if round > 0 {
                    samples.push(time / BATCH);
                }
            }
        }
        rows.push(Row {
            group: input.group.to_owned(),
            name: input.name.clone(),
            engines: turns
                .iter()
                .map(|(name, _, samples)| (*name, samples.times()))
                .collect(),
        });
    }
    Ok(rows)
}

/// Table in microseconds.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let engines = EngineName::keys_of(rows.iter().map(|row| &row.engines));
    let headings = ["module".to_owned()].into_iter();
    let mut table = Table::new(
        "Instantiation, µs: least, median",
        headings.chain(engines.iter().map(ToString::to_string)),
    );
    for row in rows {
        let mut cells = vec![format!("{} {}", row.group, row.name)];
        let micro = |ns: u64| number(Some(ns as f64 / 1e3), 1);
        cells.extend(engines.iter().map(|engine| match row.engines.get(engine) {
            Some(times) => format!("{}, {}", micro(times.least_ns), micro(times.median_ns)),
            None => "-".to_owned(),
        }));
        table.row(cells);
    }
    vec![table]
}
