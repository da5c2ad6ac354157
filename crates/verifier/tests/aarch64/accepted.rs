//! Everything that the compiler makes is accepted.

use super::support::{Made, Meters, all_meters, files, options, runtimes};
use pvf_rules::Features;

#[track_caller]
fn accept(name: &str, wasm: &[u8], features: Features, meters: Meters) -> bool {
    let Some(made) = Made::new(wasm, &options(features, meters)) else {
        return false;
    };
    match made.verify() {
        Ok(_) => true,
        Err(refusal) => panic!(
            "{name}, meters {}: {refusal}\n{}",
            meters.name,
            made.around(refusal.offset)
        ),
    }
}

#[test]
fn golden_modules_are_accepted() {
    for file in files("../compiler/tests/golden", "wat") {
        let wasm = wat::parse_file(&file).unwrap();
        for meters in all_meters() {
            let name = file.display().to_string();
            assert!(accept(&name, &wasm, Features::ALL, meters), "{name}");
        }
    }
}

#[test]
fn runtimes_are_accepted() {
    for (name, wasm) in runtimes() {
        for meters in all_meters() {
            assert!(accept(&name, &wasm, Features::POLKADOT, meters));
        }
    }
}

#[test]
fn conformance_modules_are_accepted() {
    let mut accepted = 0;
    for file in files("../../conformance/wasm", "wasm") {
        let wasm = std::fs::read(&file).unwrap();
        for meters in all_meters() {
            let name = file.display().to_string();
            accepted += u32::from(accept(&name, &wasm, Features::ALL, meters));
        }
    }
    assert!(accepted > 1000, "{accepted} modules");
}

#[test]
#[ignore = "prints"]
fn dump() {
    let wasm = wat::parse_str("(module)").unwrap();
    let made = Made::new(&wasm, &options(Features::ALL, all_meters().next().unwrap())).unwrap();
    print!("{}", made.all());
}
