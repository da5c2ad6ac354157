//! The measurements as tables and as JSON, and whether they are within bounds.

use crate::measure::geometric_mean;
use crate::table::{Table, number};
use crate::{compile, count, size};
use serde::Serialize;
use std::path::Path;

/// The bound of executed instructions relative to Wasmtime's, for the mean of the guests.
const MOST_INSTRUCTIONS: f64 = 1.4;
/// The bound of code bytes relative to Wasmtime's, for the mean.
const MOST_CODE: f64 = 1.5;
/// The bound of the compile time for aarch64 relative to x86-64, for the mean.
const MOST_TIME: f64 = 1.3;

/// All figures; a measurement that was not made is empty.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Instructions executed.
    pub instructions: Vec<count::Row>,
    /// Bytes of code.
    pub size: Vec<size::Row>,
    /// Speed of compiling.
    pub speed: Vec<compile::Row>,
}

impl Report {
    /// Prints tables and writes JSON. With `-` the JSON goes to the standard output, and no tables are printed.
    pub fn write(&self, json: Option<&Path>) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        match json {
            Some(file) if file.as_os_str() == "-" => {
                print!("{text}");
                return Ok(());
            }
            Some(file) => std::fs::write(file, text)
                .map_err(|error| format!("{}: {error}", file.display()))?,
            None => {}
        }
        self.tables().iter().for_each(Table::print);
        Ok(())
    }

    /// Whether all results are the known ones and all means are within bounds.
    pub fn all_right(&self) -> bool {
        let within = |mean: Option<f64>, most| mean.is_none_or(|mean| mean <= most);
        self.instructions.iter().all(|row| row.wrong.is_empty())
            && within(self.mean_instructions(false), MOST_INSTRUCTIONS)
            && within(self.mean_size("guests"), MOST_CODE)
            && within(self.mean_time("guests"), MOST_TIME)
    }

    fn mean_instructions(&self, loops: bool) -> Option<f64> {
        let rows = self.instructions.iter().filter(|row| row.is_loop == loops);
        geometric_mean(rows.map(count::Row::ratio))
    }

    fn mean_size(&self, group: &str) -> Option<f64> {
        let rows = self.size.iter().filter(|row| row.group == group);
        geometric_mean(rows.map(size::Row::ratio))
    }

    fn mean_time(&self, group: &str) -> Option<f64> {
        let rows = self.speed.iter().filter(|row| row.group == group);
        geometric_mean(rows.map(compile::Row::time_ratio))
    }

    fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.instructions_of(false), self.instructions_of(true)];
        for group in ["guests", "fixtures", "PVFs"] {
            tables.push(self.size_of(group));
        }
        for group in ["guests", "fixtures", "PVFs"] {
            tables.push(self.speed_of(group));
        }
        tables
    }

    fn instructions_of(&self, loops: bool) -> Table {
        let title = match loops {
            false => format!("Instructions executed by a guest's run (bound {MOST_INSTRUCTIONS})"),
            true => "Instructions executed by a loop's run".to_owned(),
        };
        let mut table = Table::new(&title, ["program", "ours", "Wasmtime", "ratio"]);
        for row in self.instructions.iter().filter(|row| row.is_loop == loops) {
            let (ours, wasmtime) = (row.ours.to_string(), row.wasmtime.to_string());
            table.row(vec![
                row.name.clone(),
                ours,
                wasmtime,
                ratio(Some(row.ratio())),
            ]);
            let wrong = row.wrong.iter();
            table
                .notes
                .extend(wrong.map(|it| format!("WRONG: {} in {it}", row.name)));
        }
        mean(&mut table, 2, [self.mean_instructions(loops)]);
        table
    }

    fn size_of(&self, group: &str) -> Table {
        let title = match group {
            "guests" => format!("Bytes of code of guests (bound {MOST_CODE})"),
            _ => format!("Bytes of code of {group}"),
        };
        let headings = [
            "module",
            "Wasm",
            "ours",
            "ours, x86-64",
            "Wasmtime",
            "ratio",
        ];
        let mut table = Table::new(&title, headings);
        for row in self.size.iter().filter(|row| row.group == group) {
            let sizes = [row.wasm_bytes, row.ours, row.ours_x86_64, row.wasmtime];
            let mut cells = vec![row.name.clone()];
            cells.extend(sizes.map(|bytes| bytes.to_string()));
            cells.push(ratio(Some(row.ratio())));
            table.row(cells);
        }
        mean(&mut table, 4, [self.mean_size(group)]);
        table
    }

    fn speed_of(&self, group: &str) -> Table {
        let title = match group {
            "guests" => format!("Compiling guests for aarch64 and x86-64 (bound {MOST_TIME})"),
            _ => format!("Compiling {group} for aarch64 and x86-64"),
        };
        let headings = [
            "module",
            "aarch64, ms",
            "x86-64, ms",
            "aarch64, instructions per byte",
            "x86-64, instructions per byte",
            "ratio of times",
            "of instructions",
        ];
        let mut table = Table::new(&title, headings);
        let rows = || self.speed.iter().filter(|row| row.group == group);
        for row in rows() {
            let sides = [&row.aarch64, &row.x86_64];
            let per_byte = |count| count as f64 / row.wasm_bytes as f64;
            let mut cells = vec![row.name.clone()];
            cells.extend(sides.map(|it| format!("{:.3}", it.time.least_ms())));
            cells.extend(sides.map(|it| number(it.instructions.map(per_byte), 1)));
            cells.extend([Some(row.time_ratio()), row.instruction_ratio()].map(ratio));
            table.row(cells);
        }
        let instructions = geometric_mean(rows().filter_map(compile::Row::instruction_ratio));
        mean(&mut table, 4, [self.mean_time(group), instructions]);
        table
    }
}

fn ratio(value: Option<f64>) -> String {
    number(value, 2)
}

/// Adds the last row: the means, after this number of empty cells.
fn mean(table: &mut Table, empty: usize, means: impl IntoIterator<Item = Option<f64>>) {
    if table.is_empty() {
        return;
    }
    let mut cells = vec!["geometric mean".to_owned()];
    cells.resize(1 + empty, String::new());
    cells.extend(means.into_iter().map(ratio));
    table.row(cells);
}
