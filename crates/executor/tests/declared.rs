//! Artifacts whose machine code is good and whose declarations are forged.

use pvf_compiler::{ArtifactContents, CompileOptions, ValType, compile};
use pvf_executor::{NotVerified, Undeclared, Verification, verify};
use pvf_rules::Features;

/// Each forged declaration would let code, which is unchanged, leave its sandbox.
#[test]
fn forged_declarations_are_refused() {
    let text = "(module
        (import \"env\" \"f\" (func (param i32)))
        (memory 1) (table 4 funcref) (elem (i32.const 0) 1)
        (global (mut i32) (i32.const 0)) (global i64 (i64.const 0))
        (func (export \"g\") (param i32) (result i32) local.get 0))";
    let wasm = wat::parse_str(text).unwrap();
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
    let good = artifact.into_contents();
    let verified =
        |contents: &ArtifactContents| verify(&wasm, contents, &Verification::default()).map(drop);
    assert_eq!(verified(&good), Ok(()));
    type Forge = fn(&mut ArtifactContents);
    let forged: [(Forge, Undeclared); 8] = [
        (
            |it| it.module.table.as_mut().unwrap().minimum = 2,
            Undeclared::Table,
        ),
        (|it| it.module.table = None, Undeclared::Table),
        (|it| it.module.memory = None, Undeclared::Memory),
        (|it| it.module.globals.truncate(1), Undeclared::Globals),
        (
            |it| it.module.globals[0].ty.value = ValType::I64,
            Undeclared::Globals,
        ),
        (
            |it| it.module.globals[1].ty.mutable = true,
            Undeclared::Globals,
        ),
        (
            |it| it.module.imported_functions = 0,
            Undeclared::ImportedFunctions,
        ),
        (
            |it| it.module.signatures[1].params.clear(),
            Undeclared::Signatures,
        ),
    ];
    for (forge, what) in forged {
        let mut contents = good.clone();
        forge(&mut contents);
        assert_eq!(verified(&contents), Err(NotVerified::Declared(what)));
    }
}

/// A module that names the global after its last one as the counter of the logical stack, as a node's rewriting makes
/// it valid. The artifact has one global more than the module, and no other is taken for it.
#[test]
fn the_counter_after_the_last_global_is_declared() {
    use pvf_executor::{NotPrepared, Profile, Purpose, Rules, prepare};

    let text =
        "(module (global (mut i32) (i32.const 7)) (func (export \"f\") (result i32) global.get 1))";
    let Ok(wasm) = wat::parse_str(text) else {
        panic!("the text format names globals that do not exist");
    };
    let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    let prepared = match prepare(&wasm, &rules) {
        Ok(prepared) => prepared,
        Err(NotPrepared::Rejected(rejection)) => panic!("{rejection}"),
        Err(NotPrepared::Failed(failure)) => panic!("{failure}"),
    };
    let good = prepared.artifact.into_contents();
    assert_eq!(good.module.logical_counter, Some(1));
    let mut forged = good.clone();
    forged.module.globals[1].ty.value = ValType::I64;
    let declared = verify(&wasm, &forged, &Verification::default());
    let globals = NotVerified::Declared(Undeclared::Globals);
    assert_eq!(declared.map(drop), Err(globals));
}
