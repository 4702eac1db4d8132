//! The files that may change while the coordinator runs: who may call, certificates. They are read every few seconds, and
//! at SIGHUP; what makes no sense is warned of once, and the last good content stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::access::{Access, AccessError};
use super::api::App;
use super::server::LiveTls;
use super::tls::{self, TlsError, TlsFiles};
use super::{Config, CoordinatorError};

/// The files, and what was in them when they were read last.
#[derive(Clone)]
pub(super) struct Files {
    access: PathBuf,
    tls: TlsFiles,
    seen: Option<[u8; 32]>,
}

impl Files {
    pub(super) fn new(config: &Config) -> Self {
        Self { access: config.access.clone(), tls: config.tls.clone(), seen: None }
    }

    /// What they say now.
    pub(super) async fn read(&mut self) -> Result<(Access, Option<Arc<ServerConfig>>), CoordinatorError> {
        let mut files = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            files.seen = Some(files.digest());
            files.parse().map(|parsed| (files.seen, parsed))
        });
        let (seen, parsed) = reading.await.map_err(CoordinatorError::Files)??;
        self.seen = seen;
        Ok(parsed)
    }

    fn parse(&self) -> Result<(Access, Option<Arc<ServerConfig>>), CoordinatorError> {
        let of_access = |error| CoordinatorError::Access { file: self.access.display().to_string(), error };
        let text = std::fs::read(&self.access).map_err(|error| {
            of_access(AccessError::File { file: "make one with `sealgate coordinator token`".into(), error })
        })?;
        let access = Access::parse(&text).map_err(of_access)?;
        let tls = match (&self.tls.cert, &self.tls.key) {
            (Some(cert), Some(key)) => Some(Arc::new(tls::server_config(cert, key, self.tls.ca.as_deref())?)),
            (None, None) if self.tls.ca.is_none() => None,
            _ => return Err(TlsError::HalfAnIdentity.into()),
        };
        Ok((access, tls))
    }

    /// Of all content; a file that cannot be read counts as empty.
    fn digest(&self) -> [u8; 32] {
        let files = [Some(&self.access), self.tls.ca.as_ref(), self.tls.cert.as_ref(), self.tls.key.as_ref()];
        let digests = files.into_iter().flatten().map(|file| Sha256::digest(std::fs::read(file).unwrap_or_default()));
        digests.fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }
}

/// Puts new content in force, for ever.
pub(super) async fn follow(mut files: Files, app: App, tls: LiveTls) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            () = tokio::time::sleep(LOOK_PERIOD) => {}
        }
        let now = files.clone();
        let Ok(digest) = tokio::task::spawn_blocking(move || now.digest()).await else { return };
        if files.seen == Some(digest) {
            continue;
        }
        match files.read().await {
            Ok((access, config)) => {
                app.access.store(Arc::new(access));
                tls.store(config);
                tracing::info!("those who may call, and certificates, were read anew");
            }
            Err(error) => {
                files.seen = Some(digest);
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, cause, "the files in force stay as they were");
            }
        }
    }
}

const LOOK_PERIOD: Duration = Duration::from_secs(5);
