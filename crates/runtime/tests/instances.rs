//! Segments, copy-on-write memory, reset, bulk operations.

mod support;

use pvf_compiler::artifact::*;
use pvf_compiler::{GlobalType, MemoryType, TableType, ValType};
use pvf_rules::{ExecutionParameters, TrapKind};
use pvf_runtime::{CallError, Instance, InstantiateError, Linker, Module, Segment, Value};
use support::{F, PARAMETERS, State, artifact, artifact_of, linker};

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
fn instances_share_no_state() {
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
fn only_mutable_globals_of_the_same_type_are_set() {
    let mut instance = instance();
    assert!(!instance.set_global(0, Value::I64(1)));
    assert!(!instance.set_global(1, Value::I64(1)));
    assert!(!instance.set_global(9, Value::I32(1)));
    assert!(instance.set_global(0, Value::I32(-1)));
    assert_eq!(instance.global(0), Some(Value::I32(-1)));
}

#[test]
fn reset_restores_the_initial_state() {
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

/// `expect_use` is advice: contents and sizes stay the same for every range.
#[test]
fn expect_use_changes_neither_contents_nor_sizes() {
    let mut artifact = artifact().into_contents();
    if let Some(memory) = &mut artifact.module.memory {
        memory.maximum = Some(400);
    }
    let mut instance = new(artifact_of(artifact), &linker()).unwrap();
    instance.grow_memory(300).unwrap().unwrap();
    let size = instance.memory().len();
    instance.memory_mut()[5_000_000] = 7;
    let before = instance.memory().to_vec();
    let ranges = [
        (0, u32::MAX),
        (1, 20_000_000),
        (65_536, 4 << 20),
        (70_000, 100_000),
        (2_500_000, 700_000),
        (size as u32 - 3_000_000, 3_000_000),
        (u32::MAX, 4 << 20),
        (100, 0),
    ];
    for (address, bytes) in ranges {
        instance.expect_use(address, bytes);
        assert!(instance.memory() == before);
    }
    instance.memory_mut().fill(9);
    instance.reset(State::default()).unwrap();
    instance.grow_memory(300).unwrap().unwrap();
    assert_eq!(instance.memory().len(), size);
    assert!(instance.memory()[65_536..].iter().all(|&byte| byte == 0));
}

#[test]
fn bulk_memory_operations_check_bounds_and_write_exactly_their_range() {
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
    // Operands whose sum wraps around.
    for (function, operands) in [
        (F::Fill, [10, 1, -5]),
        (F::Copy, [0, 10, -5]),
        (F::Copy, [10, 0, -5]),
        (F::Init, [0, 3, -2]),
        (F::Init, [10, 0, -5]),
    ] {
        assert_eq!(
            run(&mut instance, function, &operands),
            Err(MemoryOutOfBounds)
        );
    }
    run(&mut instance, F::Drop, &[]).unwrap();
    run(&mut instance, F::Drop, &[]).unwrap();
    run(&mut instance, F::Init, &[200, 0, 0]).unwrap();
    assert_eq!(
        run(&mut instance, F::Init, &[200, 0, 1]),
        Err(MemoryOutOfBounds)
    );
}

#[test]
fn bulk_table_operations_check_bounds_and_write_exactly_their_range() {
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
    let mut artifact = artifact().into_contents();
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
    let module = Module::new(artifact_of(artifact.clone())).unwrap();
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
fn the_error_names_the_segment_out_of_bounds() {
    let out_of_bounds = |change: &dyn Fn(&mut ModuleInfo)| {
        let mut artifact = artifact().into_contents();
        change(&mut artifact.module);
        match new(artifact_of(artifact), &linker()) {
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
        "element segments are applied first"
    );

    let mut fits = artifact().into_contents();
    fits.module.data_segments[0] = segment(ConstExpr::Const(65_536), 0..0);
    new(artifact_of(fits), &linker()).unwrap();
}

#[test]
fn sparse_data_segments_are_all_applied() {
    let mut artifact = artifact().into_contents();
    artifact.module.memory = Some(MemoryType {
        minimum: 1024,
        maximum: None,
    });
    let count = 500_u32;
    artifact.data = (0..count).flat_map(|index| index.to_le_bytes()).collect();
    // Every 131,070 bytes, so that extents do not merge and some segments cross a page; in
    // descending order.
    let offset = |index: u32| 131_070 * (count - index) as usize;
    artifact.module.data_segments = (0..count)
        .map(|index| {
            segment(
                ConstExpr::Const(offset(index) as u64),
                4 * index..4 * index + 4,
            )
        })
        .collect();
    let mut instance = new(artifact_of(artifact), &linker()).unwrap();
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
    let mut artifact = artifact().into_contents();
    artifact.data = b"aaaabbbbcc".to_vec();
    artifact.module.data_segments = vec![
        segment(ConstExpr::Const(4096), 0..4),
        segment(ConstExpr::Const(4094), 4..8),
        segment(ConstExpr::Const(4095), 8..10),
    ];
    let instance = new(artifact_of(artifact), &linker()).unwrap();
    assert_eq!(&instance.memory()[4093..4101], b"\0bccbaa\0");
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
fn more_instances_can_exist_than_regions_are_kept() {
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

#[test]
fn a_large_table_is_reset_and_recycled() {
    let mut artifact = artifact().into_contents();
    let entries = 40_000;
    artifact.module.table = Some(TableType {
        minimum: entries,
        maximum: None,
    });
    let module = Module::new(artifact_of(artifact)).unwrap();
    let last = entries as i32 - 2;
    let filled = [F::DivU, F::Add].map(|function| Some(Some(function.index())));
    let mut instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    for round in 0..4 {
        let ends = |instance: &Instance<State>| {
            [entries - 2, entries - 1].map(|entry| instance.table_entry(entry))
        };
        assert_eq!(ends(&instance), [Some(None); 2]);
        assert_eq!(instance.table_entry(1), Some(Some(F::Add.index())));
        assert_eq!(instance.table_entry(entries), None);
        run(&mut instance, F::TableInit, &[last, 0, 2]).unwrap();
        run(&mut instance, F::TableInit, &[0, 0, 2]).unwrap();
        assert_eq!(ends(&instance), filled);
        if round % 2 == 0 {
            instance.reset(State::default()).unwrap();
        } else {
            drop(instance);
            instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
        }
    }
}
