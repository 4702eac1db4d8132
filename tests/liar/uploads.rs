//! Lies about open uploads: their records, their parts, their end. What is completed in spite of them is what the client sent.

use std::sync::Arc;

use super::fixture::element;
use super::store::{Liar, Lie, STAGING};
use super::support::{Content, Gateway, Request, Response};
use super::table::tampered;
use super::wire::{Answer, Op};
use super::world::World;

/// An upload of `/bucket/key`, begun by one gateway.
struct Upload {
    id: String,
}

impl Upload {
    fn begin(gateway: &Gateway) -> Self {
        let created = gateway.call(Request::new("POST", "/bucket/key?uploads")).succeeds();
        Self { id: element(&String::from_utf8_lossy(&created), "UploadId") }
    }

    fn part(&self, gateway: &Gateway, number: u32, bytes: &[u8]) -> Response {
        gateway.call(Request::new("PUT", &format!("/bucket/key?partNumber={number}&uploadId={}", self.id)).body(bytes))
    }

    fn parts(&self, gateway: &Gateway) -> Response {
        gateway.call(Request::new("GET", &format!("/bucket/key?uploadId={}", self.id)))
    }

    fn complete(&self, gateway: &Gateway, etags: &[String]) -> Response {
        let part = |(etag, number): (&String, u32)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let parts: String = etags.iter().zip(1..).map(part).collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        gateway.call(Request::new("POST", &format!("/bucket/key?uploadId={}", self.id)).body(body))
    }
}

fn with_bucket() -> (Liar, Gateway) {
    let liar = Liar::start();
    let gateway = liar.gateway();
    gateway.call(Request::new("PUT", "/bucket")).succeeds();
    (liar, gateway)
}

fn is_refused(answer: &Response) -> bool {
    answer.status >= 400 || !answer.ended_well || answer.text().contains("<Error>")
}

/// Gives the record of one upload for that of every other.
fn another_record(world: &World) -> Lie {
    let records = world.buckets[STAGING].keys.iter().filter(|(key, _)| key.ends_with("/record"));
    let record = records.map(|(_, versions)| versions.last().unwrap().clone()).next().unwrap();
    Arc::new(move |asked, honest, _| {
        let is_record = asked.bucket == STAGING && asked.key.ends_with("/record") && asked.op() == Op::Get;
        if is_record { record.read(None) } else { honest }
    })
}

#[test]
fn the_record_of_an_earlier_upload_is_that_of_no_other() {
    let (liar, gateway) = with_bucket();
    let earlier = Upload::begin(&gateway);
    let lie = another_record(&liar.world());
    let later = Upload::begin(&gateway);
    let content = Content::new(1, 5 << 20).to_vec();
    // a replica that has seen neither of them
    let replica = liar.gateway();
    liar.lies(&lie);
    later.part(&replica, 1, &content).is_error(404, "NoSuchUpload");
    later.parts(&replica).is_error(404, "NoSuchUpload");
    later.complete(&replica, &["\"e\"".to_owned()]).is_error(404, "NoSuchUpload");
    // of its own upload it is still the record
    earlier.part(&replica, 1, &content).succeeds();
    assert_eq!(tampered(&replica), 0);
    // what was refused is not remembered
    liar.is_honest();
    let etag = later.part(&replica, 1, &content).header("etag").to_owned();
    later.complete(&replica, &[etag]).succeeds();
    assert!(replica.get("/bucket/key").succeeds() == content);
}

#[test]
fn a_record_that_is_something_else_is_refused() {
    let (liar, gateway) = with_bucket();
    let upload = Upload::begin(&gateway);
    for (name, body) in [("nothing", vec![]), ("noise", vec![7; 500]), ("too much", vec![7; 1 << 20])] {
        let replica = liar.gateway();
        let lie: Lie = Arc::new(move |asked, honest, _| {
            let is_record = asked.bucket == STAGING && asked.key.ends_with("/record") && asked.op() == Op::Get;
            if is_record { Answer { body: body.clone().into(), ..honest } } else { honest }
        });
        liar.lies(&lie);
        assert!(is_refused(&upload.part(&replica, 1, b"part")), "{name}");
        assert!(is_refused(&upload.parts(&replica)), "{name}");
        liar.is_honest();
        upload.part(&replica, 1, b"part").succeeds();
    }
}

#[test]
fn parts_that_change_places_are_found_out() {
    let (liar, gateway) = with_bucket();
    let (one, two) = (Content::new(1, 5 << 20).to_vec(), Content::new(2, 5 << 20).to_vec());
    let upload = Upload::begin(&gateway);
    let etags =
        [(1, &one), (2, &two)].map(|(number, part)| upload.part(&gateway, number, part).header("etag").to_owned());
    let mut world = liar.world();
    world.exchange_parts();
    liar.show(&world);
    let completed = upload.complete(&gateway, &etags);
    if !is_refused(&completed) {
        for replica in [&gateway, &liar.gateway()] {
            for range in ["bytes=0-", "bytes=0-9", "bytes=5242880-5242890", "bytes=-9"] {
                let read = replica.call(Request::new("GET", "/bucket/key").header("range", range));
                assert!(is_refused(&read), "{range}: {}", read.status);
            }
            assert!(is_refused(&replica.get("/bucket/key")));
            assert!(tampered(replica) > 0);
        }
    }
}

#[test]
fn what_the_store_answers_to_a_write_is_believed_as_far_as_it_goes() {
    let (liar, gateway) = with_bucket();
    let content = Content::new(1, 5 << 20).to_vec();
    for (name, op, answer) in [
        ("a part without an entity tag", Op::PutPart, Answer::empty(200)),
        ("500 to a part", Op::PutPart, Answer::error(500, "InternalError")),
        ("an end that is none", Op::Complete, Answer::error(200, "InternalError")),
        ("an end without a count of parts", Op::Complete, Answer::xml("<R><ETag>\"e\"</ETag></R>")),
        ("an end that is no document", Op::Complete, Answer::xml("nothing")),
        ("a beginning without an id", Op::Create, Answer::xml("<R></R>")),
    ] {
        let lie: Lie = Arc::new(
            move |asked, honest, _| {
                if asked.op() == op && asked.bucket != STAGING { answer.clone() } else { honest }
            },
        );
        liar.lies(&lie);
        let began = gateway.call(Request::new("POST", "/bucket/key?uploads"));
        if op == Op::Create {
            assert!(is_refused(&began), "{name}");
        } else {
            let upload = Upload { id: element(&began.text(), "UploadId") };
            let part = upload.part(&gateway, 1, &content);
            assert_eq!(is_refused(&part), op == Op::PutPart, "{name}");
            if op == Op::Complete {
                assert!(is_refused(&upload.complete(&gateway, &[part.header("etag").to_owned()])), "{name}");
            }
        }
        liar.is_honest();
        // an end that was told as failed may stand
        let read = gateway.get("/bucket/key");
        assert!(read.status == 404 || read.body == content, "{name}: {}", read.status);
        assert_eq!(tampered(&gateway), 0, "{name}");
    }
}
