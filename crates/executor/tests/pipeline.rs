//! From code to result through the public interface only.

use pvf_executor::{
    CallError, CompileError, CompileOptions, ExecutionParameters, Instance, Limits, Linker, Module,
    Profile, Refusal, TrapKind, Value, artifact_digest, compile, read_artifact, read_code,
    write_artifact,
};
use std::num::NonZeroUsize;

fn wasm(text: &str) -> Vec<u8> {
    read_code(text.as_bytes(), 1 << 20).unwrap().wasm
}

fn many_functions() -> Vec<u8> {
    let functions: String = (0..3_000)
        .map(|n| {
            format!(
                "(func (export \"f{n}\") (param i32) (result i32)
                   (i32.add (i32.mul (local.get 0) (i32.const {n})) (i32.const 1)))"
            )
        })
        .collect();
    wasm(&format!("(module {functions})"))
}

#[test]
fn an_artifact_read_from_a_file_is_equal_and_runs() {
    let wasm = many_functions();
    let options = Profile::Polkadot.compile_options();
    let artifact = compile(&wasm, &options).unwrap();
    let path = std::env::temp_dir().join(format!("pvf-pipeline-{}", std::process::id()));
    let digest = write_artifact(&artifact, &path).unwrap();
    // SAFETY: the file was just written from an artifact.
    let read = unsafe { read_artifact(&path) };
    std::fs::remove_file(&path).unwrap();
    let read = read.unwrap();
    assert_eq!(read, artifact);
    assert_eq!(artifact_digest(&read.to_bytes()), digest);
    let module = Module::new(read).unwrap();
    let parameters = Profile::Polkadot.parameters();
    let mut instance = Instance::new(&module, &Linker::new(), &parameters, ()).unwrap();
    for n in [0, 1, 1_234, 2_999] {
        let result = instance.call_export(&format!("f{n}"), &[Value::I32(7)]);
        assert_eq!(result.unwrap(), [Value::I32(7 * n + 1)]);
    }
}

#[test]
fn the_artifact_does_not_depend_on_the_number_of_threads() {
    let wasm = many_functions();
    let digest = |threads| {
        let options = CompileOptions {
            threads: NonZeroUsize::new(threads).unwrap(),
            ..Profile::Wasm.compile_options()
        };
        artifact_digest(&compile(&wasm, &options).unwrap().to_bytes())
    };
    let one = digest(1);
    for threads in [2, 3, 16] {
        assert_eq!(digest(threads), one);
    }
}

#[test]
fn profiles_differ_in_language_and_in_declared_maxima() {
    let extend = wasm("(module (func (drop (i32.extend8_s (i32.const 1)))))");
    assert!(compile(&extend, &Profile::Wasm.compile_options()).is_ok());
    assert!(matches!(
        compile(&extend, &Profile::Polkadot.compile_options()),
        Err(CompileError::Refused(Refusal::Unsupported {
            feature: "sign-extension",
            function: Some(0),
            ..
        }))
    ));
    let grow = wasm(
        "(module (memory 1 2) (func (export \"grow\") (result i32) (memory.grow (i32.const 9))))",
    );
    let grown = |profile: Profile| {
        let module = Module::new(compile(&grow, &profile.compile_options()).unwrap()).unwrap();
        let parameters = profile.parameters();
        let mut instance = Instance::new(&module, &Linker::new(), &parameters, ()).unwrap();
        instance.call_export("grow", &[]).unwrap()
    };
    assert_eq!(grown(Profile::Wasm), [Value::I32(-1)]);
    assert_eq!(grown(Profile::Polkadot), [Value::I32(1)]);
    for profile in Profile::ALL {
        assert_eq!(Profile::from_name(profile.name()), Some(profile));
    }
}

#[test]
fn the_options_limits_apply_in_function_bodies() {
    let nested = wasm("(module (func block block block end end end))");
    let options = |nesting| CompileOptions {
        limits: Limits {
            nesting,
            ..Limits::DEFAULT
        },
        ..Profile::Wasm.compile_options()
    };
    assert!(compile(&nested, &options(4)).is_ok());
    let Err(CompileError::Refused(Refusal::Limit {
        limit, function, ..
    })) = compile(&nested, &options(3))
    else {
        panic!("four levels within a limit of three");
    };
    assert_eq!((limit.count, limit.limit, function), (4, 3, Some(0)));
    let table = wasm("(module (func (param i32) (block (block (br_table 0 1 0 (local.get 0))))))");
    let options = |br_table_targets| CompileOptions {
        limits: Limits {
            br_table_targets,
            ..Limits::DEFAULT
        },
        ..Profile::Wasm.compile_options()
    };
    assert!(compile(&table, &options(2)).is_ok());
    assert!(matches!(
        compile(&table, &options(1)),
        Err(CompileError::Refused(Refusal::Limit { .. }))
    ));
}

#[test]
fn traps_are_returned_as_errors() {
    let wasm = wasm(
        "(module (func $f (export \"f\") (result i32) (i32.add (call $f) (i32.const 1)))
                 (func (export \"g\") unreachable))",
    );
    let module =
        Module::new(compile(&wasm, &Profile::Polkadot.compile_options()).unwrap()).unwrap();
    let parameters = ExecutionParameters {
        stack_native_max: 1 << 16,
        ..Profile::Polkadot.parameters()
    };
    let mut instance = Instance::new(&module, &Linker::new(), &parameters, ()).unwrap();
    for (export, kind, function) in [
        ("f", TrapKind::StackOverflow, 0),
        ("g", TrapKind::Unreachable, 1),
    ] {
        match instance.call_export(export, &[]) {
            Err(CallError::Trap(trap)) => {
                assert_eq!((trap.kind, trap.function), (kind, Some(function)));
            }
            other => panic!("{other:?}"),
        }
    }
}
