//! A survey of the loops of a module that are idioms, for tests and reports.

use super::LoopIdiomKind;
use crate::analysis::{Analyser, Analysis};
use crate::instruction::Instruction;
use crate::module::{self, ParsedModule};
use crate::{CompileError, CompileOptions};

/// The loops of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoopIdioms {
    /// Innermost loops.
    pub innermost: u32,
    /// Innermost loops that access memory and call nothing.
    pub with_memory: u32,
    /// Loops that are idioms: index of the function, and kind.
    pub idioms: Vec<(u32, LoopIdiomKind)>,
}

/// Finds the loops that are done many iterations at a time.
///
/// # Errors
/// As [`compile`](crate::compile) on the module.
pub fn loop_idioms(wasm: &[u8], options: &CompileOptions) -> Result<LoopIdioms, CompileError> {
    module::with_module(wasm, options.features, &options.limits, |parsed| {
        survey(&parsed, options)
    })
}

fn survey(parsed: &ParsedModule<'_>, options: &CompileOptions) -> Result<LoopIdioms, CompileError> {
    let (mut analyser, mut analysis) = (Analyser::default(), Analysis::default());
    let mut found = LoopIdioms::default();
    for function in parsed.defined() {
        let Some(body) = parsed.body(function) else {
            continue;
        };
        analyser.run(parsed, body, options, &mut analysis)?;
        for candidate in &analysis.candidates {
            let instructions = &analysis.code.instructions()[candidate.instructions.clone()];
            let any = |is: fn(&Instruction) -> bool| {
                let mut all = instructions.iter().map(|placed| placed.instruction);
                all.any(|instruction| is(&instruction))
            };
            let memory = any(|instruction| {
                matches!(instruction, Instruction::Load(..) | Instruction::Store(..))
            });
            let calls = any(|instruction| {
                matches!(
                    instruction,
                    Instruction::Call(_) | Instruction::CallIndirect(_)
                )
            });
            found.innermost += 1;
            found.with_memory += u32::from(memory && !calls);
        }
        let idioms = analysis.idioms().iter();
        found
            .idioms
            .extend(idioms.map(|idiom| (function, idiom.operation.kind())));
    }
    Ok(found)
}
