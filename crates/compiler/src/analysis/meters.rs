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
    /// Whether anything is counted.
    #[inline(always)]
    pub fn are_on(&self) -> bool {
        self.logical.is_some() || self.gas.is_some()
    }

    pub fn begin(&mut self, declared_locals: u32, results: u32) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.begin(declared_locals, results);
        }
        match &mut self.gas {
            Some((gas, costs)) => gas.begin(costs, declared_locals),
            None => Ok(()),
        }
    }

    #[inline(never)]
    pub fn operator(&mut self, offset: u64, operator: &Operator<'_>) -> Result<(), MeterError> {
        if let Some(logical) = &mut self.logical {
            logical.operator(operator, self.module)?;
        }
        match &mut self.gas {
            Some((gas, costs)) => gas.operator(offset, operator, costs),
            None => Ok(()),
        }
    }

    pub fn finish(self, analysis: &mut Analysis) -> Result<(), MeterError> {
        analysis.logical_cost = self.logical.map(|logical| logical.finish()).transpose()?;
        analysis.charges.clear();
        if let Some((gas, _)) = self.gas {
            analysis.charges.extend_from_slice(gas.finish()?);
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
