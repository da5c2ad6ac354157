//! `wasm-instrument` 0.4, which Polkadot's workers use, as the oracle of both meters.
//!
//! [`instrument`] takes a module of WebAssembly 1.0 (with the feature `sign_ext` also sign extension) and the meters to
//! add. The module that it returns runs on any engine and enforces the meters itself, with code and costs of other
//! authors.
//!
//! - *Logical stack*: the limiter's own counter, exported as [`HEIGHT`]. The limiter traps with `unreachable`. The counter
//!   is then above the limit ([`overflown`]), and never otherwise. A caller that calls an instance again after a trap must
//!   reset the counter. To apply a limit other than the one written into the module, the caller starts the counter higher
//!   ([`height_for`]).
//! - *Gas*: each charge is a call of the host function [`GAS`].
//!
//! # Both at once
//! Both meters count the original module (`pvf_metering`). But `wasm-instrument` can only apply one meter to the output of
//! the other, whose heights and blocks differ from those of the original. So the gas metering runs first and the limiter
//! second. Then the costs that the limiter computes for the *original* replace the costs that it wrote. The function that
//! the gas metering adds for `memory.grow` costs nothing.
//!
//! # Corrections
//! In a module that imports globals, the limiter's code names the wrong global, because the limiter does not count
//! imported globals. This crate changes the index to that of the limiter's global.
#![forbid(unsafe_code)]

mod charges;
mod gas;
mod prices;

pub use charges::{CHARGED_CALL_LEN, charged_call, logical_costs};
pub use gas::HostGas;
pub use prices::{DELIMITER_PRICE, Prices, telling_costs};
pub use wasm_instrument;
pub use wasm_instrument::parity_wasm;

use parity_wasm::elements::{
    self, ExportEntry, ExportSection, External, ImportCountType, Internal, Module, Section,
};
use pvf_metering::Costs;
use wasm_instrument::gas_metering::{self, host_function};
use wasm_instrument::inject_stack_limiter;

/// Name under which the limiter's counter is exported.
pub const HEIGHT: &str = "__logical_stack_height";

/// Module and name of the function that is called to charge gas.
pub const GAS: (&str, &str) = ("__metering", "gas");

/// The limit written into modules whose limit is set from outside. It is larger than every such limit.
pub const WRITTEN_LIMIT: u32 = 1 << 30;

/// The meters to add.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meters<'a> {
    /// Largest height of the logical stack, in units; `None`: not counted.
    pub stack_logical_max: Option<u32>,
    /// Prices of gas; `None`: not counted.
    pub gas: Option<&'a Costs>,
}

/// Why there is no instrumented module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OracleError {
    /// The module belongs to a wider language than the oracle's parser can read.
    #[error("wasm-instrument cannot read it: {0}")]
    Unreadable(String),
    /// The stack limiter refuses the module.
    #[error("the stack limiter refuses it: {0}")]
    Stack(&'static str),
    /// The gas metering refuses the module.
    #[error("the gas metering refuses it")]
    Gas,
    /// The limiter's output does not have the shape that this crate knows.
    #[error("the stack limiter wrote something else than expected")]
    Shape,
}

/// Reads a module with the oracle's parser.
///
/// # Errors
/// [`OracleError::Unreadable`]
pub fn read(wasm: &[u8]) -> Result<Module, OracleError> {
    elements::deserialize_buffer(wasm)
        .map_err(|error: elements::Error| OracleError::Unreadable(error.to_string()))
}

/// Adds the meters to a module.
///
/// # Errors
/// [`OracleError`]: the oracle cannot take part.
pub fn instrument(wasm: &[u8], meters: &Meters<'_>) -> Result<Vec<u8>, OracleError> {
    let mut module = read(wasm)?;
    let stack = match meters.stack_logical_max {
        Some(limit) => Some((limit, logical_costs(module.clone(), limit)?)),
        None => None,
    };
    if let Some(costs) = meters.gas {
        let backend = host_function::Injector::new(GAS.0, GAS.1);
        module = gas_metering::inject(module, backend, &Prices::new(costs.clone()))
            .map_err(|_| OracleError::Gas)?;
    }
    if let Some((limit, costs)) = stack {
        module = inject_stack_limiter(module, limit).map_err(OracleError::Stack)?;
        let height = height_global(&module);
        charges::rewrite(&mut module, &costs, height, limit)?;
        export(&mut module, height);
    }
    elements::serialize(module).map_err(|error| OracleError::Unreadable(error.to_string()))
}

/// Whether the limiter trapped: its counter is above the limit in the module.
pub fn overflown(height: u32, limit: u32) -> bool {
    height > limit
}

/// The counter's value before a call that makes `wanted` the limit, in a module that contains `limit`.
pub fn height_for(limit: u32, wanted: u32) -> u32 {
    limit.saturating_sub(wanted)
}

/// Index of the limiter's counter, which is the last global.
fn height_global(module: &Module) -> u32 {
    let imports = module
        .import_section()
        .map_or(&[][..], |section| section.entries());
    let imported = imports
        .iter()
        .filter(|import| matches!(import.external(), External::Global(_)));
    let defined = module
        .global_section()
        .map_or(0, |section| section.entries().len());
    (imported.count() + defined) as u32 - 1
}

fn export(module: &mut Module, height: u32) {
    if module.export_section().is_none() {
        // The export section follows the global section.
        let sections = module.sections_mut();
        let behind = sections
            .iter()
            .position(|section| matches!(section, Section::Global(_)))
            .map_or(sections.len(), |globals| globals + 1);
        sections.insert(behind, Section::Export(ExportSection::default()));
    }
    if let Some(exports) = module.export_section_mut() {
        exports.entries_mut().push(ExportEntry::new(
            HEIGHT.to_owned(),
            Internal::Global(height),
        ));
    }
}

fn imported_functions(module: &Module) -> u32 {
    module.import_count(ImportCountType::Function) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_wasm::elements::Instruction;

    fn instrumented(text: &str, gas: Option<&Costs>) -> Module {
        let wasm = wat::parse_str(text).expect("a module");
        let meters = Meters {
            stack_logical_max: Some(1000),
            gas,
        };
        read(&instrument(&wasm, &meters).expect("instrumented")).expect("readable")
    }

    /// All charged calls of all bodies: cost and callee.
    fn calls(module: &Module) -> Vec<(u32, u32)> {
        let imported = imported_functions(module);
        let bodies = module.code_section().map_or(&[][..], |code| code.bodies());
        let mut calls = Vec::new();
        for body in bodies {
            let code = body.code().elements();
            for at in 10..code.len() {
                if matches!(code[at], Instruction::Call(callee) if callee >= imported) {
                    calls.push(charged_call(&code[at - 10..], 1000).expect("a charge"));
                }
            }
        }
        calls
    }

    /// The code that charges gas raises operand heights. A limiter that counted them would charge 5.
    #[test]
    fn gas_does_not_change_the_stack() {
        let text = r#"(module (func $f (export "f") (local i32)
            i32.const 1 (loop nop) drop call $f))"#;
        let alone = calls(&instrumented(text, None));
        let both = calls(&instrumented(text, Some(&Costs::default())));
        let costs = |calls: &[(u32, u32)]| calls.iter().map(|call| call.0).collect::<Vec<_>>();
        assert_eq!(costs(&alone), [4, 4]);
        assert_eq!(costs(&both), costs(&alone));
        let wasm = wat::parse_str(text).expect("a module");
        let gas = Meters {
            gas: Some(&Costs::default()),
            ..Meters::default()
        };
        let metered = read(&instrument(&wasm, &gas).expect("instrumented")).expect("readable");
        assert_eq!(logical_costs(metered, 1000), Ok(vec![5]));
    }

    #[test]
    fn imported_globals_are_counted() {
        let text = r#"(module (import "m" "g" (global i32)) (global (mut i64) i64.const 0)
            (func $f (export "f") call $f))"#;
        let module = instrumented(text, None);
        assert_eq!(height_global(&module), 2);
        let exports = module.export_section().expect("exports").entries();
        assert_eq!(*exports[1].internal(), Internal::Global(2));
        assert_eq!(calls(&module).len(), 2);
        let code = module.code_section().expect("code").bodies()[0].code();
        assert_eq!(code.elements()[0], Instruction::GetGlobal(2));
    }

    #[test]
    fn wider_languages_are_refused() {
        let wasm = wat::parse_str("(module (func (result i32 i32) unreachable))").expect("valid");
        let refused = instrument(&wasm, &Meters::default());
        assert!(
            matches!(refused, Err(OracleError::Unreadable(_))),
            "{refused:?}"
        );
    }
}
