//! Which set of parameters a candidate is judged with: a network's, that of a session, or a profile's.

use crate::failure::Failure;
use crate::input;
use crate::outcome::printable;
use crate::parameters::FunctionsArgs;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pvf_executor::{ExecutionParameters, Profile};
use pvf_primitives::{
    ExecutorHostFunction, ExecutorParam, ExecutorParams, HostLimits, Network, PvfExecKind,
    PvfPrepKind,
};
use pvf_validation::execution_parameters;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;

/// The network whose parameters hold.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// Network whose parameters apply, as they were last seen in force, or `protocol` for the defaults of a network that has set
    /// nothing (2,080 pages of memory; 2 and 12 seconds) [default: polkadot; with the profile wasm, that profile's limits].
    #[arg(long, value_name = "NAME", value_parser = network(), conflicts_with = "executor_params")]
    pub network: Option<Network>,
    /// The parameters of a session (`ExecutorParams`): SCALE in hexadecimal (0x…), JSON, or a file with either or with the
    /// bytes themselves. Parameters that it does not name have the protocol's default.
    #[arg(long, value_name = "HEX|JSON|FILE")]
    pub executor_params: Option<String>,
}

pub fn network() -> impl TypedValueParser<Value = Network> {
    let names = PossibleValuesParser::new(Network::ALL.map(Network::name));
    names.try_map(|name| Network::from_name(&name).ok_or("unknown network"))
}

/// A set of parameters by name. Flags for single limits change it further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterSet {
    /// The parameters of a network.
    Network(Network),
    /// Parameters of a session, from the command line.
    Session(ExecutorParams),
    /// The limits of plain WebAssembly, without a network.
    Wasm,
}

impl NetworkArgs {
    /// The parameters where no flag changes single limits.
    pub fn parameters(&self, profile: Profile) -> Result<Parameters, Failure> {
        let set = self.set(profile)?;
        Ok(Parameters {
            execution: set.execution(),
            ecc_rfc163: set.ecc_rfc163(),
            set,
        })
    }

    /// The set that holds for commands with a profile.
    pub fn set(&self, profile: Profile) -> Result<ParameterSet, Failure> {
        if let Some(given) = &self.executor_params {
            return Ok(ParameterSet::Session(read(given)?));
        }
        Ok(match (self.network, profile) {
            (Some(network), _) => ParameterSet::Network(network),
            (None, Profile::Wasm) => ParameterSet::Wasm,
            (None, _) => ParameterSet::Network(Network::default()),
        })
    }
}

impl ParameterSet {
    /// Those of the session; plain WebAssembly has none.
    pub fn executor_params(&self) -> Option<ExecutorParams> {
        match self {
            Self::Network(network) => Some(network.executor_params()),
            Self::Session(params) => Some(params.clone()),
            Self::Wasm => None,
        }
    }

    /// The limits of an execution.
    pub fn execution(&self) -> ExecutionParameters {
        match self.executor_params() {
            Some(params) => execution_parameters(&params),
            None => ExecutionParameters::WASM,
        }
    }

    /// Whether it enables the elliptic-curve functions.
    pub fn ecc_rfc163(&self) -> bool {
        let params = self.executor_params();
        params.is_some_and(|params| params.enables(ExecutorHostFunction::EccRfc163))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Network(network) => network.name(),
            Self::Session(_) => "executor-params",
            Self::Wasm => "wasm",
        }
    }
}

/// The parameters that an outcome depends on beside code and candidate.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The set that flags change.
    pub set: ParameterSet,
    /// The limits, changed by flags.
    pub execution: ExecutionParameters,
    /// Whether the elliptic-curve functions exist.
    pub ecc_rfc163: bool,
}

/// The parameters used, as every output shows them.
#[derive(Clone, Debug, Serialize)]
pub struct ParametersJson {
    /// A network, `executor-params` or `wasm`.
    set: &'static str,
    /// When a network's values were seen in force.
    seen: Option<&'static str>,
    source: Option<&'static str>,
    /// The set in SCALE.
    executor_params: Option<String>,
    /// Whether flags for single limits have changed something.
    changed: bool,
    max_memory_pages: u32,
    stack_native_max: u64,
    stack_logical_max: Option<u32>,
    gas_limit: Option<u64>,
    ecc_rfc163: bool,
    backing_timeout_ms: Option<u64>,
    approval_timeout_ms: Option<u64>,
}

impl Parameters {
    /// The CPU time that the set gives an execution.
    pub fn exec_timeout_ms(&self, kind: PvfExecKind) -> Option<u64> {
        let params = self.set.executor_params()?;
        u64::try_from(params.exec_timeout(kind).as_millis()).ok()
    }

    /// The limits of the network's configuration; plain WebAssembly has none. A session's parameters do not say them, so
    /// they are Polkadot's.
    pub fn host_limits(&self) -> Option<HostLimits> {
        match self.set {
            ParameterSet::Network(network) => Some(network.host_limits()),
            ParameterSet::Session(_) => Some(Network::default().host_limits()),
            ParameterSet::Wasm => None,
        }
    }

    /// Whether flags for single limits have changed something of the set. Gas is no part of any set.
    fn changed(&self) -> bool {
        let set = self.set.execution();
        let gas_limit = self.execution.gas_limit;
        self.execution != (ExecutionParameters { gas_limit, ..set })
            || self.ecc_rfc163 != self.set.ecc_rfc163()
    }

    /// With the host functions that flags ask for.
    pub fn with_functions(mut self, functions: &FunctionsArgs) -> Self {
        self.ecc_rfc163 |= functions.ecc_rfc163;
        self
    }

    /// The parameters used, in JSON.
    pub fn json(&self) -> ParametersJson {
        let network = match self.set {
            ParameterSet::Network(network) => Some(network),
            _ => None,
        };
        let params = self.set.executor_params();
        ParametersJson {
            set: self.set.name(),
            seen: network.and_then(Network::seen),
            source: network.map(Network::source),
            executor_params: params.map(|params| format!("0x{}", hex::encode(params.to_scale()))),
            changed: self.changed(),
            max_memory_pages: self.execution.max_memory_pages,
            stack_native_max: self.execution.stack_native_max,
            stack_logical_max: self.execution.stack_logical_max,
            gas_limit: self.execution.gas_limit,
            ecc_rfc163: self.ecc_rfc163,
            backing_timeout_ms: self.exec_timeout_ms(PvfExecKind::Backing),
            approval_timeout_ms: self.exec_timeout_ms(PvfExecKind::Approval),
        }
    }

    /// The parameters used, as a short text.
    pub fn words(&self) -> String {
        let set = match &self.set {
            ParameterSet::Network(Network::Protocol) => "the protocol's defaults".to_owned(),
            ParameterSet::Network(network) => match network.seen() {
                Some(seen) => format!("{}, as of {seen}", network.name()),
                None => format!("{}, {}", network.name(), network.source()),
            },
            ParameterSet::Session(_) => "as given by --executor-params".to_owned(),
            ParameterSet::Wasm => "plain WebAssembly, no network's".to_owned(),
        };
        match self.changed() {
            true => format!("{set}, changed by flags"),
            false => set,
        }
    }

    /// A line of an output.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  parameters    {}", self.words())
    }
}

/// The limits of a network's configuration, as outputs show them.
#[derive(Clone, Debug, Serialize)]
pub struct HostLimitsJson {
    /// The network.
    pub network: &'static str,
    /// When the values were seen in force; none if they are assumed.
    pub seen: Option<&'static str>,
    /// Where they come from.
    pub source: &'static str,
    /// Largest code on chain in bytes.
    pub max_code_size: u32,
    /// Largest proof of validity in bytes.
    pub max_pov_size: u32,
    /// Largest head data in bytes.
    pub max_head_data_size: u32,
}

impl HostLimitsJson {
    /// Of a network.
    pub fn new(network: Network, limits: &HostLimits) -> Self {
        Self {
            network: network.name(),
            seen: limits.seen,
            source: limits.source,
            max_code_size: limits.max_code_size,
            max_pov_size: limits.max_pov_size,
            max_head_data_size: limits.max_head_data_size,
        }
    }
}

/// Parameters of a session from what was given on the command line.
fn read(given: &str) -> Result<ExecutorParams, Failure> {
    let wrong = |what: String| {
        Failure::Usage(format!(
            "--executor-params {}: {what}",
            printable(&shortened(given))
        ))
    };
    if is_text(given.as_bytes()) {
        return from_text(given.trim()).map_err(wrong);
    }
    let bytes = input::read(Path::new(given))?;
    match is_text(&bytes) {
        true => {
            let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
            from_text(text.trim()).map_err(wrong)
        }
        false => from_scale(&bytes).map_err(wrong),
    }
}

/// The argument as messages show it.
fn shortened(given: &str) -> String {
    given.chars().take(60).collect()
}

/// Whether this is hexadecimal or JSON. No encoding of parameters begins like that: the first byte would be that of a count above
/// any number of parameters.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.starts_with(b"0x") || matches!(bytes.first(), Some(b'[' | b'{'))
}

fn from_text(text: &str) -> Result<ExecutorParams, String> {
    match text.strip_prefix("0x") {
        Some(digits) => from_scale(&hex::decode(digits).map_err(|error| error.to_string())?),
        None => from_json(&serde_json::from_str(text).map_err(|error| error.to_string())?),
    }
}

fn from_scale(bytes: &[u8]) -> Result<ExecutorParams, String> {
    ExecutorParams::from_scale(bytes)
}

/// From a list of variants as tools print them: `{"MaxMemoryPages": 8192}`, `{"pvfExecTimeout": ["Backing", 2500]}`,
/// `{"type": "MaxMemoryPages", "value": 8192}`, `"WasmExtBulkMemory"`. The list may be the `executorParams` of a configuration.
fn from_json(json: &Value) -> Result<ExecutorParams, String> {
    if let Some(list) = json.as_array() {
        return list
            .iter()
            .map(param)
            .collect::<Result<_, _>>()
            .map(ExecutorParams);
    }
    let inside = ["executorParams", "executor_params"];
    match inside.iter().find_map(|key| json.get(key)) {
        Some(inside) if inside.is_array() => from_json(inside),
        _ => Err("expected a list of parameters".to_owned()),
    }
}

/// Name and value of a variant.
fn variant(json: &Value) -> Result<(String, &Value), String> {
    let wrong = || format!("{json} is no parameter");
    let (name, value) = match json {
        Value::String(name) => (name.as_str(), &Value::Null),
        Value::Object(object) => match (object.get("type").and_then(Value::as_str), object.len()) {
            (Some(name), _) => (name, object.get("value").unwrap_or(&Value::Null)),
            (None, 1) => match object.iter().next() {
                Some((name, value)) => (name.as_str(), value),
                None => return Err(wrong()),
            },
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    // Some tools write the first letter small.
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    Ok((first.into_iter().chain(letters).collect(), value))
}

fn param(json: &Value) -> Result<ExecutorParam, String> {
    let (name, value) = variant(json)?;
    let pair = || match value.as_array().map(Vec::as_slice) {
        Some([kind, number]) => Ok((variant(kind)?.0, self::number::<u64>(number)?)),
        _ => Err(format!(
            "{name}: expected a kind and milliseconds, not {value}"
        )),
    };
    let unknown = |what: &str| Err(format!("{name}: {what:?} is not known"));
    Ok(match name.as_str() {
        "MaxMemoryPages" => ExecutorParam::MaxMemoryPages(number(value)?),
        "StackLogicalMax" => ExecutorParam::StackLogicalMax(number(value)?),
        "StackNativeMax" => ExecutorParam::StackNativeMax(number(value)?),
        "PrecheckingMaxMemory" => ExecutorParam::PrecheckingMaxMemory(number(value)?),
        "PvfPrepTimeout" => {
            let (kind, ms) = pair()?;
            let kind = match kind.as_str() {
                "Precheck" => PvfPrepKind::Precheck,
                "Prepare" => PvfPrepKind::Prepare,
                other => return unknown(other),
            };
            ExecutorParam::PvfPrepTimeout(kind, ms)
        }
        "PvfExecTimeout" => {
            let (kind, ms) = pair()?;
            let kind = match kind.as_str() {
                "Backing" => PvfExecKind::Backing,
                "Approval" => PvfExecKind::Approval,
                other => return unknown(other),
            };
            ExecutorParam::PvfExecTimeout(kind, ms)
        }
        "WasmExtBulkMemory" => ExecutorParam::WasmExtBulkMemory,
        "EnabledHostFunction" => match variant(value)?.0.as_str() {
            "EccRfc163" => ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
            other => return unknown(other),
        },
        other => return Err(format!("{other:?} is no parameter that is known here")),
    })
}

/// A number, or one in quotes with commas, as tools print it for people.
fn number<N: TryFrom<u64>>(json: &Value) -> Result<N, String> {
    let number = match json {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.replace([',', '_'], "").parse().ok(),
        _ => None,
    };
    let number = number.and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| format!("{json} is not a number that fits here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every parameter there is.
    fn all() -> ExecutorParams {
        ExecutorParams(vec![
            ExecutorParam::MaxMemoryPages(8192),
            ExecutorParam::StackLogicalMax(2),
            ExecutorParam::StackNativeMax(3),
            ExecutorParam::PrecheckingMaxMemory(4),
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Prepare, 5),
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 6),
            ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, 2500),
            ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 15_000),
            ExecutorParam::WasmExtBulkMemory,
            ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
        ])
    }

    #[test]
    fn the_forms_that_tools_print_are_read() {
        let forms = [
            r#"[{"MaxMemoryPages":8192},{"StackLogicalMax":2},{"StackNativeMax":3},{"PrecheckingMaxMemory":4},
                {"PvfPrepTimeout":["Prepare",5]},{"PvfPrepTimeout":["Precheck",6]},{"PvfExecTimeout":["Backing",2500]},
                {"PvfExecTimeout":["Approval",15000]},"WasmExtBulkMemory",{"EnabledHostFunction":"EccRfc163"}]"#,
            r#"{"executorParams":[{"maxMemoryPages":"8,192"},{"stackLogicalMax":2},{"stackNativeMax":3},{"precheckingMaxMemory":4},
                {"pvfPrepTimeout":["Prepare",5]},{"pvfPrepTimeout":["Precheck",6]},{"pvfExecTimeout":["Backing","2,500"]},
                {"pvfExecTimeout":["Approval","15,000"]},{"wasmExtBulkMemory":null},{"enabledHostFunction":"EccRfc163"}]}"#,
            r#"[{"type":"MaxMemoryPages","value":8192},{"type":"StackLogicalMax","value":2},{"type":"StackNativeMax","value":3},
                {"type":"PrecheckingMaxMemory","value":"4"},{"type":"PvfPrepTimeout","value":[{"type":"Prepare"},"5"]},
                {"type":"PvfPrepTimeout","value":[{"type":"Precheck"},"6"]},{"type":"PvfExecTimeout","value":[{"type":"Backing"},"2500"]},
                {"type":"PvfExecTimeout","value":[{"type":"Approval"},"15000"]},{"type":"WasmExtBulkMemory"},
                {"type":"EnabledHostFunction","value":{"type":"EccRfc163"}}]"#,
        ];
        for form in forms {
            assert_eq!(from_text(form), Ok(all()), "{form}");
        }
        let scale = format!("0x{}", hex::encode(all().to_scale()));
        assert_eq!(from_text(&scale), Ok(all()));
        assert_eq!(from_scale(&all().to_scale()), Ok(all()));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for wrong in [
            "[1]",
            "{}",
            r#"["MaxMemoryPages"]"#,
            r#"[{"MaxMemoryPages":-1}]"#,
            r#"[{"MaxMemoryPages":4294967296}]"#,
            r#"[{"PvfExecTimeout":2500}]"#,
            r#"[{"PvfExecTimeout":["Nobody",2500]}]"#,
            r#"[{"EnabledHostFunction":"Other"}]"#,
            r#"[{"Unknown":1}]"#,
            r#"[{"MaxMemoryPages":1,"StackLogicalMax":2}]"#,
            "0x",
            "0x0409",
            "0x0000",
            "0x0",
            "[",
        ] {
            assert!(from_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn encodings_are_not_taken_for_text() {
        for first in [b'0', b'[', b'{'] {
            assert!(from_scale(&[first, b'x', 0, 0]).is_err());
        }
        assert!(!is_text(&all().to_scale()));
    }
}
