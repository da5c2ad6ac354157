//! A question to an engine.

use crate::Number;
use pvf_metering::{Costs, Instruction, Schedule};
use pvf_rules::{Dialect, ExecutionParameters, FeatureSwitch, Features};
use serde_json::{Value, json};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A module, its language and limits, and the steps to execute.
#[derive(Clone, Debug)]
pub struct Question {
    /// Path of the module or blob.
    pub wasm: PathBuf,
    /// The accepted language.
    pub features: Features,
    /// The limits of the execution.
    pub parameters: ExecutionParameters,
    /// Prices of gas, if it is counted. The limit is in [`ExecutionParameters::gas_limit`].
    pub gas: Option<Costs>,
    /// The range of memory to show after the last step.
    pub peek: Option<Range<usize>>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Calls an export. All such steps use one instance.
    Invoke {
        /// Name of the export.
        export: String,
        /// Arguments of the call.
        args: Vec<Number>,
    },
    /// Validates a candidate in a fresh instance.
    Validate(Candidate),
    /// Prepares once for each number of threads and compares the artifacts.
    Prepare {
        /// The numbers of threads.
        threads: Vec<NonZeroUsize>,
    },
    /// Prepares, flips a bit of one byte of the artifact, and reads the artifact.
    Damage {
        /// Index of the byte.
        byte: usize,
    },
}

/// The source of a candidate's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The bytes are in the question.
    Bytes(Vec<u8>),
    /// This number of zeros.
    Zeros(usize),
    /// A file.
    File(PathBuf),
}

/// Why a line is not a valid question.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// A field is missing or has the wrong type.
    #[error("{field} is missing or not {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// The expected type.
        expected: &'static str,
    },
    /// The protocol has no such step.
    #[error("unknown step: {0}")]
    Step(String),
    /// A price is not accepted.
    #[error(transparent)]
    Prices(#[from] pvf_metering::ScheduleError),
}

impl Candidate {
    /// The bytes of the candidate.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Zeros(count) => Ok(vec![0; *count]),
            Self::File(path) => std::fs::read(path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            }),
        }
    }
}

fn wrong(field: &'static str, expected: &'static str) -> QuestionError {
    QuestionError::Field { field, expected }
}

impl Question {
    /// Reads a line of the protocol.
    ///
    /// # Errors
    /// [`QuestionError`]: the line lacks a field or has one of another type.
    pub fn from_json(line: &Value) -> Result<Self, QuestionError> {
        let number = |field| line[field].as_u64().ok_or_else(|| wrong(field, "a number"));
        let pages = u32::try_from(number("max_memory_pages")?)
            .map_err(|_| wrong("max_memory_pages", "below 2^32"))?;
        let stack_logical_max = match &line["stack_logical_max"] {
            Value::Null => None,
            limit => Some(
                limit
                    .as_u64()
                    .and_then(|it| u32::try_from(it).ok())
                    .ok_or_else(|| wrong("stack_logical_max", "a number below 2^32"))?,
            ),
        };
        let gas = match &line["gas_limit"] {
            Value::Null => None,
            _ => Some(costs(&line["gas_schedule"])?),
        };
        let steps = line["steps"]
            .as_array()
            .ok_or_else(|| wrong("steps", "a list"))?;
        Ok(Self {
            wasm: line["wasm"]
                .as_str()
                .ok_or_else(|| wrong("wasm", "a path"))?
                .into(),
            features: features(line),
            parameters: ExecutionParameters {
                max_memory_pages: pages,
                ignore_declared_maximum: line["ignore_declared_maximum"].as_bool().unwrap_or(false),
                stack_native_max: number("stack_native_max")?,
                stack_logical_max,
                // `"unlimited"` means that gas is counted without a limit.
                gas_limit: line["gas_limit"].as_u64(),
            },
            gas,
            peek: match (line["peek"][0].as_u64(), line["peek"][1].as_u64()) {
                (Some(start), Some(end)) => Some(start as usize..end as usize),
                _ => None,
            },
            steps: steps
                .iter()
                .map(Step::from_json)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Writes a line of the protocol, or returns `None` if three prices cannot express [`Question::gas`] (see
    /// [`plain_schedule`]).
    pub fn to_json(&self) -> Option<Value> {
        let switches = FeatureSwitch::ALL
            .iter()
            .filter(|it| self.features.has(**it));
        let mut line = json!({
            "wasm": self.wasm,
            "features": switches.map(|it| it.name()).collect::<Vec<_>>(),
            "max_memory_pages": self.parameters.max_memory_pages,
            "ignore_declared_maximum": self.parameters.ignore_declared_maximum,
            "stack_native_max": self.parameters.stack_native_max,
            "stack_logical_max": self.parameters.stack_logical_max,
            "steps": self.steps.iter().map(Step::to_json).collect::<Vec<_>>(),
        });
        if self.features.dialect == Dialect::Network {
            line["dialect"] = "network".into();
        }
        if let Some(costs) = &self.gas {
            let schedule = plain_schedule(costs)?;
            line["gas_limit"] = self
                .parameters
                .gas_limit
                .map_or("unlimited".into(), Value::from);
            line["gas_schedule"] = json!({
                "instruction": schedule.default,
                "call_per_local": schedule.per_local,
                "memory_grow": schedule.memory_grow_per_page,
            });
        }
        if let Some(peek) = &self.peek {
            line["peek"] = json!([peek.start, peek.end]);
        }
        Some(line)
    }

    /// Whether the question validates candidates, so that the module is a validation function.
    pub fn validates(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::Validate(_)))
    }
}

fn features(line: &Value) -> Features {
    let on = |switch: FeatureSwitch| {
        let list = line["features"].as_array();
        list.is_some_and(|list| list.iter().any(|it| it == switch.name()))
    };
    Features {
        dialect: match line["dialect"].as_str() {
            Some("network") => Dialect::Network,
            _ => Dialect::WebAssembly,
        },
        sign_extension: on(FeatureSwitch::SignExtension),
        saturating_float_to_int: on(FeatureSwitch::SaturatingFloatToInt),
        multi_value: on(FeatureSwitch::MultiValue),
        bulk_memory: on(FeatureSwitch::BulkMemory),
    }
}

/// The schedule with a single price for all instructions that has these costs, if there is one.
pub fn plain_schedule(costs: &Costs) -> Option<Schedule> {
    let schedule = Schedule {
        default: costs.instruction(Instruction::Unreachable),
        per_local: costs.per_local(),
        memory_grow_per_page: costs.memory_grow_per_page(),
        ..Schedule::default()
    };
    let same = schedule.costs().is_ok_and(|it| it == *costs);
    same.then_some(schedule)
}

fn costs(prices: &Value) -> Result<Costs, QuestionError> {
    let price = |name: &str| {
        let price = prices[name].as_u64().and_then(|it| u32::try_from(it).ok());
        price.ok_or_else(|| wrong("gas_schedule", "three prices below 2^32"))
    };
    let schedule = Schedule {
        default: price("instruction")?,
        per_local: price("call_per_local")?,
        memory_grow_per_page: price("memory_grow")?,
        ..Schedule::default()
    };
    Ok(schedule.costs()?)
}

impl Step {
    fn from_json(step: &Value) -> Result<Self, QuestionError> {
        let unknown = || QuestionError::Step(step.to_string());
        if let Some(export) = step["invoke"].as_str() {
            let args = step["args"].as_array().into_iter().flatten();
            let args = args.map(|it| it.as_str().and_then(|it| it.parse().ok()));
            return Ok(Self::Invoke {
                export: export.to_owned(),
                args: args.collect::<Option<_>>().ok_or_else(unknown)?,
            });
        }
        if let Some(digits) = step["validate"].as_str() {
            let bytes = digits
                .strip_prefix("0x")
                .and_then(|it| hex::decode(it).ok());
            return Ok(Self::Validate(Candidate::Bytes(bytes.ok_or_else(unknown)?)));
        }
        if let Some(path) = step["validate_file"].as_str() {
            return Ok(Self::Validate(Candidate::File(path.into())));
        }
        if let Some(count) = step["validate_zeros"].as_u64() {
            return Ok(Self::Validate(Candidate::Zeros(count as usize)));
        }
        if let Some(threads) = step["prepare"]["threads"].as_array() {
            let threads = threads
                .iter()
                .map(|it| NonZeroUsize::new(it.as_u64()? as usize));
            return Ok(Self::Prepare {
                threads: threads.collect::<Option<_>>().ok_or_else(unknown)?,
            });
        }
        let byte = step["damage"].as_u64().ok_or_else(unknown)?;
        Ok(Self::Damage {
            byte: byte as usize,
        })
    }

    fn to_json(&self) -> Value {
        let file = |path: &Path| json!({ "validate_file": path });
        match self {
            Self::Invoke { export, args } => {
                let args: Vec<String> = args.iter().map(Number::to_string).collect();
                json!({"invoke": export, "args": args})
            }
            Self::Validate(Candidate::Bytes(bytes)) => json!({"validate": crate::hex(bytes)}),
            Self::Validate(Candidate::Zeros(count)) => json!({ "validate_zeros": count }),
            Self::Validate(Candidate::File(path)) => file(path),
            Self::Prepare { threads } => json!({"prepare": {"threads": threads}}),
            Self::Damage { byte } => json!({ "damage": byte }),
        }
    }
}
