//! Artifacts on disk, shared with other processes.
//!
//! A file `KEY.pvf` is an artifact; it takes this name when it is whole and never changes. Who prepares it holds one of a fixed number of
//! lock files, so that it is prepared once. Any process may remove any artifact: whoever is about to use it prepares
//! it again, whoever uses it has a link of his own. What the system lost in a crash is found out by the worker, since artifacts check themselves.
//!
//! Who can write an artifact decides what is executed, and its name can be computed by anybody: so the directories are this user's alone,
//! and what is no file of this user's alone is removed like any artifact.

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
    /// The directory. Everything in it belongs to services. It is made for this user alone; one of another user, or in which others may
    /// write, is refused.
    pub directory: PathBuf,
    /// Bytes that artifacts may take; the ones used longest ago go first.
    pub max_bytes: u64,
    /// An artifact that was not used for so long goes.
    pub max_age: Duration,
}

impl CacheOptions {
    /// In this directory, with the limits of a node: 10 GiB, 24 hours.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: 10 << 30,
            max_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Names an artifact: by the code and by the program that prepared it.
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

/// Largest file that is taken for an artifact, in bytes. Code has at most 16 bytes for each of the 50 MiB of a PVF (rule LIMIT-5).
const MOST_BYTES: u64 = 2 << 30;

/// Number of lock files.
const LOCKS: u8 = 64;

/// A use is noted if the last one was noted so long ago.
const NOTED_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct Cache {
    options: CacheOptions,
}

impl Cache {
    /// Makes the directories that are not there yet.
    ///
    /// # Errors
    /// Somebody else could change what is in one of them.
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

    /// A place in the directory.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.options.directory.join(name)
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = format!("{}.pvf", hex::encode(key.0));
        self.place("artifacts").join(name)
    }

    /// Waits until nobody else prepares this artifact (or one of those that share its lock).
    pub(crate) fn lock(&self, key: &Key) -> io::Result<File> {
        let name = (key.0[0] % LOCKS).to_string();
        let lock = self.lock_file(&name)?;
        lock.lock()?;
        Ok(lock)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        private::lock_file(&self.place("locks").join(name))
    }

    /// The checksum of an artifact's bytes, if it is there.
    pub(crate) fn checksum(&self, key: &Key) -> io::Result<Option<ArtifactChecksum>> {
        if !self.has(key)? {
            return Ok(None);
        }
        let Some(file) = found(File::open(self.path(key)))? else {
            return Ok(None);
        };
        ArtifactChecksum::of_reader(file).map(Some)
    }

    /// Whether it is there. Something else of its name goes, and so does a file larger than any artifact.
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

    /// Gives an artifact a second name, for one use. False if it is not there.
    pub(crate) fn link(&self, key: &Key, to: &Path) -> io::Result<bool> {
        let path = self.path(key);
        if !self.has(key)? {
            return Ok(false);
        }
        let linked = found(fs::hard_link(&path, to))?.is_some();
        if linked {
            // If the use cannot be noted, the artifact goes sooner.
            let _ = note_use(&path);
        }
        Ok(linked)
    }

    /// Takes a whole artifact in.
    pub(crate) fn insert(&self, key: &Key, from: &Path) -> io::Result<()> {
        fs::set_permissions(from, Permissions::from_mode(0o600))?;
        fs::rename(from, self.path(key))?;
        self.sweep(SystemTime::now())
    }

    /// Throws an artifact away.
    pub(crate) fn discard(&self, key: &Key) -> io::Result<()> {
        found(fs::remove_file(self.path(key))).map(|_| ())
    }

    /// Removes what is too old and, beginning with what was used longest ago, what is too much; the artifact used last stays, whatever
    /// its size, for somebody is about to use it. One process at a time.
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
            // Gone meanwhile, or not an artifact.
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

/// Something that may have been removed by another process.
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
    fn artifacts_come_and_go() {
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
        assert_eq!(fs::read(&link).unwrap(), [1; 100], "who uses it keeps it");
        assert!(!cache.link(&key, &cache.place("other")).unwrap());
        assert_ne!(Key::new(&[0; 32], b"a"), Key::new(&[1; 32], b"a"));
    }

    #[test]
    fn what_is_too_much_goes_oldest_first() {
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
        // A use is noted.
        assert!(cache.link(&keys[0], &cache.place("link")).unwrap());
        used(&newest, 1000);
        insert(&cache, 4);
        assert_eq!(
            [&keys[0], &newest].map(|key| cache.has(key).unwrap()),
            [true, false]
        );
    }

    #[test]
    fn a_file_larger_than_any_artifact_is_none() {
        let (cache, _scratch) = cache("large", u64::MAX);
        let key = insert(&cache, 1);
        let file = File::options().write(true).open(cache.path(&key)).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(cache.checksum(&key).unwrap(), None);
        assert!(!cache.path(&key).exists());
    }

    #[test]
    fn what_is_too_old_goes() {
        let (cache, _scratch) = cache("ages", 1 << 20);
        let key = insert(&cache, 1);
        let day = Duration::from_secs(24 * 60 * 60);
        cache.sweep(SystemTime::now() + day / 2).unwrap();
        assert!(cache.has(&key).unwrap());
        cache.sweep(SystemTime::now() + day).unwrap();
        assert!(!cache.has(&key).unwrap());
    }
}
