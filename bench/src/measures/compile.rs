//! Compilation, until a module can be instantiated: time, size of the code, peak memory.

use crate::engine::Engine;
use crate::engines::EngineName;
use crate::measure::{Samples, Times, geometric_mean, timed};
use crate::modules::{self, Input};
use crate::options::Options;
use crate::peak::{self, Peak};
use crate::table::{Table, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The measurements of a module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// `PVFs`, `fixtures` or `guests`.
    pub group: String,
    /// Name of the module in its group.
    pub name: String,
    /// Decompressed size.
    pub wasm_bytes: usize,
    /// The compilation in each engine.
    pub engines: BTreeMap<EngineName, Compilation>,
}

/// The compilation of a module in an engine.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Compilation {
    /// CPU time.
    pub time: Times,
    /// Size of the machine code, if the engine generates machine code and reports its size.
    pub code_bytes: Option<usize>,
    /// Peak memory, for blobs only: guests use too little compared with the process itself.
    pub peak: Option<Peak>,
}

/// Small modules are compiled repeatedly until the total time reaches this duration.
const LEAST_TOTAL: Duration = Duration::from_millis(20);
const MOST_RUNS: u32 = 100;

/// Compiles every module with every engine, interleaved.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let engines = options.engines(|_| true)?;
    let mut rows = Vec::new();
    for input in modules::inputs(options)? {
        eprintln!("compile: {} {} ...", input.group, input.name);
        rows.push(row(&input, &engines, options.runs)?);
    }
    Ok(rows)
}

fn row(input: &Input, engines: &[EngineName], runs: u32) -> Result<Row, String> {
    let mut measured = BTreeMap::new();
    for (name, time, code_bytes) in times(&input.wasm, engines, runs)? {
        let path = input.path.as_ref().filter(|_| input.group == "PVFs");
        let compilation = Compilation {
            time,
            code_bytes,
            peak: path.and_then(|path| peak::of(name, path)),
        };
        measured.insert(name, compilation);
    }
    Ok(Row {
        group: input.group.to_owned(),
        name: input.name.clone(),
        wasm_bytes: input.wasm.len(),
        engines: measured,
    })
}

/// Compiles a module with several engines, interleaved: times and sizes of code.
pub fn times(
    wasm: &[u8],
    engines: &[EngineName],
    runs: u32,
) -> Result<Vec<(EngineName, Times, Option<usize>)>, String> {
    struct Turn<'a> {
        name: EngineName,
        engine: Box<dyn Engine>,
        wasm: std::borrow::Cow<'a, [u8]>,
        samples: Samples,
        code_bytes: Option<usize>,
    }
    let mut turns = Vec::new();
    for &name in engines {
        let engine = name.open()?;
        let wasm = engine
            .adapt(wasm)
            .map_err(|error| format!("{name}: {error}"))?;
        turns.push(Turn {
            name,
            engine,
            wasm,
            samples: Samples::default(),
            code_bytes: None,
        });
    }
    let mut total = Duration::ZERO;
    let mut round = 0;
    while round < runs.max(1) || (total < LEAST_TOTAL && round < MOST_RUNS) {
        let mut least = Duration::MAX;
        for turn in &mut turns {
            let (compiled, time) = timed(|| turn.engine.compile(&turn.wasm));
            let compiled = compiled.map_err(|error| format!("{}: {error}", turn.name))?;
            if round == 0 {
                turn.code_bytes = compiled.code_bytes();
            }
            turn.samples.push(time);
            least = least.min(time);
        }
        total += least;
        round += 1;
    }
    let measured = turns
        .into_iter()
        .map(|it| (it.name, it.samples.times(), it.code_bytes));
    Ok(measured.collect())
}

impl Row {
    /// MB of Wasm per second, from the least time.
    pub fn mb_per_second(&self, engine: EngineName) -> Option<f64> {
        let time = self.engines.get(&engine)?.time;
        Some(self.wasm_bytes as f64 * 1e3 / time.least_ns as f64)
    }

    /// Speed relative to the yardstick.
    pub fn speed_up(&self, engine: EngineName) -> Option<f64> {
        let yardstick = self.engines.get(&EngineName::Cranelift)?;
        Some(yardstick.time.ratio(&self.engines.get(&engine)?.time))
    }

    /// Bytes of code per byte of Wasm.
    pub fn code_ratio(&self, engine: EngineName) -> Option<f64> {
        let code = self.engines.get(&engine)?.code_bytes?;
        Some(code as f64 / self.wasm_bytes as f64)
    }

    /// Peak memory in MiB.
    pub fn peak_mib(&self, engine: EngineName) -> Option<f64> {
        let peak = self.engines.get(&engine)?.peak?;
        Some(peak.total_bytes as f64 / 1048576.0)
    }

    /// Peak memory relative to its bound, which is ten times the module plus 64 MiB.
    pub fn bound_share(&self, engine: EngineName) -> Option<f64> {
        let peak = self.engines.get(&engine)?.peak?;
        Some(peak.total_bytes as f64 / (10.0 * self.wasm_bytes as f64 + 67_108_864.0))
    }
}

/// Tables of speed, size and memory.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let mut tables = Vec::new();
    for group in ["PVFs", "fixtures", "guests"] {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
        tables.push(table(
            &format!("Compilation of {group}, MB of Wasm per second"),
            &rows,
            2,
            Row::mb_per_second,
        ));
        tables.push(table(
            &format!("Compilation of {group}, times faster than Cranelift"),
            &rows,
            2,
            Row::speed_up,
        ));
        tables.push(table(
            &format!("Code of {group}, bytes per byte of Wasm"),
            &rows,
            2,
            Row::code_ratio,
        ));
        tables.push(table(
            &format!("Peak memory of compiling {group}, MiB"),
            &rows,
            0,
            Row::peak_mib,
        ));
        tables.push(table(
            &format!("Peak memory of compiling {group}, share of ten times the module and 64 MiB"),
            &rows,
            2,
            Row::bound_share,
        ));
    }
    tables
}

fn table(
    title: &str,
    rows: &[&Row],
    decimals: usize,
    figure: impl Fn(&Row, EngineName) -> Option<f64>,
) -> Table {
    let has = |it: &EngineName| rows.iter().any(|row| figure(row, *it).is_some());
    let engines: Vec<EngineName> = EngineName::ALL.into_iter().filter(has).collect();
    let headings = ["module", "bytes"].map(str::to_owned).into_iter();
    let mut table = Table::new(
        title,
        headings.chain(engines.iter().map(ToString::to_string)),
    );
    if engines.is_empty() {
        return table;
    }
    for row in rows {
        let mut cells = vec![row.name.clone(), row.wasm_bytes.to_string()];
        cells.extend(engines.iter().map(|&it| number(figure(row, it), decimals)));
        table.row(cells);
    }
    let mean = |engine| geometric_mean(rows.iter().filter_map(|row| figure(row, engine)));
    let mut cells = vec!["geometric mean".to_owned(), String::new()];
    cells.extend(engines.iter().map(|&engine| number(mean(engine), decimals)));
    table.row(cells);
    table
}
