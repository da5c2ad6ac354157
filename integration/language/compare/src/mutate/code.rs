//! Inserts instructions into bodies and constant expressions: indices near the ends of their
//! spaces, padded encodings, opcodes of every proposal in live and dead code, and dead code with
//! all kinds of pops.

use crate::module::leb::{padded, signed, unsigned};
use crate::module::parse::instructions;
use crate::module::{Module, Node, Spaces};
use pvf_generators::Random;

const I32_CONST_0: [u8; 2] = [0x41, 0];
const DROP: u8 = 0x1a;
const END: u8 = 0x0b;

/// Inserts instructions into one body or one constant expression.
pub fn change(module: &mut Module, random: &mut Random) -> Option<String> {
    let spaces = module.spaces();
    let constants = random.one_in(6);
    let holds = |node: &Node| match constants {
        true => node.what() == "constant expression",
        false => node.what() == "body size",
    };
    let mut places = 0;
    super::node::walk(&mut module.root, &mut |node| {
        places += u64::from(holds(node))
    });
    if places == 0 {
        return None;
    }
    let wanted = random.below(places);
    let mut number = 0;
    let mut kind = None;
    super::node::walk(&mut module.root, &mut |node| {
        if holds(node) {
            if number == wanted
                && let Some(parts) = node.parts_mut()
            {
                kind = Some(match constants {
                    true => constant(parts, spaces, random),
                    false => body(parts, spaces, random),
                });
            }
            number += 1;
        }
    });
    kind
}

fn body(parts: &mut Vec<Node>, spaces: Spaces, random: &mut Random) -> String {
    let is_instruction = |node: &Node| node.what() == "instruction";
    let first = parts.iter().position(is_instruction).unwrap_or(parts.len());
    // The start of a body is preferred: there the operand stack is empty and no block is open.
    let at = match random.below(3) {
        0 => first + random.below((parts.len() - first) as u64 + 1) as usize,
        _ => first,
    };
    if random.one_in(12) && first < parts.len() {
        let gone = first + random.below((parts.len() - first) as u64) as usize;
        parts.remove(gone);
        return "code: instruction removed".to_owned();
    }
    let (kind, mut bytes) = fragment(spaces, random);
    let dead = random.one_in(3);
    if dead {
        // The sequence `block`, `unreachable`, ..., `end`.
        bytes.splice(0..0, [0x02, 0x40, 0x00]);
        bytes.push(END);
    }
    parts.splice(at..at, instructions(&bytes));
    format!("code: {kind}{}", if dead { ", dead" } else { "" })
}

/// Changes a constant expression.
fn constant(parts: &mut Vec<Node>, spaces: Spaces, random: &mut Random) -> String {
    let (kind, bytes): (&str, Vec<u8>) = match random.below(12) {
        0 => ("nop in front", vec![0x01]),
        1 => ("unreachable in front", vec![0x00]),
        2 => ("a block in front", vec![0x02, 0x40, END]),
        3 => ("another constant in front", vec![0x41, 1]),
        4 => {
            let index = random.below(u64::from(spaces.globals) + 3);
            let mut bytes = vec![0x23];
            bytes.extend(unsigned(index));
            ("global.get in front", bytes)
        }
        5 | 6 => {
            let index = random.below(u64::from(spaces.globals) + 3);
            parts.clear();
            let mut bytes = vec![0x23];
            bytes.extend(unsigned(index));
            bytes.push(END);
            ("global.get alone", bytes)
        }
        7 => {
            parts.clear();
            ("nothing but the end", vec![END])
        }
        8 => {
            parts.clear();
            let types: &[u8] = *random.pick(&[
                &[0x42, 0, END][..],
                &[0x43, 0, 0, 0, 0, END],
                &[0x44, 0, 0, 0, 0, 0, 0, 0, 0, END],
                &[0xd0, 0x70, END],
                &[0xd2, 0x00, END],
                &[
                    0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, END,
                ],
            ]);
            ("constant of another type", types.to_vec())
        }
        9 => ("i32.add in front", vec![0x41, 1, 0x41, 1, 0x6a, DROP]),
        10 => {
            parts.clear();
            ("i32.add", vec![0x41, 1, 0x41, 1, 0x6a, END])
        }
        _ => {
            let length = random.between(2, 6) as usize;
            parts.clear();
            let mut bytes = vec![0x41];
            bytes.extend(padded(&[0x08], length, true));
            bytes.push(END);
            ("constant padded", bytes)
        }
    };
    parts.splice(0..0, instructions(&bytes));
    format!("constant expression: {kind}")
}

/// An index near the end of a space: the last one, or up to two beyond.
fn around(random: &mut Random, size: u32) -> (u64, String) {
    let beyond = random.below(4) as i64 - 1;
    let index = u64::from(size).saturating_add_signed(beyond);
    let name = match index.checked_sub(u64::from(size)) {
        None => "in its space".to_owned(),
        Some(beyond) => format!("{beyond} beyond its space"),
    };
    (index, name)
}

/// Instructions that leave the stack unchanged, if they are valid.
fn fragment(spaces: Spaces, random: &mut Random) -> (String, Vec<u8>) {
    match random.below(17) {
        0 | 1 => global(spaces, random),
        2 | 3 => ("dead code that pops".to_owned(), dead_code(random)),
        4 => call(spaces, random),
        5 | 6 => beyond(random),
        7 => access(random),
        8 => block(random),
        9 => branch(random),
        10 => local(random),
        11 => constants(random),
        12 => reserved(random),
        13 => {
            let opcode = random.bits() as u8;
            (format!("opcode {opcode:#04x}"), vec![opcode])
        }
        14 => {
            let opcode = *random.pick(&[END, 0x05]);
            (format!("opcode {opcode:#04x}"), vec![opcode])
        }
        15 => table_branch(random),
        _ => stacked(random),
    }
}

fn global(spaces: Spaces, random: &mut Random) -> (String, Vec<u8>) {
    // A node's index of the counter: the number of globals without imported ones.
    let size = match random.one_in(2) {
        true => spaces.globals,
        false => spaces.globals - spaces.imported_globals,
    };
    let (index, name) = around(random, size);
    let index = unsigned(index);
    let mut bytes = Vec::new();
    let kind = match random.below(5) {
        0 | 1 => {
            bytes.push(0x23);
            bytes.extend(index);
            bytes.push(DROP);
            "global.get"
        }
        2 => {
            // Traps unless the global has the value of a counter with a small frame, so the value
            // affects the outcome.
            bytes.push(0x23);
            bytes.extend(index);
            bytes.extend(signed_constant(random.below(8) as i64));
            bytes.extend([0x46, 0x04, 0x40, 0x00, END]);
            "global.get compared"
        }
        3 => {
            bytes.extend(signed_constant(
                *random.pick(&[0, 1, 7, 65_535, 65_536, -1]),
            ));
            bytes.push(0x24);
            bytes.extend(index);
            "global.set"
        }
        _ => {
            bytes.extend([0x42, 0, 0x24]);
            bytes.extend(index);
            "global.set of an i64"
        }
    };
    (format!("{kind} {name}"), bytes)
}

fn signed_constant(value: i64) -> Vec<u8> {
    let mut bytes = vec![0x41];
    bytes.extend(signed(value));
    bytes
}

fn call(spaces: Spaces, random: &mut Random) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    if random.one_in(2) {
        let (index, name) = match random.one_in(2) {
            true => around(random, spaces.functions),
            false => (
                random.below(u64::from(spaces.functions).max(1)),
                "in its space".to_owned(),
            ),
        };
        bytes.push(0x10);
        bytes.extend(unsigned(index));
        return (format!("call {name}"), bytes);
    }
    let (index, name) = match random.one_in(2) {
        true => around(random, spaces.types),
        false => (
            random.below(u64::from(spaces.types).max(1)),
            "in its space".to_owned(),
        ),
    };
    bytes.extend(I32_CONST_0);
    bytes.push(0x11);
    bytes.extend(unsigned(index));
    let reserved: &[u8] = *random.pick(&[&[0][..], &[0], &[0], &[1], &[0x80, 0], &[0x80, 0x80, 0]]);
    bytes.extend(reserved);
    (
        format!("call_indirect {name}, reserved {reserved:02x?}"),
        bytes,
    )
}

/// Instructions of later versions of WebAssembly.
fn beyond(random: &mut Random) -> (String, Vec<u8>) {
    let all: &[(&str, &[u8])] = &[
        ("i32.extend8_s", &[0x41, 0, 0xc0, DROP]),
        ("i32.extend16_s", &[0x41, 0, 0xc1, DROP]),
        ("i64.extend8_s", &[0x42, 0, 0xc2, DROP]),
        ("i64.extend16_s", &[0x42, 0, 0xc3, DROP]),
        ("i64.extend32_s", &[0x42, 0, 0xc4, DROP]),
        ("i32.trunc_sat_f32_s", &[0x43, 0, 0, 0, 0, 0xfc, 0, DROP]),
        (
            "i64.trunc_sat_f64_u",
            &[0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0xfc, 7, DROP],
        ),
        (
            "memory.copy",
            &[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0a, 0, 0],
        ),
        ("memory.fill", &[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0]),
        (
            "memory.init",
            &[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x08, 0, 0],
        ),
        ("data.drop", &[0xfc, 0x09, 0]),
        ("table.init", &[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0c, 0, 0]),
        ("elem.drop", &[0xfc, 0x0d, 0]),
        ("table.copy", &[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0e, 0, 0]),
        ("ref.null", &[0xd0, 0x70, DROP]),
        ("ref.is_null", &[0xd0, 0x70, 0xd1, DROP]),
        ("ref.func", &[0xd2, 0, DROP]),
        ("table.get", &[0x41, 0, 0x25, 0, DROP]),
        ("table.set", &[0x41, 0, 0xd0, 0x70, 0x26, 0]),
        ("table.grow", &[0xd0, 0x70, 0x41, 0, 0xfc, 0x0f, 0, DROP]),
        ("table.size", &[0xfc, 0x10, 0, DROP]),
        (
            "select t",
            &[0x41, 0, 0x41, 0, 0x41, 0, 0x1c, 1, 0x7f, DROP],
        ),
        (
            "v128.const",
            &[
                0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, DROP,
            ],
        ),
        ("relaxed simd", &[0xfd, 0x80, 0x02]),
        ("atomic.fence", &[0xfe, 3, 0]),
        ("i32.atomic.load", &[0x41, 0, 0xfe, 0x10, 2, 0, DROP]),
        ("return_call", &[0x12, 0]),
        ("return_call_indirect", &[0x41, 0, 0x13, 0, 0]),
        ("call_ref", &[0x14, 0]),
        ("return_call_ref", &[0x15, 0]),
        ("try", &[0x06, 0x40, END]),
        ("catch", &[0x07, 0]),
        ("throw", &[0x08, 0]),
        ("rethrow", &[0x09, 0]),
        ("throw_ref", &[0x0a]),
        ("delegate", &[0x18, 0]),
        ("catch_all", &[0x19]),
        ("try_table", &[0x1f, 0x40, 0, END]),
        ("ref.eq", &[0xd3]),
        ("br_on_null", &[0xd5, 0]),
        ("gc", &[0xfb, 0]),
        ("i64.add128", &[0xfc, 0x13]),
        ("stack switching", &[0xe0, 0]),
        ("i31", &[0xfb, 0x1c]),
    ];
    let (name, bytes) = *random.pick(all);
    (name.to_owned(), bytes.to_vec())
}

fn access(random: &mut Random) -> (String, Vec<u8>) {
    let opcode = random.between(0x28, 0x3e) as u8;
    let natural: u64 = match opcode {
        0x2c | 0x2d | 0x30 | 0x31 | 0x3a | 0x3c => 0,
        0x2e | 0x2f | 0x32 | 0x33 | 0x3b | 0x3d => 1,
        0x28 | 0x2a | 0x34 | 0x35 | 0x36 | 0x38 | 0x3e => 2,
        _ => 3,
    };
    let (alignment, kind) = match random.below(6) {
        0 => (unsigned(natural + 1), "alignment one more than natural"),
        1 => (unsigned(natural), "natural alignment"),
        2 => {
            let length = random.between(2, 6) as usize;
            (
                padded(&unsigned(natural), length, false),
                "alignment padded",
            )
        }
        3 => (unsigned(0x40 | natural), "alignment with bit 6"),
        4 => (
            unsigned(*random.pick(&[4, 5, 31, 32, 33, 64, 128])),
            "alignment far beyond",
        ),
        _ => (unsigned(u64::from(u32::MAX)), "alignment extreme"),
    };
    let offset = *random.pick(&[0, 0, 1, 65_535, u64::from(u32::MAX), 1 << 32]);
    let mut bytes = Vec::from(I32_CONST_0);
    let stores: &[u8] = match opcode {
        0x36 | 0x3a | 0x3b => &[0x41, 0],
        0x37 | 0x3c..=0x3e => &[0x42, 0],
        0x38 => &[0x43, 0, 0, 0, 0],
        0x39 => &[0x44, 0, 0, 0, 0, 0, 0, 0, 0],
        _ => &[],
    };
    bytes.extend(stores);
    bytes.push(opcode);
    bytes.extend(alignment);
    bytes.extend(unsigned(offset));
    // A byte that a parser could take for the offset after a memory index.
    if kind.ends_with("bit 6") {
        bytes.push(0x01);
    }
    if stores.is_empty() {
        bytes.push(DROP);
    }
    let offset = if offset > u64::from(u32::MAX) {
        ", offset beyond 32 bits"
    } else {
        ""
    };
    (format!("memory access, {kind}{offset}"), bytes)
}

fn block(random: &mut Random) -> (String, Vec<u8>) {
    let types: &[&[u8]] = &[
        &[0x40],
        &[0x7f],
        &[0x7e],
        &[0x7d],
        &[0x7c],
        &[0x7b],
        &[0x70],
        &[0x6f],
        &[0x69],
        &[0x60],
        &[0x3f],
        &[0x41],
        &[0x00],
        &[0x01],
        &[0xc0, 0x7f],
        &[0xff, 0x7f],
        &[0xc0, 0xff, 0x7f],
        &[0xc0, 0xff, 0xff, 0xff, 0x7f],
        &[0xc0, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xc0, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xfe, 0xff, 0xff, 0xff, 0x7f],
        &[0xc0, 0x00],
        &[0x80, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x3f],
    ];
    let ty = *random.pick(types);
    let opcode = random.between(2, 4) as u8;
    let mut bytes = Vec::new();
    if opcode == 4 {
        bytes.extend(I32_CONST_0);
    }
    bytes.push(opcode);
    bytes.extend(ty);
    let value: Option<&[u8]> = match ty[0] {
        0x7f | 0xff => Some(&[0x41, 0]),
        0x7e | 0xfe => Some(&[0x42, 0]),
        0x7d => Some(&[0x43, 0, 0, 0, 0]),
        0x7c => Some(&[0x44, 0, 0, 0, 0, 0, 0, 0, 0]),
        _ => None,
    };
    bytes.extend(value.unwrap_or(&[]));
    if opcode == 4 && !random.one_in(3) {
        bytes.push(0x05);
        bytes.extend(value.unwrap_or(&[]));
        if random.one_in(6) {
            bytes.push(0x05);
        }
    }
    bytes.push(END);
    if value.is_some() {
        bytes.push(DROP);
    }
    let name = ["block", "loop", "if"][usize::from(opcode - 2)];
    (format!("{name}, type {ty:02x?}"), bytes)
}

fn branch(random: &mut Random) -> (String, Vec<u8>) {
    let depth = random.below(5) as u8;
    let ty = *random.pick(&[0x40, 0x7f]);
    let value: &[u8] = if ty == 0x7f { &[0x41, 0] } else { &[] };
    let conditional = random.one_in(2);
    let mut bytes = vec![*random.pick(&[2, 3]), ty];
    bytes.extend(value);
    if conditional {
        bytes.extend(I32_CONST_0);
    }
    bytes.extend([if conditional { 0x0d } else { 0x0c }, depth]);
    if !conditional && random.one_in(2) {
        bytes.extend(dead_code(random));
        bytes.extend(value);
    }
    bytes.push(END);
    if ty == 0x7f {
        bytes.push(DROP);
    }
    let name = if conditional { "br_if" } else { "br" };
    (format!("{name} {depth} from a block of its own"), bytes)
}

fn table_branch(random: &mut Random) -> (String, Vec<u8>) {
    // Enclosing blocks, with and without results, in live and dead code.
    let types: Vec<u8> = (0..random.between(1, 3))
        .map(|_| *random.pick(&[0x40, 0x7f, 0x7e]))
        .collect();
    let mut bytes = Vec::new();
    for ty in &types {
        bytes.extend([*random.pick(&[2, 2, 3]), *ty]);
    }
    let dead = random.one_in(2);
    if dead {
        bytes.push(0x00);
    }
    let targets = random.below(4);
    if random.one_in(2) {
        bytes.extend(I32_CONST_0);
    }
    bytes.extend(I32_CONST_0);
    bytes.push(0x0e);
    bytes.extend(unsigned(targets));
    for _ in 0..=targets {
        bytes.push(random.below(types.len() as u64 + 1) as u8);
    }
    for ty in types.iter().rev() {
        bytes.push(END);
        match ty {
            0x40 => {}
            _ => bytes.push(DROP),
        }
        // The stack of the enclosing block is unchanged only if the inner block ended with a value.
        if random.one_in(2) {
            bytes.push(0x00);
        }
    }
    (
        format!("br_table over blocks{}", if dead { ", dead" } else { "" }),
        bytes,
    )
}

fn local(random: &mut Random) -> (String, Vec<u8>) {
    let index = random.below(6) as u8;
    match random.below(3) {
        0 => ("local.get".to_owned(), vec![0x20, index, DROP]),
        1 => ("local.set".to_owned(), vec![0x41, 0, 0x21, index]),
        _ => ("local.tee".to_owned(), vec![0x41, 0, 0x22, index, DROP]),
    }
}

fn constants(random: &mut Random) -> (String, Vec<u8>) {
    let long = random.one_in(2);
    let most = if long { 10 } else { 5 };
    let length = random.between(1, most + 1) as usize;
    let value = *random.pick(&[
        0,
        1,
        -1,
        63,
        64,
        -64,
        -65,
        i64::from(i32::MIN),
        i64::from(i32::MAX),
    ]);
    let mut bytes = padded(&signed(value), length, true);
    let mut kind = format!(
        "{} in {} bytes",
        if long { "i64" } else { "i32" },
        bytes.len()
    );
    if random.one_in(3)
        && let Some(last) = bytes.last_mut()
    {
        *last ^= 1 << random.below(7);
        kind.push_str(", last byte changed");
    }
    bytes.insert(0, if long { 0x42 } else { 0x41 });
    bytes.push(DROP);
    (kind, bytes)
}

fn reserved(random: &mut Random) -> (String, Vec<u8>) {
    let reserved: &[u8] = *random.pick(&[&[0][..], &[1], &[0x80, 0], &[0x80, 0x80, 0], &[2], &[]]);
    let grows = random.one_in(2);
    let mut bytes = Vec::new();
    if grows {
        bytes.extend(I32_CONST_0);
    }
    bytes.push(if grows { 0x40 } else { 0x3f });
    bytes.extend(reserved);
    bytes.push(DROP);
    (
        format!(
            "memory.{}, reserved {reserved:02x?}",
            if grows { "grow" } else { "size" }
        ),
        bytes,
    )
}

/// Dead code that is valid with operands of type `i32` only. Its instructions pop more or fewer
/// values than were pushed.
fn dead_code(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0x00];
    // Number of values that are known to be on the block's stack.
    let mut height = 0_u32;
    for _ in 0..random.between(1, 8) {
        let (instruction, pops, pushes): (&[u8], u32, u32) = match random.below(10) {
            0 | 1 => (&[0x41, 0], 0, 1),
            2 => (&[DROP], 1, 0),
            3 | 4 => (&[0x6a], 2, 1),
            5 => (&[0x1b], 3, 1),
            6 => (&[0x45], 1, 1),
            7 => (&[0x36, 2, 0], 2, 0),
            8 => (&[0x0d, 0], 1, 0),
            _ => (&[0x02, 0x40, END], 0, 0),
        };
        bytes.extend(instruction);
        height = height.saturating_sub(pops) + pushes;
    }
    bytes.extend(std::iter::repeat_n(DROP, height as usize));
    bytes
}

/// An `if` whose branches begin with dead code or not.
fn stacked(random: &mut Random) -> (String, Vec<u8>) {
    let mut bytes = Vec::from(I32_CONST_0);
    bytes.extend([0x04, 0x40]);
    if random.one_in(2) {
        bytes.extend(dead_code(random));
    }
    bytes.push(0x05);
    if random.one_in(2) {
        bytes.extend(dead_code(random));
    }
    let pushes = random.below(6) as usize;
    for _ in 0..pushes {
        bytes.extend(I32_CONST_0);
    }
    bytes.extend(std::iter::repeat_n(DROP, pushes));
    bytes.push(END);
    ("if with dead branches".to_owned(), bytes)
}
