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
            ours: Ours::default(),
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
        let peer = match self.peer.compile(&subject.wasm) {
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
                .run(&peer, &plan, step)
                .map_err(|error| format!("the peer does not run it: {error:#}"))?;
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
