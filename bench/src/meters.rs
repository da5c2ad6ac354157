//! What the meters cost: the same code with and without them, by turns.
//!
//! Programs run in one instance, candidates in a fresh one each. Gas is counted without a limit, the logical stack with
//! Polkadot's. Figures are CPU time of this thread; a ratio is that to code without meters.

use crate::corpus;
use crate::measure::{Figures, Samples, geometric_mean, timed};
use crate::programs::{PROGRAMS, ours_run};
use crate::report::{Table, number, write_json};
use crate::{Options, ours};
use pvf_compiler::{Artifact, Costs, Metering};
use pvf_spec::Features;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Something short is repeated for at least so long.
const LEAST_TOTAL: Duration = Duration::from_millis(200);
const MOST_RUNS: u32 = 200;

/// The meters by turns, the first without any.
const METERS: [(&str, bool, bool); 4] = [
    ("none", false, false),
    ("logical", true, false),
    ("gas", false, true),
    ("both", true, true),
];

#[derive(Serialize)]
struct Row {
    name: String,
    /// In the order of [`METERS`].
    figures: Vec<Figures>,
    code_bytes: Vec<usize>,
    /// Without the check of the native stack: needs code without it, which the compiler does not make.
    without_native_check: Option<Figures>,
}

impl Row {
    /// Least time with a meter to that without, and the medians likewise.
    fn ratios(&self, meter: usize) -> (f64, f64) {
        let (with, without) = (self.figures[meter], self.figures[0]);
        let ratio = |with: u64, without: u64| with as f64 / without.max(1) as f64;
        (
            ratio(with.least_ns, without.least_ns),
            ratio(with.median_ns, without.median_ns),
        )
    }
}

/// Measures programs, then candidates.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut rows = Vec::new();
    for (name, text) in PROGRAMS {
        if name.contains(&options.filter) {
            rows.push(program(name, text, options).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    report("programs", &rows);
    let mut all = rows;
    let mut rows = Vec::new();
    for blob in corpus::blobs(&options.corpus, &options.filter)? {
        if !blob.cases.is_empty() {
            eprintln!("{} ...", blob.name);
            rows.extend(candidates(&blob, options)?);
        }
    }
    report("candidates", &rows);
    all.extend(rows);
    write_json(options.json.as_deref(), &all)?;
    Ok(true)
}

fn artifacts(wasm: &[u8]) -> Result<Vec<Artifact>, String> {
    let compile = |(_, logical_stack, gas): (&str, bool, bool)| {
        let gas = gas.then(|| Arc::new(Costs::default()));
        let metering = Metering { logical_stack, gas };
        ours::compile_metered(wasm, Features::POLKADOT, metering)
    };
    METERS.map(compile).into_iter().collect()
}

fn program(name: &str, text: &str, options: &Options) -> Result<Row, String> {
    let wasm = wat::parse_str(text).map_err(|error| error.to_string())?;
    let artifacts = artifacts(&wasm)?;
    let code_bytes = artifacts.iter().map(|artifact| artifact.code.len());
    let code_bytes = code_bytes.collect();
    let mut programs = artifacts
        .into_iter()
        .map(ours_run)
        .collect::<Result<Vec<_>, _>>()?;
    let turns = programs
        .iter_mut()
        .map(|run| move || run().map(|result| result.to_string()));
    Ok(Row {
        name: name.to_owned(),
        figures: by_turns(turns.collect(), options.runs)?,
        code_bytes,
        without_native_check: None,
    })
}

fn candidates(blob: &corpus::Blob, options: &Options) -> Result<Vec<Row>, String> {
    let artifacts = artifacts(&blob.wasm)?;
    let code_bytes: Vec<usize> = artifacts.iter().map(|it| it.code.len()).collect();
    let pvfs = artifacts
        .into_iter()
        .map(ours::prepared)
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for case in &blob.cases {
        let parameters = case.parameters()?;
        let execute = |pvf| {
            let parameters = &parameters;
            move || ours::execute(pvf, parameters).map(|ended| format!("{ended:?}"))
        };
        rows.push(Row {
            name: format!("{}/{}", blob.name, case.name),
            figures: by_turns(pvfs.iter().map(execute).collect(), options.runs)?,
            code_bytes: code_bytes.clone(),
            without_native_check: None,
        });
    }
    Ok(rows)
}

/// Runs each by turns; all must end alike in each round.
fn by_turns<F>(mut turns: Vec<F>, runs: u32) -> Result<Vec<Figures>, String>
where
    F: FnMut() -> Result<String, String>,
{
    let mut samples = vec![Samples::default(); turns.len()];
    let (mut total, mut rounds) = (Duration::ZERO, 0);
    // The first round faults memory and code in.
    while rounds <= runs.max(1) || (total < LEAST_TOTAL && rounds < MOST_RUNS) {
        // A program may go on from where it was: only ends of one round are alike.
        let mut ended: Option<String> = None;
        for (turn, samples) in turns.iter_mut().zip(&mut samples) {
            let (result, time) = timed(turn);
            let result = result?;
            match &ended {
                Some(first) if *first != result => {
                    return Err(format!("with a meter {result}, without {first}"));
                }
                _ => ended = Some(result),
            }
            if rounds > 0 {
                samples.push(time);
                total += time;
            }
        }
        rounds += 1;
    }
    Ok(samples.iter().map(Samples::figures).collect())
}

fn report(what: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new(&[
        what,
        "none ms",
        "native check",
        "logical",
        "gas",
        "both",
        "logical (median)",
        "gas (median)",
        "both (median)",
        "code with gas",
    ]);
    for row in rows {
        let least = |meter| number(Some(row.ratios(meter).0), 3);
        let median = |meter| number(Some(row.ratios(meter).1), 3);
        let unchecked = row.without_native_check;
        let check = unchecked.map(|it| row.figures[0].least_ns as f64 / it.least_ns.max(1) as f64);
        table.row(vec![
            row.name.clone(),
            number(Some(row.figures[0].least_ms()), 3),
            number(check, 3),
            least(1),
            least(2),
            least(3),
            median(1),
            median(2),
            median(3),
            number(Some(row.code_bytes[2] as f64 / row.code_bytes[0] as f64), 2),
        ]);
    }
    table.print();
    for (meter, (name, ..)) in METERS.iter().enumerate().skip(1) {
        let ratios = rows.iter().map(|row| row.ratios(meter));
        let (least, medians): (Vec<f64>, Vec<f64>) = ratios.unzip();
        let worst = least.iter().copied().fold(0.0, f64::max);
        println!(
            "{what}, {name}: geometric mean {:.3} (medians {:.3}), worst {worst:.3}",
            geometric_mean(least),
            geometric_mean(medians)
        );
    }
}
