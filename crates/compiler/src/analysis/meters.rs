//! The meters on the walk of pass 1.

use super::Analysis;
use crate::module::ParsedModule;
use pvf_metering::{Arity, Costs, GasBlocks, LogicalHeight, MeterError, Signatures};
use wasmparser::Operator;

/// The meters that are on.
pub(super) struct Meters<'m> {
    pub module: &'m ParsedModule<'m>,
    pub logical: Option<&'m mut LogicalHeight>,
    pub gas: Option<(&'m mut GasBlocks, &'m Costs)>,
}

impl Meters<'_> {
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

    /// Takes the next operator.
    ///
    /// Inlined where the operator is known, so that only its own arms of both meters are left.
    #[inline(always)]
    pub fn operator(&mut self, offset: u64, operator: &Operator<'_>) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.operator(operator, self.module)?;
        }
        match &mut self.gas {
            Some((gas, costs)) => gas.operator(offset, operator, costs),
            None => Ok(()),
        }
    }

    /// The number of the metered block that begins with the operator taken last, if one does.
    #[inline(always)]
    pub fn begun(&self) -> Option<u32> {
        self.gas.as_ref().and_then(|(gas, _)| gas.begun())
    }

    /// Gives the analysis the cost of the function and of its metered blocks.
    pub fn finish(self, analysis: &mut Analysis) -> Result<(), MeterError> {
        analysis.logical_cost = self.logical.map(|logical| logical.finish()).transpose()?;
        if let Some((gas, _)) = self.gas {
            let costs = gas.blocks()?.iter().map(|block| block.cost);
            analysis.code.set_costs(costs);
        }
        Ok(())
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
