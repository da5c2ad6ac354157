//! An artifact placed in memory, shared by all its instances.

use crate::code::Code;
use crate::context::TableEntry;
use crate::file::FileMapping;
use crate::image::{Layout, MemoryImage};
use crate::regions::Recycler;
use crate::{HostFailure, LoadError, traps, validate};
use pvf_compiler::artifact::{
    DataSegment, HEAD_BYTES, Import, ImportKind, ModuleInfo, TrapMap, TrapSite,
};
use pvf_compiler::{Artifact, ArtifactContents, ArtifactError};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// A module ready to be instantiated. Cheap to clone; all clones share code and image.
#[derive(Clone, Debug)]
pub struct Module(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    info: ModuleInfo,
    traps: TrapMap,
    /// The file that holds the trap map and possibly the code; `None` if both are in memory.
    file: Option<Arc<FileMapping>>,
    /// Bytes of the data segments; empty if no instance needs them.
    data: Vec<u8>,
    code: Code,
    image: MemoryImage,
    recycler: Recycler,
    /// For each imported function, the index of its import in `info.imports`.
    function_imports: Vec<u32>,
    /// Function indices in order of code offset, made at the first trap.
    by_code: OnceLock<Vec<u32>>,
}

impl Module {
    /// Places an artifact in memory: its code, written and then made executable, and the image of
    /// its linear memory. Fails if the artifact is for another machine or inconsistent. This is
    /// safe because an [`Artifact`] was made by the compiler or by an `unsafe` call.
    pub fn new(artifact: Artifact) -> Result<Self, LoadError> {
        let ArtifactContents {
            module,
            code,
            traps,
            data,
        } = artifact.into_contents();
        validate::validate(&module, code.len(), data.len())?;
        let code = Code::new(&code)?;
        let image = MemoryImage::new(&module, &data)?;
        let file = None;
        Ok(Self::from_parts(module, traps, code, image, &data, file))
    }

    /// Maps an artifact from a file and checks the whole artifact. Code is executed, and the trap
    /// map searched, in the mapped file. The file is read no further if its head is not that of an
    /// artifact of the file's length.
    ///
    /// The file may be deleted or replaced afterwards, but not changed: see the crate's
    /// documentation.
    ///
    /// # Safety
    /// The file holds the result of [`Artifact::to_bytes`] for an artifact that was compiled: the
    /// checks find accidental damage, not forgeries. The file's bytes do not change while the
    /// module exists.
    pub unsafe fn open(file: &File) -> Result<Self, LoadError> {
        traps::install()?;
        let bytes = artifact_bytes(file)?;
        let mut file = FileMapping::new(file, bytes)?;
        let parts = file.read(Artifact::parse)??;
        validate::validate(&parts.module, parts.code.len(), parts.data.len())?;
        let executable = file.make_executable(parts.code.clone()).is_ok();
        let file = Arc::new(file);
        let traps = parts.trap_map(file.clone())?;
        let code = match executable {
            true => Code::in_file(file.clone(), parts.code.clone())?,
            // For example on a file system mounted with `noexec`.
            false => file.read(|bytes| Code::new(&bytes[parts.code.clone()]))??,
        };
        let data = parts.data.clone();
        file.read(|bytes| {
            let data = &bytes[data];
            let image = MemoryImage::new(&parts.module, data)?;
            let file = Some(file.clone());
            Ok(Self::from_parts(
                parts.module,
                traps,
                code,
                image,
                data,
                file,
            ))
        })?
    }

    pub(crate) fn from_parts(
        info: ModuleInfo,
        traps: TrapMap,
        code: Code,
        image: MemoryImage,
        data: &[u8],
        file: Option<Arc<FileMapping>>,
    ) -> Self {
        let needed = needs_data(&info, image.layout());
        let function_imports = (0..)
            .zip(&info.imports)
            .filter(|(_, import)| matches!(import.kind, ImportKind::Function(_)))
            .map(|(index, _)| index)
            .collect();
        Self(Arc::new(Inner {
            info,
            traps,
            file,
            data: if needed { data.to_vec() } else { Vec::new() },
            code,
            image,
            recycler: Recycler::default(),
            function_imports,
            by_code: OnceLock::new(),
        }))
    }

    /// The module's metadata: imports, exports, functions and so on.
    pub fn info(&self) -> &ModuleInfo {
        &self.0.info
    }

    /// Bytes of the module's machine code.
    pub fn code_bytes(&self) -> usize {
        self.code().addresses().len()
    }

    pub(crate) fn traps(&self) -> &TrapMap {
        &self.0.traps
    }

    /// The file that holds the trap map and possibly the code.
    pub(crate) fn file(&self) -> Option<&FileMapping> {
        self.0.file.as_deref()
    }

    /// The trap site at an offset in the code.
    pub(crate) fn site_at(&self, code_offset: u32) -> Result<Option<TrapSite>, HostFailure> {
        let look_up = || self.traps().lookup(code_offset);
        match self.file() {
            Some(file) => file.read(|_| look_up()),
            None => Ok(look_up()),
        }
    }

    pub(crate) fn code(&self) -> &Code {
        &self.0.code
    }

    pub(crate) fn image(&self) -> &MemoryImage {
        &self.0.image
    }

    pub(crate) fn recycler(&self) -> &Recycler {
        &self.0.recycler
    }

    /// The bytes of a data segment. Empty if no instance needs data beyond the image.
    pub(crate) fn segment_bytes(&self, segment: u32) -> &[u8] {
        self.info()
            .data_segments
            .get(segment as usize)
            .and_then(|segment| {
                let range = segment.bytes.start as usize..segment.bytes.end as usize;
                self.0.data.get(range)
            })
            .unwrap_or(&[])
    }

    /// The import of an imported function, by function index.
    pub(crate) fn function_import(&self, function: u32) -> &Import {
        &self.info().imports[self.0.function_imports[function as usize] as usize]
    }

    /// Address of a function's code.
    pub(crate) fn function_address(&self, function: u32) -> u64 {
        let offset = self.info().functions[function as usize].code_offset;
        self.0.code.base() as u64 + u64::from(offset)
    }

    /// The table entry for a function, or for a null reference.
    pub(crate) fn table_entry(&self, function: Option<u32>) -> TableEntry {
        function.map_or(TableEntry::default(), |function| TableEntry {
            code: self.function_address(function),
            signature: self.info().functions[function as usize].signature + 1,
            function,
        })
    }

    /// The function whose code contains an offset.
    pub(crate) fn function_at(&self, code_offset: u32) -> Option<u32> {
        let functions = &self.info().functions;
        let by_code = self.0.by_code.get_or_init(|| {
            let mut order: Vec<u32> = (0..functions.len() as u32).collect();
            order.sort_by_key(|&index| functions[index as usize].code_offset);
            order
        });
        let behind =
            by_code.partition_point(|&index| functions[index as usize].code_offset <= code_offset);
        let index = *by_code.get(behind.checked_sub(1)?)?;
        let function = &functions[index as usize];
        (code_offset - function.code_offset < function.code_bytes).then_some(index)
    }
}

/// Whether instances need the bytes of data segments in addition to the image of linear memory.
pub(crate) fn needs_data(module: &ModuleInfo, layout: &Layout) -> bool {
    let is_passive = |segment: &DataSegment| segment.offset.is_none();
    !layout.remaining.is_empty() || module.data_segments.iter().any(is_passive)
}

/// The length of an artifact's file, which must be the length given in its head.
fn artifact_bytes(file: &File) -> Result<usize, LoadError> {
    let failed = |source: io::Error| HostFailure::System {
        action: "reading the artifact's file",
        source,
    };
    let mut head = [0; HEAD_BYTES];
    let mut read = 0;
    while read < head.len() {
        match file.read_at(&mut head[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error).into()),
        }
    }
    let expected = Artifact::expected_bytes(&head[..read])?;
    let found = file.metadata().map_err(failed)?.len();
    match usize::try_from(found) {
        Ok(bytes) if found == expected => Ok(bytes),
        _ => Err(ArtifactError::Length { expected, found }.into()),
    }
}
