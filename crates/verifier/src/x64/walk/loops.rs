//! The starts of loops, known before the walk: named by the code's maker, or found as the targets of backward branches.
//!
//! The pass that finds them needs only the lengths of instructions, and looks closer at branches alone. It decides nothing: where it
//! reads the code otherwise than the walk, the walk refuses a branch.

use super::labels::{Label, Loop};
use super::{NO_LABEL, WINDOW, Walk};

use crate::LoopStart;
use crate::written::Written;
use crate::x64::decode::{first_word, is_rex};
use crate::x64::facts::{Bounds, NOTHING, join};
use crate::x64::instruction::{Instruction, NONE as NO_REGISTER, Place};
use crate::x64::table::{Length, MODRM_BYTES, ONE_LENGTHS, Op, TWO_LENGTHS};
use crate::x64::{Called, R11, RAX, RCX, RDX, RSP};

/// The number of instructions that are looked at to guess which registers a loop needs.
const LOOKED_AT: usize = 64;

/// No bounds yet.
const NONE: Bounds = [NOTHING; 32];

impl Walk<'_, '_> {
    /// Marks the loops that the code's maker names.
    pub(super) fn take_named(&mut self, named: &[LoopStart]) {
        self.has_loops = true;
        for start in named {
            let to = start.code_offset.wrapping_sub(self.start) as usize;
            if to < self.at {
                continue;
            }
            let expected: Bounds = std::array::from_fn(|register| match register {
                _ if start.doubles >> register & 1 != 0 => 64,
                _ if start.words >> register & 1 != 0 => 32,
                _ => NOTHING,
            });
            if let Some(it) = self.loop_at(to) {
                join(&mut it.expected, &expected);
            }
        }
    }

    /// Marks the targets of all backward branches from here on, and of the entries of jump tables that go backwards. The
    /// code before belongs to the prologue, to which only slow paths go back.
    pub(super) fn find_loops(&mut self) {
        self.has_loops = true;
        let code = self.code;
        let end = self.slots.len();
        let mut at = self.at;
        // The positions of the last two instructions, and of the one before the last branch.
        let (mut current, mut bound) = (at, at);
        // The position of the last call.
        let mut call = 0;
        while at < end {
            let last_window;
            let window = match code.get(at..).and_then(|rest| rest.first_chunk()) {
                Some(window) => window,
                None => {
                    last_window = self.last_window(at);
                    &last_window
                }
            };
            let before = std::mem::replace(&mut current, at);
            let word = first_word(window);
            let (rex, word) = match is_rex(word as u8) {
                true => (1, word >> 8),
                false => (0, word),
            };
            let opcode = word as u8;
            let length = ONE_LENGTHS[usize::from(opcode)];
            if length & Length::MODRM != 0 {
                at += rex + 2;
                let modrm = (word >> 8) as u8;
                // By branches: where they are foretold, the processor reads on before it knows the length.
                if length & Length::BYTES != 0 {
                    at += usize::from(length & Length::BYTES);
                }
                if modrm < 0xc0 {
                    if modrm & 7 == 4 {
                        at += 1;
                    }
                    match modrm >> 6 {
                        1 => at += 1,
                        2 => at += 4,
                        _ if modrm & 7 == 5 => at += 4,
                        _ => {}
                    }
                }
                continue;
            }
            if length & Length::SPECIAL == 0 {
                at += rex + usize::from(length);
                if length == 0 {
                    return;
                }
                continue;
            }
            let next;
            match opcode {
                0x0f => {
                    let opcode = window[rex + 1];
                    let length = TWO_LENGTHS[usize::from(opcode)];
                    if length & Length::MODRM != 0 {
                        let modrm = MODRM_BYTES[usize::from(window[rex + 2])];
                        at += rex + 2 + usize::from(modrm);
                        continue;
                    }
                    next = at + rex + 1 + usize::from(length & Length::BYTES);
                    if length & Length::SPECIAL != 0 {
                        bound = before;
                        self.mark_distance(at, next, call, four(window, rex + 2));
                    }
                }
                0x70..=0x7f | 0xeb => {
                    next = at + rex + 2;
                    bound = before;
                    self.mark_distance(at, next, call, i64::from(window[rex + 1] as i8));
                }
                0xe8 => {
                    next = at + rex + 5;
                    if self.loses(next, four(window, rex + 1)) {
                        call = at;
                    }
                }
                0xe9 => {
                    next = at + rex + 5;
                    self.mark_distance(at, next, call, four(window, rex + 1));
                }
                // VEX with one byte means the first map of opcodes; in the third map an immediate follows.
                0xc5 if rex == 0 => {
                    next = at + 3 + usize::from(MODRM_BYTES[usize::from(window[3])])
                }
                0xc4 if rex == 0 => {
                    let imm = usize::from(window[1] & 31 == 3);
                    next = at + 4 + imm + usize::from(MODRM_BYTES[usize::from(window[4])]);
                }
                0xb8..=0xbf => next = at + rex + if window[0] & 8 != 0 && rex == 1 { 9 } else { 5 },
                // What has another length depends on more than the opcode, or is rare.
                _ => {
                    let Some(it) = self.peek_at(at) else {
                        return;
                    };
                    next = at + usize::from(it.len);
                    if it.op == Op::CallMem {
                        call = at;
                    }
                    if it.op == Op::JmpReg {
                        // The bound stands before the last branch.
                        let count = self
                            .peek_at(bound)
                            .filter(|it| it.op == Op::Cmp && it.from == Place::Immediate);
                        at = self.find_in_table(next, count.map_or(0, |it| it.imm as u32), call);
                        continue;
                    }
                }
            }
            at = next;
        }
    }

    #[inline(always)]
    fn mark_distance(&mut self, at: usize, next: usize, call: usize, distance: i64) {
        if distance < 0 {
            self.mark_loop(at, next.wrapping_add(distance as usize), call);
        }
    }

    /// Marks the start of a loop.
    fn mark_loop(&mut self, from: usize, to: usize, call: usize) {
        // A loop over slots is a sequence.
        let counts = self
            .peek_at(to)
            .is_some_and(|it| it.has_memory() && (it.base, it.index) == (RSP, R11));
        let body = self.at;
        if to > from || to < body || counts {
            return;
        }
        if let Some(it) = self.loop_at(to) {
            it.last = from;
            it.calls |= call >= to;
        }
    }

    /// The loop at a position, which is marked as its start. `None` if no loop can begin there.
    fn loop_at(&mut self, to: usize) -> Option<&mut Loop> {
        let slot = self.slots.get_mut(to)?;
        if *slot == NO_LABEL {
            self.labels.push(Label {
                at: to,
                bounds: NONE,
                written: Written::NONE,
                reached: false,
                passed: false,
                number: 0,
            });
            self.ahead += 1;
            *slot = self.labels.len() as u32;
            self.marks.insert(to);
        }
        let label = self.labels.get_mut((*slot as usize).wrapping_sub(1))?;
        if label.number == 0 {
            self.loops.push(Loop::default());
            label.number = self.loops.len() as u32;
        }
        self.loops.get_mut(label.number as usize - 1)
    }

    /// Whether registers contain nothing after a call.
    fn loses(&self, next: usize, distance: i64) -> bool {
        let target = i64::from(self.start) + next as i64 + distance;
        let called = self.program.called(target).map(Called::kind);
        matches!(
            called,
            Some(Called::FUNCTION | Called::IMPORT | Called::BUILTIN)
        )
    }

    /// Guesses the registers that a loop reads before it writes them or calls, as bits like the bounds: a loop with calls
    /// loses the others. Looks at the instructions in order, as if there were no branches. All registers if there is no
    /// call in the loop.
    pub(super) fn needs(&mut self, number: usize) -> u32 {
        let guesses = self.guesses;
        let Some(it) = self.loops.get(number).filter(|it| it.calls && guesses) else {
            return u32::MAX;
        };
        if let Some(needs) = it.needs {
            return needs;
        }
        let last = it.last;
        let (mut read, mut written) = (0u32, 0u32);
        let mut at = self.at;
        for _ in 0..LOOKED_AT {
            let Some(it) = self.peek_at(at).filter(|_| at <= last) else {
                break;
            };
            at += usize::from(it.len);
            match it.op {
                Op::Call if self.loses(at, it.imm) => break,
                Op::CallMem | Op::JmpReg => break,
                // The next instruction is reached from elsewhere.
                Op::Jmp | Op::Ret | Op::Ud2 => written = 0,
                _ => {
                    let (reads, writes) = uses(&it);
                    read |= reads & !written;
                    written |= writes;
                }
            }
        }
        if let Some(it) = self.loops.get_mut(number) {
            it.needs = Some(read);
        }
        read
    }

    /// Marks the targets of a jump table's entries that go backwards. Returns the position after the table.
    fn find_in_table(&mut self, table: usize, count: u32, call: usize) -> usize {
        let end = table
            .saturating_add(count as usize * 4)
            .min(self.slots.len());
        let code = self.code;
        let (entries, _) = code.get(table..end).unwrap_or_default().as_chunks::<4>();
        for entry in entries {
            let distance = i64::from(i32::from_le_bytes(*entry));
            self.mark_distance(table, table, call, distance);
        }
        end
    }
}

/// The distance at a position of the window.
#[inline(always)]
fn four(window: &[u8; WINDOW], at: usize) -> i64 {
    let bytes = window.get(at..at + 4).and_then(|it| it.first_chunk::<4>());
    i64::from(i32::from_le_bytes(bytes.copied().unwrap_or_default()))
}

/// The registers that an instruction reads and writes.
fn uses(it: &Instruction) -> (u32, u32) {
    let general = |register: u8| match register {
        0..16 => 1u32 << register,
        _ => 0,
    };
    let float = |register: u8| general(register) << 16;
    let address = match it.has_memory() {
        true => general(it.base) | general(it.index),
        false => 0,
    };
    let third = |bit: &dyn Fn(u8) -> u32| match it.c {
        NO_REGISTER => 0,
        register => bit(register),
    };
    let (a, b) = (general(it.a), general(it.b));
    let (reads, writes) = match it.op {
        Op::Mov | Op::Lea | Op::MovZx8 | Op::MovZx16 | Op::MovSx8 | Op::MovSx16 | Op::MovSx32 => {
            (b, a)
        }
        Op::Popcnt | Op::Lzcnt | Op::Tzcnt | Op::Rorx => (b, a),
        Op::Set => (0, a),
        Op::Cmp | Op::Test => (a | b, 0),
        Op::Imul if it.from == Place::Immediate => (third(&general), a),
        Op::Shlx | Op::Shrx | Op::Sarx => (b | third(&general), a),
        Op::Xor if it.from == Place::Register && it.a == it.b => (0, a),
        Op::RolCl | Op::RorCl => (a | general(RCX), a),
        Op::MulWide | Op::ImulWide => (a | general(RAX), general(RAX) | general(RDX)),
        Op::Div | Op::Idiv => {
            let pair = general(RAX) | general(RDX);
            (a | pair, pair)
        }
        Op::SignToRdx => (general(RAX), general(RDX)),
        Op::FMov | Op::FLoad => (float(it.b), float(it.a)),
        Op::FStore => (float(it.b), 0),
        Op::FromGeneral => (b, float(it.a)),
        Op::ToGeneral | Op::ToInteger => (float(it.b), a),
        Op::FromInteger => (b | third(&float), float(it.a)),
        Op::FCmp => (float(it.a) | float(it.b), 0),
        op if op.is_float() => (float(it.b) | third(&float), float(it.a)),
        _ => (a | b, a),
    };
    (reads | address, writes)
}
