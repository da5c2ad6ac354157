//! The front end: from bytes to declarations and bodies.
//!
//! In: the bytes of a module. Out: everything about it except its code ([`ParsedModule`]). The format, the declarations
//! and the limits on counts are checked here. The operators of bodies are checked by the analysis, which walks many
//! bodies in parallel. Each section is taken in the same steps: limits on counts, decoding, check against the accepted
//! language, validation, conversion. wasmparser decodes and validates; no allocation is larger than a small multiple of
//! the module.
//!
//! Custom sections are skipped.
//!
//! wasmparser has bounds of its own which equal the default
//! [`Limits`] or lie above them, save one: the sizes of the types of all imports and
//! exports (2 and the number of parameters and results for a function, 1 for anything else) may
//! add up to 999,998 at most. Limits raised above wasmparser's bounds do not widen those.

mod bounds;
mod calls;
mod convert;
pub(crate) mod features;
mod names;
pub(crate) mod network;
#[cfg(test)]
mod tests;

pub use calls::calls_own_functions;
pub use names::function_names;

use crate::artifact::{
    ConstExpr, DataSegment, Export, ExportKind, Function, Global, Import, ImportKind,
};
use crate::error::narrow;
use crate::types::{FuncType, GlobalType, MemoryType, TableType, ValType};
use crate::{CompileError, ModuleInfo, Refusal, Target};
use network::{NetworkModule, SectionId};
use pvf_metering::{body_features, declaration_features};
use pvf_rules::{Features, LimitExceeded, Limits, RuleId};
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::ops::Range;
use wasmparser::{
    BinaryReader, DataKind, ElementKind, Encoding, ExportSectionReader, FromReader, FuncToValidate,
    FunctionBody, ImportSectionReader, Parser, Payload, SectionLimited, Validator,
    ValidatorResources, WasmFeatures,
};

/// A module whose declarations are valid; its bodies are still to be validated.
pub(crate) struct ParsedModule<'a> {
    /// The module. Open until code is made: target, code offsets,
    /// frames and entry stubs.
    pub info: ModuleInfo,
    /// From the index of a type to the index of its signature.
    pub type_signatures: Vec<u32>,
    wasm: &'a [u8],
    /// The features with which operators are read and validated.
    features: WasmFeatures,
    /// As the network read it, if it did.
    network: Option<&'a NetworkModule<'a>>,
    /// A type of each signature, by its index.
    signature_types: Vec<u32>,
    /// The validator's view of the module, once there is a body.
    resources: Option<ValidatorResources>,
    /// How many bodies there are.
    bodies: u32,
    /// The index by which code may name the counter of the logical stack, if it may. The global exists once it is
    /// [counted in](Self::count_in).
    pub counter: Option<u32>,
    /// How many data segments there are, if that is said before the bodies.
    pub data_count: Option<u32>,
    /// The exports and imports, to be kept when the validator's are freed.
    exports: Option<ExportSectionReader<'a>>,
    imports: Option<ImportSectionReader<'a>>,
    /// The bytes of all data segments, one after the other.
    pub data: Vec<u8>,
}

/// The type of the counter of the logical stack.
const COUNTER: GlobalType = GlobalType {
    value: ValType::I32,
    mutable: true,
};

/// The body of a defined function.
pub(crate) struct Body<'a> {
    /// The validator of the body, for the accepted language.
    pub to_validate: FuncToValidate<ValidatorResources>,
    /// The body: declarations of locals, then operators.
    pub body: FunctionBody<'a>,
    /// Index of the function, imported ones counted.
    pub function: u32,
}

impl<'a> ParsedModule<'a> {
    /// Indices of the functions that have bodies.
    pub fn defined(&self) -> Range<u32> {
        let first = self.info.imported_functions;
        first..first + self.bodies
    }

    /// The module names the counter of the logical stack: it becomes a global, the last one unless there is one of
    /// this index.
    pub fn count_in(&mut self, counter: u32) {
        let info = &mut self.info;
        info.logical_counter = Some(counter);
        if info.globals.len() == counter as usize {
            let init = Some(ConstExpr::Const(0));
            info.globals.push(Global { ty: COUNTER, init });
        }
    }

    /// The type of a global as bodies may use it, the counter of the logical stack among them.
    pub fn global_type(&self, index: u32) -> Option<GlobalType> {
        match self.info.globals.get(index as usize) {
            Some(global) => Some(global.ty),
            None if self.counter == Some(index) => Some(COUNTER),
            None => None,
        }
    }

    /// The body of a defined function.
    pub fn body(&self, function: u32) -> Option<Body<'a>> {
        let declared = self.info.functions.get(function as usize)?;
        let start = declared.body_offset as usize;
        let bytes = self
            .wasm
            .get(start..)?
            .get(..declared.body_bytes as usize)?;
        self.body_of(function, bytes)
    }

    /// The bytes of a body as a node re-encodes them, if they differ. `None` in other dialects.
    pub fn canonical_body(&self, function: u32) -> Option<Vec<u8>> {
        self.network?;
        let body = self.body(function)?.body;
        network::canonical_body(body.as_bytes(), body.range().start)
    }

    /// A defined function with this body instead of its own.
    pub fn body_of<'b>(&self, function: u32, bytes: &'b [u8]) -> Option<Body<'b>> {
        let declared = self.info.functions.get(function as usize)?;
        let start = declared.body_offset;
        let reader = BinaryReader::new_features(bytes, start.into(), self.features);
        let to_validate = FuncToValidate {
            resources: self.resources.clone()?,
            index: function,
            ty: *self.signature_types.get(declared.signature as usize)?,
            features: self.features,
        };
        Some(Body {
            to_validate,
            body: FunctionBody::new(reader),
            function,
        })
    }
}

impl ParsedModule<'_> {
    /// The exported functions.
    pub fn exported_functions(&self) -> impl Iterator<Item = u32> {
        let exports = self.exports.clone().into_iter().flatten().flatten();
        exports.filter_map(|export| match convert::export(&export, 0) {
            Ok(ExportKind::Function(function)) => Some(self.function(function)),
            _ => None,
        })
    }

    /// Whether a global is exported.
    pub fn exports_global(&self, global: u32) -> bool {
        let mut exports = self.exports.clone().into_iter().flatten().flatten();
        exports.any(|export| convert::export(&export, 0).ok() == Some(ExportKind::Global(global)))
    }

    /// The function that an index means where functions are entered.
    fn function(&self, index: u32) -> u32 {
        self.network
            .map_or(index, |network| network.function(index))
    }

    /// The module and its data. What the validator knows, names of imports and exports among it, is freed before
    /// these are kept.
    pub fn finish(self) -> Result<(ModuleInfo, Vec<u8>), Refusal> {
        drop(self.resources);
        let network = self.network;
        let mut info = self.info;
        if let Some(section) = self.exports {
            info.exports.reserve_exact(section.count() as usize);
            for export in section {
                let export = export.map_err(malformed)?;
                let mut kind = convert::export(&export, 0)?;
                if let (ExportKind::Function(index), Some(network)) = (&mut kind, network) {
                    *index = network.function(*index);
                }
                info.exports.push(Export {
                    name: export.name.to_owned(),
                    kind,
                });
            }
        }
        for group in self.imports.into_iter().flatten() {
            for import in group.map_err(malformed)? {
                let (_, import) = import.map_err(malformed)?;
                let kind = match convert::import(import.ty, 0)? {
                    convert::ImportType::Function(ty) => {
                        ImportKind::Function(self.type_signatures[ty as usize])
                    }
                    convert::ImportType::Table(ty) => ImportKind::Table(ty),
                    convert::ImportType::Memory(ty) => ImportKind::Memory(ty),
                    convert::ImportType::Global(ty) => ImportKind::Global(ty),
                };
                info.imports.push(Import {
                    module: import.module.to_owned(),
                    name: import.name.to_owned(),
                    kind,
                });
            }
        }
        Ok((info, self.data))
    }
}

/// Reads a module as its dialect asks and hands it on.
///
/// # Errors
/// The first error of the module. Errors of the rest of the compiler are translated to those of the dialect.
pub(crate) fn with_module<T>(
    wasm: &[u8],
    features: Features,
    limits: &Limits,
    then: impl FnOnce(ParsedModule<'_>) -> Result<T, CompileError>,
) -> Result<T, CompileError> {
    if !features.reads_as_network() {
        return then(parse(wasm, features, limits)?);
    }
    check(limits.module_bytes(wasm.len() as u64), 0)?;
    let network = NetworkModule::read(wasm, limits)?;
    parse_network(&network, features, limits)
        .map_err(CompileError::from)
        .and_then(then)
        .map_err(|error| match error {
            CompileError::Refused(refusal) => network.refusal(refusal).into(),
            failed @ CompileError::Failed(_) => failed,
        })
}

/// Reads a module.
pub(crate) fn parse<'a>(
    wasm: &'a [u8],
    features: Features,
    limits: &Limits,
) -> Result<ParsedModule<'a>, Refusal> {
    check(limits.module_bytes(wasm.len() as u64), 0)?;
    let mut parser = Parser::new(0);
    parser.set_features(body_features(features));
    let mut reader = ModuleReader::new(wasm, features, limits);
    for payload in parser.parse_all(wasm) {
        reader.payload(payload.map_err(|error| Refusal::malformed(error, None))?)?;
    }
    Ok(reader.module)
}

/// Reads the declarations that a node made of a module.
fn parse_network<'a>(
    network: &'a NetworkModule<'a>,
    features: Features,
    limits: &Limits,
) -> Result<ParsedModule<'a>, Refusal> {
    network.check()?;
    let mut reader = ModuleReader::new(network.wasm, features, limits);
    reader.module.network = Some(network);
    reader.network_module(network)?;
    Ok(reader.module)
}

/// The module as far as it is read.
struct ModuleReader<'a, 'l> {
    /// The bytes that sections are read from, and the offset of the first.
    source: (&'a [u8], u32),
    features: Features,
    limits: &'l Limits,
    validator: Validator,
    interned: Interned,
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
            logical_counter: None,
            exports: Vec::new(),
            start: None,
            data_segments: Vec::new(),
            element_segments: Vec::new(),
            entry_stubs: Vec::new(),
        };
        Self {
            source: (wasm, 0),
            features,
            limits,
            validator: Validator::new_with_features(declaration_features(features)),
            interned: Interned::default(),
            tables: 0,
            memories: 0,
            module: ParsedModule {
                info,
                type_signatures: Vec::new(),
                wasm,
                features: body_features(features),
                network: None,
                signature_types: Vec::new(),
                resources: None,
                bodies: 0,
                counter: None,
                data_count: None,
                exports: None,
                imports: None,
                data: Vec::new(),
            },
        }
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), Refusal> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => self.functions(section),
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => self.memories(section),
            Payload::GlobalSection(section) => self.globals(section),
            Payload::ExportSection(section) => self.exports(section),
            Payload::StartSection { func, ref range } => self.start(func, range),
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataCountSection { count, ref range } => {
                let offset = narrow(range.start);
                self.require_bulk_memory(RuleId::LANG_2, offset)?;
                check(self.limits.data_segments(u64::from(count)), offset)?;
                self.module.data_count = Some(count);
                invalid(self.validator.data_count_section(count, range))
            }
            Payload::CodeSectionStart {
                ref unchecked_range,
                ..
            } => invalid(self.validator.code_section_start(unchecked_range)),
            Payload::CodeSectionEntry(body) => self.body(body),
            Payload::DataSection(section) => self.data(section),
            Payload::CustomSection(_) => Ok(()),
            Payload::UnknownSection { id, ref range, .. } => Err(Refusal::Malformed {
                function: None,
                offset: narrow(range.start),
                message: format!("malformed section id: {id}"),
                rule: RuleId::LANG_4,
            }),
            other => invalid(self.validator.payload(&other)).map(drop),
        }
    }

    /// Takes the sections in order, then the bodies, then the data.
    fn network_module(&mut self, network: &'a NetworkModule<'a>) -> Result<(), Refusal> {
        let header = self.validator.version(1, Encoding::Module, &(0..8));
        invalid(header)?;
        let (data, declarations): (Vec<_>, Vec<_>) = network
            .sections
            .iter()
            .partition(|section| section.id == SectionId::Data);
        for section in declarations {
            self.network_section(section)?;
        }
        if let Some(global) = network.misdirected() {
            self.check_misdirected(global)?;
        }
        let code = narrow(network.wasm.len() as u64).into();
        invalid(self.validator.code_section_start(&(code..code)))?;
        for (offset, bytes) in network.bodies() {
            let reader = BinaryReader::new_features(bytes, offset.into(), self.module.features);
            self.body(FunctionBody::new(reader))?;
        }
        for section in data {
            self.network_section(section)?;
        }
        Ok(())
    }

    fn network_section(&mut self, section: &'a network::Section) -> Result<(), Refusal> {
        let (bytes, offset) = (&*section.bytes, section.offset);
        self.source = (bytes, offset);
        let mut reader = BinaryReader::new_features(bytes, offset.into(), self.module.features);
        match section.id {
            SectionId::Type => self.types(invalid(SectionLimited::new(reader))?),
            SectionId::Import => self.imports(invalid(SectionLimited::new(reader))?),
            SectionId::Function => self.functions(invalid(SectionLimited::new(reader))?),
            SectionId::Table => self.tables(invalid(SectionLimited::new(reader))?),
            SectionId::Memory => self.memories(invalid(SectionLimited::new(reader))?),
            SectionId::Global => self.globals(invalid(SectionLimited::new(reader))?),
            SectionId::Export => self.exports(invalid(SectionLimited::new(reader))?),
            SectionId::Element => self.elements(invalid(SectionLimited::new(reader))?),
            SectionId::Data => self.data(invalid(SectionLimited::new(reader))?),
            SectionId::Start => {
                let function = invalid(reader.read_var_u32())?;
                self.start(function, &reader.range())
            }
        }
    }

    fn start(&mut self, function: u32, range: &Range<u64>) -> Result<(), Refusal> {
        invalid(self.validator.start_section(function, range))?;
        self.module.info.start = Some(self.module.function(function));
        Ok(())
    }

    /// The limiter's code takes this global for its counter.
    fn check_misdirected(&self, global: u32) -> Result<(), Refusal> {
        let global = self.module.info.globals.get(global as usize);
        // Only the counter itself is not among them.
        if global.is_none_or(|global| global.ty == COUNTER) {
            return Ok(());
        }
        Err(Refusal::Invalid {
            function: None,
            offset: 0,
            message: "the imported globals shift the global of the stack limiter".to_owned(),
            rule: RuleId::NET_8,
        })
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'a>) -> Result<(), Refusal> {
        check(
            self.limits.types(u64::from(section.count())),
            start(&section),
        )?;
        bounds::types(self.source, &section, self.limits)?;
        for entry in decode(&section)? {
            let (offset, group) = entry?;
            for ty in group.types() {
                let ty = convert::func_type(ty, offset)?;
                let signatures = &mut self.module.info.signatures;
                let signature = self.interned.signature(ty, signatures);
                if signature as usize == self.module.signature_types.len() {
                    let index = self.module.type_signatures.len() as u32;
                    self.module.signature_types.push(index);
                }
                self.module.type_signatures.push(signature);
            }
        }
        self.interned = Interned::default();
        invalid(self.validator.type_section(&section))
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'a>) -> Result<(), Refusal> {
        let at = start(&section);
        check(self.limits.imports(u64::from(section.count())), at)?;
        bounds::imports(self.source, &section, self.limits)?;
        let mut kinds = Vec::new();
        for entry in decode(&section)? {
            let (offset, group) = entry?;
            for import in group {
                let (_, import) = import.map_err(malformed)?;
                kinds.push((convert::import(import.ty, offset)?, offset));
            }
        }
        // Several tables or memories are named before the validator counts them.
        for (kind, offset) in &kinds {
            match kind {
                convert::ImportType::Table(ty) => self.add_table(*ty, *offset)?,
                convert::ImportType::Memory(ty) => self.add_memory(*ty, *offset)?,
                _ => {}
            }
        }
        invalid(self.validator.import_section(&section))?;
        for (kind, offset) in kinds {
            self.declare_import(kind, offset)?;
        }
        self.module.imports = Some(section);
        let info = &self.module.info;
        check(self.limits.functions(info.functions.len() as u64), at)?;
        check(self.limits.globals(info.globals.len() as u64), at)
    }

    fn declare_import(&mut self, kind: convert::ImportType, offset: u32) -> Result<(), Refusal> {
        match kind {
            convert::ImportType::Function(ty) => {
                let signature = self.signature(ty, offset)?;
                self.module.info.imported_functions += 1;
                self.add_function(signature);
            }
            convert::ImportType::Global(ty) => {
                self.module.info.imported_globals += 1;
                self.module.info.globals.push(Global { ty, init: None });
            }
            convert::ImportType::Table(_) | convert::ImportType::Memory(_) => {}
        }
        Ok(())
    }

    fn functions(&mut self, section: SectionLimited<'a, u32>) -> Result<(), Refusal> {
        let functions = self.module.info.functions.len() as u64 + u64::from(section.count());
        check(self.limits.functions(functions), start(&section))?;
        let types = decode(&section)?;
        invalid(self.validator.function_section(&section))?;
        self.module.info.functions.reserve(section.count() as usize);
        // Thunks come last; they are no functions of ours.
        let thunks = self.module.network.map_or(0, NetworkModule::thunks);
        for entry in types.take((section.count() - thunks) as usize) {
            let (offset, ty) = entry?;
            let signature = self.signature(ty, offset)?;
            self.add_function(signature);
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'a>) -> Result<(), Refusal> {
        for entry in decode(&section)? {
            let (offset, table) = entry?;
            let ty = convert::table(table.ty, offset)?;
            self.add_table(ty, offset)?;
        }
        invalid(self.validator.table_section(&section))
    }

    fn memories(
        &mut self,
        section: SectionLimited<'a, wasmparser::MemoryType>,
    ) -> Result<(), Refusal> {
        for entry in decode(&section)? {
            let (offset, memory) = entry?;
            self.add_memory(convert::memory(memory, offset)?, offset)?;
        }
        invalid(self.validator.memory_section(&section))
    }

    fn globals(&mut self, section: wasmparser::GlobalSectionReader<'a>) -> Result<(), Refusal> {
        let globals = self.module.info.globals.len() as u64 + u64::from(section.count());
        check(self.limits.globals(globals), start(&section))?;
        for entry in decode(&section)? {
            let (offset, global) = entry?;
            convert::global(global.ty, offset)?;
        }
        invalid(self.validator.global_section(&section))?;
        // The counter of the logical stack comes last; it is a global of ours only if the module names it.
        let network = self.module.network.is_some();
        self.module.counter = network.then(|| globals as u32 - 1);
        let own = section.count() as usize - usize::from(network);
        self.module.info.globals.reserve(own);
        for entry in decode(&section)?.take(own) {
            let (offset, global) = entry?;
            self.module.info.globals.push(Global {
                ty: convert::global(global.ty, offset)?,
                init: Some(convert::constant(&global.init_expr)?),
            });
        }
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'a>) -> Result<(), Refusal> {
        check(
            self.limits.exports(u64::from(section.count())),
            start(&section),
        )?;
        bounds::exports(self.source, &section, self.limits)?;
        let exports = decode(&section)?;
        invalid(self.validator.export_section(&section))?;
        for entry in exports {
            let (offset, export) = entry?;
            convert::export(&export, offset)?;
        }
        self.module.exports = Some(section);
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'a>) -> Result<(), Refusal> {
        check(
            self.limits.element_segments(u64::from(section.count())),
            start(&section),
        )?;
        for entry in decode(&section)? {
            let (offset, segment) = entry?;
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
            // The network takes those of its second parser.
            if !plain && self.module.network.is_none() {
                self.require_bulk_memory(RuleId::LANG_7, offset)?;
            }
            let entries = convert::element_count(&segment.items, offset)?;
            check(self.limits.segment_entries(u64::from(entries)), offset)?;
        }
        invalid(self.validator.element_section(&section))?;
        let count = section.count() as usize;
        self.module.info.element_segments.reserve(count);
        for segment in section {
            let mut segment = convert::element_segment(segment.map_err(malformed)?)?;
            if let Some(network) = self.module.network {
                for function in segment.functions.iter_mut().flatten() {
                    *function = network.function(*function);
                }
            }
            self.module.info.element_segments.push(segment);
        }
        Ok(())
    }

    fn body(&mut self, body: FunctionBody<'a>) -> Result<(), Refusal> {
        let info = &mut self.module.info;
        let function = info.imported_functions + self.module.bodies;
        let range = body.range();
        let offset = narrow(range.start);
        let bytes = range.end - range.start;
        let limited = |limit| Refusal::limit(limit, Some(function), offset);
        self.limits.body_bytes(bytes).map_err(limited)?;
        let Some(declared) = info.functions.get_mut(function as usize) else {
            return Err(Refusal::Malformed {
                function: None,
                offset,
                message: "more bodies than functions".to_owned(),
                rule: RuleId::LANG_1,
            });
        };
        declared.body_offset = offset;
        declared.body_bytes = narrow(bytes);
        let params = info.signatures[declared.signature as usize].params.len();
        bounds::locals(&body, params, function, self.limits)?;
        if self.module.resources.is_none() {
            // What the validator knows does not depend on the body, whose size has a limit of ours.
            let any = FunctionBody::new(BinaryReader::new(&[], range.start));
            let to_validate = invalid(self.validator.code_section_entry(&any))?;
            self.module.resources = Some(to_validate.resources);
        }
        self.module.bodies += 1;
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'a>) -> Result<(), Refusal> {
        check(
            self.limits.data_segments(u64::from(section.count())),
            start(&section),
        )?;
        let mut bytes = 0;
        for entry in decode(&section)? {
            let (offset, segment) = entry?;
            bytes += segment.data.len();
            // The network takes those of its second parser.
            if self.module.network.is_none() && convert::explicit_index(self.module.wasm, offset) {
                self.require_bulk_memory(RuleId::LANG_7, offset)?;
            }
        }
        invalid(self.validator.data_section(&section))?;
        self.module.data.reserve_exact(bytes);
        let count = section.count() as usize;
        self.module.info.data_segments.reserve(count);
        for segment in section {
            let segment = segment.map_err(malformed)?;
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

    fn add_table(&mut self, ty: TableType, offset: u32) -> Result<(), Refusal> {
        self.tables += 1;
        if self.tables > 1 {
            return Err(Refusal::left_out(
                features::REFERENCE_TYPES,
                RuleId::LANG_6,
                None,
                offset,
            ));
        }
        check(self.limits.table_entries(u64::from(ty.minimum)), offset)?;
        self.module.info.table = Some(ty);
        Ok(())
    }

    fn add_memory(&mut self, ty: MemoryType, offset: u32) -> Result<(), Refusal> {
        self.memories += 1;
        if self.memories > 1 {
            return Err(Refusal::unsupported(features::MULTI_MEMORY, None, offset));
        }
        self.module.info.memory = Some(ty);
        Ok(())
    }

    fn signature(&self, ty: u32, offset: u32) -> Result<u32, Refusal> {
        let signature = self.module.type_signatures.get(ty as usize);
        signature.copied().ok_or_else(|| Refusal::Invalid {
            function: None,
            offset,
            message: format!("unknown type {ty}: type index out of bounds"),
            rule: RuleId::LANG_1,
        })
    }

    /// `rule` is the one that wants the switch for what is at `offset`.
    fn require_bulk_memory(&self, rule: RuleId, offset: u32) -> Result<(), Refusal> {
        if self.features.bulk_memory {
            Ok(())
        } else {
            Err(Refusal::left_out(features::BULK_MEMORY, rule, None, offset))
        }
    }
}

/// The entries of a section, each with its offset. All entries are decoded once before the first is returned, so that
/// malformed entries are found first. Decoded entries are not kept, because an entry of a few bytes can take a hundred.
fn decode<'a, T: FromReader<'a>>(
    section: &SectionLimited<'a, T>,
) -> Result<impl Iterator<Item = Result<(u32, T), Refusal>> + use<'a, T>, Refusal> {
    for entry in section.clone() {
        entry.map_err(malformed)?;
    }
    let entries = section.clone().into_iter_with_offsets();
    Ok(entries.map(|entry| {
        let (offset, entry) = entry.map_err(malformed)?;
        Ok((narrow(offset), entry))
    }))
}

fn malformed(error: wasmparser::Error) -> Refusal {
    Refusal::malformed(error, None)
}

/// The signature of every type so far, found by the types' hashes, so that they are kept but once.
#[derive(Default)]
struct Interned {
    hasher: RandomState,
    /// The last signature of each hash, and for each signature the one before of the same hash.
    last: HashMap<u64, u32>,
    before: Vec<Option<u32>>,
}

impl Interned {
    /// The index of a type among the signatures, where it is put if it is new.
    fn signature(&mut self, ty: FuncType, signatures: &mut Vec<FuncType>) -> u32 {
        let last = self.last.entry(self.hasher.hash_one(&ty));
        let mut next = match &last {
            Entry::Occupied(last) => Some(*last.get()),
            Entry::Vacant(_) => None,
        };
        let newest = next;
        while let Some(known) = next {
            if signatures[known as usize] == ty {
                return known;
            }
            next = self.before[known as usize];
        }
        let signature = signatures.len() as u32;
        signatures.push(ty);
        self.before.push(newest);
        last.insert_entry(signature);
        signature
    }
}

fn start<T>(section: &SectionLimited<'_, T>) -> u32 {
    narrow(section.range().start)
}

fn check(limit: Result<(), LimitExceeded>, offset: u32) -> Result<(), Refusal> {
    limit.map_err(|limit| Refusal::limit(limit, None, offset))
}

fn invalid<T>(result: wasmparser::Result<T>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal::from_wasmparser(error, None))
}
