//! Modules at the edges of the language that the network's nodes read: accepted there but not by the WebAssembly
//! specification, or the reverse. `integration/language` compares the answers of a stock node.

use crate::bytes::{leb, list, module, section, sized, times};
use crate::suite::{Case, Suite, i32};

/// A body that returns 42.
const ANSWER: [u8; 4] = [0, 0x41, 42, 0x0b];
const EXPORT_F: [u8; 4] = [1, b'f', 0, 0];

/// The sections, by number, of a module with a function `f: () -> i32`, which returns 42. Type 1 has no parameters and
/// no results.
fn sections() -> Vec<(u8, Vec<u8>)> {
    vec![
        (1, list(&[vec![0x60, 0, 1, 0x7f], vec![0x60, 0, 0]])),
        (3, list(&[vec![0]])),
        (5, list(&[vec![0, 1]])),
        (7, list(&[EXPORT_F.to_vec()])),
        (10, [&[1, 4][..], &ANSWER].concat()),
    ]
}

/// Those sections with some replaced or added, ordered by number.
fn with(changed: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut all = sections();
    all.retain(|(id, _)| changed.iter().all(|(other, _)| other != id));
    all.extend_from_slice(changed);
    // The data-count section comes before the code section.
    all.sort_by_key(|(id, _)| if *id == 12 { 19 } else { 2 * id });
    plain(&all)
}

/// A module of the sections as given.
fn plain(all: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let all: Vec<_> = all.iter().map(|(id, bytes)| section(*id, bytes)).collect();
    module(&all)
}

/// A module whose function `f` has this body.
fn body(content: &[u8]) -> Vec<u8> {
    with(&[(10, [vec![1], sized(content)].concat())])
}

/// A module with a second function that has this body.
fn second_body(content: &[u8]) -> Vec<u8> {
    let bodies = [vec![2], sized(&ANSWER), sized(content)].concat();
    with(&[(3, vec![2, 0, 1]), (10, bodies)])
}

fn import(module: &str, name: &str, kind: &[u8]) -> Vec<u8> {
    [
        sized(module.as_bytes()),
        sized(name.as_bytes()),
        kind.to_vec(),
    ]
    .concat()
}

fn export(name: &str, kind: u8, index: u8) -> Vec<u8> {
    [sized(name.as_bytes()), vec![kind, index]].concat()
}

/// Sections with an imported memory, and with the module's own memory if `own` is set. `exports` are the exports
/// besides `f`.
fn imported_memory(imports: &[Vec<u8>], exports: &[Vec<u8>], own: bool) -> Vec<u8> {
    let exports = [&[EXPORT_F.to_vec()], exports].concat();
    let memories = if own { vec![vec![0, 1]] } else { vec![] };
    let mut all = vec![(2, list(imports)), (7, list(&exports))];
    all.push((5, list(&memories)));
    with(&all)
}

/// The global section with one mutable `i32` global.
fn own_global() -> (u8, Vec<u8>) {
    (6, list(&[vec![0x7f, 1, 0x41, 0, 0x0b]]))
}

fn custom(name: &str) -> Vec<u8> {
    let mut all = sections();
    all.push((0, sized(name.as_bytes())));
    plain(&all)
}

/// A number below 64, in LEB128 with this many bytes.
fn long(number: u8, bytes: usize) -> Vec<u8> {
    let mut all = vec![0x80; bytes];
    all[0] |= number;
    all[bytes - 1] &= 0x7f;
    all
}

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    reading(suite);
    sections_and_segments(suite);
    rewriting(suite);
    limits(suite);
}

/// A module that the network accepts.
fn accepted(suite: &mut Suite, rules: &[&'static str], name: &str, wasm: Vec<u8>) {
    let case = case(suite, rules, name, wasm);
    suite.push(case.invoke("f", &[]).valid(&[i32(42)]));
}

/// A module that the network refuses.
fn refused(suite: &mut Suite, rules: &[&'static str], name: &str, wasm: Vec<u8>) {
    let case = case(suite, rules, name, wasm);
    suite.push(case.rejected("prepare"));
}

fn case(suite: &mut Suite, rules: &[&'static str], name: &str, wasm: Vec<u8>) -> Case {
    let source = format!("network-{}", name.replace('/', "-"));
    suite.bytes(&source, wasm);
    Case::new("core", rules[0], name.to_owned())
        .also(&rules[1..])
        .polkadot()
        .needs("network")
        .module(&source)
}

/// Numbers, block types and operators.
fn reading(suite: &mut Suite) {
    for bytes in 2..=5 {
        // a block without results; a block with an i32 result
        let empty = [0xc0, 0xff, 0xff, 0xff, 0x7f];
        let number = [0xff; 5];
        for (name, start) in [("empty", empty), ("i32", number)] {
            let mut ty = start[..bytes - 1].to_vec();
            ty.push(0x7f);
            let content = match name {
                "empty" => [&[0, 0x02][..], &ty, &[0x0b, 0x41, 42, 0x0b]].concat(),
                _ => [&[0, 0x02][..], &ty, &[0x41, 42, 0x0b, 0x0b]].concat(),
            };
            let name = format!("block-type/{name}/{bytes}");
            accepted(suite, &["NET-3"], &name, body(&content));
        }
        let count = [long(1, bytes), vec![4]].concat();
        let code = [count, ANSWER.to_vec()].concat();
        accepted(
            suite,
            &["NET-3"],
            &format!("count/{bytes}"),
            with(&[(10, code)]),
        );
    }
    let six = [
        &[0, 0x02][..],
        &[0xc0, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x0b, 0x41, 42, 0x0b],
    ];
    refused(
        suite,
        &["NET-3"],
        "block-type/six-bytes",
        body(&six.concat()),
    );
    let index = [0, 0x02, 0x01, 0x0b, 0x41, 42, 0x0b];
    refused(suite, &["NET-3"], "block-type/index", body(&index));
    let dead = [0, 0x41, 42, 0x0f, 0x0e, 0, 0, 0x6a, 0x1a, 0x41, 0, 0x0b];
    accepted(suite, &["NET-7"], "dead/pops-more", body(&dead));
    let extend = [0, 0x41, 42, 0xc0, 0x0b];
    refused(
        suite,
        &["NET-3", "NET-1"],
        "operator/sign-extension",
        body(&extend),
    );
    let saturating = [0, 0x43, 0, 0, 0, 0, 0xfc, 0, 0x0b];
    refused(suite, &["NET-3"], "operator/saturating", body(&saturating));
    let overlong_zero = [0, 0x3f, 0x80, 0, 0x0b];
    refused(
        suite,
        &["NET-3"],
        "operator/memory-index",
        body(&overlong_zero),
    );
    let wide = second_body(&[0, 0x41, 0, 0x28, 0x43, 0, 0, 0x1a, 0x0b]);
    refused(suite, &["NET-7"], "operator/alignment-flags", wide);
}

/// Sections, their order, and the flags of segments.
fn sections_and_segments(suite: &mut Suite) {
    let data = |bytes: &[u8]| with(&[(11, [&[1][..], bytes].concat())]);
    accepted(
        suite,
        &["NET-7"],
        "data/flags-2",
        data(&[2, 0, 0x41, 0, 0x0b, 0]),
    );
    refused(
        suite,
        &["NET-7"],
        "data/flags-1",
        data(&[1, 0x41, 0, 0x0b, 0]),
    );
    refused(
        suite,
        &["NET-7"],
        "data/flags-3",
        data(&[3, 0x41, 0, 0x0b, 0]),
    );
    accepted(
        suite,
        &["NET-3"],
        "data/flags-long",
        data(&[0x80, 0, 0x41, 0, 0x0b, 0]),
    );
    let table = (4, list(&[vec![0x70, 0, 1]]));
    let element = |bytes: &[u8]| with(&[table.clone(), (9, [&[1][..], bytes].concat())]);
    accepted(
        suite,
        &["NET-7"],
        "element/plain",
        element(&[0, 0x41, 0, 0x0b, 1, 0]),
    );
    refused(
        suite,
        &["NET-7"],
        "element/flags-1",
        element(&[1, 0x41, 0, 0x0b, 1, 0]),
    );
    refused(
        suite,
        &["NET-6"],
        "element/function-unknown",
        element(&[0, 0x41, 0, 0x0b, 1, 1]),
    );

    accepted(
        suite,
        &["NET-4"],
        "sections/empty",
        with(&[
            (2, vec![0]),
            (4, vec![0]),
            (6, vec![0]),
            (9, vec![0]),
            (11, vec![0]),
        ]),
    );
    let nothing = with(&[(12, vec![0])]);
    refused(suite, &["NET-7"], "sections/data-count", nothing);
    refused(
        suite,
        &["NET-2"],
        "sections/unknown",
        [with(&[]), section(13, &[0])].concat(),
    );
    refused(
        suite,
        &["NET-2"],
        "sections/truncated",
        [with(&[]), vec![11, 3, 0]].concat(),
    );
    refused(
        suite,
        &["NET-2"],
        "sections/trailing",
        [with(&[]), vec![11, 2, 0, 0]].concat(),
    );
    let mut swapped = sections();
    swapped.swap(1, 2);
    refused(suite, &["NET-2"], "sections/order", plain(&swapped));
    let mut twice = sections();
    twice.insert(2, (5, vec![0]));
    refused(suite, &["NET-2"], "sections/twice", plain(&twice));
    refused(
        suite,
        &["NET-2"],
        "sections/no-bodies",
        plain(&sections()[..4]),
    );

    accepted(suite, &["NET-7"], "custom/any", custom("anything"));
    accepted(
        suite,
        &["NET-7"],
        "custom/longest",
        custom(&"x".repeat(100_000)),
    );
    refused(
        suite,
        &["NET-7"],
        "custom/too-long",
        custom(&"x".repeat(100_001)),
    );
    refused(
        suite,
        &["NET-7"],
        "custom/interface-types",
        custom("wasm-interface-types"),
    );
    refused(
        suite,
        &["NET-7"],
        "custom/bindings",
        custom("webidl-bindings"),
    );
    let mut not_utf8 = sections();
    not_utf8.push((0, vec![1, 0xff]));
    refused(suite, &["NET-2"], "custom/not-utf8", plain(&not_utf8));
}

/// Modules that the rewriting makes valid, and modules that it makes invalid.
fn rewriting(suite: &mut Suite) {
    let memory = |limits: &[u8]| with(&[(5, [&[1][..], limits].concat())]);
    accepted(
        suite,
        &["NET-5"],
        "memory/minimum-above-maximum",
        memory(&[1, 0x20, 0x11]),
    );
    accepted(
        suite,
        &["NET-5"],
        "memory/maximum-65537",
        memory(&[&[1, 1][..], &leb(65_537)].concat()),
    );
    refused(
        suite,
        &["NET-5"],
        "memory/minimum-65537",
        memory(&[&[0][..], &leb(65_537)].concat()),
    );
    refused(suite, &["NET-2"], "memory/shared", memory(&[3, 1, 1]));

    let import_memory = import("any", "m", &[2, 0, 1]);
    accepted(
        suite,
        &["NET-5"],
        "memory/imported",
        imported_memory(std::slice::from_ref(&import_memory), &[], false),
    );
    refused(
        suite,
        &["NET-5"],
        "memory/imported-and-own",
        imported_memory(std::slice::from_ref(&import_memory), &[], true),
    );
    refused(
        suite,
        &["NET-5"],
        "memory/imported-twice",
        imported_memory(&[import_memory.clone(), import_memory.clone()], &[], false),
    );
    refused(
        suite,
        &["NET-5"],
        "memory/import-named-as-export",
        imported_memory(&[import_memory], &[export("m", 0, 0)], false),
    );

    let one_more = |count: u8| {
        let code = [0, 0x23, count, 0x1a, 0x41, 42, 0x0b];
        with(&[own_global(), (10, [vec![1], sized(&code)].concat())])
    };
    for (index, fits) in [(0, true), (1, true), (2, false)] {
        let name = format!("globals/{index}");
        let case =
            case(suite, &["NET-8"], &name, one_more(index)).parameter("stack_logical_max", 65_536);
        suite.push(match fits {
            true => case.invoke("f", &[]).valid(&[i32(42)]),
            false => case.rejected("prepare"),
        });
    }

    // The limiter does not count imported globals when it computes the index of its counter, so its code accesses
    // another global.
    let imported = |ty: &[u8]| {
        let import = import("env", "g", &[&[3][..], ty].concat());
        with(&[(2, list(&[import]))])
    };
    refused(
        suite,
        &["NET-8"],
        "globals/imported-immutable",
        imported(&[0x7f, 0]),
    );
    refused(
        suite,
        &["NET-8"],
        "globals/imported-i64",
        imported(&[0x7e, 1]),
    );
    let unused = case(
        suite,
        &["NET-8"],
        "globals/imported-fitting",
        imported(&[0x7f, 1]),
    );
    suite.push(unused.invoke("f", &[]).rejected("construct"));
}

/// Counts whose limits the network sets.
fn limits(suite: &mut Suite) {
    let globals = |count: u64| with(&[(6, times(count, &[0x7f, 0, 0x41, 0, 0x0b]))]);
    let types = |count: u64| {
        let first = [&leb(count)[..], &[0x60, 0, 1, 0x7f]].concat();
        let rest = [0x60, 0, 0].repeat(count as usize - 1);
        with(&[(1, [first, rest].concat())])
    };
    let targets = |count: u64| {
        second_body(&[vec![0, 0x41, 0, 0x0e], times(count, &[0]), vec![0, 0x0b]].concat())
    };
    let nesting = |depth: u64| {
        let blocks = [0x02_u8, 0x40].repeat(depth as usize);
        second_body(&[vec![0], blocks, vec![0x0b; depth as usize + 1]].concat())
    };
    let long_body = |bytes: u64| {
        let mut content = vec![1; bytes as usize];
        content[0] = 0;
        content[bytes as usize - 1] = 0x0b;
        second_body(&content)
    };
    let locals = |count: u64| second_body(&[vec![1], leb(count), vec![0x7f, 0x0b]].concat());
    let table = |entries: u64| with(&[(4, [vec![1, 0x70, 0], leb(entries)].concat())]);
    let functions = |count: u64| {
        let types = [leb(count), vec![0], vec![1; count as usize - 1]].concat();
        let bodies = [
            leb(count),
            sized(&ANSWER),
            [2, 0, 0x0b].repeat(count as usize - 1),
        ]
        .concat();
        with(&[(3, types), (10, bodies)])
    };
    type Make<'a> = &'a dyn Fn(u64) -> Vec<u8>;
    let bounded: [(&str, u64, Make); 5] = [
        ("types", 1_000_000, &types),
        // The limiter adds one global for its counter.
        ("globals", 999_999, &globals),
        // The limiter adds a thunk for the exported function.
        ("functions", 999_999, &functions),
        ("br_table-targets", 131_072, &targets),
        ("locals", 50_000, &locals),
    ];
    for (name, limit, make) in bounded {
        for (place, count) in [("at", limit), ("above", limit + 1)] {
            let name = format!("{name}/{place}");
            let case = case(suite, &["LIMIT-2", "NET-9"], &name, make(count));
            let case = if limit > 900_000 {
                case.needs("large")
            } else {
                case
            };
            suite.push(match place {
                "at" => case.invoke("f", &[]).valid(&[i32(42)]),
                _ => case.rejected("prepare"),
            });
        }
    }
    // Above the limit of other profiles; the profile of the network has no limit.
    accepted(suite, &["NET-9"], "nesting/100000", nesting(100_000));
    accepted(
        suite,
        &["NET-9"],
        "body-bytes/8000000",
        long_body(8_000_000),
    );
    accepted(
        suite,
        &["NET-9"],
        "table-entries/20000000",
        table(20_000_000),
    );
}
