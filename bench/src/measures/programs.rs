//! The time of one run of guests and loops in a warm instance. Their results are known.

use crate::engine::Instance;
use crate::engines::EngineName;
use crate::guests::{self, Guest};
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::options::Options;
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The measurements of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name of the program.
    pub name: String,
    /// The kind of work it stands for.
    pub work: String,
    /// Whether it is a hand-written loop.
    pub is_loop: bool,
    /// Times of one run.
    pub engines: BTreeMap<EngineName, Times>,
    /// Engines with a wrong result, and that result.
    pub wrong: BTreeMap<EngineName, String>,
}

/// Runs every program in every engine, interleaved.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let engines = options.engines(EngineName::has_code_of_its_own)?;
    let mut rows = Vec::new();
    for guest in guests::matching(&options.filter) {
        eprintln!("programs: {} ...", guest.name);
        rows.push(row(guest, &engines, options.runs)?);
    }
    Ok(rows)
}

fn row(guest: &Guest, engines: &[EngineName], runs: u32) -> Result<Row, String> {
    let describe = |name: EngineName, error: String| format!("{}, {name}: {error}", guest.name);
    let wasm = guest.wasm()?;
    let mut instances = Vec::new();
    let mut wrong = BTreeMap::new();
    for &name in engines {
        let mut instance = start(name, &wasm).map_err(|error| describe(name, error))?;
        // The first run causes page faults for memory and code. Its result is checked.
        let result = instance
            .call("run")
            .map_err(|error| describe(name, error))?;
        if result != Some(guest.result) {
            wrong.insert(name, format!("{result:x?}"));
        }
        instances.push((name, instance, Samples::default()));
    }
    for _ in 0..runs.max(1) {
        for (name, instance, samples) in &mut instances {
            let (result, time) = timed(|| instance.call("run"));
            result.map_err(|error| describe(*name, error))?;
            samples.push(time);
        }
    }
    let times = instances
        .iter()
        .map(|(name, _, samples)| (*name, samples.times()));
    Ok(Row {
        name: guest.name.to_owned(),
        work: guest.work.to_owned(),
        is_loop: guest.is_loop(),
        engines: times.collect(),
        wrong,
    })
}

/// A fresh instance, initialised.
fn start(engine: EngineName, wasm: &[u8]) -> Result<Box<dyn Instance>, String> {
    let engine = engine.open()?;
    let compiled = engine.compile(&engine.adapt(wasm)?)?;
    let mut instance = compiled.instantiate()?;
    if instance.has("initialize") {
        instance.call("initialize")?;
    }
    Ok(instance)
}

/// Whether all results were the known ones.
pub fn all_right(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.wrong.is_empty())
}

/// Tables of the times of one run, and of the engines' ratios.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let (loops, guests): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_loop);
    vec![
        table("Execution of guest programs, ms of one run", &guests),
        table("Execution of single loops, ms of one run", &loops),
        relative("Execution of guest programs, times of Cranelift's", &guests),
        relative("Execution of single loops, times of Cranelift's", &loops),
    ]
}

fn engines(rows: &[&Row]) -> Vec<EngineName> {
    let present = |it: &EngineName| rows.iter().any(|row| row.engines.contains_key(it));
    EngineName::ALL.into_iter().filter(present).collect()
}

fn table(title: &str, rows: &[&Row]) -> Table {
    let engines = engines(rows);
    let headings = engines.iter().map(|it| format!("{it}: least, median"));
    let mut table = Table::new(title, ["program".to_owned()].into_iter().chain(headings));
    for row in rows {
        let mut cells = vec![row.name.clone()];
        cells.extend(engines.iter().map(|engine| match row.engines.get(engine) {
            Some(times) => format!("{:.3}, {}", times.least_ms(), times.spread_text()),
            None => "-".to_owned(),
        }));
        table.row(cells);
        for (engine, result) in &row.wrong {
            table.notes.push(format!(
                "DIFFERENT {}: {engine} returned {result}",
                row.name
            ));
        }
    }
    table
}

/// The time of an engine relative to the yardstick, from the least times.
pub fn ratio(row: &Row, engine: EngineName) -> Option<f64> {
    let yardstick = row.engines.get(&EngineName::Cranelift)?;
    Some(row.engines.get(&engine)?.ratio(yardstick))
}

/// The geometric mean of [`ratio`] over rows.
pub fn mean(rows: &[&Row], engine: EngineName) -> Option<f64> {
    geometric_mean(rows.iter().filter_map(|row| ratio(row, engine)))
}

fn relative(title: &str, rows: &[&Row]) -> Table {
    let mut engines = engines(rows);
    engines.retain(|&it| it != EngineName::Cranelift);
    let headings = ["program", "Cranelift ms"].map(str::to_owned).into_iter();
    let mut table = Table::new(
        title,
        headings.chain(engines.iter().map(ToString::to_string)),
    );
    if engines.iter().all(|&it| mean(rows, it).is_none()) {
        return table;
    }
    for row in rows {
        let yardstick = row.engines.get(&EngineName::Cranelift);
        let mut cells = vec![row.name.clone(), number(yardstick.map(Times::least_ms), 3)];
        cells.extend(engines.iter().map(|&engine| number(ratio(row, engine), 2)));
        table.row(cells);
    }
    let mut cells = vec!["geometric mean".to_owned(), String::new()];
    cells.extend(engines.iter().map(|&engine| number(mean(rows, engine), 2)));
    table.row(cells);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::{GUESTS, LOOPS};

    #[test]
    fn every_engine_returns_the_known_result() {
        let engines: Vec<EngineName> = EngineName::ALL
            .into_iter()
            .filter(|it| it.built_in())
            .collect();
        for guest in GUESTS.iter().chain(LOOPS) {
            let row = row(guest, &engines, 1).unwrap();
            assert!(row.wrong.is_empty(), "{}: {:x?}", row.name, row.wrong);
            assert_eq!(row.engines.len(), engines.len());
        }
    }

    #[test]
    fn a_wrong_result_is_seen() {
        let mut guest = GUESTS[8];
        guest.result = 1;
        let row = row(&guest, &[EngineName::Ours], 1).unwrap();
        assert!(!all_right(std::slice::from_ref(&row)));
        let notes = &tables(&[row])[0].notes;
        assert!(notes[0].starts_with("DIFFERENT fib: ours"), "{notes:?}");
    }

    #[test]
    fn ratios_use_the_least_times() {
        let times = |least_ns| Times {
            least_ns,
            ..Times::default()
        };
        let engines = [
            (EngineName::Ours, times(30)),
            (EngineName::Cranelift, times(20)),
        ];
        let row = Row {
            name: "x".into(),
            work: String::new(),
            is_loop: false,
            engines: engines.into(),
            wrong: BTreeMap::new(),
        };
        assert_eq!(ratio(&row, EngineName::Ours), Some(1.5));
        assert_eq!(ratio(&row, EngineName::Winch), None);
    }
}
