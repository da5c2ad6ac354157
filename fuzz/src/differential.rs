//! The oracle: the same plan in both engines has to give the same observations.

use crate::generate::{Mode, Subject, generate};
use crate::observe::{Ending, Observation, Plan, Step};
use crate::{Ours, Peer};
use pvf_spec::{Features, TrapKind};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What trying one seed said.
#[derive(Debug)]
pub enum Verdict {
    /// Both engines did the same.
    Same(Counts),
    /// There was nothing to compare.
    Skipped(String),
    /// They differ.
    Different(Box<Difference>),
}

/// How many of what was compared.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Calls (and failed instantiations) by how they ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// Calls that were not compared, since one of the engines ran out of stack: their
    /// stacks are of unlike sizes.
    pub stack: u64,
    /// Runs that were left out since they take too long.
    pub endless: u64,
}

/// A finding.
#[derive(Debug)]
pub struct Difference {
    /// The module.
    pub subject: Subject,
    /// What differs, in words.
    pub what: String,
}

/// Both engines, ready to compare.
pub struct Oracle {
    peer: Peer,
    ours: Ours,
}

impl Oracle {
    /// Sets both engines up.
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            peer: Peer::new().map_err(|error| error.to_string())?,
            ours: Ours,
        })
    }

    /// Generates the module of a seed and compares.
    pub fn try_seed(&self, seed: u64, mode: Mode) -> Verdict {
        match generate(seed, mode) {
            Ok(subject) => self.try_subject(subject),
            Err(reason) => Verdict::Skipped(reason),
        }
    }

    /// Compares on a given module, if it belongs to the accepted language.
    pub fn try_module(&self, wasm: &[u8], seed: u64) -> Verdict {
        self.try_subject(Subject {
            seed,
            features: Features::ALL,
            wasm: wasm.to_vec(),
            terminates: false,
        })
    }

    /// Compares on a generated module.
    pub fn try_subject(&self, subject: Subject) -> Verdict {
        match self.compare(&subject) {
            Ok(Ok(counts)) => Verdict::Same(counts),
            Ok(Err(what)) => Verdict::Different(Box::new(Difference { subject, what })),
            Err(reason) => Verdict::Skipped(reason),
        }
    }

    /// `Ok(Err(..))` is a difference, `Err(..)` a reason why nothing was compared.
    fn compare(&self, subject: &Subject) -> Result<Result<Counts, String>, String> {
        let plan = Plan::new(&subject.wasm, subject.seed).map_err(|error| error.to_string())?;
        let fuel = !subject.terminates;
        let peer = match self.peer.compile(&subject.wasm, fuel) {
            Ok(module) => module,
            Err(error) => return Err(format!("the peer does not compile it: {error:#}")),
        };
        let ours = match self.ours.compile(subject) {
            Ok(module) => module,
            Err(error) => return Ok(Err(format!("ours does not prepare it: {error}"))),
        };
        let mut counts = Counts::default();
        for step in &plan.steps {
            let peer = self
                .peer
                .run(&peer, &plan, step, fuel)
                .map_err(|error| format!("the peer does not run it: {error:#}"))?;
            if peer.iter().any(ran_out_of_fuel) {
                counts.endless += 1;
                continue;
            }
            let ours = match self.ours.run(&ours, &plan, step) {
                Ok(observations) => observations,
                Err(error) => {
                    return Ok(Err(format!("ours fails in {:?}: {error}", step.function)));
                }
            };
            if let Err(what) = compare_step(&plan, step, &peer, &ours, &mut counts) {
                return Ok(Err(what));
            }
        }
        Ok(Ok(counts))
    }
}

fn compare_step(
    plan: &Plan,
    step: &Step,
    peer: &[Observation],
    ours: &[Observation],
    counts: &mut Counts,
) -> Result<(), String> {
    for (call, (peer, ours)) in peer.iter().zip(ours).enumerate() {
        if is_stack(peer) || is_stack(ours) {
            // Everything after it may differ as well.
            counts.stack += 1;
            return Ok(());
        }
        if peer != ours {
            return Err(describe(plan, step, call, peer, ours));
        }
        *counts.endings.entry(class(&ours.ending)).or_default() += 1;
    }
    if peer.len() != ours.len() {
        return Err(format!(
            "{} observations in Wasmtime, {} in ours",
            peer.len(),
            ours.len()
        ));
    }
    Ok(())
}

fn is_stack(observation: &Observation) -> bool {
    observation.ending == Ending::Trapped(TrapKind::StackOverflow)
}

fn ran_out_of_fuel(observation: &Observation) -> bool {
    observation.ending == Ending::Trapped(TrapKind::OutOfGas)
}

/// The name under which an ending is counted.
pub fn class(ending: &Ending) -> &'static str {
    match ending {
        Ending::Returned(_) => "returned",
        Ending::Trapped(kind) => kind.name(),
        Ending::NotInstantiated => "not_instantiated",
    }
}

fn describe(
    plan: &Plan,
    step: &Step,
    call: usize,
    peer: &Observation,
    ours: &Observation,
) -> String {
    let mut text = String::new();
    let arguments: Vec<String> = step
        .parameters
        .iter()
        .zip(&step.calls[call])
        .map(|(ty, bits)| format!("{ty}:{bits:#x}"))
        .collect();
    _ = writeln!(
        text,
        "call {call} of {:?} with ({})",
        step.function,
        arguments.join(", ")
    );
    let mut line = |what: &str, peer: String, ours: String| {
        if peer != ours {
            _ = writeln!(text, "  {what}: Wasmtime {peer}, ours {ours}");
        }
    };
    line(
        "ending",
        format!("{:x?}", peer.ending),
        format!("{:x?}", ours.ending),
    );
    line(
        "memory (pages, hash)",
        format!("{:x?}", peer.memory),
        format!("{:x?}", ours.memory),
    );
    line(
        "host calls (hash)",
        format!("{:x}", peer.host_calls),
        format!("{:x}", ours.host_calls),
    );
    for (index, name) in plan.globals.iter().enumerate() {
        line(
            &format!("global {name:?}"),
            format!("{:x?}", peer.globals.get(index)),
            format!("{:x?}", ours.globals.get(index)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of difference is one.
    #[test]
    fn sees_every_difference() {
        let plan = Plan {
            globals: vec!["g".to_owned()],
            ..Plan::default()
        };
        let step = Step {
            function: "f".to_owned(),
            parameters: vec![],
            results: vec![],
            calls: vec![vec![]],
        };
        let same = Observation {
            ending: Ending::Returned(vec![1]),
            memory: Some((1, 2)),
            globals: vec![3],
            host_calls: 4,
        };
        let compare = |ours: &[Observation]| {
            let peer = std::slice::from_ref(&same);
            compare_step(&plan, &step, peer, ours, &mut Counts::default())
        };
        assert_eq!(compare(std::slice::from_ref(&same)), Ok(()));
        let others = [
            Observation {
                ending: Ending::Returned(vec![0]),
                ..same.clone()
            },
            Observation {
                ending: Ending::Trapped(TrapKind::Unreachable),
                ..same.clone()
            },
            Observation {
                memory: Some((1, 0)),
                ..same.clone()
            },
            Observation {
                globals: vec![0],
                ..same.clone()
            },
            Observation {
                host_calls: 0,
                ..same.clone()
            },
        ];
        for other in others {
            let what = compare(&[other]).expect_err("differs");
            assert!(what.contains("Wasmtime"), "{what}");
        }
        assert!(compare(&[]).is_err());
        let overflow = Observation {
            ending: Ending::Trapped(TrapKind::StackOverflow),
            ..same.clone()
        };
        assert_eq!(compare(&[overflow]), Ok(()));
    }

    /// Some of everything, end to end.
    #[test]
    fn engines_agree_on_some_seeds() {
        // The peer's stack does not fit the threads of tests.
        let thread = std::thread::Builder::new().stack_size(pvf_peer::THREAD_STACK_BYTES);
        let work = || {
            let oracle = Oracle::new().expect("both engines start");
            for mode in [Mode::Smith, Mode::Program, Mode::Mutated] {
                let mut compared = 0;
                for seed in 0..20 {
                    match oracle.try_seed(seed, mode) {
                        Verdict::Same(_) => compared += 1,
                        Verdict::Skipped(_) => {}
                        Verdict::Different(it) => panic!("{mode:?} {seed}: {}", it.what),
                    }
                }
                assert!(compared > 5, "{mode:?}: {compared} compared");
            }
        };
        let done = thread.spawn(work).expect("starts").join();
        assert!(done.is_ok());
    }
}
