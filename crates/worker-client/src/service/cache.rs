//! A cache of artifacts on disk, shared with other processes.
//!
//! A file `KEY.pvf` is an artifact. It gets this name when it is complete, and never changes. A
//! process holds a lock while it prepares an artifact, so that each artifact is prepared once. Any
//! process may remove any artifact: a process that finds the artifact gone prepares it again, and a
//! process already using it holds its own hard link. The worker detects files damaged by a crash,
//! because artifacts contain checksums.
//!
//! A user who can write an artifact decides which code is executed, and every user can compute an
//! artifact's name. So only the process's own user may write to the directories; a file that other
//! users own or may write is removed.

use super::private::{self, NotPrivate};
use blake2::digest::{Digest, consts::U32};
use pvf_node_protocol::ArtifactChecksum;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Where artifacts are kept, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// The directory. It must hold nothing but services' files. It is created with mode 0700; a
    /// directory that other users own or may write is refused.
    pub directory: PathBuf,
    /// Bytes that all artifacts may take. The least recently used ones are removed first.
    pub max_bytes: u64,
    /// Time after its last use at which an artifact is removed.
    pub max_age: Duration,
}

impl CacheOptions {
    /// A cache in this directory with the limits of a node: 10 GiB, 24 hours.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: 10 << 30,
            max_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Identifies an artifact: a hash of the code and of the program that prepared it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn new(preparer: &[u8; 32], code: &[u8]) -> Self {
        let mut hash = blake2::Blake2b::<U32>::new();
        hash.update(preparer);
        hash.update(code);
        Self(hash.finalize().into())
    }
}

/// Largest file that is accepted as an artifact, in bytes. Machine code has at most 16 bytes for
/// each of the 50 MiB of a PVF (rule LIMIT-5).
const MOST_BYTES: u64 = 2 << 30;

/// Number of lock files.
const LOCKS: u8 = 64;

/// A use updates the modification time of an artifact if that is at least this old.
const NOTED_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Cache {
    options: CacheOptions,
}

impl Cache {
    /// Creates the missing directories and removes old artifacts.
    ///
    /// # Errors
    /// Another user could change one of the directories, or the system refuses.
    pub(crate) fn open(options: CacheOptions) -> Result<Self, NotPrivate> {
        let cache = Self { options };
        private::directory(&cache.options.directory)?;
        private::directory(&cache.place("artifacts"))?;
        private::directory(&cache.place("locks"))?;
        cache
            .sweep(SystemTime::now())
            .map_err(|source| NotPrivate::Io {
                path: cache.options.directory.clone(),
                source,
            })?;
        Ok(cache)
    }

    /// The path `name` in the cache's directory.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.options.directory.join(name)
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = format!("{}.pvf", hex::encode(key.0));
        self.place("artifacts").join(name)
    }

    /// Waits for the lock under which this artifact is prepared. Several artifacts share a lock.
    pub(crate) fn lock(&self, key: &Key) -> io::Result<File> {
        let name = (key.0[0] % LOCKS).to_string();
        let lock = self.lock_file(&name)?;
        lock.lock()?;
        Ok(lock)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        private::lock_file(&self.place("locks").join(name))
    }

    /// The checksum of an artifact's bytes, if the cache has it.
    pub(crate) fn checksum(&self, key: &Key) -> io::Result<Option<ArtifactChecksum>> {
        if !self.has(key)? {
            return Ok(None);
        }
        let Some(file) = found(File::open(self.path(key)))? else {
            return Ok(None);
        };
        ArtifactChecksum::of_reader(file).map(Some)
    }

    /// Whether the cache has the artifact. Removes an entry of this name that cannot be an
    /// artifact.
    pub(crate) fn has(&self, key: &Key) -> io::Result<bool> {
        let path = self.path(key);
        let Some(metadata) = private::file(&path)? else {
            return Ok(false);
        };
        if metadata.len() <= MOST_BYTES {
            return Ok(true);
        }
        self.discard(key)?;
        Ok(false)
    }

    /// Creates a hard link to an artifact, for one use. Returns false if the cache does not have
    /// it.
    pub(crate) fn link(&self, key: &Key, to: &Path) -> io::Result<bool> {
        let path = self.path(key);
        if !self.has(key)? {
            return Ok(false);
        }
        let linked = found(fs::hard_link(&path, to))?.is_some();
        if linked {
            // If the use cannot be noted, the artifact is removed earlier than it should be.
            let _ = note_use(&path);
        }
        Ok(linked)
    }

    /// Moves the complete artifact `from` into the cache.
    pub(crate) fn insert(&self, key: &Key, from: &Path) -> io::Result<()> {
        fs::set_permissions(from, Permissions::from_mode(0o600))?;
        fs::rename(from, self.path(key))?;
        self.sweep(SystemTime::now())
    }

    /// Removes an artifact, if the cache has it.
    pub(crate) fn discard(&self, key: &Key) -> io::Result<()> {
        found(fs::remove_file(self.path(key))).map(|_| ())
    }

    /// Removes artifacts older than the limit and, if the rest exceeds the limit of bytes, the
    /// least recently used ones. The most recently used artifact stays whatever its size, because
    /// its user is about to link it. Does nothing while another process does the same.
    fn sweep(&self, now: SystemTime) -> io::Result<()> {
        let lock = self.lock_file("sweep")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut artifacts = Vec::new();
        for entry in fs::read_dir(self.place("artifacts"))? {
            let entry = entry?;
            if entry.path().extension() != Some(OsStr::new("pvf")) {
                continue;
            }
            // `None`: another process removed the artifact, or the entry was not one.
            if let Some(metadata) = private::file(&entry.path())? {
                artifacts.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        artifacts.sort();
        let mut bytes: u64 = artifacts.iter().map(|(_, bytes, _)| bytes).sum();
        let mut left = artifacts.len();
        for (used, size, path) in artifacts {
            let old = now.duration_since(used).unwrap_or_default() >= self.options.max_age;
            let too_much = bytes > self.options.max_bytes && left > 1;
            if !old && !too_much {
                break;
            }
            left -= 1;
            found(fs::remove_file(path))?;
            bytes -= size;
        }
        Ok(())
    }
}

fn note_use(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let now = SystemTime::now();
    let age = now.duration_since(file.metadata()?.modified()?);
    match age {
        Ok(age) if age < NOTED_EVERY => Ok(()),
        _ => file.set_modified(now),
    }
}

/// `None` if the file does not exist: another process may have removed it.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn cache(name: &str, max_bytes: u64) -> (Cache, Scratch) {
        let directory = std::env::temp_dir().join(format!("pvf-{name}-{}", std::process::id()));
        let options = CacheOptions {
            max_bytes,
            ..CacheOptions::new(&directory)
        };
        (Cache::open(options).unwrap(), Scratch(directory))
    }

    fn insert(cache: &Cache, code: u8) -> Key {
        let key = Key::new(&[0; 32], &[code]);
        let from = cache.place("new");
        fs::write(&from, [code; 100]).unwrap();
        cache.insert(&key, &from).unwrap();
        key
    }

    #[test]
    fn a_link_keeps_an_artifact_that_is_discarded() {
        let (cache, _scratch) = cache("cache", 1 << 20);
        let key = insert(&cache, 1);
        assert!(cache.has(&key).unwrap());
        let checksum = cache.checksum(&key).unwrap();
        assert_eq!(checksum, Some(ArtifactChecksum::of(&[1; 100])));
        let link = cache.place("link");
        assert!(cache.link(&key, &link).unwrap());
        cache.discard(&key).unwrap();
        cache.discard(&key).unwrap();
        assert!(!cache.has(&key).unwrap());
        assert_eq!(cache.checksum(&key).unwrap(), None);
        assert_eq!(fs::read(&link).unwrap(), [1; 100]);
        assert!(!cache.link(&key, &cache.place("other")).unwrap());
        assert_ne!(Key::new(&[0; 32], b"a"), Key::new(&[1; 32], b"a"));
    }

    #[test]
    fn above_the_limit_of_bytes_the_least_recently_used_artifact_is_removed() {
        let (cache, _scratch) = cache("sizes", 250);
        let keys = [1, 2].map(|code| insert(&cache, code));
        let used = |key: &Key, seconds: u64| {
            let file = File::open(cache.path(key)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
                .unwrap();
        };
        used(&keys[0], 1000);
        used(&keys[1], 2000);
        let newest = insert(&cache, 3);
        assert_eq!(
            [&keys[0], &keys[1], &newest].map(|key| cache.has(key).unwrap()),
            [true, false, true]
        );
        // A link counts as a use.
        assert!(cache.link(&keys[0], &cache.place("link")).unwrap());
        used(&newest, 1000);
        insert(&cache, 4);
        assert_eq!(
            [&keys[0], &newest].map(|key| cache.has(key).unwrap()),
            [true, false]
        );
    }

    #[test]
    fn a_file_larger_than_any_artifact_is_removed() {
        let (cache, _scratch) = cache("large", u64::MAX);
        let key = insert(&cache, 1);
        let file = File::options().write(true).open(cache.path(&key)).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(cache.checksum(&key).unwrap(), None);
        assert!(!cache.path(&key).exists());
    }

    #[test]
    fn an_artifact_of_the_maximum_age_is_removed() {
        let (cache, _scratch) = cache("ages", 1 << 20);
        let key = insert(&cache, 1);
        let day = Duration::from_secs(24 * 60 * 60);
        cache.sweep(SystemTime::now() + day / 2).unwrap();
        assert!(cache.has(&key).unwrap());
        cache.sweep(SystemTime::now() + day).unwrap();
        assert!(!cache.has(&key).unwrap());
    }
}
