//! The operand height of a body at its reachable points: rules STACK-3 and STACK-4.
//!
//! In: the operators of a valid body in order, and the operand height after each. Out: whether the point after an
//! operator can be reached, which the structure of the body alone decides, and the greatest height where it can.
//! Each operator takes constant time (`br_table`: linear in its targets).

use crate::stack::give_back;
use wasmparser::Operator;

/// The kind of an open block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// `block`, or the body itself.
    Block,
    /// `loop`.
    Loop,
    /// `if`, before its `else`.
    If,
    /// `if`, after its `else`.
    Else,
}

/// An open block, with what the caller keeps of it.
#[derive(Clone, Debug)]
struct Block<B> {
    kept: B,
    kind: BlockKind,
    /// Code here cannot be reached.
    unreachable: bool,
    /// The block itself began in unreachable code.
    skipped: bool,
    /// A branch goes to the block's label.
    targeted: bool,
}

/// The walk over a body. A caller may keep a `B` of each open block.
///
/// ```
/// # use pvf_metering::Reachability;
/// # use wasmparser::Operator;
/// let mut walk = Reachability::default();
/// walk.begin(());
/// for (operator, height) in [
///     (Operator::I32Const { value: 1 }, 1),
///     (Operator::Return, 0),
///     (Operator::I64Const { value: 2 }, 1),
///     (Operator::I64Const { value: 3 }, 2),
/// ] {
///     walk.operator(&operator);
///     walk.observe(height);
/// }
/// assert!(!walk.reachable());
/// assert_eq!(walk.greatest_height(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Reachability<B = ()> {
    blocks: Vec<Block<B>>,
    greatest_height: u32,
}

impl<B> Default for Reachability<B> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            greatest_height: 0,
        }
    }
}

impl<B> Reachability<B> {
    /// Makes room for so many open blocks.
    pub fn reserve(&mut self, blocks: usize) {
        self.blocks.reserve(blocks);
    }

    /// Starts a body.
    pub fn begin(&mut self, kept: B) {
        self.blocks.clear();
        self.greatest_height = 0;
        self.enter(BlockKind::Block, kept);
        // There is nothing around the body that it could be unreachable in.
        if let Some(body) = self.blocks.last_mut() {
            (body.unreachable, body.skipped) = (false, false);
        }
    }

    /// Whether the point after the last operator is reachable. No point after the body's `end` is.
    #[inline(always)]
    pub fn reachable(&self) -> bool {
        self.blocks.last().is_some_and(|block| !block.unreachable)
    }

    /// Notes the operand height after the last operator. It counts if the point is reachable.
    #[inline(always)]
    pub fn observe(&mut self, height: u32) {
        if self.reachable() {
            self.greatest_height = self.greatest_height.max(height);
        }
    }

    /// The greatest operand height at a reachable point so far.
    pub fn greatest_height(&self) -> u32 {
        self.greatest_height
    }

    /// A block begins. Returns whether it can be reached.
    #[inline]
    pub fn enter(&mut self, kind: BlockKind, kept: B) -> bool {
        let skipped = !self.reachable();
        self.blocks.push(Block {
            kept,
            kind,
            unreachable: skipped,
            skipped,
            targeted: false,
        });
        !skipped
    }

    /// The `else` of the innermost block. Returns what is kept of the block if it could be reached where it began.
    #[inline]
    pub fn enter_else(&mut self) -> Option<&mut B> {
        let block = self.blocks.last_mut().filter(|block| !block.skipped)?;
        // The end of the first branch is a branch to the end of both.
        block.targeted |= !block.unreachable;
        block.unreachable = false;
        block.kind = BlockKind::Else;
        Some(&mut block.kept)
    }

    /// The `end` of the innermost block. Returns the block if it could be reached where it began.
    #[inline]
    pub fn leave(&mut self) -> Option<(BlockKind, B)> {
        let block = self.blocks.pop()?;
        give_back(&mut self.blocks);
        if block.skipped {
            return None;
        }
        let ends_reachable = match block.kind {
            BlockKind::Loop => !block.unreachable,
            BlockKind::If => true,
            BlockKind::Block | BlockKind::Else => !block.unreachable || block.targeted,
        };
        if let Some(outer) = self.blocks.last_mut() {
            outer.unreachable = !ends_reachable;
        }
        Some((block.kind, block.kept))
    }

    /// A reachable branch to the label of the block at this depth; `None` if there is no such block.
    #[inline]
    pub fn branch(&mut self, depth: u32) -> Option<&mut B> {
        let index = self.blocks.len().checked_sub(1)?;
        let block = self.blocks.get_mut(index.checked_sub(depth as usize)?)?;
        block.targeted = true;
        Some(&mut block.kept)
    }

    /// The last operator does not go on to the next.
    #[inline]
    pub fn stop(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.unreachable = true;
        }
    }
}

impl<B: Default> Reachability<B> {
    /// Takes the next operator.
    pub fn operator(&mut self, operator: &Operator<'_>) {
        match *operator {
            Operator::Block { .. } => {
                self.enter(BlockKind::Block, B::default());
            }
            Operator::Loop { .. } => {
                self.enter(BlockKind::Loop, B::default());
            }
            Operator::If { .. } => {
                self.enter(BlockKind::If, B::default());
            }
            Operator::Else => {
                self.enter_else();
            }
            Operator::End => {
                self.leave();
            }
            _ if !self.reachable() => {}
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.stop();
            }
            Operator::BrIf { relative_depth } => {
                self.branch(relative_depth);
            }
            Operator::BrTable { ref targets } => {
                for target in targets.targets().flatten() {
                    self.branch(target);
                }
                self.branch(targets.default());
                self.stop();
            }
            Operator::Return | Operator::Unreachable => self.stop(),
            _ => {}
        }
    }
}
