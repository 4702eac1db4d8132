//! Who may read the metrics: whoever sends the content of a file, if there is one.

use std::path::PathBuf;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The guard of `/metrics`. The file is read for every request, so that a new secret counts at once; without it
/// everybody is admitted.
#[derive(Clone, Debug)]
pub struct MetricsGuard {
    file: PathBuf,
}

impl MetricsGuard {
    /// Guards with the content of this file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Whether a request carries the secret, as `Authorization: Bearer …` or in `x-metrics-secret`.
    pub(super) async fn admits(&self, headers: &HeaderMap) -> bool {
        let secret = match tokio::fs::read(&self.file).await {
            Ok(secret) => Zeroizing::new(secret),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return true,
            Err(error) => {
                tracing::warn!(%error, file = %self.file.display(), "the metrics secret cannot be read: refusing");
                return false;
            }
        };
        let secret = secret.trim_ascii();
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let header = headers.get("x-metrics-secret").map(HeaderValue::as_bytes);
        let matches = |sent: &[u8]| bool::from(sent.ct_eq(secret));
        !secret.is_empty() && (bearer.is_some_and(matches) || header.is_some_and(matches))
    }
}
