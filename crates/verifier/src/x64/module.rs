//! What all functions of a module share, and the layout of the code: where functions and stubs begin.

use super::facts::{Bounds, Contract};
use super::walk::{Buffers, Convention, Steps, Walk, fixed, nothing, strongest};
use super::{Called, stubs};
use crate::layout::{self, CODE_ALIGNMENT};
use crate::wasm::Bodies;
use crate::{Invariant, MachineCode, Module, Refusal, Verified};

/// What all functions share. It was checked.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Whether gas is counted.
    pub(super) gas: bool,
    /// Offset of the table in the context.
    pub(super) table_offset: u64,
    /// For each multiple of the alignment, the target that begins there, or 0.
    places: Vec<u32>,
    /// The contracts of shared code.
    pub(super) shared: Vec<Contract>,
    /// The conventions of the signatures.
    conventions: Vec<Convention>,
    /// The bounds without contents.
    pub(super) nothing: Bounds,
    /// The set of fixed registers.
    pub(super) fixed: u16,
    /// The bounds at the start of a loop to which nothing leads yet.
    pub(super) strongest: Bounds,
}

/// The program to verify.
#[derive(Clone, Copy)]
pub(super) struct Program<'v> {
    pub module: &'v Module<'v>,
    pub code: &'v MachineCode<'v>,
    pub tables: &'v Tables,
}

impl<'v> Program<'v> {
    /// The target of a call to an offset.
    pub fn called(&self, offset: i64) -> Option<Called> {
        let offset = u32::try_from(offset).ok()?;
        if !offset.is_multiple_of(CODE_ALIGNMENT) {
            return None;
        }
        let places = &self.tables.places;
        let place = *places.get((offset / CODE_ALIGNMENT) as usize)?;
        (place != 0).then_some(Called(place))
    }

    /// The convention of a signature.
    pub fn convention(&self, signature: usize) -> Option<&'v Convention> {
        self.tables.conventions.get(signature)
    }
}

/// Checks a function. `site`: the index of the first trap site that may be the function's. Returns the index of the
/// first site after it.
pub(crate) fn check(
    tables: &Tables,
    (bodies, buffers): (&mut Bodies, &mut Buffers),
    (module, code): (&Module<'_>, &MachineCode<'_>),
    function: u32,
    site: usize,
) -> Result<(usize, Verified), Refusal> {
    let refuse = |invariant, what| Refusal::of_function(invariant, function, 0, what);
    let Some(claimed) = code.functions.get(function as usize) else {
        return Err(refuse(
            Invariant::Claims,
            "there is no such function in the code",
        ));
    };
    let refuse = |invariant, what| Refusal::of_function(invariant, function, claimed.offset, what);
    let body = bodies
        .facts(module, function, claimed)
        .map_err(|unreadable| refuse(Invariant::Claims, unreadable.what))?;
    if u64::from(claimed.frame_bytes) != body.frame_bytes {
        return Err(refuse(
            Invariant::FrameBytes,
            "the frame has another size than the formula gives for the body",
        ));
    }
    let cost = match code.settings.logical_stack {
        true => body.logical_cost,
        false => 0,
    };
    if claimed.logical_cost != cost {
        return Err(refuse(
            Invariant::Meters,
            "the logical cost is not that of the body",
        ));
    }
    let program = Program {
        module,
        code,
        tables,
    };
    let Some(walk) = Walk::of_function(program, buffers, function, body, site) else {
        return Err(refuse(
            Invariant::DecodedOnce,
            "the function is not within the code",
        ));
    };
    let (
        site,
        Steps {
            instructions,
            steps,
        },
    ) = walk.function()?;
    let verified = Verified {
        functions: 1,
        instructions,
        steps,
    };
    Ok((site, verified))
}

impl Tables {
    /// Checks everything but the functions.
    pub fn new(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Self, Refusal> {
        let settings = &code.settings;
        let mut globals = module.globals.len() as u32;
        if let Some(counter) = settings.logical_counter {
            // The counter may have the index after the module's last global.
            claims(
                settings.logical_stack && counter <= globals,
                "the counter of the logical stack is no global",
            )?;
            globals = globals.max(counter + 1);
        }
        let table_offset = layout::table_offset(globals);
        let context = table_offset
            + u64::from(module.table.unwrap_or(0)) * u64::from(layout::TABLE_ENTRY_BYTES);
        claims(
            context <= i32::MAX as u64,
            "the context is longer than addresses reach",
        )?;
        let gas = settings.gas.is_on();
        let nothing = nothing(gas, settings.logical_stack);
        let conventions = module.signatures.iter();
        let mut tables = Self {
            gas,
            table_offset,
            places: vec![0; code.code.len() / CODE_ALIGNMENT as usize + 1],
            shared: Vec::new(),
            conventions: conventions
                .map(|ty| Convention::new(ty, &nothing))
                .collect(),
            fixed: fixed(&nothing),
            strongest: strongest(&nothing),
            nothing,
        };
        check_claims(module, code)?;
        let functions_end = tables.place_functions(module, code)?;
        let last = code.sites.last();
        claims(
            last.is_none_or(|site| site.code_offset < functions_end),
            "a trap site is behind the functions",
        )?;
        tables.stubs(module, code, functions_end)?;
        Ok(tables)
    }

    /// Checks that functions follow each other in order. Returns the end of the last one.
    fn place_functions(
        &mut self,
        module: &Module<'_>,
        code: &MachineCode<'_>,
    ) -> Result<u32, Refusal> {
        let mut end = 0u32;
        let imported = module.imported_functions as usize;
        for (function, claimed) in (0..).zip(code.functions).skip(imported) {
            let refuse = |what| Refusal::of_function(Invariant::DecodedOnce, function, end, what);
            let start = end.next_multiple_of(CODE_ALIGNMENT);
            if claimed.offset != start || claimed.bytes == 0 {
                return Err(refuse("the function does not follow the one before"));
            }
            if !is_padding(code, end, start) {
                return Err(refuse("there is no padding before the function"));
            }
            end = match start.checked_add(claimed.bytes) {
                Some(end) if end as usize <= code.code.len() => end,
                _ => return Err(refuse("the function is not within the code")),
            };
            self.place(start, Called::FUNCTION | function);
        }
        Ok(end)
    }

    fn place(&mut self, offset: u32, what: u32) {
        if let Some(place) = self.places.get_mut((offset / CODE_ALIGNMENT) as usize) {
            *place = what;
        }
    }

    /// Checks everything after the functions.
    fn stubs(
        &mut self,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        functions_end: u32,
    ) -> Result<(), Refusal> {
        let start = functions_end.next_multiple_of(CODE_ALIGNMENT);
        if !is_padding(code, functions_end, start) {
            return Err(of_stub(
                functions_end,
                "there is no padding before the stubs",
            ));
        }
        let made = stubs::host_stubs(module, &code.settings);
        let given = code.code.get(start as usize..).unwrap_or_default();
        if let Some(at) = differs(&made.code, given) {
            return Err(of_stub(
                start + at,
                "the stub is not the one that its signature gives",
            ));
        }
        for (import, offset) in (0..).zip(&made.imports) {
            let claimed = code.functions.get(import as usize);
            if claimed.map(|it| it.offset) != Some(start + offset) {
                return Err(of_stub(
                    start + offset,
                    "the stub of an imported function is elsewhere",
                ));
            }
            self.place(start + offset, Called::IMPORT | import);
        }
        for (builtin, offset) in (0..).zip(&made.builtins) {
            self.place(start + offset, Called::BUILTIN | builtin);
        }
        for (block, offset) in (0..).zip(&made.blocks) {
            self.place(start + offset, Called::BLOCK | block);
        }
        let shared = start + made.code.len() as u32;
        let entries = entries(module, code, shared)?;
        self.shared_code(module, code, shared, entries)
    }

    fn shared_code(
        &mut self,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        start: u32,
        end: u32,
    ) -> Result<(), Refusal> {
        let mut buffers = Buffers::default();
        let mut at = start;
        loop {
            let next = at.next_multiple_of(CODE_ALIGNMENT).min(end);
            if !is_padding(code, at, next) {
                return Err(of_stub(at, "there is no padding between stubs"));
            }
            if next >= end {
                return Ok(());
            }
            let program = Program {
                module,
                code,
                tables: self,
            };
            let (behind, contract) = Walk::of_shared(program, &mut buffers, (next, end))?;
            at = behind;
            let number = self.shared.len() as u32;
            self.shared.push(contract);
            self.place(next, Called::SHARED | number);
        }
    }
}

/// Checks the claims about the module as a whole.
fn check_claims(module: &Module<'_>, code: &MachineCode<'_>) -> Result<(), Refusal> {
    claims(
        code.functions.len() == module.functions.len(),
        "the code has another number of functions than the module",
    )?;
    claims(
        module.functions.len() < Called::FUNCTION as usize,
        "the module has too many functions",
    )?;
    claims(
        i32::try_from(code.code.len()).is_ok(),
        "the code is longer than calls reach",
    )?;
    for (claimed, &signature) in code.functions.iter().zip(&module.functions) {
        claims(
            claimed.signature == signature,
            "a function has another signature than in the module",
        )?;
    }
    let sorted = code
        .sites
        .is_sorted_by(|a, b| a.code_offset < b.code_offset);
    claims(sorted, "the trap sites are not in order")
}

/// Checks the stubs by which the host enters, which are the last ones. Returns the offset of the first.
fn entries(module: &Module<'_>, code: &MachineCode<'_>, least: u32) -> Result<u32, Refusal> {
    let length = code.code.len() as u32;
    if code.entry_stubs.len() != module.signatures.len() {
        return Err(of_stub(0, "there is another number of entry stubs"));
    }
    let entered = module.entered.iter().zip(code.entry_stubs);
    let mut end = None;
    let mut first = length;
    for ((entered, &stub), ty) in entered.zip(&module.signatures) {
        let Some(offset) = stub.filter(|_| *entered) else {
            match stub.is_some() || *entered {
                true => return Err(of_stub(0, "there is another number of entry stubs")),
                false => continue,
            }
        };
        let expected = end.map(|end: u32| end.next_multiple_of(CODE_ALIGNMENT));
        match expected {
            None if offset >= least && offset.is_multiple_of(CODE_ALIGNMENT) => first = offset,
            Some(expected) if expected == offset => {
                if !is_padding(code, end.unwrap_or(offset), offset) {
                    return Err(of_stub(offset, "there is no padding between stubs"));
                }
            }
            _ => return Err(of_stub(offset, "an entry stub is elsewhere")),
        }
        let made = stubs::entry_stub(ty, &code.settings);
        let given = code.code.get(offset as usize..).unwrap_or_default();
        if let Some(at) = differs(&made, given) {
            return Err(of_stub(
                offset + at,
                "the stub is not the one that its signature gives",
            ));
        }
        end = Some(offset + made.len() as u32);
    }
    match end.is_none_or(|end| end == length) {
        true => Ok(first),
        false => Err(of_stub(end.unwrap_or(0), "code follows the last stub")),
    }
}

fn of_stub(offset: u32, what: &'static str) -> Refusal {
    Refusal {
        offset,
        ..Refusal::of_module(Invariant::Stubs, what)
    }
}

fn is_padding(code: &MachineCode<'_>, start: u32, end: u32) -> bool {
    let bytes = code.code.get(start as usize..end as usize);
    bytes.is_some_and(stubs::is_padding)
}

fn claims(holds: bool, what: &'static str) -> Result<(), Refusal> {
    match holds {
        true => Ok(()),
        false => Err(Refusal::of_module(Invariant::Claims, what)),
    }
}

/// The offset at which the given bytes first differ from the expected ones.
fn differs(made: &[u8], given: &[u8]) -> Option<u32> {
    if given.len() >= made.len() && &given[..made.len()] == made {
        return None;
    }
    let same = made.iter().zip(given).take_while(|(a, b)| a == b);
    Some(same.count() as u32)
}
