//! Modules compiled with every setting of the meters.

use pvf_compiler::{Artifact, CompileOptions, Costs, NativeStack, Target, compile};
use pvf_executor::{NotVerified, Verification, Verified, verify};
use pvf_rules::Features;
use std::sync::Arc;

/// One setting of the meters.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The logical stack is counted.
    pub logical_stack: bool,
    /// Gas is counted, at these prices.
    pub gas: Option<Arc<Costs>>,
    /// What becomes of the native stack limit.
    pub native_stack: NativeStack,
    /// Loops that are block operations are done as such.
    pub loop_idioms: bool,
}

/// Every setting: both meters, each of the ways of the native stack, and once without idioms.
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
    /// What was compiled of it.
    pub artifact: Artifact,
    /// How.
    pub setting: Setting,
}

impl Made {
    /// Compiles a module; nothing if it is not of the language.
    pub fn new(wasm: &[u8], features: Features, target: Target, setting: &Setting) -> Option<Self> {
        let mut options = CompileOptions {
            target,
            native_stack: setting.native_stack,
            loop_idioms: setting.loop_idioms,
            ..CompileOptions::new(features)
        };
        options.metering.logical_stack = setting.logical_stack;
        options.metering.gas = setting.gas.clone();
        Some(Self {
            wasm: wasm.to_vec(),
            artifact: compile(wasm, &options).ok()?,
            setting: setting.clone(),
        })
    }

    /// Verifies it.
    ///
    /// # Errors
    /// What the verifier says.
    pub fn verify(&self) -> Result<Verified, NotVerified> {
        verify(&self.wasm, &self.artifact, &self.verification())
    }

    /// What the artifact does not say about itself.
    pub fn verification(&self) -> Verification<'_> {
        Verification {
            native_stack: self.setting.native_stack,
            costs: self.setting.gas.as_deref(),
        }
    }
}
