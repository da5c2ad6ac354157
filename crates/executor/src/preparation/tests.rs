//! What the verifier refuses is a failure of the host, with all that a report needs.

use super::*;
use crate::Profile;
use blake2::Blake2b;
use blake2::digest::{Digest, consts::U32};
use pvf_compiler::{Costs, Metering, Target, compile};
use std::sync::Arc;

const MODULE: &str =
    r#"(module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))"#;

/// Compiles the module, changes the artifact, and verifies it.
fn verified_after(
    options: &CompileOptions,
    change: impl Fn(&mut ArtifactContents),
) -> Result<(), HostFailure> {
    let wasm = wat::parse_str(MODULE).unwrap();
    let mut contents = compile(&wasm, options).unwrap().into_contents();
    change(&mut contents);
    verified(&wasm, &wasm, (&contents, &[]), options)
}

#[test]
fn refused_machine_code_is_a_failure_of_the_host_that_says_all() {
    let hash = hex::encode(Blake2b::<U32>::digest(wat::parse_str(MODULE).unwrap()));
    for target in [Target::X86_64, Target::Aarch64] {
        for gas in [None, Some(Arc::new(Costs::default()))] {
            let options = CompileOptions {
                target,
                metering: Metering {
                    logical_stack: true,
                    gas: gas.clone(),
                },
                ..Profile::Polkadot.compile_options()
            };
            assert!(verified_after(&options, |_| ()).is_ok());
            // A frame of another size, and machine code that does not return.
            let text = |change: &dyn Fn(&mut ArtifactContents)| {
                let failure = verified_after(&options, change).unwrap_err();
                assert!(matches!(failure, HostFailure::Internal(_)), "{failure}");
                failure.to_string()
            };
            let frame = text(&|contents| contents.module.functions[0].frame_bytes += 16);
            assert!(frame.contains("invariant 18"), "{frame}");
            let code = text(&|contents| {
                let function = &contents.module.functions[0];
                let end = (function.code_offset + function.code_bytes) as usize;
                contents.code[end - 4..end].fill(0x90);
            });
            assert!(code.contains("function 0, code offset"), "{code}");
            for text in [frame, code] {
                for part in [&hash, target.name(), env!("CARGO_PKG_VERSION")] {
                    assert!(text.contains(part), "{text} without {part}");
                }
                assert_eq!(
                    text.contains("counted by schedule"),
                    gas.is_some(),
                    "{text}"
                );
            }
        }
    }
}
