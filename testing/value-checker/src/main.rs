//! Checks what the compiler makes of modules, value by value.

use clap::Parser;
use pvf_compiler::Target;
use pvf_executor::read_code;
use pvf_generators::{Generator, Mode};
use pvf_rules::Features;
use pvf_value_checker::{Checker, Compiled, Report, Setting};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Compiles modules and checks that the machine code computes what the Wasm says.
#[derive(Parser)]
struct Options {
    /// Modules, compressed or not
    modules: Vec<PathBuf>,
    /// Number of generated modules
    #[arg(long, default_value_t = 0)]
    generated: u64,
    /// Seed of the first generated module
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Count the logical stack
    #[arg(long)]
    logical_stack: bool,
    /// Count gas
    #[arg(long)]
    gas: bool,
    /// Check this function alone
    #[arg(long)]
    function: Option<u32>,
    /// Write the machine code of the module to a file, and the code map beside it
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Instruction set: x86_64 or aarch64
    #[arg(long, default_value = "x86_64")]
    target: String,
}

const MOST: usize = 64 << 20;

fn main() -> ExitCode {
    let options = Options::parse();
    let target = match options.target.as_str() {
        "aarch64" => Target::Aarch64,
        _ => Target::X86_64,
    };
    let mut checker = Checker::default();
    let mut all = Report::default();
    let setting = |features| Setting {
        features,
        target,
        logical_stack: options.logical_stack,
        gas: options.gas,
    };
    for path in &options.modules {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        };
        let Ok(code) = read_code(&bytes, MOST) else {
            eprintln!("{}: no module", path.display());
            return ExitCode::FAILURE;
        };
        let begun = Instant::now();
        let compiled = [Features::POLKADOT, Features::ALL]
            .iter()
            .find_map(|&features| Compiled::new(&code.wasm, &setting(features)));
        let Some(compiled) = compiled else {
            eprintln!("{}: not of the language", path.display());
            return ExitCode::FAILURE;
        };
        let compiling = begun.elapsed();
        if let Some(path) = &options.dump {
            let map = compiled
                .pieces
                .iter()
                .map(|piece| format!("{:x} {:x}\n", piece.code_offset, piece.wasm_offset));
            let written = std::fs::write(path, &compiled.artifact.code)
                .and_then(|()| std::fs::write(path.with_extension("map"), map.collect::<String>()));
            if let Err(error) = written {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
        let report = compiled.check_some(&mut checker, |it| {
            options.function.is_none_or(|only| only == it)
        });
        let checking = begun.elapsed() - compiling;
        println!(
            "{}: compiled in {compiling:.1?}, checked in {checking:.1?}",
            path.display()
        );
        print!("{report}");
        all.merge(report);
    }
    if options.generated > 0 {
        let generator = match Generator::new() {
            Ok(generator) => generator,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        let mut report = Report::default();
        for seed in options.seed..options.seed.saturating_add(options.generated) {
            let Ok(subject) = generator.generate(seed, Mode::All) else {
                continue;
            };
            let Some(compiled) = Compiled::new(&subject.wasm, &setting(subject.features)) else {
                continue;
            };
            let wanted = |it: u32| options.function.is_none_or(|only| only == it);
            let one = compiled.check_some(&mut checker, wanted);
            if !one.alarms.is_empty() {
                println!("seed {seed}:");
                print!("{one}");
            }
            report.merge(one);
        }
        println!("generated modules:");
        print!("{report}");
        all.merge(report);
    }
    match all.alarms.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
