//! Whether compilation is linear: time and memory per byte of modules of all sizes and of adversarial shapes, relative
//! to those of a normal module.
//!
//! Each shape is compiled in a process of its own, which is ended if it takes too long. That process compiles the
//! shape, the normal module and an empty module alternately, so that disturbances affect all of them alike. The time of
//! the empty module is subtracted from the others. Memory is the growth of the process by the first compilation. Code
//! is generated for each instruction set. Shapes of many declarations are measured per entry, because an entry has only
//! a few bytes.

use crate::engine::Engine;
use crate::engines::{EngineName, every_feature};
use crate::generated::{self, EMPTY, NORMAL, Shape};
use crate::measure::{Samples, timed};
use crate::peak;
use crate::table::{Table, number};
use pvf_compiler::{CompileOptions, Target, compile};
use pvf_rules::Features;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Bounds of time and memory per byte, relative to a normal module.
pub const MOST: f64 = 3.0;
pub const MOST_MEMORY: f64 = 4.0;

/// Bound of code bytes per byte of Wasm.
pub const MOST_CODE: f64 = 16.0;

/// Memory that a module of any size may use, because allocators request it in large pieces.
const FREE_BYTES: f64 = 1048576.0;

/// Code that every module has: stubs and the code of the smallest function.
const FREE_CODE_BYTES: usize = 4096;

/// Code that a function of any size may have.
const FUNCTION_CODE_BYTES: f64 = 128.0;

/// Name of the hidden command that measures one shape.
pub const COMMAND: &str = "linear-one";

/// Arguments of `pvf-bench linear`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The engine.
    #[arg(long, default_value = "ours")]
    pub engine: EngineName,
    /// Only shapes whose name holds this text.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub filter: String,
    /// End a shape that takes more than this number of seconds of CPU time.
    #[arg(long, default_value_t = 120)]
    pub limit: u64,
    /// Measure a shape that exceeds its bounds up to this number of times, because another process may have disturbed
    /// it.
    #[arg(long, default_value_t = 1)]
    pub tries: u32,
    /// Widen the bounds by this factor, to find only costs that grow faster than the module.
    #[arg(long, default_value_t = 1.0)]
    pub tolerance: f64,
    /// Write all figures to this file; without a name, to the standard output, which then contains nothing else.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<std::path::PathBuf>,
    /// Write the shapes to this folder instead, for other tools.
    #[arg(long, value_name = "DIR")]
    pub write: Option<std::path::PathBuf>,
}

/// The measurements of a shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name of the shape.
    pub name: String,
    /// The property that is adversarial.
    pub what: String,
    /// The engine.
    pub engine: EngineName,
    /// The figures, if the compilation ended in time.
    pub figures: Option<Figures>,
    /// Why there are no figures.
    pub failure: Option<String>,
    /// Growth of the process by compiling the normal module, per byte of that module.
    pub normal_bytes_per_byte: f64,
    /// Bounds of time and memory per byte, relative to a normal module.
    #[serde(default = "most")]
    pub most_time: f64,
    #[serde(default = "most_memory")]
    pub most_memory: f64,
    /// Bound of code bytes per byte.
    #[serde(default = "most_code")]
    pub most_code: f64,
    /// Number of entries, if the shape is measured per entry. [`Self::most_time`] is then the bound of an entry in
    /// bytes of a normal module, and [`Self::most_memory`] is its bound in bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// Why the bounds differ from [`MOST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
}

fn most() -> f64 {
    MOST
}

fn most_memory() -> f64 {
    MOST_MEMORY
}

fn most_code() -> f64 {
    MOST_CODE
}

/// The figures that a shape's process measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Size of the module.
    pub wasm_bytes: usize,
    /// CPU time: the least, minus that of the empty module.
    pub time_ns: u64,
    /// CPU time of the normal module, likewise.
    pub normal_ns: u64,
    /// Size of the normal module.
    pub normal_wasm_bytes: usize,
    /// Growth of the process by the first compilation.
    pub growth_bytes: u64,
    /// Bytes of code, if the engine reports them: the maximum over the instruction sets.
    #[serde(default)]
    pub code_bytes: Option<usize>,
}

impl Row {
    /// Time per byte relative to the normal module, or time per entry relative to a byte of the normal module.
    pub fn time_ratio(&self) -> Option<f64> {
        let figures = self.figures?;
        let normal = figures.normal_ns as f64 / figures.normal_wasm_bytes as f64;
        let units = self.entries.unwrap_or(figures.wasm_bytes);
        Some(figures.time_ns as f64 / units as f64 / normal)
    }

    /// Memory per byte relative to the normal module, or bytes per entry; `FREE_BYTES` are subtracted.
    pub fn memory_ratio(&self) -> Option<f64> {
        let figures = self.figures?;
        let growth = (figures.growth_bytes as f64 - FREE_BYTES).max(0.0);
        match self.entries {
            Some(entries) => Some(growth / entries as f64),
            None => Some(growth / figures.wasm_bytes as f64 / self.normal_bytes_per_byte),
        }
    }

    /// Bytes of code per byte or entry.
    pub fn code_ratio(&self) -> Option<f64> {
        let figures = self.figures?;
        let units = self.entries.unwrap_or(figures.wasm_bytes);
        Some(figures.code_bytes?.saturating_sub(FREE_CODE_BYTES) as f64 / units as f64)
    }

    /// Whether all figures are within the bounds.
    pub fn fine(&self) -> bool {
        let within = |ratio: Option<f64>, most| ratio.is_some_and(|ratio| ratio <= most);
        within(self.time_ratio(), self.most_time)
            && within(self.memory_ratio(), self.most_memory)
            && self
                .code_ratio()
                .is_none_or(|ratio| ratio <= self.most_code)
    }
}

/// Measures every shape, each in a process of its own.
pub fn measure(arguments: &Arguments) -> Result<Vec<Row>, String> {
    arguments.engine.open()?;
    let limit = Duration::from_secs(arguments.limit);
    let normal_bytes_per_byte = normal_growth(arguments.engine, limit)?;
    let mut rows = Vec::new();
    for shape in generated::shapes().filter(|it| it.name.contains(&arguments.filter)) {
        eprintln!("linear: {} ...", shape.name);
        // Exceptions apply only to this repository's engine.
        let exception = shape.exception.filter(|_| arguments.engine.is_ours());
        let (time, memory) = match (shape.entries, exception) {
            (Some(entries), _) => (entries.time, entries.memory),
            (None, Some(exception)) => (exception.time, exception.memory),
            (None, None) => (MOST, MOST_MEMORY),
        };
        let code = match (shape.entries, exception) {
            (Some(_), _) => FUNCTION_CODE_BYTES,
            (None, Some(exception)) => exception.code,
            (None, None) => MOST_CODE,
        };
        let mut row = Row {
            name: shape.name.to_owned(),
            what: shape.what.to_owned(),
            engine: arguments.engine,
            figures: None,
            failure: None,
            normal_bytes_per_byte,
            most_time: time * arguments.tolerance,
            most_memory: memory * arguments.tolerance,
            most_code: code,
            entries: shape.entries.map(|entries| entries.count),
            exception: exception.map(|it| it.reason.to_owned()),
        };
        for _ in 0..arguments.tries.max(1) {
            let figures = one(arguments.engine, shape, limit);
            row.failure = figures.as_ref().err().cloned();
            row.figures = figures.ok();
            if row.fine() {
                break;
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Growth of a process by compiling the normal module, per byte of that module. The median of three, because the system
/// counts pages in batches.
fn normal_growth(engine: EngineName, limit: Duration) -> Result<f64, String> {
    let mut growths = [0.0; 3];
    for growth in &mut growths {
        let normal = one(engine, &NORMAL, limit)?;
        *growth = normal.growth_bytes as f64 / normal.wasm_bytes as f64;
    }
    growths.sort_by(f64::total_cmp);
    Ok(growths[1])
}

/// Runs the process of a shape.
fn one(engine: EngineName, shape: &Shape, limit: Duration) -> Result<Figures, String> {
    let mut child = std::env::current_exe()
        .and_then(|program| {
            Command::new(program)
                .args([COMMAND, engine.text(), shape.name])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        })
        .map_err(|error| error.to_string())?;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if processor_time(child.id()) > limit => {
                // An error means that the process has ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not done after {} s", limit.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let read = |from: Option<&mut dyn Read>| {
        let mut text = String::new();
        match from.map(|from| from.read_to_string(&mut text)) {
            Some(Ok(_)) => text,
            _ => String::new(),
        }
    };
    let output = read(child.stdout.as_mut().map(|it| it as &mut dyn Read));
    serde_json::from_str(&output).map_err(|_| {
        let message = read(child.stderr.as_mut().map(|it| it as &mut dyn Read));
        format!("{status}: {}", message.lines().next().unwrap_or_default())
    })
}

/// CPU time that a process has used; zero if the process does not exist any more.
fn processor_time(process: u32) -> Duration {
    let ticks = || {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name of the program is in parentheses and may contain spaces.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system) = (
            fields.next()?.parse::<u64>().ok()?,
            fields.next()?.parse::<u64>().ok()?,
        );
        Some(user + system)
    };
    // Linux reports the time in hundredths of a second.
    Duration::from_millis(ticks().unwrap_or(0) * 10)
}

/// Runs in the process of a shape: measures and prints the figures.
pub fn print(name: EngineName, shape: &str) -> Result<bool, String> {
    let shape = generated::shapes()
        .chain([&NORMAL, &EMPTY])
        .find(|it| it.name == shape)
        .ok_or_else(|| format!("no shape {shape}"))?;
    let engine = match shape.multi_value && name.is_ours() {
        true => every_feature(name == EngineName::OursVerified),
        false => name.open()?,
    };
    let wasm = shape.wasm();
    // The first compilation includes one-time costs of the engine, so the empty module is compiled before.
    let empty = EMPTY.wasm();
    engine.compile(&empty)?;
    let before = peak::resident()?;
    engine.compile(&wasm)?;
    let growth_bytes = peak::most_resident()?.saturating_sub(before);
    let mut figures = turns(&*engine, &wasm, &empty, growth_bytes)?;
    figures.code_bytes = match name.is_ours() {
        true => Some(most_code_bytes(&wasm, shape.multi_value)?),
        false => engine.compile(&wasm)?.code_bytes(),
    };
    println!(
        "{}",
        serde_json::to_string(&figures).map_err(|error| error.to_string())?
    );
    Ok(true)
}

/// The maximum size of the code over the instruction sets.
fn most_code_bytes(wasm: &[u8], every_feature: bool) -> Result<usize, String> {
    let mut most = 0;
    for target in Target::ALL {
        let features = match every_feature {
            true => Features::ALL,
            false => Features::POLKADOT,
        };
        let options = CompileOptions {
            target,
            ..CompileOptions::new(features)
        };
        let artifact = compile(wasm, &options).map_err(|error| error.to_string())?;
        most = most.max(artifact.code.len());
    }
    Ok(most)
}

fn turns(engine: &dyn Engine, wasm: &[u8], empty: &[u8], growth: u64) -> Result<Figures, String> {
    let normal = NORMAL.wasm();
    let modules = [empty, &normal[..], wasm];
    let mut samples = [const { Samples::new() }; 3];
    let mut total = Duration::ZERO;
    let mut rounds = 0;
    while rounds < 3 || (rounds < 10 && total < Duration::from_millis(500)) {
        rounds += 1;
        for (module, samples) in modules.iter().zip(&mut samples) {
            let (compiled, time) = timed(|| engine.compile(module));
            compiled?;
            samples.push(time);
            total += time;
        }
    }
    let [empty, normal_ns, time_ns] = samples.map(|samples| samples.times().least_ns);
    Ok(Figures {
        wasm_bytes: wasm.len(),
        time_ns: time_ns.saturating_sub(empty),
        normal_ns: normal_ns.saturating_sub(empty).max(1),
        normal_wasm_bytes: normal.len(),
        growth_bytes: growth,
        code_bytes: None,
    })
}

/// Writes all shapes to a folder.
pub fn write(folder: &std::path::Path, filter: &str) -> Result<bool, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for shape in generated::shapes().filter(|it| it.name.contains(filter)) {
        let name = shape.name.replace([' ', ',', ':'], "-").replace("--", "-");
        let file = folder.join(format!("{name}.wasm"));
        std::fs::write(&file, shape.wasm())
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(true)
}

/// A table of all shapes that marks those beyond their bounds.
pub fn tables(rows: &[Row]) -> Vec<Table> {
    let mut table = Table::new(
        "Time and memory per byte, times those of a normal module; bytes of code per byte",
        [
            "shape",
            "property",
            "bytes",
            "ns/byte",
            "time",
            "memory/byte",
            "memory",
            "code",
            "",
        ],
    );
    for row in rows.iter().filter(|row| row.entries.is_none()) {
        let per_byte = |value: fn(&Figures) -> f64| {
            row.figures
                .as_ref()
                .map(|figures| value(figures) / figures.wasm_bytes as f64)
        };
        table.row(vec![
            row.name.clone(),
            row.what.clone(),
            row.figures
                .map_or("-".to_owned(), |it| it.wasm_bytes.to_string()),
            number(per_byte(|it| it.time_ns as f64), 0),
            number(row.time_ratio(), 2),
            number(per_byte(|it| it.growth_bytes as f64), 1),
            number(row.memory_ratio(), 2),
            number(row.code_ratio(), 1),
            match (&row.failure, row.fine()) {
                (Some(failure), _) => failure.clone(),
                (None, true) if row.exception.is_some() => "exception".to_owned(),
                (None, true) => String::new(),
                (None, false) => "BEYOND".to_owned(),
            },
        ]);
    }
    let beyond: Vec<&str> = rows
        .iter()
        .filter(|it| !it.fine())
        .map(|it| &*it.name)
        .collect();
    table.notes.push(match &beyond[..] {
        [] => format!("{} shapes, all within their bounds", rows.len()),
        beyond => format!(
            "{} of {} shapes beyond their bounds: {}",
            beyond.len(),
            rows.len(),
            beyond.join(", ")
        ),
    });
    for row in rows {
        if let Some(reason) = &row.exception {
            table.notes.push(format!(
                "{}: up to {} times the time, {} times the memory, {} bytes of code: {reason}",
                row.name, row.most_time, row.most_memory, row.most_code
            ));
        }
    }
    let mut tables = vec![table];
    tables.extend(entries(rows));
    tables
}

/// The shapes that are measured per entry.
fn entries(rows: &[Row]) -> Option<Table> {
    let mut table = Table::new(
        "Each entry: nanoseconds, time in bytes of a normal module, bytes of memory and of code",
        [
            "entries", "what", "number", "ns", "time", "memory", "code", "",
        ],
    );
    for row in rows {
        let Some(count) = row.entries else {
            continue;
        };
        let nanoseconds = row.figures.map(|it| it.time_ns as f64 / count as f64);
        table.row(vec![
            row.name.clone(),
            row.what.clone(),
            count.to_string(),
            number(nanoseconds, 1),
            number(row.time_ratio(), 2),
            number(row.memory_ratio(), 1),
            number(row.code_ratio(), 1),
            match (&row.failure, row.fine()) {
                (Some(failure), _) => failure.clone(),
                (None, true) => String::new(),
                (None, false) => "BEYOND".to_owned(),
            },
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figures: Option<Figures>) -> Row {
        Row {
            name: "shape".into(),
            what: String::new(),
            engine: EngineName::Ours,
            figures,
            failure: None,
            normal_bytes_per_byte: 4.0,
            most_time: MOST,
            most_memory: MOST_MEMORY,
            most_code: MOST_CODE,
            entries: None,
            exception: None,
        }
    }

    #[test]
    fn ratios_are_per_byte_and_what_is_beyond_is_marked() {
        let figures = Figures {
            wasm_bytes: 1000,
            time_ns: 6000,
            normal_ns: 20_000,
            normal_wasm_bytes: 10_000,
            growth_bytes: 1048576 + 8000,
            code_bytes: Some(4096 + 16_000),
        };
        let fine = row(Some(figures));
        assert_eq!(
            (fine.time_ratio(), fine.memory_ratio()),
            (Some(3.0), Some(2.0))
        );
        assert!(fine.fine());
        let slow = Figures {
            time_ns: 6100,
            ..figures
        };
        let large = Figures {
            growth_bytes: 1048576 + 16_100,
            ..figures
        };
        let long = Figures {
            code_bytes: Some(4096 + 16_100),
            ..figures
        };
        for beyond in [Some(slow), Some(large), Some(long), None] {
            assert!(!row(beyond).fine());
            let tables = tables(&[row(beyond)]);
            assert!(tables[0].notes[0].starts_with("1 of 1 shapes beyond"));
        }
        let excepted = Row {
            most_memory: 4.5,
            exception: Some("known".into()),
            ..row(Some(large))
        };
        assert!(excepted.fine());
        assert!(tables(&[excepted])[0].notes[1].ends_with("known"));
    }

    #[test]
    fn entries_have_bounds_of_their_own() {
        let figures = Figures {
            wasm_bytes: 1000,
            time_ns: 6000,
            normal_ns: 20_000,
            normal_wasm_bytes: 10_000,
            growth_bytes: 1048576 + 8000,
            code_bytes: Some(4096 + 4800),
        };
        let by_entries = |most_time, most_memory| Row {
            entries: Some(100),
            most_time,
            most_memory,
            most_code: FUNCTION_CODE_BYTES,
            ..row(Some(figures))
        };
        let fine = by_entries(30.0, 80.0);
        let ratios = (fine.time_ratio(), fine.memory_ratio(), fine.code_ratio());
        assert_eq!(ratios, (Some(30.0), Some(80.0), Some(48.0)));
        assert!(fine.fine());
        assert!(!by_entries(29.0, 80.0).fine());
        assert!(!by_entries(30.0, 79.0).fine());
        assert_eq!(tables(&[fine]).len(), 2);
    }
}
