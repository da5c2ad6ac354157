//! The classification of iterations: which are an idiom.
//!
//! In: a [`Iteration`]. Out: an [`Idiom`], if every iteration goes on where the one before ended, and what all of
//! them do is one block operation.

use super::iteration::{Continue, Iteration, MemoryAccess, Value, Word};
use super::{Bound, Idiom, Operation, Pattern, Place, Sum};
use crate::analysis::contains;
use crate::instruction::LabelId;
use crate::operation::{Access, Condition};
use crate::types::ValType;

/// More conditions are too many to check before the loop.
const MAX_BOUNDS: usize = 2;
/// Iterations of more bytes are none of ours.
const MAX_SHIFT: u8 = 7;
/// Constant offsets stay far below what an addressing mode holds.
const MAX_OFFSET: u64 = 1 << 30;
const WORD_BYTES: u32 = 4;

/// The changes of an iteration to its locals.
struct Locals<'t> {
    iteration: &'t Iteration,
    /// Induction locals, with what an iteration adds to them.
    steps: Vec<(u32, i32)>,
    /// A local that carries the load with this number over to the next iteration.
    carried: Option<(u32, u8)>,
}

/// The bytes that one iteration accesses: a gapless range, moved by its own length with each iteration.
struct Tile {
    place: Place,
    stride: i32,
}

/// Finds out which idiom the loop with this full iteration is, leaving its gas open.
pub(super) fn classify(iteration: &Iteration, label: LabelId, live: &[u64]) -> Option<Idiom> {
    let locals = Locals::of(iteration, live)?;
    let (operation, stride) = operation(iteration, &locals)?;
    let shift = stride.unsigned_abs().trailing_zeros() as u8;
    (stride.unsigned_abs().is_power_of_two() && shift <= MAX_SHIFT).then_some(())?;
    let mut bounds = Vec::new();
    for condition in &iteration.conditions {
        if let Continue::If(condition, a, b) = *condition {
            bounds.push(bound(&locals, condition, a, b)?);
        }
    }
    (1..=MAX_BOUNDS).contains(&bounds.len()).then_some(())?;
    Some(Idiom {
        label,
        operation,
        shift,
        backward: stride < 0,
        bounds,
        steps: locals.steps,
        gas: 0,
    })
}

impl<'t> Locals<'t> {
    /// Every local that is written is an induction local, carries a load, or is dead at the loop's start.
    fn of(iteration: &'t Iteration, live: &[u64]) -> Option<Self> {
        let mut locals = Self {
            iteration,
            steps: Vec::new(),
            carried: None,
        };
        for &(local, value) in &iteration.written {
            if !contains(live, local) {
                continue;
            }
            match value {
                Value::Sum(sum) if sum.locals().eq([local]) => {
                    if sum.constant != 0 {
                        locals.steps.push((local, sum.constant as i32));
                    }
                }
                Value::Wide(same) if same == local => {}
                Value::Load(load) if locals.carried.is_none() => {
                    locals.carried = Some((local, load));
                }
                _ => return None,
            }
        }
        Some(locals)
    }

    /// The constant that an iteration adds to a local, if it is known.
    fn step(&self, local: u32) -> Option<i32> {
        let step = self.steps.iter().find(|(other, _)| *other == local);
        match step {
            Some((_, step)) => Some(*step),
            None => self.is_invariant(local).then_some(0),
        }
    }

    fn is_invariant(&self, local: u32) -> bool {
        let written = self
            .iteration
            .written
            .iter()
            .find(|(other, _)| *other == local);
        written.is_none_or(|&(_, value)| {
            value == Value::Sum(Sum::local(local)) || value == Value::Wide(local)
        })
    }

    /// The constant that an iteration adds to a sum.
    fn stride(&self, sum: &Sum) -> Option<i32> {
        sum.locals()
            .try_fold(0, |total: i32, local| total.checked_add(self.step(local)?))
    }

    fn is_invariant_sum(&self, sum: &Sum) -> bool {
        sum.locals().all(|local| self.is_invariant(local))
    }

    /// The tile that these accesses make together, and where in it each of them is.
    fn tile(&self, accesses: &[MemoryAccess]) -> Option<(Tile, Vec<u64>)> {
        let first = accesses.first()?.index;
        let stride = self.stride(&first)?;
        let mut distances = Vec::with_capacity(accesses.len());
        for access in accesses {
            access.index.locals().eq(first.locals()).then_some(())?;
            let distance = access.index.constant.wrapping_sub(first.constant) as i32;
            distances.push(i64::from(distance));
        }
        let lowest_index = *distances.iter().min()?;
        let positions = distances.iter().zip(accesses).map(|(distance, access)| {
            // Not negative: the lowest index is among them.
            (distance - lowest_index) as u64 + u64::from(access.offset)
        });
        let mut positions: Vec<u64> = positions.collect();
        let offset = *positions.iter().min()?;
        positions
            .iter_mut()
            .for_each(|position| *position -= offset);
        let mut order: Vec<usize> = (0..accesses.len()).collect();
        order.sort_unstable_by_key(|&at| positions[at]);
        let mut end = 0;
        for at in order {
            (positions[at] == end).then_some(())?;
            end += u64::from(accesses[at].bytes);
        }
        let gapless = end == u64::from(stride.unsigned_abs());
        (gapless && offset < MAX_OFFSET).then_some(())?;
        let index = Sum {
            constant: first.constant.wrapping_add(lowest_index as u32),
            ..first
        };
        let place = Place { index, offset };
        Some((Tile { place, stride }, positions))
    }
}

/// The operation of all iterations together, and the bytes of one iteration.
fn operation(iteration: &Iteration, locals: &Locals<'_>) -> Option<(Operation, i32)> {
    let compares = iteration
        .conditions
        .iter()
        .any(|condition| matches!(condition, Continue::IfSame(..)));
    match (iteration.stores.is_empty(), compares, locals.carried) {
        (true, true, None) => compare(iteration, locals),
        (false, false, Some((local, load))) => copy_shifted(iteration, locals, local, load),
        (false, false, None) if iteration.loads.is_empty() => fill(iteration, locals),
        (false, false, None) => copy(iteration, locals),
        _ => None,
    }
}

fn copy(iteration: &Iteration, locals: &Locals<'_>) -> Option<(Operation, i32)> {
    let stores: Vec<_> = iteration.stores.iter().map(|(store, _)| *store).collect();
    (stores.len() == iteration.loads.len()).then_some(())?;
    let (to, to_positions) = locals.tile(&stores)?;
    let (from, from_positions) = locals.tile(&iteration.loads)?;
    (to.stride == from.stride).then_some(())?;
    for (at, (store, value)) in iteration.stores.iter().enumerate() {
        let Value::Load(load) = *value else {
            return None;
        };
        let load = load as usize;
        let same = to_positions[at] == from_positions[load];
        (same && store.bytes == iteration.loads[load].bytes).then_some(())?;
    }
    // Where the bytes stored lie on the side the loop comes from, a load after a store in one iteration
    // must not see it.
    for (store, position) in stores.iter().zip(&to_positions) {
        for (load, other) in iteration.loads.iter().zip(&from_positions) {
            let unseen = match to.stride > 0 {
                true => position + u64::from(store.bytes) <= *other,
                false => other + u64::from(load.bytes) <= *position,
            };
            (load.time < store.time || unseen).then_some(())?;
        }
    }
    let operation = Operation::Copy {
        to: to.place,
        from: from.place,
    };
    Some((operation, to.stride))
}

fn copy_shifted(
    iteration: &Iteration,
    locals: &Locals<'_>,
    carried: u32,
    load: u8,
) -> Option<(Operation, i32)> {
    let ([(store, value)], [from]) = (&iteration.stores[..], &iteration.loads[..]) else {
        return None;
    };
    let Value::Merged {
        low,
        right,
        high,
        left,
    } = *value
    else {
        return None;
    };
    let whole_word = from.access == Access::Bits32 { signed: None }
        && from.ty == ValType::I32
        && store.bytes == WORD_BYTES;
    let (to, _) = locals.tile(&[*store])?;
    let (from, _) = locals.tile(&[*from])?;
    let words = (Word::Local(carried), Word::Load(load));
    let in_order = match to.stride > 0 {
        true => (low, high) == words,
        false => (high, low) == words,
    };
    let fits = whole_word && in_order && to.stride == from.stride;
    let invariant = locals.is_invariant_sum(&right) && locals.is_invariant_sum(&left);
    (fits && invariant).then_some(())?;
    let operation = Operation::CopyShifted {
        to: to.place,
        from: from.place,
        carried,
        right,
        left,
    };
    Some((operation, to.stride))
}

fn fill(iteration: &Iteration, locals: &Locals<'_>) -> Option<(Operation, i32)> {
    let stores: Vec<_> = iteration.stores.iter().map(|(store, _)| *store).collect();
    let (to, _) = locals.tile(&stores)?;
    let unit = stores[0].bytes;
    let one_width = stores.iter().all(|store| store.bytes == unit);
    let mut pattern = None;
    for (store, value) in &iteration.stores {
        let own = match *value {
            Value::WideConst(bits) => Pattern::Const(repeated(bits, store.bytes)),
            Value::Wide(local) if locals.is_invariant(local) => Pattern::Local(local),
            Value::Sum(sum) => match (sum.as_constant(), sum.as_local()) {
                (Some(bits), _) => Pattern::Const(repeated(bits.into(), store.bytes)),
                (None, Some(local)) if locals.is_invariant(local) => Pattern::Local(local),
                _ => return None,
            },
            _ => return None,
        };
        (*pattern.get_or_insert(own) == own).then_some(())?;
    }
    let pattern = pattern?;
    let uniform = matches!(pattern, Pattern::Const(bits) if bits == bits.rotate_left(8));
    (one_width || uniform).then_some(())?;
    let operation = Operation::Fill {
        to: to.place,
        pattern,
        unit: if uniform { 1 } else { unit as u8 },
    };
    Some((operation, to.stride))
}

/// Eight bytes made of the lowest `bytes` of a value.
fn repeated(bits: u64, bytes: u32) -> u64 {
    match bytes {
        1 => (bits & 0xff) * 0x0101_0101_0101_0101,
        2 => (bits & 0xffff) * 0x0001_0001_0001_0001,
        4 => (bits & 0xffff_ffff) * 0x0000_0001_0000_0001,
        _ => bits,
    }
}

fn compare(iteration: &Iteration, locals: &Locals<'_>) -> Option<(Operation, i32)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut compared = 0u32;
    for condition in &iteration.conditions {
        if let Continue::IfSame(left, right) = *condition {
            let pair = 1 << left | 1 << right;
            (left != right && compared & pair == 0).then_some(())?;
            compared |= pair;
            let (left, right) = (
                iteration.loads[left as usize],
                iteration.loads[right as usize],
            );
            // Equal results then mean equal bytes.
            (left.ty == right.ty && left.access == right.access).then_some(())?;
            a.push(left);
            b.push(right);
        }
    }
    (a.len() + b.len() == iteration.loads.len()).then_some(())?;
    let (a, a_positions) = locals.tile(&a)?;
    let (b, b_positions) = locals.tile(&b)?;
    let forward = a.stride == b.stride && a.stride > 0;
    (forward && a_positions == b_positions).then_some(())?;
    let operation = Operation::Compare {
        a: a.place,
        b: b.place,
    };
    Some((operation, a.stride))
}

/// The condition of going on as a gap that narrows.
fn bound(locals: &Locals<'_>, condition: Condition, a: Sum, b: Sum) -> Option<Bound> {
    let (a_stride, b_stride) = (locals.stride(&a)?, locals.stride(&b)?);
    let narrowing = a_stride.checked_sub(b_stride)?;
    let (high, low, condition) = match condition {
        Condition::NotEqual if narrowing < 0 => (a, b, condition),
        Condition::NotEqual => (b, a, condition),
        Condition::GreaterSigned
        | Condition::GreaterEqualSigned
        | Condition::GreaterUnsigned
        | Condition::GreaterEqualUnsigned => (a, b, condition),
        Condition::LessSigned
        | Condition::LessEqualSigned
        | Condition::LessUnsigned
        | Condition::LessEqualUnsigned => (b, a, condition.swapped()),
        _ => return None,
    };
    let ordered = condition != Condition::NotEqual;
    if ordered {
        // One stands still, the other comes nearer, so that neither wraps around before they meet.
        let high_first = (high, low) == (a, b);
        let towards = if high_first {
            narrowing < 0
        } else {
            narrowing > 0
        };
        (towards && (a_stride == 0 || b_stride == 0)).then_some(())?;
    }
    let step = narrowing.unsigned_abs();
    step.is_power_of_two().then_some(Bound {
        condition,
        high,
        low,
        shift: step.trailing_zeros() as u8,
    })
}
