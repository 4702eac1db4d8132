//! No secret, token, signature or anything derived from a key comes out, whatever is logged.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::gateway::{ACCESS_KEY, Gateway, SECRET_KEY, SEED};
use crate::http::Request;
use crate::sign::Signer;
use crate::traces::Collector;

#[test]
fn nothing_secret_is_in_logs_audit_metrics_status_or_traces_under_full_debug() {
    let collector = Collector::start();
    let mut gateway = Gateway::start_with(
        &json!({
            "audit": {"sink": "file", "file": "audit.log"},
            "telemetry": {"log": "trace", "traces": collector.section()},
        }),
        &["--log", "trace"],
    );
    let mut secrets = vec![SECRET_KEY.to_owned(), SEED.to_owned(), "a-session-token".to_owned()];
    let seed = STANDARD.decode(SEED).unwrap();
    secrets.push(String::from_utf8(seed.clone()).unwrap());
    for key in [seed.clone(), Sha256::digest(&seed).to_vec()] {
        secrets.push(STANDARD.encode(&key));
        secrets.push(key.iter().map(|byte| format!("{byte:02x}")).collect());
        secrets.push(format!("{key:?}"));
    }
    let plaintext = "the plaintext of an object that nobody else may read";
    secrets.push(plaintext.to_owned());
    let mut ask = |request: Request| {
        let authorization = request.headers.iter().find(|(name, _)| name == "authorization");
        let signed = authorization.map_or(request.target.as_str(), |(_, value)| value.as_str());
        let signature = signed.split(['=', '&', ',']).next_back().unwrap().to_owned();
        assert!(signature.len() == 64, "{signed}");
        secrets.push(signature);
        request.send(gateway.s3)
    };
    ask(gateway.signed("PUT", "/bucket", b"")).succeeds();
    ask(gateway.signed("PUT", "/bucket/key", plaintext.as_bytes())).succeeds();
    let signer = Signer::new(ACCESS_KEY, SECRET_KEY);
    let presigned = signer.presign(Request::new("GET", "/bucket/key"), gateway.s3, Duration::from_mins(5));
    assert_eq!(ask(presigned).succeeds(), plaintext.as_bytes());
    let forged = signer.with_secret("another-secret").sign(Request::new("GET", "/bucket/key"), gateway.s3);
    ask(forged).is_error(403, "SignatureDoesNotMatch");
    let token = Request::new("GET", "/").header("x-amz-security-token", "a-session-token");
    assert_eq!(ask(signer.sign(token, gateway.s3)).status, 400);
    gateway.signal("HUP");
    while !gateway.log().contains("SIGHUP") {}
    let (metrics, status) = (gateway.ask("/metrics").text(), gateway.ask("/v1/status").text());
    gateway.signal("TERM");
    gateway.ended();
    let told = [
        ("the log", gateway.log()),
        ("the audit log", fs::read_to_string(gateway.path("audit.log")).unwrap()),
        ("the metrics", metrics),
        ("the status", status),
        ("the traces", collector.taken()),
    ];
    assert!(!told[0].1.contains("inotify event"), "the log lies in a watched folder: each line would cause the next");
    assert!(told[0].1.contains("TRACE") || told[0].1.contains("DEBUG"), "it did log in full:\n{}", told[0].1);
    for (place, text) in &told {
        assert!(text.len() > 500, "{place} says something");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} stands in {place}");
        }
    }
}
