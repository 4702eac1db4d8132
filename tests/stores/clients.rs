//! aws-cli, boto3 and rclone through the gateway.

use std::fs;

use super::over::{takes_parts, with_bucket};
use super::support::Content;

#[test]
fn files_of_all_sizes_go_up_with_aws_cli_and_come_back() {
    let gateway = with_bucket();
    let sizes: &[u64] = if takes_parts() { &[0, 1, 65_537, 5 << 20, 20_000_000] } else { &[0, 1, 65_537, 5 << 20] };
    let largest = sizes[sizes.len() - 1];
    for &bytes in sizes {
        Content::new(bytes, bytes).write_to(&gateway.work().join("up"));
        gateway.aws(["s3", "cp", "--no-progress", "up", "s3://bucket/key"]).succeeds();
        gateway.aws(["s3", "cp", "--no-progress", "s3://bucket/key", "down"]).succeeds();
        Content::new(bytes, bytes).assert_equals_file(&gateway.work().join("down"));
    }
    gateway.aws(["s3", "cp", "--no-progress", "s3://bucket/key", "s3://bucket/copy"]).succeeds();
    gateway.aws(["s3", "mv", "--no-progress", "s3://bucket/copy", "moved"]).succeeds();
    Content::new(largest, largest).assert_equals_file(&gateway.work().join("moved"));
}

#[test]
fn rclone_sees_no_difference_after_a_sync() {
    let gateway = with_bucket();
    let files = gateway.work().join("files");
    fs::create_dir_all(files.join("deeper")).unwrap();
    for (name, bytes) in [("empty", 0), ("small ü", 1_000), ("deeper/segment", 65_536), ("deeper/large", 30_000_000)] {
        Content::new(bytes, bytes).write_to(&files.join(name));
    }
    let args = ["--s3-upload-cutoff", if takes_parts() { "8M" } else { "64M" }];
    gateway.rclone(&[&["sync", "files", "gate:bucket/files"], &args[..]].concat()).succeeds();
    gateway.rclone(&["check", "--download", "files", "gate:bucket/files"]).succeeds();
    let plan = gateway.rclone(&["sync", "--dry-run", "--combined", "-", "files", "gate:bucket/files"]).succeeds();
    assert_eq!(plan.lines().filter(|line| !line.starts_with('=')).collect::<Vec<_>>(), [""; 0]);
}
