//! What a case is, and the collection of them with their modules.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A case on its way into a line of JSON.
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
    /// The module, or what stands in for one.
    pub wasm: Vec<u8>,
    /// Where it lies, if it is not of the suite; relative to the suite's folder.
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
    /// A case of a rule, of the profile `wasm`.
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

    /// Which module it is about.
    pub fn module(mut self, name: &str) -> Self {
        self.module = name.to_owned();
        self
    }

    /// More rules it is about.
    pub fn also(mut self, rules: &[&'static str]) -> Self {
        for &rule in rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
        self
    }

    /// Polkadot's profile.
    pub fn polkadot(mut self) -> Self {
        self.profile = "polkadot";
        self
    }

    /// Polkadot's parameters with WebAssembly 1.0 as its specification says.
    pub fn strict(mut self) -> Self {
        self.profile = "strict";
        self
    }

    /// Exactly these switches of the language.
    pub fn features(mut self, features: &[&'static str]) -> Self {
        self.features = Some(features.to_vec());
        self
    }

    /// A parameter.
    pub fn parameter(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// What an engine must offer.
    pub fn needs(mut self, feature: &str) -> Self {
        if !self.needs.iter().any(|it| it == feature) {
            self.needs.push(feature.to_owned());
        }
        self
    }

    /// Calls an export.
    pub fn invoke(mut self, export: &str, arguments: &[String]) -> Self {
        self.steps
            .push(json!({"invoke": export, "args": arguments}));
        self
    }

    /// Does something else, as the protocol describes it.
    pub fn step(mut self, step: Value) -> Self {
        self.steps.push(step);
        self
    }

    /// Judges a candidate.
    pub fn validate(mut self, candidate: &[u8]) -> Self {
        self.steps.push(json!({"validate": hex(candidate)}));
        self.needs("pvf")
    }

    /// Judges a candidate of this many zero bytes.
    pub fn validate_zeros(mut self, bytes: u64) -> Self {
        self.steps.push(json!({"validate_zeros": bytes}));
        self.needs("pvf")
    }

    /// Judges a candidate in a file, relative to the suite's folder.
    pub fn validate_file(mut self, path: &str) -> Self {
        self.steps.push(json!({"validate_file": path}));
        self.needs("pvf")
    }

    /// The last step, or all of it, ends well with these values.
    pub fn valid(mut self, results: &[String]) -> Self {
        self.expect.insert("outcome".into(), "valid".into());
        self.expect.insert("result".into(), json!(results));
        self
    }

    /// The candidate is valid with these bytes.
    pub fn valid_bytes(mut self, result: &[u8]) -> Self {
        self.expect.insert("outcome".into(), "valid".into());
        self.expect.insert("result".into(), hex(result).into());
        self
    }

    /// It can be instantiated; nothing is said of results.
    pub fn accepted(mut self) -> Self {
        self.expect.insert("outcome".into(), "valid".into());
        self
    }

    /// The last step traps.
    pub fn trap(mut self, kind: &str) -> Self {
        self.expect.insert("outcome".into(), "invalid".into());
        self.expect.insert("trap".into(), kind.into());
        self
    }

    /// The candidate is invalid without a trap.
    pub fn invalid(mut self) -> Self {
        self.expect.insert("outcome".into(), "invalid".into());
        self.expect.insert("trap".into(), Value::Null);
        self
    }

    /// The module is rejected.
    pub fn rejected(mut self, stage: &str) -> Self {
        self.expect.insert("outcome".into(), "rejected".into());
        self.expect.insert("stage".into(), stage.into());
        self
    }

    /// Anything else that must be.
    pub fn expect(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.expect.insert(field.to_owned(), value.into());
        self
    }

    /// The rules it is about, the first one first.
    pub fn rules(&self) -> &[&'static str] {
        &self.rules
    }

    /// Its level.
    pub fn level(&self) -> &'static str {
        self.level
    }

    /// The case as one JSON object.
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
    /// A module in text form. The name may come up again with the same text.
    pub fn text(&mut self, name: &str, text: &str) {
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let source = Source {
            text: Some(text.trim().to_owned() + "\n"),
            wasm,
            elsewhere: None,
        };
        self.add(name, source);
    }

    /// A module in bytes.
    pub fn bytes(&mut self, name: &str, wasm: Vec<u8>) {
        let source = Source {
            text: None,
            wasm,
            elsewhere: None,
        };
        self.add(name, source);
    }

    /// A file of the repository, `path` relative to the suite's folder.
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
