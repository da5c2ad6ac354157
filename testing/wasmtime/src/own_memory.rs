//! Gives a module a memory of its own with a size that the embedder chooses, as Polkadot's workers do before they
//! compile. An imported memory costs Wasmtime an indirection at each access, and a copy of its data segments at every
//! instantiation.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    ExportKind, ExportSection, ImportSection, MemorySection, MemoryType, Module, SectionId,
};
use wasmparser::TypeRef;

/// The module with a memory of at most `max_pages` pages, whatever maximum it declares. An imported memory becomes the
/// module's own and is exported as `memory`.
pub fn with_own_memory(wasm: &[u8], max_pages: u32) -> Result<Vec<u8>, String> {
    let mut rewriter = Rewriter {
        max_pages,
        memory: None,
        written: false,
    };
    let mut module = Module::new();
    rewriter
        .parse_core_module(&mut module, wasmparser::Parser::new(0), wasm)
        .map_err(|error| error.to_string())?;
    Ok(module.finish())
}

struct Rewriter {
    max_pages: u32,
    memory: Option<MemoryType>,
    written: bool,
}

impl Rewriter {
    /// The memory type with the largest allowed size.
    fn bounded(
        &mut self,
        memory: wasmparser::MemoryType,
    ) -> Result<MemoryType, Error<std::convert::Infallible>> {
        Ok(MemoryType {
            maximum: Some(u64::from(self.max_pages)),
            ..self.memory_type(memory)?
        })
    }
}

impl Reencode for Rewriter {
    type Error = std::convert::Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        for import in section.into_imports() {
            let import = import?;
            match import.ty {
                TypeRef::Memory(memory) => {
                    self.memory = Some(self.bounded(memory)?);
                }
                _ => self.parse_import(imports, import)?,
            }
        }
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        for memory in section {
            memories.memory(self.bounded(memory?)?);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut exported = false;
        for export in section {
            let export = export?;
            exported |= export.name == "memory";
            self.parse_export(exports, export)?;
        }
        if self.memory.is_some() && !exported {
            exports.export("memory", ExportKind::Memory, 0);
        }
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error<Self::Error>> {
        let behind_tables = before.is_none_or(|section| {
            !matches!(
                section,
                SectionId::Custom
                    | SectionId::Type
                    | SectionId::Import
                    | SectionId::Function
                    | SectionId::Table
            )
        });
        if let Some(memory) = self.memory
            && behind_tables
            && !self.written
        {
            self.written = true;
            module.section(MemorySection::new().memory(memory));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imported_memory_becomes_own() {
        let wasm = wat::parse_str(
            r#"(module
                (import "env" "memory" (memory 2))
                (import "env" "f" (func))
                (func (export "g") call 0)
                (data (i32.const 8) "x"))"#,
        )
        .unwrap();
        let own = with_own_memory(&wasm, 100).unwrap();
        let text = wasmprinter::print_bytes(&own).unwrap();
        assert!(text.contains("(memory (;0;) 2 100)"), "{text}");
        assert!(text.contains(r#"(export "memory" (memory 0))"#), "{text}");
        assert!(!text.contains(r#"(import "env" "memory""#), "{text}");
        wasmparser::validate(&own).unwrap();
    }

    #[test]
    fn a_declared_maximum_is_replaced() {
        for declared in ["(memory 2)", "(memory 2 3)", "(memory 2 60000)"] {
            let wasm = wat::parse_str(format!("(module {declared})")).unwrap();
            let own = with_own_memory(&wasm, 100).unwrap();
            let text = wasmprinter::print_bytes(&own).unwrap();
            assert!(text.contains("(memory (;0;) 2 100)"), "{text}");
        }
    }
}
