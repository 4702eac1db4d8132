//! Files that hold secrets: they are there, and nobody but the gateway's user and group can reach them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Findings, State};
use crate::app::metrics_secret;
use crate::config::{Loaded, Paths};
use crate::keys::settings::KeySettings;

pub(super) fn examine(loaded: &Loaded, paths: &Paths, findings: &mut Findings) {
    let config = &loaded.config;
    // what may be absent is looked at if it is there
    if paths.secret.path.exists() {
        closed("secret file", &paths.secret.path, findings);
    }
    let others = loaded.files.iter().filter(|file| **file != paths.config.path && **file != paths.secret.path);
    for file in others {
        let is_of_cluster = config.cluster_keys_file.as_ref() == Some(file);
        closed(if is_of_cluster { "cluster keys file" } else { "customer fragments" }, file, findings);
    }
    let metrics_secret = metrics_secret(&paths.secret.path);
    if metrics_secret.exists() {
        closed("metrics secret", &metrics_secret, findings);
    }
    if let Some(tls) = &config.listen.tls {
        closed("key file", &tls.key, findings);
    }
    if let KeySettings::RemoteMultiKeys(remote) = &config.keys {
        let coordinator = &remote.coordinator;
        coordinator.token_file.iter().for_each(|file| closed("coordinator token", file, findings));
        coordinator.key_file.iter().for_each(|file| closed("key file", file, findings));
    }
}

/// Seeds and secrets are for the gateway's user and group alone.
pub(super) fn closed(name: &'static str, path: &Path, findings: &mut Findings) {
    match std::fs::metadata(path) {
        Err(error) => findings.fail(name, format!("{}: {error}", path.display())),
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let state = if mode % 0o10 == 0 { State::Ok } else { State::Fail };
            findings.add(name, state, format!("{} has mode {mode:03o}", path.display()));
        }
    }
}
