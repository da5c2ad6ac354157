//! The check of a function: its blocks in order, loops again until nothing changes.

use crate::body::Body;
use crate::join::{self, Entry};
use crate::report::{Outcome, Stop, Unchecked};
use crate::target::{Shape, Target};
use crate::term::Terms;
use crate::walk::{State, Walk};
use crate::x64::X64;
use pvf_verifier::{InstructionSet, MachineCode, Module};
use std::collections::{BTreeSet, HashMap};

/// A piece of code and the Wasm operator that it was made for: an entry of the code map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the code.
    pub code_offset: u32,
    /// Offset in the module.
    pub wasm_offset: u32,
}

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The module.
    pub module: &'a Module<'a>,
    /// Its machine code.
    pub code: &'a MachineCode<'a>,
    /// The code map, in order.
    pub pieces: &'a [Piece],
}

/// Checks functions, with reused buffers.
#[derive(Default)]
pub struct Checker {
    terms: Terms,
    x64: X64,
}

/// How often blocks may be walked on average.
const WALKS: usize = 60;
/// How many locals all blocks together may have.
const PLACES: usize = 50_000_000;
/// How many terms a function may have.
const TERMS: usize = 8_000_000;

/// A block of instructions that is entered at its beginning alone.
#[derive(Debug, Default)]
struct Block {
    start: u32,
    end: u32,
    entry: Entry,
    /// The states it is entered with, by the block they come from.
    states: Vec<(usize, State)>,
    /// The blocks that it leads to.
    leads: Vec<u32>,
}

impl Checker {
    /// Checks a function of the module's own.
    pub fn check(&mut self, input: &Input<'_>, function: u32) -> Outcome {
        let Self { terms, x64 } = self;
        terms.clear();
        let checked = match input.code.settings.instruction_set {
            InstructionSet::X86_64 => check(x64, terms, input, function),
            InstructionSet::Aarch64 => Err(Stop::Unchecked(Unchecked::Body("aarch64"))),
        };
        match checked {
            Ok(()) => Outcome::Checked,
            Err(Stop::Alarm(alarm)) => Outcome::Alarm(alarm),
            Err(Stop::Unchecked(why)) => Outcome::Unchecked(why),
        }
    }
}

fn check<T: Target>(
    target: &mut T,
    terms: &mut Terms,
    input: &Input<'_>,
    function: u32,
) -> Result<(), Stop> {
    let unread = |what| Stop::Unchecked(Unchecked::Body(what));
    if input.code.settings.logical_counter.is_some() {
        return Err(Stop::Unchecked(Unchecked::NamedCounter));
    }
    let body = Body::read(input.module, function).map_err(unread)?;
    let Some(ty) = input.module.function_type(function) else {
        return Err(unread("a function without a type"));
    };
    let Some(code) = input.code.functions.get(function as usize) else {
        return Err(unread("a function without code"));
    };
    let start = code.offset;
    target.load(input.code.code, start, start.saturating_add(code.bytes));
    let target = &*target;
    let mut walk = Walk::new(input, function, &body, ty, target.convention(), terms);
    let (mut blocks, indices) = blocks(target, input.code.code, start);
    if blocks.is_empty() {
        return Err(walk.alarm("no code"));
    }
    if blocks.len().saturating_mul(body.locals.len()) > PLACES {
        return Err(Stop::Unchecked(Unchecked::Budget));
    }
    let budget = WALKS * blocks.len() + 100;
    blocks[0].states.push((usize::MAX, walk.state.clone()));
    let mut waiting = BTreeSet::from([0usize]);
    for _ in 0..budget {
        let Some(number) = waiting.pop_first() else {
            return Ok(());
        };
        if walk.terms().count() > TERMS {
            break;
        }
        let block = &mut blocks[number];
        // Branches back are compared when they come.
        block
            .states
            .retain(|(from, _)| *from == usize::MAX || *from < number);
        if block.states.is_empty() {
            continue;
        }
        let states: Vec<State> = block
            .states
            .iter()
            .map(|(_, state)| state.clone())
            .collect();
        walk.enter(&mut block.entry, &states, block.start)?;
        let (from, to) = (block.start, block.end);
        let ways = walk.block(target, from, to)?;
        for to in blocks[number].leads.clone() {
            if let Some(&next) = indices.get(&to) {
                blocks[next].states.retain(|(from, _)| *from != number);
            }
        }
        for (at, mut state) in ways {
            let Some(&next) = indices.get(&at) else {
                return Err(walk.alarm("a branch to no block"));
            };
            let block = &mut blocks[next];
            if next > number {
                block.states.push((number, state));
                waiting.insert(next);
            } else {
                walk.come_back(&block.entry, &mut state, at)?;
                if join::compare(walk.terms(), &mut block.entry, &state) {
                    waiting.insert(next);
                }
            }
        }
    }
    Err(Stop::Unchecked(Unchecked::Budget))
}

/// The blocks in an order in which each stands behind all that lead to it, branches back aside; and their places in
/// it.
fn blocks<T: Target>(target: &T, code: &[u8], start: u32) -> (Vec<Block>, HashMap<u32, usize>) {
    // Where blocks begin, and what each instruction leads to.
    let mut leaders = BTreeSet::from([start]);
    let mut seen: HashMap<u32, Shape> = HashMap::new();
    let mut work = vec![start];
    while let Some(at) = work.pop() {
        if seen.contains_key(&at) {
            continue;
        }
        let shape = target.shape(code, at).unwrap_or(Shape::End);
        match &shape {
            Shape::Next(next) => work.push(*next),
            Shape::Jump(to) => {
                leaders.insert(*to);
                work.push(*to);
            }
            Shape::Branch(to, next) => {
                leaders.extend([*to, *next]);
                work.extend([*to, *next]);
            }
            Shape::Table(targets) => {
                leaders.extend(targets);
                work.extend(targets);
            }
            Shape::End => {}
        }
        seen.insert(at, shape);
    }
    // For each block, its end and where it leads.
    let mut found: HashMap<u32, (u32, Vec<u32>)> = HashMap::new();
    for &leader in &leaders {
        let mut at = leader;
        let leads = loop {
            match seen.get(&at) {
                Some(Shape::Next(next)) => {
                    at = *next;
                    if leaders.contains(&at) {
                        break vec![at];
                    }
                }
                Some(Shape::Jump(to)) => break vec![*to],
                // The way on first, so that it is visited last and stands right behind.
                Some(Shape::Branch(to, next)) => break vec![*to, *next],
                Some(Shape::Table(targets)) => {
                    let unique: BTreeSet<u32> = targets.iter().copied().collect();
                    break unique.into_iter().collect();
                }
                Some(Shape::End) | None => break Vec::new(),
            }
        };
        let end = match seen.get(&at) {
            _ if leaders.contains(&at) && at != leader => at,
            _ => u32::MAX,
        };
        found.insert(leader, (end, leads));
    }
    // Postorder without recursion.
    let mut order = Vec::with_capacity(found.len());
    let mut visited = BTreeSet::from([start]);
    let mut stack = vec![(start, 0usize)];
    while let Some((block, next)) = stack.pop() {
        let leads = found
            .get(&block)
            .map(|it| it.1.as_slice())
            .unwrap_or_default();
        match leads.get(next) {
            Some(&to) => {
                stack.push((block, next + 1));
                if visited.insert(to) {
                    stack.push((to, 0));
                }
            }
            None => order.push(block),
        }
    }
    order.reverse();
    let indices: HashMap<u32, usize> = order
        .iter()
        .enumerate()
        .map(|(number, &at)| (at, number))
        .collect();
    let mut blocks: Vec<Block> = order
        .iter()
        .map(|&at| Block {
            start: at,
            end: found.get(&at).map_or(at, |it| it.0),
            leads: found.get(&at).map(|it| it.1.clone()).unwrap_or_default(),
            ..Block::default()
        })
        .collect();
    for (number, &at) in order.iter().enumerate() {
        for to in found.get(&at).map(|it| it.1.as_slice()).unwrap_or_default() {
            if let Some(&next) = indices.get(to)
                && next <= number
            {
                blocks[next].entry.is_loop = true;
            }
        }
    }
    (blocks, indices)
}
