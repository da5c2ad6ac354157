//! Conversion of wasmparser's types to ours. Types that ours cannot represent are refused by the name of their proposal.

use super::features;
use crate::artifact::{ConstExpr, ElementMode, ElementSegment, ExportKind};
use crate::error::{Refusal, narrow};
use crate::types::{FuncType, GlobalType, MemoryType, TableType, ValType};
use wasmparser::{
    BinaryReader, CompositeInnerType, ElementItems, ElementKind, ExternalKind, Operator, RefType,
    TypeRef,
};

/// Kind and type of an import, functions by the index of their type.
#[derive(Clone, Copy)]
pub(super) enum ImportType {
    Function(u32),
    Table(TableType),
    Memory(MemoryType),
    Global(GlobalType),
}

fn unsupported<T>(feature: &'static str, offset: u32) -> Result<T, Refusal> {
    Err(Refusal::unsupported(feature, None, offset))
}

fn invalid(message: &str, offset: u32) -> Refusal {
    Refusal::Invalid {
        function: None,
        offset,
        message: message.to_owned(),
        rule: features::rule_broken(message),
    }
}

fn malformed(error: wasmparser::Error) -> Refusal {
    Refusal::malformed(error, None)
}

fn value(ty: wasmparser::ValType, offset: u32) -> Result<ValType, Refusal> {
    match ty {
        wasmparser::ValType::I32 => Ok(ValType::I32),
        wasmparser::ValType::I64 => Ok(ValType::I64),
        wasmparser::ValType::F32 => Ok(ValType::F32),
        wasmparser::ValType::F64 => Ok(ValType::F64),
        wasmparser::ValType::V128 => unsupported("simd", offset),
        wasmparser::ValType::Ref(ty) => unsupported(features::of_reference(ty), offset),
    }
}

pub(super) fn func_type(ty: &wasmparser::SubType, offset: u32) -> Result<FuncType, Refusal> {
    let composite = &ty.composite_type;
    if composite.shared {
        return unsupported("shared-everything-threads", offset);
    }
    if composite.descriptor_idx.is_some() || composite.describes_idx.is_some() {
        return unsupported("custom-descriptors", offset);
    }
    let values = |types: &[wasmparser::ValType]| {
        types
            .iter()
            .map(|ty| value(*ty, offset))
            .collect::<Result<Vec<_>, _>>()
    };
    match &composite.inner {
        CompositeInnerType::Func(ty) => Ok(FuncType {
            params: values(ty.params())?,
            results: values(ty.results())?,
        }),
        CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) => unsupported("gc", offset),
        CompositeInnerType::Cont(_) => unsupported("stack-switching", offset),
    }
}

pub(super) fn import(ty: TypeRef, offset: u32) -> Result<ImportType, Refusal> {
    match ty {
        TypeRef::Func(ty) => Ok(ImportType::Function(ty)),
        TypeRef::Table(ty) => table(ty, offset).map(ImportType::Table),
        TypeRef::Memory(ty) => memory(ty, offset).map(ImportType::Memory),
        TypeRef::Global(ty) => global(ty, offset).map(ImportType::Global),
        TypeRef::Tag(_) => unsupported("exception-handling", offset),
        TypeRef::FuncExact(_) => unsupported("custom-descriptors", offset),
    }
}

pub(super) fn table(ty: wasmparser::TableType, offset: u32) -> Result<TableType, Refusal> {
    if ty.table64 {
        return unsupported("memory64", offset);
    }
    if ty.shared {
        return unsupported("shared-everything-threads", offset);
    }
    if ty.element_type != RefType::FUNCREF {
        return unsupported(features::of_reference(ty.element_type), offset);
    }
    Ok(TableType {
        minimum: size(ty.initial, offset)?,
        maximum: ty
            .maximum
            .map(|maximum| size(maximum, offset))
            .transpose()?,
    })
}

pub(super) fn memory(ty: wasmparser::MemoryType, offset: u32) -> Result<MemoryType, Refusal> {
    if ty.memory64 {
        return unsupported("memory64", offset);
    }
    if ty.shared {
        return unsupported("threads", offset);
    }
    if ty.page_size_log2.is_some() {
        return unsupported("custom-page-sizes", offset);
    }
    Ok(MemoryType {
        minimum: size(ty.initial, offset)?,
        maximum: ty
            .maximum
            .map(|maximum| size(maximum, offset))
            .transpose()?,
    })
}

/// The decoder reads sizes as 32 bits as long as memory64 is off.
fn size(size: u64, offset: u32) -> Result<u32, Refusal> {
    u32::try_from(size).map_err(|_| invalid("size beyond 32 bits", offset))
}

pub(super) fn global(ty: wasmparser::GlobalType, offset: u32) -> Result<GlobalType, Refusal> {
    if ty.shared {
        return unsupported("shared-everything-threads", offset);
    }
    Ok(GlobalType {
        value: value(ty.content_type, offset)?,
        mutable: ty.mutable,
    })
}

pub(super) fn export(export: &wasmparser::Export<'_>, offset: u32) -> Result<ExportKind, Refusal> {
    match export.kind {
        ExternalKind::Func => Ok(ExportKind::Function(export.index)),
        ExternalKind::Table => Ok(ExportKind::Table),
        ExternalKind::Memory => Ok(ExportKind::Memory),
        ExternalKind::Global => Ok(ExportKind::Global(export.index)),
        ExternalKind::Tag => unsupported("exception-handling", offset),
        ExternalKind::FuncExact => unsupported("custom-descriptors", offset),
    }
}

/// A constant expression that the validator has accepted.
pub(super) fn constant(expression: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, Refusal> {
    let (operator, offset) = only_operator(expression)?;
    match operator {
        Operator::I32Const { value } => Ok(ConstExpr::Const(u64::from(value as u32))),
        Operator::I64Const { value } => Ok(ConstExpr::Const(value as u64)),
        Operator::F32Const { value } => Ok(ConstExpr::Const(u64::from(value.bits()))),
        Operator::F64Const { value } => Ok(ConstExpr::Const(value.bits())),
        Operator::GlobalGet { global_index } => Ok(ConstExpr::Global(global_index)),
        _ => Err(invalid("constant expression required", offset)),
    }
}

/// The one operator of a constant expression, and where it is.
fn only_operator<'a>(
    expression: &wasmparser::ConstExpr<'a>,
) -> Result<(Operator<'a>, u32), Refusal> {
    let mut operators = expression.get_operators_reader();
    let offset = narrow(operators.original_position());
    let operator = operators.read().map_err(malformed)?;
    match operators.read().map_err(malformed)? {
        Operator::End => Ok((operator, offset)),
        _ => unsupported(features::EXTENDED_CONST, offset),
    }
}

/// How many entries a segment has.
pub(super) fn element_count(items: &ElementItems<'_>, offset: u32) -> Result<u32, Refusal> {
    match items {
        ElementItems::Functions(functions) => Ok(functions.count()),
        ElementItems::Expressions(ty, expressions) if *ty == RefType::FUNCREF => {
            Ok(expressions.count())
        }
        ElementItems::Expressions(ty, _) => unsupported(features::of_reference(*ty), offset),
    }
}

/// A segment that the validator has accepted.
pub(super) fn element_segment(segment: wasmparser::Element<'_>) -> Result<ElementSegment, Refusal> {
    let mode = match segment.kind {
        ElementKind::Active { offset_expr, .. } => ElementMode::Active(constant(&offset_expr)?),
        ElementKind::Passive => ElementMode::Passive,
        ElementKind::Declared => ElementMode::Declared,
    };
    let mut functions = Vec::new();
    match segment.items {
        ElementItems::Functions(items) => {
            functions.reserve_exact(items.count() as usize);
            for function in items {
                functions.push(Some(function.map_err(malformed)?));
            }
        }
        ElementItems::Expressions(_, items) => {
            functions.reserve_exact(items.count() as usize);
            for expression in items {
                functions.push(reference(&expression.map_err(malformed)?)?);
            }
        }
    }
    Ok(ElementSegment { mode, functions })
}

fn reference(expression: &wasmparser::ConstExpr<'_>) -> Result<Option<u32>, Refusal> {
    let (operator, offset) = only_operator(expression)?;
    match operator {
        Operator::RefFunc { function_index } => Ok(Some(function_index)),
        Operator::RefNull { .. } => Ok(None),
        _ => Err(invalid("constant expression required", offset)),
    }
}

/// Whether the data segment at this offset names its memory, as bulk memory allows.
pub(super) fn explicit_index(wasm: &[u8], offset: u32) -> bool {
    let rest = wasm.get(offset as usize..).unwrap_or(&[]);
    let flags = BinaryReader::new(rest, u64::from(offset)).read_var_u32();
    flags.is_ok_and(|flags| flags == 2)
}
