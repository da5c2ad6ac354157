//! The code of any module is at most 16 bytes for each byte of Wasm, and what its functions have at least; what takes
//! more is named here with its figure.
//!
//! Every operator is repeated, alone and with each that takes its result back, in the states that make it dear: homes far
//! from the stack pointer, all registers taken by locals that have changed. Then what branches may cost.
//!
//! The code does not depend on how this crate is built, and without optimisation these would take minutes.
#![cfg(not(debug_assertions))]

use pvf_compiler::{CompileOptions, Costs, Metering, Target, compile};
use pvf_rules::Features;
use std::sync::Arc;

/// Most bytes of code for a byte of Wasm.
const MOST: f64 = 16.0;

/// Only with multi-value: a call of two bytes that passes on more results of the call before than there are registers (34 on
/// x86-64), operators of one byte that take what a call gave from its home (28 on aarch64, 20 on x86-64), early returns of many
/// values (17 on aarch64).
const MOST_OF_MANY_VALUES: f64 = 34.0;

// Limits and bounds keep the code of any module below what calls reach (rule LIMIT-5).
const _: () = {
    let module = pvf_rules::Limits::DEFAULT.module_bytes as u64;
    assert!(module * 34 + (1 << 28) < i32::MAX as u64);
    assert!(MOST_OF_MANY_VALUES < 35.0);
};

/// What any function may have, small as it may be.
const FUNCTION_BYTES: usize = 128;

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
const F32: u8 = 0x7d;
const F64: u8 = 0x7c;
const TYPES: [u8; 4] = [I32, I64, F32, F64];

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        match value {
            0 => {
                bytes.push(low);
                return bytes;
            }
            _ => bytes.push(low | 0x80),
        }
    }
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [leb(items.len()), items.concat()].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb(content.len()), content.to_vec()].concat()
}

/// Locals of each type: enough for all registers and more.
const LOCALS: usize = 28;

/// The first local of a type.
fn first(ty: u8) -> usize {
    1 + TYPES.iter().position(|&it| it == ty).unwrap() * LOCALS
}

fn get(local: usize) -> Vec<u8> {
    [vec![0x20], leb(local)].concat()
}

fn set(local: usize) -> Vec<u8> {
    [vec![0x21], leb(local)].concat()
}

/// A load of a type, with its address.
fn load(ty: u8, at: usize) -> Vec<u8> {
    let operator = match ty {
        I32 => [0x28, 2],
        I64 => [0x29, 3],
        F32 => [0x2a, 2],
        _ => [0x2b, 3],
    };
    [vec![0x41, 0], operator.to_vec(), leb(8 * at)].concat()
}

/// Every local of these types from one on gets a value, none is in its home.
fn load_locals(types: &[u8], from: usize, count: usize) -> Vec<u8> {
    let mut code = Vec::new();
    for &ty in types {
        for local in from..from + count {
            code.extend(load(ty, local));
            code.extend(set(first(ty) + local));
        }
    }
    code
}

/// All locals are needed to the end.
fn use_locals() -> Vec<u8> {
    (1..=4 * LOCALS)
        .flat_map(|local| [get(local), vec![0x1a]].concat())
        .collect()
}

/// A module with types `() -> ()`, `(i32) -> ()`, `() -> i32`, a table, a memory, globals of all types and this body, of
/// type `(i32) -> ()`; a function 0 that does nothing, and 1 of the third type.
fn module(code: &[u8]) -> Vec<u8> {
    let groups: Vec<Vec<u8>> = TYPES.iter().map(|&ty| vec![LOCALS as u8, ty]).collect();
    let far = vec![40, I32];
    let locals = list(&[groups, vec![far]].concat());
    let sized = |body: Vec<u8>| [leb(body.len()), body].concat();
    let body = sized([locals, code.to_vec(), vec![0x0b]].concat());
    let types = [
        vec![0x60, 0, 0],
        vec![0x60, 1, I32, 0],
        vec![0x60, 0, 1, I32],
    ];
    let global = |ty: u8| {
        let start = match ty {
            I32 => vec![0x41, 0],
            I64 => vec![0x42, 0],
            F32 => vec![0x43, 0, 0, 0, 0],
            _ => vec![0x44, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        [vec![ty, 1], start, vec![0x0b]].concat()
    };
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &list(&types)),
        section(3, &[3, 0, 2, 1]),
        section(4, &[1, 0x70, 0, 10]),
        section(5, &[1, 0, 1]),
        section(6, &list(&TYPES.map(global))),
        section(
            10,
            &[vec![3, 2, 0, 0x0b, 4, 0, 0x41, 0, 0x0b], body].concat(),
        ),
    ]
    .concat()
}

/// Bytes of code of the longest function for each byte of its body, in the dearest of all ways to compile it.
fn dearest(wasm: &[u8], features: Features) -> (f64, &'static str) {
    let mut dearest = (0.0, "");
    for target in Target::ALL {
        for (gas, name) in [(false, ""), (true, " with gas")] {
            let options = CompileOptions {
                target,
                metering: Metering {
                    logical_stack: true,
                    gas: gas.then(|| Arc::new(Costs::default())),
                },
                ..CompileOptions::new(features)
            };
            let artifact = compile(wasm, &options).unwrap();
            let longest = artifact.module.functions.iter();
            let longest = longest.max_by_key(|it| it.body_bytes).unwrap();
            let code = (longest.code_bytes as usize).saturating_sub(FUNCTION_BYTES);
            let ratio = code as f64 / f64::from(longest.body_bytes);
            if ratio > dearest.0 {
                dearest = (
                    ratio,
                    match (target, name) {
                        (Target::X86_64, "") => "x86_64",
                        (Target::X86_64, _) => "x86_64 with gas",
                        (Target::Aarch64, "") => "aarch64",
                        (Target::Aarch64, _) => "aarch64 with gas",
                        (Target::PolkaVm, _) => "polkavm",
                    },
                );
            }
        }
    }
    dearest
}

/// Operands that wait below what is repeated: homes of locals are so many slots away.
const HIGH: usize = 4_200;

/// The states in which something is repeated: what comes before, what after.
fn surroundings() -> [(&'static str, Vec<u8>, Vec<u8>); 4] {
    [
        (
            "homes far away",
            [[0x41, 0].repeat(HIGH), load_locals(&TYPES, 0, LOCALS)].concat(),
            vec![0x00],
        ),
        ("alone", Vec::new(), Vec::new()),
        ("registers full", load_locals(&TYPES, 0, 13), use_locals()),
        (
            "all locals changed",
            load_locals(&TYPES, 0, LOCALS),
            use_locals(),
        ),
    ]
}

/// Repeats code so often that what is around it does not matter.
fn repeated(
    around: &(&str, Vec<u8>, Vec<u8>),
    before: &[u8],
    code: &[u8],
    after: &[u8],
) -> Vec<u8> {
    let times = (2_000 / code.len().max(1)).max(20) + around.1.len() * 2 / code.len();
    let middle = code.repeat(times);
    let body = [&around.1[..], before, &middle, after, &around.2].concat();
    module(&body)
}

struct Found {
    ratio: f64,
    what: String,
}

fn check(mut all: Vec<Found>, most: f64) {
    all.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    for found in all.iter().take(40) {
        eprintln!("{:6.2} {}", found.ratio, found.what);
    }
    let beyond = all.iter().filter(|it| it.ratio > most).count();
    assert_eq!(
        beyond, 0,
        "the dearest: {:.2} {}",
        all[0].ratio, all[0].what
    );
}

fn found(wasm: &[u8], features: Features, what: String) -> Found {
    let (ratio, how) = dearest(wasm, features);
    Found {
        ratio,
        what: format!("{what}, {how}"),
    }
}

/// Operators with one operand and one result: their bytes and types.
fn unary() -> Vec<(Vec<u8>, u8, u8)> {
    let mut all = Vec::new();
    let mut add = |codes: std::ops::RangeInclusive<u8>, from: u8, to: u8| {
        all.extend(codes.map(|code| (vec![code], from, to)));
    };
    add(0x45..=0x45, I32, I32);
    add(0x50..=0x50, I64, I32);
    add(0x67..=0x69, I32, I32);
    add(0x79..=0x7b, I64, I64);
    add(0x8b..=0x91, F32, F32);
    add(0x99..=0x9f, F64, F64);
    add(0xa7..=0xa7, I64, I32);
    add(0xa8..=0xa9, F32, I32);
    add(0xaa..=0xab, F64, I32);
    add(0xac..=0xad, I32, I64);
    add(0xae..=0xaf, F32, I64);
    add(0xb0..=0xb1, F64, I64);
    add(0xb2..=0xb3, I32, F32);
    add(0xb4..=0xb5, I64, F32);
    add(0xb6..=0xb6, F64, F32);
    add(0xb7..=0xb8, I32, F64);
    add(0xb9..=0xba, I64, F64);
    add(0xbb..=0xbb, F32, F64);
    add(0xbc..=0xbc, F32, I32);
    add(0xbd..=0xbd, F64, I64);
    add(0xbe..=0xbe, I32, F32);
    add(0xbf..=0xbf, I64, F64);
    add(0xc0..=0xc1, I32, I32);
    add(0xc2..=0xc4, I64, I64);
    for code in 0..8 {
        let from = [F32, F32, F64, F64][code as usize % 4];
        let to = if code < 4 { I32 } else { I64 };
        all.push((vec![0xfc, code], from, to));
    }
    for (code, to) in [
        (0x28, I32),
        (0x29, I64),
        (0x2a, F32),
        (0x2b, F64),
        (0x2c, I32),
        (0x31, I64),
        (0x35, I64),
    ] {
        all.push((vec![code, 0, 0], I32, to));
        all.push((vec![code, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], I32, to));
    }
    all.push((vec![0x40, 0], I32, I32));
    for (global, ty) in TYPES.into_iter().enumerate() {
        // Written and read.
        all.push((vec![0x24, global as u8, 0x23, global as u8], ty, ty));
    }
    for ty in TYPES {
        let far = first(ty) + LOCALS - 1;
        all.push((vec![0x22, far as u8], ty, ty));
    }
    all
}

/// Operators with two operands.
fn binary() -> Vec<(Vec<u8>, u8, u8)> {
    let mut all = Vec::new();
    let mut add = |codes: std::ops::RangeInclusive<u8>, from: u8, to: u8| {
        all.extend(codes.map(|code| (vec![code], from, to)));
    };
    add(0x46..=0x4f, I32, I32);
    add(0x51..=0x5a, I64, I32);
    add(0x5b..=0x60, F32, I32);
    add(0x61..=0x66, F64, I32);
    add(0x6a..=0x78, I32, I32);
    add(0x7c..=0x8a, I64, I64);
    add(0x92..=0x98, F32, F32);
    add(0xa0..=0xa6, F64, F64);
    all
}

/// Ways to push an operand.
fn pushes(ty: u8) -> Vec<Vec<u8>> {
    let last = first(ty) + LOCALS - 1;
    let mut all = vec![get(first(ty)), get(last), load(ty, 1)];
    match ty {
        I32 => all.push(vec![0x41, 3]),
        I64 => all.push(vec![0x42, 5]),
        _ => {}
    }
    all
}

#[test]
fn operators_of_one_operand() {
    let mut all = Vec::new();
    let operators = unary();
    for around in &surroundings() {
        for (first, from, to) in &operators {
            for (second, _, _) in operators.iter().filter(|it| (it.1, it.2) == (*to, *from)) {
                let wasm = repeated(
                    around,
                    &load(*from, 0),
                    &[&first[..], second].concat(),
                    &[0x1a],
                );
                all.push(found(
                    &wasm,
                    Features::ALL,
                    format!("{first:x?} {second:x?}, {}", around.0),
                ));
            }
            for push in pushes(*from) {
                for end in [vec![0x1a], set(self::first(*to) + 3)] {
                    let code = [&push[..], first, &end].concat();
                    let wasm = repeated(around, &[], &code, &[]);
                    all.push(found(
                        &wasm,
                        Features::ALL,
                        format!("{code:x?}, {}", around.0),
                    ));
                }
            }
        }
    }
    check(all, MOST);
}

#[test]
fn operators_of_two_operands() {
    let mut all = Vec::new();
    let unary = unary();
    for around in &surroundings() {
        for (operator, from, to) in binary() {
            for a in pushes(from) {
                for b in pushes(from) {
                    for end in [vec![0x1a], set(first(to) + 3), vec![]] {
                        let code = [&a[..], &b, &operator, &end].concat();
                        // What is not dropped waits.
                        let times = repeated(around, &[], &code, &[0x00]);
                        all.push(found(
                            &times,
                            Features::ALL,
                            format!("{code:x?}, {}", around.0),
                        ));
                    }
                    let code = [&b[..], &operator].concat();
                    if from == to {
                        let wasm = repeated(around, &a, &code, &[0x1a]);
                        all.push(found(
                            &wasm,
                            Features::ALL,
                            format!("{code:x?}, {}", around.0),
                        ));
                        // All operands first.
                        let times = (6_000 / a.len()).max(2 * around.1.len() / a.len());
                        let before = [b.clone(), a.repeat(times), operator.repeat(times)].concat();
                        let wasm = repeated(around, &before, &[0x01], &[0x1a]);
                        all.push(found(
                            &wasm,
                            Features::ALL,
                            format!("many {a:x?} and {operator:x?}, {}", around.0),
                        ));
                    }
                    let combined = a == b && around.0 != "homes far away";
                    let then = unary
                        .iter()
                        .filter(|it| combined && (it.1, it.2) == (to, from));
                    for (then, _, _) in then {
                        let code = [&code[..], then].concat();
                        let wasm = repeated(around, &a, &code, &[0x1a]);
                        all.push(found(
                            &wasm,
                            Features::ALL,
                            format!("{code:x?}, {}", around.0),
                        ));
                    }
                }
            }
        }
    }
    check(all, MOST);
}

#[test]
fn other_operators() {
    let pieces: Vec<Vec<u8>> = vec![
        // Stores.
        vec![0x20, 0, 0x41, 1, 0x36, 0, 0],
        vec![0x41, 0, 0x41, 1, 0x36, 0, 0],
        [get(0), get(first(I64)), vec![0x37, 0, 0]].concat(),
        [get(0), get(first(F64)), vec![0x39, 0, 0]].concat(),
        [get(0), vec![0x42, 5, 0x37, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        // Select.
        [get(1), get(2), get(3), vec![0x1b, 0x1a]].concat(),
        [
            get(first(F64)),
            get(first(F64) + 1),
            get(3),
            vec![0x1b, 0x1a],
        ]
        .concat(),
        [
            get(first(F64)),
            get(first(F64) + 1),
            get(first(F64)),
            get(first(F64) + 1),
            vec![0x62, 0x1b, 0x1a],
        ]
        .concat(),
        // Sizes, globals, constants.
        vec![0x3f, 0, 0x1a],
        vec![0x41, 0, 0x40, 0, 0x1a],
        vec![0x23, 0, 0x1a],
        vec![0x42, 1, 0x24, 1],
        [vec![0x42, 1], set(first(I64))].concat(),
        [vec![0x43, 0, 0, 0x80, 0x3f], set(first(F32))].concat(),
        // Calls.
        vec![0x10, 0],
        vec![0x10, 1, 0x1a],
        vec![0x41, 0, 0x10, 2],
        vec![0x41, 0, 0x11, 0, 0],
        vec![0x41, 0, 0x11, 2, 0, 0x1a],
        vec![0x41, 0, 0x41, 0, 0x11, 1, 0],
        // Control.
        vec![0x02, 0x40, 0x0b],
        vec![0x03, 0x40, 0x0b],
        vec![0x03, 0x40, 0x41, 0, 0x40, 0, 0x1a, 0x0b],
        vec![0x20, 0, 0x04, 0x40, 0x0b],
        vec![0x20, 0, 0x04, 0x40, 0x05, 0x0b],
        vec![0x20, 0, 0x04, 0x40, 0x0f, 0x0b],
        vec![0x20, 0, 0x04, 0x40, 0x00, 0x0b],
        vec![0x20, 0, 0x0d, 0],
        vec![0x02, 0x40, 0x20, 0, 0x0d, 0, 0x0b],
        vec![0x02, 0x40, 0x0c, 0, 0x0b],
        vec![0x02, 0x40, 0x00, 0x0b],
        vec![0x02, 0x40, 0x20, 0, 0x0e, 1, 0, 0, 0x0b],
        vec![0x20, 0, 0x04, 0x40, 0x20, 0, 0x0e, 0, 1, 0x0b],
        vec![0x02, 0x7f, 0x41, 1, 0x0b, 0x1a],
        vec![0x02, 0x7f, 0x41, 1, 0x20, 0, 0x0d, 0, 0x0b, 0x1a],
        vec![0x02, 0x7c, 0x20, 85, 0x20, 0, 0x0d, 0, 0x0b, 0x1a],
    ];
    let mut all = Vec::new();
    for around in &surroundings() {
        for code in &pieces {
            let wasm = repeated(around, &[], code, &[]);
            all.push(found(
                &wasm,
                Features::ALL,
                format!("{code:x?}, {}", around.0),
            ));
            // In a loop, and in one that has a state.
            for types in [&[][..], &TYPES] {
                let before = [vec![0x03, 0x40], load_locals(types, 0, LOCALS)].concat();
                let wasm = repeated(around, &before, code, &[0x0b]);
                all.push(found(
                    &wasm,
                    Features::ALL,
                    format!("loop, {code:x?}, {}", around.0),
                ));
            }
        }
    }
    check(all, MOST);
}

/// Many labels whose state is fixed while some locals have all registers; then others get them, and branches go to all of
/// the labels: as in the review's module.
#[test]
fn branches_between_states() {
    let mut all = Vec::new();
    let half = LOCALS / 2;
    let x = || load_locals(&TYPES, 0, half);
    let y = || load_locals(&TYPES, half, half);
    for depth in [1_usize, 2, 8, 40, 126] {
        let table = |depth: usize| {
            let targets: Vec<u8> = (0..depth as u8).collect();
            [
                &[0x02, 0x40, 0x20, 0, 0x0e][..],
                &leb(depth),
                &targets,
                &[0, 0x0b],
            ]
            .concat()
        };
        let conditional = |depth: usize| {
            let branch = |label: usize| [&[0x20, 0, 0x0d][..], &leb(label)].concat();
            (0..depth).flat_map(branch).collect::<Vec<u8>>()
        };
        for opener in [[0x02, 0x40], [0x03, 0x40]] {
            for first_way in [table(depth), conditional(depth)] {
                for (name, way) in [
                    ("br_table", table(depth)),
                    ("br_if", conditional(depth)),
                    (
                        "br_if and a change",
                        [conditional(depth), load(I32, 7), set(3)].concat(),
                    ),
                    (
                        "br_if and all change",
                        [conditional(depth), x(), y()].concat(),
                    ),
                    (
                        "br_table and a loop",
                        [table(depth), vec![0x03, 0x40, 0x0b]].concat(),
                    ),
                    (
                        "br_table and all read",
                        [table(depth), use_locals()].concat(),
                    ),
                    (
                        "br_if and growth",
                        [conditional(depth), vec![0x41, 0, 0x40, 0, 0x1a]].concat(),
                    ),
                ] {
                    let opened = opener.repeat(depth);
                    let times = (12_000 / way.len()).max(4);
                    let body = [
                        x(),
                        opened,
                        first_way.clone(),
                        y(),
                        way.repeat(times),
                        vec![0x0b; depth],
                        use_locals(),
                    ];
                    let what = format!("{name} over {depth} of {opener:x?}");
                    all.push(found(&module(&body.concat()), Features::ALL, what));
                }
            }
        }
    }
    check(all, MOST);
}

/// Results and values of branches that are many.
#[test]
fn many_values() {
    let mut all = Vec::new();
    for many in [2_usize, 3, 5, 9, 1_000] {
        for ty in TYPES {
            let values = [leb(many), vec![ty; many]].concat();
            let types = list(&[
                [vec![0x60, 0], values.clone()].concat(),
                [vec![0x60], values.clone(), values.clone()].concat(),
                [vec![0x60, 1, I32], values.clone()].concat(),
            ]);
            let constant = match ty {
                I32 => vec![0x41, 1],
                I64 => vec![0x42, 1],
                F32 => vec![0x43, 0, 0, 0, 0],
                _ => vec![0x44, 0, 0, 0, 0, 0, 0, 0, 0],
            };
            let sized = |code: &[u8]| [leb(code.len()), code.to_vec()].concat();
            let make = |code: Vec<u8>| {
                let f = [vec![0], constant.repeat(many), vec![0x0b]].concat();
                let gets = (0..many).flat_map(get).collect();
                let g = [vec![0], gets, vec![0x0b]].concat();
                let main = [vec![0], code, vec![0x0b]].concat();
                [
                    b"\0asm\x01\0\0\0".to_vec(),
                    section(1, &types),
                    section(3, &[3, 0, 1, 2]),
                    section(10, &[vec![3], sized(&f), sized(&g), sized(&main)].concat()),
                ]
                .concat()
            };
            let times = 6_000;
            let branch = [0x20, 0, 0x0d, 0];
            let operators = binary()
                .into_iter()
                .filter(|it| many > 5 && (it.1, it.2) == (ty, ty));
            for (operator, _, _) in operators {
                let code = [vec![0x10, 0], operator.repeat(many - 1), vec![0x1a]].concat();
                let wasm = make([code.repeat(6_000 / many), vec![0x00]].concat());
                let what = format!("{operator:x?} of {many} of {ty:x}");
                all.push(found(&wasm, Features::ALL, what));
            }
            for (name, code) in [
                (
                    "chain",
                    [vec![0x41, 0, 0x10, 0], [0x10, 1].repeat(times), vec![0x00]].concat(),
                ),
                (
                    "br_if",
                    [vec![0x41, 0, 0x10, 0], branch.repeat(times), vec![0x00]].concat(),
                ),
                (
                    "br_if with constants",
                    [
                        vec![0x41, 0],
                        constant.repeat(many),
                        branch.repeat(times),
                        vec![0x00],
                    ]
                    .concat(),
                ),
                (
                    "return",
                    [vec![0x10, 0], [0x20, 0, 0x04, 1, 0x0f, 0x0b].repeat(times)].concat(),
                ),
                (
                    "block",
                    [
                        vec![0x41, 0, 0x10, 0],
                        [0x02, 1, 0x20, 0, 0x0d, 0, 0x0b].repeat(times),
                        vec![0x00],
                    ]
                    .concat(),
                ),
                (
                    "loop",
                    [
                        vec![0x41, 0, 0x10, 0],
                        [0x03, 1, 0x20, 0, 0x0d, 0, 0x0b].repeat(times),
                        vec![0x00],
                    ]
                    .concat(),
                ),
                (
                    "br_table",
                    [
                        vec![0x41, 0, 0x10, 0],
                        [0x20, 0, 0x04, 1, 0x20, 0, 0x0e, 2, 0, 1, 0, 0x0b].repeat(times / 8),
                        vec![0x00],
                    ]
                    .concat(),
                ),
            ] {
                let wasm = make(code);
                all.push(found(
                    &wasm,
                    Features::ALL,
                    format!("{name}, {many} of {ty:x}"),
                ));
            }
        }
    }
    check(all, MOST_OF_MANY_VALUES);
}
