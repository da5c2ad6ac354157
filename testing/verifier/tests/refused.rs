//! The verifier refuses seeded faults. The tests count them by class, and the counts may not fall.

use pvf_compiler::Target;
use pvf_executor::{Described, declared_module};
use pvf_generators::Random;
use pvf_rules::Features;
use pvf_verifier::{Checker, Functions, Module};
use pvf_verifier_tests::faults::x64::{CLASSES, faults};
use pvf_verifier_tests::faults::{Fault, try_fault};
use pvf_verifier_tests::{Made, corpus, in_parallel, settings};
use std::env;

/// The number of faults of a class, and descriptions of the accepted ones.
#[derive(Default)]
struct Count {
    tried: u64,
    accepted: Vec<String>,
}

/// What the verifier knows of the module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Module,
    /// The declarations in the artifact.
    Artifact,
}

/// Classes of faults that only a comparison with the bodies finds.
const NEED_BODIES: [&str; 3] = [
    "a trap of another kind",
    "a trap of another place",
    "a charge of gas and 1",
];

/// Tries at most `most` faults of each class in each module.
fn count(modules: &[(String, Made)], most: usize, known: Known) -> Vec<Count> {
    let parts = in_parallel(modules, |part| count_part(part, most, known));
    let all = parts.into_iter().reduce(|mut all, part| {
        for (count, more) in all.iter_mut().zip(part) {
            count.tried += more.tried;
            count.accepted.extend(more.accepted);
        }
        all
    });
    all.expect("at least one part")
}

fn count_part(modules: &[&(String, Made)], most: usize, known: Known) -> Vec<Count> {
    let mut counts: Vec<Count> = CLASSES.iter().map(|_| Count::default()).collect();
    let mut random = Random::new(14);
    for (number, (name, made)) in modules.iter().enumerate() {
        let module = match known {
            Known::Module => Module::read(&made.wasm).unwrap(),
            Known::Artifact => declared_module(&made.artifact.module).unwrap(),
        };
        let mut verification = made.verification();
        // An artifact does not say where its loops are, and a module is verified with and without knowing.
        if known == Known::Artifact || number % 2 == 1 {
            verification.loops = None;
        }
        let mut described = Described::new(&made.artifact, &verification);
        let mut code = made.artifact.code.clone();
        let functions = Functions::new(&module, &described.with(&code)).unwrap();
        let mut checker = Checker::new(&described.with(&code));
        for ((class, find), count) in CLASSES.iter().zip(&mut counts) {
            if known == Known::Artifact && NEED_BODIES.contains(class) {
                continue;
            }
            let mut found: Vec<Fault> = (0..described.functions.len() as u32)
                .flat_map(|function| faults(&described, &code, function, *find))
                .collect();
            while found.len() > most {
                let out = random.below(found.len() as u64) as usize;
                found.swap_remove(out);
            }
            for fault in &found {
                count.tried += 1;
                let checkers = (&functions, &mut checker);
                if try_fault(checkers, &module, &mut described, &mut code, fault).is_ok() {
                    count.accepted.push(format!("{class}: {name}, {fault:x?}"));
                }
            }
        }
    }
    counts
}

/// Classes with some harmless faults, and how many in a thousand may be accepted.
const HARMLESS: [(&str, u64); 4] = [
    // The register is not used as an index later, or cannot have more than 32 bits.
    ("an index computed in 64 bits", 5),
    // The changed target is the entry of the next function.
    ("a call and 16 bytes", 60),
    // Two `unreachable` follow each other.
    ("a trap of another place", 1),
    // The comparison with 8 may belong to the module itself.
    ("a block operation unchecked", 5),
];

fn check(counts: &[Count], known: Known) -> u64 {
    let mut total = 0;
    let mut wrong = Vec::new();
    for ((class, _), count) in CLASSES.iter().zip(counts) {
        let accepted = count.accepted.len() as u64;
        println!(
            "{class}: {} of {} refused",
            count.tried - accepted,
            count.tried
        );
        total += count.tried;
        let harmless = HARMLESS.iter().find(|(name, _)| name == class);
        let most = harmless.map_or(0, |(_, thousandths)| count.tried * thousandths / 1000);
        let left_out = known == Known::Artifact && NEED_BODIES.contains(class);
        if accepted > most || (count.tried == 0 && !left_out) {
            let few = &count.accepted[..count.accepted.len().min(5)];
            wrong.push(format!(
                "{class}: {accepted} of {} accepted: {few:#?}",
                count.tried
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    total
}

fn made(modules: Vec<corpus::Named>, features: Features) -> Vec<(String, Made)> {
    let settings = settings();
    let mut all = Vec::new();
    for (number, (name, wasm)) in modules.iter().enumerate() {
        for setting in [number % settings.len(), 3] {
            let made = Made::new(wasm, features, Target::X86_64, &settings[setting]);
            all.extend(made.map(|made| (name.clone(), made)));
        }
    }
    all
}

/// A module whose indices are reloaded into high registers.
fn spills() -> Vec<u8> {
    let params = "i32 ".repeat(14);
    let loads: String = (0..12)
        .map(|local| format!("(i32.load offset={local} (local.get {local}))"))
        .collect();
    let sums = "i32.add ".repeat(11);
    let text = format!(
        "(module (memory 1) (func $call)
            (func (export \"spills\") (param {params}) (result i32) call $call {loads} {sums}))"
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn faults_in_modules_of_the_repository_are_refused() {
    let mut modules = corpus::of_repository();
    modules.retain(|(_, wasm)| wasm.len() < 100_000);
    modules.extend(std::iter::repeat_n(("spills".to_owned(), spills()), 6));
    let made = made(modules, Features::ALL);
    let total = check(&count(&made, 12, Known::Module), Known::Module);
    assert!(total > 20_000, "only {total} faults");
    let total = check(&count(&made, 4, Known::Artifact), Known::Artifact);
    assert!(total > 7_000, "only {total} faults without the module");
}

/// The same in the runtimes of `PVF_BLOBS`, with `PVF_FAULTS` faults of each class in each runtime.
#[test]
#[ignore = "takes minutes, and runtimes"]
fn faults_in_runtimes_are_refused() {
    let most = env::var("PVF_FAULTS").map_or(1000, |most| most.parse().unwrap());
    let modules = made(corpus::of_chains(), Features::POLKADOT);
    assert!(!modules.is_empty(), "no runtimes in PVF_BLOBS");
    for known in [Known::Module, Known::Artifact] {
        println!("{} faults", check(&count(&modules, most, known), known));
    }
}
