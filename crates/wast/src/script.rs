//! The walk over the directives of a script.

use crate::encode::encode;
use crate::expect;
use crate::instance::{CallFailure, Instance, LoadFailure, NotInstantiated, load};
use crate::language::made_valid_by;
use crate::link::{Registry, Slot};
use crate::machine::{Module, OnMachine};
use crate::observer::Observer;
use crate::sharing::Sharing;
use crate::{Feature, Report, SkipReason};
use pvf_executor::{Metering, Value};
use pvf_rules::{ExecutionParameters, Features, Trap, TrapKind};
use std::collections::HashMap;
use std::rc::Rc;
use wast::core::WastArgCore;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Span};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// How scripts are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The accepted language.
    pub features: Features,
    /// The meters that code drives.
    pub metering: Metering,
    /// What executes the modules.
    pub machine: OnMachine,
    /// What instances are made with.
    pub parameters: ExecutionParameters,
    /// Is shown every call of an exported function.
    pub observer: Option<Observer>,
    /// For tests.
    #[doc(hidden)]
    pub sharing: Option<Sharing>,
}

impl Default for Options {
    /// Everything that can be accepted, declared limits only.
    fn default() -> Self {
        Self {
            features: Features::ALL,
            metering: Metering::default(),
            machine: OnMachine::default(),
            parameters: ExecutionParameters::WASM,
            observer: None,
            sharing: None,
        }
    }
}

/// A script that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ScriptError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What the parser says.
    pub message: String,
}

/// Runs a script and says what became of its directives.
///
/// # Errors
///
/// The text is no script. What a script's modules do is never an error.
pub fn run_script(text: &str, options: &Options) -> Result<Report, ScriptError> {
    let syntax_error = |error: wast::Error| {
        let (line, column) = error.span().linecol_in(text);
        ScriptError {
            line: line + 1,
            column: column + 1,
            message: error.message(),
        }
    };
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(syntax_error)?;
    let wast: Wast<'_> = parser::parse(&buffer).map_err(syntax_error)?;
    let mut script = Script {
        text,
        options: options.clone(),
        named: HashMap::new(),
        current: Slot::Missing,
        definitions: HashMap::new(),
        latest_definition: Definition::Missing,
        registry: Registry::default(),
        report: Report::default(),
    };
    for directive in wast.directives {
        let span = directive.span();
        let verdict = script.directive(directive);
        script.count(span, verdict);
    }
    Ok(script.report)
}

/// What became of one directive.
enum Verdict {
    /// It did as the script says.
    Passed,
    /// There was nothing that could fail.
    Uncounted,
    /// It did not.
    Failed(String),
    /// It was not run.
    Skipped(SkipReason),
}

/// A module that was defined but not yet instantiated.
#[derive(Clone)]
enum Definition {
    Ready(Module, Rc<[u8]>),
    Skipped(SkipReason),
    Missing,
}

struct Script<'a> {
    text: &'a str,
    options: Options,
    named: HashMap<String, Slot>,
    current: Slot,
    definitions: HashMap<String, Definition>,
    latest_definition: Definition,
    registry: Registry,
    report: Report,
}

/// How an action ended, short of a skip or an error of the script.
enum Action {
    Returned {
        results: Vec<Value>,
        moves_bits_only: bool,
    },
    Trapped(Trap),
    Failed(String),
}

impl Script<'_> {
    fn count(&mut self, span: Span, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.report.passed += 1,
            Verdict::Uncounted => {}
            Verdict::Failed(message) => {
                let (line, column) = span.linecol_in(self.text);
                let failure = format!("{}:{}: {message}", line + 1, column + 1);
                self.report.failures.push(failure);
            }
            Verdict::Skipped(reason) => {
                *self.report.skips.entry(reason).or_default() += 1;
            }
        }
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Verdict {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.definition(module),
            WastDirective::ModuleInstance {
                instance, module, ..
            } => self.instance(instance, module),
            WastDirective::Register { name, module, .. } => {
                let slot = self.slot(module);
                self.registry.register(name, slot);
                Verdict::Uncounted
            }
            WastDirective::Invoke(invoke) => match self.invoke(&invoke) {
                Ok(Action::Returned { .. }) => Verdict::Passed,
                Ok(Action::Trapped(trap)) => Verdict::Failed(format!("trapped: {trap}")),
                Ok(Action::Failed(message)) => Verdict::Failed(message),
                Err(verdict) => verdict,
            },
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.assert_trap(exec, message),
            WastDirective::AssertExhaustion { call, message, .. } => {
                let action = self.invoke(&call);
                Self::expect_trap(action, message)
            }
            WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertMalformed { module, .. } => self.assert_rejected(module),
            WastDirective::AssertUnlinkable {
                module, message, ..
            } => self.assert_unlinkable(module, message),
            WastDirective::AssertInvalidCustom { .. }
            | WastDirective::AssertMalformedCustom { .. } => {
                Verdict::Skipped(SkipReason::CustomSection)
            }
            WastDirective::AssertException { .. } => outside(Feature::Exceptions),
            WastDirective::AssertSuspension { .. } => outside(Feature::StackSwitching),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => outside(Feature::Threads),
        }
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> Verdict {
        let name = module.name().map(|id| id.name().to_owned());
        let (slot, verdict) = match self.load(&mut module) {
            Ok((module, wasm)) => self.instantiate(&module, &wasm),
            Err(verdict) => (Slot::of(&verdict), verdict),
        };
        self.install(name, slot);
        verdict
    }

    fn definition(&mut self, mut module: QuoteWat<'_>) -> Verdict {
        let name = module.name().map(|id| id.name().to_owned());
        let (definition, verdict) = match self.load(&mut module) {
            Ok((module, wasm)) => (Definition::Ready(module, wasm), Verdict::Passed),
            Err(Verdict::Skipped(reason)) => {
                (Definition::Skipped(reason), Verdict::Skipped(reason))
            }
            Err(verdict) => (Definition::Missing, verdict),
        };
        if let Some(name) = name {
            self.definitions.insert(name, definition.clone());
        }
        self.latest_definition = definition;
        verdict
    }

    fn instance(&mut self, instance: Option<Id<'_>>, module: Option<Id<'_>>) -> Verdict {
        let definition = match module {
            Some(id) => self.definitions.get(id.name()).cloned(),
            None => Some(self.latest_definition.clone()),
        };
        let (slot, verdict) = match definition {
            Some(Definition::Ready(module, wasm)) => self.instantiate(&module, &wasm),
            Some(Definition::Skipped(reason)) => (Slot::Skipped(reason), Verdict::Skipped(reason)),
            Some(Definition::Missing) | None => {
                (Slot::Missing, Verdict::Failed("no such definition".into()))
            }
        };
        self.install(instance.map(|id| id.name().to_owned()), slot);
        verdict
    }

    fn install(&mut self, name: Option<String>, slot: Slot) {
        if let Some(name) = name {
            self.named.insert(name, slot.clone());
        }
        self.current = slot;
    }

    fn slot(&self, id: Option<Id<'_>>) -> Slot {
        match id {
            Some(id) => self.named.get(id.name()).cloned().unwrap_or(Slot::Missing),
            None => self.current.clone(),
        }
    }

    /// Encodes and compiles a module that the script says is valid.
    fn load(&self, module: &mut QuoteWat<'_>) -> Result<(Module, Rc<[u8]>), Verdict> {
        if is_component(module) {
            return Err(outside(Feature::Components));
        }
        let wasm = encode(module)
            .map_err(|error| Verdict::Failed(format!("cannot be encoded: {}", error.message())))?;
        let module = load(&wasm, &self.options).map_err(|failure| match failure {
            LoadFailure::Outside(feature) => {
                let reason = SkipReason::OutsideLanguage(feature);
                self.registry.skipped(&wasm, reason);
                Verdict::Skipped(reason)
            }
            LoadFailure::Rejected(message) => Verdict::Failed(format!("rejected: {message}")),
            LoadFailure::Host(message) => Verdict::Failed(format!("host failure: {message}")),
        })?;
        Ok((module, wasm.into()))
    }

    fn link(&self, module: &Module, wasm: &[u8]) -> Result<Instance, NotInstantiated> {
        let instance = Instance::new(module, wasm, &self.registry, &self.options);
        if let Err(NotInstantiated::Skipped(reason)) = &instance {
            self.registry.skipped(wasm, *reason);
        }
        instance
    }

    fn instantiate(&self, module: &Module, wasm: &[u8]) -> (Slot, Verdict) {
        match self.link(module, wasm) {
            Ok(instance) => (Slot::Ready(Rc::new(instance)), Verdict::Passed),
            Err(failure) => {
                let verdict = failure.into();
                (Slot::of(&verdict), verdict)
            }
        }
    }

    fn invoke(&self, invoke: &WastInvoke<'_>) -> Result<Action, Verdict> {
        let instance = self.slot(invoke.module).ready()?;
        let mut args = Vec::with_capacity(invoke.args.len());
        for arg in &invoke.args {
            args.push(match arg {
                WastArg::Core(WastArgCore::I32(value)) => Value::I32(*value),
                WastArg::Core(WastArgCore::I64(value)) => Value::I64(*value),
                WastArg::Core(WastArgCore::F32(value)) => Value::F32(value.bits),
                WastArg::Core(WastArgCore::F64(value)) => Value::F64(value.bits),
                WastArg::Core(WastArgCore::V128(_)) => return Err(outside(Feature::Simd)),
                _ => return Err(outside(Feature::ReferenceTypes)),
            });
        }
        match instance.call(invoke.name, &args) {
            Ok(results) => Ok(Action::Returned {
                results,
                moves_bits_only: instance.moves_bits_only(invoke.name),
            }),
            Err(CallFailure::Trap(trap)) => Ok(Action::Trapped(trap)),
            Err(CallFailure::Other(message)) => Ok(Action::Failed(message)),
            Err(CallFailure::Skipped(reason)) => Err(Verdict::Skipped(reason)),
        }
    }

    fn execute(&self, execute: WastExecute<'_>) -> Result<Action, Verdict> {
        match execute {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Get { module, global, .. } => {
                let instance = self.slot(module).ready()?;
                if let Some(reason) = instance.diverged() {
                    return Err(Verdict::Skipped(reason));
                }
                Ok(match instance.global(global) {
                    Some(value) => Action::Returned {
                        results: vec![value],
                        moves_bits_only: true,
                    },
                    None => Action::Failed(format!("no exported global {global:?}")),
                })
            }
            WastExecute::Wat(module) => {
                let (module, wasm) = self.load(&mut QuoteWat::Wat(module))?;
                match self.link(&module, &wasm) {
                    Ok(_) => Ok(Action::Returned {
                        results: Vec::new(),
                        moves_bits_only: false,
                    }),
                    Err(NotInstantiated::Segment(trap) | NotInstantiated::Start(trap)) => {
                        Ok(Action::Trapped(trap))
                    }
                    Err(failure) => Err(failure.into()),
                }
            }
        }
    }

    fn assert_return(&self, execute: WastExecute<'_>, expected: &[WastRet<'_>]) -> Verdict {
        match self.execute(execute) {
            Ok(Action::Returned {
                results,
                moves_bits_only,
            }) if expect::matches(&results, expected, moves_bits_only) => Verdict::Passed,
            Ok(Action::Returned { results, .. }) => Verdict::Failed(format!(
                "expected {}, returned {}",
                expect::show_expected(expected),
                expect::show(&results)
            )),
            Ok(Action::Trapped(trap)) => Verdict::Failed(format!(
                "expected {}, trapped: {trap}",
                expect::show_expected(expected)
            )),
            Ok(Action::Failed(message)) => Verdict::Failed(message),
            Err(verdict) => verdict,
        }
    }

    fn assert_trap(&self, execute: WastExecute<'_>, message: &str) -> Verdict {
        let action = self.execute(execute);
        Self::expect_trap(action, message)
    }

    fn expect_trap(action: Result<Action, Verdict>, message: &str) -> Verdict {
        let Some(expected) = expect::trap_kind(message) else {
            return Verdict::Failed(format!("the script expects an unknown trap {message:?}"));
        };
        match action {
            Ok(Action::Trapped(trap)) if trap.kind == expected => Verdict::Passed,
            Ok(Action::Trapped(trap)) => {
                Verdict::Failed(format!("expected trap {message:?}, trapped: {trap}"))
            }
            Ok(Action::Returned { results, .. }) => Verdict::Failed(format!(
                "expected trap {message:?}, returned {}",
                expect::show(&results)
            )),
            Ok(Action::Failed(message)) => Verdict::Failed(message),
            Err(verdict) => verdict,
        }
    }

    fn assert_rejected(&self, mut module: QuoteWat<'_>) -> Verdict {
        if is_component(&module) {
            return outside(Feature::Components);
        }
        let Ok(wasm) = encode(&mut module) else {
            return Verdict::Passed;
        };
        match load(&wasm, &self.options) {
            Err(LoadFailure::Outside(_) | LoadFailure::Rejected(_)) => Verdict::Passed,
            Err(LoadFailure::Host(message)) => Verdict::Failed(format!("host failure: {message}")),
            Ok(_) => match made_valid_by(&wasm, self.options.features) {
                Some(feature) => Verdict::Skipped(SkipReason::MadeValidBy(feature)),
                None => Verdict::Failed("accepted, should have been rejected".into()),
            },
        }
    }

    fn assert_unlinkable(&self, module: Wat<'_>, message: &str) -> Verdict {
        let (module, wasm) = match self.load(&mut QuoteWat::Wat(module)) {
            Ok(loaded) => loaded,
            Err(verdict) => return verdict,
        };
        match self.link(&module, &wasm) {
            Err(NotInstantiated::Unlinkable(_)) => Verdict::Passed,
            // Before bulk memory, segments out of bounds were an error of linking.
            Err(NotInstantiated::Segment(trap)) => match (message, trap.kind) {
                ("data segment does not fit", TrapKind::MemoryOutOfBounds)
                | ("elements segment does not fit", TrapKind::TableOutOfBounds) => Verdict::Passed,
                _ => Verdict::Failed(format!("expected {message:?}, trapped: {trap}")),
            },
            Err(failure) => failure.into(),
            Ok(_) => Verdict::Failed("linked, should have been unlinkable".into()),
        }
    }
}

impl From<NotInstantiated> for Verdict {
    fn from(failure: NotInstantiated) -> Self {
        match failure {
            NotInstantiated::Skipped(reason) => Self::Skipped(reason),
            NotInstantiated::Unlinkable(message) => Self::Failed(format!("unlinkable: {message}")),
            NotInstantiated::Segment(trap) => {
                Self::Failed(format!("a segment is out of bounds: {trap}"))
            }
            NotInstantiated::Start(trap) => {
                Self::Failed(format!("the start function trapped: {trap}"))
            }
            NotInstantiated::Other(message) => Self::Failed(message),
        }
    }
}

impl Slot {
    /// What is left of a module after this verdict on it.
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Skipped(reason) => Self::Skipped(*reason),
            _ => Self::Missing,
        }
    }

    fn ready(self) -> Result<Rc<Instance>, Verdict> {
        match self {
            Self::Ready(instance) => Ok(instance),
            Self::Skipped(reason) => Err(Verdict::Skipped(reason)),
            Self::Missing => Err(Verdict::Failed("there is no such instance".into())),
        }
    }
}

fn outside(feature: Feature) -> Verdict {
    Verdict::Skipped(SkipReason::OutsideLanguage(feature))
}

fn is_component(module: &QuoteWat<'_>) -> bool {
    matches!(
        module,
        QuoteWat::QuoteComponent(..) | QuoteWat::Wat(Wat::Component(_))
    )
}
