//! Frames are exactly `align16(16 + 8 * (declared_locals + max_operand_height))`.

use pvf_compiler::{CompileOptions, compile};
use pvf_rules::{Features, frame_bytes};

/// Compiles functions (in the text format, with what else the module needs) and compares the frame of the
/// first with the rule.
fn assert_frame(module: &str, declared_locals: u32, max_height: u32) {
    let wasm = wat::parse_str(format!("(module {module})")).unwrap();
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
    let function = artifact
        .module
        .functions
        .iter()
        .find(|function| function.code_bytes != 0)
        .unwrap();
    let expected = frame_bytes(declared_locals, max_height);
    assert_eq!(u64::from(function.frame_bytes), expected, "{module}");
}

#[test]
fn parameters_are_not_counted_locals_are() {
    assert_frame("(func)", 0, 0);
    assert_frame("(func (param i32 i64 f32 f64))", 0, 0);
    assert_frame("(func (param i32) (local i32 i64 f32))", 3, 0);
    assert_frame("(func (local i32 i32) (local f64))", 3, 0);
}

#[test]
fn the_greatest_height_counts() {
    assert_frame("(func i32.const 1 drop)", 0, 1);
    assert_frame(
        "(func i32.const 1 i32.const 2 i32.const 3 drop drop drop)",
        0,
        3,
    );
    assert_frame(
        "(func (result i32) i32.const 1 i32.const 2 i32.const 3 select)",
        0,
        3,
    );
    assert_frame(
        "(func i32.const 0 (if (then i32.const 1 i32.const 2 drop drop) (else i32.const 3 drop)))",
        0,
        2,
    );
    assert_frame(
        "(func i32.const 0 (if (then nop) (else i32.const 3 i32.const 3 i32.const 3 drop drop drop)))",
        0,
        3,
    );
}

#[test]
fn results_and_parameters_of_blocks_count() {
    assert_frame("(func (result i32) (block (result i32) i32.const 1))", 0, 1);
    assert_frame(
        "(func i32.const 1 i32.const 2 (block (param i32 i32) (result i32 i32 i32) i32.const 3) drop drop drop)",
        0,
        3,
    );
    assert_frame(
        "(func (block (result i32 i32) i32.const 1 i32.const 2 br 0) drop drop)",
        0,
        2,
    );
}

#[test]
fn arguments_and_results_of_calls_count() {
    let callee = "(func $g (param i32 i32) (result i32 i32 i32 i32) i32.const 1 i32.const 1 i32.const 1 i32.const 1)";
    assert_frame(
        &format!("(func i32.const 1 i32.const 2 call $g drop drop drop drop) {callee}"),
        0,
        4,
    );
}

#[test]
fn what_cannot_be_reached_does_not_count() {
    assert_frame(
        "(func unreachable i32.const 1 i32.const 2 i32.const 3 drop drop drop)",
        0,
        0,
    );
    assert_frame(
        "(func (block br 0 i32.const 1 i32.const 2 i32.const 3 drop drop drop))",
        0,
        0,
    );
    assert_frame(
        "(func (block (block br 1) i32.const 1 i32.const 2 i32.const 3 drop drop drop))",
        0,
        0,
    );
    assert_frame(
        "(func i32.const 0 (if (then unreachable) (else i32.const 1 i32.const 2 drop drop)))",
        0,
        2,
    );
    assert_frame("(func (loop br 0) i32.const 1 i32.const 2 drop drop)", 0, 0);
}

#[test]
fn the_end_of_a_block_is_reached_by_a_branch() {
    assert_frame(
        "(func (block i32.const 0 br_if 0 unreachable) i32.const 1 i32.const 2 drop drop)",
        0,
        2,
    );
    assert_frame(
        "(func (block i32.const 0 br_table 0 0) i32.const 1 i32.const 2 drop drop)",
        0,
        2,
    );
}
