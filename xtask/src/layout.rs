//! That every dependency between folders points one way.

use crate::repository::{self, Package, relative};
use crate::tasks::Problems;

/// The folders, from the lowest layer to the highest. A package may depend on packages of lower layers and on those of its own
/// folder, for its tests as well; an entry stands for all folders inside.
pub const LAYERS: &[(&str, &[&str])] = &[
    (
        "candidates and guests, computed without any crate of ours",
        &["fixtures", "bench/guests"],
    ),
    (
        "failing system calls, folders of candidates: for tests of any layer",
        &["testing/faults", "testing/corpus"],
    ),
    (
        "rules of outcomes; the network's types",
        &["crates/rules", "crates/primitives"],
    ),
    (
        "both meters; encoders of instructions",
        &["crates/metering", "crates/assembler"],
    ),
    ("Wasm to machine code", &["crates/compiler"]),
    (
        "the check of machine code, whose tests alone use the compiler",
        &["crates/verifier"],
    ),
    (
        "the meters that Polkadot uses, to compare with",
        &["testing/meter-oracle"],
    ),
    ("memory, traps, host calls", &["crates/runtime"]),
    ("PolkaVM in place of the processor", &["crates/polkavm"]),
    (
        "preparation, and the crate to depend on",
        &["crates/executor"],
    ),
    (
        "PVFs; meters in the module itself; WebAssembly's scripts",
        &["crates/validation", "crates/instrument", "crates/wast"],
    ),
    (
        "disputes; the node's protocol",
        &["crates/arbiter", "crates/node-protocol"],
    ),
    ("runtimes before their first block", &["crates/check"]),
    ("candidates without a collator", &["crates/candidate"]),
    ("those who start workers", &["crates/worker-client"]),
    ("the workers", &["crates/worker"]),
    ("the conformance suite's runner", &["conformance/runner"]),
    (
        "questions and answers of adapters",
        &["conformance/adapters/protocol"],
    ),
    (
        "this executor behind the runner's protocol",
        &["conformance/adapters/ours"],
    ),
    (
        "the command and the C library",
        &["crates/cli", "crates/c-api"],
    ),
    (
        "random modules; Wasmtime with Polkadot's host functions",
        &["testing/generators", "testing/wasmtime"],
    ),
    (
        "digests of outcomes, to compare machines; what the verifier accepts and refuses",
        &["testing/cross-target", "testing/verifier"],
    ),
    (
        "what coverage-guided fuzzers call, without other engines; whether machine code computes what its Wasm says",
        &["testing/fuzz-targets", "testing/value-checker"],
    ),
    (
        "the conformance suite's cases; other engines behind its protocol",
        &["conformance/generate", "conformance/adapters"],
    ),
    ("differential fuzzing, damaged input", &["fuzz"]),
    ("measurements beside other engines", &["bench"]),
    ("under Polkadot's own node", &["integration"]),
    (
        "the repository's own checks; mutants of its source",
        &["xtask", "testing/mutants"],
    ),
];

/// The layer of a folder: its number, and which of the layer's folders it is in. The longest entry decides.
fn layer(folder: &str) -> Option<(usize, &'static str)> {
    let entries = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(number, (_, folders))| folders.iter().map(move |it| (number, *it)));
    entries
        .filter(|(_, entry)| {
            let rest = folder.strip_prefix(entry);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|(_, entry)| entry.len())
}

/// Every dependency that points up or sideways, and every folder without a layer.
pub fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        let folder = package.folder();
        let Some((from, entry)) = layer(&folder) else {
            problems.push(format!("{folder} has no layer (xtask/src/layout.rs)"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else {
                continue;
            };
            let on = relative(path);
            let kind = dependency.kind.as_deref().unwrap_or("normal");
            match layer(&on) {
                Some((to, of)) if to < from || of == entry => {}
                Some((to, _)) => problems.push(format!(
                    "{folder} -> {on} ({kind} dependency on {}) points {}: layer {from} \"{}\" may not use layer {to} \"{}\"",
                    dependency.name,
                    if to > from { "up" } else { "sideways" },
                    LAYERS[from].0,
                    LAYERS[to].0,
                )),
                None => problems.push(format!("{folder} -> {on}: the latter has no layer")),
            }
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// `cargo xtask layout`.
pub fn task(_: &[String]) -> Result<(), Problems> {
    let packages = repository::all_members()?;
    for (number, (what, folders)) in LAYERS.iter().enumerate().rev() {
        println!("{number:>2}  {:<60}  {what}", folders.join(" "));
    }
    Problems::of(problems(&packages))?;
    println!("{} packages: every dependency points down", packages.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Dependency;
    use std::collections::HashSet;

    #[test]
    fn every_dependency_points_down() {
        let packages = repository::all_members().unwrap();
        assert!(packages.len() >= 40, "only {} packages", packages.len());
        let arrows: usize = packages
            .iter()
            .map(|it| {
                it.dependencies
                    .iter()
                    .filter(|it| it.path.is_some())
                    .count()
            })
            .sum();
        assert!(arrows >= 100, "only {arrows} dependencies between packages");
        assert_eq!(problems(&packages), [""; 0]);
    }

    #[test]
    fn every_layer_has_packages() {
        let packages = repository::all_members().unwrap();
        let used: HashSet<_> = packages
            .iter()
            .filter_map(|it| layer(&it.folder()))
            .map(|(_, entry)| entry)
            .collect();
        for entry in LAYERS.iter().flat_map(|(_, folders)| *folders) {
            assert!(used.contains(entry), "no package is in {entry}");
        }
    }

    fn package(folder: &str, on: &str, kind: Option<&str>) -> Package {
        let root = repository::root();
        Package {
            name: "one".to_owned(),
            version: String::new(),
            manifest_path: root.join(folder).join("Cargo.toml"),
            license: None,
            authors: vec![],
            description: None,
            repository: None,
            readme: None,
            keywords: vec![],
            categories: vec![],
            publish: None,
            metadata: serde_json::Value::Null,
            targets: vec![],
            dependencies: vec![Dependency {
                name: "other".to_owned(),
                kind: kind.map(str::to_owned),
                req: "*".to_owned(),
                path: Some(root.join(on)),
            }],
        }
    }

    #[test]
    fn arrows_up_sideways_and_from_nowhere_are_named() {
        let found = |folder, on, kind| problems(&[package(folder, on, kind)]).join("\n");
        assert_eq!(found("crates/compiler", "crates/rules", None), "");
        assert_eq!(found("fuzz/cargo-fuzz", "fuzz", None), "");
        assert_eq!(
            found(
                "conformance/adapters/wasmi",
                "conformance/adapters/ours",
                None
            ),
            ""
        );
        let up = found("crates/metering", "testing/meter-oracle", Some("dev"));
        assert!(
            up.contains(
                "crates/metering -> testing/meter-oracle (dev dependency on other) points up"
            ),
            "{up}"
        );
        let sideways = found("crates/assembler", "crates/metering", None);
        assert!(sideways.contains("points sideways"), "{sideways}");
        let nowhere = found("crates/new", "crates/rules", None);
        assert!(nowhere.contains("crates/new has no layer"), "{nowhere}");
        // A longer name is another folder.
        assert!(layer("crates/worker-pool").is_none());
    }
}
