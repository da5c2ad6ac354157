//! Which faults to try, from what a good run did.

use crate::calls::COUNTED;
use crate::{Fault, How, Trace, errors};

/// How many faults to try.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Largest number of places of one call in one process. Of more, the first and the last half of
    /// this number are taken, and as many evenly between them.
    pub places: u32,
    /// Largest number of all faults. Of more, an even selection is taken.
    pub faults: usize,
}

impl Amount {
    /// `short`, or with `PVF_LONG=1` up to 200 places of a call without a limit of faults.
    pub fn of_this_run(short: usize) -> Self {
        match std::env::var_os("PVF_LONG") {
            Some(_) => Self {
                places: 200,
                faults: usize::MAX,
            },
            None => Self {
                places: short as u32,
                faults: short,
            },
        }
    }
}

/// The faults for every call of a good run that `wanted` selects by process and number.
pub fn plan(trace: &Trace, amount: Amount, wanted: impl Fn(&str, i64) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for ((process, call), &count) in &trace.counts {
        if !wanted(process, *call) {
            continue;
        }
        let ways = errors(*call).iter().map(|&error| How::Error(error));
        let short = COUNTED.contains(call).then_some(How::Short);
        let ways: Vec<How> = ways.chain(short).collect();
        for occurrence in places(count, amount.places) {
            faults.extend(ways.iter().map(|&how| Fault {
                process: process.clone(),
                call: *call,
                occurrence,
                how,
            }));
        }
    }
    let all = faults.len();
    if all <= amount.faults {
        return faults;
    }
    let chosen = (0..amount.faults).map(|it| faults[it * all / amount.faults].clone());
    chosen.collect()
}

/// At most about `most` numbers of 1 to `count`.
fn places(count: u32, most: u32) -> Vec<u32> {
    if count <= most {
        return (1..=count).collect();
    }
    let edge = most / 4;
    let between = u64::from(count - 2 * edge);
    let steps = u64::from(most - 2 * edge);
    let middle = (0..steps).map(|step| edge + 1 + (step * between / steps) as u32);
    let last = count - edge + 1..=count;
    (1..=edge).chain(middle).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_edges_and_an_even_selection_between() {
        assert_eq!(places(3, 4), [1, 2, 3]);
        for (count, most) in [(100, 12), (13, 12), (1000, 200)] {
            let chosen = places(count, most);
            assert_eq!(chosen.len(), most as usize, "{count}");
            assert!(chosen.is_sorted_by(|a, b| a < b), "{chosen:?}");
            assert_eq!((chosen[0], *chosen.last().unwrap()), (1, count));
        }
    }

    #[test]
    fn every_call_of_a_small_run_is_failed_in_every_way() {
        let mut trace = Trace::default();
        let worker = "program".to_owned();
        trace.counts.insert((worker.clone(), libc::SYS_read), 2);
        trace.counts.insert((worker, libc::SYS_getpid), 5);
        let amount = Amount {
            places: 12,
            faults: usize::MAX,
        };
        let faults = plan(&trace, amount, |_, _| true);
        assert_eq!(faults.len(), 2 * 3, "two errors and a short count");
        let few = Amount {
            faults: 4,
            ..amount
        };
        assert_eq!(plan(&trace, few, |_, _| true).len(), 4);
        assert!(plan(&trace, amount, |_, _| false).is_empty());
    }
}
