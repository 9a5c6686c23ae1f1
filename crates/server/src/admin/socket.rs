//! The socket in the data directory, and what is said over it: one line of JSON each way.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// Name of the socket in the data directory.
const NAME: &str = "admin.sock";
/// Longest path that a socket's address holds, with its final zero.
const ADDRESS: usize = 108;

/// Where the socket is.
#[derive(Debug)]
pub(super) struct SocketPath {
    /// Its real place.
    pub(super) path: PathBuf,
    /// The data directory, through which a path that is too long for an address is made short.
    directory: Option<File>,
}

impl SocketPath {
    /// Returns the place of the socket in a data directory.
    ///
    /// # Errors
    /// If the path is too long and the directory cannot be opened.
    pub(super) fn in_directory(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        let is_long = path.as_os_str().as_bytes().len() >= ADDRESS;
        let directory = is_long.then(|| File::open(directory)).transpose()?;
        Ok(Self { path, directory })
    }

    /// Returns a path to bind and connect to; valid as long as `self` lives.
    pub(super) fn address(&self) -> PathBuf {
        match &self.directory {
            None => self.path.clone(),
            Some(directory) => {
                PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()))
            }
        }
    }
}

/// Why a line was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    #[error("the connection ended early")]
    Ended,
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
}

/// Reads one line of JSON of at most so many bytes.
pub(super) async fn read_line<T: DeserializeOwned>(
    stream: &mut UnixStream,
    max: u64,
) -> Result<T, LineError> {
    let mut line = Vec::new();
    BufReader::new(stream.take(max))
        .read_until(b'\n', &mut line)
        .await?;
    if !line.ends_with(b"\n") {
        return Err(if line.len() as u64 == max {
            LineError::TooLong(max)
        } else {
            LineError::Ended
        });
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Writes one line of JSON.
pub(super) async fn write_line<T: Serialize>(stream: &mut UnixStream, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await
}
