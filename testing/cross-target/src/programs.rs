//! Random programs: written as a stream, executed from a stream.
//!
//! Each program runs with both meters. Every step runs with limits of the native stack, the logical stack and gas that
//! follow from the seed, and again with limits near the resources that it used. So each of the three limits ends many
//! runs.

use crate::artifacts::compile_module;
use crate::line::{Digest, Line};
use clap::Args;
use pvf_compiler::{CompileOptions, Metering, Refusal};
use pvf_generators::limits::{self, Prices, first, near, prices};
use pvf_generators::observe::MAX_MEMORY_PAGES;
use pvf_generators::ours::{Prepared, Run};
use pvf_generators::random::mix;
use pvf_generators::{
    Ending, Generator, Limits, Mode, Observation, Ours, Plan, Random, Step, Subject,
};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

/// The first bytes of each program in a stream.
const MAGIC: [u8; 4] = *b"prog";

/// Largest program that a stream may hold.
const MOST_BYTES: u32 = 16 << 20;

/// The maximum number of exported functions called in one program. Each gets an instance of its own and several calls.
const MOST_STEPS: usize = 4;

/// Selects the programs.
#[derive(Args)]
pub struct Source {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many programs.
    #[arg(long)]
    count: u64,
    /// The generator of the programs.
    #[arg(long, value_enum, default_value = "all")]
    mode: Mode,
}

/// How to execute the programs.
#[derive(Args)]
pub struct Options {
    /// Print every execution, as a comment before its program's line.
    #[arg(long)]
    verbose: bool,
    /// Make this number of calls in each of several instances for each function, instead of a few within limits near
    /// what they used.
    #[arg(long)]
    calls: Option<usize>,
}

/// Instances for each function, of many calls.
const MANY_INSTANCES: usize = 8;

/// If a seed gives no valid program, this number is added until a seed does.
const NEXT_TRY: u64 = 1 << 40;

/// Writes programs, one for each seed.
pub fn write(source: &Source, out: &mut impl Write) -> Result<(), String> {
    let generator = Generator::new()?;
    for seed in source.from..source.from + source.count {
        let mut tries = (0..100).map(|again: u64| seed.wrapping_add(again * NEXT_TRY));
        let subject = tries
            .find_map(|seed| generator.generate(seed, source.mode).ok())
            .ok_or_else(|| format!("seed {seed} gives no program"))?;
        write_one(&subject, out).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn write_one(subject: &Subject, out: &mut impl Write) -> std::io::Result<()> {
    let flags = u8::from(subject.features == Features::ALL) | u8::from(subject.terminates) << 1;
    out.write_all(&MAGIC)?;
    out.write_all(&subject.seed.to_le_bytes())?;
    out.write_all(&[flags])?;
    out.write_all(&(subject.wasm.len() as u32).to_le_bytes())?;
    out.write_all(&subject.wasm)
}

/// The next program of a stream; `None` at its end.
fn read_one(input: &mut impl Read) -> Result<Option<Subject>, String> {
    let mut head = [0; 17];
    let mut read = 0;
    while read < head.len() {
        match input.read(&mut head[read..]) {
            Ok(0) if read == 0 => return Ok(None),
            Ok(0) => return Err("the stream ends within a program".to_owned()),
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let bytes = u32::from_le_bytes([head[13], head[14], head[15], head[16]]);
    if head[..4] != MAGIC || bytes > MOST_BYTES {
        return Err("not a stream of programs".to_owned());
    }
    let mut seed = [0; 8];
    seed.copy_from_slice(&head[4..12]);
    let mut wasm = vec![0; bytes as usize];
    input
        .read_exact(&mut wasm)
        .map_err(|error| error.to_string())?;
    Ok(Some(Subject {
        seed: u64::from_le_bytes(seed),
        features: match head[12] & 1 {
            1 => Features::ALL,
            _ => Features::MVP,
        },
        wasm,
        terminates: head[12] & 2 != 0,
    }))
}

/// Executes the programs of a stream.
pub fn execute(
    options: &Options,
    mut input: impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    while let Some(subject) = read_one(&mut input)? {
        let mut program = Program::new(&subject);
        program
            .execute(options.calls)
            .map_err(|error| format!("program {}: {error}", subject.seed))?;
        if options.verbose {
            for line in &program.log {
                writeln!(out, "# {line}").map_err(|error| error.to_string())?;
            }
        }
        program.line().print(out)?;
        out.flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// How many executions ended in which way.
#[derive(Default)]
struct Endings {
    returned: u32,
    stack_overflow: u32,
    out_of_gas: u32,
    trapped: u32,
    none: u32,
}

impl Endings {
    fn count(&mut self, ending: &Ending) {
        *match ending {
            Ending::Returned(_) => &mut self.returned,
            Ending::Trapped(TrapKind::StackOverflow) => &mut self.stack_overflow,
            Ending::Trapped(TrapKind::OutOfGas) => &mut self.out_of_gas,
            Ending::Trapped(_) => &mut self.trapped,
            Ending::NotInstantiated | Ending::NativeStack => &mut self.none,
        } += 1;
    }
}

/// A program that is being executed.
struct Program<'a> {
    subject: &'a Subject,
    random: Random,
    outcomes: Digest,
    artifacts: Digest,
    endings: Endings,
    refused: Option<&'static str>,
    log: Vec<String>,
}

impl<'a> Program<'a> {
    fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            random: Random::new(mix(subject.seed ^ 0x63726f7373)),
            outcomes: Digest::default(),
            artifacts: Digest::default(),
            endings: Endings::default(),
            refused: None,
            log: Vec::new(),
        }
    }

    fn line(self) -> Line {
        let Endings {
            returned,
            stack_overflow,
            out_of_gas,
            trapped,
            none,
        } = self.endings;
        Line {
            key: format!("program/{}", self.subject.seed),
            summary: match self.refused {
                Some(why) => why.to_owned(),
                None => format!(
                    "returned {returned}, stack overflow {stack_overflow}, out of gas {out_of_gas}, other traps {trapped}, \
                     no instance {none}"
                ),
            },
            digest: format!(
                "outcomes {}, artifacts {}",
                self.outcomes.finish(),
                self.artifacts.finish()
            ),
        }
    }

    fn execute(&mut self, many: Option<usize>) -> Result<(), String> {
        let prices = prices(&mut self.random, self.subject.terminates);
        let mut options = CompileOptions {
            metering: Metering {
                logical_stack: true,
                gas: Some(Arc::new(prices.costs.clone())),
            },
            ..CompileOptions::new(self.subject.features)
        };
        let mut artifact = compile_module(&self.subject.wasm, &options, &mut self.artifacts)?;
        if matches!(artifact, Err(Refusal::Meter { .. })) {
            options.metering.logical_stack = false;
            artifact = compile_module(&self.subject.wasm, &options, &mut self.artifacts)?;
        }
        let artifact = match artifact {
            Ok(artifact) => artifact,
            Err(Refusal::Limit { .. }) => return self.refuse("beyond a limit"),
            Err(Refusal::Meter { .. }) => return self.refuse("refused by a meter"),
            Err(error) => return Err(error.to_string()),
        };
        let prepared = Ours::load(&artifact)?;
        if let Some(calls) = many {
            return self.many(&prepared, &prices, calls);
        }
        let plan =
            Plan::new(&self.subject.wasm, self.subject.seed).map_err(|error| error.to_string())?;
        for step in plan.steps.iter().take(MOST_STEPS) {
            let limits = first(&mut self.random, &prices, self.subject.terminates);
            // In some runs the native limit is the tighter one, in others the logical limit.
            let native = *self.random.pick(&[256, 1_024, 16_384, 1 << 20]);
            let run = self.run(&prepared, &plan, step, limits, native)?;
            let narrow = near(&mut self.random, limits, run.peak, &run.observations);
            let native = match self.random.below(4) {
                0 => (run.native_peak + 16 * self.random.below(3)).saturating_sub(16),
                _ => native,
            };
            self.run(&prepared, &plan, step, narrow, native)?;
        }
        Ok(())
    }

    /// As [`Self::execute`], with many calls in each instance.
    fn many(&mut self, prepared: &Prepared, prices: &Prices, calls: usize) -> Result<(), String> {
        let plan = Plan::many(&self.subject.wasm, self.subject.seed, MANY_INSTANCES, calls)
            .map_err(|error| error.to_string())?;
        for step in &plan.steps {
            let limits = limits::many(&mut self.random, prices, calls as u64);
            let native = *self.random.pick(&[1_024, 16_384, 1 << 20]);
            let run =
                self.run_within(prepared, &plan, step, &parameters(prepared, limits, native))?;
            // Without text: under an emulator, making it takes longer than the calls.
            for observation in &run.observations {
                self.endings.count(&observation.ending);
                for word in observation.words() {
                    self.outcomes.add_bytes(&word.to_le_bytes());
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, why: &'static str) -> Result<(), String> {
        self.refused = Some(why);
        Ok(())
    }

    fn run(
        &mut self,
        prepared: &Prepared,
        plan: &Plan,
        step: &Step,
        limits: Limits,
        native: u64,
    ) -> Result<Run, String> {
        let parameters = parameters(prepared, limits, native);
        let run = self.run_within(prepared, plan, step, &parameters)?;
        for observation in &run.observations {
            self.endings.count(&observation.ending);
            self.note(&parameters, observation);
        }
        Ok(run)
    }

    /// Runs a step and adds both peaks of the stack to the digest.
    fn run_within(
        &mut self,
        prepared: &Prepared,
        plan: &Plan,
        step: &Step,
        parameters: &ExecutionParameters,
    ) -> Result<Run, String> {
        let run = Ours.run_within(prepared, plan, step, parameters)?;
        self.outcomes.add(&(run.native_peak, run.peak));
        Ok(run)
    }

    fn note(&mut self, parameters: &ExecutionParameters, observation: &Observation) {
        let text = format!(
            "native {}, logical {:?}, gas {:?}: {observation:?}",
            parameters.stack_native_max, parameters.stack_logical_max, parameters.gas_limit
        );
        self.outcomes.add_bytes(text.as_bytes());
        self.log.push(text);
    }
}

fn parameters(prepared: &Prepared, limits: Limits, native: u64) -> ExecutionParameters {
    ExecutionParameters {
        max_memory_pages: MAX_MEMORY_PAGES,
        stack_native_max: native,
        stack_logical_max: prepared.counts_logical_stack().then_some(limits.stack),
        gas_limit: Some(limits.gas),
        ..ExecutionParameters::WASM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_a_stream_gives_the_programs_that_were_written() {
        let generator = Generator::new().unwrap();
        let subjects: Vec<Subject> = (0..20)
            .filter_map(|seed| generator.generate(seed, Mode::Program).ok())
            .collect();
        let mut stream = Vec::new();
        for subject in &subjects {
            write_one(subject, &mut stream).unwrap();
        }
        let mut rest = &stream[..];
        for subject in &subjects {
            let read = read_one(&mut rest).unwrap().unwrap();
            assert_eq!(read.wasm, subject.wasm);
            assert_eq!(
                (read.seed, read.features, read.terminates),
                (subject.seed, subject.features, subject.terminates)
            );
        }
        assert!(read_one(&mut rest).unwrap().is_none());
        assert!(read_one(&mut &stream[..stream.len() - 1][..10]).is_err());
    }

    #[test]
    fn runs_end_in_every_way() {
        let generator = Generator::new().unwrap();
        let mut sum = Endings::default();
        for seed in 0..60 {
            let Ok(subject) = generator.generate(seed, Mode::Program) else {
                continue;
            };
            let mut program = Program::new(&subject);
            program.execute(None).unwrap();
            sum.returned += program.endings.returned;
            sum.stack_overflow += program.endings.stack_overflow;
            sum.out_of_gas += program.endings.out_of_gas;
            sum.trapped += program.endings.trapped;
        }
        let Endings {
            returned,
            stack_overflow,
            out_of_gas,
            trapped,
            none: _,
        } = sum;
        for count in [returned, stack_overflow, out_of_gas, trapped] {
            assert!(
                count > 50,
                "{returned} {stack_overflow} {out_of_gas} {trapped}"
            );
        }
    }
}
