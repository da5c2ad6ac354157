//! Validation functions, whose outcomes were observed on Polkadot's stock workers.

mod addresses;
mod host_functions;
mod interface;
mod limited;

use crate::suite::{Case, Suite};

/// The smallest result: empty head, nothing else, watermark 0.
pub(crate) const EMPTY: [u8; 12] = [0; 12];

/// A result with a head of 32 bytes.
fn head(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8 * 4][..], bytes, &[0; 11]].concat()
}

const RETURN_EMPTY: &str = "(i64.const 0xc00000400)"; // 12 bytes at 1024

/// A validation function with these declarations, and a body that runs before it returns the empty result.
fn function(declarations: &str, body: &str) -> String {
    format!(
        "(module {declarations} (memory (export \"memory\") 17) (global (export \"__heap_base\") i32 (i32.const 4096))
          (func (export \"validate_block\") (param i32 i32) (result i64) {body} {RETURN_EMPTY}))"
    )
}

/// A validation function that returns `bytes` of the memory at 2048 as its head; the body stores them there.
fn function_with_head(declarations: &str, body: &str, bytes: usize) -> String {
    let length = (bytes * 4) as u8;
    let total = bytes + 12;
    format!(
        "(module {declarations} (memory (export \"memory\") 17) (global (export \"__heap_base\") i32 (i32.const 4096))
          (data (i32.const 2047) \"\\{length:02x}\")
          (func $copy (param $from i32) (param $bytes i32) (local $i i32)
            (loop (i32.store8 offset=2048 (local.get $i) (i32.load8_u (i32.add (local.get $from) (local.get $i))))
              (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $bytes)))))
          (func (export \"validate_block\") (param i32 i32) (result i64) {body} (i64.const {})))",
        ((total as u64) << 32) | 2047
    )
}

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    interface::add(suite);
    limited::add(suite);
    host_functions::add(suite);
    addresses::add(suite);
}

enum Ends {
    Valid,
    Trap(&'static str),
    Invalid,
    Rejected(&'static str),
    RejectedAnywhere,
}

fn push(suite: &mut Suite, rule: &'static str, name: &str, text: &str, ends: Ends) {
    let source = format!("pvf-{name}");
    suite.text(&source, text);
    let case = Case::new("pvf", rule, name)
        .also(&["PVF-7"])
        .polkadot()
        .module(&source)
        .validate(b"candidate");
    suite.push(match ends {
        Ends::Valid => case.valid_bytes(&EMPTY),
        Ends::Trap(kind) => case.trap(kind),
        Ends::Invalid => case.invalid(),
        Ends::Rejected(stage) => case.rejected(stage),
        Ends::RejectedAnywhere => case.expect("outcome", "rejected"),
    });
}

/// Modules that several cases above share.
pub fn add_modules(suite: &mut Suite) {
    // A third of the smallest normal number is subnormal. It is computed before and after a host function.
    suite.text("pvf-float-host", &function(
        "(import \"env\" \"ext_logging_max_level_version_1\" (func $host (result i32))) (global $small (mut f64) (f64.const 0x1p-1022)) (global $before (mut f64) (f64.const 0))",
        "(global.set $before (f64.div (global.get $small) (f64.const 3))) (drop (call $host))
         (if (f64.ne (global.get $before) (f64.div (global.get $small) (f64.const 3))) (then unreachable))
         (if (f64.eq (global.get $before) (f64.const 0)) (then unreachable))"));
}
