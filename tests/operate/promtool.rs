//! promtool, out of Debian's package `prometheus`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::install::{clients, made_once, run};

/// Where it is.
pub(crate) static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = clients().join("promtool");
    made_once("promtool", "Debian", &folder, || {
        let script = "apt-get download --quiet prometheus && dpkg-deb --extract prometheus_*.deb .";
        let advice = "promtool is in Debian's package prometheus";
        run(Command::new("sh").args(["-ec", script]).current_dir(&folder), advice);
    });
    folder.join("usr/bin/promtool")
});
