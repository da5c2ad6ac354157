//! Finds where the stack limiter charges and how much, by reading its output, and corrects the charges there.

use crate::parity_wasm::elements::{
    BlockType, ExportEntry, ExportSection, Instruction, Internal, Module, Section,
};
use crate::{OracleError, imported_functions};
use wasm_instrument::inject_stack_limiter;

/// Number of instructions of a charged call, including the call.
pub const CHARGED_CALL_LEN: usize = 15;

/// Index of the call among them.
const CALL_AT: usize = 10;

/// The instructions by which the limiter replaces a call.
fn sequence(global: u32, cost: u32, limit: u32, callee: u32) -> [Instruction; CHARGED_CALL_LEN] {
    use Instruction::*;
    [
        GetGlobal(global),
        I32Const(cost as i32),
        I32Add,
        SetGlobal(global),
        GetGlobal(global),
        I32Const(limit as i32),
        I32GtU,
        If(BlockType::NoResult),
        Unreachable,
        End,
        Call(callee),
        GetGlobal(global),
        I32Const(cost as i32),
        I32Sub,
        SetGlobal(global),
    ]
}

/// Cost and callee of the charged call that the code starts with, if it starts with one.
pub fn charged_call(code: &[Instruction], limit: u32) -> Option<(u32, u32)> {
    let code = code.get(..CHARGED_CALL_LEN)?;
    match (&code[0], &code[1], &code[CALL_AT]) {
        (
            &Instruction::GetGlobal(global),
            &Instruction::I32Const(cost),
            &Instruction::Call(callee),
        ) => {
            let cost = cost as u32;
            (code == sequence(global, cost, limit, callee)).then_some((cost, callee))
        }
        _ => None,
    }
}

/// The logical cost of each defined function according to the limiter.
///
/// Every function gets an export of its own. The limiter makes a thunk for each export, and the thunk contains the
/// function's cost.
///
/// # Errors
/// [`OracleError::Stack`] if the limiter refuses the module.
pub fn logical_costs(mut module: Module, limit: u32) -> Result<Vec<u32>, OracleError> {
    let imported = imported_functions(&module);
    let functions = module.functions_space() as u32;
    if functions == imported {
        return Ok(vec![]);
    }
    if module.export_section().is_none() {
        module
            .insert_section(Section::Export(ExportSection::default()))
            .map_err(|_| OracleError::Shape)?;
    }
    let exports = module.export_section_mut().ok_or(OracleError::Shape)?;
    *exports.entries_mut() = (imported..functions)
        .map(|index| ExportEntry::new(format!("f{index}"), Internal::Function(index)))
        .collect();
    let module = inject_stack_limiter(module, limit).map_err(OracleError::Stack)?;
    let bodies = module.code_section().map_or(&[][..], |code| code.bodies());
    let exports = module.export_section().map_or(&[][..], |all| all.entries());
    let costs = (imported..).zip(exports).map(|(function, export)| {
        let Internal::Function(thunk) = *export.internal() else {
            return None;
        };
        let code = bodies
            .get(thunk.checked_sub(imported)? as usize)?
            .code()
            .elements();
        let arguments = code
            .iter()
            .take_while(|instruction| matches!(instruction, Instruction::GetLocal(_)));
        let charge = &code[arguments.count()..];
        let (cost, callee) = charged_call(charge, limit)?;
        (callee == function && charge[CHARGED_CALL_LEN..] == [Instruction::End]).then_some(cost)
    });
    costs.collect::<Option<_>>().ok_or(OracleError::Shape)
}

/// Writes these costs and this global wherever the limiter charges, that is, at every call of a defined function.
/// Functions beyond `costs` cost nothing, except thunks, which are never called.
pub(crate) fn rewrite(
    module: &mut Module,
    costs: &[u32],
    global: u32,
    limit: u32,
) -> Result<(), OracleError> {
    let imported = imported_functions(module);
    let Some(code) = module.code_section_mut() else {
        return Ok(());
    };
    for body in code.bodies_mut() {
        let code = body.code_mut().elements_mut();
        for call in 0..code.len() {
            let callee = match code[call] {
                Instruction::Call(callee) if callee >= imported => callee,
                _ => continue,
            };
            let start = call.checked_sub(CALL_AT).ok_or(OracleError::Shape)?;
            charged_call(&code[start..], limit).ok_or(OracleError::Shape)?;
            let cost = costs
                .get((callee - imported) as usize)
                .copied()
                .unwrap_or(0);
            code[start..start + CHARGED_CALL_LEN]
                .clone_from_slice(&sequence(global, cost, limit, callee));
        }
    }
    Ok(())
}
