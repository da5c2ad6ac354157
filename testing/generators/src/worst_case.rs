//! The search for modules that are expensive to compile: how a list of choices becomes a module, and how the search
//! climbs.
//!
//! Input: a seed, and a function that measures the cost of a module per byte. Output: the most expensive module found.
//! A module is made from a list of choices. Each choice is a small piece of code that is valid at any position, so
//! every list gives a valid module. A module consists of a prologue (changed locals, open blocks), a unit of code that
//! is repeated, and an epilogue (reads all locals). The climb changes a few choices at a time and keeps a change that
//! does not lower the cost. After `PATIENCE` rounds without a better module it starts again.

use crate::random::Random;
use std::fmt;
use std::str::FromStr;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, Ieee32, Ieee64, InstructionSink, MemArg, MemArgTarget,
    MemorySection, MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

mod operators;

const TYPES: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

/// Locals of each type.
const LOCALS: u32 = 28;

/// The number of constants on the operand stack if `Genome::high` is set. With more slots, a displacement on aarch64
/// takes an instruction of its own.
const HIGH: usize = 4_200;

/// The maximum number of choices in a unit.
const MOST_CHOICES: usize = 48;

/// The number of rounds without a better module after which the climb starts again.
const PATIENCE: u32 = 600;

/// A piece of code and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    piece: u8,
    argument: u8,
}

/// The choices that determine a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genome {
    /// The number of blocks around the unit.
    depth: u8,
    loops: bool,
    /// The number of locals of each type that are changed before the labels' state is fixed. `second` is the number
    /// after it.
    first: u8,
    second: u8,
    /// Whether branches before the unit fix the labels' state.
    fixed: bool,
    /// Whether constants stay on the operand stack below everything, so that the homes of locals are far from the stack
    /// pointer.
    high: bool,
    unit: Vec<Choice>,
}

const PIECES: u8 = 30;

/// The genome as one line: `DEPTH LOOPS FIRST SECOND FIXED HIGH` as numbers, then `PIECE.ARGUMENT` for each choice of
/// the unit.
impl fmt::Display for Genome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loops, fixed, high) = (
            u8::from(self.loops),
            u8::from(self.fixed),
            u8::from(self.high),
        );
        let Self {
            depth,
            first,
            second,
            ..
        } = self;
        write!(f, "{depth} {loops} {first} {second} {fixed} {high}")?;
        let mut choices = self.unit.iter();
        choices.try_for_each(|Choice { piece, argument }| write!(f, " {piece}.{argument}"))
    }
}

impl FromStr for Genome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u8>()
                .map_err(|error| format!("{text:?}: {error}"))
        };
        let mut words = text.split_whitespace();
        let mut next = || number(words.next().ok_or("too short")?);
        let mut it = Self {
            depth: next()?,
            loops: next()? != 0,
            first: next()?,
            second: next()?,
            fixed: next()? != 0,
            high: next()? != 0,
            unit: Vec::new(),
        };
        for word in words {
            let (piece, argument) = word
                .split_once('.')
                .ok_or_else(|| format!("{word:?} is no choice"))?;
            it.unit.push(Choice {
                piece: number(piece)? % PIECES,
                argument: number(argument)?,
            });
        }
        Ok(it)
    }
}

impl Genome {
    /// Random choices.
    pub fn random(random: &mut Random) -> Self {
        let count = 1 + random.below(12);
        Self {
            depth: [0, 1, 2, 8, 40, 120][random.below(6) as usize],
            loops: random.one_in(2),
            first: random.below(15) as u8,
            second: random.below(15) as u8,
            fixed: random.one_in(2),
            high: random.one_in(4),
            unit: (0..count).map(|_| choice(random)).collect(),
        }
    }

    /// The same choices with a few changes.
    pub fn mutated(&self, random: &mut Random) -> Self {
        let mut it = self.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(it.unit.len() as u64) as usize;
            match random.below(9) {
                0 => it.unit.insert(at, choice(random)),
                1 if it.unit.len() > 1 => {
                    it.unit.remove(at);
                }
                2 => {
                    let again = it.unit[at..].to_vec();
                    it.unit.extend(again);
                }
                3 => it.unit[at].argument = random.below(256) as u8,
                4 => {
                    let other = random.below(it.unit.len() as u64) as usize;
                    it.unit.swap(at, other);
                }
                5 => it.depth = [0, 1, 2, 8, 40, 120][random.below(6) as usize],
                6 => it.first = random.below(15) as u8,
                7 => {
                    (it.second, it.loops, it.fixed) =
                        (random.below(15) as u8, random.one_in(2), random.one_in(2));
                    it.high = random.one_in(4);
                }
                _ => it.unit[at] = choice(random),
            }
            it.unit.truncate(MOST_CHOICES);
        }
        it
    }

    /// The module, with approximately this size in bytes.
    pub fn module(&self, bytes: usize) -> Vec<u8> {
        let groups = TYPES.map(|ty| (LOCALS, ty));
        let groups: Vec<_> = groups.into_iter().chain([(40, ValType::I32)]).collect();
        let mut function = Function::new(groups);
        let mut code = function.instructions();
        let mut unit = Unit::new(self.depth.into());
        if self.high {
            (0..HIGH).for_each(|_| {
                code.i32_const(0);
            });
        }
        change(&mut code, 0, self.first.into());
        for _ in 0..self.depth {
            match self.loops {
                true => code.loop_(BlockType::Empty),
                false => code.block(BlockType::Empty),
            };
        }
        if self.fixed {
            for label in 0..u32::from(self.depth) {
                code.local_get(0).br_if(label);
            }
        }
        change(&mut code, LOCALS / 2, self.second.into());
        let start = function.byte_len();
        unit.add(&self.unit, &mut function.instructions());
        let unit_bytes = function.byte_len() - start;
        for _ in 1..bytes / unit_bytes.max(1) {
            unit.add(&self.unit, &mut function.instructions());
        }
        let mut code = function.instructions();
        for _ in 0..unit.depth {
            if unit.waiting > 0 {
                code.unreachable();
            }
            code.end();
        }
        if unit.waiting > 0 || self.high {
            code.unreachable();
        }
        for local in 1..=4 * LOCALS {
            code.local_get(local).drop();
        }
        code.end();
        module(&function)
    }
}

fn choice(random: &mut Random) -> Choice {
    Choice {
        piece: random.below(PIECES.into()) as u8,
        argument: random.below(256) as u8,
    }
}

fn local(ty: ValType, number: u32) -> u32 {
    let at = TYPES.iter().position(|&it| it == ty).unwrap_or(0) as u32;
    1 + at * LOCALS + number % LOCALS
}

fn place(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

fn load(code: &mut InstructionSink<'_>, ty: ValType, offset: u64) {
    code.i32_const(0);
    match ty {
        ValType::I64 => code.i64_load(place(offset)),
        ValType::F32 => code.f32_load(place(offset)),
        ValType::F64 => code.f64_load(place(offset)),
        _ => code.i32_load(place(offset)),
    };
}

/// Assigns distinct values to this number of locals of each type, starting with local `from`.
fn change(code: &mut InstructionSink<'_>, from: u32, count: u32) {
    for ty in TYPES {
        for number in from..from + count {
            load(code, ty, number.into());
            code.local_set(local(ty, number));
        }
    }
}

/// The state while the code of a unit is made: the operand stack and the open blocks of the unit.
struct Unit {
    /// The number of open blocks around the unit.
    depth: u32,
    /// The number of values below the unit's stack that stay to the end of the function.
    waiting: u32,
    stack: Vec<ValType>,
    blocks: Vec<usize>,
}

impl Unit {
    fn new(depth: u32) -> Self {
        Self {
            depth,
            waiting: 0,
            stack: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Adds the unit once. The stack is as before afterwards.
    fn add(&mut self, choices: &[Choice], code: &mut InstructionSink<'_>) {
        for choice in choices {
            self.piece(*choice, code);
        }
        while !self.blocks.is_empty() {
            self.close(code);
        }
        self.drop_to(0, code);
    }

    fn drop_to(&mut self, height: usize, code: &mut InstructionSink<'_>) {
        while self.stack.len() > height {
            code.drop();
            self.stack.pop();
        }
    }

    fn close(&mut self, code: &mut InstructionSink<'_>) {
        if let Some(base) = self.blocks.pop() {
            self.drop_to(base, code);
            code.end();
        }
    }

    /// The type of the topmost value of the innermost block.
    fn top(&self) -> Option<ValType> {
        let base = self.blocks.last().copied().unwrap_or(0);
        self.stack[base..].last().copied()
    }

    fn pair(&self) -> Option<ValType> {
        let base = self.blocks.last().copied().unwrap_or(0);
        match self.stack[base..] {
            [.., a, b] if a == b => Some(a),
            _ => None,
        }
    }

    fn piece(&mut self, Choice { piece, argument }: Choice, code: &mut InstructionSink<'_>) {
        let ty = TYPES[usize::from(argument) % 4];
        let number = u32::from(argument) / 4;
        let labels = self.depth + self.blocks.len() as u32;
        match piece {
            0 | 1 => {
                code.local_get(local(ty, number));
                self.stack.push(ty);
            }
            2 => {
                match ty {
                    ValType::I64 => code.i64_const(i64::from(number)),
                    ValType::F32 => code.f32_const(1.0.into()),
                    ValType::F64 => code.f64_const(1.0.into()),
                    _ => code.i32_const(number as i32),
                };
                self.stack.push(ty);
            }
            3..=5 => self.unary(argument, code),
            6 | 7 => self.binary(argument, code),
            8 => {
                if let Some(ty) = self.top() {
                    code.local_set(local(ty, number));
                    self.stack.pop();
                }
            }
            9 => {
                if let Some(ty) = self.top() {
                    code.local_tee(local(ty, number));
                }
            }
            10 => {
                load(code, ty, u64::from(number));
                code.local_set(local(ty, number));
            }
            11 | 12 => {
                if labels > 0 {
                    code.local_get(0).br_if(u32::from(argument) % labels);
                }
            }
            13 => {
                let targets = (1 + u32::from(argument) % 120).min(labels + 1);
                code.block(BlockType::Empty).local_get(0);
                code.br_table(0..targets, 0).end();
            }
            14 => {
                if self.blocks.len() < 6 {
                    match argument % 3 {
                        0 => code.block(BlockType::Empty),
                        1 => code.loop_(BlockType::Empty),
                        _ => code.local_get(0).if_(BlockType::Empty),
                    };
                    self.blocks.push(self.stack.len());
                }
            }
            15 => self.close(code),
            16 => {
                match argument % 4 {
                    0 => code.call(0),
                    1 => code.i32_const(0).call_indirect(0, 0),
                    2 => code.i32_const(0).memory_grow(0).drop(),
                    _ => code.call(1).drop(),
                };
            }
            17 => {
                if let (Some(ty), true) = (self.top(), self.stack.len() < 200) {
                    load(code, ty, 1 << (argument % 31));
                    self.stack.push(ty);
                }
            }
            18 => {
                code.global_get(u32::from(argument) % 4);
                self.stack.push(TYPES[usize::from(argument) % 4]);
            }
            19 => {
                if let Some(ty) = self.top() {
                    let at = TYPES.iter().position(|&it| it == ty).unwrap_or(0);
                    code.global_set(at as u32);
                    self.stack.pop();
                }
            }
            22 => {
                // This block stays open to the end of the function.
                if self.blocks.is_empty() && self.stack.is_empty() && self.waiting == 0 {
                    match argument % 3 {
                        0 => code.block(BlockType::Empty),
                        1 => code.loop_(BlockType::Empty),
                        _ => code.local_get(0).if_(BlockType::Empty),
                    };
                    self.depth += 1;
                }
            }
            23 => {
                // This value stays to the end of the function.
                if self.blocks.is_empty() && self.stack.is_empty() {
                    match argument % 2 {
                        0 => code.local_get(local(ty, number)),
                        _ => code.global_get(u32::from(argument) / 2 % 4),
                    };
                    self.waiting += 1;
                }
            }
            24 => {
                code.local_get(0).local_get(local(ty, number));
                let place = place(1 << (argument % 31));
                match ty {
                    ValType::I64 => code.i64_store(place),
                    ValType::F32 => code.f32_store(place),
                    ValType::F64 => code.f64_store(place),
                    _ => code.i32_store(place),
                };
            }
            25 => {
                let address = self.top() == Some(ValType::I32);
                if address {
                    let place = place((1 << (argument % 32)) - 1);
                    match argument / 32 {
                        0 => code.i32_load(place),
                        1 => code.i32_load8_s(place),
                        2 => code.i32_load16_u(place),
                        _ => code.i32_load8_u(place),
                    };
                }
            }
            26 => {
                code.block(BlockType::Result(ty))
                    .local_get(local(ty, number));
                code.local_get(0).br_if(0).end();
                self.stack.push(ty);
            }
            27 => {
                match ty {
                    ValType::I64 => {
                        code.i64_const(i64::from(number).wrapping_mul(0x0123_4567_89ab))
                    }
                    ValType::F32 => code.f32_const(Ieee32::new(u32::MAX / 3 + number)),
                    ValType::F64 => code.f64_const(Ieee64::new(u64::MAX / 3 + u64::from(number))),
                    _ => code.i32_const((number as i32).wrapping_mul(0x0123_4567)),
                };
                self.stack.push(ty);
            }
            28 => {
                match argument % 2 {
                    0 => code.local_get(0).call(2),
                    _ => code.local_get(0).local_get(0).call_indirect(0, 2),
                };
            }
            29 => {
                code.memory_size(0);
                self.stack.push(ValType::I32);
            }
            20 => {
                if self.pair().is_some() {
                    code.local_get(local(ValType::I32, number)).select();
                    self.stack.pop();
                }
            }
            _ => {
                code.local_get(0);
                match argument % 3 {
                    0 => code.if_(BlockType::Empty).return_().end(),
                    1 => code.if_(BlockType::Empty).unreachable().end(),
                    _ => code.if_(BlockType::Empty).else_().end(),
                };
            }
        }
    }

    fn unary(&mut self, argument: u8, code: &mut InstructionSink<'_>) {
        if let Some(ty) = self.top() {
            let (operator, result) = one_of(operators::unary(ty), argument);
            operator(code);
            self.stack.pop();
            self.stack.push(*result);
        }
    }

    fn binary(&mut self, argument: u8, code: &mut InstructionSink<'_>) {
        if let Some(ty) = self.pair() {
            let (operator, result) = one_of(operators::binary(ty), argument);
            operator(code);
            self.stack.truncate(self.stack.len() - 2);
            self.stack.push(*result);
        }
    }
}

fn one_of<T>(all: &[T], argument: u8) -> &T {
    &all[usize::from(argument) % all.len()]
}

/// A module around the function, which takes an `i32`: function 0 does nothing, function 1 returns an `i32`.
fn module(function: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    (0..3).for_each(|ty| {
        functions.function(ty);
    });
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 10,
        maximum: None,
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    for ty in TYPES {
        let start = match ty {
            ValType::I64 => ConstExpr::i64_const(0),
            ValType::F32 => ConstExpr::f32_const(0.0.into()),
            ValType::F64 => ConstExpr::f64_const(0.0.into()),
            _ => ConstExpr::i32_const(0),
        };
        let ty = GlobalType {
            val_type: ty,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &start);
    }
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 2);
    let mut code = CodeSection::new();
    let mut nothing = Function::new([]);
    nothing.instructions().end();
    let mut zero = Function::new([]);
    zero.instructions().i32_const(0).end();
    code.function(&nothing).function(&zero).function(function);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&tables)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&code);
    module.finish()
}

/// A module that the search found, with its cost.
#[derive(Clone, Debug)]
pub struct Found {
    /// The genome of the module.
    pub genome: Genome,
    /// Cost for each byte.
    pub cost: f64,
}

/// Climbs until the time is over, and reports each module that is more expensive than all before it.
pub fn search(
    seed: u64,
    bytes: usize,
    mut more: impl FnMut() -> bool,
    mut cost: impl FnMut(&[u8]) -> Result<f64, String>,
    mut tell: impl FnMut(&Found),
) -> Result<(Option<Found>, u64), String> {
    let mut random = Random::new(seed);
    let mut best: Option<Found> = None;
    let mut here: Option<Found> = None;
    let (mut rounds, mut idle) = (0, 0);
    while more() {
        let genome = match &here {
            Some(here) if idle < PATIENCE => here.genome.mutated(&mut random),
            _ => {
                (here, idle) = (None, 0);
                Genome::random(&mut random)
            }
        };
        rounds += 1;
        let found = Found {
            cost: cost(&genome.module(bytes))?,
            genome,
        };
        let before = here.as_ref().map_or(0.0, |it| it.cost);
        idle = if found.cost > before { 0 } else { idle + 1 };
        if found.cost >= before {
            here = Some(found.clone());
        }
        if best.as_ref().is_none_or(|it| found.cost > it.cost) {
            tell(&found);
            best = Some(found);
        }
    }
    Ok((best, rounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_genome_is_a_valid_module() {
        let mut random = Random::new(11);
        let mut genome = Genome::random(&mut random);
        for round in 0..2_000 {
            genome = match round % 20 {
                0 => Genome::random(&mut random),
                _ => genome.mutated(&mut random),
            };
            assert_eq!(genome.to_string().parse().as_ref(), Ok(&genome));
            let wasm = genome.module(1_000);
            if let Err(error) = wasmparser::validate(&wasm) {
                panic!("{genome:?}: {error}");
            }
        }
    }

    #[test]
    fn the_climb_finds_expensive_modules() {
        // The cost is the number of bytes of the opcode of `f64.max`.
        let cost = |wasm: &[u8]| Ok(wasm.iter().filter(|&&it| it == 0xa5).count() as f64);
        let mut rounds = 0;
        let more = || {
            rounds += 1;
            rounds < 3_000
        };
        let (found, _) = search(1, 2_000, more, cost, |_| {}).unwrap();
        assert!(found.unwrap().cost > 100.0);
    }
}
