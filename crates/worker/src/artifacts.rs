//! Artifacts that an execute worker has placed in memory.
//!
//! A worker executes the same few PVFs again and again. It reads and checks an artifact once and forks jobs with it in memory; a
//! file that is still the same, by the kernel's bookkeeping, is not read again.

use pvf_executor::LoadError;
use pvf_host::{HostParameters, Module, Pvf};
use pvf_wire::ArtifactChecksum;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Most PVFs in memory.
const MOST: usize = 32;

/// Most bytes of artifacts in memory, beside the last one.
const MOST_BYTES: u64 = 128 << 20;

/// Why there is no PVF.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactFailure {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file's bytes are not those that the host asks for.
    #[error("its checksum is another")]
    Checksum,
    /// The bytes are those the host asks for, but nothing that this worker can execute.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// PVFs, the one used last at the end.
pub struct Artifacts {
    parameters: HostParameters,
    loaded: Vec<Loaded>,
}

struct Loaded {
    checksum: ArtifactChecksum,
    file: FileState,
    pvf: Pvf,
}

/// By what a file is known not to have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl FileState {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl Artifacts {
    /// None yet; all are executed with the same parameters.
    pub fn new(parameters: HostParameters) -> Self {
        Self {
            parameters,
            loaded: Vec::new(),
        }
    }

    /// The PVF in a file, which has to have this checksum.
    ///
    /// # Errors
    /// [`ArtifactFailure`].
    pub fn load(
        &mut self,
        path: &Path,
        checksum: ArtifactChecksum,
    ) -> Result<&Pvf, ArtifactFailure> {
        let mut file = File::open(path)?;
        let state = FileState::of(&file)?;
        let known = self.loaded.iter().position(|it| it.checksum == checksum);
        let mut loaded = known.map(|index| self.loaded.remove(index));
        if loaded.as_ref().is_none_or(|loaded| loaded.file != state) {
            let mut bytes = Vec::with_capacity(state.bytes as usize);
            file.read_to_end(&mut bytes)?;
            if ArtifactChecksum::of(&bytes) != checksum {
                return Err(ArtifactFailure::Checksum);
            }
            loaded = Some(match loaded {
                Some(loaded) => Loaded {
                    file: state,
                    ..loaded
                },
                None => Loaded {
                    checksum,
                    file: state,
                    pvf: self.place(&bytes)?,
                },
            });
        }
        self.loaded.extend(loaded);
        self.forget_some();
        self.loaded
            .last()
            .map(|loaded| &loaded.pvf)
            .ok_or(ArtifactFailure::Checksum)
    }

    fn place(&self, bytes: &[u8]) -> Result<Pvf, ArtifactFailure> {
        let module = Module::open(&in_memory(bytes)?)?;
        Ok(Pvf::new(module, self.parameters.clone()))
    }

    /// Those used longest ago.
    fn forget_some(&mut self) {
        let bytes = |loaded: &[Loaded]| loaded.iter().map(|it| it.file.bytes).sum::<u64>();
        while self.loaded.len() > MOST
            || (self.loaded.len() > 1 && bytes(&self.loaded) > MOST_BYTES)
        {
            self.loaded.remove(0);
        }
    }
}

/// A file in memory that nobody can change, with these bytes: from there code is executed where it lies. In the file on disk, bytes
/// could change after they were checked.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("pvf-artifact", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}
