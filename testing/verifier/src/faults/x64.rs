//! Faults in x86-64 code.

use super::{Edit, Fault};
use pvf_executor::Described;
use pvf_rules::TrapKind;
use pvf_verifier::FunctionCode;
use pvf_verifier::layout::context;
use pvf_verifier::x64::{Instruction, Op, Place, decode};

const RSP: u8 = 4;
const R10: u8 = 10;
const R11: u8 = 11;
const R13: u8 = 13;
const R14: u8 = 14;
const R15: u8 = 15;
const NONE: u8 = 0xff;

/// Bytes of the slots that callees of few parameters have: the lowest ones.
const CALLEES: i32 = 256;
/// Bytes of the slots of which the verifier knows whether they were written.
const FOLLOWED: i32 = 2048;

/// The classes, by name.
pub const CLASSES: [(&str, Class); 33] = [
    ("an index computed in 64 bits", wide_arithmetic),
    ("a spilled index reloaded with its sign", signed_reload),
    ("a spilled index reloaded in 64 bits", wide_reload),
    ("an index times 8", scaled_index),
    ("the context for the memory", context_for_memory),
    ("an offset below 0", negative_offset),
    ("an address for a value", address_for_value),
    ("a slot at the return address", slot_at_return),
    ("a slot below the stack pointer", slot_below),
    ("a slot that nothing writes", unwritten_slot),
    ("a frame made smaller", smaller_frame),
    ("a frame dropped short", short_drop),
    ("the stack check turned round", turned_stack_check),
    ("the stack check with another field", other_stack_check),
    ("a table's bound and 1", table_bound),
    ("a table's bound turned round", turned_table_bound),
    ("a signature turned round", turned_signature),
    ("an unknown signature", unknown_signature),
    ("a field of a table's entry", other_entry_field),
    ("a jump table's bound and 1", jump_table_bound),
    ("an entry of a jump table and 1", jump_table_entry),
    ("a branch and 1 byte", branch_and_1),
    ("a branch out of the function", branch_out),
    ("a call and 1 byte", call_and_1),
    ("a call and 16 bytes", call_and_16),
    ("a global in the header", global_in_header),
    ("a trap left out", no_trap),
    ("a trap of another kind", other_trap),
    ("a trap without a site", no_site),
    ("a trap of another place", other_place),
    ("a fixed register written", fixed_register),
    ("a charge of gas and 1", other_charge),
    ("a block operation unchecked", unchecked_block),
];

/// Finds all faults of a class in a function.
pub type Class = fn(&Function<'_>, &mut dyn FnMut(Edit));

/// A function's code and its decoded instructions.
pub struct Function<'f> {
    code: &'f [u8],
    described: &'f Described<'f>,
    place: FunctionCode,
    steps: Vec<(u32, Instruction)>,
}

/// All faults of a class in a function.
pub fn faults(described: &Described<'_>, code: &[u8], function: u32, class: Class) -> Vec<Fault> {
    let place = described.functions[function as usize];
    let mut found = Vec::new();
    if place.bytes > 0 {
        let decoded = Function::new(described, code, place);
        class(&decoded, &mut |edit| found.push(Fault { function, edit }));
    }
    found
}

impl<'f> Function<'f> {
    fn new(described: &'f Described<'f>, code: &'f [u8], place: FunctionCode) -> Self {
        let mut steps: Vec<(u32, Instruction)> = Vec::new();
        let (mut at, end) = (place.offset, place.offset + place.bytes);
        while at < end {
            let Some(it) = decode(&code[at as usize..end as usize]) else {
                break;
            };
            steps.push((at, it));
            at += u32::from(it.len);
            if it.op == Op::JmpReg
                && let Some((_, bound)) = steps.len().checked_sub(6).map(|at| steps[at])
            {
                at += 4 * bound.imm as u32;
            }
        }
        Self {
            code,
            described,
            place,
            steps,
        }
    }

    fn bytes(&self, at: u32, it: &Instruction) -> Vec<u8> {
        self.code[at as usize..at as usize + usize::from(it.len)].to_vec()
    }

    /// Calls `with` on the bytes of each instruction, and reports each change as a fault.
    fn edit(
        &self,
        fault: &mut dyn FnMut(Edit),
        mut with: impl FnMut(usize, &Instruction, &mut Vec<u8>) -> bool,
    ) {
        for (step, (at, it)) in self.steps.iter().enumerate() {
            let mut bytes = self.bytes(*at, it);
            let before = bytes.clone();
            if with(step, it, &mut bytes) && bytes != before {
                fault(Edit::Code(*at, bytes));
            }
        }
    }

    fn step(&self, step: usize, distance: isize) -> Option<&Instruction> {
        let (_, it) = self.steps.get(step.checked_add_signed(distance)?)?;
        Some(it)
    }

    /// Whether one of the next eight instructions uses a register as the index of an access, with no branch and no
    /// write to the register before it.
    fn is_index_soon(&self, step: usize, register: u8) -> bool {
        for (_, it) in self.steps.iter().skip(step + 1).take(8) {
            if it.has_memory() && it.base == R14 && it.index == register {
                return true;
            }
            let control = matches!(
                it.op,
                Op::Jcc | Op::Jmp | Op::Call | Op::CallMem | Op::JmpReg | Op::Ret
            );
            if control || (it.to == Place::Register && it.a == register) {
                return false;
            }
        }
        false
    }

    /// Whether an instruction is the bounds check of a jump table or an indirect call.
    fn is_bound(&self, step: usize, of_table: bool) -> bool {
        let end = self.step(step, 5).map(|it| it.op);
        match of_table {
            true => end == Some(Op::CallMem),
            false => end == Some(Op::JmpReg),
        }
    }
}

/// Positions of an instruction's parts within its bytes.
struct Parts {
    rex: Option<usize>,
    opcode: usize,
    modrm: usize,
}

fn parts(bytes: &[u8]) -> Parts {
    let mut at = 0;
    match bytes[0] {
        0xc5 => {
            return Parts {
                rex: None,
                opcode: 2,
                modrm: 3,
            };
        }
        0xc4 => {
            return Parts {
                rex: None,
                opcode: 3,
                modrm: 4,
            };
        }
        0x66 | 0xf3 => at = 1,
        _ => {}
    }
    let rex = (bytes[at] & 0xf0 == 0x40).then_some(at);
    at += usize::from(rex.is_some());
    let opcode = at + usize::from(bytes[at] == 0x0f);
    Parts {
        rex,
        opcode,
        modrm: opcode + 1,
    }
}

/// Overwrites the displacement if its encoding can hold the value.
fn set_disp(bytes: &mut [u8], disp: i32) -> bool {
    let modrm = parts(bytes).modrm;
    let at = modrm + 1 + usize::from(bytes[modrm] & 7 == 4);
    match (bytes[modrm] >> 6, i8::try_from(disp)) {
        (1, Ok(disp)) => bytes[at] = disp as u8,
        (2, _) => bytes[at..at + 4].copy_from_slice(&disp.to_le_bytes()),
        _ => return false,
    }
    true
}

/// Overwrites the immediate at the end, which keeps its length.
fn set_imm(bytes: &mut [u8], before: i64, imm: i64) -> bool {
    let end = bytes.len();
    if i32::try_from(before).is_ok_and(|before| bytes.ends_with(&before.to_le_bytes())) && end > 5 {
        bytes[end - 4..].copy_from_slice(&(imm as i32).to_le_bytes());
        return true;
    }
    match i8::try_from(imm) {
        Ok(imm) if bytes[end - 1] == before as u8 => {
            bytes[end - 1] = imm as u8;
            true
        }
        _ => false,
    }
}

fn set_wide(bytes: &mut [u8]) -> bool {
    match parts(bytes).rex {
        Some(rex) => {
            bytes[rex] |= 8;
            true
        }
        None => false,
    }
}

/// Inverts the condition.
fn turn(bytes: &mut [u8]) -> bool {
    let at = usize::from(bytes[0] == 0x0f);
    bytes[at] ^= 1;
    true
}

fn wide_arithmetic(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        let arithmetic = matches!(it.op, Op::Add | Op::Sub | Op::Imul | Op::Lea | Op::Bswap);
        arithmetic
            && it.size == 4
            && it.to == Place::Register
            && function.is_index_soon(step, it.a)
            && set_wide(bytes)
    });
}

fn is_reload(it: &Instruction) -> bool {
    it.op == Op::Mov && it.size == 4 && it.from == Place::Memory && it.base == RSP
}

fn signed_reload(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        if !is_reload(it) || !function.is_index_soon(step, it.a) || !set_wide(bytes) {
            return false;
        }
        let opcode = parts(bytes).opcode;
        bytes[opcode] = 0x63;
        true
    });
}

fn wide_reload(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        is_reload(it) && function.is_index_soon(step, it.a) && set_wide(bytes)
    });
}

fn is_linear(it: &Instruction) -> bool {
    it.has_memory() && it.base == R14 && it.op != Op::Lea
}

fn scaled_index(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        let sib = parts(bytes).modrm + 1;
        if !is_linear(it) || it.index == NONE {
            return false;
        }
        bytes[sib] |= 0xc0;
        true
    });
}

fn context_for_memory(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        let modrm = parts(bytes).modrm;
        if !is_linear(it) {
            return false;
        }
        let at = modrm + usize::from(it.index != NONE);
        bytes[at] |= 7;
        true
    });
}

fn negative_offset(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        is_linear(it) && it.disp > 0 && set_disp(bytes, -it.disp)
    });
}

fn address_for_value(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        let load = it.op == Op::Mov && it.from == Place::Memory;
        let opcode = parts(bytes).opcode;
        if !load || !matches!(it.base, RSP | R14 | R15) {
            return false;
        }
        bytes[opcode] = 0x8d;
        true
    });
}

fn is_slot(it: &Instruction) -> bool {
    it.has_memory() && it.base == RSP && it.index == NONE
}

fn slot_at_return(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    let at = function.place.frame_bytes as i32 - 8;
    function.edit(fault, |_, it, bytes| is_slot(it) && set_disp(bytes, at));
}

fn slot_below(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| is_slot(it) && set_disp(bytes, -8));
}

/// The only store to a slot that is read later goes to the slot beside it. Calls write the slots of callees, so these are left
/// out.
fn unwritten_slot(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    let slots = || {
        let steps = function.steps.iter().filter(|(_, it)| is_slot(it));
        steps.map(|(at, it)| {
            (
                *at,
                it.disp,
                it.to == Place::Memory && !matches!(it.op, Op::Cmp | Op::Test),
            )
        })
    };
    let calls_nothing = function
        .steps
        .iter()
        .all(|(_, it)| !matches!(it.op, Op::Call | Op::CallMem));
    let own = function.place.frame_bytes as i32 - 16;
    if function.steps.len() > 4000 {
        return;
    }
    // A loop over slots may write any.
    let loops = function
        .steps
        .iter()
        .any(|(_, it)| it.has_memory() && (it.base, it.index) == (RSP, R11));
    for (at, disp, stores) in slots() {
        let beside = disp ^ 8;
        let alone = slots()
            .filter(|&(_, other, stores)| stores && other == disp)
            .count()
            == 1;
        let read = slots().any(|(later, other, stores)| !stores && later > at && other == disp);
        let is_own = calls_nothing || disp >= CALLEES;
        if stores && alone && read && is_own && !loops && disp < own && disp < FOLLOWED {
            function.edit(
                &mut |edit| match edit {
                    Edit::Code(place, bytes) if place == at => fault(Edit::Code(place, bytes)),
                    _ => {}
                },
                |_, it, bytes| is_slot(it) && it.disp == disp && set_disp(bytes, beside),
            );
        }
    }
}

fn frame_step(function: &Function<'_>, fault: &mut dyn FnMut(Edit), op: Op, change: i64) {
    function.edit(fault, |_, it, bytes| {
        it.op == op && (it.to, it.a) == (Place::Register, RSP) && {
            set_imm(bytes, it.imm, it.imm + change)
        }
    });
}

fn smaller_frame(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    frame_step(function, fault, Op::Sub, -16);
}

fn short_drop(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    frame_step(function, fault, Op::Add, -16);
}

fn is_stack_check(it: Option<&Instruction>) -> bool {
    it.is_some_and(|it| it.op == Op::Cmp && it.a == RSP && it.base == R15)
}

fn turned_stack_check(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        it.op == Op::Jcc && is_stack_check(function.step(step, -1)) && turn(bytes)
    });
}

fn other_stack_check(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        is_stack_check(Some(it)) && set_disp(bytes, context::MEMORY_BYTES as i32)
    });
}

fn table_bound(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        it.op == Op::Cmp && function.is_bound(step, true) && set_imm(bytes, it.imm, it.imm + 1)
    });
}

fn turned_table_bound(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        let bound = step.checked_sub(1);
        it.op == Op::Jcc && bound.is_some_and(|it| function.is_bound(it, true)) && turn(bytes)
    });
}

fn turned_signature(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        let call = function.step(step, 1).map(|it| it.op);
        it.op == Op::Jcc && call == Some(Op::CallMem) && turn(bytes)
    });
}

fn is_entry(it: &Instruction) -> bool {
    it.has_memory() && it.base == R15 && it.index != NONE
}

fn unknown_signature(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        it.op == Op::Cmp && is_entry(it) && it.imm > 0 && set_imm(bytes, it.imm, 127)
    });
}

fn other_entry_field(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        is_entry(it) && set_disp(bytes, it.disp + 4)
    });
}

fn jump_table_bound(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        it.op == Op::Cmp && function.is_bound(step, false) && set_imm(bytes, it.imm, it.imm + 1)
    });
}

fn jump_table_entry(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    for (step, (at, it)) in function.steps.iter().enumerate() {
        if it.op != Op::JmpReg {
            continue;
        }
        let count = function.step(step, -5).map_or(0, |bound| bound.imm as u32);
        let table = at + u32::from(it.len);
        for entry in (0..count).map(|entry| table + 4 * entry) {
            let byte = function.code[entry as usize];
            if byte < 0xff {
                fault(Edit::Code(entry, vec![byte + 1]));
            }
        }
    }
}

fn is_branch(it: &Instruction) -> bool {
    matches!(it.op, Op::Jcc | Op::Jmp)
}

fn branch_and_1(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        let field = if it.len > 2 { 4 } else { 1 };
        let at = bytes.len() - field;
        is_branch(it) && bytes[at] < 0xff && {
            bytes[at] += 1;
            true
        }
    });
}

fn branch_out(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        is_branch(it) && it.len > 2 && {
            let at = bytes.len() - 4;
            let far = it.imm as i32 ^ 0x0400_0000;
            bytes[at..].copy_from_slice(&far.to_le_bytes());
            true
        }
    });
}

fn moved_call(function: &Function<'_>, fault: &mut dyn FnMut(Edit), by: i32) {
    function.edit(fault, |_, it, bytes| {
        it.op == Op::Call && {
            bytes[1..].copy_from_slice(&(it.imm as i32 + by).to_le_bytes());
            true
        }
    });
}

fn call_and_1(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    moved_call(function, fault, 1);
}

fn call_and_16(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    moved_call(function, fault, 16);
}

fn global_in_header(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    let low = context::STACK_LOW as i32;
    function.edit(fault, |_, it, bytes| {
        let global = it.has_memory() && it.base == R15 && it.index == NONE;
        global && it.disp >= context::GLOBALS as i32 && set_disp(bytes, low)
    });
}

fn no_trap(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        it.op == Op::Ud2 && {
            // mov eax, eax
            *bytes = vec![0x89, 0xc0];
            true
        }
    });
}

/// The indices of the function's trap sites.
fn sites(function: &Function<'_>) -> std::ops::Range<usize> {
    let sites = &function.described.sites;
    let (start, bytes) = (function.place.offset, function.place.bytes);
    let first = sites.partition_point(|site| site.code_offset < start);
    first..sites.partition_point(|site| site.code_offset < start + bytes)
}

fn other_trap(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    for number in sites(function) {
        let mut site = function.described.sites[number];
        site.kind = match site.kind {
            TrapKind::UndefinedElement => TrapKind::IndirectCallTypeMismatch,
            TrapKind::IndirectCallTypeMismatch => TrapKind::UndefinedElement,
            TrapKind::StackOverflow => TrapKind::OutOfGas,
            _ => TrapKind::StackOverflow,
        };
        fault(Edit::Site(number, site));
    }
}

fn no_site(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    for number in sites(function) {
        fault(Edit::NoSite(number));
    }
}

fn other_place(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    for number in sites(function) {
        let mut site = function.described.sites[number];
        site.wasm_offset += 1;
        fault(Edit::Site(number, site));
    }
}

fn fixed_register(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        // Changes a move to r8 or higher into a move to r15, in ModRM.
        let move_between =
            it.op == Op::Mov && (it.to, it.from) == (Place::Register, Place::Register) && it.a >= 8;
        move_between && {
            let modrm = parts(bytes).modrm;
            bytes[modrm] |= 7;
            true
        }
    });
}

fn other_charge(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |_, it, bytes| {
        let charge = it.op == Op::Sub && (it.to, it.a) == (Place::Register, R13);
        charge && it.from == Place::Immediate && set_imm(bytes, it.imm, it.imm + 1)
    });
}

fn unchecked_block(function: &Function<'_>, fault: &mut dyn FnMut(Edit)) {
    function.edit(fault, |step, it, bytes| {
        let before = function.step(step, -1);
        let bound = before.is_some_and(|compare| {
            let memory = compare.base == R15 && compare.disp == context::MEMORY_BYTES as i32;
            let fewest = (compare.to, compare.a) == (Place::Register, R10) && compare.imm == 8;
            compare.op == Op::Cmp && (memory || fewest)
        });
        let block = function
            .steps
            .iter()
            .any(|(_, it)| it.base == R14 && it.op == Op::Lea);
        it.op == Op::Jcc && block && bound && turn(bytes)
    });
}
