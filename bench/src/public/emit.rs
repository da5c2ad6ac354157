//! The functions that a script becomes.

use crate::public::module::{DIGEST, RUN, SETUP, Type};
use crate::public::script::{Argument, Statement};
use std::collections::BTreeMap;
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, MemArgTarget, ValType};

/// What a script can name, and the numbers that are taken.
#[derive(Default)]
pub struct Names {
    /// Exported functions.
    pub functions: BTreeMap<String, u32>,
    /// Exported globals. They are addresses.
    pub globals: BTreeMap<String, u32>,
    /// The types of all functions.
    pub types: Vec<Type>,
    /// The number of functions.
    pub function_count: u32,
    /// The number of globals.
    pub global_count: u32,
}

/// What is added to a module.
pub struct Added {
    /// The functions.
    pub functions: Vec<AddedFunction>,
    /// The index of the first of them.
    pub first_function: u32,
    /// The types of mutable globals, which start as zero.
    pub globals: Vec<ValType>,
}

/// A function that is added to a module.
pub struct AddedFunction {
    /// The type.
    pub ty: Type,
    /// The body.
    pub code: Function,
    /// Its name, if it is exported.
    pub export: Option<&'static str>,
}

/// The functions of this benchmark, in the order in which they are added.
const RANDOM: u32 = 0;
const REPEAT: u32 = 1;
const FOLD: u32 = 2;
const FLOATS: u32 = 3;
/// The part of the setup that a script says.
const SCRIPT: u32 = 4;

/// The first two added globals: the digest of results, and the address of the texts.
const RESULTS: u32 = 0;
const TEXTS: u32 = 1;

/// Makes the functions of a script.
pub fn functions(names: Names, setup: &[Statement], run: &[Statement]) -> Result<Added, String> {
    let mut emitter = Emitter {
        variables: BTreeMap::new(),
        globals: vec![ValType::I64, ValType::I32],
        texts: Vec::new(),
        names,
    };
    let mut setup_code = Function::new([]);
    emitter.statements(&mut setup_code.instructions(), setup)?;
    setup_code.instructions().end();
    let mut run_code = Function::new([]);
    emitter.statements(&mut run_code.instructions(), run)?;
    let results = emitter.global(RESULTS);
    run_code.instructions().global_get(results).end();
    let first_function = emitter.names.function_count;
    // The texts of both are known now; the script's part of the setup is a function of its own.
    let mut begin = Function::new([]);
    emitter.write_texts(&mut begin.instructions());
    begin.instructions().call(first_function + SCRIPT).end();
    let function = |params: &[ValType], results: &[ValType], code, export| AddedFunction {
        ty: Type {
            params: params.to_vec(),
            results: results.to_vec(),
        },
        code,
        export,
    };
    use ValType::{I32, I64};
    let mut functions = vec![
        function(&[I32, I32], &[], random(), None),
        function(&[I32, I32, I32, I32], &[], repeat(), None),
        function(&[I64], &[], fold(results), None),
        function(&[I32, I32], &[], floats(), None),
    ];
    functions.push(function(&[], &[], setup_code, None));
    functions.push(function(&[], &[], begin, Some(SETUP)));
    functions.push(function(&[], &[I64], run_code, Some(RUN)));
    functions.push(function(&[], &[I64], digest(), Some(DIGEST)));
    Ok(Added {
        functions,
        first_function,
        globals: emitter.globals,
    })
}

struct Emitter {
    /// Global and type of each name.
    variables: BTreeMap<String, (u32, ValType)>,
    globals: Vec<ValType>,
    texts: Vec<u8>,
    names: Names,
}

impl Emitter {
    fn global(&self, added: u32) -> u32 {
        self.names.global_count + added
    }

    fn new_global(&mut self, ty: ValType) -> u32 {
        self.globals.push(ty);
        self.global(self.globals.len() as u32 - 1)
    }

    fn statements(
        &mut self,
        code: &mut InstructionSink<'_>,
        all: &[Statement],
    ) -> Result<(), String> {
        all.iter().try_for_each(|it| self.statement(code, it))
    }

    fn statement(
        &mut self,
        code: &mut InstructionSink<'_>,
        statement: &Statement,
    ) -> Result<(), String> {
        match statement {
            Statement::Call {
                results,
                function,
                arguments,
            } => {
                let types = match function.strip_prefix('@') {
                    Some(own) => self.own_function(code, own, arguments)?,
                    None => self.exported(code, function, arguments)?,
                };
                self.results(code, function, results, &types)
            }
            Statement::Loop {
                counter,
                count,
                body,
            } => {
                let global = self.new_global(ValType::I32);
                if let Some(name) = counter {
                    self.variables.insert(name.clone(), (global, ValType::I32));
                }
                code.i32_const(0).global_set(global);
                if *count > 0 {
                    code.loop_(BlockType::Empty);
                    self.statements(code, body)?;
                    code.global_get(global)
                        .i32_const(1)
                        .i32_add()
                        .global_set(global);
                    code.global_get(global)
                        .i32_const(*count as i32)
                        .i32_lt_u()
                        .br_if(0)
                        .end();
                }
                Ok(())
            }
        }
    }

    /// Calls an export. Returns the types of its results.
    fn exported(
        &mut self,
        code: &mut InstructionSink<'_>,
        name: &str,
        arguments: &[Argument],
    ) -> Result<Vec<ValType>, String> {
        let index = *self
            .names
            .functions
            .get(name)
            .ok_or(format!("no function {name} is exported"))?;
        let ty = self
            .names
            .types
            .get(index as usize)
            .cloned()
            .ok_or("no such function")?;
        self.arguments(code, name, arguments, &ty.params)?;
        code.call(index);
        Ok(ty.results)
    }

    /// A function of this benchmark. Returns the types of its results.
    fn own_function(
        &mut self,
        code: &mut InstructionSink<'_>,
        name: &str,
        arguments: &[Argument],
    ) -> Result<Vec<ValType>, String> {
        use ValType::{F32, F64, I32, I64};
        let first = self.names.function_count;
        let mut pass = |code: &mut InstructionSink<'_>, types: &[ValType]| {
            self.arguments(code, name, arguments, types)
        };
        Ok(match name {
            "random" => {
                pass(code, &[I32, I32])?;
                code.call(first + RANDOM);
                vec![]
            }
            "repeat" => {
                pass(code, &[I32, I32, I32, I32])?;
                code.call(first + REPEAT);
                vec![]
            }
            "floats" => {
                pass(code, &[I32, I32])?;
                code.call(first + FLOATS);
                vec![]
            }
            "copy" => {
                pass(code, &[I32, I32, I32])?;
                code.memory_copy(0, 0);
                vec![]
            }
            "grow" => {
                pass(code, &[I32])?;
                code.i32_const(0xffff)
                    .i32_add()
                    .i32_const(16)
                    .i32_shr_u()
                    .memory_grow(0);
                code.i32_const(16).i32_shl();
                vec![I32]
            }
            "load32" => {
                pass(code, &[I32])?;
                code.i32_load(BYTE);
                vec![I32]
            }
            "load64" => {
                pass(code, &[I32])?;
                code.i64_load(BYTE);
                vec![I64]
            }
            "store8" => {
                pass(code, &[I32, I32])?;
                code.i32_store8(BYTE);
                vec![]
            }
            "store32" => {
                pass(code, &[I32, I32])?;
                code.i32_store(BYTE);
                vec![]
            }
            "store64" => {
                pass(code, &[I32, I64])?;
                code.i64_store(BYTE);
                vec![]
            }
            "storef32" => {
                pass(code, &[I32, F32])?;
                code.f32_store(BYTE);
                vec![]
            }
            "storef64" => {
                pass(code, &[I32, F64])?;
                code.f64_store(BYTE);
                vec![]
            }
            _ => return Err(format!("no function @{name}")),
        })
    }

    /// Leaves the arguments of a call on the stack.
    fn arguments(
        &mut self,
        code: &mut InstructionSink<'_>,
        name: &str,
        arguments: &[Argument],
        types: &[ValType],
    ) -> Result<(), String> {
        let mut expected = types.iter().copied();
        let missing = || format!("{name} takes {} arguments", types.len());
        for argument in arguments {
            let ty = expected.next().ok_or_else(missing)?;
            let unfit = |what: &str| format!("{name}: {what} is not a value of type {ty:?}");
            match argument {
                Argument::Number(text) => number(code, text, ty).ok_or_else(|| unfit(text))?,
                Argument::Name(variable, offset) => {
                    let address = |&global: &u32| (global, ValType::I32);
                    let known = self.variables.get(variable).copied();
                    let known = known.or_else(|| self.names.globals.get(variable).map(address));
                    let (global, of) = known.ok_or(format!("no value has the name {variable}"))?;
                    code.global_get(global);
                    match (of, ty) {
                        _ if of == ty => {}
                        (ValType::I32, ValType::I64) => {
                            code.i64_extend_i32_u();
                        }
                        (ValType::I32, ValType::F64) => {
                            code.f64_convert_i32_u();
                        }
                        (ValType::I32, ValType::F32) => {
                            code.f32_convert_i32_u();
                        }
                        _ => return Err(unfit(variable)),
                    }
                    if *offset != 0 {
                        match ty {
                            ValType::I32 => code.i32_const(*offset as i32).i32_add(),
                            ValType::I64 => code.i64_const(*offset).i64_add(),
                            _ => return Err(unfit(variable)),
                        };
                    }
                }
                Argument::Text(text) => self.text(code, text),
                Argument::TextAndLength(text) => {
                    self.text(code, text);
                    expected.next().ok_or_else(missing)?;
                    code.i32_const(text.len() as i32);
                }
            }
        }
        match expected.next() {
            None => Ok(()),
            Some(_) => Err(missing()),
        }
    }

    /// Leaves the address of a text on the stack.
    fn text(&mut self, code: &mut InstructionSink<'_>, text: &[u8]) {
        code.global_get(self.global(TEXTS))
            .i32_const(self.texts.len() as i32)
            .i32_add();
        self.texts.extend_from_slice(text);
        self.texts.push(0);
        self.texts.resize(self.texts.len().next_multiple_of(8), 0);
    }

    /// Takes results from the stack into their names and into the digest.
    fn results(
        &mut self,
        code: &mut InstructionSink<'_>,
        function: &str,
        names: &[String],
        types: &[ValType],
    ) -> Result<(), String> {
        if !names.is_empty() && names.len() != types.len() {
            return Err(format!("{function} does not have {} results", names.len()));
        }
        for (index, &ty) in types.iter().enumerate().rev() {
            if let Some(name) = names.get(index) {
                let known = self.variables.get(name).copied();
                let global = match known {
                    Some((global, known)) if known == ty => global,
                    Some(_) => return Err(format!("{name} has two types")),
                    None => self.new_global(ty),
                };
                self.variables.insert(name.clone(), (global, ty));
                code.global_set(global).global_get(global);
            }
            match ty {
                ValType::I32 => code.i64_extend_i32_u(),
                ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
                ValType::F64 => code.i64_reinterpret_f64(),
                _ => code,
            };
            code.call(self.names.function_count + FOLD);
        }
        Ok(())
    }

    /// Writes the texts of the scripts into memory of their own.
    fn write_texts(&self, code: &mut InstructionSink<'_>) {
        if self.texts.is_empty() {
            return;
        }
        let base = self.global(TEXTS);
        code.i32_const(self.texts.len().div_ceil(1 << 16) as i32)
            .memory_grow(0);
        code.i32_const(16).i32_shl().global_set(base);
        for (index, word) in self.texts.chunks_exact(8).enumerate() {
            let value = i64::from_le_bytes(word.try_into().unwrap_or_default());
            code.global_get(base).i64_const(value).i64_store(MemArg {
                offset: index as u64 * 8,
                ..BYTE
            });
        }
    }
}

/// Leaves a number on the stack; `None` if it is not one of this type.
fn number(code: &mut InstructionSink<'_>, text: &str, ty: ValType) -> Option<()> {
    let integer = || match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|it| it as i64),
        None => text.parse::<i64>().ok(),
    };
    match ty {
        ValType::I32 => {
            let value = integer()?;
            let fits = i32::try_from(value).is_ok() || u32::try_from(value).is_ok();
            fits.then(|| code.i32_const(value as i32))?
        }
        ValType::I64 => code.i64_const(integer()?),
        ValType::F32 => code.f32_const(text.parse::<f32>().ok()?.into()),
        ValType::F64 => code.f64_const(text.parse::<f64>().ok()?.into()),
        _ => return None,
    };
    Some(())
}

/// At the address itself, which may be odd.
const BYTE: MemArg = MemArg {
    offset: 0,
    align: 0,
    target: MemArgTarget::Memory(0),
    ordering: None,
};

/// `random(at, bytes)`: the upper bytes of a linear congruential generator.
fn random() -> Function {
    let mut function = Function::new_with_locals_types([ValType::I64, ValType::I32]);
    let mut code = function.instructions();
    code.i64_const(0x0139_408d_cbbf_7a44).local_set(2);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(3).local_get(1).i32_ge_u().br_if(1);
    code.local_get(2)
        .i64_const(0x5851_f42d_4c95_7f2d)
        .i64_mul()
        .i64_const(1)
        .i64_add()
        .local_set(2);
    code.local_get(0).local_get(3).i32_add();
    code.local_get(2)
        .i64_const(56)
        .i64_shr_u()
        .i32_wrap_i64()
        .i32_store8(BYTE);
    code.local_get(3).i32_const(1).i32_add().local_set(3).br(0);
    code.end().end().end();
    function
}

/// `floats(at, count)`: from the upper bits of a linear congruential generator.
fn floats() -> Function {
    let mut function = Function::new_with_locals_types([ValType::I64]);
    let mut code = function.instructions();
    code.i64_const(0x0139_408d_cbbf_7a44).local_set(2);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(1).i32_eqz().br_if(1);
    code.local_get(2)
        .i64_const(0x5851_f42d_4c95_7f2d)
        .i64_mul()
        .i64_const(1)
        .i64_add()
        .local_set(2);
    code.local_get(0)
        .local_get(2)
        .i64_const(40)
        .i64_shr_s()
        .f32_convert_i64_s();
    code.f32_const((1.0 / f32::from(1u16 << 11) / f32::from(1u16 << 12)).into())
        .f32_mul()
        .f32_store(BYTE);
    code.local_get(0).i32_const(4).i32_add().local_set(0);
    code.local_get(1).i32_const(1).i32_sub().local_set(1).br(0);
    code.end().end().end();
    function
}

/// `repeat(at, bytes, text, length)`.
fn repeat() -> Function {
    let mut function = Function::new_with_locals_types([ValType::I32]);
    let mut code = function.instructions();
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(4).local_get(1).i32_ge_u().br_if(1);
    code.local_get(0).local_get(4).i32_add();
    code.local_get(2)
        .local_get(4)
        .local_get(3)
        .i32_rem_u()
        .i32_add()
        .i32_load8_u(BYTE);
    code.i32_store8(BYTE);
    code.local_get(4).i32_const(1).i32_add().local_set(4).br(0);
    code.end().end().end();
    function
}

/// Adds a value to a digest.
fn mix(code: &mut InstructionSink<'_>) {
    code.i64_xor()
        .i64_const(0x9e37_79b9_7f4a_7c15_u64 as i64)
        .i64_mul()
        .i64_const(29)
        .i64_rotl();
}

/// `fold(value)`: adds a result to the digest of results.
fn fold(results: u32) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(0).global_get(results).i64_const(1).i64_add();
    mix(&mut code);
    code.global_set(results).end();
    function
}

/// `digest()`: of the whole memory.
fn digest() -> Function {
    let mut function = Function::new_with_locals_types([ValType::I32, ValType::I64]);
    let mut code = function.instructions();
    code.loop_(BlockType::Empty);
    code.local_get(1).local_get(0).i64_load(BYTE);
    mix(&mut code);
    code.local_set(1);
    code.local_get(0).i32_const(8).i32_add().local_tee(0);
    code.memory_size(0)
        .i32_const(16)
        .i32_shl()
        .i32_ne()
        .br_if(0)
        .end();
    code.local_get(1).end();
    function
}
