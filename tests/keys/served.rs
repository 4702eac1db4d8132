//! The program over two folders as the kubelet mounts them: `application.json` → `..data/application.json`, `..data` →
//! `..1/`, replaced by one rename of a link.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::install::PYTHON_BIN;
use crate::support::{Ran, Request, Response, Signer};

/// A running gateway; ends with this.
pub(crate) struct Served {
    folder: TempDir,
    process: Child,
    address: SocketAddr,
    versions: u32,
    pod: String,
}

impl Served {
    /// Starts one over an empty store.
    pub(crate) fn start(config: &Value, secret: &Value) -> Self {
        Self::start_as("pod", config, secret)
    }

    /// Starts one with this name in its cluster.
    pub(crate) fn start_as(pod: &str, config: &Value, secret: &Value) -> Self {
        let folder = tempfile::Builder::new().prefix("keys").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["data", "home", "config", "secret"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        mount(&folder.path().join("config"), 1, &config.to_string());
        mount(&folder.path().join("secret"), 1, &secret.to_string());
        let (process, address) = launch(folder.path(), pod);
        Self { folder, process, address, versions: 1, pod: pod.to_owned() }
    }

    /// Replaces the Secret as the kubelet does.
    pub(crate) fn swap_secret(&mut self, text: &str) {
        self.versions += 1;
        mount(&self.folder.path().join("secret"), self.versions, text);
    }

    /// Ends the program in order and starts it again over its files.
    pub(crate) fn restart(&mut self) {
        self.signal("TERM");
        assert!(self.process.wait().unwrap().success());
        (self.process, self.address) = launch(self.folder.path(), &self.pod);
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, name: &str) {
        let ask = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &ask]).status().unwrap().success());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file of the test beside the gateway's.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a request as this tenant, whose access key is called after it.
    pub(crate) fn call(&self, tenant: &str, request: Request) -> Response {
        call(self.address, tenant, request)
    }

    /// Runs aws-cli as this tenant.
    pub(crate) fn aws(&self, tenant: &str, args: &[&str]) -> Ran {
        let mut command = Command::new(PYTHON_BIN.join("aws"));
        command.current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.file("home"));
        command.env("AWS_ACCESS_KEY_ID", format!("AK{tenant}")).env("AWS_SECRET_ACCESS_KEY", secret_of(tenant));
        command.env("AWS_ENDPOINT_URL", format!("http://{}", self.address)).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_MAX_ATTEMPTS", "1").env("NO_PROXY", "*").env("AWS_EC2_METADATA_DISABLED", "true");
        Ran::wait_for(command.args(args))
    }

    /// All that was logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Waits until something was logged.
    #[track_caller]
    pub(crate) fn has_logged(&self, text: &str) {
        until(text, || self.log().contains(text));
    }

    /// The file that came into the store while `write` ran.
    pub(crate) fn file_stored_by(&self, write: impl FnOnce()) -> PathBuf {
        let before: BTreeSet<_> = files_under(&self.file("data")).into_iter().collect();
        write();
        let new: Vec<_> = files_under(&self.file("data")).into_iter().filter(|file| !before.contains(file)).collect();
        let [file] = new.as_slice() else { panic!("expected one new file: {new:?}") };
        file.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if std::thread::panicking() {
            eprintln!("---- log of the gateway\n{}", self.log());
        }
    }
}

/// Sends a request as this tenant.
pub(crate) fn call(address: SocketAddr, tenant: &str, request: Request) -> Response {
    signer(tenant).sign(request, address).send(address)
}

pub(crate) fn signer(tenant: &str) -> Signer {
    Signer::new(&format!("AK{tenant}"), &secret_of(tenant))
}

pub(crate) fn put(path: &str, body: &[u8]) -> Request {
    Request::new("PUT", path).body(body)
}

pub(crate) fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// A seed of 48 bytes of this value.
pub(crate) fn seed(byte: u8) -> String {
    STANDARD.encode([byte; 48])
}

/// A tenant of the Secret's `tenants`.
pub(crate) fn tenant(id: &str) -> Value {
    json!({"id": id, "bucket_prefix": format!("{id}-"), "access_keys": [access_key(id)]})
}

pub(crate) fn access_key(id: &str) -> Value {
    json!({"id": format!("AK{id}"), "secret": secret_of(id)})
}

/// `local-multi-keys` with these tenants.
pub(crate) fn local(keys: &Value, tenants: &[&str]) -> Value {
    let tenants: Vec<_> = tenants.iter().map(|id| tenant(id)).collect();
    json!({"crypto": {"mode": "local-multi-keys", "update_period": "1h", "tenant_keys": keys}, "tenants": tenants})
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < WITHIN, "not within {WITHIN:?}: {what}");
        std::thread::yield_now();
    }
}

fn secret_of(tenant: &str) -> String {
    format!("the-secret-of-{tenant}")
}

fn mount(folder: &Path, version: u32, text: &str) {
    let target = format!("..{version}");
    fs::create_dir(folder.join(&target)).unwrap();
    fs::write(folder.join(&target).join("application.json"), text).unwrap();
    symlink(&target, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if version == 1 {
        symlink("..data/application.json", folder.join("application.json")).unwrap();
    } else {
        fs::remove_dir_all(folder.join(format!("..{}", version - 1))).unwrap();
    }
}

fn launch(folder: &Path, pod: &str) -> (Child, SocketAddr) {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_sealgate"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data"])
        .args(["--config", "config/application.json", "--secret", "secret/application.json"])
        .env_clear()
        .env("POD_NAME", pod)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = loop {
        let Some(Ok(line)) = lines.next() else {
            panic!("the gateway ended; its log:\n{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
        };
        if let Some((_, rest)) = line.split_once("serves S3 on http://") {
            break rest.split(',').next().unwrap_or(rest).trim().parse().unwrap();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    (process, address)
}

pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files
}

const WITHIN: Duration = Duration::from_mins(2);
