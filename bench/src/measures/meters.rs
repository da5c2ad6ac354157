//! The cost of this executor's meters: the same code with and without them, interleaved. Also the cost of the native
//! stack check, which is always enabled, and the benefit of loop idioms.
//!
//! Programs run in one instance, each candidate in a fresh one. Gas is counted without a limit, the logical stack with
//! Polkadot's limit.

use crate::corpus::{self, Blob, Case, Expected};
use crate::engine::{Engine, Instance, Pvf};
use crate::engines::ours::Ours;
use crate::guests::{self, Guest};
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::measures::execute::{difference, silence_host_panics};
use crate::options::Options;
use crate::table::{Table, number};
use pvf_compiler::{CompileOptions, NativeStack};
use pvf_rules::{Features, TrapKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Short work is repeated until its total time reaches this duration.
const LEAST_TOTAL: Duration = Duration::from_millis(200);
const MOST_RUNS: u32 = 200;

/// How a module is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// The default options, without meters.
    Plain,
    /// Without the check of the native stack.
    Unchecked,
    /// Counting the logical stack.
    LogicalStack,
    /// Counting gas.
    Gas,
    /// Counting both.
    Both,
    /// Loops that copy, fill or compare run iteration by iteration.
    WithoutIdioms,
}

use Variant::{Both, Gas, LogicalStack, Plain, Unchecked, WithoutIdioms};

impl Variant {
    const ALL: [Self; 6] = [Plain, Unchecked, LogicalStack, Gas, Both, WithoutIdioms];

    fn engine(self) -> Ours {
        let options = CompileOptions::new(Features::POLKADOT);
        match self {
            Plain => Ours::plain(),
            Unchecked => Ours::new(CompileOptions {
                native_stack: NativeStack::Unchecked,
                ..options
            }),
            LogicalStack => Ours::metered(true, false),
            Gas => Ours::metered(false, true),
            Both => Ours::metered(true, true),
            WithoutIdioms => Ours::new(CompileOptions {
                loop_idioms: false,
                ..options
            }),
        }
    }
}

/// The comparisons: a heading, a variant, and the variant that it is relative to.
const COMPARED: [(&str, Variant, Variant); 5] = [
    ("native check", Plain, Unchecked),
    ("logical", LogicalStack, Plain),
    ("gas", Gas, Plain),
    ("both", Both, Plain),
    ("idioms off", WithoutIdioms, Plain),
];

/// The measurements of a program or candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// `guests`, `loops`, `PVFs` or `fixtures`.
    pub group: String,
    /// Name of the module in its group.
    pub name: String,
    /// Times of one run. A run that ends with a stack overflow has no time without the check.
    pub times: BTreeMap<Variant, Times>,
    /// Sizes of the code.
    pub code_bytes: BTreeMap<Variant, usize>,
    /// Variants with an unexpected outcome, and that outcome.
    pub wrong: BTreeMap<Variant, String>,
}

impl Row {
    /// The time of a variant relative to another, from the least times.
    pub fn ratio(&self, variant: Variant, other: Variant) -> Option<f64> {
        Some(self.times.get(&variant)?.ratio(self.times.get(&other)?))
    }

    /// As [`Self::ratio`], from the medians.
    pub fn median_ratio(&self, variant: Variant, other: Variant) -> Option<f64> {
        let (variant, other) = (self.times.get(&variant)?, self.times.get(&other)?);
        Some(variant.median_ratio(other))
    }

    fn growth(&self, variant: Variant) -> Option<f64> {
        let (code, plain) = (self.code_bytes.get(&variant)?, self.code_bytes.get(&Plain)?);
        Some(*code as f64 / *plain as f64)
    }
}

/// Whether all outcomes were the expected ones.
pub fn all_right(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.wrong.is_empty())
}

/// Measures programs, then candidates.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    if let Some(other) = options.engines.iter().find(|it| !it.is_ours()) {
        return Err(format!("meters: of ours, not of {other}"));
    }
    silence_host_panics();
    let mut rows = Vec::new();
    for guest in guests::matching(&options.filter) {
        eprintln!("meters: {} ...", guest.name);
        rows.push(
            program(guest, options.runs).map_err(|error| format!("{}: {error}", guest.name))?,
        );
    }
    for (folder, group) in options.corpora() {
        for blob in corpus::blobs(&folder, &options.filter)? {
            if !blob.cases.is_empty() {
                eprintln!("meters: {group} {} ...", blob.name);
                candidates(group, &blob, options.runs, &mut rows)
                    .map_err(|error| format!("{}: {error}", blob.name))?;
            }
        }
    }
    Ok(rows)
}

fn program(guest: &Guest, runs: u32) -> Result<Row, String> {
    let wasm = guest.wasm()?;
    let mut instances = Vec::new();
    let mut code_bytes = BTreeMap::new();
    let mut wrong = BTreeMap::new();
    for variant in Variant::ALL {
        let compiled = variant.engine().compile(&wasm)?;
        code_bytes.extend(compiled.code_bytes().map(|bytes| (variant, bytes)));
        let mut instance = compiled.instantiate()?;
        if instance.has("initialize") {
            instance.call("initialize")?;
        }
        // Only the first run's result is known: some programs leave a changed memory to the next run.
        let first = instance.call("run");
        if first != Ok(Some(guest.result)) {
            wrong.insert(variant, format!("{first:x?}"));
        }
        instances.push((variant, instance));
    }
    let run = |instance: &mut Box<dyn Instance>| instance.call("run");
    let failed = |result: &Result<Option<u64>, String>| result.clone().err();
    let (times, failures) = by_turns(&mut instances, run, failed, runs);
    wrong.extend(failures);
    Ok(Row {
        group: if guest.is_loop() { "loops" } else { "guests" }.to_owned(),
        name: guest.name.to_owned(),
        times,
        code_bytes,
        wrong,
    })
}

fn candidates(group: &str, blob: &Blob, runs: u32, rows: &mut Vec<Row>) -> Result<(), String> {
    let mut pvfs = Vec::new();
    let mut code_bytes = BTreeMap::new();
    for variant in Variant::ALL {
        let engine = variant.engine();
        let compiled = engine.compile(&blob.wasm)?;
        code_bytes.extend(compiled.code_bytes().map(|bytes| (variant, bytes)));
        let pvf = engine.prepare(&blob.wasm).ok_or("no host functions")?;
        pvfs.push((variant, pvf?));
    }
    for case in &blob.cases {
        let (times, wrong) = candidate(case, &pvfs, runs)?;
        rows.push(Row {
            group: group.to_owned(),
            name: format!("{}/{}", blob.name, case.name),
            times,
            code_bytes: code_bytes.clone(),
            wrong,
        });
    }
    Ok(())
}

type Outcome = (BTreeMap<Variant, Times>, BTreeMap<Variant, String>);

fn candidate(case: &Case, pvfs: &[(Variant, Box<dyn Pvf>)], runs: u32) -> Result<Outcome, String> {
    let parameters = case.parameters()?;
    // Without the check the thread's stack overflows, which ends the process.
    let overflows = case.expected == Expected::Trapped(TrapKind::StackOverflow);
    let able = pvfs
        .iter()
        .filter(|(variant, _)| !(overflows && *variant == Unchecked));
    let mut turns: Vec<_> = able.map(|(variant, pvf)| (*variant, pvf)).collect();
    Ok(by_turns(
        &mut turns,
        |pvf| pvf.execute(&parameters),
        |ended| difference(&case.expected, ended),
        runs,
    ))
}

/// Runs all variants interleaved. Each must end as expected, and all must end alike.
fn by_turns<T, R: PartialEq + std::fmt::Debug>(
    turns: &mut [(Variant, T)],
    run: impl Fn(&mut T) -> Result<R, String>,
    wrong: impl Fn(&Result<R, String>) -> Option<String>,
    runs: u32,
) -> Outcome {
    let mut samples = vec![Samples::default(); turns.len()];
    let mut different = BTreeMap::new();
    let mut first: Option<Result<R, String>> = None;
    let (mut total, mut rounds) = (Duration::ZERO, 0);
    // The first round causes page faults for memory and code, so it does not count.
    while rounds <= runs.max(1) || (total < LEAST_TOTAL && rounds < MOST_RUNS) {
        for ((variant, turn), samples) in turns.iter_mut().zip(&mut samples) {
            let (ended, time) = timed(|| run(turn));
            if let Some(text) = wrong(&ended) {
                different.insert(*variant, text);
            } else if first.as_ref().is_some_and(|first| *first != ended) {
                different.insert(*variant, "differs from the first outcome".to_owned());
            }
            first.get_or_insert(ended);
            if rounds > 0 {
                samples.push(time);
                total += time;
            }
        }
        rounds += 1;
    }
    let times = turns.iter().zip(&samples);
    let times = times.map(|((variant, _), samples)| (*variant, samples.times()));
    (times.collect(), different)
}

/// A table for each group.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let group = |group| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
        table(group, &rows)
    };
    ["guests", "loops", "PVFs", "fixtures"].map(group).into()
}

fn table(group: &str, rows: &[&Row]) -> Table {
    let headings = ["", "plain ms"].map(str::to_owned).into_iter();
    let headings = headings.chain(COMPARED.map(|(heading, ..)| heading.to_owned()));
    let headings = headings.chain(COMPARED.map(|(heading, ..)| format!("{heading} (median)")));
    let headings = headings.chain(["code: logical", "gas", "both"].map(str::to_owned));
    let title = format!("Cost of meters, {group}: time relative to the same code without");
    let mut table = Table::new(&title, headings);
    for row in rows {
        let plain = row.times.get(&Plain).map(Times::least_ms);
        let mut cells = vec![row.name.clone(), number(plain, 3)];
        cells.extend(COMPARED.map(|(_, it, other)| number(row.ratio(it, other), 3)));
        cells.extend(COMPARED.map(|(_, it, other)| number(row.median_ratio(it, other), 3)));
        cells.extend([LogicalStack, Gas, Both].map(|it| number(row.growth(it), 2)));
        table.row(cells);
        for (variant, text) in &row.wrong {
            let note = format!("DIFFERENT {}: {variant:?}: {text}", row.name);
            table.notes.push(note);
        }
    }
    for (heading, variant, other) in COMPARED {
        let ratios = rows.iter().filter_map(|row| row.ratio(variant, other));
        let medians = rows
            .iter()
            .filter_map(|row| row.median_ratio(variant, other));
        let means = geometric_mean(ratios.clone()).zip(geometric_mean(medians));
        if let (Some((mean, median)), Some(worst)) = (means, ratios.max_by(f64::total_cmp)) {
            table.notes.push(format!(
                "{heading}: geometric mean {mean:.3} (medians {median:.3}), worst {worst:.3}"
            ));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::GUESTS;

    #[test]
    fn every_variant_of_a_program_returns_the_known_result() {
        for guest in guests::matching("copy") {
            let row = program(guest, 1).unwrap();
            assert!(all_right(std::slice::from_ref(&row)), "{:?}", row.wrong);
            assert_eq!(row.times.len(), Variant::ALL.len());
            // The compared variants must have different code.
            for (heading, variant, other) in COMPARED {
                let code = |it| row.code_bytes[&it];
                assert_ne!(code(variant), code(other), "{}: {heading}", row.name);
            }
        }
    }

    #[test]
    fn a_wrong_result_is_seen() {
        let mut guest = GUESTS[8];
        guest.result = 1;
        let row = program(&guest, 1).unwrap();
        assert_eq!(row.wrong.len(), Variant::ALL.len());
        let tables = tables(&[row]);
        assert!(tables[0].notes[0].starts_with("DIFFERENT fib: Plain"));
    }

    #[test]
    fn ratios_are_relative_to_the_compared_variant() {
        let times = |least_ns, median_ns| Times {
            least_ns,
            median_ns,
            ..Times::default()
        };
        let row = Row {
            group: "loops".into(),
            name: "row".into(),
            times: [
                (Plain, times(200, 300)),
                (Unchecked, times(100, 200)),
                (Gas, times(300, 330)),
            ]
            .into(),
            code_bytes: [(Plain, 100), (Gas, 150)].into(),
            wrong: BTreeMap::new(),
        };
        let table = &tables(&[row])[1];
        let cells = "row 0.000 2.000 - 1.500 - - 1.500 - 1.100 - - - 1.50 -";
        assert_eq!(table.rows[1].join(" "), cells);
        assert_eq!(
            table.notes[0],
            "native check: geometric mean 2.000 (medians 1.500), worst 2.000"
        );
    }
}
