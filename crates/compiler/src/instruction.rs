//! The input of pass 2: the reachable instructions of a body, eight bytes each, and one byte more for the distance in
//! the module from the instruction before.
//!
//! A body is decoded once. Unreachable operators are left out, Wasm's many operators become a few generic ones with a
//! width.

use crate::abi::Builtin;
use crate::operation::{
    Access, Condition, Conversion, Division, FloatBinary, FloatUnary, IntBinary, IntUnary, Width,
};
use crate::types::{FuncType, ValType};

/// Index of a label in a function: the order in which reachable `block`, `loop`, `if` and `else`
/// instructions are met. Label 0 is the function body itself.
pub(crate) type LabelId = u32;

/// The label a branch goes to, by the number of blocks in its block around the branch.
pub(crate) type Depth = u32;

/// An instruction. Types are those of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Charges the gas of a metered block, see [`Code::cost`].
    Charge(u32),
    Unreachable,
    Block(BlockSignature),
    Loop(BlockSignature),
    If(BlockSignature),
    Else,
    End,
    Br(Depth),
    BrIf(Depth),
    /// By number, see [`Code::table`].
    BrTable(u32),
    Return,
    Call(u32),
    /// By the index of the interned signature.
    CallIndirect(u32),
    /// The second field is the segment it works on, or 0.
    Builtin(Builtin, u32),
    Drop,
    Select,
    LocalGet(u32),
    LocalSet(u32),
    LocalTee(u32),
    GlobalGet(u32),
    GlobalSet(u32),
    /// A constant whose high 32 bits are zero, by its low 32 bits.
    Const(ValType, u32),
    /// By number, see [`Code::constant`].
    WideConst(ValType, u32),
    Load(ValType, Access, u32),
    Store(Access, u32),
    MemorySize,
    MemoryGrow,
    EqualZero(Width),
    Compare(Width, Condition),
    /// With `swap` set, the operands change places before they are compared.
    FloatCompare(Width, Condition, /* swap: */ bool),
    IntUnary(IntUnary, Width, ValType),
    ExtendUnsigned,
    IntBinary(IntBinary, Width),
    Divide(Division, Width),
    FloatUnary(FloatUnary, ValType),
    FloatBinary(FloatBinary, ValType),
    /// With the type of the result.
    Convert(Conversion, ValType),
}

const _: () = assert!(size_of::<Instruction>() == 8);

/// Parameters and results of a block: none, one result, or an interned signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSignature(u32);

/// The types of a single result, which have small numbers.
const SINGLE_RESULTS: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

impl BlockSignature {
    /// `[] -> []`.
    pub const EMPTY: Self = Self(0);
    const FIRST_INTERNED: u32 = 1 + SINGLE_RESULTS.len() as u32;

    /// `[] -> [ty]`.
    pub fn result(ty: ValType) -> Self {
        let number = SINGLE_RESULTS.iter().position(|&single| single == ty);
        Self(1 + number.expect("all types are listed") as u32)
    }

    /// By the index of the interned signature.
    pub fn interned(signature: u32) -> Self {
        Self(Self::FIRST_INTERNED + signature)
    }

    /// The number of the signature, which is not much greater than the number of interned ones.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The signature of this number.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether it is an interned signature; others have no parameters.
    pub fn is_interned(self) -> bool {
        self.0 >= Self::FIRST_INTERNED
    }

    /// Types of the parameters, given all interned signatures.
    pub fn params(self, signatures: &[FuncType]) -> &[ValType] {
        match self.0.checked_sub(Self::FIRST_INTERNED) {
            Some(signature) => &signatures[signature as usize].params,
            None => &[],
        }
    }

    /// Types of the results, given all interned signatures.
    pub fn results(self, signatures: &[FuncType]) -> &[ValType] {
        match self.0.checked_sub(Self::FIRST_INTERNED) {
            Some(signature) => &signatures[signature as usize].results,
            None if self == Self::EMPTY => &[],
            None => &SINGLE_RESULTS[self.0 as usize - 1..][..1],
        }
    }
}

/// Marks a distance that does not fit in a byte.
const FAR: u8 = u8::MAX;

/// An instruction with its place in the module, in nine bytes.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
pub(crate) struct Placed {
    pub instruction: Instruction,
    /// Distance in bytes from the start of the instruction before; or [`FAR`].
    step: u8,
}

const _: () = assert!(size_of::<Placed>() == 9);

/// The instructions of one body.
#[derive(Debug, Default)]
pub(crate) struct Code {
    instructions: Vec<Placed>,
    /// Start offsets of the instructions whose step is [`FAR`], in order.
    far: Vec<u32>,
    /// Start offset of the last instruction.
    last: u32,
    constants: Vec<u64>,
    /// Costs of the metered blocks, by number.
    costs: Vec<u64>,
    /// Targets of all tables, the default the last of each, and where each table ends.
    targets: Vec<Depth>,
    table_ends: Vec<u32>,
}

impl Code {
    /// Removes everything and keeps the allocations.
    pub fn clear(&mut self) {
        self.instructions.clear();
        self.far.clear();
        self.last = 0;
        self.constants.clear();
        self.costs.clear();
        self.targets.clear();
        self.table_ends.clear();
    }

    /// Makes room for so many instructions.
    pub fn reserve(&mut self, instructions: usize) {
        self.instructions.reserve(instructions);
    }

    /// Appends an instruction that begins at an offset.
    #[inline(always)]
    pub fn push(&mut self, instruction: Instruction, offset: u32) {
        let mut step = offset.wrapping_sub(self.last);
        self.last = offset;
        if step >= u32::from(FAR) {
            step = self.push_far(offset);
        }
        self.instructions.push(Placed {
            instruction,
            step: step as u8,
        });
    }

    #[cold]
    fn push_far(&mut self, offset: u32) -> u32 {
        self.far.push(offset);
        u32::from(FAR)
    }

    /// The instruction that pushes these bits.
    pub fn constant_of(&mut self, ty: ValType, bits: u64) -> Instruction {
        match u32::try_from(bits) {
            Ok(bits) => Instruction::Const(ty, bits),
            Err(_) => {
                self.constants.push(bits);
                Instruction::WideConst(ty, self.constants.len() as u32 - 1)
            }
        }
    }

    /// Adds a target to the table that the next [`end_table`](Self::end_table) ends.
    pub fn add_target(&mut self, depth: Depth) {
        self.targets.push(depth);
    }

    /// The `br_table` to the targets added since the last one, the default last.
    pub fn end_table(&mut self) -> Instruction {
        self.table_ends.push(self.targets.len() as u32);
        Instruction::BrTable(self.table_ends.len() as u32 - 1)
    }

    /// All instructions.
    pub fn instructions(&self) -> &[Placed] {
        &self.instructions
    }

    /// Takes the instructions out, for one forward walk.
    pub fn take_instructions(&mut self) -> Instructions {
        Instructions::new(std::mem::take(&mut self.instructions))
    }

    /// Gives the allocation back after the walk.
    pub fn put_back(&mut self, instructions: Instructions) {
        self.instructions = instructions.piece;
    }

    /// Start offset of the `number`-th instruction whose step is [`FAR`].
    #[cold]
    fn far_offset(&self, number: usize) -> u32 {
        self.far[number]
    }

    /// Gives the metered blocks their costs, in order.
    pub fn set_costs(&mut self, costs: impl Iterator<Item = u64>) {
        self.costs.clear();
        self.costs.extend(costs);
    }

    /// The cost of the metered block of this number; 0 is not charged.
    pub fn cost(&self, block: u32) -> u64 {
        self.costs[block as usize]
    }

    /// The constant with this number.
    pub fn constant(&self, number: u32) -> u64 {
        self.constants[number as usize]
    }

    /// The targets of the table with this number, the default last.
    pub fn table(&self, number: u32) -> &[Depth] {
        let number = number as usize;
        let start = match number.checked_sub(1) {
            Some(before) => self.table_ends[before],
            None => 0,
        };
        &self.targets[start as usize..self.table_ends[number] as usize]
    }
}

/// The instructions of a body during pass 2. Those of a long body are taken piece by piece, and the memory of each piece
/// is given back, because the code grows at the same time.
#[derive(Debug)]
pub(crate) struct Instructions {
    piece: Vec<Placed>,
    /// Index in the piece of the next instruction.
    at: usize,
    /// The instructions after the piece, in reverse order.
    behind: Vec<Placed>,
    /// Start offset in the module of the instruction taken last.
    offset: u32,
    /// Instructions so far whose step was [`FAR`].
    far: usize,
}

/// Instructions of a piece.
const PIECE: usize = 1 << 16;

impl Instructions {
    fn new(mut all: Vec<Placed>) -> Self {
        let mut behind = Vec::new();
        if all.len() > PIECE {
            all.reverse();
            std::mem::swap(&mut all, &mut behind);
        }
        Self {
            piece: all,
            at: 0,
            behind,
            offset: 0,
            far: 0,
        }
    }

    /// Goes on to the next instruction of this code.
    #[inline(always)]
    pub fn advance(&mut self, code: &Code) -> Option<&Placed> {
        if self.at >= self.piece.len() {
            self.next_piece()?;
        }
        let placed = &self.piece[self.at];
        self.at += 1;
        self.offset = match placed.step {
            FAR => {
                self.far += 1;
                code.far_offset(self.far - 1)
            }
            step => self.offset + u32::from(step),
        };
        Some(placed)
    }

    #[cold]
    fn next_piece(&mut self) -> Option<()> {
        let rest = self.behind.len().saturating_sub(PIECE);
        self.piece.clear();
        self.piece.extend(self.behind.drain(rest..).rev());
        self.behind.shrink_to_fit();
        self.at = 0;
        (!self.piece.is_empty()).then_some(())
    }

    /// Start offset in the module of the instruction taken last.
    #[inline(always)]
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// The instruction `distance` after the next one.
    #[inline(always)]
    pub fn following(&self, distance: usize) -> Option<&Placed> {
        match self.piece.get(self.at + distance) {
            None => self.following_piece(distance),
            following => following,
        }
    }

    #[cold]
    fn following_piece(&self, distance: usize) -> Option<&Placed> {
        let distance = self.at + distance - self.piece.len();
        self.behind.iter().rev().nth(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_knows_where_it_begins() {
        let mut code = Code::default();
        for offsets in [&[7, 8, 262, 516, 771, 772, 100_000][..], &[300, 301], &[0]] {
            code.clear();
            for &offset in offsets {
                code.push(Instruction::Drop, offset);
            }
            let mut instructions = code.take_instructions();
            for &offset in offsets {
                assert!(instructions.advance(&code).is_some());
                assert_eq!(instructions.offset(), offset);
            }
            assert!(instructions.advance(&code).is_none());
            code.put_back(instructions);
        }
    }

    #[test]
    fn long_bodies_go_through_in_pieces() {
        let count = PIECE as u32 * 2 + 3;
        let mut code = Code::default();
        for number in 0..count {
            code.push(Instruction::LocalGet(number), number * 2);
        }
        let local = |placed: Option<&Placed>| placed.map(|placed| placed.instruction);
        let expected = |number| (number < count).then_some(Instruction::LocalGet(number));
        let mut instructions = code.take_instructions();
        for number in 0..count {
            assert_eq!(local(instructions.advance(&code)), expected(number));
            assert_eq!(instructions.offset(), number * 2);
            for distance in 0..2 {
                let following = local(instructions.following(distance));
                assert_eq!(following, expected(number + 1 + distance as u32));
            }
        }
        assert!(instructions.advance(&code).is_none());
    }
}
