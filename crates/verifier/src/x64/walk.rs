//! The walk over a function: decodes every instruction once, in order, and judges it with the contents of registers that
//! hold on all paths to it.
//!
//! For each register the walk keeps a bound of its significant bits, or that the register holds nothing that may be
//! read. Bounds are joined at labels. Other knowledge ([`Facts`]) ends at labels. Fixed sequences are checked as a whole
//! from the instruction on that shows what they are: prologue, epilogue, slow paths, charges, jump tables, indirect
//! calls, loops over slots. A label within a sequence is refused.
//!
//! The starts of loops are known beforehand: the code's maker names them, or they are found ([`Walk::find_loops`]). The walk
//! enters a loop with the bounds from before it. A backward branch with weaker bounds weakens those at the start, and the
//! loop is walked again. Bounds only grow, so this ends. If a walk with named loops refuses, they may be wrong: then the
//! walk is repeated with those that are found.

mod calls;
mod labels;
mod loops;
mod memory;
mod operations;
mod phases;
mod sequences;
mod shared;

use super::decode::{Build, WINDOW, decode_window};
use super::facts::*;
use super::instruction::Instruction;
use super::module::Program;
use super::{R12, R13, R14, R15, RSP};
use crate::wasm::BodyFacts;
use crate::why::{Check, Why, ensure, refuse};
use crate::written::Written;
use crate::{GasMeter, LoopStart, Refusal, TrapSite};
pub(super) use calls::Convention;
use labels::{Label, Late, Loop};

/// No label.
const NO_LABEL: u32 = 0;
/// The mark of a slow path; the rest of the slot is an index into [`Buffers::lates`].
const LATE: u32 = 1 << 31;

/// What is kept between functions, so that its memory is used again.
#[derive(Default)]
pub(crate) struct Buffers {
    /// For each byte of the function, and some more, 0, the mark of a slow path, or an index into `labels` plus 1.
    slots: Vec<u32>,
    marks: Marks,
    labels: Vec<Label>,
    loops: Vec<Loop>,
    lates: Vec<Late>,
}

impl Buffers {
    /// Forgets the last function. Only the slots that it used are reset.
    fn clear(&mut self) {
        let labels = self.labels.drain(..).map(|label| label.at);
        for at in labels.chain(self.lates.drain(..).map(|late| late.at)) {
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = NO_LABEL;
            }
            self.marks.remove(at);
        }
        self.loops.clear();
    }
}

/// A set of positions: those that have a label, so that the walk need not look for one at each instruction.
#[derive(Default)]
struct Marks {
    /// A bit for each position.
    positions: Vec<u64>,
    /// A bit for each word of `positions` in which one is set, or was.
    words: Vec<u64>,
}

impl Marks {
    /// Makes room for positions below a bound.
    fn reserve(&mut self, bound: usize) {
        let words = bound / 64 + 1;
        if self.positions.len() < words {
            self.positions.resize(words, 0);
            self.words.resize(words / 64 + 1, 0);
        }
    }

    fn insert(&mut self, at: usize) {
        let number = at / 64;
        if let Some(word) = self.positions.get_mut(number)
            && let Some(of_words) = self.words.get_mut(number / 64)
        {
            *word |= 1 << (at % 64);
            *of_words |= 1 << (number % 64);
        }
    }

    fn remove(&mut self, at: usize) {
        let number = at / 64;
        if let Some(word) = self.positions.get_mut(number)
            && let Some(of_words) = self.words.get_mut(number / 64)
        {
            *word &= !(1 << (at % 64));
            if *word == 0 {
                *of_words &= !(1 << (number % 64));
            }
        }
    }

    /// The first position of the set from this one on, at most `bound`.
    #[inline]
    fn next(&self, from: usize, bound: usize) -> usize {
        let number = from / 64;
        let marks = self
            .positions
            .get(number)
            .map_or(0, |word| *word >> (from % 64));
        if marks != 0 {
            return bound.min(from + marks.trailing_zeros() as usize);
        }
        let mut first = (number + 1) / 64;
        let mut words = self.words.get(first).map_or(0, |word| {
            *word >> ((number + 1) % 64) << ((number + 1) % 64)
        });
        while words == 0 {
            first += 1;
            match self.words.get(first) {
                Some(more) if first * 64 * 64 < bound => words = *more,
                _ => return bound,
            }
        }
        let number = first * 64 + words.trailing_zeros() as usize;
        let marks = self.positions.get(number).copied().unwrap_or(0);
        bound.min(number * 64 + marks.trailing_zeros() as usize)
    }
}

/// The numbers of instructions of a function, and of visits to them.
#[derive(Clone, Copy, Default)]
pub(super) struct Steps {
    pub instructions: u64,
    pub steps: u64,
}

/// The walk of one function, or of one piece of shared code. Positions are distances from its start.
pub(super) struct Walk<'w, 'v> {
    program: Program<'v>,
    sites: &'v [TrapSite],
    /// Whether there is a memory.
    memory: bool,
    /// The code from the start on. It is longer than the function.
    code: &'v [u8],
    /// The offset of the start in the code.
    start: u32,
    /// The position of the current instruction.
    offset: usize,
    /// The position after it.
    at: usize,
    /// Index and body of the function; `None` for shared code.
    function: Option<(u32, &'w BodyFacts)>,
    convention: Option<&'v Convention>,
    /// The classes of the body's operators by their offsets, and the body's offset; none for shared code.
    classes: &'w [u8],
    body_offset: u32,
    /// The end of the function's own slots, the start of the slots that it shares with its caller, and their end.
    own_slots: i64,
    frame: i64,
    callers_slots: i64,
    bounds: Bounds,
    /// The slots that were written.
    written: Written,
    facts: Facts,
    /// Whether the current position is reached.
    live: bool,
    slots: &'w mut [u32],
    /// The positions with labels, and the first of them that the walk has not come to, or the end of the code. The walk goes on
    /// from one to the next.
    marks: &'w mut Marks,
    next: usize,
    /// Why the walk ends early.
    refused: Option<&'static Why>,
    labels: &'w mut Vec<Label>,
    loops: &'w mut Vec<Loop>,
    lates: &'w mut Vec<Late>,
    /// The number of labels that the walk has not come to yet.
    ahead: usize,
    /// The starts of loops that the code's maker names.
    named: Option<&'v [LoopStart]>,
    /// Whether the walk looks for the starts of loops itself, and whether they are known.
    needs_loops: bool,
    has_loops: bool,
    /// A loop to be walked again at once.
    back: Option<usize>,
    /// A loop has to be walked again with the whole function.
    weakened: bool,
    /// The number of bytes that were walked again.
    again: usize,
    /// The position of the last comparison, and of the last constant for the scratch register.
    compared: usize,
    constant_at: usize,
    /// The position after the last return.
    returned: usize,
    /// The number of instructions so far.
    visited: usize,
    /// The number of visits in earlier walks over the same instructions.
    repeated: usize,
    /// Whether the registers that a loop with calls does not seem to need are assumed to be lost, and whether some were.
    guesses: bool,
    guessed: bool,
    /// The next trap site, the first one, the next charge of gas, and the number of charges for pages.
    site: usize,
    first_site: usize,
    charge: usize,
    grows: u32,
    /// Whether there is a call of a defined or imported function, or a call through the table.
    calls: bool,
    /// Whether the prologue is that of a function without such calls.
    leaf: bool,
    contract: Contract,
    kept: bool,
}

impl<'w, 'v> Walk<'w, 'v> {
    /// `end`: where the code ends, at most. `site`: the index of the first trap site from the start on.
    fn new(
        program: Program<'v>,
        buffers: &'w mut Buffers,
        (start, end): (u32, u32),
        site: usize,
    ) -> Self {
        buffers.clear();
        let bytes = end.saturating_sub(start) as usize;
        if buffers.slots.len() < bytes {
            buffers.slots.resize(bytes, NO_LABEL);
        }
        buffers.marks.reserve(bytes);
        let slots = buffers.slots.get_mut(..bytes).unwrap_or_default();
        Self {
            program,
            sites: program.code.sites,
            memory: program.module.memory,
            code: program.code.code.get(start as usize..).unwrap_or_default(),
            start,
            offset: 0,
            at: 0,
            function: None,
            convention: None,
            classes: &[],
            body_offset: 0,
            own_slots: 0,
            frame: 0,
            callers_slots: 0,
            bounds: [NOTHING; 32],
            written: Written::NONE,
            facts: Facts::none(program.tables.fixed, 0),
            live: true,
            slots,
            marks: &mut buffers.marks,
            next: 0,
            refused: None,
            labels: &mut buffers.labels,
            loops: &mut buffers.loops,
            lates: &mut buffers.lates,
            ahead: 0,
            named: None,
            needs_loops: false,
            has_loops: false,
            back: None,
            weakened: false,
            again: 0,
            compared: 0,
            constant_at: 0,
            returned: 0,
            visited: 0,
            repeated: 0,
            guesses: true,
            guessed: false,
            site,
            first_site: site,
            charge: 0,
            grows: 0,
            calls: false,
            leaf: false,
            contract: Contract::default(),
            kept: true,
        }
    }

    /// A walk of the function with this index. Its place was compared with the code.
    pub fn of_function(
        program: Program<'v>,
        buffers: &'w mut Buffers,
        number: u32,
        body: &'w BodyFacts,
        site: usize,
    ) -> Option<Self> {
        let claimed = program.code.functions.get(number as usize)?;
        let end = claimed.offset.checked_add(claimed.bytes)?;
        if end as usize > program.code.code.len() {
            return None;
        }
        let slot_bytes = program.module.function_type(number)?.slot_bytes();
        let frame = i64::try_from(body.frame_bytes).ok()?;
        let mut walk = Self::new(program, buffers, (claimed.offset, end), site);
        walk.function = Some((number, body));
        (walk.classes, walk.body_offset) = (body.classes(), body.offset);
        let signature = *program.module.functions.get(number as usize)?;
        walk.convention = Some(program.convention(signature as usize)?);
        // The two topmost words of the frame are not slots: the return address, and a word that is not used.
        (walk.own_slots, walk.frame) = ((frame - 16).max(0), frame);
        walk.callers_slots = frame.checked_add_unsigned(slot_bytes)?;
        walk.named = program.code.loops_within(claimed.offset, end);
        Some(walk)
    }

    fn refusal(&self, why: &Why) -> Refusal {
        Refusal {
            invariant: why.0,
            function: self.function.map(|it| it.0),
            offset: self.start.saturating_add(self.offset as u32),
            what: why.1,
        }
    }

    /// Checks the function. Returns the index of the first trap site after it.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn function(mut self) -> Result<(usize, Steps), Refusal> {
        self.rounds().map_err(|why| self.refusal(why))?;
        let steps = Steps {
            instructions: (self.visited - self.repeated) as u64,
            steps: self.visited as u64,
        };
        Ok((self.site, steps))
    }

    fn rounds(&mut self) -> Check {
        let loops = self.function.is_some_and(|(_, body)| body.loops);
        self.needs_loops = loops && self.named.is_none();
        loop {
            match self.walk() {
                Ok(()) if !self.weakened => return Ok(()),
                // The bounds at the starts of loops only become weaker, so this ends.
                Ok(()) => {}
                // A function without loops may have code that only later code branches to, and named loops may be wrong.
                Err(_) if !self.needs_loops => {
                    self.needs_loops = true;
                    self.forget_labels();
                }
                // The guess about a loop's registers may be wrong, so the walk is repeated without guesses.
                Err(_) if self.guessed => {
                    (self.guesses, self.guessed) = (false, false);
                    for label in self.labels.iter_mut().filter(|it| it.number != 0) {
                        label.reached = false;
                    }
                }
                Err(why) => return Err(why),
            }
            self.begin_again();
        }
    }

    fn walk(&mut self) -> Check {
        (self.at, self.live) = (0, true);
        (self.compared, self.constant_at) = (0, 0);
        self.facts.clear();
        let Some(convention) = self.convention else {
            refuse!(Claims, "the function has no signature");
        };
        self.bounds = convention.entry;
        self.written = Written::NONE;
        self.prologue()?;
        if !self.has_loops {
            match self.named.filter(|_| !self.needs_loops) {
                Some(named) => self.take_named(named),
                None if self.needs_loops => self.find_loops(),
                None => {}
            }
        }
        self.next = self.at;
        loop {
            if self.at >= self.next && self.is_done()? {
                break;
            }
            self.step();
        }
        self.end()
    }

    /// Handles a label, or the end. Returns whether nothing follows.
    #[inline(never)]
    fn is_done(&mut self) -> Check<bool> {
        loop {
            if let Some(why) = self.refused.take() {
                return Err(why);
            }
            let Some(&slot) = self.slots.get(self.at) else {
                return Ok(true);
            };
            let is_whole = slot != NO_LABEL && self.arrive(slot)?;
            if !is_whole {
                self.next = self.marks.next(self.at + 1, self.slots.len());
                return Ok(false);
            }
        }
    }

    /// Ends the walk if an instruction is refused.
    #[inline(always)]
    fn judged(&mut self, judged: Check) {
        if let Err(why) = judged {
            self.refuse(why);
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&mut self, why: &'static Why) {
        self.refused = Some(why);
        self.at = usize::MAX;
    }

    fn end(&self) -> Check {
        ensure!(
            self.at == self.slots.len(),
            Encodings,
            "an instruction goes beyond the function's end"
        );
        ensure!(!self.live, Ends, "the function runs out at its end");
        ensure!(
            self.ahead == 0,
            Targets,
            "a branch goes into an instruction or a sequence"
        );
        ensure!(
            self.lates.iter().all(|late| late.passed),
            Targets,
            "a branch goes to a slow path that does not exist"
        );
        let end = self.start.saturating_add(self.slots.len() as u32);
        let next = self.sites.get(self.site);
        ensure!(
            next.is_none_or(|site| site.code_offset >= end),
            TrapSites,
            "a trap site belongs to no instruction that can trap"
        );
        ensure!(
            self.weakened || !self.has_unreached_loop(),
            Reached,
            "only the loop itself branches to a loop"
        );
        ensure!(
            !(self.leaf && self.calls),
            Meters,
            "a function with calls does not take its logical cost"
        );
        let (Some((_, body)), GasMeter::Priced(costs)) =
            (self.function, self.program.code.settings.gas)
        else {
            return Ok(());
        };
        ensure!(
            self.charge == body.charges.len(),
            Meters,
            "a charge of gas is missing"
        );
        let grows = match costs.memory_grow_per_page() {
            0 => 0,
            _ => body.grows,
        };
        ensure!(self.grows == grows, Meters, "a charge for pages is missing");
        Ok(())
    }

    /// Decodes the next instruction and judges it.
    #[inline(always)]
    fn step(&mut self) {
        let (code, at) = (self.code, self.at as u32 as usize);
        match code.get(at..at + WINDOW).and_then(|it| it.first_chunk()) {
            Some(window) => decode_window(window, self),
            None => self.step_at_end(),
        }
    }

    /// As [`Self::step`], where fewer bytes are left than may be read.
    #[cold]
    fn step_at_end(&mut self) {
        decode_window(&self.last_window(self.at), self)
    }

    #[cold]
    fn last_window(&self, at: usize) -> [u8; WINDOW] {
        let mut window = [0; WINDOW];
        let rest = self.code.get(at..).unwrap_or_default();
        window[..rest.len()].copy_from_slice(rest);
        window
    }

    /// Goes beyond the current instruction, which has this number of bytes.
    #[inline(always)]
    fn advance(&mut self, bytes: usize) {
        self.offset = self.at;
        self.at += bytes;
        self.visited += 1;
    }

    /// The instruction at a position, if there is one before the end.
    #[inline(never)]
    fn peek_at(&self, at: usize) -> Option<Instruction> {
        let window = self.code.get(at..)?.first_chunk();
        let it = match window {
            Some(window) => decode_window(window, &mut Build),
            None => decode_window(&self.last_window(at), &mut Build),
        }?;
        (at + usize::from(it.len) <= self.slots.len()).then_some(it)
    }

    /// The current instruction.
    fn current(&self) -> Check<Instruction> {
        match self.peek_at(self.offset) {
            Some(it) => Ok(it),
            None => refuse!(Encodings, "the encoding is not in the table"),
        }
    }

    /// Decodes the next instruction of a sequence, to which no branch may go. The caller judges it.
    fn expect(&mut self) -> Check<Instruction> {
        self.offset = self.at;
        ensure!(
            self.slots.get(self.at) == Some(&NO_LABEL),
            Targets,
            "a branch goes into a sequence"
        );
        let Some(it) = self.peek_at(self.at) else {
            refuse!(Encodings, "the encoding is not in the table");
        };
        self.at += usize::from(it.len);
        self.visited += 1;
        Ok(it)
    }

    /// The instructions from a position up to the current one. `None` if they are not of this number, or a branch goes
    /// between them or to the current one.
    fn between<const N: usize>(&self, from: usize) -> Option<[Instruction; N]> {
        let mut found = [Instruction::default(); N];
        let mut at = from;
        for it in &mut found {
            *it = self.peek_at(at)?;
            at += usize::from(it.len);
            if self.slots.get(at) != Some(&NO_LABEL) {
                return None;
            }
        }
        (at == self.offset).then_some(found)
    }

    /// Where a branch goes that was just decoded. Positions before the start are very large.
    #[inline(always)]
    fn target(&self, distance: i64) -> usize {
        self.at.wrapping_add(distance as usize)
    }

    /// The next instruction is reached by branches alone.
    #[inline]
    fn stop(&mut self) -> Check {
        self.live = false;
        ensure!(
            self.slots.get(self.at) != Some(&NO_LABEL),
            Reached,
            "no instruction leads to this one"
        );
        Ok(())
    }

    #[inline(always)]
    fn bound(&self, register: u8) -> u8 {
        self.bounds[usize::from(register & 15)]
    }

    #[inline(always)]
    fn read(&self, register: u8) -> Check<u8> {
        let bound = self.bound(register);
        if bound <= 64 {
            return Ok(bound);
        }
        self.unreadable(register)
    }

    #[cold]
    fn unreadable(&self, register: u8) -> Check<u8> {
        ensure!(
            self.bound(register) < FIXED,
            FixedRegisters,
            "the code reads a fixed register"
        );
        refuse!(Widths, "the code reads a register that holds nothing")
    }

    #[inline(always)]
    fn write(&mut self, register: u8, bound: u8) -> Check {
        if self.facts.is_about(register) {
            self.forget(register)?;
        }
        self.bounds[usize::from(register & 15)] = bound;
        Ok(())
    }

    /// Forgets what is known of a register that is written. Fixed registers are among those that come here.
    #[cold]
    #[inline(never)]
    fn forget(&mut self, register: u8) -> Check {
        ensure!(
            self.bound(register) < FIXED,
            FixedRegisters,
            "the code writes a fixed register"
        );
        self.facts.forget(register);
        if self.function.is_none() {
            self.note_write(register);
        }
        Ok(())
    }

    #[inline(always)]
    fn read_float(&self, register: u8) -> Check {
        ensure!(
            self.bounds[xmm(register)] <= 64,
            Widths,
            "the code reads a float register that holds nothing"
        );
        Ok(())
    }

    #[inline(always)]
    fn write_float(&mut self, register: u8, bound: u8) {
        self.bounds[xmm(register)] = bound;
        if self.facts.is_about_float(register) {
            self.facts.forget_float(register);
            if self.function.is_none() {
                self.contract.written |= 1 << xmm(register);
            }
        }
    }
}

/// The bounds of which a loop starts that no earlier instruction leads to: nothing is known against any register.
pub(super) fn strongest(nothing: &Bounds) -> Bounds {
    let mut bounds = *nothing;
    for bound in bounds.iter_mut().filter(|bound| **bound < FIXED) {
        *bound = 0;
    }
    bounds[usize::from(RSP)] = ASSUMED;
    bounds
}

/// The set of fixed registers, from the bounds without contents.
pub(super) fn fixed(nothing: &Bounds) -> u16 {
    let general = nothing.iter().take(16).enumerate();
    let fixed = general.filter(|(_, bound)| **bound >= FIXED);
    fixed.fold(0, |set, (register, _)| set | 1 << register)
}

/// The bounds without contents: of the fixed registers alone.
pub(super) fn nothing(gas: bool, logical: bool) -> Bounds {
    let mut bounds = [NOTHING; 32];
    for register in [R14, R15] {
        bounds[usize::from(register)] = FIXED;
    }
    bounds[usize::from(RSP)] = REACHED;
    if gas {
        bounds[usize::from(R13)] = FIXED;
    }
    if logical {
        bounds[usize::from(R12)] = FIXED;
    }
    bounds
}
