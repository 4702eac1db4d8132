//! The file of a snapshot: sealed in pieces, put in place at once, opened in pieces.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use zeroize::Zeroize as _;

use super::SnapshotError;
use crate::seal::{Binding, Envelope, Kind, PlainLen, SealError, SealedLen, SingleOpener, SingleSealer, TenantKey};

/// What the file is bound to. No bucket has a name with a space, so it can be taken for no object.
pub(super) fn binding(cluster: &str, coordinator: &str) -> Result<Binding, SealError> {
    Binding::new(cluster, "key snapshot", coordinator.trim_end_matches('/'))
}

/// A file being written, under a temporary name beside its own.
pub(super) struct Sealing {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    sealer: SingleSealer,
    out: BytesMut,
}

impl Sealing {
    pub(super) fn create(
        path: &Path,
        key: &TenantKey,
        binding: &Binding,
        plain_bytes: u64,
    ) -> Result<Self, SnapshotError> {
        let (envelope, secret) = Envelope::seal(Kind::Single, key, binding)?;
        let sealer = SingleSealer::new(&envelope, &secret, PlainLen::new(plain_bytes))?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // one that an earlier run left is no use
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(Self { path: path.to_owned(), temporary, file, sealer, out: BytesMut::new() })
    }

    pub(super) fn push(&mut self, plain: &[u8]) -> Result<(), SnapshotError> {
        self.sealer.push(plain, &mut self.out)?;
        if self.out.len() >= WRITE_BYTES {
            self.file.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), SnapshotError> {
        self.sealer.finish(&mut self.out)?;
        self.file.write_all(&self.out)?;
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
    }
}

/// Opens the file and gives out its lines, without their ends; whether there is one. All of it was authenticated if
/// this ends well, and not before.
pub(super) fn open(
    path: &Path,
    key: &TenantKey,
    binding: &Binding,
    line: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>,
) -> Result<bool, SnapshotError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SnapshotError::TooOpen { mode });
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(SnapshotError::TooLong { bytes_max: FILE_BYTES_MAX });
    }
    let mut head = Vec::with_capacity(Envelope::BYTES);
    (&mut file).take(Envelope::BYTES as u64).read_to_end(&mut head)?;
    let envelope = Envelope::parse(&head).map_err(SnapshotError::Foreign)?;
    if envelope.key_id() != key.key_id() {
        return Err(SnapshotError::OtherKey { file: envelope.key_id(), ours: key.key_id() });
    }
    let secret = envelope.open(key, binding).map_err(SnapshotError::Foreign)?;
    let stored = SealedLen::new(metadata.len());
    let mut opener = SingleOpener::new(&secret, stored).map_err(SnapshotError::Foreign)?;
    let mut lines = Lines::default();
    let mut sealed = head;
    while !sealed.is_empty() {
        opener.push(&sealed, &mut lines.plain).map_err(SnapshotError::Foreign)?;
        lines.give(line)?;
        sealed.clear();
        (&mut file).take(WRITE_BYTES as u64).read_to_end(&mut sealed)?;
    }
    opener.finish().map_err(SnapshotError::Foreign)?;
    lines.end(line)?;
    Ok(true)
}

/// Plaintext that is cut into lines and wiped.
#[derive(Default)]
struct Lines {
    plain: BytesMut,
    /// no end of a line is before this
    searched: usize,
}

impl Lines {
    fn give(&mut self, line: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>) -> Result<(), SnapshotError> {
        while let Some(end) = self.plain[self.searched..].iter().position(|byte| *byte == b'\n') {
            let mut whole = self.plain.split_to(self.searched + end + 1);
            self.searched = 0;
            let given = line(&whole[..whole.len() - 1]);
            whole.zeroize();
            given?;
        }
        self.searched = self.plain.len();
        Ok(())
    }

    /// Every line has an end; what is left is none.
    fn end(mut self, line: &mut dyn FnMut(&[u8]) -> Result<(), SnapshotError>) -> Result<(), SnapshotError> {
        let rest = self.plain.split();
        if rest.is_empty() { Ok(()) } else { line(&rest) }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.plain.zeroize();
    }
}

const WRITE_BYTES: usize = 256 << 10;
/// Some 10,000,000 tenants.
const FILE_BYTES_MAX: u64 = 4 << 30;
