//! The steps of a node's preparation, with the crates that the node uses.

use pvf_meter_oracle::parity_wasm::elements::{
    self, ExportEntry, External, Instruction, Internal, MemorySection, MemoryType, Module, Section,
};
use pvf_meter_oracle::wasm_instrument::inject_stack_limiter;
use wasmparser_node::{Parser, Payload, Validator, WasmFeatures};

/// The class in which a preparation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Accepted,
    Prevalidation,
    Preparation,
}

/// The class in which a node's preparation of a module ends, with the message of the crate.
pub fn prepare(wasm: &[u8]) -> (Class, String) {
    let module: Module = match elements::deserialize_buffer(wasm) {
        Ok(module) => module,
        Err(error) => return (Class::Prevalidation, error.to_string()),
    };
    if extends_signs(&module) {
        return (Class::Prevalidation, "sign extension".to_owned());
    }
    match rewrite(module).and_then(|wasm| validate(&wasm)) {
        Ok(()) => (Class::Accepted, String::new()),
        Err(error) => (Class::Preparation, error),
    }
}

/// A node's `parity-wasm` does not support sign extension. Here the feature is on, because other tests of this build
/// need it.
fn extends_signs(module: &Module) -> bool {
    let of_proposal = |instruction: &Instruction| format!("{instruction:?}").starts_with("SignExt");
    let bodies = module.code_section().map_or(&[][..], |code| code.bodies());
    let globals = module
        .global_section()
        .map_or(&[][..], |globals| globals.entries());
    let elements = module
        .elements_section()
        .map_or(&[][..], |section| section.entries());
    let data = module
        .data_section()
        .map_or(&[][..], |section| section.entries());
    let offsets = elements
        .iter()
        .map(|it| it.offset())
        .chain(data.iter().map(|it| it.offset()));
    bodies
        .iter()
        .flat_map(|body| body.code().elements())
        .any(of_proposal)
        || globals
            .iter()
            .flat_map(|global| global.init_expr().code())
            .any(of_proposal)
        || offsets
            .flatten()
            .flat_map(|offset| offset.code())
            .any(of_proposal)
}

/// The module that a node passes to the compiler.
fn rewrite(module: Module) -> Result<Vec<u8>, String> {
    let mut module = inject_stack_limiter(module, 65_536).map_err(str::to_owned)?;
    let mut memory = None;
    if let Some(section) = module.import_section_mut() {
        let entries = section.entries_mut();
        let is_memory = |external: &External| matches!(external, External::Memory(_));
        if let Some(at) = entries.iter().position(|it| is_memory(it.external())) {
            memory = Some(entries.remove(at));
        }
    }
    if let Some(import) = memory {
        let External::Memory(ty) = *import.external() else {
            unreachable!("it was found as one");
        };
        let own = MemorySection::with_entries(vec![ty]);
        let inserted = module.insert_section(Section::Memory(own));
        inserted.map_err(|error| error.to_string())?;
        if module.export_section().is_none() {
            let inserted = module.insert_section(Section::Export(Default::default()));
            inserted.map_err(|error| error.to_string())?;
        }
        if let Some(exports) = module.export_section_mut() {
            let name = import.field().to_owned();
            let export = ExportEntry::new(name, Internal::Memory(0));
            exports.entries_mut().push(export);
        }
    }
    if let Some(section) = module.memory_section_mut() {
        for memory in section.entries_mut() {
            *memory = MemoryType::new(memory.limits().initial(), None);
        }
    }
    elements::serialize(module).map_err(|error| error.to_string())
}

/// Validates a module as Wasmtime does, with the features that a node leaves enabled.
fn validate(wasm: &[u8]) -> Result<(), String> {
    let features =
        WasmFeatures::WASM1 | WasmFeatures::SIGN_EXTENSION | WasmFeatures::SATURATING_FLOAT_TO_INT;
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload.map_err(|error| error.to_string())?
            && ["webidl-bindings", "wasm-interface-types"].contains(&section.name())
        {
            return Err("interface types".to_owned());
        }
    }
    let validated = Validator::new_with_features(features).validate_all(wasm);
    validated.map(drop).map_err(|error| error.to_string())
}
