//! A gateway with a configuration of the test's, started as the program it is.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Request, Response};
use crate::sign::Signer;

pub(crate) const ACCESS_KEY: &str = "AKIDOPERATE";
pub(crate) const SECRET_KEY: &str = "operate-test-secret-key";
/// Of 48 bytes, base64.
pub(crate) const SEED: &str = "b3BlcmF0ZS10ZXN0LXNlZWQtb3BlcmF0ZS10ZXN0LXNlZWQtb3BlcmF0ZS10ZXN0";

/// Of 32 bytes, base64.
pub(crate) const CLUSTER_KEY: &str = "b3BlcmF0ZS10ZXN0LWNsdXN0ZXIta2V5LTMyLWJ5dGU=";

pub(crate) struct Gateway {
    folder: TempDir,
    process: Child,
    pub(crate) s3: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A folder with the configuration files of a gateway; `config` is merged over the usual one.
pub(crate) fn folder(config: &Value) -> TempDir {
    let folder = tempfile::Builder::new().prefix("operate").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut usual = json!({
        "backend": {"type": "local", "path": folder.path().join("data")},
        "listen": {"s3": "127.0.0.1:0", "admin": "127.0.0.1:0"},
    });
    for (section, fields) in config.as_object().unwrap() {
        for (field, value) in fields.as_object().unwrap() {
            usual[section][field] = value.clone();
        }
    }
    let secret = json!({
        "crypto": {"key_seed": SEED},
        "cluster": {"keys": [CLUSTER_KEY]},
        "tenants": [{"id": "acme", "access_keys": [{"id": ACCESS_KEY, "secret": SECRET_KEY}]}],
    });
    fs::write(folder.path().join("application.json"), usual.to_string()).unwrap();
    let file = folder.path().join("secret.json");
    fs::write(&file, secret.to_string()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

/// The program over a folder's files, not started yet.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    program.args(arguments).arg("--config").arg(folder.join("application.json"));
    program.arg("--secret").arg(folder.join("secret.json"));
    program.env_clear().env("RUST_BACKTRACE", "1").current_dir(folder).stdin(Stdio::null());
    program
}

impl Gateway {
    pub(crate) fn start(config: &Value) -> Self {
        Self::start_with(config, &[])
    }

    pub(crate) fn start_with(config: &Value, arguments: &[&str]) -> Self {
        Self::start_in(folder(config), arguments)
    }

    /// Over files that are there.
    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let (process, s3, admin) = launch(folder.path(), arguments);
        Self { folder, process, s3, admin }
    }

    /// Over files that are there, with this in the environment.
    pub(crate) fn start_knowing(folder: TempDir, variable: (&str, &str)) -> Self {
        let mut command = program(folder.path(), &["serve"]);
        let (process, s3, admin) = launched(command.env(variable.0, variable.1), folder.path());
        Self { folder, process, s3, admin }
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// An unsigned request to the admin port.
    pub(crate) fn ask(&self, path: &str) -> Response {
        Request::new("GET", path).send(self.admin)
    }

    /// A signed request to the S3 port.
    pub(crate) fn s3(&self, method: &str, path: &str, body: &[u8]) -> Response {
        self.signed(method, path, body).send(self.s3)
    }

    pub(crate) fn signed(&self, method: &str, path: &str, body: &[u8]) -> Request {
        Signer::new(ACCESS_KEY, SECRET_KEY).sign(Request::new(method, path).body(body), self.s3)
    }

    /// The memory that the program has in use.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells it");
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Starts anew over the same files, after the end.
    pub(crate) fn restart(&mut self) {
        (self.process, self.s3, self.admin) = launch(self.folder.path(), &[]);
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if std::thread::panicking() {
            eprintln!("---- log of the gateway\n{}", self.log());
        }
    }
}

/// Starts the program; gives where it listens, as it prints it.
pub(crate) fn launch(folder: &Path, arguments: &[&str]) -> (Child, SocketAddr, SocketAddr) {
    launched(program(folder, &["serve"]).args(arguments), folder)
}

fn launched(command: &mut Command, folder: &Path) -> (Child, SocketAddr, SocketAddr) {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let Some(Ok(line)) = lines.next() else {
        let status = process.wait().unwrap();
        let log = fs::read_to_string(folder.join("log")).unwrap();
        panic!("it ended ({status}, signal {:?}) before it printed where it listens:\n{log}", status.signal());
    };
    let addresses: Vec<SocketAddr> =
        line.split([' ', ',']).filter_map(|word| word.split_once("://")?.1.parse().ok()).collect();
    let [s3, admin] = addresses[..] else { panic!("{line}") };
    // A program whose output nobody reads stops when the pipe is full.
    std::thread::spawn(move || lines.for_each(drop));
    (process, s3, admin)
}
