//! Where the stack limiter charges: checks the rules in the crate's documentation against the limiter's output.

mod oracle;

use oracle::{LIMIT, corpus, limiter_sequence};
use pvf_meter_oracle::CHARGED_CALL_LEN;
use pvf_meter_oracle::parity_wasm::elements::{
    ImportCountType, Instruction as Parity, Internal, Module,
};
use pvf_meter_oracle::wasm_instrument::inject_stack_limiter;
use pvf_metering::logical_costs;

/// The functions that exports, element segments and the start section name, in this order.
fn entries(module: &Module) -> Vec<u32> {
    let exports = module.export_section().map_or(&[][..], |all| all.entries());
    let segments = module
        .elements_section()
        .map_or(&[][..], |all| all.entries());
    let exported = exports
        .iter()
        .filter_map(|export| match *export.internal() {
            Internal::Function(function) => Some(function),
            _ => None,
        });
    let elements = segments.iter().flat_map(|segment| segment.members());
    exported
        .chain(elements.copied())
        .chain(module.start_section())
        .collect()
}

/// Checks a module. Returns how many calls and entries are charged, or `None` if the limiter refuses the module.
fn check(wasm: &[u8]) -> Option<(usize, usize)> {
    let original = oracle::read(wasm);
    let module = inject_stack_limiter(original.clone(), LIMIT).ok()?;
    let costs = logical_costs(wasm).expect("the limiter accepts it");
    let imported = original.import_count(ImportCountType::Function);
    let defined = original.functions_space() - imported;
    let bodies = module.code_section().map_or(&[][..], |code| code.bodies());
    let originals = original
        .code_section()
        .map_or(&[][..], |code| code.bodies());

    // Every call of a defined function is charged the callee's cost; no other instruction changes.
    let mut calls = 0;
    for (before, after) in originals.iter().zip(bodies) {
        let mut after = after.code().elements();
        for instruction in before.code().elements() {
            match *instruction {
                Parity::Call(callee) if callee as usize >= imported => {
                    assert_eq!(limiter_sequence(after), (costs[callee as usize], callee));
                    after = &after[CHARGED_CALL_LEN..];
                    calls += 1;
                }
                _ => {
                    assert_eq!(*instruction, after[0]);
                    after = &after[1..];
                }
            }
        }
        assert_eq!(after, []);
    }

    // Exports, elements and the start section refer to a thunk for a defined function, and to the function itself for
    // an imported one.
    let mut charged = 0;
    for (before, after) in entries(&original).into_iter().zip(entries(&module)) {
        if (before as usize) < imported {
            assert_eq!(after, before);
            continue;
        }
        let thunk = &bodies[after as usize - imported];
        assert!(after as usize - imported >= defined && thunk.locals().is_empty());
        let code = thunk.code().elements();
        let start = code.len() - CHARGED_CALL_LEN - 1;
        let sequence = limiter_sequence(&code[start..]);
        assert_eq!(sequence, (costs[before as usize], before));
        charged += 1;
    }
    Some((calls, charged))
}

#[test]
fn every_way_into_a_function_is_charged_once() {
    // $both is exported, in the table, the start function and called; $in is imported.
    let wasm = wat::parse_str(
        r#"(module
            (import "env" "in" (func $in))
            (export "in" (func $in))
            (export "both" (func $both))
            (export "again" (func $both))
            (table 4 funcref)
            (elem (i32.const 0) $both $in $quiet)
            (start $both)
            (func $both (local i32) call $in call $both call $quiet (call_indirect (i32.const 0)))
            (func $quiet))"#,
    )
    .expect("a module");
    // Calls of $both and $quiet; two exports, two elements, the start.
    assert_eq!(check(&wasm), Some((2, 5)));
}

#[test]
fn charges_of_fixtures_and_random_modules() {
    for (_, wasm) in corpus::fixtures() {
        assert!(check(&wasm).is_some());
    }
    let (mut calls, mut entries) = (0, 0);
    for number in 0..2_000 {
        if let Some((more_calls, more_entries)) = check(&corpus::random_module(number)) {
            calls += more_calls;
            entries += more_entries;
        }
    }
    assert!(
        calls > 1_000 && entries > 1_000,
        "{calls} calls, {entries} entries"
    );
}
