//! The files of `deploy/` and the Dockerfile: read with the tools' own parsers, and what they start is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::http::Request;
use crate::real_store::RealStore;
use crate::sign::Signer;
use crate::tools::HELM;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("deploy").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn dockerfile_and_compose_file_are_sound_and_their_gateway_serves() {
    let folder = folder();
    let checked = Command::new(HELM.join("venv/bin/python"))
        .arg(root().join("tests/operate/deploy.py"))
        .args([root(), folder.path()])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    // the same files, but for the names of the network that the other services are in
    let store = RealStore::start();
    let edit = |name: &str, change: &dyn Fn(&mut Value)| {
        let file = folder.path().join(name);
        let mut value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        change(&mut value);
        fs::write(&file, value.to_string()).unwrap();
    };
    edit("application.json", &|config| {
        config["backend"]["endpoint"] = store.endpoint().into();
        config["listen"]["s3"] = "127.0.0.1:0".into();
        config["listen"]["admin"] = "127.0.0.1:0".into();
    });
    edit("secret.json", &|secret| {
        secret["backend"]["access_key_id"] = store.keys().0.into();
        secret["backend"]["secret_access_key"] = store.keys().1.into();
    });
    let gateway = Gateway::start_in(folder, &[]);
    let signer = Signer::new("AKIATRY", "try-secret-key");
    let ask = |request: Request| signer.sign(request, gateway.s3).send(gateway.s3);
    ask(Request::new("PUT", "/first")).succeeds();
    ask(Request::new("PUT", "/first/key").body("body")).succeeds();
    assert_eq!(ask(Request::new("GET", "/first/key")).succeeds(), b"body");
    // the published port does not come from the gateway's own machine
    let told = Request::new("GET", "/v1/status").header("x-metrics-secret", "try-metrics-secret").send(gateway.admin);
    assert_eq!((gateway.ask("/v1/status").status, told.status), (401, 200));
}

#[test]
fn the_systemd_unit_is_one_and_leaves_the_service_little() {
    let folder = folder();
    let unit = fs::read_to_string(root().join("deploy/sealgate.service")).unwrap();
    let program = "ExecStart=/usr/local/bin/sealgate serve ";
    assert!(unit.contains(program), "{unit}");
    let here = unit.replace(program, &format!("ExecStart={} serve ", env!("CARGO_BIN_EXE_sealgate")));
    let file = folder.path().join("sealgate.service");
    fs::write(&file, here).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&file).output();
        let output = output.expect("apt-get install systemd");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    let (is_sound, said) = analyze(&["verify", "--man=no"]);
    assert!(is_sound && !said.contains("sealgate.service:"), "{said}");
    // in tenths, as systemd reckons: 0 is sealed off, 100 may do everything
    let (is_safe, said) = analyze(&["security", "--offline=true", "--threshold=20", "--no-pager"]);
    assert!(is_safe, "{said}");
    // what it starts is a command of this program
    let arguments: Vec<&str> = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/sealgate "))
        .unwrap()
        .split(' ')
        .collect();
    let started = Command::new(env!("CARGO_BIN_EXE_sealgate")).args(&arguments).arg("--help").output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
}
