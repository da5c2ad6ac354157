//! Linking, segments, copy-on-write memory, reset, bulk operations.

mod support;

use pvf_compiler::artifact::*;
use pvf_runtime::{
    CallError, Instance, InstantiateError, LinkError, Linker, LoadError, Module, Segment, Value,
};
use pvf_spec::{ExecutionParameters, TrapKind};
use support::{F, PARAMETERS, State, artifact, linker};

fn new(artifact: Artifact, linker: &Linker<State>) -> Result<Instance<State>, InstantiateError> {
    let module = Module::new(artifact).unwrap();
    Instance::new(&module, linker, &PARAMETERS, State::default())
}

fn instance() -> Instance<State> {
    new(artifact(), &linker()).unwrap()
}

fn run(instance: &mut Instance<State>, function: F, operands: &[i32]) -> Result<(), TrapKind> {
    let operands: Vec<_> = operands.iter().map(|&value| Value::I32(value)).collect();
    match instance.call(function.index(), &operands) {
        Ok(_) => Ok(()),
        Err(CallError::Trap(trap)) => {
            assert_eq!(trap.function, Some(function.index()));
            assert!(trap.offset.is_some());
            Err(trap.kind)
        }
        Err(error) => panic!("{error}"),
    }
}

fn segment(offset: ConstExpr, bytes: std::ops::Range<u32>) -> DataSegment {
    DataSegment {
        offset: Some(offset),
        bytes,
    }
}

#[test]
fn memory_starts_with_the_active_segments() {
    let instance = instance();
    let mut expected = vec![0; 65_536];
    expected[16..28].copy_from_slice(b"hello, image");
    expected[65_530..].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
    assert!(instance.memory() == expected);
    assert_eq!(instance.global(0), Some(Value::I32(41)));
    assert_eq!(instance.global(1), Some(Value::I64(1 << 40)));
    assert_eq!(instance.global(2), None);
    let entries: Vec<_> = (0..9).map(|entry| instance.table_entry(entry)).collect();
    let (add, import) = (Some(F::Add.index()), Some(F::ImportAdd.index()));
    let none = Some(None);
    assert_eq!(
        entries,
        [
            none,
            Some(add),
            none,
            Some(import),
            none,
            none,
            none,
            none,
            None
        ]
    );
}

#[test]
fn instances_do_not_see_each_other() {
    let module = Module::new(artifact()).unwrap();
    let new = || Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    let (mut first, mut second) = (new(), new());
    first.memory_mut().fill(0xaa);
    assert!(first.set_global(0, Value::I32(7)));
    first.call(F::Bump.index(), &[]).unwrap();
    assert_eq!(first.global(0), Some(Value::I32(8)));
    let pristine = new();
    assert!(second.memory() == pristine.memory());
    assert_eq!(second.call(F::Bump.index(), &[]).unwrap(), [Value::I32(42)]);
    assert_eq!(second.memory()[..4], [1, 0, 0, 0]);
    assert!(pristine.memory()[..4] == [0; 4]);
}

#[test]
fn globals_are_set_by_type_and_mutability() {
    let mut instance = instance();
    assert!(!instance.set_global(0, Value::I64(1)));
    assert!(!instance.set_global(1, Value::I64(1)));
    assert!(!instance.set_global(9, Value::I32(1)));
    assert!(instance.set_global(0, Value::I32(-1)));
    assert_eq!(instance.global(0), Some(Value::I32(-1)));
}

#[test]
fn reset_leads_back_to_the_beginning() {
    let mut instance = instance();
    for round in 0..100 {
        run(&mut instance, F::Grow, &[2]).unwrap();
        instance.memory_mut().fill(round);
        instance.call(F::Bump.index(), &[]).unwrap();
        run(&mut instance, F::TableInit, &[0, 0, 2]).unwrap();
        run(&mut instance, F::Init, &[0, 0, 7]).unwrap();
        run(&mut instance, F::Drop, &[]).unwrap();
        run(&mut instance, F::ElemDrop, &[]).unwrap();
        instance.call(F::CallNop.index(), &[]).unwrap();
        assert_eq!(instance.data().calls, 1);
        instance.reset(State::default()).unwrap();
        assert_eq!(instance.data().calls, 0);
        assert_eq!(instance.memory_pages(), 1);
        let pristine = new(artifact(), &linker()).unwrap();
        assert!(instance.memory() == pristine.memory());
        assert_eq!(instance.global(0), pristine.global(0));
        for entry in 0..8 {
            assert_eq!(instance.table_entry(entry), pristine.table_entry(entry));
        }
        let beyond = run(&mut instance, F::Load8, &[65_536]);
        assert_eq!(beyond, Err(TrapKind::MemoryOutOfBounds));
    }
}

#[test]
fn pages_grown_after_a_reset_are_zero() {
    let mut instance = instance();
    run(&mut instance, F::Grow, &[3]).unwrap();
    instance.memory_mut().fill(0xff);
    instance.reset(State::default()).unwrap();
    run(&mut instance, F::Grow, &[3]).unwrap();
    assert!(instance.memory()[65_536..].iter().all(|&byte| byte == 0));
}

#[test]
fn bulk_memory_operations() {
    use TrapKind::MemoryOutOfBounds;
    let mut instance = instance();
    run(&mut instance, F::Fill, &[100, 0x1234_56ab, 3]).unwrap();
    assert_eq!(instance.memory()[99..104], [0, 0xab, 0xab, 0xab, 0]);
    run(&mut instance, F::Fill, &[65_536, 1, 0]).unwrap();
    assert_eq!(
        run(&mut instance, F::Fill, &[65_537, 1, 0]),
        Err(MemoryOutOfBounds)
    );
    assert_eq!(
        run(&mut instance, F::Fill, &[65_535, 1, 2]),
        Err(MemoryOutOfBounds)
    );
    assert_eq!(
        run(&mut instance, F::Fill, &[-1, 1, -1]),
        Err(MemoryOutOfBounds)
    );
    assert_eq!(
        instance.memory()[65_535],
        6,
        "a trapping fill writes nothing"
    );

    run(&mut instance, F::Copy, &[18, 16, 12]).unwrap();
    assert_eq!(&instance.memory()[16..30], b"hehello, image");
    run(&mut instance, F::Copy, &[16, 18, 12]).unwrap();
    assert_eq!(&instance.memory()[16..30], b"hello, imagege");
    assert_eq!(
        run(&mut instance, F::Copy, &[0, 65_530, 7]),
        Err(MemoryOutOfBounds)
    );
    assert_eq!(
        run(&mut instance, F::Copy, &[65_530, 0, 7]),
        Err(MemoryOutOfBounds)
    );
    run(&mut instance, F::Copy, &[65_536, 65_536, 0]).unwrap();

    run(&mut instance, F::Init, &[200, 1, 5]).unwrap();
    assert_eq!(&instance.memory()[200..206], b"assiv\0");
    assert_eq!(
        run(&mut instance, F::Init, &[200, 1, 7]),
        Err(MemoryOutOfBounds)
    );
    assert_eq!(
        run(&mut instance, F::Init, &[65_530, 0, 7]),
        Err(MemoryOutOfBounds)
    );
    run(&mut instance, F::Drop, &[]).unwrap();
    run(&mut instance, F::Drop, &[]).unwrap();
    run(&mut instance, F::Init, &[200, 0, 0]).unwrap();
    assert_eq!(
        run(&mut instance, F::Init, &[200, 0, 1]),
        Err(MemoryOutOfBounds)
    );
}

#[test]
fn bulk_table_operations() {
    use TrapKind::TableOutOfBounds;
    let mut instance = instance();
    let div = Some(Some(F::DivU.index()));
    let add = Some(Some(F::Add.index()));
    run(&mut instance, F::TableInit, &[6, 0, 2]).unwrap();
    assert_eq!([6, 7].map(|entry| instance.table_entry(entry)), [div, add]);
    assert_eq!(
        run(&mut instance, F::TableInit, &[7, 0, 2]),
        Err(TableOutOfBounds)
    );
    assert_eq!(
        run(&mut instance, F::TableInit, &[0, 1, 2]),
        Err(TableOutOfBounds)
    );
    run(&mut instance, F::TableCopy, &[4, 5, 3]).unwrap();
    assert_eq!(
        [4, 5, 6, 7].map(|entry| instance.table_entry(entry)),
        [Some(None), div, add, add]
    );
    assert_eq!(
        run(&mut instance, F::TableCopy, &[6, 0, 3]),
        Err(TableOutOfBounds)
    );
    assert_eq!(
        run(&mut instance, F::TableCopy, &[0, 6, 3]),
        Err(TableOutOfBounds)
    );
    run(&mut instance, F::ElemDrop, &[]).unwrap();
    run(&mut instance, F::TableInit, &[8, 0, 0]).unwrap();
    assert_eq!(
        run(&mut instance, F::TableInit, &[0, 0, 1]),
        Err(TableOutOfBounds)
    );

    let mut call = |entry| instance.call(F::CallIndirect.index(), &[Value::I32(entry)]);
    for entry in [1, 3, 6] {
        assert_eq!(call(entry).unwrap(), [Value::I64(42)]);
    }
    for entry in [0, 5] {
        assert!(
            matches!(call(entry), Err(CallError::Trap(trap)) if trap.kind == TrapKind::UndefinedElement)
        );
    }
}

#[test]
fn segments_apply_in_order_around_an_imported_global() {
    let mut artifact = artifact();
    let ty = GlobalType {
        value: ValType::I32,
        mutable: false,
    };
    let import = Import {
        module: "env".into(),
        name: "base".into(),
        kind: ImportKind::Global(ty),
    };
    artifact.module.imports.push(import);
    artifact.module.globals.insert(0, Global { ty, init: None });
    artifact.module.imported_globals = 1;
    artifact.module.globals[2].init = Some(ConstExpr::Global(0));
    artifact.data = b"AAAABBBBCCCC".to_vec();
    artifact.module.data_segments = vec![
        segment(ConstExpr::Const(100), 0..4),
        segment(ConstExpr::Global(0), 4..8),
        segment(ConstExpr::Const(104), 8..12),
    ];
    let module = Module::new(artifact.clone()).unwrap();
    let mut linker = linker();
    linker.global("env", "base", ty, Value::I32(102));
    let mut instance = Instance::new(&module, &linker, &PARAMETERS, State::default()).unwrap();
    assert_eq!(&instance.memory()[99..109], b"\0AABBCCCC\0");
    assert_eq!(
        [0, 2].map(|it| instance.global(it)),
        [Some(Value::I32(102)), Some(Value::I64(102))]
    );
    instance.memory_mut().fill(0);
    instance.reset(State::default()).unwrap();
    assert_eq!(&instance.memory()[99..109], b"\0AABBCCCC\0");

    linker.global("env", "base", ty, Value::I32(-1));
    let result = Instance::new(&module, &linker, &PARAMETERS, State::default());
    assert!(matches!(
        result,
        Err(InstantiateError::SegmentOutOfBounds { segment: Segment::Data(1), ref trap })
            if trap.kind == TrapKind::MemoryOutOfBounds
    ));
}

#[test]
fn segments_out_of_bounds_are_named() {
    let out_of_bounds = |change: &dyn Fn(&mut ModuleInfo)| {
        let mut artifact = artifact();
        change(&mut artifact.module);
        match new(artifact, &linker()) {
            Err(InstantiateError::SegmentOutOfBounds { segment, trap }) => (segment, trap.kind),
            Ok(_) => panic!("it fits"),
            Err(error) => panic!("{error}"),
        }
    };
    let memory = TrapKind::MemoryOutOfBounds;
    let cases = [
        (1, 65_531, 12..18),
        (0, 65_537, 0..0),
        (1, u64::from(u32::MAX), 0..1),
    ];
    for (index, offset, bytes) in cases {
        let failed = out_of_bounds(&|module| {
            module.data_segments[index] = segment(ConstExpr::Const(offset), bytes.clone());
        });
        assert_eq!(failed, (Segment::Data(index as u32), memory));
    }
    let failed = out_of_bounds(&|module| {
        module.element_segments[0].mode = ElementMode::Active(ConstExpr::Const(6));
        module.data_segments[0] = segment(ConstExpr::Const(65_536), 0..12);
    });
    assert_eq!(
        failed,
        (Segment::Element(0), TrapKind::TableOutOfBounds),
        "tables come first"
    );

    let mut fits = artifact();
    fits.module.data_segments[0] = segment(ConstExpr::Const(65_536), 0..0);
    new(fits, &linker()).unwrap();
}

#[test]
fn data_strewn_over_memory_arrives() {
    let mut artifact = artifact();
    artifact.module.memory = Some(MemoryType {
        minimum: 1024,
        maximum: None,
    });
    let count = 500_u32;
    artifact.data = (0..count).flat_map(|index| index.to_le_bytes()).collect();
    // Every 131,070 bytes, so that the extents do not merge and some cross a page; descending.
    let offset = |index: u32| 131_070 * (count - index) as usize;
    artifact.module.data_segments = (0..count)
        .map(|index| {
            segment(
                ConstExpr::Const(offset(index) as u64),
                4 * index..4 * index + 4,
            )
        })
        .collect();
    let mut instance = new(artifact, &linker()).unwrap();
    for _ in 0..2 {
        for index in 0..count {
            let at = offset(index);
            assert_eq!(instance.memory()[at..at + 4], index.to_le_bytes());
        }
        assert_eq!(
            instance.memory().iter().filter(|&&byte| byte != 0).count(),
            {
                (0..count)
                    .flat_map(u32::to_le_bytes)
                    .filter(|&byte| byte != 0)
                    .count()
            }
        );
        instance.memory_mut().fill(0xee);
        instance.reset(State::default()).unwrap();
    }
}

#[test]
fn overlapping_segments_apply_in_order() {
    let mut artifact = artifact();
    artifact.data = b"aaaabbbbcc".to_vec();
    artifact.module.data_segments = vec![
        segment(ConstExpr::Const(4096), 0..4),
        segment(ConstExpr::Const(4094), 4..8),
        segment(ConstExpr::Const(4095), 8..10),
    ];
    let instance = new(artifact, &linker()).unwrap();
    assert_eq!(&instance.memory()[4093..4101], b"\0bccbaa\0");
}

fn imports(kind: ImportKind) -> Artifact {
    let mut artifact = artifact();
    let module = &mut artifact.module;
    match kind {
        ImportKind::Memory(ty) => module.memory = Some(ty),
        ImportKind::Table(ty) => module.table = Some(ty),
        ImportKind::Global(ty) => {
            module.globals.insert(0, Global { ty, init: None });
            module.imported_globals = 1;
        }
        ImportKind::Function(_) => unreachable!("functions are imported as they are"),
    }
    let import = Import {
        module: "host".into(),
        name: "it".into(),
        kind,
    };
    module.imports.push(import);
    artifact
}

#[test]
fn imports_have_to_match() {
    let limits = |minimum, maximum| MemoryType { minimum, maximum };
    let link = |imported: MemoryType, offered: MemoryType| {
        let mut linker = linker();
        linker.memory("host", "it", offered);
        new(imports(ImportKind::Memory(imported)), &linker)
            .map(|instance| (instance.memory_pages(), instance.memory_limit_pages()))
    };
    assert_eq!(link(limits(1, None), limits(1, None)).unwrap(), (1, 65_536));
    assert_eq!(
        link(limits(1, Some(3)), limits(2, Some(3))).unwrap(),
        (2, 3)
    );
    for (imported, offered) in [
        (limits(2, None), limits(1, None)),
        (limits(1, Some(3)), limits(1, None)),
        (limits(1, Some(3)), limits(1, Some(4))),
    ] {
        let error = link(imported, offered).unwrap_err();
        assert!(
            matches!(error, InstantiateError::Link(LinkError::Type { .. })),
            "{error}"
        );
    }

    let i32_global = GlobalType {
        value: ValType::I32,
        mutable: false,
    };
    let mut linker = linker();
    linker.global("host", "it", i32_global, Value::I32(5));
    let global = |ty| new(imports(ImportKind::Global(ty)), &linker).map(|it| it.global(0));
    assert_eq!(global(i32_global).unwrap(), Some(Value::I32(5)));
    for wrong in [
        GlobalType {
            value: ValType::F32,
            ..i32_global
        },
        GlobalType {
            mutable: true,
            ..i32_global
        },
    ] {
        let error = global(wrong).unwrap_err();
        assert!(
            matches!(error, InstantiateError::Link(LinkError::Type { .. })),
            "{error}"
        );
    }
    let error = new(imports(ImportKind::Memory(limits(1, None))), &linker)
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "import host:it is a memory, the host offers a global"
    );
}

#[test]
fn tables_are_as_large_as_the_host_says() {
    let imported = TableType {
        minimum: 2,
        maximum: None,
    };
    let mut linker = linker();
    linker.table(
        "host",
        "it",
        TableType {
            minimum: 4,
            maximum: Some(20),
        },
    );
    let instance = new(imports(ImportKind::Table(imported)), &linker).unwrap();
    assert_eq!(instance.table_entry(3), Some(Some(F::ImportAdd.index())));
    assert_eq!(instance.table_entry(4), None);
}

#[test]
fn an_unknown_import_is_named_unless_it_may_be_missing() {
    let memory = ImportKind::Memory(MemoryType {
        minimum: 1,
        maximum: None,
    });
    let error = new(imports(memory), &linker()).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "unknown import host:it (memory)");
    let mut permissive = linker();
    permissive.memory_any(Some("host"));
    new(imports(memory), &permissive).unwrap();

    let mut strict: Linker<State> = Linker::new();
    let error = new(artifact(), &strict).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "unknown import env:add (function)");
    strict.unknown_functions(Some("other"));
    assert!(new(artifact(), &strict).is_err());
    strict.unknown_functions(Some("env"));
    assert!(new(artifact(), &strict).is_ok());
    let wrong = FuncType {
        params: vec![ValType::I32],
        results: vec![],
    };
    strict.func("env", "nop", wrong, |_, _| Ok(()));
    let error = new(artifact(), &strict).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "import env:nop has type [] -> [], the host's has [i32] -> []"
    );
}

#[test]
fn inconsistent_metadata_is_turned_down() {
    type Change = fn(&mut Artifact);
    let changes: &[Change] = &[
        |it| it.code.clear(),
        |it| it.data.truncate(20),
        |it| it.module.entry_stubs[3] = u32::MAX,
        |it| it.module.entry_stubs.truncate(3),
        |it| it.module.functions[5].code_offset = u32::MAX,
        |it| it.module.functions[5].signature = 1000,
        |it| it.module.functions.truncate(3),
        |it| it.module.imported_functions = 3,
        |it| it.module.imported_functions = u32::MAX,
        |it| it.module.imported_globals = 1,
        |it| it.module.imports[0].kind = ImportKind::Function(1),
        |it| {
            it.module.imports[0].kind = ImportKind::Memory(MemoryType {
                minimum: 9,
                maximum: None,
            })
        },
        |it| it.module.globals[0].init = None,
        |it| it.module.globals[0].init = Some(ConstExpr::Global(0)),
        |it| it.module.start = Some(1_000_000),
        |it| it.module.start = Some(F::Add.index()),
        |it| it.module.memory = None,
        |it| {
            it.module.memory = Some(MemoryType {
                minimum: 65_537,
                maximum: None,
            })
        },
        |it| it.module.table = None,
        |it| it.module.exports[0].kind = ExportKind::Function(u32::MAX),
        |it| it.module.exports[0].kind = ExportKind::Global(2),
        |it| it.module.element_segments[1].functions[0] = Some(1_000_000),
        |it| it.module.element_segments[0].mode = ElementMode::Active(ConstExpr::Global(7)),
        #[expect(clippy::reversed_empty_ranges, reason = "the point of the case")]
        |it| it.module.data_segments[0].bytes = 5..2,
        |it| it.module.data_segments[0].offset = Some(ConstExpr::Global(0)),
        |it| it.module.signatures[0].params = vec![ValType::I64; 3000],
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut artifact = artifact();
        change(&mut artifact);
        let result = Module::new(artifact);
        assert!(
            matches!(result, Err(LoadError::Inconsistent { .. })),
            "change {index}"
        );
    }
}

#[test]
fn a_linked_module_is_instantiated_without_the_linker() {
    let module = Module::new(artifact()).unwrap();
    let linked = linker().link(&module).unwrap();
    drop(module);
    let parameters = ExecutionParameters {
        max_memory_pages: 2,
        ..PARAMETERS
    };
    let mut instance = Instance::from_linked(&linked, &parameters, State::default()).unwrap();
    assert_eq!(instance.memory_limit_pages(), 2);
    assert_eq!(
        instance
            .call(F::CallAdd.index(), &[Value::I64(4); 2])
            .unwrap(),
        [Value::I64(8)]
    );
}

#[test]
fn an_instance_finds_nothing_of_its_predecessors() {
    let module = Module::new(artifact()).unwrap();
    let new = |max_memory_pages, stack_native_max| {
        let parameters = ExecutionParameters {
            max_memory_pages,
            stack_native_max,
            ..PARAMETERS
        };
        Instance::new(&module, &linker(), &parameters, State::default()).unwrap()
    };
    let pristine = new(4, 1 << 20);
    let sizes = [
        (4, 1 << 20),
        (3, 1 << 20),
        (4, 3200),
        (3, 3200),
        (4, 1 << 20),
    ];
    for (pages, stack) in sizes.into_iter().cycle().take(50) {
        let mut instance = new(pages, stack);
        assert!(instance.memory() == pristine.memory());
        assert_eq!(instance.memory_limit_pages(), pages);
        assert_eq!(instance.stack_native_peak(), 0);
        for index in 0..2 {
            assert_eq!(instance.global(index), pristine.global(index));
        }
        for entry in 0..8 {
            assert_eq!(instance.table_entry(entry), pristine.table_entry(entry));
        }
        run(&mut instance, F::Init, &[0, 0, 7]).unwrap();
        run(&mut instance, F::Drop, &[]).unwrap();
        run(&mut instance, F::TableInit, &[0, 0, 2]).unwrap();
        run(&mut instance, F::Bump, &[]).unwrap();
        run(&mut instance, F::Grow, &[pages as i32 - 1]).unwrap();
        instance.memory_mut().fill(0x77);
        let overflow = run(&mut instance, F::Recurse, &[i32::MAX]);
        assert_eq!(overflow, Err(TrapKind::StackOverflow));
        assert_eq!(instance.stack_native_peak(), stack);
    }
}

#[test]
fn more_instances_at_once_than_are_kept() {
    let module = Module::new(artifact()).unwrap();
    for _ in 0..3 {
        let mut instances: Vec<_> = (0..40)
            .map(|_| Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap())
            .collect();
        for (index, instance) in (0..).zip(&mut instances) {
            assert_eq!(instance.memory()[0], 0);
            instance.memory_mut()[0] = index;
        }
        for (index, instance) in (0..).zip(&instances) {
            assert_eq!(instance.memory()[0], index);
        }
    }
}
