//! The metered blocks of a body: where gas is charged, and how much.
//!
//! In: the operators of a valid body in order, with their offsets. Out: [`Charge`]s in the order
//! of the code. A metered block's cost belongs to its start and is complete only where the block
//! ends, so the list can be read once the body is through. Each operator takes constant
//! time (`br_table`: linear in its targets).

use crate::Costs;
use crate::Instruction;
use crate::error::{MeterError, NO_FRAME, NO_LABEL};
use wasmparser::Operator;

/// A charge made at one place of a body, whenever control comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Offset of the operator before which the charge is made, in bytes from where the module (or
    /// whatever the offsets count from) starts.
    pub offset: u64,
    /// Index of that operator in the body.
    pub operator: u32,
    /// Gas, at least 1.
    pub cost: u64,
}

/// An open control block.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Index of the charge that pays for the next operator. `None`: the next operator begins a
    /// metered block.
    charge: Option<u32>,
    /// Lowest index of a frame that a forward branch out of this frame, or out of one closed in
    /// it, goes to; the frame's own index if there is no such branch.
    lowest_target: u32,
    /// Branches to the label go back.
    is_loop: bool,
}

/// The walk that finds the charges of a body.
///
/// ```
/// # use pvf_metering::{Costs, GasBlocks};
/// # use wasmparser::Operator;
/// let costs = Costs::default();
/// let mut blocks = GasBlocks::new();
/// blocks.begin(&costs, 2)?;
/// blocks.operator(10, &Operator::Nop, &costs)?;
/// blocks.operator(11, &Operator::End, &costs)?;
/// let charges = blocks.finish()?;
/// assert_eq!((charges[0].offset, charges[0].cost), (10, 3));
/// # Ok::<(), pvf_metering::MeterError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GasBlocks {
    frames: Vec<Frame>,
    charges: Vec<Charge>,
    /// Index of the next operator.
    next: u32,
    /// Cost of the locals, charged with the first block.
    locals_cost: u64,
}

impl GasBlocks {
    /// A walk without a body; [`begin`](Self::begin) gives it one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a body with `declared_locals` declared locals, parameters not counted.
    ///
    /// # Errors
    /// [`MeterError::Overflow`] if the locals' cost is beyond `u32`.
    pub fn begin(&mut self, costs: &Costs, declared_locals: u32) -> Result<(), MeterError> {
        self.frames.clear();
        self.charges.clear();
        self.next = 0;
        let locals_cost = costs.per_local().checked_mul(declared_locals);
        self.locals_cost = u64::from(locals_cost.ok_or(MeterError::Overflow {
            what: "the gas cost of the locals",
        })?);
        self.frames.push(Frame {
            charge: None,
            lowest_target: 0,
            is_loop: false,
        });
        Ok(())
    }

    /// Takes the next operator of the body, unreachable ones and the last `end` as well.
    ///
    /// # Errors
    /// [`MeterError`]; the body then has no charges, and the walk must [`begin`](Self::begin) anew.
    // A caller that knows the operator is left with its own arm.
    #[inline(always)]
    pub fn operator(
        &mut self,
        offset: u64,
        operator: &Operator<'_>,
        costs: &Costs,
    ) -> Result<(), MeterError> {
        match *operator {
            Operator::End => {
                self.unpaid(offset)?;
                self.leave()
            }
            Operator::Else => {
                self.unpaid(offset)?;
                self.close_block()
            }
            Operator::BrTable { ref targets } => {
                let labels = targets.targets().chain([Ok(targets.default())]);
                let labels = labels.map(|label| label.map_err(|_| NO_LABEL));
                self.branch_table(offset, labels, costs)
            }
            _ => {
                let instruction =
                    Instruction::of(operator).ok_or(MeterError::UnknownInstruction)?;
                self.plain(offset, instruction, costs)?;
                self.control(operator)
            }
        }
    }

    /// Takes the next operator of the body, one that opens, closes and leaves no block.
    ///
    /// # Errors
    /// As [`operator`](Self::operator).
    #[inline]
    pub fn plain(
        &mut self,
        offset: u64,
        instruction: Instruction,
        costs: &Costs,
    ) -> Result<(), MeterError> {
        self.paid(offset, costs.instruction(instruction))
    }

    /// Takes the next operator of the body, a `br_table` to these labels, given by their depths, the default among
    /// them.
    ///
    /// # Errors
    /// As [`operator`](Self::operator), and the first error among the labels.
    pub fn branch_table(
        &mut self,
        offset: u64,
        labels: impl IntoIterator<Item = Result<u32, MeterError>>,
        costs: &Costs,
    ) -> Result<(), MeterError> {
        self.plain(offset, Instruction::BrTable, costs)?;
        for label in labels {
            self.branch(label?)?;
        }
        self.close_block()
    }

    /// The number of the metered block that begins with the operator taken last, if one does: its index in
    /// [`blocks`](Self::blocks).
    #[inline]
    pub fn begun(&self) -> Option<u32> {
        let last = self.charges.last()?;
        // `next` is the index of the operator after it.
        (last.operator + 1 == self.next).then(|| self.charges.len() as u32 - 1)
    }

    /// The metered blocks of the body in order, those of cost 0 included. No two begin with the same operator.
    ///
    /// # Errors
    /// [`MeterError::Malformed`] before the last `end`.
    pub fn blocks(&self) -> Result<&[Charge], MeterError> {
        if !self.frames.is_empty() || self.next == 0 {
            return Err(MeterError::Malformed {
                what: "the body does not end",
            });
        }
        debug_assert!(
            self.charges.is_sorted_by(|a, b| a.operator < b.operator),
            "a metered block is opened by the operator that is its start"
        );
        Ok(&self.charges)
    }

    /// The charges of the body in order: one for each metered block whose cost is not 0.
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks).
    pub fn finish(&mut self) -> Result<&[Charge], MeterError> {
        self.blocks()?;
        self.charges.retain(|charge| charge.cost > 0);
        Ok(&self.charges)
    }

    /// Takes an operator without a price.
    fn unpaid(&mut self, offset: u64) -> Result<(), MeterError> {
        if self.next == 0 {
            self.pay(offset, self.locals_cost)?;
        }
        self.count()
    }

    /// Takes an operator with a price.
    #[inline(never)]
    fn paid(&mut self, offset: u64, price: u32) -> Result<(), MeterError> {
        let locals = match self.next {
            0 => self.locals_cost,
            _ => 0,
        };
        // Both have 32 bits.
        self.pay(offset, locals + u64::from(price))?;
        self.count()
    }

    #[inline]
    fn count(&mut self) -> Result<(), MeterError> {
        self.next = self.next.checked_add(1).ok_or(MeterError::Overflow {
            what: "the count of operators",
        })?;
        Ok(())
    }

    /// The effect of a paid operator on the blocks.
    #[inline(always)]
    fn control(&mut self, operator: &Operator<'_>) -> Result<(), MeterError> {
        match *operator {
            // The block's first instructions are paid for with those before it.
            Operator::Block { .. } => self.enter(self.top()?.charge, false),
            Operator::If { .. } => self.enter(None, false),
            Operator::Loop { .. } => self.enter(None, true),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(relative_depth)?;
                self.close_block()?;
            }
            Operator::Return => {
                self.top_mut()?.lowest_target = 0;
                self.close_block()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds a cost to the block of the innermost frame; opens one here if none is open.
    #[inline]
    fn pay(&mut self, offset: u64, cost: u64) -> Result<(), MeterError> {
        let frame = self.frames.last_mut().ok_or(NO_FRAME)?;
        let charges = &mut self.charges;
        let index = *frame.charge.get_or_insert_with(|| {
            charges.push(Charge {
                offset,
                operator: self.next,
                cost: 0,
            });
            charges.len() as u32 - 1
        });
        let charge = &mut charges[index as usize];
        charge.cost = charge.cost.checked_add(cost).ok_or(MeterError::Overflow {
            what: "the gas cost of a block",
        })?;
        Ok(())
    }

    fn top(&self) -> Result<&Frame, MeterError> {
        self.frames.last().ok_or(NO_FRAME)
    }

    fn top_mut(&mut self) -> Result<&mut Frame, MeterError> {
        self.frames.last_mut().ok_or(NO_FRAME)
    }

    /// The innermost frame's block is complete; the next operator begins another.
    fn close_block(&mut self) -> Result<(), MeterError> {
        self.top_mut()?.charge = None;
        Ok(())
    }

    fn enter(&mut self, charge: Option<u32>, is_loop: bool) {
        let lowest_target = self.frames.len() as u32;
        self.frames.push(Frame {
            charge,
            lowest_target,
            is_loop,
        });
    }

    /// After the `end` of a frame that may have been left for one further out, the code is no
    /// longer sure to run with what stood before.
    fn leave(&mut self) -> Result<(), MeterError> {
        let closed = self.frames.pop().ok_or(NO_FRAME)?;
        let index = self.frames.len() as u32;
        if let Some(outer) = self.frames.last_mut() {
            outer.lowest_target = outer.lowest_target.min(closed.lowest_target);
            if closed.lowest_target < index {
                outer.charge = None;
            }
        }
        Ok(())
    }

    fn branch(&mut self, relative_depth: u32) -> Result<(), MeterError> {
        let innermost = self.frames.len().checked_sub(1).ok_or(NO_FRAME)?;
        let target = innermost.checked_sub(relative_depth as usize);
        let target = target.ok_or(NO_LABEL)?;
        if !self.frames[target].is_loop {
            let lowest = &mut self.frames[innermost].lowest_target;
            *lowest = (*lowest).min(target as u32);
        }
        Ok(())
    }
}
