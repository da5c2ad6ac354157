//! Loads, stores, and what addresses there are.

use super::super::{Access, Extend, Mem, MemPair};
use super::*;
use proptest::prelude::*;

/// A load or store of one register: its name, the name where the offset is
/// unscaled, its width, the register's name, and how to emit it.
struct Form {
    name: &'static str,
    unscaled: &'static str,
    access: Access,
    register: fn(u8) -> String,
    emit: fn(&mut Assembler, u8, Mem),
}

#[rustfmt::skip]
const FORMS: &[Form] = {
    const fn form(
        name: &'static str, unscaled: &'static str, access: Access,
        register: fn(u8) -> String, emit: fn(&mut Assembler, u8, Mem),
    ) -> Form {
        Form { name, unscaled, access, register, emit }
    }
    fn w(n: u8) -> String { r(Size::S32, n) }
    fn s(n: u8) -> String { f(FSize::S32, n) }
    fn d(n: u8) -> String { f(FSize::S64, n) }
    fn q(n: u8) -> String { format!("q{n}") }
    &[
        form("ldr", "ldur", Access::B4, w, |asm, n, m| asm.ldr(Size::S32, g(n), m)),
        form("ldr", "ldur", Access::B8, x, |asm, n, m| asm.ldr(Size::S64, g(n), m)),
        form("ldrb", "ldurb", Access::B1, w, |asm, n, m| asm.ldrb(g(n), m)),
        form("ldrh", "ldurh", Access::B2, w, |asm, n, m| asm.ldrh(g(n), m)),
        form("ldrsb", "ldursb", Access::B1, w, |asm, n, m| asm.ldrsb(Size::S32, g(n), m)),
        form("ldrsb", "ldursb", Access::B1, x, |asm, n, m| asm.ldrsb(Size::S64, g(n), m)),
        form("ldrsh", "ldursh", Access::B2, w, |asm, n, m| asm.ldrsh(Size::S32, g(n), m)),
        form("ldrsh", "ldursh", Access::B2, x, |asm, n, m| asm.ldrsh(Size::S64, g(n), m)),
        form("ldrsw", "ldursw", Access::B4, x, |asm, n, m| asm.ldrsw(g(n), m)),
        form("str", "stur", Access::B4, w, |asm, n, m| asm.str(Size::S32, g(n), m)),
        form("str", "stur", Access::B8, x, |asm, n, m| asm.str(Size::S64, g(n), m)),
        form("strb", "sturb", Access::B1, w, |asm, n, m| asm.strb(g(n), m)),
        form("strh", "sturh", Access::B2, w, |asm, n, m| asm.strh(g(n), m)),
        form("ldr", "ldur", Access::B4, s, |asm, n, m| asm.ldr_f(FSize::S32, v(n), m)),
        form("ldr", "ldur", Access::B8, d, |asm, n, m| asm.ldr_f(FSize::S64, v(n), m)),
        form("ldr", "ldur", Access::B16, q, |asm, n, m| asm.ldr_q(v(n), m)),
        form("str", "stur", Access::B4, s, |asm, n, m| asm.str_f(FSize::S32, v(n), m)),
        form("str", "stur", Access::B8, d, |asm, n, m| asm.str_f(FSize::S64, v(n), m)),
        form("str", "stur", Access::B16, q, |asm, n, m| asm.str_q(v(n), m)),
    ]
};

/// `[base, #offset]`, without an offset of 0.
fn address(base: u8, offset: i64) -> String {
    match offset {
        0 => format!("[{}]", rsp(Size::S64, base)),
        _ => format!("[{}, #{offset}]", rsp(Size::S64, base)),
    }
}

/// Checks every form of this width at an offset, by the manual's rule of which
/// form it has.
fn check_offset(form: &Form, register: u8, base: u8, offset: i64) {
    let bytes = i64::from(form.access.bytes());
    let mem = Mem::offset(gsp(base), offset, form.access);
    let scaled = offset >= 0 && offset % bytes == 0 && offset / bytes < 4096;
    let name = match (scaled, (-256..256).contains(&offset)) {
        (true, _) => form.name,
        (false, true) => form.unscaled,
        (false, false) => return assert_eq!(mem, None, "{offset}"),
    };
    let reg = (form.register)(register);
    let expected = format!("{name} {reg}, {}", address(base, offset));
    let mem = mem.expect("the offset fits");
    check(&expected, |asm| (form.emit)(asm, register, mem));
}

#[test]
fn offsets() {
    for form in FORMS {
        let bytes = i64::from(form.access.bytes());
        for [n, base, ..] in turns() {
            for offset in [0, bytes, 1, -1, 255, -256, 256, -257, 2047 * bytes] {
                check_offset(form, n, base, offset);
            }
            for offset in [
                4095 * bytes,
                4096 * bytes,
                4095 * bytes + 1,
                4095 * bytes - 1,
            ] {
                check_offset(form, n, base, offset);
            }
            for offset in [i64::MIN, i64::MAX, 1 << 32, -(1 << 40)] {
                check_offset(form, n, base, offset);
            }
            let expected = format!("{} {}, {}", form.name, (form.register)(n), address(base, 0));
            let mem = Mem::base(gsp(base), form.access);
            assert_eq!(mem.access(), form.access);
            check(&expected, |asm| (form.emit)(asm, n, mem));
        }
    }
}

#[test]
fn offsets_before_and_after() {
    for form in FORMS {
        for [n, base, ..] in turns().filter(|turn| turn[0] != turn[1]) {
            for offset in [-256, -1, 0, 1, 8, 255] {
                let (reg, base_name) = ((form.register)(n), rsp(Size::S64, base));
                let pre = Mem::pre(gsp(base), offset, form.access).expect("it fits");
                let text = format!("{} {reg}, [{base_name}, #{offset}]!", form.name);
                check(&text, |asm| (form.emit)(asm, n, pre));
                let post = Mem::post(gsp(base), offset, form.access).expect("it fits");
                let text = format!("{} {reg}, [{base_name}], #{offset}", form.name);
                check(&text, |asm| (form.emit)(asm, n, post));
            }
            for offset in [-257, 256, i64::MIN, i64::MAX] {
                assert_eq!(Mem::pre(gsp(base), offset, form.access), None);
                assert_eq!(Mem::post(gsp(base), offset, form.access), None);
            }
        }
    }
}

#[test]
fn indexes() {
    let extends = [
        (Extend::Uxtw, "uxtw", Size::S32),
        (Extend::Uxtx, "lsl", Size::S64),
        (Extend::Sxtw, "sxtw", Size::S32),
        (Extend::Sxtx, "sxtx", Size::S64),
    ];
    for form in FORMS {
        for [n, base, index, _] in turns() {
            for (extend, name, size) in extends {
                for scaled in [false, true] {
                    let shift = form.access.bytes().trailing_zeros();
                    let tail = match (scaled && shift != 0, extend) {
                        (false, Extend::Uxtx) => String::new(),
                        (false, _) => format!(", {name}"),
                        (true, _) => format!(", {name} #{shift}"),
                    };
                    let expected = format!(
                        "{} {}, [{}, {}{tail}]",
                        form.name,
                        (form.register)(n),
                        rsp(Size::S64, base),
                        r(size, index)
                    );
                    let mem = Mem::index(gsp(base), g(index), extend, scaled, form.access);
                    check(&expected, |asm| (form.emit)(asm, n, mem));
                }
            }
        }
    }
}

/// A load or store of two registers.
struct Pair {
    name: &'static str,
    access: Access,
    register: fn(u8) -> String,
    emit: fn(&mut Assembler, u8, u8, MemPair),
}

#[rustfmt::skip]
const PAIRS: &[Pair] = {
    const fn pair(
        name: &'static str, access: Access,
        register: fn(u8) -> String, emit: fn(&mut Assembler, u8, u8, MemPair),
    ) -> Pair {
        Pair { name, access, register, emit }
    }
    fn q(n: u8) -> String { format!("q{n}") }
    &[
        pair("ldp", Access::B8, x, |asm, a, b, m| asm.ldp(g(a), g(b), m)),
        pair("stp", Access::B8, x, |asm, a, b, m| asm.stp(g(a), g(b), m)),
        pair("ldp", Access::B16, q, |asm, a, b, m| asm.ldp_q(v(a), v(b), m)),
        pair("stp", Access::B16, q, |asm, a, b, m| asm.stp_q(v(a), v(b), m)),
    ]
};

#[test]
fn pairs() {
    for pair in PAIRS {
        let bytes = i64::from(pair.access.bytes());
        let distinct = |turn: &[u8; 4]| {
            let [a, b, base, _] = *turn;
            a != b && a != base && b != base
        };
        for [a, b, base, _] in turns().filter(distinct) {
            let (name, base_name) = (pair.name, rsp(Size::S64, base));
            let registers = format!("{}, {}", (pair.register)(a), (pair.register)(b));
            for scaled in [-64, -1, 0, 1, 63] {
                let offset = scaled * bytes;
                let mem = MemPair::offset(gsp(base), offset, pair.access).expect("it fits");
                assert_eq!(mem.access(), pair.access);
                let text = format!("{name} {registers}, {}", address(base, offset));
                check(&text, |asm| (pair.emit)(asm, a, b, mem));
                let mem = MemPair::pre(gsp(base), offset, pair.access).expect("it fits");
                let text = format!("{name} {registers}, [{base_name}, #{offset}]!");
                check(&text, |asm| (pair.emit)(asm, a, b, mem));
                let mem = MemPair::post(gsp(base), offset, pair.access).expect("it fits");
                let text = format!("{name} {registers}, [{base_name}], #{offset}");
                check(&text, |asm| (pair.emit)(asm, a, b, mem));
            }
            for offset in [-65 * bytes, 64 * bytes, 1, bytes - 1, i64::MIN, i64::MAX] {
                assert_eq!(MemPair::offset(gsp(base), offset, pair.access), None);
                assert_eq!(MemPair::pre(gsp(base), offset, pair.access), None);
                assert_eq!(MemPair::post(gsp(base), offset, pair.access), None);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_offsets(form in 0..FORMS.len(), n in 0u8..32, base in 0u8..32, offset in -400i64..70_000) {
        check_offset(&FORMS[form], n, base, offset);
    }
}
