//! Data that all functions of a module share, and the layout of the code: the addresses of functions and stubs.

use super::encode::NOP;
use super::stubs::Stubs;
use super::values::{DOUBLE, State, WORD};
use super::walk::{self, Buffers};
use crate::wasm::{Bodies, BodyFacts, FuncType, Global, Module, ValType};
use crate::why::{Check, refuse};
use crate::{
    FunctionCode, GasMeter, Invariant, MachineCode, NativeStack, Refusal, TrapSite, Verified,
    layout,
};
use std::ops::Deref;
use std::sync::Arc;

/// The type of the counter of the logical stack.
const COUNTER: Global = Global {
    ty: ValType::I32,
    mutable: true,
};

/// The number of arguments in registers, for each class of registers.
pub(super) const ARGUMENT_REGISTERS: usize = 8;

/// The target of a direct call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// A function; indices include imported functions.
    Function(u32),
    /// A builtin of the runtime, by its code.
    Builtin(u8),
    /// A block operation.
    Block,
    /// Code that functions share.
    Shared(Shared),
}

/// Shared code, which a module contains once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    /// A truncation of a float, to 64 bits if `wide` is set, otherwise to 32.
    Truncate { wide: bool },
    /// A signed division.
    Divide { wide: bool, remainder: bool },
}

/// The locations of a signature's arguments and results.
#[derive(Clone, Debug, Default)]
pub(super) struct Convention {
    /// The maximum number of bits of each argument in a general register.
    pub general: Vec<u8>,
    /// The set of float registers that contain arguments.
    pub floats: u32,
    /// The type of the result in a register.
    pub result: Option<ValType>,
    /// Bytes of the signature's slots in the caller's frame.
    pub slot_bytes: u64,
}

impl Convention {
    fn of(ty: &FuncType) -> Self {
        let bits = |ty: &ValType| if ty.is_wide() { DOUBLE } else { WORD };
        let general = ty.params.iter().filter(|ty| ty.is_integer());
        let floats = ty.params.iter().filter(|ty| !ty.is_integer()).count();
        Self {
            general: general.take(ARGUMENT_REGISTERS).map(bits).collect(),
            floats: (1 << floats.min(ARGUMENT_REGISTERS)) - 1,
            result: ty.results.first().copied(),
            slot_bytes: ty.slot_bytes(),
        }
    }
}

/// The data that all functions share, with the module and the trap sites.
pub(super) struct Tables<'a> {
    pub module: &'a Module<'a>,
    pub sites: &'a [TrapSite],
    layout: Arc<Layout>,
}

impl Deref for Tables<'_> {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.layout
    }
}

/// What was checked of a module as a whole.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(super) conventions: Vec<Convention>,
    /// Offset of the table in the context.
    pub table: u64,
    pub native_stack: NativeStack,
    pub logical: bool,
    pub counter: Option<u32>,
    /// Whether gas is counted; `priced` is false if the prices are not known, so that charges cannot be compared.
    pub gas: bool,
    pub priced: bool,
    /// The gas for each page that a `memory.grow` requests.
    pub grow_price: u64,
    /// For each address at which code may begin, an index into `callees` plus 1, or 0.
    entries: Vec<u32>,
    callees: Vec<Callee>,
}

impl<'a> Tables<'a> {
    /// Checks the claims about the module as a whole, and the layout of the code.
    #[cfg(test)]
    pub fn new(module: &'a Module<'a>, code: &MachineCode<'a>) -> Result<Self, Refusal> {
        let layout = Arc::new(Layout::new(module, code)?);
        Ok(Self::of(&layout, module, code))
    }

    /// The tables for a layout that was checked.
    pub fn of(layout: &Arc<Layout>, module: &'a Module<'a>, code: &MachineCode<'a>) -> Self {
        Self {
            module,
            sites: code.sites,
            layout: layout.clone(),
        }
    }

    /// The type of a global.
    pub fn global(&self, index: u64) -> Option<Global> {
        let global = self.module.globals.get(usize::try_from(index).ok()?);
        match global {
            None if self.counter.map(u64::from) == Some(index) => Some(COUNTER),
            _ => global.copied(),
        }
    }
}

impl Layout {
    /// Checks the claims about the module as a whole, and the layout of the code.
    pub fn new(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Self, Refusal> {
        let settings = &code.settings;
        claims(module, code)?;
        let globals = module.globals.len() as u32;
        let mut layout = Self {
            conventions: module.signatures.iter().map(Convention::of).collect(),
            table: layout::table_offset(
                globals.max(settings.logical_counter.map_or(0, |it| it + 1)),
            ),
            native_stack: settings.native_stack,
            logical: settings.logical_stack,
            counter: settings.logical_counter,
            gas: settings.gas.is_on(),
            priced: !matches!(settings.gas, GasMeter::Unpriced),
            grow_price: match settings.gas {
                GasMeter::Priced(costs) => costs.memory_grow_per_page().into(),
                GasMeter::Off | GasMeter::Unpriced => 0,
            },
            entries: vec![0; code.code.len() / layout::CODE_ALIGNMENT as usize + 1],
            callees: Vec::with_capacity(code.functions.len() + 32),
        };
        let end = place_functions(&mut layout, module, code)?;
        let stubs = Stubs::new(module, settings, code, end)?;
        for (number, &offset) in (0..).zip(&stubs.imported) {
            layout.add_callee(offset, Callee::Function(number));
        }
        for &(offset, callee) in &stubs.others {
            layout.add_callee(offset, callee);
        }
        Ok(layout)
    }

    /// The code that begins at an offset.
    pub(super) fn callee(&self, offset: u32) -> Option<Callee> {
        if !offset.is_multiple_of(layout::CODE_ALIGNMENT) {
            return None;
        }
        let number = *self
            .entries
            .get((offset / layout::CODE_ALIGNMENT) as usize)?;
        self.callees.get(number.checked_sub(1)? as usize).copied()
    }

    fn add_callee(&mut self, offset: u32, callee: Callee) {
        if let Some(entry) = self
            .entries
            .get_mut((offset / layout::CODE_ALIGNMENT) as usize)
        {
            self.callees.push(callee);
            *entry = self.callees.len() as u32;
        }
    }

    fn convention(&self, signature: u32) -> Option<&Convention> {
        self.conventions.get(signature as usize)
    }

    /// The result of a signature that is in a register.
    pub fn result(&self, signature: u32) -> Option<ValType> {
        self.convention(signature)?.result
    }

    /// Bytes of a signature's slots in the caller's frame.
    pub fn slot_bytes(&self, signature: u32) -> u64 {
        self.convention(signature).map_or(0, |it| it.slot_bytes)
    }

    /// The state of the registers at the entry of a function.
    pub(super) fn at_entry(&self, signature: u32) -> Check<State> {
        let Some(convention) = self.convention(signature) else {
            refuse!(Claims, "the function has no signature");
        };
        let mut state = State::EMPTY;
        for (value, &holds) in state.values.iter_mut().zip(&convention.general) {
            *value = holds;
        }
        state.floats = convention.floats;
        Ok(state)
    }
}

/// Checks a function. `site`: the index of the first trap site that may be the function's. Returns the index of the
/// first site after it.
pub(crate) fn check(
    layout: &Arc<Layout>,
    (bodies, buffers): (&mut Bodies, &mut Buffers),
    (module, code): (&Module<'_>, &MachineCode<'_>),
    number: u32,
    site: usize,
) -> Result<(usize, Verified), Refusal> {
    let Some(&function) = code.functions.get(number as usize) else {
        let what = "there is no such function in the code";
        return Err(Refusal::of_function(Invariant::Claims, number, 0, what));
    };
    let body = bodies
        .facts(module, number, &function)
        .map_err(|unreadable| {
            let what = unreadable.what;
            Refusal::of_function(Invariant::Claims, number, function.offset, what)
        })?;
    frame_claims(number, &function, body, code.settings.logical_stack)?;
    let tables = Tables::of(layout, module, code);
    let words = words_of(code.code, &function);
    let end = function.offset.saturating_add(function.bytes);
    let named = code.loops_within(function.offset, end);
    let function = (number, function);
    let (site, steps) = walk::function(&tables, words, function, body, named, buffers, site)?;
    let verified = Verified {
        functions: 1,
        instructions: steps.words,
        steps: steps.steps,
    };
    Ok((site, verified))
}

/// The words of a function's code.
pub(super) fn words_of<'a>(code: &'a [u8], function: &FunctionCode) -> &'a [[u8; 4]] {
    let start = function.offset as usize;
    let bytes = code.get(start..start.saturating_add(function.bytes as usize));
    bytes.unwrap_or_default().as_chunks::<4>().0
}

fn claims(module: &Module<'_>, code: &MachineCode<'_>) -> Result<(), Refusal> {
    let refusal = |what| Err(Refusal::of_module(Invariant::Claims, what));
    if code.functions.len() != module.functions.len() {
        return refusal("not as many functions as the module has");
    }
    if u32::try_from(code.code.len()).is_err() || !code.code.len().is_multiple_of(4) {
        return refusal("the code has no such length");
    }
    for (number, (function, &signature)) in (0..).zip(code.functions.iter().zip(&module.functions))
    {
        if function.signature != signature {
            let what = "a function of another type";
            return Err(Refusal::of_function(
                Invariant::Claims,
                number,
                function.offset,
                what,
            ));
        }
    }
    // The counter may have the index after the module's last global: a node adds that global.
    let is_counter = |counter: u32| match module.globals.get(counter as usize) {
        Some(global) => *global == COUNTER,
        None => counter as usize == module.globals.len(),
    };
    match code.settings.logical_counter {
        Some(counter) if !is_counter(counter) || !code.settings.logical_stack => {
            refusal("the counter of the logical stack is no counter")
        }
        _ => Ok(()),
    }
}

fn frame_claims(
    number: u32,
    function: &FunctionCode,
    body: &BodyFacts,
    logical: bool,
) -> Result<(), Refusal> {
    let refusal = |invariant, what| {
        Err(Refusal::of_function(
            invariant,
            number,
            function.offset,
            what,
        ))
    };
    if u64::from(function.frame_bytes) != body.frame_bytes {
        return refusal(Invariant::FrameBytes, "a frame of another size");
    }
    let cost = if logical { body.logical_cost } else { 0 };
    if function.logical_cost != cost {
        return refusal(Invariant::Meters, "another logical cost");
    }
    Ok(())
}

/// Checks that functions follow each other, and returns the end of the last one.
fn place_functions(
    layout: &mut Layout,
    module: &Module<'_>,
    code: &MachineCode<'_>,
) -> Result<u32, Refusal> {
    let mut end = 0u32;
    let imported = module.imported_functions;
    for (number, function) in (0..).zip(code.functions).skip(imported as usize) {
        let refusal =
            |what| Refusal::of_function(Invariant::DecodedOnce, number, function.offset, what);
        let start =
            align(code.code, end).ok_or(refusal("the space before a function is no padding"))?;
        let next = function.offset.checked_add(function.bytes);
        let next = next.filter(|next| *next as usize <= code.code.len());
        match next {
            Some(next)
                if function.offset == start
                    && function.bytes > 0
                    && function.bytes.is_multiple_of(4) =>
            {
                layout.add_callee(start, Callee::Function(number));
                end = next;
            }
            _ => return Err(refusal("functions do not lie one behind the other")),
        }
    }
    let stubs = align(code.code, end);
    stubs.ok_or(Refusal {
        offset: end,
        ..Refusal::of_module(
            Invariant::DecodedOnce,
            "the space before the stubs is no padding",
        )
    })
}

/// The next address at which code may begin, if there is only padding before it.
pub(super) fn align(code: &[u8], end: u32) -> Option<u32> {
    let start = end.checked_next_multiple_of(layout::CODE_ALIGNMENT)?;
    let padding = code.get(end as usize..start as usize)?;
    let (words, rest) = padding.as_chunks::<4>();
    let is_padding = |word: &[u8; 4]| matches!(u32::from_le_bytes(*word), 0 | NOP);
    (rest.is_empty() && words.iter().all(is_padding)).then_some(start)
}
