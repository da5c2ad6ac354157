//! Bodies judged twice, by the validator of pass 1 and by wasmparser, for tests.

use super::{Analyser, Analysis, refusal};
use crate::module::{self, ParsedModule};
use crate::{CompileError, CompileOptions, Refusal};
use std::ops::Range;

/// What the two say about a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Pass 1 accepts it.
    pub accepted: bool,
    /// The refusal that is told, if the reading by wasmparser ends in one.
    pub refusal: Option<Refusal>,
}

impl Judgement {
    /// Whether the two agree.
    pub fn is_unanimous(&self) -> bool {
        self.accepted == self.refusal.is_none()
    }
}

/// The bodies of a module, to be judged, or other bodies in their place.
pub struct BodyJudge<'m> {
    module: ParsedModule<'m>,
    options: &'m CompileOptions,
    analyser: Analyser,
    analysis: Analysis,
}

impl BodyJudge<'_> {
    /// Indices of the functions that have bodies.
    pub fn functions(&self) -> Range<u32> {
        self.module.defined()
    }

    /// The body of a function: declarations of locals, then operators.
    pub fn body(&self, function: u32) -> Option<&[u8]> {
        Some(self.module.body(function)?.body.as_bytes())
    }

    /// Judges a body in the place of a function's own. `None` if the function has none.
    pub fn judge(&mut self, function: u32, body: &[u8]) -> Option<Judgement> {
        let Self {
            module,
            options,
            analyser,
            analysis,
        } = self;
        let body = || module.body_of(function, body);
        let accepted = analyser.accepts(module, &body()?, options, analysis);
        Some(Judgement {
            accepted: accepted.is_ok(),
            refusal: refusal::refusal(module, body()?, options),
        })
    }
}

/// Reads a module's declarations and hands its bodies out to be judged.
///
/// # Errors
/// The refusal of the declarations.
pub fn judge_bodies<T>(
    wasm: &[u8],
    options: &CompileOptions,
    judge: impl FnOnce(&mut BodyJudge<'_>) -> T,
) -> Result<T, CompileError> {
    module::with_module(wasm, options.features, &options.limits, |module| {
        Ok(judge(&mut BodyJudge {
            module,
            options,
            analyser: Analyser::default(),
            analysis: Analysis::default(),
        }))
    })
}
