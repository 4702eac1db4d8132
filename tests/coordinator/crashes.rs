//! Whenever the program ends, what it acknowledged is there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::service::{Service, Start, done, kek};

fn a_kill_loses_nothing(start: Start) {
    let mut service = Service::start(start);
    for round in 0..3 {
        let (acknowledged, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let (service, acknowledged, is_over) = (&service, &acknowledged, &is_over);
                scope.spawn(move || {
                    for at in 0.. {
                        let id = format!("t-{round}-{writer}-{at}");
                        if service.try_create(&id) {
                            acknowledged.lock().unwrap().push(id);
                        }
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                });
            }
            while acknowledged.lock().unwrap().len() < 10 {
                std::thread::yield_now();
            }
            service.signal("KILL");
            is_over.store(true, Ordering::Relaxed);
        });
        service.kill();
        service.restart();
        for id in acknowledged.into_inner().unwrap() {
            done(service.get(&format!("/v1/tenants/{id}")));
        }
        let list = done(service.get("/v1/tenants?limit=10000"));
        let revisions = list["items"].as_array().unwrap().iter().map(|item| item["revision"].as_u64().unwrap());
        assert_eq!(revisions.max(), list["revision"].as_u64(), "the newest change is the newest revision");
    }
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    a_kill_loses_nothing(Start::on_sqlite());
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged_with_postgres() {
    a_kill_loses_nothing(Start::on_postgres());
}

impl Service {
    /// Whether the tenant was made; the program may be gone.
    fn try_create(&self, id: &str) -> bool {
        let Ok(stream) = std::net::TcpStream::connect(self.address()) else { return false };
        drop(stream);
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.create(id, &json!({})).status));
        made.is_ok_and(|status| status == 201)
    }
}

#[test]
fn it_ends_in_order_when_asked_to() {
    let mut service = Service::start(Start::on_sqlite());
    done(service.create("t1", &json!({})));
    assert!(service.stop().success());
    service.restart();
    assert_eq!(done(service.get("/v1/tenants/t1"))["revision"], 1);
}

#[test]
fn a_second_one_over_the_same_file_does_not_start() {
    let service = Service::start(Start::on_sqlite());
    let log = service.refuses(&service.start);
    assert!(log.contains("is in use by another coordinator"), "{log}");
}

#[test]
fn it_does_not_start_with_a_wrong_key_encryption_key() {
    let mut service = Service::start(Start::on_sqlite());
    assert!(service.stop().success());
    let log = service.refuses(&Start { kek: kek(8), ..service.start.clone() });
    assert!(log.contains("which was not given") && !log.contains(&kek(8)), "{log}");
    let log = service.refuses(&Start { kek: "too short".into(), ..service.start.clone() });
    assert!(log.contains("base64 of exactly 32 bytes") && !log.contains("too short"), "{log}");
}

#[test]
fn plain_http_is_for_loopback_addresses() {
    let service = Service::start(Start::on_sqlite());
    let start = Start { database: "other.db".into(), ..service.start.clone() };
    let log = service.refuses(&start.with(&["--listen", "0.0.0.0:0"]));
    assert!(log.contains("plain HTTP is served on loopback addresses only"), "{log}");
}
