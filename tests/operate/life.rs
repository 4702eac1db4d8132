//! From start to end: signals, a port that is handed over, and what the process may do.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::gateway::{ACCESS_KEY, Gateway, SECRET_KEY, folder};
use crate::http::Request;
use crate::sign::Signer;

#[test]
fn at_sigterm_it_is_not_ready_at_once_and_ends_well_once_requests_have_ended() {
    let mut gateway = Gateway::start(&json!({}));
    assert_eq!((gateway.ask("/health/ready").status, gateway.ask("/health/startup").status), (200, 200));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let body = vec![7; 200_000];
    let request = gateway.signed("PUT", "/bucket/key", &body);
    let answer = request.send_with(gateway.s3, |stream| {
        stream.write_all(&body[..100_000])?;
        gateway.signal("TERM");
        while gateway.ask("/health/ready").status != 503 {}
        assert_eq!(gateway.ask("/health/live").status, 200);
        stream.write_all(&body[100_000..])
    });
    answer.succeeds();
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn requests_that_do_not_end_are_cut_and_the_process_still_ends_well() {
    let mut gateway = Gateway::start(&json!({"limits": {"drain_timeout": "50ms"}}));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let request = gateway.signed("PUT", "/bucket/key", &[7; 1000]);
    let answer = request.send_with(gateway.s3, |stream| {
        stream.write_all(&[7; 500])?;
        while !gateway.ask("/metrics").text().contains("sealgate_http_requests_in_flight 1") {}
        gateway.signal("TERM");
        Ok(())
    });
    assert_eq!(answer.status, 0, "{}", answer.text());
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_second_process_takes_the_port_over_without_a_refused_connection() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = json!({"listen": {"s3": port.to_string()}});
    let mut first = Gateway::start(&config);
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking = {
        let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let request = Signer::new(ACCESS_KEY, SECRET_KEY).sign(Request::new("GET", "/"), port);
                request.send(port).succeeds();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let more = |count| {
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + count && !asking.is_finished() {
            std::thread::yield_now();
        }
    };
    more(20);
    let second = Gateway::start(&config);
    more(20);
    first.signal("TERM");
    assert_eq!(first.ended().code(), Some(0));
    more(20);
    done.store(true, Ordering::Relaxed);
    asking.join().unwrap();
    assert_eq!(second.s3, port);
}

#[test]
fn sighup_reads_the_configuration_again_and_a_mistake_changes_nothing() {
    let gateway = Gateway::start(&json!({}));
    let reloads = |result: &str, count: u32| {
        let line = format!("sealgate_config_reloads_total{{result=\"{result}\"}} {count}");
        while !gateway.ask("/metrics").text().contains(&line) {}
    };
    let file = gateway.path("application.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let digest = || gateway.ask("/v1/status").text().split("config_digest\":\"").nth(1).unwrap()[..20].to_owned();
    let before = digest();
    std::fs::write(&file, good.replace("\"listen\"", "\"limits\":{\"connections_max\":77},\"listen\"")).unwrap();
    gateway.signal("HUP");
    reloads("ok", 1);
    assert_ne!(digest(), before);
    std::fs::write(&file, "{").unwrap();
    gateway.signal("HUP");
    reloads("refused", 1);
    gateway.s3("GET", "/", b"").succeeds();
}

#[test]
fn a_standby_serves_what_comes_and_is_not_ready_until_it_is_made_active() {
    let gateway = Gateway::start(&json!({"cluster": {"standby": true}}));
    let ready = || (gateway.ask("/health/ready"), Request::new("GET", "/_/health").send(gateway.s3));
    let (admin, s3) = ready();
    assert_eq!((admin.status, admin.text(), s3.status), (503, "standby".to_owned(), 503));
    assert_eq!((gateway.ask("/health/startup").status, gateway.ask("/health/live").status), (200, 200));
    gateway.s3("PUT", "/bucket", b"").succeeds();
    let file = gateway.path("application.json");
    let active = std::fs::read_to_string(&file).unwrap().replace("\"standby\":true", "\"standby\":false");
    std::fs::write(&file, active).unwrap();
    gateway.signal("HUP");
    while gateway.ask("/health/ready").status != 200 {}
    assert_eq!(ready().1.status, 200);
}

/// Needs root: a user is taken on, and a mount namespace made.
#[test]
fn it_runs_as_any_user_on_a_read_only_root_and_cannot_be_dumped() {
    let folder = folder(&json!({}));
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let own = Command::new("chown").arg("-R").arg("1000660000:0").arg(folder.path()).status().unwrap();
    assert!(own.success(), "run this test as root");
    let script = format!(
        "mount --bind {data} {data}; mount -o remount,bind,ro /; \
         exec setpriv --reuid 1000660000 --regid 0 --clear-groups --no-new-privs --bounding-set=-all \
         {program} serve --config {folder}/application.json --secret {folder}/secret.json",
        data = data.display(),
        folder = folder.path().display(),
        program = env!("CARGO_BIN_EXE_sealgate"),
    );
    let mut process = Command::new("unshare")
        .args(["--mount", "sh", "-ec", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare and setpriv of util-linux are needed");
    let mut line = Vec::new();
    let mut out = process.stdout.take().unwrap();
    let mut byte = [0];
    while byte[0] != b'\n' && out.read(&mut byte).unwrap() == 1 {
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).unwrap();
    let s3: SocketAddr =
        line.split([' ', ',']).find_map(|word| word.split_once("://")?.1.parse().ok()).expect("it serves");
    Signer::new(ACCESS_KEY, SECRET_KEY).sign(Request::new("PUT", "/bucket"), s3).send(s3).succeeds();
    let proc = format!("/proc/{}", process.id());
    let limits = std::fs::read_to_string(format!("{proc}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    let status = std::fs::read_to_string(format!("{proc}/status")).unwrap();
    assert!(status.contains("Uid:\t1000660000"), "{status}");
    // what cannot be dumped or traced belongs to root in /proc, whoever runs it
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("{proc}/environ")).unwrap());
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(owner, 0, "PR_SET_DUMPABLE");
}

#[test]
fn a_port_that_is_taken_is_told_by_name() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&json!({"listen": {"admin": taken.local_addr().unwrap().to_string()}}));
    let output = crate::gateway::program(folder.path(), &["serve"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("listen.admin"), "{told}");
}
