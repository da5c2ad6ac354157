//! A host's request as a file in memory, which a worker passes to a job.
//!
//! The worker copies a request in small pieces from the socket to the file, reads the fields that
//! it needs itself, and closes the file after the job. So the worker keeps no part of a candidate
//! that a later job could find.

use crate::files;
use memmap2::Mmap;
use pvf_node_protocol::{ArtifactChecksum, ExecuteRequestView, frame};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A request.
pub struct Request {
    /// The bytes of the request, sealed.
    pub file: File,
    /// [`ExecuteRequestView::execution_timeout`].
    pub execution_timeout: Duration,
    /// [`ExecuteRequestView::artifact_checksum`].
    pub artifact_checksum: ArtifactChecksum,
}

/// Bytes copied at a time: few enough to stay in the processor's cache.
const PIECE: usize = 64 * 1024;

/// Why no request was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The connection failed, or the host sent a frame that is not a request.
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    /// The system refused a file in memory for the request. The request was read to its end.
    #[error("cannot store a request: {0}")]
    System(io::Error),
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        Self::Frame(error.into())
    }
}

/// Reads a frame of at most `limit` bytes into a file.
///
/// # Errors
/// [`ReceiveError`].
pub fn receive(host: &mut UnixStream, limit: usize) -> Result<Request, ReceiveError> {
    let mut length = [0; 8];
    host.read_exact(&mut length)?;
    let announced = u64::from_le_bytes(length);
    let bytes = match usize::try_from(announced) {
        Ok(bytes) if bytes <= limit => bytes,
        _ => {
            let bytes = announced;
            return Err(frame::FrameError::TooLong { bytes, limit }.into());
        }
    };
    let mut file = files::in_memory("pvf-request");
    let mut piece = vec![0; PIECE];
    let mut left = bytes;
    while left > 0 {
        let most = left.min(PIECE);
        let read = match host.read(&mut piece[..most]) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        // Without a file, the rest is read all the same: the host waits for an answer only after it
        // has sent the whole request.
        file = file.and_then(|mut file| file.write_all(&piece[..read]).map(|()| file));
        left -= read;
    }
    let sealed = file.and_then(|file| files::seal(&file).map(|()| file));
    let file = sealed.map_err(ReceiveError::System)?;
    let mapped = map(&file).map_err(ReceiveError::System)?;
    let view = ExecuteRequestView::decode_all(mapped.as_deref().unwrap_or_default());
    let view = view.map_err(|source| frame::FrameError::Decode {
        what: "ExecuteRequest",
        bytes,
        source,
    })?;
    let (execution_timeout, artifact_checksum) = (view.execution_timeout, view.artifact_checksum);
    drop(mapped);
    Ok(Request {
        file,
        execution_timeout,
        artifact_checksum,
    })
}

/// Maps a sealed file. `None` if the file is empty.
///
/// # Errors
/// The system refuses.
#[allow(
    unsafe_code,
    reason = "a mapping is unsafe because its file could change"
)]
pub fn map(file: &File) -> io::Result<Option<Mmap>> {
    match file.metadata()?.len() {
        0 => Ok(None),
        // SAFETY: the file is sealed, so no process can change or shorten it.
        _ => Ok(Some(unsafe { Mmap::map(file) }?)),
    }
}
