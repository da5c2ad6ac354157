//! An independent check of machine code against the Wasm module that it was compiled from.
//!
//! Input: a module's bytes and [`MachineCode`]. Output: [`Verified`], or a [`Refusal`] that names the [`Invariant`]
//! that does not hold, the function and the offset. The crate uses nothing of the compiler: it reads the module itself
//! ([`Module`]), computes operand heights itself ([`wasm::Bodies`]), states the layout of the context independently
//! ([`layout`]) and decodes machine code with its own tables.
//!
//! The verifier checks that code stays within its sandbox whatever values it computes: control flow, memory accesses,
//! the stack rule, and the constants of the meters. It does not check that the computed values are correct.
//!
//! The crate never panics on any input, and it does not allocate memory for each instruction.
#![forbid(unsafe_code)]

mod aarch64;
mod input;
pub mod layout;
mod refusal;
pub mod wasm;
mod why;
mod written;
pub mod x64;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

pub use input::{
    FunctionCode, GasMeter, InstructionSet, LoopStart, MachineCode, NativeStack, Settings, TrapSite,
};
pub use refusal::{Invariant, Refusal, Unreadable};
pub use wasm::Module;

/// The result for machine code that satisfies all invariants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Number of the module's own functions.
    pub functions: u32,
    /// Machine instructions in them.
    pub instructions: u64,
    /// Number of visited instructions. Instructions in loops that were walked again count again.
    pub steps: u64,
}

/// A module of which everything but the functions was checked: the stubs, and the layout of the code. Functions are
/// independent of each other, so several threads can check them, each with a [`Checker`] of its own.
#[derive(Debug)]
pub struct Functions(Target);

#[derive(Debug)]
enum Target {
    X64(x64::Tables),
    Aarch64(Arc<aarch64::Layout>),
}

/// Memory that is used again from one function to the next.
pub struct Checker {
    bodies: wasm::Bodies,
    x64: x64::Buffers,
    aarch64: aarch64::Buffers,
}

impl Checker {
    /// A checker for code with the settings of this one.
    pub fn new(code: &MachineCode<'_>) -> Self {
        let settings = &code.settings;
        Self {
            bodies: wasm::Bodies::new(settings.logical_stack, settings.gas),
            x64: x64::Buffers::default(),
            aarch64: aarch64::Buffers::default(),
        }
    }
}

impl Functions {
    /// Checks everything except the functions.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn new(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Self, Refusal> {
        let code = &comparable(module, code);
        Ok(Self(match code.settings.instruction_set {
            InstructionSet::X86_64 => Target::X64(x64::Tables::new(module, code)?),
            InstructionSet::Aarch64 => {
                Target::Aarch64(Arc::new(aarch64::Layout::new(module, code)?))
            }
        }))
    }

    /// Checks one of the module's own functions. Everything else must be unchanged since [`Self::new`].
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(
        &self,
        checker: &mut Checker,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        function: u32,
    ) -> Result<Verified, Refusal> {
        Ok(self.check_sites(checker, module, code, function)?.0)
    }

    /// Checks a function. Returns the number of its trap sites as well.
    fn check_sites(
        &self,
        checker: &mut Checker,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        function: u32,
    ) -> Result<(Verified, usize), Refusal> {
        let code = &comparable(module, code);
        let start = code.functions.get(function as usize);
        let start = start.map_or(0, |function| function.offset);
        let first = code.sites.partition_point(|site| site.code_offset < start);
        let bodies = &mut checker.bodies;
        let input = (module, code);
        let (next, verified) = match &self.0 {
            Target::X64(tables) => {
                x64::check(tables, (bodies, &mut checker.x64), input, function, first)?
            }
            Target::Aarch64(layout) => aarch64::check(
                layout,
                (bodies, &mut checker.aarch64),
                input,
                function,
                first,
            )?,
        };
        Ok((verified, next - first))
    }
}

/// Checks machine code against its module.
///
/// # Errors
/// The first invariant that does not hold.
pub fn verify(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Verified, Refusal> {
    verify_with_threads(module, code, NonZeroUsize::MIN)
}

/// The number of functions that a thread takes at once.
const AT_ONCE: u32 = 8;

/// Checks machine code against its module, with this number of threads. The result does not depend on the number.
///
/// # Errors
/// The first invariant that does not hold; of several functions, that of the first.
pub fn verify_with_threads(
    module: &Module<'_>,
    code: &MachineCode<'_>,
    threads: NonZeroUsize,
) -> Result<Verified, Refusal> {
    let functions = Functions::new(module, code)?;
    let end = module.functions.len() as u32;
    let next = AtomicU32::new(module.imported_functions);
    // Functions are taken in order. A thread that refuses one lets no more be taken, but what was taken before is checked
    // to its end. So the first refusal in order is always among those found.
    let work = || {
        let mut checker = Checker::new(code);
        let (mut verified, mut sites) = (Verified::default(), 0);
        loop {
            let start = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            if start >= end {
                return Ok((verified, sites));
            }
            for function in start..end.min(start + AT_ONCE) {
                match functions.check_sites(&mut checker, module, code, function) {
                    Ok((one, count)) => {
                        verified.add(one);
                        sites += count;
                    }
                    Err(refusal) => {
                        next.store(end, Ordering::Relaxed);
                        return Err((function, refusal));
                    }
                }
            }
        }
    };
    let results: Vec<_> = match threads.get() {
        1 => vec![work()],
        threads => thread::scope(|scope| {
            // A machine that gives no more threads has the others do their work.
            let started: Vec<_> = (1..threads)
                .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut results = vec![work()];
            for thread in started {
                match thread.join() {
                    Ok(result) => results.push(result),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        }),
    };
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    if let Some((_, refusal)) = refused.min_by_key(|(function, _)| *function) {
        return Err(*refusal);
    }
    let (mut verified, mut sites) = (Verified::default(), 0);
    for (one, count) in results.into_iter().flatten() {
        verified.add(one);
        sites += count;
    }
    match sites == code.sites.len() {
        true => Ok(verified),
        false => Err(Refusal::of_module(
            Invariant::TrapSites,
            "a trap site is outside of all functions",
        )),
    }
}

impl Verified {
    fn add(&mut self, other: Self) {
        self.functions += other.functions;
        self.instructions += other.instructions;
        self.steps += other.steps;
    }
}

/// The code with its settings, but without prices if there are no bodies whose charges could be compared.
fn comparable<'a>(module: &Module<'_>, code: &MachineCode<'a>) -> MachineCode<'a> {
    let mut code = *code;
    if code.settings.gas.is_on() && !module.has_bodies() {
        code.settings.gas = GasMeter::Unpriced;
    }
    code
}
