//! Processes of this machine, as far as they are children of this one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A process below this one.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The process that started it.
    parent: u32,
    /// The process that the host started, above it or itself.
    pub worker: u32,
    /// Its name, cut to 15 bytes by the kernel.
    pub name: String,
    /// Whether it is the job of a worker: a copy of it, that is, with the same command line. A worker that another started has its own;
    /// what only starts jobs has a name of its own.
    pub is_job: bool,
    /// KiB in memory.
    pub resident_kib: u64,
    command_line: String,
}

impl Process {
    /// Whether it is a worker of the host with this cache.
    pub fn belongs_to(&self, cache: &Path) -> bool {
        self.command_line.contains(&cache.display().to_string())
    }
}

/// All workers and jobs that are alive.
pub fn below_this_one() -> Vec<Process> {
    let mut parents = HashMap::new();
    let mut processes = Vec::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // It may be gone meanwhile.
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).unwrap_or_default()
        };
        let parent: u32 = field("PPid:").parse().unwrap_or(0);
        parents.insert(pid, parent);
        if field("State:").starts_with('Z') {
            continue;
        }
        let resident = field("VmRSS:").split(' ').next().unwrap_or_default();
        processes.push(Process {
            pid,
            parent,
            worker: 0,
            name: field("Name:").to_owned(),
            is_job: false,
            resident_kib: resident.parse().unwrap_or(0),
            command_line: fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default(),
        });
    }
    let own = std::process::id();
    let worker = |mut pid: u32| {
        while let Some(&parent) = parents.get(&pid) {
            if parent == own {
                return Some(pid);
            }
            pid = parent;
        }
        None
    };
    let lines: HashMap<u32, String> = processes
        .iter()
        .map(|process| (process.pid, process.command_line.clone()))
        .collect();
    processes.retain_mut(|process| {
        let Some(worker) = worker(process.pid) else {
            return false;
        };
        process.worker = worker;
        process.is_job = lines.get(&process.parent) == Some(&process.command_line)
            && process.name != "polkadot-launch";
        process.name.starts_with("polkadot-")
    });
    processes
}

/// Kills a process, which may be gone already.
pub fn kill(pid: u32) {
    let _ = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .output();
}
