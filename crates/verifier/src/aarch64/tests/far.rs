//! Calls farther than `bl` reaches. The compiler emits them if a module has more than 128 MB of code. These tests
//! replace a near call by a far call.

use super::corpus::Subject;
use crate::{Module, TrapSite, verify};

const WASM: &str = r#"(module (func $f) (func (export "g") call $f))"#;

/// The words of a far call: `adr x16, .; movz x17, #low; movk x17, #high, lsl #16; add x16, x16, w17, sxtw; blr x16`.
fn far_call(distance: i32) -> [u32; 5] {
    let half = |shift: u32| (distance as u32 >> shift & 0xffff) << 5;
    [
        0x1000_0010,
        0xD280_0011 | half(0),
        0xF2A0_0011 | half(16),
        0x8B31_C210,
        0xD63F_0200,
    ]
}

/// Replaces a call in the module by a far call, applies a fault to it, and returns whether it is accepted.
fn check(fault: impl Fn(&mut [u32; 5])) -> bool {
    let mut subject = Subject::new(wat::parse_str(WASM).unwrap(), false).unwrap();
    let [callee, caller] = subject.functions[..] else {
        panic!("two functions")
    };
    let start = caller.offset as usize;
    let end = start + caller.bytes as usize;
    let words = subject.code[start..end].as_chunks::<4>().0;
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let near = words.iter().position(|word| word >> 26 == 0x25).unwrap();
    let mut far = far_call(callee.offset as i32 - (start + near * 4) as i32);
    fault(&mut far);
    let mut made = Vec::new();
    for (at, &word) in words.iter().enumerate() {
        match word {
            _ if at == near => made.extend(far),
            // Both branches cross the call: to the slow path, and back.
            _ if word >> 24 == 0x54 && at < near => made.push(word + (4 << 5)),
            _ if word >> 26 == 5 => made.push(word - 4),
            _ => made.push(word),
        }
    }
    let made: Vec<u8> = made.into_iter().flat_map(u32::to_le_bytes).collect();
    subject.code.splice(start..end, made);
    subject.functions[1].bytes += 16;
    let moved = |offset: u32| {
        if offset as usize >= start + near * 4 {
            offset + 16
        } else {
            offset
        }
    };
    for stub in subject.entry_stubs.iter_mut().flatten() {
        *stub = moved(*stub);
    }
    let sites: Vec<TrapSite> = subject
        .sites
        .iter()
        .map(|site| TrapSite {
            code_offset: moved(site.code_offset),
            ..*site
        })
        .collect();
    let module = Module::read(&subject.wasm).unwrap();
    verify(&module, &subject.machine_code(&subject.code, &sites)).is_ok()
}

#[test]
fn a_far_call_is_accepted_as_a_whole() {
    assert!(check(|_| {}));
    let faults: [fn(&mut [u32; 5]); 8] = [
        |words| words[1] += 4 << 5,
        |words| words[1] ^= 16 << 5,
        |words| words[2] ^= 1 << 5,
        // Another base, another register, no sign extension, a jump, a call by the other register.
        |words| words[0] += 1 << 5,
        |words| words[2] ^= 1,
        |words| words[3] = 0x8B31_6210,
        |words| words[4] = 0xD61F_0200,
        |words| words[4] = 0xD63F_0220,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        assert!(!check(fault), "fault {number}");
    }
}
