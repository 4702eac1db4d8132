//! Who signs: credentials of the configuration, or of the ambient AWS chain, refreshed before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use tokio::sync::Mutex;

use super::settings::{CredentialsFrom, S3Settings, TenantCredentials};
use crate::backend::BodyError;

/// Gives credentials that are good now.
#[async_trait]
pub(super) trait CredentialsProvider: Send + Sync {
    /// The credentials to sign with.
    async fn credentials(&self) -> Result<Credentials, BodyError>;
}

/// Who signs for which bucket.
pub(super) struct Signers {
    own: Box<dyn CredentialsProvider>,
    tenants: Vec<TenantCredentials>,
}

impl Signers {
    /// Those of the settings.
    pub(super) async fn new(settings: &S3Settings) -> Self {
        let own: Box<dyn CredentialsProvider> = match &settings.credentials {
            CredentialsFrom::Configuration(credentials) => Box::new(Fixed(credentials.clone())),
            CredentialsFrom::Ambient => Box::new(Refreshed::new(Ambient(ambient_chain().await))),
        };
        Self { own, tenants: settings.tenants.clone() }
    }

    /// The credentials for a bucket; for none, the gateway's own. The longest prefix of a tenant counts.
    pub(super) async fn of(&self, bucket: Option<&str>) -> Result<Credentials, BodyError> {
        let tenants =
            self.tenants.iter().filter(|tenant| bucket.is_some_and(|name| name.starts_with(&tenant.bucket_prefix)));
        match tenants.max_by_key(|tenant| tenant.bucket_prefix.len()) {
            Some(tenant) => Ok(tenant.credentials.clone()),
            None => self.own.credentials().await,
        }
    }
}

struct Fixed(Credentials);

#[async_trait]
impl CredentialsProvider for Fixed {
    async fn credentials(&self) -> Result<Credentials, BodyError> {
        Ok(self.0.clone())
    }
}

struct Ambient(DefaultCredentialsChain);

/// The chain, which by itself would not ask the environment for a proxy.
async fn ambient_chain() -> DefaultCredentialsChain {
    let client = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
    });
    let config = ProviderConfig::default().with_http_client(client);
    DefaultCredentialsChain::builder().configure(config).build().await
}

#[async_trait]
impl CredentialsProvider for Ambient {
    async fn credentials(&self) -> Result<Credentials, BodyError> {
        Ok(self.0.provide_credentials().await?)
    }
}

/// Keeps what a provider gave until shortly before it ends. One caller at a time asks for more; if that fails, what is
/// there serves as long as it is good.
struct Refreshed<P> {
    provider: P,
    kept: ArcSwapOption<Credentials>,
    asking: Mutex<()>,
}

impl<P> Refreshed<P> {
    fn new(provider: P) -> Self {
        Self { provider, kept: ArcSwapOption::empty(), asking: Mutex::new(()) }
    }

    fn good_for(&self, margin: Duration) -> Option<Credentials> {
        let kept = self.kept.load_full()?;
        let is_good = kept.expiry().is_none_or(|expiry| expiry > SystemTime::now() + margin);
        is_good.then(|| Credentials::clone(&kept))
    }
}

#[async_trait]
impl<P: CredentialsProvider> CredentialsProvider for Refreshed<P> {
    async fn credentials(&self) -> Result<Credentials, BodyError> {
        if let Some(good) = self.good_for(REFRESH_BEFORE) {
            return Ok(good);
        }
        let _one_at_a_time = self.asking.lock().await;
        if let Some(good) = self.good_for(REFRESH_BEFORE) {
            return Ok(good);
        }
        match self.provider.credentials().await {
            Ok(fresh) => {
                self.kept.store(Some(Arc::new(fresh.clone())));
                Ok(fresh)
            }
            Err(error) => match self.good_for(Duration::ZERO) {
                Some(good) => {
                    tracing::warn!(%error, "the credentials of the store could not be refreshed yet");
                    Ok(good)
                }
                None => Err(error),
            },
        }
    }
}

/// Credentials are asked for again so long before they end.
const REFRESH_BEFORE: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Gives credentials that end after so long, the first time; then fails.
    struct Once {
        lasts: Duration,
        asked: Arc<AtomicU32>,
    }

    #[async_trait]
    impl CredentialsProvider for Once {
        async fn credentials(&self) -> Result<Credentials, BodyError> {
            if self.asked.fetch_add(1, Ordering::Relaxed) > 0 {
                return Err("no more".into());
            }
            Ok(Credentials::new("id", "secret", None, Some(SystemTime::now() + self.lasts), "test"))
        }
    }

    fn refreshed(lasts: Duration) -> (Refreshed<Once>, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        (Refreshed::new(Once { lasts, asked: Arc::clone(&asked) }), asked)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_while_they_are_good() {
        let (provider, asked) = refreshed(Duration::from_hours(1));
        for _ in 0..3 {
            assert_eq!(provider.credentials().await.unwrap().access_key_id(), "id");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn credentials_that_still_are_good_serve_when_no_new_ones_come() {
        let (provider, asked) = refreshed(Duration::from_mins(1));
        for _ in 0..2 {
            assert_eq!(provider.credentials().await.unwrap().access_key_id(), "id");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn credentials_that_ended_are_not_used() {
        let (provider, _) = refreshed(Duration::ZERO);
        provider.credentials().await.unwrap();
        assert!(provider.credentials().await.is_err());
    }

    #[tokio::test]
    async fn the_longest_prefix_of_a_bucket_names_who_signs() {
        let of = |id: &str| Credentials::new(id, "secret", None, None, "test");
        let tenant =
            |prefix: &str, id: &str| TenantCredentials { bucket_prefix: prefix.to_owned(), credentials: of(id) };
        let endpoint = crate::backend::s3::Endpoint {
            scheme: http::uri::Scheme::HTTP,
            authority: http::uri::Authority::from_static("store.example"),
            path_style: true,
        };
        let settings = S3Settings {
            tenants: vec![tenant("acme-", "acme"), tenant("acme-eu-", "acme-eu")],
            ..S3Settings::new(endpoint, CredentialsFrom::Configuration(of("own")))
        };
        let signers = Signers::new(&settings).await;
        for (bucket, id) in
            [(None, "own"), (Some("staging"), "own"), (Some("acme-b"), "acme"), (Some("acme-eu-b"), "acme-eu")]
        {
            assert_eq!(signers.of(bucket).await.unwrap().access_key_id(), id, "{bucket:?}");
        }
    }
}
