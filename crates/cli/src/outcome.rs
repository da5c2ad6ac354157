//! Outcomes as JSON and as text.

use crate::Verdict;
use crate::failure::Failure;
use crate::network::{Parameters, ParametersJson};
use crate::output::{Output, duration, hex, size};
use crate::verdict::{Details, SCHEMA_VERSION};
use anstyle::{AnsiColor, Style};
use pvf_executor::{Execution, Outcome, Rejection, RejectionClass, RuleId, Trap, visible};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// Times and sizes beside the outcome. Only the sizes are deterministic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Compiling, or loading an artifact.
    pub prepare_ns: u64,
    /// Making the instance.
    pub instantiate_ns: u64,
    /// Calling it.
    pub execute_ns: u64,
    /// Size of the module.
    pub wasm_bytes: u64,
    /// Size of its machine code.
    pub code_bytes: u64,
    /// Instruction set of the code.
    pub target: &'static str,
}

/// How a valid result is written.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Bytes, as `0x…`.
    Bytes(String),
    /// Values, as `i32:5`.
    Values(Vec<String>),
}

#[derive(Serialize)]
struct OutcomeJson<'a> {
    schema_version: u32,
    outcome: &'static str,
    result: Option<&'a Shown>,
    trap: Option<&'static str>,
    reason: Option<Cow<'a, str>>,
    function: Option<u32>,
    offset: Option<u32>,
    stage: Option<&'static str>,
    class: Option<RejectionClass>,
    rule: Option<RuleId>,
    gas_used: Option<u64>,
    stack_native_peak: u64,
    stack_logical_peak: Option<u64>,
    memory_pages_peak: u32,
    outcome_digest: String,
    prepare_ns: u64,
    instantiate_ns: u64,
    execute_ns: u64,
    wasm_bytes: u64,
    code_bytes: u64,
    target: &'static str,
    parameters: ParametersJson,
    #[serde(flatten)]
    details: Option<&'a Details>,
}

/// A rejection, or nothing, under the names that outcomes have, where no other outcome is printed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RejectionJson {
    outcome: Option<&'static str>,
    stage: Option<&'static str>,
    class: Option<RejectionClass>,
    rule: Option<RuleId>,
    reason: Option<String>,
    function: Option<u32>,
    offset: Option<u32>,
}

impl RejectionJson {
    /// The rejection in JSON.
    pub fn new(rejection: &Rejection) -> Self {
        Self {
            outcome: Some("rejected"),
            stage: Some(rejection.stage().name()),
            class: Some(rejection.class),
            rule: Some(rejection.rule),
            reason: Some(rejection.reason()),
            function: rejection.place.function,
            offset: rejection.place.offset,
        }
    }
}

impl RejectionJson {
    /// The rejection in words.
    pub fn words(&self) -> String {
        let rule = self.rule.map(|rule| format!("{rule}: "));
        let reason = self.reason.as_deref().unwrap_or("without a reason");
        format!("{}{reason}", rule.unwrap_or_default())
    }
}

/// A rejection in a line for people.
pub fn rejected(out: &mut dyn Write, rejection: &Rejection) -> io::Result<()> {
    let (class, text) = (rejection.class, rejection.to_string());
    writeln!(out, "rejected: {} ({class})", printable(&text))
}

/// Prints an outcome. The result of a valid one is shown as bytes, unless `values` says how
/// else.
pub fn report(
    output: &Output,
    execution: &Execution,
    measured: &Measured,
    parameters: &Parameters,
    values: Option<Vec<String>>,
) -> Result<Verdict, Failure> {
    print(output, execution, measured, parameters, values, None)
}

/// Prints the outcome of a candidate, with all that is known of it.
pub fn report_candidate(
    output: &Output,
    execution: &Execution,
    measured: &Measured,
    parameters: &Parameters,
    details: &Details,
) -> Result<Verdict, Failure> {
    print(output, execution, measured, parameters, None, Some(details))
}

fn print(
    output: &Output,
    execution: &Execution,
    measured: &Measured,
    parameters: &Parameters,
    values: Option<Vec<String>>,
    details: Option<&Details>,
) -> Result<Verdict, Failure> {
    let shown = match (&execution.outcome, values) {
        (Outcome::Valid(_), Some(values)) => Some(Shown::Values(values)),
        (Outcome::Valid(bytes), None) => Some(Shown::Bytes(hex(bytes))),
        _ => None,
    };
    let trap = trap(execution);
    let rejection = rejection(&execution.outcome);
    let place = rejection.map(|rejection| rejection.place);
    let json = OutcomeJson {
        schema_version: SCHEMA_VERSION,
        outcome: name(&execution.outcome),
        result: shown.as_ref(),
        trap: trap.map(|trap| trap.kind.name()),
        reason: reason(&execution.outcome),
        function: trap.map_or(place.and_then(|it| it.function), |trap| trap.function),
        offset: trap.map_or(place.and_then(|it| it.offset), |trap| trap.offset),
        stage: rejection.map(|rejection| rejection.stage().name()),
        class: rejection.map(|rejection| rejection.class),
        rule: rule(&execution.outcome),
        gas_used: execution.gas_used,
        stack_native_peak: execution.stack.native,
        stack_logical_peak: execution.stack.logical,
        memory_pages_peak: execution.memory_pages_peak,
        outcome_digest: hex(&execution.digest()),
        prepare_ns: measured.prepare_ns,
        instantiate_ns: measured.instantiate_ns,
        execute_ns: measured.execute_ns,
        wasm_bytes: measured.wasm_bytes,
        code_bytes: measured.code_bytes,
        target: measured.target,
        parameters: parameters.json(),
        details,
    };
    output.result(&json, |out| {
        text(out, execution, measured, shown.as_ref(), details)?;
        parameters.text(out)
    })?;
    match details.is_some_and(Details::is_refused) {
        true => Ok(Verdict::NotFine),
        false => Ok(verdict(execution)),
    }
}

/// Whether the outcome is a valid one.
pub fn verdict(execution: &Execution) -> Verdict {
    match execution.outcome {
        Outcome::Valid(_) => Verdict::Fine,
        Outcome::Invalid { .. } | Outcome::Rejected(_) => Verdict::NotFine,
    }
}

/// The name of the class of an outcome.
pub fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Valid(_) => "valid",
        Outcome::Invalid { .. } => "invalid",
        Outcome::Rejected(_) => "rejected",
    }
}

/// Why the outcome is not valid, as text.
pub fn reason(outcome: &Outcome) -> Option<Cow<'_, str>> {
    match outcome {
        Outcome::Valid(_) => None,
        Outcome::Invalid { reason, .. } => Some(Cow::Borrowed(reason)),
        Outcome::Rejected(rejection) => Some(Cow::Owned(rejection.reason())),
    }
}

/// The rule that rejects a module.
pub fn rule(outcome: &Outcome) -> Option<RuleId> {
    rejection(outcome).map(|rejection| rejection.rule)
}

fn rejection(outcome: &Outcome) -> Option<&Rejection> {
    match outcome {
        Outcome::Rejected(rejection) => Some(rejection),
        _ => None,
    }
}

fn trap(execution: &Execution) -> Option<&Trap> {
    match &execution.outcome {
        Outcome::Invalid { trap, .. } => trap.as_ref(),
        _ => None,
    }
}

/// The most characters of a result that are shown to people.
const MOST_SHOWN: usize = 200;

fn text(
    out: &mut dyn Write,
    execution: &Execution,
    measured: &Measured,
    shown: Option<&Shown>,
    details: Option<&Details>,
) -> io::Result<()> {
    let colour = match execution.outcome {
        Outcome::Valid(_) => AnsiColor::Green,
        Outcome::Invalid { .. } => AnsiColor::Red,
        Outcome::Rejected(_) => AnsiColor::Yellow,
    };
    let bold: Style = colour.on_default().bold();
    let refused = match details.is_some_and(Details::is_refused) {
        true => ", but the network refuses the candidate",
        false => "",
    };
    let outcome = name(&execution.outcome);
    writeln!(out, "{bold}{outcome}{bold:#}{refused}")?;
    match shown {
        Some(Shown::Bytes(bytes)) if bytes.len() > MOST_SHOWN => writeln!(
            out,
            "  result        {}… ({} B; --json has all)",
            &bytes[..MOST_SHOWN],
            bytes.len() / 2 - 1
        )?,
        Some(Shown::Bytes(bytes)) => writeln!(out, "  result        {bytes}")?,
        Some(Shown::Values(values)) => writeln!(out, "  result        {}", values.join(" "))?,
        None => {}
    }
    if let Some(reason) = reason(&execution.outcome) {
        writeln!(out, "  reason        {}", printable(&reason))?;
    }
    if let Some(rejection) = rejection(&execution.outcome) {
        let (stage, class) = (rejection.stage().name(), rejection.class);
        writeln!(out, "  rule          {}", rejection.rule)?;
        writeln!(out, "  stage         {stage}, to a node {class}")?;
    }
    if let Some(details) = details {
        details.text_of_reason(out)?;
        details.text_of_result(out)?;
    }
    let share = |name: &str| details.map_or_else(String::new, |it| it.share(name));
    writeln!(out, "  digest        {}", hex(&execution.digest()))?;
    let native = size(execution.stack.native);
    writeln!(out, "  native stack  {native}{}", share("native_stack"))?;
    if let Some(units) = execution.stack.logical {
        let share = share("logical_stack");
        writeln!(out, "  logical stack {units} units{share}")?;
    }
    if let Some(gas) = execution.gas_used {
        writeln!(out, "  gas           {gas}{}", share("gas"))?;
    }
    let pages = execution.memory_pages_peak;
    let unit = if pages == 1 { "page" } else { "pages" };
    writeln!(out, "  memory        {pages} {unit}{}", share("memory"))?;
    if let Some(details) = details {
        details.text_of_limits(out)?;
    }
    writeln!(
        out,
        "  time          prepare {}, instantiate {}, execute {}",
        duration(measured.prepare_ns),
        duration(measured.instantiate_ns),
        duration(measured.execute_ns)
    )?;
    writeln!(
        out,
        "  size          {} of Wasm, {} of {} code",
        size(measured.wasm_bytes),
        size(measured.code_bytes),
        measured.target
    )
}

/// Text from a module or another program, in one line and without what a terminal would obey.
pub fn printable(text: &str) -> String {
    visible(text, usize::MAX)
}
