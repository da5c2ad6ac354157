//! The allocator of the host.

use super::{EMPTY, function, function_with_head, head};
use crate::suite::{Case, Suite};

/// The addresses of allocations: the candidate comes first, each block has a header of 8 bytes, sizes are rounded up to
/// powers of two, and the block freed last is reused first.
pub(super) fn add(suite: &mut Suite) {
    let imports = "(import \"env\" \"ext_allocator_malloc_version_1\" (func $malloc (param i32) (result i32))) (import \"env\" \"ext_allocator_free_version_1\" (func $free (param i32)))";
    let show = "(i32.store (i32.const 2048) (local.get 0))";
    let malloc =
        |bytes: u32| format!("(i32.store (i32.const 2048) (call $malloc (i32.const {bytes})))");
    let class = |bytes: u32| bytes.max(8).next_power_of_two() + 8;
    let first = 4096 + 8;
    let rows: Vec<(&str, String, usize, u32)> = vec![
        ("candidate-empty", show.into(), 0, first),
        ("candidate", show.into(), 100, first),
        ("behind-empty", malloc(1), 0, first + class(0)),
        ("behind-8", malloc(1), 8, first + class(8)),
        ("behind-9", malloc(1), 9, first + class(9)),
        ("behind-100", malloc(1), 100, first + class(100)),
        (
            "second",
            format!("{} {}", malloc(17), malloc(1)),
            0,
            first + class(0) + class(17),
        ),
        (
            "reused",
            format!("(call $free (call $malloc (i32.const 20))) {}", malloc(32)),
            0,
            first + class(0),
        ),
        (
            "not-reused-other-class",
            format!("(call $free (call $malloc (i32.const 20))) {}", malloc(33)),
            0,
            first + class(0) + class(20),
        ),
        (
            "candidate-freed",
            format!("(call $free (local.get 0)) {}", malloc(60)),
            50,
            first,
        ),
        (
            "last-freed-first",
            format!(
                "(local.set 0 (call $malloc (i32.const 8))) (local.set 1 (call $malloc (i32.const 8))) (call $free (local.get 0)) (call $free (local.get 1)) {}",
                malloc(8)
            ),
            0,
            first + 2 * class(0),
        ),
    ];
    for (name, body, candidate, address) in rows {
        let source = format!("pvf-address-{name}");
        suite.text(&source, &function_with_head(imports, &body, 4));
        suite.push(
            Case::new("pvf", "HOST-7", format!("address/{name}"))
                .also(&["PVF-2"])
                .polkadot()
                .module(&source)
                .validate(&vec![7; candidate])
                .valid_bytes(&head(&address.to_le_bytes())),
        );
    }
    // Runtimes store two bytes in the header of a block, directly before the block. The bytes stay until the block is
    // freed and appear in no other block. The block can still be freed and reused.
    let own_bytes = "(local.set 0 (call $malloc (i32.const 8))) (local.set 1 (call $malloc (i32.const 8)))
        (i64.store (local.get 0) (i64.const 0x0102030405060708)) (i64.store (local.get 1) (i64.const 0x1112131415161718))
        (i32.store16 (i32.sub (local.get 1) (i32.const 2)) (i32.const 0xffff))
        (if (i64.ne (i64.load (local.get 0)) (i64.const 0x0102030405060708)) (then unreachable))
        (drop (call $malloc (i32.const 8)))
        (if (i32.ne (i32.load16_u (i32.sub (local.get 1) (i32.const 2))) (i32.const 0xffff)) (then unreachable))
        (call $free (local.get 1))
        (if (i32.ne (call $malloc (i32.const 5)) (local.get 1)) (then unreachable))
        (if (i32.load16_u (i32.sub (local.get 1) (i32.const 2))) (then unreachable))
        (i32.store (i32.const 2048) (local.get 1))";
    suite.text(
        "pvf-address-own-bytes-in-header",
        &function_with_head(imports, own_bytes, 4),
    );
    suite.push(
        Case::new("pvf", "HOST-7", "address/own-bytes-in-header")
            .polkadot()
            .module("pvf-address-own-bytes-in-header")
            .validate(&[])
            .valid_bytes(&head(&(first + class(0) + class(8)).to_le_bytes())),
    );
    // A heap base that is not a multiple of 8 is rounded up.
    suite.text(
        "pvf-address-odd-base",
        &function_with_head(imports, show, 4).replace("(i32.const 4096)", "(i32.const 4097)"),
    );
    suite.push(
        Case::new("pvf", "HOST-7", "address/odd-base")
            .polkadot()
            .module("pvf-address-odd-base")
            .validate(&[])
            .valid_bytes(&head(&(4104_u32 + 8).to_le_bytes())),
    );
    // Pointer and length are those of the candidate.
    suite.text(
        "pvf-passed",
        &function_with_head("", "(call $copy (local.get 0) (local.get 1))", 5),
    );
    suite.push(
        Case::new("pvf", "PVF-2", "passed")
            .also(&["PVF-5"])
            .polkadot()
            .module("pvf-passed")
            .validate(b"hello")
            .valid_bytes(&head(b"hello")),
    );
    suite.push(
        Case::new("pvf", "PVF-5", "passed-again")
            .polkadot()
            .module("pvf-passed")
            .validate(b"hello")
            .validate(b"world")
            .valid_bytes(&head(b"world")),
    );
    suite.text("pvf-dirty", &function("(global $g (mut i32) (i32.const 0))", "(if (i32.or (global.get $g) (i32.load (i32.const 8192))) (then unreachable)) (global.set $g (i32.const 1)) (i32.store (i32.const 8192) (i32.const 1))"));
    suite.push(
        Case::new("pvf", "PVF-5", "fresh-every-time")
            .also(&["MEM-5", "OUT-1"])
            .polkadot()
            .module("pvf-dirty")
            .validate(&[])
            .validate(&[])
            .valid_bytes(&EMPTY),
    );
}
