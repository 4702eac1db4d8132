//! The running Coordinator: the built program, a folder of its own, a free port.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Request, Response};
use crate::postgres;

/// A running Coordinator; ends, and its folder goes, when this is dropped.
pub(crate) struct Service {
    folder: TempDir,
    pub(crate) start: Start,
    process: Child,
    address: SocketAddr,
    /// scopes: all that a gateway needs
    pub(crate) gateway: String,
    /// scopes: all that an administrator needs
    pub(crate) admin: String,
}

/// How it is started.
#[derive(Clone)]
pub(crate) struct Start {
    /// a URL, or a file in its folder
    pub(crate) database: String,
    /// the key-encryption key
    pub(crate) kek: String,
    /// further arguments
    pub(crate) arguments: Vec<String>,
}

impl Start {
    pub(crate) fn on_sqlite() -> Self {
        Self { database: "tenants.db".into(), kek: kek(7), arguments: Vec::new() }
    }

    pub(crate) fn on_postgres() -> Self {
        Self { database: postgres::database(), ..Self::on_sqlite() }
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }
}

/// A key-encryption key of 32 bytes of this value.
pub(crate) fn kek(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

impl Service {
    pub(crate) fn start(start: Start) -> Self {
        Self::start_in(folder(), start)
    }

    /// Starts it over what is in a folder.
    pub(crate) fn start_in(folder: TempDir, start: Start) -> Self {
        let gateway = token(folder.path(), "gateway", &["tenants:read", "tenants:keys", "status:write"]);
        let admin = token(folder.path(), "admin", &["tenants:read", "tenants:write"]);
        let (process, address) = launch(folder.path(), &start).unwrap_or_else(|log| panic!("it did not start:\n{log}"));
        Self { folder, start, process, address, gateway, admin }
    }

    /// Another one over the same database (a URL), with the same callers.
    pub(crate) fn another(&self) -> Self {
        let folder = folder();
        fs::copy(self.path("access.json"), folder.path().join("access.json")).unwrap();
        let (process, address) = launch(folder.path(), &self.start).unwrap();
        let (gateway, admin) = (self.gateway.clone(), self.admin.clone());
        Self { folder, start: self.start.clone(), process, address, gateway, admin }
    }

    /// What it says when it is started over this one's folder, and does not start.
    pub(crate) fn refuses(&self, start: &Start) -> String {
        match launch(self.folder.path(), start) {
            Err(log) => log,
            Ok((mut process, _)) => {
                process.kill().unwrap();
                process.wait().unwrap();
                panic!("it started")
            }
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Asks it to end, and waits until it did.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.process.wait().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let ask = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &ask]).status().unwrap().success());
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }

    /// Starts it again over what it left.
    pub(crate) fn restart(&mut self) {
        (self.process, self.address) = launch(self.folder.path(), &self.start).unwrap();
    }

    /// Starts it again over what it left, at the address that it had.
    #[allow(dead_code, reason = "the tests of gateways need it")]
    pub(crate) fn resume(&mut self) {
        let start = self.start.clone().with(&["--listen", &self.address.to_string()]);
        (self.process, self.address) = launch(self.folder.path(), &start).unwrap();
    }

    /// A call with the gateway's token.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.call("GET", path, &self.gateway, &[], "")
    }

    /// A call with the administrator's token, on a tenant that is there.
    pub(crate) fn change(&self, method: &str, path: &str, body: &Value) -> Response {
        self.call(method, path, &self.admin, &[("if-match", "*")], &body.to_string())
    }

    /// A new tenant.
    pub(crate) fn create(&self, id: &str, spec: &Value) -> Response {
        self.call("PUT", &format!("/v1/tenants/{id}"), &self.admin, &[("if-none-match", "*")], &spec.to_string())
    }

    pub(crate) fn call(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = Request::new(method, path).header("authorization", format!("Bearer {token}")).body(body);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.send(self.address)
    }

    /// Runs a command of the program that calls this Coordinator.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).current_dir(self.folder.path());
        command.env("SEALGATE_COORDINATOR_URL", format!("http://{}", self.address));
        command.env("SEALGATE_COORDINATOR_TOKEN", &self.admin);
        command
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of the coordinator\n{}", self.log());
        }
    }
}

/// The JSON of an answer, if the call was done.
#[track_caller]
pub(crate) fn done(answer: Response) -> Value {
    let body = answer.succeeds();
    if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() }
}

/// Fails unless the answer is this problem.
#[track_caller]
pub(crate) fn is_refused(answer: &Response, status: u16, code: &str) {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{}", answer.text());
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    command.env_clear().env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("coordinator").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Makes a token.
pub(crate) fn token(folder: &Path, name: &str, scopes: &[&str]) -> String {
    let mut command = program();
    command.current_dir(folder).args(["coordinator", "token", "--access", "access.json", "--name", name]);
    for scope in scopes {
        command.args(["--scope", scope]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Starts the program and reads where it serves; or what it logged, if it ended.
fn launch(folder: &Path, start: &Start) -> Result<(Child, SocketAddr), String> {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut process = program()
        .args(["coordinator", "--access", "access.json", "--log", "debug"])
        .args(["--database", &start.database])
        .args(&start.arguments)
        .env("SEALGATE_COORDINATOR_KEK", &start.kek)
        .env("SEALGATE_COORDINATOR_LISTEN", "127.0.0.1:0")
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let Some(Ok(line)) = lines.next() else {
        process.wait().unwrap();
        return Err(fs::read_to_string(folder.join("log")).unwrap_or_default());
    };
    let (_, address) = line.split_once("://").expect("it prints where it serves");
    Ok((process, address.parse().unwrap()))
}
