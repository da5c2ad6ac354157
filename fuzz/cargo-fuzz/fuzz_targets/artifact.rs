//! The input as an artifact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pvf_compiler::Artifact;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(artifact) = Artifact::from_bytes(bytes) {
        assert_eq!(Artifact::from_bytes(&artifact.to_bytes()), Ok(artifact));
    }
});
