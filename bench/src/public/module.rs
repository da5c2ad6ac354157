//! Makes a program a module without imports: imported functions become stubs in it, and what the script asks for becomes
//! exported functions. So every engine executes the same bytes, and no host takes part.

use crate::public::emit::{self, Names};
use crate::public::list::Program;
use crate::public::{script, stubs};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module,
    StartSection, TableSection, TypeSection, ValType,
};
use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef};

/// What is done before the clock runs: an export without parameters and results.
pub const SETUP: &str = "setup";

/// What is measured: an export that returns a digest of all results of the calls it made.
pub const RUN: &str = "run";

/// An export that returns a digest of the memory.
pub const DIGEST: &str = "digest";

/// A type of functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// The types of the parameters.
    pub params: Vec<ValType>,
    /// The types of the results.
    pub results: Vec<ValType>,
}

/// The module with its stubs and its script.
pub fn module(program: &Program, wasm: &[u8]) -> Result<Vec<u8>, String> {
    let setup = script::parse(&program.setup)?;
    let run = script::parse(&program.run)?;
    let mut parts = Parts::read(program, wasm)?;
    let names = std::mem::take(&mut parts.names);
    let added = emit::functions(names, &setup, &run)?;
    Ok(parts.finish(added))
}

/// The sections of a module, with stubs in place of imported functions.
#[derive(Default)]
struct Parts {
    types: TypeSection,
    types_count: u32,
    functions: FunctionSection,
    tables: TableSection,
    memories: MemorySection,
    globals: GlobalSection,
    start: Option<u32>,
    elements: ElementSection,
    data_count: Option<u32>,
    code: CodeSection,
    data: DataSection,
    names: Names,
}

impl Parts {
    fn read(program: &Program, wasm: &[u8]) -> Result<Self, String> {
        let mut parts = Self::default();
        let mut types = Vec::new();
        let mut signatures: Vec<u32> = Vec::new();
        let mut substitute = Substitute::default();
        let text = |error: Error| error.to_string();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(|error| error.to_string())? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        let ty = ty.map_err(|error| error.to_string())?;
                        let mut values = |values: &[wasmparser::ValType]| {
                            let values = values.iter().map(|&it| substitute.val_type(it));
                            values.collect::<Result<Vec<_>, _>>().map_err(text)
                        };
                        let params = values(ty.params())?;
                        let results = values(ty.results())?;
                        parts.types.ty().function(params.clone(), results.clone());
                        types.push(Type { params, results });
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(|error| error.to_string())?;
                        let name = format!("{}.{}", import.module, import.name);
                        match import.ty {
                            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                                let kind = program.imports.get(&name).map(String::as_str);
                                let stub =
                                    stubs::stub(&name, kind, index, &types, &program.arguments)?;
                                parts.functions.function(index);
                                parts.code.function(&stub);
                                signatures.push(index);
                            }
                            TypeRef::Table(ty) => {
                                let ty = substitute.table_type(ty).map_err(text)?;
                                parts.tables.table(ty);
                            }
                            TypeRef::Memory(ty) => parts.memory(ty.initial),
                            TypeRef::Global(ty) => {
                                let value = program.globals.get(&name).copied().unwrap_or(0);
                                let ty = substitute.global_type(ty).map_err(text)?;
                                let value = constant(ty.val_type, value)?;
                                parts.globals.global(ty, &value);
                                substitute.imported.push(value);
                            }
                            TypeRef::Tag(_) => return Err("a tag is imported".to_owned()),
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for index in section.clone() {
                        signatures.push(index.map_err(|error| error.to_string())?);
                    }
                    let read = substitute.parse_function_section(&mut parts.functions, section);
                    read.map_err(text)?;
                }
                Payload::TableSection(section) => {
                    let read = substitute.parse_table_section(&mut parts.tables, section);
                    read.map_err(text)?;
                }
                Payload::MemorySection(section) => {
                    for ty in section {
                        parts.memory(ty.map_err(|error| error.to_string())?.initial);
                    }
                }
                Payload::GlobalSection(section) => {
                    let read = substitute.parse_global_section(&mut parts.globals, section);
                    read.map_err(text)?;
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(|error| error.to_string())?;
                        let name = export.name.to_owned();
                        match export.kind {
                            ExternalKind::Func => {
                                parts.names.functions.insert(name, export.index);
                            }
                            ExternalKind::Global => {
                                parts.names.globals.insert(name, export.index);
                            }
                            _ => {}
                        }
                    }
                }
                Payload::StartSection { func, .. } => parts.start = Some(func),
                Payload::ElementSection(section) => {
                    let read = substitute.parse_element_section(&mut parts.elements, section);
                    read.map_err(text)?;
                }
                Payload::DataCountSection { count, .. } => parts.data_count = Some(count),
                Payload::CodeSectionEntry(body) => {
                    let read = substitute.parse_function_body(&mut parts.code, body);
                    read.map_err(text)?;
                }
                Payload::DataSection(section) => {
                    let read = substitute.parse_data_section(&mut parts.data, section);
                    read.map_err(text)?;
                }
                _ => {}
            }
        }
        if parts.memories.is_empty() {
            parts.memory(1);
        }
        parts.types_count = types.len() as u32;
        parts.names.function_count = signatures.len() as u32;
        parts.names.global_count = parts.globals.len();
        let signature = |index: u32| types.get(index as usize).cloned();
        parts.names.types = signatures
            .into_iter()
            .map(signature)
            .collect::<Option<_>>()
            .ok_or("no such type")?;
        Ok(parts)
    }

    /// Adds a memory without a maximum, because the script may need more than the program.
    fn memory(&mut self, minimum: u64) {
        self.memories.memory(MemoryType {
            minimum,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
    }

    /// The module with these functions added.
    fn finish(mut self, added: emit::Added) -> Vec<u8> {
        let mut exports = ExportSection::new();
        for (index, function) in added.functions.iter().enumerate() {
            let ty = &function.ty;
            self.types
                .ty()
                .function(ty.params.clone(), ty.results.clone());
            self.functions.function(self.types_count + index as u32);
            self.code.function(&function.code);
            if let Some(name) = function.export {
                let index = added.first_function + index as u32;
                exports.export(name, ExportKind::Func, index);
            }
        }
        for &ty in &added.globals {
            let ty = GlobalType {
                val_type: ty,
                mutable: true,
                shared: false,
            };
            let zero = match ty.val_type {
                ValType::I64 => ConstExpr::i64_const(0),
                ValType::F32 => ConstExpr::f32_const(0.0.into()),
                ValType::F64 => ConstExpr::f64_const(0.0.into()),
                _ => ConstExpr::i32_const(0),
            };
            self.globals.global(ty, &zero);
        }
        let mut module = Module::new();
        module.section(&self.types).section(&self.functions);
        if !self.tables.is_empty() {
            module.section(&self.tables);
        }
        module
            .section(&self.memories)
            .section(&self.globals)
            .section(&exports);
        if let Some(function_index) = self.start {
            module.section(&StartSection { function_index });
        }
        if !self.elements.is_empty() {
            module.section(&self.elements);
        }
        if let Some(count) = self.data_count {
            module.section(&DataCountSection { count });
        }
        module.section(&self.code);
        if !self.data.is_empty() {
            module.section(&self.data);
        }
        module.finish()
    }
}

fn constant(ty: ValType, value: i64) -> Result<ConstExpr, String> {
    match ty {
        ValType::I32 => Ok(ConstExpr::i32_const(value as i32)),
        ValType::I64 => Ok(ConstExpr::i64_const(value)),
        ValType::F32 => Ok(ConstExpr::f32_const((value as f32).into())),
        ValType::F64 => Ok(ConstExpr::f64_const((value as f64).into())),
        other => Err(format!("a global of type {other:?} is imported")),
    }
}

/// Copies a module, with the values of imported globals in constant expressions. Indices stay as they are, because what
/// was imported is defined in the same order.
#[derive(Default)]
struct Substitute {
    imported: Vec<ConstExpr>,
}

impl Reencode for Substitute {
    type Error = std::convert::Infallible;

    fn const_expr(&mut self, expression: wasmparser::ConstExpr) -> Result<ConstExpr, Error> {
        if let Ok(Operator::GlobalGet { global_index }) = expression.get_operators_reader().read()
            && let Some(value) = self.imported.get(global_index as usize)
        {
            return Ok(value.clone());
        }
        utils::const_expr(self, expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines;
    use std::collections::BTreeMap;

    fn program(setup: &str, run: &str) -> Program {
        Program {
            name: "test".to_owned(),
            work: String::new(),
            file: String::new(),
            sha256: String::new(),
            globals: BTreeMap::from([("env.base".to_owned(), 4096)]),
            imports: BTreeMap::from([("a.b".to_owned(), "fd_write".to_owned())]),
            arguments: vec!["xy".to_owned(), "z".to_owned()],
            setup: setup.to_owned(),
            run: run.to_owned(),
        }
    }

    /// What our engine makes of a script: the results of `run` and `digest`.
    fn outcome(text: &str, setup: &str, run: &str) -> Result<[u64; 2], String> {
        let wasm = module(&program(setup, run), &wat::parse_str(text).unwrap())?;
        let compiled = engines::every_feature(false).compile(&wasm)?;
        let mut instance = compiled.instantiate()?;
        instance.call(SETUP)?;
        let run = instance.call(RUN)?.ok_or("no result")?;
        Ok([run, instance.call(DIGEST)?.ok_or("no result")?])
    }

    const ECHO: &str = r#"(module
        (import "env" "base" (global $base i32))
        (import "wasi" "args_get" (func $arguments (param i32 i32) (result i32)))
        (import "wasi" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "env" "invoke_ii" (func $invoke (param i32 i32) (result i32)))
        (import "a" "b" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
        (import "env" "emscripten_get_now" (func $now (result f64)))
        (import "env" "memory" (memory 1 1))
        (import "env" "none" (func $none (param i32) (result i64)))
        (table funcref (elem $negative))
        (func $negative (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0)))
        (func (export "invoked") (param i32) (result i32) (call $invoke (i32.const 0) (local.get 0)))
        (func (export "arguments") (result i32)
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (drop (call $arguments (i32.const 16) (i32.const 64)))
            (i32.add (i32.mul (i32.load (i32.const 4)) (i32.const 1000)) (i32.load8_u (i32.load (i32.const 20)))))
        (data (global.get $base) "abc")
        (global (export "at") i32 (i32.const 4096))
        (func (export "echo") (param i32) (result i32) local.get 0)
        (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func (export "none") (result i64) (call $none (i32.const 7)))
        (func (export "now") (result f64) (call $now))
        (func (export "two") (param i64 f64) (result f64 i64) local.get 1 local.get 0)
        (func (export "written") (result i32)
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 11))
            (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 22))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 32)))
            (i32.load (i32.const 32))))"#;

    #[test]
    fn results_of_calls_make_the_digest_of_a_run() {
        let run = |run: &str| outcome(ECHO, "", run).unwrap()[0];
        let five = run("echo(5)");
        assert_eq!(run("x = echo(2)\necho(x + 3)"), run("echo(2)\necho(5)"));
        assert_ne!(five, run("echo(6)"));
        assert_ne!(five, run("echo(5)\necho(5)"));
        // Data at an imported global, an exported global, and what stubs return.
        assert_eq!(run("byte(at)"), run("echo(97)"));
        assert_eq!(run("written()"), run("echo(33)"));
        assert_eq!(run("none()"), run("echo(0)"));
        assert_eq!(run("arguments()"), run("echo(5122)"), "five bytes, and `z`");
        assert_eq!(run("invoked(-9)"), run("echo(9)"));
        assert_ne!(run("now()\nnow()"), run("now()\necho(0)"));
        assert_eq!(
            run("loop i 3\necho(i)\nend"),
            run("echo(0)\necho(1)\necho(2)")
        );
        assert_eq!(
            run("a, b = two(7, 1.5)\nc, d = two(b, a)"),
            run("loop 2\ntwo(7, 1.5)\nend")
        );
    }

    #[test]
    fn functions_of_the_benchmark_reach_the_memory() {
        let run = |setup: &str, run: &str| outcome(ECHO, setup, run).unwrap();
        // wxyz, little endian.
        let word = "echo(2054781047)";
        assert_eq!(run("", "at = @load32(\"wxyz\")")[0], run("", word)[0]);
        let setup = "p = @grow(8)\n@repeat(p, 4, &\"wxyz\")";
        assert_eq!(run(setup, "@load32(p)")[0], run(setup, word)[0]);
        let setup = "p = @grow(8)\n@copy(p, \"wxyz\", 4)";
        assert_eq!(run(setup, "@load32(p)")[0], run(setup, word)[0]);
        let floats = run("", "@floats(64, 2)\n@load64(64)");
        assert_ne!(floats[0], run("", "@load64(64)")[0]);
        let random = run("p = @grow(64)\n@random(p, 64)", "@load64(p)");
        assert_eq!(random, run("p = @grow(64)\n@random(p, 64)", "@load64(p)"));
        assert_ne!(
            random[1],
            run("p = @grow(64)\n@random(p, 63)", "@load64(p)")[1]
        );
        let stored = run(
            "",
            "@store64(8, 1)\n@store32(8, 2)\n@store8(8, 3)\n@load64(8)",
        )[0];
        assert_eq!(stored, run("", "@store32(8, 3)\n@load64(8)")[0]);
        assert_eq!(
            run("", "@storef64(8, 1.5)\n@load64(8)")[0],
            run("", "@store64(8, 4609434218613702656)\n@load64(8)")[0]
        );
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for (script, what) in [
            ("absent()", "absent"),
            ("echo()", "1 arguments"),
            ("echo(absent)", "absent"),
            ("a, b = echo(1)", "2 results"),
            ("echo(1.5)", "1.5"),
            ("@absent()", "@absent"),
            ("x = now()\necho(x)", "x"),
        ] {
            let error = outcome(ECHO, "", script).unwrap_err();
            assert!(error.contains(what), "{script}: {error}");
        }
    }
}
