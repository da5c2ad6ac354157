//! Rules STACK-3 and STACK-4: the operand height counts where control can come, which the structure of the body decides.
//! The expected heights were counted by hand.

use pvf_metering::{BlockKind, Reachability};
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures};

/// The greatest height of the first body, and after which of its operators code can be reached.
fn walk(body: &str) -> (u32, Vec<bool>) {
    let wasm = wat::parse_str(format!("(module (func {body}))")).expect("a module");
    let features = WasmFeatures::WASM1 | WasmFeatures::MULTI_VALUE;
    let mut validator = Validator::new_with_features(features);
    for payload in Parser::new(0).parse_all(&wasm) {
        let payload = validator.payload(&payload.expect("a module"));
        let ValidPayload::Func(function, body) = payload.expect("valid") else {
            continue;
        };
        let mut validator = function.into_validator(FuncValidatorAllocations::default());
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader).expect("locals");
        let mut walk = Reachability::default();
        // What an earlier body left behind does not count.
        walk.begin(());
        walk.observe(1_000);
        walk.begin(());
        let mut reachable = Vec::new();
        let mut operators = body.get_operators_reader().expect("operators");
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().expect("an operator");
            validator.op(offset, &operator).expect("valid");
            walk.operator(&operator);
            walk.observe(validator.operand_stack_height());
            reachable.push(walk.reachable());
        }
        return (walk.greatest_height(), reachable);
    }
    panic!("no body in {body}");
}

#[test]
fn heights_count_where_control_can_come() {
    const DEEP: &str = "i32.const 1 i32.const 2 i32.const 3 drop drop drop";
    for (body, height) in [
        (String::new(), 0),
        (DEEP.to_owned(), 3),
        (format!("unreachable {DEEP}"), 0),
        (format!("return {DEEP}"), 0),
        // The end of a block is reached by falling through or by a branch to it.
        (format!("(block nop) {DEEP}"), 3),
        (format!("(block unreachable) {DEEP}"), 0),
        (format!("(block br 0) {DEEP}"), 3),
        (format!("(block br 1) {DEEP}"), 0),
        (
            format!("(block (br_if 0 (i32.const 1)) unreachable) {DEEP}"),
            3,
        ),
        (
            format!("(block (br_if 1 (i32.const 1)) unreachable) {DEEP}"),
            1,
        ),
        (format!("(block (br_table 1 0 1 (i32.const 1))) {DEEP}"), 3),
        (format!("(block (br_table 1 1 0 (i32.const 1))) {DEEP}"), 3),
        (format!("(block (br_table 1 1 (i32.const 1))) {DEEP}"), 1),
        // Code after br_if can be reached, after br_table not.
        (format!("(block (br_if 0 (i32.const 1)) {DEEP})"), 3),
        (format!("(block (br_table 0 0 (i32.const 1)) {DEEP})"), 1),
        // A branch from unreachable code reaches nothing.
        (format!("(block unreachable br 0) {DEEP}"), 0),
        (
            format!("(block unreachable (br_if 0 (i32.const 1)) unreachable) {DEEP}"),
            0,
        ),
        (
            format!("(block unreachable (br_table 0 0 (i32.const 1))) {DEEP}"),
            0,
        ),
        // A branch to a loop goes back, not to its end.
        (format!("(loop br 0) {DEEP}"), 0),
        (format!("(loop nop) {DEEP}"), 3),
        (format!("(block (loop br 1)) {DEEP}"), 3),
        // The end of an `if` is reached from either branch, and without `else` from before.
        (format!("(if (i32.const 1) (then unreachable)) {DEEP}"), 3),
        (
            format!("(if (i32.const 1) (then unreachable) (else nop)) {DEEP}"),
            3,
        ),
        (
            format!("(if (i32.const 1) (then nop) (else unreachable)) {DEEP}"),
            3,
        ),
        (
            format!("(if (i32.const 1) (then unreachable) (else unreachable)) {DEEP}"),
            1,
        ),
        (
            format!("(if (i32.const 1) (then unreachable) (else br 0)) {DEEP}"),
            3,
        ),
        (
            format!("(if (i32.const 1) (then br 0) (else unreachable)) {DEEP}"),
            3,
        ),
        (
            format!("(if (i32.const 1) (then unreachable) (else {DEEP}))"),
            3,
        ),
        // A block that begins in unreachable code is unreachable as a whole, and so is what follows.
        (format!("unreachable (block {DEEP} br 0) {DEEP}"), 0),
        (format!("unreachable (loop {DEEP}) {DEEP}"), 0),
        (
            format!("unreachable (if (i32.const 1) (then {DEEP}) (else {DEEP})) {DEEP}"),
            0,
        ),
    ] {
        assert_eq!(walk(&body).0, height, "{body}");
    }
}

#[test]
fn no_point_after_the_last_end_is_reachable() {
    assert_eq!(walk("nop").1, [true, false]);
    assert_eq!(walk("(block br 0) nop").1, [true, false, true, true, false]);
    assert_eq!(walk("return nop").1, [false, false, false]);
}

/// What a caller keeps of a block comes back where the block could be reached, and only there.
#[test]
fn what_is_kept_of_a_block_comes_back() {
    let mut walk = Reachability::default();
    walk.begin('f');
    assert!(walk.reachable());
    assert!(walk.enter(BlockKind::If, 'a'));
    assert_eq!(walk.branch(0), Some(&mut 'a'));
    assert_eq!(walk.branch(1), Some(&mut 'f'));
    assert_eq!(walk.branch(2), None);
    assert_eq!(walk.branch(u32::MAX), None);
    walk.stop();
    assert!(!walk.enter(BlockKind::Block, 'b'));
    assert_eq!(walk.leave(), None);
    assert_eq!(walk.enter_else(), Some(&mut 'a'));
    assert!(walk.reachable());
    assert_eq!(walk.leave(), Some((BlockKind::Else, 'a')));
    assert_eq!(walk.leave(), Some((BlockKind::Block, 'f')));
    assert!(!walk.reachable());
    assert_eq!(walk.leave(), None);
    assert_eq!(walk.enter_else(), None);
    assert_eq!(walk.branch(0), None);
}
