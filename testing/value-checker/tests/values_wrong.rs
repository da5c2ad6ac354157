//! Seeded faults are found: edits of machine code after which it computes something else.

use pvf_compiler::Target;
use pvf_executor::{Described, Verification};
use pvf_rules::Features;
use pvf_value_checker::faults::{self, Class};
use pvf_value_checker::{Checker, Compiled, Input, Outcome, Setting};
use pvf_verifier::Module;
use pvf_verifier_tests::corpus;
use std::collections::BTreeMap;

const SETTING: Setting = Setting {
    features: Features::ALL,
    target: Target::X86_64,
    logical_stack: false,
    gas: false,
};

/// For each class, faults that were tried, and those that were found.
type Counts = BTreeMap<Class, (u64, u64)>;

/// Seeds every `step`th fault of each function.
fn seed(compiled: &Compiled<'_>, step: usize, counts: &mut Counts) {
    let module = Module::read(compiled.wasm).unwrap();
    let described = Described::new(&compiled.artifact, &Verification::default());
    let mut code = compiled.artifact.code.clone();
    let mut checker = Checker::default();
    let functions: Vec<u32> = described.functions.iter().map(|it| it.offset).collect();
    let other = |entry: u32| {
        let callee = functions.iter().position(|&it| it == entry)?;
        let signature = described.functions[callee].signature;
        let same = (0..functions.len()).rev().find(|&it| {
            it != callee && described.functions[it].signature == signature && functions[it] != entry
        })?;
        Some(functions[same])
    };
    let mut check = |code: &[u8], function: u32| {
        let input = Input {
            module: &module,
            code: &described.with(code),
            pieces: &compiled.pieces,
        };
        checker.check(&input, function)
    };
    let mut number = 0;
    for function in module.imported_functions..module.functions.len() as u32 {
        let place = described.functions[function as usize];
        if check(&code, function) != Outcome::Checked {
            continue;
        }
        let end = place.offset + place.bytes;
        for fault in faults::of(&code, place.offset, end, other) {
            number += 1;
            if number % step != 0 {
                continue;
            }
            let range = fault.at..fault.at + fault.bytes.len();
            let before = code[range.clone()].to_vec();
            code[range.clone()].copy_from_slice(&fault.bytes);
            let (tried, found) = counts.entry(fault.class).or_default();
            *tried += 1;
            let outcome = check(&code, function);
            *found += u64::from(matches!(outcome, Outcome::Alarm(_)));
            if !matches!(outcome, Outcome::Alarm(_)) && std::env::var_os("PVF_SHOW").is_some() {
                println!(
                    "{:?} at {:#x} of function {function}: {outcome:?}",
                    fault.class, fault.at
                );
            }
            code[range].copy_from_slice(&before);
        }
    }
}

fn compiled(wasm: &[u8]) -> Compiled<'_> {
    Compiled::new(wasm, &SETTING).unwrap()
}

#[test]
fn seeded_faults_are_found() {
    let mut counts = Counts::new();
    let blobs = corpus::of_chains();
    for (name, wasm) in corpus::of_repository() {
        if !name.contains("golden") {
            continue;
        }
        if let Some(compiled) = Compiled::new(&wasm, &SETTING) {
            seed(&compiled, 1, &mut counts);
        }
    }
    let ledger = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/ledger/code.wasm"
    ));
    seed(&compiled(&ledger.unwrap()), 3, &mut counts);
    for (_, wasm) in blobs.iter().take(1) {
        seed(&compiled(wasm), 997, &mut counts);
    }
    for (class, (tried, found)) in &counts {
        println!("{class:?}: {found} of {tried}");
    }
    for (class, least_tried, least_share) in LEAST {
        let (tried, found) = counts.get(&class).copied().unwrap_or_default();
        assert!(tried >= least_tried, "{class:?}: {tried} faults");
        assert!(
            found * 1000 >= tried * least_share,
            "{class:?}: {found} of {tried} found"
        );
    }
}

/// For each class, the least number of faults, and how many of a thousand are found at least. Where it is not all,
/// some edits are harmless: a reload of what the register holds already, a spill or a move that nothing reads, a shift of
/// a value that has no upper half, a test of what has set the same flags.
const LEAST: [(Class, u64, u64); 17] = [
    (Class::SwappedOperands, 8, 1000),
    (Class::WrongRegister, 150, 985),
    (Class::WrongSlot, 80, 950),
    (Class::Immediate, 180, 990),
    (Class::Condition, 50, 1000),
    (Class::NoSpill, 50, 950),
    (Class::NoReload, 40, 900),
    (Class::WrongCallee, 9, 1000),
    (Class::NoStore, 30, 1000),
    (Class::SwappedStores, 1, 1000),
    (Class::Multiplier, 6, 1000),
    (Class::StaleFlags, 8, 900),
    (Class::Narrow, 40, 930),
    (Class::Offset, 50, 1000),
    (Class::Operation, 90, 990),
    (Class::Scale, 10, 1000),
    (Class::Swap, 4, 1000),
];

/// The compiler once took a flag that code of another chunk had set for the one that it needed, and left out the
/// comparison. The same is made here by taking the comparison away.
#[test]
fn a_comparison_that_a_remembered_flag_replaces_is_missed() {
    let text = "(module (memory 1)
        (func (export \"b\") (param i32) (result i32)
            (i32.store (i32.const 0) (i32.const 5))
            (if (result i32) (local.get 0) (then (i32.const 111)) (else (i32.const 222)))))";
    let wasm = wat::parse_str(text).unwrap();
    let compiled = compiled(&wasm);
    assert_eq!(compiled.check(&mut Checker::default()).checked, 1);
    let mut counts = Counts::new();
    seed(&compiled, 1, &mut counts);
    assert_eq!(counts.get(&Class::StaleFlags), Some(&(1, 1)));
}
