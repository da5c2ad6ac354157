//! Modules compiled for the check: with the code map, without loop idioms.

use crate::{Checker, Input, Piece, Report};
use pvf_compiler::{Artifact, CompileOptions, Target, compile_with_code_map};
use pvf_executor::{Described, Verification};
use pvf_rules::Features;
use pvf_verifier::Module;

/// How a module is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The accepted language.
    pub features: Features,
    /// The instruction set.
    pub target: Target,
    /// Whether the logical stack is counted.
    pub logical_stack: bool,
    /// Whether gas is counted.
    pub gas: bool,
}

/// A module, its artifact and its code map.
#[derive(Debug)]
pub struct Compiled<'w> {
    /// The module.
    pub wasm: &'w [u8],
    /// The artifact.
    pub artifact: Artifact,
    /// The code map.
    pub pieces: Vec<Piece>,
}

impl<'w> Compiled<'w> {
    /// Compiles a module; `None` if it is not of the language.
    pub fn new(wasm: &'w [u8], setting: &Setting) -> Option<Self> {
        let mut options = CompileOptions {
            target: setting.target,
            loop_idioms: false,
            ..CompileOptions::new(setting.features)
        };
        options.metering.logical_stack = setting.logical_stack;
        options.metering.gas = setting.gas.then(Default::default);
        Self::with_options(wasm, &options)
    }

    /// Compiles a module with options of the caller's; `None` if it is not of the language.
    pub fn with_options(wasm: &'w [u8], options: &CompileOptions) -> Option<Self> {
        let (artifact, map) = compile_with_code_map(wasm, options).ok()?;
        let pieces = map.pieces().iter().map(|piece| Piece {
            code_offset: piece.code_offset,
            wasm_offset: piece.wasm_offset,
        });
        Some(Self {
            wasm,
            artifact,
            pieces: pieces.collect(),
        })
    }

    /// Checks all functions.
    pub fn check(&self, checker: &mut Checker) -> Report {
        self.check_some(checker, |_| true)
    }

    /// Checks the functions that are wanted.
    pub fn check_some(&self, checker: &mut Checker, wanted: impl Fn(u32) -> bool) -> Report {
        let mut report = Report::default();
        let Ok(module) = Module::read(self.wasm) else {
            return report;
        };
        let described = Described::new(&self.artifact, &Verification::default());
        let code = described.with(&self.artifact.code);
        let input = Input {
            module: &module,
            code: &code,
            pieces: &self.pieces,
        };
        for function in module.imported_functions..module.functions.len() as u32 {
            if !wanted(function) {
                continue;
            }
            let bytes = code.functions[function as usize].bytes;
            report.add(checker.check(&input, function), bytes);
        }
        report
    }
}
