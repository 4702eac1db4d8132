//! rclone with default settings: no flag that makes it overlook entity tags or checksums.

use std::fs;

use crate::support::{Content, Gateway};

/// A gateway and a folder `files` with files of one part and of several.
fn with_files() -> Gateway {
    let gateway = Gateway::with_bucket();
    let files = gateway.work().join("files");
    fs::create_dir_all(files.join("deeper")).unwrap();
    for (name, bytes) in [("empty", 0), ("small ü", 1_000), ("deeper/segment", 65_536), ("deeper/large", 210_000_000)]
    {
        Content::new(bytes, bytes).write_to(&files.join(name));
    }
    gateway
}

#[test]
fn check_sees_no_difference_after_copy() {
    let gateway = with_files();
    gateway.rclone(&["copy", "files", "gate:bucket/files"]).succeeds();
    gateway.rclone(&["check", "files", "gate:bucket/files"]).succeeds();
    gateway.rclone(&["check", "--download", "files", "gate:bucket/files"]).succeeds();
}

#[test]
fn copy_brings_everything_back() {
    let gateway = with_files();
    gateway.rclone(&["copy", "files", "gate:bucket/files"]).succeeds();
    gateway.rclone(&["copy", "gate:bucket/files", "back"]).succeeds();
    Content::new(0, 0).assert_equals_file(&gateway.work().join("back/empty"));
    Content::new(1_000, 1_000).assert_equals_file(&gateway.work().join("back/small ü"));
    Content::new(210_000_000, 210_000_000).assert_equals_file(&gateway.work().join("back/deeper/large"));
}

#[test]
fn check_sees_a_difference_where_there_is_one() {
    let gateway = Gateway::with_bucket();
    fs::create_dir(gateway.work().join("files")).unwrap();
    Content::new(1, 1_000).write_to(&gateway.work().join("files/key"));
    gateway.put("/bucket/files/key", &Content::new(2, 1_000).to_vec());
    gateway.rclone(&["check", "--download", "files", "gate:bucket/files"]).fails();
}

#[test]
fn a_second_sync_transfers_nothing() {
    let gateway = with_files();
    gateway.rclone(&["sync", "files", "gate:bucket/files"]).succeeds();
    let plan = gateway.rclone(&["sync", "--dry-run", "--combined", "-", "files", "gate:bucket/files"]).succeeds();
    assert_eq!(plan.lines().filter(|line| !line.starts_with('=')).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn cryptcheck_sees_no_difference_under_rclones_own_encryption() {
    let gateway = with_files();
    let secret = gateway.rclone(&["obscure", "a password"]).succeeds();
    let crypt = format!(":crypt,remote='gate:bucket/crypt',password='{}':", secret.trim());
    gateway.rclone(&["copy", "files", &crypt]).succeeds();
    gateway.rclone(&["cryptcheck", "files", &crypt]).succeeds();
}

#[test]
fn ls_shows_plain_sizes() {
    let gateway = with_files();
    gateway.rclone(&["copy", "files", "gate:bucket"]).succeeds();
    let listing = gateway.rclone(&["lsf", "--recursive", "--files-only", "--format", "sp", "gate:bucket"]).succeeds();
    let mut lines: Vec<_> = listing.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["0;empty", "1000;small ü", "210000000;deeper/large", "65536;deeper/segment"]);
}
