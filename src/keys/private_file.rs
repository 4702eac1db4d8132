//! Small files that a gateway makes once for itself and that hold secrets: mode 0600, never there in part, never replaced.
//!
//! A file is written under a temporary name, synced, and linked to its own name, so that two starts at once agree. One that
//! others than its owner can reach is not read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Makes the folder if need be, and the file in it if it is not there. Whether the file is this call's: another start may
/// have been quicker.
pub(super) fn write_new(folder: &Path, name: &str, text: &str) -> io::Result<bool> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = folder.join(format!("{name}.{}.new", std::process::id()));
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    let linked = match fs::hard_link(&temporary, folder.join(name)) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    fs::remove_file(&temporary)?;
    File::open(folder)?.sync_all()?;
    Ok(linked)
}

/// The text of a file.
pub(super) fn read(file: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    let at = |source| PrivateFileError::Io { file: file.to_owned(), source };
    let source = File::open(file).map_err(at)?;
    let metadata = source.metadata().map_err(at)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::TooOpen { file: file.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    match source.take(FILE_BYTES_MAX as u64).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(PrivateFileError::NoText { file: file.to_owned() })
        }
        Err(error) => Err(at(error)),
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrivateFileError {
    /// the folder or file cannot be made or read
    #[error("cannot read {}", file.display())]
    Io {
        /// the file
        file: PathBuf,
        /// why
        source: io::Error,
    },
    /// it holds bytes that are no text
    #[error("{} is no text", file.display())]
    NoText {
        /// the file
        file: PathBuf,
    },
    /// others than the owner can reach it
    #[error("{} holds secrets but has mode {mode:o}; `chmod 600` it", file.display())]
    TooOpen {
        /// the file
        file: PathBuf,
        /// its permission bits
        mode: u32,
    },
}

const FILE_BYTES_MAX: usize = 4096;
