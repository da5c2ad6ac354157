//! The runtime with compiled code: every kind of trap with the offset of its instruction, the stack
//! rule, host functions, imports, segments.

use pvf_compiler::{CompileOptions, compile};
use pvf_compiler::{FuncType, ValType};
use pvf_rules::{ExecutionParameters, Features, Trap, TrapKind, frame_bytes};
use pvf_runtime::{CallError, Caller, HostError, Instance, Linker, Module, Value};

const PARAMETERS: ExecutionParameters = ExecutionParameters {
    stack_native_max: 1 << 20,
    ..ExecutionParameters::WASM
};

/// An instance of a module in the text format, and the module's bytes.
fn instance(text: &str) -> (Instance<Vec<u64>>, Vec<u8>) {
    let wasm = wat::parse_str(text).unwrap();
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
    let module = Module::new(artifact).unwrap();
    let mut linker = Linker::new();
    linker.unknown_functions(None);
    let ty = FuncType {
        params: vec![ValType::I32, ValType::I64, ValType::F32, ValType::F64],
        results: vec![ValType::I64],
    };
    let note = |caller: &mut Caller<'_, Vec<u64>>, slots: &mut [u64]| {
        let narrow = |bits: u64| u64::from(bits as u32);
        let values = [narrow(slots[0]), slots[1], narrow(slots[2]), slots[3]];
        caller.data_mut().extend(values);
        if values[0] == 99 {
            return Err(HostError::Trap("99".into()));
        }
        slots[0] = values[1] + 1;
        Ok(())
    };
    linker.func("host", "note", ty, note);
    let instance = Instance::new(&module, &linker, &PARAMETERS, Vec::new()).unwrap();
    (instance, wasm)
}

fn trap(result: Result<Vec<Value>, CallError>) -> Trap {
    match result {
        Err(CallError::Trap(trap)) => trap,
        other => panic!("a trap was expected, not {other:?}"),
    }
}

#[test]
fn every_kind_of_trap_names_its_instruction() {
    use TrapKind::*;
    let (mut instance, wasm) = instance(
        r#"(module
            (import "host" "missing" (func $missing (param i32)))
            (memory 1 2)
            (table 4 funcref)
            (elem (i32.const 1) $void $number)
            (type $void (func))
            (func $void (export "void"))
            (func $number (result i32) i32.const 7)
            (func (export "unreachable") (param i32 i32) unreachable)
            (func (export "div_s") (param i32 i32) (drop (i32.div_s (local.get 0) (local.get 1))))
            (func (export "div_u") (param i32 i32) (drop (i32.div_u (local.get 0) (local.get 1))))
            (func (export "rem_u") (param i32 i32)
                (drop (i64.rem_u (i64.extend_i32_u (local.get 0)) (i64.extend_i32_u (local.get 1)))))
            (func (export "trunc") (param i32 i32)
                (drop (i32.trunc_f32_s (f32.reinterpret_i32 (local.get 0)))))
            (func (export "load") (param i32 i32) (drop (i64.load offset=4 (local.get 0))))
            (func (export "far") (param i32 i32) (drop (i32.load8_u offset=4294967295 (local.get 0))))
            (func (export "store") (param i32 i32) (i32.store16 (local.get 0) (local.get 1)))
            (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 1) (local.get 1)))
            (func (export "copy") (param i32 i32) (memory.copy (local.get 0) (i32.const 0) (local.get 1)))
            (func (export "indirect") (param i32 i32) (call_indirect (type $void) (local.get 0)))
            (func (export "missing") (param i32 i32) (call $missing (local.get 0)))
            (func (export "last") (param i32 i32) (call $missing (local.get 0)) unreachable)
        )"#,
    );
    let edge = 65_536;
    let float = |value: f32| value.to_bits() as i32;
    let cases: &[(&str, i32, i32, TrapKind, u8)] = &[
        ("unreachable", 0, 0, Unreachable, 0x00),
        ("div_s", 1, 0, IntegerDivideByZero, 0x6d),
        ("div_s", i32::MIN, -1, IntegerOverflow, 0x6d),
        ("div_u", 1, 0, IntegerDivideByZero, 0x6e),
        ("rem_u", 1, 0, IntegerDivideByZero, 0x82),
        (
            "trunc",
            float(f32::NAN),
            0,
            InvalidConversionToInteger,
            0xa8,
        ),
        ("trunc", float(3e9), 0, IntegerOverflow, 0xa8),
        ("load", edge - 11, 0, MemoryOutOfBounds, 0x29),
        ("load", -1, 0, MemoryOutOfBounds, 0x29),
        ("far", 0, 0, MemoryOutOfBounds, 0x2d),
        ("far", -1, 0, MemoryOutOfBounds, 0x2d),
        ("store", edge - 1, 0, MemoryOutOfBounds, 0x3b),
        ("fill", edge, 1, MemoryOutOfBounds, 0xfc),
        ("copy", edge - 1, 2, MemoryOutOfBounds, 0xfc),
        ("indirect", 4, 0, TableOutOfBounds, 0x11),
        ("indirect", -1, 0, TableOutOfBounds, 0x11),
        ("indirect", 0, 0, UndefinedElement, 0x11),
        ("indirect", 2, 0, IndirectCallTypeMismatch, 0x11),
        ("missing", 0, 0, HostError, 0x10),
        ("last", 0, 0, HostError, 0x10),
    ];
    for round in 0..3 {
        for &(name, first, second, kind, opcode) in cases {
            let arguments = [Value::I32(first), Value::I32(second)];
            let trap = trap(instance.call_export(name, &arguments));
            assert_eq!(trap.kind, kind, "{name} {round}");
            let offset = trap.offset.unwrap() as usize;
            assert_eq!(wasm[offset], opcode, "{name}: {trap}");
            let exported = instance.module().info().export(name).unwrap();
            let function = pvf_compiler::artifact::ExportKind::Function(trap.function.unwrap());
            assert_eq!(function, exported, "{name}");
        }
    }
    for (name, first, second) in [
        ("load", edge - 12, 0),
        ("store", edge - 2, 0),
        ("fill", edge, 0),
        ("div_s", i32::MIN, 1),
        ("indirect", 1, 0),
    ] {
        let arguments = [Value::I32(first), Value::I32(second)];
        instance.call_export(name, &arguments).unwrap();
    }
}

/// The trap map distinguishes the call from the instruction after it.
#[test]
fn a_trap_right_after_a_host_call_names_its_own_instruction() {
    let (mut instance, wasm) = instance(
        r#"(module
            (import "host" "note" (func $note (param i32 i64 f32 f64) (result i64)))
            (memory 1)
            (func $call (result i64)
                (call $note (i32.const 1) (i64.const 65535) (f32.const 0) (f64.const 0)))
            (func (export "unreachable") (drop (call $note (i32.const 1) (i64.const 0) (f32.const 0) (f64.const 0)))
                unreachable)
            (func (export "load") (result i32)
                (i32.load (i32.wrap_i64 (call $note (i32.const 1) (i64.const 65535) (f32.const 0) (f64.const 0)))))
            (func (export "grow") (result i32) (i32.load offset=65536 (memory.grow (i32.const 0))))
        )"#,
    );
    for (name, kind, opcode) in [
        ("unreachable", TrapKind::Unreachable, 0x00),
        ("load", TrapKind::MemoryOutOfBounds, 0x28),
        ("grow", TrapKind::MemoryOutOfBounds, 0x28),
    ] {
        let trap = trap(instance.call_export(name, &[]));
        assert_eq!(trap.kind, kind, "{name}");
        assert_eq!(
            wasm[trap.offset.unwrap() as usize],
            opcode,
            "{name}: {trap}"
        );
    }
}

#[test]
fn the_stack_limit_follows_the_frame_rule() {
    let (mut instance, wasm) = instance(
        r#"(module (func $f (export "f") (param i32)
            (local i64 i64 i64)
            (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))))))"#,
    );
    let function = instance.module().info().functions[0].clone();
    let frame = frame_bytes(3, 2);
    assert_eq!(u64::from(function.frame_bytes), frame);
    let deepest = PARAMETERS.stack_native_max / frame;
    instance.call(0, &[Value::I32(deepest as i32 - 1)]).unwrap();
    assert_eq!(instance.stack_native_peak(), deepest * frame);
    let trap = trap(instance.call(0, &[Value::I32(deepest as i32)]));
    assert_eq!(
        (trap.kind, trap.function),
        (TrapKind::StackOverflow, Some(0))
    );
    assert_eq!(trap.offset, Some(function.body_offset));
    assert!((function.body_offset as usize) < wasm.len());
    assert_eq!(instance.stack_native_peak(), deepest * frame);
}

#[test]
fn host_functions_take_parameters_of_all_types_and_return() {
    let (mut instance, _) = instance(
        r#"(module
            (import "host" "note" (func $note (param i32 i64 f32 f64) (result i64)))
            (memory 1)
            (export "direct" (func $note))
            (func (export "note") (param i32 i64 f32 f64) (result i64)
                (i64.add (i64.const 1000)
                    (call $note (local.get 0) (local.get 1) (local.get 2) (local.get 3))))
            (func (export "many") (result i32 i64 f32 f64 i32)
                i32.const -1 i64.const -2 f32.const 3 f64.const 4 i32.const 5))"#,
    );
    let arguments = |first| {
        [
            Value::I32(first),
            Value::I64(1 << 40),
            Value::F32(1.5_f32.to_bits()),
            Value::F64(f64::NAN.to_bits()),
        ]
    };
    let noted = [
        0xffff_ffff,
        1 << 40,
        u64::from(1.5_f32.to_bits()),
        f64::NAN.to_bits(),
    ];
    let result = instance.call_export("note", &arguments(-1)).unwrap();
    assert_eq!(result, [Value::I64((1 << 40) + 1001)]);
    let result = instance.call_export("direct", &arguments(-1)).unwrap();
    assert_eq!(result, [Value::I64((1 << 40) + 1)]);
    assert_eq!(instance.data()[..], [noted, noted].concat());
    let failed = trap(instance.call_export("note", &arguments(99)));
    assert_eq!(
        (failed.kind, failed.function),
        (TrapKind::HostError, Some(1))
    );
    let many = [
        Value::I32(-1),
        Value::I64(-2),
        Value::F32(3_f32.to_bits()),
        Value::F64(4_f64.to_bits()),
        Value::I32(5),
    ];
    assert_eq!(instance.call_export("many", &[]).unwrap(), many);
}

#[test]
fn running_code_sees_grown_memory() {
    let (mut instance, _) = instance(
        r#"(module (memory 1 3)
            (data (i32.const 65528) "\01\02\03\04\05\06\07\08")
            (func (export "f") (param i32) (result i32 i32 i64)
                (memory.grow (local.get 0))
                (memory.size)
                (i64.load (i32.const 65532))))"#,
    );
    let mut call = |pages| instance.call_export("f", &[Value::I32(pages)]);
    assert_eq!(trap(call(0)).kind, TrapKind::MemoryOutOfBounds);
    let seen = Value::I64(0x0807_0605);
    assert_eq!(call(1).unwrap(), [Value::I32(1), Value::I32(2), seen]);
    assert_eq!(call(2).unwrap(), [Value::I32(-1), Value::I32(2), seen]);
    assert_eq!(call(1).unwrap(), [Value::I32(2), Value::I32(3), seen]);
    assert_eq!(instance.memory_pages_peak(), 3);
}

#[test]
fn an_instance_traps_correctly_after_its_host_function_ran_another() {
    let text = r#"(module
        (import "host" "run" (func $run (param i32) (result i32)))
        (memory 1)
        (func (export "f") (param i32) (result i32)
            (i32.store (i32.const 0) (call $run (local.get 0)))
            (i32.load (i32.load (i32.const 0)))))"#;
    let artifact = compile(
        &wat::parse_str(text).unwrap(),
        &CompileOptions::new(Features::ALL),
    );
    let module = Module::new(artifact.unwrap()).unwrap();
    let mut linker: Linker<Option<Box<Level>>> = Linker::new();
    struct Level(Instance<Option<Box<Level>>>);
    let ty = module.info().signatures[0].clone();
    // Runs the inner level and returns an address out of bounds; the innermost level returns an
    // address within bounds.
    linker.func("host", "run", ty, |caller, slots| {
        let at = slots[0] as i32;
        slots[0] = 8;
        if let Some(below) = caller.data_mut() {
            let result = below.0.call_export("f", &[Value::I32(at + 1)]);
            assert_eq!(result.is_ok(), below.0.data().is_none(), "{result:?}");
            slots[0] = 65_536;
        }
        Ok(())
    });
    let mut data = None;
    for _ in 0..5 {
        let instance = Instance::new(&module, &linker, &PARAMETERS, data).unwrap();
        data = Some(Box::new(Level(instance)));
    }
    let mut outermost = data.unwrap();
    for _ in 0..3 {
        let trap = trap(outermost.0.call_export("f", &[Value::I32(0)]));
        assert_eq!(
            (trap.kind, trap.function),
            (TrapKind::MemoryOutOfBounds, Some(1))
        );
    }
}
