//! Which way each operation goes, and what is let through.

use std::collections::BTreeSet;

use super::table::{self, About, FORWARDED, Target};
use super::*;
use crate::s3::gateway::{REFUSED, SERVED};

fn named(method: &Method, uri: &str) -> Option<&'static str> {
    table::operation(method, &uri.parse().unwrap()).map(|operation| operation.name)
}

#[test]
fn every_operation_goes_one_way_over_each_kind_of_store() {
    let (served, refused): (BTreeSet<_>, BTreeSet<_>) = (SERVED.iter().collect(), REFUSED.iter().collect());
    // all operations of the framework's trait, as the compiler demands of the gateway
    assert_eq!((served.len() + refused.len(), served.intersection(&refused).count()), (113, 0));
    let mut forwarded = BTreeSet::new();
    for operation in FORWARDED {
        assert!(served.contains(&operation.name) || refused.contains(&operation.name), "{}", operation.name);
        assert!(forwarded.insert(operation.name), "{} twice", operation.name);
    }
    // bodies of objects go past the seal nowhere
    for sealed in SERVED.iter().filter(|name| !forwarded.contains(*name)) {
        assert!(!sealed.ends_with("_acl") && !sealed.ends_with("_policy"), "{sealed}");
    }
    for bytes in ["put_object", "get_object", "copy_object", "upload_part", "upload_part_copy", "post_object"] {
        assert!(served.contains(&bytes) && !forwarded.contains(bytes));
    }
    for never in ["rename_object", "select_object_content", "restore_object", "get_object_torrent"] {
        assert!(refused.contains(&never) && !forwarded.contains(never));
    }
}

#[test]
fn each_entry_is_found_by_its_request_and_by_no_other_method() {
    for operation in FORWARDED {
        let path = if operation.about == About::Bucket { "/bucket" } else { "/bucket/a/key" };
        let uri = format!("{path}?{}", operation.word);
        assert_eq!(named(&operation.method, &uri), Some(operation.name));
        assert_eq!(named(&operation.method, &format!("{uri}=&x-id=X&X-Amz-Signature=1")), Some(operation.name));
        assert_eq!(named(&Method::POST, &uri), None);
    }
}

#[test]
fn what_is_the_clients_alone_does_not_reach_the_store() {
    let names = [
        "x-amz-date",
        "x-amz-security-token",
        "authorization",
        "cookie",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-server-side-encryption-customer-key-md5",
        "x-amz-copy-source-server-side-encryption-customer-key",
        "x-amz-bypass-governance-retention",
        "content-md5",
    ];
    let all = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("a")));
    let kept = kept(&HeaderMap::from_iter(all));
    let mut kept: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["content-md5", "x-amz-bypass-governance-retention"]);
}

#[test]
fn requests_for_the_bytes_of_objects_are_never_forwarded() {
    let sealed = [
        (Method::PUT, "/bucket/key"),
        (Method::GET, "/bucket/key"),
        (Method::GET, "/bucket/key?versionId=1"),
        (Method::PUT, "/bucket/key?partNumber=1&uploadId=acl"),
        (Method::PUT, "/bucket/key?acl&partNumber=1&uploadId=u"),
        (Method::GET, "/bucket?list-type=2&prefix=acl"),
        (Method::GET, "/bucket?acl&uploads"),
        (Method::PUT, "/bucket?acl&policy"),
        (Method::POST, "/bucket/key?uploads"),
        (Method::PUT, "/bucket/key?policy"),
        (Method::PUT, "/bucket/key?renameObject"),
        (Method::PUT, "/bucket/key?annotation"),
        (Method::GET, "/?acl"),
        (Method::GET, "/bucket?versions&acl=1"),
    ];
    for (method, uri) in sealed {
        assert_eq!(named(&method, uri), None, "{method} {uri}");
    }
}

#[test]
fn paths_are_decoded() {
    let target = table::target(&"/b/a%20b/%C3%A4+//c?acl".parse().unwrap()).unwrap();
    assert_eq!(target, Target { bucket: "b".to_owned(), key: Some("a b/ä+//c".to_owned()) });
    assert_eq!(table::target(&"/b/%ff?acl".parse().unwrap()), None);
    assert_eq!(table::target(&"/b/?acl".parse().unwrap()).unwrap().key, None);
}

#[test]
fn the_clients_signature_stays_here() {
    let uri: Uri = "/b?acl&X-Amz-Signature=abc&X-Amz-Credential=d&x-id=GetBucketAcl".parse().unwrap();
    assert_eq!(table::query(&uri), "acl");
    let headers =
        ["authorization", "x-amz-date", "x-amz-content-sha256", "host", "x-amz-acl", "content-type", "expect"];
    let all = headers.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x"))).collect();
    let left: Vec<_> = kept(&all).keys().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(left, ["x-amz-acl", "content-type"]);
}

#[test]
fn an_object_in_place_of_an_answer_is_not_shown() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-meta-sealgate", HeaderValue::from_static("envelope"));
    let answer = ForwardAnswer { status: http::StatusCode::OK, headers, body: Bytes::from_static(b"sealed") };
    let names = Names::new(&crate::tenant::BucketPrefix::empty(), "b");
    assert_eq!(shown(answer, &names).unwrap_err().code().as_str(), "NotImplemented");
}
