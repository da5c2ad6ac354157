//! The new module, section by section.
//!
//! In: a module and the meters wanted. Out: the new module. Sections that do not change are copied as
//! bytes; types, globals and exports get more entries, the code is written anew.

use crate::analysis::{Analyser, Meters, front_end};
use crate::body::{self, Context, Function, Globals};
use crate::custom;
use crate::declarations::Declarations;
use crate::error::InstrumentError;
use crate::{GAS_LEFT, InstrumentOptions, STACK_LOGICAL_LEFT, STACK_NATIVE_LEFT, TRAP};
use pvf_metering::{ModuleSignatures, body_features};
use pvf_rules::Limits;
use std::collections::HashMap;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, Encode, ExportKind, GlobalType, Module,
    RawSection, SectionId, ValType,
};
use wasmparser::{FuncToValidate, FunctionBody, Payload, ValidPayload, ValidatorResources};

/// A global to be added.
struct Added {
    name: &'static str,
    ty: ValType,
    value: ConstExpr,
}

/// Rewrites a module so that it enforces the rules of the meters asked for. Without a meter the
/// module does what it did.
///
/// The module is validated against the accepted language, as far as validity goes; what a front end turns down beyond
/// that (limits by count, several memories) is left to it.
///
/// # Errors
/// [`InstrumentError`]: the module is invalid, has no costs, has a name that is to be added, or would
/// become larger than the accepted language allows.
pub fn instrument(wasm: &[u8], options: &InstrumentOptions) -> Result<Vec<u8>, InstrumentError> {
    let limits = Limits::DEFAULT;
    limits
        .module_bytes(wasm.len() as u64)
        .map_err(InstrumentError::limit)?;
    let mut instrumenter = Instrumenter::new(wasm, options)?;
    let (parser, mut validator) = front_end(options.features);
    for payload in parser.parse_all(wasm) {
        let payload = payload.map_err(InstrumentError::invalid)?;
        let valid = validator
            .payload(&payload)
            .map_err(InstrumentError::invalid)?;
        match valid {
            ValidPayload::Func(mut to_validate, body) => {
                to_validate.features = body_features(options.features);
                instrumenter.function(to_validate, &body)?;
            }
            _ => instrumenter.payload(&payload),
        }
    }
    let module = instrumenter.module.finish();
    limits
        .module_bytes(module.len() as u64)
        .map_err(InstrumentError::limit)?;
    Ok(module)
}

struct Instrumenter<'a> {
    options: &'a InstrumentOptions,
    context: Context<'a>,
    declarations: Declarations<'a>,
    signatures: ModuleSignatures,
    /// The globals to be added, in order.
    added: Vec<Added>,
    /// The types to be added for blocks of several results, in order.
    block_types: Vec<wasmparser::FuncType>,
    /// From the type of a function with several results to that of a block with the same.
    block_of: HashMap<u32, u32>,
    analyser: Analyser,
    module: Module,
    code: CodeSection,
    /// Index of the next body's function.
    next: u32,
    /// How many bodies are to come.
    bodies_left: u32,
    /// The sections written so far that get more entries.
    wrote: Wrote,
}

#[derive(Default)]
struct Wrote {
    globals: bool,
    exports: bool,
}

impl<'a> Instrumenter<'a> {
    fn new(wasm: &'a [u8], options: &'a InstrumentOptions) -> Result<Self, InstrumentError> {
        let declarations = Declarations::parse(wasm).map_err(InstrumentError::invalid)?;
        let signatures = ModuleSignatures::parse(wasm).map_err(InstrumentError::invalid)?;
        let (globals, added) = add_globals(options, declarations.globals);
        for name in added.iter().map(|added| added.name) {
            if declarations.exports.iter().any(|it| it.name == name) {
                return Err(InstrumentError::Reserved { name });
            }
        }
        let mut this = Self {
            options,
            context: Context {
                wasm,
                globals,
                costs: options.gas.as_ref().map(|gas| &gas.costs),
            },
            next: declarations.imported_functions,
            declarations,
            signatures,
            added,
            block_types: Vec::new(),
            block_of: HashMap::new(),
            analyser: Analyser::default(),
            module: Module::new(),
            code: CodeSection::new(),
            bodies_left: 0,
            wrote: Wrote::default(),
        };
        if options.stack_native_max.is_some() || options.stack_logical_max.is_some() {
            this.add_block_types();
        }
        this.check_counts()?;
        Ok(this)
    }

    /// Finds or adds a type for a block with the results of each function that has several.
    fn add_block_types(&mut self) {
        let declarations = &self.declarations;
        let mut known = HashMap::new();
        for (index, ty) in (0_u32..).zip(&declarations.types) {
            if ty.params().is_empty() {
                known.entry(ty.results()).or_insert(index);
            }
        }
        let defined = declarations.imported_functions as usize;
        for &index in declarations.functions.iter().skip(defined) {
            let Some(ty) = declarations.types.get(index as usize) else {
                continue;
            };
            if ty.results().len() < 2 {
                continue;
            }
            let next = declarations.types.len() + self.block_types.len();
            let block = *known.entry(ty.results()).or_insert_with(|| {
                let results = ty.results().iter().copied();
                self.block_types
                    .push(wasmparser::FuncType::new([], results));
                next as u32
            });
            self.block_of.insert(index, block);
        }
    }

    fn check_counts(&self) -> Result<(), InstrumentError> {
        let limits = Limits::DEFAULT;
        let more = self.added.len() as u64;
        let types = self.declarations.types.len() + self.block_types.len();
        limits
            .types(types as u64)
            .and(limits.globals(u64::from(self.declarations.globals) + more))
            .and(limits.exports(self.declarations.exports.len() as u64 + more))
            .map_err(InstrumentError::limit)
    }

    /// Anything but a body.
    fn payload(&mut self, payload: &Payload<'a>) {
        match payload {
            Payload::TypeSection(section) => {
                let mut more = Vec::new();
                for ty in &self.block_types {
                    encode_type(ty, &mut more);
                }
                let items = (section.original_position(), section.range().end);
                self.longer(
                    SectionId::Type,
                    section.count(),
                    items,
                    &more,
                    self.block_types.len(),
                );
            }
            Payload::GlobalSection(section) => {
                let items = (section.original_position(), section.range().end);
                self.globals(section.count(), items);
            }
            Payload::ExportSection(section) => {
                self.globals_if_missing();
                let items = (section.original_position(), section.range().end);
                self.exports(section.count(), items);
            }
            Payload::CustomSection(section) => {
                if let Some(data) = custom::rewrite(section) {
                    self.module.section(&CustomSection {
                        name: section.name().into(),
                        data: data.into(),
                    });
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                self.exports_if_missing();
                self.bodies_left = *count;
                self.code_if_complete();
            }
            Payload::End(_) => self.exports_if_missing(),
            other => self.copy(other),
        }
    }

    /// A section as it is.
    fn copy(&mut self, payload: &Payload<'a>) {
        let Some((id, range)) = payload.as_section() else {
            return;
        };
        if matches!(
            payload,
            Payload::StartSection { .. }
                | Payload::ElementSection(_)
                | Payload::DataCountSection { .. }
                | Payload::DataSection(_)
        ) {
            self.exports_if_missing();
        }
        let data = &self.context.wasm[range.start as usize..range.end as usize];
        self.module.section(&RawSection { id, data });
    }

    /// A section with more entries after its own, which lie at these offsets.
    fn longer(&mut self, id: SectionId, count: u32, items: (u64, u64), more: &[u8], added: usize) {
        let mut data = Vec::new();
        (count + added as u32).encode(&mut data);
        data.extend_from_slice(&self.context.wasm[items.0 as usize..items.1 as usize]);
        data.extend_from_slice(more);
        let id = id.into();
        self.module.section(&RawSection { id, data: &data });
    }

    fn globals(&mut self, count: u32, items: (u64, u64)) {
        self.wrote.globals = true;
        let mut more = Vec::new();
        for added in &self.added {
            let ty = GlobalType {
                val_type: added.ty,
                mutable: true,
                shared: false,
            };
            ty.encode(&mut more);
            added.value.encode(&mut more);
        }
        self.longer(SectionId::Global, count, items, &more, self.added.len());
    }

    fn exports(&mut self, count: u32, items: (u64, u64)) {
        self.wrote.exports = true;
        let mut more = Vec::new();
        for (index, added) in (self.declarations.globals..).zip(&self.added) {
            added.name.encode(&mut more);
            ExportKind::Global.encode(&mut more);
            index.encode(&mut more);
        }
        self.longer(SectionId::Export, count, items, &more, self.added.len());
    }

    fn globals_if_missing(&mut self) {
        if !self.wrote.globals && !self.added.is_empty() {
            self.globals(0, (0, 0));
        }
    }

    fn exports_if_missing(&mut self) {
        self.globals_if_missing();
        if !self.wrote.exports && !self.added.is_empty() {
            self.exports(0, (0, 0));
        }
    }

    fn function(
        &mut self,
        to_validate: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'a>,
    ) -> Result<(), InstrumentError> {
        let index = self.next;
        let meters = Meters {
            logical: self.options.stack_logical_max.is_some(),
            costs: self.context.costs,
        };
        let charges = self
            .analyser
            .run(to_validate, body, index, &self.signatures, &meters)?;
        let params = self.declarations.function(index);
        let function = Function {
            index,
            body,
            charges: &charges,
            params: params.map_or(0, |ty| ty.params().len() as u32),
            block: self.block_type(index),
        };
        self.code.raw(&body::rewrite(&self.context, &function)?);
        self.next += 1;
        self.bodies_left = self.bodies_left.saturating_sub(1);
        self.code_if_complete();
        Ok(())
    }

    fn code_if_complete(&mut self) {
        if self.bodies_left == 0 {
            self.module.section(&self.code);
        }
    }

    /// The type of a block that gives what the function gives.
    fn block_type(&self, function: u32) -> BlockType {
        let results = self.declarations.function(function);
        match results.map_or(&[][..], |ty| ty.results()) {
            [] => BlockType::Empty,
            [one] => val_type(*one).map_or(BlockType::Empty, BlockType::Result),
            _ => {
                let ty = self.declarations.functions[function as usize];
                // Without a stack meter there is no block and no type for it.
                let block = self.block_of.get(&ty).copied();
                block.map_or(BlockType::Empty, BlockType::FunctionType)
            }
        }
    }
}

/// The meters' globals, from this index on.
fn add_globals(options: &InstrumentOptions, first: u32) -> (Globals, Vec<Added>) {
    let mut added = Vec::new();
    let mut add = |name, value: Option<u64>| {
        let index = first + added.len() as u32;
        value.map(|value| {
            added.push(Added {
                name,
                ty: ValType::I64,
                value: ConstExpr::i64_const(value as i64),
            });
            index
        })
    };
    let mut globals = Globals {
        gas: add(GAS_LEFT, options.gas.as_ref().map(|gas| gas.limit)),
        native: add(STACK_NATIVE_LEFT, options.stack_native_max),
        logical: add(STACK_LOGICAL_LEFT, options.stack_logical_max.map(u64::from)),
        trap: 0,
    };
    globals.trap = first + added.len() as u32;
    if !added.is_empty() {
        added.push(Added {
            name: TRAP,
            ty: ValType::I32,
            value: ConstExpr::i32_const(0),
        });
    }
    (globals, added)
}

fn encode_type(ty: &wasmparser::FuncType, out: &mut Vec<u8>) {
    const FUNC: u8 = 0x60;
    out.push(FUNC);
    for types in [ty.params(), ty.results()] {
        let types: Vec<ValType> = types.iter().copied().filter_map(val_type).collect();
        types.as_slice().encode(out);
    }
}

/// A type of the accepted language; `None` for others, which validation has refused.
fn val_type(ty: wasmparser::ValType) -> Option<ValType> {
    match ty {
        wasmparser::ValType::I32 => Some(ValType::I32),
        wasmparser::ValType::I64 => Some(ValType::I64),
        wasmparser::ValType::F32 => Some(ValType::F32),
        wasmparser::ValType::F64 => Some(ValType::F64),
        _ => None,
    }
}
