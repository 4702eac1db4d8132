//! Who signs requests to the store: the ambient AWS chain where the configuration names nobody.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use super::over::{STORE, backend, own_prefix};
use super::support::{Gateway, Request};

/// A gateway whose configuration has no credentials of the store.
fn ambient(environment: &[(&str, &str)]) -> Gateway {
    let prefix = own_prefix();
    let mut section = backend(STORE.endpoint(), &prefix);
    for name in ["access_key_id", "secret_access_key"] {
        section.as_object_mut().unwrap().remove(name);
    }
    let sections = json!({"backend": section});
    // without this one a machine in a cloud could be asked
    let environment = [environment, &[("AWS_EC2_METADATA_DISABLED", "true")]].concat();
    Gateway::with_environment(&sections, &json!({"bucket_prefix": prefix}), &environment)
}

fn assert_serves(gateway: &Gateway) {
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    gateway.put("/bucket/key", b"plain");
    assert_eq!(gateway.get("/bucket/key").succeeds(), b"plain");
}

#[test]
fn the_environment_names_who_signs() {
    let (id, secret) = STORE.keys();
    assert_serves(&ambient(&[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)]));
}

#[test]
fn a_profile_names_who_signs() {
    let (id, secret) = STORE.keys();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let text = format!("[store]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    assert_serves(&ambient(&[("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_PROFILE", "store")]));
}

#[test]
fn a_container_is_asked_who_signs() {
    let (id, secret) = STORE.keys();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let told = json!({
        "AccessKeyId": id, "SecretAccessKey": secret, "Token": "", "Expiration": "2099-01-01T00:00:00Z",
    })
    .to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let length = told.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(stream, "{head}Content-Length: {length}\r\n\r\n{told}").unwrap();
        }
    });
    let uri = format!("http://{address}/credentials");
    assert_serves(&ambient(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]));
}
