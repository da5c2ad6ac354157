//! The walk over a function: every word once, in order, with what registers hold on all ways there.
//!
//! Where a branch goes back to is found beforehand ([`Walk::find_loops`]): such a place is entered with what holds on the
//! way in. A branch back that does not imply it weakens it, and the loop is walked again.

use super::decode::{Form, Word, decode};
use super::encode::BR;
use super::module::Tables;
use super::values::{FIRST, FOLLOWED, GENERAL, GENERATORS, NOTHING, SECOND, State, ZERO};
use super::why::{Check, Why, ensure, refuse};
use crate::wasm::BodyFacts;
use crate::{FunctionCode, Invariant, NativeStack, Refusal, TrapSite};
use pvf_rules::TrapKind;

/// How much of a function is walked again loop by loop, in lengths of all of it. Beyond it the function is walked again as a whole,
/// which takes few rounds however loops lie in each other.
const MOST_AGAIN: usize = 2;

/// A word that nothing goes to.
const NO_LABEL: u32 = 0;
/// The first word of a literal.
const LITERAL: u32 = u32::MAX;

/// What is known of a place that branches go to. Small, since there are many.
#[derive(Clone, Copy, Debug)]
struct Label {
    /// What holds on all ways so far.
    state: State,
    /// Whether there is a way.
    reached: bool,
    /// The walk has been there.
    passed: bool,
    /// If branches go back to it, its number among loops plus 1.
    loop_number: u32,
    /// If it is a sequence that ends what stood elsewhere, its number among those plus 1.
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

/// A place that branches go back to.
#[derive(Clone, Copy, Debug)]
struct Loop {
    /// Where the last branch back is.
    last: usize,
    /// What is assumed to hold; once that is known, it is only weakened.
    assumed: Option<State>,
    /// What had been counted there.
    counted: Counted,
}

/// What is counted on the way.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    site: usize,
    charge: usize,
    grows: u32,
}

/// A sequence behind the function that belongs to one branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The stack is deeper than ever; where to go on.
    Stack { resume: usize },
    /// The logical stack is higher than ever.
    Logical { resume: usize, leaf_cost: u32 },
    /// A named counter is.
    Counter { resume: usize },
    /// A charge did not fit: the word that takes it back, and where in the module it is.
    Gas { undo: u32, at: GasAt },
    /// A table entry has another signature.
    Mismatch,
}

/// What is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GasAt {
    /// The operator at this offset.
    Block(u32),
    /// Some operator: charges are not compared.
    Anywhere,
    /// A `memory.grow`.
    Grow,
}

/// What the last instructions were, for rules about several in a row. Forgotten at labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Behind a comparison of a table index: where, and the bound.
    pub compared: Option<(usize, u64)>,
    /// Behind the branch for indices beyond: where, and the bound.
    pub below: Option<(usize, u64)>,
    /// The first scratch register holds a product of this constant and a value of so many bits.
    pub product: Option<(u64, u8)>,
}

/// Buffers and tables of all functions.
pub(super) struct Walk<'w, 'a> {
    pub tables: &'w Tables<'a>,
    /// The function's code.
    pub words: &'a [[u8; 4]],
    pub function: FunctionCode,
    pub body: &'w BodyFacts,
    /// The word that is looked at.
    pub at: usize,
    pub state: State,
    /// The present word can be reached.
    pub alive: bool,
    /// Constants of registers, where the bit is set.
    pub constants: [u64; 32],
    pub known: u32,
    pub facts: Facts,
    /// For each word 0, a literal's mark, or the number of its label plus 1.
    slots: &'w mut Vec<u32>,
    labels: &'w mut Vec<Label>,
    loops: &'w mut Vec<Loop>,
    /// Sequences that belong to branches, each with where its branch is.
    lates: &'w mut Vec<(Late, usize)>,
    /// Some slot is a literal's.
    has_literals: bool,
    /// A branch back was made from something weaker than was assumed, and the function is to be walked again.
    weakened: bool,
    /// The same, and the walk goes back to this loop at once.
    back: Option<usize>,
    /// Words that were walked again so far.
    again: usize,
    /// The next trap site.
    pub site: usize,
    first_site: usize,
    /// The next charge of gas, and how many pages were charged for.
    pub charge: usize,
    pub grows: u32,
    /// Registers that loops with calls seem not to need are expected to be lost, and some were.
    guesses: bool,
    guessed: bool,
    /// The return address was saved.
    pub saves_link: bool,
    /// The logical cost is looked at and not taken.
    pub logical_leaf: bool,
    /// The function calls functions.
    pub calls: bool,
}

/// Buffers that outlive a function.
#[derive(Default)]
pub(super) struct Buffers {
    slots: Vec<u32>,
    labels: Vec<Label>,
    loops: Vec<Loop>,
    lates: Vec<(Late, usize)>,
}

/// How many words were looked at, of those that are the function's.
#[derive(Clone, Copy, Default)]
pub(super) struct Steps {
    pub words: u64,
    pub steps: u64,
}

/// Checks a function. `site` is the first trap site that may be in it; the first behind it comes back.
pub(super) fn function<'a>(
    tables: &Tables<'a>,
    words: &'a [[u8; 4]],
    (number, function): (u32, FunctionCode),
    body: &BodyFacts,
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
        self.find_loops()?;
        let mut rounds = 1;
        loop {
            match self.walk() {
                Ok(()) if !self.weakened => return Ok(rounds),
                // What loops are assumed to keep only becomes less: this ends.
                Ok(()) => {}
                // Perhaps it was too little that was expected.
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

    /// The word at a place; nothing behind the function.
    #[inline(always)]
    pub fn word(&self, at: usize) -> Option<u32> {
        self.words.get(at).map(|word| u32::from_le_bytes(*word))
    }

    /// Offset in the code of a word.
    #[inline(always)]
    pub fn offset(&self, at: usize) -> u32 {
        self.function.offset.wrapping_add(at as u32 * 4)
    }

    /// Marks all places that branches and tables go back to. Words of literals and tables are no branches.
    fn find_loops(&mut self) -> Check {
        let mut at = 0;
        while let Some(word) = self.word(at) {
            // Few words are branches or load literals; all that are have these bits.
            let looks_so = word >> 26 & 7 == 5 || word >> 24 == 0x5c;
            if !looks_so {
                at += 1;
                continue;
            }
            if let Some(end) = self.literal_around(at) {
                at = end;
                continue;
            }
            let form = match word >> 24 {
                0x14..=0x17 => Form::Branch,
                0x54 => Form::BranchIf,
                0x34 | 0x35 | 0xb4 | 0xb5 => Form::BranchZero,
                0x36 | 0x37 | 0xb6 | 0xb7 => Form::BranchBit,
                0x5c => {
                    let to = self.target(at, Word(word).distance(Form::Literal))?;
                    if to > at {
                        self.mark_literal(to)?;
                    }
                    at += 1;
                    continue;
                }
                0xd6 if word == BR => {
                    at = self.find_in_table(at + 1)?;
                    continue;
                }
                _ => {
                    at += 1;
                    continue;
                }
            };
            let distance = Word(word).distance(form);
            if distance <= 0 {
                let to = self.target(at, distance)?;
                self.mark_loop(to, at)?;
            }
            at += 1;
        }
        // The walk finds literals again, with what loads them.
        self.forget_literals();
        Ok(())
    }

    fn forget_literals(&mut self) {
        if std::mem::take(&mut self.has_literals) {
            for slot in self.slots.iter_mut().filter(|slot| **slot == LITERAL) {
                *slot = NO_LABEL;
            }
        }
    }

    /// Where the literal ends that a word belongs to, if it does.
    fn literal_around(&self, at: usize) -> Option<usize> {
        if !self.has_literals {
            return None;
        }
        let begins = |at: usize| self.slots.get(at) == Some(&LITERAL);
        match (begins(at), begins(at.wrapping_sub(1))) {
            (true, _) => Some(at + 2),
            (_, true) => Some(at + 1),
            (false, false) => None,
        }
    }

    /// Where the table behind a jump ends; the entries that go back are marked.
    fn find_in_table(&mut self, table: usize) -> Check<usize> {
        // The bound is what is moved to the second scratch register before the comparison.
        let Some(bound) = table
            .checked_sub(6)
            .and_then(|compare| self.constant_before(compare))
        else {
            return Ok(table);
        };
        let end = table.saturating_add(bound as usize + 1);
        for at in table..end.min(self.words.len()) {
            let entry = self.word(at).unwrap_or(0) as i32;
            let to = self.target(table, entry)?;
            if to < table {
                self.mark_loop(to, at)?;
            }
        }
        Ok(end)
    }

    fn mark_loop(&mut self, to: usize, from: usize) -> Check {
        let next = self.loops.len() as u32 + 1;
        let label = self.label(to)?;
        let number = label.loop_number;
        if number == 0 {
            label.loop_number = next;
            self.loops.push(Loop {
                last: from,
                assumed: None,
                counted: Counted::default(),
            });
        } else if let Some(it) = self.loops.get_mut(number as usize - 1) {
            it.last = from;
        }
        Ok(())
    }

    /// The 32-bit constant that the words before a place put into the second scratch register.
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

    /// The constant that the words from a place on put into a register, and the place behind.
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

    /// The word so many bytes from another, within the function.
    #[inline]
    pub fn target(&self, at: usize, distance: i32) -> Check<usize> {
        let to = (at as i64) + i64::from(distance >> 2);
        ensure!(
            distance & 3 == 0 && to >= 0 && (to as usize) < self.words.len(),
            Targets,
            "a branch leaves the function, or goes to no instruction"
        );
        Ok(to as usize)
    }

    /// The label of a place, made if there is none.
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

    /// Whether branches go to a place.
    #[inline(always)]
    pub fn is_label(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|&slot| slot != NO_LABEL)
    }

    /// A branch to a place with what registers hold now.
    #[inline]
    pub fn branch(&mut self, to: usize) -> Check {
        let (at, state) = (self.at, self.state);
        let label = self.label(to)?;
        ensure!(
            label.late_number == 0,
            Phases,
            "several branches go to a sequence that belongs to one"
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

    /// A loop is to be walked again: at once, if not too much has been so already. What has been found out of places behind it
    /// stays: it only becomes less.
    #[cold]
    fn repeat(&mut self, to: usize) {
        match self.again + (self.at - to) <= MOST_AGAIN * self.words.len() {
            true => self.back = Some(self.back.map_or(to, |back| back.min(to))),
            false => self.weakened = true,
        }
    }

    /// Goes back to a loop.
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

    /// A branch to a sequence that belongs to it alone.
    pub fn branch_late(&mut self, to: usize, late: Late) -> Check {
        ensure!(
            to > self.at,
            Phases,
            "a sequence behind the function stands before it"
        );
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
            "several branches go to a sequence that belongs to one"
        );
        Ok(())
    }

    /// Takes away that branches go back to a place, if no others go there.
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

    /// Takes a label away that has been dealt with.
    pub fn take_slot(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = NO_LABEL;
        }
    }

    /// A literal's load names this place.
    pub fn mark_literal(&mut self, at: usize) -> Check {
        let next = self.slots.get(at + 1).copied();
        let Some(slot) = self.slots.get_mut(at) else {
            refuse!(CodeData, "a literal lies outside of the function");
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
                refuse!(Encodings, "no instruction of the list");
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
            "a trap site where nothing can trap"
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
            "a function that calls does not take its logical cost"
        );
        Ok(())
    }

    /// Nothing is known of constants and of the instructions before.
    #[inline]
    pub fn forget(&mut self) {
        self.known = 0;
        self.facts = Facts::default();
    }

    /// Comes to a label. Whether what stands there has been dealt with.
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
            (false, false) => ensure!(number != 0, Reached, "nothing goes there"),
        }
        if let Some(number) = number.checked_sub(1) {
            self.arrive_at_loop(number, self.alive || reached);
        }
        if let Some(late) = late.checked_sub(1) {
            ensure!(
                !self.alive,
                Phases,
                "code runs into a sequence that belongs to a branch"
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

    /// Comes to a loop: what is assumed there holds from here on.
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
            // Only what comes later goes there, which will say what holds: what it does not, is found then.
            None if !reached => State::ALL,
            None => {
                let mut state = self.state.of_loop();
                if self.guesses {
                    self.guessed |= state.lose(!needed(self.words, self.at, it.last));
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

    /// A literal, behind something that does not go on.
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

    /// What nothing goes to: a word before a literal, or the branch over an island.
    fn data(&mut self, word: u32) -> Check {
        let next = self.slots.get(self.at + 1).copied().unwrap_or(NO_LABEL);
        let padding = word == 0 && next == LITERAL;
        // It is there for those who come from before; here nobody does.
        let over = word >> 26 == 5 && next != NO_LABEL && {
            let distance = Word(word).distance(Form::Branch);
            distance > 4 && self.target(self.at, distance).is_ok()
        };
        ensure!(padding || over, Reached, "nothing before goes there");
        self.at += 1;
        Ok(())
    }

    /// The site of the word at a place, which must have one of this kind.
    pub fn trap_site(&mut self, at: usize, kind: TrapKind) -> Check<TrapSite> {
        let site = self.next_site(self.offset(at))?;
        ensure!(site.kind == kind, TrapSites, "a trap site of another kind");
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
            _ => refuse!(TrapSites, "something can trap and has no trap site"),
        }
    }

    /// A site of an operator that traps this way.
    #[inline]
    pub fn operator_site(&mut self, at: usize, kind: TrapKind) -> Check {
        let site = self.trap_site(at, kind)?;
        self.comes_from_operator(site)
    }

    #[inline]
    pub fn comes_from_operator(&self, site: TrapSite) -> Check {
        let operator = self.body.operator(site.wasm_offset);
        let traps = operator.map_or(0, |operator| self.tables.traps(operator));
        ensure!(
            traps >> site.kind.code() & 1 != 0,
            Meters,
            "the operator of a trap site does not trap so"
        );
        Ok(())
    }

    /// What a register holds, which must be a value.
    #[inline(always)]
    pub fn read(&self, register: u8) -> Check<u8> {
        let holds = self.holds(register);
        ensure!(
            holds <= super::values::DOUBLE,
            Widths,
            "a register is read that holds no value"
        );
        Ok(holds)
    }

    #[inline(always)]
    pub fn holds(&self, register: u8) -> u8 {
        self.state.values[usize::from(register & 31)]
    }

    /// Writes a register of those that instructions may write. What is written to the zero register is lost.
    #[inline(always)]
    pub fn write(&mut self, register: u8, holds: u8) -> Check {
        if GENERAL >> register & 1 == 0 {
            ensure!(
                register == ZERO,
                FixedRegisters,
                "a register is written that is fixed"
            );
            return Ok(());
        }
        self.put(register, holds);
        Ok(())
    }

    /// Writes a register.
    #[inline(always)]
    pub fn put(&mut self, register: u8, holds: u8) {
        self.state.values[usize::from(register & 31)] = holds;
        if FOLLOWED >> register & 1 != 0 {
            self.known &= !(1 << register);
            if register == FIRST {
                self.facts.product = None;
            }
        }
    }

    /// The constant in a register.
    #[inline]
    pub fn constant(&self, register: u8) -> Option<u64> {
        (self.known >> register & 1 != 0).then_some(self.constants[usize::from(register & 31)])
    }

    /// Reads a float.
    #[inline(always)]
    pub fn read_float(&self, register: u8) -> Check {
        ensure!(
            self.state.floats >> register & 1 != 0,
            Widths,
            "a float is read that holds no value"
        );
        Ok(())
    }

    #[inline(always)]
    pub fn write_float(&mut self, register: u8) {
        self.state.floats |= 1 << register;
    }

    /// Behind a call: no register holds anything.
    pub fn clobber(&mut self) {
        self.state = State::EMPTY;
        self.forget();
    }

    /// The scratch registers hold nothing.
    pub fn clobber_scratch(&mut self) {
        self.put(FIRST, NOTHING);
        self.put(SECOND, NOTHING);
    }

    /// Behind a call of shared code, which keeps the generator's registers alone.
    pub fn clobber_own(&mut self) {
        for value in self
            .state
            .values
            .iter_mut()
            .take(ZERO as usize)
            .skip(GENERATORS)
        {
            *value = NOTHING;
        }
        self.forget();
    }

    /// Whether frames are counted in software.
    pub fn is_audited(&self) -> bool {
        self.tables.native_stack == NativeStack::Audited
    }
}

/// How many words are looked at to see what a loop needs.
const LOOKED_AT: usize = 128;

/// Which registers a loop with a call seems to read before it writes them or calls: a guess, by the words from its first
/// one on as if there were no branches. All, where there is no call.
fn needed(words: &[[u8; 4]], first: usize, last: usize) -> u32 {
    let (mut read, mut written) = (0u32, 0u32);
    let end = last.saturating_add(1).min(first.saturating_add(LOOKED_AT));
    for word in words.get(first..end).unwrap_or_default() {
        let word = Word(u32::from_le_bytes(*word));
        let (rd, rn, rm) = (1u32 << word.rd(), 1u32 << word.rn(), 1u32 << word.rm());
        let (reads, writes) = match word.0 >> 24 {
            0x94..=0x97 => return read,
            // `blr`.
            0xd6 if word.0 >> 16 == 0xd63f => return read,
            // What follows comes from elsewhere.
            0xd6 | 0x14..=0x17 => {
                written = 0;
                continue;
            }
            0x54 => (0, 0),
            0x34..=0x37 | 0xb4..=0xb7 => (rd, 0),
            // Moves of constants.
            0x12 | 0x52 | 0x72 | 0x92 | 0xd2 | 0xf2 if word.0 >> 23 & 1 != 0 => (0, rd),
            // Loads and stores.
            0x38 | 0x39 | 0x78 | 0x79 | 0xb8 | 0xb9 | 0xf8 | 0xf9 => {
                let index = if word.0 >> 24 & 1 == 0 { rm } else { 0 };
                match word.access() {
                    0 => (rd | rn | index, 0),
                    _ => (rn | index, rd),
                }
            }
            0xa9 => (rd | 1 << word.ra(), 0),
            // Sums of immediates and fields of bits.
            0x11..=0x13
            | 0x31
            | 0x51
            | 0x53
            | 0x71
            | 0x72
            | 0x91..=0x93
            | 0xb1
            | 0xd1
            | 0xd3
            | 0xf1
            | 0xf2 => (rn, rd),
            // Floats.
            0x0e | 0x2e | 0x3c..=0x3d | 0x5c | 0x6f | 0xbc..=0xbd | 0xfc..=0xfd => (rn, 0),
            0x1e | 0x9e => (rn, rd),
            0x1b | 0x9b => (rn | rm | 1 << word.ra(), rd),
            _ => (rn | rm, rd),
        };
        read |= reads & !written;
        written |= writes;
    }
    u32::MAX
}

/// What the first instruction of a constant gives.
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

/// What a later one makes of it.
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
