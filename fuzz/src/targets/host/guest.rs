//! The validation function that makes the calls of its candidate.
//!
//! A call is [`CALL_BYTES`] bytes: the number of a host function, then an argument of [`ARGUMENT_BYTES`] for each
//! parameter. The low two bits of an argument say what it is, the bits above are its number `n`:
//!
//! | bits | `i32` | `i64` |
//! | --- | --- | --- |
//! | 0 | `n` | `n` |
//! | 1 | an address within the candidate | a range within the candidate: 8 bits of address, then the length |
//! | 2 | the result of the call before | the same |
//! | 3 | an address in the low memory | a range in the low memory: 12 bits of address, then the length |

use pvf_compiler::{FuncType, ValType as Type};
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, MemArg, MemArgTarget, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

/// Bytes of a call before its arguments.
pub const HEAD_BYTES: usize = 1;
/// Bytes of an argument.
pub const ARGUMENT_BYTES: usize = 4;
/// The most parameters of a host function.
const MOST_PARAMETERS: usize = 5;
/// Bytes of a call.
pub const CALL_BYTES: usize = HEAD_BYTES + MOST_PARAMETERS * ARGUMENT_BYTES;

/// Bytes of memory that are the result, from address 0 on.
const RESULT_BYTES: i64 = 0x4000;
/// Where the heap begins.
const HEAP_BASE: i32 = 0x10000;
/// Pages of memory.
const PAGES: u64 = 20;

// The locals of `validate_block`.
const CANDIDATE: u32 = 0;
const BYTES: u32 = 1;
const CURSOR: u32 = 2;
const LAST: u32 = 3;

/// The module. It calls host functions of this module name.
pub fn module(from: &str, functions: &[(&str, FuncType)]) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    for (index, (name, ty)) in (0..).zip(functions) {
        assert!(
            ty.params.len() <= MOST_PARAMETERS,
            "{name} has more parameters"
        );
        let of = |types: &[Type]| types.iter().map(|&ty| value_type(ty)).collect::<Vec<_>>();
        types.ty().function(of(&ty.params), of(&ty.results));
        imports.import(from, name, EntityType::Function(index));
    }
    let own = functions.len() as u32;
    types
        .ty()
        .function([ValType::I32, ValType::I32], [ValType::I64]);
    let mut defined = FunctionSection::new();
    defined.function(own);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: PAGES,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let constant = GlobalType {
        val_type: ValType::I32,
        mutable: false,
        shared: false,
    };
    globals.global(constant, &ConstExpr::i32_const(HEAP_BASE));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("__heap_base", ExportKind::Global, 0);
    exports.export("validate_block", ExportKind::Func, own);
    let mut code = CodeSection::new();
    code.function(&body(functions));
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&defined)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&code);
    module.finish()
}

fn value_type(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::I32,
        Type::I64 => ValType::I64,
        Type::F32 => ValType::F32,
        Type::F64 => ValType::F64,
    }
}

fn at(offset: usize) -> MemArg {
    MemArg {
        offset: offset as u64,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

/// Calls function after function while there is a whole call left.
fn body(functions: &[(&str, FuncType)]) -> Function {
    let count = functions.len() as u32;
    let mut code = Function::new([(1, ValType::I32), (1, ValType::I64)]);
    let mut emit = |instructions: &[Instruction<'_>]| {
        for instruction in instructions {
            code.instruction(instruction);
        }
    };
    // Label 0 is the loop, label 1 the end.
    emit(&[Block(BlockType::Empty), Loop(BlockType::Empty)]);
    emit(&[
        LocalGet(BYTES),
        LocalGet(CURSOR),
        I32Sub,
        I32Const(CALL_BYTES as i32),
        I32LtU,
        BrIf(1),
    ]);
    // One block for each function, which ends where its call begins, and one for numbers that are none.
    for _ in 0..=count {
        emit(&[Block(BlockType::Empty)]);
    }
    emit(&[
        LocalGet(CANDIDATE),
        LocalGet(CURSOR),
        I32Add,
        I32Load8U(at(0)),
    ]);
    let targets: Vec<u32> = (0..count).collect();
    emit(&[BrTable(targets.into(), count), End]);
    for (index, (function, (_, ty))) in (0..).zip(functions).enumerate() {
        for (number, &parameter) in ty.params.iter().enumerate() {
            emit(&argument(parameter, HEAD_BYTES + number * ARGUMENT_BYTES));
        }
        emit(&[Call(function)]);
        match ty.results.first().map(|&ty| value_type(ty)) {
            Some(ValType::I64) => emit(&[LocalSet(LAST)]),
            Some(ValType::I32) => emit(&[I64ExtendI32U, LocalSet(LAST)]),
            Some(_) => emit(&[Drop]),
            None => {}
        }
        // To the code that goes on, behind the blocks that are still open.
        emit(&[Br(count - 1 - index as u32), End]);
    }
    emit(&[
        LocalGet(CURSOR),
        I32Const(CALL_BYTES as i32),
        I32Add,
        LocalSet(CURSOR),
        // The result of each call is a part of what is compared.
        I32Const(0),
        I32Const(0),
        I64Load(at(0)),
        I64Const(5),
        I64Rotl,
        LocalGet(LAST),
        I64Xor,
        I64Store(at(0)),
        Br(0),
        End,
        End,
        I64Const(RESULT_BYTES << 32),
        End,
    ]);
    code
}

/// Pushes the argument at this offset of the current call.
fn argument(ty: Type, offset: usize) -> Vec<Instruction<'static>> {
    let number = |code: &mut Vec<Instruction<'static>>| {
        code.extend([
            LocalGet(CANDIDATE),
            LocalGet(CURSOR),
            I32Add,
            I32Load(at(offset)),
        ]);
    };
    let kind = |code: &mut Vec<Instruction<'static>>, kind: i32| {
        number(code);
        code.extend([I32Const(3), I32And, I32Const(kind), I32Eq]);
    };
    let wide = ty == Type::I64;
    let result = BlockType::Result(value_type(ty));
    let mut code = Vec::new();
    if matches!(ty, Type::F32 | Type::F64) {
        number(&mut code);
        code.push(if ty == Type::F32 {
            F32ReinterpretI32
        } else {
            F64ConvertI32U
        });
        return code;
    }
    kind(&mut code, 0);
    code.push(If(result));
    number(&mut code);
    code.extend([I32Const(2), I32ShrU]);
    if wide {
        code.push(I64ExtendI32U);
    }
    code.push(Else);
    kind(&mut code, 2);
    code.extend([If(result), LocalGet(LAST)]);
    if !wide {
        code.push(I32WrapI64);
    }
    code.push(Else);
    // An address in the candidate or in the low memory.
    for (bits, from) in [(8, Some(CANDIDATE)), (12, None)] {
        if from.is_some() {
            kind(&mut code, 1);
            code.push(If(result));
        }
        let mask = (1 << bits) - 1;
        number(&mut code);
        code.extend([I32Const(2), I32ShrU, I32Const(mask), I32And]);
        if let Some(start) = from {
            code.extend([LocalGet(start), I32Add]);
        }
        if wide {
            code.push(I64ExtendI32U);
            number(&mut code);
            code.extend([
                I32Const(2 + bits),
                I32ShrU,
                I64ExtendI32U,
                I64Const(32),
                I64Shl,
                I64Or,
            ]);
        }
        code.push(if from.is_some() { Else } else { End });
    }
    // The end of `if 1` was pushed above; those of `if 2` and `if 0` follow.
    code.extend([End, End]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_validation::{HostParameters, Outcome, Pvf};

    /// The last call of the candidate is made with the arguments that it names.
    #[test]
    fn calls_are_made_with_the_arguments_of_the_candidate() {
        let functions: Vec<_> = [
            "ext_hashing_twox_64_version_1",
            "ext_misc_print_num_version_1",
        ]
        .map(|name| {
            (
                name,
                pvf_validation::host_function_type(name, false).unwrap(),
            )
        })
        .to_vec();
        let wasm = module(pvf_executor::HOST_MODULE, &functions);
        wasmparser::validate(&wasm).unwrap();
        let options = pvf_executor::Profile::Polkadot.compile_options();
        let artifact = pvf_compiler::compile(&wasm, &options).unwrap();
        let module = pvf_validation::Module::new(artifact).unwrap();
        let pvf = Pvf::new(module, HostParameters::default());
        let outcome = |candidate: &[u8]| match pvf.validate(candidate).unwrap().outcome {
            Outcome::Valid(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        // The hash of the first four bytes of the candidate; its address is the result.
        let mut call = [0; CALL_BYTES];
        call[HEAD_BYTES..HEAD_BYTES + ARGUMENT_BYTES]
            .copy_from_slice(&(4u32 << 10 | 1).to_le_bytes());
        // The bytes behind the call are no whole call. With them the candidate takes as much of the heap as the next one,
        // so that the hash has the same address there.
        let bytes = outcome(&[&call[..], &[0; CALL_BYTES - 1]].concat());
        assert_eq!(bytes.len() as i64, RESULT_BYTES);
        assert!(bytes[..8] != [0; 8]);
        // A call without an effect: the result of the one before is in the digest again.
        let mut print = vec![0; CALL_BYTES];
        print[0] = 1;
        let both = outcome(&[&call[..], &print].concat());
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert_eq!(word(&both), word(&bytes).rotate_left(5) ^ word(&bytes));
        assert_eq!(outcome(&[]), vec![0; RESULT_BYTES as usize]);
    }
}
