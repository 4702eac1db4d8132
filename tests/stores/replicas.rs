//! Several gateways over one store: nothing is kept in any of them.

use super::over::{own_prefix, replica, takes_parts};
use super::support::{Content, Gateway, Request, Response};

/// The text of the first element of this name.
fn element(answer: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(answer);
    let (_, rest) = text.split_once(&format!("<{name}>")).expect("the element is there");
    rest.split_once('<').unwrap().0.to_owned()
}

fn part(gateway: &Gateway, id: &str, number: u32, bytes: &[u8]) -> String {
    let put = Request::new("PUT", &format!("/bucket/key?partNumber={number}&uploadId={id}")).body(bytes);
    let answer = gateway.call(put);
    assert_eq!(answer.status, 200);
    answer.header("etag").to_owned()
}

fn complete(gateway: &Gateway, id: &str, etags: &[String]) -> Response {
    let part = |(number, etag): (usize, &String)| {
        format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", number + 1)
    };
    let parts: String = etags.iter().enumerate().map(part).collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    gateway.call(Request::new("POST", &format!("/bucket/key?uploadId={id}")).body(body))
}

#[test]
fn an_upload_begun_on_one_replica_is_continued_and_completed_on_another() {
    if !takes_parts() {
        return;
    }
    let prefix = own_prefix();
    let (one, two) = (replica(&prefix), replica(&prefix));
    one.call(Request::new("PUT", "/bucket")).succeeds();
    let id = element(&one.call(Request::new("POST", "/bucket/key?uploads")).succeeds(), "UploadId");
    let bodies =
        [Content::new(1, 6 << 20).to_vec(), Content::new(2, 5 << 20).to_vec(), Content::new(3, 100_000).to_vec()];
    let etags = [part(&one, &id, 1, &bodies[0]), part(&two, &id, 2, &bodies[1]), part(&one, &id, 3, &bodies[2])];
    complete(&two, &id, &etags).succeeds();
    for replica in [&one, &two] {
        assert!(replica.get("/bucket/key").succeeds() == bodies.concat());
        let range = Request::new("GET", "/bucket/key").header("range", "bytes=6000000-7000000");
        assert!(replica.call(range).body == bodies.concat()[6_000_000..=7_000_000]);
    }
}

#[test]
fn an_upload_outlives_the_replica_that_it_was_begun_on() {
    if !takes_parts() {
        return;
    }
    let prefix = own_prefix();
    let (one, two) = (replica(&prefix), replica(&prefix));
    one.call(Request::new("PUT", "/bucket")).succeeds();
    let id = element(&one.call(Request::new("POST", "/bucket/key?uploads")).succeeds(), "UploadId");
    let bodies = [Content::new(4, 6 << 20).to_vec(), Content::new(5, 1_000).to_vec()];
    let first = part(&one, &id, 1, &bodies[0]);
    let cut =
        Request::new("PUT", &format!("/bucket/key?partNumber=2&uploadId={id}")).body(Content::new(6, 8 << 20).to_vec());
    one.signer().sign(cut, one.address()).send_cut(one.address(), 3 << 20);
    // dropped is killed
    drop(one);
    let etags = [first, part(&two, &id, 2, &bodies[1])];
    complete(&two, &id, &etags).succeeds();
    assert!(two.get("/bucket/key").succeeds() == bodies.concat());
}
