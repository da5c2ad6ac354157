//! `pvf verify`: whether machine code keeps to the invariants of the verifier.

use crate::Verdict;
use crate::args::{Meter, VerifyArgs};
use crate::engine::read_blob_file;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, duration};
use pvf_executor::artifact::{ModuleInfo, TrapMap};
use pvf_executor::{
    Artifact, ArtifactContents, CompileError, CompileOptions, Costs, Invariant, Metering,
    NotVerified, Profile, Target, Verification, compile, decompress, looks_like_artifact,
    schedule_hash, verify, verify_contents,
};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[derive(Serialize)]
struct VerifyJson {
    /// Whether the machine code keeps to every invariant.
    verified: bool,
    /// The number of the invariant that it breaks.
    invariant: Option<u8>,
    /// Its name.
    name: Option<&'static str>,
    /// The function, imported ones counted, unless it is about a stub or the whole.
    function: Option<u32>,
    /// Where in the code.
    offset: Option<u32>,
    /// What is wrong there.
    reason: Option<String>,
    /// Functions of the module's own.
    functions: u32,
    /// Their machine instructions.
    instructions: u64,
    /// Whether the artifact was compared with a module, and not with its own declarations alone.
    module_compared: bool,
    /// Whether the amounts of gas were compared: not without a module, and not without the schedule of the artifact.
    gas_compared: bool,
    target: &'static str,
    verify_ns: u64,
}

/// Verifies an artifact against its module, or what is compiled of a module.
pub fn verify_file(args: &VerifyArgs, output: &Output) -> Result<Verdict, Failure> {
    let costs = args.schedule.costs()?.unwrap_or_default();
    let first = input::read(&args.artifact)?;
    let (wasm, contents) = match (&args.code, looks_like_artifact(&first)) {
        (Some(code), true) => {
            let wasm = module(code)?;
            (Some(wasm), contents(&args.artifact, first)?)
        }
        (None, false) => {
            let wasm = module(&args.artifact)?;
            let contents = compiled(args, &costs, &wasm)?;
            (Some(wasm), contents)
        }
        (None, true) => (None, contents(&args.artifact, first)?),
        (Some(_), false) => {
            return Err(Failure::Input {
                name: input::name(&args.artifact),
                reason: "not an artifact".to_owned(),
            });
        }
    };
    let info = &contents.module;
    let prices = (info.meters.schedule == schedule_hash(&costs)).then_some(&costs);
    let verification = Verification {
        costs: prices,
        ..Verification::default()
    };
    let start = Instant::now();
    let result = match &wasm {
        Some(wasm) => verify(wasm, &contents, &verification),
        None => verify_contents(&contents, &verification),
    };
    let mut json = VerifyJson {
        verified: result.is_ok(),
        invariant: None,
        name: None,
        function: None,
        offset: None,
        reason: None,
        functions: 0,
        instructions: 0,
        module_compared: wasm.is_some(),
        gas_compared: wasm.is_some() && info.meters.gas && prices.is_some(),
        target: info.target.name(),
        verify_ns: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
    };
    match &result {
        Ok(verified) => {
            json.functions = verified.functions;
            json.instructions = verified.instructions;
        }
        Err(error) => {
            json.reason = Some(error.to_string());
            match error {
                NotVerified::Refused(refusal) => {
                    json.invariant = Some(refusal.invariant.number());
                    json.name = Some(refusal.invariant.name());
                    json.function = refusal.function;
                    json.offset = Some(refusal.offset);
                }
                NotVerified::Declared(_) => {
                    json.invariant = Some(Invariant::Claims.number());
                    json.name = Some(Invariant::Claims.name());
                }
                NotVerified::Unreadable(_) | NotVerified::NoVerifier(_) => {}
            }
        }
    }
    output.result(&json, |out| match &json.reason {
        None => writeln!(
            out,
            "verified{}: {} functions of {} instructions in {}",
            if json.module_compared {
                ""
            } else {
                " without the module"
            },
            json.functions,
            json.instructions,
            duration(json.verify_ns)
        ),
        Some(reason) => writeln!(out, "not verified: {reason}"),
    })?;
    Ok(match json.verified {
        true => Verdict::Fine,
        false => Verdict::NotFine,
    })
}

fn module(path: &Path) -> Result<Vec<u8>, Failure> {
    let blob = read_blob_file(path)?;
    let most = Profile::Polkadot.limits().module_bytes as usize;
    let wasm = decompress(&blob.bytes, most).map_err(|error| Failure::Input {
        name: input::name(path),
        reason: error.to_string(),
    })?;
    Ok(wasm.into_owned())
}

/// Takes an artifact apart. None of its code is executed.
fn contents(path: &Path, bytes: Vec<u8>) -> Result<ArtifactContents, Failure> {
    let damaged = |reason: String| Failure::Input {
        name: input::name(path),
        reason,
    };
    let parts = Artifact::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
    let bytes = Arc::new(bytes);
    let traps: TrapMap = parts
        .trap_map(bytes.clone())
        .map_err(|error| damaged(error.to_string()))?;
    let module: ModuleInfo = parts.module;
    Ok(ArtifactContents {
        module,
        code: bytes[parts.code].to_vec(),
        traps,
        data: Vec::new(),
    })
}

fn compiled(args: &VerifyArgs, costs: &Costs, wasm: &[u8]) -> Result<ArtifactContents, Failure> {
    let gas = args.meter.contains(&Meter::Gas) || args.schedule.metering_schedule.is_some();
    let target: Target = args.target.resolve()?;
    let options = CompileOptions {
        target,
        metering: Metering {
            logical_stack: args.meter.contains(&Meter::LogicalStack),
            gas: gas.then(|| Arc::new(costs.clone())),
        },
        ..Profile::Polkadot.compile_options()
    };
    match compile(wasm, &options) {
        Ok(artifact) => Ok(artifact.into_contents()),
        Err(CompileError::Refused(refusal)) => Err(Failure::Input {
            name: input::name(&args.artifact),
            reason: refusal.to_string(),
        }),
        Err(CompileError::Failed(failure)) => Err(Failure::Host(failure.to_string())),
    }
}
