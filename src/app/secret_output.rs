//! Standard output, where it is about to hold a secret: `sealgate keygen > seed` makes the file with the shell's mode, which
//! as a rule lets everybody read it.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;

/// Takes from others what they may do with the file that standard output is; a terminal or a pipe is left as it is. Called
/// before anything is made, so that nothing is lost if it fails.
///
/// # Errors
/// If the mode of the file cannot be changed; then no secret may be written.
pub fn close_to_others() -> anyhow::Result<()> {
    let context =
        "others may read the file that standard output is, and its mode cannot be changed: make it with mode 600 first";
    let out = io::stdout().as_fd().try_clone_to_owned().map(File::from).context("standard output")?;
    if close(&out).context(context)? {
        let mut err = io::stderr().lock();
        writeln!(err, "Standard output is a file that others could read: it is its owner's alone now (mode 600).")?;
    }
    Ok(())
}

/// Whether the file had to be closed.
fn close(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    let is_open = metadata.is_file() && mode & 0o077 != 0;
    if is_open {
        file.set_permissions(Permissions::from_mode(mode & 0o700))?;
    }
    Ok(is_open)
}
