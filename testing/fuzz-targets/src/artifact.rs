//! Damaged and forged artifacts: each is loaded or ends in a typed error, and the verifier judges what loads.
//!
//! The input chooses one of some good artifacts and edits of it ([`Edits`](edits::apply)); the checksum is then
//! corrected, so that edits reach everything behind it. An artifact that the verifier accepts may be executed, whatever
//! wrote it: here it is, within limits of both meters. Its outcomes may be others than those of the module, but it does
//! not leave its sandbox and it ends.

mod edits;

use crate::{Target, choices};
use pvf_generators::Random;
use pvf_compiler::{Artifact, CompileOptions, Costs, Metering, compile};
use pvf_executor::{Verification, verify};
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
    modules.into_iter().filter_map(base).collect()
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

fn check(input: &[u8]) {
    let random = &mut Random::of_bytes(input);
    let base = random.pick(&BASES);
    let artifact = random.pick(&base.artifacts);
    let bytes = edits::apply(random, artifact.to_bytes());
    #[allow(unsafe_code, reason = "artifacts are edited on purpose")]
    // SAFETY: nothing of it runs before the verifier has accepted its code.
    let Ok(edited) = (unsafe { Artifact::from_bytes(&bytes) }) else {
        return;
    };
    // The settings are known to whoever verifies; an artifact cannot choose them.
    if edited.module.meters != artifact.module.meters {
        return;
    }
    let verification = Verification {
        costs: Some(&**COSTS),
        ..Verification::default()
    };
    if verify(&base.wasm, &edited, &verification).is_err() {
        return;
    }
    run(&base.wasm, edited, random);
}

/// Loads an artifact whose code the verifier has accepted, and calls its exports.
fn run(wasm: &[u8], artifact: Artifact, random: &mut Random) {
    let Ok(prepared) = Ours::link(artifact) else {
        return;
    };
    let plan = Plan::new(wasm, 1).expect("a module of the corpus");
    for step in &plan.steps {
        let limits = Limits {
            stack: *random.pick(&[100, 16_384]),
            gas: *random.pick(&[1_000, 100_000]),
        };
        let ended = Interrupt::new().during(Some(LONG), || {
            // Errors that are no outcomes (an export is gone, a type is another) are the metadata's.
            Ours.run(&prepared, &plan, step, limits).map(drop)
        });
        let interrupted = pvf_runtime::HostFailure::Interrupted.to_string();
        if let Err(error) = ended.expect("a timer") {
            assert!(!error.contains(&interrupted), "verified code runs without end");
        }
    }
}
