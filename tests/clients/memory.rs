//! Memory per transfer is bounded, whatever the object's size: the figure that README.md states.
//!
//! What `cargo tests` does here is scaled down to seconds; the full size, 200 transfers of 1 GiB each way, is run with
//! `cargo tests --test clients -- --ignored full_size` and needs 200 GiB of disk.

use std::thread;

use crate::support::{Content, Gateway};

/// What the program uses before anyone transfers anything, and the index's cache.
const BASE_BYTES: u64 = 96 << 20;
/// What README.md promises for a transfer.
const PER_TRANSFER_BYTES: u64 = 1 << 20;

/// So many uploads at once, then so many downloads at once; the most memory the gateway ever used.
fn peak_memory_bytes(transfers: u64, bytes: u64) -> u64 {
    let gateway = Gateway::with_bucket();
    thread::scope(|scope| {
        for seed in 0..transfers {
            let gateway = &gateway;
            scope.spawn(move || {
                gateway.put_stream(&format!("/bucket/{seed}"), Content::new(seed, bytes)).succeeds();
            });
        }
    });
    thread::scope(|scope| {
        for seed in 0..transfers {
            let gateway = &gateway;
            scope.spawn(move || gateway.assert_stored(&format!("/bucket/{seed}"), Content::new(seed, bytes)));
        }
    });
    gateway.peak_memory_bytes()
}

#[test]
fn parallel_transfers_stay_within_the_stated_memory() {
    let (transfers, peak) = (64, peak_memory_bytes(64, 32 << 20));
    let bound = BASE_BYTES + transfers * PER_TRANSFER_BYTES;
    assert!(peak <= bound, "{} MiB are more than {} MiB", peak >> 20, bound >> 20);
}

#[test]
#[ignore = "200 GiB of disk and half an hour; the scaled one above runs always"]
fn full_size_transfers_stay_within_the_stated_memory() {
    let (transfers, peak) = (200, peak_memory_bytes(200, 1 << 30));
    let bound = BASE_BYTES + transfers * PER_TRANSFER_BYTES;
    assert!(peak <= bound, "{} MiB are more than {} MiB", peak >> 20, bound >> 20);
}
