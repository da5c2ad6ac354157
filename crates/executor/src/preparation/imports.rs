//! Checks that a node can resolve the imports (rules HOST-2 to HOST-4).
//!
//! Every import except a memory has to be a function of the module `env`. Functions that the host
//! does not offer link and trap when called, because a validation function is a complete runtime
//! and imports many functions that validation never calls.

use super::{HOST_MODULE, HostFunctionTypes};
use pvf_compiler::ModuleInfo;
use pvf_compiler::artifact::{Import, ImportKind};
use pvf_rules::{Name, Rejection, RejectionClass, RuleId};
use std::collections::HashMap;

/// Rejects a module with imports that a node cannot resolve.
pub(super) fn check(module: &ModuleInfo, functions: &HostFunctionTypes) -> Result<(), Rejection> {
    let mut signatures = HashMap::new();
    for import in &module.imports {
        match import.kind {
            ImportKind::Memory(_) => {}
            _ if import.module != HOST_MODULE => {
                let what = "is not from the module `env`, the only module that the host offers";
                return Err(rejected(import, RuleId::HOST_2, what));
            }
            ImportKind::Table(_) => return Err(rejected(import, RuleId::HOST_2, "is a table")),
            ImportKind::Global(_) => return Err(rejected(import, RuleId::HOST_2, "is a global")),
            ImportKind::Function(signature) => {
                // A node defines a missing function once for each name, with one type.
                if *signatures.entry(&*import.name).or_insert(signature) != signature {
                    let what = "is imported with two types";
                    return Err(rejected(import, RuleId::HOST_4, what));
                }
                let offered = functions.get(&*import.name);
                let wanted = module.signatures.get(signature as usize);
                if offered.is_some_and(|offered| Some(offered) != wanted) {
                    let what = "has another type at the host";
                    return Err(rejected(import, RuleId::HOST_4, what));
                }
            }
        }
    }
    Ok(())
}

fn rejected(import: &Import, rule: RuleId, what: &str) -> Rejection {
    let Import { module, name, .. } = import;
    let message = format!("the import {}:{} {what}", Name(module), Name(name));
    Rejection::new(RejectionClass::RuntimeConstruction, rule, message)
}
