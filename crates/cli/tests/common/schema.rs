//! A validator of JSON Schema for the keywords that the schemas in `schema/` use. Any other keyword is a failure of the test.
//!
//! `jsonschema` and `boon` were compared, and both bring two to three dozen crates. As dependencies of a test they would turn on
//! features of crates below `sp-io`, so that the tests and the command could not share the builds of these.

use serde_json::{Map, Value};

/// A schema.
pub struct Validator(Value);

type Errors = Vec<String>;

impl Validator {
    pub fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// Why a value is not as the schema says.
    pub fn errors(&self, value: &Value) -> Errors {
        self.check(&self.0, value, "$")
    }

    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        self.check(schema, value, "").is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, at: &str) -> Errors {
        let schema = schema.as_object().expect("a schema is an object");
        let mut errors = Errors::new();
        for (keyword, wanted) in schema {
            errors.extend(self.keyword(schema, keyword, wanted, value, at));
        }
        errors
    }

    fn keyword(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        wanted: &Value,
        value: &Value,
        at: &str,
    ) -> Errors {
        let holds = |holds: bool| match holds {
            true => Errors::new(),
            false => vec![format!("{at}: {value} is not {keyword} {wanted}")],
        };
        let list = |wanted: &Value| wanted.as_array().expect("a list").clone();
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "then" => Errors::new(),
            "$ref" => {
                let pointer = wanted.as_str().and_then(|it| it.strip_prefix('#'));
                let target = pointer.and_then(|it| self.0.pointer(it));
                self.check(
                    target.unwrap_or_else(|| panic!("{wanted} is not there")),
                    value,
                    at,
                )
            }
            "type" => holds(match wanted {
                Value::Array(types) => types.iter().any(|ty| is_of(value, ty)),
                ty => is_of(value, ty),
            }),
            "const" => holds(value == wanted),
            "enum" => holds(list(wanted).contains(value)),
            "minimum" => holds(value.as_f64().is_none_or(|it| Some(it) >= wanted.as_f64())),
            "maxItems" => holds(
                value
                    .as_array()
                    .is_none_or(|it| Some(it.len() as u64) <= wanted.as_u64()),
            ),
            "pattern" => holds(value.as_str().is_none_or(|it| fits(it, wanted))),
            "anyOf" => holds(list(wanted).iter().any(|it| self.is_valid(it, value))),
            "if" => match self.is_valid(wanted, value) {
                true => self.check(&schema["then"], value, at),
                false => Errors::new(),
            },
            "required" => {
                let Some(object) = value.as_object() else {
                    return Errors::new();
                };
                let keys = list(wanted);
                let missing = keys
                    .iter()
                    .filter(|key| !object.contains_key(key.as_str().expect("a key")));
                missing.map(|key| format!("{at}: no {key}")).collect()
            }
            "properties" => {
                let wanted = wanted.as_object().expect("an object");
                let inside = wanted.iter().filter_map(|(key, schema)| {
                    Some(self.check(schema, value.get(key)?, &format!("{at}.{key}")))
                });
                inside.flatten().collect()
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items
                    .flat_map(|(number, item)| self.check(wanted, item, &format!("{at}[{number}]")))
                    .collect()
            }
            other => panic!("the keyword {other} is not known to this test"),
        }
    }
}

fn is_of(value: &Value, ty: &Value) -> bool {
    match ty.as_str().expect("a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known to this test"),
    }
}

/// The patterns that the schemas use.
fn fits(text: &str, pattern: &Value) -> bool {
    let is_hex = |text: &str| {
        text.bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    match pattern.as_str().expect("a pattern") {
        "^0x([0-9a-f]{2})*$" => text
            .strip_prefix("0x")
            .is_some_and(|it| it.len() % 2 == 0 && is_hex(it)),
        "^0x[0-9a-f]{64}$" => text
            .strip_prefix("0x")
            .is_some_and(|it| it.len() == 64 && is_hex(it)),
        "^[A-Z]+-[0-9]+$" => text.split_once('-').is_some_and(|(name, number)| {
            !name.is_empty()
                && name.bytes().all(|it| it.is_ascii_uppercase())
                && number.parse::<u32>().is_ok()
        }),
        other => panic!("the pattern {other} is not known to this test"),
    }
}
