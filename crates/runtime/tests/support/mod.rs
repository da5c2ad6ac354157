//! A hand-assembled module, for tests that do not depend on the code generator.
//!
//! The assembler of the Rust compiler assembles its code. Macros record functions and trap sites in
//! tables, from which [`artifact`] builds an `Artifact`. The Wasm offset of a site is its number in
//! the assembly source, so tests can name it.
#![allow(dead_code)]

use pvf_compiler::artifact::*;
use pvf_compiler::{FuncType, GlobalType, MemoryType, TableType, Target, ValType};
use pvf_rules::{ExecutionParameters, Features, Trap, TrapKind};
use pvf_runtime::{CallError, HostError, Instance, Linker, Module, Value};
use std::arch::global_asm;

#[cfg(target_arch = "x86_64")]
global_asm!(include_str!("module.x86_64.s"));
#[cfg(target_arch = "aarch64")]
global_asm!(include_str!("module.aarch64.s"));

/// The functions of the module by function index, imported ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum F {
    ImportAdd,
    ImportNop,
    ImportMissing,
    ImportFloat,
    Add,
    Unreachable,
    DivU,
    DivS,
    Load8,
    Load64,
    Load64Far,
    Store64,
    CallAdd,
    CallNop,
    CallMissing,
    Recurse,
    Grow,
    Copy,
    Fill,
    Init,
    Drop,
    TableInit,
    TableCopy,
    ElemDrop,
    CallIndirect,
    FloatState,
    NopLoop,
    Bump,
    ImportAddSelf,
    LeaveStack,
    NoSite,
    Negative,
    NoStack,
    Wild,
}

impl F {
    /// The function index.
    pub fn index(self) -> u32 {
        self as u32
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct FunctionRow {
    start: u32,
    end: u32,
    signature: u32,
    frame: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SiteRow {
    code: u32,
    wasm: u32,
    kind: u32,
}

unsafe extern "C" {
    static pvf_test_code: u8;
    static pvf_test_code_end: u8;
    static pvf_test_functions: FunctionRow;
    static pvf_test_functions_end: FunctionRow;
    static pvf_test_sites: SiteRow;
    static pvf_test_sites_end: SiteRow;
    static pvf_test_stubs: u32;
    static pvf_test_stubs_end: u32;
}

/// # Safety
/// `start` and `end` are the labels around a table of `T`s.
unsafe fn between<T: Clone>(start: *const T, end: *const T) -> Vec<T> {
    // SAFETY: the caller promises that the labels enclose a table of `T`s.
    unsafe {
        let count = end.offset_from(start) as usize;
        std::slice::from_raw_parts(start, count).to_vec()
    }
}

/// The signatures, in the order of the entry stubs in the assembly source.
pub fn signatures() -> Vec<FuncType> {
    use ValType::{I32, I64};
    [
        (vec![], vec![]),
        (vec![I32], vec![I32]),
        (vec![I32, I32], vec![I32]),
        (vec![I64, I64], vec![I64]),
        (vec![I32], vec![I64]),
        (vec![I32, I64], vec![]),
        (vec![I32, I32, I32], vec![]),
        (vec![], vec![I32]),
        (vec![I32], vec![]),
    ]
    .into_iter()
    .map(|(params, results)| FuncType { params, results })
    .collect()
}

/// The module: memory of 1 to 4 pages, a table of 8 entries, two globals (one mutable `i32`, one
/// immutable `i64`), three data segments (active at 16, active at 65,530, passive), two element
/// segments (active at 1, passive).
pub fn artifact() -> Artifact {
    // SAFETY: the labels enclose the tables in the assembly source, whose rows have these layouts.
    let (code, rows, mut sites, stubs) = unsafe {
        (
            between(&raw const pvf_test_code, &raw const pvf_test_code_end),
            between(
                &raw const pvf_test_functions,
                &raw const pvf_test_functions_end,
            ),
            between(&raw const pvf_test_sites, &raw const pvf_test_sites_end),
            between(&raw const pvf_test_stubs, &raw const pvf_test_stubs_end),
        )
    };
    sites.sort_by_key(|site| site.code);
    let mut traps = TrapMapBuilder::default();
    for site in sites {
        traps.push(TrapSite {
            code_offset: site.code,
            wasm_offset: site.wasm,
            kind: TrapKind::from_code(site.kind as u8).unwrap(),
        });
    }
    let functions: Vec<_> = rows
        .iter()
        .map(|row| Function {
            signature: row.signature,
            code_offset: row.start,
            code_bytes: row.end - row.start,
            frame_bytes: row.frame,
            logical_cost: 0,
            body_offset: 0,
            body_bytes: 0,
        })
        .collect();
    let import = |name: &str, signature| Import {
        module: "env".into(),
        name: name.into(),
        kind: ImportKind::Function(signature),
    };
    let data = b"hello, image\x01\x02\x03\x04\x05\x06passive".to_vec();
    let module = ModuleInfo {
        meters: pvf_compiler::artifact::Meters::default(),
        target: Target::HOST,
        features: Features::ALL,
        wasm_bytes: 1000,
        signatures: signatures(),
        imports: vec![
            import("add", 3),
            import("nop", 0),
            import("missing", 0),
            import("float", 7),
        ],
        functions,
        imported_functions: 4,
        table: Some(TableType {
            minimum: 8,
            maximum: None,
        }),
        memory: Some(MemoryType {
            minimum: 1,
            maximum: Some(4),
        }),
        globals: vec![
            Global {
                ty: GlobalType {
                    value: ValType::I32,
                    mutable: true,
                },
                init: Some(ConstExpr::Const(41)),
            },
            Global {
                ty: GlobalType {
                    value: ValType::I64,
                    mutable: false,
                },
                init: Some(ConstExpr::Const(1 << 40)),
            },
        ],
        imported_globals: 0,
        logical_counter: None,
        exports: vec![
            Export {
                name: "add".into(),
                kind: ExportKind::Function(F::Add.index()),
            },
            Export {
                name: "memory".into(),
                kind: ExportKind::Memory,
            },
        ],
        start: None,
        data_segments: vec![
            DataSegment {
                offset: Some(ConstExpr::Const(16)),
                bytes: 0..12,
            },
            DataSegment {
                offset: Some(ConstExpr::Const(65_530)),
                bytes: 12..18,
            },
            DataSegment {
                offset: None,
                bytes: 18..25,
            },
        ],
        element_segments: vec![
            ElementSegment {
                mode: ElementMode::Active(ConstExpr::Const(1)),
                functions: vec![Some(F::Add.index()), None, Some(F::ImportAdd.index())],
            },
            ElementSegment {
                mode: ElementMode::Passive,
                functions: vec![Some(F::DivU.index()), Some(F::Add.index())],
            },
        ],
        entry_stubs: stubs.into_iter().map(Some).collect(),
    };
    let contents = ArtifactContents {
        module,
        code,
        traps: traps.finish(),
        data,
    };
    artifact_of(contents)
}

/// An artifact with contents that a test made or changed.
pub fn artifact_of(contents: ArtifactContents) -> Artifact {
    // SAFETY: the code follows the ABI; changes that the tests make to the metadata are refused or
    // keep it consistent.
    unsafe { Artifact::from_contents(contents) }
}

/// State of the host functions of [`linker`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct State {
    pub calls: u64,
}

/// Definitions for the module's imports, except `missing`.
pub fn linker() -> Linker<State> {
    let mut linker: Linker<State> = Linker::new();
    let signatures = signatures();
    linker.func("env", "add", signatures[3].clone(), |caller, slots| {
        caller.data_mut().calls += 1;
        match slots[0] {
            13 => return Err(HostError::Trap("thirteen".into())),
            14 => return Err(HostError::TrapKind(TrapKind::OutOfGas, "fourteen".into())),
            15 => panic!("fifteen of {}", slots[1]),
            16 => std::panic::panic_any(16),
            _ => {}
        }
        slots[0] = slots[0].wrapping_add(slots[1]);
        Ok(())
    });
    linker.func("env", "nop", signatures[0].clone(), |caller, _| {
        caller.data_mut().calls += 1;
        Ok(())
    });
    linker.func("env", "float", signatures[7].clone(), |_, slots| {
        slots[0] = u64::from(float::state());
        Ok(())
    });
    linker.unknown_functions(Some("env"));
    linker
}

/// Whether the tests run under an emulator.
pub fn emulated() -> bool {
    std::env::var_os("PVF_TEST_RUNNER").is_some()
}

/// The control register of floating point: MXCSR.
#[cfg(target_arch = "x86_64")]
pub mod float {
    /// The state while Wasm runs.
    pub const WASM: u32 = 0x1f80;
    /// A state with flush-to-zero.
    pub const FLUSH: u32 = 0x9fc0;
    /// The control bits; the others are flags that operations set.
    pub const CONTROL: u32 = !0x3f;
    /// States of a host: each rounding mode, flushing of results and operands, with and without
    /// flags.
    pub const STATES: [u32; 7] = [0x1f80, 0x1fbf, 0x3f80, 0x5f80, 0x7fa0, FLUSH, 0xffc0];

    pub fn state() -> u32 {
        let mut value = 0_u32;
        // SAFETY: stores the register to the local variable.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut value) };
        value
    }

    /// # Safety
    /// Compiled Rust code relies on the default state: restore it before other floating-point code
    /// runs.
    pub unsafe fn set_state(value: u32) {
        // SAFETY: the caller restores the state.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &value) };
    }
}

/// The control register of floating point: FPCR.
#[cfg(target_arch = "aarch64")]
pub mod float {
    /// The state while Wasm runs.
    pub const WASM: u32 = 1 << 25;
    /// A state with flush-to-zero.
    pub const FLUSH: u32 = 1 << 24;
    /// The control bits: all.
    pub const CONTROL: u32 = !0;
    /// States of a host: each rounding mode, flushing, default NaN.
    pub const STATES: [u32; 7] = [
        0,
        WASM,
        1 << 22,
        2 << 22,
        3 << 22,
        FLUSH,
        FLUSH | WASM | 3 << 22,
    ];

    pub fn state() -> u32 {
        let value: u64;
        // SAFETY: reads the register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) value) };
        value as u32
    }

    /// # Safety
    /// Compiled Rust code relies on the default state: restore it before other floating-point code
    /// runs.
    pub unsafe fn set_state(value: u32) {
        // SAFETY: the caller restores the state.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) u64::from(value)) };
    }
}

/// Memory limits as the module declares them, and a stack of 1 MiB.
pub const PARAMETERS: ExecutionParameters = ExecutionParameters {
    max_memory_pages: 65_536,
    ignore_declared_maximum: false,
    stack_native_max: 1 << 20,
    ..ExecutionParameters::WASM
};

/// The trap that ended a call.
pub fn trap(result: Result<Vec<Value>, CallError>) -> Trap {
    match result {
        Err(CallError::Trap(trap)) => trap,
        other => panic!("a trap was expected, not {other:?}"),
    }
}

/// Asserts that a call ended with a trap of this kind at this site.
#[track_caller]
pub fn assert_trap(result: Result<Vec<Value>, CallError>, kind: TrapKind, function: F, site: u32) {
    let expected = Trap {
        function: Some(function.index()),
        offset: Some(site),
        ..Trap::new(kind)
    };
    assert_eq!(trap(result), expected);
}

/// Values of type `i32`.
pub fn i32s(values: &[i32]) -> Vec<Value> {
    values.iter().map(|&value| Value::I32(value)).collect()
}

/// An instance of the unchanged module.
pub fn instance() -> Instance<State> {
    let module = Module::new(artifact()).unwrap();
    Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap()
}
