//! Takes the place of the crate that compiles runtimes to WebAssembly and optimises them, which would
//! bring all of Binaryen. One crate of the node calls it: the runtime with which the node's command
//! `benchmark storage` measures, and which no network uses. That runtime is left out.

use std::path::PathBuf;
use std::{env, fs};

/// Takes the calls of a build script and leaves the runtime out.
pub struct WasmBuilder(());

impl WasmBuilder {
    /// Begins.
    #[allow(
        clippy::new_without_default,
        reason = "the interface of the crate whose place this takes"
    )]
    pub fn new() -> Self {
        Self(())
    }

    /// Does nothing.
    pub fn with_current_project(self) -> Self {
        self
    }

    /// Does nothing.
    pub fn export_heap_base(self) -> Self {
        self
    }

    /// Does nothing.
    pub fn import_memory(self) -> Self {
        self
    }

    /// Does nothing.
    pub fn disable_runtime_version_section_check(self) -> Self {
        self
    }

    /// Writes the source file that the crate includes, without a runtime in it.
    pub fn build(self) {
        let folder = env::var_os("OUT_DIR").expect("cargo tells a build script where to write");
        let text = "/// There is none.\npub const WASM_BINARY: Option<&[u8]> = None;\n\
                    /// There is none.\npub const WASM_BINARY_BLOATY: Option<&[u8]> = None;\n";
        fs::write(PathBuf::from(folder).join("wasm_binary.rs"), text)
            .expect("cargo's folder can be written");
        println!("cargo:rerun-if-changed=build.rs");
    }
}
