//! A real store of its own for a test program, started and ended by a script in `tests/stores`: SeaweedFS, or the one
//! that `SEALGATE_TEST_STORE` names.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running store. It ends when this is dropped, or with the test program: its standard input ends then.
pub(crate) struct RealStore {
    process: Child,
    told: Value,
    _rest: BufReader<ChildStdout>,
}

impl RealStore {
    /// Starts one; takes some seconds, and as long as it takes to install it the first time.
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stores/{}.py", Self::name()));
        let mut process = Command::new("python3")
            .arg(script)
            .arg("--target")
            .arg(target())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("apt-get install python3 python3-venv");
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the script says where the store is");
        let told = serde_json::from_str(&line).expect("the script says where the store is; its errors stand above");
        Self { process, told, _rest: output }
    }

    /// Which store is tested: `tests/stores/NAME.py`.
    pub(crate) fn name() -> String {
        let asked = std::env::var("SEALGATE_TEST_STORE").ok().filter(|name| !name.is_empty());
        asked.unwrap_or_else(|| "seaweedfs".to_owned())
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint(&self) -> &str {
        self.text("endpoint")
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        self.endpoint().trim_start_matches("http://")
    }

    /// Id and secret of the access key that may do everything.
    pub(crate) fn keys(&self) -> (&str, &str) {
        (self.text("access_key"), self.text("secret_key"))
    }

    /// Those of another access key of the same user, or the same ones where there is none.
    #[allow(dead_code, reason = "not every test program asks")]
    pub(crate) fn second_keys(&self) -> (&str, &str) {
        if self.told["second_access_key"].is_null() {
            return self.keys();
        }
        (self.text("second_access_key"), self.text("second_secret_key"))
    }

    /// The domain under which its buckets have names of their own, with the port.
    #[allow(dead_code, reason = "not every test program asks")]
    pub(crate) fn domain(&self) -> Option<&str> {
        self.told["domain"].as_str()
    }

    fn text(&self, field: &str) -> &str {
        self.told[field].as_str().expect("a text")
    }
}

impl Drop for RealStore {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}

/// Cargo's target folder, from the place of this test program: `target/debug/deps/name`.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its own path");
    program.ancestors().nth(3).expect("target/debug/deps/name").to_owned()
}
