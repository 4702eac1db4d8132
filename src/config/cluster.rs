//! The `cluster` section: which gateways belong together, and the keys that they share.
//!
//! The keys come from one of three places: `cluster.keys`, the file that `cluster.keys_file` names, or the environment. File
//! and environment hold them as text, apart by white space, the one that seals first; so what `sealgate keygen --cluster`
//! prints is such a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::Problem;
use super::sections::value;
use super::tenants::moment;
use crate::keys::secret::SecretText;
use crate::seal::{ClusterKey, ClusterKeys, TimedClusterKey};

/// Which gateways belong together: those of one cluster run with the same configuration.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Cluster")]
pub(super) struct RawCluster {
    /// The cluster's name: 1 to 128 letters, digits, `-`, `_` and `.`.
    pub(super) name: String,
    /// Whether another gateway is the active one: this one serves what comes, but readiness probes and health checks of
    /// balancers are told that it is not ready. Counts without a restart.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) standby: bool,
    /// What the gateways seal records of their own with, such as those of uploads: each is base64 of exactly 32 bytes, as
    /// `sealgate keygen --cluster` prints it. The first whose time has come seals, all open. The same for every gateway;
    /// required over an S3 store. Counts without a restart. The environment variable `SEALGATE_CLUSTER_KEYS` stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<Vec<RawClusterKey>>,
    /// A file with the keys in place of `keys`: one a line, the one that seals first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys_file: Option<String>,
}

impl Default for RawCluster {
    fn default() -> Self {
        Self { name: Cluster::UNNAMED.into(), standby: false, keys: None, keys_file: None }
    }
}

/// A key of the cluster: base64 of exactly 32 bytes, alone or with the times between which it is used.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ClusterKey")]
pub(super) enum RawClusterKey {
    /// Used always: base64 of exactly 32 bytes.
    Always(SecretText),
    /// Used for a time.
    Timed(RawTimedClusterKey),
}

/// A key of the cluster with the times between which it is used.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TimedClusterKey")]
pub(super) struct RawTimedClusterKey {
    /// Base64 of exactly 32 bytes.
    key: SecretText,
    /// It seals nothing before this time (RFC 3339), but opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seals_from: Option<String>,
    /// It neither seals nor opens from this time on (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opens_until: Option<String>,
}

impl<'de> Deserialize<'de> for RawClusterKey {
    /// By hand, because an untagged enum would copy the keys on its way.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawClusterKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key, alone or with its times")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawClusterKey, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E>(self, text: String) -> Result<RawClusterKey, E> {
                Ok(RawClusterKey::Always(SecretText::new(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<RawClusterKey, A::Error> {
                RawTimedClusterKey::deserialize(MapAccessDeserializer::new(entries)).map(RawClusterKey::Timed)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Which gateways belong together, and which of them this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// the cluster's name
    pub name: String,
    /// this gateway's name in it
    pub pod: String,
}

impl Cluster {
    /// The name of a cluster that was given none.
    pub const UNNAMED: &str = "default";
}

/// The names; what is wrong is added to `problems`.
pub(super) fn names(raw: &RawCluster, environment: super::Environment<'_>, problems: &mut Vec<Problem>) -> Cluster {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let is_name = |text: &str| {
        let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_fine)
    };
    if !is_name(&raw.name) {
        problems.push(value("cluster.name", "must be 1 to 128 letters, digits, `-`, `_` and `.`"));
    }
    // not of the configuration, which is the same for all of a cluster
    let pod = environment(POD_VARIABLE)
        .filter(|name| is_name(name))
        .or_else(host)
        .filter(|name| is_name(name))
        .unwrap_or_else(|| "gateway".to_owned());
    Cluster { name: raw.name.clone(), pod }
}

impl RawCluster {
    /// The file that holds the keys, if one is named.
    pub(super) fn keys_path(&self) -> Option<PathBuf> {
        self.keys_file.as_ref().map(PathBuf::from)
    }
}

/// The keys as a file or the environment has them.
pub(super) fn of_text(text: &str) -> Vec<RawClusterKey> {
    // one more than is allowed is enough to refuse it
    let words = text.split_ascii_whitespace().take(ClusterKeys::COUNT_MAX + 1);
    words.map(|word| RawClusterKey::Always(SecretText::new(word.to_owned()))).collect()
}

/// The keys; what is wrong is added to `problems`, by the place from which they come.
pub(super) fn keys(raw: &[RawClusterKey], place: &str, problems: &mut Vec<Problem>) -> Option<Arc<ClusterKeys>> {
    let before = problems.len();
    let keys = raw.iter().enumerate().filter_map(|(at, raw)| key(raw, &format!("{place}[{at}]"), problems)).collect();
    if problems.len() > before {
        return None;
    }
    let keys = match ClusterKeys::new(keys) {
        Ok(keys) => keys,
        Err(error) => {
            problems.push(value(place, &format!("{error}; `sealgate keygen --cluster` makes one")));
            return None;
        }
    };
    if keys.sealing(SystemTime::now()).is_none() {
        problems.push(value(place, "no key seals now: their seals_from has not come, or their opens_until is over"));
    }
    Some(Arc::new(keys))
}

fn key(raw: &RawClusterKey, place: &str, problems: &mut Vec<Problem>) -> Option<TimedClusterKey> {
    let text = match raw {
        RawClusterKey::Always(key) => key,
        RawClusterKey::Timed(timed) => &timed.key,
    };
    let Some(key) = ClusterKey::from_base64(text.expose()) else {
        problems.push(value(place, "must be base64 of exactly 32 bytes; `sealgate keygen --cluster` makes one"));
        return None;
    };
    let RawClusterKey::Timed(timed) = raw else { return Some(key.into()) };
    let before = problems.len();
    let seals_from = moment(timed.seals_from.as_deref(), &format!("{place}.seals_from"), problems);
    let opens_until = moment(timed.opens_until.as_deref(), &format!("{place}.opens_until"), problems);
    if let (Some(from), Some(until)) = (seals_from, opens_until)
        && until <= from
    {
        problems.push(value(place, "opens_until must be later than seals_from"));
    }
    (problems.len() == before).then_some(TimedClusterKey { key, seals_from, opens_until })
}

/// Names this gateway in its cluster; without it the host's name does.
const POD_VARIABLE: &str = "POD_NAME";
const NAME_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests;
