//! Preparation: from a module's bytes to an artifact, functions side by side.
//!
//! Bodies are dealt out in chunks whose borders depend on the module alone; each chunk becomes one
//! piece of code, and the pieces are laid one after the other. So the artifact is the same for
//! any number of threads, and an error is that of the first function that has one.

use crate::abi::{self, BUILTIN_FLAG, Builtin, is_plain};
use crate::analysis::{Analyser, Analysis};
use crate::artifact::{Artifact, CodeMap, Meters, TrapMapBuilder, TrapSite};
use crate::generate::{
    GeneratedFunction, GeneratorState, ModuleContext, builtin_convention, convention, generate,
};
use crate::module::{self, Body, ParsedModule};
use crate::target::aarch64::Aarch64;
use crate::target::masm::{
    BlockOperation, CallFixup, Convention, MachineCode, MacroAssembler, OutOfReach, Reach, Table,
};
use crate::target::x64::X64;
use crate::{CompileError, Target};
use pvf_metering::Costs;
use pvf_spec::{Features, Limits};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How to prepare a module.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// The accepted language.
    pub features: Features,
    /// Limits by count.
    pub limits: Limits,
    /// Instruction set to make code for.
    pub target: Target,
    /// Which meters the code drives.
    pub metering: Metering,
    /// What becomes of the native stack limit.
    pub native_stack: NativeStack,
    /// Do loops that copy, fill or compare memory many turns at a time. Without it they run turn by turn, with the
    /// same outcome: for tests, and to measure what it brings.
    pub loop_idioms: bool,
    /// Threads to use; the artifact does not depend on it.
    pub threads: NonZeroUsize,
}

impl CompileOptions {
    /// Options for a language, for this machine, on one thread, with the default limits.
    pub fn new(features: Features) -> Self {
        Self {
            features,
            limits: Limits::DEFAULT,
            target: Target::HOST,
            metering: Metering::default(),
            native_stack: NativeStack::default(),
            loop_idioms: true,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// Which meters the code drives. The limits themselves are given when it is run. Without a meter the
/// code is the same as if there were none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metering {
    /// Count the logical stack height.
    pub logical_stack: bool,
    /// Count gas, by these costs.
    pub gas: Option<Arc<Costs>>,
}

/// What code does about the native stack limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeStack {
    /// Enforces it: one comparison at each entry.
    #[default]
    Enforced,
    /// Enforces it, and counts in software what every frame should take; see [`abi::context::AUDIT_DEPTH`]. For
    /// tests.
    Audited,
    /// Does not look at it, to measure what looking costs. A recursion too deep is a host failure, since
    /// it ends at the guard of the stack's region.
    Unchecked,
}

/// Tells artifacts of different gas schedules apart.
pub fn schedule_hash(costs: &Costs) -> u128 {
    twox_hash::XxHash3_128::oneshot(&costs.to_bytes())
}

/// Bytes of bodies that make a chunk.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Functions and the code begin at multiples of this.
const CODE_ALIGNMENT: usize = 16;

/// Prepares a module.
///
/// # Errors
/// [`CompileError`] if the module is malformed, invalid, outside the accepted language or
/// beyond a limit.
pub fn compile(wasm: &[u8], options: &CompileOptions) -> Result<Artifact, CompileError> {
    compile_any(wasm, options, false).map(|(artifact, _)| artifact)
}

/// Prepares a module and says which code was made for which Wasm instruction. The artifact is the one
/// that [`compile`] makes.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_code_map(
    wasm: &[u8],
    options: &CompileOptions,
) -> Result<(Artifact, CodeMap), CompileError> {
    compile_any(wasm, options, true)
}

fn compile_any(
    wasm: &[u8],
    options: &CompileOptions,
    mapped: bool,
) -> Result<(Artifact, CodeMap), CompileError> {
    let parsed = module::parse(wasm, options.features, &options.limits)?;
    match options.target {
        Target::X86_64 => compile_for::<X64>(parsed, options, mapped),
        Target::Aarch64 => compile_for::<Aarch64>(parsed, options, mapped),
    }
}

fn compile_for<M: MacroAssembler>(
    parsed: ParsedModule<'_>,
    options: &CompileOptions,
    mapped: bool,
) -> Result<(Artifact, CodeMap), CompileError> {
    let linked = match link_for::<M>(&parsed, options, mapped, Reach::Near) {
        Err(LinkError::OutOfReach) => link_for::<M>(&parsed, options, mapped, Reach::Far),
        linked => linked,
    };
    match linked {
        Ok(linked) => Ok(finish(parsed, options, linked)),
        Err(LinkError::Compile(error)) => Err(error),
        // Far calls reach as far as any code.
        Err(LinkError::OutOfReach) => Err(CompileError::CodeTooLarge),
    }
}

/// Why there is no linked code.
enum LinkError {
    Compile(CompileError),
    /// The code is too long for near calls.
    OutOfReach,
}

impl From<CompileError> for LinkError {
    fn from(error: CompileError) -> Self {
        Self::Compile(error)
    }
}

/// A piece of code with the functions in it.
struct Chunk {
    code: MachineCode,
    functions: Vec<GeneratedFunction>,
}

fn link_for<M: MacroAssembler>(
    parsed: &ParsedModule<'_>,
    options: &CompileOptions,
    mapped: bool,
    reach: Reach,
) -> Result<Linked, LinkError> {
    let registers = M::new(options, reach).registers();
    let conventions = parsed
        .info
        .signatures
        .iter()
        .map(|ty| convention(ty, registers))
        .collect();
    let table = parsed.info.table.map(|table| Table {
        offset: parsed.info.context_layout().table as u32,
        entries: table.minimum,
    });
    let context = ModuleContext {
        module: parsed,
        conventions,
        table,
        memory_grow: options
            .metering
            .gas
            .as_ref()
            .map_or(0, |costs| costs.memory_grow_per_page()),
    };
    let chunks = generate_chunks::<M>(&context, options, mapped, reach)?;
    let stubs = Stubs::generate::<M>(&context, options)?;
    let mut linker = Linker::new(M::PADDING);
    linker.add_chunks(&context, chunks)?;
    linker.finish::<M>(&context, stubs)
}

fn finish(
    parsed: ParsedModule<'_>,
    options: &CompileOptions,
    linked: Linked,
) -> (Artifact, CodeMap) {
    let mut info = parsed.info;
    info.target = options.target;
    info.meters = Meters {
        logical_stack: options.metering.logical_stack,
        gas: options.metering.gas.is_some(),
        schedule: options.metering.gas.as_deref().map_or(0, schedule_hash),
    };
    for (function, placed) in info.functions.iter_mut().zip(linked.functions) {
        function.code_offset = placed.start;
        function.code_bytes = placed.end - placed.start;
        function.frame_bytes = placed.frame_bytes;
        function.logical_cost = placed.logical_cost;
    }
    info.entry_stubs = linked.entry_stubs;
    let artifact = Artifact {
        module: info,
        code: linked.code,
        traps: linked.traps,
        data: parsed.data,
    };
    (artifact, linked.map)
}

/// Borders of the chunks, as ranges of bodies.
fn chunk_bodies<'b, 'a>(bodies: &'b [Body<'a>]) -> Vec<&'b [Body<'a>]> {
    let mut bytes = 0;
    bodies
        .chunk_by(|body, _| {
            let range = body.body.range();
            bytes += range.end - range.start;
            let full = bytes >= CHUNK_BYTES;
            if full {
                bytes = 0;
            }
            !full
        })
        .collect()
}

fn generate_chunks<M: MacroAssembler>(
    context: &ModuleContext<'_>,
    options: &CompileOptions,
    mapped: bool,
    reach: Reach,
) -> Result<Vec<Chunk>, CompileError> {
    let chunks = chunk_bodies(&context.module.bodies);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        let mut generator = ChunkGenerator::<M>::new(options, mapped, reach);
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(chunk) = chunks.get(index)
        {
            done.push((index, generator.generate(context, chunk, options)));
        }
        done
    };
    let threads = options.threads.get().min(chunks.len());
    let mut done = std::thread::scope(|scope| {
        // This thread is one of them. If the system refuses others, the rest do the work.
        let others: Vec<_> = (1..threads)
            .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, worker).ok())
            .collect();
        let mut done = worker();
        for other in others {
            done.extend(other.join().expect("a compile thread panicked"));
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, chunk)| chunk).collect()
}

/// Both passes over chunk after chunk, with buffers that stay.
struct ChunkGenerator<M> {
    analyser: Analyser,
    analysis: Analysis,
    generator: GeneratorState,
    masm: M,
}

impl<M: MacroAssembler> ChunkGenerator<M> {
    fn new(options: &CompileOptions, mapped: bool, reach: Reach) -> Self {
        let mut masm = M::new(options, reach);
        if mapped {
            masm.record_code_map();
        }
        Self {
            analyser: Analyser::default(),
            analysis: Analysis::default(),
            generator: GeneratorState::default(),
            masm,
        }
    }

    fn generate(
        &mut self,
        context: &ModuleContext<'_>,
        bodies: &[Body<'_>],
        options: &CompileOptions,
    ) -> Result<Chunk, CompileError> {
        let mut functions = Vec::with_capacity(bodies.len());
        for body in bodies {
            self.analyser
                .run(context.module, body, options, &mut self.analysis)?;
            functions.push(generate(
                &mut self.generator,
                &mut self.masm,
                context,
                body,
                &self.analysis,
            ));
        }
        let code = self.masm.take().map_err(|_| CompileError::CodeTooLarge)?;
        Ok(Chunk { code, functions })
    }
}

/// The stubs between generated code and the host.
struct Stubs {
    code: MachineCode,
    /// Of imported functions.
    hosts: Vec<u32>,
    /// Of builtins, then of block operations.
    builtins: Vec<u32>,
    /// By signature.
    entries: Vec<u32>,
}

impl Stubs {
    fn generate<M: MacroAssembler>(
        context: &ModuleContext<'_>,
        options: &CompileOptions,
    ) -> Result<Self, CompileError> {
        let info = &context.module.info;
        let mut masm = M::new(options, Reach::Near);
        let mut gates = vec![None; info.signatures.len()];
        let imported = &info.functions[..info.imported_functions as usize];
        let hosts = (0..)
            .zip(imported)
            .map(|(index, function)| {
                let gate =
                    *gates[function.signature as usize].get_or_insert_with(|| masm.new_label());
                masm.host_stub(index, gate)
            })
            .collect();
        for ((gate, ty), signature) in gates.iter().zip(&context.conventions).zip(&info.signatures)
        {
            match gate {
                Some(gate) if is_plain(signature) => masm.plain_host_gate(*gate, ty),
                Some(gate) => masm.host_gate(*gate, ty),
                None => {}
            }
        }
        let builtins = Builtin::ALL
            .into_iter()
            .map(|builtin| {
                let gate = masm.new_label();
                let stub = masm.host_stub(BUILTIN_FLAG | builtin as u32, gate);
                masm.host_gate(gate, &builtin_convention(builtin, masm.registers()));
                stub
            })
            .collect::<Vec<_>>();
        let blocks = BlockOperation::ALL.map(|block| masm.block_stub(block));
        let builtins = builtins.into_iter().chain(blocks).collect();
        let entries = context
            .conventions
            .iter()
            .map(|ty: &Convention| masm.entry_stub(ty))
            .collect();
        let code = masm.take().map_err(|_| CompileError::CodeTooLarge)?;
        Ok(Self {
            code,
            hosts,
            builtins,
            entries,
        })
    }
}

/// Lays pieces of code one after the other.
struct Linker {
    /// What fills the space between them.
    padding: u8,
    code: Vec<u8>,
    functions: Vec<GeneratedFunction>,
    traps: TrapMapBuilder,
    calls: Vec<CallFixup>,
    map: CodeMap,
}

struct Linked {
    code: Vec<u8>,
    functions: Vec<GeneratedFunction>,
    entry_stubs: Vec<u32>,
    traps: crate::artifact::TrapMap,
    map: CodeMap,
}

impl Linker {
    fn new(padding: u8) -> Self {
        Self {
            padding,
            code: Vec::new(),
            functions: Vec::new(),
            traps: TrapMapBuilder::default(),
            calls: Vec::new(),
            map: CodeMap::default(),
        }
    }

    /// Adds a piece; where it begins.
    fn add(&mut self, piece: &MachineCode) -> Result<u32, CompileError> {
        let start = self.code.len().next_multiple_of(CODE_ALIGNMENT);
        // Calls reach 2 GiB.
        if start + piece.code.len() > i32::MAX as usize {
            return Err(CompileError::CodeTooLarge);
        }
        self.code.resize(start, self.padding);
        self.code.extend_from_slice(&piece.code);
        let start = start as u32;
        for site in &piece.traps {
            self.traps.push(TrapSite {
                code_offset: start + site.code_offset,
                ..*site
            });
        }
        self.map.append(start, &piece.map);
        let calls = piece.calls.iter();
        self.calls.extend(calls.map(|call| CallFixup {
            at: start + call.at,
            ..*call
        }));
        Ok(start)
    }

    fn add_chunks(
        &mut self,
        context: &ModuleContext<'_>,
        chunks: Vec<Chunk>,
    ) -> Result<(), CompileError> {
        let none = GeneratedFunction::default();
        self.functions
            .resize(context.module.info.imported_functions as usize, none);
        let bytes = chunks
            .iter()
            .map(|chunk| chunk.code.code.len() + CODE_ALIGNMENT)
            .sum();
        self.code.reserve(bytes);
        for chunk in chunks {
            let start = self.add(&chunk.code)?;
            self.functions
                .extend(chunk.functions.iter().map(|function| GeneratedFunction {
                    start: start + function.start,
                    end: start + function.end,
                    ..*function
                }));
        }
        Ok(())
    }

    fn finish<M: MacroAssembler>(
        mut self,
        context: &ModuleContext<'_>,
        stubs: Stubs,
    ) -> Result<Linked, LinkError> {
        let start = self.add(&stubs.code)?;
        let imported = context.module.info.imported_functions as usize;
        let host_stubs = self.functions[..imported].iter_mut();
        for (function, stub) in host_stubs.zip(&stubs.hosts) {
            *function = GeneratedFunction {
                start: start + stub,
                end: start + stub,
                ..GeneratedFunction::default()
            };
        }
        for call in &self.calls {
            let target = match call.function.checked_sub(BUILTIN_FLAG) {
                Some(builtin) => start + stubs.builtins[builtin as usize],
                None => self.functions[call.function as usize].start,
            };
            M::link_call(&mut self.code, call.at, target)
                .map_err(|OutOfReach| LinkError::OutOfReach)?;
        }
        Ok(Linked {
            code: self.code,
            functions: self.functions,
            entry_stubs: stubs.entries.iter().map(|entry| start + entry).collect(),
            traps: self.traps.finish(),
            map: self.map,
        })
    }
}

const _: () = assert!(abi::ENTRY_AREA_BYTES >= Limits::DEFAULT.params * abi::SLOT_BYTES);
