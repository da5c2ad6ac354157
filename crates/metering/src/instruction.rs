//! The instructions the meters know, one per line.
//!
//! The list is closed: WebAssembly 1.0 and the extensions the executor can be told to
//! accept. A line gives the operator, its name in the text format, its class in a gas schedule,
//! and how many operands it takes and gives. Zeros stand where that depends on a label or a type.

use wasmparser::Operator;

/// A group of instructions that a gas schedule can price together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Blocks, branches, `return`, `nop`, `unreachable`.
    Control,
    /// `call` and `call_indirect`.
    Call,
    /// `drop` and `select`.
    Parametric,
    /// `local.*`.
    Local,
    /// `global.*`.
    Global,
    /// Reads of linear memory.
    Load,
    /// Writes to linear memory.
    Store,
    /// `memory.size` and `memory.grow`.
    Memory,
    /// Constants.
    Constant,
    /// Comparisons of integers and floats, `eqz`.
    Comparison,
    /// Integer operators save division and remainder.
    Integer,
    /// Integer division and remainder.
    Division,
    /// Float operators that are no comparison.
    Float,
    /// From one type to another, sign extension counted.
    Conversion,
    /// Bulk memory and table operators.
    Bulk,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Self; 15] = [
        Self::Control,
        Self::Call,
        Self::Parametric,
        Self::Local,
        Self::Global,
        Self::Load,
        Self::Store,
        Self::Memory,
        Self::Constant,
        Self::Comparison,
        Self::Integer,
        Self::Division,
        Self::Float,
        Self::Conversion,
        Self::Bulk,
    ];

    /// The name in a schedule.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Call => "call",
            Self::Parametric => "parametric",
            Self::Local => "local",
            Self::Global => "global",
            Self::Load => "load",
            Self::Store => "store",
            Self::Memory => "memory",
            Self::Constant => "constant",
            Self::Comparison => "comparison",
            Self::Integer => "integer",
            Self::Division => "division",
            Self::Float => "float",
            Self::Conversion => "conversion",
            Self::Bulk => "bulk",
        }
    }

    /// The class of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

macro_rules! instructions {
    ($($variant:ident $name:literal, $class:ident, $pops:literal => $pushes:literal;)*) => {
        /// An instruction without its immediates.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Instruction {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Instruction {
            /// All instructions, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The instruction of an operator, `None` if the meters do not know it.
            #[inline]
            pub fn of(operator: &Operator<'_>) -> Option<Self> {
                match operator {
                    $(Operator::$variant { .. } => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name in the text format.
            pub fn name(self) -> &'static str {
                const NAMES: &[&str] = &[$($name,)*];
                NAMES[self as usize]
            }

            /// The class that prices it unless it has a price of its own.
            pub fn class(self) -> Class {
                const CLASSES: &[Class] = &[$(Class::$class,)*];
                CLASSES[self as usize]
            }

            /// Operands taken and given, where no label or type decides it (else `(0, 0)`).
            #[inline]
            pub(crate) fn effect(self) -> (u32, u32) {
                const EFFECTS: &[(u8, u8)] = &[$(($pops, $pushes),)*];
                let (pops, pushes) = EFFECTS[self as usize];
                (pops.into(), pushes.into())
            }
        }
    };
}

instructions! {
    Unreachable       "unreachable",          Control,     0 => 0;
    Nop               "nop",                  Control,     0 => 0;
    Block             "block",                Control,     0 => 0;
    Loop              "loop",                 Control,     0 => 0;
    If                "if",                   Control,     0 => 0;
    Else              "else",                 Control,     0 => 0;
    End               "end",                  Control,     0 => 0;
    Br                "br",                   Control,     0 => 0;
    BrIf              "br_if",                Control,     0 => 0;
    BrTable           "br_table",             Control,     0 => 0;
    Return            "return",               Control,     0 => 0;
    Call              "call",                 Call,        0 => 0;
    CallIndirect      "call_indirect",        Call,        0 => 0;
    Drop              "drop",                 Parametric,  1 => 0;
    Select            "select",               Parametric,  3 => 1;
    LocalGet          "local.get",            Local,       0 => 1;
    LocalSet          "local.set",            Local,       1 => 0;
    LocalTee          "local.tee",            Local,       1 => 1;
    GlobalGet         "global.get",           Global,      0 => 1;
    GlobalSet         "global.set",           Global,      1 => 0;
    I32Load           "i32.load",             Load,        1 => 1;
    I64Load           "i64.load",             Load,        1 => 1;
    F32Load           "f32.load",             Load,        1 => 1;
    F64Load           "f64.load",             Load,        1 => 1;
    I32Load8S         "i32.load8_s",          Load,        1 => 1;
    I32Load8U         "i32.load8_u",          Load,        1 => 1;
    I32Load16S        "i32.load16_s",         Load,        1 => 1;
    I32Load16U        "i32.load16_u",         Load,        1 => 1;
    I64Load8S         "i64.load8_s",          Load,        1 => 1;
    I64Load8U         "i64.load8_u",          Load,        1 => 1;
    I64Load16S        "i64.load16_s",         Load,        1 => 1;
    I64Load16U        "i64.load16_u",         Load,        1 => 1;
    I64Load32S        "i64.load32_s",         Load,        1 => 1;
    I64Load32U        "i64.load32_u",         Load,        1 => 1;
    I32Store          "i32.store",            Store,       2 => 0;
    I64Store          "i64.store",            Store,       2 => 0;
    F32Store          "f32.store",            Store,       2 => 0;
    F64Store          "f64.store",            Store,       2 => 0;
    I32Store8         "i32.store8",           Store,       2 => 0;
    I32Store16        "i32.store16",          Store,       2 => 0;
    I64Store8         "i64.store8",           Store,       2 => 0;
    I64Store16        "i64.store16",          Store,       2 => 0;
    I64Store32        "i64.store32",          Store,       2 => 0;
    MemorySize        "memory.size",          Memory,      0 => 1;
    MemoryGrow        "memory.grow",          Memory,      1 => 1;
    I32Const          "i32.const",            Constant,    0 => 1;
    I64Const          "i64.const",            Constant,    0 => 1;
    F32Const          "f32.const",            Constant,    0 => 1;
    F64Const          "f64.const",            Constant,    0 => 1;
    I32Eqz            "i32.eqz",              Comparison,  1 => 1;
    I32Eq             "i32.eq",               Comparison,  2 => 1;
    I32Ne             "i32.ne",               Comparison,  2 => 1;
    I32LtS            "i32.lt_s",             Comparison,  2 => 1;
    I32LtU            "i32.lt_u",             Comparison,  2 => 1;
    I32GtS            "i32.gt_s",             Comparison,  2 => 1;
    I32GtU            "i32.gt_u",             Comparison,  2 => 1;
    I32LeS            "i32.le_s",             Comparison,  2 => 1;
    I32LeU            "i32.le_u",             Comparison,  2 => 1;
    I32GeS            "i32.ge_s",             Comparison,  2 => 1;
    I32GeU            "i32.ge_u",             Comparison,  2 => 1;
    I64Eqz            "i64.eqz",              Comparison,  1 => 1;
    I64Eq             "i64.eq",               Comparison,  2 => 1;
    I64Ne             "i64.ne",               Comparison,  2 => 1;
    I64LtS            "i64.lt_s",             Comparison,  2 => 1;
    I64LtU            "i64.lt_u",             Comparison,  2 => 1;
    I64GtS            "i64.gt_s",             Comparison,  2 => 1;
    I64GtU            "i64.gt_u",             Comparison,  2 => 1;
    I64LeS            "i64.le_s",             Comparison,  2 => 1;
    I64LeU            "i64.le_u",             Comparison,  2 => 1;
    I64GeS            "i64.ge_s",             Comparison,  2 => 1;
    I64GeU            "i64.ge_u",             Comparison,  2 => 1;
    F32Eq             "f32.eq",               Comparison,  2 => 1;
    F32Ne             "f32.ne",               Comparison,  2 => 1;
    F32Lt             "f32.lt",               Comparison,  2 => 1;
    F32Gt             "f32.gt",               Comparison,  2 => 1;
    F32Le             "f32.le",               Comparison,  2 => 1;
    F32Ge             "f32.ge",               Comparison,  2 => 1;
    F64Eq             "f64.eq",               Comparison,  2 => 1;
    F64Ne             "f64.ne",               Comparison,  2 => 1;
    F64Lt             "f64.lt",               Comparison,  2 => 1;
    F64Gt             "f64.gt",               Comparison,  2 => 1;
    F64Le             "f64.le",               Comparison,  2 => 1;
    F64Ge             "f64.ge",               Comparison,  2 => 1;
    I32Clz            "i32.clz",              Integer,     1 => 1;
    I32Ctz            "i32.ctz",              Integer,     1 => 1;
    I32Popcnt         "i32.popcnt",           Integer,     1 => 1;
    I32Add            "i32.add",              Integer,     2 => 1;
    I32Sub            "i32.sub",              Integer,     2 => 1;
    I32Mul            "i32.mul",              Integer,     2 => 1;
    I32DivS           "i32.div_s",            Division,    2 => 1;
    I32DivU           "i32.div_u",            Division,    2 => 1;
    I32RemS           "i32.rem_s",            Division,    2 => 1;
    I32RemU           "i32.rem_u",            Division,    2 => 1;
    I32And            "i32.and",              Integer,     2 => 1;
    I32Or             "i32.or",               Integer,     2 => 1;
    I32Xor            "i32.xor",              Integer,     2 => 1;
    I32Shl            "i32.shl",              Integer,     2 => 1;
    I32ShrS           "i32.shr_s",            Integer,     2 => 1;
    I32ShrU           "i32.shr_u",            Integer,     2 => 1;
    I32Rotl           "i32.rotl",             Integer,     2 => 1;
    I32Rotr           "i32.rotr",             Integer,     2 => 1;
    I64Clz            "i64.clz",              Integer,     1 => 1;
    I64Ctz            "i64.ctz",              Integer,     1 => 1;
    I64Popcnt         "i64.popcnt",           Integer,     1 => 1;
    I64Add            "i64.add",              Integer,     2 => 1;
    I64Sub            "i64.sub",              Integer,     2 => 1;
    I64Mul            "i64.mul",              Integer,     2 => 1;
    I64DivS           "i64.div_s",            Division,    2 => 1;
    I64DivU           "i64.div_u",            Division,    2 => 1;
    I64RemS           "i64.rem_s",            Division,    2 => 1;
    I64RemU           "i64.rem_u",            Division,    2 => 1;
    I64And            "i64.and",              Integer,     2 => 1;
    I64Or             "i64.or",               Integer,     2 => 1;
    I64Xor            "i64.xor",              Integer,     2 => 1;
    I64Shl            "i64.shl",              Integer,     2 => 1;
    I64ShrS           "i64.shr_s",            Integer,     2 => 1;
    I64ShrU           "i64.shr_u",            Integer,     2 => 1;
    I64Rotl           "i64.rotl",             Integer,     2 => 1;
    I64Rotr           "i64.rotr",             Integer,     2 => 1;
    F32Abs            "f32.abs",              Float,       1 => 1;
    F32Neg            "f32.neg",              Float,       1 => 1;
    F32Ceil           "f32.ceil",             Float,       1 => 1;
    F32Floor          "f32.floor",            Float,       1 => 1;
    F32Trunc          "f32.trunc",            Float,       1 => 1;
    F32Nearest        "f32.nearest",          Float,       1 => 1;
    F32Sqrt           "f32.sqrt",             Float,       1 => 1;
    F32Add            "f32.add",              Float,       2 => 1;
    F32Sub            "f32.sub",              Float,       2 => 1;
    F32Mul            "f32.mul",              Float,       2 => 1;
    F32Div            "f32.div",              Float,       2 => 1;
    F32Min            "f32.min",              Float,       2 => 1;
    F32Max            "f32.max",              Float,       2 => 1;
    F32Copysign       "f32.copysign",         Float,       2 => 1;
    F64Abs            "f64.abs",              Float,       1 => 1;
    F64Neg            "f64.neg",              Float,       1 => 1;
    F64Ceil           "f64.ceil",             Float,       1 => 1;
    F64Floor          "f64.floor",            Float,       1 => 1;
    F64Trunc          "f64.trunc",            Float,       1 => 1;
    F64Nearest        "f64.nearest",          Float,       1 => 1;
    F64Sqrt           "f64.sqrt",             Float,       1 => 1;
    F64Add            "f64.add",              Float,       2 => 1;
    F64Sub            "f64.sub",              Float,       2 => 1;
    F64Mul            "f64.mul",              Float,       2 => 1;
    F64Div            "f64.div",              Float,       2 => 1;
    F64Min            "f64.min",              Float,       2 => 1;
    F64Max            "f64.max",              Float,       2 => 1;
    F64Copysign       "f64.copysign",         Float,       2 => 1;
    I32WrapI64        "i32.wrap_i64",         Conversion,  1 => 1;
    I32TruncF32S      "i32.trunc_f32_s",      Conversion,  1 => 1;
    I32TruncF32U      "i32.trunc_f32_u",      Conversion,  1 => 1;
    I32TruncF64S      "i32.trunc_f64_s",      Conversion,  1 => 1;
    I32TruncF64U      "i32.trunc_f64_u",      Conversion,  1 => 1;
    I64ExtendI32S     "i64.extend_i32_s",     Conversion,  1 => 1;
    I64ExtendI32U     "i64.extend_i32_u",     Conversion,  1 => 1;
    I64TruncF32S      "i64.trunc_f32_s",      Conversion,  1 => 1;
    I64TruncF32U      "i64.trunc_f32_u",      Conversion,  1 => 1;
    I64TruncF64S      "i64.trunc_f64_s",      Conversion,  1 => 1;
    I64TruncF64U      "i64.trunc_f64_u",      Conversion,  1 => 1;
    F32ConvertI32S    "f32.convert_i32_s",    Conversion,  1 => 1;
    F32ConvertI32U    "f32.convert_i32_u",    Conversion,  1 => 1;
    F32ConvertI64S    "f32.convert_i64_s",    Conversion,  1 => 1;
    F32ConvertI64U    "f32.convert_i64_u",    Conversion,  1 => 1;
    F32DemoteF64      "f32.demote_f64",       Conversion,  1 => 1;
    F64ConvertI32S    "f64.convert_i32_s",    Conversion,  1 => 1;
    F64ConvertI32U    "f64.convert_i32_u",    Conversion,  1 => 1;
    F64ConvertI64S    "f64.convert_i64_s",    Conversion,  1 => 1;
    F64ConvertI64U    "f64.convert_i64_u",    Conversion,  1 => 1;
    F64PromoteF32     "f64.promote_f32",      Conversion,  1 => 1;
    I32ReinterpretF32 "i32.reinterpret_f32",  Conversion,  1 => 1;
    I64ReinterpretF64 "i64.reinterpret_f64",  Conversion,  1 => 1;
    F32ReinterpretI32 "f32.reinterpret_i32",  Conversion,  1 => 1;
    F64ReinterpretI64 "f64.reinterpret_i64",  Conversion,  1 => 1;
    I32Extend8S       "i32.extend8_s",        Conversion,  1 => 1;
    I32Extend16S      "i32.extend16_s",       Conversion,  1 => 1;
    I64Extend8S       "i64.extend8_s",        Conversion,  1 => 1;
    I64Extend16S      "i64.extend16_s",       Conversion,  1 => 1;
    I64Extend32S      "i64.extend32_s",       Conversion,  1 => 1;
    I32TruncSatF32S   "i32.trunc_sat_f32_s",  Conversion,  1 => 1;
    I32TruncSatF32U   "i32.trunc_sat_f32_u",  Conversion,  1 => 1;
    I32TruncSatF64S   "i32.trunc_sat_f64_s",  Conversion,  1 => 1;
    I32TruncSatF64U   "i32.trunc_sat_f64_u",  Conversion,  1 => 1;
    I64TruncSatF32S   "i64.trunc_sat_f32_s",  Conversion,  1 => 1;
    I64TruncSatF32U   "i64.trunc_sat_f32_u",  Conversion,  1 => 1;
    I64TruncSatF64S   "i64.trunc_sat_f64_s",  Conversion,  1 => 1;
    I64TruncSatF64U   "i64.trunc_sat_f64_u",  Conversion,  1 => 1;
    MemoryInit        "memory.init",          Bulk,        3 => 0;
    DataDrop          "data.drop",            Bulk,        0 => 0;
    MemoryCopy        "memory.copy",          Bulk,        3 => 0;
    MemoryFill        "memory.fill",          Bulk,        3 => 0;
    TableInit         "table.init",           Bulk,        3 => 0;
    ElemDrop          "elem.drop",            Bulk,        0 => 0;
    TableCopy         "table.copy",           Bulk,        3 => 0;
}

impl Instruction {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The instruction of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|instruction| instruction.name() == name)
    }

    /// Whether a schedule can price it: all but `else` and `end`, which delimit blocks.
    pub fn is_charged(self) -> bool {
        !matches!(self, Self::Else | Self::End)
    }
}
