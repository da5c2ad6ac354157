//! The stubs between functions and the runtime, which must equal, word for word, those that the signatures determine.
//!
//! Stubs do what functions must not do: they load the host's stack pointer, call through the context, and compute
//! addresses. So no rules are applied to stubs; they are compared.

use super::blocks::BLOCKS;
use super::encode::{self, ADD, Bits};
use super::module::{ARGUMENT_REGISTERS, Callee, Shared, align};
use super::values::{CONTEXT, FIRST, GAS, LINK, LOGICAL, MEMORY, SCRATCH_FLOAT, SECOND, ZERO};
use crate::layout::{self, context};
use crate::wasm::{FuncType, Module, ValType};
use crate::{Invariant, MachineCode, Refusal, Settings};

/// `str x30, [sp, #-16]!` and `ldr x30, [sp], #16`
const PUSH_LINK: u32 = 0xF81F_0FFE;
const POP_LINK: u32 = 0xF841_07FE;
const GATE_BYTES: u64 = 16;
/// `mov sp, x16`, `mov x16, sp`
const SET_STACK: u32 = 0x9100_021F;
const GET_STACK: u32 = 0x9100_03F0;
/// `mov w4, w9`, `ldr x16, [x16, x9, lsl #3]`
const MOVE_INDEX: u32 = 0x2A09_03E4;
const LOAD_IMPORT: u32 = 0xF869_7A10;
/// `cbnz x1`, with a distance of zero.
const IF_ENDED: u32 = 0xB500_0001;
const INDEX: u8 = 9;
const SLOTS: u8 = 1;
const STORE: u8 = 5;
const STACK_LOW: u8 = 23;
/// The float register that shared code overwrites besides the scratch register.
const OTHER_FLOAT: u8 = 30;

/// The offsets of stubs.
pub(super) struct Stubs {
    /// The stubs of imported functions.
    pub imported: Vec<u32>,
    /// The other stubs that functions call.
    pub others: Vec<(u32, Callee)>,
}

/// Expects these words.
struct Matcher<'c> {
    code: &'c [u8],
    at: u32,
    literals: Vec<(u32, u64)>,
}

/// The refusal of a word that differs.
#[derive(Clone, Copy, Debug)]
struct Another;

type Matched<T = ()> = Result<T, Another>;

impl Stubs {
    /// Compares all code from an offset on.
    pub fn new(
        module: &Module<'_>,
        settings: &Settings<'_>,
        code: &MachineCode<'_>,
        start: u32,
    ) -> Result<Self, Refusal> {
        let mut matcher = Matcher {
            code: code.code,
            at: start,
            literals: Vec::new(),
        };
        let refusal = |matcher: &Matcher<'_>, what| Refusal {
            offset: matcher.at,
            ..Refusal::of_module(Invariant::Stubs, what)
        };
        let stubs = matcher.all(module, settings, code);
        let stubs = stubs.map_err(|Another| refusal(&matcher, "a stub is another"))?;
        for (function, &stub) in code.functions.iter().zip(&stubs.imported) {
            if function.offset != stub || function.bytes != 0 {
                return Err(refusal(
                    &matcher,
                    "the stub of an imported function is elsewhere",
                ));
            }
        }
        Ok(stubs)
    }
}

/// The register of a value in the order of its class, or its slot.
fn places(types: &[ValType]) -> impl Iterator<Item = (ValType, Option<u8>, u64)> + '_ {
    let (mut general, mut float) = (0u8, 0u8);
    let count = types.len() as u64;
    (0..count).zip(types).map(move |(index, &ty)| {
        let next = if ty.is_integer() {
            &mut general
        } else {
            &mut float
        };
        let register = (usize::from(*next) < ARGUMENT_REGISTERS).then_some(*next);
        *next = next.saturating_add(1);
        (
            ty,
            register,
            (count - 1 - index) * u64::from(layout::SLOT_BYTES),
        )
    })
}

impl Matcher<'_> {
    fn all(
        &mut self,
        module: &Module<'_>,
        settings: &Settings<'_>,
        code: &MachineCode<'_>,
    ) -> Matched<Stubs> {
        let gas = settings.gas.is_on();
        let imported = module
            .functions
            .get(..module.imported_functions as usize)
            .unwrap_or_default();
        let mut stubs = Stubs {
            imported: Vec::with_capacity(imported.len()),
            others: Vec::new(),
        };
        let mut gates = vec![None; module.signatures.len()];
        for (index, &signature) in (0..).zip(imported) {
            stubs.imported.push(self.entry()?);
            let gate = self.host_stub(index)?;
            let known = gates.get_mut(signature as usize).ok_or(Another)?;
            ensure_same(*known.get_or_insert(gate), gate)?;
        }
        for (gate, ty) in gates.into_iter().zip(&module.signatures) {
            let Some(gate) = gate else { continue };
            ensure_same(self.entry()?, gate)?;
            match ty.is_plain() {
                true => self.plain_gate(ty, gas)?,
                false => {
                    let on_stack = places(&ty.params).any(|(_, register, _)| register.is_none());
                    self.gate_start(places(&ty.params), ty.params.len() as u64, on_stack, gas)?;
                    self.gate_end(&ty.results)?;
                }
            }
        }
        for (number, (params, results, _)) in (0..).zip(layout::BUILTINS) {
            stubs.others.push((self.entry()?, Callee::Builtin(number)));
            let gate = self.host_stub(layout::BUILTIN_FLAG | u32::from(number))?;
            ensure_same(self.entry()?, gate)?;
            self.gate_start(std::iter::empty(), params.into(), params > 0, gas)?;
            self.gate_end(&[ValType::I32; 1][..results as usize])?;
        }
        for words in BLOCKS {
            stubs.others.push((self.entry()?, Callee::Block));
            for &word in words {
                self.expect(word)?;
            }
        }
        for shared in SHARED {
            let before = self.at;
            let literals = self.literals.len();
            match self
                .entry()
                .and_then(|start| self.shared(shared).map(|()| start))
            {
                Ok(start) => stubs.others.push((start, Callee::Shared(shared.callee()))),
                Err(Another) => {
                    self.at = before;
                    self.literals.truncate(literals);
                }
            }
        }
        ensure_same(code.entry_stubs.len(), module.signatures.len())?;
        for ((ty, &entered), &claimed) in module
            .signatures
            .iter()
            .zip(&module.entered)
            .zip(code.entry_stubs)
        {
            let start = match entered {
                true => Some(self.entry()?),
                false => None,
            };
            ensure_same(start, claimed)?;
            if entered {
                self.entry_stub(ty, gas, settings.logical_stack)?;
            }
        }
        self.literal_pool()?;
        ensure_same(self.at as usize, self.code.len())?;
        Ok(stubs)
    }

    fn word(&self, at: u32) -> Option<u32> {
        let (words, _) = self.code.get(at as usize..)?.as_chunks::<4>();
        words.first().map(|word| u32::from_le_bytes(*word))
    }

    fn expect(&mut self, word: u32) -> Matched {
        ensure_same(self.word(self.at), Some(word))?;
        self.at += 4;
        Ok(())
    }

    fn expect_all(&mut self, words: &[u32]) -> Matched {
        words.iter().try_for_each(|&word| self.expect(word))
    }

    fn entry(&mut self) -> Matched<u32> {
        self.at = align(self.code, self.at).ok_or(Another)?;
        Ok(self.at)
    }

    /// Expects moves that load a constant into a register.
    fn constant(&mut self, register: u8, constant: u64) -> Matched {
        use super::decode::{Form, Word, decode};
        use super::walk::{initial_constant, kept_constant};
        let next = |at| self.word(at).map(Word).filter(|word| word.rd() == register);
        let first = next(self.at).ok_or(Another)?;
        let form = decode(first.0).ok_or(Another)?;
        let mut value = initial_constant(form, first).ok_or(Another)?;
        let mut at = self.at + 4;
        while value != constant {
            let word = next(at).ok_or(Another)?;
            if decode(word.0) != Some(Form::MoveKeep) {
                return Err(Another);
            }
            value = kept_constant(value, word);
            at += 4;
        }
        self.at = at;
        Ok(())
    }

    /// Expects a load or store of a value at an offset from a register.
    fn access(&mut self, loads: bool, ty: ValType, register: u8, base: u8, offset: u64) -> Matched {
        let size = if ty.is_wide() { 3 } else { 2 };
        let float = u32::from(!ty.is_integer());
        let op = 0x3800_0000 | size << 30 | float << 26 | u32::from(loads) << 22;
        let operands = u32::from(base) << 5 | u32::from(register);
        if offset >> size < 1 << 12 {
            let field = (offset >> size) as u32;
            return self.expect(op | 1 << 24 | field << 10 | operands);
        }
        self.constant(FIRST, offset)?;
        self.expect(op | 0x0020_6800 | u32::from(FIRST) << 16 | operands)
    }

    fn load(&mut self, ty: ValType, register: u8, base: u8, offset: u64) -> Matched {
        self.access(true, ty, register, base, offset)
    }

    fn store(&mut self, ty: ValType, register: u8, base: u8, offset: u64) -> Matched {
        self.access(false, ty, register, base, offset)
    }

    /// Expects the stub of an imported function and returns the offset of its gate.
    fn host_stub(&mut self, index: u32) -> Matched<u32> {
        self.constant(INDEX, index.into())?;
        let word = self.word(self.at).ok_or(Another)?;
        if word >> 26 != 5 {
            return Err(Another);
        }
        let distance = (word << 6) as i32 >> 6 << 2;
        let gate = self.at.wrapping_add(distance as u32);
        self.at += 4;
        Ok(gate)
    }

    fn note_gas(&mut self, gas: bool) -> Matched {
        match gas {
            true => self.expect(encode::store_word(GAS, context::GAS_LEFT)),
            false => Ok(()),
        }
    }

    fn plain_gate(&mut self, ty: &FuncType, gas: bool) -> Matched {
        debug_assert!(
            ty.results.len() <= 1,
            "a plain signature has one result at most"
        );
        self.expect(PUSH_LINK)?;
        self.note_gas(gas)?;
        self.expect_all(&[
            GET_STACK,
            encode::store_word(FIRST, context::WASM_SP),
            encode::load_word(FIRST, context::HOST_SP),
            SET_STACK,
            MOVE_INDEX,
            encode::load_word(STORE, context::STORE),
            encode::load_word(FIRST, context::IMPORTS),
            LOAD_IMPORT,
            encode::BLR_FIRST,
            // The result is already in its register.
            encode::load_word(FIRST, context::WASM_SP),
            SET_STACK,
            IF_ENDED | 3 << 5,
            POP_LINK,
            encode::RET,
            encode::load_word(FIRST, context::ENDED),
            encode::BR,
        ])
    }

    /// Expects stores of the parameters to their slots, in the host's order.
    fn gate_start(
        &mut self,
        params: impl Iterator<Item = (ValType, Option<u8>, u64)>,
        count: u64,
        on_stack: bool,
        gas: bool,
    ) -> Matched {
        self.expect(PUSH_LINK)?;
        for (index, (ty, register, slot)) in (0u64..).zip(params) {
            let Some(register) = register else { continue };
            let at = if on_stack {
                slot
            } else {
                index * u64::from(layout::SLOT_BYTES)
            };
            self.store(ty, register, ZERO, GATE_BYTES + at)?;
        }
        if on_stack {
            self.reverse_slots(count)?;
        }
        self.expect(encode::slot_address(SLOTS, (GATE_BYTES as u32) << 10))?;
        self.note_gas(gas)?;
        self.expect(encode::load_word(FIRST, context::HOST_CALL))?;
        self.expect(encode::BLR_FIRST)
    }

    fn gate_end(&mut self, results: &[ValType]) -> Matched {
        if results.len() > 1 {
            self.reverse_slots(results.len() as u64)?;
        }
        if let Some((ty, _, slot)) = places(results).next() {
            self.load(ty, 0, ZERO, GATE_BYTES + slot)?;
        }
        self.expect(POP_LINK)?;
        self.expect(encode::RET)
    }

    fn reverse_slots(&mut self, count: u64) -> Matched {
        let slot_bytes = u64::from(layout::SLOT_BYTES);
        for low in 0..count / 2 {
            let (low, high) = (
                GATE_BYTES + low * slot_bytes,
                GATE_BYTES + (count - 1 - low) * slot_bytes,
            );
            self.load(ValType::F64, SCRATCH_FLOAT, ZERO, low)?;
            self.load(ValType::F64, OTHER_FLOAT, ZERO, high)?;
            self.store(ValType::F64, OTHER_FLOAT, ZERO, low)?;
            self.store(ValType::F64, SCRATCH_FLOAT, ZERO, high)?;
        }
        Ok(())
    }

    fn entry_stub(&mut self, ty: &FuncType, gas: bool, logical: bool) -> Matched {
        let slot_bytes = u64::from(layout::SLOT_BYTES);
        self.expect(encode::load_word(MEMORY, context::MEMORY_BASE))?;
        self.expect(encode::load_word(STACK_LOW, context::STACK_LOW))?;
        if gas {
            self.expect(encode::load_word(GAS, context::GAS_LEFT))?;
        }
        if logical {
            self.constant(LOGICAL, 0)?;
        }
        self.expect(encode::load_word(SECOND, context::ENTRY_SLOTS))?;
        for (index, (ty, register, slot)) in (0u64..).zip(places(&ty.params)) {
            match register {
                Some(register) => self.load(ty, register, SECOND, index * slot_bytes)?,
                None => {
                    self.load(ValType::F64, SCRATCH_FLOAT, SECOND, index * slot_bytes)?;
                    self.store(ValType::F64, SCRATCH_FLOAT, ZERO, slot)?;
                }
            }
        }
        self.expect(encode::load_word(FIRST, context::ENTRY_FUNCTION))?;
        self.expect(encode::BLR_FIRST)?;
        self.note_gas(gas)?;
        self.expect(encode::load_word(SECOND, context::ENTRY_SLOTS))?;
        for (index, (ty, _, slot)) in (0u64..).zip(places(&ty.results)) {
            match index {
                0 => self.store(ty, 0, SECOND, 0)?,
                _ => {
                    self.load(ValType::F64, SCRATCH_FLOAT, ZERO, slot)?;
                    self.store(ValType::F64, SCRATCH_FLOAT, SECOND, index * slot_bytes)?;
                }
            }
        }
        self.expect(encode::load_word(FIRST, context::EXIT))?;
        self.expect(encode::BR)
    }
}

/// The shared operations in the order of their addresses.
const SHARED: [SharedCode; 12] = [
    truncation(0),
    truncation(1),
    truncation(2),
    truncation(3),
    truncation(4),
    truncation(5),
    truncation(6),
    truncation(7),
    SharedCode::Divide {
        wide: false,
        remainder: false,
    },
    SharedCode::Divide {
        wide: true,
        remainder: false,
    },
    SharedCode::Divide {
        wide: false,
        remainder: true,
    },
    SharedCode::Divide {
        wide: true,
        remainder: true,
    },
];

const fn truncation(number: u8) -> SharedCode {
    SharedCode::Truncate {
        from_wide: number & 4 != 0,
        wide: number & 2 != 0,
        signed: number & 1 != 0,
    }
}

/// A shared operation.
#[derive(Clone, Copy)]
enum SharedCode {
    Truncate {
        from_wide: bool,
        wide: bool,
        signed: bool,
    },
    Divide {
        wide: bool,
        remainder: bool,
    },
}

impl SharedCode {
    fn callee(self) -> Shared {
        match self {
            Self::Truncate { wide, .. } => Shared::Truncate { wide },
            Self::Divide { wide, remainder } => Shared::Divide { wide, remainder },
        }
    }
}

/// `x30 += bytes; ret`, which returns past the traps.
const fn come_back(bytes: u32) -> [u32; 2] {
    [
        encode::add_immediate(ADD, Bits::W64, LINK, LINK, bytes << 10),
        encode::RET,
    ]
}

impl Matcher<'_> {
    fn shared(&mut self, shared: SharedCode) -> Matched {
        match shared {
            SharedCode::Truncate {
                from_wide,
                wide,
                signed,
            } => self.truncate(from_wide, wide, signed),
            SharedCode::Divide { wide, remainder } => {
                let sf = u32::from(wide) << 31;
                if remainder {
                    // Traps for a zero divisor; `sdiv x17, x12, x16; msub x13, x17, x16, x12`.
                    self.expect(0x3400_0000 | sf | 5 << 5 | u32::from(FIRST))?;
                    self.expect(0x1AD0_0D91 | sf)?;
                    self.expect(0x1B10_B22D | sf)?;
                    self.expect_all(&come_back(4))?;
                    return self.expect(encode::RET);
                }
                // `cbz x16; cmn x16, #1; ccmp x12, #1, #0, eq; b.vs; sdiv x12, x12, x16`
                self.expect(0x3400_0000 | sf | 9 << 5 | u32::from(FIRST))?;
                self.expect(0x3100_061F | sf)?;
                self.expect(0x7A41_0980 | sf)?;
                self.expect(encode::branch_if(VS, 4))?;
                self.expect(0x1AD0_0D8C | sf)?;
                self.expect_all(&come_back(8))?;
                self.expect_all(&come_back(4))?;
                self.expect(encode::RET)
            }
        }
    }

    /// Expects a float constant in `v31`, loaded in the way that its bits require.
    fn float(&mut self, wide: bool, bits: u64, holder: &mut u8) -> Matched {
        let ftype = u32::from(wide) << 22;
        if let Some(immediate) = float_immediate(wide, bits) {
            return self.expect(0x1E20_1000 | ftype | immediate << 13 | u32::from(SCRATCH_FLOAT));
        }
        if wide {
            let word = self.word(self.at).ok_or(Another)?;
            let to = self.at.wrapping_add(((word << 8) as i32 >> 13 << 2) as u32);
            ensure_same(word & 0xFF00_001F, 0x5C00_001F)?;
            self.literals.push((to, bits));
            self.at += 4;
            return Ok(());
        }
        self.constant(*holder, bits)?;
        let word = 0x1E27_0000 | u32::from(*holder) << 5 | u32::from(SCRATCH_FLOAT);
        *holder += 1;
        self.expect(word)
    }

    fn truncate(&mut self, from_wide: bool, wide: bool, signed: bool) -> Matched {
        let (low, low_included, high) = bounds(from_wide, wide, signed);
        let bits = |value: f64| match from_wide {
            true => value.to_bits(),
            false => u64::from((value as f32).to_bits()),
        };
        let ftype = u32::from(from_wide) << 22;
        let source = u32::from(OTHER_FLOAT) << 5;
        let compare = |with: u8| 0x1E20_2000 | ftype | u32::from(with) << 16 | source;
        let mut holder = 25;
        let mut branches = [0; 3];
        self.expect(compare(OTHER_FLOAT))?;
        branches[0] = self.branch_if(VS)?;
        self.float(from_wide, bits(low), &mut holder)?;
        self.expect(compare(SCRATCH_FLOAT))?;
        branches[1] = self.branch_if(if low_included { encode::LT } else { LE })?;
        self.float(from_wide, bits(high), &mut holder)?;
        self.expect(compare(SCRATCH_FLOAT))?;
        branches[2] = self.branch_if(GE)?;
        let unsigned = u32::from(!signed) << 16;
        self.expect(
            0x1E38_0000 | u32::from(wide) << 31 | unsigned | ftype | source | u32::from(FIRST),
        )?;
        self.expect_all(&come_back(8))?;
        let overflow = self.at;
        self.expect_all(&come_back(4))?;
        let invalid = self.at;
        self.expect(encode::RET)?;
        ensure_same(branches, [invalid, overflow, overflow])
    }

    /// Expects a branch with this condition and returns its target.
    fn branch_if(&mut self, condition: u8) -> Matched<u32> {
        let word = self.word(self.at).ok_or(Another)?;
        ensure_same(word & 0xFF00_001F, encode::branch_if(condition, 0))?;
        let to = self.at.wrapping_add(((word << 8) as i32 >> 13 << 2) as u32);
        self.at += 4;
        Ok(to)
    }

    /// Expects the constants that stubs load, each once, in ascending order.
    fn literal_pool(&mut self) -> Matched {
        let mut literals = std::mem::take(&mut self.literals);
        if literals.is_empty() {
            return Ok(());
        }
        if !self.at.is_multiple_of(8) {
            self.expect(0)?;
        }
        literals.sort_unstable_by_key(|&(to, bits)| (bits, to));
        for same in literals.chunk_by(|a, b| a.1 == b.1) {
            let at = self.at;
            for &(to, bits) in same {
                ensure_same(to, at)?;
                if to == at && self.at == at {
                    self.expect(bits as u32)?;
                    self.expect((bits >> 32) as u32)?;
                }
            }
        }
        Ok(())
    }
}

const VS: u8 = 6;
const GE: u8 = 10;
const LE: u8 = 13;

/// The floats that can be truncated: the lower bound (whether it is included), and the upper bound (excluded).
fn bounds(from_wide: bool, wide: bool, signed: bool) -> (f64, bool, f64) {
    let bits = if wide { 64 } else { 32 };
    let two = |exponent| f64::powi(2.0, exponent);
    match signed {
        true if from_wide && !wide => (-two(31) - 1.0, false, two(31)),
        true => (-two(bits - 1), true, two(bits - 1)),
        false => (-1.0, false, two(bits)),
    }
}

/// The immediate of a float constant, if it has one.
fn float_immediate(wide: bool, bits: u64) -> Option<u32> {
    (0..256u32).find(|&immediate| {
        let (sign, exponent, fraction) = (immediate >> 7, immediate >> 4 & 7, immediate & 15);
        let magnitude = f64::from(16 + fraction) / 16.0;
        // The exponent's top bit is encoded inverted.
        let exponent = (exponent as i32 ^ 4) - 3;
        let value = magnitude * f64::powi(2.0, exponent) * if sign == 1 { -1.0 } else { 1.0 };
        match wide {
            true => value.to_bits() == bits,
            false => u64::from((value as f32).to_bits()) == bits,
        }
    })
}

fn ensure_same<T: PartialEq>(a: T, b: T) -> Matched {
    match a == b {
        true => Ok(()),
        false => Err(Another),
    }
}

const _: () = assert!(CONTEXT == 19);
