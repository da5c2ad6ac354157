//! Code made for aarch64, and what the verifier says of it.

use pvf_compiler::{Artifact, CompileOptions, Costs, Metering, NativeStack, Target, compile};
use pvf_rules::Features;
use pvf_verifier::{
    FunctionCode, GasMeter, InstructionSet, MachineCode, Module, Refusal, Settings, TrapSite,
    Verified, verify,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

/// Code with what is said about it, to be changed by tests.
pub struct Made {
    pub wasm: Vec<u8>,
    pub code: Vec<u8>,
    pub functions: Vec<FunctionCode>,
    pub sites: Vec<TrapSite>,
    entry_stubs: Vec<Option<u32>>,
    costs: Option<Arc<Costs>>,
    native_stack: pvf_verifier::NativeStack,
    logical_stack: bool,
    logical_counter: Option<u32>,
}

/// Which meters code drives.
#[derive(Clone, Copy, Debug)]
pub struct Meters {
    pub name: &'static str,
    pub gas: bool,
    pub logical_stack: bool,
    pub native_stack: NativeStack,
}

/// All settings of the meters.
pub fn all_meters() -> impl Iterator<Item = Meters> {
    let settings = [
        ("none", false, false),
        ("logical", false, true),
        ("gas", true, false),
        ("both", true, true),
    ];
    settings
        .into_iter()
        .map(|(name, gas, logical_stack)| Meters {
            name,
            gas,
            logical_stack,
            native_stack: NativeStack::Enforced,
        })
        .chain([
            Meters {
                name: "audited",
                gas: true,
                logical_stack: true,
                native_stack: NativeStack::Audited,
            },
            Meters {
                name: "unchecked",
                gas: false,
                logical_stack: false,
                native_stack: NativeStack::Unchecked,
            },
        ])
}

pub fn options(features: Features, meters: Meters) -> CompileOptions {
    CompileOptions {
        target: Target::Aarch64,
        native_stack: meters.native_stack,
        metering: Metering {
            logical_stack: meters.logical_stack,
            gas: meters.gas.then(|| Arc::new(Costs::default())),
        },
        ..CompileOptions::new(features)
    }
}

impl Made {
    /// The code of a module, if it is one of the accepted language.
    pub fn new(wasm: &[u8], options: &CompileOptions) -> Option<Self> {
        let artifact = compile(wasm, options).ok()?;
        Some(Self::of(wasm, &artifact, options))
    }

    pub fn of(wasm: &[u8], artifact: &Artifact, options: &CompileOptions) -> Self {
        let info = &artifact.module;
        let functions = info.functions.iter().map(|function| FunctionCode {
            offset: function.code_offset,
            bytes: function.code_bytes,
            signature: function.signature,
            frame_bytes: function.frame_bytes,
            logical_cost: function.logical_cost,
        });
        let sites = artifact.traps.sites().map(|site| TrapSite {
            code_offset: site.code_offset,
            wasm_offset: site.wasm_offset,
            kind: site.kind,
        });
        Self {
            wasm: wasm.to_vec(),
            code: artifact.code.clone(),
            functions: functions.collect(),
            sites: sites.collect(),
            entry_stubs: info.entry_stubs.clone(),
            costs: options.metering.gas.clone(),
            native_stack: match options.native_stack {
                NativeStack::Enforced => pvf_verifier::NativeStack::Enforced,
                NativeStack::Audited => pvf_verifier::NativeStack::Audited,
                NativeStack::Unchecked => pvf_verifier::NativeStack::Unchecked,
            },
            logical_stack: info.meters.logical_stack,
            logical_counter: info.logical_counter,
        }
    }

    pub fn verify(&self) -> Result<Verified, Refusal> {
        let module = Module::read(&self.wasm).expect("the compiler has read it");
        self.verify_with(&module, &self.code)
    }

    /// The same with other code.
    pub fn verify_with(&self, module: &Module<'_>, code: &[u8]) -> Result<Verified, Refusal> {
        let code = MachineCode {
            settings: Settings {
                instruction_set: InstructionSet::Aarch64,
                native_stack: self.native_stack,
                logical_stack: self.logical_stack,
                logical_counter: self.logical_counter,
                gas: match &self.costs {
                    Some(costs) => GasMeter::Priced(costs),
                    None => GasMeter::Off,
                },
            },
            code,
            functions: &self.functions,
            entry_stubs: &self.entry_stubs,
            sites: &self.sites,
        };
        verify(module, &code)
    }

    /// The words around a place, for a message.
    pub fn around(&self, offset: u32) -> String {
        let start = (offset as usize & !3).saturating_sub(24);
        let (words, _) = self.code[start..].as_chunks::<4>();
        (start..)
            .step_by(4)
            .zip(words.iter().take(14))
            .map(|(at, word)| {
                use yaxpeax_arch::{Decoder, U8Reader};
                let decoder = yaxpeax_arm::armv8::a64::InstDecoder::default();
                let text = decoder
                    .decode(&mut U8Reader::new(word))
                    .map_or("?".into(), |it| it.to_string());
                let site = self
                    .sites
                    .iter()
                    .find(|site| site.code_offset == at as u32)
                    .map_or(String::new(), |site| {
                        format!("  ; {} {:#x}", site.kind.name(), site.wasm_offset)
                    });
                let here = if at as u32 == offset { ">" } else { " " };
                format!("{here}{at:6x} {:08x} {text}{site}\n", u32::from_le_bytes(*word))
            })
            .collect()
    }
}

/// The decompressed code of real parachains, if it is there: `PVF_CASES` names the folder.
pub fn runtimes() -> Vec<(String, Vec<u8>)> {
    let folder = env::var_os("PVF_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pvf"),
        PathBuf::from,
    );
    let Ok(chains) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut all: Vec<_> = chains
        .filter_map(|chain| {
            let path = chain.ok()?.path();
            let code = fs::read(path.join("code.compressed.wasm")).ok()?;
            let wasm = sp_maybe_compressed_blob::decompress(&code, 50 << 20).ok()?;
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some((name, wasm.into_owned()))
        })
        .collect();
    all.sort();
    all
}

/// All files under a folder whose names end so.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut all = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

impl Made {
    pub fn all(&self) -> String {
        let (words, _) = self.code.as_chunks::<4>();
        words.iter().map(|word| {
            use yaxpeax_arch::{Decoder, U8Reader};
            let decoder = yaxpeax_arm::armv8::a64::InstDecoder::default();
            let text = decoder.decode(&mut U8Reader::new(word)).map_or("?".into(), |it| it.to_string());
            format!("0x{:08X} // {text}\n", u32::from_le_bytes(*word))
        }).collect()
    }
}
