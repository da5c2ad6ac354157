//! The meters on the walk of pass 1.

use crate::CompileOptions;
use crate::module::ParsedModule;
use pvf_metering::{
    Arity, Charge, Costs, GasBlocks, Instruction, LogicalHeight, MeterError, Signatures,
};
use wasmparser::Operator;

/// The meters that are on.
pub(super) struct Meters<'m> {
    pub module: &'m ParsedModule<'m>,
    pub logical: Option<&'m mut LogicalHeight>,
    pub gas: Option<(&'m mut GasBlocks, &'m Costs)>,
}

impl<'m> Meters<'m> {
    /// The meters that the options ask for.
    pub fn new(
        module: &'m ParsedModule<'m>,
        options: &'m CompileOptions,
        logical: &'m mut LogicalHeight,
        gas: &'m mut GasBlocks,
    ) -> Self {
        let metering = &options.metering;
        Self {
            module,
            logical: metering.logical_stack.then_some(logical),
            gas: metering.gas.as_deref().map(|costs| (gas, costs)),
        }
    }

    /// Starts a body.
    pub fn begin(&mut self, declared_locals: u32, results: u32) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.begin(declared_locals, results);
        }
        match &mut self.gas {
            Some((gas, costs)) => gas.begin(costs, declared_locals),
            None => Ok(()),
        }
    }

    /// Takes the next operator. Without `GAS`, gas is not counted.
    ///
    /// Inlined where the operator is known, so that only its own arms of both meters are left.
    #[inline(always)]
    pub fn operator<const GAS: bool>(
        &mut self,
        offset: u64,
        operator: &Operator<'_>,
    ) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.operator(operator, self.module)?;
        }
        match &mut self.gas {
            Some((gas, costs)) if GAS => gas.operator(offset, operator, costs),
            _ => Ok(()),
        }
    }

    /// Takes the next operator, one that takes and gives so many operands and does nothing else to a body. Without
    /// `GAS`, gas is not counted.
    #[inline(always)]
    pub fn plain<const GAS: bool>(
        &mut self,
        offset: u64,
        instruction: Instruction,
        pops: u32,
        pushes: u32,
    ) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.plain(pops, pushes)?;
        }
        match &mut self.gas {
            Some((gas, costs)) if GAS => gas.plain(offset, instruction, costs),
            _ => Ok(()),
        }
    }

    /// Takes the next operator, a `br_table` to a default label and others, given by their depths.
    pub fn branch_table<I: Iterator<Item = u32>>(
        &mut self,
        offset: u64,
        default: u32,
        others: impl Fn() -> I,
    ) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.branch_table(default, others().map(Ok))?;
        }
        match &mut self.gas {
            Some((gas, costs)) => {
                let labels = others().chain([default]);
                gas.branch_table(offset, labels.map(Ok), costs)
            }
            None => Ok(()),
        }
    }

    /// The number of the metered block that begins with the operator taken last, if one does.
    #[inline(always)]
    pub fn begun(&self) -> Option<u32> {
        self.gas.as_ref().and_then(|(gas, _)| gas.begun())
    }

    /// The logical cost of the function, if it is counted, and the metered blocks, if gas is.
    pub fn finish(self) -> Result<(Option<u32>, &'m [Charge]), MeterError> {
        let logical = self.logical.map(|logical| logical.finish()).transpose()?;
        let blocks = match self.gas {
            Some((gas, _)) => gas.blocks()?,
            None => &[],
        };
        Ok((logical, blocks))
    }
}

impl Signatures for ParsedModule<'_> {
    fn function(&self, index: u32) -> Option<Arity> {
        self.info.function_type(index).map(arity)
    }

    fn function_type(&self, index: u32) -> Option<Arity> {
        let signature = *self.type_signatures.get(index as usize)?;
        self.info.signatures.get(signature as usize).map(arity)
    }
}

fn arity(ty: &crate::types::FuncType) -> Arity {
    Arity {
        params: ty.params.len() as u32,
        results: ty.results.len() as u32,
    }
}
