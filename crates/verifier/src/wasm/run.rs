//! The frequent operators of a body: those that only take and leave operands.

use super::body::EFFECTS;
use super::instruction::{CLASS, COUNT};

/// What the pass over a run of operators needs to know of one.
#[derive(Clone, Copy)]
struct Plain {
    /// The change of the operand height.
    change: i8,
    numbers: Numbers,
}

/// The numbers that follow an opcode.
#[derive(Clone, Copy)]
enum Numbers {
    None,
    One,
    Two,
    /// It is not an operator of a run.
    Other,
}

static PLAIN: [Plain; 256] = {
    let other = Plain {
        change: 0,
        numbers: Numbers::Other,
    };
    let mut plain = [other; 256];
    let mut number = 0;
    while number < 256 {
        let numbers = match number {
            0x20..=0x24 | 0x3f | 0x41 | 0x42 => Numbers::One,
            0x28..=0x3e => Numbers::Two,
            0x1a | 0x1b | 0x45..=0xc4 => Numbers::None,
            _ => Numbers::Other,
        };
        if let Some((pops, pushes)) = EFFECTS[number] {
            plain[number] = Plain {
                change: pushes as i8 - pops as i8,
                numbers,
            };
        }
        number += 1;
    }
    plain
};

/// Whether a run can begin with this opcode. `br_if` and `call` do not end one.
#[inline]
pub(super) fn begins_run(opcode: u8) -> bool {
    matches!(opcode, 0x0d | 0x10) || !matches!(PLAIN[usize::from(opcode)].numbers, Numbers::Other)
}

/// Bytes that are read at once: an opcode and its numbers.
const WINDOW: usize = 11;

/// The bytes of a number in the window from this position on: at most five.
#[inline(always)]
fn number_bytes(window: &[u8; WINDOW], at: usize) -> Option<usize> {
    // By branches: where they are foretold, the processor reads on before it knows the length.
    if window[at] < 0x80 {
        return Some(1);
    }
    if window[at + 1] < 0x80 {
        return Some(2);
    }
    (2..5)
        .find(|&more| window[at + more] < 0x80)
        .map(|more| more + 1)
}

/// The bytes of an operator with its numbers, if it belongs to a run.
#[inline(always)]
fn operator_bytes(window: &[u8; WINDOW], numbers: Numbers) -> Option<usize> {
    match numbers {
        Numbers::None => Some(1),
        Numbers::One => Some(1 + number_bytes(window, 1)?),
        Numbers::Two => {
            let first = number_bytes(window, 1)?;
            Some(1 + first + number_bytes(window, 1 + first)?)
        }
        Numbers::Other => None,
    }
}

/// A position in a body, and what is known there.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub at: usize,
    /// The operand height.
    pub height: u32,
    /// The greatest height after an operator of the run.
    pub highest: u32,
    /// The price of the run's operators.
    pub cost: u64,
}

/// Passes over operators that only take and leave operands, up to one that does more, or whose numbers are long, or to
/// the body's last bytes. Notes the class of each.
#[inline(always)]
pub(super) fn pass_over(
    bytes: &[u8],
    classes: &mut [u8],
    prices: Option<&[u32; COUNT]>,
    run: Run,
) -> Run {
    match prices {
        None => pass::<false>(bytes, classes, &[0; COUNT], run),
        Some(prices) => pass::<true>(bytes, classes, prices, run),
    }
}

#[inline(always)]
fn pass<const PRICED: bool>(
    bytes: &[u8],
    classes: &mut [u8],
    prices: &[u32; COUNT],
    run: Run,
) -> Run {
    let Some(classes) = classes.get_mut(..bytes.len()) else {
        return run;
    };
    let Run {
        mut at,
        mut height,
        mut highest,
        mut cost,
    } = run;
    while let Some(window) = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<WINDOW>())
    {
        let number = usize::from(window[0]);
        let plain = PLAIN[number];
        let Some(length) = operator_bytes(window, plain.numbers) else {
            break;
        };
        if let Some(class) = classes.get_mut(at) {
            *class = CLASS[number];
        }
        at += length;
        height = height.wrapping_add_signed(plain.change.into());
        highest = highest.max(height);
        if PRICED {
            cost = cost.saturating_add(prices[number].into());
        }
    }
    Run {
        at,
        height,
        highest,
        cost,
    }
}
