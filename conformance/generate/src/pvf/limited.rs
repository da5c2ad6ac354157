//! Modules that the nodes' stack limiter changes: with imported globals, it makes some of them invalid.

use super::function;
use crate::suite::{Case, Suite};

/// Modules with imported globals while the logical stack is counted: the nodes' limiter makes some of them invalid.
pub(super) fn add(suite: &mut Suite) {
    let import = |ty: &str| format!("(import \"env\" \"g\" (global {ty}))");
    let own = "(global $own (mut i32) (i32.const 0))";
    let silent = |fields: &str| {
        let import = import("i64");
        format!(
            "(module {import} (memory (export \"memory\") 17) (global (export \"__heap_base\") i32 (i32.const 4096)) {fields})"
        )
    };
    let (prepare, construct) = ("prepare", "construct");
    let rows = [
        // The module has one global of its own, so the limiter's code accesses the second of all globals,
        // `__heap_base`.
        ("immutable", function(&import("i64"), ""), prepare),
        (
            "mutable-i32-imported",
            function(&import("(mut i32)"), ""),
            prepare,
        ),
        // The module has two globals of its own, so the limiter's code accesses the third of all globals:
        // `__heap_base`, after `own`.
        (
            "two-own",
            function(&format!("{} {own}", import("i64")), ""),
            prepare,
        ),
        // The module has two imported globals and one of its own, so the limiter's code accesses the second imported
        // one.
        (
            "two-imported",
            function(&format!("{} {}", import("i64"), import("(mut i32)")), ""),
            construct,
        ),
        ("nothing-charged", silent("(func)"), construct),
        (
            "called-in-dead-code",
            silent("(func $f return (call $f))"),
            prepare,
        ),
        (
            "in-table",
            silent("(table 1 funcref) (elem (i32.const 0) $f) (func $f)"),
            prepare,
        ),
        ("start", silent("(start $f) (func $f)"), prepare),
        (
            "host-function-exported",
            function_imports(
                "(import \"env\" \"ext_nothing_version_1\" (func $n))",
                &silent("(export \"f\" (func $n))"),
            ),
            construct,
        ),
    ];
    for (name, text, stage) in rows {
        let source = format!("pvf-astray-{name}");
        suite.text(&source, &text);
        let case = Case::new("pvf", "NET-8", format!("astray/{name}"))
            .also(&["PVF-7", "HOST-2"])
            .strict()
            .module(&source)
            .parameter("stack_logical_max", 65_536)
            .needs("stack-logical")
            .validate(b"candidate");
        suite.push(case.rejected(stage));
    }
}

/// The module with one more import, which comes first.
fn function_imports(import: &str, module: &str) -> String {
    module.replacen("(module", &format!("(module {import}"), 1)
}
