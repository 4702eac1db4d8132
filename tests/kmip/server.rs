//! PyKMIP as a process with certificates of its own, and the operator who registers keys with it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use sealgate::kmip::{Client, Config, Found, KmsError, LookupError, PrivateKeyPem, TIMEOUT_DEFAULT, TlsConfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::install;

/// A tenant of the tests.
pub(crate) const TENANT: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";
/// The kinds of keys that there are certificates of.
pub(crate) const KINDS: [&str; 4] = ["rsa", "p256", "p384", "p521"];

/// A running PyKMIP; ends with this.
pub(crate) struct Server {
    folder: TempDir,
    start: Start,
    process: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
    port: u16,
}

/// How a server is started.
#[derive(Clone)]
pub(crate) struct Start {
    /// The kind of its keys and of its clients'.
    pub(crate) kind: &'static str,
    /// The certificate that it shows.
    pub(crate) certificate: &'static str,
    /// Further arguments.
    pub(crate) arguments: Vec<&'static str>,
}

impl Default for Start {
    fn default() -> Self {
        Self { kind: "p256", certificate: "server", arguments: Vec::new() }
    }
}

impl Server {
    /// An empty KMS on a free port.
    pub(crate) fn start() -> Self {
        Self::start_as(Start::default())
    }

    /// An empty KMS started so.
    pub(crate) fn start_as(start: Start) -> Self {
        let folder = tempfile::Builder::new().prefix("kms").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (process, orders, reports, port) = launch(folder.path(), &start, 0);
        Self { folder, start, process, orders, reports, port }
    }

    /// Ends it and starts it again with what it held, on the same port.
    pub(crate) fn restart(&mut self) {
        self.end();
        (self.process, self.orders, self.reports, self.port) = launch(self.folder.path(), &self.start, self.port);
    }

    /// Ends it for good.
    pub(crate) fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Registers and activates a Secret Data object; returns its identifier.
    pub(crate) fn register(&mut self, name: &str, value: &str) -> String {
        let uid = self.register_with(json!({"name": name, "value": value}));
        self.order(&json!({"op": "activate", "uid": uid}));
        uid
    }

    /// Registers a Secret Data object, which is pre-active, with these fields of the order.
    pub(crate) fn register_with(&mut self, mut order: Value) -> String {
        order["op"] = "register".into();
        self.order(&order)["uid"].as_str().unwrap().to_owned()
    }

    /// How many connections came so far; the operator's own are among them.
    pub(crate) fn connections(&mut self) -> u64 {
        self.order(&json!({"op": "connections"}))["connections"].as_u64().unwrap()
    }

    /// Carries out one order, as described in the server's program.
    pub(crate) fn order(&mut self, order: &Value) -> Value {
        writeln!(self.orders, "{order}").unwrap();
        let report = report(&mut self.reports);
        assert!(report.get("error").is_none(), "{order}: {report}");
        report
    }

    /// A certificate or key, in PEM.
    pub(crate) fn pem(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("pki").join(name)).unwrap()
    }

    /// Where it listens, as configurations have it.
    #[allow(dead_code, reason = "the tests of keys name it in a configuration")]
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a client of it is told.
    pub(crate) fn config(&self) -> Config {
        Config {
            addresses: format!("127.0.0.1:{}", self.port).parse().unwrap(),
            timeout: 6 * TIMEOUT_DEFAULT,
            verify_name: true,
            tls: TlsConfig {
                key: PrivateKeyPem::new(self.pem("client.key")),
                cert: self.pem("client.crt"),
                ca: Some(self.pem("ca.crt")),
                server_name: None,
                cipher_suites: Vec::new(),
                insecure_skip_verify: false,
            },
        }
    }

    /// What a client with another certificate is told.
    pub(crate) fn config_as(&self, client: &str) -> Config {
        let mut config = self.config();
        config.tls.key = PrivateKeyPem::new(self.pem(&format!("{client}.key")));
        config.tls.cert = self.pem(&format!("{client}.crt"));
        config
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A seed of 48 bytes of this value, as an operator would store it.
pub(crate) fn seed_text(byte: u8) -> String {
    STANDARD.encode([byte; 48])
}

/// The seed that [`seed_text`] is the text of.
#[track_caller]
pub(crate) fn assert_is_seed(found: Result<Found, LookupError>, byte: u8) {
    assert_eq!(found.unwrap().seed.expose(), [byte; 48]);
}

/// The error of a lookup that was not answered with "no such key".
#[track_caller]
pub(crate) fn kms_error(found: Result<Found, LookupError>) -> KmsError {
    match found.unwrap_err() {
        LookupError::Kms(error) => error,
        other @ (LookupError::NoSuchKey(_) | LookupError::Withheld { .. }) => panic!("{other}"),
    }
}

/// The error, and what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn launch(folder: &Path, start: &Start, port: u16) -> (Child, ChildStdin, BufReader<ChildStdout>, u16) {
    let mut process = Command::new(python())
        .arg(program("pykmip_server.py"))
        .arg("--pki")
        .arg(folder.join("pki"))
        .arg("--database")
        .arg(folder.join("kms.db"))
        .args(["--kind", start.kind, "--server", start.certificate, "--port", &port.to_string()])
        .args(&start.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let orders = process.stdin.take().unwrap();
    let mut reports = BufReader::new(process.stdout.take().unwrap());
    let port = report(&mut reports)["port"].as_u64().unwrap();
    (process, orders, reports, port.try_into().unwrap())
}

fn report(reports: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    reports.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("the KMS ended, or said {line:?}"))
}

fn python() -> PathBuf {
    install::PYTHON_BIN.join("python")
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kmip").join(name)
}
