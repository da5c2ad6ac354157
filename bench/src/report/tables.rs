//! The measured tables of `BENCHMARKS.md` and the README's two figures, between markers such as `<!-- compile -->` and
//! `<!-- /compile -->`.

use crate::engines::EngineName::{
    self, Cranelift, CraneliftPolkadot, Ours, OursLogical, OursVerified, Singlepass, Winch,
};
use crate::measure::geometric_mean;
use crate::measures::{compile, execute, linear, programs, public, wasm_opt};
use crate::run::Run;
use crate::table::{Table, number};
use std::collections::BTreeSet;

/// Makes the table of a measure; `None` if the run has no figures for it.
type MakeTable = fn(&Run) -> Option<String>;

/// The measures that have a table, by their markers.
const TABLES: [(&str, MakeTable); 6] = [
    ("compile", compilation),
    ("programs", guests),
    ("public", published),
    ("execute", candidates),
    ("linear", shapes),
    ("wasm-opt", optimised),
];

/// `BENCHMARKS.md` with the tables of these runs. Each table comes from the first run that has its figures, and states
/// when and where that run measured. A table without figures in any run is unchanged.
pub fn with_tables(text: &str, runs: &[Run]) -> Result<String, String> {
    let mut text = text.to_owned();
    for (mark, table) in TABLES {
        let found = runs.iter().find_map(|run| Some((run, table(run)?)));
        if let Some((run, table)) = found {
            let section = format!("{}\n\n{table}", run.provenance());
            text = between(&text, mark, &section)?;
        }
    }
    Ok(text)
}

/// The README with the speeds of these runs: of compilation, guest programs and candidates. Unless all three are
/// present, the README is unchanged.
pub fn with_headline(text: &str, runs: &[Run]) -> Result<String, String> {
    let first = |figure: fn(&Run) -> Option<f64>| runs.iter().find_map(figure);
    match (
        first(speed_up),
        first(guests_ratio),
        first(candidates_ratio),
    ) {
        (Some(speed_up), Some(guests), Some(candidates)) => {
            let line = format!(
                "- **Fast.** It compiles {speed_up:.1} times as fast as Wasmtime's Cranelift. Its code takes {candidates:.2} of the time on \
                 recorded candidates and {guests:.2} on guest programs.\n"
            );
            between(text, "speed", &line)
        }
        _ => Ok(text.to_owned()),
    }
}

fn between(text: &str, mark: &str, figures: &str) -> Result<String, String> {
    let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let Some((before, rest)) = text.split_once(&start) else {
        return Ok(text.to_owned());
    };
    let (_, after) = rest
        .split_once(&end)
        .ok_or_else(|| format!("<!-- {mark} --> has no {end}"))?;
    Ok(format!("{before}{start}{figures}{end}{after}"))
}

/// The table as Markdown without alignment, so that a change of one figure changes one line.
fn markdown(table: &Table) -> String {
    let mut text = String::new();
    for (index, row) in table.rows.iter().enumerate() {
        text += &format!("| {} |\n", row.join(" | "));
        if index == 0 {
            text += &format!("|{}\n", " --- |".repeat(row.len()));
        }
    }
    text
}

/// The engines for which the run has figures.
fn present<const N: usize>(
    engines: [EngineName; N],
    has: impl Fn(EngineName) -> bool,
) -> Vec<EngineName> {
    engines.into_iter().filter(|&engine| has(engine)).collect()
}

fn title(engine: EngineName) -> &'static str {
    match engine {
        Cranelift => "Cranelift",
        CraneliftPolkadot => "as validators run it",
        Winch => "Winch",
        Singlepass => "singlepass",
        other => other.text(),
    }
}

/// Compilations of validation functions of real networks.
fn compiled(run: &Run) -> Vec<&compile::Row> {
    let rows = run.compile.iter();
    rows.filter(|row| row.group == "PVFs").collect()
}

fn speed_up(run: &Run) -> Option<f64> {
    geometric_mean(compiled(run).iter().filter_map(|row| row.speed_up(Ours)))
}

fn compilation(run: &Run) -> Option<String> {
    let rows = compiled(run);
    let speed_up = speed_up(run)?;
    let verified = geometric_mean(rows.iter().filter_map(|row| row.speed_up(OursVerified)));
    let peers = present([CraneliftPolkadot, Winch, Singlepass], |engine| {
        rows.iter().any(|row| row.engines.contains_key(&engine))
    });
    let shown: Vec<EngineName> = [Cranelift].into_iter().chain(peers).chain([Ours]).collect();
    let mut headings = ["PVF", "MB of Wasm"].map(str::to_owned).to_vec();
    headings.extend(shown.iter().map(|&it| format!("{} MB/s", title(it))));
    headings.extend(
        [
            "times Cranelift's speed",
            "with verification",
            "code bytes per Wasm byte: Cranelift",
            "ours",
        ]
        .map(str::to_owned),
    );
    headings.extend(["peak MiB: Cranelift", "ours"].map(str::to_owned));
    let mut table = Table::new("", headings);
    for row in &rows {
        let mut cells = vec![
            row.name.clone(),
            format!("{:.2}", row.wasm_bytes as f64 / 1e6),
        ];
        cells.extend(
            shown
                .iter()
                .map(|&it| number(row.mb_per_second(it), if it == Ours { 1 } else { 2 })),
        );
        cells.extend([Ours, OursVerified].map(|it| number(row.speed_up(it), 1)));
        cells.extend([Cranelift, Ours].map(|it| number(row.code_ratio(it), 2)));
        cells.extend([Cranelift, Ours].map(|it| number(row.peak_mib(it), 0)));
        table.row(cells);
    }
    let with_verification = verified.map_or(String::new(), |verified| {
        format!(", {verified:.1} times with the verification of the machine code")
    });
    Some(format!(
        "Compilation: {speed_up:.1} times Cranelift's speed in the geometric mean{with_verification}.\n\n{}",
        markdown(&table)
    ))
}

fn guest_rows(run: &Run) -> Vec<&programs::Row> {
    run.programs.iter().filter(|row| !row.is_loop).collect()
}

fn guests_ratio(run: &Run) -> Option<f64> {
    programs::mean(&guest_rows(run), Ours)
}

fn guests(run: &Run) -> Option<String> {
    let rows = guest_rows(run);
    let mean = guests_ratio(run)?;
    let shown = present(
        [CraneliftPolkadot, Winch, Singlepass, OursLogical, Ours],
        |engine| rows.iter().any(|row| row.engines.contains_key(&engine)),
    );
    let headings = ["guest", "kind of work", "Cranelift ms"]
        .map(str::to_owned)
        .into_iter();
    let mut table = Table::new(
        "",
        headings.chain(shown.iter().map(|&it| title(it).to_owned())),
    );
    for row in &rows {
        let ms = row.engines.get(&Cranelift).map(|times| times.least_ms());
        let mut cells = vec![row.name.clone(), row.work.clone(), number(ms, 2)];
        cells.extend(shown.iter().map(|&it| number(programs::ratio(row, it), 2)));
        table.row(cells);
    }
    let mut cells = vec!["geometric mean".to_owned(), String::new(), String::new()];
    cells.extend(shown.iter().map(|&it| number(programs::mean(&rows, it), 2)));
    table.row(cells);
    Some(format!(
        "Execution of guest programs: {mean:.2} of Cranelift's time in the geometric mean. All columns but Cranelift's milliseconds are ratios to Cranelift's time:\n\n{}",
        markdown(&table)
    ))
}

fn shapes(run: &Run) -> Option<String> {
    let (by_entries, rows): (Vec<_>, Vec<_>) =
        run.linear.iter().partition(|row| row.entries.is_some());
    let within = |row: &&&linear::Row| row.fine() && row.exception.is_none();
    let mut text = format!(
        "{} of {} shapes take at most {} times the time and {} times the memory per byte of a normal module of 1 MB, and at most {} bytes of machine code for a byte of Wasm (the greater of both instruction sets).\n\n",
        rows.iter().filter(within).count(),
        rows.len(),
        linear::MOST,
        linear::MOST_MEMORY,
        linear::MOST_CODE
    );
    let mut table = Table::new("", ["shape", "bytes", "time", "memory", "code", ""]);
    for row in rows {
        let bytes = row.figures?.wasm_bytes.to_string();
        let [time, memory] = [row.time_ratio(), row.memory_ratio()].map(|it| number(it, 2));
        let code = number(row.code_ratio(), 1);
        let why = row.exception.clone().unwrap_or_default();
        table.row(vec![row.name.clone(), bytes, time, memory, code, why]);
    }
    text += &markdown(&table);
    if !by_entries.is_empty() {
        text += "\nDeclarations are measured per entry, because an entry is only a few bytes long. The unit of time is the time for one byte of a normal module; memory and code are in bytes.\n\n";
        let mut table = Table::new("", ["entries", "number", "time", "memory", "code"]);
        for row in by_entries {
            let count = row.entries?.to_string();
            let figures = [row.time_ratio(), row.memory_ratio(), row.code_ratio()];
            let [time, memory, code] = figures.map(|it| number(it, 1));
            table.row(vec![row.name.clone(), count, time, memory, code]);
        }
        text += &markdown(&table);
    }
    (!run.linear.is_empty()).then_some(text)
}

fn optimised(run: &Run) -> Option<String> {
    let blobs: BTreeSet<&str> = run.wasm_opt.iter().map(|row| &*row.name).collect();
    let same = match wasm_opt::all_right(&run.wasm_opt) {
        true => "No result differs.",
        false => "SOME RESULTS DIFFER.",
    };
    let tables: String = wasm_opt::tables(&run.wasm_opt)
        .iter()
        .map(markdown)
        .collect();
    let text = format!(
        "Binaryen's inlining of small functions alone, `-O2` and `-O3` on {} blobs, times the figure of the blob as it is. {same}\n\n{tables}",
        blobs.len()
    );
    (!blobs.is_empty()).then_some(text)
}

/// The candidates in the table, in order.
const CASES: [&str; 13] = [
    "empty-1",
    "transfer-1",
    "transfer-50",
    "transfer-500",
    "transfer-mixed-90",
    "batch-200",
    "remark-1m",
    "xcm-down-20",
    "xcm-up-10",
    "upgrade",
    "contract-loop-400000",
    "corrupt-proof",
    "extrinsic-24m",
];

/// Executions of candidates of real networks.
fn executed(run: &Run) -> Vec<&execute::Row> {
    let rows = run.execute.iter();
    rows.filter(|row| row.group == "PVFs").collect()
}

fn candidates_ratio(run: &Run) -> Option<f64> {
    geometric_mean(
        executed(run)
            .iter()
            .filter_map(|row| row.ratio(Ours, Cranelift)),
    )
}

fn published(run: &Run) -> Option<String> {
    let rows = &run.public;
    let mean = public::mean(rows, Ours)?;
    let compile = |row: &public::Row| {
        let ours = row.compile.get(&Ours)?;
        Some(row.compile.get(&Cranelift)?.ratio(ours))
    };
    let faster = geometric_mean(rows.iter().filter_map(compile))?;
    let mut text = format!(
        "Execution of {} programs that others published: {mean:.2} of Cranelift's time in the geometric mean; compiled {faster:.1} \
         times as fast. {} Worst first:\n\n",
        rows.len(),
        match public::all_right(rows) {
            true => "All digests of results and memory are equal.",
            false => "NOT ALL DIGESTS ARE EQUAL.",
        }
    );
    let peers = present([Winch, Singlepass], |engine| {
        rows.iter().any(|row| row.engines.contains_key(&engine))
    });
    let shown: Vec<EngineName> = peers.into_iter().chain([Ours]).collect();
    let mut headings = [
        "program",
        "package",
        "licence",
        "kind of work",
        "Cranelift ms",
    ]
    .map(str::to_owned)
    .to_vec();
    headings.extend(shown.iter().map(|&it| title(it).to_owned()));
    let mut table = Table::new("", headings);
    for row in public::worst_first(rows) {
        let yardstick = row.engines.get(&Cranelift)?;
        let texts = [&row.name, &row.source, &row.licence, &row.work];
        let mut cells = texts.map(Clone::clone).to_vec();
        cells.push(number(Some(yardstick.least_ms()), 2));
        cells.extend(shown.iter().map(|&engine| number(row.ratio(engine), 2)));
        table.row(cells);
    }
    text += &markdown(&table);
    Some(text)
}

fn candidates(run: &Run) -> Option<String> {
    let rows = executed(run);
    let mean = candidates_ratio(run)?;
    let ratios = rows.iter().filter_map(|row| row.ratio(Ours, Cranelift));
    let worst = ratios.max_by(f64::total_cmp)?;
    let chains = rows
        .iter()
        .map(|row| &row.chain)
        .collect::<BTreeSet<_>>()
        .len();
    let mut text = format!(
        "Execution of {} recorded candidates of {chains} production runtimes, the same host functions (`sp-io`) in both: \
         {mean:.2} of Cranelift's time in the geometric mean, {worst:.2} in the worst case.{} Geometric means over chains:\n\n",
        rows.len(),
        match rows.iter().all(|row| row.wrong.is_empty()) {
            true => " All results are the recorded ones.",
            false => " NOT ALL RESULTS ARE THE RECORDED ONES.",
        }
    );
    let mut table = Table::new(
        "",
        [
            "candidate",
            "chains",
            "Cranelift ms",
            "ours ms",
            "ours/Cranelift",
        ],
    );
    for case in CASES {
        let rows: Vec<&execute::Row> = rows
            .iter()
            .copied()
            .filter(|row| row.case == case)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let ms = |engine| {
            geometric_mean(
                rows.iter()
                    .filter_map(|row| Some(row.engines.get(&engine)?.least_ms())),
            )
        };
        let ratio = geometric_mean(rows.iter().filter_map(|row| row.ratio(Ours, Cranelift)));
        table.row(vec![
            case.to_owned(),
            rows.len().to_string(),
            number(ms(Cranelift), 2),
            number(ms(Ours), 2),
            number(ratio, 2),
        ]);
    }
    text += &markdown(&table);
    Some(text)
}
