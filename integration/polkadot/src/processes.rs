//! The descendants of this process.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A descendant of this process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Process id of the parent.
    parent: u32,
    /// Process id of the worker: this process or its ancestor that the host started.
    pub worker: u32,
    /// Name, truncated to 15 bytes by the kernel.
    pub name: String,
    /// Whether the process is a worker's job: a fork of the worker, with the same command line. A
    /// worker that another worker started has its own command line. The process that only starts
    /// jobs has a name of its own, and so has one that waits for work.
    pub is_job: bool,
    /// Resident memory in KiB.
    pub resident_kib: u64,
    command_line: String,
}

impl Process {
    /// Whether the process is a worker of the host with this cache.
    pub fn belongs_to(&self, cache: &Path) -> bool {
        self.command_line.contains(&cache.display().to_string())
    }

    /// Whether the process belongs to the second of two engines: a worker of ours that another worker of ours started,
    /// or its job.
    pub fn is_of_second_engine(&self) -> bool {
        self.command_line.contains("--alone")
    }

    /// Whether the host started the process, which is no job.
    pub fn is_worker_of_host(&self) -> bool {
        self.pid == self.worker
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
        // The process may have ended meanwhile.
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
            && process.name != "polkadot-launch"
            && process.name != "polkadot-wait";
        process.name.starts_with("polkadot-")
    });
    processes
}

/// Kills a process. No error if it has ended already.
pub fn kill(pid: u32) {
    signal(pid, "KILL");
}

/// Sends a process the signal of this name. No error if it has ended already.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .output();
}
