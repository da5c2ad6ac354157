//! How many values functions and function types take and give.

use wasmparser::{BlockType, Parser, Payload, TypeRef};

/// Counts of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arity {
    /// Values taken.
    pub params: u32,
    /// Values given.
    pub results: u32,
}

/// The signatures of a module, which a walk over a body needs.
pub trait Signatures {
    /// The arity of a function, imported ones counted; `None` if there is none of this index.
    fn function(&self, index: u32) -> Option<Arity>;

    /// The arity of an entry of the type section; `None` if there is none of this index.
    fn function_type(&self, index: u32) -> Option<Arity>;

    /// The arity of a block.
    fn block(&self, ty: BlockType) -> Option<Arity> {
        match ty {
            BlockType::Empty => Some(Arity::default()),
            BlockType::Type(_) => Some(Arity {
                params: 0,
                results: 1,
            }),
            BlockType::FuncType(index) => self.function_type(index),
        }
    }
}

/// The signatures of a module read from its bytes.
#[derive(Clone, Debug, Default)]
pub struct ModuleSignatures {
    /// By index in the type section.
    types: Vec<Arity>,
    /// Type of each function, imported ones first.
    functions: Vec<u32>,
    /// How many of the functions are imported.
    imported: u32,
}

impl ModuleSignatures {
    /// Reads the type, import and function sections of a module.
    ///
    /// # Errors
    /// The error of wasmparser for sections that cannot be decoded. Validity is not checked.
    pub fn parse(wasm: &[u8]) -> wasmparser::Result<Self> {
        let mut signatures = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        let ty = ty?;
                        signatures.types.push(Arity {
                            params: ty.params().len() as u32,
                            results: ty.results().len() as u32,
                        });
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Func(ty) = import?.ty {
                            signatures.functions.push(ty);
                            signatures.imported += 1;
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        signatures.functions.push(ty?);
                    }
                }
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        Ok(signatures)
    }

    /// How many functions are imported.
    pub fn imported_functions(&self) -> u32 {
        self.imported
    }

    /// How many functions there are, imported ones counted.
    pub fn functions(&self) -> u32 {
        self.functions.len() as u32
    }
}

impl Signatures for ModuleSignatures {
    fn function(&self, index: u32) -> Option<Arity> {
        self.function_type(*self.functions.get(index as usize)?)
    }

    fn function_type(&self, index: u32) -> Option<Arity> {
        self.types.get(index as usize).copied()
    }
}
