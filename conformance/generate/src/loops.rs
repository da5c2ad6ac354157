//! Loops that copy, fill and compare. An engine may execute many iterations at once, but no outcome may show it.
//!
//! The expected memory is computed here iteration by iteration. The oracle computes the gas.

use crate::oracle::gas;
use crate::suite::{Case, Suite, hex, i32};
use serde_json::json;

/// The offset and the size of the data.
const DATA: usize = 1024;
const BYTES: usize = 256;
const MEMORY: usize = 65_536;
/// Gas of the code after a loop: one `local.get`.
const TAIL: u64 = 1;

/// A loop in a function with the parameters 0 `to`, 1 `from` and 2 the number of iterations, and two more locals.
struct Loop {
    name: &'static str,
    body: &'static str,
    /// Bytes of an iteration; negative for a loop that runs downwards.
    stride: i64,
    fill: bool,
}

const LOOPS: [Loop; 5] = [
    Loop {
        name: "copy-up",
        body: "(loop (i32.store8 (local.get 0) (i32.load8_u (local.get 1)))
            (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (local.set 1 (i32.add (local.get 1) (i32.const 1)))
            (br_if 0 (local.tee 2 (i32.add (local.get 2) (i32.const -1)))))",
        stride: 1,
        fill: false,
    },
    Loop {
        name: "copy-down",
        body: "(loop (i32.store8 (local.get 0) (i32.load8_u (local.get 1)))
            (local.set 0 (i32.add (local.get 0) (i32.const -1)))
            (local.set 1 (i32.add (local.get 1) (i32.const -1)))
            (br_if 0 (local.tee 2 (i32.add (local.get 2) (i32.const -1)))))",
        stride: -1,
        fill: false,
    },
    Loop {
        name: "copy-words",
        body: "(loop (i32.store (local.get 0) (i32.load (local.get 1)))
            (local.set 0 (i32.add (local.get 0) (i32.const 4)))
            (local.set 1 (i32.add (local.get 1) (i32.const 4)))
            (br_if 0 (local.tee 2 (i32.add (local.get 2) (i32.const -1)))))",
        stride: 4,
        fill: false,
    },
    Loop {
        name: "copy-unrolled",
        body: "(loop (i32.store8 (local.get 0) (i32.load8_u (local.get 1)))
            (i32.store8 offset=1 (local.get 0) (i32.load8_u offset=1 (local.get 1)))
            (local.set 0 (i32.add (local.get 0) (i32.const 2)))
            (local.set 1 (i32.add (local.get 1) (i32.const 2)))
            (br_if 0 (local.tee 2 (i32.add (local.get 2) (i32.const -1)))))",
        stride: 2,
        fill: false,
    },
    Loop {
        name: "fill",
        body: "(loop (i32.store8 (local.get 0) (local.get 1))
            (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (br_if 0 (local.tee 2 (i32.add (local.get 2) (i32.const -1)))))",
        stride: 1,
        fill: true,
    },
];

/// `to`, `from`, and the number of iterations: apart; overlapping both ways by a little and by much; in place; up to
/// the end of memory and beyond it; beyond both ends by wrapping around.
const RUNS: [(u32, u32, u32); 14] = [
    (1100, 1024, 1),
    (1100, 1024, 40),
    (1025, 1024, 100),
    (1024, 1025, 100),
    (1064, 1024, 60),
    (1024, 1064, 60),
    (1100, 1100, 50),
    (1131, 1100, 31),
    (65_496, 1100, 40),
    (65_497, 1100, 40),
    (1100, 65_530, 40),
    (20, 1100, 40),
    (1100, 8, 40),
    (4_294_967_290, 1100, 40),
];

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    for kind in &LOOPS {
        let module = format!("loop-{}", kind.name);
        suite.text(&module, &module_text(kind.body));
        for (number, &(to, from, turns)) in RUNS.iter().enumerate() {
            moves(suite, kind, &module, number, (to, from, turns));
        }
    }
    comparisons(suite);
}

fn module_text(body: &str) -> String {
    let data: String = (0..BYTES).map(|at| format!("\\{:02x}", byte(at))).collect();
    format!(
        "(module (memory (export \"memory\") 1) (data (i32.const {DATA}) \"{data}\")
        (func (export \"f\") (param i32 i32 i32) (result i32) (local i32 i32)
            {body} (local.get 0)))"
    )
}

fn byte(at: usize) -> u8 {
    (at * 7 + at / 37 + 3) as u8
}

/// The memory after this number of iterations, or after those before a trap, and whether all iterations were done.
fn after(kind: &Loop, (to, from, _): (u32, u32, u32), turns: u64) -> (Vec<u8>, bool) {
    let mut memory = vec![0; MEMORY];
    (0..BYTES).for_each(|at| memory[DATA + at] = byte(at));
    let width = if kind.name == "copy-unrolled" {
        1
    } else {
        kind.stride.unsigned_abs() as usize
    };
    let accesses = kind.stride.unsigned_abs() as usize / width;
    for turn in 0..turns as i64 {
        for access in 0..accesses {
            let place = |start: u32| {
                let index = i64::from(start).wrapping_add(turn * kind.stride) as u32;
                index as usize + access * width
            };
            let (to, from) = (place(to), place(from));
            let value = match kind.fill {
                true => vec![from_value(from, turn, kind)],
                false if from + width > MEMORY => return (memory, false),
                false => memory[from..from + width].to_vec(),
            };
            if to + width > MEMORY {
                return (memory, false);
            }
            memory[to..to + width].copy_from_slice(&value);
        }
    }
    (memory, true)
}

/// The byte that a fill stores: its second parameter, in every iteration.
fn from_value(place: usize, turn: i64, kind: &Loop) -> u8 {
    (place as i64 - turn * kind.stride) as u8
}

fn moves(suite: &mut Suite, kind: &Loop, module: &str, number: usize, run: (u32, u32, u32)) {
    let (to, from, turns) = run;
    let wasm = suite.modules[module].wasm.clone();
    let used = |turns: u32| gas(&wasm, 1, 0, 1, &[to as i32, from as i32, turns as i32]).0;
    let (whole, all) = after(kind, run, turns.into());
    let case = |what: &str| {
        let arguments = [to, from, turns].map(|value| i32(value as i32));
        Case::new(
            "metering",
            "MEM-10",
            format!("loops/{}/{number}/{what}", kind.name),
        )
        .also(&["MEM-6", "GAS-3"])
        .module(module)
        .needs("gas")
        .parameter(
            "gas_schedule",
            json!({"instruction": 1, "memory_grow": 0, "call_per_local": 1}),
        )
        .parameter("peek", json!([DATA - 64, 512]))
        .invoke("f", &arguments)
    };
    let shown = |case: Case, memory: &[u8]| {
        let range = DATA - 64..DATA - 64 + 512;
        case.expect("memory", hex(&memory[range]))
    };
    let total = used(turns);
    let unlimited = case("unlimited").parameter("gas_limit", "unlimited");
    let unlimited = match all {
        true => {
            let end = i64::from(to) + i64::from(turns) * kind.stride;
            unlimited.valid(&[i32(end as u32 as i32)])
        }
        false => unlimited.trap("memory_out_of_bounds"),
    };
    suite.push(shown(unlimited, &whole).expect("gas_used", total));
    if !all {
        return;
    }
    // An iteration is charged at its beginning, and an iteration that is not charged has no effect.
    let turn = used(1).max(used(2)) - used(1).min(used(2));
    let before = total - u64::from(turns) * turn - TAIL;
    for (what, limit) in [
        ("exact", total),
        ("no-tail", total - TAIL),
        ("last-turn-short", total - TAIL - 1),
        ("half", before + u64::from(turns) / 2 * turn + turn / 2),
        ("none", before),
    ] {
        let case = case(what).parameter("gas_limit", limit);
        if limit == total {
            let (memory, _) = after(kind, run, turns.into());
            let end = i64::from(to) + i64::from(turns) * kind.stride;
            let case = case.valid(&[i32(end as u32 as i32)]);
            suite.push(shown(case, &memory).expect("gas_used", total));
            continue;
        }
        let (memory, _) = after(kind, run, (limit - before) / turn);
        suite.push(shown(case.also(&["GAS-8"]).trap("out_of_gas"), &memory));
    }
}

/// Comparisons: the difference is near the start, in the middle, at the end, absent, or after the end of memory.
fn comparisons(suite: &mut Suite) {
    let body = "(block (block (loop
        (br_if 1 (i32.ne (local.tee 3 (i32.load8_u (local.get 0))) (local.tee 4 (i32.load8_u (local.get 1)))))
        (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (local.set 1 (i32.add (local.get 1) (i32.const 1)))
        (br_if 2 (i32.eqz (local.tee 2 (i32.add (local.get 2) (i32.const -1)))))
        (br 0))) (local.set 0 (i32.or (i32.shl (local.get 0) (i32.const 8)) (i32.and (i32.sub (local.get 3) (local.get 4)) (i32.const 255)))))";
    suite.text("loop-compare", &module_text(body));
    let wasm = suite.modules["loop-compare"].wasm.clone();
    let mut memory = vec![0; MEMORY];
    (0..BYTES).for_each(|at| memory[DATA + at] = byte(at));
    for (number, (a, b, turns)) in [
        (1024_usize, 1024_usize, 200_usize),
        (1100, 1101, 50),
        (2000, 3000, 300),
        (1000, 2000, 50),
        (960, 944, 100),
        (2000, 65_500, 36),
        (2000, 65_500, 37),
        (65_530, 100, 40),
    ]
    .into_iter()
    .enumerate()
    {
        let inside = turns.min(MEMORY - a.max(b));
        let difference = (0..inside).find(|at| memory[a + at] != memory[b + at]);
        let result = match difference {
            Some(at) => {
                let distance = memory[a + at].wrapping_sub(memory[b + at]);
                Some(((a + at) << 8) as i32 | i32::from(distance))
            }
            None => (inside == turns).then_some((a + turns) as i32),
        };
        let (used, _) = gas(&wasm, 1, 0, 1, &[a as i32, b as i32, turns as i32]);
        for (what, limit) in [
            ("unlimited", None),
            ("exact", Some(used)),
            ("one-less", Some(used - 1)),
        ] {
            let arguments = [a, b, turns].map(|value| i32(value as i32));
            let limit_json = limit.map_or(json!("unlimited"), |limit| json!(limit));
            let case = Case::new(
                "metering",
                "MEM-10",
                format!("loops/compare/{number}/{what}"),
            )
            .also(&["MEM-6", "GAS-3"])
            .module("loop-compare")
            .needs("gas")
            .parameter("gas_limit", limit_json)
            .parameter(
                "gas_schedule",
                json!({"instruction": 1, "memory_grow": 0, "call_per_local": 1}),
            )
            .invoke("f", &arguments);
            suite.push(match (what, result) {
                ("one-less", _) => case.also(&["GAS-8"]).trap("out_of_gas"),
                (_, Some(result)) => case.valid(&[i32(result)]).expect("gas_used", used),
                (_, None) => case.trap("memory_out_of_bounds").expect("gas_used", used),
            });
        }
    }
}
