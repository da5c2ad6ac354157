//! Joins: what is still known where paths meet.
//!
//! Places are registers, slots, locals, operands, globals. Two places hold the same after a join if they held the same
//! on every path, so the places fall into classes. A class keeps its term if that is the same on all paths; gets a
//! selection if the paths differ by truth values that the machine alone branched on; else gets a new symbol.
//!
//! A loop begins with what holds on the way in. What a branch back does not confirm is remembered as varying, and the
//! loop is walked again. Classes only get smaller, so that ends.

use crate::machine::Value;
use crate::term::{Float, Node, Term, Terms};
use crate::walk::State;
use crate::wasm::Position;
use std::collections::HashMap;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A register.
    Register(u8),
    /// A slot of the stack.
    Slot(i32),
    /// A local.
    Local(u32),
    /// An operand.
    Operand(u32),
    /// A global.
    Global(u32),
    /// The size of memory.
    MemoryBytes,
}

/// What is remembered of a place that varies in a loop.
#[derive(Clone, Copy, Debug)]
enum Varying {
    /// It holds nothing on some path.
    Gone,
    /// It is of this class, of at most so many bits; the place tells so many.
    Class(u32, u8, u8),
}

/// What is known about the entry of a block.
#[derive(Debug, Default)]
pub struct Entry {
    /// A branch goes back to it.
    pub is_loop: bool,
    /// Where the Wasm side stands.
    pub position: Option<Position>,
    /// What the places held when it was walked last.
    held: HashMap<Place, Value>,
    /// The symbols that were new then.
    fresh: HashMap<Term, u8>,
    varying: HashMap<Place, Varying>,
    classes: u32,
}

fn places(state: &State, mut each: impl FnMut(Place, Value)) {
    for (number, register) in (0..).zip(&state.machine.registers) {
        if let Some(value) = register {
            each(Place::Register(number), *value);
        }
    }
    for (&at, &value) in &state.machine.slots {
        each(Place::Slot(at), value);
    }
    for (number, &term) in (0..).zip(&state.wasm.locals) {
        each(Place::Local(number), Value::whole(term));
    }
    for (number, &term) in (0..).zip(&state.wasm.operands) {
        each(Place::Operand(number), Value::whole(term));
    }
    for (number, &term) in (0..).zip(&state.common.globals) {
        each(Place::Global(number), Value::whole(term));
    }
    each(Place::MemoryBytes, Value::whole(state.common.memory_bytes));
}

fn held(state: &State, place: Place) -> Option<Value> {
    match place {
        Place::Register(number) => state.machine.registers[usize::from(number)],
        Place::Slot(at) => state.machine.slots.get(&at).copied(),
        Place::Local(number) => state
            .wasm
            .locals
            .get(number as usize)
            .copied()
            .map(Value::whole),
        Place::Operand(number) => state
            .wasm
            .operands
            .get(number as usize)
            .copied()
            .map(Value::whole),
        Place::Global(number) => state
            .common
            .globals
            .get(number as usize)
            .copied()
            .map(Value::whole),
        Place::MemoryBytes => Some(Value::whole(state.common.memory_bytes)),
    }
}

fn put(state: &mut State, place: Place, value: Option<Value>) {
    match (place, value) {
        (Place::Register(number), value) => {
            state.machine.registers[usize::from(number)] = value;
        }
        (Place::Slot(at), Some(value)) => {
            state.machine.slots.insert(at, value);
        }
        (Place::Slot(at), None) => {
            state.machine.slots.remove(&at);
        }
        (Place::Local(number), Some(value)) => state.wasm.locals[number as usize] = value.term,
        (Place::Operand(number), Some(value)) => {
            state.wasm.operands[number as usize] = value.term;
        }
        (Place::Global(number), Some(value)) => {
            state.common.globals[number as usize] = value.term;
        }
        (Place::MemoryBytes, Some(value)) => state.common.memory_bytes = value.term,
        (_, None) => {}
    }
}

/// Joins states that differ by what the machine alone branched on, so that other paths do not stand in the way of
/// selections.
pub fn join_own(terms: &mut Terms, entry: &Entry, mut states: Vec<State>) -> Vec<State> {
    if states.len() > 64 || (states.len() < 3 && !entry.is_loop) {
        return states;
    }
    let mut first = 0;
    while first < states.len() {
        let opposite = |state: &State| {
            let mine = &states[first];
            mine.wasm.at == state.wasm.at
                && mine.wasm.trapped == state.wasm.trapped
                && mine.wasm.locals == state.wasm.locals
                && mine.wasm.operands == state.wasm.operands
                && mine.common.globals == state.common.globals
                && mine.common.memory_bytes == state.common.memory_bytes
                && state
                    .common
                    .facts
                    .iter()
                    .any(|&(fact, holds)| mine.common.facts.contains(&(fact, !holds)))
        };
        let Some(second) = (first + 1..states.len()).find(|&it| opposite(&states[it])) else {
            first += 1;
            continue;
        };
        let pair = vec![states[first].clone(), states[second].clone()];
        match join(terms, &mut Entry::default(), pair) {
            Ok(joined) => {
                states.remove(second);
                states[first] = joined;
                first = 0;
            }
            Err(_) => first += 1,
        }
    }
    states
}

/// The state behind a join.
///
/// # Errors
/// There is nothing to join.
pub fn join(
    terms: &mut Terms,
    entry: &mut Entry,
    states: Vec<State>,
) -> Result<State, &'static str> {
    let Some(first) = states.first() else {
        return Err("a block that is not reached");
    };
    if states.len() == 1 && !entry.is_loop {
        return states
            .into_iter()
            .next()
            .ok_or("a block that is not reached");
    }
    let mut joined = first.clone();
    if states.len() > 1 || entry.is_loop {
        joined.machine.flags = crate::machine::Flags::None;
    }
    joined.common.facts = common_facts(terms, entry, &states);
    let gate = match entry.is_loop {
        true => Gate::Leaf((0..states.len()).collect()),
        false => Gate::of(terms, &states, (0..states.len()).collect()),
    };
    let mut all = Vec::new();
    places(first, |place, value| all.push((place, value)));
    let mut classes: HashMap<(Vec<Term>, u32), Term> = HashMap::new();
    entry.held.clear();
    entry.fresh.clear();
    for (place, value) in all {
        let mut bits = value.bits;
        let mut held_in = vec![value.term];
        for state in &states[1..] {
            if let Some(value) = held(state, place) {
                bits = bits.min(value.bits);
                held_in.push(value.term);
            }
        }
        let varying = entry.varying.get(&place).copied();
        if held_in.len() < states.len() || matches!(varying, Some(Varying::Gone)) {
            put(&mut joined, place, None);
            continue;
        }
        let (class, most, told) = match varying {
            Some(Varying::Class(class, most, told)) => (class, most, told),
            _ => (0, 0, 64),
        };
        bits = bits.min(told);
        let same = held_in.windows(2).all(|pair| pair[0] == pair[1]);
        let term = match (same, class) {
            (true, 0) => held_in[0],
            _ => {
                let most = held_in.iter().map(|&it| terms.bits(it)).fold(most, u8::max);
                match classes.get(&(held_in.clone(), class)) {
                    Some(&term) => term,
                    None => {
                        let selected = match (class, entry.is_loop) {
                            (0, false) => gate
                                .term(terms, &held_in)
                                .or_else(|| canonical(terms, &mut classes, &held_in)),
                            _ => None,
                        };
                        let term = selected.unwrap_or_else(|| {
                            let term = terms.symbol(most);
                            entry.fresh.insert(term, most);
                            term
                        });
                        classes.insert((held_in, class), term);
                        term
                    }
                }
            }
        };
        let value = Value { term, bits };
        put(&mut joined, place, Some(value));
        entry.held.insert(place, value);
    }
    Ok(joined)
}

/// Where all paths bring results of float operations, canonical or not, they may be made canonical behind the join as
/// well. No value of Wasm is a result that is not canonical, so a symbol may stand for all such results that differ in
/// nothing but that.
fn canonical(
    terms: &mut Terms,
    classes: &mut HashMap<(Vec<Term>, u32), Term>,
    held_in: &[Term],
) -> Option<Term> {
    let mut width = 0;
    let mut all_canonical = true;
    let mut raw = Vec::with_capacity(held_in.len());
    for &term in held_in {
        let (of, inner) = match *terms.node(term) {
            Node::Float(Float::Canonical, of, inner, _) => (of, inner),
            _ => {
                all_canonical = false;
                (terms.raw_width(term)?, term)
            }
        };
        if width != 0 && width != of {
            return None;
        }
        width = of;
        raw.push(inner);
    }
    let key = (raw, u32::MAX);
    let raw = match classes.get(&key) {
        Some(&raw) => raw,
        None => {
            let raw = terms.raw_symbol(width);
            classes.insert(key, raw);
            raw
        }
    };
    Some(match all_canonical {
        true => terms.float(Float::Canonical, width, raw, raw),
        false => raw,
    })
}

/// What is known on all paths, be it because of other facts.
fn common_facts(terms: &mut Terms, entry: &Entry, states: &[State]) -> Vec<(Term, bool)> {
    let mut common: Vec<(Term, bool)> = Vec::new();
    if entry.is_loop {
        return common;
    }
    for state in states {
        for &(fact, holds) in &state.common.facts {
            let everywhere = states.iter().all(|other| {
                let there = other.common.simplify(terms, fact);
                terms.constant_of(there) == Some(holds.into())
            });
            if everywhere && !common.contains(&(fact, holds)) {
                common.push((fact, holds));
            }
        }
    }
    common
}

/// Compares a state that branches back with what the loop was walked with. Returns whether it has to be walked again.
pub fn compare(terms: &Terms, entry: &mut Entry, state: &State) -> bool {
    let mut meaning: HashMap<Term, Term> = HashMap::new();
    let mut agrees = true;
    for (&place, &value) in &entry.held {
        let Some(now) = held(state, place) else {
            agrees = false;
            continue;
        };
        agrees &= now.bits >= value.bits;
        match entry.fresh.get(&value.term) {
            Some(&most) => {
                agrees &= *meaning.entry(value.term).or_insert(now.term) == now.term;
                agrees &= terms.bits(now.term) <= most;
            }
            None => agrees &= value.term == now.term,
        }
    }
    if agrees {
        return false;
    }
    let mut numbers: HashMap<(Term, Term), (u32, u8)> = HashMap::new();
    let mut ordered: Vec<(Place, Value)> = entry
        .held
        .iter()
        .map(|(&place, &value)| (place, value))
        .collect();
    ordered.sort_unstable_by_key(|it| it.0);
    for &(place, value) in &ordered {
        if let Some(now) = held(state, place)
            && (entry.fresh.contains_key(&value.term) || now.term != value.term)
        {
            let before = entry.fresh.get(&value.term).copied().unwrap_or(0);
            let most = before.max(terms.bits(now.term)).max(terms.bits(value.term));
            let next = entry.classes + numbers.len() as u32 + 1;
            numbers
                .entry((value.term, now.term))
                .or_insert((next, most));
        }
    }
    entry.classes += numbers.len() as u32;
    for (place, value) in ordered {
        let told = |now: u8| now.min(value.bits);
        match held(state, place) {
            None => {
                entry.varying.insert(place, Varying::Gone);
            }
            Some(now) => {
                if let Some(&(class, most)) = numbers.get(&(value.term, now.term))
                    && (entry.fresh.contains_key(&value.term) || now.term != value.term)
                {
                    let varying = Varying::Class(class, most, told(now.bits));
                    entry.varying.insert(place, varying);
                } else if now.bits < value.bits {
                    let varying = Varying::Class(0, 0, now.bits);
                    entry.varying.insert(place, varying);
                }
            }
        }
    }
    true
}

/// How paths differ by what the machine branched on.
enum Gate {
    /// Not by that.
    Leaf(Vec<usize>),
    /// By a truth value.
    Fork(Term, Box<Gate>, Box<Gate>),
}

impl Gate {
    fn of(terms: &mut Terms, states: &[State], group: Vec<usize>) -> Self {
        if group.len() < 2 || group.len() > 8 {
            return Self::Leaf(group);
        }
        let mut decided = |state: usize, fact: Term| {
            let simple = states[state].common.simplify(terms, fact);
            terms.constant_of(simple).map(|value| value != 0)
        };
        for &(fact, _) in &states[group[0]].common.facts {
            let Some(values) = group
                .iter()
                .map(|&state| decided(state, fact))
                .collect::<Option<Vec<bool>>>()
            else {
                continue;
            };
            if values.iter().all(|&it| it) || values.iter().all(|&it| !it) {
                continue;
            }
            let mut part = |wanted: bool| {
                let of = group.iter().zip(&values).filter(|it| *it.1 == wanted);
                Box::new(Self::of(terms, states, of.map(|it| *it.0).collect()))
            };
            return Self::Fork(fact, part(true), part(false));
        }
        Self::Leaf(group)
    }

    fn term(&self, terms: &mut Terms, held_in: &[Term]) -> Option<Term> {
        match self {
            Self::Leaf(group) => {
                let first = held_in[*group.first()?];
                group
                    .iter()
                    .all(|&it| held_in[it] == first)
                    .then_some(first)
            }
            Self::Fork(fact, yes, no) => {
                let (yes, no) = (yes.term(terms, held_in)?, no.term(terms, held_in)?);
                Some(terms.select(*fact, yes, no))
            }
        }
    }
}
