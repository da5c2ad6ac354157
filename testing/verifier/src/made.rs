//! Modules compiled with every setting of the meters.

use pvf_compiler::artifact::LoopStart;
use pvf_compiler::{Artifact, CompileOptions, Costs, NativeStack, Target, compile_with_loops};
use pvf_executor::{NotVerified, Verification, Verified, verify};
use pvf_metering::Schedule;
use pvf_rules::Features;
use std::sync::Arc;

/// One setting of the meters.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Whether the logical stack is counted.
    pub logical_stack: bool,
    /// The prices of gas, if it is counted.
    pub gas: Option<Arc<Costs>>,
    /// How the code handles the native stack limit.
    pub native_stack: NativeStack,
    /// Whether loops that copy, fill or compare become block operations.
    pub loop_idioms: bool,
}

/// Prices with which no two charges are equal by chance, and with a price for growth, which the default has not.
fn other_costs() -> Costs {
    let schedule = Schedule {
        default: 3,
        per_local: 1_000_003,
        memory_grow_per_page: 70_001,
        class: [("control".to_owned(), 0), ("division".to_owned(), 4_096)].into(),
        // A charge of more than 32 bits takes other code.
        instruction: [
            ("i32.const".to_owned(), 65_537),
            ("nop".to_owned(), 4_000_000_000),
            ("drop".to_owned(), u32::MAX),
        ]
        .into(),
    };
    schedule.costs().expect("names of classes and instructions")
}

/// Every setting: all combinations of the meters and of the native stack limit, one with other prices, and one without
/// loop idioms.
pub fn settings() -> Vec<Setting> {
    let costs = Arc::new(Costs::default());
    let mut settings = Vec::new();
    for native_stack in [
        NativeStack::Enforced,
        NativeStack::Audited,
        NativeStack::Unchecked,
    ] {
        for meters in 0..4 {
            settings.push(Setting {
                logical_stack: meters & 1 != 0,
                gas: (meters & 2 != 0).then(|| costs.clone()),
                native_stack,
                loop_idioms: true,
            });
        }
    }
    settings.push(Setting {
        logical_stack: true,
        gas: Some(Arc::new(other_costs())),
        native_stack: NativeStack::Enforced,
        loop_idioms: true,
    });
    settings.push(Setting {
        logical_stack: true,
        gas: None,
        native_stack: NativeStack::Enforced,
        loop_idioms: false,
    });
    settings
}

/// A module with its artifact.
#[derive(Clone, Debug)]
pub struct Made {
    /// The module.
    pub wasm: Vec<u8>,
    /// The artifact compiled from it.
    pub artifact: Artifact,
    /// The starts of loops in its code.
    pub loops: Vec<LoopStart>,
    /// The setting of the meters.
    pub setting: Setting,
}

impl Made {
    /// Compiles a module. Returns `None` if it does not belong to the language.
    pub fn new(wasm: &[u8], features: Features, target: Target, setting: &Setting) -> Option<Self> {
        let mut options = CompileOptions {
            target,
            native_stack: setting.native_stack,
            loop_idioms: setting.loop_idioms,
            ..CompileOptions::new(features)
        };
        options.metering.logical_stack = setting.logical_stack;
        options.metering.gas = setting.gas.clone();
        let (artifact, loops) = compile_with_loops(wasm, &options).ok()?;
        Some(Self {
            wasm: wasm.to_vec(),
            artifact,
            loops,
            setting: setting.clone(),
        })
    }

    /// Verifies the artifact.
    ///
    /// # Errors
    /// The verifier's error.
    pub fn verify(&self) -> Result<Verified, NotVerified> {
        verify(&self.wasm, &self.artifact, &self.verification())
    }

    /// The inputs of verification that the artifact itself does not contain.
    pub fn verification(&self) -> Verification<'_> {
        Verification {
            native_stack: self.setting.native_stack,
            costs: self.setting.gas.as_deref(),
            loops: Some(&self.loops),
            ..Verification::default()
        }
    }
}
