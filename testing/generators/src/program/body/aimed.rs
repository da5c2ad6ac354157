//! Statements of the kinds that a program aims at.

use super::Body;
use crate::program::aim::Kind;
use crate::program::operators as op;
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{BlockType, MemArg, MemArgTarget, ValType};

/// The longest stretch of code without effect, in instructions.
const LONGEST: u64 = 3_000;

/// The locals of a loop over memory, which functions of aimed programs have behind all others.
#[derive(Clone, Copy)]
pub(super) struct Pointers {
    /// Where the loop writes.
    to: u32,
    /// Where it reads, or the second place it reads.
    from: u32,
    /// How many bytes or iterations are left.
    count: u32,
    /// A word that one iteration hands to the next.
    carried: u32,
}

impl Pointers {
    /// Types of the locals.
    pub(super) const TYPES: [ValType; 4] = [ValType::I32; 4];

    /// The locals from this index on.
    pub(super) fn at(first: u32) -> Self {
        Self {
            to: first,
            from: first + 1,
            count: first + 2,
            carried: first + 3,
        }
    }
}

/// A width of an access: bytes, load, store, comparison.
type Width = (
    i32,
    fn(MemArg) -> Instruction<'static>,
    fn(MemArg) -> Instruction<'static>,
    bool,
);

const WIDTHS: [Width; 8] = [
    (1, I32Load8U, I32Store8, false),
    (1, I32Load8S, I32Store8, false),
    (2, I32Load16U, I32Store16, false),
    (4, I32Load, I32Store, false),
    (8, I64Load, I64Store, true),
    (1, I64Load8U, I64Store8, true),
    (2, I64Load16S, I64Store16, true),
    (4, I64Load32U, I64Store32, true),
];

fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

impl Body<'_> {
    /// A statement of one of the kinds that the program aims at.
    pub(super) fn aimed(&mut self, depth: u32) {
        match *self.random.pick(&self.shape.aim.kinds) {
            Kind::Idiom => self.idiom(),
            Kind::Division => self.division(depth),
            Kind::Edge => self.edge(),
            Kind::Stretch => self.stretch(),
            Kind::Label => self.shuffle(depth),
        }
    }

    fn extend(&mut self, instructions: impl IntoIterator<Item = Instruction<'static>>) {
        for instruction in instructions {
            self.push(instruction);
        }
    }

    /// An address: anywhere, or so near the memory's end that a loop comes to it.
    fn pointer(&mut self) {
        match self.random.below(8) {
            0 | 1 => {
                let before = self.random.below(400) as i32;
                self.extend([
                    MemorySize(0),
                    I32Const(16),
                    I32Shl,
                    I32Const(before),
                    I32Sub,
                ]);
            }
            2 => {
                let first = self.random.below(64) as i32;
                self.push(I32Const(first));
            }
            _ => {
                let anywhere = self.random.below(60_000) as i32;
                self.push(I32Const(anywhere));
            }
        }
    }

    /// A loop that copies, fills or compares memory. One in four differs in a detail, so that it is no idiom.
    fn idiom(&mut self) {
        let Some(pointers) = self.pointers else {
            return;
        };
        let Pointers {
            to,
            from,
            count,
            carried,
        } = pointers;
        self.pointer();
        self.push(LocalSet(to));
        match self.random.below(4) {
            // Ranges that overlap, by a few bytes in either direction.
            0 | 1 => {
                let distance = self.random.below(40) as i32 - 20;
                self.extend([LocalGet(to), I32Const(distance), I32Add]);
            }
            _ => self.pointer(),
        }
        self.push(LocalSet(from));
        let kind = self.random.below(8);
        let &(bytes, load, store, wide) = self.random.pick(&WIDTHS);
        let unrolled = *self.random.pick(&[1, 1, 1, 2, 4]);
        // The last kind has words only, one in an iteration.
        let (bytes, unrolled) = if kind == 7 { (4, 1) } else { (bytes, unrolled) };
        let turns = *self.random.pick(&[0, 1, 2, 5, 7, 17, 64, 250, 700]);
        let by_bytes = self.random.one_in(2);
        let turn = bytes * unrolled;
        let step = if by_bytes { turn } else { 1 };
        self.extend([I32Const(turns * step), LocalSet(count)]);
        let backward = self.random.one_in(3);
        let wrong = self.random.one_in(4);
        let stride = match (wrong, self.random.below(4)) {
            (true, 0) => turn + 1,
            _ if backward => -turn,
            _ => turn,
        };
        let in_offset = self.random.one_in(2);
        self.extend([Block(BlockType::Empty), Loop(BlockType::Empty)]);
        self.labels.push(Vec::new());
        self.labels.push(Vec::new());
        let order: Vec<i32> = match backward {
            true => (0..unrolled).rev().collect(),
            false => (0..unrolled).collect(),
        };
        for place in order {
            let distance = place * bytes;
            let offset = if in_offset { distance as u64 } else { 0 };
            let address = |body: &mut Self, local| {
                body.push(LocalGet(local));
                if !in_offset && distance != 0 {
                    body.extend([I32Const(distance), I32Add]);
                }
            };
            match kind {
                0..=2 => {
                    address(self, to);
                    address(self, from);
                    self.extend([load(at(offset)), store(at(offset))]);
                }
                3 => {
                    address(self, to);
                    let constant = *self.random.pick(&[0, -1, 0x55, 0x1234_5678]);
                    match wide {
                        true => self.push(I64Const(i64::from(constant))),
                        false => self.push(I32Const(constant)),
                    }
                    self.push(store(at(offset)));
                }
                4 if !wide => {
                    address(self, to);
                    self.extend([LocalGet(carried), store(at(offset))]);
                }
                5 | 6 => {
                    address(self, to);
                    self.push(load(at(offset)));
                    address(self, from);
                    self.push(load(at(offset)));
                    self.push(if wide { I64Ne } else { I32Ne });
                    self.push(BrIf(1));
                }
                // A copy of words that are not aligned to each other.
                _ => {
                    let near = *self.random.pick(&[8, 16, 24]);
                    address(self, to);
                    self.extend([LocalGet(carried), I32Const(near), I32ShrU]);
                    address(self, from);
                    self.extend([
                        I32Load(at(offset)),
                        LocalTee(carried),
                        I32Const(32 - near),
                        I32Shl,
                        I32Or,
                        I32Store(at(offset)),
                    ]);
                }
            }
        }
        if wrong && self.random.one_in(3) {
            self.set_local(0);
        }
        for local in [to, from] {
            self.extend([LocalGet(local), I32Const(stride), I32Add, LocalSet(local)]);
        }
        self.extend([LocalGet(count), I32Const(-step), I32Add, LocalTee(count)]);
        match self.random.below(4) {
            0 => self.extend([I32Const(0), I32GtS, BrIf(0)]),
            1 => self.extend([I32Eqz, BrIf(1), Br(0)]),
            _ => self.push(BrIf(0)),
        }
        self.labels.pop();
        self.labels.pop();
        self.extend([End, End]);
    }

    /// Division of a value by a constant of any shape, into a local.
    fn division(&mut self, depth: u32) {
        let ty = *self.random.pick(&[ValType::I32, ValType::I64]);
        let bits = if ty == ValType::I32 { 32 } else { 64 };
        let power = 1u64 << self.random.below(bits);
        let divisor = match self.random.below(8) {
            0 => power,
            1 => power.wrapping_add(1),
            2 => power.wrapping_sub(1),
            3 => power.wrapping_neg(),
            4 => self.random.between(1, 130),
            5 => self.random.between(1, 130).wrapping_neg(),
            6 => self.random.bits() >> self.random.below(bits),
            _ => *self
                .random
                .pick(&[3, 5, 7, 10, 25, 100, 625, 641, 1_000, 1_000_000_007]),
        };
        match self.random.below(4) {
            // Near a multiple of the divisor, where a wrong rounding shows.
            0 => {
                let near = divisor
                    .wrapping_mul(self.random.below(200))
                    .wrapping_add(self.random.below(3))
                    .wrapping_sub(1);
                match ty {
                    ValType::I32 => self.push(I32Const(near as i32)),
                    _ => self.push(I64Const(near as i64)),
                }
                self.value(ty, depth.min(1));
                match ty {
                    ValType::I32 => self.extend([I32Const(1), I32And, I32Add]),
                    _ => self.extend([I64Const(1), I64And, I64Add]),
                }
            }
            _ => self.value(ty, depth.min(2)),
        }
        let zero = match ty {
            ValType::I32 => divisor as i32 == 0,
            _ => divisor == 0,
        };
        let divisor = match zero && !self.random.one_in(20) {
            true => 9,
            false => divisor,
        };
        match ty {
            ValType::I32 => self.push(I32Const(divisor as i32)),
            _ => self.push(I64Const(divisor as i64)),
        }
        let operator = self.random.pick(op::division(ty)).clone();
        self.push(operator);
        self.take(ty);
    }

    /// A load or a store at the end of the memory or just behind it.
    fn edge(&mut self) {
        let &(bytes, load, store, wide) = self.random.pick(&WIDTHS);
        // Bytes from the memory's end to the access; what is less than its own bytes traps.
        let before = match self.random.below(12) {
            0 => self.random.below(bytes as u64) as i32,
            1 | 2 => bytes,
            _ => bytes + self.random.below(70) as i32,
        };
        let offset = match self.random.below(8) {
            0..=2 => 0,
            3 | 4 => self.random.below(70),
            5 => self.random.below(0x1_0000),
            6 => 0xffff,
            _ => *self
                .random
                .pick(&[0x1_0000, 0x7fff_fff8, 0x8000_0000, 0xffff_fff0]),
        };
        let write = self.random.one_in(2);
        self.extend([MemorySize(0), I32Const(16), I32Shl]);
        let back = (before as u32).wrapping_add(offset as u32) as i32;
        match (self.pointers, self.random.below(3)) {
            // Through a local, so that the sum is in a register.
            (Some(pointers), 0) => self.extend([
                I32Const(back),
                I32Sub,
                LocalTee(pointers.to),
                LocalGet(pointers.to),
                I32And,
            ]),
            (_, 1) => self.extend([I32Const(back.wrapping_neg()), I32Add]),
            _ => self.extend([I32Const(back), I32Sub]),
        }
        match write {
            true => {
                let ty = if wide { ValType::I64 } else { ValType::I32 };
                self.value(ty, 1);
                self.push(store(at(offset)));
            }
            false => {
                self.push(load(at(offset)));
                self.take(if wide { ValType::I64 } else { ValType::I32 });
            }
        }
    }

    /// A long stretch without effect, or one that is never reached.
    fn stretch(&mut self) {
        let most = *self.random.pick(&[5, 60, 400, LONGEST]);
        let length = self.random.below(most);
        let reached = self.random.one_in(2);
        self.push(Block(BlockType::Empty));
        self.labels.push(Vec::new());
        if !reached {
            match self.random.below(3) {
                0 => {
                    self.condition(1);
                    self.extend([BrIf(0), Br(0)]);
                }
                _ => self.push(Br(0)),
            }
        }
        let unit: &[Instruction<'static>] = match self.random.below(5) {
            0 => &[Nop],
            1 => &[Block(BlockType::Empty), End],
            2 => &[I32Const(7), Drop],
            3 => &[Loop(BlockType::Empty), End],
            _ => &[I32Const(1), If(BlockType::Empty), Else, End],
        };
        // The budget is for code that does something.
        for _ in 0..length {
            self.code.extend_from_slice(unit);
        }
        self.labels.pop();
        self.push(End);
    }

    /// Moves among locals on both ways to a label.
    fn shuffle(&mut self, depth: u32) {
        if self.locals.len() < 4 {
            return self.set_local(depth);
        }
        let outer = self.random.between(1, 3);
        for _ in 0..outer {
            self.push(Block(BlockType::Empty));
            self.labels.push(Vec::new());
        }
        for _ in 0..outer {
            self.moves();
            self.condition(1);
            let label = self.random.below(outer) as u32;
            match self.random.below(4) {
                0 => {
                    self.extend([I32Const(3), I32And]);
                    let others: Vec<u32> = (0..outer as u32).collect();
                    // What follows is reached by the branch before only.
                    self.push(If(BlockType::Empty));
                    self.labels.push(Vec::new());
                    self.condition(0);
                    let targets = others.iter().map(|label| label + 1).collect::<Vec<_>>();
                    self.push(BrTable(targets.into(), 0));
                    self.labels.pop();
                    self.push(End);
                }
                _ => self.push(BrIf(label)),
            }
        }
        for _ in 0..outer {
            self.moves();
            self.labels.pop();
            self.push(End);
        }
    }

    /// Assigns some locals the values of others of their type, or a constant.
    fn moves(&mut self) {
        let most = *self.random.pick(&[2, 6, 20]);
        for _ in 0..self.random.below(most) {
            if self.budget <= 0 {
                return;
            }
            let local = self.random.below(self.locals.len() as u64) as usize;
            self.leaf(self.locals[local]);
            self.push(LocalSet(local as u32));
        }
    }
}
