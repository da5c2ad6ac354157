//! The direct calls of a module, found in its bytes.

use wasmparser::{Operator, Parser, Payload};

/// Whether a body of the module, reachable or not, has a direct call of a function that the module defines.
/// `imported_functions` is the number of functions that it imports.
///
/// Time is linear in the module. Of bytes that are no valid module, what can be read is looked at.
pub fn calls_own_functions(wasm: &[u8], imported_functions: u32) -> bool {
    let payloads = Parser::new(0).parse_all(wasm).map_while(Result::ok);
    let bodies = payloads.filter_map(|payload| match payload {
        Payload::CodeSectionEntry(body) => body.get_operators_reader().ok(),
        _ => None,
    });
    bodies.into_iter().any(|body| {
        body.into_iter().map_while(Result::ok).any(|operator| {
            matches!(operator, Operator::Call { function_index } if function_index >= imported_functions)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_imported_functions_are_not_counted() {
        let calls = |body: &str| {
            let text =
                format!(r#"(module (import "env" "host" (func $host)) (func $own) (func {body}))"#);
            calls_own_functions(&wat::parse_str(text).unwrap(), 1)
        };
        assert!(!calls(""));
        assert!(!calls("(call $host)"));
        assert!(calls("(call $own)"));
        assert!(calls("(call $host) return (call $own)"), "in dead code too");
    }
}
