//! Runs real clients against a gateway: with its credentials, its endpoint, and nothing else of this machine.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::gateway::Gateway;
use super::install::{NODE_FOLDER, PYTHON_BIN};

/// How a client ended and what it said.
pub(crate) struct Ran {
    line: String,
    output: Output,
}

impl Ran {
    /// Waits for the client. No input is given to it.
    pub(crate) fn wait_for(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{line}: {error}"));
        Self { line, output }
    }

    /// Its standard output, if it succeeded.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert!(self.output.status.success(), "{self}");
        String::from_utf8(self.output.stdout).expect("clients print UTF-8")
    }

    /// Its standard error, if it failed.
    #[track_caller]
    pub(crate) fn fails(self) -> String {
        assert!(!self.output.status.success(), "expected to fail: {self}");
        String::from_utf8(self.output.stderr).expect("clients print UTF-8")
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (out, err) = (String::from_utf8_lossy(&self.output.stdout), String::from_utf8_lossy(&self.output.stderr));
        write!(f, "{}\n{}\n---- stdout\n{out}\n---- stderr\n{err}", self.line, self.output.status)
    }
}

impl Gateway {
    /// Runs aws-cli.
    pub(crate) fn aws<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::wait_for(self.aws_command().args(args))
    }

    /// aws-cli, ready for its arguments; SigV4 presigning is the setting that the error of a SigV2 one names.
    pub(crate) fn aws_command(&self) -> Command {
        self.client(&PYTHON_BIN.join("aws"))
    }

    /// Runs one function of a Python script in `tests/clients/`.
    pub(crate) fn python(&self, script: &str, function: &str, args: &[&str]) -> Ran {
        let mut command = self.client(&PYTHON_BIN.join("python"));
        Ran::wait_for(command.arg(scripts().join(script)).arg(function).args(args))
    }

    /// Runs one function of a JavaScript module in `tests/clients/`.
    pub(crate) fn node(&self, script: &str, function: &str, args: &[&str]) -> Ran {
        let mut command = self.client(Path::new("node"));
        command.env("SEALGATE_NODE_FOLDER", &*NODE_FOLDER);
        Ran::wait_for(command.arg(scripts().join("run.mjs")).args([script, function]).args(args))
    }

    /// Runs rclone; the remote is called `gate` and has no setting but where it is and who we are.
    pub(crate) fn rclone(&self, args: &[&str]) -> Ran {
        let credentials = self.credentials();
        let mut command = self.client(&PYTHON_BIN.join("rclone"));
        command.args(args).args(["--retries", "1"]);
        command
            .env("RCLONE_CONFIG", "")
            .env("RCLONE_CONFIG_GATE_TYPE", "s3")
            .env("RCLONE_CONFIG_GATE_PROVIDER", "Other");
        command.env("RCLONE_CONFIG_GATE_ENDPOINT", &credentials.endpoint);
        command.env("RCLONE_CONFIG_GATE_ACCESS_KEY_ID", &credentials.access_key);
        command.env("RCLONE_CONFIG_GATE_SECRET_ACCESS_KEY", &credentials.secret_key);
        Ran::wait_for(&mut command)
    }

    /// Runs s3cmd.
    pub(crate) fn s3cmd(&self, args: &[&str]) -> Ran {
        let (credentials, host) = (self.credentials(), self.address().to_string());
        let mut command = self.client(&PYTHON_BIN.join("s3cmd"));
        command.args(["--config", "/dev/null", "--no-ssl", "--host", &host, "--host-bucket", &host]);
        command.args(["--access_key", &credentials.access_key, "--secret_key", &credentials.secret_key]);
        Ran::wait_for(command.args(args))
    }

    fn client(&self, program: &Path) -> Command {
        let credentials = self.credentials();
        let mut command = Command::new(program);
        command.current_dir(self.work()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home());
        command.env("LANG", "C.UTF-8").env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("AWS_ACCESS_KEY_ID", &credentials.access_key);
        command.env("AWS_SECRET_ACCESS_KEY", &credentials.secret_key);
        command.env("AWS_ENDPOINT_URL", &credentials.endpoint);
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("SEALGATE_DATA", self.data());
        command
    }
}

fn scripts() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// One test for each named function of a script, and one that fails if the script has a function that is not named.
macro_rules! script_tests {
    ($run:ident, $script:literal, $keyword:literal: $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::support::Gateway::start().$run($script, stringify!($name), &[]).succeeds();
        })*

        #[test]
        fn every_function_of_the_script_is_a_test() {
            let named = [$(stringify!($name)),*];
            let script = include_str!($script);
            let there: Vec<_> = script
                .lines()
                .filter_map(|line| line.strip_prefix($keyword)?.split_once('('))
                .map(|(name, _)| name)
                .filter(|name| !name.starts_with('_'))
                .collect();
            assert_eq!(there, named);
        }
    };
}
pub(crate) use script_tests;
