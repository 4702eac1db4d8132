//! The status page in a real browser.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::gateway::Gateway;

/// The screenshot stays in the target folder, for people to look at.
#[test]
fn the_status_page_is_shown_by_chromium() {
    let gateway = Gateway::start(&json!({"telemetry": {"log": "warn"}}));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    gateway.s3("PUT", "/bucket/key", &vec![1; 300_000]).succeeds();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let picture = format!("{}/status-page.png", env!("CARGO_TARGET_TMPDIR"));
    fs::remove_file(&picture).ok();
    let browse = |what: &str| {
        let output = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--virtual-time-budget=9000", "--window-size=1100,1400", "--no-first-run"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(what)
            .arg(format!("http://{}/", gateway.admin))
            .output()
            .expect("apt-get install chromium");
        String::from_utf8(output.stdout).unwrap()
    };
    let page = browse("--dump-dom");
    assert!(page.contains("data-shown=\"yes\""), "the page's script ran:\n{page}");
    let status: serde_json::Value = serde_json::from_slice(&gateway.ask("/v1/status").succeeds()).unwrap();
    let key_id = status["default_key_id"].as_str().expect("one key serves all tenants");
    assert_eq!(key_id.len(), 16);
    for text in ["all checks well", key_id, ">ready<", "single-key", "backend", "Recent warnings and errors"] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    browse(&format!("--screenshot={picture}"));
    fs::write(gateway.path("metrics-secret-header-value"), "open sesame").unwrap();
    let asked = browse("--dump-dom");
    assert!(asked.contains("type=\"password\"") && !asked.contains(key_id), "it asks for the secret first:\n{asked}");
    assert!(fs::metadata(&picture).is_ok_and(|file| file.len() > 10_000), "{picture}");
}
