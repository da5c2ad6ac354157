//! The accepted encodings, as tables. An encoding without a row is refused.

/// The operation of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Op {
    /// There is no instruction.
    #[default]
    None,
    /// `add`
    Add,
    /// `or`
    Or,
    /// `and`
    And,
    /// `sub`
    Sub,
    /// `xor`
    Xor,
    /// `cmp`
    Cmp,
    /// `test`
    Test,
    /// `mov`
    Mov,
    /// `lea`
    Lea,
    /// `movzx` from a byte.
    MovZx8,
    /// `movzx` from two bytes.
    MovZx16,
    /// `movsx` from a byte.
    MovSx8,
    /// `movsx` from two bytes.
    MovSx16,
    /// `movsxd`
    MovSx32,
    /// `imul` with two operands or, with an immediate, three.
    Imul,
    /// `neg`
    Neg,
    /// `mul`: `rdx:rax` is `rax` times the operand, unsigned.
    MulWide,
    /// `imul` with one operand: `rdx:rax` is `rax` times the operand, signed.
    ImulWide,
    /// `div`
    Div,
    /// `idiv`
    Idiv,
    /// `cdq` or `cqo`.
    SignToRdx,
    /// `shl`
    Shl,
    /// `shr`
    Shr,
    /// `sar`
    Sar,
    /// `rol` by `cl`.
    RolCl,
    /// `ror` by `cl`.
    RorCl,
    /// `rorx`
    Rorx,
    /// `shlx`
    Shlx,
    /// `shrx`
    Shrx,
    /// `sarx`
    Sarx,
    /// `popcnt`
    Popcnt,
    /// `lzcnt`
    Lzcnt,
    /// `tzcnt`
    Tzcnt,
    /// `cmovcc`
    Cmov,
    /// `setcc`
    Set,
    /// `xchg`
    Xchg,
    /// `bswap`
    Bswap,
    /// `jcc`
    Jcc,
    /// `jmp` to an offset in the function.
    Jmp,
    /// `call` to an offset in the code.
    Call,
    /// `call` to an address in memory.
    CallMem,
    /// `jmp` to the address in a register.
    JmpReg,
    /// `ret`
    Ret,
    /// `ud2`
    Ud2,
    /// A move between float registers.
    FMov,
    /// `vmovss` or `vmovsd` from memory.
    FLoad,
    /// `vmovss` or `vmovsd` to memory.
    FStore,
    /// A move from a general to a float register.
    FromGeneral,
    /// A move from a float to a general register.
    ToGeneral,
    /// `vaddss`, `vaddsd`
    FAdd,
    /// `vsubss`, `vsubsd`
    FSub,
    /// `vmulss`, `vmulsd`
    FMul,
    /// `vdivss`, `vdivsd`
    FDiv,
    /// `vminss`, `vminsd`
    FMin,
    /// `vmaxss`, `vmaxsd`
    FMax,
    /// `vandps`, `vandpd`
    FAnd,
    /// `vandnps`, `vandnpd`
    FAndn,
    /// `vorps`, `vorpd`
    FOr,
    /// `vxorps`, `vxorpd`
    FXor,
    /// `vsqrtss`, `vsqrtsd`
    FSqrt,
    /// `vroundss`, `vroundsd`
    FRound,
    /// `vucomiss`, `vucomisd`
    FCmp,
    /// A conversion to the other float width; the size is that of the source.
    FConvert,
    /// A conversion from an integer; the size is that of the float.
    FromInteger,
    /// A truncating conversion to an integer; the size is that of the integer.
    ToInteger,
}

impl Op {
    /// Whether it has a float register.
    pub(super) const fn is_float(self) -> bool {
        self as u8 >= Self::FMov as u8
    }
}

/// The encoding of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    /// There is no row.
    Missing,
    /// ModRM: first operand in `rm`, second in `reg`.
    RmReg,
    /// ModRM: first operand in `reg`, second in `rm`.
    RegRm,
    /// As `RegRm`, with an immediate.
    RegRmImm,
    /// As `RegRm`; the second operand is a byte.
    RegByte,
    /// As `RmReg`; both operands are bytes.
    ByteReg,
    /// ModRM: the operand is a byte in `rm`, and `reg` is 0.
    ByteRm,
    /// ModRM: the operand in `rm`, the operation in `reg`; see [`GROUPS`].
    Group,
    /// The register in the opcode, with an immediate.
    InOpcode,
    /// The register in the opcode, alone.
    InOpcodeAlone,
    /// `rax` and an immediate.
    RaxImm,
    /// A distance of one byte.
    Short,
    /// A distance of four bytes.
    Near,
    /// No operand.
    Bare,
    /// A byte before another opcode, besides REX.
    Prefix,
}

/// The allowed kinds of `rm`.
pub(super) const REGISTER: u8 = 1;
pub(super) const MEMORY: u8 = 2;
/// The allowed sizes of operands.
pub(super) const S8: u8 = 4;
/// Only with memory.
pub(super) const S16: u8 = 8;
pub(super) const S32: u8 = 16;
pub(super) const S64: u8 = 32;
const BOTH: u8 = S32 | S64;

/// The kinds of immediates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Imm {
    None,
    Byte,
    /// The count of a shift, which is less than the operand's bits.
    Count,
    /// The count of a shift, without a byte in the encoding.
    One,
    /// An immediate of the operand's size, at most four bytes, sign-extended.
    Sized,
    /// An immediate of the operand's full size.
    Full,
}

/// One encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub op: Op,
    pub shape: Shape,
    /// The allowed kinds of `rm`, and the allowed sizes.
    pub accepts: u8,
    pub imm: Imm,
}

const MISSING: Row = row(Op::None, Shape::Missing, 0, Imm::None);

const fn row(op: Op, shape: Shape, accepts: u8, imm: Imm) -> Row {
    Row {
        op,
        shape,
        accepts,
        imm,
    }
}

/// The operations in ModRM of the opcodes 0x80, 0x81 and 0x83, 0xc1, 0xd1, 0xd3, 0xf7, 0xff, 0xc6, 0xc7. The row's `op`
/// is the number of the group.
pub(super) static GROUPS: [[Row; 8]; 8] = {
    let mut groups = [[MISSING; 8]; 8];
    let any = REGISTER | BOTH;
    groups[0][7] = row(Op::Cmp, Shape::Group, MEMORY | S8, Imm::Byte);
    let (in_place, compare) = (REGISTER | MEMORY | BOTH, REGISTER | MEMORY | S16 | BOTH);
    groups[1] = [
        row(Op::Add, Shape::Group, in_place, Imm::None),
        row(Op::Or, Shape::Group, any, Imm::None),
        MISSING,
        MISSING,
        row(Op::And, Shape::Group, any, Imm::None),
        row(Op::Sub, Shape::Group, in_place, Imm::None),
        row(Op::Xor, Shape::Group, any, Imm::None),
        row(Op::Cmp, Shape::Group, compare, Imm::None),
    ];
    groups[2][4] = row(Op::Shl, Shape::Group, any, Imm::None);
    groups[2][5] = row(Op::Shr, Shape::Group, any, Imm::None);
    groups[2][7] = row(Op::Sar, Shape::Group, any, Imm::None);
    groups[3][0] = row(Op::RolCl, Shape::Group, any, Imm::None);
    groups[3][1] = row(Op::RorCl, Shape::Group, any, Imm::None);
    groups[4][0] = row(Op::Test, Shape::Group, any, Imm::Sized);
    groups[4][3] = row(Op::Neg, Shape::Group, any, Imm::None);
    groups[4][4] = row(Op::MulWide, Shape::Group, REGISTER | S64, Imm::None);
    groups[4][5] = row(Op::ImulWide, Shape::Group, REGISTER | S64, Imm::None);
    groups[4][6] = row(Op::Div, Shape::Group, any, Imm::None);
    groups[4][7] = row(Op::Idiv, Shape::Group, any, Imm::None);
    // Both have 64 bits without a prefix.
    groups[5][2] = row(Op::CallMem, Shape::Group, MEMORY | S32, Imm::None);
    groups[5][4] = row(Op::JmpReg, Shape::Group, REGISTER | S32, Imm::None);
    groups[6][0] = row(Op::Mov, Shape::Group, MEMORY | S8, Imm::Byte);
    // Into a register only sign-extended.
    groups[7][0] = row(
        Op::Mov,
        Shape::Group,
        REGISTER | MEMORY | S16 | BOTH,
        Imm::Sized,
    );
    groups
};

const ALU: [(u8, Op); 6] = [
    (0x00, Op::Add),
    (0x08, Op::Or),
    (0x20, Op::And),
    (0x28, Op::Sub),
    (0x30, Op::Xor),
    (0x38, Op::Cmp),
];

/// The byte before opcodes of two bytes, the operand size of two bytes, REP, and VEX.
const PREFIXES: [u8; 5] = [0x0f, 0x66, 0xf3, 0xc4, 0xc5];

/// Opcodes of one byte.
const ONE_ROWS: [Row; 256] = {
    let mut rows = [MISSING; 256];
    let mut at = 0;
    while at < ALU.len() {
        let (opcode, op) = (ALU[at].0 as usize, ALU[at].1);
        // Among these, only the audit uses the form that writes to memory.
        let place = match op {
            Op::Or => REGISTER | MEMORY,
            _ => REGISTER,
        };
        rows[opcode + 1] = row(op, Shape::RmReg, place | BOTH, Imm::None);
        rows[opcode + 3] = row(op, Shape::RegRm, MEMORY | BOTH, Imm::None);
        rows[opcode + 5] = row(op, Shape::RaxImm, BOTH, Imm::Sized);
        at += 1;
    }
    let either = REGISTER | MEMORY | BOTH;
    let mut at = 0;
    while at < PREFIXES.len() {
        rows[PREFIXES[at] as usize] = row(Op::None, Shape::Prefix, 0, Imm::None);
        at += 1;
    }
    rows[0x63] = row(
        Op::MovSx32,
        Shape::RegRm,
        REGISTER | MEMORY | S64,
        Imm::None,
    );
    rows[0x69] = row(Op::Imul, Shape::RegRmImm, REGISTER | BOTH, Imm::Sized);
    rows[0x6b] = row(Op::Imul, Shape::RegRmImm, REGISTER | BOTH, Imm::Byte);
    let mut condition = 0;
    while condition < 16 {
        // Generated code never tests for "no overflow".
        if condition != 1 {
            rows[0x70 + condition] = row(Op::Jcc, Shape::Short, S32, Imm::None);
        }
        condition += 1;
    }
    rows[0x80] = group(0, Imm::Byte);
    rows[0x81] = group(1, Imm::Sized);
    rows[0x83] = group(1, Imm::Byte);
    rows[0x85] = row(Op::Test, Shape::RmReg, either, Imm::None);
    rows[0x87] = row(Op::Xchg, Shape::RmReg, REGISTER | S64, Imm::None);
    rows[0x88] = row(Op::Mov, Shape::ByteReg, MEMORY | S8, Imm::None);
    rows[0x89] = row(Op::Mov, Shape::RmReg, either | S16, Imm::None);
    rows[0x8b] = row(Op::Mov, Shape::RegRm, MEMORY | BOTH, Imm::None);
    rows[0x8d] = row(Op::Lea, Shape::RegRm, MEMORY | BOTH, Imm::None);
    rows[0x99] = row(Op::SignToRdx, Shape::Bare, BOTH, Imm::None);
    rows[0xa9] = row(Op::Test, Shape::RaxImm, BOTH, Imm::Sized);
    let mut register = 0;
    while register < 8 {
        rows[0xb8 + register] = row(Op::Mov, Shape::InOpcode, BOTH, Imm::Full);
        register += 1;
    }
    rows[0xc1] = group(2, Imm::Count);
    rows[0xc3] = row(Op::Ret, Shape::Bare, S32, Imm::None);
    rows[0xc6] = group(6, Imm::Byte);
    rows[0xc7] = group(7, Imm::Sized);
    rows[0xd1] = group(2, Imm::One);
    rows[0xd3] = group(3, Imm::None);
    rows[0xe8] = row(Op::Call, Shape::Near, S32, Imm::None);
    rows[0xe9] = row(Op::Jmp, Shape::Near, S32, Imm::None);
    rows[0xeb] = row(Op::Jmp, Shape::Short, S32, Imm::None);
    rows[0xf7] = group(4, Imm::None);
    rows[0xff] = group(5, Imm::None);
    rows
};

/// The immediate is that of the opcode, unless the group's row has one.
const fn group(number: u8, imm: Imm) -> Row {
    Row {
        op: Op::None,
        shape: Shape::Group,
        accepts: number,
        imm,
    }
}

/// Opcodes after 0x0f.
const TWO_ROWS: [Row; 256] = {
    let mut rows = [MISSING; 256];
    let either = REGISTER | MEMORY | BOTH;
    rows[0x0b] = row(Op::Ud2, Shape::Bare, S32, Imm::None);
    let mut condition = 0;
    while condition < 16 {
        // Generated code makes no values from the conditions "overflow" and "sign".
        if !matches!(condition, 0 | 1 | 8 | 9) {
            rows[0x40 + condition] = row(Op::Cmov, Shape::RegRm, REGISTER | BOTH, Imm::None);
            rows[0x90 + condition] = row(Op::Set, Shape::ByteRm, REGISTER | S8, Imm::None);
        }
        if condition != 1 {
            rows[0x80 + condition] = row(Op::Jcc, Shape::Near, S32, Imm::None);
        }
        condition += 1;
    }
    rows[0xaf] = row(Op::Imul, Shape::RegRm, either, Imm::None);
    let zero = REGISTER | MEMORY | S32;
    rows[0xb6] = row(Op::MovZx8, Shape::RegByte, zero, Imm::None);
    rows[0xb7] = row(Op::MovZx16, Shape::RegRm, zero, Imm::None);
    rows[0xbe] = row(Op::MovSx8, Shape::RegByte, either, Imm::None);
    rows[0xbf] = row(Op::MovSx16, Shape::RegRm, either, Imm::None);
    let mut register = 0;
    while register < 8 {
        rows[0xc8 + register] = row(Op::Bswap, Shape::InOpcodeAlone, BOTH, Imm::None);
        register += 1;
    }
    rows
};

/// Opcodes after 0xf3 (and REX) 0x0f.
pub(super) static TWO_F3: [Row; 3] = {
    let accepts = REGISTER | BOTH;
    [
        row(Op::Popcnt, Shape::RegRm, accepts, Imm::None),
        row(Op::Tzcnt, Shape::RegRm, accepts, Imm::None),
        row(Op::Lzcnt, Shape::RegRm, accepts, Imm::None),
    ]
};

/// An encoding with VEX.
#[derive(Clone, Copy, Debug)]
pub(super) struct VexRow {
    pub op: Op,
    /// The allowed kinds of `rm`.
    pub place: u8,
    /// The use of VEX.vvvv.
    pub third: Third,
    /// What determines the size.
    pub size: VexSize,
    pub imm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Third {
    Unused,
    /// The first source.
    Source,
    /// The second source; the first is in `rm`.
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum VexSize {
    /// There is no size.
    Any,
    /// The implied prefix: F3 or none means 32 bits, F2 or 66 means 64. W is 0.
    ByPrefix,
    /// W determines the size.
    ByW,
    /// The opcode's lowest bit determines the size. W is 0.
    ByOpcode,
}

const NO_VEX: VexRow = vex(Op::None, 0, Third::Unused, VexSize::Any);

const fn vex(op: Op, place: u8, third: Third, size: VexSize) -> VexRow {
    VexRow {
        op,
        place,
        third,
        size,
        imm: false,
    }
}

/// The encodings with VEX by opcode map, implied prefix and opcode.
pub(super) fn vex_row(map: u8, prefix: u8, opcode: u8) -> VexRow {
    match map {
        1 => VEX_1[usize::from(prefix & 3)][usize::from(opcode)],
        2 if opcode == 0xf7 => match prefix {
            1 => vex(Op::Shlx, REGISTER, Third::Count, VexSize::ByW),
            2 => vex(Op::Sarx, REGISTER, Third::Count, VexSize::ByW),
            3 => vex(Op::Shrx, REGISTER, Third::Count, VexSize::ByW),
            _ => NO_VEX,
        },
        3 => match (prefix, opcode) {
            (3, 0xf0) => VexRow {
                imm: true,
                ..vex(Op::Rorx, REGISTER, Third::Unused, VexSize::ByW)
            },
            (1, 0x0a | 0x0b) => VexRow {
                imm: true,
                ..vex(Op::FRound, REGISTER, Third::Source, VexSize::ByOpcode)
            },
            _ => NO_VEX,
        },
        _ => NO_VEX,
    }
}

static VEX_1: [[VexRow; 256]; 4] = {
    let mut rows = [[NO_VEX; 256]; 4];
    let scalar = VexSize::ByPrefix;
    let operations = [
        (0x58, Op::FAdd),
        (0x59, Op::FMul),
        (0x5c, Op::FSub),
        (0x5d, Op::FMin),
        (0x5e, Op::FDiv),
        (0x5f, Op::FMax),
        (0x51, Op::FSqrt),
        (0x5a, Op::FConvert),
    ];
    let mut prefix = 2;
    while prefix < 4 {
        rows[prefix][0x10] = vex(Op::FLoad, MEMORY, Third::Unused, scalar);
        rows[prefix][0x11] = vex(Op::FStore, MEMORY, Third::Unused, scalar);
        let mut at = 0;
        while at < operations.len() {
            let (opcode, op) = (operations[at].0 as usize, operations[at].1);
            rows[prefix][opcode] = vex(op, REGISTER, Third::Source, scalar);
            at += 1;
        }
        // W is the width of the integer, the prefix that of the float.
        rows[prefix][0x2a] = vex(Op::FromInteger, REGISTER, Third::Source, VexSize::ByW);
        rows[prefix][0x2c] = vex(Op::ToInteger, REGISTER, Third::Unused, VexSize::ByW);
        prefix += 1;
    }
    let bits = [
        (0x54, Op::FAnd),
        (0x55, Op::FAndn),
        (0x56, Op::FOr),
        (0x57, Op::FXor),
    ];
    let mut prefix = 0;
    while prefix < 2 {
        let mut at = 0;
        while at < bits.len() {
            let (opcode, op) = (bits[at].0 as usize, bits[at].1);
            rows[prefix][opcode] = vex(op, REGISTER, Third::Source, scalar);
            at += 1;
        }
        rows[prefix][0x2e] = vex(Op::FCmp, REGISTER, Third::Unused, scalar);
        prefix += 1;
    }
    rows[0][0x28] = vex(Op::FMov, REGISTER, Third::Unused, VexSize::Any);
    rows[1][0x6e] = vex(Op::FromGeneral, REGISTER, Third::Unused, VexSize::ByW);
    rows[1][0x7e] = vex(Op::ToGeneral, REGISTER, Third::Unused, VexSize::ByW);
    rows
};

/// The length of an instruction after its opcode, for those who need nothing else of it.
pub(super) struct Length;

impl Length {
    /// The number of bytes besides ModRM and what it brings; without ModRM, the opcode counts.
    pub const BYTES: u8 = 15;
    /// ModRM follows.
    pub const MODRM: u8 = 16;
    /// A branch; or the length depends on more than the opcode.
    pub const SPECIAL: u8 = 32;
}

/// The lengths of instructions with an opcode of one byte; 0 for what is not in the table.
pub(super) static ONE_LENGTHS: [u8; 256] = lengths(&ONE_ROWS);
/// The lengths of instructions with an opcode after 0x0f.
pub(super) static TWO_LENGTHS: [u8; 256] = lengths(&TWO_ROWS);

const fn lengths(rows: &[Row; 256]) -> [u8; 256] {
    let mut lengths = [0; 256];
    let mut opcode = 0;
    while opcode < 256 {
        let row = rows[opcode];
        let imm = match row.imm {
            Imm::None | Imm::One => 0,
            Imm::Byte | Imm::Count => 1,
            Imm::Sized => 4,
            // With 64 bits it has eight bytes.
            Imm::Full => Length::SPECIAL,
        };
        lengths[opcode] = match row.shape {
            Shape::Missing => 0,
            // The immediate depends on the operation.
            Shape::Group if row.accepts == 4 || row.accepts == 5 => Length::SPECIAL,
            Shape::RmReg
            | Shape::RegRm
            | Shape::RegRmImm
            | Shape::RegByte
            | Shape::ByteReg
            | Shape::ByteRm
            | Shape::Group => Length::MODRM | imm,
            Shape::InOpcode | Shape::InOpcodeAlone | Shape::RaxImm | Shape::Bare => 1 + imm,
            Shape::Short => Length::SPECIAL | 2,
            Shape::Near => Length::SPECIAL | 5,
            Shape::Prefix => Length::SPECIAL,
        };
        opcode += 1;
    }
    lengths
}

/// The number of bytes of ModRM with what it brings: SIB and displacement.
pub(super) static MODRM_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut modrm = 0;
    while modrm < 256 {
        let (mode, low) = (modrm >> 6, modrm & 7);
        let sib = (mode != 3 && low == 4) as u8;
        let disp = match (mode, low) {
            (0, 5) | (2, _) => 4,
            (1, _) => 1,
            _ => 0,
        };
        bytes[modrm] = 1 + sib + disp;
        modrm += 1;
    }
    bytes
};

pub(super) static ONE: [Row; 256] = ONE_ROWS;
pub(super) static TWO: [Row; 256] = TWO_ROWS;

/// A frequent form, which the decoder reads without its row. Both operand sizes are accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Direct {
    /// None of them.
    None,
    /// `mov` from memory.
    Load,
    /// `mov` between registers or to memory.
    Store,
    Lea,
    /// Arithmetic between registers.
    Arithmetic,
    /// Arithmetic with a source in memory.
    ArithmeticLoad,
    /// `cmp` and `test` of registers.
    Compare,
    /// `cmp` with an operand in memory.
    CompareLoad,
    /// An operation with an immediate, chosen by ModRM.
    Group,
    /// `mov` of an immediate.
    Constant,
    /// An operation on `rax` with an immediate.
    Rax,
    Jcc8,
    Jmp8,
    Jmp,
    Call,
    /// `mov` of a byte to memory.
    ByteStore,
    /// An operation of a byte in memory and an immediate, chosen by ModRM.
    ByteGroup,
    /// An opcode of two bytes.
    Two,
    Vex,
}

/// The frequent form of each opcode of one byte.
pub(super) static DIRECT: [Direct; 256] = {
    let mut direct = [Direct::None; 256];
    let mut opcode = 0;
    while opcode < 256 {
        direct[opcode] = direct_form(&ONE_ROWS[opcode]);
        opcode += 1;
    }
    direct[0x0f] = Direct::Two;
    direct[0xc4] = Direct::Vex;
    direct[0xc5] = Direct::Vex;
    direct
};

const fn direct_form(row: &Row) -> Direct {
    let in_register = row.accepts & REGISTER != 0;
    let in_memory = row.accepts & MEMORY != 0;
    match (row.shape, row.op) {
        (Shape::Group, _) if matches!(row.accepts, 1 | 2 | 7) => return Direct::Group,
        (Shape::Group, _) if matches!(row.accepts, 0 | 6) => return Direct::ByteGroup,
        (Shape::ByteReg, Op::Mov) => return Direct::ByteStore,
        (Shape::Short, Op::Jcc) => return Direct::Jcc8,
        (Shape::Short, Op::Jmp) => return Direct::Jmp8,
        (Shape::Near, Op::Jmp) => return Direct::Jmp,
        (Shape::Near, Op::Call) => return Direct::Call,
        _ => {}
    }
    if row.accepts & BOTH != BOTH {
        return Direct::None;
    }
    match (row.shape, row.op) {
        (Shape::RegRm, Op::Mov) if in_memory => Direct::Load,
        (Shape::RmReg, Op::Mov) if in_register && in_memory => Direct::Store,
        (Shape::RegRm, Op::Lea) if in_memory => Direct::Lea,
        (Shape::RmReg, Op::Add | Op::Or | Op::And | Op::Sub | Op::Xor) if in_register => {
            Direct::Arithmetic
        }
        (Shape::RegRm, Op::Add | Op::Or | Op::And | Op::Sub | Op::Xor) if in_memory => {
            Direct::ArithmeticLoad
        }
        (Shape::RmReg, Op::Cmp | Op::Test) if in_register => Direct::Compare,
        (Shape::RegRm, Op::Cmp) if in_memory => Direct::CompareLoad,
        (Shape::InOpcode, Op::Mov) => Direct::Constant,
        (Shape::RaxImm, _) => Direct::Rax,
        _ => Direct::None,
    }
}
