//! Modules that `wasm-mutate` derives from others: the corpus, the conformance suite's small modules, the fixtures.

use crate::folder::{entries, read};
use crate::random::Random;
use std::path::Path;
use wasm_mutate::WasmMutate;

/// Largest module of the conformance suite that is taken as a seed.
const MOST_BYTES: usize = 4 << 10;

/// The work (fuel) that `wasm-mutate` may do for one mutation.
const FUEL: u64 = 300;

/// The maximum number of mutations of one module.
const MOST_MUTATIONS: u64 = 6;

/// The modules to start from, in an order that depends only on the files.
pub struct Seeds {
    small: Vec<Vec<u8>>,
    fixtures: Vec<Vec<u8>>,
}

impl Seeds {
    /// Reads the modules from the repository and keeps those for which `valid` holds.
    pub fn load(valid: impl Fn(&[u8]) -> bool) -> Result<Self, String> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut small = modules(&repository.join("fuzz/corpus"))?;
        small.extend(modules(&repository.join("conformance/wasm"))?);
        small.retain(|wasm| wasm.len() <= MOST_BYTES && valid(wasm));
        let mut fixtures = Vec::new();
        for folder in entries(&repository.join("fixtures"))? {
            let code = folder.join("code.wasm");
            if code.is_file() {
                fixtures.push(read(&code)?);
            }
        }
        fixtures.retain(|wasm| valid(wasm));
        match small.is_empty() || fixtures.is_empty() {
            true => Err(format!("no seeds in {}", repository.display())),
            false => Ok(Self { small, fixtures }),
        }
    }

    /// One of the modules after a number of mutations; `valid` as for [`Self::load`].
    pub fn mutant(
        &self,
        random: &mut Random,
        valid: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, String> {
        // Fixtures are picked rarely, because they take long to compile.
        let seeds = match random.one_in(60) {
            true => &self.fixtures,
            false => &self.small,
        };
        let mut wasm = random.pick(seeds).clone();
        let mut mutations = 0;
        for _ in 0..random.between(1, MOST_MUTATIONS) {
            if let Some(mutant) = mutate(&wasm, random.bits(), valid_and_small(&valid, wasm.len()))
            {
                wasm = mutant;
                mutations += 1;
            }
        }
        match mutations {
            0 => Err("wasm-mutate found no valid mutant".to_owned()),
            _ => Ok(wasm),
        }
    }
}

/// Bounds the size: some mutations add data that nothing reads.
fn valid_and_small(valid: &impl Fn(&[u8]) -> bool, before: usize) -> impl Fn(&[u8]) -> bool {
    move |wasm| wasm.len() <= before + MOST_BYTES && valid(wasm)
}

/// The first mutant that is valid.
pub fn mutate(wasm: &[u8], seed: u64, valid: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut mutate = WasmMutate::default();
    mutate.seed(seed).fuel(FUEL).preserve_semantics(false);
    let mutants = mutate.run(wasm).ok()?;
    mutants
        .take(4)
        .filter_map(Result::ok)
        .find(|mutant| valid(mutant))
}

/// A smaller module for which `differs` still holds. Stops after a number of reducing mutations that fail in a row.
pub fn shrink(wasm: &[u8], differs: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    const PATIENCE: u64 = 3_000;
    let mut least = wasm.to_vec();
    let mut seed = 0;
    let mut last = 0;
    while seed - last < PATIENCE {
        let mut mutate = WasmMutate::default();
        mutate.seed(seed).fuel(FUEL).reduce(true);
        let smaller = mutate.run(&least).ok().and_then(|mutants| {
            mutants
                .take(20)
                .filter_map(Result::ok)
                .find(|mutant| mutant.len() < least.len() && differs(mutant))
        });
        if let Some(smaller) = smaller {
            least = smaller;
            last = seed;
        }
        seed += 1;
    }
    least
}

fn modules(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    entries(folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "wasm"))
        .map(|path| read(&path))
        .collect()
}
