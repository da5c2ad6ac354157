//! The front end: from bytes to declarations and bodies.
//!
//! In comes a module as bytes, out goes everything about it but its code
//! ([`ParsedModule`]). The format, the declarations and the limits by count are
//! checked here; the operators of a body are not, since the analysis does that in
//! its own walk, for many bodies at once. Each section is taken in the same
//! steps: limits by count, decode, check against the accepted language, validate,
//! convert. Decoding and validation are wasmparser's; no allocation is larger than a
//! small multiple of the module.
//!
//! Custom sections are skipped whatever they hold.
//!
//! wasmparser has bounds of its own which equal the default
//! [`Limits`] or lie above them, save one: the sizes of the types of all imports and
//! exports (2 and the number of parameters and results for a function, 1 for anything else) may
//! add up to 999,998 at most. Limits raised above wasmparser's bounds do not widen those.

mod bounds;
mod convert;
pub(crate) mod features;
mod names;
#[cfg(test)]
mod tests;

pub use names::function_names;

use crate::artifact::{
    DataSegment, Export, Function, Global, Import, ImportKind, MemoryType, TableType,
};
use crate::error::narrow;
use crate::{CompileError, ModuleInfo, Target};
use pvf_spec::{Features, LimitExceeded, Limits};
use std::collections::HashMap;
use wasmparser::{
    DataKind, ElementKind, FromReader, FuncToValidate, FunctionBody, Parser, Payload,
    SectionLimited, Validator, ValidatorResources,
};

/// A module whose declarations are valid; its bodies are still to be validated.
pub(crate) struct ParsedModule<'a> {
    /// The module. Open until code is made: target, code offsets,
    /// frames and entry stubs.
    pub info: ModuleInfo,
    /// From the index of a type to the index of its signature.
    pub type_signatures: Vec<u32>,
    /// The bodies of the defined functions, in order.
    pub bodies: Vec<Body<'a>>,
    /// The bytes of all data segments, one after the other.
    pub data: Vec<u8>,
}

/// The body of a defined function.
pub(crate) struct Body<'a> {
    /// What validates it, against the accepted language.
    pub to_validate: FuncToValidate<ValidatorResources>,
    /// The body: declarations of locals, then operators.
    pub body: FunctionBody<'a>,
    /// Index of the function, imported ones counted.
    pub function: u32,
}

/// Reads a module.
pub(crate) fn parse<'a>(
    wasm: &'a [u8],
    features: Features,
    limits: &Limits,
) -> Result<ParsedModule<'a>, CompileError> {
    check(limits.module_bytes(wasm.len() as u64), 0)?;
    let mut parser = Parser::new(0);
    parser.set_features(features::bodies(features));
    let mut reader = ModuleReader::new(wasm, features, limits);
    for payload in parser.parse_all(wasm) {
        reader.payload(payload.map_err(|error| CompileError::malformed(error, None))?)?;
    }
    Ok(reader.module)
}

/// The module as far as it is read.
struct ModuleReader<'a, 'l> {
    wasm: &'a [u8],
    features: Features,
    limits: &'l Limits,
    validator: Validator,
    interned: HashMap<crate::artifact::FuncType, u32>,
    tables: usize,
    memories: usize,
    module: ParsedModule<'a>,
}

impl<'a, 'l> ModuleReader<'a, 'l> {
    fn new(wasm: &'a [u8], features: Features, limits: &'l Limits) -> Self {
        let info = ModuleInfo {
            target: Target::HOST,
            features,
            meters: crate::artifact::Meters::default(),
            wasm_bytes: wasm.len() as u32,
            signatures: Vec::new(),
            imports: Vec::new(),
            functions: Vec::new(),
            imported_functions: 0,
            table: None,
            memory: None,
            globals: Vec::new(),
            imported_globals: 0,
            exports: Vec::new(),
            start: None,
            data_segments: Vec::new(),
            element_segments: Vec::new(),
            entry_stubs: Vec::new(),
        };
        Self {
            wasm,
            features,
            limits,
            validator: Validator::new_with_features(features::declarations(features)),
            interned: HashMap::new(),
            tables: 0,
            memories: 0,
            module: ParsedModule {
                info,
                type_signatures: Vec::new(),
                bodies: Vec::new(),
                data: Vec::new(),
            },
        }
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), CompileError> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => self.functions(section),
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => self.memories(section),
            Payload::GlobalSection(section) => self.globals(section),
            Payload::ExportSection(section) => self.exports(section),
            Payload::StartSection { func, ref range } => {
                invalid(self.validator.start_section(func, range))?;
                self.module.info.start = Some(func);
                Ok(())
            }
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataCountSection { count, ref range } => {
                let offset = narrow(range.start);
                self.require_bulk_memory(offset)?;
                check(self.limits.data_segments(u64::from(count)), offset)?;
                invalid(self.validator.data_count_section(count, range))
            }
            Payload::CodeSectionStart {
                ref unchecked_range,
                ..
            } => invalid(self.validator.code_section_start(unchecked_range)),
            Payload::CodeSectionEntry(body) => self.body(body),
            Payload::DataSection(section) => self.data(section),
            Payload::CustomSection(_) => Ok(()),
            Payload::UnknownSection { id, ref range, .. } => Err(CompileError::Malformed {
                function: None,
                offset: narrow(range.start),
                message: format!("malformed section id: {id}"),
            }),
            other => invalid(self.validator.payload(&other)).map(drop),
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'a>) -> Result<(), CompileError> {
        check(
            self.limits.types(u64::from(section.count())),
            start(&section),
        )?;
        bounds::types(self.wasm, &section, self.limits)?;
        for (offset, group) in decode(&section)? {
            for ty in group.types() {
                let ty = convert::func_type(ty, offset)?;
                let next = self.interned.len() as u32;
                let signature = *self.interned.entry(ty).or_insert_with_key(|ty| {
                    self.module.info.signatures.push(ty.clone());
                    next
                });
                self.module.type_signatures.push(signature);
            }
        }
        invalid(self.validator.type_section(&section))
    }

    fn imports(
        &mut self,
        section: wasmparser::ImportSectionReader<'a>,
    ) -> Result<(), CompileError> {
        let at = start(&section);
        check(self.limits.imports(u64::from(section.count())), at)?;
        bounds::imports(self.wasm, &section, self.limits)?;
        let mut imports = Vec::new();
        for (offset, group) in decode(&section)? {
            for import in group {
                let (_, import) = import.map_err(|error| CompileError::malformed(error, None))?;
                imports.push((import, convert::import(import.ty, offset)?, offset));
            }
        }
        // Several tables or memories are named before the validator counts them.
        for (_, kind, offset) in &imports {
            match kind {
                convert::ImportType::Table(ty) => self.add_table(*ty, *offset)?,
                convert::ImportType::Memory(ty) => self.add_memory(*ty, *offset)?,
                _ => {}
            }
        }
        invalid(self.validator.import_section(&section))?;
        for (import, kind, offset) in imports {
            let kind = self.import_kind(kind, offset)?;
            self.module.info.imports.push(Import {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
                kind,
            });
        }
        let info = &self.module.info;
        check(self.limits.functions(info.functions.len() as u64), at)?;
        check(self.limits.globals(info.globals.len() as u64), at)
    }

    fn import_kind(
        &mut self,
        kind: convert::ImportType,
        offset: u32,
    ) -> Result<ImportKind, CompileError> {
        Ok(match kind {
            convert::ImportType::Function(ty) => {
                let signature = self.signature(ty, offset)?;
                self.module.info.imported_functions += 1;
                self.add_function(signature);
                ImportKind::Function(signature)
            }
            convert::ImportType::Table(ty) => ImportKind::Table(ty),
            convert::ImportType::Memory(ty) => ImportKind::Memory(ty),
            convert::ImportType::Global(ty) => {
                self.module.info.imported_globals += 1;
                self.module.info.globals.push(Global { ty, init: None });
                ImportKind::Global(ty)
            }
        })
    }

    fn functions(&mut self, section: SectionLimited<'a, u32>) -> Result<(), CompileError> {
        let functions = self.module.info.functions.len() as u64 + u64::from(section.count());
        check(self.limits.functions(functions), start(&section))?;
        let types = decode(&section)?;
        invalid(self.validator.function_section(&section))?;
        for (offset, ty) in types {
            let signature = self.signature(ty, offset)?;
            self.add_function(signature);
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'a>) -> Result<(), CompileError> {
        for (offset, table) in decode(&section)? {
            let ty = convert::table(table.ty, offset)?;
            self.add_table(ty, offset)?;
        }
        invalid(self.validator.table_section(&section))
    }

    fn memories(
        &mut self,
        section: SectionLimited<'a, wasmparser::MemoryType>,
    ) -> Result<(), CompileError> {
        for (offset, memory) in decode(&section)? {
            self.add_memory(convert::memory(memory, offset)?, offset)?;
        }
        invalid(self.validator.memory_section(&section))
    }

    fn globals(
        &mut self,
        section: wasmparser::GlobalSectionReader<'a>,
    ) -> Result<(), CompileError> {
        let globals = self.module.info.globals.len() as u64 + u64::from(section.count());
        check(self.limits.globals(globals), start(&section))?;
        let globals = decode(&section)?;
        let types = globals
            .iter()
            .map(|(offset, global)| convert::global(global.ty, *offset))
            .collect::<Result<Vec<_>, _>>()?;
        invalid(self.validator.global_section(&section))?;
        for (ty, (_, global)) in types.into_iter().zip(&globals) {
            let init = Some(convert::constant(&global.init_expr)?);
            self.module.info.globals.push(Global { ty, init });
        }
        Ok(())
    }

    fn exports(
        &mut self,
        section: wasmparser::ExportSectionReader<'a>,
    ) -> Result<(), CompileError> {
        check(
            self.limits.exports(u64::from(section.count())),
            start(&section),
        )?;
        bounds::exports(self.wasm, &section, self.limits)?;
        let exports = decode(&section)?;
        invalid(self.validator.export_section(&section))?;
        for (offset, export) in exports {
            self.module.info.exports.push(Export {
                name: export.name.to_owned(),
                kind: convert::export(&export, offset)?,
            });
        }
        Ok(())
    }

    fn elements(
        &mut self,
        section: wasmparser::ElementSectionReader<'a>,
    ) -> Result<(), CompileError> {
        check(
            self.limits.element_segments(u64::from(section.count())),
            start(&section),
        )?;
        let segments = decode(&section)?;
        for (offset, segment) in &segments {
            let plain = matches!(
                (&segment.kind, &segment.items),
                (
                    ElementKind::Active {
                        table_index: None,
                        ..
                    },
                    wasmparser::ElementItems::Functions(_)
                )
            );
            if !plain {
                self.require_bulk_memory(*offset)?;
            }
            let entries = convert::element_count(&segment.items, *offset)?;
            check(self.limits.table_entries(u64::from(entries)), *offset)?;
        }
        invalid(self.validator.element_section(&section))?;
        for (_, segment) in segments {
            let segment = convert::element_segment(segment)?;
            self.module.info.element_segments.push(segment);
        }
        Ok(())
    }

    fn body(&mut self, body: FunctionBody<'a>) -> Result<(), CompileError> {
        let info = &mut self.module.info;
        let function = info.imported_functions + self.module.bodies.len() as u32;
        let range = body.range();
        let offset = narrow(range.start);
        let bytes = range.end - range.start;
        let limited = |limit| CompileError::limit(limit, Some(function), offset);
        self.limits.body_bytes(bytes).map_err(limited)?;
        let Some(declared) = info.functions.get_mut(function as usize) else {
            return Err(CompileError::Malformed {
                function: None,
                offset,
                message: "more bodies than functions".to_owned(),
            });
        };
        declared.body_offset = offset;
        declared.body_bytes = narrow(bytes);
        let params = info.signatures[declared.signature as usize].params.len();
        bounds::locals(&body, params, function, self.limits)?;
        let mut to_validate = invalid(self.validator.code_section_entry(&body))?;
        to_validate.features = features::bodies(self.features);
        self.module.bodies.push(Body {
            to_validate,
            body,
            function,
        });
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'a>) -> Result<(), CompileError> {
        check(
            self.limits.data_segments(u64::from(section.count())),
            start(&section),
        )?;
        let segments = decode(&section)?;
        for (offset, _) in &segments {
            if convert::explicit_index(self.wasm, *offset) {
                self.require_bulk_memory(*offset)?;
            }
        }
        invalid(self.validator.data_section(&section))?;
        let bytes = segments.iter().map(|(_, segment)| segment.data.len()).sum();
        self.module.data.reserve_exact(bytes);
        for (_, segment) in segments {
            let offset = match segment.kind {
                DataKind::Passive => None,
                DataKind::Active { offset_expr, .. } => Some(convert::constant(&offset_expr)?),
            };
            let begin = self.module.data.len() as u32;
            self.module.data.extend_from_slice(segment.data);
            self.module.info.data_segments.push(DataSegment {
                offset,
                bytes: begin..self.module.data.len() as u32,
            });
        }
        Ok(())
    }

    fn add_function(&mut self, signature: u32) {
        self.module.info.functions.push(Function {
            signature,
            code_offset: 0,
            code_bytes: 0,
            frame_bytes: 0,
            logical_cost: 0,
            body_offset: 0,
            body_bytes: 0,
        });
    }

    fn add_table(&mut self, ty: TableType, offset: u32) -> Result<(), CompileError> {
        self.tables += 1;
        if self.tables > 1 {
            return Err(CompileError::unsupported(
                features::REFERENCE_TYPES,
                None,
                offset,
            ));
        }
        check(self.limits.table_entries(u64::from(ty.minimum)), offset)?;
        self.module.info.table = Some(ty);
        Ok(())
    }

    fn add_memory(&mut self, ty: MemoryType, offset: u32) -> Result<(), CompileError> {
        self.memories += 1;
        if self.memories > 1 {
            return Err(CompileError::unsupported(
                features::MULTI_MEMORY,
                None,
                offset,
            ));
        }
        self.module.info.memory = Some(ty);
        Ok(())
    }

    fn signature(&self, ty: u32, offset: u32) -> Result<u32, CompileError> {
        let signature = self.module.type_signatures.get(ty as usize);
        signature.copied().ok_or_else(|| CompileError::Invalid {
            function: None,
            offset,
            message: format!("unknown type {ty}: type index out of bounds"),
        })
    }

    fn require_bulk_memory(&self, offset: u32) -> Result<(), CompileError> {
        if self.features.bulk_memory {
            Ok(())
        } else {
            Err(CompileError::unsupported(
                features::BULK_MEMORY,
                None,
                offset,
            ))
        }
    }
}

/// The entries of a section, each with its offset.
fn decode<'a, T: FromReader<'a>>(
    section: &SectionLimited<'a, T>,
) -> Result<Vec<(u32, T)>, CompileError> {
    let entries = section.clone().into_iter_with_offsets();
    entries
        .map(|entry| match entry {
            Ok((offset, entry)) => Ok((narrow(offset), entry)),
            Err(error) => Err(CompileError::malformed(error, None)),
        })
        .collect()
}

fn start<T>(section: &SectionLimited<'_, T>) -> u32 {
    narrow(section.range().start)
}

fn check(limit: Result<(), LimitExceeded>, offset: u32) -> Result<(), CompileError> {
    limit.map_err(|limit| CompileError::limit(limit, None, offset))
}

fn invalid<T>(result: wasmparser::Result<T>) -> Result<T, CompileError> {
    result.map_err(|error| CompileError::from_wasmparser(error, None))
}
