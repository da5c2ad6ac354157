//! The contracts of [`masm`](super::masm), each held against the code that targets make for it, with disassemblers of
//! others to say which instructions write the flags.

use super::aarch64::Aarch64;
use super::masm::*;
use super::x64::X64;
use crate::types::ValType;
use crate::{CompileOptions, Metering};
use pvf_assembler::Label;
use pvf_rules::Features;
use std::sync::Arc;

/// Generates a test of both targets.
macro_rules! both {
    ($($name:ident => $check:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn x86_64() {
                $check::<X64>();
            }

            #[test]
            fn aarch64() {
                $check::<Aarch64>();
            }
        }
    )*};
}

both! {
    moves_leave_the_flags => moves_write_no_flags;
    comparisons_make_conditions => comparisons_write_flags;
    what_is_known_ends => nothing_is_known_behind_a_boundary;
    a_left_out_test_was_made => left_out_tests_are_of_the_last_instruction;
}

/// A machine whose code can be read.
trait Readable: Machine {
    /// For each instruction, whether it writes the flags, and whether the zero flag is about the register and width
    /// given then.
    fn read(code: &[u8], register: Reg, width: Width) -> Vec<(bool, bool)>;
}

impl Readable for X64 {
    fn read(code: &[u8], register: Reg, width: Width) -> Vec<(bool, bool)> {
        use iced_x86::{Decoder, DecoderOptions, Register, RflagsBits};
        let zero = RflagsBits::ZF;
        Decoder::new(64, code, DecoderOptions::NONE)
            .iter()
            .map(|instruction| {
                assert!(!instruction.is_invalid(), "{code:02x?}");
                // Of iced's registers in the order of their numbers.
                let names = match width {
                    Width::W32 => Register::EAX,
                    Width::W64 => Register::RAX,
                };
                let defined = instruction.rflags_modified() & !instruction.rflags_undefined();
                let about = defined & zero != 0
                    && instruction.op0_register() == names + u32::from(register.number());
                (instruction.rflags_modified() != 0, about)
            })
            .collect()
    }
}

impl Readable for Aarch64 {
    fn read(code: &[u8], _: Reg, _: Width) -> Vec<(bool, bool)> {
        use yaxpeax_arch::{Decoder, U8Reader};
        code.chunks(4)
            .map(|word| {
                let decoder = yaxpeax_arm::armv8::a64::InstDecoder::default();
                let read = decoder.decode(&mut U8Reader::new(word));
                let text = read.expect("an instruction").to_string();
                let mnemonic = text.split([' ', '\t']).next().unwrap_or_default();
                let writers =
                    "adds subs negs adcs sbcs ands bics cmp cmn tst ccmp ccmn fcmp fccmp fcmpe";
                (writers.split(' ').any(|it| it == mnemonic), false)
            })
            .collect()
    }
}

fn options() -> CompileOptions {
    CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: Some(Arc::default()),
        },
        ..CompileOptions::new(Features::ALL)
    }
}

/// What some operations emit.
fn emitted<M: Machine + 'static>(operations: impl FnOnce(&mut M::Masm<'_>)) -> Vec<u8> {
    let mut machine = M::new(&options(), Reach::Near);
    let mut masm = machine.begin_function(0);
    let start = masm.offset();
    operations(&mut masm);
    // What waits is settled.
    let label = masm.new_label();
    masm.bind(label);
    let end = masm.offset();
    masm.finish_function();
    let code = machine.take().expect("finished").code;
    code[start as usize..end as usize].to_vec()
}

const TYPES: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
const SLOTS: [u32; 5] = [0, 8, 248, 40_000, 1 << 26];
const CONSTANTS: [u64; 9] = [
    0,
    1,
    0x7f,
    0xfff,
    0x1_0000,
    0x8000_0000,
    0x1234_5678,
    0x3ff0_0000_0000_0000,
    u64::MAX / 3,
];

/// Registers of the generator's of a type, so many of them.
fn registers(ty: ValType) -> Vec<Reg> {
    let register = match ty.class() {
        Class::General => Reg::general,
        Class::Float => Reg::float,
    };
    vec![register(0), register(3), register(7), register(9)]
}

/// The bits as the type has them.
fn bits(ty: ValType, bits: u64) -> u64 {
    match type_width(ty) {
        Width::W32 => u64::from(bits as u32),
        Width::W64 => bits,
    }
}

/// Does one of the moves of the trait; there are so many of them.
fn each_move<M: Machine + 'static>(mut check: impl FnMut(&dyn Fn(&mut M::Masm<'_>))) {
    for ty in TYPES {
        for a in registers(ty) {
            for b in registers(ty) {
                check(&|masm| masm.move_register(ty, a, b));
                if a != b {
                    check(&|masm| masm.exchange(a, b));
                }
            }
            for constant in CONSTANTS.map(|it| bits(ty, it)) {
                check(&|masm| masm.load_const(ty, a, constant));
            }
            for slot in SLOTS {
                check(&|masm| masm.load_slot(ty, a, slot));
                check(&|masm| masm.store_slot(ty, slot, a));
                check(&|masm| masm.load_context(ty, a, slot));
                check(&|masm| masm.store_context(ty, slot, Source::Reg(a)));
            }
        }
        for slot in SLOTS {
            for other in SLOTS {
                check(&|masm| masm.copy_slot(slot, other));
                check(&|masm| masm.store_context(ty, slot, Source::Slot(other)));
            }
            for constant in CONSTANTS.map(|it| bits(ty, it)) {
                check(&|masm| masm.store_slot_const(ty, slot, constant));
                check(&|masm| masm.store_context(ty, slot, Source::Const(constant)));
            }
        }
    }
}

fn moves_write_no_flags<M: Readable + 'static>() {
    each_move::<M>(|operation| {
        let code = emitted::<M>(|masm| operation(masm));
        let writes = M::read(&code, Reg::general(0), Width::W64);
        assert!(writes.iter().all(|(flags, _)| !flags), "{code:02x?}");
    });
}

/// Does each comparison of the trait.
fn each_comparison<M: Machine + 'static>(mut check: impl FnMut(&dyn Fn(&mut M::Masm<'_>))) {
    let (a, b) = (Reg::general(0), Reg::general(3));
    let sources = [Source::Reg(b), Source::Slot(8)]
        .into_iter()
        .chain(CONSTANTS.map(Source::Const));
    for width in [Width::W32, Width::W64] {
        check(&|masm| masm.compare_zero(width, a));
        check(&|masm| masm.float_compare(width, Reg::float(0), Reg::float(1)));
        for source in sources.clone() {
            let source = match (source, width) {
                (Source::Const(bits), Width::W32) => Source::Const(u64::from(bits as u32)),
                (source, _) => source,
            };
            check(&|masm| masm.compare(width, a, source));
            check(&|masm| masm.test(width, a, source));
        }
        for offset in [0, 8, 1 << 20, 1 << 32] {
            let index = Some(b);
            check(&|masm| masm.compare_with_memory(width, a, Address { index, offset }));
            check(&|masm| masm.compare_memory(Access::Bits64, Address { index, offset }, 77));
        }
    }
}

fn comparisons_write_flags<M: Readable + 'static>() {
    each_comparison::<M>(|operation| {
        let code = emitted::<M>(|masm| operation(masm));
        let writes = M::read(&code, Reg::general(0), Width::W64);
        let last = writes.last().expect("a comparison");
        assert!(
            last.0,
            "the last instruction makes the condition: {code:02x?}"
        );
    });
}

/// Where what is known has to end.
#[derive(Clone, Copy, Debug)]
enum Boundary {
    Label,
    Call,
    Function,
    Piece,
}

/// The code of an operation after a boundary is what it is where nothing was before, whatever was before the boundary.
fn nothing_is_known_behind_a_boundary<M: Machine + 'static>() {
    let all = [
        Boundary::Label,
        Boundary::Call,
        Boundary::Function,
        Boundary::Piece,
    ];
    let operations = operations::<M>();
    for (number, operation) in operations.iter().enumerate() {
        let alone = emitted::<M>(|masm| operation(masm));
        for (before, first) in operations.iter().enumerate() {
            for boundary in all {
                let behind = emitted_behind::<M>(first, boundary, operation);
                assert!(
                    behind == alone,
                    "operation {number} behind {before} and {boundary:?}:\n{behind:02x?}\n{alone:02x?}"
                );
            }
        }
    }
}

type Operation<M> = Box<dyn for<'m> Fn(&mut <M as Machine>::Masm<'m>)>;

/// Operations for which targets keep something, or use what they keep.
fn operations<M: Machine + 'static>() -> Vec<Operation<M>> {
    let (a, b) = (Reg::general(0), Reg::general(3));
    let mut all: Vec<Operation<M>> = Vec::new();
    for width in [Width::W32, Width::W64] {
        all.push(Box::new(move |masm| masm.compare_zero(width, a)));
        all.push(Box::new(move |masm| {
            masm.compare(width, a, Source::Const(0x1234_5678))
        }));
        for op in [
            IntBinary::Add,
            IntBinary::And,
            IntBinary::Mul,
            IntBinary::Shl,
            IntBinary::Xor,
        ] {
            for source in [Source::Reg(b), Source::Const(7), Source::Const(0x1234_5678)] {
                all.push(Box::new(move |masm| {
                    masm.int_binary(op, width, a, a, source)
                }));
                all.push(Box::new(move |masm| {
                    masm.last_use(RegSet::of(&[a, b]));
                    masm.int_binary(op, width, a, b, source);
                }));
            }
        }
    }
    for offset in [0, 8, 100_000] {
        let address = Address {
            index: Some(b),
            offset,
        };
        all.push(Box::new(move |masm| masm.load(Access::Bits64, a, address)));
        all.push(Box::new(move |masm| {
            masm.store(Access::Bits64, address, Source::Const(0x1234_5678_9abc));
        }));
    }
    all.push(Box::new(move |masm| masm.store_slot(ValType::I64, 8, a)));
    all.push(Box::new(move |masm| masm.store_slot(ValType::I64, 16, b)));
    all
}

fn emitted_behind<M: Machine + 'static>(
    first: &Operation<M>,
    boundary: Boundary,
    second: &Operation<M>,
) -> Vec<u8> {
    fn rest<M: Machine + 'static>(
        masm: &mut M::Masm<'_>,
        operation: &Operation<M>,
    ) -> std::ops::Range<usize> {
        let start = masm.offset();
        operation(masm);
        let label: Label = masm.new_label();
        masm.bind(label);
        start as usize..masm.offset() as usize
    }
    let mut machine = M::new(&options(), Reach::Near);
    let mut masm = machine.begin_function(0);
    first(&mut masm);
    let range = match boundary {
        Boundary::Label => {
            let label = masm.new_label();
            masm.bind(label);
            rest::<M>(&mut masm, second)
        }
        Boundary::Call => {
            masm.call(7);
            rest::<M>(&mut masm, second)
        }
        Boundary::Function => {
            masm.finish_function();
            masm = machine.begin_function(0);
            rest::<M>(&mut masm, second)
        }
        Boundary::Piece => {
            masm.finish_function();
            machine.take().expect("finished");
            masm = machine.begin_function(0);
            rest::<M>(&mut masm, second)
        }
    };
    masm.finish_function();
    machine.take().expect("finished").code[range].to_vec()
}

const OPERATIONS: [IntBinary; 11] = [
    IntBinary::Add,
    IntBinary::Sub,
    IntBinary::Mul,
    IntBinary::And,
    IntBinary::Or,
    IntBinary::Xor,
    IntBinary::Shl,
    IntBinary::ShrS,
    IntBinary::ShrU,
    IntBinary::Rotl,
    IntBinary::Rotr,
];

/// Where a target leaves out the test of a register, it is because the last instruction has just made it.
fn left_out_tests_are_of_the_last_instruction<M: Readable + 'static>() {
    let (a, b) = (Reg::general(0), Reg::general(3));
    let sources = [Source::Reg(a), Source::Reg(b), Source::Slot(8)]
        .into_iter()
        .chain(CONSTANTS.map(Source::Const));
    let mut left_out = 0;
    for width in [Width::W32, Width::W64] {
        for op in OPERATIONS {
            for (dst, left) in [(a, a), (a, b), (b, a)] {
                for source in sources.clone() {
                    let source = match (source, width) {
                        (Source::Const(bits), Width::W32) => Source::Const(u64::from(bits as u32)),
                        (source, _) => source,
                    };
                    let operation =
                        |masm: &mut M::Masm<'_>| masm.int_binary(op, width, dst, left, source);
                    for (tested, at) in [
                        (a, Width::W32),
                        (a, Width::W64),
                        (b, Width::W32),
                        (b, Width::W64),
                    ] {
                        let alone = emitted::<M>(|masm| operation(masm));
                        let both = emitted::<M>(|masm| {
                            operation(masm);
                            masm.compare_zero(at, tested);
                        });
                        if both == alone {
                            left_out += 1;
                            let sets =
                                |at| M::read(&both, tested, at).last().is_some_and(|it| it.1);
                            // A result of 32 bits is all of the register.
                            assert!(
                                sets(at)
                                    || (op == IntBinary::And && tested == dst && sets(Width::W32)),
                                "{op:?} {width:?}, {tested:?} at {at:?}: {both:02x?}"
                            );
                        }
                    }
                }
            }
        }
    }
    // One of the targets has it that way.
    assert_eq!(left_out > 0, M::PADDING == X64::PADDING);
}
