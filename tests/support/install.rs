//! The pinned clients under `target/clients/`: one virtual environment, one npm folder, made once for all tests.
//!
//! Tests and test programs that start at the same time wait for each other at a file lock. A stamp with the pinned
//! list tells whether what is there is what is wanted. What cannot be had fails the test and says how to get it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folder of the Python clients' programs.
pub(crate) static PYTHON_BIN: LazyLock<PathBuf> = LazyLock::new(|| {
    let venv = clients().join("venv");
    made_once("python", include_str!("requirements.txt"), &venv, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "apt-get install python3 python3-venv");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
        let list = support().join("requirements.txt");
        run(Command::new(venv.join("bin/python")).args(pip).arg(list), "check the way to the Python package registry");
    });
    venv.join("bin")
});

/// The folder whose `node_modules` holds the JavaScript clients.
pub(crate) static NODE_FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = clients().join("npm");
    made_once("node", include_str!("package-lock.json"), &folder, || {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(support().join(name), folder.join(name)).unwrap();
        }
        let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        run(Command::new("npm").args(npm).current_dir(&folder), "install Node.js 20 or newer with npm");
    });
    folder
});

/// Empties `folder` and calls `make`, unless its stamp says that `pins` were put there before.
pub(crate) fn made_once(name: &str, pins: &str, folder: &Path, make: impl FnOnce()) {
    fs::create_dir_all(clients()).unwrap();
    let lock = File::create(clients().join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let stamp = clients().join(format!("{name}.stamp"));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == pins) && folder.exists() {
        return;
    }
    fs::remove_file(&stamp).ok();
    fs::remove_dir_all(folder).ok();
    fs::create_dir_all(folder).unwrap();
    make();
    fs::write(&stamp, pins).unwrap();
}

/// Runs a step of an installation.
pub(crate) fn run(command: &mut Command, advice: &str) {
    let line = format!("{command:?}");
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "a client of the tests could not be installed: {advice}\n{line}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("a client of the tests could not be installed: {advice}\n{line}: {error}"),
    }
}

/// Where everything is installed.
pub(crate) fn clients() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients")
}

fn support() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support")
}
