//! Validation of a body, operator by operator: the algorithm in the appendix of WebAssembly's specification.
//!
//! In: operators with their types. Out: whether the body is valid so far, and the height of its operands. Time is
//! constant for each operator and each operand of one.
//!
//! A block takes five bytes: four of it, and a mark among the operands below its own. So no block has to know the height
//! where it begins, and no operand is compared with a height: under the last operand of a block is something that is no
//! type.

use super::Refused;
use crate::instruction::BlockSignature;
use crate::types::{FuncType, ValType};
use pvf_metering::{BlockKind, give_back};

/// The type of an operand, or what stands where one could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operand(u8);

impl Operand {
    pub const I32: Self = Self::of(ValType::I32);

    /// Any type: an operand of unreachable code.
    const UNKNOWN: Self = Self(4);

    /// The mark below the operands of a block.
    const FLOOR: Self = Self(5);

    #[inline(always)]
    pub const fn of(ty: ValType) -> Self {
        Self(ty as u8)
    }
}

/// The types of one or two operands on top.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    /// The last two operands, the last in the high byte, and which of the two count.
    types: u16,
    mask: u16,
}

impl Pattern {
    pub const fn of(types: &[Operand]) -> Self {
        match *types {
            [last] => Self {
                types: u16::from_le_bytes([0, last.0]),
                mask: 0xff00,
            },
            [first, last] => Self {
                types: u16::from_le_bytes([first.0, last.0]),
                mask: 0xffff,
            },
            _ => panic!("one or two operands"),
        }
    }

    /// How many there are.
    #[inline(always)]
    pub fn count(self) -> u32 {
        1 + u32::from(self.mask & 1)
    }

    /// The types, the last first.
    pub fn last_first(self) -> impl Iterator<Item = Operand> {
        let [first, last] = self.types.to_le_bytes();
        [last, first]
            .into_iter()
            .take(self.count() as usize)
            .map(Operand)
    }
}

/// An open block: its signature, its kind, and whether the rest of it is polymorphic.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Frame(u32);

impl Frame {
    const POLYMORPHIC: u32 = 1 << 31;
    const KIND_SHIFT: u32 = 29;

    fn new(kind: BlockKind, signature: BlockSignature) -> Self {
        debug_assert!(
            signature.bits() < 1 << Self::KIND_SHIFT,
            "a module has fewer types"
        );
        Self((kind as u32) << Self::KIND_SHIFT | signature.bits())
    }

    fn signature(self) -> BlockSignature {
        BlockSignature::from_bits(self.0 & ((1 << Self::KIND_SHIFT) - 1))
    }

    fn is(self, kind: BlockKind) -> bool {
        self.0 >> Self::KIND_SHIFT & 3 == kind as u32
    }

    fn is_polymorphic(self) -> bool {
        self.0 & Self::POLYMORPHIC != 0
    }

    /// What a branch to its label takes.
    fn label(self, signatures: &[FuncType]) -> &[ValType] {
        match self.is(BlockKind::Loop) {
            true => self.signature().params(signatures),
            false => self.signature().results(signatures),
        }
    }

    /// The frame as far as its label is concerned: two labels that are equal take the same.
    fn label_key(self) -> (BlockSignature, bool) {
        (self.signature(), self.is(BlockKind::Loop))
    }
}

type Valid = Result<(), Refused>;

/// The operands and the open blocks of a body.
#[derive(Default)]
pub(super) struct Validator {
    operands: Vec<Operand>,
    frames: Vec<Frame>,
    /// The most operands at any point.
    most: u32,
}

impl Validator {
    /// Starts a body of a function of this signature, which may have so many operands at one point.
    pub fn begin(&mut self, signature: BlockSignature, most: u32) {
        self.most = most;
        self.operands.clear();
        self.frames.clear();
        self.open(BlockKind::Block, signature);
    }

    /// Makes room for so many open blocks.
    pub fn reserve(&mut self, blocks: usize) {
        self.frames.reserve(blocks);
        self.operands.reserve(blocks);
    }

    /// How many operands there are.
    #[inline(always)]
    pub fn height(&self) -> u32 {
        (self.operands.len() - self.frames.len()) as u32
    }

    /// There are no more operands than there may be.
    ///
    /// Callers ask after what pushes more than it pops. Where an operator finds less than it pops, in unreachable code,
    /// this asks by itself.
    pub fn check_height(&self) -> Valid {
        match self.height() <= self.most {
            true => Ok(()),
            false => Err(Refused),
        }
    }

    /// How many blocks are open, the body itself counted.
    pub fn nesting(&self) -> u64 {
        self.frames.len() as u64
    }

    #[inline(always)]
    pub fn push(&mut self, operand: Operand) {
        self.operands.push(operand);
    }

    fn push_all(&mut self, types: &[ValType]) {
        self.operands
            .extend(types.iter().map(|&ty| Operand::of(ty)));
    }

    #[inline(always)]
    pub fn pop(&mut self, expected: Operand) -> Valid {
        match self.operands.last() {
            Some(&top) if top == expected => self.operands.truncate(self.operands.len() - 1),
            _ => self.pop_other(expected)?,
        }
        Ok(())
    }

    /// Pops an operand that is not of this type: one of unreachable code.
    #[cold]
    fn pop_other(&mut self, expected: Operand) -> Valid {
        match self.pop_any()? {
            found if found == expected || found == Operand::UNKNOWN => Ok(()),
            _ => Err(Refused),
        }
    }

    #[inline(always)]
    pub fn pop_any(&mut self) -> Result<Operand, Refused> {
        match self.operands.last() {
            Some(&top) if top != Operand::FLOOR => {
                self.operands.truncate(self.operands.len() - 1);
                Ok(top)
            }
            _ if self.is_polymorphic() => Ok(Operand::UNKNOWN),
            _ => Err(Refused),
        }
    }

    fn is_polymorphic(&self) -> bool {
        self.frames
            .last()
            .is_some_and(|frame| frame.is_polymorphic())
    }

    fn pop_all(&mut self, types: &[ValType]) -> Valid {
        types
            .iter()
            .rev()
            .try_for_each(|&ty| self.pop(Operand::of(ty)))
    }

    /// Pops these operands and pushes a result.
    #[inline(always)]
    pub fn numeric(&mut self, operands: Pattern, result: Operand) -> Valid {
        let len = self.operands.len();
        if let Some(top) = self.operands.last_chunk::<2>()
            && (u16::from_le_bytes([top[0].0, top[1].0]) ^ operands.types) & operands.mask == 0
        {
            self.operands.truncate(len + 1 - operands.count() as usize);
            if let Some(top) = self.operands.last_mut() {
                *top = result;
            }
            return Ok(());
        }
        self.numeric_other(operands, result)
    }

    #[cold]
    fn numeric_other(&mut self, operands: Pattern, result: Operand) -> Valid {
        for operand in operands.last_first() {
            self.pop(operand)?;
        }
        self.push(result);
        self.check_height()
    }

    /// Pops an operand of this type and pushes another in its place.
    #[inline(always)]
    pub fn replace(&mut self, operand: Operand, by: Operand) -> Valid {
        match self.operands.last_mut() {
            Some(top) if *top == operand => {
                *top = by;
                Ok(())
            }
            _ => self.replace_other(operand, by),
        }
    }

    #[cold]
    fn replace_other(&mut self, operand: Operand, by: Operand) -> Valid {
        self.pop_other(operand)?;
        self.push(by);
        self.check_height()
    }

    /// `select` without a type.
    pub fn select(&mut self) -> Valid {
        self.pop(Operand::I32)?;
        let last = self.pop_any()?;
        let first = self.pop_any()?;
        let result = match (first, last) {
            (Operand::UNKNOWN, other) | (other, Operand::UNKNOWN) => other,
            (first, last) if first == last => first,
            _ => return Err(Refused),
        };
        self.push(result);
        self.check_height()
    }

    /// A call of a function of this type.
    pub fn call(&mut self, ty: &FuncType) -> Valid {
        self.pop_all(&ty.params)?;
        self.push_all(&ty.results);
        Ok(())
    }

    /// `block`, `loop` or `if`, whose condition has been popped.
    pub fn enter(
        &mut self,
        kind: BlockKind,
        signature: BlockSignature,
        signatures: &[FuncType],
    ) -> Valid {
        let params = signature.params(signatures);
        self.pop_all(params)?;
        self.open(kind, signature);
        self.push_all(params);
        Ok(())
    }

    fn open(&mut self, kind: BlockKind, signature: BlockSignature) {
        self.frames.push(Frame::new(kind, signature));
        self.push(Operand::FLOOR);
    }

    /// The results of the innermost block are there, and nothing else of it.
    fn end_block(&mut self, frame: Frame, signatures: &[FuncType]) -> Valid {
        self.pop_all(frame.signature().results(signatures))?;
        match self.operands.last() {
            Some(&Operand::FLOOR) => Ok(()),
            _ => Err(Refused),
        }
    }

    /// `else`.
    pub fn enter_else(&mut self, signatures: &[FuncType]) -> Valid {
        let frame = *self.frames.last().ok_or(Refused)?;
        if !frame.is(BlockKind::If) {
            return Err(Refused);
        }
        self.end_block(frame, signatures)?;
        let signature = frame.signature();
        if let Some(innermost) = self.frames.last_mut() {
            *innermost = Frame::new(BlockKind::Else, signature);
        }
        self.push_all(signature.params(signatures));
        Ok(())
    }

    /// `end`. Returns whether it is that of the body.
    pub fn leave(&mut self, signatures: &[FuncType]) -> Result<bool, Refused> {
        let frame = *self.frames.last().ok_or(Refused)?;
        self.end_block(frame, signatures)?;
        let signature = frame.signature();
        let results = signature.results(signatures);
        // The other branch gives what it takes.
        if frame.is(BlockKind::If) && signature.params(signatures) != results {
            return Err(Refused);
        }
        self.frames.truncate(self.frames.len() - 1);
        self.operands.truncate(self.operands.len() - 1);
        give_back(&mut self.frames);
        give_back(&mut self.operands);
        self.push_all(results);
        Ok(self.frames.is_empty())
    }

    fn frame(&self, depth: u32) -> Result<Frame, Refused> {
        let index = self.frames.len().checked_sub(depth as usize + 1);
        index.map(|index| self.frames[index]).ok_or(Refused)
    }

    /// `br`.
    pub fn branch(&mut self, depth: u32, signatures: &[FuncType]) -> Valid {
        self.pop_all(self.frame(depth)?.label(signatures))?;
        self.stop();
        Ok(())
    }

    /// `br_if`, whose condition has been popped.
    pub fn branch_if(&mut self, depth: u32, signatures: &[FuncType]) -> Valid {
        let types = self.frame(depth)?.label(signatures);
        self.pop_all(types)?;
        self.push_all(types);
        Ok(())
    }

    /// `br_table` to these labels, whose index has been popped.
    pub fn branch_table(
        &mut self,
        default: u32,
        others: impl Iterator<Item = u32>,
        signatures: &[FuncType],
    ) -> Valid {
        let default = self.frame(default)?;
        let count = default.label(signatures).len();
        let mut checked = default.label_key();
        self.fit(default.label(signatures))?;
        for depth in others {
            let frame = self.frame(depth)?;
            if checked == frame.label_key() {
                continue;
            }
            checked = frame.label_key();
            let types = frame.label(signatures);
            if types.len() != count {
                return Err(Refused);
            }
            self.fit(types)?;
        }
        self.stop();
        Ok(())
    }

    /// The last operands have these types; those of unreachable code that are not there appear.
    fn fit(&mut self, types: &[ValType]) -> Valid {
        let mut at = self.operands.len();
        for (left, &ty) in (1..=types.len()).rev().zip(types.iter().rev()) {
            match self.operands.get(at.wrapping_sub(1)) {
                Some(&Operand::FLOOR) | None if self.is_polymorphic() => {
                    let missing = std::iter::repeat_n(Operand::UNKNOWN, left);
                    self.operands.splice(at..at, missing);
                    return Ok(());
                }
                Some(&operand) if operand == Operand::of(ty) || operand == Operand::UNKNOWN => {
                    at -= 1;
                }
                _ => return Err(Refused),
            }
        }
        Ok(())
    }

    /// `return`.
    pub fn leave_function(&mut self, signatures: &[FuncType]) -> Valid {
        let body = *self.frames.first().ok_or(Refused)?;
        self.pop_all(body.signature().results(signatures))?;
        self.stop();
        Ok(())
    }

    /// The rest of the block cannot be reached and is polymorphic.
    pub fn stop(&mut self) {
        // What is looked at here was pushed before and is gone afterwards.
        let mut operands = self.operands.iter();
        let floor = operands.rposition(|&operand| operand == Operand::FLOOR);
        self.operands.truncate(floor.map_or(0, |floor| floor + 1));
        if let Some(innermost) = self.frames.last_mut() {
            innermost.0 |= Frame::POLYMORPHIC;
        }
    }

    /// Frees what a long body has needed.
    pub fn free(&mut self) {
        *self = Self::default();
    }
}
