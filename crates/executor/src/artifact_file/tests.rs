//! Artifact files: intact, truncated, damaged and hostile.

#![allow(
    unsafe_code,
    reason = "the artifacts are not compiled, and none is executed"
)]

use super::*;
use proptest::prelude::*;
use pvf_compiler::artifact::{DataSegment, ModuleInfo, TrapMap};
use pvf_compiler::{Artifact, ArtifactContents, Target};
use pvf_rules::Features;
use std::ffi::OsString;
use std::fs;

/// A directory that is removed with its contents on drop.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<OsString> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }
}

fn artifact(fill: u8) -> Artifact {
    let contents = ArtifactContents {
        module: ModuleInfo {
            meters: Default::default(),
            target: Target::HOST,
            features: Features::ALL,
            wasm_bytes: 8,
            signatures: vec![],
            imports: vec![],
            functions: vec![],
            imported_functions: 0,
            table: None,
            memory: None,
            globals: vec![],
            imported_globals: 0,
            logical_counter: None,
            exports: vec![],
            start: None,
            data_segments: vec![DataSegment {
                offset: None,
                bytes: 0..3,
            }],
            element_segments: vec![],
            entry_stubs: vec![],
        },
        code: vec![fill; 300],
        traps: TrapMap::default(),
        data: vec![1, 2, 3],
    };
    // SAFETY: these tests execute no artifact.
    unsafe { Artifact::from_contents(contents) }
}

fn read(path: &Path) -> Result<Artifact, ReadArtifactError> {
    // SAFETY: these tests execute no artifact.
    unsafe { read_artifact(path) }
}

fn parse(bytes: &[u8]) -> Result<Artifact, ArtifactError> {
    // SAFETY: these tests execute no artifact.
    unsafe { Artifact::from_bytes(bytes) }
}

#[test]
fn a_written_artifact_is_read_back_unchanged() {
    let directory = Directory::new();
    let path = directory.file("a.artifact");
    for fill in [0xcc, 0x90] {
        let artifact = artifact(fill);
        let digest = write_artifact(&artifact, &path).unwrap();
        assert_eq!(digest, artifact_digest(&fs::read(&path).unwrap()));
        assert_eq!(read(&path).unwrap(), artifact);
        assert_eq!(directory.names(), ["a.artifact"]);
    }
}

#[test]
fn a_failed_write_leaves_no_file() {
    let directory = Directory::new();
    let taken = directory.file("taken");
    fs::create_dir_all(taken.join("full")).unwrap();
    assert!(write_artifact(&artifact(0), &taken).is_err());
    assert_eq!(directory.names(), ["taken"]);
    assert!(write_artifact(&artifact(0), &directory.file("no/such")).is_err());
    assert!(write_artifact(&artifact(0), Path::new("..")).is_err());
}

#[test]
fn concurrent_writers_leave_one_whole_file() {
    let directory = Directory::new();
    let path = directory.file("a");
    std::thread::scope(|scope| {
        for fill in 0..8 {
            let path = &path;
            scope.spawn(move || write_artifact(&artifact(fill), path).unwrap());
        }
    });
    let read = read(&path).unwrap();
    assert!((0..8).any(|fill| read == artifact(fill)));
    assert_eq!(directory.names(), ["a"]);
}

#[test]
fn files_that_are_not_artifacts_are_typed_errors() {
    let directory = Directory::new();
    let path = directory.file("a");
    assert!(matches!(
        read(&path),
        Err(ReadArtifactError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound
    ));
    let bytes = artifact(1).to_bytes();
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        match read(&path) {
            Err(ReadArtifactError::Artifact { source, .. }) => source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(check(b""), ArtifactError::NotAnArtifact);
    assert_eq!(check(b"\0asm\x01\0\0\0"), ArtifactError::NotAnArtifact);
    assert_eq!(check(&[0; 10_000]), ArtifactError::NotAnArtifact);
    for end in (0..bytes.len()).step_by(7) {
        check(&bytes[..end]);
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(check(&longer), ArtifactError::Length { .. }));
    // A header with the maximum of all lengths, and a file without end.
    let mut huge = bytes[..4096].to_vec();
    huge[12..36].fill(0xff);
    assert!(matches!(check(&huge), ArtifactError::Length { .. }));
    assert!(matches!(
        read(Path::new("/dev/zero")),
        Err(ReadArtifactError::Artifact {
            source: ArtifactError::NotAnArtifact,
            ..
        })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn every_damage_is_found(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let whole = artifact(5).to_bytes();
        let mut bytes = whole.clone();
        for (at, flip) in edits {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        match parse(&bytes) {
            Ok(read) => prop_assert!(bytes == whole && read == artifact(5)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn random_bytes_are_no_artifact(tail in prop::collection::vec(any::<u8>(), 0..6000)) {
        let mut bytes = artifact(5).to_bytes();
        bytes.truncate(12);
        bytes.extend(&tail);
        prop_assert!(parse(&bytes).is_err());
        prop_assert!(parse(&tail).is_err());
    }
}
