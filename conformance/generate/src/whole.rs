//! Complete validation functions: the repository's fixtures with their candidates. Their outcomes are computed without
//! WebAssembly.

use crate::suite::{Case, Suite};
use serde_json::Value;
use std::path::Path;

/// Adds the cases. `fixtures` is the folder of the fixtures.
pub fn add(suite: &mut Suite, fixtures: &Path) {
    let read = |path: &str| {
        std::fs::read(fixtures.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let index: Value = serde_json::from_slice(&read("cases.json")).expect("the index is JSON");
    for chain in index["chains"].as_array().into_iter().flatten() {
        let name = text(chain, "chain");
        let path = format!("{name}/{}", text(chain, "code_file"));
        let source = format!("whole-{name}");
        let bytes = read(&path);
        if path.ends_with(".wat") {
            let text = String::from_utf8(bytes).expect("text is UTF-8");
            suite.text(&source, &text);
        } else {
            suite.file(&source, &format!("../fixtures/{path}"), bytes);
        }
        for case in chain["cases"].as_array().into_iter().flatten() {
            let params = format!("../fixtures/{name}/{}", text(case, "params_file"));
            let rule = match name {
                "hostcalls" => "HOST-14",
                _ => "OUT-1",
            };
            let line = Case::new("whole", rule, format!("{name}/{}", text(case, "case")))
                .also(&["PVF-5"])
                .polkadot()
                .module(&source)
                .needs("host-functions")
                .validate_file(&params);
            suite.push(if text(case, "expect") == "result" {
                line.valid_bytes(&read(&format!("{name}/{}", text(case, "result_file"))))
            } else {
                line.trap(&kind(text(case, "trap_kind")))
            });
        }
    }
    {
        let (name, file) = ("compressed", "code.compressed.wasm");
        let source = format!("whole-adder-{name}");
        suite.file(
            &source,
            &format!("../fixtures/adder/{file}"),
            read(&format!("adder/{file}")),
        );
        suite.push(
            Case::new("whole", "CODE-1", format!("adder/{name}"))
                .also(&["OUT-1"])
                .polkadot()
                .module(&source)
                .needs("host-functions")
                .needs("blobs")
                .validate_file("../fixtures/adder/add-2.params")
                .valid_bytes(&read("adder/add-2.result")),
        );
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is missing in the index"))
}

/// Converts a trap's name in the fixtures to its name in the suite.
fn kind(kind: &str) -> String {
    match kind.strip_prefix("trap ") {
        Some(trap) => trap.replace('-', "_"),
        None => "host_error".to_owned(),
    }
}
