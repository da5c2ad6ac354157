//! What satisfies a script's imports on PolkaVM.

use crate::instance::{Links, forward};
use crate::link::Binding;
use pvf_executor::artifact::ImportKind;
use pvf_polkavm::{HostFunction, Imports, Module};
use std::sync::Arc;

/// The imports of a module, and what its host functions find beside their arguments.
pub(crate) fn imports(module: &Module, bindings: Vec<Binding>) -> (Imports<Links>, Links) {
    let info = module.info();
    let mut links = Links {
        instances: Vec::new(),
        skipped: None,
    };
    let mut imports = Imports::none(info);
    for (import, binding) in info.imports.iter().zip(bindings) {
        match (binding, import.kind) {
            (Binding::Print, _) => {
                let print: HostFunction<Links> = Arc::new(|_, _| Ok(()));
                imports.functions.push(Some(print));
            }
            (Binding::Function { instance, export }, ImportKind::Function(signature)) => {
                let ty = info.signatures[signature as usize].clone();
                let link = links.instances.len();
                links.instances.push(instance);
                let body: HostFunction<Links> = Arc::new(move |caller, slots| {
                    forward(caller.data_mut(), link, &export, &ty, slots)
                });
                imports.functions.push(Some(body));
            }
            (Binding::Function { .. }, _) => {
                debug_assert!(false, "the registry binds imports by their kind");
            }
            (Binding::Global(value), _) => imports.globals.push(value.to_bits()),
            (Binding::Table(ty), _) => imports.table_entries = ty.minimum,
            (Binding::Memory(ty), _) => imports.memory = Some(ty),
        }
    }
    (imports, links)
}
