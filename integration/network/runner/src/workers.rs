//! Folders with the workers of a validator.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::write;

/// Names that a node looks for.
const PREPARE: &str = "polkadot-prepare-worker";
const EXECUTE: &str = "polkadot-execute-worker";

/// Which workers a validator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// Those of the node.
    Stock,
    /// Ours.
    Ours,
    /// Stock ones, of which the execute worker calls one candidate in so many invalid.
    Lying(u32),
    /// Ours behind lying ones, whose answers against a candidate they look at.
    OursBehindLying(u32),
}

impl Workers {
    /// What a report calls them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Ours => "ours",
            Self::Lying(_) => "lying",
            Self::OursBehindLying(_) => "ours behind lying",
        }
    }
}

/// Where the workers come from.
pub struct Sources {
    /// A folder with the stock workers.
    pub stock: PathBuf,
    /// A folder with ours.
    pub ours: PathBuf,
    /// The worker that lies.
    pub liar: PathBuf,
}

impl Sources {
    /// Makes a folder with these workers and returns its path.
    ///
    /// # Errors
    /// A worker is not there, or the folder cannot be made.
    pub fn install(&self, workers: Workers, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        match workers {
            Workers::Stock => self.copy(&self.stock, folder)?,
            Workers::Ours => self.copy(&self.ours, folder)?,
            Workers::Lying(one_in) => {
                self.copy(&self.stock, folder)?;
                let truthful = folder.join("truthful");
                fs::rename(folder.join(EXECUTE), &truthful)?;
                copy(&self.liar, &folder.join(EXECUTE))?;
                write(&folder.join("lies"), format!("{one_in}\n").as_bytes())?;
            }
            Workers::OursBehindLying(one_in) => {
                self.copy(&self.ours, folder)?;
                let primary = self.install(Workers::Lying(one_in), &folder.join("primary"))?;
                let primary = primary.to_str().context("the folder's path is not UTF-8")?;
                write(&folder.join("polkadot-worker.primary"), primary.as_bytes())?;
            }
        }
        Ok(folder.to_owned())
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        copy(&from.join(PREPARE), &to.join(PREPARE))?;
        copy(&from.join(EXECUTE), &to.join(EXECUTE))
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}
