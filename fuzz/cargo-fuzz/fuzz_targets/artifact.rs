//! Reads the input as an artifact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pvf_compiler::Artifact;

fuzz_target!(|bytes: &[u8]| {
    // SAFETY: nothing is executed.
    if let Ok(artifact) = unsafe { Artifact::from_bytes(bytes) } {
        // SAFETY: as above.
        let again = unsafe { Artifact::from_bytes(&artifact.to_bytes()) };
        assert_eq!(again, Ok(artifact));
    }
});
