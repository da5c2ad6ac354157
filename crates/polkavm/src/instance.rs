//! Instances: memory, globals, table and stack of a module in PolkaVM, and calls of its functions.

use crate::builtins::{Segments, Work};
use crate::float;
use crate::guest::Guest;
use crate::module::{Module, Ready, Wanted, internal, too_many_pages};
use crate::program;
use polkavm::{InterruptKind, ProgramCounter, Reg};
use pvf_compiler::abi::polkavm::{self as fixed, FloatOperation};
use pvf_compiler::abi::{BUILTIN_FLAG, Builtin, ENTRY_AREA_BYTES, SLOT_BYTES, context};
use pvf_compiler::artifact::{ConstExpr, ElementMode, ExportKind, Import};
use pvf_compiler::{FuncType, MemoryType, ModuleInfo, ValType};
use pvf_rules::{ExecutionParameters, Name, Trap, TrapKind};
use pvf_runtime::{
    CallError, FuncTypeDisplay, HostError, HostFailure, InstantiateError, Segment, Value,
    check_meters, memory_sizes,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The body of a host function: reads the parameters from the slots and writes the results into them. There are as many
/// slots as the longer of the two lists; of an `i32` or `f32` the low 32 bits count.
pub type HostFunction<T> =
    Arc<dyn Fn(&mut Caller<'_, T>, &mut [u64]) -> Result<(), HostError> + Send + Sync>;

/// What satisfies a module's imports.
pub struct Imports<T> {
    /// The imported functions by index. Calling one that is `None` traps with "call to a missing function MODULE:NAME".
    pub functions: Vec<Option<HostFunction<T>>>,
    /// Bits of the imported globals by index.
    pub globals: Vec<u64>,
    /// The type of the memory, if there is one.
    pub memory: Option<MemoryType>,
    /// Entries of the table.
    pub table_entries: u32,
}

impl<T> Imports<T> {
    /// What a module that imports nothing has: its own memory and table.
    pub fn none(info: &ModuleInfo) -> Self {
        Self {
            functions: Vec::new(),
            globals: Vec::new(),
            memory: info.memory,
            table_entries: info.table.map_or(0, |table| table.minimum),
        }
    }
}

impl<T> Clone for Imports<T> {
    fn clone(&self) -> Self {
        Self {
            functions: self.functions.clone(),
            globals: self.globals.clone(),
            memory: self.memory,
            table_entries: self.table_entries,
        }
    }
}

/// The instance that called a host function, and the host's state.
pub struct Caller<'a, T> {
    guest: &'a mut Guest,
    data: &'a mut T,
    import: &'a Import,
}

impl<T> Caller<'_, T> {
    /// Linear memory.
    pub fn guest(&mut self) -> &mut Guest {
        self.guest
    }

    /// Size of linear memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.guest.bytes()
    }

    /// Linear memory and the host's state at the same time.
    pub fn split(&mut self) -> (&mut Guest, &mut T) {
        (self.guest, self.data)
    }

    /// The host's state.
    pub fn data(&self) -> &T {
        self.data
    }

    /// The host's state, mutable.
    pub fn data_mut(&mut self) -> &mut T {
        self.data
    }

    /// The import that was called.
    pub fn import(&self) -> &Import {
        self.import
    }
}

/// The reason why a host call ends a run.
pub(crate) enum Ended {
    Trap(TrapKind, Option<String>),
    Failure(HostFailure),
}

impl From<HostError> for Ended {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Trap(message) => Self::Trap(TrapKind::HostError, Some(message)),
            HostError::TrapKind(kind, message) => Self::Trap(kind, Some(message)),
            HostError::Failure(failure) => Self::Failure(failure),
            other => Self::Trap(TrapKind::HostError, Some(other.to_string())),
        }
    }
}

impl From<HostFailure> for Ended {
    fn from(failure: HostFailure) -> Self {
        Self::Failure(failure)
    }
}

/// A module with its own memory, globals, table and stack, over a host state `T`.
pub struct Instance<T> {
    module: Module,
    ready: Ready,
    guest: Guest,
    segments: Segments,
    functions: Vec<Option<HostFunction<T>>>,
    stack_top: u32,
    stack_limit: u32,
    stack_peak: u64,
    logical_peak: u64,
    logical_limit: i64,
    gas_limit: u64,
    data: T,
}

/// The registers of the first integer parameters.
const ARGUMENTS: [Reg; fixed::ARGUMENTS] = [
    Reg::A0,
    Reg::A1,
    Reg::A2,
    Reg::A3,
    Reg::A4,
    Reg::A5,
    Reg::S0,
    Reg::S1,
];

/// The address that returns to the host.
const RETURN: u64 = polkavm_common::abi::VM_ADDR_RETURN_TO_HOST as u64;

/// The place of a parameter or result.
enum Place {
    Register(Reg),
    /// The first float word of the context.
    FloatWord,
    /// By its distance from the stack pointer.
    Slot(u32),
}

fn parameter_places(types: &[ValType]) -> impl Iterator<Item = (ValType, Place)> {
    let count = types.len() as u32;
    let mut registers = ARGUMENTS.iter();
    (0..).zip(types).map(move |(index, &ty)| {
        let slot = Place::Slot((count - 1 - index) * SLOT_BYTES);
        let place = match ty {
            ValType::I32 | ValType::I64 => registers
                .next()
                .map_or(slot, |&register| Place::Register(register)),
            ValType::F32 | ValType::F64 => slot,
        };
        (ty, place)
    })
}

fn result_places(types: &[ValType]) -> impl Iterator<Item = (ValType, Place)> {
    let count = types.len() as u32;
    (0..).zip(types).map(move |(index, &ty)| {
        let place = match (index, ty) {
            (0, ValType::I32 | ValType::I64) => Place::Register(Reg::A0),
            (0, ValType::F32 | ValType::F64) => Place::FloatWord,
            _ => Place::Slot((count - 1 - index) * SLOT_BYTES),
        };
        (ty, place)
    })
}

/// Bits as code holds them in registers.
fn extended(ty: ValType, bits: u64) -> u64 {
    match ty {
        ValType::I32 => bits as i32 as u64,
        ValType::F32 => u64::from(bits as u32),
        ValType::I64 | ValType::F64 => bits,
    }
}

/// Bits as the host expects them.
fn narrowed(ty: ValType, bits: u64) -> u64 {
    match ty {
        ValType::I32 | ValType::F32 => u64::from(bits as u32),
        ValType::I64 | ValType::F64 => bits,
    }
}

impl Guest {
    fn put(&mut self, ty: ValType, place: Place, sp: u32, bits: u64) -> Result<(), HostFailure> {
        let bits = extended(ty, bits);
        match place {
            Place::Register(register) => {
                self.machine.set_reg(register, bits);
                Ok(())
            }
            Place::FloatWord => self.set(fixed::field::FLOATS, bits),
            Place::Slot(slot) => self.set_word(sp.wrapping_add(slot), bits),
        }
    }

    fn take(&mut self, ty: ValType, place: Place, sp: u32) -> Result<u64, HostFailure> {
        let bits = match place {
            Place::Register(register) => self.machine.reg(register),
            Place::FloatWord => self.get(fixed::field::FLOATS)?,
            Place::Slot(slot) => self.word(sp.wrapping_add(slot))?,
        };
        Ok(narrowed(ty, bits))
    }
}

impl<T> Instance<T> {
    /// Instantiates a module: memory, globals, table, active segments, the start function.
    ///
    /// # Errors
    /// The rejection of the module, or a failure of the host.
    pub fn new(
        module: &Module,
        imports: Imports<T>,
        parameters: &ExecutionParameters,
        data: T,
    ) -> Result<Self, InstantiateError> {
        check_meters(module.info(), parameters)?;
        let (pages, limit) = match imports.memory {
            Some(ty) => memory_sizes(ty, parameters)?,
            None => (0, 0),
        };
        if pages > fixed::MOST_MEMORY_PAGES {
            return Err(too_many_pages(pages).into());
        }
        let table_entries = imports.table_entries;
        let ready = module.ready(Wanted {
            table_entries,
            memory_pages: pages,
            stack_native_max: parameters.stack_native_max,
        })?;
        let machine = ready.module.instantiate();
        let machine =
            machine.map_err(|error| internal(&format!("PolkaVM makes no instance: {error}")))?;
        let stack_high = ready.module.memory_map().stack_address_high();
        let stack_top = stack_high - ENTRY_AREA_BYTES;
        let limit_bytes = parameters.stack_native_max as u32;
        let mut instance = Self {
            guest: Guest::new(module, machine, &ready, pages, limit, table_entries),
            ready,
            segments: Segments::default(),
            functions: imports.functions,
            stack_top,
            stack_limit: stack_top - limit_bytes,
            stack_peak: 0,
            logical_peak: 0,
            logical_limit: parameters.stack_logical_max.map_or(i64::MAX, i64::from),
            gas_limit: parameters.gas_limit.unwrap_or(u64::MAX),
            module: module.clone(),
            data,
        };
        instance.initialise(&imports.globals)?;
        instance.start()?;
        Ok(instance)
    }

    fn initialise(&mut self, imported_globals: &[u64]) -> Result<(), InstantiateError> {
        let module = self.module.clone();
        let info = module.info();
        self.guest.publish_size()?;
        self.guest.set(context::GAS_LEFT, self.gas_limit)?;
        for (index, &bits) in (0..).zip(imported_globals) {
            self.guest.set_global(index, bits)?;
        }
        for (index, global) in (0..).zip(&info.globals) {
            if let Some(init) = global.init {
                let bits = self.evaluate(init)?;
                self.guest.set_global(index, bits)?;
            }
        }
        let passive = |mode| matches!(mode, ElementMode::Passive);
        self.segments = Segments {
            data_dropped: info
                .data_segments
                .iter()
                .map(|it| it.offset.is_some())
                .collect(),
            elements_dropped: info
                .element_segments
                .iter()
                .map(|it| !passive(it.mode))
                .collect(),
        };
        for (index, segment) in (0..).zip(&info.element_segments) {
            let ElementMode::Active(offset) = segment.mode else {
                continue;
            };
            let start = self.evaluate(offset)? as u32;
            let end = u64::from(start) + segment.functions.len() as u64;
            if end > u64::from(self.guest.table_entries) {
                return Err(InstantiateError::SegmentOutOfBounds {
                    segment: Segment::Element(index),
                    trap: Trap::new(TrapKind::TableOutOfBounds),
                });
            }
            let mut work = Work {
                module: &module,
                guest: &mut self.guest,
                segments: &mut self.segments,
                addresses: &self.ready.program.addresses,
            };
            if let Err(Ended::Failure(failure)) = work.write_table(start, &segment.functions) {
                return Err(failure.into());
            }
        }
        for (index, segment) in (0..).zip(&info.data_segments) {
            let Some(offset) = segment.offset else {
                continue;
            };
            let start = self.evaluate(offset)? as u32;
            if !self.guest.write(start, module.segment_bytes(index))? {
                return Err(InstantiateError::SegmentOutOfBounds {
                    segment: Segment::Data(index),
                    trap: Trap::new(TrapKind::MemoryOutOfBounds),
                });
            }
        }
        Ok(())
    }

    /// The bits of a constant expression. Imported globals have been set before.
    fn evaluate(&mut self, expression: ConstExpr) -> Result<u64, HostFailure> {
        match expression {
            ConstExpr::Const(bits) => Ok(bits),
            ConstExpr::Global(index) => self.guest.global(index),
        }
    }

    fn start(&mut self) -> Result<(), InstantiateError> {
        let Some(start) = self.module.info().start else {
            return Ok(());
        };
        match self.run(start, &mut []) {
            Ok(()) => Ok(()),
            Err(CallError::Trap(trap)) => Err(InstantiateError::Start(trap)),
            Err(CallError::Failure(failure)) => Err(failure.into()),
            Err(other) => Err(internal(&other.to_string()).into()),
        }
    }

    /// Calls a function by its index in the function index space. After a trap the instance keeps the effects of the run
    /// and can be called again.
    ///
    /// # Errors
    /// A trap, arguments that do not fit, or a failure of the host.
    pub fn call(&mut self, function: u32, arguments: &[Value]) -> Result<Vec<Value>, CallError> {
        let module = self.module.clone();
        let ty = module
            .info()
            .function_type(function)
            .ok_or(CallError::NoSuchFunction(function))?;
        let given = arguments.iter().map(|argument| argument.ty());
        if !given.clone().eq(ty.params.iter().copied()) {
            return Err(CallError::Arguments {
                expected: FuncTypeDisplay(ty.clone()),
                given: given.collect(),
            });
        }
        let mut slots: Vec<u64> = arguments.iter().map(|it| it.to_bits()).collect();
        slots.resize(ty.params.len().max(ty.results.len()), 0);
        self.run(function, &mut slots)?;
        let results = ty.results.iter().zip(&slots);
        Ok(results
            .map(|(&ty, &bits)| Value::from_bits(ty, bits))
            .collect())
    }

    /// Calls an exported function.
    ///
    /// # Errors
    /// As [`Self::call`]; there is no such export.
    pub fn call_export(
        &mut self,
        name: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, CallError> {
        match self.module.info().export(name) {
            Some(ExportKind::Function(function)) => self.call(function, arguments),
            Some(_) => Err(CallError::NotAFunction(name.to_owned())),
            None => Err(CallError::NoSuchExport(name.to_owned())),
        }
    }

    fn run(&mut self, function: u32, slots: &mut [u64]) -> Result<(), CallError> {
        let module = self.module.clone();
        let ty = module
            .info()
            .function_type(function)
            .ok_or(CallError::NoSuchFunction(function))?;
        self.prepare(function, ty, slots)?;
        let ended = self.execute(&module);
        self.note_peaks()?;
        ended?;
        for (slot, (ty, place)) in slots.iter_mut().zip(result_places(&ty.results)) {
            *slot = self.guest.take(ty, place, self.stack_top)?;
        }
        Ok(())
    }

    /// Sets what belongs to one run.
    fn prepare(&mut self, function: u32, ty: &FuncType, slots: &[u64]) -> Result<(), HostFailure> {
        let top = u64::from(self.stack_top);
        self.guest.set(context::STACK_TOP, top)?;
        self.guest.set(context::STACK_LOW, top)?;
        self.guest
            .set(context::STACK_LIMIT, u64::from(self.stack_limit))?;
        let beyond = match self.module.info().logical_counter {
            Some(_) => (self.logical_limit.clamp(0, u32::MAX.into()) as u64) << 32,
            None => self.logical_limit as u64,
        };
        self.guest.set(context::LOGICAL_BEYOND, beyond)?;
        self.guest.set(fixed::field::LOGICAL, 0)?;
        self.guest.machine.clear_regs();
        self.guest.machine.set_reg(Reg::RA, RETURN);
        self.guest.machine.set_reg(Reg::SP, top);
        for (&bits, (ty, place)) in slots.iter().zip(parameter_places(&ty.params)) {
            self.guest.put(ty, place, self.stack_top, bits)?;
        }
        let entry = self.ready.program.entries[function as usize];
        self.guest
            .machine
            .set_next_program_counter(ProgramCounter(entry));
        Ok(())
    }

    fn note_peaks(&mut self) -> Result<(), HostFailure> {
        let low = self.guest.get(context::STACK_LOW)?;
        let depth = u64::from(self.stack_top).saturating_sub(low);
        self.stack_peak = self.stack_peak.max(depth);
        let field = self.guest.get(context::LOGICAL_BEYOND)?;
        let height = match self.module.info().logical_counter {
            Some(_) => field & u64::from(u32::MAX),
            None => (self.logical_limit - field as i64) as u64,
        };
        self.logical_peak = self.logical_peak.max(height);
        Ok(())
    }

    fn execute(&mut self, module: &Module) -> Result<(), CallError> {
        loop {
            let interrupt = self.guest.machine.run();
            let interrupt = interrupt.map_err(|error| internal(&format!("PolkaVM: {error}")))?;
            match interrupt {
                InterruptKind::Finished => return Ok(()),
                InterruptKind::Trap => return Err(self.trapped(module)),
                InterruptKind::Ecalli(import) => {
                    let service = program::service_of_import(module.info(), import);
                    if let Err(ended) = self.serve(module, service) {
                        return Err(self.ended(module, ended));
                    }
                }
                other => {
                    return Err(internal(&format!("PolkaVM stopped for {other:?}")).into());
                }
            }
        }
    }

    /// The artifact's code offset of the instruction that PolkaVM executed last.
    fn code_offset(&self) -> Option<u32> {
        let at = self.guest.machine.program_counter()?;
        self.ready.program.code_offset(at.0)
    }

    fn trapped(&self, module: &Module) -> CallError {
        let site = self
            .code_offset()
            .and_then(|at| module.artifact().traps.lookup(at));
        match site {
            Some(site) => CallError::Trap(Trap {
                kind: site.kind,
                function: module.function_at(site.code_offset),
                offset: Some(site.wasm_offset),
                message: None,
            }),
            None => CallError::Failure(internal(&format!(
                "PolkaVM trapped at {:?}, code {:?}, which is no place of a trap",
                self.guest.machine.program_counter(),
                self.code_offset()
            ))),
        }
    }

    /// The result of a run that a host call ended.
    fn ended(&self, module: &Module, ended: Ended) -> CallError {
        let (kind, message) = match ended {
            Ended::Trap(kind, message) => (kind, message),
            Ended::Failure(failure) => return CallError::Failure(failure),
        };
        let traps = &module.artifact().traps;
        // In the stub of an imported function that was called by reference, or in a routine of the allocator: the call is
        // before the return address.
        let caller = || {
            let address = self.guest.machine.reg(Reg::RA);
            let behind = self.ready.program.code_offset_of_address(address)?;
            let before = |bytes| traps.lookup(behind.checked_sub(bytes)?);
            before(DIRECT_CALL_BYTES).or_else(|| before(INDIRECT_CALL_BYTES))
        };
        let site = self.code_offset().and_then(|at| traps.lookup(at));
        let site = site.or_else(caller);
        CallError::Trap(Trap {
            kind,
            function: site.and_then(|site| module.function_at(site.code_offset)),
            offset: site.map(|site| site.wasm_offset),
            message,
        })
    }

    fn serve(&mut self, module: &Module, service: u32) -> Result<(), Ended> {
        if service & BUILTIN_FLAG == 0 {
            return self.host_call(module, service);
        }
        if let Some((operation, wide)) = FloatOperation::of_service(service) {
            let machine = &mut self.guest.machine;
            let (a, b) = (machine.reg(Reg::T0), machine.reg(Reg::T1));
            let (result, status) = float::operate(operation, wide, a, b);
            machine.set_reg(Reg::T0, result);
            if let Some(status) = status {
                machine.set_reg(Reg::T1, status);
            }
            return Ok(());
        }
        match Builtin::from_code(service & !BUILTIN_FLAG) {
            Some(builtin) => self.builtin(module, builtin),
            None => Err(unknown_service(service)),
        }
    }

    fn builtin(&mut self, module: &Module, builtin: Builtin) -> Result<(), Ended> {
        let count = match builtin {
            Builtin::MemoryGrow => 1,
            Builtin::DataDrop | Builtin::ElemDrop => 0,
            _ => 3,
        };
        let sp = self.guest.machine.reg(Reg::SP) as u32;
        let mut operands = [0; 3];
        for (index, operand) in (0..count).zip(&mut operands) {
            let slot = (count - 1 - index) * SLOT_BYTES;
            *operand = self.guest.word(sp.wrapping_add(slot))? as u32;
        }
        let segment = self.guest.machine.reg(Reg::T0) as u32;
        let mut work = Work {
            module,
            guest: &mut self.guest,
            segments: &mut self.segments,
            addresses: &self.ready.program.addresses,
        };
        if let Some(result) = work.execute(builtin, operands, segment)? {
            self.guest
                .machine
                .set_reg(Reg::A0, extended(ValType::I32, result.into()));
        }
        Ok(())
    }

    fn host_call(&mut self, module: &Module, function: u32) -> Result<(), Ended> {
        let info = module.info();
        let (Some(ty), Some(import)) = (
            info.function_type(function),
            module.function_import(function),
        ) else {
            return Err(unknown_service(function));
        };
        let Some(Some(body)) = self.functions.get(function as usize) else {
            let (module, name) = (Name(&import.module), Name(&import.name));
            let message = format!("call to a missing function {module}:{name}");
            return Err(HostError::Trap(message).into());
        };
        let body = body.clone();
        let sp = self.guest.machine.reg(Reg::SP) as u32;
        let mut slots = vec![0; ty.params.len().max(ty.results.len())];
        for (slot, (ty, place)) in slots.iter_mut().zip(parameter_places(&ty.params)) {
            *slot = self.guest.take(ty, place, sp)?;
        }
        let mut caller = Caller {
            guest: &mut self.guest,
            data: &mut self.data,
            import,
        };
        match catch_unwind(AssertUnwindSafe(|| body(&mut caller, &mut slots))) {
            Ok(result) => result?,
            Err(payload) => return Err(HostError::panicked(payload).into()),
        }
        for (&bits, (ty, place)) in slots.iter().zip(result_places(&ty.results)) {
            self.guest.put(ty, place, sp, bits)?;
        }
        Ok(())
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The greatest sum of the frames of active functions in all calls, in bytes.
    pub fn stack_native_peak(&self) -> u64 {
        self.stack_peak
    }

    /// The greatest logical stack height in all calls. `None` if the code does not count it.
    pub fn stack_logical_peak(&self) -> Option<u64> {
        let counted = self.module.info().meters.logical_stack;
        counted.then_some(self.logical_peak)
    }

    /// Gas charged since the instance was made; `None` if the code does not count it.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn gas_used(&mut self) -> Result<Option<u64>, HostFailure> {
        if !self.module.info().meters.gas {
            return Ok(None);
        }
        let left = self.guest.get(context::GAS_LEFT)?;
        Ok(Some(self.gas_limit - left))
    }

    /// Linear memory.
    pub fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// The size of linear memory in pages.
    pub fn memory_pages(&self) -> u32 {
        self.guest.pages()
    }

    /// A copy of linear memory.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn memory(&mut self) -> Result<Vec<u8>, HostFailure> {
        let mut bytes = vec![0; self.guest.bytes() as usize];
        self.guest.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// The value of a global by its index.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn global(&mut self, index: u32) -> Result<Option<Value>, HostFailure> {
        let Some(global) = self.module.info().globals.get(index as usize) else {
            return Ok(None);
        };
        let ty = global.ty.value;
        let bits = self.guest.global(index)?;
        Ok(Some(Value::from_bits(ty, bits)))
    }

    /// The host's state.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// The host's state, mutable.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.data
    }

    /// Memory and the host's state at the same time.
    pub fn split(&mut self) -> (&mut Guest, &mut T) {
        (&mut self.guest, &mut self.data)
    }
}

/// Bytes of a direct call in the artifact's code.
const DIRECT_CALL_BYTES: u32 = 5;
/// Bytes of an indirect call in the artifact's code.
const INDIRECT_CALL_BYTES: u32 = 2;

fn unknown_service(service: u32) -> Ended {
    internal(&format!("code asked for the unknown service {service:#x}")).into()
}
