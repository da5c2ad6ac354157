//! An artifact placed in memory, shared by all its instances.

use crate::code::Code;
use crate::context::TableEntry;
use crate::image::MemoryImage;
use crate::regions::Recycler;
use crate::{LoadError, validate};
use pvf_compiler::Artifact;
use pvf_compiler::artifact::{Import, ImportKind, ModuleInfo, TrapMap};
use std::sync::{Arc, OnceLock};

/// A module ready to be instantiated. Cheap to clone; all clones share code and image.
#[derive(Clone, Debug)]
pub struct Module(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    info: ModuleInfo,
    traps: TrapMap,
    /// Bytes of the data segments, as far as instances still need them.
    data: Vec<u8>,
    code: Code,
    image: MemoryImage,
    recycler: Recycler,
    /// For each imported function its place in `info.imports`.
    function_imports: Vec<u32>,
    /// Function indices in order of their code, made at the first trap.
    by_code: OnceLock<Vec<u32>>,
}

impl Module {
    /// Places an artifact in memory: its code (written, then made executable) and the image of
    /// its memory. Fails if the artifact is for another machine or contradicts itself.
    pub fn new(artifact: Artifact) -> Result<Self, LoadError> {
        validate::validate(&artifact)?;
        let code = Code::new(&artifact.code)?;
        let image = MemoryImage::new(&artifact)?;
        let Artifact {
            module: info,
            traps,
            data,
            ..
        } = artifact;
        let needed = !image.remaining.is_empty()
            || info
                .data_segments
                .iter()
                .any(|segment| segment.offset.is_none());
        let function_imports = (0..)
            .zip(&info.imports)
            .filter(|(_, import)| matches!(import.kind, ImportKind::Function(_)))
            .map(|(index, _)| index)
            .collect();
        Ok(Self(Arc::new(Inner {
            info,
            traps,
            data: if needed { data } else { Vec::new() },
            code,
            image,
            recycler: Recycler::default(),
            function_imports,
            by_code: OnceLock::new(),
        })))
    }

    /// What the module imports, exports and consists of.
    pub fn info(&self) -> &ModuleInfo {
        &self.0.info
    }

    pub(crate) fn traps(&self) -> &TrapMap {
        &self.0.traps
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

    /// The bytes of a data segment. Active segments that are part of the image have
    /// none any more.
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

    /// The import of an imported function.
    pub(crate) fn function_import(&self, function: u32) -> &Import {
        &self.info().imports[self.0.function_imports[function as usize] as usize]
    }

    /// Address of a function's code.
    pub(crate) fn function_address(&self, function: u32) -> u64 {
        let offset = self.info().functions[function as usize].code_offset;
        self.0.code.base() as u64 + u64::from(offset)
    }

    /// The table entry that refers to a function.
    pub(crate) fn table_entry(&self, function: Option<u32>) -> TableEntry {
        function.map_or(TableEntry::default(), |function| TableEntry {
            code: self.function_address(function),
            signature: self.info().functions[function as usize].signature + 1,
            function,
        })
    }

    /// The function whose code holds this offset.
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
