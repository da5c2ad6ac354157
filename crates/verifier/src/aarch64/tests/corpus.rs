//! Code for aarch64, function by function.

use crate::aarch64::module::{Tables, words_of};
use crate::aarch64::walk::{self, Buffers};
use crate::wasm::Bodies;
use crate::{
    FunctionCode, GasMeter, InstructionSet, LoopStart, MachineCode, Module, NativeStack, Refusal,
    Settings, TrapSite,
};
use pvf_compiler::{CompileOptions, Costs, Metering, Target, compile_with_loops};
use pvf_rules::Features;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A module with its code.
pub struct Subject {
    pub wasm: Vec<u8>,
    pub code: Vec<u8>,
    pub functions: Vec<FunctionCode>,
    pub entry_stubs: Vec<Option<u32>>,
    pub sites: Vec<TrapSite>,
    loops: Vec<LoopStart>,
    costs: Option<Arc<Costs>>,
    logical_stack: bool,
    logical_counter: Option<u32>,
}

impl Subject {
    /// Compiles a module with both meters or with none. Returns `None` if it does not belong to the accepted language.
    pub fn new(wasm: Vec<u8>, metered: bool) -> Option<Self> {
        let costs = metered.then(|| Arc::new(Costs::default()));
        let options = CompileOptions {
            target: Target::Aarch64,
            metering: Metering {
                logical_stack: metered,
                gas: costs.clone(),
            },
            ..CompileOptions::new(Features::ALL)
        };
        let (artifact, loops) = compile_with_loops(&wasm, &options).ok()?;
        let loops = loops.iter().map(|start| LoopStart {
            code_offset: start.code_offset,
            words: start.words,
            doubles: start.doubles,
        });
        let info = &artifact.module;
        let functions = info.functions.iter().map(|function| FunctionCode {
            offset: function.code_offset,
            bytes: function.code_bytes,
            signature: function.signature,
            frame_bytes: function.frame_bytes,
            logical_cost: function.logical_cost,
        });
        let sites = artifact.traps.sites().map(|site| TrapSite {
            code_offset: site.code_offset,
            wasm_offset: site.wasm_offset,
            kind: site.kind,
        });
        Some(Self {
            code: artifact.code.clone(),
            functions: functions.collect(),
            entry_stubs: info.entry_stubs.clone(),
            sites: sites.collect(),
            loops: loops.collect(),
            costs,
            logical_stack: info.meters.logical_stack,
            logical_counter: info.logical_counter,
            wasm,
        })
    }

    pub fn machine_code<'s>(&'s self, code: &'s [u8], sites: &'s [TrapSite]) -> MachineCode<'s> {
        MachineCode {
            settings: self.settings(),
            code,
            functions: &self.functions,
            entry_stubs: &self.entry_stubs,
            sites,
            loops: Some(&self.loops),
        }
    }

    fn settings(&self) -> Settings<'_> {
        Settings {
            instruction_set: InstructionSet::Aarch64,
            native_stack: NativeStack::Enforced,
            logical_stack: self.logical_stack,
            logical_counter: self.logical_counter,
            gas: match &self.costs {
                Some(costs) => GasMeter::Priced(costs),
                None => GasMeter::Off,
            },
        }
    }
}

/// Checks single functions of a subject.
pub struct Checker<'s> {
    subject: &'s Subject,
    module: &'s Module<'s>,
    tables: Tables<'s>,
    bodies: Bodies,
    buffers: Buffers,
}

impl<'s> Checker<'s> {
    pub fn new(subject: &'s Subject, module: &'s Module<'s>, sites: &'s [TrapSite]) -> Self {
        let code = subject.machine_code(&subject.code, sites);
        let tables = Tables::new(module, &code).expect("the module is in order");
        let settings = subject.settings();
        Self {
            subject,
            module,
            tables,
            bodies: Bodies::new(settings.logical_stack, settings.gas),
            buffers: Buffers::default(),
        }
    }

    /// Whether a function is accepted with other code in its place.
    pub fn check(&mut self, number: u32, code: &[u8]) -> Result<(), Refusal> {
        let function = self.subject.functions[number as usize];
        let body = self
            .bodies
            .read(self.module, number)
            .expect("it can be read");
        let moved = FunctionCode { ..function };
        let words = code.as_chunks::<4>().0;
        let sites = self.tables.sites;
        let all = self.subject.machine_code(&self.subject.code, sites);
        let named = all.loops_within(function.offset, function.offset + function.bytes);
        let site = sites.partition_point(|site| site.code_offset < function.offset);
        walk::function(
            &self.tables,
            words,
            (number, moved),
            body,
            named,
            &mut self.buffers,
            site,
        )
        .map(|_| ())
    }

    /// A function's original code.
    pub fn code_of(&self, number: u32) -> Vec<u8> {
        let words = words_of(&self.subject.code, &self.subject.functions[number as usize]);
        words.as_flattened().to_vec()
    }
}

/// A module whose indices are not in registers before they are used.
const SPILLED: &str = r#"(module
    (memory 1) (func $f)
    (func (export "load") (param i32 i32) (result i32)
        call $f  local.get 0 i32.load
        call $f  local.get 1 i32.load offset=8
        i32.add)
    (func (export "store") (param i32 i64)
        call $f  local.get 0 local.get 1 i64.store offset=16
        call $f  local.get 0 i32.load8_u drop))"#;

/// Modules of this repository: those of the golden files and the conformance suite, and one written for these tests.
pub fn modules() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![wat::parse_str(SPILLED).expect("is a module")];
    for file in files(&root.join("../compiler/tests/golden"), "wat") {
        all.push(wat::parse_file(file).expect("is a module"));
    }
    for file in files(&root.join("../../conformance/wasm"), "wasm") {
        all.push(fs::read(file).expect("can be read"));
    }
    all
}

/// Runtimes of real networks, if they are here.
pub fn runtimes() -> Vec<Vec<u8>> {
    let chains = pvf_corpus::recorded_chains().expect("the folder can be read");
    let wasm = |chain: pvf_corpus::Chain| pvf_corpus::wasm(&chain.code).expect("is a blob");
    chains.into_iter().map(wasm).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("can be read").path())
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect();
    all.sort();
    all
}
