//! The logical cost of a function: what one active call of it adds to the logical stack.
//!
//! In: the operators of a valid body in order. Out: the cost in units. Each operator takes
//! constant time (`br_table`: linear in its targets) and nothing is allocated but the
//! frames of open blocks, in a buffer that stays from body to body.

use crate::Instruction;
use crate::error::{MeterError, NO_FRAME, NO_FUNCTION, NO_LABEL, NO_TYPE};
use crate::signatures::{Arity, Signatures};
use crate::stack::give_back;
use wasmparser::{BlockType, Operator};

/// The height at which every body starts.
pub const ACTIVATION_COST: u32 = 2;

/// An open block.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Height below the block's own operands.
    base: u32,
    /// Values the block takes when it begins, and [`Frame::FLAG`] if branches to the label go back.
    params: u16,
    /// Values the block gives when it ends, and [`Frame::FLAG`] after an instruction that does not go on. Only the `else`
    /// of an extended block takes it back.
    results: u16,
}

// A million blocks may be nested.
const _: () = assert!(size_of::<Frame>() == 8);

impl Frame {
    const FLAG: u16 = 1 << 15;

    fn new(base: u32, arity: Arity, is_loop: bool) -> Result<Self, MeterError> {
        let narrow = |count| {
            let count = u16::try_from(count).ok();
            let count = count.filter(|count| count & Self::FLAG == 0);
            count.ok_or(MeterError::Overflow {
                what: "the number of values of a block",
            })
        };
        Ok(Self {
            base,
            params: narrow(arity.params)? | if is_loop { Self::FLAG } else { 0 },
            results: narrow(arity.results)?,
        })
    }

    fn params(&self) -> u32 {
        u32::from(self.params & !Self::FLAG)
    }

    fn results(&self) -> u32 {
        u32::from(self.results & !Self::FLAG)
    }

    #[inline]
    fn is_polymorphic(&self) -> bool {
        self.results & Self::FLAG != 0
    }

    fn set_polymorphic(&mut self, on: bool) {
        self.results = self.results & !Self::FLAG | if on { Self::FLAG } else { 0 };
    }

    /// Values a branch to the block's label takes.
    #[inline]
    fn label_arity(&self) -> u32 {
        match self.params & Self::FLAG != 0 {
            true => self.params(),
            false => self.results(),
        }
    }

    /// The block takes values or gives several: WebAssembly 1.0 and the reference have none such.
    fn is_extended(&self) -> bool {
        self.params() > 0 || self.results() > 1
    }
}

/// The walk that finds a logical cost.
///
/// ```
/// # use pvf_metering::{LogicalHeight, ModuleSignatures};
/// # use wasmparser::Operator;
/// let module = ModuleSignatures::default();
/// let mut height = LogicalHeight::new();
/// height.begin(3, 0);
/// height.operator(&Operator::I32Const { value: 1 }, &module)?;
/// height.operator(&Operator::Drop, &module)?;
/// height.operator(&Operator::End, &module)?;
/// assert_eq!(height.finish()?, 3 + 2 + 1);
/// # Ok::<(), pvf_metering::MeterError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LogicalHeight {
    /// The innermost block, unless the body has ended.
    innermost: Option<Frame>,
    /// The blocks around it, the body first.
    outer: Vec<Frame>,
    /// Heights count: the innermost block is not polymorphic.
    counts: bool,
    declared_locals: u32,
    height: u32,
    max_height: u32,
}

impl LogicalHeight {
    /// A walk without a body; [`begin`](Self::begin) gives it one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for so many open blocks.
    pub fn reserve(&mut self, blocks: usize) {
        self.outer.reserve(blocks);
    }

    /// Starts a body with so many declared locals (parameters not counted) and results of its
    /// function.
    pub fn begin(&mut self, declared_locals: u32, results: u32) {
        self.outer.clear();
        self.innermost = Some(Frame {
            base: 0,
            params: 0,
            // No implementation takes a function of more.
            results: results
                .try_into()
                .unwrap_or(Frame::FLAG - 1)
                .min(Frame::FLAG - 1),
        });
        self.counts = true;
        self.declared_locals = declared_locals;
        self.height = ACTIVATION_COST;
        self.max_height = 0;
    }

    /// Takes the next operator of the body, unreachable ones and the last `end` as well.
    ///
    /// # Errors
    /// [`MeterError`]; the body then has no cost, and the walk must [`begin`](Self::begin) anew.
    // A caller that knows the operator is left with its own arm, which most often is two additions.
    #[inline(always)]
    pub fn operator(
        &mut self,
        operator: &Operator<'_>,
        module: &impl Signatures,
    ) -> Result<(), MeterError> {
        if let Operator::BrTable { ref targets } = *operator {
            let others = targets.targets();
            let others = others.map(|label| label.map_err(|_| NO_LABEL));
            return self.branch_table(targets.default(), others);
        }
        self.observe()?;
        match *operator {
            Operator::Block { blockty } => self.enter(blockty, false, module),
            Operator::Loop { blockty } => self.enter(blockty, true, module),
            Operator::If { blockty } => {
                self.pop(1)?;
                self.enter(blockty, false, module)
            }
            Operator::Else => self.other_branch(),
            Operator::End => self.leave(),
            Operator::Unreachable => self.stop(),
            Operator::Br { relative_depth } => self.branch(relative_depth),
            Operator::BrIf { relative_depth } => self.branch_if(relative_depth),
            Operator::Return => self.leave_function(),
            Operator::Call { function_index } => {
                let arity = module.function(function_index).ok_or(NO_FUNCTION)?;
                self.call(arity)
            }
            Operator::CallIndirect { type_index, .. } => {
                let arity = module.function_type(type_index).ok_or(NO_TYPE)?;
                self.pop(1)?;
                self.call(arity)
            }
            // Two pops: they differ from one of three in polymorphic frames.
            Operator::Select => {
                self.pop(2)?;
                self.pop(1)?;
                self.push(1)
            }
            ref plain => {
                let instruction = Instruction::of(plain).ok_or(MeterError::UnknownInstruction)?;
                let (pops, pushes) = instruction.effect();
                self.pop(pops)?;
                self.push(pushes)
            }
        }
    }

    /// Takes the next operator of the body, one that takes and gives so many operands and does nothing else to the
    /// height.
    ///
    /// # Errors
    /// As [`operator`](Self::operator).
    #[inline(always)]
    pub fn plain(&mut self, pops: u32, pushes: u32) -> Result<(), MeterError> {
        // A valid body has the operands where heights count.
        if self.counts
            && let Some(rest) = self.height.checked_sub(pops)
            && let Some(height) = rest.checked_add(pushes)
        {
            self.max_height = self.max_height.max(self.height);
            self.height = height;
            return Ok(());
        }
        self.plain_elsewhere(pops, pushes)
    }

    /// The same in a polymorphic block.
    #[cold]
    fn plain_elsewhere(&mut self, pops: u32, pushes: u32) -> Result<(), MeterError> {
        self.observe()?;
        self.pop(pops)?;
        self.push(pushes)
    }

    /// Takes the next operator of the body, a `br_table` with this default label and these others, given by their
    /// depths. The index is not popped.
    ///
    /// # Errors
    /// As [`operator`](Self::operator), and the first error among the labels.
    pub fn branch_table(
        &mut self,
        default: u32,
        others: impl IntoIterator<Item = Result<u32, MeterError>>,
    ) -> Result<(), MeterError> {
        self.observe()?;
        let arity = self.frame(default)?.label_arity();
        for label in others {
            if self.frame(label?)?.label_arity() != arity {
                return Err(MeterError::BrTableArity);
            }
        }
        self.pop(arity)?;
        self.stop()
    }

    /// The cost of the body: declared locals and greatest height, in units; at least
    /// [`ACTIVATION_COST`].
    ///
    /// # Errors
    /// [`MeterError::Malformed`] before the last `end`, [`MeterError::Overflow`] beyond `u32`.
    pub fn finish(&self) -> Result<u32, MeterError> {
        if self.innermost.is_some() || self.max_height == 0 {
            return Err(MeterError::Malformed {
                what: "the body does not end",
            });
        }
        let cost = self.declared_locals.checked_add(self.max_height);
        cost.ok_or(MeterError::Overflow {
            what: "the logical cost",
        })
    }

    /// Heights count before an operator, never after the last one, and only while the innermost
    /// frame is not polymorphic, whatever those around it are.
    #[inline]
    fn observe(&mut self) -> Result<(), MeterError> {
        let innermost = self.innermost.as_ref().ok_or(NO_FRAME)?;
        if !innermost.is_polymorphic() {
            self.max_height = self.max_height.max(self.height);
        }
        Ok(())
    }

    fn frame(&self, relative_depth: u32) -> Result<Frame, MeterError> {
        if relative_depth == 0 {
            return self.innermost.ok_or(NO_FRAME);
        }
        let index = self.outer.len().checked_sub(relative_depth as usize);
        Ok(self.outer[index.ok_or(NO_LABEL)?])
    }

    /// A pop right at the base of a polymorphic frame takes nothing; one from above the base takes
    /// all it asks for, even from below the base.
    #[inline]
    fn pop(&mut self, count: u32) -> Result<(), MeterError> {
        if count == 0 {
            return Ok(());
        }
        let innermost = self.innermost.as_ref().ok_or(NO_FRAME)?;
        if self.height == innermost.base {
            return if innermost.is_polymorphic() {
                Ok(())
            } else {
                Err(MeterError::OuterOperand)
            };
        }
        self.height = self
            .height
            .checked_sub(count)
            .ok_or(MeterError::Underflow)?;
        Ok(())
    }

    #[inline]
    fn push(&mut self, count: u32) -> Result<(), MeterError> {
        let height = self.height.checked_add(count);
        self.height = height.ok_or(MeterError::Overflow {
            what: "the logical height",
        })?;
        Ok(())
    }

    fn call(&mut self, arity: Arity) -> Result<(), MeterError> {
        self.pop(arity.params)?;
        self.push(arity.results)
    }

    fn enter(
        &mut self,
        ty: BlockType,
        is_loop: bool,
        module: &impl Signatures,
    ) -> Result<(), MeterError> {
        let arity = module.block(ty).ok_or(NO_TYPE)?;
        // Without parameters, as in the reference, both are no-ops.
        self.pop(arity.params)?;
        let base = self.height;
        self.push(arity.params)?;
        let block = Frame::new(base, arity, is_loop)?;
        self.outer.extend(self.innermost.replace(block));
        self.counts = true;
        Ok(())
    }

    /// The reference resets neither the height nor the frame at an `else`, and blocks that it knows are counted as it
    /// counts them. In an extended block either branch starts from the parameters.
    fn other_branch(&mut self) -> Result<(), MeterError> {
        let frame = self.innermost.as_mut().ok_or(NO_FRAME)?;
        if !frame.is_extended() {
            return Ok(());
        }
        frame.set_polymorphic(false);
        self.counts = true;
        self.height = frame.base;
        let params = frame.params();
        self.push(params)
    }

    fn leave(&mut self) -> Result<(), MeterError> {
        let frame = self.innermost.take().ok_or(NO_FRAME)?;
        self.innermost = self.outer.pop();
        give_back(&mut self.outer);
        self.counts = self.innermost.is_some_and(|frame| !frame.is_polymorphic());
        self.height = frame.base;
        self.push(frame.results())
    }

    fn branch(&mut self, relative_depth: u32) -> Result<(), MeterError> {
        self.pop(self.frame(relative_depth)?.label_arity())?;
        self.stop()
    }

    fn branch_if(&mut self, relative_depth: u32) -> Result<(), MeterError> {
        let arity = self.frame(relative_depth)?.label_arity();
        self.pop(arity)?;
        self.pop(1)?;
        self.push(arity)
    }

    fn leave_function(&mut self) -> Result<(), MeterError> {
        let innermost = self.innermost.as_ref().ok_or(NO_FRAME)?;
        let function = self.outer.first().unwrap_or(innermost);
        self.pop(function.label_arity())?;
        self.stop()
    }

    fn stop(&mut self) -> Result<(), MeterError> {
        let innermost = self.innermost.as_mut().ok_or(NO_FRAME)?;
        innermost.set_polymorphic(true);
        self.counts = false;
        Ok(())
    }
}
