//! `pvf-fuzz targets`.

use pvf_fuzz::targets::{Target, all, find};
use pvf_fuzz::{Random, folder};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// Only this target; without it all of them.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Check these inputs, such as one that a fuzzer kept.
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Vec<PathBuf>,
    /// Check the corpus and random changes of it for this number of seconds, for each target.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Write the inputs that each target starts from into a folder of its name in this folder.
    #[arg(long, value_name = "DIR")]
    seeds: Option<PathBuf>,
}

/// Lists targets, or checks inputs. Returns whether nothing was found.
pub fn run(options: &Options) -> Result<bool, String> {
    let targets = match &options.target {
        Some(name) => vec![*find(name).ok_or_else(|| format!("there is no target {name}"))?],
        None => all().copied().collect(),
    };
    let mut clean = true;
    for target in targets {
        if let Some(seeds) = &options.seeds {
            write_seeds(&target, &seeds.join(target.name))?;
        } else if let Some(seconds) = options.seconds {
            clean &= changes(&target, Duration::from_secs(seconds));
        } else if options.input.is_empty() {
            println!("{}\t{}\t{}", target.name, target.most_bytes, target.about);
        }
        for path in &options.input {
            clean &= check(&target, &folder::read(path)?, &path.display().to_string());
        }
    }
    Ok(clean)
}

fn write_seeds(target: &Target, folder: &std::path::Path) -> Result<(), String> {
    let describe = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(describe)?;
    for (number, input) in target.inputs().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:03}")), input).map_err(describe)?;
    }
    Ok(())
}

fn check(target: &Target, input: &[u8], name: &str) -> bool {
    match target.try_input(input) {
        Ok(()) => true,
        Err(found) => {
            eprintln!("target {}, {name}: {found}", target.name);
            false
        }
    }
}

/// Checks the inputs of the target, then changes of them until the time is up.
fn changes(target: &Target, time: Duration) -> bool {
    let start = Instant::now();
    let inputs = target.inputs();
    let mut clean = true;
    let mut count = 0;
    for input in &inputs {
        clean &= check(target, input, &format!("input {count}"));
        count += 1;
    }
    let mut seed = 0;
    while start.elapsed() < time {
        let changed = target.changed(&inputs, &mut Random::new(seed));
        clean &= check(target, &changed, &format!("change {seed}"));
        seed += 1;
        count += 1;
    }
    println!("{:14}{count:>10} inputs", target.name);
    clean
}
