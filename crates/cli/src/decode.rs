//! `pvf decode`: what a file holds.
//!
//! The kind of the file is detected by decoding all of it. Nothing in it is executed.

use crate::Verdict;
use crate::args::DecodeArgs;
use crate::decoded::{ParamsJson, ResultJson, blake2_256};
use crate::failure::Failure;
use crate::input;
use crate::kind::Kind;
use crate::network::HostLimitsJson;
use crate::output::{Output, hex, size};
use parity_scale_codec::{Decode, DecodeAll};
use pvf_executor::{Artifact, ArtifactError, DecompressError, decompress_zstd};
use pvf_primitives::{
    ExportedPov, HostLimits, ValidationParams, ValidationParamsExtension, ValidationResult,
};
use pvf_validation::candidate::{self, Candidate, Exported, Form};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// The version of the objects that `decode` prints; `schema/decode.json` describes them.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct DecodeJson {
    schema_version: u32,
    /// `params`, `exported`, `exported_old`, `result` or `artifact`.
    kind: &'static str,
    /// Bytes of the file.
    file_bytes: usize,
    /// Whether the file is compressed with zstd.
    zstd: bool,
    params: Option<ParamsJson>,
    pov: Option<PovJson>,
    result: Option<ResultJson>,
    artifact: Option<ArtifactJson>,
    /// The limits of the network that shares are of.
    network: HostLimitsJson,
}

/// What a collator's export says beyond the parameters.
#[derive(Serialize)]
struct PovJson {
    /// Bytes of the encoded proof of validity, which a node compares with the limit.
    bytes: usize,
    /// Whether its block data are compressed.
    compressed: bool,
    /// Bytes of its block data, decompressed.
    block_bytes: usize,
    /// The largest proof of validity, as the collator knew it.
    max_pov_size: Option<u32>,
    /// `bytes` by that, or else by the network's.
    share: f64,
}

#[derive(Serialize)]
struct ArtifactJson {
    /// Version of the format.
    version: u32,
    target: &'static str,
    /// Whether the code counts the logical stack.
    logical_stack: bool,
    /// Whether the code counts gas.
    gas: bool,
    /// The gas schedule's hash.
    gas_schedule: Option<String>,
    wasm_bytes: u32,
    code_bytes: usize,
    data_bytes: usize,
    functions: usize,
    imported_functions: u32,
    memory_pages: Option<u32>,
    /// Digest of the file.
    artifact_digest: String,
}

/// Decodes a file and prints what it holds.
pub fn decode(args: &DecodeArgs, output: &Output) -> Result<Verdict, Failure> {
    let file = input::read(&args.file)?;
    let refused = |reason: String| Failure::Input {
        name: input::name(&args.file),
        reason,
    };
    let network = args.network.unwrap_or_default();
    let limits = network.host_limits();
    let (bytes, zstd) = unpacked(&file).map_err(|error| match error {
        DecompressError::OutOfMemory => Failure::Host(error.to_string()),
        error => refused(error.to_string()),
    })?;
    let json = DecodeJson {
        schema_version: SCHEMA_VERSION,
        kind: "params",
        file_bytes: file.len(),
        zstd,
        params: None,
        pov: None,
        result: None,
        artifact: None,
        network: HostLimitsJson::new(network, &limits),
    };
    let json = match of(&bytes, &limits) {
        Ok(Held::Params(params)) => DecodeJson {
            params: Some(params),
            ..json
        },
        Ok(Held::Exported(kind, params, pov)) => DecodeJson {
            kind,
            params: Some(params),
            pov: Some(pov),
            ..json
        },
        Ok(Held::Result(result)) => DecodeJson {
            kind: "result",
            result: Some(result),
            ..json
        },
        Ok(Held::Artifact(artifact)) => DecodeJson {
            kind: "artifact",
            artifact: Some(artifact),
            ..json
        },
        Err(Refused::Failed(failure)) => return Err(failure),
        Err(Refused::Because(reason)) => return Err(refused(reason)),
    };
    output.result(&json, |out| text(out, &json))?;
    Ok(Verdict::Fine)
}

/// The content of a file that may be compressed with zstd, and whether it is.
fn unpacked(file: &[u8]) -> Result<(Cow<'_, [u8]>, bool), DecompressError> {
    let is_itself = candidate::form(file).is_some() || is_result(file);
    match file.starts_with(b"\x28\xb5\x2f\xfd") && !is_itself {
        true => Ok((
            Cow::Owned(decompress_zstd(file, candidate::MAX_BYTES)?),
            true,
        )),
        false => Ok((Cow::Borrowed(file), false)),
    }
}

/// What a file holds.
enum Held {
    Params(ParamsJson),
    Exported(&'static str, ParamsJson, PovJson),
    Result(ResultJson),
    Artifact(ArtifactJson),
}

/// Why it is not shown.
enum Refused {
    Failed(Failure),
    Because(String),
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

fn is_result(bytes: &[u8]) -> bool {
    ValidationResult::decode_all(&mut &bytes[..]).is_ok()
}

fn of(bytes: &[u8], limits: &HostLimits) -> Result<Held, Refused> {
    let form = candidate::form(bytes);
    let result = ValidationResult::decode_all(&mut &bytes[..]).ok();
    match (form, result) {
        (Some(form), Some(_)) => Err(Refused::Because(format!(
            "the file is both {} and a result (ValidationResult)",
            match form {
                Form::Params | Form::Ambiguous => "a candidate (ValidationParams)",
                Form::Exported | Form::ExportedOld => "a collator's export",
            }
        ))),
        (Some(Form::Ambiguous), None) => Err(Refused::Because(format!(
            "the file is {}: each of its two strings is a block",
            Kind::Ambiguous
        ))),
        (Some(Form::Params), None) => Ok(Held::Params(params(bytes)?)),
        (Some(form), None) => exported(bytes, form, limits),
        (None, Some(result)) => Ok(Held::Result(ResultJson::new(&result))),
        (None, None) => match Artifact::parse(bytes) {
            Err(ArtifactError::NotAnArtifact) => {
                let kind = Kind::of(bytes);
                let hint = match kind {
                    Kind::Module | Kind::Compressed | Kind::Markup => {
                        ". `pvf check` and `pvf inspect` take code"
                    }
                    _ => "",
                };
                Err(Refused::Because(format!(
                    "this is neither a candidate (ValidationParams), nor a collator's export, nor a result (ValidationResult), nor an \
                     artifact, but {kind}{hint}"
                )))
            }
            Err(error) => Err(Refused::Because(error.to_string())),
            Ok(parts) => Ok(Held::Artifact(artifact(bytes, &parts))),
        },
    }
}

/// The parameters in a file of that form.
fn params(mut bytes: &[u8]) -> Result<ParamsJson, String> {
    let input = &mut bytes;
    let params = ValidationParams::decode(input).map_err(|error| error.to_string())?;
    let extension = match input.is_empty() {
        true => None,
        false => {
            let extension = ValidationParamsExtension::decode_all(input);
            Some(extension.map_err(|error| error.to_string())?)
        }
    };
    Ok(ParamsJson::new(&params, extension.as_ref()))
}

fn exported(bytes: &[u8], form: Form, limits: &HostLimits) -> Result<Held, Refused> {
    let (kind, export) = match form {
        Form::ExportedOld => ("exported_old", ExportedPov::from_old_bytes(bytes)),
        _ => ("exported", ExportedPov::from_bytes(bytes)),
    };
    let export = export.map_err(|error| error.to_string())?;
    let read = match Candidate::from_export(&export) {
        Ok(read) => read,
        Err(error) if error.is_failure() => {
            return Err(Refused::Failed(Failure::Host(error.to_string())));
        }
        Err(error) => return Err(Refused::Because(error.to_string())),
    };
    let Some(exported) = read.exported else {
        return Err(Refused::Because("the file is no export".to_owned()));
    };
    let pov = PovJson::new(&exported, limits);
    Ok(Held::Exported(kind, params(&read.params)?, pov))
}

impl PovJson {
    fn new(exported: &Exported, limits: &HostLimits) -> Self {
        let most = exported.max_pov_size.unwrap_or(limits.max_pov_size);
        Self {
            bytes: exported.pov_bytes,
            compressed: exported.compressed,
            block_bytes: exported.block_bytes,
            max_pov_size: exported.max_pov_size,
            share: exported.pov_bytes as f64 / f64::from(most.max(1)),
        }
    }

    fn text(&self, out: &mut dyn Write, max_pov_size: u32) -> io::Result<()> {
        let bytes = size(self.bytes as u64);
        let share = self.share * 100.0;
        let compressed = match self.compressed {
            true => format!("compressed from {}", size(self.block_bytes as u64)),
            false => "not compressed".to_owned(),
        };
        let most = match self.max_pov_size {
            Some(most) => format!("{} of the export's own limit", size(most.into())),
            None => format!("{} of the network's limit", size(max_pov_size.into())),
        };
        writeln!(
            out,
            "  PoV           {bytes}, {compressed}; {share:.2} % of the {most}"
        )
    }
}

fn artifact(bytes: &[u8], parts: &pvf_executor::artifact::Parts) -> ArtifactJson {
    let module = &parts.module;
    let meters = &module.meters;
    ArtifactJson {
        // Behind the magic of 8 bytes; `parse` has compared it with the version that this program reads.
        version: word(bytes, 8),
        target: module.target.name(),
        logical_stack: meters.logical_stack,
        gas: meters.gas,
        gas_schedule: meters.gas.then(|| format!("{:032x}", meters.schedule)),
        wasm_bytes: module.wasm_bytes,
        code_bytes: parts.code.len(),
        data_bytes: parts.data.len(),
        functions: module.functions.len(),
        imported_functions: module.imported_functions,
        memory_pages: module.memory.map(|memory| memory.minimum),
        artifact_digest: hex(&blake2_256(bytes)),
    }
}

/// A number of 32 bits at an offset.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.copied().map_or(0, u32::from_le_bytes)
}

impl ArtifactJson {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let counted = |counted: bool| if counted { "counted" } else { "not counted" };
        writeln!(out, "  format        version {}", self.version)?;
        writeln!(out, "  target        {}", self.target)?;
        writeln!(out, "  logical stack {}", counted(self.logical_stack))?;
        match &self.gas_schedule {
            Some(schedule) => writeln!(out, "  gas           counted by schedule {schedule}")?,
            None => writeln!(out, "  gas           {}", counted(self.gas))?,
        }
        writeln!(
            out,
            "  size          {} of Wasm, {} of code, {} of data",
            size(self.wasm_bytes.into()),
            size(self.code_bytes as u64),
            size(self.data_bytes as u64)
        )?;
        writeln!(
            out,
            "  functions     {}, of which {} imported",
            self.functions, self.imported_functions
        )?;
        if let Some(pages) = self.memory_pages {
            writeln!(out, "  memory        {pages} pages at first")?;
        }
        writeln!(out, "  digest        {}", self.artifact_digest)
    }
}

fn text(out: &mut dyn Write, json: &DecodeJson) -> io::Result<()> {
    let kind = match json.kind {
        "params" => "a candidate (ValidationParams)",
        "exported" => "a collator's export (PoV and PersistedValidationData)",
        "exported_old" => {
            "a collator's export of 2023 or before (PoV, parent head, storage root, number)"
        }
        "result" => "a result (ValidationResult)",
        _ => "an artifact",
    };
    let zstd = if json.zstd {
        ", compressed with zstd"
    } else {
        ""
    };
    writeln!(out, "{kind}, {}{zstd}", size(json.file_bytes as u64))?;
    if let Some(pov) = &json.pov {
        pov.text(out, json.network.max_pov_size)?;
    }
    if let Some(params) = &json.params {
        params.text(out)?;
    }
    if let Some(result) = &json.result {
        result.text(out)?;
    }
    match &json.artifact {
        Some(artifact) => artifact.text(out),
        None => Ok(()),
    }
}
