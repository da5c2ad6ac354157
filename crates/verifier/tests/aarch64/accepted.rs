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

#[test]
#[ignore = "prints"]
fn look() {
    let (_, wasm) = runtimes().into_iter().find(|it| it.0 == "bridge-hub-polkadot").unwrap();
    let made = Made::new(&wasm, &options(Features::POLKADOT, all_meters().next().unwrap())).unwrap();
    let f = made.functions[1612];
    println!("{f:x?}");
    for at in (f.offset..f.offset+f.bytes).step_by(4) {
        let w = u32::from_le_bytes(made.code[at as usize..][..4].try_into().unwrap());
        let d = match w >> 24 { 0x14..=0x17 => (w<<6) as i32 >> 6 << 2, 0x54|0x34|0x35|0xb4|0xb5 => (w<<8) as i32>>13<<2, 0x36|0x37|0xb6|0xb7=>(w<<13) as i32>>18<<2, _=>0};
        if d!=0 && at as i64 + d as i64 == 0x215698 { println!("from {at:x} {w:08x}"); }
        if w == 0xd61f0200 { println!("table {:x}\n{}", at, made.around(at)); }
    }
}

#[test]
#[ignore = "prints"]
fn rounds() {
    for (name, wasm) in runtimes() {
        let made = Made::new(&wasm, &options(Features::POLKADOT, all_meters().nth(1).unwrap())).unwrap();
        println!("{name} {:?}", made.verify());
    }
}
