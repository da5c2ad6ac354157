//! `pvf inspect`: functions, imports, sizes and frames of a module.

use crate::Verdict;
use crate::args::{InspectArgs, Meter};
use crate::engine::{Compiled, For, Stop, prepare_blob, read_blob_file};
use crate::failure::Failure;
use crate::input;
use crate::names::Names;
use crate::network::{Parameters, ParametersJson};
use crate::outcome::{self, RejectionJson, printable};
use crate::output::{Output, size};
use crate::page;
use crate::progress::Progress;
use pvf_executor::artifact::{Import, ImportKind};
use pvf_executor::{
    Blob, CodeKind, CompileOptions, Costs, Limits, Metering, ModuleInfo, Profile, Rejection,
};
use pvf_executor::{FuncType, GlobalType};
use pvf_metering::{FunctionCharges, function_charges};
use pvf_validation::Pvf;
use pvf_wast::type_name;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;

#[derive(Serialize)]
struct InspectJson {
    /// Whether a node that prechecks the module accepts it as a validation function, as `pvf prepare --precheck` with the same flags.
    accepted: bool,
    /// Why the module is not accepted.
    rejection: Option<RejectionJson>,
    /// Why every candidate is invalid although the module is accepted, if the module alone shows it.
    all_candidates_fail: Option<String>,
    kind: &'static str,
    compressed_bytes: Option<usize>,
    wasm_bytes: u64,
    code_bytes: usize,
    data_bytes: usize,
    target: &'static str,
    types: usize,
    imported_functions: u32,
    defined_functions: usize,
    imports: Vec<ImportJson>,
    exports: Vec<ExportJson>,
    memory: Option<LimitsJson>,
    table: Option<LimitsJson>,
    globals: usize,
    data_segments: usize,
    element_segments: usize,
    start: Option<u32>,
    /// Over all defined functions: the largest frame, the largest logical cost of a call, the number of metered blocks and their gas.
    totals: TotalsJson,
    /// Indices of the functions with the deepest frames, deepest first.
    deepest_frames: Vec<u32>,
    /// All functions, or those with the deepest frames, deepest first.
    functions: Vec<FunctionJson>,
    parameters: ParametersJson,
}

/// Sizes in pages of 64 KiB, or in entries.
#[derive(Serialize)]
struct LimitsJson {
    minimum: u32,
    maximum: Option<u32>,
}

#[derive(Serialize)]
struct ImportJson {
    module: String,
    name: String,
    kind: &'static str,
    #[serde(rename = "type")]
    ty: String,
    /// Whether the environment of a PVF has it.
    known: bool,
}

#[derive(Serialize)]
struct ExportJson {
    name: String,
    kind: &'static str,
    index: Option<u32>,
}

#[derive(Clone, Serialize)]
struct FunctionJson {
    index: u32,
    name: Option<String>,
    #[serde(rename = "type")]
    ty: String,
    wasm_bytes: u32,
    code_bytes: u32,
    frame_bytes: u32,
    #[serde(flatten)]
    charges: ChargesJson,
}

/// What the meters charge a function.
#[derive(Clone, Default, Serialize)]
struct ChargesJson {
    /// Units of the logical stack for a call.
    logical_cost: Option<u32>,
    /// How many metered blocks it has.
    gas_blocks: Option<usize>,
    /// Gas of all its metered blocks, each once.
    gas: Option<u64>,
    /// Why a meter refuses the function.
    unmetered: Option<String>,
}

#[derive(Serialize)]
struct TotalsJson {
    frame_bytes_max: u32,
    logical_cost_max: u32,
    gas_blocks: usize,
    gas: u64,
}

/// Compiles the module and describes it.
pub fn inspect(args: &InspectArgs, output: &Output) -> Result<Verdict, Failure> {
    let costs = args.schedule.costs()?.unwrap_or_default();
    let options = CompileOptions {
        target: args.target.resolve()?,
        metering: metering(args, &costs),
        threads: args.compile.threads(),
        ..CompileOptions::new(args.language.features(Profile::Wasm))
    };
    let progress = Progress::start(&format!("compiling {}", input::name(&args.code)));
    let blob = read_blob_file(&args.code)?;
    let as_pvf = pvf_options(args, &options);
    let parameters = args
        .network
        .parameters(Profile::Polkadot)?
        .with_functions(&args.host.functions);
    let verification = args.compile.verification();
    let precheck = For::Precheck {
        ecc_rfc163: parameters.ecc_rfc163,
    };
    let (accepted, rejection) = match prepare_blob(&blob.bytes, &as_pvf, precheck, verification) {
        Ok(compiled) => (Some(compiled), None),
        Err(Stop::Rejected(rejection, _)) => (None, Some(rejection)),
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    // The wider language shows more, but the network accepts some modules that it does not.
    let (compiled, options) = match (
        prepare_blob(&blob.bytes, &options, For::Calls, verification),
        accepted,
    ) {
        (Ok(compiled), _) => (compiled, options),
        (Err(Stop::Failed(failure)), _) => return Err(failure),
        (Err(Stop::Rejected(..)), Some(compiled)) => (compiled, as_pvf),
        (Err(Stop::Rejected(wider, _)), None) => {
            return rejected(&rejection.unwrap_or(wider), &parameters, output);
        }
    };
    if let Some(path) = &args.html {
        let title = input::name(&args.code);
        page::write(output, path, &title, &compiled.wasm, &options, &costs)?;
    }
    drop(progress);
    let json = describe(
        args,
        &blob,
        &compiled,
        rejection.as_ref(),
        &parameters,
        &costs,
    );
    output.result(&json, |out| {
        match &rejection {
            None => {
                writeln!(out, "as a PVF   accepted")?;
                if let Some(reason) = &json.all_candidates_fail {
                    writeln!(
                        out,
                        "           but every candidate fails: {}",
                        printable(reason)
                    )?;
                }
            }
            Some(rejection) => {
                write!(out, "as a PVF   ")?;
                outcome::rejected(out, rejection)?;
            }
        }
        text(out, &json, args.functions)?;
        writeln!(out, "\nparameters {}", parameters.words())
    })?;
    Ok(match json.accepted {
        true => Verdict::Fine,
        false => Verdict::NotFine,
    })
}

/// How a validation function is compiled: the language and meters that `pvf prepare` takes for the same flags.
fn pvf_options(args: &InspectArgs, options: &CompileOptions) -> CompileOptions {
    let profile = args.language.profile(Profile::Polkadot);
    let features = args.language.features(Profile::Polkadot);
    CompileOptions {
        features,
        limits: Limits::of(features),
        metering: profile.compile_options().metering,
        ..options.clone()
    }
}

fn metering(args: &InspectArgs, costs: &Costs) -> Metering {
    let gas = args.meter.contains(&Meter::Gas);
    Metering {
        logical_stack: args.meter.contains(&Meter::LogicalStack),
        gas: gas.then(|| Arc::new(costs.clone())),
    }
}

/// The answer for a module that cannot be compiled.
#[derive(Serialize)]
struct RefusedJson {
    accepted: bool,
    rejection: RejectionJson,
    /// The rejection once more, under the names that outcomes have.
    #[serde(flatten)]
    outcome: RejectionJson,
    parameters: ParametersJson,
}

fn rejected(
    rejection: &Rejection,
    parameters: &Parameters,
    output: &Output,
) -> Result<Verdict, Failure> {
    let json = RefusedJson {
        accepted: false,
        rejection: RejectionJson::new(rejection),
        outcome: RejectionJson::new(rejection),
        parameters: parameters.json(),
    };
    output.result(&json, |out| {
        write!(out, "as a PVF   ")?;
        outcome::rejected(out, rejection)
    })?;
    Ok(Verdict::NotFine)
}

fn describe(
    args: &InspectArgs,
    blob: &Blob<'_>,
    compiled: &Compiled,
    rejection: Option<&Rejection>,
    parameters: &Parameters,
    costs: &Costs,
) -> InspectJson {
    let Compiled { artifact, wasm, .. } = compiled;
    let module = &artifact.module;
    let mut functions = describe_functions(wasm, module, costs);
    let totals = totals(&functions);
    let mut deepest: Vec<usize> = (0..functions.len()).collect();
    deepest.sort_by_key(|&at| (u32::MAX - functions[at].frame_bytes, at));
    deepest.truncate(args.top);
    let deepest_frames = deepest.iter().map(|&at| functions[at].index).collect();
    if !args.functions {
        functions = deepest.iter().map(|&at| functions[at].clone()).collect();
    }
    InspectJson {
        accepted: rejection.is_none(),
        rejection: rejection.map(RejectionJson::new),
        all_candidates_fail: Pvf::why_all_fail(module, &parameters.execution),
        kind: match blob.kind {
            CodeKind::Wasm => "wasm",
            CodeKind::Text => "text",
            CodeKind::Compressed => "compressed",
            CodeKind::ChainSpec => "chain-spec",
        },
        compressed_bytes: blob.compressed_bytes(),
        wasm_bytes: wasm.len() as u64,
        code_bytes: artifact.code.len(),
        data_bytes: artifact.data.len(),
        target: module.target.name(),
        types: module.signatures.len(),
        imported_functions: module.imported_functions,
        defined_functions: module.functions.len() - module.imported_functions as usize,
        imports: module
            .imports
            .iter()
            .map(|import| describe_import(module, import, parameters.ecc_rfc163))
            .collect(),
        exports: describe_exports(module),
        memory: module.memory.map(|memory| LimitsJson {
            minimum: memory.minimum,
            maximum: memory.maximum,
        }),
        table: module.table.map(|table| LimitsJson {
            minimum: table.minimum,
            maximum: table.maximum,
        }),
        globals: module.globals.len(),
        data_segments: module.data_segments.len(),
        element_segments: module.element_segments.len(),
        start: module.start,
        totals,
        deepest_frames,
        functions,
        parameters: parameters.json(),
    }
}

fn describe_import(module: &ModuleInfo, import: &Import, ecc_rfc163: bool) -> ImportJson {
    let limits = |minimum: u32, maximum: Option<u32>| match maximum {
        Some(maximum) => format!("{minimum}..{maximum}"),
        None => format!("{minimum}.."),
    };
    let (kind, ty, known) = match import.kind {
        ImportKind::Function(signature) => {
            let ty = module.signatures.get(signature as usize);
            let known = import.module == "env"
                && pvf_validation::host_function_type(&import.name, ecc_rfc163).as_ref() == ty;
            ("function", ty.map(function_type).unwrap_or_default(), known)
        }
        ImportKind::Memory(ty) => ("memory", limits(ty.minimum, ty.maximum), true),
        ImportKind::Table(ty) => ("table", limits(ty.minimum, ty.maximum), false),
        ImportKind::Global(ty) => ("global", global_type(ty), false),
    };
    ImportJson {
        module: import.module.clone(),
        name: import.name.clone(),
        kind,
        ty,
        known,
    }
}

fn describe_exports(module: &ModuleInfo) -> Vec<ExportJson> {
    use pvf_executor::artifact::ExportKind;
    let describe = |kind| match kind {
        ExportKind::Function(index) => ("function", Some(index)),
        ExportKind::Global(index) => ("global", Some(index)),
        ExportKind::Memory => ("memory", None),
        ExportKind::Table => ("table", None),
    };
    module
        .exports
        .iter()
        .map(|export| {
            let (kind, index) = describe(export.kind);
            ExportJson {
                name: export.name.clone(),
                kind,
                index,
            }
        })
        .collect()
}

fn totals(functions: &[FunctionJson]) -> TotalsJson {
    let charges = || functions.iter().map(|function| &function.charges);
    TotalsJson {
        frame_bytes_max: functions.iter().map(|it| it.frame_bytes).max().unwrap_or(0),
        logical_cost_max: charges()
            .filter_map(|it| it.logical_cost)
            .max()
            .unwrap_or(0),
        gas_blocks: charges().filter_map(|it| it.gas_blocks).sum(),
        gas: charges()
            .filter_map(|it| it.gas)
            .fold(0, u64::saturating_add),
    }
}

/// What the meters charge each defined function.
fn charges(wasm: &[u8], costs: &Costs) -> Vec<ChargesJson> {
    let describe = |function: FunctionCharges| {
        let refused = function.logical_cost.as_ref().err();
        let unmetered = refused.or(function.gas.as_ref().err());
        ChargesJson {
            unmetered: unmetered.map(ToString::to_string),
            logical_cost: function.logical_cost.ok(),
            gas_blocks: function.gas.as_ref().ok().map(Vec::len),
            gas: function.gas.ok().map(|blocks| {
                let gas = blocks.iter().map(|block| block.cost);
                gas.fold(0, u64::saturating_add)
            }),
        }
    };
    // What was compiled can be decoded.
    let functions = function_charges(wasm, costs).unwrap_or_default();
    functions.into_iter().map(describe).collect()
}

/// All defined functions.
fn describe_functions(wasm: &[u8], module: &ModuleInfo, costs: &Costs) -> Vec<FunctionJson> {
    let mut charges = charges(wasm, costs).into_iter();
    let names = Names::of(module, Some(wasm));
    (0..)
        .zip(&module.functions)
        .skip(module.imported_functions as usize)
        .map(|(index, function)| FunctionJson {
            index,
            name: names.get(index).map(str::to_owned),
            ty: module
                .function_type(index)
                .map(function_type)
                .unwrap_or_default(),
            wasm_bytes: function.body_bytes,
            code_bytes: function.code_bytes,
            frame_bytes: function.frame_bytes,
            charges: charges.next().unwrap_or_default(),
        })
        .collect()
}

/// Parameters and results, for people.
pub fn function_type(ty: &FuncType) -> String {
    let list = |types: &[_]| {
        let names: Vec<&str> = types.iter().copied().map(type_name).collect();
        names.join(" ")
    };
    format!("[{}] -> [{}]", list(&ty.params), list(&ty.results))
}

fn global_type(ty: GlobalType) -> String {
    let name = type_name(ty.value);
    match ty.mutable {
        true => format!("mut {name}"),
        false => name.to_owned(),
    }
}

fn text(out: &mut dyn Write, json: &InspectJson, all: bool) -> io::Result<()> {
    let compressed = match json.compressed_bytes {
        Some(bytes) => format!(", {} compressed", size(bytes as u64)),
        None => String::new(),
    };
    writeln!(out, "kind       {}{compressed}", json.kind)?;
    writeln!(
        out,
        "size       {} of Wasm, {} of data, {} of {} code",
        size(json.wasm_bytes),
        size(json.data_bytes as u64),
        size(json.code_bytes as u64),
        json.target
    )?;
    writeln!(out, "types      {}", json.types)?;
    writeln!(
        out,
        "functions  {} imported, {} defined",
        json.imported_functions, json.defined_functions
    )?;
    writeln!(out, "globals    {}", json.globals)?;
    write_limits(out, "memory     ", json.memory.as_ref(), "pages")?;
    write_limits(out, "table      ", json.table.as_ref(), "entries")?;
    writeln!(
        out,
        "segments   {} of data, {} of elements",
        json.data_segments, json.element_segments
    )?;
    if let Some(start) = json.start {
        writeln!(out, "start      function {start}")?;
    }
    writeln!(out, "\nimports    {}", json.imports.len())?;
    for import in &json.imports {
        let known = if import.known {
            ""
        } else {
            "  (not in the environment of a PVF)"
        };
        let (module, name) = (printable_line(&import.module), printable_line(&import.name));
        writeln!(
            out,
            "  {module}:{name}  {} {}{known}",
            import.kind, import.ty
        )?;
    }
    writeln!(out, "\nexports    {}", json.exports.len())?;
    for export in &json.exports {
        let index = export
            .index
            .map_or(String::new(), |index| format!(" {index}"));
        writeln!(
            out,
            "  {}  {}{index}",
            printable_line(&export.name),
            export.kind
        )?;
    }
    let totals = &json.totals;
    writeln!(
        out,
        "\nmeters     deepest frame {} bytes, dearest call {} units, {} metered blocks with {} gas",
        totals.frame_bytes_max, totals.logical_cost_max, totals.gas_blocks, totals.gas
    )?;
    if all {
        writeln!(out, "\nall functions")?;
        functions(out, json.functions.iter())?;
    }
    let deepest = |index: &u32| {
        json.functions
            .iter()
            .find(|function| function.index == *index)
    };
    writeln!(out, "\ndeepest frames")?;
    functions(out, json.deepest_frames.iter().filter_map(deepest))
}

/// A table: sizes in bytes, what the meters charge, `-` where a meter refuses the function.
fn functions<'a>(
    out: &mut dyn Write,
    functions: impl Iterator<Item = &'a FunctionJson>,
) -> io::Result<()> {
    writeln!(
        out,
        "  {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9}  name",
        "function", "Wasm", "code", "frame", "logical", "blocks", "gas"
    )?;
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
    for function in functions {
        let charges = &function.charges;
        let name = function.name.as_deref().map(shortened);
        writeln!(
            out,
            "  {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9}  {}",
            function.index,
            function.wasm_bytes,
            function.code_bytes,
            function.frame_bytes,
            number(charges.logical_cost.map(u64::from)),
            number(charges.gas_blocks.map(|it| it as u64)),
            number(charges.gas),
            name.unwrap_or_default()
        )?;
    }
    Ok(())
}

fn write_limits(
    out: &mut dyn Write,
    label: &str,
    limits: Option<&LimitsJson>,
    unit: &str,
) -> io::Result<()> {
    match limits {
        None => writeln!(out, "{label}none"),
        Some(LimitsJson { minimum, maximum }) => match maximum {
            Some(maximum) => writeln!(out, "{label}{minimum} {unit}, at most {maximum}"),
            None => writeln!(out, "{label}{minimum} {unit}"),
        },
    }
}

/// Characters of a name that a table shows; names of generic functions fill screens.
const NAME_SHOWN: usize = 80;

/// A name from a module for a table.
fn shortened(name: &str) -> String {
    let line = printable_line(name);
    match line.char_indices().nth(NAME_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A name from a module, on one line.
fn printable_line(name: &str) -> String {
    printable(name)
}
