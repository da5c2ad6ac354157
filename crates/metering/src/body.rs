//! Both meters over whole bodies and modules, for callers without a walk of their own.

use crate::error::MeterError;
use crate::{Charge, Costs, GasBlocks, LogicalHeight, ModuleSignatures, Signatures};
use wasmparser::{FunctionBody, Parser, Payload};

/// Why a body cannot be metered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// The bytes cannot be decoded.
    #[error(transparent)]
    Malformed(#[from] wasmparser::BinaryReaderError),
    /// The meter refuses the body.
    #[error(transparent)]
    Meter(#[from] MeterError),
}

/// Sum of the declared locals of a body.
///
/// # Errors
/// [`BodyError`] if they cannot be decoded or are 2^32 or more.
pub fn declared_locals(body: &FunctionBody<'_>) -> Result<u32, BodyError> {
    let mut total = 0_u32;
    for group in body.get_locals_reader()? {
        let (count, _) = group?;
        total = total.checked_add(count).ok_or(MeterError::Overflow {
            what: "the count of locals",
        })?;
    }
    Ok(total)
}

/// The logical cost of a valid body, in units; `results` are those of its function.
///
/// # Errors
/// [`BodyError`] if the body cannot be decoded or has no cost.
pub fn logical_cost(
    body: &FunctionBody<'_>,
    results: u32,
    module: &impl Signatures,
) -> Result<u32, BodyError> {
    let mut height = LogicalHeight::new();
    height.begin(declared_locals(body)?, results);
    for operator in body.get_operators_reader()? {
        height.operator(&operator?, module)?;
    }
    Ok(height.finish()?)
}

/// The charges of a valid body, by position. Offsets count from where the body's reader does: the
/// start of the module.
///
/// # Errors
/// [`BodyError`] if the body cannot be decoded or has no charges.
pub fn gas_charges(body: &FunctionBody<'_>, costs: &Costs) -> Result<Vec<Charge>, BodyError> {
    let mut blocks = GasBlocks::new();
    blocks.begin(costs, declared_locals(body)?)?;
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        blocks.operator(offset, &operator, costs)?;
    }
    Ok(blocks.finish()?.to_vec())
}

/// The charges of both meters for a function, or why a meter refuses it.
#[derive(Clone, Debug)]
pub struct FunctionCharges {
    /// Units of the logical stack.
    pub logical_cost: Result<u32, BodyError>,
    /// Gas in the order of the code.
    pub gas: Result<Vec<Charge>, BodyError>,
}

/// The charges of each defined function of a valid module, in order.
///
/// # Errors
/// [`BodyError::Malformed`] if the module cannot be decoded.
pub fn function_charges(wasm: &[u8], costs: &Costs) -> Result<Vec<FunctionCharges>, BodyError> {
    let module = ModuleSignatures::parse(wasm)?;
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload? {
            let index = module.imported_functions() + functions.len() as u32;
            let arity = module.function(index).ok_or(crate::error::NO_FUNCTION)?;
            functions.push(FunctionCharges {
                logical_cost: logical_cost(&body, arity.results, &module),
                gas: gas_charges(&body, costs),
            });
        }
    }
    Ok(functions)
}

/// The logical cost of each function of a valid module by index, imported ones (which cost 0)
/// counted.
///
/// # Errors
/// [`BodyError`] of the first function that has no cost. `wasm-instrument` refuses the same
/// modules.
pub fn logical_costs(wasm: &[u8]) -> Result<Vec<u32>, BodyError> {
    let module = ModuleSignatures::parse(wasm)?;
    let mut costs = vec![0; module.imported_functions() as usize];
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload? {
            let arity = module.function(costs.len() as u32);
            let arity = arity.ok_or(crate::error::NO_FUNCTION)?;
            costs.push(logical_cost(&body, arity.results, &module)?);
        }
    }
    Ok(costs)
}
