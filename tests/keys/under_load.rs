//! Clients upload and download without one error while keys rotate, the KMS and the Coordinator die and return, the
//! Secret is swapped, and tenants come and go.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use crate::coordinator::ScriptedCoordinator;
use crate::served::{Served, call, get, put, seed, until};
use crate::server::{Server, seed_text};
use crate::walk_through::{configmap, private_tenant, public_tenant, secret};

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

#[test]
fn clients_see_no_error_while_everything_around_them_changes() {
    let mut coordinator = ScriptedCoordinator::start();
    let mut kms = Server::start();
    let uid = kms.register(PRIVATE, &seed_text(2));
    coordinator.tell(public_tenant("public", 1));
    coordinator.tell(private_tenant(PRIVATE));
    let secret = secret(&kms);
    let mut gateway = Served::start(&configmap(&coordinator, "1s"), &secret);
    for tenant in ["public", PRIVATE] {
        gateway.call(tenant, put("/bucket", b"")).succeeds();
        gateway.call(tenant, put("/bucket/first", b"first")).succeeds();
    }
    let (load, address) = (Load::default(), gateway.address());
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (load, tenant) = (&load, ["public", PRIVATE][client % 2]);
                scope.spawn(move || load.run(address, tenant, client))
            })
            .collect();
        load.go_on();
        let mut rotated = public_tenant("public", 1);
        rotated["keys"] = json!([
            {"version": 2, "seed": seed(3), "primary": true}, {"version": 1, "seed": seed(1), "primary": false},
        ]);
        coordinator.tell(rotated);
        load.go_on();
        // another seed in the KMS: the old one goes on opening
        kms.order(&json!({"op": "destroy", "uid": uid}));
        kms.register(PRIVATE, &seed_text(4));
        gateway.has_logged("the seed changed without a new version");
        load.go_on();
        kms.end();
        gateway.has_logged("periodical update: failed to get key for tenant");
        load.go_on();
        coordinator.stop();
        gateway.has_logged("error asking the coordinator");
        load.go_on();
        kms.restart();
        coordinator.resume();
        for number in 0..20u8 {
            coordinator.tell(public_tenant(&format!("guest{number}"), 100 + number));
        }
        until("a guest", || gateway.call("guest19", put("/bucket", b"")).status == 200);
        coordinator.delete("guest19");
        until("no guest", || gateway.call("guest19", get("/bucket")).status == 403);
        let mut swapped = secret.clone();
        swapped["crypto"]["retired_keys_max"] = 4.into();
        gateway.swap_secret(&swapped.to_string());
        gateway.has_logged("the new configuration is in force");
        load.go_on();
        load.is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
    });
}
