//! Modules made from others by `wasm-mutate`: the corpus, the conformance suite's small modules, the fixtures.

use crate::folder::{entries, read};
use crate::random::Random;
use std::path::Path;
use wasm_mutate::WasmMutate;

/// Largest module of the conformance suite that is taken as a seed.
const MOST_BYTES: usize = 4 << 10;

/// Work `wasm-mutate` may do for one mutation.
const FUEL: u64 = 300;

/// Mutations of one module, at most.
const MOST_MUTATIONS: u64 = 6;

/// Modules to start from, in an order that only the files give.
pub struct Seeds {
    small: Vec<Vec<u8>>,
    fixtures: Vec<Vec<u8>>,
}

impl Seeds {
    /// Reads them from the repository. `valid` says which can be used.
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

    /// One of them, mutated some times; `valid` as for [`Self::load`].
    pub fn mutant(
        &self,
        random: &mut Random,
        valid: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, String> {
        // Fixtures take long to compile.
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

/// Mutations add data now and then that nothing reads.
fn valid_and_small(valid: &impl Fn(&[u8]) -> bool, before: usize) -> impl Fn(&[u8]) -> bool {
    move |wasm| wasm.len() <= before + MOST_BYTES && valid(wasm)
}

/// The first mutant that can be used.
pub fn mutate(wasm: &[u8], seed: u64, valid: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut mutate = WasmMutate::default();
    mutate.seed(seed).fuel(FUEL).preserve_semantics(false);
    let mutants = mutate.run(wasm).ok()?;
    mutants
        .take(4)
        .filter_map(Result::ok)
        .find(|mutant| valid(mutant))
}

/// A smaller module that still `differs`, found by reducing mutations until a number of them in a row fail.
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
