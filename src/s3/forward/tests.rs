//! Which way each operation goes, and what is let through.

use std::collections::BTreeSet;

use super::document::{from_client, from_store};
use super::table::{self, OPERATIONS, Rest, Target};
use super::xml::{XmlError, plain};
use super::*;
use crate::s3::gateway::{REFUSED, SERVED};
use crate::s3::testing::code;

fn named(method: &Method, uri: &str) -> Option<&'static str> {
    table::operation(method, &uri.parse().unwrap()).map(|operation| operation.name)
}

const ALL: [Setting; 6] = [
    Setting::Lifecycle,
    Setting::ObjectLock,
    Setting::Accelerate,
    Setting::RequestPayment,
    Setting::Retention,
    Setting::LegalHold,
];

#[test]
fn settings_that_a_store_keeps_go_to_it_and_nothing_else_does() {
    let (served, refused): (BTreeSet<_>, BTreeSet<_>) = (SERVED.iter().collect(), REFUSED.iter().collect());
    // all operations of the framework's trait, as the compiler demands of the gateway
    assert_eq!((served.len() + refused.len(), served.intersection(&refused).count()), (113, 0));
    let mut names = BTreeSet::new();
    for operation in OPERATIONS {
        assert!(served.contains(&operation.name) || refused.contains(&operation.name), "{}", operation.name);
        assert!(names.insert(operation.name), "{} twice", operation.name);
    }
    let kept = ["lifecycle", "object_lock", "retention", "legal_hold", "request_payment", "accelerate"];
    assert!(names.iter().all(|name| kept.iter().any(|kept| name.contains(kept))), "{names:?}");
}

#[test]
fn each_entry_is_found_by_its_request_and_by_no_other_method() {
    for (operation, word) in OPERATIONS.iter().map(|one| {
        let word = match one.setting {
            Setting::Lifecycle => "lifecycle",
            Setting::ObjectLock => "object-lock",
            Setting::Accelerate => "accelerate",
            Setting::RequestPayment => "requestPayment",
            Setting::Retention => "retention",
            Setting::LegalHold => "legal-hold",
        };
        (one, word)
    }) {
        let of_objects = table::is_of_objects(operation.setting);
        let (path, other) = if of_objects { ("/bucket/a/key", "/bucket") } else { ("/bucket", "/bucket/a/key") };
        let uri = format!("{path}?{word}");
        assert_eq!(named(&operation.method, &uri), Some(operation.name));
        assert_eq!(named(&operation.method, &format!("{uri}=&x-id=X&X-Amz-Signature=1")), Some(operation.name));
        assert_eq!(named(&operation.method, &uri.replace('e', "%65")), Some(operation.name));
        assert_eq!(named(&Method::POST, &uri), None);
        assert_eq!(named(&operation.method, &format!("{other}?{word}")), None);
    }
}

#[test]
fn every_other_request_is_the_verbs_matter() {
    for (method, uri) in [
        (Method::PUT, "/bucket/key"),
        (Method::GET, "/bucket/key?versionId=1"),
        (Method::PUT, "/bucket/key?partNumber=1&uploadId=lifecycle"),
        (Method::GET, "/bucket?list-type=2&prefix=lifecycle"),
        (Method::GET, "/bucket?lifecycle&object-lock"),
        (Method::PUT, "/bucket?policy"),
        (Method::PUT, "/bucket?acl"),
        (Method::PUT, "/bucket?replication"),
        (Method::PUT, "/bucket?Lifecycle"),
        (Method::GET, "/?lifecycle"),
    ] {
        assert_eq!(named(&method, uri), None, "{method} {uri}");
    }
}

#[test]
fn of_a_query_the_version_is_taken_and_what_is_not_known_is_named() {
    let rest = |uri: &str, of| table::rest(&uri.parse().unwrap(), of);
    let uri = "/b/k?retention&versionId=a%2Fb&X-Amz-Signature=abc&x-id=GetObjectRetention";
    assert_eq!(rest(uri, Setting::Retention), Rest { version_id: Some("a/b".to_owned()), unknown: None });
    assert_eq!(rest("/b?lifecycle&versionId=1", Setting::Lifecycle).unknown.as_deref(), Some("versionId"));
    assert_eq!(rest("/b?lifecycle&prefix=p", Setting::Lifecycle).unknown.as_deref(), Some("prefix"));
}

#[test]
fn paths_are_decoded() {
    let target = table::target(&"/b/a%20b/%C3%A4+//c?acl".parse().unwrap()).unwrap();
    assert_eq!(target, Target { bucket: "b".to_owned(), key: Some("a b/ä+//c".to_owned()) });
    assert_eq!(table::target(&"/b/%ff?acl".parse().unwrap()), None);
    assert_eq!(table::target(&"/b/?acl".parse().unwrap()).unwrap().key, None);
}

#[test]
fn a_document_is_made_plain_whatever_its_spelling() {
    for document in [
        "<R><A>a&amp;b&#x3c;</A><B></B></R>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <A>a&amp;b&lt;</A> <B/></R>\n",
        "\u{feff}<R><A><![CDATA[a&]]>b<!-- c --><![CDATA[<]]></A><B x='y'/></R>",
        "<R><A>a<!-- no end of it -->&#38;b&lt;</A><B></B></R><!-- more -->",
    ] {
        assert_eq!(plain(document.as_bytes()).unwrap().text, "<R><A>a&amp;b&lt;</A><B></B></R>", "{document}");
    }
    // a character above U+FFFF, and space that counts
    assert_eq!(plain("<R> &#x1F600;\u{1f600} </R>".as_bytes()).unwrap().text, "<R> \u{1f600}\u{1f600} </R>");
}

#[test]
fn a_document_that_two_readers_may_read_differently_is_refused() {
    let utf16: Vec<u8> = "<R/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!("{}{}", "<R>".repeat(17), "</R>".repeat(17));
    let many = format!("<R>{}</R>", "<a/>".repeat(40_000));
    for (document, why) in [
        (&utf16[..], XmlError::Character),
        (&[&[0xff, 0xfe], &utf16[..]].concat(), XmlError::Encoding),
        (b"<R>\xff</R>", XmlError::Encoding),
        (b"<?xml version=\"1.0\" encoding=\"UTF-16\"?><R/>", XmlError::Encoding),
        (b"<?xml version=\"1.0\" encoding=\"latin1\"?><R/>", XmlError::Encoding),
        (b"<!DOCTYPE R [<!ENTITY e \"x\">]><R>&e;</R>", XmlError::Instruction),
        (b"<!DOCTYPE R SYSTEM \"file:///etc/passwd\"><R/>", XmlError::Instruction),
        (b"<R><?target?></R>", XmlError::Instruction),
        (b"<s:R xmlns:s='x'/>", XmlError::Prefix),
        (b"<R><s:A xmlns:s='x'>a</s:A></R>", XmlError::Prefix),
        (b"<R>text<A/></R>", XmlError::Mixed),
        (b"<R><A/>text</R>", XmlError::Mixed),
        (b"text<R/>", XmlError::Mixed),
        (b"<R>&#0;</R>", XmlError::Character),
        (b"<R>\x01</R>", XmlError::Character),
        (b"<R>&#13;</R>", XmlError::Character),
        (b"<R>&#xFFFE;</R>", XmlError::Character),
        (b"<R>&nope;</R>", XmlError::Form),
        (b"<R/><R/>", XmlError::Form),
        (b"<R>", XmlError::Form),
        (b"</R>", XmlError::Form),
        (b"", XmlError::Form),
        (b"{}", XmlError::Mixed),
        (deep.as_bytes(), XmlError::Size),
        (many.as_bytes(), XmlError::Size),
    ] {
        assert_eq!(plain(document).map(|plain| plain.text), Err(why), "{:.60}", String::from_utf8_lossy(document));
    }
}

fn lifecycle(rule: &str) -> String {
    format!("<LifecycleConfiguration><Rule>{rule}<Status>Enabled</Status></Rule></LifecycleConfiguration>")
}

#[test]
fn documents_that_clients_send_are_written_anew_and_keep_what_they_say() {
    let rules = "<ID>a</ID><Filter><And><Prefix>a &amp; b/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>\
                 <Expiration><Days>10</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>\
                 <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>\
                 <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
    for (setting, document) in [
        (Setting::Lifecycle, lifecycle(rules)),
        (Setting::Lifecycle, lifecycle("<Prefix></Prefix><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>")),
        (Setting::Lifecycle, lifecycle("<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>")),
        (Setting::Lifecycle, lifecycle("<Prefix>a<![CDATA[b]]>&#x1F600;</Prefix><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>")),
        (Setting::ObjectLock, "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>".to_owned()),
        (Setting::Retention, "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00.000Z</RetainUntilDate></Retention>".to_owned()),
        (Setting::Retention, "<Retention/>".to_owned()),
        (Setting::LegalHold, "<LegalHold xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Status>ON</Status></LegalHold>".to_owned()),
        (Setting::Accelerate, "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>".to_owned()),
        (Setting::RequestPayment, "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>".to_owned()),
    ] {
        let sent = from_client(setting, document.as_bytes()).unwrap_or_else(|error| panic!("{error:?} {document}"));
        // and once more: what was written is what is written
        assert_eq!(from_client(setting, &sent).unwrap(), sent);
        assert_eq!(from_store(setting, &sent), Answer::Setting(sent));
    }
    let joined = from_client(Setting::Lifecycle, lifecycle("<Prefix>a<![CDATA[b]]></Prefix>").as_bytes()).unwrap();
    assert!(String::from_utf8_lossy(&joined).contains("<Prefix>ab</Prefix>"), "{joined:?}");
}

#[test]
fn a_document_that_would_lose_something_is_refused() {
    for rule in [
        "<Filter><Wider>x</Wider></Filter>",
        "<Unknown/>",
        "<Expiration><Days>10abc</Days></Expiration>",
        "<Expiration><Days>010</Days></Expiration>",
        "<Expiration><Days>ten</Days></Expiration>",
        "<Prefix>a</Prefix><Prefix>b</Prefix>",
        "<Status>Enabled</Status>",
        "<Prefix><Prefix>a</Prefix></Prefix>",
        "<Expiration><Date>tomorrow</Date></Expiration>",
    ] {
        assert_eq!(code(from_client(Setting::Lifecycle, lifecycle(rule).as_bytes())), "MalformedXML", "{rule}");
    }
    let many = format!(
        "<LifecycleConfiguration>{}</LifecycleConfiguration>",
        "<Rule><Status>Enabled</Status></Rule>".repeat(1_001)
    );
    for (setting, document) in [
        (Setting::Lifecycle, &*many),
        (
            Setting::Lifecycle,
            "<LifecycleConfiguration><Other/><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>",
        ),
        (Setting::Lifecycle, "<LifecycleConfiguration><Rule><Status>enabled?</Status></Rule></LifecycleConfiguration>"),
        (Setting::Lifecycle, "<LifecycleConfiguration/>"),
        (Setting::Lifecycle, "<ReplicationConfiguration/>"),
        (Setting::Lifecycle, ""),
        (
            Setting::ObjectLock,
            "<ObjectLockConfiguration><ObjectLockEnabled>On</ObjectLockEnabled></ObjectLockConfiguration>",
        ),
        (
            Setting::ObjectLock,
            "<ObjectLockConfiguration><Rule><DefaultRetention><Mode>x</Mode></DefaultRetention></Rule></ObjectLockConfiguration>",
        ),
        (Setting::ObjectLock, "<ObjectLockConfiguration><Bucket>arn:aws:s3:::other</Bucket></ObjectLockConfiguration>"),
        (Setting::Retention, "<Retention><Mode>governance</Mode></Retention>"),
        (Setting::Retention, "<Retention><More/></Retention>"),
        (Setting::LegalHold, "<LegalHold><Status>on</Status></LegalHold>"),
        (Setting::Accelerate, "<AccelerateConfiguration><Status>x</Status></AccelerateConfiguration>"),
        (Setting::RequestPayment, "<RequestPaymentConfiguration><Payer>b-bucket</Payer></RequestPaymentConfiguration>"),
        (Setting::RequestPayment, "<RequestPaymentConfiguration/>"),
    ] {
        assert_eq!(code(from_client(setting, document.as_bytes())), "MalformedXML", "{document:.90}");
    }
}

#[test]
fn lifecycle_rules_by_size_and_of_dots_are_refused() {
    for filter in [
        "<ObjectSizeGreaterThan>1</ObjectSizeGreaterThan>",
        "<ObjectSizeLessThan>1</ObjectSizeLessThan>",
        "<And><Prefix>a</Prefix><ObjectSizeLessThan>1</ObjectSizeLessThan></And>",
        "<And><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And>",
    ] {
        let document = lifecycle(&format!("<Filter>{filter}</Filter>"));
        assert_eq!(code(from_client(Setting::Lifecycle, document.as_bytes())), "NotImplemented", "{filter}");
    }
    for rule in [
        "<Prefix>../b-bucket/</Prefix>",
        "<Filter><Prefix>a/../../b-bucket/</Prefix></Filter>",
        "<Filter><And><Prefix>&#46;./</Prefix></And></Filter>",
    ] {
        assert_eq!(code(from_client(Setting::Lifecycle, lifecycle(rule).as_bytes())), "InvalidArgument", "{rule}");
    }
}

#[test]
fn of_a_stores_answer_the_setting_is_shown_and_nothing_else() {
    let more = "<LifecycleConfiguration><Bucket>a-bucket</Bucket><!-- a-bucket --><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>";
    let Answer::Setting(shown) = from_store(Setting::Lifecycle, more.as_bytes()) else { panic!("it is one") };
    assert!(!String::from_utf8_lossy(&shown).contains("a-bucket"), "{shown:?}");
    for setting in ALL {
        assert_eq!(from_store(setting, b"<ListBucketResult><Name>a-bucket</Name></ListBucketResult>"), Answer::Other);
        assert_eq!(from_store(setting, b""), Answer::Other);
        for broken in [&b"\x00sealed"[..], b"<LifecycleConfiguration>", b"<!DOCTYPE x><Retention/>"] {
            assert_eq!(from_store(setting, broken), Answer::Broken);
        }
    }
    let broken = lifecycle("<Filter><Wider/></Filter>");
    assert_eq!(from_store(Setting::Lifecycle, broken.as_bytes()), Answer::Broken);
}
