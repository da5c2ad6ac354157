//! Checks of an artifact's metadata, so that later code need not check indices.
//!
//! A checksum detects a damaged file. These checks detect metadata that is intact but wrong.

use crate::{LoadError, arch};
use pvf_compiler::ValType;
use pvf_compiler::abi::{ENTRY_AREA_BYTES, context};
use pvf_compiler::artifact::{ConstExpr, ElementMode, ExportKind, ImportKind, ModuleInfo};
use pvf_rules::MOST_MEMORY_PAGES;

type Checked = Result<(), LoadError>;

/// Checks that the artifact is for this machine and that its metadata is consistent.
pub(crate) fn validate(module: &ModuleInfo, code_bytes: usize, data_bytes: usize) -> Checked {
    if module.target != arch::TARGET {
        return Err(LoadError::Target {
            artifact: module.target,
            machine: arch::TARGET.name(),
        });
    }
    if let Some(feature) = arch::missing_processor_feature() {
        return Err(LoadError::Processor(feature));
    }
    code(module, code_bytes as u64)?;
    imports(module)?;
    globals(module)?;
    exports(module)?;
    segments(module, data_bytes as u64)
}

fn ensure(condition: bool, what: &'static str, index: usize) -> Checked {
    match condition {
        true => Ok(()),
        false => Err(LoadError::Inconsistent {
            what,
            index: index as u64,
        }),
    }
}

fn code(module: &ModuleInfo, code_bytes: u64) -> Checked {
    ensure(
        u32::try_from(code_bytes).is_ok(),
        "code is too long, bytes:",
        code_bytes as usize,
    )?;
    let slots = (ENTRY_AREA_BYTES / 8) as usize;
    for (index, signature) in module.signatures.iter().enumerate() {
        let most = signature.params.len().max(signature.results.len());
        ensure(most <= slots, "too many values in signature", index)?;
        let stub = module.entry_stubs.get(index);
        let within = stub.is_some_and(|stub| stub.is_none_or(|stub| u64::from(stub) < code_bytes));
        ensure(
            within,
            "missing or misplaced entry stub of signature",
            index,
        )?;
    }
    for (index, function) in module.functions.iter().enumerate() {
        let known = (function.signature as usize) < module.signatures.len();
        ensure(known, "unknown signature of function", index)?;
        let end = u64::from(function.code_offset) + u64::from(function.code_bytes);
        let within = end <= code_bytes && u64::from(function.code_offset) < code_bytes;
        ensure(within, "no code for function", index)?;
    }
    let Some(start) = module.start else {
        return Ok(());
    };
    let plain = module
        .function_type(start)
        .is_some_and(|ty| ty.params.is_empty() && ty.results.is_empty());
    ensure(
        plain && module.entry_stub(start).is_some(),
        "unsuitable start function",
        start as usize,
    )
}

fn imports(module: &ModuleInfo) -> Checked {
    let (mut functions, mut globals, mut tables, mut memories) = (0, 0, 0, 0);
    for (index, import) in module.imports.iter().enumerate() {
        let matches = match import.kind {
            ImportKind::Function(signature) => {
                functions += 1;
                let function = module.functions.get(functions - 1);
                function.is_some_and(|function| function.signature == signature)
            }
            ImportKind::Global(ty) => {
                globals += 1;
                let global = module.globals.get(globals - 1);
                global.is_some_and(|global| global.ty == ty && global.init.is_none())
            }
            ImportKind::Table(ty) => {
                tables += 1;
                tables == 1 && module.table == Some(ty)
            }
            ImportKind::Memory(ty) => {
                memories += 1;
                memories == 1 && module.memory == Some(ty)
            }
        };
        ensure(matches, "no matching item for import", index)?;
    }
    let counted = module.imported_functions as usize;
    ensure(
        functions == counted,
        "wrong number of imported functions:",
        counted,
    )?;
    let counted = module.imported_globals as usize;
    ensure(
        globals == counted,
        "wrong number of imported globals:",
        counted,
    )?;
    let pages = module.memory.map_or(0, |memory| memory.minimum);
    ensure(
        pages <= MOST_MEMORY_PAGES,
        "too many pages of memory:",
        pages as usize,
    )
}

fn globals(module: &ModuleInfo) -> Checked {
    const MOST: usize = ((i32::MAX as u32 - context::GLOBALS) / 8) as usize;
    let count = module.globals.len();
    ensure(count <= MOST, "too many globals:", count)?;
    if let Some(counter) = module.logical_counter {
        let global = module.globals.get(counter as usize);
        let counts = global.is_some_and(|global| {
            module.meters.logical_stack && global.ty.mutable && global.ty.value == ValType::I32
        });
        ensure(
            counts,
            "unsuitable counter of the logical stack: global",
            counter as usize,
        )?;
    }
    let imported = module.imported_globals as usize;
    for (index, global) in module.globals.iter().enumerate().skip(imported) {
        let init = global.init.is_some_and(|init| evaluates(module, init));
        ensure(init, "invalid initial value of global", index)?;
    }
    Ok(())
}

fn evaluates(module: &ModuleInfo, expression: ConstExpr) -> bool {
    match expression {
        ConstExpr::Const(_) => true,
        ConstExpr::Global(index) => index < module.imported_globals,
    }
}

fn exports(module: &ModuleInfo) -> Checked {
    for (index, export) in module.exports.iter().enumerate() {
        let exists = match export.kind {
            ExportKind::Function(function) => module.entry_stub(function).is_some(),
            ExportKind::Global(global) => (global as usize) < module.globals.len(),
            ExportKind::Table => module.table.is_some(),
            ExportKind::Memory => module.memory.is_some(),
        };
        ensure(exists, "no item for export", index)?;
    }
    Ok(())
}

fn segments(module: &ModuleInfo, data_bytes: u64) -> Checked {
    for (index, segment) in module.data_segments.iter().enumerate() {
        let within =
            segment.bytes.start <= segment.bytes.end && u64::from(segment.bytes.end) <= data_bytes;
        ensure(within, "no bytes for data segment", index)?;
        let placed = segment
            .offset
            .is_none_or(|offset| module.memory.is_some() && evaluates(module, offset));
        ensure(placed, "no memory for data segment", index)?;
    }
    for (index, segment) in module.element_segments.iter().enumerate() {
        let placed = match segment.mode {
            ElementMode::Active(offset) => module.table.is_some() && evaluates(module, offset),
            ElementMode::Passive | ElementMode::Declared => true,
        };
        ensure(placed, "no table for element segment", index)?;
        let known = |function: u32| (function as usize) < module.functions.len();
        let known = segment
            .functions
            .iter()
            .flatten()
            .all(|&index| known(index));
        ensure(known, "unknown function in element segment", index)?;
    }
    Ok(())
}
