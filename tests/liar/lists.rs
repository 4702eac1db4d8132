//! Lists that lie: endless, repeated, of other names, too long. A client gets an error and soon, and what needs the list as
//! a part of its work ends, holding little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::fixture::element;
use super::store::{Liar, Lie};
use super::support::{Content, Gateway, Request, Response};
use super::table::tampered;
use super::wire::{Answer, Asked, Op, Pace};
use super::world::{World, list_entry, part_entry};

/// A store and a gateway with a bucket, and an upload of two parts in it: one in the store's upload, one staged.
struct Uploading {
    liar: Liar,
    gateway: Gateway,
    id: String,
    named: String,
}

impl Uploading {
    fn begin() -> Self {
        let liar = Liar::start();
        let gateway = liar.gateway();
        gateway.call(Request::new("PUT", "/bucket")).succeeds();
        gateway.put("/bucket/a/1", b"one");
        gateway.put("/bucket/b/1", b"two");
        let created = gateway.call(Request::new("POST", "/bucket/key?uploads")).succeeds();
        let id = element(&String::from_utf8_lossy(&created), "UploadId");
        let mut named = String::new();
        for (number, bytes) in [(1, 5 << 20), (2, 1_000)] {
            let put = Request::new("PUT", &format!("/bucket/key?partNumber={number}&uploadId={id}"));
            let answer = gateway.call(put.body(Content::new(number, bytes).to_vec()));
            assert_eq!(answer.status, 200);
            let etag = answer.header("etag");
            named += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        Self { liar, gateway, id, named }
    }

    fn parts(&self) -> Response {
        self.gateway.call(Request::new("GET", &format!("/bucket/key?uploadId={}", self.id)))
    }

    fn complete(&self) -> Response {
        let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", self.named);
        self.gateway.call(Request::new("POST", &format!("/bucket/key?uploadId={}", self.id)).body(body))
    }

    /// Fails unless this is refused while the store lies so, costs few requests and little memory, and nothing of it stays.
    #[track_caller]
    fn is_refused(&self, name: &str, act: impl Fn(&Self) -> Response, lie: &Lie) {
        let (requests, memory) = (self.liar.requests(), self.gateway.peak_memory_bytes());
        self.liar.lies(lie);
        let answer = act(self);
        self.liar.is_honest();
        let text = answer.text();
        assert!(
            answer.status >= 400 || !answer.ended_well || text.contains("<Error>"),
            "{name}: {}: {text}",
            answer.status
        );
        let requests = self.liar.requests() - requests;
        assert!(requests <= REQUESTS_MAX, "{name}: {requests} requests");
        let memory = self.gateway.peak_memory_bytes().saturating_sub(memory);
        assert!(memory <= MEMORY_BYTES_MAX, "{name}: {memory} bytes more in memory");
        assert_eq!(tampered(&self.gateway), 0, "{name}: counted as tampering");
    }
}

fn lie(op: Op, lie: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Lie {
    let told = AtomicUsize::new(0);
    Arc::new(move |asked, honest, _: &World| {
        if asked.op() != op {
            return honest;
        }
        lie(asked, told.fetch_add(1, Ordering::SeqCst))
    })
}

/// Pages of names that ascend for ever, each page with a token of its own.
fn endless_names() -> Lie {
    lie(Op::List, |asked, page| {
        let prefix = asked.query.get("prefix").cloned().unwrap_or_default();
        let names: String = (0..1_000)
            .map(|number| list_entry(&format!("{prefix}9999{page:06}{number:04}"), &"e".repeat(64), 16_500))
            .collect();
        truncated(&format!("t{page}"), &names)
    })
}

fn truncated(token: &str, entries: &str) -> Answer {
    Answer::xml(&format!(
        "<R><IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>{entries}</R>"
    ))
}

/// Parts that ascend for ever.
fn endless_parts() -> Lie {
    lie(Op::ListParts, |asked, _| {
        let after: u32 = asked.query.get("part-number-marker").map_or(0, |after| after.parse().unwrap());
        let parts: String = (after + 1..=after + 1_000).map(|number| part_entry(number, "e", 6_000_000)).collect();
        Answer::xml(&format!("<R><IsTruncated>true</IsTruncated>{parts}</R>"))
    })
}

#[test]
fn an_upload_is_not_completed_from_lists_that_lie() {
    let uploading = Uploading::begin();
    for (name, lie) in [
        ("endless names", endless_names()),
        ("endless parts", endless_parts()),
        ("the same token for ever", lie(Op::List, |_, _| truncated("same", ""))),
        ("pages of nothing for ever", lie(Op::List, |_, page| truncated(&page.to_string(), ""))),
        ("names of another prefix", lie(Op::List, |_, _| Answer::xml(&format!("<R>{}</R>", list_entry("z", "e", 1))))),
        ("names that go back", {
            lie(Op::List, |asked, _| {
                let prefix = asked.query.get("prefix").cloned().unwrap_or_default();
                let names = ["00009", "00008"].map(|name| list_entry(&format!("{prefix}{name}"), "e", 16_500));
                Answer::xml(&format!("<R>{}</R>", names.concat()))
            })
        }),
        ("parts that go back", {
            lie(Op::ListParts, |_, _| {
                let parts = part_entry(2, "e", 6_000_000) + &part_entry(1, "e", 6_000_000);
                Answer::xml(&format!("<R><IsTruncated>false</IsTruncated>{parts}</R>"))
            })
        }),
        ("a list without an end", lie(Op::List, |_, _| Answer::empty(200).paced(Pace::Endless))),
        ("a list that drips", {
            lie(Op::List, |_, _| Answer { announced: Some(1 << 20), ..Answer::empty(200) }.paced(Pace::Dripping))
        }),
        (
            "a list of nothing but elements",
            lie(Op::List, |_, _| Answer::xml(&format!("<R>{}</R>", "<a/>".repeat(1 << 20)))),
        ),
        ("a list that is nested without an end", lie(Op::List, |_, _| Answer::xml(&"<a>".repeat(1 << 20)))),
    ] {
        uploading.is_refused(&format!("Complete: {name}"), Uploading::complete, &lie);
    }
    uploading.is_refused(
        "ListParts: endless parts",
        |uploading| {
            uploading
                .gateway
                .call(Request::new("GET", &format!("/bucket/key?uploadId={}&part-number-marker=9500", uploading.id)))
        },
        &endless_parts(),
    );
    // and all is as it was
    uploading.complete().succeeds();
    let all = [Content::new(1, 5 << 20).to_vec(), Content::new(2, 1_000).to_vec()].concat();
    assert!(uploading.gateway.get("/bucket/key").succeeds() == all);
}

#[test]
fn an_upload_that_is_ended_does_not_clear_for_ever() {
    let uploading = Uploading::begin();
    for (name, lie) in [
        ("endless names", endless_names()),
        (
            "the same name again",
            lie(Op::List, |asked, page| {
                let name = format!("{}record", asked.query.get("prefix").cloned().unwrap_or_default());
                truncated(&page.to_string(), &list_entry(&name, "e", 100))
            }),
        ),
    ] {
        let requests = uploading.liar.requests();
        let created = uploading.gateway.call(Request::new("POST", "/bucket/other?uploads")).text();
        uploading.liar.lies(&lie);
        let abort = Request::new("DELETE", &format!("/bucket/other?uploadId={}", element(&created, "UploadId")));
        // it is over, whatever is left for the sweeper
        uploading.gateway.call(abort).succeeds();
        uploading.liar.is_honest();
        let requests = uploading.liar.requests() - requests;
        assert!(requests <= 600, "{name}: {requests} requests");
    }
}

#[test]
fn what_a_client_lists_is_what_it_asked_for() {
    let uploading = Uploading::begin();
    let too_many = |op| {
        lie(op, |asked: &Asked, _| {
            let prefix = asked.query.get("prefix").cloned().unwrap_or_default();
            let names: String =
                (0..2_000).map(|number| list_entry(&format!("{prefix}{number:04}"), "e", 16_500)).collect();
            Answer::xml(&format!("<R>{names}</R>"))
        })
    };
    let other = || lie(Op::List, |_, _| Answer::xml(&format!("<R>{}</R>", list_entry("b/1", "e", 16_500))));
    let rolled = || {
        lie(Op::List, |_, _| {
            Answer::xml(&format!("<R>{}</R>", "<CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>".repeat(100_000)))
        })
    };
    let lists: [(&str, &str, Lie); 8] = [
        ("version 2, too many", "/bucket?list-type=2&prefix=a%2F", too_many(Op::List)),
        ("version 1, too many", "/bucket?prefix=a%2F", too_many(Op::List)),
        ("version 2, other names", "/bucket?list-type=2&prefix=a%2F", other()),
        ("version 1, other names", "/bucket?prefix=a%2F", other()),
        ("too many common prefixes", "/bucket?list-type=2&delimiter=%2F", rolled()),
        ("versions, other names", "/bucket?versions&prefix=a%2F", {
            lie(Op::ListVersions, |_, _| {
                let version = "<Version><Key>b/1</Key><ETag>e</ETag><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Version>";
                Answer::xml(&format!("<R>{version}</R>"))
            })
        }),
        ("versions, the same page again", "/bucket?versions&key-marker=k&version-id-marker=v", {
            lie(Op::ListVersions, |_, _| {
                Answer::xml(
                    "<R><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></R>",
                )
            })
        }),
        ("uploads, the same page again", "/bucket?uploads&key-marker=k&upload-id-marker=u", {
            lie(Op::ListUploads, |_, _| {
                Answer::xml(
                    "<R><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker></R>",
                )
            })
        }),
    ];
    for (name, target, lie) in &lists {
        uploading.is_refused(name, |uploading| uploading.gateway.call(Request::new("GET", target)), lie);
        uploading.gateway.call(Request::new("GET", target)).succeeds();
    }
}

#[test]
fn a_token_that_leads_to_itself_is_refused() {
    let uploading = Uploading::begin();
    let lie = lie(Op::List, |asked, _| {
        let prefix = asked.query.get("prefix").cloned().unwrap_or_default();
        truncated("same", &list_entry(&format!("{prefix}1"), "e", 16_500))
    });
    uploading.liar.lies(&lie);
    let first = uploading.gateway.get("/bucket?list-type=2&prefix=a%2F").succeeds();
    let token = element(&String::from_utf8_lossy(&first), "NextContinuationToken");
    let next = format!("/bucket?list-type=2&prefix=a%2F&continuation-token={token}");
    uploading.is_refused("the token again", |uploading| uploading.gateway.get(&next), &lie);
}

#[test]
fn deletes_are_told_as_the_store_told_them_and_no_others() {
    let uploading = Uploading::begin();
    let body = "<Delete><Object><Key>a/1</Key></Object></Delete>";
    let delete = || {
        let sum = STANDARD.encode(Sha256::digest(body));
        Request::new("POST", "/bucket?delete").header("x-amz-checksum-sha256", sum).body(body)
    };
    for (name, document) in [
        ("too many", "<R><Deleted><Key>a/1</Key></Deleted><Deleted><Key>b/1</Key></Deleted></R>"),
        ("another", "<R><Deleted><Key>b/1</Key></Deleted></R>"),
        ("none", "<R></R>"),
    ] {
        uploading.is_refused(
            name,
            |uploading| uploading.gateway.call(delete()),
            &lie(Op::DeleteMany, |_, _| Answer::xml(document)),
        );
    }
}

/// A page of staged names is 1,000; of parts there are 10,000.
const REQUESTS_MAX: u64 = 60;
/// What one answer of 8 MiB takes, and its elements.
const MEMORY_BYTES_MAX: u64 = 64 << 20;
