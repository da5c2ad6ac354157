use pvf_executor::*;
use std::sync::Arc;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "stubs" {
        let wasm = b"\0asm\x01\0\0\0";
        let a = compile(wasm, &CompileOptions::new(Features::ALL)).unwrap();
        std::fs::write("/tmp/vx64_stubs.bin", &a.code).unwrap();
        println!("{}", a.code.len());
        return;
    }
    if args[1] == "code" {
        let bytes = std::fs::read(&args[2]).unwrap();
        let blob = read_code(&bytes, 64 << 20).unwrap();
        let setting: u32 = args[3].parse().unwrap();
        let mut o = CompileOptions::new(if args.get(4).is_some() { Features::ALL } else { Features::POLKADOT });
        o.target = Target::X86_64;
        o.metering.logical_stack = setting & 1 != 0;
        if setting & 2 != 0 { o.metering.gas = Some(Arc::new(Costs::default())); }
        if setting & 4 != 0 { o.native_stack = NativeStack::Audited }
        let a = compile(&blob.wasm, &o).unwrap();
        std::fs::write("/tmp/vx64_code.bin", &a.code).unwrap();
        return;
    }
    let mut bad = 0;
    for path in &args[1..] {
        let bytes = std::fs::read(path).unwrap();
        let Ok(blob) = read_code(&bytes, 64 << 20) else {
            println!("{path}: unreadable");
            continue;
        };
        for (features, name) in [(Features::POLKADOT, "polkadot"), (Features::ALL, "all")] {
            let costs = Arc::new(Costs::default());
            for setting in 0..8 {
                let mut o = CompileOptions::new(features);
                o.target = Target::X86_64;
                o.metering.logical_stack = setting & 1 != 0;
                if setting & 2 != 0 {
                    o.metering.gas = Some(costs.clone());
                }
                if setting & 4 != 0 {
                    o.native_stack = NativeStack::Audited
                }
                let t = std::time::Instant::now();
                let Ok(a) = compile(&blob.wasm, &o) else {
                    continue;
                };
                let compile = t.elapsed();
                let t = std::time::Instant::now();
                let r = verify(
                    &blob.wasm,
                    &a,
                    &Verification {
                        native_stack: o.native_stack,
                        costs: o.metering.gas.as_deref(),
                    },
                );
                let took = t.elapsed();
                match r {
                    Ok(v) => {
                        if setting < 4 {
                            println!(
                                "{path} {name} {setting}: {v:?} {:.1} %",
                                100.0 * took.as_secs_f64() / compile.as_secs_f64()
                            )
                        }
                    }
                    Err(e) => {
                        bad += 1;
                        println!("{path} {name} {setting}: BAD {e}");
                    }
                }
            }
        }
    }
    println!("bad {bad}");
}
#[allow(dead_code)]
fn dump() {}
