//! Damaged and forged artifacts: each is loaded or ends in a typed error, and the verifier judges what loads.
//!
//! The input chooses one of some good artifacts and edits of it ([`Edits`](edits::apply)); the checksum is then
//! corrected, so that edits reach everything behind it. An artifact that the verifier accepts may be executed, whatever
//! wrote it: here it is, within limits of both meters. Its outcomes may be others than those of the module, but it does
//! not leave its sandbox and it ends.

mod edits;

use crate::{Target, choices};
use pvf_compiler::{Artifact, CompileOptions, Costs, Metering, compile};
use pvf_executor::{Verification, verify};
use pvf_generators::Random;
use pvf_generators::ours::Prepared;
use pvf_generators::{Limits, Ours, Plan};
use pvf_rules::Features;
use pvf_runtime::Interrupt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub(super) const TARGET: Target = Target {
    name: "artifact",
    about: "an edited artifact: loads or fails with a typed error; what the verifier accepts runs in its sandbox",
    check,
    seeds: || choices(24, 96),
    mutate: None,
    most_bytes: 512,
};

/// Far more than any run within the limits takes, on a machine that does other work too.
const LONG: Duration = Duration::from_secs(20);

/// A module with its artifacts for both targets.
pub(super) struct Base {
    pub(super) wasm: Vec<u8>,
    pub(super) artifacts: Vec<Artifact>,
}

/// The prices of gas. No instruction is free, so that no code runs without end.
pub(super) static COSTS: LazyLock<Arc<Costs>> = LazyLock::new(|| Arc::new(Costs::default()));

/// The modules of the corpus, with both meters.
pub(super) static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let modules = crate::corpus_modules();
    let bases = modules.into_iter().filter_map(base);
    bases
        .filter(|base| !base.artifacts[0].module.functions.is_empty())
        .collect()
});

fn base(wasm: Vec<u8>) -> Option<Base> {
    let options = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: Some(COSTS.clone()),
        },
        ..CompileOptions::new(Features::ALL)
    };
    let artifacts = pvf_compiler::Target::ALL.map(|target| {
        let options = CompileOptions {
            target,
            ..options.clone()
        };
        compile(&wasm, &options)
    });
    // A module that a meter refuses has none.
    let artifacts: Result<Vec<Artifact>, _> = artifacts.into_iter().collect();
    let artifacts = artifacts.ok()?;
    Some(Base { wasm, artifacts })
}

/// The position of this machine's artifact in [`Base::artifacts`].
fn own() -> usize {
    let host = pvf_compiler::Target::HOST;
    let own = pvf_compiler::Target::ALL.iter().position(|it| *it == host);
    own.unwrap_or_default()
}

/// What became of an edited artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    /// It does not parse, or has other meters than the good one.
    NotRead,
    NotVerified,
    /// It was made for another machine, or its metadata is inconsistent.
    NotLoaded,
    Ran,
}

fn check(input: &[u8]) {
    try_edits(&mut Random::of_bytes(input));
}

fn try_edits(random: &mut Random) -> Became {
    let base = random.pick(&BASES);
    // That of the other target can be verified, but not run.
    let artifact = match random.below(8) {
        0 => random.pick(&base.artifacts),
        _ => &base.artifacts[own()],
    };
    let bytes = edits::apply(random, artifact);
    #[allow(unsafe_code, reason = "artifacts are edited on purpose")]
    // SAFETY: nothing of it runs before the verifier has accepted its code.
    let Ok(edited) = (unsafe { Artifact::from_bytes(&bytes) }) else {
        return Became::NotRead;
    };
    // The settings are known to whoever verifies; an artifact cannot choose them.
    if edited.module.meters != artifact.module.meters {
        return Became::NotRead;
    }
    let verification = Verification {
        costs: Some(&**COSTS),
        ..Verification::default()
    };
    if verify(&base.wasm, &edited, &verification).is_err() {
        return Became::NotVerified;
    }
    let Ok(prepared) = Ours::link(edited) else {
        return Became::NotLoaded;
    };
    run(&base.wasm, &prepared, random);
    Became::Ran
}

/// Calls the exports of an artifact whose code the verifier has accepted.
fn run(wasm: &[u8], prepared: &Prepared, random: &mut Random) {
    let plan = Plan::new(wasm, 1).expect("a module of the corpus");
    for step in &plan.steps {
        let limits = Limits {
            stack: *random.pick(&[100, 16_384]),
            gas: *random.pick(&[1_000, 100_000]),
        };
        let ended = Interrupt::new().during(Some(LONG), || {
            // Errors that are no outcomes (an export is gone, a type is another) are the metadata's.
            Ours.run(prepared, &plan, step, limits).map(drop)
        });
        let interrupted = pvf_runtime::HostFailure::Interrupted.to_string();
        if let Err(error) = ended.expect("a timer") {
            assert!(
                !error.contains(&interrupted),
                "verified code runs without end"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// All of them: otherwise the target would test the checksum, or the verifier alone.
    #[test]
    fn edited_artifacts_are_refused_at_every_stage_and_some_run() {
        let mut counts = BTreeMap::<Became, u32>::new();
        for seed in 0..1_500 {
            *counts.entry(try_edits(&mut Random::new(seed))).or_default() += 1;
        }
        for (became, least) in [
            (Became::NotRead, 100),
            (Became::NotVerified, 100),
            (Became::NotLoaded, 3),
            (Became::Ran, 60),
        ] {
            let count = counts.get(&became).copied().unwrap_or_default();
            assert!(count >= least, "{counts:?}");
        }
    }
}
