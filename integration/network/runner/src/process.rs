//! Processes that end with this one.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process, in a group of its own with all its descendants. Dropping it kills the group.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a process. Its outputs are appended to the log.
    ///
    /// # Errors
    /// The log cannot be opened, or the process cannot be started.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("opening {}", log.display()))?;
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        // SAFETY: the closure makes one system call between fork and exec and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                Ok(rustix::process::set_parent_process_death_signal(Some(
                    Signal::KILL,
                ))?)
            });
        }
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// What the process has written.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes =
            fs::read(&self.log).with_context(|| format!("reading {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The path of the log.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, if it has.
    ///
    /// # Errors
    /// The system call failed.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks the process to end, and kills the group if it does not.
    ///
    /// # Errors
    /// The process had to be killed.
    pub fn stop(mut self) -> Result<()> {
        self.signal_group(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} did not end by itself", self.log.display())
    }

    fn signal_group(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The group may be gone already.
        let _ = group.map(|group| rustix::process::kill_process_group(group, signal));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal_group(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Processes that lose their parent become children of this one, so that [`kill_descendants`] finds
/// all of them.
///
/// # Errors
/// The system call failed.
pub fn adopt_orphans() -> Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(
        rustix::process::getpid(),
    ))?)
}

/// Kills every descendant of this process and returns how many there were.
pub fn kill_descendants() -> usize {
    let mut killed = 0;
    loop {
        let found = descendants(std::process::id());
        if found.is_empty() {
            return killed;
        }
        killed += found.len();
        found
            .iter()
            .for_each(|worker| signal(worker.id, Signal::KILL));
        // The dead wait for whoever started or adopted them.
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a process that may have ended meanwhile.
pub fn signal(id: u32, signal: Signal) {
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    let _ = process.map(|process| rustix::process::kill_process(process, signal));
}

/// A process below another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descendant {
    /// The process number.
    pub id: u32,
    /// The process that started it.
    pub parent: u32,
    /// The arguments, beginning with the program.
    pub arguments: Vec<String>,
}

impl Descendant {
    /// Whether the process is a worker of this kind, which the node started: not the worker's job,
    /// which has the same arguments but not the same parent.
    pub fn is_worker_of(&self, node: u32, kind: &str) -> bool {
        self.parent == node
            && self
                .arguments
                .get(1)
                .is_some_and(|argument| argument == kind)
    }
}

/// All processes below the one with this number that have not ended.
pub fn descendants(root: u32) -> Vec<Descendant> {
    let mut parents = HashMap::new();
    let mut alive = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry
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
        parents.insert(id, parent);
        if field("State:").starts_with('Z') {
            continue;
        }
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = line
            .split(|byte| *byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned());
        alive.push(Descendant {
            id,
            parent,
            arguments: arguments.collect(),
        });
    }
    let below = |mut id: u32| {
        while let Some(parent) = parents.get(&id) {
            match *parent == root {
                true => return true,
                false => id = *parent,
            }
        }
        false
    };
    alive.retain(|process| below(process.id));
    alive
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// The command cannot be started or fails; the error has what it said.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, text.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes a file with these bytes.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    file.write_all(bytes)
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let folder = std::env::temp_dir().join(format!("pvf-network-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & sleep 600 & echo started; wait"]);
        let process = Process::start(command, &folder.join("log")).unwrap();
        let started = Instant::now();
        while process.log().unwrap() != "started\n" {
            assert!(started.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = process.id();
        let group = || {
            descendants(std::process::id())
                .iter()
                .filter(|found| found.id == id || found.parent == id)
                .count()
        };
        assert_eq!(group(), 3);
        drop(process);
        let started = Instant::now();
        while descendants(1)
            .iter()
            .any(|found| found.arguments == ["sleep", "600", ""] && found.parent == id)
        {
            assert!(started.elapsed() < PATIENCE);
        }
        assert_eq!(group(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
