//! Workers behind workers: both engines are ours, so that every answer is known.

use crate::common::{Scratch, place, program};
use crate::{execute, prepare};
use pvf_faults::{can_trace, try_all};
use pvf_worker::second_opinion::PRIMARY_FILE;
use pvf_worker::second_opinion::pair::{self, Which};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Two directories with our workers. The file [`PRIMARY_FILE`] in `own` names `primary`.
struct Installed(Scratch);

impl Installed {
    fn new() -> Self {
        let installed = Self(Scratch::new());
        for folder in ["own", "primary"] {
            let folder = installed.0.0.join(folder);
            fs::create_dir(&folder).expect("it can be made");
            for kind in ["prepare-worker", "execute-worker"] {
                let to = folder.join(format!("polkadot-{kind}"));
                place(&program(kind), &to);
            }
        }
        let primary = installed.0.0.join("primary");
        let file = installed.0.0.join("own").join(PRIMARY_FILE);
        fs::write(file, primary.display().to_string()).expect("the file is written");
        installed
    }

    fn worker(&self, kind: &str) -> Command {
        let own: PathBuf = self.0.0.join("own");
        Command::new(own.join(format!("polkadot-{kind}")))
    }
}

/// Whether a file holds our artifact for the primary engine and, if any, for the second.
fn is_pair_of(file: &[u8], artifact: &[u8]) -> bool {
    let mut parts = Vec::new();
    let read = pair::read(file, file.len() as u64, |which, part| {
        let mut bytes = Vec::new();
        part.artifact.read_to_end(&mut bytes)?;
        parts.push((which, bytes == artifact));
        Ok(())
    });
    let first = parts.first() == Some(&(Which::Primary, true));
    read.is_ok() && first && parts.iter().all(|(_, same)| *same)
}

pub fn prepares() {
    if !can_trace() {
        return;
    }
    let (installed, artifact, most) = (Installed::new(), execute::artifact(), OnceLock::new());
    let right = |file: &[u8]| is_pair_of(file, &artifact);
    let run = |fault| prepare::run(installed.worker("prepare-worker"), right, &most, fault);
    try_all(50, |_, _| true, run);
}

pub fn executes() {
    if !can_trace() {
        return;
    }
    let (installed, artifact, most) = (Installed::new(), execute::artifact(), OnceLock::new());
    let part = || pair::Part {
        checksum: pvf_node_protocol::ArtifactChecksum::of(&artifact),
        bytes: artifact.len() as u64,
        artifact: &artifact[..],
    };
    let mut file = Vec::new();
    pair::write(&mut file, &[0; 32], part(), Some(part())).expect("memory is written");
    let run = |fault| execute::run(installed.worker("execute-worker"), &file, &most, fault);
    try_all(50, |_, _| true, run);
}
