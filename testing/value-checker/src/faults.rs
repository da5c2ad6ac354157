//! Faults of the kinds that compilers make with values, seeded in x86-64 code: edits of instructions that keep all
//! lengths.
//!
//! The verifier accepts most of them: the code stays within its sandbox.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The operands of a comparison are swapped.
    SwappedOperands,
    /// A move takes another register.
    WrongRegister,
    /// A slot's neighbour is read or written.
    WrongSlot,
    /// An immediate is off by one.
    Immediate,
    /// A condition is inverted.
    Condition,
    /// A spill is missing.
    NoSpill,
    /// A reload is missing.
    NoReload,
    /// Another function is called.
    WrongCallee,
    /// A store is missing.
    NoStore,
    /// Two stores are swapped.
    SwappedStores,
    /// The multiplier of a division is off by one.
    Multiplier,
    /// A test before a branch is missing: it goes by flags that are stale.
    StaleFlags,
    /// 32 bits instead of 64.
    Narrow,
    /// A load or store goes to the next address.
    Offset,
    /// Another operation: addition and subtraction, "and" and "or".
    Operation,
    /// The index of a sum is scaled by another factor.
    Scale,
    /// The bytes of a value are not swapped, or those of its lower half alone.
    Swap,
}

/// An edit.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Its class.
    pub class: Class,
    /// Where.
    pub at: usize,
    /// What is written there.
    pub bytes: Vec<u8>,
}

const NOP: u8 = 0x90;

/// Adds a fault that an edit of an instruction's bytes makes.
type Add<'a> = dyn FnMut(Class, &dyn Fn(&mut [u8])) + 'a;

/// All faults of a function's code. `other` gives another function's entry for a call's.
pub fn of(code: &[u8], start: u32, end: u32, other: impl Fn(u32) -> Option<u32>) -> Vec<Fault> {
    let Some(bytes) = code.get(start as usize..end as usize) else {
        return Vec::new();
    };
    let mut decoder = Decoder::with_ip(64, bytes, start.into(), DecoderOptions::NONE);
    let mut all: Vec<Instruction> = Vec::new();
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let indirect = instruction.flow_control() == FlowControl::IndirectBranch;
        if instruction.is_invalid() || indirect {
            // Tables follow.
            break;
        }
        all.push(instruction);
    }
    let mut faults = Vec::new();
    for (number, it) in all.iter().enumerate() {
        let mut add = |class: Class, edit: &dyn Fn(&mut [u8])| {
            let at = it.ip() as usize;
            let mut bytes = code[at..at + it.len()].to_vec();
            let before = bytes.clone();
            edit(&mut bytes);
            if bytes != before {
                faults.push(Fault { class, at, bytes });
            }
        };
        // Whether the stack is deep enough is the verifier's to check.
        let before = number.checked_sub(1).and_then(|before| all.get(before));
        let next = all.get(number + 1);
        // Equality is the same both ways round.
        let ordered = next.is_some_and(|it| {
            !matches!(
                it.condition_code(),
                iced_x86::ConditionCode::e
                    | iced_x86::ConditionCode::ne
                    | iced_x86::ConditionCode::None
            )
        });
        let of_stack = before.is_some_and(|it| it.op0_register() == Register::RSP);
        one(it, (of_stack, ordered), &mut add, &other);
        let Some(next) = all.get(number + 1) else {
            continue;
        };
        if it.mnemonic() == Mnemonic::Test
            && next.flow_control() == FlowControl::ConditionalBranch
            && !before.is_some_and(|before| has_tested(before, it, ordered))
        {
            add(Class::StaleFlags, &|bytes| bytes.fill(NOP));
        }
        let multiplies = next.mnemonic() == Mnemonic::Imul || next.mnemonic() == Mnemonic::Mul;
        let constant = it.mnemonic() == Mnemonic::Mov
            && it.op0_kind() == OpKind::Register
            && matches!(it.op1_kind(), OpKind::Immediate32 | OpKind::Immediate64);
        if multiplies && constant && it.immediate(1) > 0xffff {
            let last = it.len()
                - if it.op1_kind() == OpKind::Immediate64 {
                    8
                } else {
                    4
                };
            add(Class::Multiplier, &|bytes| bytes[last] ^= 3);
        }
        if is_store(it) && is_store(next) {
            let at = it.ip() as usize;
            let mut bytes = code[at + it.len()..at + it.len() + next.len()].to_vec();
            bytes.extend_from_slice(&code[at..at + it.len()]);
            let class = Class::SwappedStores;
            faults.push(Fault { class, at, bytes });
        }
    }
    faults
}

/// Whether an instruction has set the flags as a test of its result does, so that they are not stale.
fn has_tested(it: &Instruction, test: &Instruction, ordered: bool) -> bool {
    use Mnemonic as M;
    let same = it.op0_register() == test.op0_register() && it.op0_kind() == OpKind::Register;
    same && match it.mnemonic() {
        M::And | M::Or | M::Xor => true,
        M::Add | M::Sub | M::Shl | M::Shr | M::Sar => !ordered,
        _ => false,
    }
}

fn is_store(it: &Instruction) -> bool {
    it.mnemonic() == Mnemonic::Mov
        && it.op0_kind() == OpKind::Memory
        && it.memory_base() == Register::R14
}

fn in_slot(it: &Instruction) -> bool {
    it.memory_base() == Register::RSP && it.memory_index() == Register::None
}

/// The place of a displacement in an instruction without immediate.
fn displacement(it: &Instruction) -> Option<usize> {
    match it.memory_displ_size() {
        1 => it.len().checked_sub(1),
        4 | 8 => it.len().checked_sub(4),
        _ => None,
    }
}

fn one(
    it: &Instruction,
    (of_stack, ordered): (bool, bool),
    add: &mut Add<'_>,
    other: &impl Fn(u32) -> Option<u32>,
) {
    use Mnemonic as M;
    let registers = it.op0_kind() == OpKind::Register && it.op1_kind() == OpKind::Register;
    let last = it.len() - 1;
    let fixed = |register: Register| {
        matches!(
            register.full_register(),
            Register::RSP | Register::R14 | Register::R15
        )
    };
    match it.mnemonic() {
        M::Cmp if registers && ordered && it.op0_register() != it.op1_register() => {
            // Only where both are registers of the same eight.
            add(Class::SwappedOperands, &|bytes| {
                let rm = bytes[last] & 7;
                let reg = bytes[last] >> 3 & 7;
                let rex = bytes[0] & 0xf0 == 0x40;
                if !rex || matches!(bytes[0] & 5, 0 | 5) {
                    bytes[last] = bytes[last] & 0xc0 | rm << 3 | reg;
                }
            });
        }
        M::Mov if registers && !fixed(it.op1_register()) && !fixed(it.op0_register()) => {
            add(Class::WrongRegister, &|bytes| bytes[last] ^= 8);
        }
        M::Mov if in_slot(it) && it.op1_kind() != OpKind::Immediate32 => {
            let store = it.op0_kind() == OpKind::Memory;
            if let Some(at) = displacement(it).filter(|_| it.op_kind(1) != OpKind::Immediate32to64)
            {
                add(Class::WrongSlot, &|bytes| bytes[at] ^= 8);
            }
            let class = if store {
                Class::NoSpill
            } else {
                Class::NoReload
            };
            add(class, &|bytes| bytes.fill(NOP));
        }
        M::Mov if is_store(it) => {
            add(Class::NoStore, &|bytes| bytes.fill(NOP));
            if it.op1_kind() == OpKind::Register
                && let Some(at) = displacement(it)
            {
                add(Class::Offset, &|bytes| bytes[at] ^= 1);
            }
        }
        M::Mov | M::Movzx | M::Movsx if it.memory_base() == Register::R14 => {
            if let Some(at) = displacement(it) {
                add(Class::Offset, &|bytes| bytes[at] ^= 1);
            }
        }
        M::Lea if it.memory_index() != Register::None && !it.is_ip_rel_memory_operand() => {
            // The scale is in the two highest bits of SIB, in front of the displacement.
            let displacement = match it.memory_displ_size() {
                1 => 1,
                0 => 0,
                _ => 4,
            };
            add(Class::Scale, &|bytes| bytes[last - displacement] ^= 0xc0);
        }
        M::Bswap => {
            add(Class::Swap, &|bytes| bytes.fill(NOP));
            if it.op0_register().is_gpr64() {
                add(Class::Swap, &|bytes| bytes[0] ^= 8);
            }
        }
        M::Call if it.op0_kind() == OpKind::NearBranch64 => {
            if let Some(to) = other(it.near_branch64() as u32) {
                let distance = (to as i32).wrapping_sub(it.next_ip() as i32);
                add(Class::WrongCallee, &|bytes| {
                    bytes[last - 3..].copy_from_slice(&distance.to_le_bytes());
                });
            }
        }
        _ => {}
    }
    if it.flow_control() == FlowControl::ConditionalBranch && !of_stack {
        let at = if it.len() == 2 { 0 } else { 1 };
        add(Class::Condition, &|bytes| bytes[at] ^= 1);
    }
    let arithmetic = matches!(
        it.mnemonic(),
        M::Add | M::Sub | M::And | M::Or | M::Xor | M::Cmp | M::Shl | M::Shr | M::Sar
    );
    if arithmetic && it.op0_kind() == OpKind::Register && !fixed(it.op0_register()) {
        if it.op1_kind() != OpKind::Register
            && it.op1_kind() != OpKind::Memory
            && it.op_count() == 2
        {
            let long = matches!(it.op1_kind(), OpKind::Immediate32 | OpKind::Immediate32to64);
            let at = if long { it.len() - 4 } else { last };
            if it.len() > 2 {
                add(Class::Immediate, &|bytes| bytes[at] ^= 1);
            }
        }
        if registers && matches!(it.mnemonic(), M::Add | M::Sub | M::And | M::Or) {
            let opcode = it.len() - 2;
            // 01 add, 29 sub, 21 and, 09 or.
            add(Class::Operation, &|bytes| bytes[opcode] ^= 0x28);
        }
        let widens = matches!(it.mnemonic(), M::Add | M::Sub | M::Shl | M::Sar);
        if widens && it.op0_register().is_gpr64() && it.op_count() == 2 {
            add(Class::Narrow, &|bytes| {
                if bytes[0] & 0xf8 == 0x48 {
                    bytes[0] ^= 8;
                }
            });
        }
    }
}
