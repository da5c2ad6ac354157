//! The size of code in bytes.

use crate::Options;
use crate::engines::{Wasmtime, ours};
use crate::inputs::{self, Input};
use pvf_compiler::Target;
use serde::Serialize;

/// The sizes of a module.
#[derive(Debug, Serialize)]
pub struct Row {
    /// `guests`, `fixtures` or `PVFs`.
    pub group: String,
    /// Name of the module in its group.
    pub name: String,
    /// Size of the Wasm in bytes.
    pub wasm_bytes: usize,
    /// Size of this executor's code for aarch64, including stubs.
    pub ours: usize,
    /// Size of this executor's code for x86-64.
    pub ours_x86_64: usize,
    /// Size of Wasmtime's code for aarch64, including trampolines.
    pub wasmtime: usize,
}

impl Row {
    /// The size of this executor's code relative to Wasmtime's.
    pub fn ratio(&self) -> f64 {
        self.ours as f64 / self.wasmtime as f64
    }
}

/// Compiles every module in both engines.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let wasmtime = Wasmtime::new()?;
    let mut rows = Vec::new();
    for input in inputs::all(options)? {
        eprintln!("size: {} {} ...", input.group, input.name);
        let row = row(&input, &wasmtime);
        rows.push(row.map_err(|error| format!("{}: {error}", input.name))?);
    }
    Ok(rows)
}

fn row(input: &Input, wasmtime: &Wasmtime) -> Result<Row, String> {
    Ok(Row {
        group: input.group.to_owned(),
        name: input.name.clone(),
        wasm_bytes: input.wasm.len(),
        ours: ours(&input.wasm, Target::Aarch64)?.code.len(),
        ours_x86_64: ours(&input.wasm, Target::X86_64)?.code.len(),
        wasmtime: wasmtime.compile(&input.wasm)?.code_bytes()?,
    })
}
