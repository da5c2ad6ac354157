//! Matching of imports, and checks of inconsistent metadata.

mod support;

use pvf_compiler::artifact::*;
use pvf_compiler::{FuncType, GlobalType, MemoryType, TableType, ValType};
use pvf_rules::ExecutionParameters;
use pvf_runtime::{Instance, InstantiateError, LinkError, Linker, LoadError, Module, Value};
use support::{F, PARAMETERS, State, artifact, artifact_of, linker};

fn new(artifact: Artifact, linker: &Linker<State>) -> Result<Instance<State>, InstantiateError> {
    let module = Module::new(artifact).unwrap();
    Instance::new(&module, linker, &PARAMETERS, State::default())
}

fn with_import(kind: ImportKind) -> Artifact {
    let mut artifact = artifact().into_contents();
    let module = &mut artifact.module;
    match kind {
        ImportKind::Memory(ty) => module.memory = Some(ty),
        ImportKind::Table(ty) => module.table = Some(ty),
        ImportKind::Global(ty) => {
            module.globals.insert(0, Global { ty, init: None });
            module.imported_globals = 1;
        }
        ImportKind::Function(_) => unreachable!("tests import no functions here"),
    }
    let import = Import {
        module: "host".into(),
        name: "it".into(),
        kind,
    };
    module.imports.push(import);
    artifact_of(artifact)
}

#[test]
fn imports_match_by_type_and_limits() {
    let limits = |minimum, maximum| MemoryType { minimum, maximum };
    let link = |imported: MemoryType, offered: MemoryType| {
        let mut linker = linker();
        linker.memory("host", "it", offered);
        new(with_import(ImportKind::Memory(imported)), &linker)
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
    let global = |ty| new(with_import(ImportKind::Global(ty)), &linker).map(|it| it.global(0));
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
    let error = new(with_import(ImportKind::Memory(limits(1, None))), &linker)
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "import host:it is a memory, the host offers a global"
    );
}

#[test]
fn an_imported_table_has_the_size_of_the_hosts_definition() {
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
    let instance = new(with_import(ImportKind::Table(imported)), &linker).unwrap();
    assert_eq!(instance.table_entry(3), Some(Some(F::ImportAdd.index())));
    assert_eq!(instance.table_entry(4), None);
}

#[test]
fn an_unknown_import_is_an_error_unless_it_may_be_missing() {
    let memory = ImportKind::Memory(MemoryType {
        minimum: 1,
        maximum: None,
    });
    let error = new(with_import(memory), &linker()).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "unknown import host:it (memory)");
    let mut permissive = linker();
    permissive.memory_any(Some("host"));
    new(with_import(memory), &permissive).unwrap();

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
fn inconsistent_metadata_is_refused() {
    type Change = fn(&mut ArtifactContents);
    let changes: &[Change] = &[
        |it| it.code.clear(),
        |it| it.data.truncate(20),
        |it| it.module.entry_stubs[3] = Some(u32::MAX),
        |it| it.module.entry_stubs.truncate(3),
        |it| it.module.entry_stubs.fill(None),
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
        let mut artifact = artifact().into_contents();
        change(&mut artifact);
        let result = Module::new(artifact_of(artifact));
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
