//! The sections `listen`, `audit` and `telemetry`: as they are written, and as settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::sections::value;
use crate::telemetry::audit::{OnFull, Settings, Sink};
use crate::telemetry::log::Format;
use crate::telemetry::traces;

/// The addresses to listen on: an IP address and a port; port 0 picks a free one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Listen")]
pub(super) struct RawListen {
    /// S3 clients.
    pub(super) s3: String,
    /// Health, metrics and status.
    pub(super) admin: String,
    /// Whether HTTP may be served without TLS on an address that is not a loopback one.
    pub(super) allow_plain_http: bool,
    /// TLS on both addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<RawListenTls>,
    /// Balancers whose connections begin with a PROXY protocol header, such as `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) proxy_protocol_from: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) forwarded_from: Vec<String>,
    /// Names under which the admin port may be asked, such as `sealgate-admin.storage.svc`, beside addresses, names of one
    /// label and this machine's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub(super) admin_hosts: Vec<String>,
}

impl Default for RawListen {
    fn default() -> Self {
        Self {
            s3: "127.0.0.1:8000".into(),
            admin: "127.0.0.1:8001".into(),
            allow_plain_http: false,
            tls: None,
            proxy_protocol_from: Vec::new(),
            forwarded_from: Vec::new(),
            admin_hosts: Vec::new(),
        }
    }
}

/// TLS: files in PEM, read again when they change.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenTls")]
pub(super) struct RawListenTls {
    /// The file of the certificate and its chain.
    pub(super) cert: String,
    /// The file of the private key.
    pub(super) key: String,
    /// The file of the authorities that sign clients' certificates. With it S3 clients must show one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_ca: Option<String>,
}

/// Audit records: one JSON object a request.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Audit")]
pub(super) struct RawAudit {
    /// `none`, `stdout` or `file`.
    pub(super) sink: String,
    /// The file that records are appended to, for sink `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// What happens when records come faster than they are written: `drop` loses and counts them, `block` holds
    /// requests.
    pub(super) on_full: String,
    /// So many records wait to be written.
    pub(super) queue_max: u32,
}

impl Default for RawAudit {
    fn default() -> Self {
        Self { sink: "none".into(), file: None, on_full: "drop".into(), queue_max: 10_000 }
    }
}

/// Log lines and traces.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Telemetry")]
pub(super) struct RawTelemetry {
    /// `text` or `json`; the command line's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_format: Option<String>,
    /// What to log: `error`, `warn`, `info`, `debug`, or per module; the command line's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<String>,
    /// Traces of requests, sent over OTLP (HTTP, protobuf); none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traces: Option<RawTraces>,
}

/// Traces of requests: one span a request, one for each call of the store within it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Traces")]
pub(super) struct RawTraces {
    /// The collector, such as `https://collector.example.com:4318`; traces go to `/v1/traces` there.
    pub(super) endpoint: String,
    /// How many of the requests are told of, from 0 to 1; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sample_ratio: Option<f64>,
    /// A file with the authorities that may sign the collector's certificate, PEM; the system's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<String>,
    /// The file that holds a bearer token for the collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<String>,
}

/// Where to listen, and whom to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// S3 clients
    pub s3: SocketAddr,
    /// health, metrics and status
    pub admin: SocketAddr,
    /// TLS on both
    pub tls: Option<TlsFiles>,
    /// whether plain HTTP is allowed everywhere
    pub allow_plain_http: bool,
    /// whose connections begin with a PROXY protocol header
    pub proxy_protocol_from: Vec<IpNet>,
    /// whose `X-Forwarded-For` is believed
    pub forwarded_from: Vec<IpNet>,
    /// names under which the admin port may be asked
    pub admin_hosts: Vec<String>,
}

/// The files of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// the certificate and its chain
    pub cert: PathBuf,
    /// the private key
    pub key: PathBuf,
    /// the authorities of clients' certificates
    pub client_ca: Option<PathBuf>,
}

/// How log lines look, which is for the command line to say where it is absent; and where traces go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// text or JSON
    pub format: Option<Format>,
    /// which lines
    pub filter: Option<String>,
    /// where traces go
    pub traces: Option<traces::Settings>,
}

/// The addresses; what is wrong is added to `problems`.
pub(super) fn listen(raw: &RawListen, problems: &mut Vec<Problem>) -> Option<Listen> {
    let mut address = |text: &str, path: &str| {
        let address = text.parse::<SocketAddr>().ok();
        if address.is_none() {
            problems.push(value(path, "must be an IP address and a port, such as 127.0.0.1:8000 or [::]:8000"));
        }
        address
    };
    let (s3, admin) = (address(&raw.s3, "listen.s3"), address(&raw.admin, "listen.admin"));
    for (address, path) in [(s3, "listen.s3"), (admin, "listen.admin")] {
        let is_open = address.is_some_and(|address| !address.ip().is_loopback());
        if is_open && raw.tls.is_none() && !raw.allow_plain_http {
            let reason = "is open to the network without TLS; set listen.tls, or listen.allow_plain_http if TLS ends before the gateway";
            problems.push(value(path, reason));
        }
    }
    if s3 == admin && s3.is_some_and(|s3| s3.port() != 0) {
        problems.push(value("listen.admin", "must not be the address of listen.s3"));
    }
    let tls = raw.tls.as_ref().map(|tls| TlsFiles {
        cert: tls.cert.clone().into(),
        key: tls.key.clone().into(),
        client_ca: tls.client_ca.clone().map(PathBuf::from),
    });
    let proxy_protocol_from = networks(&raw.proxy_protocol_from, "listen.proxy_protocol_from", problems);
    let forwarded_from = networks(&raw.forwarded_from, "listen.forwarded_from", problems);
    let admin_hosts = hosts(&raw.admin_hosts, problems);
    let allow_plain_http = raw.allow_plain_http;
    Some(Listen { s3: s3?, admin: admin?, tls, allow_plain_http, proxy_protocol_from, forwarded_from, admin_hosts })
}

/// Where audit records go; what is wrong is added to `problems`.
pub(super) fn audit(raw: &RawAudit, problems: &mut Vec<Problem>) -> Option<Settings> {
    let on_full = match raw.on_full.as_str() {
        "drop" => OnFull::Drop,
        "block" => OnFull::Block,
        _ => {
            problems.push(value("audit.on_full", "must be drop or block"));
            return None;
        }
    };
    if raw.queue_max == 0 {
        problems.push(value("audit.queue_max", "must be at least 1"));
    }
    if raw.file.is_some() && raw.sink != "file" {
        problems.push(Problem::OtherMode { path: "audit.file".into(), mode: format!("sink {}", raw.sink) });
    }
    let sink = match (raw.sink.as_str(), &raw.file) {
        ("none", _) => return None,
        ("stdout", _) => Sink::Stdout,
        ("file", Some(file)) if !file.is_empty() => Sink::File(file.into()),
        ("file", _) => {
            problems.push(Problem::Missing { path: "audit.file".into() });
            return None;
        }
        _ => {
            problems.push(value("audit.sink", "must be none, stdout or file"));
            return None;
        }
    };
    Some(Settings { sink, on_full, queue_max: usize::try_from(raw.queue_max).unwrap_or(usize::MAX) })
}

/// How log lines look; what is wrong is added to `problems`.
pub(super) fn logging(raw: &RawTelemetry, problems: &mut Vec<Problem>) -> Logging {
    let format = match raw.log_format.as_deref() {
        None => None,
        Some("text") => Some(Format::Text),
        Some("json") => Some(Format::Json),
        Some(_) => {
            problems.push(value("telemetry.log_format", "must be text or json"));
            None
        }
    };
    let traces = raw.traces.as_ref().and_then(|raw| traces(raw, problems));
    Logging { format, filter: raw.log.clone(), traces }
}

fn traces(raw: &RawTraces, problems: &mut Vec<Problem>) -> Option<traces::Settings> {
    let before = problems.len();
    let address = raw.endpoint.parse::<http::Uri>().ok();
    let is_address = address.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none()
    });
    if !is_address {
        let reason = "must be an address such as https://collector.example.com:4318";
        problems.push(value("telemetry.traces.endpoint", reason));
    }
    let ratio = raw.sample_ratio.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        problems.push(value("telemetry.traces.sample_ratio", "must be from 0 to 1"));
    }
    let file = |text: &Option<String>| text.as_ref().filter(|text| !text.is_empty()).map(PathBuf::from);
    let settings = traces::Settings {
        endpoint: raw.endpoint.clone(),
        sampled_of_million: million(ratio),
        ca_file: file(&raw.ca_file),
        token_file: file(&raw.token_file),
    };
    (problems.len() == before).then_some(settings)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1,000,000")]
fn million(ratio: f64) -> u32 {
    (ratio.clamp(0.0, 1.0) * 1e6).round() as u32
}

/// Names of hosts, in lower case.
fn hosts(names: &[String], problems: &mut Vec<Problem>) -> Vec<String> {
    if names.len() > HOSTS_MAX {
        problems.push(value("listen.admin_hosts", "must be at most 64 names"));
    }
    let parsed = names.iter().enumerate().map(|(index, name)| {
        let reason = "must be the name of a host such as sealgate-admin.storage.svc, without scheme and port";
        let place = format!("listen.admin_hosts[{index}]");
        if is_host(name) { Ok(name.to_ascii_lowercase()) } else { Err(value(&place, reason)) }
    });
    parsed.filter_map(|name| name.map_err(|problem| problems.push(problem)).ok()).collect()
}

fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_inside)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

const HOSTS_MAX: usize = 64;

fn networks(texts: &[String], path: &str, problems: &mut Vec<Problem>) -> Vec<IpNet> {
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        text.parse::<IpNet>().map_err(|_| value(&format!("{path}[{index}]"), "must be a network such as 10.0.0.0/8"))
    });
    parsed.filter_map(|network| network.map_err(|problem| problems.push(problem)).ok()).collect()
}
