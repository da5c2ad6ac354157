//! Both meters equal `wasm-instrument` 0.4 on every module that it accepts, and refuse every module that it refuses.

mod oracle;

use oracle::corpus::{self, splitmix};
use oracle::{assert_equal, bodies, schedules};
use proptest::prelude::*;
use pvf_metering::{Costs, Schedule};
use wasmparser::{Validator, WasmFeatures};

/// Modules of wasm-smith to compare on.
const RANDOM_MODULES: u64 = 20_000;
/// Modules with much unreachable code to compare on.
const UNREACHABLE_MODULES: u64 = 20_000;

fn compile(text: &str) -> Vec<u8> {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let features = WasmFeatures::WASM1 | WasmFeatures::SIGN_EXTENSION;
    let valid = Validator::new_with_features(features).validate_all(&wasm);
    valid.unwrap_or_else(|error| panic!("{error}\n{text}"));
    wasm
}

#[test]
fn equal_on_fixtures() {
    let schedules = schedules();
    let fixtures = corpus::fixtures();
    assert!(fixtures.len() >= 4);
    for (_, wasm) in fixtures {
        assert!(assert_equal(&wasm, &schedules));
    }
}

#[test]
fn equal_on_real_blobs() {
    let schedules = &schedules()[..2];
    for (path, wasm) in corpus::real_blobs() {
        assert!(assert_equal(&wasm, schedules), "{}", path.display());
        println!("equal: {}", path.display());
    }
}

#[test]
fn equal_on_random_modules() {
    let schedules = schedules();
    let (mut bytes, mut functions) = (0, 0);
    for number in 0..RANDOM_MODULES {
        let wasm = corpus::random_module(number);
        let schedule = number as usize % schedules.len();
        assert_equal(&wasm, &schedules[schedule..=schedule]);
        bytes += wasm.len();
        functions += pvf_metering::ModuleSignatures::parse(&wasm)
            .expect("wasm-smith makes valid modules")
            .functions();
    }
    println!("{RANDOM_MODULES} modules, {functions} functions, {bytes} bytes");
    assert!(functions > 2 * RANDOM_MODULES as u32);
}

#[test]
fn equal_on_unreachable_code() {
    let schedules = schedules();
    let mut state = 0;
    let mut refused = 0;
    for _ in 0..UNREACHABLE_MODULES {
        let length = splitmix(&mut state) % 120;
        let tape: Vec<u8> = (0..length).map(|_| splitmix(&mut state) as u8).collect();
        let wasm = compile(&bodies::module(&tape));
        let schedule = length as usize % schedules.len();
        refused += u64::from(!assert_equal(&wasm, &schedules[schedule..=schedule]));
    }
    println!("{UNREACHABLE_MODULES} modules, {refused} refused by both");
    // Both accepted and refused modules must have been compared, each often enough.
    assert!(refused > UNREACHABLE_MODULES / 200);
    assert!(refused < UNREACHABLE_MODULES / 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// As `equal_on_unreachable_code`; proptest shrinks a module that differs.
    #[test]
    fn equal_on_tapes(tape in proptest::collection::vec(any::<u8>(), 0..80)) {
        assert_equal(&compile(&bodies::module(&tape)), &schedules());
    }
}

/// The logical cost of the last function of a module, after comparing it with the oracle.
fn cost(text: &str) -> u32 {
    let wasm = compile(text);
    assert!(assert_equal(&wasm, &[Costs::default()]), "{text}");
    let costs = pvf_metering::logical_costs(&wasm).expect("the oracle accepts it");
    *costs.last().expect("a function")
}

/// The charges of the last function of a module under a schedule, after comparing them with the oracle.
fn charges(schedule: &str, text: &str) -> Vec<(u32, u64)> {
    let wasm = compile(text);
    let costs = Schedule::parse(schedule).expect("a schedule");
    let costs = costs.costs().expect("known names");
    assert_equal(&wasm, std::slice::from_ref(&costs));
    let ours = oracle::ours(&wasm, &costs).expect("well-formed");
    let mut functions = ours.gas.expect("the oracle accepts it");
    functions.pop().expect("a function")
}

#[test]
fn logical_quirks() {
    // The empty function, parameters, declared locals.
    assert_eq!(cost("(module (func))"), 2);
    assert_eq!(cost("(module (func (param i32 i64 f32)))"), 2);
    assert_eq!(cost("(module (func (local i32 i64 f32)))"), 5);
    // A value before the last `end` counts, unless it is unreachable.
    assert_eq!(cost("(module (func (result i32) i32.const 0))"), 3);
    assert_eq!(
        cost("(module (func (result i32) unreachable i32.const 0))"),
        2
    );
    // `br_table` pops its index, but the code after it is unreachable.
    let index = "(module (func (param i32) (block (br_table 0 0 (local.get 0)))))";
    assert_eq!(cost(index), 3);
    // The height after a block is its base plus its results, regardless of its body.
    let after = "(module (func (param i32) (result i32)
        (block (result i32) i32.const 1 (br_table 0 0 (local.get 0)))))";
    assert_eq!(cost(after), 4);
    // After a branch that ends in unreachable code, the `else` does not count at all.
    let dead_then = "(module (func (param i32) (result i32) (if (result i32) (local.get 0)
        (then unreachable) (else (i32.add (i32.const 1) (i32.const 2))))))";
    assert_eq!(cost(dead_then), 3);
    let live_then = dead_then.replace("unreachable", "i32.const 9");
    // One more: the result of `then` is still below the operands of `else`.
    assert_eq!(cost(&live_then), 5);
    let no_result = "(module (func (param i32) (if (local.get 0)
        (then nop) (else i32.const 1 i32.const 2 drop drop))))";
    assert_eq!(cost(no_result), 4);
    assert_eq!(cost(&no_result.replace("nop", "return")), 3);
    // Blocks inside unreachable code count like any other.
    let inner = "(module (func unreachable (block i32.const 1 i32.const 2 drop drop)))";
    assert_eq!(cost(inner), 4);
    // `br_if` pops its operands and pushes them again.
    let br_if = "(module (func (param i32) (result i32)
        (block (result i32) i32.const 1 (br_if 0 (local.get 0)))))";
    assert_eq!(cost(br_if), 4);
    // A branch to a loop pops nothing.
    let loops = "(module (func (result i32) (loop (result i32) i32.const 1 br 0)))";
    assert_eq!(cost(loops), 3);
    // Calls pop their parameters before they push their results; the table index counts.
    let call = "(module (type $t (func (param i32) (result i32))) (table 1 funcref)
        (func (result i32) (call_indirect (type $t) (i32.const 1) (i32.const 0))))";
    assert_eq!(cost(call), 4);
}

#[test]
fn modules_the_limiter_refuses() {
    for body in [
        "unreachable i32.add i32.add drop",
        "unreachable call $five",
        "unreachable i32.const 0 select drop drop",
    ] {
        let text = format!("(module (func $five (param i32 i32 i32 i32 i32)) (func {body}))");
        let wasm = compile(&text);
        let accepted = assert_equal(&wasm, &[Costs::default()]);
        assert_eq!(
            accepted,
            pvf_metering::logical_costs(&wasm).is_ok(),
            "{body}"
        );
    }
    let taken = compile("(module (func unreachable drop drop drop drop))");
    assert!(assert_equal(&taken, &[Costs::default()]));
    let refused = compile("(module (func unreachable i32.add i32.add drop))");
    assert!(!assert_equal(&refused, &[Costs::default()]));
}

#[test]
fn gas_quirks() {
    let plain = "per_local = 0";
    // Delimiters are free. Locals are charged at the entry even if nothing else is.
    assert_eq!(charges(plain, "(module (func))"), []);
    assert_eq!(
        charges("", "(module (func (param i32) (local i32 i32)))"),
        [(0, 2)]
    );
    // A block belongs to the metered block around it, unless a branch leaves it.
    let block = "(module (func nop (block nop) nop))";
    assert_eq!(charges(plain, block), [(0, 4)]);
    let branch = "(module (func (param i32) nop (block (br_if 0 (local.get 0)) nop) nop))";
    // The code after the block runs in any case, so it belongs to the first charge.
    assert_eq!(charges(plain, branch), [(0, 5), (4, 1)]);
    let out = "(module (func (param i32) nop (block (block (br_if 1 (local.get 0)) nop) nop) nop))";
    assert_eq!(charges(plain, out), [(0, 6), (5, 1), (7, 1)]);
    // A loop's charge is inside the loop, so that each iteration pays.
    let turn = "(module (func (param i32) nop (loop nop (br_if 0 (local.get 0)) nop) nop))";
    assert_eq!(charges(plain, turn), [(0, 3), (2, 3), (5, 1)]);
    // Both arms have charges. The code after them belongs to the charge before them.
    let arms = "(module (func (param i32) (if (local.get 0) (then nop) (else nop nop)) nop))";
    assert_eq!(charges(plain, arms), [(0, 3), (2, 1), (4, 2)]);
    let leaving = arms.replace("then nop", "then return");
    assert_eq!(charges(plain, &leaving), [(0, 2), (2, 1), (4, 2), (7, 1)]);
    // Calls and `unreachable` end no metered block. Unreachable code is charged with the block, or by itself.
    let call = "(module (func $f) (func nop call $f nop unreachable nop))";
    assert_eq!(charges(plain, call), [(0, 5)]);
    assert_eq!(
        charges(plain, "(module (func nop return nop nop))"),
        [(0, 2), (2, 2)]
    );
    // A metered block whose price is 0 has no charge.
    let free = "default = 0\nper_local = 0\n[instruction]\nnop = 5";
    assert_eq!(charges(free, turn), [(0, 10), (2, 5), (5, 5)]);
    assert_eq!(charges(free, "(module (func (loop (br 0))))"), []);
}

#[test]
fn the_price_of_locals_fits_32_bits() {
    let wasm = compile("(module (func (local i32 i32)))");
    for (price, fits) in [(i64::from(u32::MAX / 2), true), (1 << 31, false)] {
        let schedule = Schedule::parse(&format!("per_local = {price}"));
        let costs = schedule.and_then(|schedule| schedule.costs());
        let costs = costs.expect("a schedule");
        assert_equal(&wasm, std::slice::from_ref(&costs));
        assert_eq!(
            oracle::ours(&wasm, &costs)
                .expect("well-formed")
                .gas
                .is_ok(),
            fits
        );
    }
}

/// The mutable-global back end charges at the same positions. Each charge includes the cost of its counting function.
#[test]
fn the_global_back_end_adds_its_own_cost() {
    // Eight instructions at a price of 1, one `else`, two `end`.
    let own = 8 + 3 * u64::from(pvf_meter_oracle::DELIMITER_PRICE);
    for (_, wasm) in corpus::fixtures() {
        let ours = oracle::ours(&wasm, &Costs::default()).expect("well-formed");
        let ours = ours.gas.expect("the oracle accepts it");
        let theirs = oracle::global_charges(&wasm, &Costs::default());
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let expected: Vec<u64> = ours.iter().map(|(_, cost)| cost + own).collect();
            assert_eq!(theirs, expected);
        }
    }
}
