//! Records the versions that the benchmark is built with: the Rust compiler, and the engines in the lock file.

use std::path::Path;
use std::process::Command;

/// Packages of `Cargo.lock` whose versions are recorded with the figures.
const ENGINES: [&str; 3] = ["wasmtime", "wasmer", "wasmi"];

fn main() {
    let lock = Path::new(&variable("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", lock.display());
    println!("cargo:rustc-env=PVF_BENCH_RUSTC={}", rustc());
    let text = std::fs::read_to_string(&lock).expect("bench/Cargo.lock can be read");
    let lock: toml::Table = text.parse().expect("bench/Cargo.lock is TOML");
    for engine in ENGINES {
        let version = version(&lock, engine).unwrap_or_default();
        println!(
            "cargo:rustc-env=PVF_BENCH_{}={version}",
            engine.to_uppercase()
        );
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("cargo sets it")
}

/// The version as `rustc --version` prints it, without the commit.
fn rustc() -> String {
    let output = Command::new(variable("RUSTC")).arg("--version").output();
    let text = output.map_or_else(
        |_| String::new(),
        |it| String::from_utf8_lossy(&it.stdout).into_owned(),
    );
    let version = text.split(" (").next().unwrap_or_default();
    version.trim().to_owned()
}

fn version(lock: &toml::Table, package: &str) -> Option<String> {
    let packages = lock.get("package")?.as_array()?;
    let found = packages
        .iter()
        .find(|it| it.get("name").and_then(toml::Value::as_str) == Some(package))?;
    Some(found.get("version")?.as_str()?.to_owned())
}
