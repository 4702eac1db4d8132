//! A gateway whose tenants a Coordinator tells of and whose keys a KMS holds: what `doctor` and the metrics say of both.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::doctor::{examined, state, states};
use crate::gateway::{Gateway, folder};
use crate::server::{Server, seed_text};

const PUBLIC: &str = "acme";
const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

/// `sealgate coordinator` with a public and a private tenant; ends with this.
pub(crate) struct Coordinator {
    folder: TempDir,
    process: Child,
    pub(crate) url: String,
}

impl Coordinator {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("coordinator").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for (name, scopes) in [
            ("gateway", &["tenants:read", "tenants:keys", "status:write"][..]),
            ("admin", &["tenants:read", "tenants:write"]),
        ] {
            let mut arguments = vec!["coordinator", "token", "--access", "access.json", "--name", name];
            for scope in scopes {
                arguments.extend(["--scope", scope]);
            }
            fs::write(folder.path().join(name), said(folder.path(), &arguments)).unwrap();
        }
        let log = File::create(folder.path().join("log")).unwrap();
        let mut process =
            command(folder.path(), &["coordinator", "--access", "access.json", "--database", "tenants.db"])
                .env("SEALGATE_COORDINATOR_LISTEN", "127.0.0.1:0")
                .env("SEALGATE_COORDINATOR_KEK", said(folder.path(), &["keygen"]).trim())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().split_once("://").unwrap_or_else(|| panic!("{line:?}")).1.to_owned();
        let coordinator = Self { folder, process, url: format!("http://{address}") };
        coordinator.run(&["tenant", "create", PUBLIC, "--bucket-prefix", "acme-"]);
        coordinator.run(&["tenant", "create", PRIVATE, "--zero-knowledge"]);
        coordinator.run(&["access-key", "create", PUBLIC]);
        coordinator
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = command(self.folder.path(), arguments);
        command.env("SEALGATE_COORDINATOR_URL", &self.url).env("SEALGATE_COORDINATOR_TOKEN_FILE", "admin");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with the files of a gateway between the two; it asks the Coordinator at `url`.
pub(crate) fn between(url: &str, coordinator: &Coordinator, kms: &Server) -> TempDir {
    let token = coordinator.folder.path().join("gateway");
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let folder = folder(&json!({
        "crypto": {"mode": "remote-multi-keys", "update_period": "1h"},
        "coordinator": {"url": url, "token_file": token},
    }));
    write_secret(&folder, kms, &kms.pem("ca.crt"));
    folder
}

fn write_secret(folder: &TempDir, kms: &Server, ca: &str) {
    let secret = json!({"crypto": {"kms_config": {
        "kmip": {"address": kms.address(), "major_version": 1, "minor_version": 4},
        "tls": {"key": kms.pem("client.key"), "cert": kms.pem("client.crt"), "ca": ca},
    }}});
    let file = folder.path().join("secret.json");
    fs::write(&file, secret.to_string()).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn detail<'a>(findings: &'a Value, name: &str) -> &'a str {
    let found = findings.as_array().unwrap().iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {findings}"))["detail"].as_str().unwrap()
}

#[test]
fn doctor_asks_the_kms_and_the_coordinator_and_tells_which_of_them_is_wrong() {
    let coordinator = Coordinator::start();
    let mut kms = Server::start();
    kms.register(PRIVATE, &seed_text(2));
    let folder = between(&coordinator.url, &coordinator, &kms);
    let (is_well, findings) = examined(folder.path(), &[]);
    assert!(is_well, "{findings}");
    for name in ["kms", "coordinator", "coordinator token", "keys", "access keys", "backend"] {
        assert_eq!(state(&findings, name), "ok", "{findings}");
    }
    assert!(detail(&findings, "kms").contains("over TLSv1.3 as KMIP 1.4"), "{findings}");
    assert_eq!(detail(&findings, "keys"), "2 tenants have keys of their own");
    let told = findings.to_string();
    for expected in ["from that of the kms", "from that of the coordinator", "of the kms at", "kms_config.tls.cert"] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let token = fs::read_to_string(coordinator.folder.path().join("gateway")).unwrap();
    assert!(!told.contains(token.trim()) && !told.contains(&seed_text(2)) && !told.contains("PRIVATE KEY"), "{told}");
    let (is_well, findings) = examined(folder.path(), &["--production"]);
    assert!(!is_well && state(&findings, "production: TLS to the coordinator") == "fail", "{findings}");
    assert_eq!(state(&findings, "production: TLS to the kms"), "ok");

    // another authority than the one that signed the KMS's certificate
    write_secret(&folder, &kms, &other_authority());
    let (is_well, findings) = examined(folder.path(), &[]);
    assert!(!is_well && detail(&findings, "kms").contains("certificate"), "{findings}");
    write_secret(&folder, &kms, &kms.pem("ca.crt"));

    // a token that the Coordinator does not know
    fs::write(coordinator.folder.path().join("gateway"), "not-the-token").unwrap();
    let (is_well, findings) = examined(folder.path(), &[]);
    assert!(!is_well && detail(&findings, "coordinator").contains("refused: 401"), "{findings}");
    assert_eq!(state(&findings, "keys"), "fail", "{findings}");
    fs::write(coordinator.folder.path().join("gateway"), token).unwrap();

    kms.end();
    let (is_well, findings) = examined(folder.path(), &[]);
    assert!(!is_well && state(&findings, "kms") == "fail", "{findings}");
    assert!(states(&findings, "keys").contains(&"fail".to_owned()), "{findings}");
    assert!(detail(&findings, "keys").contains(PRIVATE), "{findings}");
}

fn other_authority() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kmip/pki/other-ca.crt");
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_gateway_that_nobody_told_of_tenants_serves_but_is_not_ready() {
    let (coordinator, kms) = (Coordinator::start(), Server::start());
    let token = coordinator.folder.path().join("gateway");
    let right = fs::read_to_string(&token).unwrap();
    fs::write(&token, "not-the-token").unwrap();
    let gateway = Gateway::start_in(between(&coordinator.url, &coordinator, &kms), &[]);
    let ready = gateway.ask("/health/ready");
    assert_eq!((ready.status, ready.text()), (503, "waiting for tenants".to_owned()));
    assert_eq!(gateway.ask("/health/startup").status, 200, "it is not restarted for what others lack");
    fs::write(&token, right).unwrap();
    while gateway.ask("/health/ready").status != 200 {}
}

#[test]
fn metrics_and_health_tell_of_the_kms_and_the_coordinator() {
    let coordinator = Coordinator::start();
    let mut kms = Server::start();
    kms.register(PRIVATE, &seed_text(2));
    let gateway = Gateway::start_in(between(&coordinator.url, &coordinator, &kms), &[]);
    let text = gateway.ask("/metrics").text();
    for line in [
        "sealgate_upstream_connection_status{upstream=\"coordinator\"} 1",
        "sealgate_upstream_connection_status{upstream=\"kms\"} 1",
        "sealgate_kms_requests_total{result=\"answered\"} 1",
        "sealgate_kms_requests_total{result=\"unanswered\"} 0",
        "sealgate_coordinator_requests_total{result=\"answered\"} ",
        "sealgate_coordinator_revision{} ",
        "sealgate_keys_refreshes_total{source=\"coordinator\",result=\"ok\"} 1",
        "sealgate_tls_certificate_not_after_timestamp_seconds{certificate=\"kms_client\"} ",
        "sealgate_insecure_tls{upstream=\"kms\"} 0",
        "sealgate_kms_last_request_duration_seconds{} 0.",
        "sealgate_kms_request_duration_seconds_count{operation=\"look_up\"} 1",
        "sealgate_coordinator_request_duration_seconds_bucket{le=\"+Inf\",operation=\"list\"} 1",
        "sealgate_cache_lookups_total{cache=\"tenant_keys\",result=\"hit\"} 0",
        "sealgate_cache_items{cache=\"tenant_keys\"} 2",
        "sealgate_tenants_with_key{} 2",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is not in\n{text}");
    }
    assert_eq!(gateway.ask("/health").status, 200, "{}", gateway.ask("/health").text());
    kms.end();
    gateway.signal("HUP");
    while !gateway.ask("/metrics").text().contains("sealgate_upstream_connection_status{upstream=\"kms\"} 0") {}
    let health = gateway.ask("/health");
    assert!(health.status == 503 && health.text().contains("\"name\":\"kms\",\"ok\":false"), "{}", health.text());
    assert_eq!(gateway.ask("/health/ready").status, 200, "keys that are known stay good");
    kms.restart();
    gateway.signal("HUP");
    while gateway.ask("/health").status != 200 {}
}
