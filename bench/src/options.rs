//! Arguments that all measures share.

use crate::engines::EngineName;
use std::path::PathBuf;

/// The engines, the inputs, and the number of repetitions.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Engines to measure, separated by commas [default: all that are built in and support the measure]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub engines: Vec<EngineName>,
    /// Folder of folders with code and candidates [default: `../shared/pvf` beside the repository if it is
    /// there, and the fixtures]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Only names that contain this text; after a slash, text that candidates' names contain.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub filter: String,
    /// Repetitions of each measurement.
    #[arg(long, default_value_t = 5)]
    pub runs: u32,
    /// Write all figures to this file; without a name, to the standard output, which then contains nothing else.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Write a report with charts to this file, one self-contained page.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl Options {
    /// The requested engines, or else all built-in engines for which `able` holds.
    pub fn engines(&self, able: impl Fn(EngineName) -> bool) -> Result<Vec<EngineName>, String> {
        let mut engines = match self.engines.is_empty() {
            true => EngineName::ALL
                .into_iter()
                .filter(|it| it.built_in())
                .collect(),
            false => self.engines.clone(),
        };
        engines.sort();
        engines.dedup();
        // Opening an engine that is not built in fails with a message that says how to build it in.
        engines.iter().try_for_each(|it| it.open().map(drop))?;
        engines.retain(|&it| able(it));
        Ok(engines)
    }

    /// Folders of folders with code, and a common name for their blobs.
    pub fn corpora(&self) -> Vec<(PathBuf, &'static str)> {
        if let Some(corpus) = &self.corpus {
            return vec![(corpus.clone(), "PVFs")];
        }
        let repository = repository();
        let mut corpora = vec![(repository.join("fixtures"), "fixtures")];
        let real = repository.join("../shared/pvf");
        if real.is_dir() {
            corpora.insert(0, (real, "PVFs"));
        }
        corpora
    }
}

/// The repository that this program was built from.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
