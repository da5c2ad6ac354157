//! Functions in place of imported ones. Without a host they can only do what a program needs to go on: results are zero,
//! writes are complete, there is nothing to read, clocks count, and what may not return traps.

use crate::public::module::Type;
use wasm_encoder::{Function, InstructionSink, MemArg, MemArgTarget, ValType};

/// The address at which clocks and random numbers count: programs leave the first bytes of the memory alone, because
/// zero is no address in C and Rust.
const COUNTER: u64 = 0;

/// A function in place of the import `name` (`module.name`), with the type of this index. The kind is given if the name
/// does not tell. The arguments are those of the program's command line.
pub fn stub(
    name: &str,
    kind: Option<&str>,
    index: u32,
    types: &[Type],
    arguments: &[String],
) -> Result<Function, String> {
    let ty = types.get(index as usize).ok_or("no such type")?;
    use ValType::{F32, F64, I32, I64};
    let last = name.rsplit('.').next().unwrap_or(name);
    let kind = kind.unwrap_or(last);
    let mut function = Function::new_with_locals_types([I32, I32]);
    let (first_local, second_local) = (ty.params.len() as u32, ty.params.len() as u32 + 1);
    let mut code = function.instructions();
    match (kind, &ty.params[..], &ty.results[..]) {
        (
            "proc_exit" | "exit" | "_exit" | "abort" | "_abort" | "__wbindgen_throw"
            | "WasmSupport_trap" | "trap",
            ..,
        ) => {
            code.unreachable();
        }
        // The sum of the lengths of the pieces.
        ("fd_write", [I32, I32, I32, I32], [I32]) => {
            code.block(wasm_encoder::BlockType::Empty)
                .loop_(wasm_encoder::BlockType::Empty);
            code.local_get(second_local)
                .local_get(2)
                .i32_ge_u()
                .br_if(1);
            code.local_get(1)
                .local_get(second_local)
                .i32_const(3)
                .i32_shl()
                .i32_add();
            code.i32_load(word(4))
                .local_get(first_local)
                .i32_add()
                .local_set(first_local);
            code.local_get(second_local)
                .i32_const(1)
                .i32_add()
                .local_set(second_local)
                .br(0);
            code.end().end();
            code.local_get(3)
                .local_get(first_local)
                .i32_store(word(0))
                .i32_const(0);
        }
        // No bytes.
        ("fd_read", [I32, I32, I32, I32], [I32]) => {
            code.local_get(3)
                .i32_const(0)
                .i32_store(word(0))
                .i32_const(0);
        }
        // No such descriptor: a C library asks for one after the other until it hears that.
        ("fd_prestat_get", [I32, I32], [I32]) => {
            code.i32_const(8);
        }
        ("environ_sizes_get", [I32, I32], [I32]) => {
            code.local_get(0).i32_const(0).i32_store(word(0));
            code.local_get(1)
                .i32_const(0)
                .i32_store(word(0))
                .i32_const(0);
        }
        ("args_sizes_get", [I32, I32], [I32]) => {
            let bytes: usize = arguments.iter().map(|it| it.len() + 1).sum();
            code.local_get(0)
                .i32_const(arguments.len() as i32)
                .i32_store(word(0));
            code.local_get(1)
                .i32_const(bytes as i32)
                .i32_store(word(0))
                .i32_const(0);
        }
        ("args_get", [I32, I32], [I32]) => {
            let mut at = 0;
            for (index, argument) in arguments.iter().enumerate() {
                code.local_get(0)
                    .local_get(1)
                    .i32_const(at as i32)
                    .i32_add();
                code.i32_store(word(4 * index as u64));
                for byte in argument.bytes().chain([0]) {
                    code.local_get(1)
                        .i32_const(i32::from(byte))
                        .i32_store8(word(at));
                    at += 1;
                }
            }
            code.i32_const(0);
        }
        // A call that a host would guard against C's `longjmp`, which traps here.
        (kind, [I32, params @ ..], results) if kind.starts_with("invoke") => {
            let called = |it: &Type| it.params == params && it.results == results;
            let index = types.iter().position(called);
            let index = index.ok_or_else(|| format!("{name}: no such type is called"))?;
            for parameter in 1..=params.len() as u32 {
                code.local_get(parameter);
            }
            code.local_get(0).call_indirect(0, index as u32);
        }
        ("clock_time_get", [I32, I64, I32], [I32]) => {
            code.local_get(2);
            count(&mut code);
            code.i64_store(word(0)).i32_const(0);
        }
        (
            "emscripten_get_now" | "emscripten_date_now" | "_emscripten_get_now" | "now",
            [],
            [F64],
        ) => {
            count(&mut code);
            code.f64_convert_i64_u();
        }
        ("random" | "generateInt32", [], [I32]) => {
            count(&mut code);
            code.i64_const(0x2545_f491_4f6c_dd1d)
                .i64_mul()
                .i64_const(32)
                .i64_shr_u()
                .i32_wrap_i64();
        }
        (
            "emscripten_memcpy_big" | "_emscripten_memcpy_big" | "emscripten_memcpy_js" | "memcpy",
            [I32, I32, I32],
            results,
        ) => {
            code.local_get(0)
                .local_get(1)
                .local_get(2)
                .memory_copy(0, 0);
            match results {
                [] => {}
                _ => {
                    code.local_get(0);
                }
            }
        }
        // The memory grows to a size in bytes, if it can.
        ("emscripten_resize_heap" | "_emscripten_resize_heap", [I32], [I32]) => {
            code.local_get(0)
                .i32_const(16)
                .i32_shr_u()
                .i32_const(1)
                .i32_add();
            code.memory_size(0)
                .i32_sub()
                .memory_grow(0)
                .i32_const(-1)
                .i32_ne();
        }
        ("getTotalMemory" | "memory_bytes", [], [I32]) => {
            code.memory_size(0).i32_const(16).i32_shl();
        }
        // What the runtime of F*'s compiler does (`WasmSupport`): sizes of buffers in whole words, and byte orders.
        ("WasmSupport_align_64", [I32], [I32]) => {
            code.local_get(0)
                .i32_const(7)
                .i32_add()
                .i32_const(-8)
                .i32_and();
        }
        ("WasmSupport_betole32", [I32], [I32]) => {
            code.local_get(0)
                .i32_const(8)
                .i32_rotl()
                .i32_const(0x00ff_00ff)
                .i32_and();
            code.local_get(0)
                .i32_const(8)
                .i32_rotr()
                .i32_const(0xff00_ff00_u32 as i32)
                .i32_and();
            code.i32_or();
        }
        ("WasmSupport_betole64", [I64], [I64]) => {
            for shift in 0..8 {
                code.local_get(0)
                    .i64_const(8 * shift)
                    .i64_shr_u()
                    .i64_const(255)
                    .i64_and();
                code.i64_const(8 * (7 - shift)).i64_shl();
            }
            (1..8).for_each(|_| {
                code.i64_or();
            });
        }
        (_, _, results) => {
            // A kind that the list gives has to be one of the above.
            if kind != last && kind != "zero" {
                return Err(format!("{name}: no stub `{kind}` has its type"));
            }
            for result in results {
                match result {
                    I32 => code.i32_const(0),
                    I64 => code.i64_const(0),
                    F32 => code.f32_const(0.0.into()),
                    F64 => code.f64_const(0.0.into()),
                    other => return Err(format!("{name}: a result of type {other:?}")),
                };
            }
        }
    }
    code.end();
    Ok(function)
}

/// Leaves the next number on the stack.
fn count(code: &mut InstructionSink<'_>) {
    let at = || word(COUNTER);
    code.i32_const(0)
        .i32_const(0)
        .i64_load(at())
        .i64_const(1_000_000)
        .i64_add()
        .i64_store(at());
    code.i32_const(0).i64_load(at());
}

fn word(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}
