//! The allocator as a module uses it, against `sc-allocator` on a memory of its own.

mod common;

use common::*;
use proptest::prelude::*;
use pvf_validation::{ExecutionParameters, HostParameters, Outcome, Pvf};
use sc_allocator::{FreeingBumpHeapAllocator, Memory};
use sp_wasm_interface::Pointer;
use std::cell::Cell;

/// One step of a module's use of the heap.
#[derive(Clone, Debug)]
enum Step {
    /// Allocates this number of bytes.
    Malloc(u32),
    /// Frees the allocation with this number, live or not.
    Free(usize),
    /// Overwrites the header of the allocation with this number.
    Overwrite(usize, u32),
}

/// A body that executes the candidate as a script. A step has 12 bytes: kind, operand, number of an
/// allocation. Addresses of allocations are stored from 65536 on.
const SCRIPT: &str = r#"
    (local $end i32) (local $next i32) (local $entry i32)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (local.set $next (i32.const 65536))
    (block $done (loop $step
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $entry (i32.add (i32.const 65536)
            (i32.shl (i32.load offset=8 (local.get $at)) (i32.const 2))))
        (if (i32.eq (i32.load (local.get $at)) (i32.const 0)) (then
            (i32.store (local.get $next) (call $malloc (i32.load offset=4 (local.get $at))))
            (local.set $next (i32.add (local.get $next) (i32.const 4)))))
        (if (i32.eq (i32.load (local.get $at)) (i32.const 1)) (then
            (call $free (i32.load (local.get $entry)))))
        (if (i32.eq (i32.load (local.get $at)) (i32.const 2)) (then
            (i32.store (i32.sub (i32.load (local.get $entry)) (i32.const 8))
                (i32.load offset=4 (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 12)))
        (br $step)))"#;

const IMPORTS: &str = r#"
    (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
    (import "env" "ext_allocator_free_version_1" (func $free (param i32)))"#;

const PAGES: u32 = 4;
const HEAP: u32 = 2 * 65_536;
const LIMIT: u32 = 40;

fn script_runner() -> Pvf {
    let wat = doing(IMPORTS, SCRIPT)
        .replace(
            r#"(memory (export "memory") 1)"#,
            &format!(r#"(memory (export "memory") {PAGES})"#),
        )
        .replace(
            &format!("i32 (i32.const {HEAP_BASE})"),
            &format!("i32 (i32.const {HEAP})"),
        );
    let execution = ExecutionParameters {
        max_memory_pages: LIMIT,
        ..ExecutionParameters::POLKADOT
    };
    pvf_with(
        &wat,
        HostParameters {
            execution,
            ..HostParameters::default()
        },
    )
}

fn candidate(steps: &[Step]) -> Vec<u8> {
    let words = steps.iter().flat_map(|step| match *step {
        Step::Malloc(bytes) => [0, bytes, 0],
        Step::Free(number) => [1, 0, number as u32],
        Step::Overwrite(number, value) => [2, value, number as u32],
    });
    words.flat_map(u32::to_le_bytes).collect()
}

/// The memory of the reference.
struct Pages(Vec<u8>);

impl Memory for Pages {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(&mut self.0)
    }
    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(&self.0)
    }
    fn grow(&mut self, additional: u32) -> Result<(), ()> {
        let pages = self.pages() + additional;
        (pages <= LIMIT)
            .then(|| self.0.resize(pages as usize * 65_536, 0))
            .ok_or(())
    }
    fn pages(&self) -> u32 {
        (self.0.len() / 65_536) as u32
    }
    fn max_pages(&self) -> Option<u32> {
        Some(LIMIT)
    }
}

/// The results of all calls (the last is `None` if it failed), and the pages at the end.
fn reference(steps: &[Step]) -> (Vec<Option<Option<u32>>>, u32) {
    let mut memory = Pages(vec![0; PAGES as usize * 65_536]);
    memory.0[16..16 + RESULT.len()].copy_from_slice(&RESULT);
    let mut heap = FreeingBumpHeapAllocator::new(HEAP);
    heap.allocate(&mut memory, 12 * steps.len() as u32)
        .expect("the candidate fits");
    let mut results = Vec::new();
    let mut addresses = Vec::new();
    for step in steps {
        let address = |number: usize| addresses.get(number).copied().unwrap_or(0);
        let result = match *step {
            Step::Malloc(bytes) => match heap.allocate(&mut memory, bytes) {
                Ok(pointer) => {
                    addresses.push(u32::from(pointer));
                    Some(Some(u32::from(pointer)))
                }
                Err(_) => None,
            },
            Step::Free(number) => {
                let freed = heap.deallocate(&mut memory, Pointer::new(address(number)));
                freed.ok().map(|()| None)
            }
            Step::Overwrite(number, value) => {
                let at = address(number).wrapping_sub(8) as usize;
                let Some(header) = memory.0.get_mut(at..at + 4) else {
                    return (results, memory.pages());
                };
                header.copy_from_slice(&value.to_le_bytes());
                continue;
            }
        };
        results.push(result);
        if result.is_none() {
            break;
        }
    }
    (results, memory.pages())
}

/// Orders, valid and invalid, and links into the part of the heap where both memories are equal.
fn header() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..30, 150_000_u32..400_000]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0_u32..2000).prop_map(Step::Malloc),
        2 => (0_u32..700_000).prop_map(Step::Malloc),
        1 => any::<u32>().prop_map(Step::Malloc),
        8 => (0_usize..60).prop_map(Step::Free),
        1 => (0_usize..60, header()).prop_map(|(number, value)| Step::Overwrite(number, value)),
    ];
    proptest::collection::vec(step, 0..120)
}

#[test]
fn addresses_failures_and_growth_are_as_in_the_reference() {
    let pvf = script_runner();
    let config = ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (failed, grown) = (Cell::new(0_u32), Cell::new(0_u32));
    proptest!(config, |(steps in steps())| {
        let (expected, pages) = reference(&steps);
        let traced = pvf.run_traced(&candidate(&steps), Recorder::default());
        let (run, recorder) = traced.expect("no failure of the host");
        let results: Vec<_> = recorder
            .calls
            .into_iter()
            .map(|call| match call.result {
                Some(Ok(address)) => Some(address.map(|address| address as u32)),
                Some(Err(_)) => None,
                None => panic!("the call never returned"),
            })
            .collect();
        prop_assert_eq!(&results, &expected);
        prop_assert_eq!(run.memory_pages, pages);
        let valid = run.execution.outcome == Outcome::Valid(RESULT.to_vec());
        let invalid = matches!(run.execution.outcome, Outcome::Invalid { .. });
        prop_assert!(valid || invalid, "{:?}", run.execution.outcome);
        failed.update(|count| count + u32::from(expected.last() == Some(&None)));
        grown.update(|count| count + u32::from(pages > PAGES));
    });
    let (failed, grown) = (failed.get(), grown.get());
    assert!(
        failed > 100 && grown > 100,
        "{failed} failed, {grown} grew: too few"
    );
}
