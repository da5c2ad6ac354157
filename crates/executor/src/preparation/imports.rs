//! Which imports a node can resolve (rules HOST-2 to HOST-4).
//!
//! Every import but a memory has to be a function of the module `env`. A function that the host does not have links and traps when it
//! is called, for a validation function is a whole runtime and imports much that validation never calls.

use super::{HOST_MODULE, HostFunctionTypes};
use pvf_compiler::ModuleInfo;
use pvf_compiler::artifact::{Import, ImportKind};
use pvf_rules::{Name, Rejection, RejectionClass, RuleId};
use std::collections::HashMap;

/// Rejects a module whose imports a node cannot resolve.
pub(super) fn check(module: &ModuleInfo, functions: &HostFunctionTypes) -> Result<(), Rejection> {
    let mut signatures = HashMap::new();
    for import in &module.imports {
        match import.kind {
            ImportKind::Memory(_) => {}
            _ if import.module != HOST_MODULE => {
                let what = "is not from the module `env`, the only one there is";
                return Err(rejected(import, RuleId::HOST_2, what));
            }
            ImportKind::Table(_) => return Err(rejected(import, RuleId::HOST_2, "is a table")),
            ImportKind::Global(_) => return Err(rejected(import, RuleId::HOST_2, "is a global")),
            ImportKind::Function(signature) => {
                // A missing function is made up once for a name, with one type.
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
