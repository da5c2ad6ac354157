//! Compares candidates with both meters with Wasmtime after `wasm-instrument`: not the speed, but the outcomes and
//! meters.

use crate::corpus;
use crate::measures::execute::silence_host_panics;
use crate::options::Options;
use pvf_compiler::{CompileOptions, Metering};
use pvf_meter_oracle::{Meters, WRITTEN_LIMIT, telling_costs};
use pvf_rules::{DEFAULT_STACK_LOGICAL_MAX, Features, TrapKind};
use pvf_validation::{HostParameters, Module, Outcome, Pvf};
use pvf_wasmtime::{Ended, Limits, Prepared};
use std::sync::Arc;

/// The limits of the first run: Polkadot's limit of the logical stack, and unlimited gas.
const FIRST: Limits = Limits {
    stack: DEFAULT_STACK_LOGICAL_MAX,
    gas: u64::MAX,
};

/// The observation of a candidate within limits.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    ended: Ended,
    gas_used: u64,
}

/// A validation function in both engines.
struct Pair {
    peer: Prepared,
    ours: Module,
}

pub fn run(options: &Options) -> Result<bool, String> {
    silence_host_panics();
    let (mut compared, mut runs, mut differ) = (0, 0, 0);
    let mut blobs = Vec::new();
    for (folder, _) in options.corpora() {
        blobs.extend(corpus::blobs(&folder, &options.filter)?);
    }
    for blob in blobs {
        if blob.cases.is_empty() {
            continue;
        }
        let pair = Pair::new(&blob.wasm).map_err(|error| format!("{}: {error}", blob.name))?;
        for case in &blob.cases {
            let (gas, peak, differences) = pair.compare(&case.parameters()?, &mut runs)?;
            let name = format!("{}/{}", blob.name, case.name);
            println!("{name}: gas {gas}, logical peak {peak}");
            for difference in &differences {
                println!("DIFFERENT {name}: {difference}");
            }
            compared += 1;
            differ += u64::from(!differences.is_empty());
        }
    }
    println!("{compared} candidates compared in {runs} runs, {differ} differ");
    Ok(differ == 0 && compared > 0)
}

impl Pair {
    fn new(wasm: &[u8]) -> Result<Self, String> {
        let costs = telling_costs().map_err(|error| error.to_string())?;
        let meters = Meters {
            stack_logical_max: Some(WRITTEN_LIMIT),
            gas: Some(&costs),
        };
        let instrumented =
            pvf_meter_oracle::instrument(wasm, &meters).map_err(|e| e.to_string())?;
        let engine = pvf_wasmtime::engine().map_err(|error| format!("{error:#}"))?;
        let options = CompileOptions {
            metering: Metering {
                logical_stack: true,
                gas: Some(Arc::new(costs)),
            },
            ..CompileOptions::new(Features::POLKADOT)
        };
        let artifact = pvf_compiler::compile(wasm, &options).map_err(|error| error.to_string())?;
        Ok(Self {
            peer: Prepared::new(&engine, &instrumented).map_err(|error| format!("{error:#}"))?,
            ours: Module::new(artifact).map_err(|error| error.to_string())?,
        })
    }

    /// Compares without a relevant limit, with the stack limit at the peak and one unit below it, and with one gas too
    /// few. Returns the gas used and the peak of the first run, and the differences.
    fn compare(
        &self,
        parameters: &[u8],
        runs: &mut u64,
    ) -> Result<(u64, u64, Vec<String>), String> {
        let mut differences = Vec::new();
        let mut both = |limits: Limits| {
            *runs += 1;
            let (ours, peak) = self.ours(parameters, limits)?;
            let peer = self.peer.execute_within(parameters, limits);
            let (ended, gas_used) = peer.map_err(|error| format!("{error:#}"))?;
            let peer = Seen { ended, gas_used };
            if ours != peer {
                differences.push(format!(
                    "{limits:?}: Wasmtime {}, ours {}",
                    describe(&peer),
                    describe(&ours)
                ));
            }
            Ok::<_, String>((ours, peak))
        };
        let (first, peak) = both(FIRST)?;
        let peak_limit = |stack: u64| Limits {
            stack: stack as u32,
            ..FIRST
        };
        let (at_peak, _) = both(peak_limit(peak))?;
        let overflow = Ended::Trapped(TrapKind::StackOverflow);
        let out_of_gas = Ended::Trapped(TrapKind::OutOfGas);
        let mut unexpected = Vec::new();
        if at_peak != first && first.ended != overflow {
            unexpected.push("it does not fit in its own peak".to_owned());
        }
        if let Some(below) = peak.checked_sub(1) {
            let (below, _) = both(peak_limit(below))?;
            if below.ended != overflow {
                unexpected.push(format!("below its peak: {}", describe(&below)));
            }
        }
        if let Some(gas) = first.gas_used.checked_sub(1) {
            let (below, _) = both(Limits { gas, ..FIRST })?;
            if below.ended != out_of_gas {
                unexpected.push(format!("with one gas too few: {}", describe(&below)));
            }
        }
        differences.extend(unexpected);
        Ok((first.gas_used, peak, differences))
    }

    fn ours(&self, parameters: &[u8], limits: Limits) -> Result<(Seen, u64), String> {
        let mut host = HostParameters::default();
        host.execution.stack_logical_max = Some(limits.stack);
        host.execution.gas_limit = Some(limits.gas);
        let pvf = Pvf::new(self.ours.clone(), host);
        let execution = pvf.run(parameters).map_err(|error| error.to_string())?;
        let execution = execution.execution;
        let ended = match execution.outcome {
            Outcome::Valid(result) => Ended::Returned(result),
            Outcome::Invalid {
                trap: Some(trap), ..
            } => Ended::Trapped(trap.kind),
            other => return Err(format!("{other:?}")),
        };
        let gas_used = execution.gas_used.ok_or("gas is not counted")?;
        let peak = execution.stack.logical.ok_or("the stack is not counted")?;
        Ok((Seen { ended, gas_used }, peak))
    }
}

fn describe(seen: &Seen) -> String {
    let ended = match &seen.ended {
        Ended::Returned(result) => format!("returned {} bytes", result.len()),
        Ended::Trapped(kind) => format!("trapped: {kind}"),
    };
    format!("{ended}, gas {}", seen.gas_used)
}
