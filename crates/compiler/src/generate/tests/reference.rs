//! An interpreter of the instructions of a body, with an operand stack as in WebAssembly.

use super::recorder::{cut, float_add, holds, int_binary, results_of, value_of};
use crate::instruction::{BlockSignature, Code, Depth, Instruction, LabelId};
use crate::isa::masm::{Division, FloatBinary, IntUnary, Width, type_width};
use crate::types::FuncType;
use std::collections::HashMap;

/// The module around a body.
pub(super) struct Functions<'f> {
    pub signatures: &'f [FuncType],
    /// Signature of each function.
    pub functions: Vec<u32>,
}

/// The outcome of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// `None` after a trap.
    pub results: Option<Vec<u64>>,
    pub calls: Vec<(u32, Vec<u64>)>,
}

/// An open block.
struct Frame {
    label: LabelId,
    base: usize,
    /// Values that a branch to the label carries.
    arity: usize,
    is_loop: bool,
}

/// Indices of the instructions that a label stands for.
#[derive(Default, Clone, Copy)]
struct Ends {
    start: usize,
    other: Option<usize>,
    end: usize,
}

fn ends(instructions: &[Instruction]) -> HashMap<LabelId, Ends> {
    let mut ends: HashMap<LabelId, Ends> = HashMap::new();
    let (mut open, mut next) = (vec![0], 1);
    for (at, instruction) in instructions.iter().enumerate() {
        match instruction {
            Instruction::Block(_) | Instruction::Loop(_) | Instruction::If(_) => {
                ends.entry(next).or_default().start = at;
                open.push(next);
                next += 1;
            }
            Instruction::Else => {
                next += 1;
                let label = open.last().expect("an open if");
                ends.entry(*label).or_default().other = Some(at);
            }
            Instruction::End => {
                let label = open.pop().expect("an open block");
                ends.entry(label).or_default().end = at;
            }
            _ => {}
        }
    }
    ends
}

struct Run<'r> {
    code: &'r Code,
    module: &'r Functions<'r>,
    ends: HashMap<LabelId, Ends>,
    stack: Vec<u64>,
    frames: Vec<Frame>,
    next: usize,
    calls: Vec<(u32, Vec<u64>)>,
}

/// Runs a body with its locals' first values.
pub(super) fn run(
    code: &Code,
    module: &Functions<'_>,
    ty: &FuncType,
    mut locals: Vec<u64>,
) -> Outcome {
    let instructions: Vec<_> = code
        .instructions()
        .iter()
        .map(|placed| placed.instruction)
        .collect();
    let mut run = Run {
        code,
        module,
        ends: ends(&instructions),
        stack: Vec::new(),
        frames: vec![Frame {
            label: 0,
            base: 0,
            arity: ty.results.len(),
            is_loop: false,
        }],
        next: 0,
        calls: Vec::new(),
    };
    for _ in 0..1 << 20 {
        if run.frames.is_empty() {
            let results = run.stack.split_off(run.stack.len() - ty.results.len());
            return Outcome {
                results: Some(results),
                calls: run.calls,
            };
        }
        let instruction = instructions[run.next];
        run.next += 1;
        match instruction {
            Instruction::Unreachable => {
                return Outcome {
                    results: None,
                    calls: run.calls,
                };
            }
            Instruction::LocalGet(local) => run.stack.push(locals[local as usize]),
            Instruction::LocalSet(local) => locals[local as usize] = run.pop(),
            Instruction::LocalTee(local) => locals[local as usize] = run.stack[run.stack.len() - 1],
            other => run.step(other),
        }
    }
    panic!("the function does not end");
}

impl Run<'_> {
    fn pop(&mut self) -> u64 {
        self.stack.pop().expect("a valid body")
    }

    fn enter(&mut self, ty: BlockSignature, label: LabelId, is_loop: bool) {
        let params = ty.params(self.module.signatures).len();
        let results = ty.results(self.module.signatures).len();
        self.frames.push(Frame {
            label,
            base: self.stack.len() - params,
            arity: if is_loop { params } else { results },
            is_loop,
        });
    }

    /// The label of the block that begins at the instruction taken last.
    fn label(&self) -> LabelId {
        let started = |(label, ends): (&LabelId, &Ends)| {
            (*label != 0 && ends.start == self.next - 1).then_some(*label)
        };
        self.ends.iter().find_map(started).expect("a label")
    }

    fn branch(&mut self, depth: Depth) {
        self.frames.truncate(self.frames.len() - depth as usize);
        let frame = self.frames.last().expect("an open label");
        let label = frame.label;
        let carried = self.stack.split_off(self.stack.len() - frame.arity);
        self.stack.truncate(frame.base);
        self.stack.extend(carried);
        if frame.is_loop {
            self.next = self.ends[&label].start + 1;
        } else {
            self.next = self.ends[&label].end + 1;
            self.frames.pop();
        }
    }

    fn step(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::Block(ty) => self.enter(ty, self.label(), false),
            Instruction::Loop(ty) => self.enter(ty, self.label(), true),
            Instruction::If(ty) => {
                let condition = self.pop();
                let label = self.label();
                self.enter(ty, label, false);
                if condition == 0 {
                    let ends = self.ends[&label];
                    self.next = ends.other.unwrap_or(ends.end - 1) + 1;
                }
            }
            // The end of the first branch.
            Instruction::Else => self.branch(0),
            Instruction::End => {
                self.frames.pop();
            }
            Instruction::Br(depth) => self.branch(depth),
            Instruction::BrIf(depth) => {
                if self.pop() != 0 {
                    self.branch(depth);
                }
            }
            Instruction::BrTable(table) => {
                let depths = self.code.table(table);
                let index = self.pop() as usize;
                self.branch(depths[index.min(depths.len() - 1)]);
            }
            Instruction::Return => self.branch(self.frames.len() as Depth - 1),
            Instruction::Call(function) => {
                let signature = self.module.functions[function as usize];
                let ty = &self.module.signatures[signature as usize];
                let arguments = self.stack.split_off(self.stack.len() - ty.params.len());
                self.stack
                    .extend(results_of(function, &ty.results, &arguments));
                self.calls.push((function, arguments));
            }
            plain => self.compute(plain),
        }
    }

    fn compute(&mut self, instruction: Instruction) {
        let value = match instruction {
            Instruction::Drop => {
                self.pop();
                return;
            }
            Instruction::Select => {
                let (condition, b, a) = (self.pop(), self.pop(), self.pop());
                if condition == 0 { b } else { a }
            }
            Instruction::Const(ty, bits) => cut(type_width(ty), bits.into()),
            Instruction::WideConst(ty, number) => cut(type_width(ty), self.code.constant(number)),
            Instruction::EqualZero(width) => (cut(width, self.pop()) == 0).into(),
            Instruction::Compare(width, condition) => {
                let (b, a) = (self.pop(), self.pop());
                holds(condition, width, a, b).into()
            }
            Instruction::IntUnary(IntUnary::Wrap, ..) => cut(Width::W32, self.pop()),
            Instruction::ExtendUnsigned => self.pop(),
            Instruction::IntBinary(op, width) => {
                let (b, a) = (self.pop(), self.pop());
                int_binary(op, width, a, b)
            }
            Instruction::Divide(op, width) => {
                let (b, a) = (cut(width, self.pop()), cut(width, self.pop()));
                match op {
                    Division::DivU => a / b,
                    _ => a % b,
                }
            }
            Instruction::FloatBinary(FloatBinary::Add, ty) => {
                let (b, a) = (self.pop(), self.pop());
                value_of(ty, float_add(type_width(ty), a, b))
            }
            other => unimplemented!("{other:?} is in no program of these tests"),
        };
        self.stack.push(value);
    }
}
