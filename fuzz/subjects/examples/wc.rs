use pvf_compiler::{CompileOptions, Metering, Target, compile};
use pvf_fuzz_subjects::worst_case::search;
use pvf_spec::Features;
use std::time::{Duration, Instant};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (measure, target, minutes, seed) = (
        &args[1],
        &args[2],
        args[3].parse::<f64>().unwrap(),
        args[4].parse().unwrap(),
    );
    let target = if target == "x" {
        Target::X86_64
    } else {
        Target::Aarch64
    };
    let mut options = CompileOptions {
        target,
        ..CompileOptions::new(Features::ALL)
    };
    options.metering = Metering {
        logical_stack: true,
        gas: None,
    };
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let cost = |wasm: &[u8]| -> Result<f64, String> {
        if measure == "code" {
            let a = compile(wasm, &options).map_err(|e| e.to_string())?;
            return Ok(a.code.len() as f64 / wasm.len() as f64);
        }
        let mut least = f64::MAX;
        for _ in 0..3 {
            let t = Instant::now();
            std::hint::black_box(compile(wasm, &options).map_err(|e| e.to_string())?);
            least = least.min(t.elapsed().as_secs_f64());
        }
        Ok(least * 1e9 / wasm.len() as f64)
    };
    let out = args[5].clone();
    let (found, rounds) = search(
        seed,
        8_000,
        || Instant::now() < end,
        cost,
        |f| {
            std::fs::write(&out, f.genome.module(100_000)).unwrap();
            eprintln!("{:.2} {:?}", f.cost, f.genome);
        },
    )
    .unwrap();
    println!("{rounds} rounds, {:.2}", found.unwrap().cost);
}
