//! Prices and limits that follow from a seed.
//!
//! The first run of each step has limits that most runs do not reach. The resources that it used then determine limits
//! that are exactly enough, one more, or one too few. There any difference in counting shows.

use crate::observe::{Limits, Observation};
use crate::random::Random;
use pvf_metering::{Costs, Instruction, Schedule};

/// Prices, with their approximate scale relative to one gas per instruction.
pub struct Prices {
    /// The prices.
    pub costs: Costs,
    scale: u64,
}

/// One of four schedules: Polkadot's default; one with a price for pages; one with a different price for every
/// instruction; and one where most instructions are free. The last one is only for modules that end by themselves,
/// since a loop may be free in it.
pub fn prices(random: &mut Random, terminates: bool) -> Prices {
    let (schedule, scale) = match random.below(if terminates { 6 } else { 5 }) {
        0 | 1 => (Schedule::default(), 1),
        2 => {
            let schedule = Schedule {
                per_local: 3,
                memory_grow_per_page: 100,
                ..Schedule::default()
            };
            (schedule, 1)
        }
        3 | 4 => {
            let schedule = Schedule {
                per_local: 7_919,
                memory_grow_per_page: 1_000_003,
                instruction: by_instruction(|index| 10_000 + 17 * index),
                ..Schedule::default()
            };
            (schedule, 10_000)
        }
        _ => {
            let schedule = Schedule {
                default: 0,
                per_local: 0,
                memory_grow_per_page: 1,
                instruction: by_instruction(|index| u32::from(index % 3 == 0) * (index + 1)),
                ..Schedule::default()
            };
            (schedule, 30)
        }
    };
    Prices {
        // `schedule.costs()` cannot fail, because the names come from `Instruction::ALL`.
        costs: schedule.costs().unwrap_or_default(),
        scale,
    }
}

fn by_instruction(price: impl Fn(u32) -> u32) -> std::collections::BTreeMap<String, u32> {
    (0..)
        .zip(Instruction::ALL)
        .filter(|(_, instruction)| instruction.is_charged())
        .map(|(index, instruction)| (instruction.name().to_owned(), price(index)))
        .collect()
}

/// Limits for the first run of each step. The stack limits end a run before the stacks of the other engines do.
pub fn first(random: &mut Random, prices: &Prices, terminates: bool) -> Limits {
    let gas = match terminates {
        true => *random.pick(&[1_000, 30_000, 300_000, 3_000_000]),
        // A module that does not end by itself may use all of its gas.
        false => *random.pick(&[1_000, 10_000, 10_000, 100_000]),
    };
    Limits {
        stack: *random.pick(&[100, 1_024, 16_384, 65_536]),
        gas: gas * prices.scale,
    }
}

/// Limits for an instance of this many calls: most calls are short, and end by themselves or by the limit of the stack.
pub fn many(random: &mut Random, prices: &Prices, calls: u64) -> Limits {
    Limits {
        stack: *random.pick(&[100, 1_024, 16_384]),
        gas: calls * *random.pick(&[300, 3_000, 3_000]) * prices.scale,
    }
}

/// Limits near the resources that a step used, according to its observations.
pub fn near(
    random: &mut Random,
    first: Limits,
    peak: Option<u64>,
    observations: &[Observation],
) -> Limits {
    let mut near = first;
    let which = random.below(5);
    if which != 0
        && let Some(peak) = peak
    {
        let limit = (peak + random.below(3)).saturating_sub(1);
        near.stack = limit.min(u64::from(first.stack)) as u32;
    }
    if which < 3 && !observations.is_empty() {
        let of = &observations[random.below(observations.len() as u64) as usize];
        if let Some(used) = of.gas_used {
            near.gas = match random.below(4) {
                0 => used.saturating_sub(1),
                1 => used,
                2 => used + 1,
                // A gas limit that ends the run at some block before its end.
                _ => random.below(used + 1),
            };
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Ending;

    #[test]
    fn limits_lie_around_what_was_used() {
        let first = Limits {
            stack: 1_000,
            gas: 10_000,
        };
        let seen = Observation {
            gas_used: Some(77),
            ..Observation::without_instance(Ending::Returned(vec![]))
        };
        let mut random = Random::new(0);
        let mut stacks = std::collections::BTreeSet::new();
        let mut gas = std::collections::BTreeSet::new();
        for _ in 0..2_000 {
            let near = near(&mut random, first, Some(50), std::slice::from_ref(&seen));
            stacks.insert(near.stack);
            gas.insert(near.gas);
        }
        assert_eq!(stacks, [49, 50, 51, 1_000].into());
        assert_eq!(gas, (0..=78).chain([10_000]).collect());
    }
}
