//! Files in memory (`memfd`) that can be sealed against further changes.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io;

/// Creates an empty file. `name` appears in `/proc` only.
///
/// # Errors
/// The system refuses.
pub fn in_memory(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(File::from(memfd_create(name, flags)?))
}

/// Makes a file unchangeable for every process that has a descriptor of it.
///
/// # Errors
/// The system refuses, or a process has a writable mapping of the file.
pub fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(fcntl_add_seals(file, seals)?)
}
