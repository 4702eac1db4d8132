//! Clients upload and download without one error while keys rotate, the KMS and the Coordinator die and return, the
//! Secret is swapped, and tenants come and go.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use crate::served::{Served, call, files_under, get, local, put, seed, signer, until};
use crate::server::{Server, seed_text};
use crate::service::done;
use crate::walk_through::{add_private, add_public, configmap, coordinator, secret};

const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const PRIVATE: &str = "67f1adf3-08e5-4eea-94e3-e611f263c87b";

/// What clients have done so far.
#[derive(Default)]
struct Load {
    rounds: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    /// Uploads and downloads until it is over; any answer but success fails.
    fn run(&self, address: SocketAddr, tenant: &str, client: usize) {
        let mut round = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            let path = format!("/bucket/{client}-{round}");
            let body = vec![round.to_string().as_bytes()[0]; 70_000];
            call(address, tenant, put(&path, &body)).succeeds();
            assert!(call(address, tenant, get(&path)).succeeds() == body, "{tenant} {path}");
            assert_eq!(call(address, tenant, get("/bucket/first")).succeeds(), b"first");
            round += 1;
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Lets the clients do some more.
    fn go_on(&self) {
        let before = self.rounds.load(Ordering::SeqCst);
        until("rounds of the clients", || self.rounds.load(Ordering::SeqCst) >= before + 8);
    }
}

/// Ends the load when dropped.
struct End<'a>(&'a Load);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn clients_see_no_error_while_everything_around_them_changes() {
    let mut coordinator = coordinator();
    let mut kms = Server::start();
    let uid = kms.register(PRIVATE, &seed_text(2));
    add_public(&coordinator, "public", 1);
    add_private(&coordinator, PRIVATE);
    let secret = secret(&kms);
    let mut gateway = Served::start(&configmap(&coordinator, "1s"), &secret);
    for tenant in ["public", PRIVATE] {
        gateway.call(tenant, put("/bucket", b"")).succeeds();
        gateway.call(tenant, put("/bucket/first", b"first")).succeeds();
    }
    let (load, address) = (Load::default(), gateway.address());
    std::thread::scope(|scope| {
        // whatever fails: else the clients would go on for ever
        let _ended = End(&load);
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (load, tenant) = (&load, ["public", PRIVATE][client % 2]);
                scope.spawn(move || load.run(address, tenant, client))
            })
            .collect();
        load.go_on();
        let key_id = || gateway.call("public", put("/bucket/rotated", b"body")).header(KEY_ID).to_owned();
        let before = key_id();
        done(coordinator.change("POST", "/v1/tenants/public/keys:rotate", &json!({"seed": seed(3)})));
        until("the rotated key", || key_id() != before);
        load.go_on();
        // another seed in the KMS: the old one goes on opening
        // while there are two, it cannot be told which is the tenant's; no client sees a key that does not seal
        kms.register(PRIVATE, &seed_text(4));
        kms.order(&json!({"op": "destroy", "uid": uid}));
        gateway.has_logged("the seed changed without a new version");
        load.go_on();
        kms.end();
        gateway.has_logged("periodical update: failed to get key for tenant");
        load.go_on();
        coordinator.kill();
        gateway.has_logged("error asking the coordinator");
        load.go_on();
        kms.restart();
        coordinator.resume();
        for number in 0..20u8 {
            add_public(&coordinator, &format!("guest{number:02}"), 100 + number);
        }
        until("a guest", || gateway.call("guest19", put("/bucket", b"")).status == 200);
        done(coordinator.call("DELETE", "/v1/tenants/guest19", &coordinator.admin, &[("if-match", "*")], ""));
        until("no guest", || gateway.call("guest19", get("/bucket")).status == 403);
        let mut swapped = secret.clone();
        swapped["crypto"]["tenant_keys"] = json!({PRIVATE: {"keys": [
            {"version": 2, "seed": seed(5), "primary": true}, {"version": 1, "seed": seed(4)},
        ]}});
        gateway.swap_secret(&swapped.to_string());
        gateway.has_logged("the new configuration is in force");
        load.go_on();
        drop(End(&load));
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn an_upload_that_began_before_a_rotation_ends_under_the_key_that_it_began_with() {
    let mut gateway = Served::start(&json!({}), &local(&json!({"anna": seed(1)}), &["anna"]));
    gateway.call("anna", put("/bucket", b"")).succeeds();
    let before = gateway.call("anna", put("/bucket/old", b"old")).header(KEY_ID).to_owned();
    let stored = files_under(&gateway.file("data")).len();
    let body = vec![7; 400_000];
    let upload = signer("anna").sign(put("/bucket/slow", &body), gateway.address());
    let address = gateway.address();
    let answer = upload.send_with(address, |stream| {
        stream.write_all(&body[..300_000])?;
        until("the upload to begin", || files_under(&gateway.file("data")).len() > stored);
        let rotated = json!({"anna": {"keys": [
            {"version": 2, "seed": seed(2), "primary": true}, {"version": 1, "seed": seed(1)},
        ]}});
        gateway.swap_secret(&local(&rotated, &["anna"]).to_string());
        until("another key", || call(address, "anna", put("/bucket/new", b"new")).header(KEY_ID) != before);
        stream.write_all(&body[300_000..])
    });
    assert_eq!(answer.header(KEY_ID), before);
    answer.succeeds();
    assert!(gateway.call("anna", get("/bucket/slow")).succeeds() == body);
}
