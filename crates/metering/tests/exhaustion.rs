//! Rules LOGICAL-6 and GAS-8: what fits exactly is used, what does not ends the execution and is not counted. The figures
//! were computed by hand.

use pvf_metering::{
    Costs, Gas, LogicalStack, LogicalStackExhausted, OutOfGas, body_features, declaration_features,
    function_charges, logical_costs,
};
use pvf_rules::Features;
use wasmparser::WasmFeatures;

#[test]
fn gas_may_be_used_to_the_last_unit() {
    let mut gas = Gas::new(10);
    assert_eq!(gas.used(), 0);
    assert_eq!(gas.charge(4), Ok(()));
    assert_eq!(gas.used(), 4);
    // Six are left. A charge that does not fit uses none of them.
    assert_eq!(gas.charge(7), Err(OutOfGas));
    assert_eq!(gas.used(), 4);
    assert_eq!(gas.charge(5), Ok(()));
    assert_eq!(gas.charge(1), Ok(()));
    assert_eq!(gas.used(), 10);
    assert_eq!(gas.charge(0), Ok(()));
    assert_eq!(gas.charge(1), Err(OutOfGas));
    assert_eq!(gas.used(), 10);
}

#[test]
fn a_sum_of_charges_never_wraps() {
    let mut gas = Gas::new(Gas::UNLIMITED);
    assert_eq!(gas.charge(u64::MAX - 1), Ok(()));
    assert_eq!(gas.charge(2), Err(OutOfGas));
    assert_eq!(gas.charge(u64::MAX), Err(OutOfGas));
    assert_eq!(gas.charge(1), Ok(()));
    assert_eq!(gas.used(), u64::MAX);
}

#[test]
fn the_logical_stack_may_be_as_high_as_its_limit() {
    let mut stack = LogicalStack::new(9);
    assert_eq!((stack.height(), stack.peak()), (0, 0));
    assert_eq!(stack.call(4), Ok(()));
    assert_eq!(stack.call(3), Ok(()));
    assert_eq!((stack.height(), stack.peak()), (7, 7));
    // The height stays where it was.
    assert_eq!(stack.call(3), Err(LogicalStackExhausted));
    assert_eq!((stack.height(), stack.peak()), (7, 7));
    stack.leave(3);
    assert_eq!((stack.height(), stack.peak()), (4, 7));
    assert_eq!(stack.call(5), Ok(()));
    assert_eq!((stack.height(), stack.peak()), (9, 9));
    assert_eq!(stack.call(1), Err(LogicalStackExhausted));
    stack.leave(5);
    stack.leave(4);
    assert_eq!((stack.height(), stack.peak()), (0, 9));
}

#[test]
fn a_height_never_wraps() {
    let mut stack = LogicalStack::new(u32::MAX);
    assert_eq!(stack.call(u32::MAX), Ok(()));
    assert_eq!(stack.call(1), Err(LogicalStackExhausted));
    assert_eq!((stack.height(), stack.peak()), (u32::MAX, u32::MAX));
}

/// A function's results are part of its height, so the charges of a function are those of its own type.
#[test]
fn imported_functions_come_first_and_have_no_charges() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "a" (func (param i64 i64)))
            (import "env" "b" (func (result i32)))
            (func (block (result i32) br 1 (i32.const 1)) drop)
            (func (result i32) (local i64) i32.const 1 return))"#,
    )
    .expect("a module");
    let charges = function_charges(&wasm, &Costs::default()).expect("charges");
    let logical: Vec<u32> = charges
        .iter()
        .map(|it| *it.logical_cost.as_ref().expect("a cost"))
        .collect();
    // Two units of every activation, and an operand; a local in the second.
    assert_eq!(logical, [3, 4]);
    assert_eq!(logical_costs(&wasm).expect("costs"), [0, 0, 3, 4]);
    let gas: Vec<u64> = charges
        .iter()
        .map(|it| {
            it.gas
                .as_ref()
                .expect("charges")
                .iter()
                .map(|it| it.cost)
                .sum()
        })
        .collect();
    // block, br, i32.const, drop; a local, i32.const, return.
    assert_eq!(gas, [4, 3]);
}

/// A branch with a value takes it from the height: the label's arity is that of the function it is in.
#[test]
fn the_results_of_each_function_are_its_own() {
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "a" (func (result i32 i32)))
            (func)
            (func (result i32) i32.const 1 return i32.add i32.add)
            (func (result i32) i32.const 1 return i32.add))"#,
    )
    .expect("a module");
    let charges = function_charges(&wasm, &Costs::default()).expect("charges");
    let logical: Vec<bool> = charges.iter().map(|it| it.logical_cost.is_ok()).collect();
    // After `return` two units are left: one addition takes both and leaves one, a second finds too few.
    assert_eq!(logical, [true, false, true]);
}

/// Each switch is its own feature of wasmparser, and none brings another.
#[test]
fn switches_are_features_of_the_parser() {
    let base = WasmFeatures::FLOATS | WasmFeatures::MUTABLE_GLOBAL;
    assert_eq!(body_features(Features::MVP), base);
    assert_eq!(declaration_features(Features::MVP), base);
    let switched = |set: fn(&mut Features)| {
        let mut features = Features::MVP;
        set(&mut features);
        features
    };
    for (features, feature) in [
        (
            switched(|it| it.sign_extension = true),
            WasmFeatures::SIGN_EXTENSION,
        ),
        (
            switched(|it| it.saturating_float_to_int = true),
            WasmFeatures::SATURATING_FLOAT_TO_INT,
        ),
        (
            switched(|it| it.multi_value = true),
            WasmFeatures::MULTI_VALUE,
        ),
        (
            switched(|it| it.bulk_memory = true),
            WasmFeatures::BULK_MEMORY,
        ),
    ] {
        assert_eq!(body_features(features), base.union(feature));
        let declarations = declaration_features(features);
        assert_eq!(
            declarations.difference(body_features(features)).is_empty(),
            !features.bulk_memory
        );
    }
    assert_eq!(
        declaration_features(Features::ALL).difference(body_features(Features::ALL)),
        WasmFeatures::REFERENCE_TYPES
    );
}
