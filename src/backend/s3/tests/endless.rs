//! A store whose lists and answers come to no end, or are not those that were asked for: an error, soon, and little held.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use super::super::*;
use super::faulty::{Faulty, HEAD, Script, get_request, object, say};
use crate::backend::{BackendError, ListStart, Walk};

/// Answers with this document.
fn answer(stream: &mut TcpStream, document: &str) {
    let bytes = document.len();
    say(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n{document}"));
}

fn entry(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><ETag>e</ETag><Size>5</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
    )
}

fn part(number: u32) -> String {
    format!(
        "<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>5</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Part>"
    )
}

fn list_request(start: ListStart) -> ListRequest {
    ListRequest { bucket: BucketName::new("b"), prefix: "a/".to_owned(), delimiter: None, start, max: 2 }
}

async fn listed(script: Script, start: ListStart) -> Result<usize> {
    let page = Faulty::new(script).store().await.list(list_request(start)).await?;
    Ok(page.objects.len())
}

async fn parts_after(script: Script, after: u32) -> Result<usize> {
    let upload = UploadRef { bucket: BucketName::new("b"), key: "k".to_owned(), upload_id: UploadId::new("u") };
    Ok(Faulty::new(script).store().await.list_parts(&upload, after, 1_000).await?.parts.len())
}

/// Fails unless the store is blamed.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a result at the end of a test")]
fn is_blamed<T: std::fmt::Debug>(got: Result<T>) {
    assert!(matches!(got, Err(BackendError::Unavailable(_))), "{got:?}");
}

#[tokio::test]
async fn a_page_of_more_than_was_asked_for_is_refused() {
    let two: Script = |stream, _| answer(stream, &format!("<L>{}{}</L>", entry("a/1"), entry("a/2")));
    assert_eq!(listed(two, ListStart::Beginning).await.unwrap(), 2);
    is_blamed(
        listed(
            |stream, _| {
                let rolled = "<CommonPrefixes><Prefix>a/3</Prefix></CommonPrefixes>";
                answer(stream, &format!("<L>{}{}{rolled}</L>", entry("a/1"), entry("a/2")));
            },
            ListStart::Beginning,
        )
        .await,
    );
}

#[tokio::test]
async fn a_name_outside_of_the_prefix_is_refused() {
    is_blamed(listed(|stream, _| answer(stream, &format!("<L>{}</L>", entry("b/1"))), ListStart::Beginning).await);
    let rolled: Script = |stream, _| answer(stream, "<L><CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes></L>");
    is_blamed(listed(rolled, ListStart::Beginning).await);
}

/// Says that there is more, behind the same token for ever.
fn same_token(stream: &mut TcpStream, _: u32) {
    let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>";
    answer(stream, &format!("<L>{more}{}</L>", entry("a/1")));
}

#[tokio::test]
async fn a_token_that_leads_to_itself_is_refused() {
    assert_eq!(listed(same_token, ListStart::Beginning).await.unwrap(), 1);
    is_blamed(listed(same_token, ListStart::Token("t:same".to_owned())).await);
    let marker: Script = |stream, _| {
        answer(stream, &format!("<L><IsTruncated>true</IsTruncated>{}</L>", entry("a/1")));
    };
    is_blamed(listed(marker, ListStart::AfterEntry("a/1".to_owned())).await);
}

#[tokio::test]
async fn a_list_of_keys_without_an_end_is_given_up() {
    let faulty = Faulty::new(|stream, attempt| {
        let more = "<IsTruncated>true</IsTruncated>";
        let token = format!("<NextContinuationToken>{attempt}</NextContinuationToken>");
        answer(stream, &format!("<L>{more}{token}{}</L>", entry(&format!("a/{attempt:09}"))));
    });
    let store = faulty.store().await;
    let mut walk = Walk::new(&store, &BucketName::new("b"), "a/", None, 5);
    let mut pages = 0;
    let end = loop {
        match walk.next().await {
            Ok(Some(_)) => pages += 1,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    is_blamed(end);
    assert_eq!((pages, faulty.attempts()), (5, 5));
}

#[tokio::test]
async fn versions_that_lead_to_themselves_are_refused() {
    let faulty = Faulty::new(|stream, _| {
        let more = "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>";
        answer(stream, &format!("<L>{more}<NextVersionIdMarker>v</NextVersionIdMarker></L>"));
    });
    let first = ListVersionsRequest {
        bucket: BucketName::new("b"),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        version_id_marker: None,
        max: 10,
    };
    let store = faulty.store().await;
    assert!(store.list_versions(first.clone()).await.unwrap().next.is_some());
    let version_id_marker = Some(VersionId::new("v"));
    is_blamed(
        store.list_versions(ListVersionsRequest { key_marker: Some("k".to_owned()), version_id_marker, ..first }).await,
    );
}

#[tokio::test]
async fn parts_ascend_and_end() {
    let two: Script = |stream, _| answer(stream, &format!("<L>{}{}</L>", part(4), part(7)));
    assert_eq!(parts_after(two, 3).await.unwrap(), 2);
    is_blamed(parts_after(two, 4).await);
    is_blamed(parts_after(|stream, _| answer(stream, &format!("<L>{}{}</L>", part(7), part(4))), 3).await);
    is_blamed(parts_after(|stream, _| answer(stream, &format!("<L>{}{}</L>", part(4), part(4))), 3).await);
    is_blamed(parts_after(|stream, _| answer(stream, &format!("<L>{}</L>", part(10_001))), 3).await);
}

#[tokio::test]
async fn buckets_without_an_end_are_given_up() {
    let faulty = Faulty::new(|stream, attempt| {
        let buckets: Vec<_> = (0..2_000).map(|n| format!("<Bucket><Name>b{attempt}-{n}</Name></Bucket>")).collect();
        let buckets = buckets.concat();
        let next = format!("<ContinuationToken>{attempt}</ContinuationToken>");
        answer(stream, &format!("<L><Buckets>{buckets}</Buckets>{next}</L>"));
    });
    is_blamed(faulty.store().await.list_buckets("b").await.map(drop));
    assert_eq!(faulty.attempts(), 51);
}

#[tokio::test]
async fn more_outcomes_than_deletes_are_refused() {
    let faulty =
        Faulty::new(|stream, _| answer(stream, &format!("<R>{}</R>", "<Deleted><Key>k</Key></Deleted>".repeat(2))));
    let item = DeleteItem { key: "k".to_owned(), version_id: None, if_match: None };
    is_blamed(faulty.store().await.delete_many(&BucketName::new("b"), vec![item], Governance::Holds).await);
}

#[tokio::test]
async fn more_tags_than_there_can_be_are_refused() {
    let faulty = Faulty::new(|stream, _| {
        let tags = "<Tag><Key>k</Key><Value/></Tag>".repeat(101);
        answer(stream, &format!("<T><TagSet>{tags}</TagSet></T>"));
    });
    is_blamed(faulty.store().await.tags(&object()).await);
}

#[tokio::test]
async fn a_document_of_too_many_elements_is_refused() {
    is_blamed(
        listed(|stream, _| answer(stream, &format!("<L>{}</L>", "<a/>".repeat(300_000))), ListStart::Beginning).await,
    );
}

#[tokio::test]
async fn a_document_that_is_too_long_is_given_up_before_it_ends() {
    let endless: Script = |stream, _| {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    };
    is_blamed(listed(endless, ListStart::Beginning).await);
}

/// Sends a piece now and then, never for as long as the store is waited for, until nobody listens any more.
#[expect(clippy::disallowed_methods, reason = "the pace of a slow store, on a thread of its own")]
fn drip(stream: &mut TcpStream, piece: &str) {
    while stream.write_all(piece.as_bytes()).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_document_that_drips_is_given_up() {
    let dripping: Script = |stream, _| {
        say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        drip(stream, "1\r\n \r\n");
    };
    is_blamed(listed(dripping, ListStart::Beginning).await);
}

#[tokio::test]
async fn a_head_that_drips_is_given_up() {
    let dripping: Script = |stream, _| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}"));
        drip(stream, "x: y\r\n");
    };
    is_blamed(Faulty::new(dripping).store().await.get(get_request(None)).await.map(drop));
}

#[tokio::test]
async fn a_head_of_too_many_lines_is_refused() {
    let long: Script = |stream, _| {
        say(stream, &format!("HTTP/1.1 200 OK\r\n{HEAD}Content-Length: 0\r\n{}\r\n", "x: y\r\n".repeat(10_000)));
    };
    is_blamed(Faulty::new(long).store().await.get(get_request(None)).await.map(drop));
}
