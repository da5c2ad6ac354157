//! Writes a module whose calls are reported to hooks.
//!
//! Each function, imported or defined, gets a wrapper of the same type that calls the hook "enter", the function, and
//! the hook "exit". Everything that referred to the function (calls, exports, table entries, the start) refers to the
//! wrapper:
//!
//! | function indices | are |
//! | --- | --- |
//! | `0..i` | the imports of the module |
//! | `i`, `i + 1` | the imports [`ENTER`] and [`EXIT`] |
//! | then | its defined functions |
//! | then | the wrappers of all `i + d` functions, in order |
//!
//! In bodies only the indices of calls change.

use crate::declarations::Declarations;
use crate::{GAS_LEFT, InstrumentError, InstrumentOptions};
use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, Function, FunctionSection, ImportSection, Module, SectionId,
    TypeSection, ValType,
};
use wasmparser::{Export, ExternalKind, Parser};

/// The module that the hooks are imported from: the only one that a validation function may import from.
pub const HOOK_MODULE: &str = "env";
/// The hook `(function: i32, gas left: i64)`, called when a function begins.
pub const ENTER: &str = "pvf_profile_enter";
/// The hook `(gas left: i64)`, called when the innermost active function ends.
pub const EXIT: &str = "pvf_profile_exit";

/// Why a module cannot be profiled.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The module cannot be instrumented with meters.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// The module imports a function under the name of a hook.
    #[error("the module imports {HOOK_MODULE}:{name}, which a profile needs for itself")]
    Reserved {
        /// The name.
        name: &'static str,
    },
    /// The options do not count gas.
    #[error("a profile by gas needs gas to be counted")]
    NoGas,
    /// The module with meters cannot be rewritten.
    #[error("the hooks cannot be put in: {0}")]
    Rewrite(#[from] reencode::Error),
}

/// Puts meters and hooks into a module; `options` have to count gas.
///
/// # Errors
/// [`ProfileError`].
pub fn instrument(wasm: &[u8], options: &InstrumentOptions) -> Result<Vec<u8>, ProfileError> {
    if options.gas.is_none() {
        return Err(ProfileError::NoGas);
    }
    let metered = crate::instrument(wasm, options)?;
    let mut module = Module::new();
    let mut hooks = Hooks {
        metered: &Metered::parse(&metered)?,
        wrote: [false; 4],
    };
    hooks.parse_core_module(&mut module, Parser::new(0), &metered)?;
    Ok(module.finish())
}

/// A module with meters, as its wrappers see it.
struct Metered<'a> {
    declarations: Declarations<'a>,
    /// The global with the gas left.
    gas: u32,
}

impl<'a> Metered<'a> {
    fn parse(wasm: &'a [u8]) -> Result<Self, ProfileError> {
        let declarations = Declarations::parse(wasm).map_err(reencode::Error::from)?;
        let taken = |name: &&'static str| declarations.imports.contains(&(HOOK_MODULE, name));
        if let Some(name) = [ENTER, EXIT].into_iter().find(taken) {
            return Err(ProfileError::Reserved { name });
        }
        let of_gas =
            |export: &&Export<'_>| export.name == GAS_LEFT && export.kind == ExternalKind::Global;
        let gas = declarations.exports.iter().find(of_gas);
        // Gas is counted, so that there is one.
        let gas = gas.map_or(0, |export| export.index);
        Ok(Self { declarations, gas })
    }

    /// The new index of a function of the original module.
    fn moved(&self, function: u32) -> u32 {
        match function < self.declarations.imported_functions {
            true => function,
            false => function + 2,
        }
    }

    /// Index of the wrapper of a function of the original module.
    fn wrapper(&self, function: u32) -> u32 {
        self.declarations.functions.len() as u32 + 2 + function
    }

    fn wrapper_body(&self, function: u32, ty: u32) -> Function {
        let enter = self.declarations.imported_functions;
        let exit = enter + 1;
        let mut body = Function::new([]);
        let mut sink = body.instructions();
        sink.i32_const(function as i32)
            .global_get(self.gas)
            .call(enter);
        let params = self
            .declarations
            .types
            .get(ty as usize)
            .map_or(0, |ty| ty.params().len());
        for param in 0..params as u32 {
            sink.local_get(param);
        }
        // The results stay where they are.
        sink.call(self.moved(function))
            .global_get(self.gas)
            .call(exit)
            .end();
        body
    }
}

/// The sections that get more entries, in their order in a module.
const LONGER: [SectionId; 4] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Code,
];

/// Where a section stands among all.
fn order(section: SectionId) -> u8 {
    match section {
        SectionId::Custom => 0,
        SectionId::Type => 1,
        SectionId::Import => 2,
        SectionId::Function => 3,
        SectionId::Table => 4,
        SectionId::Memory => 5,
        SectionId::Tag => 6,
        SectionId::Global => 7,
        SectionId::Export => 8,
        SectionId::Start => 9,
        SectionId::Element => 10,
        SectionId::DataCount => 11,
        SectionId::Code => 12,
        SectionId::Data => 13,
    }
}

type Rewritten<T = ()> = Result<T, reencode::Error<Infallible>>;

struct Hooks<'d> {
    metered: &'d Metered<'d>,
    /// Which sections of [`LONGER`] have been written.
    wrote: [bool; 4],
}

impl Hooks<'_> {
    fn types(&mut self, types: &mut TypeSection) {
        self.wrote[0] = true;
        types.ty().function([ValType::I32, ValType::I64], []);
        types.ty().function([ValType::I64], []);
    }

    fn imports(&mut self, imports: &mut ImportSection) {
        self.wrote[1] = true;
        let first = self.metered.declarations.types.len() as u32;
        imports.import(HOOK_MODULE, ENTER, EntityType::Function(first));
        imports.import(HOOK_MODULE, EXIT, EntityType::Function(first + 1));
    }

    fn functions(&mut self, functions: &mut FunctionSection) {
        self.wrote[2] = true;
        for &ty in &self.metered.declarations.functions {
            functions.function(ty);
        }
    }

    fn code(&mut self, code: &mut CodeSection) {
        self.wrote[3] = true;
        for (function, &ty) in (0..).zip(&self.metered.declarations.functions) {
            code.function(&self.metered.wrapper_body(function, ty));
        }
    }
}

impl Reencode for Hooks<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Rewritten<u32> {
        Ok(self.metered.wrapper(function))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_type_section(self, types, section)?;
        self.types(types);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_import_section(self, imports, section)?;
        self.imports(imports);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_function_section(self, functions, section)?;
        self.functions(functions);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_code_section(self, code, section)?;
        self.code(code);
        Ok(())
    }

    /// Custom sections are dropped: debug information and names describe the original module.
    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> Rewritten {
        Ok(())
    }

    /// Writes the sections of [`LONGER`] that the original module does not have.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Rewritten {
        for (which, section) in LONGER.into_iter().enumerate() {
            let due = before.is_none_or(|before| order(section) < order(before));
            if self.wrote[which] || !due {
                continue;
            }
            match section {
                SectionId::Type => {
                    let mut types = TypeSection::new();
                    self.types(&mut types);
                    module.section(&types);
                }
                SectionId::Import => {
                    let mut imports = ImportSection::new();
                    self.imports(&mut imports);
                    module.section(&imports);
                }
                SectionId::Function => {
                    let mut functions = FunctionSection::new();
                    self.functions(&mut functions);
                    module.section(&functions);
                }
                _ => {
                    let mut code = CodeSection::new();
                    self.code(&mut code);
                    module.section(&code);
                }
            }
        }
        Ok(())
    }
}
