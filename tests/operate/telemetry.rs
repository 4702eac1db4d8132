//! Metrics, log lines and audit records of the running program.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::Request;
use crate::promtool::PROMTOOL;

#[test]
fn metrics_pass_promtool_and_tell_what_happened() {
    let gateway = Gateway::start(&json!({}));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    gateway.s3("PUT", "/bucket/key", &[1; 5000]).succeeds();
    assert_eq!(gateway.s3("GET", "/bucket/key", b"").succeeds(), [1; 5000]);
    gateway.s3("GET", "/bucket/none", b"").is_error(404, "NoSuchKey");
    let text = gateway.ask("/metrics").text();
    for line in [
        "sealgate_http_requests_total{operation=\"PutObject\",code_class=\"2xx\"} 1",
        "sealgate_http_requests_total{operation=\"GetObject\",code_class=\"2xx\"} 1",
        "sealgate_http_requests_total{operation=\"GetObject\",code_class=\"4xx\"} 1",
        "sealgate_http_bytes_total{direction=\"received\"} 5000",
        "sealgate_crypto_bytes_total{direction=\"sealed\"} 5000",
        "sealgate_crypto_bytes_total{direction=\"opened\"} 5000",
        "sealgate_crypto_integrity_failures_total{kind=\"segment\"} 0",
        "sealgate_http_cancelled_total 0",
        "sealgate_upstream_connection_status{upstream=\"backend\"} 1",
        "sealgate_healthcheck_status{} 1",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is not in\n{text}");
    }
    let mut check = Command::new(&*PROMTOOL);
    let mut check = check.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_admin_port_is_guarded_by_the_file_beside_the_secrets() {
    let gateway = Gateway::start(&json!({}));
    let statuses = |headers: &[(&str, &str)]| {
        ["/metrics", "/v1/status", "/"].map(|path| {
            let mut request = Request::new("GET", path);
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            request.send(gateway.admin).status
        })
    };
    assert_eq!(statuses(&[]), [200; 3], "this machine is told");
    assert_eq!(statuses(&[("x-forwarded-for", "192.0.2.1")]), [200, 403, 403], "a proxy speaks for others");
    fs::write(gateway.path("metrics-secret-header-value"), "open sesame").unwrap();
    assert_eq!(statuses(&[]), [401; 3]);
    assert_eq!(statuses(&[("x-metrics-secret", "open sesame")]), [200; 3]);
    let form = Request::new("POST", "/").header("content-type", "application/x-www-form-urlencoded");
    let signed_in = form.body("secret=open+sesame").send(gateway.admin);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap();
    assert_eq!((signed_in.status, statuses(&[("cookie", cookie)])), (303, [200; 3]));
    let health = gateway.ask("/health");
    assert_eq!((health.status, health.text().as_str()), (200, r#"{"status":"ok","checks":[]}"#));
}

#[test]
fn the_admin_port_is_asked_under_names_of_its_own() {
    let gateway = Gateway::start(&json!({"listen": {"admin_hosts": ["gateway.example.com"]}}));
    let status = |path: &str, host: &str| Request::new("GET", path).header("host", host).send(gateway.admin).status;
    for path in ["/health", "/metrics", "/v1/status", "/"] {
        assert_eq!(status(path, "evil.example"), 403, "{path}");
        assert_eq!(status(path, "gateway.example.com:8001"), 200, "{path}");
    }
    assert_eq!((status("/health/live", "evil.example"), status("/health/ready", "evil.example")), (200, 200));
}

#[test]
fn an_audit_record_tells_who_did_what_and_names_the_request() {
    let mut gateway = Gateway::start(&json!({"audit": {"sink": "file", "file": "audit.log", "on_full": "block"}}));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let put = gateway.s3("PUT", "/bucket/a%20key", b"12345");
    let id = put.header("x-amz-request-id").to_owned();
    gateway.s3("GET", "/bucket/none?partNumber=1", b"");
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0), "records are written before the end");
    let text = fs::read_to_string(gateway.path("audit.log")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let put = records.iter().find(|record| record["request_id"] == id.as_str()).unwrap();
    for (field, expected) in [
        ("operation", json!("REST.PutObject")),
        ("bucket_name", json!("bucket")),
        ("key", json!("a key")),
        ("requester", json!(crate::gateway::ACCESS_KEY)),
        ("http_status", json!(200)),
        ("bytes_received", json!(5)),
        ("remote_ip", json!("127.0.0.1")),
        ("error_code", Value::Null),
    ] {
        assert_eq!(put[field], expected, "{field} of {put}");
    }
    assert_eq!(put["sealgate"]["tenant"], "acme");
    let failed = records.iter().find(|record| record["http_status"] == 404).unwrap();
    assert_eq!(failed["error_code"], "NoSuchKey");
    assert!(!text.contains("partNumber"), "queries can carry signatures");
    assert_eq!(records.len(), 3);
}

#[test]
fn log_lines_are_json_if_that_is_configured() {
    let gateway = Gateway::start(&json!({"telemetry": {"log_format": "json", "log": "debug"}}));
    gateway.s3("GET", "/", b"").succeeds();
    let log = gateway.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").expect("debug lines are there");
    assert!(answered["span"]["id"].as_str().unwrap().len() == 20, "{answered}");
}

#[test]
fn health_and_status_tell_how_it_is() {
    let gateway = Gateway::start(&json!({}));
    let health: Value = serde_json::from_str(&gateway.ask("/health").text()).unwrap();
    assert_eq!(health["status"], "ok", "{health}");
    let status: Value = serde_json::from_str(&gateway.ask("/v1/status").text()).unwrap();
    assert_eq!((&status["phase"], &status["mode"]), (&json!("ready"), &json!("single-key")), "{status}");
    assert_eq!(Request::new("GET", "/_/health").send(gateway.s3).text(), "ok");
}
