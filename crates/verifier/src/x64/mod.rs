//! The x86-64 target.
//!
//! Two passes check a function: [`scan`] decodes it and recognises the sequences that settings and body determine;
//! [`flow`] tracks the contents of registers. Stubs between code and host must equal those that [`stubs`] generates
//! from the signatures. Shared code is checked like a function, with rules of its own.
//!
//! Fixed registers: `rsp` is the stack, `r15` the context, `r14` the base of linear memory; `r13` is the gas and `r12`
//! the logical stack, if they are counted. `r11`, `xmm14` and `xmm15` are scratch registers.

mod blocks;
mod decode;
mod flow;
mod scan;
mod stubs;
mod table;

use crate::layout::{self, CODE_ALIGNMENT};
use crate::wasm::{Bodies, FuncType};
use crate::{Invariant, MachineCode, Module, Refusal, Verified};
use flow::{Contract, Flow, Label};
use scan::{Late, Scan, Step, Subject, Table};

pub use decode::{Instruction, Place, decode};
pub use table::Op;

const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;
const RBX: u8 = 3;
const RSP: u8 = 4;
const RBP: u8 = 5;
const RSI: u8 = 6;
const RDI: u8 = 7;
const R8: u8 = 8;
const R9: u8 = 9;
const R10: u8 = 10;
const R11: u8 = 11;
const R12: u8 = 12;
const R13: u8 = 13;
const R14: u8 = 14;
const R15: u8 = 15;
const XMM14: u8 = 14;
const XMM15: u8 = 15;

/// The registers of integer arguments, in order.
const GENERAL_ARGUMENTS: [u8; 8] = [RDI, RSI, RDX, RCX, RBX, RBP, R8, R9];
/// The number of float arguments in registers, from `xmm0` on.
const FLOAT_ARGUMENTS: u8 = 8;

/// The target of a direct call: a kind and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Called(u32);

impl Called {
    const FUNCTION: u32 = 1 << 28;
    const IMPORT: u32 = 2 << 28;
    const BUILTIN: u32 = 3 << 28;
    const BLOCK: u32 = 4 << 28;
    const SHARED: u32 = 5 << 28;
    const KINDS: u32 = 15 << 28;

    fn kind(self) -> u32 {
        self.0 & Self::KINDS
    }

    fn number(self) -> u32 {
        self.0 & !Self::KINDS
    }

    /// Whether the host can fail in this call.
    fn is_of_host(self) -> bool {
        matches!(self.kind(), Self::IMPORT | Self::BUILTIN)
    }

    /// Whether this is a call of a function, defined or imported.
    fn counts(self) -> bool {
        matches!(self.kind(), Self::FUNCTION | Self::IMPORT)
    }
}

/// The program to verify, with facts about it as a whole.
struct Program<'v> {
    module: &'v Module<'v>,
    code: &'v MachineCode<'v>,
    gas: bool,
    table_offset: u64,
    /// For each multiple of the alignment, the target that begins there, or 0.
    places: Vec<u32>,
    /// The contracts of shared code.
    shared: Vec<Contract>,
}

/// The data of the passes over a function, in reused allocations.
#[derive(Default)]
struct Buffers {
    steps: Vec<Step>,
    /// For each byte of the function, the index of the step that begins there plus 1.
    starts: Vec<u32>,
    lates: Vec<Late>,
    tables: Vec<Table>,
    targets: Vec<u32>,
    labels: Vec<Label>,
    /// Offset of the call whose host site was found last.
    host_site: u32,
    /// The Wasm offset of the last trap site, and its kind.
    last_site: u32,
    last_kind: Option<pvf_rules::TrapKind>,
}

impl Buffers {
    fn clear(&mut self, bytes: usize) {
        self.steps.clear();
        self.starts.clear();
        self.starts.resize(bytes, 0);
        self.lates.clear();
        self.tables.clear();
        self.targets.clear();
        self.labels.clear();
        self.host_site = u32::MAX;
        self.last_kind = None;
    }
}

/// Checks all code.
pub(crate) fn verify(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Verified, Refusal> {
    let mut functions = Functions::new(module, code)?;
    let mut verified = Verified::default();
    for function in module.imported_functions..module.functions.len() as u32 {
        let one = functions.check(module, code, function)?;
        verified.functions += one.functions;
        verified.instructions += one.instructions;
        verified.steps += one.steps;
    }
    Ok(verified)
}

/// Checks functions one by one. Everything else was checked before.
pub(crate) struct Functions {
    places: Vec<u32>,
    shared: Vec<Contract>,
    buffers: Buffers,
    bodies: Bodies,
}

impl Functions {
    pub fn new(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Self, Refusal> {
        let mut program = Program::new(module, code)?;
        program.check_claims()?;
        let mut buffers = Buffers::default();
        let functions_end = program.place_functions()?;
        program.stubs(&mut buffers, functions_end)?;
        let settings = code.settings;
        Ok(Self {
            places: program.places,
            shared: program.shared,
            buffers,
            bodies: Bodies::new(settings.logical_stack, settings.gas),
        })
    }

    pub fn check(
        &mut self,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        function: u32,
    ) -> Result<Verified, Refusal> {
        let mut program = Program::new(module, code)?;
        program.places = std::mem::take(&mut self.places);
        program.shared = std::mem::take(&mut self.shared);
        let steps = program.function(&mut self.buffers, &mut self.bodies, function);
        (self.places, self.shared) = (program.places, program.shared);
        Ok(Verified {
            steps: steps?,
            functions: 1,
            instructions: self.buffers.steps.len() as u64,
        })
    }
}

impl<'v> Program<'v> {
    fn new(module: &'v Module<'v>, code: &'v MachineCode<'v>) -> Result<Self, Refusal> {
        let settings = code.settings;
        let mut globals = module.globals.len() as u32;
        if let Some(counter) = settings.logical_counter {
            // The counter may have the index after the module's last global.
            claims(
                settings.logical_stack && counter <= globals,
                "the counter of the logical stack",
            )?;
            globals = globals.max(counter + 1);
        }
        let table_offset = layout::table_offset(globals);
        let context = table_offset
            + u64::from(module.table.unwrap_or(0)) * u64::from(layout::TABLE_ENTRY_BYTES);
        claims(
            context <= i32::MAX as u64,
            "a context longer than addresses reach",
        )?;
        Ok(Self {
            module,
            code,
            gas: settings.gas.is_on(),
            table_offset,
            places: Vec::new(),
            shared: Vec::new(),
        })
    }

    /// Checks the claims about the module as a whole.
    fn check_claims(&self) -> Result<(), Refusal> {
        let (module, code) = (self.module, self.code);
        claims(
            code.functions.len() == module.functions.len(),
            "the number of functions",
        )?;
        claims(
            module.functions.len() < Called::FUNCTION as usize,
            "too many functions",
        )?;
        claims(
            i32::try_from(code.code.len()).is_ok(),
            "more code than calls reach",
        )?;
        for (claimed, &signature) in code.functions.iter().zip(&module.functions) {
            claims(
                claimed.signature == signature,
                "the signature of a function",
            )?;
        }
        let sorted = code
            .sites
            .is_sorted_by(|a, b| a.code_offset < b.code_offset);
        claims(sorted, "the order of the trap sites")
    }

    /// Checks that functions follow each other in order. Returns the end of the last one.
    fn place_functions(&mut self) -> Result<u32, Refusal> {
        self.places = vec![0; self.code.code.len() / CODE_ALIGNMENT as usize + 1];
        let mut end = 0u32;
        let imported = self.module.imported_functions as usize;
        for (function, claimed) in (0..).zip(self.code.functions).skip(imported) {
            let refuse = |what| Refusal::of_function(Invariant::DecodedOnce, function, end, what);
            let start = end.next_multiple_of(CODE_ALIGNMENT);
            if claimed.offset != start || claimed.bytes == 0 {
                return Err(refuse("a function elsewhere than behind the one before"));
            }
            self.padding(end, start)
                .map_err(|()| refuse("something else than padding between functions"))?;
            end = match start.checked_add(claimed.bytes) {
                Some(end) if end as usize <= self.code.code.len() => end,
                _ => return Err(refuse("a function out of the code")),
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

    fn padding(&self, start: u32, end: u32) -> Result<(), ()> {
        let bytes = self.code.code.get(start as usize..end as usize).ok_or(())?;
        match stubs::is_padding(bytes) {
            true => Ok(()),
            false => Err(()),
        }
    }

    /// The target of a call to an offset.
    fn called(&self, offset: i64) -> Option<Called> {
        let offset = u32::try_from(offset).ok()?;
        if !offset.is_multiple_of(CODE_ALIGNMENT) {
            return None;
        }
        let place = *self.places.get((offset / CODE_ALIGNMENT) as usize)?;
        (place != 0).then_some(Called(place))
    }

    /// Checks everything after the functions.
    fn stubs(&mut self, buffers: &mut Buffers, functions_end: u32) -> Result<(), Refusal> {
        let refuse = |offset, what| Refusal {
            invariant: Invariant::Stubs,
            function: None,
            offset,
            what,
        };
        let start = functions_end.next_multiple_of(CODE_ALIGNMENT);
        self.padding(functions_end, start)
            .map_err(|()| refuse(functions_end, "something else than padding before stubs"))?;
        let made = stubs::host_stubs(self.module, &self.code.settings);
        let given = self.code.code.get(start as usize..).unwrap_or_default();
        if let Some(at) = differs(&made.code, given) {
            return Err(refuse(start + at, "another stub than its signature gives"));
        }
        for (import, offset) in (0..).zip(&made.imports) {
            let claimed = self.code.functions.get(import as usize);
            if claimed.map(|it| it.offset) != Some(start + offset) {
                return Err(refuse(start + offset, "the stub of an import elsewhere"));
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
        let entries = self.entries(shared)?;
        self.shared_code(buffers, shared, entries)
    }

    /// Checks the stubs by which the host enters, which are the last ones. Returns the offset of the first.
    fn entries(&self, least: u32) -> Result<u32, Refusal> {
        let refuse = |offset, what| Refusal {
            invariant: Invariant::Stubs,
            function: None,
            offset,
            what,
        };
        let length = self.code.code.len() as u32;
        if self.code.entry_stubs.len() != self.module.signatures.len() {
            return Err(refuse(0, "the number of entry stubs"));
        }
        let entered = self.module.entered.iter().zip(self.code.entry_stubs);
        let mut end = None;
        let mut first = length;
        for ((entered, &stub), ty) in entered.zip(&self.module.signatures) {
            let Some(offset) = stub.filter(|_| *entered) else {
                match stub.is_some() || *entered {
                    true => return Err(refuse(0, "an entry stub too many or too few")),
                    false => continue,
                }
            };
            let expected = end.map(|end: u32| end.next_multiple_of(CODE_ALIGNMENT));
            match expected {
                None if offset >= least && offset.is_multiple_of(CODE_ALIGNMENT) => first = offset,
                Some(expected) if expected == offset => {
                    self.padding(end.unwrap_or(offset), offset)
                        .map_err(|()| refuse(offset, "something else than padding"))?;
                }
                _ => return Err(refuse(offset, "an entry stub elsewhere")),
            }
            let made = stubs::entry_stub(ty, &self.code.settings);
            let given = self.code.code.get(offset as usize..).unwrap_or_default();
            if let Some(at) = differs(&made, given) {
                return Err(refuse(offset + at, "another entry stub"));
            }
            end = Some(offset + made.len() as u32);
        }
        match end.is_none_or(|end| end == length) {
            true => Ok(first),
            false => Err(refuse(end.unwrap_or(0), "something behind the last stub")),
        }
    }

    fn shared_code(&mut self, buffers: &mut Buffers, start: u32, end: u32) -> Result<(), Refusal> {
        let mut at = start;
        loop {
            let next = at.next_multiple_of(CODE_ALIGNMENT).min(end);
            self.padding(at, next).map_err(|()| Refusal {
                invariant: Invariant::Stubs,
                function: None,
                offset: at,
                what: "something else than padding between stubs",
            })?;
            if next >= end {
                return Ok(());
            }
            at = Scan::new(self, buffers, Subject::Shared, next, end).shared()?;
            let contract = Flow::new(self, buffers, None).shared(next)?;
            let number = self.shared.len() as u32;
            self.shared.push(contract);
            self.place(next, Called::SHARED | number);
        }
    }

    /// Checks one function. Returns the number of visited instructions.
    fn function(
        &self,
        buffers: &mut Buffers,
        bodies: &mut Bodies,
        function: u32,
    ) -> Result<u64, Refusal> {
        let claimed = self.code.functions.get(function as usize);
        let ty = self.module.function_type(function);
        let refuse = |invariant, what| Refusal::of_function(invariant, function, 0, what);
        let (Some(claimed), Some(ty)) = (claimed, ty) else {
            return Err(refuse(Invariant::Claims, "the number of functions"));
        };
        let facts = bodies
            .facts(self.module, function, claimed)
            .map_err(|unreadable| refuse(Invariant::Claims, unreadable.what))?;
        if u64::from(claimed.frame_bytes) != facts.frame_bytes {
            return Err(refuse(
                Invariant::FrameBytes,
                "another frame than the body's",
            ));
        }
        let cost = match self.code.settings.logical_stack {
            true => facts.logical_cost,
            false => 0,
        };
        if claimed.logical_cost != cost {
            return Err(refuse(
                Invariant::Meters,
                "another logical cost than the body's",
            ));
        }
        let (start, end) = (claimed.offset, claimed.offset.saturating_add(claimed.bytes));
        if end as usize > self.code.code.len() {
            return Err(refuse(Invariant::DecodedOnce, "a function out of the code"));
        }
        let subject = Subject::Function(function, facts);
        Scan::new(self, buffers, subject, start, end).function()?;
        Flow::new(self, buffers, Some((function, ty, facts.frame_bytes))).function()
    }

    /// Whether a range of stack bytes, at an offset from the stack pointer, consists of slots of the function: its own,
    /// or those that it shares with its caller.
    fn within_frame(&self, subject: Subject<'_>, low: i64, bytes: i64) -> bool {
        match subject {
            Subject::Function(function, facts) => {
                let ty = self.module.function_type(function);
                ty.is_some_and(|ty| in_slots(ty, facts.frame_bytes, low, bytes))
            }
            Subject::Shared => false,
        }
    }
}

fn claims(holds: bool, what: &'static str) -> Result<(), Refusal> {
    match holds {
        true => Ok(()),
        false => Err(Refusal::of_module(Invariant::Claims, what)),
    }
}

/// The two topmost words of the frame are not slots: the return address, and a word that is not used.
fn in_slots(ty: &FuncType, frame_bytes: u64, low: i64, bytes: i64) -> bool {
    let frame = frame_bytes as i64;
    let high = low.saturating_add(bytes);
    let callers = frame.saturating_add(ty.slot_bytes() as i64);
    (low >= 0 && high <= frame - 16) || (low >= frame && high <= callers)
}

/// The offset at which the given bytes first differ from the expected ones.
fn differs(made: &[u8], given: &[u8]) -> Option<u32> {
    if given.len() >= made.len() && &given[..made.len()] == made {
        return None;
    }
    let same = made.iter().zip(given).take_while(|(a, b)| a == b);
    Some(same.count() as u32)
}
