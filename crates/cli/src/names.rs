//! What functions are called, for people.

use pvf_check::readable_name;
use pvf_executor::artifact::{ExportKind, ImportKind};
use pvf_executor::{ModuleInfo, function_names};
use std::collections::HashMap;

/// The names of a module's functions: from the name section, with Rust's mangling undone, else of the import or the
/// export.
#[derive(Debug, Default)]
pub struct Names {
    by_index: HashMap<u32, String>,
    /// How many functions have a name.
    uses: HashMap<String, u32>,
}

impl Names {
    /// Of a module; its bytes are where the name section is.
    pub fn of(module: &ModuleInfo, wasm: Option<&[u8]>) -> Self {
        let mut by_index = HashMap::new();
        for export in &module.exports {
            if let ExportKind::Function(index) = export.kind {
                by_index.insert(index, export.name.clone());
            }
        }
        let imports = module.imports.iter();
        let functions = imports.filter(|import| matches!(import.kind, ImportKind::Function(_)));
        for (index, import) in (0..).zip(functions) {
            by_index.insert(index, import.name.clone());
        }
        let defined = |index: u32| index >= module.imported_functions;
        let named = wasm.map(function_names).unwrap_or_default();
        for (index, name) in named.into_iter().filter(|&(index, _)| defined(index)) {
            by_index.insert(index, readable_name(&name));
        }
        let mut uses = HashMap::new();
        for name in by_index.values() {
            *uses.entry(name.clone()).or_insert(0) += 1;
        }
        Self { by_index, uses }
    }

    /// The name of a function, if it has one.
    pub fn get(&self, index: u32) -> Option<&str> {
        self.by_index.get(&index).map(String::as_str)
    }

    /// What no other function is called.
    pub fn label(&self, index: u32) -> String {
        match self.get(index) {
            Some(name) if self.uses.get(name) == Some(&1) => name.to_owned(),
            Some(name) => format!("{name} [{index}]"),
            None => format!("function {index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Names {
        let wasm = wat::parse_str(text).expect("a module");
        let options = pvf_executor::Profile::Wasm.compile_options();
        let artifact = pvf_executor::compile(&wasm, &options).expect("it compiles");
        Names::of(&artifact.module, Some(&wasm))
    }

    #[test]
    fn names_are_readable_and_labels_are_unique() {
        let names = names(
            r#"(module (import "env" "host" (func $other))
                (func $_ZN4core3fmt5write17hacf5396c97d665faE)
                (func $"core::fmt::write::h0123456789abcdef")
                (func (export "shown")) (func) (func $alone (export "hidden")))"#,
        );
        let labels: Vec<String> = (0..6).map(|index| names.label(index)).collect();
        let expected = [
            "host",
            "core::fmt::write [1]",
            "core::fmt::write [2]",
            "shown",
            "function 4",
            "alone",
        ];
        assert_eq!(labels, expected);
    }
}
