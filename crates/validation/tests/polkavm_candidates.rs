//! Candidates on PolkaVM: the same executions as on this machine's processor, with traps and their places, peaks of both
//! stacks, gas and memory.
//!
//! The repository's own candidates always; recorded ones of one chain where they are. `PVF_CHAINS` (names separated by
//! commas, or `all`) selects other chains, `PVF_POLKAVM_ENGINES` engines.
#![cfg(feature = "polkavm")]

mod common;

use pvf_compiler::{CompileOptions, Metering, Target, compile};
use pvf_corpus::Chain;
use pvf_polkavm::Engine;
use pvf_rules::Features;
use pvf_validation::{HostParameters, Module, Outcome, PolkaVmPvf, Pvf, candidate};
use std::env;
use std::sync::Arc;
use std::time::Instant;

/// How a chain's code is compiled: as Polkadot does, or with gas too.
fn options(target: Target, gas: bool) -> CompileOptions {
    CompileOptions {
        target,
        metering: Metering {
            logical_stack: true,
            gas: gas.then(|| Arc::new(pvf_compiler::Costs::default())),
        },
        ..CompileOptions::new(Features::POLKADOT)
    }
}

fn engines() -> Vec<Engine> {
    let names = env::var("PVF_POLKAVM_ENGINES").ok();
    let names = names.as_deref().unwrap_or("in-process,interpreter");
    let engines = names
        .split(',')
        .map(|name| Engine::from_name(name).unwrap_or_else(|| panic!("there is no engine {name}")));
    engines.filter(|engine| engine.is_supported()).collect()
}

/// Compares all cases of a chain; returns how many there were.
fn compare(chain: &Chain, gas: bool) -> usize {
    let wasm = pvf_corpus::wasm(&chain.code).unwrap();
    let artifact = compile(&wasm, &options(Target::HOST, gas)).unwrap();
    let native = Pvf::new(Module::new(artifact).unwrap(), HostParameters::default());
    let start = Instant::now();
    let artifact = compile(&wasm, &options(Target::PolkaVm, gas)).unwrap();
    println!(
        "{}: {} bytes of Wasm, {} of code, {:?}",
        chain.name,
        wasm.len(),
        artifact.code.len(),
        start.elapsed()
    );
    for engine in engines() {
        let pvf = PolkaVmPvf::new(artifact.clone(), engine, HostParameters::default()).unwrap();
        for case in &chain.cases {
            let name = format!("{}/{} {}", chain.name, case.name, engine.name());
            let file = case.params().unwrap();
            let candidate = candidate::read(&file).unwrap();
            let expected = native.run(&candidate).unwrap();
            let found = pvf
                .run(&candidate)
                .unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(found.execution, expected.execution, "{name}");
            assert_eq!(found.heap, expected.heap, "{name}");
            if let Some(result) = case.result().unwrap() {
                assert_eq!(found.execution.outcome, Outcome::Valid(result), "{name}");
            }
            println!(
                "{name}: {} us, natively {} us",
                found.timings.execute_ns / 1000,
                expected.timings.execute_ns / 1000
            );
        }
    }
    chain.cases.len()
}

#[test]
fn candidates_of_the_repository_are_as_on_hardware() {
    let chains = pvf_corpus::chains(&pvf_corpus::fixtures(), "").unwrap();
    let cases: usize = chains.iter().map(|chain| compare(chain, true)).sum();
    println!("{cases} cases");
    assert!(cases > 10);
}

#[test]
fn recorded_candidates_are_as_on_hardware() {
    let selected = env::var("PVF_CHAINS").unwrap_or_else(|_| "shell-westend-1000".to_owned());
    let selected: Vec<&str> = selected.split(',').collect();
    for chain in pvf_corpus::recorded_chains().unwrap() {
        if selected.contains(&"all") || selected.contains(&&*chain.name) {
            compare(&chain, false);
            compare(&chain, true);
        }
    }
}
