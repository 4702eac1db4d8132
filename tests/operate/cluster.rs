//! A cluster of the test's own for kubectl and Helm: the Kubernetes API and the node of `tests/operate/cluster/`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::install::PYTHON_BIN;
use crate::tools::HELM;

/// A running cluster; its pods are processes, and end with it.
pub(crate) struct Cluster {
    process: Child,
    folder: PathBuf,
}

impl Cluster {
    /// Starts one without objects, which keeps its files in a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operate/cluster/api.py");
        let mut process = Command::new(HELM.join("venv/bin/python"))
            .arg(script)
            .args([folder, Path::new(env!("CARGO_BIN_EXE_sealgate"))])
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", PYTHON_BIN.display()))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the cluster did not start; its errors stand above");
        Self { process, folder: folder.to_owned() }
    }

    /// The file by which clients find it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let all = format!("kill -KILL -- -{}", self.process.id());
        Command::new("bash").args(["-c", &all]).status().ok();
        self.process.wait().ok();
    }
}
