//! The oracles: the same plan within the same limits must give the same observations in every engine.

use crate::Sharing;
use crate::compare::{class, compare_step};
use crate::generate::{Generator, Mode, Subject};
use crate::instrumented::{By, Instrumented, NotInstrumented};
use crate::interpreter::{self, Interpreter};
use crate::observe::{Ending, Limits, Observation, Plan, Step};
use crate::ours::{NotPrepared, Ours, Prepared, Run};
use crate::random::{Random, mix};
use crate::{limits, peer};
use pvf_compiler::Metering;
use pvf_metering::Costs;
use pvf_rules::{Features, TrapKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often each step runs with limits near the resources that it used. Most of the time goes into compilation.
const NEAR_RUNS: u32 = 4;

/// The result of testing one module.
#[derive(Debug)]
pub enum Verdict {
    /// All engines had equal observations.
    Same(Counts),
    /// Nothing could be compared.
    Skipped(String),
    /// The observations differ.
    Different(Box<Difference>),
}

impl Verdict {
    fn of(subject: Subject, compared: Result<Counts, Stop>) -> Self {
        match compared {
            Ok(counts) => Self::Same(counts),
            Err(Stop::Different(what)) => Self::Different(Box::new(Difference { subject, what })),
            Err(Stop::Skipped(reason)) => Self::Skipped(reason),
        }
    }
}

/// The counts of comparisons.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Calls (and failed instantiations) of this executor, each within given limits, that an oracle confirmed, by how
    /// they ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// The number of confirmations by each oracle. A call counts once for each oracle.
    pub oracles: BTreeMap<&'static str, u64>,
    /// Calls in which an oracle's own stack overflowed, by oracle. They are not compared.
    pub native_stack: BTreeMap<&'static str, u64>,
    /// Reasons for which an oracle did not take part in a module, with counts.
    pub absent: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds up.
    pub fn add(&mut self, other: Counts) {
        fn sum<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        sum(&mut self.endings, other.endings);
        sum(&mut self.oracles, other.oracles);
        sum(&mut self.native_stack, other.native_stack);
        sum(&mut self.absent, other.absent);
    }
}

/// A difference that was found.
#[derive(Debug)]
pub struct Difference {
    /// The module.
    pub subject: Subject,
    /// A description of the difference.
    pub what: String,
}

/// Why a comparison stopped early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A difference was found.
    Different(String),
    /// Nothing more can be compared.
    Skipped(String),
}

/// All engines, set up to compare.
pub struct Oracle {
    peer: peer::Peer,
    interpreter: Interpreter,
    ours: Ours,
}

/// A module compiled in all engines.
pub struct Compiled {
    ours: Prepared,
    /// The module in this executor again, with fewer meters or none.
    other: Option<Prepared>,
    by: By,
    peer: peer::Compiled,
    interpreter: Option<interpreter::Compiled>,
}

impl Oracle {
    /// Sets the engines up.
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            peer: peer::Peer::new().map_err(|error| error.to_string())?,
            interpreter: Interpreter::default(),
            ours: Ours,
        })
    }

    /// Generates the module of a seed and compares.
    pub fn try_seed(&self, generator: &Generator, seed: u64, mode: Mode) -> Verdict {
        match generator.generate(seed, mode) {
            Ok(subject) => self.try_subject(subject),
            Err(reason) => Verdict::Skipped(reason),
        }
    }

    /// Compares on a given module, if it belongs to the accepted language.
    pub fn try_module(&self, wasm: &[u8], seed: u64) -> Verdict {
        match Subject::given(wasm.to_vec(), seed) {
            Ok(subject) => self.try_subject(subject),
            Err(reason) => Verdict::Skipped(reason),
        }
    }

    /// Compares on a generated module.
    pub fn try_subject(&self, subject: Subject) -> Verdict {
        let compared = self.compare(&subject);
        Verdict::of(subject, compared)
    }

    /// Makes many calls of one module, see [`Plan::many`], and compares. Without the runs near the limits, and without
    /// the module compiled with fewer meters.
    pub fn try_many(&self, subject: Subject, instances: usize, calls: usize) -> Verdict {
        let compared = self.compare_many(&subject, instances, calls);
        Verdict::of(subject, compared)
    }

    fn compare_many(
        &self,
        subject: &Subject,
        instances: usize,
        calls: usize,
    ) -> Result<Counts, Stop> {
        let plan = Plan::many(&subject.wasm, subject.seed, instances, calls)
            .map_err(|error| Stop::Skipped(error.to_string()))?;
        if plan.steps.is_empty() {
            return Err(Stop::Skipped("no function is exported".to_owned()));
        }
        let mut random = Random::new(mix(!subject.seed));
        let prices = limits::prices(&mut random, subject.terminates);
        let mut counts = Counts::default();
        let compiled = self.compile(
            &subject.wasm,
            subject.features,
            &prices.costs,
            Sharing::of_seed(subject.seed),
            None,
            &mut counts,
        )?;
        for step in &plan.steps {
            let limits = limits::many(&mut random, &prices, calls as u64);
            self.run_step(&compiled, &plan, step, limits, &mut counts)?;
        }
        Ok(counts)
    }

    fn compare(&self, subject: &Subject) -> Result<Counts, Stop> {
        let plan = Plan::new(&subject.wasm, subject.seed)
            .map_err(|error| Stop::Skipped(error.to_string()))?;
        if plan.steps.is_empty() {
            return Err(Stop::Skipped("no function is exported".to_owned()));
        }
        let mut random = Random::new(mix(!subject.seed));
        let prices = limits::prices(&mut random, subject.terminates);
        let first = limits::first(&mut random, &prices, subject.terminates);
        let other = Metering {
            logical_stack: random.one_in(3),
            gas: random.one_in(3).then(|| Arc::new(prices.costs.clone())),
        };
        let mut counts = Counts::default();
        let compiled = self.compile(
            &subject.wasm,
            subject.features,
            &prices.costs,
            Sharing::of_seed(subject.seed),
            // Another distribution among chunks places functions at other addresses.
            Some((other, Sharing::of_seed(!subject.seed))),
            &mut counts,
        )?;
        for step in &plan.steps {
            let run = self.run_step(&compiled, &plan, step, first, &mut counts)?;
            for _ in 0..NEAR_RUNS {
                let near = limits::near(&mut random, first, run.peak, &run.observations);
                self.run_step(&compiled, &plan, step, near, &mut counts)?;
            }
        }
        Ok(counts)
    }

    /// Compiles the module with this executor's meters and instruments it with the oracle's. The inner error is the
    /// reason for which the rules of the meters refuse it, in both.
    fn meter(
        &self,
        wasm: &[u8],
        features: Features,
        costs: &Costs,
        sharing: Sharing,
        stack: bool,
    ) -> Result<Result<(Prepared, Instrumented), String>, Stop> {
        let metering = Metering {
            logical_stack: stack,
            gas: Some(Arc::new(costs.clone())),
        };
        let ours = self.ours.compile(wasm, features, metering, sharing);
        let instrumented = Instrumented::new(wasm, features, costs, stack);
        match (ours, instrumented) {
            (Ok(ours), Ok(instrumented)) => Ok(Ok((ours, instrumented))),
            (Err(NotPrepared::ByMeter(_)), Err(NotInstrumented::ByRule(reason))) => Ok(Err(reason)),
            (Err(NotPrepared::BeyondLimit(reason)), _) => Err(Stop::Skipped(reason)),
            (Err(NotPrepared::Otherwise(error)), _) => Err(Stop::Different(format!(
                "ours does not prepare it: {error}"
            ))),
            (Err(NotPrepared::ByMeter(error)), Ok(_)) => {
                Err(Stop::Different(format!("only ours refuses it: {error}")))
            }
            (Ok(_), Err(NotInstrumented::ByRule(error))) => {
                Err(Stop::Different(format!("ours does not refuse it: {error}")))
            }
            (_, Err(NotInstrumented::Unable(error))) => Err(Stop::Skipped(error)),
        }
    }

    /// Compiles a module in every engine, and with `other` in this executor again with those meters.
    pub fn compile(
        &self,
        wasm: &[u8],
        features: Features,
        costs: &Costs,
        sharing: Sharing,
        other: Option<(Metering, Sharing)>,
        counts: &mut Counts,
    ) -> Result<Compiled, Stop> {
        let (ours, instrumented) = match self.meter(wasm, features, costs, sharing, true)? {
            Ok(both) => both,
            // The module is valid, but the logical stack has no cost for it.
            Err(reason) => {
                let reason = format!("only gas is compared: {reason}");
                *counts.absent.entry(without_digits(&reason)).or_default() += 1;
                self.meter(wasm, features, costs, sharing, false)?
                    .map_err(|reason| Stop::Skipped(format!("refused by both: {reason}")))?
            }
        };
        let peer = self
            .peer
            .compile(&instrumented)
            .map_err(|error| Stop::Skipped(format!("Wasmtime does not compile it: {error:#}")))?;
        let interpreter = match self.interpreter.compile(&instrumented) {
            Ok(module) => Some(module),
            Err(error) => {
                let reason = format!("wasmi does not compile it: {error}");
                *counts.absent.entry(reason).or_default() += 1;
                None
            }
        };
        let other = other.map(|(other, sharing)| {
            let other = Metering {
                logical_stack: other.logical_stack && instrumented.meters.stack,
                ..other
            };
            self.ours.compile(wasm, features, other, sharing)
        });
        let other = other
            .transpose()
            .map_err(|error| Stop::Different(format!("with fewer meters: {error:?}")))?;
        Ok(Compiled {
            ours,
            other,
            by: instrumented.meters.by,
            peer,
            interpreter,
        })
    }

    /// Runs a step in every engine and compares. Returns the run of this executor.
    pub fn run_step(
        &self,
        compiled: &Compiled,
        plan: &Plan,
        step: &Step,
        limits: Limits,
        counts: &mut Counts,
    ) -> Result<Run, Stop> {
        let ours = self
            .ours
            .run(&compiled.ours, plan, step, limits)
            .map_err(|error| Stop::Different(format!("ours fails: {error}")))?;
        let seen = &ours.observations;
        let mut confirmed = 0;
        let mut compare = |oracle: &'static str, theirs: &[Observation]| {
            let compared =
                compare_step(plan, step, limits, oracle, theirs, seen).map_err(Stop::Different)?;
            confirmed = confirmed.max(compared.calls);
            *counts.oracles.entry(oracle).or_default() += compared.calls as u64;
            if compared.native_stack {
                *counts.native_stack.entry(oracle).or_default() += 1;
            }
            Ok(())
        };
        let theirs = self
            .peer
            .run(&compiled.peer, plan, step, limits)
            .map_err(|error| Stop::Skipped(format!("Wasmtime does not run it: {error}")))?;
        compare(name(compiled.by, "Wasmtime"), &theirs)?;
        if let Some(module) = &compiled.interpreter {
            let theirs = self
                .interpreter
                .run(module, plan, step, limits)
                .map_err(|error| Stop::Skipped(format!("wasmi does not run it: {error}")))?;
            compare(name(compiled.by, "wasmi"), &theirs)?;
        }
        for observation in &seen[..confirmed] {
            *counts
                .endings
                .entry(class(&observation.ending))
                .or_default() += 1;
        }
        self.run_other(compiled, plan, step, limits, &ours)?;
        Ok(ours)
    }

    /// If no limit ended a call, this executor must behave the same with fewer meters.
    fn run_other(
        &self,
        compiled: &Compiled,
        plan: &Plan,
        step: &Step,
        limits: Limits,
        ours: &Run,
    ) -> Result<(), Stop> {
        let Some(other) = &compiled.other else {
            return Ok(());
        };
        if ours.observations.iter().any(by_limit) {
            return Ok(());
        }
        let run = self
            .ours
            .run(other, plan, step, limits)
            .map_err(|error| Stop::Different(format!("ours with fewer meters fails: {error}")))?;
        let mut expected = ours.observations.clone();
        for (expected, seen) in expected.iter_mut().zip(&run.observations) {
            if seen.gas_used.is_none() {
                expected.gas_used = None;
            }
        }
        let with = "ours with fewer meters";
        compare_step(plan, step, limits, with, &run.observations, &expected)
            .map(drop)
            .map_err(Stop::Different)
    }
}

/// Removes offsets and indices, so that similar reasons are counted together.
pub fn without_digits(reason: &str) -> String {
    let reason = reason.split(" (at offset").next().unwrap_or_default();
    reason
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .take(100)
        .collect()
}

fn name(by: By, engine: &'static str) -> &'static str {
    match (by, engine) {
        (By::WasmInstrument, "Wasmtime") => "Wasmtime after wasm-instrument",
        (By::WasmInstrument, _) => "wasmi after wasm-instrument",
        (By::Ours, "Wasmtime") => "Wasmtime after pvf instrument",
        (By::Ours, _) => "wasmi after pvf instrument",
    }
}

fn by_limit(observation: &Observation) -> bool {
    matches!(
        observation.ending,
        Ending::Trapped(TrapKind::StackOverflow | TrapKind::OutOfGas)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wasmtime's stack does not fit into a test's thread.
    fn with_stack(work: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(pvf_wasmtime::THREAD_STACK_BYTES);
        let done = thread.spawn(work).expect("starts").join();
        assert!(done.is_ok());
    }

    /// Covers each mode of the generator end to end.
    #[test]
    fn engines_agree_on_some_seeds() {
        with_stack(|| {
            let oracle = Oracle::new().expect("the engines start");
            let generator = Generator::new().expect("the seeds are there");
            for mode in [
                Mode::Smith,
                Mode::Program,
                Mode::Sparse,
                Mode::Mutate,
                Mode::Flip,
            ] {
                let mut compared = 0;
                for seed in 0..20 {
                    match oracle.try_seed(&generator, seed, mode) {
                        Verdict::Same(_) => compared += 1,
                        Verdict::Skipped(_) => {}
                        Verdict::Different(it) => panic!("{mode:?} {seed}: {}", it.what),
                    }
                }
                assert!(compared > 5, "{mode:?}: {compared} compared");
            }
        });
    }

    /// A recursion of 7 calls of 3 units each, with 9 gas for each call except the last. The module's own `unreachable`
    /// keeps its meaning.
    #[test]
    fn known_modules_end_alike_everywhere() {
        let text = r#"(module
            (global $turns (export "turns") (mut i32) (i32.const 0))
            (func $down (export "down") (param i32)
                (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
                (br_if 0 (i32.eqz (local.get 0)))
                (call $down (i32.sub (local.get 0) (i32.const 1))))
            (func (export "unreachable") unreachable))"#;
        let wider = text.replace(
            "(func (export \"u",
            "(func (result i32 i32) unreachable) (func (export \"u",
        );
        with_stack(move || {
            for (text, oracles) in [
                (
                    text,
                    [
                        "Wasmtime after wasm-instrument",
                        "wasmi after wasm-instrument",
                    ],
                ),
                (
                    &wider,
                    [
                        "Wasmtime after pvf instrument",
                        "wasmi after pvf instrument",
                    ],
                ),
            ] {
                ends_alike(text, oracles);
            }
        });
    }

    fn ends_alike(text: &str, oracles: [&'static str; 2]) {
        use crate::observe::Call;
        let wasm = wat::parse_str(text).expect("a module");
        let plan = Plan::without_calls(&wasm).expect("a module");
        let oracle = Oracle::new().expect("the engines start");
        let step = |function, arguments| Step {
            calls: vec![Call {
                function,
                arguments,
            }],
        };
        let mut counts = Counts::default();
        let compiled = oracle
            .compile(
                &wasm,
                Features::ALL,
                &Costs::default(),
                Sharing::of_seed(1),
                None,
                &mut counts,
            )
            .expect("in every engine");
        let mut run = |step: &Step, stack, gas| {
            let limits = Limits { stack, gas };
            let run = oracle.run_step(&compiled, &plan, step, limits, &mut counts);
            let run = run.expect("the engines agree");
            (run.peak, run.observations[0].clone())
        };
        let down = step(0, vec![6]);
        let (peak, free) = run(&down, 1_000, 1_000);
        assert_eq!(free.ending, Ending::Returned(vec![]));
        let (peak, used) = (
            peak.expect("counted") as u32,
            free.gas_used.expect("counted"),
        );
        assert_eq!(peak % 7, 0);

        let overflow = Ending::Trapped(TrapKind::StackOverflow);
        let (_, at_peak) = run(&down, peak, 1_000);
        assert_eq!(at_peak, free);
        let (_, below) = run(&down, peak - 1, 1_000);
        assert_eq!((below.ending, below.globals), (overflow, vec![6]));

        let out_of_gas = Ending::Trapped(TrapKind::OutOfGas);
        let (_, all_used) = run(&down, 1_000, used);
        assert_eq!(all_used, free);
        let (_, below) = run(&down, 1_000, used - 1);
        assert_eq!((below.ending, below.globals), (out_of_gas, vec![6]));

        let (_, own) = run(&step(1, vec![]), 1_000, 1_000);
        assert_eq!(own.ending, Ending::Trapped(TrapKind::Unreachable));
        // Six runs, each with two oracles.
        let seen: Vec<_> = counts.oracles.into_iter().collect();
        assert_eq!(seen, oracles.map(|oracle| (oracle, 6)));
        assert_eq!(counts.native_stack, BTreeMap::new());
    }
}
