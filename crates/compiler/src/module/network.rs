//! How the nodes of today's Polkadot network read a module (rules NET-1 to NET-9).
//!
//! A node does not validate a blob. It reads it with `parity-wasm` 0.45, rewrites it (one more global for the
//! stack limiter of `wasm-instrument` 0.4, a thunk for each function that is entered from outside, an imported
//! memory made its own, maxima of memories taken away) and validates *that* with `wasmparser` 0.236.1. So a module
//! is accepted if the first parser reads it and the second one validates what was made of it, and the node's
//! answer says which of the two it was.
//!
//! [`NetworkModule::read`] is the first parser: what it refuses is [`Refusal::Malformed`] or
//! [`Refusal::Unsupported`], a node's `Prevalidation`. The declarations it leaves are those of the rewritten
//! module, in the encoding that the node would give them; [`super::parse_network`] validates them as any others,
//! and what is refused from then on is a node's `Preparation` ([`NetworkModule::refusal`]).
//!
//! Bodies are not rewritten, since what is added to them decides nothing, and are not read here, since a body of the
//! network's language that `wasmparser` accepts is one that `parity-wasm` reads too. Only if something is refused
//! are they read, to tell by which of the two it was. The reverse has one exception: a block type in a longer
//! encoding than it needs. The node shortens it before it validates ([`canonical_body`]).
//!
//! Files: [`transcribe`] reads numbers and writes them in their shortest encoding; [`sections`] reads the sections,
//! [`operators`] operators and expressions; [`rewrite`] makes of them what a node makes.

mod operators;
mod rewrite;
mod sections;
mod transcribe;

use crate::Refusal;
use crate::error::narrow;
use pvf_rules::{Limits, RuleId};
use sections::Contents;
use transcribe::Transcriber;

/// A module as a node reads it, and the declarations that the node makes of it.
pub(crate) struct NetworkModule<'a> {
    /// The blob.
    pub wasm: &'a [u8],
    /// The sections of the rewritten module that are not empty, in order, without code and custom sections.
    pub sections: Vec<Section>,
    code: Option<Contents<'a>>,
    imported_functions: u32,
    /// Functions of the module itself, imported ones counted.
    functions: u32,
    /// For each thunk, in order, the function that it calls. Their indices follow those of the functions.
    thunks: Vec<u32>,
    /// The name under which an imported memory is exported.
    memory_export: Option<&'a str>,
    /// Why the rewritten module is not valid, as far as no section tells.
    fault: Option<Refusal>,
    /// The limiter refers to this global instead of its own.
    misdirected: Option<u32>,
}

/// A section of the rewritten module.
pub(crate) struct Section {
    pub id: SectionId,
    /// Its contents, from the number of its entries on; of `Start`, the function's index.
    pub bytes: Vec<u8>,
    /// Offset in the blob of the contents of the section it was made from.
    pub offset: u32,
}

/// A kind of section that is not code, with the binary format's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SectionId {
    Type = 1,
    Import = 2,
    Function = 3,
    Table = 4,
    Memory = 5,
    Global = 6,
    Export = 7,
    Start = 8,
    Element = 9,
    Data = 11,
}

impl<'a> NetworkModule<'a> {
    /// Reads a blob. Bodies are only located.
    ///
    /// # Errors
    /// The error of `parity-wasm`, if it has one.
    pub fn read(wasm: &'a [u8], limits: &Limits) -> Result<Self, Refusal> {
        sections::read(wasm, limits)
    }

    /// The function itself of one that may be a thunk.
    pub fn function(&self, index: u32) -> u32 {
        let thunk = index.checked_sub(self.functions);
        let callee = thunk.and_then(|thunk| self.thunks.get(thunk as usize));
        callee.copied().unwrap_or(index)
    }

    /// How many of the functions are thunks.
    pub fn thunks(&self) -> u32 {
        self.thunks.len() as u32
    }

    /// Why the rewritten module is not valid, as far as no section of it tells. A node finds that before it
    /// validates.
    ///
    /// # Errors
    /// The fault.
    pub fn check(&self) -> Result<(), Refusal> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// The global that the limiter's code refers to by mistake, since its index leaves out imported globals. None
    /// without imported globals, or if no such code is made.
    pub fn misdirected(&self) -> Option<u32> {
        let global = self.misdirected?;
        let first = self.imported_functions;
        let called = |(_, body): (u32, &[u8])| operators::calls_function_from(first, body);
        (!self.thunks.is_empty() || self.bodies().any(called)).then_some(global)
    }

    /// The bodies, each with its offset in the blob: declarations of locals, then operators.
    pub fn bodies(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let code = self.code.and_then(|code| code.entries().ok());
        let mut code = code.map(|(_, code)| code);
        std::iter::from_fn(move || {
            let code = code.as_mut().filter(|code| !code.at_end())?;
            code.muted(|code| {
                let bytes = code.var_u32().ok()?;
                Some((code.offset(), code.bytes(bytes).ok()?))
            })
        })
    }

    /// A refusal of what was made of the module, as a node gives it: if a body cannot be read at all, the node has
    /// refused it before.
    pub fn refusal(&self, error: Refusal) -> Refusal {
        for (function, (offset, body)) in (self.imported_functions..).zip(self.bodies()) {
            let mut body = Transcriber::new(body, offset);
            if let Err(error) = body.muted(operators::read_body) {
                return error.of(Some(function));
            }
        }
        match error {
            Refusal::Malformed {
                function,
                offset,
                message,
                rule,
            }
            | Refusal::Invalid {
                function,
                offset,
                message,
                rule,
            } => Refusal::Invalid {
                function,
                offset,
                rule: self.rule_broken(rule, &message),
                message,
            },
            Refusal::Unsupported {
                feature,
                function,
                offset,
                rule,
            } => Refusal::Invalid {
                function,
                offset,
                message: format!("{feature} is not accepted"),
                rule,
            },
            other => other,
        }
    }

    /// The rule of this dialect that is broken where the second parser says this.
    fn rule_broken(&self, rule: RuleId, message: &str) -> RuleId {
        let duplicate = |name| format!("duplicate export name `{name}` already defined");
        match self.memory_export.map(duplicate) {
            // Of the two, one is the memory's.
            Some(duplicate) if message == duplicate => RuleId::NET_5,
            _ if rule == RuleId::LANG_1 => RuleId::NET_7,
            _ => rule,
        }
    }
}

/// A body in the encoding that a node gives it, if that is another one and the body can be read.
pub(crate) fn canonical_body(body: &[u8], offset: u64) -> Option<Vec<u8>> {
    let mut transcriber = Transcriber::new(body, narrow(offset));
    transcriber.reserve();
    operators::read_body(&mut transcriber).ok()?;
    let canonical = transcriber.finish();
    (canonical != body).then_some(canonical)
}
