//! Writes on conditions, in the entity tags that clients are shown.

use super::over::{lacks, with_bucket};
use super::support::{Request, Response};

#[test]
fn an_overwrite_is_made_of_the_object_that_the_client_saw_and_of_no_other() {
    let gateway = with_bucket();
    let put = |header: &str, value: &str, body: &[u8]| {
        gateway.call(Request::new("PUT", "/bucket/key").header(header, value).body(body))
    };
    if lacks(&gateway, "conditions of PutObject") {
        put("if-none-match", "*", b"first").is_error(501, "NotImplemented");
        gateway.has_no("/bucket/key");
        return;
    }
    let tag = |answer: Response| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("etag").to_owned()
    };
    // a body that is held, and one that streams
    for bytes in [1_000, 3 << 20] {
        let bodies = [1, 2].map(|seed| super::support::Content::new(seed, bytes).to_vec());
        gateway.call(Request::new("DELETE", "/bucket/key")).succeeds();
        let seen = tag(put("if-none-match", "*", &bodies[0]));
        put("if-none-match", "*", &bodies[1]).is_error(412, "PreconditionFailed");
        let newer = tag(put("if-match", &seen, &bodies[1]));
        put("if-match", &seen, &bodies[0]).is_error(412, "PreconditionFailed");
        assert!(gateway.get("/bucket/key").succeeds() == bodies[1]);
        tag(put("if-match", newer.trim_matches('"'), &bodies[0]));
        assert!(gateway.get("/bucket/key").succeeds() == bodies[0]);
    }
}
