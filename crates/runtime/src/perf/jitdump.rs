//! The jitdump file: names and code, in the format of Linux's
//! `tools/perf/Documentation/jitdump-specification.txt`.

use super::{create, one_line, symbols};
use crate::Module;
use crate::arch;
use crate::mapping::page_bytes;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 40;

/// Type of the record that holds one piece of code.
const CODE_LOAD: u32 = 0;
/// Bytes of that record before the name and the code.
const CODE_LOAD_BYTES: usize = 56;

/// Writes the jitdump of this process.
#[derive(Debug)]
pub struct JitDump {
    file: File,
    path: PathBuf,
    /// Index of the next piece of code.
    next: u64,
}

impl JitDump {
    /// Creates `jit-PID.dump` in a folder. `perf` finds the file because it records executable
    /// mappings, and this maps the file executable.
    ///
    /// # Errors
    /// The file cannot be written, belongs to another user, or is on a file system mounted
    /// `noexec`.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("jit-{}.dump", std::process::id()));
        let mut file = create(&path)?;
        let mut header = Vec::new();
        for word in [
            MAGIC,
            VERSION,
            HEADER_BYTES,
            arch::ELF_MACHINE,
            0,
            std::process::id(),
        ] {
            header.extend(word.to_ne_bytes());
        }
        header.extend(now()?.to_ne_bytes());
        header.extend(0u64.to_ne_bytes());
        file.write_all(&header)?;
        mark(&file)?;
        Ok(Self {
            file,
            path,
            next: 0,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a module's code. `name` returns the name of a defined function by its index.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, module: &Module, name: &dyn Fn(u32) -> String) -> io::Result<()> {
        let mut out = BufWriter::new(&self.file);
        let process = std::process::id();
        // Copied, because `write` from a mapped file that was truncated would not report it.
        let code = module.code().read(<[u8]>::to_vec);
        let code = code.map_err(io::Error::other)?;
        for symbol in symbols(module, name) {
            let name = one_line(&symbol.name);
            let code = &code[symbol.code];
            let bytes = CODE_LOAD_BYTES + name.len() + 1 + code.len();
            for word in [CODE_LOAD, bytes as u32] {
                out.write_all(&word.to_ne_bytes())?;
            }
            out.write_all(&now()?.to_ne_bytes())?;
            // Process and thread id: `perf` takes the address space from the process id.
            for word in [process, process] {
                out.write_all(&word.to_ne_bytes())?;
            }
            for long in [symbol.address, symbol.address, code.len() as u64, self.next] {
                out.write_all(&long.to_ne_bytes())?;
            }
            out.write_all(name.as_bytes())?;
            out.write_all(&[0])?;
            out.write_all(code)?;
            self.next += 1;
        }
        out.flush()
    }
}

/// Nanoseconds of the clock that `perf record -k mono` uses.
fn now() -> io::Result<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to the local variable `time`, which is valid for writes.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Maps a page of the file executable and unmaps it: `perf` records the event.
fn mark(file: &File) -> io::Result<()> {
    let (bytes, access) = (page_bytes(), libc::PROT_READ | libc::PROT_EXEC);
    // SAFETY: a new mapping at an address chosen by the kernel overlaps no existing mapping.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            access,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: this unmaps the mapping made above, to which no reference exists.
    unsafe { libc::munmap(address, bytes) };
    Ok(())
}
