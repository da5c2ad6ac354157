//! Where a trap happened: the functions that were active, by name.
//!
//! Machine code knows no callers, so the candidate is run once more with the hooks of `pvf-instrument`, which keep a shadow of the
//! calls. That run must end like the first; otherwise there is no backtrace.

use crate::engine::{For, Stop, Verification, prepare_blob};
use crate::failure::Failure;
use crate::names::Names;
use crate::profile::{same_end, wide};
use crate::timeout::TimeoutArgs;
use pvf_executor::{
    CompileOptions, Costs, ExecutionParameters, Metering, Module, Outcome, ValType,
};
use pvf_instrument::profile::{ENTER, EXIT, Shadow};
use pvf_instrument::{GasLimit, InstrumentOptions};
use pvf_validation::{HostParameters, Observer, Pvf};
use serde::Serialize;
use std::io::{self, Write};

/// The most frames that are shown.
const MOST_FRAMES: usize = 20;

/// The functions that were active when a trap ended a run.
#[derive(Clone, Debug, Serialize)]
pub struct BacktraceJson {
    /// How many there were.
    pub depth: usize,
    /// The innermost of them, the innermost first.
    pub frames: Vec<FrameJson>,
}

/// An active function.
#[derive(Clone, Debug, Serialize)]
pub struct FrameJson {
    /// Its index, imports counted.
    pub function: u32,
    /// Its name, if the module has names.
    pub name: Option<String>,
}

/// A run that ended with a trap, to be made again.
pub struct Trapped<'a> {
    /// The module.
    pub wasm: &'a [u8],
    /// How it was compiled.
    pub options: &'a CompileOptions,
    /// Whether machine code is verified.
    pub verification: Verification,
    /// The limits.
    pub parameters: &'a ExecutionParameters,
    /// Whether the elliptic-curve functions exist.
    pub ecc_rfc163: bool,
    /// The candidate.
    pub candidate: &'a [u8],
    /// How long the run may take.
    pub timeout: TimeoutArgs,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// The names of functions.
    pub names: &'a Names,
}

impl Trapped<'_> {
    /// Runs again.
    ///
    /// # Errors
    /// Why there is no backtrace; the verdict stands all the same.
    pub fn backtrace(&self) -> Result<BacktraceJson, String> {
        let gas = self.options.metering.gas.as_deref();
        let options = InstrumentOptions {
            features: self.options.features,
            stack_native_max: Some(self.parameters.stack_native_max),
            stack_logical_max: self.parameters.stack_logical_max,
            gas: Some(GasLimit {
                costs: gas.cloned().unwrap_or_else(Costs::default),
                limit: self.parameters.gas_limit.unwrap_or(u64::MAX),
            }),
        };
        let hooked = pvf_instrument::profile::instrument(self.wasm, &options)
            .map_err(|error| error.to_string())?;
        let options = CompileOptions {
            metering: Metering::default(),
            ..self.options.clone()
        };
        let compiled = prepare_blob(&hooked, &options, For::Calls, self.verification);
        let artifact = match compiled {
            Ok(compiled) => compiled.artifact,
            Err(Stop::Rejected(rejection, _)) => return Err(format!("with hooks {rejection}")),
            Err(Stop::Failed(failure)) => return Err(failure.to_string()),
        };
        let module = Module::new(artifact).map_err(|error| error.to_string())?;
        let shadow = Shadow::default();
        let host = HostParameters {
            ecc_rfc163: self.ecc_rfc163,
            execution: wide(self.parameters),
            // The lines were printed by the first run.
            log: Some(std::sync::Arc::new(|_| {})),
        };
        let pvf = Pvf::with_observers(module, host, &observers(&shadow));
        let run = self.timeout.bound(|| Ok(pvf.validate(self.candidate)?));
        match run.map_err(|failure: Failure| failure.to_string())?.outcome {
            ended if same_end(self.outcome, &ended) => {}
            _ => return Err("the run with hooks ended otherwise".to_owned()),
        }
        let (depth, frames) = shadow.frames(MOST_FRAMES);
        let frames = frames.into_iter().map(|function| FrameJson {
            function,
            name: self.names.get(function).map(str::to_owned),
        });
        Ok(BacktraceJson {
            depth,
            frames: frames.collect(),
        })
    }
}

fn observers(shadow: &Shadow) -> [Observer; 2] {
    let (enters, exits) = (shadow.clone(), shadow.clone());
    [
        Observer::new(ENTER, &[ValType::I32, ValType::I64], move |told| {
            enters.enter(told[0] as u32);
        }),
        Observer::new(EXIT, &[ValType::I64], move |_| exits.exit()),
    ]
}

impl BacktraceJson {
    /// As lines of an output.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (number, frame) in self.frames.iter().enumerate() {
            let head = match number {
                0 => "backtrace",
                _ => "",
            };
            let name = frame.name.as_deref().unwrap_or("without a name");
            let name = crate::outcome::printable(name);
            writeln!(out, "  {head:<13} {name} (function {})", frame.function)?;
        }
        match self.depth - self.frames.len() {
            0 => Ok(()),
            more => writeln!(out, "                and {more} more"),
        }
    }
}
