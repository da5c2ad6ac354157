//! Which points of a body are reachable: rule STACK-4.
//!
//! In: the operators of a valid body in order. Out: whether the point after each can be reached, decided by
//! the structure alone.

use wasmparser::Operator;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
    Else,
}

/// An open block.
struct Frame {
    kind: Kind,
    /// Code here cannot be reached.
    unreachable: bool,
    /// The block itself began in unreachable code.
    skipped: bool,
    /// A branch goes to the block's label.
    targeted: bool,
}

/// The walk over a body.
#[derive(Default)]
pub(crate) struct Reachability {
    frames: Vec<Frame>,
}

impl Reachability {
    /// Starts a body.
    pub fn begin(&mut self) {
        self.frames.clear();
        self.enter(Kind::Block, false);
    }

    /// Whether the point after the last operator is reachable. Nothing is behind the body's `end`.
    pub fn reachable(&self) -> bool {
        self.frames.last().is_some_and(|frame| !frame.unreachable)
    }

    /// Takes the next operator.
    pub fn operator(&mut self, operator: &Operator<'_>) {
        let skipped = !self.reachable();
        match *operator {
            Operator::Block { .. } => self.enter(Kind::Block, skipped),
            Operator::Loop { .. } => self.enter(Kind::Loop, skipped),
            Operator::If { .. } => self.enter(Kind::If, skipped),
            Operator::Else => self.enter_else(),
            Operator::End => self.leave(),
            _ if skipped => {}
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.stop();
            }
            Operator::BrIf { relative_depth } => self.branch(relative_depth),
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

    fn enter(&mut self, kind: Kind, skipped: bool) {
        self.frames.push(Frame {
            kind,
            unreachable: skipped,
            skipped,
            targeted: false,
        });
    }

    fn enter_else(&mut self) {
        if let Some(frame) = self.frames.last_mut()
            && !frame.skipped
        {
            // The end of the first branch is a branch to the end of both.
            frame.targeted |= !frame.unreachable;
            frame.unreachable = false;
            frame.kind = Kind::Else;
        }
    }

    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let ends_reachable = match frame.kind {
            Kind::Loop => !frame.unreachable,
            Kind::If => true,
            Kind::Block | Kind::Else => !frame.unreachable || frame.targeted,
        };
        if let Some(outer) = self.frames.last_mut()
            && !frame.skipped
        {
            outer.unreachable = !ends_reachable;
        }
    }

    fn branch(&mut self, depth: u32) {
        let index = self.frames.len().checked_sub(1 + depth as usize);
        if let Some(frame) = index.and_then(|index| self.frames.get_mut(index)) {
            frame.targeted = true;
        }
    }

    fn stop(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.unreachable = true;
        }
    }
}
