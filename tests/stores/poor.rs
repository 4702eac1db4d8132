//! A poor store: `rclone serve s3` over a folder. No versions, no tags, no conditions; objects all the same.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::support::install::PYTHON_BIN;
use super::support::{Content, Gateway, Request};

/// The server; ends when dropped.
struct RcloneServer {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl RcloneServer {
    fn start() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let mut process = Command::new(PYTHON_BIN.join("rclone"))
            .args(["serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", "ID,SECRET", "--config", ""])
            .arg(folder.path())
            .env("HOME", folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let endpoint = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("http://")?.1.split('/').next()?.to_owned()))
            .expect("it says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, endpoint: format!("http://{}", endpoint.trim_end_matches(']')), _folder: folder }
    }
}

impl Drop for RcloneServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn objects_are_stored_listed_read_by_range_and_deleted() {
    let server = RcloneServer::start();
    let backend = json!({
        "type": "s3", "endpoint": server.endpoint, "access_key_id": "ID", "secret_access_key": "SECRET",
        "staging_bucket": "staging",
    });
    let gateway = Gateway::configured(&backend, "");
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    for bytes in [0, 1_000, 3_000_000] {
        let body = Content::new(bytes, bytes).to_vec();
        gateway.put("/bucket/key", &body);
        assert!(gateway.get("/bucket/key").succeeds() == body);
        let listing = String::from_utf8(gateway.get("/bucket?list-type=2").succeeds()).unwrap();
        assert!(listing.contains(&format!("<Size>{bytes}</Size>")), "{listing}");
    }
    let range = gateway.call(Request::new("GET", "/bucket/key").header("range", "bytes=1000000-1999999"));
    assert!(range.body == Content::new(3_000_000, 3_000_000).to_vec()[1_000_000..2_000_000]);
    gateway.call(Request::new("DELETE", "/bucket/key")).succeeds();
    gateway.has_no("/bucket/key");
}
