//! The checks, in the order in which the network makes them.

use crate::CheckError;
use crate::about::About;
use crate::names::readable_name;
use crate::report::{Imports, Line, Report, Status, Unit};
use crate::settings::{Settings, Usage};
use pvf_executor::artifact::ImportKind;
use pvf_executor::{
    Artifact, COMPRESSED_MAGIC, CompileOptions, DecompressError, HOST_MODULE, HostFailure,
    Interrupt, Limits, LoadError, Metering, Module, ModuleInfo, NotPrepared, Prepared, Purpose,
    Rejection, RejectionClass, Rules, decompress, function_names, prepare,
};
use pvf_primitives::{CODE_BOMB_FACTOR, PvfPrepKind};
use pvf_validation::{HostParameters, Outcome, Pvf, function_types, host_function_type};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The protocol's limits of the processor time of a preparation, where a network sets none.
const PRECHECK_TIME: Duration = Duration::from_secs(60);
const PREPARE_TIME: Duration = Duration::from_secs(360);

/// From this share of a limit on, a line is worth a look.
const MUCH: f64 = 0.8;

/// Checks a blob.
///
/// # Errors
/// A failure of this machine. Whatever the blob holds is a report.
pub fn check(blob: &[u8], settings: &Settings<'_>) -> Result<Report, CheckError> {
    let mut lines = vec![code_size(blob, settings)];
    let bomb_limit = settings
        .limits
        .max_code_size
        .saturating_mul(CODE_BOMB_FACTOR);
    let wasm = match decompress(blob, bomb_limit as usize) {
        Ok(wasm) => wasm,
        Err(DecompressError::OutOfMemory) => {
            return Err(CheckError::Host(HostFailure::Memory {
                purpose: "a decompressed module",
                bytes: u64::from(bomb_limit),
                source: io::ErrorKind::OutOfMemory.into(),
            }));
        }
        Err(error) => {
            lines.push(match error.rejection() {
                Some(rejection) => refused("decompression", &rejection, None),
                None => Line::new("decompression", Status::Fail, error.to_string()),
            });
            return Ok(Report::new(lines, About::new(blob, None), None, settings));
        }
    };
    lines.push(decompression(blob, &wasm, bomb_limit));
    let about = About::new(blob, Some(&wasm));
    let compiled = compile(blob, settings)?;
    let names = Names(&wasm);
    let (prepared, usage) = match compiled {
        Compiled::Refused(rejection) => {
            let check = match rejection.class {
                RejectionClass::RuntimeConstruction => "imports",
                RejectionClass::Decompression => "decompression",
                RejectionClass::Prevalidation => "language",
                RejectionClass::Preparation => "compilation",
            };
            if check == "imports" {
                lines.push(Line::new("language", Status::Pass, "accepted"));
            }
            lines.push(refused(check, &rejection, Some(&names)));
            lines.extend(toolchain(&about));
            return Ok(Report::new(lines, about, None, settings));
        }
        Compiled::Code(prepared, usage) => (*prepared, usage),
    };
    lines.push(Line::new("language", Status::Pass, "accepted"));
    let module = prepared.artifact.module.clone();
    let imports = imports_of(&module, settings);
    lines.push(imports_line(&imports, settings));
    lines.push(memory_of_preparation(&usage, settings));
    lines.extend(time_of_preparation(&usage, settings));
    lines.extend(frames(&module, settings, &names));
    lines.extend(memory(&module, settings));
    match Pvf::why_all_fail(&module, &settings.execution) {
        Some(reason) => lines.push(Line::new(
            "entry_point",
            Status::Fail,
            format!("pre-checking passes the code, but every candidate fails: {reason}"),
        )),
        None => lines.push(Line::new(
            "entry_point",
            Status::Pass,
            "validate_block is there",
        )),
    }
    lines.push(instance(prepared.artifact, settings)?);
    lines.extend(toolchain(&about));
    Ok(Report::new(lines, about, Some(imports), settings))
}

/// What the relay chain compares: the blob as it is, compressed or not.
fn code_size(blob: &[u8], settings: &Settings<'_>) -> Line {
    let limit = settings.limits.max_code_size;
    let line = Line::of_limit(
        "code_size",
        Unit::Bytes,
        blob.len() as u64,
        Some(limit.into()),
        "the code as it is on chain",
    );
    watched(
        line,
        "the code is near the largest that the relay chain takes",
    )
}

fn decompression(blob: &[u8], wasm: &[u8], bomb_limit: u32) -> Line {
    let compressed = blob.starts_with(&COMPRESSED_MAGIC);
    let words = match compressed {
        true => format!(
            "decompresses to {:.2} times its size",
            wasm.len() as f64 / blob.len().max(1) as f64
        ),
        false => "not compressed".to_owned(),
    };
    // A blob that is not compressed has no such limit.
    let limit = compressed.then_some(u64::from(bomb_limit));
    Line::of_limit(
        "decompression",
        Unit::Bytes,
        wasm.len() as u64,
        limit,
        words,
    )
}

/// A line that passes, but near its limit.
fn watched(line: Line, words: &str) -> Line {
    match (line.status, line.share) {
        (Status::Pass, Some(share)) if share > MUCH => Line {
            status: Status::Warn,
            words: words.to_owned(),
            ..line
        },
        _ => line,
    }
}

fn refused(check: &'static str, rejection: &Rejection, names: Option<&Names<'_>>) -> Line {
    let function = rejection.place.function;
    Line {
        rule: Some(rejection.rule),
        class: Some(rejection.class),
        function,
        function_name: function.zip(names).and_then(|(it, names)| names.get(it)),
        offset: rejection.place.offset,
        ..Line::new(check, Status::Fail, rejection.message.clone())
    }
}

/// The names of a module's functions, which also a module has that is refused.
struct Names<'a>(&'a [u8]);

impl Names<'_> {
    fn get(&self, function: u32) -> Option<String> {
        let names = function_names(self.0);
        let (_, name) = names.into_iter().find(|(index, _)| *index == function)?;
        Some(readable_name(&name))
    }
}

enum Compiled<'b> {
    Refused(Rejection),
    Code(Box<Prepared<'b>>, PreparationUsage),
}

/// What a preparation took: compiling, and verifying the machine code.
struct PreparationUsage {
    compile: Usage,
    verify: Usage,
}

fn compile<'b>(blob: &'b [u8], settings: &Settings<'_>) -> Result<Compiled<'b>, CheckError> {
    let options = CompileOptions {
        limits: Limits::of(settings.features),
        metering: Metering {
            logical_stack: settings.execution.stack_logical_max.is_some(),
            gas: None,
        },
        threads: settings.threads,
        ..CompileOptions::new(settings.features)
    };
    let functions = function_types(settings.ecc_rfc163 && settings.node.ecc_rfc163);
    let rules = Rules {
        verification: false,
        bomb_limit: (settings.limits.max_code_size as usize)
            .saturating_mul(CODE_BOMB_FACTOR as usize),
        ..Rules::new(options, Purpose::Precheck(&functions))
    };
    let mut done = None;
    let compile = (settings.meter)(&mut || done = Some(prepare(blob, &rules)));
    let prepared = match done.ok_or(CheckError::Meter)? {
        Ok(prepared) => prepared,
        Err(NotPrepared::Rejected(rejection)) => return Ok(Compiled::Refused(rejection)),
        Err(NotPrepared::Failed(failure)) => return Err(failure.into()),
    };
    let mut done = None;
    let verify = (settings.meter)(&mut || done = Some(prepared.verify(blob, &rules)));
    done.ok_or(CheckError::Meter)??;
    Ok(Compiled::Code(
        Box::new(prepared),
        PreparationUsage { compile, verify },
    ))
}

fn imports_of(module: &ModuleInfo, settings: &Settings<'_>) -> Imports {
    let mut imports = Imports::default();
    let ecc = settings.ecc_rfc163 && settings.node.ecc_rfc163;
    for import in &module.imports {
        let ImportKind::Function(_) = import.kind else {
            continue;
        };
        imports.functions += 1;
        let offered = |ecc| host_function_type(&import.name, ecc).is_some();
        let name = import.name.clone();
        let is_known = import.module == HOST_MODULE && offered(ecc);
        if offered(true) && !offered(false) {
            imports.ecc_rfc163.push(name.clone());
        }
        match is_known {
            true => imports.known += 1,
            false => imports.missing.push(name),
        }
    }
    imports
}

fn imports_line(imports: &Imports, settings: &Settings<'_>) -> Line {
    let node = &settings.node;
    let (functions, known) = (imports.functions, imports.known);
    let missing = imports.missing.len();
    let (first, last) = (node.first, node.last);
    let mut words = format!(
        "{known} of {functions} imported functions are known to nodes {first} to {last}; {missing} trap if validation calls them"
    );
    let curves = imports.ecc_rfc163.len();
    let enabled = settings.ecc_rfc163 && node.ecc_rfc163;
    if curves == 0 {
        return Line::new("imports", Status::Pass, words);
    }
    words += &match (enabled, node.ecc_rfc163) {
        (true, _) => format!("; {curves} are of RFC 163, which is enabled"),
        (false, true) => format!(
            "; {curves} are of RFC 163, which the network has to enable (EnabledHostFunction(EccRfc163); --ecc-rfc163)"
        ),
        (false, false) => format!("; {curves} are of RFC 163, which these nodes do not know"),
    };
    let status = match enabled {
        true => Status::Pass,
        false => Status::Warn,
    };
    Line::new("imports", status, words)
}

fn memory_of_preparation(usage: &PreparationUsage, settings: &Settings<'_>) -> Line {
    let check = "preparation_memory";
    let limit = settings.params.prechecking_max_memory();
    let peak = usage.compile.peak_bytes.max(usage.verify.peak_bytes);
    match peak {
        None => Line {
            limit,
            ..Line::new(check, Status::Unknown, "not measured")
        },
        Some(peak) => {
            let words = match limit {
                Some(_) => "our engine's allocations; the limit is PrecheckingMaxMemory",
                None => "our engine's allocations; the network sets no PrecheckingMaxMemory",
            };
            Line::of_limit(check, Unit::Bytes, peak, limit, words)
        }
    }
}

fn time_of_preparation(usage: &PreparationUsage, settings: &Settings<'_>) -> Vec<Line> {
    let of = |kind, default| settings.params.pvf_prep_timeout(kind).unwrap_or(default);
    let limits = [
        ("precheck_time", of(PvfPrepKind::Precheck, PRECHECK_TIME)),
        ("prepare_time", of(PvfPrepKind::Prepare, PREPARE_TIME)),
    ];
    let names = ["precheck_time_stock", "prepare_time_stock"];
    let mut lines = Vec::new();
    for ((check, limit), stock_check) in limits.into_iter().zip(names) {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let (Some(compile), Some(verify)) = (usage.compile.cpu_ns, usage.verify.cpu_ns) else {
            lines.push(Line {
                limit: Some(limit_ns),
                unit: Some(Unit::Ns),
                ..Line::new(check, Status::Unknown, "not measured")
            });
            continue;
        };
        let words = "processor time of our engine on this machine, with verification";
        let line = Line::of_limit(check, Unit::Ns, compile + verify, Some(limit_ns), words);
        lines.push(watched(line, words));
        if let Some(stock) = &settings.stock {
            let estimate = (compile as f64 * stock.ratio) as u64;
            let words = format!(
                "estimate for the node's engine: {:.1} times ours without verification (measured {})",
                stock.ratio, stock.measured
            );
            let line = Line::of_limit(stock_check, Unit::Ns, estimate, Some(limit_ns), &*words);
            // An estimate refuses nothing.
            lines.push(match line.status {
                Status::Fail => Line {
                    status: Status::Warn,
                    ..line
                },
                _ => watched(line, &words),
            });
        }
    }
    lines
}

/// The deepest frames: what one call takes of each stack.
fn frames(module: &ModuleInfo, settings: &Settings<'_>, names: &Names<'_>) -> Vec<Line> {
    let functions = || (0..).zip(&module.functions);
    let line = |check, unit, used: u64, limit: Option<u64>, function: Option<u32>, what: &str| {
        let line = Line {
            function,
            function_name: function.and_then(|it| names.get(it)),
            ..Line::of_limit(check, unit, used, limit, what)
        };
        // A call of that function overflows the stack, but nobody has to call it.
        match line.status {
            Status::Fail => Line {
                status: Status::Warn,
                ..line
            },
            _ => watched(line, what),
        }
    };
    let deepest = functions().max_by_key(|(_, it)| it.frame_bytes);
    let highest = functions().max_by_key(|(_, it)| it.logical_cost);
    let mut lines = vec![line(
        "native_stack",
        Unit::Bytes,
        deepest.map_or(0, |(_, it)| it.frame_bytes.into()),
        Some(settings.execution.stack_native_max),
        deepest.map(|(index, _)| index),
        "the deepest frame of a function",
    )];
    if let Some(limit) = settings.execution.stack_logical_max {
        lines.push(line(
            "logical_stack",
            Unit::Units,
            highest.map_or(0, |(_, it)| it.logical_cost.into()),
            Some(limit.into()),
            highest.map(|(index, _)| index),
            "the highest cost of a call",
        ));
    }
    lines
}

fn memory(module: &ModuleInfo, settings: &Settings<'_>) -> Option<Line> {
    let memory = module.memory?;
    let limit = settings.execution.max_memory_pages;
    Some(Line::of_limit(
        "memory",
        Unit::Pages,
        memory.minimum.into(),
        Some(limit.into()),
        "what memory starts with",
    ))
}

/// Makes an instance, as a node does for each candidate: with an empty one, which only a start function or a segment can
/// keep from being judged.
fn instance(artifact: Artifact, settings: &Settings<'_>) -> Result<Line, CheckError> {
    let check = "instance";
    let module = Module::new(artifact).map_err(|error| match error {
        LoadError::Failure(failure) => failure,
        error => HostFailure::Internal(error.to_string()),
    })?;
    let host = HostParameters {
        ecc_rfc163: settings.ecc_rfc163 && settings.node.ecc_rfc163,
        execution: settings.execution,
        log: Some(Arc::new(|_| {})),
    };
    let pvf = Pvf::new(module, host);
    let run = Interrupt::new().during(settings.time, || pvf.validate(&[]))?;
    Ok(match run {
        Ok(execution) => match execution.outcome {
            Outcome::Rejected(rejection) => refused(check, &rejection, None),
            _ => Line::new(check, Status::Pass, "an instance can be made"),
        },
        Err(HostFailure::Interrupted) => Line::new(
            check,
            Status::Warn,
            "neither instance nor an empty candidate ends in time",
        ),
        Err(failure) => return Err(failure.into()),
    })
}

fn toolchain(about: &About) -> Option<Line> {
    if about.features.is_empty() {
        return None;
    }
    let foreign = about.features.iter().filter(|feature| !feature.accepted);
    let foreign: Vec<String> = foreign.map(|it| it.name.clone()).collect();
    Some(match foreign.is_empty() {
        true => Line::new(
            "features",
            Status::Pass,
            "the tool chain assumed no other feature",
        ),
        false => Line::new(
            "features",
            Status::Warn,
            format!(
                "the tool chain was allowed features that nodes refuse: {}. Where it uses one, the code is refused",
                foreign.join(", ")
            ),
        ),
    })
}
