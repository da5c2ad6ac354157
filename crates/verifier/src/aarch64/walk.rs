//! The walk over a function: visits every word once, in order, with the contents of registers that hold on all paths to
//! it.
//!
//! The targets of backward branches are known beforehand: the code's maker names them, or they are found
//! ([`Walk::find_loops`]). The walk enters such a loop with the state from before it. A backward branch whose state does not
//! imply the assumed one weakens it, and the loop is walked again. If a walk with named loops refuses, they may be wrong:
//! then the walk is repeated with those that are found.

mod loops;
mod registers;

use super::decode::{Form, Word, decode};
use super::module::Tables;
use super::values::{SECOND, State, ZERO};
use crate::wasm::BodyFacts;
use crate::why::{Check, Why, ensure, refuse};
use crate::{FunctionCode, Invariant, LoopStart, NativeStack, Refusal, TrapSite};
use pvf_rules::TrapKind;

/// Limits how much code is walked again loop by loop, as a multiple of the function's length. Beyond this limit the
/// whole function is walked again, which takes few rounds for any nesting of loops.
const MOST_AGAIN: usize = 2;

/// A word without a label.
const NO_LABEL: u32 = 0;
/// The first word of a literal.
const LITERAL: u32 = u32::MAX;

/// The facts about a branch target. Small, because there are many.
#[derive(Clone, Copy, Debug)]
struct Label {
    /// The join of the states of all paths found so far.
    state: State,
    /// Whether there is a path.
    reached: bool,
    /// Whether the walk has visited the target.
    passed: bool,
    /// For the target of backward branches: an index into `loops` plus 1.
    loop_number: u32,
    /// For a late sequence: an index into `lates` plus 1.
    late_number: u32,
}

impl Label {
    const NEW: Self = Self {
        state: State::EMPTY,
        reached: false,
        passed: false,
        loop_number: 0,
        late_number: 0,
    };
}

/// A loop: a target of backward branches.
#[derive(Clone, Copy, Debug)]
struct Loop {
    /// The position of its last backward branch.
    last: usize,
    /// The assumed state. Once it is set, it is only weakened.
    assumed: Option<State>,
    /// The state on every iteration, if the code's maker names it.
    expected: Option<State>,
    /// The counts at the loop's start.
    counted: Counted,
}

/// The counts at a point of the walk.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    site: usize,
    charge: usize,
    grows: u32,
}

/// A late sequence: it follows the main code and belongs to a single branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The stack is deeper than ever before; continues at `resume`.
    Stack { resume: usize },
    /// The logical stack is higher than ever before.
    Logical { resume: usize, leaf_cost: u32 },
    /// A named counter is higher than ever before.
    Counter { resume: usize },
    /// A charge exceeds the limit: the word that restores the gas, and the position in the module.
    Gas { undo: u32, at: GasAt },
    /// A table entry has another signature.
    Mismatch,
}

/// The subject of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GasAt {
    /// The operator at this offset.
    Block(u32),
    /// An unknown operator: without prices, charges are not compared.
    Anywhere,
    /// A `memory.grow`.
    Grow,
}

/// Facts about the previous instructions, for rules about several consecutive ones. Forgotten at labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// After a comparison of a table index: its position, and the bound.
    pub compared: Option<(usize, u64)>,
    /// After the branch for indices out of bounds: its position, and the bound.
    pub below: Option<(usize, u64)>,
    /// The first scratch register contains the product of this constant and a value of at most this number of bits.
    pub product: Option<(u64, u8)>,
}

/// The walk of one function.
pub(super) struct Walk<'w, 'a> {
    pub tables: &'w Tables<'a>,
    /// The function's code.
    pub words: &'a [[u8; 4]],
    pub function: FunctionCode,
    pub body: &'w BodyFacts,
    /// The position of the current word.
    pub at: usize,
    pub state: State,
    /// Whether the current word is reachable.
    pub alive: bool,
    /// The constants in registers, valid where the bit in `known` is set.
    pub constants: [u64; 32],
    pub known: u32,
    pub facts: Facts,
    /// The starts of loops that the code's maker names, while they are believed.
    named: Option<&'a [LoopStart]>,
    /// For each word 0, the mark of a literal, or an index into `labels` plus 1.
    slots: &'w mut Vec<u32>,
    labels: &'w mut Vec<Label>,
    loops: &'w mut Vec<Loop>,
    /// Late sequences, each with the position of its branch.
    lates: &'w mut Vec<(Late, usize)>,
    /// Whether a slot contains the mark of a literal.
    has_literals: bool,
    /// A backward branch had a weaker state than assumed, so the function must be walked again.
    weakened: bool,
    /// As `weakened`, but the walk goes back to this loop at once.
    back: Option<usize>,
    /// The number of words that were walked again.
    again: usize,
    /// The next trap site.
    pub site: usize,
    first_site: usize,
    /// The next charge of gas, and the number of charges for pages so far.
    pub charge: usize,
    pub grows: u32,
    /// Whether a loop with calls is assumed to lose the registers that it does not seem to need, and whether some were
    /// lost.
    guesses: bool,
    guessed: bool,
    /// Whether the return address was saved.
    pub saves_link: bool,
    /// Whether the logical cost is only compared and not subtracted.
    pub logical_leaf: bool,
    /// Whether the function calls functions.
    pub calls: bool,
}

/// Buffers that are reused for every function.
#[derive(Default)]
pub(crate) struct Buffers {
    slots: Vec<u32>,
    labels: Vec<Label>,
    loops: Vec<Loop>,
    lates: Vec<(Late, usize)>,
}

/// The number of words of functions, and the number of visits to words.
#[derive(Clone, Copy, Default)]
pub(super) struct Steps {
    pub words: u64,
    pub steps: u64,
}

/// Checks a function. `site` is the index of the first trap site that may belong to it. Returns the index of the first
/// site after it.
pub(super) fn function<'a>(
    tables: &Tables<'a>,
    words: &'a [[u8; 4]],
    (number, function): (u32, FunctionCode),
    body: &BodyFacts,
    named: Option<&'a [LoopStart]>,
    buffers: &mut Buffers,
    site: usize,
) -> Result<(usize, Steps), Refusal> {
    buffers.slots.clear();
    buffers.slots.resize(words.len(), NO_LABEL);
    buffers.labels.clear();
    buffers.loops.clear();
    buffers.lates.clear();
    let mut walk = Walk {
        tables,
        words,
        function,
        body,
        at: 0,
        state: State::EMPTY,
        alive: true,
        constants: [0; 32],
        known: 0,
        facts: Facts::default(),
        named,
        slots: &mut buffers.slots,
        labels: &mut buffers.labels,
        loops: &mut buffers.loops,
        lates: &mut buffers.lates,
        has_literals: false,
        weakened: false,
        back: None,
        again: 0,
        site,
        first_site: site,
        charge: 0,
        grows: 0,
        guesses: true,
        guessed: false,
        saves_link: false,
        logical_leaf: false,
        calls: false,
    };
    let rounds = walk.rounds().map_err(|why| {
        let offset = function.offset.saturating_add(walk.at as u32 * 4);
        Refusal::of_function(why.0, number, offset, why.1)
    })?;
    let words = words.len() as u64;
    let steps = Steps {
        words,
        steps: words * u64::from(rounds) + walk.again as u64,
    };
    Ok((walk.site, steps))
}

impl<'a> Walk<'_, 'a> {
    fn rounds(&mut self) -> Check<u32> {
        match self.named {
            Some(named) => self.take_named(named),
            None => self.find_loops()?,
        }
        let mut rounds = 1;
        loop {
            match self.walk() {
                Ok(()) if !self.weakened => return Ok(rounds),
                // The assumed states of loops only become weaker, so this ends.
                Ok(()) => {}
                // Named loops may be wrong.
                Err(_) if self.named.take().is_some() => {
                    self.slots.fill(NO_LABEL);
                    self.labels.clear();
                    self.loops.clear();
                    self.find_loops()?;
                }
                // The guess about a loop's registers may be wrong, so the walk is repeated without guesses.
                Err(_) if self.guessed => {
                    (self.guesses, self.guessed) = (false, false);
                    for it in self.loops.iter_mut() {
                        it.assumed = None;
                    }
                }
                Err(why) => return Err(why),
            }
            self.begin_again();
            rounds += 1;
        }
    }

    fn begin_again(&mut self) {
        self.forget_literals();
        for label in self.labels.iter_mut() {
            (label.reached, label.passed, label.late_number) = (false, false, 0);
        }
        self.lates.clear();
        self.weakened = false;
        self.back = None;
        self.site = self.first_site;
        (self.charge, self.grows) = (0, 0);
        (self.saves_link, self.logical_leaf, self.calls) = (false, false, false);
    }

    /// The word at a position, or `None` after the function's end.
    #[inline(always)]
    pub fn word(&self, at: usize) -> Option<u32> {
        self.words.get(at).map(|word| u32::from_le_bytes(*word))
    }

    /// The offset of a word in the code.
    #[inline(always)]
    pub fn offset(&self, at: usize) -> u32 {
        self.function.offset.wrapping_add(at as u32 * 4)
    }

    /// The 32-bit constant that the words before a position load into the second scratch register.
    fn constant_before(&self, end: usize) -> Option<u32> {
        for words in 1..=2 {
            let start = end.checked_sub(words)?;
            if let Some((value, after)) = self.parse_constant(start, SECOND)
                && after == end
            {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// The constant that the words from a position on load into a register, and the position after them.
    pub fn parse_constant(&self, start: usize, register: u8) -> Option<(u64, usize)> {
        let first = Word(self.word(start)?);
        let form = decode(first.0)?;
        let mut value = initial_constant(form, first)?;
        if first.rd() != register {
            return None;
        }
        let mut at = start + 1;
        while let Some(word) = self.word(at).map(Word)
            && word.rd() == register
            && decode(word.0) == Some(Form::MoveKeep)
        {
            value = kept_constant(value, word);
            at += 1;
        }
        Some((value, at))
    }

    /// The position at this distance in bytes, if it is within the function.
    #[inline]
    pub fn target(&self, at: usize, distance: i32) -> Check<usize> {
        let to = (at as i64) + i64::from(distance >> 2);
        ensure!(
            distance & 3 == 0 && to >= 0 && (to as usize) < self.words.len(),
            Targets,
            "a branch leaves the function, or goes into an instruction"
        );
        Ok(to as usize)
    }

    /// The label of a position; adds one if there is none.
    #[inline]
    fn label(&mut self, at: usize) -> Check<&mut Label> {
        let Some(slot) = self.slots.get_mut(at) else {
            refuse!(Targets, "a branch leaves the function");
        };
        if *slot == NO_LABEL {
            self.labels.push(Label::NEW);
            *slot = self.labels.len() as u32;
        }
        match self.labels.get_mut(*slot as usize - 1) {
            Some(label) => Ok(label),
            None => refuse!(CodeData, "a branch goes to a literal"),
        }
    }

    /// Whether a position has a label.
    #[inline(always)]
    pub fn is_label(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|&slot| slot != NO_LABEL)
    }

    /// Checks a branch to a position with the current contents of registers.
    #[inline]
    pub fn branch(&mut self, to: usize) -> Check {
        let (at, state) = (self.at, self.state);
        let label = self.label(to)?;
        ensure!(
            label.late_number == 0,
            Phases,
            "another branch goes to a slow path"
        );
        if to > at {
            if label.reached {
                label.state.join(&state);
            } else {
                (label.state, label.reached) = (state, true);
            }
            return Ok(());
        }
        let (passed, number) = (label.passed, label.loop_number as usize);
        let it = number
            .checked_sub(1)
            .and_then(|number| self.loops.get_mut(number));
        let Some(assumed) = it.filter(|_| passed).and_then(|it| it.assumed.as_mut()) else {
            refuse!(Targets, "a branch goes back to where none can go");
        };
        if !state.implies(assumed) {
            assumed.join(&state);
            self.repeat(to);
        }
        Ok(())
    }

    /// Has a loop walked again: at once, unless too much was walked again already. Facts about later positions are
    /// kept, because they only become weaker.
    #[cold]
    fn repeat(&mut self, to: usize) {
        match self.again + (self.at - to) <= MOST_AGAIN * self.words.len() {
            true => self.back = Some(self.back.map_or(to, |back| back.min(to))),
            false => self.weakened = true,
        }
    }

    /// Moves the walk back to a loop.
    #[cold]
    fn go_back(&mut self, to: usize) {
        let label = self
            .slots
            .get(to)
            .and_then(|slot| self.labels.get((*slot as usize).wrapping_sub(1)));
        let it =
            label.and_then(|label| self.loops.get((label.loop_number as usize).wrapping_sub(1)));
        let counted = it.map_or(Counted::default(), |it| it.counted);
        (self.site, self.charge, self.grows) = (counted.site, counted.charge, counted.grows);
        self.again += self.at - to;
        self.at = to;
        self.alive = false;
    }

    /// Checks a branch to a late sequence.
    pub fn branch_late(&mut self, to: usize, late: Late) -> Check {
        ensure!(to > self.at, Phases, "a branch goes back to a slow path");
        let (state, late) = (self.state, (late, self.at));
        let next = self.lates.len() as u32 + 1;
        let label = self.label(to)?;
        let number = label.late_number;
        let is_new = number == 0 && !label.reached && label.loop_number == 0;
        (label.state, label.reached) = (state, true);
        if is_new {
            label.late_number = next;
            self.lates.push(late);
            return Ok(());
        }
        // The same branch, in a loop that is walked again.
        let known = number
            .checked_sub(1)
            .and_then(|number| self.lates.get(number as usize));
        ensure!(
            known == Some(&late),
            Phases,
            "another branch goes to a slow path"
        );
        Ok(())
    }

    /// Removes the label of a loop if no forward branch goes there.
    pub fn take_loop(&mut self, at: usize) -> bool {
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        let alone = match slot.checked_sub(1) {
            None => true,
            Some(number) => {
                let label = self.labels.get(number as usize);
                label.is_some_and(|label| label.loop_number != 0 && !label.reached)
            }
        };
        if alone {
            *slot = NO_LABEL;
        }
        alone
    }

    /// Removes a label that has been handled.
    pub fn take_slot(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = NO_LABEL;
        }
    }

    /// Marks a literal, which a load names.
    pub fn mark_literal(&mut self, at: usize) -> Check {
        let next = self.slots.get(at + 1).copied();
        let Some(slot) = self.slots.get_mut(at) else {
            refuse!(CodeData, "a literal is outside of the function");
        };
        ensure!(
            matches!(*slot, NO_LABEL | LITERAL) && next == Some(NO_LABEL),
            CodeData,
            "a literal overlaps something else"
        );
        *slot = LITERAL;
        self.has_literals = true;
        Ok(())
    }

    fn walk(&mut self) -> Check {
        self.at = 0;
        self.alive = true;
        self.state = self.tables.at_entry(self.function.signature)?;
        self.forget();
        self.prologue()?;
        while let Some(word) = self.word(self.at) {
            let slot = self.slots.get(self.at).copied().unwrap_or(NO_LABEL);
            if slot != NO_LABEL {
                if slot == LITERAL {
                    self.literal()?;
                    continue;
                }
                if self.arrive(slot)? {
                    continue;
                }
            } else if !self.alive {
                self.data(word)?;
                continue;
            }
            let Some(form) = decode(word) else {
                refuse!(Encodings, "the encoding is not in the table");
            };
            self.step(form, Word(word))?;
            if let Some(to) = self.back.take() {
                self.go_back(to);
                continue;
            }
            self.at += 1;
        }
        self.end()
    }

    fn end(&self) -> Check {
        ensure!(!self.alive, Ends, "the function runs out at its end");
        ensure!(
            self.labels
                .iter()
                .all(|label| label.passed || !label.reached),
            Targets,
            "a branch goes to no instruction"
        );
        let end = self.offset(self.words.len());
        let next = self.tables.sites.get(self.site);
        ensure!(
            next.is_none_or(|next| next.code_offset >= end),
            TrapSites,
            "a trap site belongs to no instruction that can trap"
        );
        let charges = self.body.charges.len();
        ensure!(
            !self.tables.priced || self.charge == charges,
            Meters,
            "a charge of gas is missing"
        );
        let grows = if self.tables.grow_price > 0 {
            self.body.grows
        } else {
            0
        };
        ensure!(
            !self.tables.priced || self.grows == grows,
            Meters,
            "a charge for pages is missing"
        );
        ensure!(
            !(self.logical_leaf && self.calls),
            Meters,
            "a function with calls does not take its logical cost"
        );
        Ok(())
    }

    /// Forgets constants and the facts about previous instructions.
    #[inline]
    pub fn forget(&mut self) {
        self.known = 0;
        self.facts = Facts::default();
    }

    /// Handles the label of the current word. Returns true if the sequence at the label was checked completely.
    #[inline]
    fn arrive(&mut self, slot: u32) -> Check<bool> {
        self.forget();
        let Some(label) = self.labels.get_mut(slot as usize - 1) else {
            refuse!(CodeData, "a branch goes to a literal");
        };
        label.passed = true;
        let (reached, late) = (label.reached, label.late_number as usize);
        let number = label.loop_number as usize;
        match (self.alive, reached) {
            (true, true) => self.state.join(&label.state),
            (false, true) => self.state = label.state,
            (true, false) => {}
            (false, false) => ensure!(number != 0, Reached, "no instruction leads to this one"),
        }
        if let Some(number) = number.checked_sub(1) {
            self.arrive_at_loop(number, self.alive || reached);
        }
        if let Some(late) = late.checked_sub(1) {
            ensure!(
                !self.alive,
                Phases,
                "code runs into a slow path that belongs to a branch"
            );
            self.alive = true;
            if let Some(&(late, _)) = self.lates.get(late) {
                self.late(late)?;
            }
            return Ok(true);
        }
        self.alive = true;
        Ok(false)
    }

    /// Handles the label of a loop: the assumed state holds from here on.
    fn arrive_at_loop(&mut self, number: usize, reached: bool) {
        let counted = Counted {
            site: self.site,
            charge: self.charge,
            grows: self.grows,
        };
        let Some(it) = self.loops.get_mut(number) else {
            return;
        };
        it.counted = counted;
        self.state = match it.assumed {
            // Only later code branches to this loop. Its branches weaken the strongest state where necessary.
            None if !reached => State::ALL,
            None => {
                let mut state = self.state.of_loop();
                if let Some(expected) = it.expected {
                    state.join(&expected);
                } else if self.guesses {
                    self.guessed |= state.lose(!loops::needed(self.words, self.at, it.last));
                }
                state
            }
            Some(assumed) if !reached || self.state.implies(&assumed) => assumed,
            Some(mut assumed) => {
                assumed.join(&self.state.of_loop());
                assumed
            }
        };
        it.assumed = Some(self.state);
    }

    /// Skips a literal, which must follow unreachable code.
    fn literal(&mut self) -> Check {
        ensure!(!self.alive, CodeData, "code runs into a literal");
        ensure!(
            !self.is_label(self.at + 1),
            CodeData,
            "a branch goes into a literal"
        );
        self.at += 2;
        Ok(())
    }

    /// Skips an unreachable word: padding before a literal, or the branch over an island.
    fn data(&mut self, word: u32) -> Check {
        let next = self.slots.get(self.at + 1).copied().unwrap_or(NO_LABEL);
        let padding = word == 0 && next == LITERAL;
        // This branch leads the preceding code over an island; here that code does not reach it.
        let over = word >> 26 == 5 && next != NO_LABEL && {
            let distance = Word(word).distance(Form::Branch);
            distance > 4 && self.target(self.at, distance).is_ok()
        };
        ensure!(
            padding || over,
            Reached,
            "no earlier instruction leads to this one"
        );
        self.at += 1;
        Ok(())
    }

    /// Takes the trap site of the word at a position, which must be of this kind.
    pub fn trap_site(&mut self, at: usize, kind: TrapKind) -> Check<TrapSite> {
        let site = self.next_site(self.offset(at))?;
        ensure!(site.kind == kind, TrapSites, "the trap is of another kind");
        Ok(site)
    }

    /// The site at exactly this offset.
    #[inline]
    pub fn next_site(&mut self, offset: u32) -> Check<TrapSite> {
        match self.tables.sites.get(self.site) {
            Some(site) if site.code_offset == offset => {
                self.site += 1;
                Ok(*site)
            }
            _ => refuse!(TrapSites, "an instruction that can trap has no trap site"),
        }
    }

    /// Takes the trap site of the current word, which accesses linear memory.
    #[inline(always)]
    pub fn access_site(&mut self) -> Check {
        let site = self.tables.sites.get(self.site);
        if site.is_some_and(|site| {
            site.code_offset == self.offset(self.at)
                && site.kind == TrapKind::MemoryOutOfBounds
                && self.body.accesses_at(site.wasm_offset)
        }) {
            self.site += 1;
            return Ok(());
        }
        self.operator_site(self.at, TrapKind::MemoryOutOfBounds)
    }

    /// Takes the trap site of a word, which must name an operator with this trap.
    #[inline(never)]
    pub fn operator_site(&mut self, at: usize, kind: TrapKind) -> Check {
        let site = self.trap_site(at, kind)?;
        self.comes_from_operator(site)
    }

    #[inline]
    pub fn comes_from_operator(&self, site: TrapSite) -> Check {
        ensure!(
            self.body.traps_at(site.wasm_offset) >> site.kind.code() & 1 != 0,
            Meters,
            "the trap names an operator that does not have it"
        );
        Ok(())
    }

    /// Whether the code audits frames.
    pub fn is_audited(&self) -> bool {
        self.tables.native_stack == NativeStack::Audited
    }
}

/// The value that the first instruction of a constant loads.
pub(super) fn initial_constant(form: Form, word: Word) -> Option<u64> {
    let (half, shift) = word.halfword();
    let mask = if word.wide() {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    match form {
        Form::MoveZero => Some(half << shift),
        Form::MoveNot => Some(!(half << shift) & mask),
        Form::LogicImmediate if word.operation() == 1 && word.rn() == ZERO => word.pattern(),
        _ => None,
    }
}

/// The value after a following instruction.
pub(super) fn kept_constant(value: u64, word: Word) -> u64 {
    let (half, shift) = word.halfword();
    let mask = if word.wide() {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    (value & !(0xffff << shift) | half << shift) & mask
}

impl From<&Why> for Invariant {
    fn from(why: &Why) -> Self {
        why.0
    }
}
