//! Prepares a validation function once and keeps the artifact in a file, from which it is executable in microseconds: what the
//! prepare and execute workers of a validator do.
//!
//! ```console
//! $ cargo run --release -p pvf-executor --example artifact -- fixtures/constant/code.wat
//! ```

use pvf_executor::{
    Instance, Linker, NotPrepared, Profile, Purpose, Rules, Value, artifact_digest, open_module,
    prepare, read_blob, write_artifact,
};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: artifact CODE")?;
    let file = std::fs::read(path)?;

    // Prepare: a rejection is an outcome, a failure is this machine's fault and none.
    let profile = Profile::Polkadot;
    let rules = Rules::new(profile.compile_options(), Purpose::Execution);
    let blob = read_blob(&file)?;
    let start = Instant::now();
    let artifact = match prepare(&blob.bytes, &rules) {
        Ok(prepared) => prepared.artifact,
        Err(NotPrepared::Rejected(rejection)) => {
            println!(
                "rejected by rule {}: {}",
                rejection.rule,
                rejection.reason()
            );
            return Ok(());
        }
        Err(NotPrepared::Failed(failure)) => return Err(failure.into()),
    };
    println!("prepared     in {:?}", start.elapsed());

    let folder = tempfile::tempdir()?;
    let path: PathBuf = folder.path().join("code.artifact");
    write_artifact(&artifact, &path)?;
    println!(
        "artifact     {:02x?}...",
        &artifact_digest(&std::fs::read(&path)?)[..4]
    );

    // Execute, in this process or another one.
    let start = Instant::now();
    // SAFETY: the file was written by `write_artifact` into a folder that only this user can change, and stays as it is.
    let module = unsafe { open_module(&path) }?;
    println!("opened       in {:?}", start.elapsed());

    // Imports nobody defined trap when they are called. `pvf-validation` defines those of Polkadot.
    let mut linker = Linker::new();
    linker.unknown_functions(None);
    let mut instance = Instance::new(&module, &linker, &profile.parameters(), ())?;
    let nothing = [Value::I32(0), Value::I32(0)];
    match instance.call_export("validate_block", &nothing) {
        Ok(results) => println!("returned     {results:?}"),
        Err(error) => println!("ended        {error}"),
    }
    println!("native stack {} bytes", instance.stack_native_peak());
    Ok(())
}
