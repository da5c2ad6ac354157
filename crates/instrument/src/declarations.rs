//! The facts about a module that are needed before its sections are written: types, counts, imports, exports.
//!
//! In: a module's bytes. Out: [`Declarations`]. Nothing is validated here.

use wasmparser::{Export, FuncType, Parser, Payload, TypeRef};

/// A module's declarations.
#[derive(Default)]
pub(crate) struct Declarations<'a> {
    /// By index.
    pub types: Vec<FuncType>,
    /// Type of each function by index, imported ones first.
    pub functions: Vec<u32>,
    /// How many functions are imported.
    pub imported_functions: u32,
    /// Globals, imported ones counted.
    pub globals: u32,
    /// Module and name of each import.
    pub imports: Vec<(&'a str, &'a str)>,
    /// The exports.
    pub exports: Vec<Export<'a>>,
}

impl<'a> Declarations<'a> {
    /// Reads everything before the code.
    pub fn parse(wasm: &'a [u8]) -> wasmparser::Result<Self> {
        let mut all = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        all.types.push(ty?);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        all.imports.push((import.module, import.name));
                        match import.ty {
                            TypeRef::Func(ty) => {
                                all.functions.push(ty);
                                all.imported_functions += 1;
                            }
                            TypeRef::Global(_) => all.globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        all.functions.push(ty?);
                    }
                }
                Payload::GlobalSection(section) => all.globals += section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        all.exports.push(export?);
                    }
                }
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        Ok(all)
    }

    /// The type of a function; `None` if it has none that exists.
    pub fn function(&self, index: u32) -> Option<&FuncType> {
        self.types
            .get(*self.functions.get(index as usize)? as usize)
    }
}
