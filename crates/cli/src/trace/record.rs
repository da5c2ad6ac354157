//! One host call as a line of JSON and as text.

use crate::decoded::blake2_256;
use crate::outcome::printable;
use crate::output::hex;
use pvf_executor::ValType;
use serde::{Deserialize, Serialize};

/// A host call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its number among all calls of the run, from 0.
    pub call: u64,
    /// The host function.
    pub function: String,
    /// With their types: `i32:5`, `i64:0x4500123400`.
    pub arguments: Vec<String>,
    /// Byte strings that the host read from memory, in its order.
    #[serde(default)]
    pub read: Vec<Piece>,
    /// Byte strings that the host wrote to memory.
    #[serde(default)]
    pub written: Vec<Piece>,
    /// What it returned; none for functions without a result and calls that failed.
    #[serde(default)]
    pub result: Option<String>,
    /// Why it failed. The run ends then.
    #[serde(default)]
    pub error: Option<String>,
}

/// A byte string, cut or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its length.
    pub bytes: u64,
    /// Its beginning, as far as it is shown.
    pub data: String,
    /// BLAKE2b-256 of the whole, if it is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake2_256: Option<String>,
}

impl Piece {
    /// Of bytes, of which so many are shown.
    pub fn new(bytes: &[u8], shown: u64) -> Self {
        let cut = usize::try_from(shown).map_or(bytes.len(), |shown| shown.min(bytes.len()));
        Self {
            bytes: bytes.len() as u64,
            data: hex(&bytes[..cut]),
            blake2_256: (cut < bytes.len()).then(|| digest(bytes)),
        }
    }

    /// Whether both are the same bytes, as far as they can be known.
    pub fn same(&self, other: &Self) -> bool {
        if self.bytes != other.bytes {
            return false;
        }
        match (&self.blake2_256, &other.blake2_256) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.data == other.data,
            (Some(hash), None) => other.hashes_to(hash),
            (None, Some(hash)) => self.hashes_to(hash),
        }
    }

    fn hashes_to(&self, hash: &str) -> bool {
        let digits = self.data.strip_prefix("0x").unwrap_or(&self.data);
        hex::decode(digits).is_ok_and(|bytes| digest(&bytes) == hash)
    }

    fn text(&self) -> String {
        let more = match self.blake2_256 {
            Some(_) => "…",
            None => "",
        };
        format!("{} bytes {}{more}", self.bytes, printable(&self.data))
    }
}

fn digest(bytes: &[u8]) -> String {
    hex(&blake2_256(bytes))
}

impl Call {
    /// The call for people: a line, and one for each byte string.
    pub fn text(&self) -> String {
        let returned = match (&self.result, &self.error) {
            (_, Some(error)) => format!(" failed: {}", printable(error)),
            (Some(result), None) => format!(" = {}", printable(result)),
            (None, None) => String::new(),
        };
        let arguments = printable(&self.arguments.join(", "));
        let function = printable(&self.function);
        let mut text = format!("{:>8}  {function}({arguments}){returned}\n", self.call);
        let pieces = [("read", &self.read), ("wrote", &self.written)];
        for (what, pieces) in pieces {
            for piece in pieces {
                text.push_str(&format!("{:>8}    {what:<6}{}\n", "", piece.text()));
            }
        }
        text
    }
}

/// A value with its type. Those of 64 bits are pointers with lengths as a rule, which hexadecimal shows.
pub fn value(ty: Option<ValType>, bits: u64) -> String {
    match ty {
        Some(ValType::I32) => format!("i32:{}", bits as u32),
        Some(ValType::F32) => format!("f32:0x{bits:x}"),
        Some(ValType::F64) => format!("f64:0x{bits:x}"),
        Some(ValType::I64) | None => format!("i64:0x{bits:x}"),
    }
}

/// Which functions are shown.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those with one of these in their name; all, if there are none.
    pub only: Vec<String>,
    /// None with one of these.
    pub without: Vec<String>,
}

impl Filter {
    /// Whether a function is shown.
    pub fn lets_through(&self, function: &str) -> bool {
        let has = |text: &String| function.contains(text.as_str());
        (self.only.is_empty() || self.only.iter().any(has)) && !self.without.iter().any(has)
    }
}
