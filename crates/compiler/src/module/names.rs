//! The names that a module's `name` section gives to functions.

use wasmparser::{KnownCustom, Name, Parser, Payload};

/// The functions' names, by function index (imported functions counted), in the
/// order of the section. They serve display only: malformed entries are left out, and bytes without a readable `name`
/// section have no names.
pub fn function_names(wasm: &[u8]) -> Vec<(u32, String)> {
    let sections = Parser::new(0)
        .parse_all(wasm)
        .map_while(Result::ok)
        .filter_map(|payload| match payload {
            Payload::CustomSection(section) => Some(section),
            _ => None,
        });
    let mut names = Vec::new();
    for section in sections {
        if let KnownCustom::Name(subsections) = section.as_known() {
            for subsection in subsections.into_iter().map_while(Result::ok) {
                if let Name::Function(map) = subsection {
                    let entries = map.into_iter().map_while(Result::ok);
                    names.extend(entries.map(|entry| (entry.index, entry.name.to_owned())));
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::function_names;

    #[test]
    fn names_are_read_and_what_is_malformed_is_skipped() {
        let wasm =
            wat::parse_str(r#"(module $m (import "a" "b" (func $imported)) (func) (func $last))"#)
                .unwrap();
        let names = function_names(&wasm);
        assert_eq!(names, [(0, "imported".into()), (2, "last".into())]);
        for end in 0..wasm.len() {
            function_names(&wasm[..end]);
        }
        let mut damaged = wasm.clone();
        *damaged.last_mut().unwrap() = 0xff;
        assert_eq!(function_names(&damaged), [(0, "imported".into())]);
        assert_eq!(function_names(b"no module"), []);
    }
}
