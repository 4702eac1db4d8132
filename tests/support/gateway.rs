//! The gateway as a user runs it: the built program, its own empty folder, a free port; without a configuration, or over
//! an S3 store.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::sign::Signer;

/// A running gateway; ends, and its folder goes, when this is dropped.
pub(crate) struct Gateway {
    folder: TempDir,
    process: Child,
    credentials: Credentials,
    environment: Vec<(String, String)>,
}

/// What the gateway prints for its first user.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// `http://127.0.0.1:PORT`
    pub(crate) endpoint: String,
    /// where health, metrics and status are
    pub(crate) admin: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

impl Gateway {
    /// Starts one over an empty store.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("gateway").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["data", "work", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (process, credentials) = launch(folder.path(), &[]);
        Self { folder, process, credentials, environment: Vec::new() }
    }

    /// Starts one with this configuration, which names no address. Its tenant `default` gets the access key of
    /// [`CONFIGURED`], its key is that of all others: several over one store are replicas.
    #[allow(dead_code, reason = "not every test program has a store of its own")]
    pub(crate) fn configured(backend: &Value, bucket_prefix: &str) -> Self {
        Self::with_tenant(&json!({"backend": backend}), &json!({"bucket_prefix": bucket_prefix}))
    }

    /// Starts one over an empty local store with these sections, and these fields of its one tenant.
    pub(crate) fn with_tenant(sections: &Value, tenant: &Value) -> Self {
        Self::with_environment(sections, tenant, &[])
    }

    /// The same with these variables in its environment, which is empty otherwise.
    pub(crate) fn with_environment(sections: &Value, tenant: &Value, environment: &[(&str, &str)]) -> Self {
        let environment: Vec<_> = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let folder = tempfile::Builder::new().prefix("gateway").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["data", "work", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (id, secret) = CONFIGURED;
        let mut config = json!({
            "crypto": {"key_seed": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
            "tenants": [{"id": "default", "access_keys": [{"id": id, "secret": secret}]}],
            "cluster": {"keys": ["Y2x1c3RlciBrZXkgb2YgdGhlIHRlc3RzOjMyIGJ5dGU="]},
            "backend": {"path": "data"},
        });
        for (name, value) in sections.as_object().unwrap() {
            config[name] = value.clone();
        }
        for (name, value) in tenant.as_object().unwrap() {
            config["tenants"][0][name] = value.clone();
        }
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let (process, credentials) = launch(folder.path(), &environment);
        Self { folder, process, credentials, environment }
    }

    /// Asks the program to end, lets `change` alter the stored files, and starts the program again over them.
    pub(crate) fn restart_after(&mut self, change: impl FnOnce(&Path)) {
        let ask = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &ask]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success(), "it ends in order when it is asked to");
        change(&self.data());
        (self.process, self.credentials) = launch(self.folder.path(), &self.environment);
    }

    /// Kills the program, which gets no chance to end in order, and starts it again over its files.
    pub(crate) fn restart_after_a_kill(&mut self) {
        self.end();
        (self.process, self.credentials) = launch(self.folder.path(), &self.environment);
    }

    /// The folder of the local store.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for the files of a test; clients are run in it.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A home folder for clients that keep settings.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// What the gateway printed.
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.credentials.endpoint.trim_start_matches("http://").parse().expect("the printed endpoint is an address")
    }

    /// Where health, metrics and status are.
    #[allow(dead_code, reason = "not every test program asks")]
    pub(crate) fn admin(&self) -> SocketAddr {
        self.credentials.admin.trim_start_matches("http://").parse().expect("the printed address is one")
    }

    /// Signs requests with the credentials of this gateway.
    pub(crate) fn signer(&self) -> Signer {
        Signer::new(&self.credentials.access_key, &self.credentials.secret_key)
    }

    /// The most memory that the program ever had in use, bytes (`VmHWM`).
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes * 1024
    }

    /// All that the program has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn end(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("---- log of the gateway\n{}", self.log());
        }
    }
}

/// Starts the program over `folder/data`, or with `folder/config.json`, and reads what it prints until it has told endpoint and credentials.
fn launch(folder: &Path, environment: &[(String, String)]) -> (Child, Credentials) {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let config = folder.join("config.json");
    let is_configured = config.exists();
    if is_configured {
        command.arg("--config").arg(config);
    } else {
        command.arg("--data").arg(folder.join("data"));
    }
    let mut process = command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("RUST_BACKTRACE", "1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut credentials = Credentials::default();
    if is_configured {
        (credentials.access_key, credentials.secret_key) = (CONFIGURED.0.to_owned(), CONFIGURED.1.to_owned());
    }
    while !credentials.are_known() {
        let Some(Ok(line)) = lines.next() else {
            process.kill().ok();
            process.wait().ok();
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the gateway ended before it printed its endpoint and credentials; its log:\n{log}");
        };
        credentials.learn(&line);
    }
    // A program whose output nobody reads stops when the pipe is full.
    std::thread::spawn(move || lines.for_each(drop));
    (process, credentials)
}

impl Credentials {
    /// Takes what a printed line tells: `AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_ENDPOINT_URL=… aws …`.
    fn learn(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once("serves S3 on ") {
            rest.split(',').next().unwrap_or(rest).trim().clone_into(&mut self.endpoint);
        }
        if let Some((_, admin)) = line.split_once("status on ") {
            admin.trim().clone_into(&mut self.admin);
        }
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some(("AWS_ACCESS_KEY_ID", value)) => value.clone_into(&mut self.access_key),
                Some(("AWS_SECRET_ACCESS_KEY", value)) => value.clone_into(&mut self.secret_key),
                Some(("AWS_ENDPOINT_URL", value)) => value.clone_into(&mut self.endpoint),
                _ => {}
            }
        }
    }

    fn are_known(&self) -> bool {
        [&self.access_key, &self.secret_key, &self.endpoint].iter().all(|value| !value.is_empty())
    }
}

/// Id and secret of the access key of a gateway that was configured.
const CONFIGURED: (&str, &str) = ("AKIACONFIGURED", "a secret for tests");
