//! Candidates, each in a fresh instance.

use crate::corpus::{self, Case, Expected};
use crate::measure::{Figures, Samples, geometric_mean, timed};
use crate::report::{Table, number, write_json};
use crate::{Engine, Options, ours};
use pvf_host::Pvf;
use pvf_peer::{Ended, Prepared};
use serde::Serialize;
use std::time::Duration;

/// A case is repeated for at least so long: short ones more often.
const LEAST_TOTAL: Duration = Duration::from_millis(20);
const MOST_RUNS: u32 = 200;

#[derive(Serialize)]
struct Row {
    chain: String,
    case: String,
    expected: &'static str,
    wasmtime: Option<Figures>,
    ours: Option<Figures>,
    /// Time of ours by time of Wasmtime.
    ratio: Option<f64>,
    differences: Vec<String>,
}

/// Both engines with one validation function.
struct Pair {
    wasmtime: Option<Prepared>,
    ours: Option<Pvf>,
}

pub fn run(options: &Options) -> Result<bool, String> {
    silence_host_panics();
    let mut rows = Vec::new();
    for blob in corpus::blobs(&options.corpus, &options.filter)? {
        if blob.cases.is_empty() {
            continue;
        }
        eprintln!("{} ...", blob.name);
        let has = |engine| options.engines().contains(&engine);
        let pair = Pair {
            wasmtime: match has(Engine::Wasmtime) {
                true => {
                    let engine = pvf_peer::engine().map_err(|error| error.to_string())?;
                    Some(Prepared::new(&engine, &blob.wasm).map_err(|e| format!("{e:#}"))?)
                }
                false => None,
            },
            ours: match has(Engine::Ours) {
                true => Some(ours::prepare(&blob.wasm, options.logical_stack)?),
                false => None,
            },
        };
        for case in &blob.cases {
            rows.push(measure(&pair, &blob.name, case, options)?);
        }
    }
    print(&rows, options);
    write_json(options.json.as_deref(), &rows)?;
    Ok(rows.iter().all(|row| row.differences.is_empty()))
}

fn print(rows: &[Row], options: &Options) {
    let mut table = Table::new(&[
        "case",
        "expected",
        "Wasmtime ms",
        "ours ms",
        "ours/Wasmtime",
        "median/median",
    ]);
    for row in rows {
        let ms = |figures: &Option<Figures>| number(figures.map(|it| it.least_ms()), 3);
        let medians = row.wasmtime.zip(row.ours);
        table.row(vec![
            format!("{}/{}", row.chain, row.case),
            row.expected.to_owned(),
            ms(&row.wasmtime),
            ms(&row.ours),
            number(row.ratio, 2),
            number(
                medians.map(|(it, ours)| ours.median_ns as f64 / it.median_ns as f64),
                2,
            ),
        ]);
    }
    table.print();
    let differences: Vec<_> = rows
        .iter()
        .flat_map(|row| row.differences.iter().map(move |text| (row, text)))
        .collect();
    for (row, text) in &differences {
        println!("DIFFERENT {}/{}: {text}", row.chain, row.case);
    }
    println!("{} cases, {} differences", rows.len(), differences.len());
    if options.only.is_none() {
        let ratios: Vec<f64> = rows.iter().filter_map(|row| row.ratio).collect();
        let long = |row: &&Row| row.wasmtime.is_some_and(|it| it.least_ns > 1_000_000);
        let worst = rows
            .iter()
            .filter_map(|row| Some((row.ratio?, row)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        println!(
            "ours/Wasmtime: geometric mean {:.2}; of the cases over 1 ms {:.2}",
            geometric_mean(ratios),
            geometric_mean(rows.iter().filter(long).filter_map(|row| row.ratio)),
        );
        if let Some((ratio, row)) = worst {
            println!("worst: {ratio:.2} ({}/{})", row.chain, row.case);
        }
    }
}

fn measure(pair: &Pair, chain: &str, case: &Case, options: &Options) -> Result<Row, String> {
    let parameters = case.parameters()?;
    let mut samples = [Samples::default(), Samples::default()];
    let mut differences = Vec::new();
    let mut total = Duration::ZERO;
    let mut runs = 0;
    while runs < options.runs.max(1) || (total < LEAST_TOTAL && runs < MOST_RUNS) {
        runs += 1;
        for &which in options.engines() {
            let (ended, time) = match which {
                Engine::Wasmtime => timed(|| match &pair.wasmtime {
                    Some(prepared) => match prepared.execute(&parameters) {
                        Ok((ended, _)) => Ok(ended),
                        Err(error) => Err(format!("{error:#}")),
                    },
                    None => Err("not prepared".to_owned()),
                }),
                Engine::Ours => timed(|| match &pair.ours {
                    Some(pvf) => ours::execute(pvf, &parameters),
                    None => Err("not prepared".to_owned()),
                }),
            };
            total += time;
            samples[which as usize].push(time);
            if let Some(text) = difference(&case.expected, &ended) {
                let text = format!("{which:?}: {text}");
                if !differences.contains(&text) {
                    differences.push(text);
                }
            }
        }
    }
    let figures = |which: Engine| {
        let has = options.engines().contains(&which);
        has.then(|| samples[which as usize].figures())
    };
    let (wasmtime, ours) = (figures(Engine::Wasmtime), figures(Engine::Ours));
    Ok(Row {
        chain: chain.to_owned(),
        case: case.name.clone(),
        expected: match case.expected {
            Expected::Returned(_) => "result",
            Expected::Trapped(kind) => kind.name(),
            Expected::Unknown => "unknown",
        },
        // A wrong result has no speed.
        ratio: wasmtime
            .zip(ours)
            .filter(|_| differences.is_empty())
            .map(|(it, ours)| ours.least_ns as f64 / it.least_ns as f64),
        wasmtime,
        ours,
        differences,
    })
}

fn difference(expected: &Expected, ended: &Result<Ended, String>) -> Option<String> {
    match (expected, ended) {
        (_, Err(error)) => Some(error.clone()),
        (Expected::Returned(expected), Ok(Ended::Returned(result))) if expected == result => None,
        (Expected::Trapped(expected), Ok(Ended::Trapped(kind))) if expected == kind => None,
        (Expected::Unknown, Ok(_)) => None,
        (Expected::Trapped(expected), Ok(_)) => Some(format!("{expected} expected, {ended:?}")),
        (Expected::Returned(_), Ok(Ended::Returned(_))) => Some("another result".to_owned()),
        (Expected::Returned(_), Ok(_)) => Some(format!("a result expected, {ended:?}")),
    }
}

/// Host functions panic by design; the caller makes a trap of it. Panics from
/// anywhere else are still shown.
pub fn silence_host_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let host = info
            .location()
            .is_some_and(|place| place.file().contains("sp-io-"));
        if !host {
            default(info);
        }
    }));
}
