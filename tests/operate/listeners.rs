//! TLS as a client sees it, and whom the gateway believes.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::gateway::{Gateway, folder, program};
use crate::http::Request;

fn pki(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pki").join(name)
}

/// Asks over TLS with Python's client: protocol version, ALPN protocol, status; or the kind of failure.
fn ask(address: SocketAddr, path: &str, options: &str) -> String {
    let script = format!(
        "import http.client, ssl
context = ssl.create_default_context(cafile='{ca}')
{options}
connection = http.client.HTTPSConnection('localhost', {port}, context=context, timeout=60)
try:
    connection.request('GET', {path:?})
    answer = connection.getresponse()
    print(connection.sock.version() if connection.sock else '', answer.status, answer.read().decode())
except (ssl.SSLError, OSError) as error:
    print('refused', type(error).__name__, error)",
        ca = pki("ca.crt").display(),
        port = address.port(),
    );
    let output = Command::new("python3").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with `cert` and `key`, and the section that names them.
fn tls(client_ca: bool) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    fs::copy(pki("server.crt"), &cert).unwrap();
    fs::copy(pki("server.pkcs8.key"), &key).unwrap();
    let mut section = json!({"cert": cert, "key": key});
    if client_ca {
        section["client_ca"] = json!(pki("ca.crt"));
    }
    (folder, json!({"listen": {"tls": section}}))
}

#[test]
fn both_ports_speak_tls_1_2_and_1_3_and_nothing_older() {
    let (_files, config) = tls(false);
    let gateway = Gateway::start(&config);
    assert!(ask(gateway.s3, "/_/health", "").starts_with("TLSv1.3 200 ok"));
    assert!(ask(gateway.admin, "/health/live", "").starts_with("TLSv1.3 200 ok"));
    let shown = ask(
        gateway.admin,
        "/health/live",
        "http.client.HTTPResponse.read = lambda answer: str(answer.headers).encode()",
    );
    assert!(shown.contains("strict-transport-security: max-age=31536000"), "{shown}");
    let old = "context.maximum_version = ssl.TLSVersion.TLSv1_2";
    assert!(ask(gateway.s3, "/_/health", old).starts_with("TLSv1.2 200 ok"));
    let older = "context.set_ciphers('ALL:@SECLEVEL=0')\ncontext.minimum_version = ssl.TLSVersion.TLSv1\ncontext.maximum_version = ssl.TLSVersion.TLSv1_1";
    assert!(ask(gateway.s3, "/_/health", older).starts_with("refused"));
    let plain = Request::new("GET", "/_/health").send(gateway.s3);
    assert_eq!(plain.status, 0, "plain HTTP gets no answer");
    let metrics = ask(gateway.admin, "/metrics", "");
    assert!(
        metrics.contains("sealgate_tls_certificate_not_after_timestamp_seconds{certificate=\"listener\"} 4"),
        "{metrics}"
    );
    assert!(metrics.contains("sealgate_tls_handshake_failures_total{listener=\"s3\"} 2"), "{metrics}");
}

#[test]
fn over_tls_clients_choose_http_2_or_1_1() {
    let (_files, config) = tls(false);
    let gateway = Gateway::start(&config);
    for (flag, expected) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
        let output = Command::new("curl")
            .args([
                "--silent",
                flag,
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_version} %{http_code}",
                "--cacert",
            ])
            .arg(pki("ca.crt"))
            .arg(format!("https://localhost:{}/_/health", gateway.s3.port()))
            .env("no_proxy", "*")
            .output()
            .expect("apt-get install curl");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[test]
fn with_an_authority_s3_clients_show_certificates_and_probes_need_none() {
    let (_files, config) = tls(true);
    let gateway = Gateway::start(&config);
    assert!(ask(gateway.s3, "/_/health", "").starts_with("refused"));
    let shown = format!(
        "context.load_cert_chain('{}', '{}')",
        pki("client-p256.crt").display(),
        pki("client-p256.pkcs8.key").display()
    );
    assert!(ask(gateway.s3, "/_/health", &shown).contains(" 200 ok"));
    assert!(ask(gateway.admin, "/health/ready", "").contains(" 200 ok"));
}

#[test]
fn a_renewed_certificate_counts_without_a_restart() {
    let (files, config) = tls(false);
    let gateway = Gateway::start(&config);
    assert!(ask(gateway.s3, "/_/health", "").contains("200"));
    fs::copy(pki("client-p256.crt"), files.path().join("cert")).unwrap();
    fs::copy(pki("client-p256.pkcs8.key"), files.path().join("key")).unwrap();
    // it is for another name, which the client tells
    while !ask(gateway.s3, "/_/health", "").contains("CERTIFICATE_VERIFY_FAILED") {}
    assert!(gateway.log().contains("a renewed certificate is in force"));
}

#[test]
fn without_tls_an_open_port_is_refused_unless_it_is_allowed_by_name() {
    let open = json!({"listen": {"s3": "0.0.0.0:0"}});
    let output = program(folder(&open).path(), &["config", "check"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("listen.allow_plain_http"), "{told}");
    let allowed = json!({"listen": {"s3": "0.0.0.0:0", "allow_plain_http": true}});
    assert!(program(folder(&allowed).path(), &["config", "check"]).output().unwrap().status.success());
    for flag in ["--listen", "--admin"] {
        let output = program(folder(&json!({})).path(), &["serve", flag, "0.0.0.0:0"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("listen.allow_plain_http"), "{flag}: {told}");
    }
    let missing = json!({"listen": {"tls": {"cert": "/none.crt", "key": "/none.key"}}});
    let output = program(folder(&missing).path(), &["serve"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("listen.tls: cannot read /none.crt"), "{told}");
}

#[test]
fn addresses_that_listed_balancers_tell_are_those_of_clients() {
    let audit = |gateway: &Gateway| fs::read_to_string(gateway.path("audit.log")).unwrap_or_default();
    let config =
        json!({"listen": {"proxy_protocol_from": ["127.0.0.0/8"]}, "audit": {"sink": "file", "file": "audit.log"}});
    let gateway = Gateway::start(&config);
    let request = gateway.signed("GET", "/", b"");
    let mut stream = std::net::TcpStream::connect(gateway.s3).unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 443\r\n").unwrap();
    let head: String = request.headers.iter().map(|(name, value)| name.clone() + ": " + value + "\r\n").collect();
    write!(stream, "GET / HTTP/1.1\r\nconnection: close\r\n{head}\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    while !audit(&gateway).contains("\"remote_ip\":\"192.0.2.7\"") {}

    let config =
        json!({"listen": {"forwarded_from": ["127.0.0.1/32"]}, "audit": {"sink": "file", "file": "audit.log"}});
    let gateway = Gateway::start(&config);
    let request = gateway.signed("GET", "/", b"").header("x-forwarded-for", "198.51.100.9");
    request.send(gateway.s3).succeeds();
    while !audit(&gateway).contains("\"remote_ip\":\"198.51.100.9\"") {}
}
