//! Preparation: from a module's bytes to an artifact, functions in parallel.
//!
//! Threads take bodies in chunks whose bounds depend on the module alone. Each chunk becomes one piece of code, and the
//! pieces are linked in order. So the artifact is the same for any number of threads, and the error of a module is the
//! error of the first function that has one.

use crate::abi::{self, BUILTIN_FLAG, Builtin, ContextLayout, is_plain};
use crate::analysis::{Analyser, Analysis};
use crate::artifact::{
    Artifact, ArtifactContents, CodeMap, LoopStart, Meters, ModuleInfo, TrapMapBuilder, TrapSite,
};
use crate::generate::{
    Conventions, GeneratedFunction, GeneratorState, ModuleContext, builtin_convention, generate,
};
use crate::isa::aarch64::Aarch64;
use crate::isa::masm::{
    BlockOperation, CallFixup, Machine, MachineCode, MacroAssembler, Reach, Shared, Table,
};
use crate::isa::x64::X64;
use crate::module::{self, Body, ParsedModule};
use crate::{CompileError, InternalError, Target};
use pvf_metering::Costs;
use pvf_rules::{Features, Limits};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How to prepare a module.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// The accepted language.
    pub features: Features,
    /// The limits on counts.
    pub limits: Limits,
    /// The instruction set of the code.
    pub target: Target,
    /// Which meters the code drives.
    pub metering: Metering,
    /// How the code treats the native stack limit.
    pub native_stack: NativeStack,
    /// Run loops that copy, fill or compare memory many iterations at a time. Without it they run iteration by
    /// iteration, with the same outcome: for tests and measurements.
    pub loop_idioms: bool,
    /// Threads to use; the artifact does not depend on it.
    pub threads: NonZeroUsize,
    /// Bytes of bodies in a chunk, for tests: with 1, every function is a chunk. The offsets of functions depend on it,
    /// what they do does not.
    #[doc(hidden)]
    pub chunk_bytes: u32,
}

impl CompileOptions {
    /// Options for a language, for this machine, on one thread, with the default limits.
    pub fn new(features: Features) -> Self {
        Self {
            features,
            limits: Limits::of(features),
            target: Target::HOST,
            metering: Metering::default(),
            native_stack: NativeStack::default(),
            loop_idioms: true,
            threads: NonZeroUsize::MIN,
            chunk_bytes: CHUNK_BYTES,
        }
    }
}

/// Which meters the code drives. The limits are given when the code is run. A meter that is off leaves no trace in the
/// code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metering {
    /// Count the logical stack height.
    pub logical_stack: bool,
    /// Count gas, by these costs.
    pub gas: Option<Arc<Costs>>,
}

/// How code treats the native stack limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeStack {
    /// Enforces it: one comparison at each entry.
    #[default]
    Enforced,
    /// Enforces it, and counts the bytes of every frame in software as well; see [`abi::context::AUDIT_DEPTH`]. For
    /// tests.
    Audited,
    /// Does not check it, to measure the cost of the check. Too deep a recursion hits the guard pages of the stack,
    /// which is a host failure.
    Unchecked,
}

/// The hash by which artifacts of different gas schedules differ.
pub fn schedule_hash(costs: &Costs) -> u128 {
    twox_hash::XxHash3_128::oneshot(&costs.to_bytes())
}

/// Bytes of bodies in a chunk.
const CHUNK_BYTES: u32 = 64 * 1024;

/// Functions and the code begin at multiples of this.
const CODE_ALIGNMENT: usize = 16;

/// Prepares a module.
///
/// # Errors
/// [`CompileError::Refused`] if the module is malformed, invalid, outside the accepted language or
/// beyond a limit, which is an outcome; [`CompileError::Failed`] if the compiler failed, which is not an outcome.
pub fn compile(wasm: &[u8], options: &CompileOptions) -> Result<Artifact, CompileError> {
    compile_any(wasm, options, false).map(|compiled| compiled.artifact)
}

/// Prepares a module and also returns the starts of loops, in order of the code. The artifact is the same as
/// [`compile`]'s.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_loops(
    wasm: &[u8],
    options: &CompileOptions,
) -> Result<(Artifact, Vec<LoopStart>), CompileError> {
    let compiled = compile_any(wasm, options, false)?;
    Ok((compiled.artifact, compiled.loops))
}

/// Prepares a module and also returns which code was made for which Wasm instruction. The artifact is the same as
/// [`compile`]'s.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_code_map(
    wasm: &[u8],
    options: &CompileOptions,
) -> Result<(Artifact, CodeMap), CompileError> {
    let compiled = compile_any(wasm, options, true)?;
    Ok((compiled.artifact, compiled.map))
}

/// An artifact, and what is known of its code besides.
struct Compiled {
    artifact: Artifact,
    map: CodeMap,
    loops: Vec<LoopStart>,
}

fn compile_any(
    wasm: &[u8],
    options: &CompileOptions,
    mapped: bool,
) -> Result<Compiled, CompileError> {
    module::with_module(
        wasm,
        options.features,
        &options.limits,
        |parsed| match options.target {
            Target::X86_64 => compile_for::<X64>(parsed, options, mapped),
            Target::Aarch64 => compile_for::<Aarch64>(parsed, options, mapped),
        },
    )
}

/// A piece of code with the functions in it.
struct Chunk {
    code: MachineCode,
    /// Index of the first of them.
    first: u32,
    functions: Vec<GeneratedFunction>,
    /// The loops in the code.
    loops: Vec<LoopStart>,
}

fn compile_for<M: Machine>(
    mut parsed: ParsedModule<'_>,
    options: &CompileOptions,
    mapped: bool,
) -> Result<Compiled, CompileError> {
    if let Some(counter) = parsed
        .counter
        .filter(|&counter| parsed.exports_global(counter))
    {
        parsed.count_in(counter);
    }
    let mut options = Cow::Borrowed(options);
    let mut reach = Reach::Near;
    let (chunks, stubs) = loop {
        // A module that names the counter of the logical stack is counted.
        if parsed.info.logical_counter.is_some() {
            options.to_mut().metering.logical_stack = true;
        }
        match generate_all::<M>(&parsed, &options, mapped, reach) {
            Ok((chunks, stubs))
                if reach == Reach::Near && code_bytes(&chunks, &stubs) > M::NEAR_BYTES =>
            {
                reach = Reach::Far;
            }
            Ok(generated) => break generated,
            Err(Stop::NamesCounter(counter)) => parsed.count_in(counter),
            Err(Stop::Error(error)) => return Err(error),
        }
    };
    let (mut info, data) = parsed.finish()?;
    info.target = options.target;
    info.meters = Meters {
        logical_stack: options.metering.logical_stack,
        gas: options.metering.gas.is_some(),
        schedule: options.metering.gas.as_deref().map_or(0, schedule_hash),
    };
    let linked = link::<M>(&mut info, chunks, stubs)?;
    let artifact = Artifact::compiled(ArtifactContents {
        module: info,
        code: linked.code,
        traps: linked.traps.finish(),
        data,
    });
    Ok(Compiled {
        artifact,
        map: linked.map,
        loops: linked.loops,
    })
}

/// An upper estimate of the length of the linked code.
fn code_bytes(chunks: &[Chunk], stubs: &Stubs) -> usize {
    let pieces = chunks.iter().map(|chunk| &chunk.code).chain([&stubs.code]);
    pieces.map(|code| code.code.len() + CODE_ALIGNMENT).sum()
}

/// Why generation stops early.
enum Stop {
    Error(CompileError),
    /// A body names the counter of the logical stack by this global index, but the code so far does not count in that
    /// global.
    NamesCounter(u32),
}

impl<E: Into<CompileError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

fn generate_all<M: Machine>(
    parsed: &ParsedModule<'_>,
    options: &CompileOptions,
    mapped: bool,
    reach: Reach,
) -> Result<(Vec<Chunk>, Stubs), Stop> {
    let registers = M::new(options, reach).registers();
    let table = parsed.info.table.map(|table| Table {
        offset: parsed.info.context_layout().table as u32,
        entries: table.minimum,
    });
    let context = ModuleContext {
        module: parsed,
        conventions: Conventions::new(parsed.info.signatures.len(), registers),
        table,
        memory_grow: options
            .metering
            .gas
            .as_ref()
            .map_or(0, |costs| costs.memory_grow_per_page()),
        counter: parsed.info.logical_counter.map(ContextLayout::global),
    };
    let chunks = generate_chunks::<M>(&context, options, mapped, reach)?;
    let calls = chunks.iter().flat_map(|chunk| &chunk.code.calls);
    let shared: HashSet<u32> = calls
        .map(|call| call.function)
        .filter(|&function| Shared::of_function(function).is_some())
        .collect();
    let stubs = Stubs::generate::<M>(&context, options, &shared)?;
    Ok((chunks, stubs))
}

/// Borders of the chunks, as ranges of functions.
fn chunk_bodies(parsed: &ParsedModule<'_>, chunk_bytes: u32) -> Vec<Range<u32>> {
    let mut bytes = 0;
    let mut chunks = Vec::new();
    let defined = parsed.defined();
    let (mut start, end) = (defined.start, defined.end);
    for function in defined {
        bytes += parsed.info.functions[function as usize].body_bytes;
        if bytes >= chunk_bytes || function + 1 == end {
            chunks.push(start..function + 1);
            (start, bytes) = (function + 1, 0);
        }
    }
    chunks
}

fn generate_chunks<M: Machine>(
    context: &ModuleContext<'_>,
    options: &CompileOptions,
    mapped: bool,
    reach: Reach,
) -> Result<Vec<Chunk>, Stop> {
    let chunks = chunk_bodies(context.module, options.chunk_bytes);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        let mut generator = ChunkGenerator::<M>::new(options, mapped, reach);
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(chunk) = chunks.get(index)
        {
            let result = generator.generate(context, chunk.clone(), options);
            let failed = result.is_err();
            done.push((index, result));
            if failed {
                // The first failing chunk is this one or an earlier one, which a thread has already begun.
                break;
            }
        }
        done
    };
    let threads = options.threads.get().min(chunks.len());
    let mut done = std::thread::scope(|scope| {
        // This thread works too. If the system refuses to start another, those that run do its share.
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

/// Runs both passes over chunk after chunk, with the same buffers.
struct ChunkGenerator<M> {
    analyser: Analyser,
    analysis: Analysis,
    generator: GeneratorState,
    machine: M,
}

impl<M: Machine> ChunkGenerator<M> {
    fn new(options: &CompileOptions, mapped: bool, reach: Reach) -> Self {
        let mut machine = M::new(options, reach);
        if mapped {
            machine.record_code_map();
        }
        Self {
            analyser: Analyser::default(),
            analysis: Analysis::default(),
            generator: GeneratorState::default(),
            machine,
        }
    }

    /// Pass 1.
    fn analyse(
        &mut self,
        module: &ParsedModule<'_>,
        body: Body<'_>,
        options: &CompileOptions,
    ) -> Result<(), CompileError> {
        let function = body.function;
        let analysis = &mut self.analysis;
        let analysed = self.analyser.run(module, body, options, analysis);
        // The network accepts encodings that the validator does not.
        if analysed.is_err()
            && let Some(canonical) = module.canonical_body(function)
            && let Some(body) = module.body_of(function, &canonical)
        {
            return self.analyser.run(module, body, options, analysis);
        }
        analysed
    }

    fn generate(
        &mut self,
        context: &ModuleContext<'_>,
        chunk: Range<u32>,
        options: &CompileOptions,
    ) -> Result<Chunk, Stop> {
        let mut functions = Vec::with_capacity(chunk.len());
        for function in chunk.clone() {
            let body = context
                .module
                .body(function)
                .expect("the parser has seen it");
            self.analyse(context.module, body, options)?;
            if self.analysis.names_counter
                && context.counter.is_none()
                && let Some(counter) = context.module.counter
            {
                return Err(Stop::NamesCounter(counter));
            }
            functions.push(generate(
                &mut self.generator,
                &mut self.machine,
                context,
                function,
                &mut self.analysis,
            ));
        }
        let code = self.machine.take().map_err(InternalError::from)?;
        Ok(Chunk {
            code,
            first: chunk.start,
            functions,
            loops: std::mem::take(&mut self.generator.loops),
        })
    }
}

/// The stubs between generated code and the host.
struct Stubs {
    code: MachineCode,
    /// Of imported functions.
    hosts: Vec<u32>,
    /// Of builtins, then of block operations.
    builtins: Vec<u32>,
    /// Of operations that functions share, those that are called, by the number of the call.
    shared: BTreeMap<u32, u32>,
    /// The entry stub of each signature, if it has one.
    entries: Vec<Option<u32>>,
}

/// For each signature, whether the host may call a function of it.
fn entered(module: &ParsedModule<'_>) -> Vec<bool> {
    let info = &module.info;
    let mut entered = vec![false; info.signatures.len()];
    for function in module.exported_functions().chain(info.start) {
        entered[info.functions[function as usize].signature as usize] = true;
    }
    entered
}

impl Stubs {
    fn generate<M: Machine>(
        context: &ModuleContext<'_>,
        options: &CompileOptions,
        shared: &HashSet<u32>,
    ) -> Result<Self, InternalError> {
        let info = &context.module.info;
        let mut machine = M::new(options, Reach::Near);
        let registers = machine.registers();
        let mut masm = machine.begin_function(0);
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
        for (signature, gate) in (0..).zip(gates) {
            let Some(gate) = gate else {
                continue;
            };
            let ty = context.convention(signature);
            match is_plain(&info.signatures[signature as usize]) {
                true => masm.plain_host_gate(gate, ty),
                false => masm.host_gate(gate, ty),
            }
        }
        let builtins = Builtin::ALL
            .into_iter()
            .map(|builtin| {
                let gate = masm.new_label();
                let stub = masm.host_stub(BUILTIN_FLAG | builtin as u32, gate);
                masm.host_gate(gate, &builtin_convention(builtin, registers));
                stub
            })
            .collect::<Vec<_>>();
        let blocks = BlockOperation::ALL.map(|block| masm.block_stub(block));
        let builtins = builtins.into_iter().chain(blocks).collect();
        let mut shared: BTreeMap<u32, u32> = shared.iter().map(|&function| (function, 0)).collect();
        for (&function, stub) in &mut shared {
            if let Some(shared) = Shared::of_function(function) {
                *stub = masm.shared_stub(shared);
            }
        }
        let entries = (0..)
            .zip(entered(context.module))
            .map(|(signature, entered)| {
                entered.then(|| masm.entry_stub(context.convention(signature)))
            })
            .collect();
        masm.finish_function();
        let code = machine.take()?;
        Ok(Self {
            code,
            hosts,
            builtins,
            shared,
            entries,
        })
    }
}

/// Concatenates all pieces of code and writes the offsets of functions and stubs into the module. Each piece is freed
/// once it is copied.
fn link<M: Machine>(
    info: &mut ModuleInfo,
    chunks: Vec<Chunk>,
    stubs: Stubs,
) -> Result<Linked, InternalError> {
    let Stubs {
        code: stubs,
        hosts,
        builtins,
        shared,
        entries,
    } = stubs;
    let mut end = 0usize;
    let mut starts = Vec::with_capacity(chunks.len() + 1);
    for piece in chunks.iter().map(|chunk| &chunk.code).chain([&stubs]) {
        let start = end.next_multiple_of(CODE_ALIGNMENT);
        end = start + piece.code.len();
        // Calls reach 2 GiB.
        if end > i32::MAX as usize {
            return Err(InternalError::CodeTooLarge(end as u64));
        }
        starts.push(start as u32);
    }
    let stubs_start = starts[chunks.len()];
    for (chunk, start) in chunks.iter().zip(&starts) {
        let functions = &mut info.functions[chunk.first as usize..];
        for (function, placed) in functions.iter_mut().zip(&chunk.functions) {
            function.code_offset = start + placed.start;
            function.code_bytes = placed.end - placed.start;
            function.frame_bytes = placed.frame_bytes;
            function.logical_cost = placed.logical_cost;
        }
    }
    for (function, stub) in info.functions.iter_mut().zip(&hosts) {
        function.code_offset = stubs_start + stub;
    }
    let entry = |entry: &Option<u32>| entry.map(|entry| stubs_start + entry);
    info.entry_stubs = entries.iter().map(entry).collect();
    let target = |call: &CallFixup| match call.function.checked_sub(BUILTIN_FLAG) {
        Some(builtin) => match builtins.get(builtin as usize) {
            Some(stub) => stubs_start + stub,
            None => stubs_start + shared[&call.function],
        },
        None => info.functions[call.function as usize].code_offset,
    };
    let mut linked = Linked::default();
    for (chunk, &start) in chunks.into_iter().zip(&starts) {
        linked.add::<M>(start, chunk.code, end, target);
        let loops = chunk.loops.iter();
        linked.loops.extend(loops.map(|it| LoopStart {
            code_offset: start + it.code_offset,
            ..*it
        }));
    }
    linked.add::<M>(stubs_start, stubs, end, target);
    Ok(linked)
}

/// The concatenated pieces of code.
#[derive(Default)]
struct Linked {
    code: Vec<u8>,
    traps: TrapMapBuilder,
    map: CodeMap,
    loops: Vec<LoopStart>,
}

impl Linked {
    /// Appends a piece at `start`. The whole code will have `bytes` bytes. `target` gives the offset of the function
    /// that a call names.
    fn add<M: Machine>(
        &mut self,
        start: u32,
        mut piece: MachineCode,
        bytes: usize,
        target: impl Fn(&CallFixup) -> u32,
    ) {
        for call in &piece.calls {
            let distance = target(call).wrapping_sub(start + call.at) as i32;
            M::link_call(&mut piece.code, call.at, distance);
        }
        if self.code.is_empty() {
            self.code = piece.code;
            self.code.reserve_exact(bytes - self.code.len());
        } else {
            self.code.resize(start as usize, M::PADDING);
            self.code.extend_from_slice(&piece.code);
        }
        for site in &piece.traps {
            self.traps.push(TrapSite {
                code_offset: start + site.code_offset,
                ..*site
            });
        }
        self.map.append(start, &piece.map);
    }
}

const _: () = assert!(abi::ENTRY_AREA_BYTES >= Limits::DEFAULT.params * abi::SLOT_BYTES);
