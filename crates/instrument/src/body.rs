//! A function's body with its meters.
//!
//! In: a valid body, its charges and the globals of the meters. Out: the new body. Operators that stay are copied as
//! bytes, because no index changes.

use crate::analysis::Charges;
use crate::error::InstrumentError;
use pvf_metering::Costs;
use pvf_rules::{LimitExceeded, Limits, TrapKind};
use wasm_encoder::{BlockType, Encode, InstructionSink, ValType};
use wasmparser::{FunctionBody, Operator};

/// Indices of the globals of the meters in use.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Globals {
    pub gas: Option<u32>,
    pub native: Option<u32>,
    pub logical: Option<u32>,
    pub trap: u32,
}

/// What all bodies of a module share.
pub(crate) struct Context<'a> {
    /// The module.
    pub wasm: &'a [u8],
    pub globals: Globals,
    pub costs: Option<&'a Costs>,
}

/// A function to be written.
pub(crate) struct Function<'a> {
    /// Index, imported ones counted.
    pub index: u32,
    pub body: &'a FunctionBody<'a>,
    pub charges: &'a Charges,
    /// How many parameters it has.
    pub params: u32,
    /// The type of a block with its results.
    pub block: BlockType,
}

/// The body of a function in the new module: locals and operators.
pub(crate) fn rewrite(
    context: &Context<'_>,
    function: &Function<'_>,
) -> Result<Vec<u8>, InstrumentError> {
    let limit = |limit: LimitExceeded| InstrumentError::Limit {
        function: Some(function.index),
        limit,
    };
    let invalid = |source| InstrumentError::Invalid {
        function: Some(function.index),
        source,
    };
    let mut writer = Writer::new(context, function);
    writer.locals().map_err(invalid)?;
    writer.operators().map_err(invalid)?;
    let limits = Limits::DEFAULT;
    limits
        .body_bytes(writer.out.len() as u64)
        .and(limits.nesting(writer.deepest.into()))
        .and(limits.locals(writer.all_locals))
        .map_err(limit)?;
    Ok(writer.out)
}

struct Writer<'w> {
    context: &'w Context<'w>,
    function: &'w Function<'w>,
    out: Vec<u8>,
    /// End of the part of the module copied so far.
    copied: u64,
    /// Global and amount of each charge of the stack meters, in the order of the checks.
    stack: Vec<(u32, u64)>,
    /// Price of a page, if `memory.grow` is charged by pages.
    page_price: Option<u32>,
    /// Open blocks of the original body, not counting the body itself.
    depth: u32,
    /// Most blocks open at once, counting the body itself.
    deepest: u32,
    /// Parameters and locals.
    all_locals: u64,
}

impl<'w> Writer<'w> {
    fn new(context: &'w Context<'w>, function: &'w Function<'w>) -> Self {
        let Globals {
            native, logical, ..
        } = context.globals;
        let charges = function.charges;
        let logical = logical.zip(charges.logical_cost.map(u64::from));
        let native = native.map(|global| (global, charges.frame_bytes));
        let price = context.costs.map_or(0, Costs::memory_grow_per_page);
        let page_price = (charges.grows && price > 0).then_some(price);
        Self {
            context,
            function,
            out: Vec::new(),
            copied: 0,
            stack: logical.into_iter().chain(native).collect(),
            page_price,
            depth: 0,
            deepest: 1,
            all_locals: u64::from(function.params)
                + u64::from(charges.locals)
                + u64::from(page_price.is_some()),
        }
    }

    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.out)
    }

    /// Copies the operators of the original up to this offset.
    fn copy_to(&mut self, offset: u64) {
        let bytes = &self.context.wasm[self.copied as usize..offset as usize];
        self.out.extend_from_slice(bytes);
        self.copied = offset;
    }

    /// The declarations of locals, and one more for the pages of `memory.grow`.
    fn locals(&mut self) -> wasmparser::Result<()> {
        let groups = self.function.body.get_locals_reader()?;
        let more = u32::from(self.page_price.is_some());
        (groups.get_count() + more).encode(&mut self.out);
        self.copied = groups.original_position();
        let operators = self.function.body.get_binary_reader_for_operators()?;
        self.copy_to(operators.original_position());
        if more > 0 {
            more.encode(&mut self.out);
            ValType::I32.encode(&mut self.out);
        }
        Ok(())
    }

    fn operators(&mut self) -> wasmparser::Result<()> {
        self.enter();
        let mut charges = self.function.charges.gas.iter().peekable();
        let mut operators = self.function.body.get_operators_reader()?;
        let mut index = 0;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            if let Some(charge) = charges.next_if(|charge| charge.operator == index) {
                self.copy_to(offset);
                self.charge_gas(charge.cost);
            }
            self.operator(&operator, offset, operators.original_position());
            index += 1;
        }
        debug_assert!(charges.next().is_none(), "every charge has an operator");
        Ok(())
    }

    fn operator(&mut self, operator: &Operator<'_>, offset: u64, end: u64) {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                self.depth += 1;
                self.note_depth(0);
            }
            Operator::End if self.depth > 0 => self.depth -= 1,
            Operator::End => {
                self.copy_to(offset);
                self.leave();
                self.copy_to(end);
            }
            // The label of the body is now that of the block around it.
            Operator::Return if self.wraps() => {
                self.copy_to(offset);
                let depth = self.depth;
                self.sink().br(depth);
                self.copied = end;
            }
            Operator::MemoryGrow { .. } => {
                if let Some(price) = self.page_price {
                    self.copy_to(offset);
                    self.charge_pages(price);
                }
            }
            _ => {}
        }
    }

    /// The body is a block in the new body.
    fn wraps(&self) -> bool {
        !self.stack.is_empty()
    }

    fn note_depth(&mut self, more: u32) {
        let depth = 1 + u32::from(self.wraps()) + self.depth + more;
        self.deepest = self.deepest.max(depth);
    }

    /// Writes the code before the original operators.
    fn enter(&mut self) {
        for (global, amount) in self.stack.clone() {
            self.charge(global, TrapKind::StackOverflow, |sink| {
                sink.i64_const(amount as i64);
            });
        }
        if self.wraps() {
            let block = self.function.block;
            self.sink().block(block);
            self.note_depth(0);
        }
    }

    /// Writes the code after the original operators, which every return reaches.
    fn leave(&mut self) {
        if self.wraps() {
            self.sink().end();
        }
        for (global, amount) in self.stack.clone() {
            let mut sink = self.sink();
            sink.global_get(global).i64_const(amount as i64);
            sink.i64_add().global_set(global);
        }
    }

    fn charge_gas(&mut self, cost: u64) {
        if let Some(global) = self.context.globals.gas {
            self.charge(global, TrapKind::OutOfGas, |sink| {
                sink.i64_const(cost as i64);
            });
        }
    }

    /// Charges the pages on the operand stack, and leaves them there.
    fn charge_pages(&mut self, price: u32) {
        let Some(global) = self.context.globals.gas else {
            return;
        };
        let pages = self.all_locals as u32 - 1;
        self.sink().local_set(pages);
        self.charge(global, TrapKind::OutOfGas, |sink| {
            sink.local_get(pages).i64_extend_i32_u();
            sink.i64_const(price.into()).i64_mul();
        });
        self.sink().local_get(pages);
    }

    /// Subtracts an amount from a global, or traps if the global holds less.
    fn charge(&mut self, global: u32, trap: TrapKind, amount: impl Fn(&mut InstructionSink<'_>)) {
        self.note_depth(1);
        let trap_global = self.context.globals.trap;
        let mut sink = self.sink();
        sink.global_get(global);
        amount(&mut sink);
        sink.i64_lt_u().if_(BlockType::Empty);
        sink.i32_const(trap.code().into()).global_set(trap_global);
        sink.unreachable().end();
        sink.global_get(global);
        amount(&mut sink);
        sink.i64_sub().global_set(global);
    }
}
