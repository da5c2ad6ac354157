//! The calls of a plan and the observations of them, independent of any engine.

use crate::random::{Random, mix};
use pvf_rules::TrapKind;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef, ValType};

/// The number of calls on one instance.
pub const CALLS_PER_INSTANCE: usize = 3;

/// The maximum number of exported functions that are called.
const MOST_FUNCTIONS: usize = 16;

/// The maximum number of pages of a memory, whatever maximum it declares.
pub const MAX_MEMORY_PAGES: u32 = 40;

/// The bits of a number; 32-bit types are zero-extended.
pub type Bits = u64;

/// The calls to make, in order. Each step uses a fresh instance.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The exported functions.
    pub functions: Vec<Function>,
    /// The steps.
    pub steps: Vec<Step>,
    /// Names of the exported globals.
    pub globals: Vec<String>,
    /// Name of the exported memory.
    pub memory: Option<String>,
    /// Whether the memory is observed after the last call of each step only.
    pub memory_at_the_end: bool,
}

/// An exported function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Name of the export.
    pub name: String,
    /// Types of the parameters.
    pub parameters: Vec<ValType>,
    /// Types of the results.
    pub results: Vec<ValType>,
}

/// Calls in one instance.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The calls, in order.
    pub calls: Vec<Call>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Position in [`Plan::functions`].
    pub function: usize,
    /// The arguments, one for each parameter.
    pub arguments: Vec<Bits>,
}

/// The resources that an instance may use; both meters always count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest height of the logical stack in each call, in units.
    pub stack: u32,
    /// Gas of all calls together.
    pub gas: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The call returned these results.
    Returned(Vec<Bits>),
    /// The call trapped.
    Trapped(TrapKind),
    /// The module could not be instantiated for a reason other than a trap.
    NotInstantiated,
    /// An oracle's own stack overflowed before a limit of the rules was reached. This executor never ends a call in
    /// this way.
    NativeStack,
}

/// The observation after one call, or after a failed instantiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// How the call ended.
    pub ending: Ending,
    /// Pages and hash of the memory.
    pub memory: Option<(u32, u64)>,
    /// Exported globals.
    pub globals: Vec<Bits>,
    /// Hash over all calls of host functions so far, including arguments.
    pub host_calls: u64,
    /// Gas used so far, if gas is counted and there is an instance.
    pub gas_used: Option<u64>,
}

impl Observation {
    /// All of it as numbers, in a fixed order, for digests. Two observations of one plan are equal if their numbers are.
    pub fn words(&self) -> Vec<u64> {
        let (ending, results): (u64, &[Bits]) = match &self.ending {
            Ending::Returned(results) => (0, results),
            Ending::Trapped(kind) => (1 + u64::from(kind.code()), &[]),
            Ending::NotInstantiated => (1 << 32, &[]),
            Ending::NativeStack => (2 << 32, &[]),
        };
        let (pages, hash) = self.memory.unwrap_or((u32::MAX, 0));
        let mut words = vec![
            ending,
            u64::from(pages),
            hash,
            self.host_calls,
            self.gas_used.unwrap_or(u64::MAX),
        ];
        words.extend(results);
        words.extend(&self.globals);
        words
    }

    /// The observation of a failed instantiation: the instance and its state are gone.
    pub fn without_instance(ending: Ending) -> Self {
        Self {
            ending,
            memory: None,
            globals: Vec::new(),
            host_calls: 0,
            gas_used: None,
        }
    }
}

impl Plan {
    /// A plan for a valid module, with arguments that follow from the seed.
    pub fn new(wasm: &[u8], seed: u64) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut random = Random::new(mix(seed));
        let mut plan = Self::without_calls(wasm)?;
        let mut called: Vec<usize> = (0..plan.functions.len()).collect();
        while called.len() > MOST_FUNCTIONS {
            let victim = random.below(called.len() as u64) as usize;
            called.swap_remove(victim);
        }
        for function in called {
            let mut step = Step::default();
            for _ in 0..CALLS_PER_INSTANCE {
                let parameters = plan.functions[function].parameters.iter();
                step.calls.push(Call {
                    function,
                    arguments: parameters.map(|&ty| number(&mut random, ty)).collect(),
                });
            }
            plan.steps.push(step);
        }
        Ok(plan)
    }

    /// A plan of many calls, whose memory is observed at the end of each step: `instances` steps for each function, of
    /// `calls` calls each. It is for volume: compilation and comparison cost more than short calls.
    pub fn many(
        wasm: &[u8],
        seed: u64,
        instances: usize,
        calls: usize,
    ) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut random = Random::new(mix(seed));
        let mut plan = Self::without_calls(wasm)?;
        plan.memory_at_the_end = true;
        let functions = plan.functions.len();
        for first in 0..instances * functions.min(MOST_FUNCTIONS) {
            let mut step = Step::default();
            for call in 0..calls {
                // Half of the calls in an instance are those of one function, with other arguments.
                let function = match call % 2 {
                    0 => first % functions,
                    _ => random.below(functions as u64) as usize,
                };
                let parameters = plan.functions[function].parameters.iter();
                step.calls.push(Call {
                    function,
                    arguments: parameters.map(|&ty| number(&mut random, ty)).collect(),
                });
            }
            plan.steps.push(step);
        }
        Ok(plan)
    }

    /// Whether the memory is observed after this call of a step.
    pub fn observes_memory(&self, step: &Step, call: usize) -> bool {
        !self.memory_at_the_end || call + 1 == step.calls.len()
    }

    /// A plan without calls: the exports of a valid module.
    pub fn without_calls(wasm: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut types = Vec::new();
        let mut functions = Vec::new();
        let mut plan = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        types.push(ty?);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Func(ty) = import?.ty {
                            functions.push(ty);
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        functions.push(ty?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let name = export.name.to_owned();
                        match export.kind {
                            ExternalKind::Func => {
                                let ty = &types[functions[export.index as usize] as usize];
                                plan.functions.push(Function {
                                    name,
                                    parameters: ty.params().to_vec(),
                                    results: ty.results().to_vec(),
                                });
                            }
                            ExternalKind::Global => plan.globals.push(name),
                            ExternalKind::Memory => plan.memory = Some(name),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(plan)
    }
}

/// A number of a type, often an edge case.
pub fn number(random: &mut Random, ty: ValType) -> Bits {
    const I64: [u64; 14] = [
        0,
        1,
        u64::MAX,
        i64::MIN as u64,
        i64::MAX as u64,
        2,
        7,
        31,
        63,
        64,
        0x80,
        0xffff_ffff,
        0x8000_0000,
        0x1_0000_0000,
    ];
    const F32: [u32; 16] = [
        0,
        0x8000_0000, // -0
        0x3f80_0000, // 1
        0xbf80_0000, // -1
        0x7f80_0000, // infinity
        0xff80_0000,
        0x7fc0_0000, // canonical NaN
        0xffc0_0000,
        0x7fa0_0000, // signalling NaN with payload
        0xffc1_2345, // quiet NaN with payload
        1,           // least subnormal
        0x7f7f_ffff, // largest
        0x4f00_0000, // 2^31
        0xcf00_0000, // -2^31
        0x4f80_0000, // 2^32
        0x5f00_0000, // 2^63
    ];
    const F64: [u64; 16] = [
        0,
        1 << 63,
        0x3ff0_0000_0000_0000,
        0xbff0_0000_0000_0000,
        0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000,
        0x7ff8_0000_0000_0000,
        0xfff8_0000_0000_0000,
        0x7ff4_0000_0000_0000,
        0xfff8_0000_1234_5678,
        1,
        0x7fef_ffff_ffff_ffff,
        0x41e0_0000_0000_0000, // 2^31
        0xc1e0_0000_0020_0000, // just below -2^31
        0x41f0_0000_0000_0000, // 2^32
        0x43e0_0000_0000_0000, // 2^63
    ];
    let edge = random.one_in(2);
    match ty {
        ValType::I32 if edge => u64::from(*random.pick(&I64) as u32),
        ValType::I32 if random.one_in(2) => random.below(1 << 17),
        ValType::I32 => u64::from(random.bits() as u32),
        ValType::I64 if edge => *random.pick(&I64),
        ValType::F32 if edge => u64::from(*random.pick(&F32)),
        ValType::F32 if random.one_in(2) => {
            u64::from((random.below(2000) as f32 - 1000.0).to_bits())
        }
        ValType::F32 => u64::from(random.bits() as u32),
        ValType::F64 if edge => *random.pick(&F64),
        ValType::F64 if random.one_in(2) => (random.below(2000) as f64 / 4.0 - 250.0).to_bits(),
        _ => random.bits(),
    }
}

/// The value of the imported global with this index.
pub fn global_value(index: u64, ty: ValType) -> Bits {
    number(&mut Random::new(index), ty)
}

/// A hash of a memory's bytes, for comparison.
pub fn hash_memory(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// The host functions: the results of each are a hash of its index and arguments, and some calls fail.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFunctions {
    trace: u64,
}

impl HostFunctions {
    /// Calls the imported function `index`, whose results have these types. Returns `None` if the call fails.
    pub fn call(
        &mut self,
        index: u32,
        arguments: &[Bits],
        results: &[ValType],
    ) -> Option<Vec<Bits>> {
        let mut hash = mix(u64::from(index) + 1);
        for &argument in arguments {
            hash = mix(hash ^ argument);
        }
        self.trace = mix(self.trace ^ hash);
        let mut random = Random::new(hash);
        if random.one_in(24) {
            return None;
        }
        Some(results.iter().map(|&ty| number(&mut random, ty)).collect())
    }

    /// Hash over all calls so far.
    pub fn trace(&self) -> u64 {
        self.trace
    }
}
