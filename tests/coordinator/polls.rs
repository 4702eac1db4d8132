//! Polls: woken by changes, here and at another Coordinator; never led back; and what they cost.

use std::sync::mpsc;

use serde_json::json;

use crate::http::Response;
use crate::postgres;
use crate::service::{Service, Start, done, is_refused};

fn since(service: &Service, revision: u64, epoch: &str, wait: &str) -> Response {
    service.get(&format!("/v1/tenants?since={revision}&epoch={epoch}&wait={wait}"))
}

fn epoch(service: &Service) -> String {
    done(service.get("/v1/tenants"))["epoch"].as_str().unwrap().to_owned()
}

#[test]
fn a_waiting_poll_is_woken_by_a_change() {
    let service = Service::start(Start::on_sqlite());
    let epoch = epoch(&service);
    let page = std::thread::scope(|scope| {
        let poll = scope.spawn(|| done(since(&service, 0, &epoch, "1m")));
        done(service.create("t1", &json!({"zero_knowledge": true})));
        poll.join().unwrap()
    });
    assert_eq!((&page["revision"], &page["items"][0]["id"]), (&json!(1), &json!("t1")));
}

#[test]
fn a_poll_ends_when_its_time_is_over_or_the_program_is_asked_to_end() {
    let mut service = Service::start(Start::on_sqlite());
    let epoch = epoch(&service);
    assert_eq!(since(&service, 0, &epoch, "50ms").status, 304);
    let (sent, waiting) = mpsc::channel();
    let address = service.address();
    let token = service.gateway.clone();
    let poll = std::thread::spawn(move || {
        let path = format!("/v1/tenants?since=0&epoch={epoch}&wait=5m");
        let request = crate::http::Request::new("GET", &path).header("authorization", format!("Bearer {token}"));
        request.send_with(address, |_| {
            sent.send(()).unwrap();
            Ok(())
        })
    });
    waiting.recv().unwrap();
    // an answer to a later request shows that the poll, sent before it, was accepted
    done(service.get("/v1/tenants"));
    assert!(service.stop().success());
    let status = poll.join().unwrap().status;
    assert_eq!(status, 304, "{}", service.log());
}

#[test]
fn two_coordinators_over_one_database_see_each_others_changes() {
    let here = Service::start(Start::on_postgres());
    let there = here.another();
    let epoch = epoch(&here);
    assert_eq!(done(there.get("/v1/tenants"))["epoch"], epoch);
    let page = std::thread::scope(|scope| {
        let poll = scope.spawn(|| done(since(&there, 0, &epoch, "1m")));
        done(here.create("t1", &json!({"zero_knowledge": true})));
        poll.join().unwrap()
    });
    assert_eq!(page["items"][0]["id"], "t1");
    // what one has told, the other knows or finds out: nobody is led back
    for at in 2..=20_u64 {
        let (teller, asked) = if at % 2 == 0 { (&here, &there) } else { (&there, &here) };
        done(teller.create(&format!("t{at}"), &json!({"zero_knowledge": true})));
        assert_eq!(since(asked, at, &epoch, "1ms").status, 304);
        assert_eq!(done(asked.get("/v1/tenants?limit=1"))["revision"], at);
        assert_eq!(done(asked.get(&format!("/v1/tenants/t{at}")))["revision"], at);
    }
}

#[test]
fn a_coordinator_hears_again_after_the_database_cut_it_off() {
    let here = Service::start(Start::on_postgres());
    let there = here.another();
    let epoch = epoch(&here);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
               AND datname = current_database()";
    postgres::execute(&here.start.database, cut);
    let page = std::thread::scope(|scope| {
        let poll = scope.spawn(|| done(since(&there, 0, &epoch, "1m")));
        // the first write may find its connection cut
        let made = (0..10).any(|_| here.create("t1", &json!({"zero_knowledge": true})).status == 201);
        assert!(made);
        poll.join().unwrap()
    });
    assert_eq!(page["items"][0]["id"], "t1");
}

#[test]
fn an_older_copy_of_the_database_is_noticed_and_taken_only_as_a_new_epoch() {
    let mut service = Service::start(Start::on_sqlite());
    let epoch = epoch(&service);
    done(service.create("t1", &json!({"zero_knowledge": true})));
    assert!(service.stop().success());
    std::fs::copy(service.path("tenants.db"), service.path("copy.db")).unwrap();
    service.restart();
    done(service.create("t2", &json!({"zero_knowledge": true})));
    assert!(service.stop().success());
    std::fs::rename(service.path("copy.db"), service.path("tenants.db")).unwrap();
    service.restart();
    is_refused(&since(&service, 2, &epoch, "1m"), 410, "revision_gone");
    assert!(service.stop().success());
    service.start = service.start.clone().with(&["--new-epoch"]);
    service.restart();
    assert_ne!(done(service.get("/v1/tenants"))["epoch"], epoch);
    is_refused(&since(&service, 1, &epoch, "1m"), 410, "revision_gone");
}

/// The rows are put there by the database itself: 100,000 changes one by one would take their time.
#[test]
fn a_poll_that_finds_nothing_touches_no_table_however_many_tenants_there_are() {
    let service = Service::start(Start::on_postgres());
    let url = &service.start.database;
    let epoch = epoch(&service);
    for count in [10, 100_000] {
        fill(url, count);
        let revision = done(service.get("/v1/tenants?limit=1"))["revision"].as_u64().unwrap();
        // whoever touches a table now waits until the statement above it is given up, and is told 503
        postgres::while_locked(url, || {
            for _ in 0..20 {
                assert_eq!(since(&service, revision, &epoch, "1ms").status, 304);
            }
        });
    }
    let plan = postgres::text(url, &format!("EXPLAIN {CHANGES}"));
    assert!(plan.contains("Index Scan using tenants_by_revision") && !plan.contains("Seq Scan"), "{plan}");
    let plan = postgres::text(url, &format!("EXPLAIN {LIST}"));
    assert!(plan.contains("Index Scan using tenants_pkey") && !plan.contains("Sort"), "{plan}");
}

/// Tenants as the service would have made them, but for their access keys.
fn fill(url: &str, count: u32) {
    let document = r#"{"status":"active","zero_knowledge":true,"bucket_prefix":"p"}"#;
    postgres::execute(
        url,
        &format!(
            "INSERT INTO tenants (id, revision, document, bucket_prefix) \
             SELECT 'of-{count}-' || n, (SELECT revision FROM coordinator) + n, '{document}', 'p-{count}-' || n || '-' \
             FROM generate_series(1, {count}) AS n; \
             UPDATE coordinator SET revision = revision + {count}; ANALYZE"
        ),
    );
}

const CHANGES: &str = "SELECT id, revision, document FROM tenants WHERE revision > 100005 ORDER BY revision LIMIT 1000";
const LIST: &str = "SELECT id, revision, document FROM tenants WHERE id > 'of-10-5' AND document IS NOT NULL \
                    ORDER BY id LIMIT 1000";
