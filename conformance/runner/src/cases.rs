//! Reads the cases and modules of the suite.

use crate::LEVELS;
use pvf_rules::{ExecutionParameters, FeatureSwitch};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One case of the suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// `RULE/NAME`.
    pub id: String,
    /// Ids of the rules that the case tests.
    pub rules: Vec<String>,
    /// One of [`LEVELS`](crate::LEVELS).
    pub level: String,
    /// Features an engine must declare.
    pub needs: Vec<String>,
    /// The expected fields of the answer.
    pub expect: Map<String, Value>,
    /// The module as text, relative to the suite's folder, if it has one.
    pub wat: Option<String>,
    wasm: String,
    file: Option<String>,
    request: Map<String, Value>,
}

/// Why the suite cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is missing or unreadable.
    #[error("{path}: {source}")]
    File {
        /// Path of the file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A line is not a case.
    #[error("{path}, line {line}: {what}")]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    fs::read(path).map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })
}

/// The cases of some levels.
///
/// # Errors
/// A level's file cannot be read, or a line is not a case.
pub fn read_cases(suite: &Path, levels: &[&str]) -> Result<Vec<Case>, ReadError> {
    let mut cases = Vec::new();
    for level in levels {
        let path = suite.join(format!("cases/{level}.jsonl"));
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        for (index, line) in text.lines().enumerate() {
            let case = case(line).map_err(|what| ReadError::Line {
                path: path.clone(),
                line: index + 1,
                what,
            })?;
            cases.push(case);
        }
    }
    Ok(cases)
}

/// The module of every case that expects a rejection, once for each module, with the id of one such case. Cases about
/// damaged artifacts are left out.
///
/// # Errors
/// The suite cannot be read.
pub fn rejected_blobs(suite: &Path) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let mut blobs = BTreeMap::new();
    for case in read_cases(suite, &LEVELS)? {
        let damages = case.request["steps"]
            .as_array()
            .is_some_and(|steps| steps.iter().any(|step| !step["damage"].is_null()));
        if !damages
            && case
                .expect
                .get("outcome")
                .is_some_and(|it| it == "rejected")
        {
            blobs.entry(case.blob(suite)?).or_insert(case.id);
        }
    }
    Ok(blobs.into_iter().map(|(blob, id)| (id, blob)).collect())
}

/// Ids and titles of the rules in a `rules.json`, in order; empty if there is no such file.
pub fn read_rules(path: &Path) -> Vec<(String, String)> {
    let rules: Vec<Value> = fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let text = |rule: &Value, field: &str| rule[field].as_str().unwrap_or_default().to_owned();
    rules
        .iter()
        .map(|rule| (text(rule, "id"), text(rule, "title")))
        .collect()
}

fn case(line: &str) -> Result<Case, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |field: &str| {
        value[field]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("{field} is missing"))
    };
    let list = |field: &str| -> Vec<String> {
        value[field]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect()
    };
    let profile = text("profile")?;
    let parameters = match &*profile {
        "polkadot" | "strict" => ExecutionParameters::POLKADOT,
        _ => ExecutionParameters::WASM,
    };
    let switches = match &*profile {
        "polkadot" | "strict" => vec![],
        _ => FeatureSwitch::ALL.map(FeatureSwitch::name).to_vec(),
    };
    let mut request = Map::new();
    request.insert("id".into(), value["id"].clone());
    request.insert(
        "features".into(),
        value
            .get("features")
            .cloned()
            .unwrap_or_else(|| json!(switches)),
    );
    if profile == "polkadot" && value.get("features").is_none() {
        request.insert("dialect".into(), "network".into());
    }
    request.insert(
        "max_memory_pages".into(),
        parameters.max_memory_pages.into(),
    );
    request.insert(
        "ignore_declared_maximum".into(),
        parameters.ignore_declared_maximum.into(),
    );
    // A case that tests the logical stack states its limit.
    request.insert(
        "stack_native_max".into(),
        parameters.stack_native_max.into(),
    );
    for (name, parameter) in value["parameters"].as_object().into_iter().flatten() {
        request.insert(name.clone(), parameter.clone());
    }
    request.insert("steps".into(), value["steps"].clone());
    Ok(Case {
        id: text("id")?,
        rules: list("rules"),
        level: text("level")?,
        needs: list("needs"),
        expect: value["expect"]
            .as_object()
            .cloned()
            .ok_or("expect is missing")?,
        wat: value["wat"].as_str().map(str::to_owned),
        wasm: text("wasm")?,
        file: value["file"].as_str().map(str::to_owned),
        request,
    })
}

impl Case {
    /// The question as JSON, as reports show it: the language, the limits and the steps.
    pub fn question(&self) -> String {
        let shown = [
            "features",
            "dialect",
            "stack_native_max",
            "stack_logical_max",
            "gas_limit",
            "gas_schedule",
            "max_memory_pages",
            "steps",
        ];
        let all = shown
            .iter()
            .filter_map(|&name| Some((name.to_owned(), self.request.get(name)?.clone())));
        Value::Object(all.collect()).to_string()
    }

    /// The file or hash of the case's module, as reports show it.
    pub fn module(&self) -> &str {
        self.wat
            .as_deref()
            .or(self.file.as_deref())
            .unwrap_or(&self.wasm)
    }

    /// Path of the case's module, and whether the file is compressed.
    fn location(&self, suite: &Path) -> (PathBuf, bool) {
        let hash = self.wasm.trim_start_matches("sha256:");
        let plain = suite.join(format!("wasm/{hash}.wasm"));
        match &self.file {
            Some(file) => (suite.join(file), false),
            None if plain.exists() => (plain, false),
            None => (suite.join(format!("wasm/{hash}.wasm.zst")), true),
        }
    }

    /// The bytes of the case's module.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn blob(&self, suite: &Path) -> Result<Vec<u8>, ReadError> {
        let (path, packed) = self.location(suite);
        let bytes = read(&path)?;
        match packed {
            true => zstd::stream::decode_all(&bytes[..])
                .map_err(|source| ReadError::File { path, source }),
            false => Ok(bytes),
        }
    }

    /// The question for the adapter, with absolute paths. A compressed module is unpacked into `scratch`.
    ///
    /// # Errors
    /// The case's module cannot be read.
    pub fn request(&self, suite: &Path, scratch: &Path) -> Result<Value, ReadError> {
        let path = match self.location(suite) {
            (path, false) => path,
            (_, true) => {
                let path = scratch.join("module.wasm");
                fs::write(&path, self.blob(suite)?).map_err(|source| ReadError::File {
                    path: path.clone(),
                    source,
                })?;
                path
            }
        };
        let mut request = self.request.clone();
        request.insert("wasm".into(), path.display().to_string().into());
        for step in request
            .get_mut("steps")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(file) = step["validate_file"].as_str() {
                let path = suite.join(file).display().to_string();
                *step = json!({ "validate_file": path });
            }
        }
        Ok(request.into())
    }
}
