//! Candidates, each in a fresh instance with Polkadot's host functions. Their outcomes are known.

use crate::corpus::{self, Blob, Case, Expected};
use crate::engine::{Ended, Pvf};
use crate::engines::EngineName;
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::options::Options;
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A case is repeated until its total time reaches this duration, so short cases run more often.
const LEAST_TOTAL: Duration = Duration::from_millis(20);
const MOST_RUNS: u32 = 200;

/// The measurements of a candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// `PVFs` or `fixtures`.
    pub group: String,
    /// Name of the validation function in its group.
    pub chain: String,
    /// Name of the candidate.
    pub case: String,
    /// The expected outcome: `result`, a trap, or `unknown`.
    pub expected: String,
    /// Times of a fresh instance, the call and the result.
    pub engines: BTreeMap<EngineName, Times>,
    /// Engines with another outcome, and that outcome.
    pub wrong: BTreeMap<EngineName, String>,
}

/// Whether host functions are bound to the engine.
pub fn able(engine: EngineName) -> bool {
    engine.has_code_of_its_own() && !matches!(engine, EngineName::Singlepass | EngineName::Wasmi)
}

/// Executes every candidate with every engine that supports it, interleaved.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    silence_host_panics();
    let engines = options.engines(able)?;
    let mut rows = Vec::new();
    for (folder, group) in options.corpora() {
        for blob in corpus::blobs(&folder, &options.filter)? {
            if blob.cases.is_empty() {
                continue;
            }
            eprintln!("execute: {group} {} ...", blob.name);
            let pvfs =
                prepare(&blob.wasm, &engines).map_err(|error| format!("{}, {error}", blob.name))?;
            for case in &blob.cases {
                rows.push(row(group, &blob, case, &pvfs, options.runs)?);
            }
        }
    }
    Ok(rows)
}

/// A validation function in several engines.
pub type Pvfs = Vec<(EngineName, Box<dyn Pvf>)>;

/// Prepares a validation function with several engines, all of which must support it.
pub fn prepare(wasm: &[u8], engines: &[EngineName]) -> Result<Pvfs, String> {
    let mut pvfs = Vec::new();
    for &name in engines {
        let pvf = name.open()?.prepare(wasm).ok_or("has no host functions");
        let pvf = pvf.map_err(|error| format!("{name}: {error}"))?;
        pvfs.push((name, pvf.map_err(|error| format!("{name}: {error}"))?));
    }
    Ok(pvfs)
}

fn row(group: &str, blob: &Blob, case: &Case, pvfs: &Pvfs, runs: u32) -> Result<Row, String> {
    let (engines, wrong) = times(case, pvfs, runs)?;
    Ok(Row {
        group: group.to_owned(),
        chain: blob.name.clone(),
        case: case.name.clone(),
        expected: match case.expected {
            Expected::Returned(_) => "result".to_owned(),
            Expected::Trapped(kind) => kind.name().to_owned(),
            Expected::Unknown => "unknown".to_owned(),
        },
        engines,
        wrong,
    })
}

/// Times of one candidate, and the wrong outcomes.
pub type Outcome = (BTreeMap<EngineName, Times>, BTreeMap<EngineName, String>);

/// Executes one candidate with several engines, interleaved.
pub fn times(case: &Case, pvfs: &Pvfs, runs: u32) -> Result<Outcome, String> {
    let parameters = case.parameters()?;
    let mut samples = vec![Samples::default(); pvfs.len()];
    let mut wrong = BTreeMap::new();
    let mut total = Duration::ZERO;
    let mut rounds = 0;
    while rounds < runs.max(1) || (total < LEAST_TOTAL && rounds < MOST_RUNS) {
        rounds += 1;
        for ((name, pvf), samples) in pvfs.iter().zip(&mut samples) {
            let (ended, time) = timed(|| pvf.execute(&parameters));
            total += time;
            samples.push(time);
            if let Some(text) = difference(&case.expected, &ended) {
                wrong.insert(*name, text);
            }
        }
    }
    let times = pvfs.iter().zip(&samples);
    let times = times.map(|((name, _), samples)| (*name, samples.times()));
    Ok((times.collect(), wrong))
}

/// How an execution differs from the expected outcome, if it does.
pub fn difference(expected: &Expected, ended: &Result<Ended, String>) -> Option<String> {
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

/// Silences panics of host functions, which panic by design and whose callers turn the panic into a trap. Other panics
/// are still shown.
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

/// Whether all outcomes were the expected ones.
pub fn all_right(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.wrong.is_empty())
}

impl Row {
    /// The time of an engine relative to another, from the least times; `None` for a wrong outcome.
    pub fn ratio(&self, engine: EngineName, other: EngineName) -> Option<f64> {
        let (engine, other) = (self.engines.get(&engine)?, self.engines.get(&other)?);
        self.wrong.is_empty().then(|| engine.ratio(other))
    }
}

/// A table of all candidates.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let engines = EngineName::keys_of(rows.iter().map(|row| &row.engines));
    let pairs: Vec<_> = EngineName::PAIRS
        .into_iter()
        .filter(|(a, b)| engines.contains(a) && engines.contains(b))
        .collect();
    let headings = ["candidate", "expected"].map(str::to_owned).into_iter();
    let headings = headings.chain(engines.iter().map(|it| format!("{it} ms")));
    let headings = headings.chain(pairs.iter().map(|(a, b)| format!("{a}/{b}")));
    let mut table = Table::new("Execution of candidates: least ms", headings);
    for row in rows {
        let mut cells = vec![format!("{}/{}", row.chain, row.case), row.expected.clone()];
        let times = engines.iter().map(|engine| row.engines.get(engine));
        cells.extend(times.map(|times| number(times.map(Times::least_ms), 3)));
        cells.extend(pairs.iter().map(|&(a, b)| number(row.ratio(a, b), 2)));
        table.row(cells);
        for (engine, text) in &row.wrong {
            let place = format!("{}/{}", row.chain, row.case);
            table
                .notes
                .push(format!("DIFFERENT {place}: {engine}: {text}"));
        }
    }
    for (a, b) in pairs {
        let ratios: Vec<(f64, &Row)> = rows
            .iter()
            .filter_map(|row| Some((row.ratio(a, b)?, row)))
            .collect();
        let worst = ratios.iter().max_by(|x, y| x.0.total_cmp(&y.0));
        if let (Some(mean), Some((worst, row))) =
            (geometric_mean(ratios.iter().map(|it| it.0)), worst)
        {
            let place = format!("{}/{}", row.chain, row.case);
            table.notes.push(format!(
                "{a}/{b}: geometric mean {mean:.2}, worst {worst:.2} ({place})"
            ));
        }
    }
    let different = rows.iter().filter(|row| !row.wrong.is_empty()).count();
    table.notes.push(format!(
        "{} candidates, {different} with differences",
        rows.len()
    ));
    vec![table]
}
