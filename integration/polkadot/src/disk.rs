//! A small file system for a host's cache, which can be filled.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A tmpfs that is mounted until [`SmallDisk::unmount`].
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a tmpfs of this size, which requires root.
    pub fn mount(name: &str, bytes: u64) -> Result<Self, Box<dyn Error>> {
        let path = std::env::temp_dir().join(format!("pvf-polkadot-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(&path)
            .status()?;
        match mounted.success() {
            true => Ok(Self { path }),
            false => Err("a small file system cannot be mounted; that takes root".into()),
        }
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the disk until the returned value is dropped.
    pub fn fill(&self) -> std::io::Result<Full> {
        let path = self.path.join("filler");
        let mut file = File::create(&path)?;
        let zeros = [0; 4096];
        while file.write_all(&zeros).is_ok() {}
        Ok(Full { path })
    }

    /// Unmounts the disk once no process uses it. Returns whether that succeeded.
    pub async fn unmount(self) -> std::io::Result<bool> {
        for _ in 0..100 {
            let unmounted = Command::new("umount").arg(&self.path).output()?;
            if unmounted.status.success() {
                fs::remove_dir(&self.path)?;
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    }
}

/// Keeps a disk full; removes the filling file on drop.
pub struct Full {
    path: PathBuf,
}

impl Drop for Full {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
