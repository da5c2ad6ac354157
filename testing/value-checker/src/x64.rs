//! The lifter for x86-64: what each instruction does to registers, slots, flags and memory, in terms.

use crate::machine::{Condition, FLOATS, Flags, Value, extend};
use crate::report::{Stop, Unchecked};
use crate::swap;
use crate::target::{Convention, Flow, Shape, Target};
use crate::term::{Binary, Float, Term, Unary, mask};
use crate::walk::Walk;
use iced_x86::{
    ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register,
};

const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;
const RSP: u8 = 4;

/// The code of one function, decoded.
#[derive(Default)]
pub struct X64 {
    start: u32,
    instructions: Vec<Instruction>,
    /// For each byte of the function, the instruction that begins there plus 1.
    starts: Vec<u32>,
    /// For each instruction, a loop over slots that begins with it.
    loops: Vec<(u32, SlotLoop)>,
}

/// A loop over slots, from its first instruction on.
#[derive(Clone, Copy, Debug)]
enum SlotLoop {
    /// Zeroes slots: first, end, end of the code.
    Zero(i32, i32, u32),
    /// Copies: to, from, bytes, end of the code.
    Copy(i32, i32, i32, u32),
}

impl X64 {
    fn index(&self, at: u32) -> Option<usize> {
        let at = at.checked_sub(self.start)? as usize;
        let index = *self.starts.get(at)?;
        index.checked_sub(1).map(|index| index as usize)
    }

    fn slot_loop(&self, at: u32) -> Option<SlotLoop> {
        let found = self.loops.binary_search_by_key(&at, |it| it.0).ok()?;
        Some(self.loops[found].1)
    }

    /// A loop over slots that begins at an instruction.
    fn find_loop(&self, index: usize) -> Option<SlotLoop> {
        let get = |n: usize| self.instructions.get(index + n);
        let first = get(0)?;
        if first.mnemonic() != Mnemonic::Mov || first.op0_register() != Register::R11D {
            return None;
        }
        if first.op1_kind() != OpKind::Immediate32 {
            return None;
        }
        let from = first.immediate32() as i32;
        let indexed = |it: &Instruction| {
            it.mnemonic() == Mnemonic::Vmovsd
                && it.memory_base() == Register::RSP
                && it.memory_index() == Register::R11
                && it.memory_index_scale() == 1
        };
        let (second, third) = (get(1)?, get(2)?);
        let step = get(3)?;
        let counts = step.op0_register() == Register::R11;
        if second.mnemonic() == Mnemonic::Vxorpd || second.mnemonic() == Mnemonic::Vxorps {
            let zeroes = second.op0_register() == Register::XMM15
                && second.op1_register() == second.op2_register()
                && indexed(third)
                && third.op1_register() == Register::XMM15
                && third.memory_displacement64() == 0;
            let (compare, jump) = (get(4)?, get(5)?);
            let ends = step.mnemonic() == Mnemonic::Add
                && counts
                && step.immediate(1) == 8
                && compare.mnemonic() == Mnemonic::Cmp
                && compare.op0_register() == Register::R11D
                && jump.mnemonic() == Mnemonic::Jb
                && jump.near_branch64() == third.ip();
            let to = compare.try_immediate(1).ok()? as i32;
            let end = jump.next_ip() as u32;
            return (zeroes && ends && from < to && (to - from) % 8 == 0)
                .then_some(SlotLoop::Zero(from, to, end));
        }
        let copies = indexed(second)
            && second.op0_register() == Register::XMM15
            && indexed(third)
            && third.op1_register() == Register::XMM15
            && third.op0_kind() == OpKind::Memory
            && counts;
        if !copies {
            return None;
        }
        let source = second.memory_displacement64() as i32;
        let target = third.memory_displacement64() as i32;
        match step.mnemonic() {
            Mnemonic::Add if from == 0 && step.immediate(1) == 8 => {
                let (compare, jump) = (get(4)?, get(5)?);
                let ends = compare.mnemonic() == Mnemonic::Cmp
                    && compare.op0_register() == Register::R11D
                    && jump.mnemonic() == Mnemonic::Jb
                    && jump.near_branch64() == second.ip();
                let bytes = compare.try_immediate(1).ok()? as i32;
                (ends && bytes > 0 && bytes % 8 == 0 && target <= source).then_some(SlotLoop::Copy(
                    target,
                    source,
                    bytes,
                    jump.next_ip() as u32,
                ))
            }
            Mnemonic::Sub if step.immediate(1) == 8 => {
                let jump = get(4)?;
                let ends = jump.mnemonic() == Mnemonic::Jne && jump.near_branch64() == second.ip();
                // Downwards: the last slot first.
                (ends && from > 0 && from % 8 == 0 && target >= source).then_some(SlotLoop::Copy(
                    target + 8,
                    source + 8,
                    from,
                    jump.next_ip() as u32,
                ))
            }
            _ => None,
        }
    }

    /// The table of an indirect jump: where it is and how many entries it has.
    fn table(&self, index: usize) -> Option<(u32, u32)> {
        let before = |n: usize| self.instructions.get(index.checked_sub(n)?);
        let (compare, above, lea) = (before(5)?, before(4)?, before(3)?);
        let fits = compare.mnemonic() == Mnemonic::Cmp
            && above.mnemonic() == Mnemonic::Jae
            && lea.mnemonic() == Mnemonic::Lea
            && lea.is_ip_rel_memory_operand();
        let count = compare.try_immediate(1).ok()? as u32;
        fits.then(|| (lea.ip_rel_memory_address() as u32, count))
    }
}

impl Target for X64 {
    fn load(&mut self, code: &[u8], start: u32, end: u32) {
        self.start = start;
        self.instructions.clear();
        self.loops.clear();
        self.starts.clear();
        let bytes = code.get(start as usize..end as usize).unwrap_or_default();
        self.starts.resize(bytes.len(), 0);
        let mut decoder = Decoder::with_ip(64, bytes, start.into(), DecoderOptions::NONE);
        let mut tables: Vec<(u32, u32)> = Vec::new();
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let at = instruction.ip() as u32 - start;
            if instruction.is_invalid() {
                break;
            }
            self.starts[at as usize] = self.instructions.len() as u32 + 1;
            self.instructions.push(instruction);
            if instruction.mnemonic() == Mnemonic::Jmp && instruction.op0_kind() == OpKind::Register
            {
                let Some((table, count)) = self.table(self.instructions.len() - 1) else {
                    break;
                };
                tables.push((table, count));
                let behind = u64::from(table) + 4 * u64::from(count);
                if u64::from(table) != instruction.next_ip()
                    || behind > u64::from(end)
                    || decoder
                        .set_position((behind - u64::from(start)) as usize)
                        .is_err()
                {
                    break;
                }
                decoder.set_ip(behind);
            }
        }
        for index in 0..self.instructions.len() {
            if let Some(found) = self.find_loop(index) {
                self.loops
                    .push((self.instructions[index].ip() as u32, found));
            }
        }
    }

    fn shape(&self, code: &[u8], at: u32) -> Option<Shape> {
        if let Some(SlotLoop::Zero(.., end) | SlotLoop::Copy(.., end)) = self.slot_loop(at) {
            return Some(Shape::Next(end));
        }
        let index = self.index(at)?;
        let instruction = &self.instructions[index];
        let next = instruction.next_ip() as u32;
        Some(match instruction.flow_control() {
            FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => Shape::Next(next),
            FlowControl::UnconditionalBranch => Shape::Jump(instruction.near_branch64() as u32),
            FlowControl::ConditionalBranch => {
                Shape::Branch(instruction.near_branch64() as u32, next)
            }
            FlowControl::IndirectBranch => {
                let (table, count) = self.table(index)?;
                let bytes = code.get(table as usize..table as usize + 4 * count as usize)?;
                let targets = bytes.chunks_exact(4).map(|entry| {
                    let distance = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
                    table.wrapping_add_signed(distance)
                });
                Shape::Table(targets.collect())
            }
            _ => Shape::End,
        })
    }

    fn convention(&self) -> &'static Convention {
        &Convention {
            general: &[7, 6, 2, 1, 3, 5, 8, 9],
            floats: &[
                FLOATS,
                FLOATS + 1,
                FLOATS + 2,
                FLOATS + 3,
                FLOATS + 4,
                FLOATS + 5,
                FLOATS + 6,
                FLOATS + 7,
            ],
            general_result: RAX,
            float_result: FLOATS,
            stack: RSP,
            memory: 14,
            context: 15,
            kept: &[RSP, 14, 15],
            return_address: 8,
        }
    }

    fn builtin(&self, code: &[u8], at: u32) -> Option<u32> {
        let bytes = code.get(at as usize..)?;
        let mut decoder = Decoder::with_ip(64, bytes, at.into(), DecoderOptions::NONE);
        let first = decoder.decode();
        let number = (first.mnemonic() == Mnemonic::Mov).then(|| first.try_immediate(1).ok())??;
        let number = number as u32;
        (number >> 31 == 1).then_some(number & 0x7fff_ffff)
    }

    fn step(&self, walk: &mut Walk<'_>, at: u32) -> Result<Flow, Stop> {
        if let Some(found) = self.slot_loop(at) {
            return slot_loop(walk, found);
        }
        let Some(index) = self.index(at) else {
            return Err(walk.alarm("no instruction"));
        };
        Lift {
            walk,
            it: &self.instructions[index],
        }
        .step()
    }
}

fn slot_loop(walk: &mut Walk<'_>, found: SlotLoop) -> Result<Flow, Stop> {
    let stack = walk.stack_offset()?;
    match found {
        SlotLoop::Zero(from, to, _) => {
            let zero = walk.terms().constant(0);
            for at in (from..to).step_by(8) {
                walk.machine().set_slot(stack + at, Value::whole(zero));
            }
        }
        SlotLoop::Copy(to, from, bytes, _) => {
            let mut values = Vec::new();
            for at in (0..bytes).step_by(8) {
                values.push(walk.state.machine.slots.get(&(stack + from + at)).copied());
            }
            for (number, value) in (0..).zip(values) {
                let at = stack + to + 8 * number;
                walk.machine().forget_slots(at, at + 8);
                if let Some(value) = value {
                    walk.machine().set_slot(at, value);
                }
            }
        }
    }
    // The scratch registers hold what is left of the loop.
    walk.machine().registers[11] = None;
    walk.machine().registers[usize::from(FLOATS) + 15] = None;
    walk.machine().flags = Flags::None;
    Ok(Flow::Next)
}

struct Lift<'l, 'a> {
    walk: &'l mut Walk<'a>,
    it: &'l Instruction,
}

type Lifted<T> = Result<T, Stop>;

/// The number of a register among those of the machine.
fn number(register: Register) -> Option<u8> {
    match register {
        Register::AH | Register::BH | Register::CH | Register::DH => None,
        _ if register.is_gpr() => Some(register.full_register().number() as u8),
        _ if register.is_xmm() => Some(FLOATS + register.number() as u8),
        _ => None,
    }
}

impl Lift<'_, '_> {
    fn unknown(&self) -> Stop {
        Stop::Unchecked(Unchecked::Instruction(name(self.it.mnemonic())))
    }

    fn register(&self, operand: u32) -> Lifted<u8> {
        number(self.it.op_register(operand)).ok_or_else(|| self.unknown())
    }

    /// The width of an operand.
    fn width(&self, operand: u32) -> u8 {
        match self.it.op_kind(operand) {
            OpKind::Register => (8 * self.it.op_register(operand).size()).min(64) as u8,
            OpKind::Memory => (8 * self.it.memory_size().size()).min(64) as u8,
            _ => 64,
        }
    }

    fn address(&mut self) -> Lifted<Term> {
        let it = self.it;
        if it.segment_prefix() != Register::None {
            return Err(self.unknown());
        }
        if it.is_ip_rel_memory_operand() {
            let code = self.walk.fixed.code;
            let at = it.ip_rel_memory_address();
            return Ok(self.walk.terms().sum(64, at, &[(code, 1)]));
        }
        let mut parts = Vec::with_capacity(2);
        for (register, scale) in [
            (it.memory_base(), 1),
            (it.memory_index(), it.memory_index_scale()),
        ] {
            if register != Register::None {
                let register = number(register).ok_or_else(|| self.unknown())?;
                let term = self.walk.get(register);
                parts.push((term, u64::from(scale)));
            }
        }
        let displacement = it.memory_displacement64();
        Ok(self.walk.terms().sum(64, displacement, &parts))
    }

    /// An operand's low bits.
    fn read(&mut self, operand: u32, width: u8) -> Lifted<Term> {
        match self.it.op_kind(operand) {
            OpKind::Register => {
                let register = self.register(operand)?;
                Ok(self.walk.get_width(register, width))
            }
            OpKind::Memory => {
                let address = self.address()?;
                Ok(self.walk.load(address, width)?.term)
            }
            _ => match self.it.try_immediate(operand) {
                Ok(value) => Ok(self.walk.terms().constant(value & mask(width))),
                Err(_) => Err(self.unknown()),
            },
        }
    }

    /// Writes an operand.
    fn write(&mut self, operand: u32, width: u8, term: Term) -> Lifted<()> {
        match self.it.op_kind(operand) {
            OpKind::Register => {
                let register = self.register(operand)?;
                let term = match width {
                    32 | 64 => term,
                    _ => {
                        let old = self.walk.get(register);
                        let above = self.walk.terms().constant(!mask(width));
                        let above = self.walk.terms().binary(Binary::And, old, above);
                        self.walk.terms().binary(Binary::Or, above, term)
                    }
                };
                self.walk.machine().set(register, Value::whole(term));
                Ok(())
            }
            _ => {
                let address = self.address()?;
                let value = Value { term, bits: 64 };
                self.walk.store(address, width, value)
            }
        }
    }

    fn flags(&mut self, flags: Flags) {
        self.walk.machine().flags = flags;
    }

    fn condition(&mut self) -> Lifted<Term> {
        use ConditionCode as C;
        let (condition, negated) = match self.it.condition_code() {
            C::e => (Condition::Equal, false),
            C::ne => (Condition::Equal, true),
            C::b => (Condition::Below, false),
            C::ae => (Condition::Below, true),
            C::be => (Condition::BelowEqual, false),
            C::a => (Condition::BelowEqual, true),
            C::l => (Condition::Less, false),
            C::ge => (Condition::Less, true),
            C::le => (Condition::LessEqual, false),
            C::g => (Condition::LessEqual, true),
            C::s => (Condition::Sign, false),
            C::ns => (Condition::Sign, true),
            C::o => (Condition::Overflow, false),
            C::no => (Condition::Overflow, true),
            C::p => (Condition::Parity, false),
            C::np => (Condition::Parity, true),
            C::None => return Err(self.unknown()),
        };
        let flags = self.walk.state.machine.flags;
        let terms = self.walk.terms();
        let truth = match flags.condition(terms, condition) {
            Some(truth) if negated => terms.not(truth),
            Some(truth) => truth,
            None if flags == Flags::None => terms.symbol(1),
            None => return Err(Stop::Unchecked(Unchecked::Condition)),
        };
        Ok(truth)
    }

    fn step(&mut self) -> Lifted<Flow> {
        use Mnemonic as M;
        let it = self.it;
        match it.mnemonic() {
            M::Jmp => {
                return match it.op0_kind() {
                    OpKind::NearBranch64 => Ok(Flow::Jump),
                    OpKind::Register => {
                        let register = self.register(0)?;
                        Ok(Flow::Table(self.walk.get(register)))
                    }
                    _ => Err(self.unknown()),
                };
            }
            M::Call => {
                return match it.op0_kind() {
                    OpKind::NearBranch64 => Ok(Flow::Call(it.near_branch64() as u32)),
                    OpKind::Memory => Ok(Flow::CallEntry(self.address()?)),
                    _ => Err(self.unknown()),
                };
            }
            M::Ret => return Ok(Flow::Return),
            M::Ud2 => return Ok(Flow::Trap),
            M::Nop => {}
            _ if it.flow_control() == FlowControl::ConditionalBranch => {
                return Ok(Flow::Branch(self.condition()?));
            }
            M::Mov => self.mov()?,
            M::Movzx => {
                let from = self.width(1);
                let value = self.read(1, from)?;
                let to = self.width(0);
                self.write(0, to, value)?;
            }
            M::Movsx | M::Movsxd => {
                let (from, to) = (self.width(1), self.width(0));
                let value = self.read(1, from)?;
                let value = extend(self.walk.terms(), from, to, value);
                self.write(0, to, value)?;
            }
            M::Lea => {
                let address = self.address()?;
                let width = self.width(0);
                let value = self.walk.terms().low(width, address);
                self.write(0, width, value)?;
            }
            M::Add | M::Sub | M::And | M::Or | M::Xor | M::Cmp | M::Test => self.alu()?,
            M::Neg => {
                let width = self.width(0);
                let x = self.read(0, width)?;
                let negated = self.walk.terms().sum(width, 0, &[(x, u64::MAX)]);
                self.write(0, width, negated)?;
                self.flags(Flags::Negated(width, x));
            }
            M::Imul | M::Mul => self.multiply()?,
            M::Div | M::Idiv => return self.divide(),
            M::Cdq | M::Cqo => {
                let width = if it.mnemonic() == M::Cdq { 32 } else { 64 };
                let low = self.walk.get_width(RAX, width);
                let sign = self.sign(width, low);
                self.walk.machine().set(RDX, Value::whole(sign));
            }
            M::Shl | M::Sal | M::Shr | M::Sar | M::Rol | M::Ror => self.shift()?,
            M::Shlx | M::Shrx | M::Sarx => {
                let width = self.width(0);
                let x = self.read(1, width)?;
                let count = self.read(2, width)?;
                let op = match it.mnemonic() {
                    M::Shlx => Binary::Shl(width),
                    M::Sarx => Binary::ShrSigned(width),
                    _ => Binary::ShrUnsigned,
                };
                let value = self.shifted(op, width, x, count);
                self.write(0, width, value)?;
            }
            M::Rorx => {
                let width = self.width(0);
                let (x, count) = (self.read(1, width)?, self.read(2, 8)?);
                let value = self.shifted(Binary::Rotr(width), width, x, count);
                self.write(0, width, value)?;
            }
            M::Lzcnt | M::Tzcnt | M::Popcnt => {
                let width = self.width(0);
                let x = self.read(1, width)?;
                let op = match (it.mnemonic(), width) {
                    (M::Lzcnt, 32) => Unary::Clz32,
                    (M::Lzcnt, 64) => Unary::Clz64,
                    (M::Tzcnt, 32) => Unary::Ctz32,
                    (M::Tzcnt, 64) => Unary::Ctz64,
                    (M::Popcnt, _) => Unary::Popcnt,
                    _ => return Err(self.unknown()),
                };
                let value = self.walk.terms().unary(op, x);
                self.write(0, width, value)?;
                self.flags(Flags::None);
            }
            M::Bswap => {
                let width = self.width(0);
                if width < 32 {
                    return Err(self.unknown());
                }
                let x = self.read(0, width)?;
                let swapped = swap::of(self.walk.terms(), width, x);
                self.write(0, width, swapped)?;
            }
            M::Xchg => {
                let width = self.width(0);
                let (a, b) = (self.register(0)?, self.register(1)?);
                if width != 64 {
                    return Err(self.unknown());
                }
                let registers = &mut self.walk.machine().registers;
                registers.swap(usize::from(a), usize::from(b));
            }
            _ if it.op_count() == 1 && it.condition_code() != ConditionCode::None => {
                let truth = self.condition()?;
                self.write(0, 8, truth)?;
            }
            _ if it.op_count() == 2 && it.condition_code() != ConditionCode::None => {
                let truth = self.condition()?;
                let width = self.width(0);
                let (kept, moved) = (self.read(0, width)?, self.read(1, width)?);
                let value = self.walk.terms().select(truth, moved, kept);
                self.write(0, width, value)?;
            }
            _ => self.float()?,
        }
        Ok(Flow::Next)
    }

    fn mov(&mut self) -> Lifted<()> {
        let width = self.width(0);
        if self.it.op0_kind() == OpKind::Memory {
            let address = self.address()?;
            let value = self.read(1, width)?;
            return self.walk.store(
                address,
                width,
                Value {
                    term: value,
                    bits: width.max(32),
                },
            );
        }
        let value = self.read(1, width)?;
        self.write(0, width, value)
    }

    fn alu(&mut self) -> Lifted<()> {
        use Mnemonic as M;
        let width = self.width(0);
        let mnemonic = self.it.mnemonic();
        let a = self.read(0, width)?;
        let b = self.read(1, width)?;
        let terms = self.walk.terms();
        let (result, flags) = match mnemonic {
            M::Add => {
                let sum = narrow_sum(terms, width, a, b, 1);
                (Some(sum), Flags::Sum(width, sum, a))
            }
            M::Sub => (
                Some(narrow_sum(terms, width, a, b, u64::MAX)),
                Flags::Compare(width, a, b),
            ),
            M::Cmp => (None, Flags::Compare(width, a, b)),
            M::And | M::Test => {
                let both = terms.binary(Binary::And, a, b);
                (
                    (mnemonic == M::And).then_some(both),
                    Flags::Logic(width, both),
                )
            }
            M::Or => {
                let either = terms.binary(Binary::Or, a, b);
                (Some(either), Flags::Logic(width, either))
            }
            _ => {
                let differ = terms.binary(Binary::Xor, a, b);
                (Some(differ), Flags::Logic(width, differ))
            }
        };
        if let Some(result) = result {
            self.write(0, width, result)?;
        }
        self.flags(flags);
        Ok(())
    }

    fn multiply(&mut self) -> Lifted<()> {
        let width = self.width(0);
        self.flags(Flags::None);
        let (first, second) = match self.it.op_count() {
            1 => {
                if width != 64 {
                    return Err(self.unknown());
                }
                let x = self.read(0, width)?;
                let rax = self.walk.get(RAX);
                let op = match self.it.mnemonic() {
                    Mnemonic::Mul => Binary::HighUnsigned,
                    _ => Binary::HighSigned,
                };
                let terms = self.walk.terms();
                let high = terms.binary(op, x, rax);
                let low = terms.multiply(64, x, rax);
                self.walk.machine().set(RAX, Value::whole(low));
                self.walk.machine().set(RDX, Value::whole(high));
                return Ok(());
            }
            2 => (0, 1),
            _ => (1, 2),
        };
        let (a, b) = (self.read(first, width)?, self.read(second, width)?);
        let value = self.walk.terms().multiply(width, a, b);
        self.write(0, width, value)
    }

    fn sign(&mut self, width: u8, x: Term) -> Term {
        let terms = self.walk.terms();
        let count = terms.constant(u64::from(width) - 1);
        terms.binary(Binary::ShrSigned(width), x, count)
    }

    fn divide(&mut self) -> Lifted<Flow> {
        let width = self.width(0);
        let divisor = self.read(0, width)?;
        let dividend = self.walk.get_width(RAX, width);
        let high = self.walk.get_width(RDX, width);
        let signed = self.it.mnemonic() == Mnemonic::Idiv;
        let expected = match signed {
            true => self.sign(width, dividend),
            false => self.walk.terms().constant(0),
        };
        let by_zero = self.walk.terms().is_zero(divisor);
        if self.walk.fault_if(by_zero)? {
            return Ok(Flow::Fault);
        }
        let (quotient, rest) = match (high == expected, signed) {
            (false, _) => {
                let terms = self.walk.terms();
                (terms.symbol(64), terms.symbol(64))
            }
            (true, true) => {
                let terms = self.walk.terms();
                (
                    terms.binary(Binary::DivSigned(width), dividend, divisor),
                    terms.binary(Binary::RemSigned(width), dividend, divisor),
                )
            }
            (true, false) => {
                let terms = self.walk.terms();
                (
                    terms.binary(Binary::DivUnsigned, dividend, divisor),
                    terms.binary(Binary::RemUnsigned, dividend, divisor),
                )
            }
        };
        self.walk.machine().set(RAX, Value::whole(quotient));
        self.walk.machine().set(RDX, Value::whole(rest));
        self.flags(Flags::None);
        Ok(Flow::Next)
    }

    fn shifted(&mut self, op: Binary, width: u8, x: Term, count: Term) -> Term {
        let terms = self.walk.terms();
        let most = terms.constant(u64::from(width) - 1);
        let count = terms.binary(Binary::And, count, most);
        terms.binary(op, x, count)
    }

    fn shift(&mut self) -> Lifted<()> {
        use Mnemonic as M;
        let width = self.width(0);
        let x = self.read(0, width)?;
        let count = match self.it.op1_kind() {
            OpKind::Register => self.walk.get_width(RCX, 8),
            _ => self.read(1, 8)?,
        };
        let op = match self.it.mnemonic() {
            M::Shl | M::Sal => Binary::Shl(width),
            M::Shr => Binary::ShrUnsigned,
            M::Sar => Binary::ShrSigned(width),
            M::Rol => Binary::Rotl(width),
            _ => Binary::Rotr(width),
        };
        let value = self.shifted(op, width, x, count);
        self.write(0, width, value)?;
        let terms = self.walk.terms();
        let constant = terms.constant_of(count);
        let out = match (op, constant) {
            (Binary::ShrUnsigned | Binary::ShrSigned(_), Some(1)) => Some(terms.low(1, x)),
            _ => None,
        };
        self.flags(match (op, constant) {
            (Binary::Shl(_) | Binary::ShrUnsigned | Binary::ShrSigned(_), Some(1..)) => {
                Flags::Shift(width, value, out)
            }
            _ => Flags::None,
        });
        Ok(())
    }

    fn set_float(&mut self, width: u8, term: Term) -> Lifted<()> {
        let register = self.register(0)?;
        let value = Value { term, bits: width };
        self.walk.machine().set(register, value);
        Ok(())
    }

    fn float(&mut self) -> Lifted<()> {
        use Mnemonic as M;
        let it = self.it;
        let mnemonic = it.mnemonic();
        let op = match mnemonic {
            M::Vaddss | M::Vaddsd => Some(Float::Add),
            M::Vsubss | M::Vsubsd => Some(Float::Sub),
            M::Vmulss | M::Vmulsd => Some(Float::Mul),
            M::Vdivss | M::Vdivsd => Some(Float::Div),
            M::Vminss | M::Vminsd => Some(Float::MachineMin),
            M::Vmaxss | M::Vmaxsd => Some(Float::MachineMax),
            _ => None,
        };
        if let Some(op) = op {
            let width = match mnemonic {
                M::Vaddss | M::Vsubss | M::Vmulss | M::Vdivss | M::Vminss | M::Vmaxss => 32,
                _ => 64,
            };
            let (a, b) = (self.read(1, width)?, self.read(2, width)?);
            let value = self.walk.terms().float(op, width, a, b);
            return self.set_float(width, value);
        }
        match mnemonic {
            M::Vmovaps | M::Vmovapd => {
                let (to, from) = (self.register(0)?, self.register(1)?);
                let registers = &mut self.walk.machine().registers;
                registers[usize::from(to)] = registers[usize::from(from)];
            }
            M::Vmovss | M::Vmovsd => {
                let width = if mnemonic == M::Vmovss { 32 } else { 64 };
                if it.op0_kind() == OpKind::Memory {
                    let register = self.register(1)?;
                    let address = self.address()?;
                    let value = self.walk.state.machine.registers[usize::from(register)];
                    let value = match value {
                        Some(value) if width == 64 => value,
                        _ => Value {
                            term: self.walk.get_width(register, width),
                            bits: width,
                        },
                    };
                    return self.walk.store(address, width, value);
                }
                if it.op1_kind() != OpKind::Memory {
                    return Err(self.unknown());
                }
                let address = self.address()?;
                let value = self.walk.load(address, width)?;
                let register = self.register(0)?;
                self.walk.machine().set(register, value);
            }
            M::Vmovd | M::Vmovq => {
                let width = if mnemonic == M::Vmovd { 32 } else { 64 };
                let value = self.read(1, width)?;
                self.write(0, 64, value)?;
            }
            M::Vandps
            | M::Vandpd
            | M::Vandnps
            | M::Vandnpd
            | M::Vorps
            | M::Vorpd
            | M::Vxorps
            | M::Vxorpd => {
                let width = match mnemonic {
                    M::Vandps | M::Vandnps | M::Vorps | M::Vxorps => 32,
                    _ => 64,
                };
                if matches!(mnemonic, M::Vxorps | M::Vxorpd)
                    && it.op1_register() == it.op2_register()
                {
                    let zero = self.walk.terms().constant(0);
                    return self.set_float(64, zero);
                }
                let (mut a, b) = (self.read(1, width)?, self.read(2, width)?);
                let terms = self.walk.terms();
                let op = match mnemonic {
                    M::Vandnps | M::Vandnpd => {
                        let all = terms.constant(mask(width));
                        a = terms.binary(Binary::Xor, a, all);
                        Binary::And
                    }
                    M::Vandps | M::Vandpd => Binary::And,
                    M::Vorps | M::Vorpd => Binary::Or,
                    _ => Binary::Xor,
                };
                let value = terms.binary(op, a, b);
                self.set_float(width, value)?;
            }
            M::Vucomiss | M::Vucomisd => {
                let width = if mnemonic == M::Vucomiss { 32 } else { 64 };
                let (a, b) = (self.read(0, width)?, self.read(1, width)?);
                self.flags(Flags::Floats(width, a, b));
            }
            M::Vsqrtss | M::Vsqrtsd => {
                let width = if mnemonic == M::Vsqrtss { 32 } else { 64 };
                let x = self.read(2, width)?;
                let value = self.walk.terms().float(Float::Sqrt, width, x, x);
                self.set_float(width, value)?;
            }
            M::Vroundss | M::Vroundsd => {
                let width = if mnemonic == M::Vroundss { 32 } else { 64 };
                let x = self.read(2, width)?;
                let op = match it.immediate(3) & 7 {
                    0 => Float::Nearest,
                    1 => Float::Floor,
                    2 => Float::Ceil,
                    3 => Float::Trunc,
                    _ => return Err(self.unknown()),
                };
                let value = self.walk.terms().float(op, width, x, x);
                self.set_float(width, value)?;
            }
            M::Vcvtss2sd => {
                let x = self.read(2, 32)?;
                let value = self.walk.terms().float(Float::Promote, 32, x, x);
                self.set_float(64, value)?;
            }
            M::Vcvtsd2ss => {
                let x = self.read(2, 64)?;
                let value = self.walk.terms().float(Float::Demote, 64, x, x);
                self.set_float(32, value)?;
            }
            M::Vcvtsi2ss | M::Vcvtsi2sd => {
                let to = if mnemonic == M::Vcvtsi2ss { 32 } else { 64 };
                let from = self.width(2);
                let x = self.read(2, from)?;
                let op = if from == 32 {
                    Float::OfSigned32
                } else {
                    Float::OfSigned64
                };
                let value = self.walk.terms().float(op, to, x, x);
                self.set_float(to, value)?;
            }
            M::Vcvttss2si | M::Vcvttsd2si => {
                let from = if mnemonic == M::Vcvttss2si { 32 } else { 64 };
                let to = self.width(0);
                let x = self.read(1, from)?;
                let op = if to == 32 {
                    Float::ToSigned32
                } else {
                    Float::ToSigned64
                };
                let mut value = self.walk.terms().float(op, from, x, x);
                if to == 64 && self.walk.is_in_u32(from, x) {
                    value = self.walk.terms().low(32, value);
                }
                self.write(0, to, value)?;
            }
            _ => return Err(self.unknown()),
        }
        Ok(())
    }
}

/// A sum of fewer than 32 bits is not kept as a sum.
fn narrow_sum(terms: &mut crate::term::Terms, width: u8, a: Term, b: Term, times: u64) -> Term {
    let sum = terms.sum(width.max(32), 0, &[(a, 1), (b, times)]);
    terms.low(width, sum)
}

/// The name of an instruction that is met at all; others are counted together.
fn name(mnemonic: Mnemonic) -> &'static str {
    match mnemonic {
        Mnemonic::Not => "not",
        Mnemonic::Push => "push",
        Mnemonic::Pop => "pop",
        Mnemonic::Int3 => "int3",
        Mnemonic::Movbe => "movbe",
        _ => "of another kind",
    }
}
