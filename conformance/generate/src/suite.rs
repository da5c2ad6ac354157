//! A case, and the collection of all cases with their modules.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A case that is built step by step and then written as a line of JSON.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    rules: Vec<&'static str>,
    level: &'static str,
    profile: &'static str,
    module: String,
    features: Option<Vec<&'static str>>,
    parameters: Map<String, Value>,
    steps: Vec<Value>,
    expect: Map<String, Value>,
    needs: Vec<String>,
}

/// A module of the suite.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its text, if it has one.
    pub text: Option<String>,
    /// The bytes of the module, or the bytes that take its place.
    pub wasm: Vec<u8>,
    /// The path of a module outside of the suite, relative to the suite's folder.
    pub elsewhere: Option<String>,
}

/// All cases and modules.
#[derive(Default)]
pub struct Suite {
    /// The cases in order.
    pub cases: Vec<Case>,
    /// The modules by name.
    pub modules: BTreeMap<String, Source>,
}

impl Case {
    /// A case that tests a rule, with the profile `wasm`.
    pub fn new(level: &'static str, rule: &'static str, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rules: vec![rule],
            level,
            profile: "wasm",
            module: String::new(),
            features: None,
            parameters: Map::new(),
            steps: Vec::new(),
            expect: Map::new(),
            needs: Vec::new(),
        }
    }

    /// Sets the module.
    pub fn module(mut self, name: &str) -> Self {
        self.module = name.to_owned();
        self
    }

    /// Adds rules that the case tests.
    pub fn also(mut self, rules: &[&'static str]) -> Self {
        for &rule in rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
        self
    }

    /// Selects Polkadot's profile.
    pub fn polkadot(mut self) -> Self {
        self.profile = "polkadot";
        self
    }

    /// Selects Polkadot's parameters with WebAssembly 1.0 as its specification defines it.
    pub fn strict(mut self) -> Self {
        self.profile = "strict";
        self
    }

    /// Enables exactly these switches of the language.
    pub fn features(mut self, features: &[&'static str]) -> Self {
        self.features = Some(features.to_vec());
        self
    }

    /// Sets a parameter.
    pub fn parameter(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a feature that an engine needs.
    pub fn needs(mut self, feature: &str) -> Self {
        if !self.needs.iter().any(|it| it == feature) {
            self.needs.push(feature.to_owned());
        }
        self
    }

    /// Adds a call of an export.
    pub fn invoke(mut self, export: &str, arguments: &[String]) -> Self {
        self.steps
            .push(json!({"invoke": export, "args": arguments}));
        self
    }

    /// Adds another step in the protocol's format.
    pub fn step(mut self, step: Value) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds the validation of a candidate.
    pub fn validate(mut self, candidate: &[u8]) -> Self {
        self.steps.push(json!({"validate": hex(candidate)}));
        self.needs("pvf")
    }

    /// Adds the validation of a candidate of this many zero bytes.
    pub fn validate_zeros(mut self, bytes: u64) -> Self {
        self.steps.push(json!({"validate_zeros": bytes}));
        self.needs("pvf")
    }

    /// Adds the validation of a candidate in a file, relative to the suite's folder.
    pub fn validate_file(mut self, path: &str) -> Self {
        self.steps.push(json!({"validate_file": path}));
        self.needs("pvf")
    }

    /// Expects the last step, or the whole case, to succeed with these values.
    pub fn valid(mut self, results: &[String]) -> Self {
        self.expect.insert("outcome".into(), "valid".into());
        self.expect.insert("result".into(), json!(results));
        self
    }

    /// Expects the candidate to be valid with these bytes.
    pub fn valid_bytes(mut self, result: &[u8]) -> Self {
        self.expect.insert("outcome".into(), "valid".into());
        self.expect.insert("result".into(), hex(result).into());
        self
    }

    /// Expects that the module can be instantiated; results are not compared.
    pub fn accepted(mut self) -> Self {
        self.expect.insert("outcome".into(), "valid".into());
        self
    }

    /// Expects the last step to trap.
    pub fn trap(mut self, kind: &str) -> Self {
        self.expect.insert("outcome".into(), "invalid".into());
        self.expect.insert("trap".into(), kind.into());
        self
    }

    /// Expects the candidate to be invalid without a trap.
    pub fn invalid(mut self) -> Self {
        self.expect.insert("outcome".into(), "invalid".into());
        self.expect.insert("trap".into(), Value::Null);
        self
    }

    /// Expects the module to be rejected.
    pub fn rejected(mut self, stage: &str) -> Self {
        self.expect.insert("outcome".into(), "rejected".into());
        self.expect.insert("stage".into(), stage.into());
        self
    }

    /// Expects this value of another field.
    pub fn expect(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.expect.insert(field.to_owned(), value.into());
        self
    }

    /// The rules that the case tests, the main one first.
    pub fn rules(&self) -> &[&'static str] {
        &self.rules
    }

    /// The level of the case.
    pub fn level(&self) -> &'static str {
        self.level
    }

    /// The case as a JSON object.
    pub fn to_json(&self, suite: &Suite) -> Value {
        let rules = &self.rules;
        let mut line = Map::new();
        let first = rules.first().copied().unwrap_or("NONE");
        line.insert("id".into(), format!("{first}/{}", self.name).into());
        line.insert("rules".into(), json!(rules));
        line.insert("level".into(), self.level.into());
        let source = &suite.modules[&self.module];
        line.insert(
            "wasm".into(),
            format!("sha256:{}", digest(&source.wasm)).into(),
        );
        match (&source.text, &source.elsewhere) {
            (_, Some(path)) => line.insert("file".into(), path.clone().into()),
            (Some(_), None) => line.insert("wat".into(), format!("wat/{}.wat", self.module).into()),
            (None, None) => None,
        };
        line.insert("profile".into(), self.profile.into());
        if let Some(features) = &self.features {
            line.insert("features".into(), json!(features));
        }
        if !self.parameters.is_empty() {
            line.insert("parameters".into(), self.parameters.clone().into());
        }
        line.insert("steps".into(), self.steps.clone().into());
        line.insert("expect".into(), self.expect.clone().into());
        if !self.needs.is_empty() {
            line.insert("needs".into(), json!(self.needs));
        }
        line.into()
    }
}

impl Suite {
    /// Adds a module in text form. A name may be repeated with the same text.
    pub fn text(&mut self, name: &str, text: &str) {
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let source = Source {
            text: Some(text.trim().to_owned() + "\n"),
            wasm,
            elsewhere: None,
        };
        self.add(name, source);
    }

    /// Adds a module in bytes.
    pub fn bytes(&mut self, name: &str, wasm: Vec<u8>) {
        let source = Source {
            text: None,
            wasm,
            elsewhere: None,
        };
        self.add(name, source);
    }

    /// Adds a file of the repository; `path` is relative to the suite's folder.
    pub fn file(&mut self, name: &str, path: &str, wasm: Vec<u8>) {
        let source = Source {
            text: None,
            wasm,
            elsewhere: Some(path.to_owned()),
        };
        self.add(name, source);
    }

    fn add(&mut self, name: &str, source: Source) {
        if let Some(known) = self.modules.get(name) {
            assert!(known.wasm == source.wasm, "two modules are called {name}");
        }
        self.modules.insert(name.to_owned(), source);
    }

    /// Adds a case.
    pub fn push(&mut self, case: Case) {
        assert!(
            self.modules.contains_key(&case.module),
            "no module {:?}",
            case.module
        );
        self.cases.push(case);
    }
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Bytes as `0x…`.
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// An `i32` argument or result.
pub fn i32(value: i32) -> String {
    format!("i32:{value}")
}

/// An `i64` argument or result.
pub fn i64(value: i64) -> String {
    format!("i64:{value}")
}
