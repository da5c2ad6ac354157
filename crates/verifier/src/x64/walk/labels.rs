//! Labels: where branches go, and what holds there.

use super::{LATE, NO_LABEL, Walk};
use crate::why::{Check, ensure, refuse};
use crate::written::Written;
use crate::x64::facts::*;

/// Limits how much code is walked again loop by loop, as a multiple of the function's length. Beyond this limit the
/// whole function is walked again, which takes few rounds for any nesting of loops.
const MOST_AGAIN: usize = 2;

/// The target of branches.
#[derive(Clone, Copy, Debug)]
pub(in crate::x64) struct Label {
    /// Its position.
    pub at: usize,
    /// The join of the bounds of all known paths. At the start of a loop, the bounds that the walk assumes there.
    pub bounds: Bounds,
    /// The slots that were written on all known paths.
    pub written: Written,
    /// Whether there is a path.
    pub reached: bool,
    /// Whether the walk has come here.
    pub passed: bool,
    /// For the start of a loop, its index plus 1.
    pub number: u32,
}

/// A loop.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::x64) struct Loop {
    /// The position of its last branch.
    pub last: usize,
    /// Whether it contains a call after which registers contain nothing.
    pub calls: bool,
    /// The registers that it seems to need at its start, once they are known.
    pub needs: Option<u32>,
    /// What the registers are expected to hold at most on every iteration, if its maker says so. Otherwise no bits.
    pub expected: Bounds,
    /// The counts at its start.
    pub counted: Counted,
}

/// The counts at a point of the walk.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::x64) struct Counted {
    pub site: usize,
    pub charge: usize,
    pub grows: u32,
    pub visited: usize,
    pub repeated: usize,
}

/// A slow path: it comes after the main code and belongs to a single branch.
#[derive(Clone, Copy, Debug)]
pub(in crate::x64) struct Late {
    /// Its position.
    pub at: usize,
    /// The position of the branch.
    pub from: usize,
    pub piece: Piece,
    /// Whether the walk has come to it.
    pub passed: bool,
}

/// What a slow path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::x64) enum Piece {
    StackGrowth {
        resume: usize,
    },
    LogicalGrowth {
        resume: usize,
        leaf_cost: u32,
    },
    CounterGrowth {
        resume: usize,
    },
    /// The amount of the charge if it is constant, and the position that the trap site must name.
    OutOfGas {
        constant: Option<i64>,
        site: Site,
    },
    SignatureMismatch {
        index: u8,
        disp: i32,
    },
}

/// The operator that a charge belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::x64) enum Site {
    /// The operator at this offset in the module.
    At(u32),
    /// A `memory.grow`.
    Grow,
    Any,
}

impl Walk<'_, '_> {
    /// Joins the current bounds into the label of a position to which control may go.
    #[inline]
    pub(super) fn branch_to(&mut self, to: usize) -> Check {
        let Some(slot) = self.slots.get_mut(to) else {
            refuse!(Targets, "a branch leaves the function");
        };
        if *slot == NO_LABEL {
            ensure!(
                to > self.offset,
                Targets,
                "a branch goes back to where none can go"
            );
            self.labels.push(Label {
                at: to,
                bounds: self.bounds,
                written: self.written,
                reached: true,
                passed: false,
                number: 0,
            });
            self.ahead += 1;
            *slot = self.labels.len() as u32;
            self.mark(to);
            return Ok(());
        }
        let Some(label) = self.labels.get_mut(*slot as usize - 1) else {
            refuse!(Reached, "a second branch goes to a slow path");
        };
        if to > self.offset {
            match label.reached {
                true => label.written.meet(&self.written),
                false => label.written = self.written,
            }
            match (label.reached, self.function) {
                (false, _) => (label.bounds, label.reached) = (self.bounds, true),
                (true, Some(_)) => join(&mut label.bounds, &self.bounds),
                (true, None) => join_shared(&mut label.bounds, &self.bounds),
            }
            return Ok(());
        }
        ensure!(
            label.passed && label.number != 0,
            Targets,
            "a branch goes back to where none can go"
        );
        let mut weaker = label.bounds;
        join(&mut weaker, &self.bounds);
        let mut fewer = label.written;
        fewer.meet(&self.written);
        if weaker != label.bounds || fewer != label.written {
            label.written = fewer;
            label.bounds = weaker;
            widen(&mut label.bounds);
            self.repeat(to);
        }
        Ok(())
    }

    /// Marks a position that has a label.
    #[inline(always)]
    fn mark(&mut self, at: usize) {
        self.marks.insert(at);
        if at >= self.at {
            self.next = self.next.min(at);
        }
    }

    /// Has a loop walked again: at once, unless too much was walked again already.
    fn repeat(&mut self, to: usize) {
        match self.again + (self.at - to) <= MOST_AGAIN * self.slots.len() {
            true => self.back = Some(self.back.map_or(to, |back| back.min(to))),
            false => self.weakened = true,
        }
    }

    /// Goes back to the start of a loop if the last branch has weakened it.
    #[inline(always)]
    pub(super) fn go_back(&mut self) {
        if let Some(to) = self.back {
            self.go_back_to(to);
        }
    }

    #[cold]
    fn go_back_to(&mut self, to: usize) {
        self.back = None;
        let number = self.slots.get(to).map_or(0, |slot| *slot as usize);
        let label = self.labels.get(number.wrapping_sub(1));
        let number = label.map_or(0, |label| label.number as usize);
        let Some(it) = self.loops.get(number.wrapping_sub(1)) else {
            return;
        };
        let counted = it.counted;
        (self.site, self.charge, self.grows) = (counted.site, counted.charge, counted.grows);
        // Visits within the loop count as repeated, those before it as often as they did.
        self.repeated = self.visited - (counted.visited - counted.repeated);
        self.again += self.at - to;
        (self.at, self.live) = (to, false);
        self.next = to;
    }

    /// Forgets labels, loops and slow paths.
    pub(super) fn forget_labels(&mut self) {
        let labels = self.labels.drain(..).map(|label| label.at);
        for at in labels.chain(self.lates.drain(..).map(|late| late.at)) {
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = NO_LABEL;
            }
            self.marks.remove(at);
        }
        self.loops.clear();
        (self.has_loops, self.again) = (false, 0);
    }

    /// Prepares another walk over the whole function. What is known of loops and slow paths stays.
    pub(super) fn begin_again(&mut self) {
        self.ahead = 0;
        for label in self.labels.iter_mut() {
            label.passed = false;
            label.reached &= label.number != 0;
            self.ahead += 1;
        }
        (self.weakened, self.back) = (false, None);
        self.repeated = self.visited;
        (self.site, self.charge, self.grows) = (self.first_site, 0, 0);
        (self.calls, self.leaf) = (false, false);
    }

    /// Handles the label of the current position. Returns true if it was a slow path, which is then checked completely.
    #[inline]
    pub(super) fn arrive(&mut self, slot: u32) -> Check<bool> {
        self.facts.clear();
        let Some(label) = self.labels.get_mut(slot as usize - 1) else {
            self.arrive_late(slot & !LATE)?;
            return Ok(true);
        };
        self.ahead -= usize::from(!label.passed);
        label.passed = true;
        if label.number != 0 {
            let number = label.number as usize - 1;
            self.arrive_at_loop(slot as usize - 1, number);
            return Ok(false);
        }
        match (self.live, label.reached) {
            (true, true) => self.written.meet(&label.written),
            (false, true) => self.written = label.written,
            _ => {}
        }
        match (self.live, label.reached) {
            (true, true) if self.function.is_none() => {
                join_shared(&mut self.bounds, &label.bounds);
            }
            (true, true) => join(&mut self.bounds, &label.bounds),
            (false, true) => self.bounds = label.bounds,
            (true, false) => {}
            (false, false) => refuse!(Reached, "no instruction leads to this one"),
        }
        self.live = true;
        Ok(false)
    }

    /// Handles the start of a loop: what its label says holds from here on.
    fn arrive_at_loop(&mut self, label: usize, number: usize) {
        let needs = self.needs(number);
        let strongest = &self.program.tables.strongest;
        let (Some(label), Some(it)) = (self.labels.get_mut(label), self.loops.get_mut(number))
        else {
            return;
        };
        it.counted = Counted {
            site: self.site,
            charge: self.charge,
            grows: self.grows,
            visited: self.visited,
            repeated: self.repeated,
        };
        match (self.live, label.reached) {
            (true, true) => label.written.meet(&self.written),
            (true, false) => label.written = self.written,
            (false, false) => label.written = Written::ALL,
            (false, true) => {}
        }
        self.written = label.written;
        match (self.live, label.reached) {
            (true, true) => join(&mut label.bounds, &self.bounds),
            (true, false) => label.bounds = self.bounds,
            // Only later code branches to this loop. Its branches weaken the strongest bounds where necessary.
            (false, false) => label.bounds = *strongest,
            (false, true) => {}
        }
        label.reached = true;
        widen(&mut label.bounds);
        join(&mut label.bounds, &it.expected);
        if needs != u32::MAX {
            for (register, bound) in label.bounds.iter_mut().enumerate() {
                if needs >> register & 1 == 0 && *bound < NOTHING {
                    *bound = NOTHING;
                    self.guessed = true;
                }
            }
        }
        (self.bounds, self.live) = (label.bounds, true);
    }

    /// Whether no path from the function's start leads to a loop.
    pub(super) fn has_unreached_loop(&self) -> bool {
        let mut loops = self.labels.iter().filter(|label| label.number != 0);
        loops.any(|label| label.bounds[usize::from(crate::x64::RSP)] == ASSUMED)
    }

    /// Checks a branch to a slow path.
    pub(super) fn announce(&mut self, to: usize, piece: Piece) -> Check {
        let from = self.offset;
        let number = self.lates.len() as u32;
        let Some(slot) = self.slots.get_mut(to).filter(|_| to > from) else {
            refuse!(Targets, "a branch to a slow path leaves the function");
        };
        if *slot == NO_LABEL {
            *slot = LATE | number;
            self.mark(to);
            self.lates.push(Late {
                at: to,
                from,
                piece,
                passed: false,
            });
            return Ok(());
        }
        // The same branch, in a loop that is walked again.
        let known = self.lates.get((*slot ^ LATE) as usize);
        let same = known.is_some_and(|known| known.from == from && known.piece == piece);
        ensure!(same, Targets, "another branch goes to a slow path");
        Ok(())
    }

    fn arrive_late(&mut self, number: u32) -> Check {
        ensure!(
            !self.live,
            Reached,
            "code runs into a slow path that belongs to a branch"
        );
        let Some(late) = self.lates.get_mut(number as usize) else {
            refuse!(Targets, "a branch goes to a slow path that does not exist");
        };
        late.passed = true;
        let piece = late.piece;
        self.late(piece)?;
        self.stop()
    }
}
