//! Store, KMS and Coordinator behind the proxy that the environment names.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::doctor::state;
use crate::gateway::{ACCESS_KEY, Gateway, SECRET_KEY, folder, program};
use crate::server::Server;

/// A proxy that makes tunnels to the servers it knows by name, and notes who asked for what.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(servers: HashMap<&'static str, SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let (noted, servers) = (Arc::clone(&asked), Arc::new(servers));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (noted, servers) = (Arc::clone(&noted), Arc::clone(&servers));
                std::thread::spawn(move || tunnel(client, &noted, &servers));
            }
        });
        Self { address, asked }
    }

    fn variable(&self) -> String {
        format!("http://user:word@{}", self.address)
    }

    /// The heads of requests that came, each as one line.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn tunnel(mut client: TcpStream, asked: &Mutex<Vec<String>>, servers: &HashMap<&str, SocketAddr>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let name = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(head.join(" | "));
    let Some(server) = servers.get(name.as_str()).and_then(|address| TcpStream::connect(address).ok()) else {
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").ok();
        return;
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let back = {
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            std::io::copy(&mut from, &mut to).ok();
            to.shutdown(Shutdown::Write).ok();
        })
    };
    let mut to = server;
    std::io::copy(&mut reader, &mut to).ok();
    to.shutdown(Shutdown::Write).ok();
    back.join().unwrap();
}

/// A certificate for `store.example`, which is its own authority, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("store.crt"), folder.join("store.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=store.example", "-addext", "subjectAltName=DNS:store.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("apt-get install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}

/// Puts more into a folder's secret file.
fn with_secret(folder: &Path, change: impl FnOnce(&mut Value)) {
    let file = folder.join("secret.json");
    let mut secret: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    change(&mut secret);
    fs::write(&file, secret.to_string()).unwrap();
}

#[test]
fn the_store_is_reached_through_the_proxy() {
    let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (cert, key) = certificate(files.path());
    let behind = folder(&json!({"listen": {"tls": {"cert": cert, "key": key}}}));
    with_secret(behind.path(), |secret| secret["tenants"][0]["access_keys"][0]["id"] = "STORE".into());
    let store = Gateway::start_in(behind, &[]);
    let proxy = Proxy::start(HashMap::from([("store.example:443", store.s3)]));
    let before = folder(&json!({"backend": {
        "type": "s3", "path": null, "endpoint": "https://store.example", "region": "us-east-1", "ca_file": cert,
        "staging_bucket": "uploads-under-way",
    }}));
    let own = json!({"access_key_id": "STORE", "secret_access_key": SECRET_KEY});
    with_secret(before.path(), |secret| secret["backend"] = own);
    let gateway = Gateway::start_knowing(before, ("HTTPS_PROXY", &proxy.variable()));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let buckets = gateway.s3("GET", "/", b"").text();
    assert!(buckets.contains("<Name>bucket</Name>"), "{buckets}");
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    for head in asked {
        assert!(head.starts_with("CONNECT store.example:443 HTTP/1.1 | "), "{head}");
        assert!(head.ends_with(" | Proxy-Authorization: Basic dXNlcjp3b3Jk"), "{head}");
    }
    assert!(!gateway.log().contains("user:word"), "the proxy's password is in the log");
}

#[test]
fn kms_and_coordinator_are_asked_through_the_proxy() {
    let kms = Server::start();
    let proxy = Proxy::start(HashMap::from([("kms.example:5696", kms.address().parse().unwrap())]));
    let of_both = folder(&json!({
        "crypto": {"mode": "remote-multi-keys", "update_period": "1h"},
        "coordinator": {"url": "https://coordinator.example"},
    }));
    let kms_config = json!({
        "kmip": {"address": "kms.example:5696", "major_version": 1, "minor_version": 4},
        "tls": {
            "key": kms.pem("client.key"), "cert": kms.pem("client.crt"), "ca": kms.pem("ca.crt"),
            "server_name": "localhost",
        },
    });
    with_secret(of_both.path(), |secret| *secret = json!({"crypto": {"kms_config": kms_config}}));
    let output = program(of_both.path(), &["doctor", "--json"]).env("https_proxy", proxy.variable()).output().unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(state(&findings, "kms"), "ok", "{findings}");
    assert_eq!(state(&findings, "coordinator"), "fail", "{findings}");
    let asked = proxy.asked();
    for name in ["kms.example:5696", "coordinator.example:443"] {
        assert!(asked.iter().any(|head| head.starts_with(&format!("CONNECT {name} "))), "{name}: {asked:?}");
    }
}

#[test]
fn roles_are_asked_for_through_the_proxy() {
    let proxy = Proxy::start(HashMap::new());
    let folder = folder(&json!({"backend": {"type": "s3", "path": null, "endpoint": "http://127.0.0.1:1"}}));
    let token = folder.path().join("token");
    fs::write(&token, "token").unwrap();
    let doctor = program(folder.path(), &["doctor", "--json"])
        .env("HTTPS_PROXY", proxy.variable())
        .env("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/gateway")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
        .env("AWS_ENDPOINT_URL_STS", "https://sts.example")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_MAX_ATTEMPTS", "1")
        .output()
        .unwrap();
    assert!(!doctor.status.success());
    let asked = proxy.asked();
    assert!(asked.iter().any(|head| head.starts_with("CONNECT sts.example:443 ")), "{asked:?}");
}

#[test]
fn an_access_key_of_the_store_lets_no_client_in() {
    let twice = folder(&json!({"backend": {"type": "s3", "path": null, "endpoint": "http://127.0.0.1:1"}}));
    let own = json!({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY});
    with_secret(twice.path(), |secret| secret["backend"] = own);
    let output = program(twice.path(), &["serve"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && told.contains("`tenants`: the access key `AKIDOPERATE` is the gateway's own"),
        "{told}"
    );
    assert!(!told.contains(SECRET_KEY), "{told}");
}
